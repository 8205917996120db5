//! Certificates that change and listeners that stop, while people are connected.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use http_body_util::BodyExt;
use kernel::World;
use rustls_pki_types::ServerName;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::harness::{HOST, House, eventually, get, rest, until, within};
use crate::requests::{ask, h2};
use edge::{EdgeError, Limits, Tls, TlsSource};
use wire::ca::LocalCa;

/// A fresh pair of files for [`HOST`], made by the authority in `dir`.
fn pair(dir: &Path) -> (Vec<u8>, Vec<u8>) {
    for name in ["server.crt", "server.key"] {
        let _ = fs::remove_file(dir.join(name));
    }
    let ca = LocalCa::load_or_create(dir, &World::real()).unwrap();
    ca.load_or_issue_server(&[ServerName::try_from(HOST).unwrap()]).unwrap();
    (fs::read(dir.join("server.crt")).unwrap(), fs::read(dir.join("server.key")).unwrap())
}

fn place(dir: &Path, (cert, key): &(Vec<u8>, Vec<u8>)) {
    fs::write(dir.join("tls.crt"), cert).unwrap();
    fs::write(dir.join("tls.key"), key).unwrap();
    fs::set_permissions(dir.join("tls.key"), fs::Permissions::from_mode(0o600)).unwrap();
}

fn source(dir: &Path) -> TlsSource {
    TlsSource::Files { cert: dir.join("tls.crt"), key: dir.join("tls.key") }
}

#[tokio::test]
async fn a_new_certificate_is_shown_without_dropping_a_connection() {
    let home = tempfile::tempdir().unwrap();
    let authority = home.path().join("ca");
    place(home.path(), &pair(&authority));
    let root = LocalCa::load_or_create(&authority, &World::real()).unwrap().certificate().clone();
    let tls =
        Tls::open_checking(source(home.path()), &World::real(), Duration::from_millis(50)).await.unwrap();
    let house = House::open_with(Limits::default(), tls, root, home).await;
    let shown = async || {
        let stream = house.client().connect().await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].clone()
    };
    let first = shown().await;
    let mut open = house.client().connect().await.unwrap();
    open.write_all(get("/events").as_bytes()).await.unwrap();
    until(&mut open, "tick").await;
    let status = house.tls.status();

    // What cannot be used changes nothing, and is told: torn text, a pair that is not one, a key that
    // everybody can read.
    fs::write(house.path("tls.crt"), "-----BEGIN CERTI").unwrap();
    eventually("a torn file is told", || status.borrow().last_error.is_some()).await;
    place(house.home.path(), &(pair(&authority).0, pair(&authority).1));
    eventually("a pair that is not one is told", || {
        status.borrow().last_error.as_ref().is_some_and(|e| e.contains("together"))
    })
    .await;
    fs::set_permissions(house.path("tls.key"), fs::Permissions::from_mode(0o644)).unwrap();
    eventually("a key that others can read is told", || {
        status.borrow().last_error.as_ref().is_some_and(|e| e.contains("mode 0644"))
    })
    .await;
    fs::remove_file(house.path("tls.key")).unwrap();
    eventually("a missing key is told", || {
        status.borrow().last_error.as_ref().is_some_and(|e| e.contains("No such file"))
    })
    .await;
    assert_eq!(shown().await, first);
    assert!(status.borrow().failures >= 4);

    place(house.home.path(), &pair(&authority));
    eventually("the new pair is in use", || status.borrow().loads == 2).await;
    assert!(status.borrow().last_error.is_none());
    assert_ne!(shown().await, first);
    until(&mut open, "tick").await;
    house.stop();
    rest(&mut open).await;
    assert_eq!(house.close().await.cut, 0);
}

#[tokio::test]
async fn files_that_cannot_be_used_stop_the_start() {
    let home = tempfile::tempdir().unwrap();
    let open = async || Tls::open(source(home.path()), &World::real()).await.unwrap_err();
    assert!(matches!(open().await, EdgeError::File { .. }));
    place(home.path(), &pair(&home.path().join("ca")));
    fs::set_permissions(home.path().join("tls.key"), fs::Permissions::from_mode(0o604)).unwrap();
    assert!(matches!(open().await, EdgeError::KeyMode { mode: 0o604, .. }));
    let other = pair(&home.path().join("other"));
    place(home.path(), &(other.0, pair(&home.path().join("ca")).1));
    assert!(matches!(open().await, EdgeError::Pair(_)));
    let clock = std::sync::Arc::new(kernel::ManualClock::at(kernel::Timestamp::from_millis(1)));
    place(home.path(), &pair(&home.path().join("ca")));
    let past = Tls::open(source(home.path()), &World::rehearsal(clock, 1)).await.unwrap_err();
    assert!(matches!(past, EdgeError::NotInForce { .. }), "{past}");
}

#[tokio::test]
async fn the_local_authority_renews_while_the_listener_runs() {
    let home = tempfile::tempdir().unwrap();
    let now = World::real().now();
    let clock = std::sync::Arc::new(kernel::ManualClock::at(now));
    let world = World::rehearsal(clock.clone(), 3);
    let ca = LocalCa::load_or_create(home.path(), &world).unwrap();
    let names = vec![ServerName::try_from(HOST).unwrap()];
    let tls =
        Tls::open_checking(TlsSource::Local { ca, names }, &world, Duration::from_millis(20)).await.unwrap();
    let status = tls.status();
    let first = status.borrow().clone();
    assert_eq!((first.source, first.loads), ("local", 1));
    clock.advance(Duration::from_secs(16 * 24 * 3600));
    eventually("a second certificate is in use", || status.borrow().loads == 2).await;
    assert!(status.borrow().not_after > first.not_after);
    assert!(status.borrow().renew_at > first.renew_at);
}

#[tokio::test]
async fn a_drain_finishes_what_is_in_flight_and_takes_nothing_new() {
    let house = House::open(Limits::default()).await;
    let mut uploading = house.client().connect().await.unwrap();
    uploading
        .write_all(
            format!("POST /echo HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 10\r\n\r\n12345").as_bytes(),
        )
        .await
        .unwrap();
    let mut watching = house.client().connect().await.unwrap();
    watching.write_all(get("/events").as_bytes()).await.unwrap();
    until(&mut watching, "tick").await;
    let mut sender = h2(&house.client()).await;
    let mut events = within(sender.send_request(ask("/events", ""))).await.unwrap().into_body();
    within(events.frame()).await.unwrap().unwrap();
    let mut idle = house.client().connect().await.unwrap();
    eventually("all three are in flight", || house.stats.snapshot().requests == 3).await;

    house.stop();
    // The idle one is closed, the event streams end by themselves, the upload is read to its end.
    rest(&mut idle).await;
    let end = rest(&mut watching).await;
    assert!(end.ends_with("0\r\n\r\n"), "the stream ended in order: {end:?}");
    while let Some(frame) = within(events.frame()).await {
        frame.unwrap();
    }
    eventually("nobody new is let in", || std::net::TcpStream::connect(house.addr).is_err()).await;
    uploading.write_all(b"67890").await.unwrap();
    let page = rest(&mut uploading).await;
    assert!(page.starts_with("HTTP/1.1 200") && page.ends_with("10 bytes"), "{page}");
    let report = house.close().await;
    assert_eq!((report.requests, report.cut), (3, 0));
}

#[tokio::test]
async fn a_drain_is_bounded() {
    let house = House::open(Limits { drain_timeout: Duration::from_millis(200), ..Limits::default() }).await;
    let mut stream = house.client().connect().await.unwrap();
    stream.write_all(get("/forever").as_bytes()).await.unwrap();
    until(&mut stream, "200 OK").await;
    assert_eq!(house.close().await.cut, 1);
    rest(&mut stream).await;
    // A handshake that is under way is nobody's request.
    let house = House::open(Limits::default()).await;
    let _silent = TcpStream::connect(house.addr).await.unwrap();
    eventually("it is seen", || house.stats.snapshot().connections == 1).await;
    assert_eq!(house.close().await.cut, 0);
}
