//! Requests over both protocols, and what the edge does to them.

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};

use tokio::io::AsyncWriteExt;

use crate::harness::{Client, HOST, House, until, within};
use edge::Limits;

pub(crate) type Sender = hyper::client::conn::http2::SendRequest<Full<Bytes>>;

pub(crate) async fn h2(client: &Client) -> Sender {
    let stream = client.clone().alpn(&["h2"]).connect().await.unwrap();
    let (sender, conn) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(conn);
    sender
}

pub(crate) fn ask(path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post(format!("https://{HOST}{path}")).body(Full::new(body.into())).unwrap()
}

#[tokio::test]
async fn both_protocols_reach_the_application() {
    let house = House::open(Limits::default()).await;
    let page = house.client().get("/").await;
    assert!(page.starts_with("HTTP/1.1 200") && page.ends_with("hello"), "{page}");
    assert!(page.contains("strict-transport-security: max-age=63072000"), "{page}");
    let mut sender = h2(&house.client()).await;
    let response = within(sender.send_request(ask("/echo", "12345"))).await.unwrap();
    assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_2));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "5 bytes");
}

#[tokio::test]
async fn fields_that_claim_another_address_are_removed() {
    let house = House::open(Limits::default()).await;
    let page = house
        .client()
        .raw(format!(
            "GET /fields HTTP/1.1\r\nhost: {HOST}\r\nX-Forwarded-For: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\n\
             X-Real-IP: 1.2.3.4\r\nX-Wardroom-Actor: root\r\nProxy: http://1.2.3.4\r\nx-mine: kept\r\nconnection: close\r\n\r\n"
        ))
        .await;
    assert!(page.contains("kept") && !page.contains("1.2.3.4") && !page.contains("root"), "{page}");
}

#[tokio::test]
async fn a_request_that_can_be_read_in_two_ways_is_refused() {
    let house = House::open(Limits::default()).await;
    for head in [
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nhost: \r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\nhost: {HOST}\r\nhost: other.test\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: me@{HOST}\r\n\r\n"),
        format!("GET https://other.test/ HTTP/1.1\r\nhost: {HOST}\r\n\r\n"),
        format!(
            "POST /echo HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n123456"
        ),
        format!("POST /echo HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: +5\r\n\r\n12345"),
        format!(
            "POST /echo HTTP/1.1\r\nhost: {HOST}\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n"
        ),
        format!("GET / HTTP/1.1\r\nhost : {HOST}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: {HOST}\r\nx: a\r\n b\r\n\r\n"),
    ] {
        let page = house.client().raw(&head).await;
        assert!(page.starts_with("HTTP/1.1 400"), "{head:?} gave {page:?}");
    }
    let page = house.client().raw(format!("TRACE / HTTP/1.1\r\nhost: {HOST}\r\n\r\n")).await;
    assert!(page.starts_with("HTTP/1.1 405"), "{page}");
}

#[tokio::test]
async fn a_length_beside_a_transfer_encoding_ends_the_connection() {
    let house = House::open(Limits::default()).await;
    // What follows is what a smuggler would want to be read as the next request.
    for fields in
        ["content-length: 5\r\ntransfer-encoding: chunked", "transfer-encoding: chunked\r\ncontent-length: 5"]
    {
        let first = format!("POST /echo HTTP/1.1\r\nhost: {HOST}\r\n{fields}\r\n\r\n0\r\n\r\n");
        let page = house.client().raw(format!("{first}GET /smuggled HTTP/1.1\r\nhost: {HOST}\r\n\r\n")).await;
        assert_eq!(page.matches("HTTP/1.1 ").count(), 1, "{page}");
        assert!(page.contains("connection: close"), "{page}");
    }
    assert_eq!(house.close().await.requests, 2);
}

#[tokio::test]
async fn a_handler_that_panics_answers_500_and_harms_nobody() {
    let house = House::open(Limits::default()).await;
    let mut sender = h2(&house.client()).await;
    let (failing, fine) =
        (sender.send_request(ask("/panic", "")), sender.clone().send_request(ask("/echo", "1")));
    let (failing, fine) = within(async { tokio::join!(failing, fine) }).await;
    assert_eq!(failing.unwrap().status(), 500);
    assert_eq!(fine.unwrap().status(), 200);
    let page = house.client().get("/panic").await;
    assert!(page.starts_with("HTTP/1.1 500") && !page.contains("on purpose"), "{page}");
    assert!(page.contains("application/problem+json"), "{page}");
}

#[tokio::test]
async fn an_upgraded_connection_is_the_applications_and_still_counted() {
    let house = House::open(Limits { connections: 1, ..Limits::default() }).await;
    let mut stream = house.client().connect().await.unwrap();
    let head =
        format!("GET /upgrade HTTP/1.1\r\nhost: {HOST}\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    assert!(until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 101"));
    for word in ["ping", "pong"] {
        stream.write_all(word.as_bytes()).await.unwrap();
        until(&mut stream, word).await;
    }
    assert!(house.client().connect().await.is_err(), "it still holds its place");
    drop(stream);
    eventually_connects(&house).await;
}

async fn eventually_connects(house: &House) {
    for _ in 0..200 {
        if house.client().connect().await.is_ok() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("the place of a closed connection stays taken");
}

#[tokio::test]
async fn many_requests_share_a_connection() {
    let house = House::open(Limits::default()).await;
    let mut sender = h2(&house.client()).await;
    // The first answer has told the client how many streams it may open.
    within(sender.send_request(ask("/echo", ""))).await.unwrap();
    let all = (0..200).map(|i| {
        let mut sender = sender.clone();
        async move { sender.send_request(ask("/echo", vec![b'x'; i])).await.unwrap().status() }
    });
    let all = within(futures_util::future::join_all(all)).await;
    assert!(all.iter().all(|status| *status == 200));
    let report = house.close().await;
    assert_eq!((report.connections, report.requests), (1, 201));
}
