//! People with bad manners.

use std::time::Duration;

use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::harness::{HOST, House, eventually, get, rest, until, within};
use kernel::World;

use crate::requests::{ask, h2};
use edge::{Admission, Door, Edge, EdgeError, Limits};

fn post(length: usize, body: &str) -> String {
    format!("POST /echo HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: {length}\r\n\r\n{body}")
}

#[tokio::test]
async fn cleartext_on_the_tls_port_is_told_to_use_https() {
    let house = House::open(Limits::default()).await;
    for words in ["GET / HTTP/1.1\r\nhost: x\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "POST"] {
        let mut stream = TcpStream::connect(house.addr).await.unwrap();
        stream.write_all(words.as_bytes()).await.unwrap();
        let page = rest(&mut stream).await;
        assert!(page.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{page}");
        assert!(page.contains("text/plain") && page.contains("https://"), "{page}");
    }
    assert_eq!(house.close().await.cleartext, 3);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_answered_431() {
    let house = House::open(Limits::default()).await;
    let fields: String = (0..70).map(|i| format!("x-{i}: y\r\n")).collect();
    for head in [
        format!("GET / HTTP/1.1\r\nhost: {HOST}\r\nx: {}\r\n\r\n", "y".repeat(20_000)),
        format!("GET /{} HTTP/1.1\r\nhost: {HOST}\r\n\r\n", "y".repeat(20_000)),
        format!("GET / HTTP/1.1\r\nhost: {HOST}\r\n{fields}\r\n"),
    ] {
        let page = house.client().raw(&head).await;
        assert!(page.starts_with("HTTP/1.1 431") || page.starts_with("HTTP/1.1 414"), "{page}");
    }
    let mut sender = h2(&house.client()).await;
    let mut request = ask("/", "");
    for i in 0..70 {
        request.headers_mut().insert(
            http::HeaderName::try_from(format!("x-{i}")).unwrap(),
            http::HeaderValue::from_static("y"),
        );
    }
    assert_eq!(within(sender.send_request(request)).await.unwrap().status(), 431);
    let mut request = ask("/", "");
    request.headers_mut().insert("x", http::HeaderValue::from_str(&"y".repeat(20_000)).unwrap());
    let refused = within(sender.send_request(request)).await;
    assert!(refused.is_err() || refused.unwrap().status() == 431);
    assert_eq!(house.client().get("/").await.lines().next(), Some("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn a_body_that_is_too_large_is_answered_413_with_or_without_a_length() {
    let house = House::open(Limits { body_bytes: 1000, ..Limits::default() }).await;
    let page = house.client().raw(post(1001, &"x".repeat(1001))).await;
    assert!(page.starts_with("HTTP/1.1 413") && page.contains("connection: close"), "{page}");
    let head = format!("POST /echo HTTP/1.1\r\nhost: {HOST}\r\ntransfer-encoding: chunked\r\n\r\n");
    let page = house.client().raw(format!("{head}200\r\n{0}\r\n200\r\n{0}\r\n", "x".repeat(512))).await;
    assert!(page.starts_with("HTTP/1.1 413"), "the limit outranks the application's 200: {page}");
    let mut sender = h2(&house.client()).await;
    assert_eq!(within(sender.send_request(ask("/echo", vec![0; 1001]))).await.unwrap().status(), 413);
    let fits = within(sender.send_request(ask("/echo", vec![0; 1000]))).await.unwrap();
    assert_eq!(fits.into_body().collect().await.unwrap().to_bytes(), "1000 bytes");
    assert_eq!(house.close().await.refused_requests, 3);
}

#[tokio::test]
async fn a_large_upload_that_is_refused_still_reads_why() {
    let house = House::open(Limits { body_bytes: 1000, ..Limits::default() }).await;
    let mut stream = house.client().connect().await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(&mut stream);
    let upload = async {
        writer.write_all(post(500_000, "").as_bytes()).await?;
        writer.write_all(&vec![b'x'; 500_000]).await?;
        writer.flush().await
    };
    let (_, page) = within(async { tokio::join!(upload, rest(&mut reader)) }).await;
    assert!(page.starts_with("HTTP/1.1 413"), "{page:?}");
}

#[tokio::test]
async fn a_head_that_never_ends_is_given_up() {
    let limits = Limits { header_timeout: Duration::from_millis(600), ..Limits::default() };
    let house = House::open(limits).await;
    let mut stream = house.client().connect().await.unwrap();
    stream.write_all(format!("GET / HTTP/1.1\r\nhost: {HOST}\r\n").as_bytes()).await.unwrap();
    // One field every 100 ms: the deadline is for the whole head, not for each byte.
    let (mut reader, mut writer) = tokio::io::split(stream);
    let trickle = async {
        for i in 0..100 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if writer.write_all(format!("x-{i}: y\r\n").as_bytes()).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! { _ = rest(&mut reader) => {}, () = trickle => panic!("the head was read to its end") }
    assert_eq!(house.close().await.requests, 0);
}

#[tokio::test]
async fn a_body_that_trickles_is_answered_408_and_the_connection_ends() {
    let limits = Limits { body_grace: Duration::from_millis(300), body_rate: 10_000, ..Limits::default() };
    let house = House::open(limits).await;
    let mut stream = house.client().connect().await.unwrap();
    stream.write_all(post(1000, "x").as_bytes()).await.unwrap();
    let page = {
        let (mut reader, mut writer) = tokio::io::split(&mut stream);
        let trickle = async {
            for _ in 0..100 {
                tokio::time::sleep(Duration::from_millis(50)).await;
                if writer.write_all(b"x").await.is_err() || writer.flush().await.is_err() {
                    return;
                }
            }
        };
        tokio::select! { page = rest(&mut reader) => page, () = trickle => panic!("the body was read to its end") }
    };
    assert!(page.starts_with("HTTP/1.1 408") && page.contains("connection: close"), "{page}");
    assert_eq!(house.close().await.slow_requests, 1);
}

#[tokio::test]
async fn an_application_that_takes_too_long_is_answered_503() {
    let house =
        House::open(Limits { request_timeout: Duration::from_millis(200), ..Limits::default() }).await;
    let page = house.client().get("/slow").await;
    assert!(page.starts_with("HTTP/1.1 503"), "{page}");
    assert_eq!(house.close().await.late_answers, 1);
}

#[tokio::test]
async fn an_event_stream_outlives_the_request_timeout_and_the_idle_timeout() {
    let limits = Limits {
        request_timeout: Duration::from_millis(800),
        idle_timeout: Duration::from_millis(800),
        header_timeout: Duration::from_millis(800),
        ..Limits::default()
    };
    let house = House::open(limits).await;
    for alpn in ["http/1.1", "h2"] {
        if alpn == "h2" {
            let mut sender = h2(&house.client()).await;
            let mut body = within(sender.send_request(ask("/events", ""))).await.unwrap().into_body();
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(2500) {
                within(body.frame()).await.unwrap().unwrap();
            }
        } else {
            let mut stream = house.client().alpn(&[alpn]).connect().await.unwrap();
            stream.write_all(get("/events").as_bytes()).await.unwrap();
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(2500) {
                until(&mut stream, "tick").await;
            }
        }
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let limits = Limits {
        idle_timeout: Duration::from_millis(800),
        header_timeout: Duration::from_millis(800),
        ..Limits::default()
    };
    let house = House::open(limits).await;
    // After a request, and before the first one; HTTP/1.1 and HTTP/2.
    let mut stream = house.client().connect().await.unwrap();
    stream.write_all(format!("GET / HTTP/1.1\r\nhost: {HOST}\r\n\r\n").as_bytes()).await.unwrap();
    assert!(until(&mut stream, "hello").await.starts_with("HTTP/1.1 200"));
    rest(&mut stream).await;
    rest(&mut house.client().connect().await.unwrap()).await;
    rest(&mut house.client().alpn(&["h2"]).connect().await.unwrap()).await;
    let mut sender = h2(&house.client()).await;
    within(sender.send_request(ask("/", ""))).await.unwrap();
    for _ in 0..200 {
        if sender.is_closed() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("an idle HTTP/2 connection stays");
}

#[tokio::test]
async fn a_handshake_that_stops_half_way_is_given_up() {
    let house =
        House::open(Limits { handshake_timeout: Duration::from_millis(200), ..Limits::default() }).await;
    let mut silent = TcpStream::connect(house.addr).await.unwrap();
    let mut half = TcpStream::connect(house.addr).await.unwrap();
    half.write_all(&[22, 3, 1, 1, 0, 1]).await.unwrap();
    rest(&mut silent).await;
    rest(&mut half).await;
    assert_eq!(house.close().await.handshake_failures, 2);
}

#[tokio::test]
async fn an_address_gets_so_many_connections_and_no_more() {
    let house = House::open(Limits { connections_per_address: 3, ..Limits::default() }).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(house.client().connect().await.unwrap());
    }
    assert!(house.client().connect().await.is_err());
    // Another address of the same machine is another party.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.77:0".parse().unwrap()).unwrap();
    let mut other = socket.connect(house.addr).await.unwrap();
    other.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(rest(&mut other).await.starts_with("HTTP/1.1 400"));
    held.clear();
    for _ in 0..200 {
        if house.client().connect().await.is_ok() {
            assert!(house.close().await.refused_address >= 1);
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("a closed connection is still counted");
}

#[tokio::test]
async fn a_full_listener_refuses_and_recovers() {
    let house = House::open(Limits { connections: 2, ..Limits::default() }).await;
    let held = [house.client().connect().await.unwrap(), house.client().connect().await.unwrap()];
    assert!(house.client().connect().await.is_err());
    drop(held);
    eventually("a connection was refused", || house.stats.snapshot().refused_full >= 1).await;
    for _ in 0..200 {
        if house.client().connect().await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the listener stays full");
}

#[tokio::test]
async fn a_peer_that_takes_no_byte_is_let_go() {
    let limits =
        Limits { write_stall: Duration::from_millis(300), connections_per_address: 1, ..Limits::default() };
    let house = House::open(limits).await;
    let mut stream = house.client().connect().await.unwrap();
    stream.write_all(get("/flood").as_bytes()).await.unwrap();
    until(&mut stream, "xxxx").await;
    // Not read for a while: the buffers between us fill, and then the clock runs. When it has, there is room
    // for another connection.
    let mut let_go = false;
    for _ in 0..400 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let_go = house.client().connect().await.is_ok();
        if let_go {
            break;
        }
    }
    assert!(let_go, "it is still there");
    let mut drained = 0usize;
    let mut buffer = vec![0u8; 1 << 16];
    while let Ok(count) = within(stream.read(&mut buffer)).await {
        drained += count;
        if count == 0 {
            break;
        }
        assert!(drained < 100_000_000, "the stream goes on as if nothing had been");
    }
}

/// One HTTP/2 frame (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// `GET path` in HPACK, by the static table and literals.
fn head(path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x87, 0x04, u8::try_from(path.len()).unwrap()];
    block.extend(path.as_bytes());
    block.extend([0x01, u8::try_from(HOST.len()).unwrap()]);
    block.extend(HOST.as_bytes());
    block
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[tokio::test]
async fn a_flood_of_cancelled_requests_ends_the_connection() {
    let house = House::open(Limits::default()).await;
    let mut stream = house.client().alpn(&["h2"]).connect().await.unwrap();
    stream.write_all(&[PREFACE, &frame(4, 0, 0, &[])].concat()).await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let flood = async {
        for id in (1u32..20_001).step_by(2) {
            let opened = [frame(1, 5, id, &head("/slow")), frame(3, 0, id, &8u32.to_be_bytes())].concat();
            if writer.write_all(&opened).await.is_err() || writer.flush().await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let (_, _) = within(async { tokio::join!(flood, rest(&mut reader)) }).await;
    let report = house.close().await;
    assert!(report.requests < 2000, "{report:?}");
}

#[tokio::test]
async fn a_slow_flood_of_cancelled_requests_ends_the_connection_too() {
    let house = House::open(Limits { cancelled_streams: 20, ..Limits::default() }).await;
    let mut stream = house.client().alpn(&["h2"]).connect().await.unwrap();
    stream.write_all(&[PREFACE, &frame(4, 0, 0, &[])].concat()).await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(stream);
    // Each request reaches the application before it is cancelled, so that no limit of the protocol
    // library is touched.
    let flood = async {
        for (count, id) in (1u32..2001).step_by(2).enumerate() {
            if writer.write_all(&frame(1, 5, id, &head("/slow"))).await.is_err() {
                return;
            }
            for _ in 0..100 {
                if house.stats.snapshot().requests > count as u64 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            if writer.write_all(&frame(3, 0, id, &8u32.to_be_bytes())).await.is_err() {
                return;
            }
        }
    };
    let ended = within(async {
        tokio::select! { () = flood => (), _ = rest(&mut reader) => () }
    });
    ended.await;
    let report = house.close().await;
    assert_eq!(report.reset_floods, 1, "{report:?}");
    assert!(report.requests <= 100, "{report:?}");
}

#[tokio::test]
async fn a_flood_of_frames_that_ask_for_nothing_ends_the_connection_soon() {
    let house = House::open(Limits::default()).await;
    for (kind, payload) in [(6u8, vec![7u8; 8]), (4, vec![0, 3, 0, 0, 0, 100])] {
        let mut stream = house.client().alpn(&["h2"]).connect().await.unwrap();
        stream.write_all(&[PREFACE, &frame(4, 0, 0, &[])].concat()).await.unwrap();
        let (mut reader, mut writer) = tokio::io::split(stream);
        let flood = async {
            for _ in 0..1000 {
                let piece = frame(kind, 0, 0, &payload).repeat(50);
                if writer.write_all(&piece).await.is_err() || writer.flush().await.is_err() {
                    return;
                }
            }
        };
        within(async { tokio::join!(flood, rest(&mut reader)) }).await;
    }
    let report = house.close().await;
    assert_eq!(report.chatter_floods, 2, "{report:?}");
}

#[tokio::test]
async fn a_peer_that_never_opens_its_window_is_let_go_and_one_that_waits_for_news_is_not() {
    let house = House::open(Limits { write_stall: Duration::from_millis(400), ..Limits::default() }).await;
    let closed = [0, 4, 0, 0, 0, 0];
    for (path, settings, stays) in
        [("/flood", &closed[..], false), ("/", &closed, false), ("/forever", &[], true)]
    {
        let mut stream = house.client().alpn(&["h2"]).connect().await.unwrap();
        let asked = [PREFACE, &frame(4, 0, 0, settings), &frame(1, 5, 1, &head(path))].concat();
        stream.write_all(&asked).await.unwrap();
        if stays {
            let end = tokio::time::timeout(Duration::from_secs(3), rest(&mut stream)).await;
            assert!(end.is_err(), "{path}: {end:?}");
        } else {
            rest(&mut stream).await;
        }
    }
}

#[tokio::test]
async fn a_head_in_endless_continuations_ends_the_connection() {
    let house = House::open(Limits::default()).await;
    let mut stream = house.client().alpn(&["h2"]).connect().await.unwrap();
    stream.write_all(&[PREFACE, &frame(4, 0, 0, &[]), &frame(1, 1, 1, &head("/"))].concat()).await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let part = frame(9, 0, 1, &[&[0x00, 0x01, b'x', 0x7F, 0x81, 0x07][..], &vec![b'y'; 256]].concat());
    let flood = async {
        for _ in 0..10_000 {
            if writer.write_all(&part).await.is_err() {
                return;
            }
        }
    };
    within(async { tokio::join!(flood, rest(&mut reader)) }).await;
    assert_eq!(house.close().await.requests, 0);
}

#[tokio::test]
async fn limits_without_sense_are_refused_by_name() {
    let house = House::open(Limits::default()).await;
    for (limits, name) in [
        (Limits { streams: 0, ..Limits::default() }, "streams"),
        (Limits { header_bytes: 100, ..Limits::default() }, "header_bytes"),
        (Limits { connections: 0, ..Limits::default() }, "connections"),
    ] {
        let error =
            Edge::new(house.tls.clone(), limits, Admission::off(&World::real()), Door::Public).unwrap_err();
        assert!(matches!(error, EdgeError::Limit { limit, .. } if limit == name), "{error}");
    }
}
