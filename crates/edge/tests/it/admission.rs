//! Admission from outside: who is turned away, who is not, and what they read.

use std::net::SocketAddr;
use std::time::Duration;

use edge::{AccessConfig, AccessList, Admission, AdmissionConfig, Door, Limits, Rate};
use http::Request;
use http_body_util::{BodyExt, Full};
use kernel::World;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::{Client, HOST, House, eventually, get, rest, until, within};
use crate::requests::h2;

fn admission(config: AdmissionConfig, access: &AccessConfig) -> Admission {
    Admission::new(config, access, &World::real()).unwrap()
}

fn access(list: AccessList) -> AccessConfig {
    AccessConfig { access: vec![list], ..AccessConfig::default() }
}

fn blocks(text: &str) -> Vec<ipnet::IpNet> {
    vec![text.parse().unwrap()]
}

/// A connection from an address of our own choice, with these bytes before the handshake.
pub(crate) async fn connect_from(
    client: &Client,
    from: &str,
    first: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(from.parse().unwrap(), 0))?;
    let mut stream = socket.connect(client.addr).await?;
    stream.write_all(first).await?;
    let name = rustls_pki_types::ServerName::try_from(HOST).unwrap();
    within(TlsConnector::from(std::sync::Arc::new(client.config.clone())).connect(name, stream)).await
}

pub(crate) async fn get_from(client: &Client, from: &str, head: &str) -> String {
    match connect_from(client, from, b"").await {
        Ok(mut stream) => {
            let _ = stream.write_all(head.as_bytes()).await;
            rest(&mut stream).await
        }
        Err(error) => format!("no connection: {:?}", error.kind()),
    }
}

#[tokio::test]
async fn who_asks_too_much_reads_when_to_come_back_and_keeps_the_connection() {
    // So slow that nothing comes back while the test runs, on whatever machine.
    let config = AdmissionConfig { address: Rate::new(0.05, 4.0), ..AdmissionConfig::default() };
    let house = House::open_behind(admission(config, &AccessConfig::default()), Limits::default()).await;
    let mut sender = h2(&house.client()).await;
    let mut ask =
        || sender.send_request(Request::get(format!("https://{HOST}/")).body(Full::default()).unwrap());
    for _ in 0..4 {
        assert_eq!(within(ask()).await.unwrap().status(), 200);
    }
    for _ in 0..3 {
        let refused = within(ask()).await.unwrap();
        assert_eq!(refused.status(), 429);
        assert_eq!(refused.headers()["content-type"], "application/problem+json");
        let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=44).contains(&wait), "{wait}");
        let problem = refused.into_body().collect().await.unwrap().to_bytes();
        assert!(problem.starts_with(b"{\"type\":\"urn:wardroom:problem:throttled\""), "{problem:?}");
    }
    let health = Request::get(format!("https://{HOST}/healthz")).body(Full::default()).unwrap();
    assert_eq!(within(sender.send_request(health)).await.unwrap().status(), 200);
    // A body that is refused is not read.
    let post = format!("POST /echo HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 900000\r\n\r\n");
    let page = house.client().raw(post).await;
    assert!(page.starts_with("HTTP/1.1 429") && page.contains("connection: close"), "{page}");
    assert_eq!(house.close().await.refused_budget, 4);
}

#[tokio::test]
async fn who_does_not_wait_is_answered_later_and_later_on_the_same_connection() {
    let config = AdmissionConfig { address: Rate::new(0.01, 1.0), ..AdmissionConfig::default() };
    let house = House::open_behind(admission(config, &AccessConfig::default()), Limits::default()).await;
    let first = format!("GET / HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n");
    assert!(house.client().raw(first).await.starts_with("HTTP/1.1 200"));
    let mut stream = house.client().connect().await.unwrap();
    let post = format!(
        "POST /echo HTTP/1.1\r\nhost: {HOST}\r\norigin: https://a.test\r\ncontent-length: 2\r\n\r\n{{}}"
    );
    let mut took = Vec::new();
    for _ in 0..13 {
        let start = tokio::time::Instant::now();
        stream.write_all(post.as_bytes()).await.unwrap();
        let page = until(&mut stream, "\"mend\":").await;
        took.push(start.elapsed());
        assert!(!page.contains("connection: close"), "a small body is no reason to leave: {page}");
    }
    // 100, 200, 400 and 800 ms for the last ones, at least: there is no bound above.
    assert!(took[9..].iter().sum::<Duration>() >= Duration::from_millis(700), "{took:?}");
    assert_eq!(house.close().await.refused_budget, 13);
}

#[tokio::test]
async fn a_page_of_another_origin_can_read_when_to_come_back() {
    let config = AdmissionConfig { address: Rate::new(0.01, 1.0), ..AdmissionConfig::default() };
    let house = House::open_behind(admission(config, &AccessConfig::default()), Limits::default()).await;
    let ask = |path: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: {HOST}\r\norigin: https://a.test\r\nconnection: close\r\n\r\n")
    };
    house.client().raw(ask("/")).await;
    let page = house.client().raw(ask("/chat/v1/conversations")).await;
    assert!(page.starts_with("HTTP/1.1 429") && page.contains("access-control-allow-origin: *"), "{page}");
    assert!(page.contains("access-control-expose-headers: retry-after, wardroom-challenge"), "{page}");
    let page = house.client().raw(ask("/")).await;
    assert!(page.starts_with("HTTP/1.1 429") && !page.contains("access-control"), "{page}");
}

#[tokio::test]
async fn the_core_says_who_is_known_and_nobody_outside_does() {
    let config = AdmissionConfig { address: Rate::new(0.1, 8.0), ..AdmissionConfig::default() };
    let house = House::open_behind(admission(config, &AccessConfig::default()), Limits::default()).await;
    let ask = |path: &str, fields: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: {HOST}\r\n{fields}connection: close\r\n\r\n")
    };
    let client = house.client();
    let forged = "x-wardroom-standing: staff\r\nauthorization: Bearer forged\r\n";
    let page = client.raw(ask("/fields", forged)).await;
    assert!(!page.contains("x-wardroom"), "{page}");
    // `/known` answers as the core does to a request that it accepts.
    let page = client.raw(ask("/known", "authorization: Bearer good\r\n")).await;
    assert!(page.starts_with("HTTP/1.1 200") && !page.contains("x-wardroom"), "{page}");
    let mut refused = 0;
    for _ in 0..20 {
        refused += usize::from(client.raw(ask("/", forged)).await.starts_with("HTTP/1.1 429"));
    }
    assert!(refused >= 12, "{refused}");
    for _ in 0..20 {
        let page = client.raw(ask("/", "authorization: Bearer good\r\n")).await;
        assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    }
    // A new token that an answer gave out is known before its first use.
    client.raw(ask("/renew", "authorization: Bearer good\r\n")).await;
    assert!(client.raw(ask("/", "authorization: Bearer fresh\r\n")).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn connections_come_only_so_fast_from_one_address() {
    let config = AdmissionConfig { connections: Rate::new(0.1, 5.0), ..AdmissionConfig::default() };
    let house = House::open_behind(admission(config, &AccessConfig::default()), Limits::default()).await;
    let client = house.client();
    let mut served = 0;
    for _ in 0..12 {
        served += usize::from(get_from(&client, "127.0.0.2", &get("/")).await.starts_with("HTTP/1.1 200"));
    }
    assert_eq!(served, 5);
    assert!(get_from(&client, "127.0.0.3", &get("/")).await.starts_with("HTTP/1.1 200"), "another address");
    assert_eq!(house.close().await.refused_admission, 7);
}

#[tokio::test]
async fn access_lists_hold_by_address_and_route_and_change_without_a_dropped_connection() {
    let none = AccessConfig::default();
    let admission = admission(AdmissionConfig::default(), &none);
    let house = House::open_behind(admission.clone(), Limits::default()).await;
    let client = house.client();
    let mut open = connect_from(&client, "127.0.0.9", b"").await.unwrap();
    let deny = access(AccessList { deny: blocks("127.0.0.8/31"), ..AccessList::default() });
    admission.reload(AdmissionConfig::default(), &deny).unwrap();
    assert!(get_from(&client, "127.0.0.9", &get("/")).await.starts_with("no connection"));
    assert!(get_from(&client, "127.0.0.7", &get("/")).await.starts_with("HTTP/1.1 200"));
    open.write_all(get("/").as_bytes()).await.unwrap();
    let page = rest(&mut open).await;
    assert!(
        page.starts_with("HTTP/1.1 403") && !page.contains("retry-after"),
        "the open one reads why: {page}"
    );
    let sign_in =
        AccessList { routes: vec![edge::Route::Login], allow: blocks("10.0.0.0/8"), ..Default::default() };
    admission.reload(AdmissionConfig::default(), &access(sign_in)).unwrap();
    assert!(get_from(&client, "127.0.0.9", &get("/")).await.starts_with("HTTP/1.1 200"));
    assert!(get_from(&client, "127.0.0.9", &get("/sign-in")).await.starts_with("HTTP/1.1 403"));
    let _ = Door::Public;
}

#[tokio::test]
async fn a_trusted_proxy_names_the_client_before_tls() {
    let trusted =
        AccessConfig { trusted_proxies: blocks("127.0.0.50/32"), proxy_protocol: true, ..Default::default() };
    let config = AdmissionConfig { connections: Rate::new(0.1, 2.0), ..AdmissionConfig::default() };
    let house = House::open_behind(admission(config, &trusted), Limits::default()).await;
    let client = house.client();
    let v6 = |last: u8| {
        let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x24".to_vec();
        bytes.extend([0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, last, 0, 0, 0, 0, 0, 0, 0, 7]);
        bytes.extend([0; 16]);
        bytes.extend([0x12, 0x34, 0x01, 0xBB]);
        bytes
    };
    let mut stream = connect_from(&client, "127.0.0.50", &v6(1)).await.unwrap();
    stream.write_all(get("/peer").as_bytes()).await.unwrap();
    let page = rest(&mut stream).await;
    assert!(page.contains("[2001:db8:1:1::7]:4660"), "{page}");
    // Its /64 has its own rate, whatever else comes by the same proxy.
    assert!(connect_from(&client, "127.0.0.50", &v6(1)).await.is_ok());
    assert!(connect_from(&client, "127.0.0.50", &v6(1)).await.is_err());
    assert!(connect_from(&client, "127.0.0.50", &v6(2)).await.is_ok());
    // Without its word the proxy is not served, and a stranger's word is no word.
    assert!(connect_from(&client, "127.0.0.50", b"").await.is_err());
    assert!(connect_from(&client, "127.0.0.51", &v6(3)).await.is_err());
    let report = house.close().await;
    assert_eq!((report.refused_proxy, report.refused_admission), (1, 1), "{report:?}");
}

#[tokio::test]
async fn a_trusted_proxy_names_the_client_in_a_field() {
    let trusted = AccessConfig { trusted_proxies: blocks("127.0.0.60/32"), ..AccessConfig::default() };
    let house = House::open_behind(admission(AdmissionConfig::default(), &trusted), Limits::default()).await;
    let head = format!(
        "GET /peer HTTP/1.1\r\nhost: {HOST}\r\nx-forwarded-for: 6.6.6.6, 203.0.113.9\r\nconnection: close\r\n\r\n"
    );
    let page = get_from(&house.client(), "127.0.0.60", &head).await;
    assert!(page.contains("203.0.113.9:0"), "{page}");
    let page = get_from(&house.client(), "127.0.0.61", &head).await;
    assert!(page.contains("127.0.0.61:") && !page.contains("203"), "{page}");
}

#[tokio::test]
async fn a_crowd_of_strangers_waits_behind_those_who_are_known() {
    let config = AdmissionConfig {
        address: Rate::new(1000.0, 1000.0),
        network: Rate::new(10_000.0, 10_000.0),
        concurrency: 2,
        concurrency_most: 2,
        established_after: 0,
        ..AdmissionConfig::default()
    };
    let house = House::open_behind(admission(config, &AccessConfig::default()), Limits::default()).await;
    let client = house.client();
    let known = "authorization: Bearer good\r\n";
    client.raw(format!("GET /known HTTP/1.1\r\nhost: {HOST}\r\n{known}connection: close\r\n\r\n")).await;
    // `/work` takes two fifths of a second, two at once: a crowd of sixty asks for more than there is. They all
    // stand at the door before the first of them asks, however long that takes.
    let mut crowd = Vec::new();
    for i in 0..60u8 {
        crowd.push(connect_from(&client, &format!("127.0.1.{}", i + 1), b"").await.unwrap());
    }
    for stream in &mut crowd {
        stream.write_all(get("/work").as_bytes()).await.unwrap();
    }
    eventually("the crowd is here", || house.stats.snapshot().requests > 30).await;
    for _ in 0..3 {
        let head = format!("GET /work HTTP/1.1\r\nhost: {HOST}\r\n{known}connection: close\r\n\r\n");
        assert!(get_from(&client, "127.0.2.1", &head).await.starts_with("HTTP/1.1 200"));
    }
    let mut shed = 0;
    for mut stream in crowd {
        let page = rest(&mut stream).await;
        if page.starts_with("HTTP/1.1 503") {
            assert!(page.contains("retry-after") && page.contains("problem:unavailable"), "{page}");
            shed += 1;
        }
    }
    assert!(shed > 10, "{shed}");
}

#[tokio::test]
async fn a_slow_body_takes_nobodys_turn() {
    let config = AdmissionConfig { concurrency: 1, concurrency_most: 1, ..AdmissionConfig::default() };
    let house = House::open_behind(admission(config, &AccessConfig::default()), Limits::default()).await;
    let client = house.client();
    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut stream = client.connect().await.unwrap();
        let head = format!("POST /echo HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 1000\r\n\r\nx");
        stream.write_all(head.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    eventually("they are all here", || house.stats.snapshot().requests >= 20).await;
    let post =
        format!("POST /echo HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi");
    let page = client.raw(post).await;
    assert!(page.ends_with("2 bytes"), "{page}");
}

#[tokio::test]
async fn a_slow_body_takes_nobodys_turn_however_large_it_is() {
    let config = AdmissionConfig { concurrency: 1, concurrency_most: 1, ..AdmissionConfig::default() };
    let house = House::open_behind(admission(config, &AccessConfig::default()), Limits::default()).await;
    let client = house.client();
    let mut slow = Vec::new();
    for i in 0..3u8 {
        // More than is read before a turn, and then no more.
        let head = format!("POST /echo HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 100000\r\n\r\n");
        let mut stream = connect_from(&client, &format!("127.0.3.{}", i + 1), b"").await.unwrap();
        stream.write_all(&[head.as_bytes(), &vec![b'x'; 70_000]].concat()).await.unwrap();
        stream.flush().await.unwrap();
        slow.push(stream);
    }
    eventually("they are all here", || house.stats.snapshot().requests >= 3).await;
    // Until what they sent was read, they had no turn either way. (Too short a time would fail nothing.)
    tokio::time::sleep(Duration::from_millis(300)).await;
    let page = get_from(&client, "127.0.4.1", &get("/")).await;
    assert!(page.ends_with("hello"), "{page}");
    // What was begun is answered when it comes to its end.
    slow[0].write_all(&vec![b'x'; 30_000]).await.unwrap();
    until(&mut slow[0], "100000 bytes").await;
}

#[tokio::test]
async fn strangers_behind_a_proxy_leave_the_places_of_those_who_are_known() {
    let trusted =
        AccessConfig { trusted_proxies: blocks("127.0.0.50/32"), proxy_protocol: true, ..Default::default() };
    let limits = Limits { connections: 10, ..Limits::default() };
    let house = House::open_behind(admission(AdmissionConfig::default(), &trusted), limits).await;
    let client = house.client();
    let named = |last: u8| {
        let addresses = [192, 0, 2, last, 127, 0, 0, 1, 0x12, 0x34, 0x01, 0xBB];
        [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c"[..], &addresses].concat()
    };
    let mut friend = connect_from(&client, "127.0.0.50", &named(1)).await.unwrap();
    let head = format!("GET /known HTTP/1.1\r\nhost: {HOST}\r\nauthorization: Bearer good\r\n\r\n");
    friend.write_all(head.as_bytes()).await.unwrap();
    until(&mut friend, "you").await;
    let mut crowd = Vec::new();
    for last in 2..30 {
        crowd.extend(connect_from(&client, "127.0.0.50", &named(last)).await);
    }
    assert_eq!(crowd.len(), 7, "a fifth of ten is kept, and one is here");
    let again = connect_from(&client, "127.0.0.50", &named(1)).await;
    assert!(again.is_ok(), "{:?}", again.err());
}
