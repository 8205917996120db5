//! What the handshake agrees on, and what it refuses.

use rustls::crypto::aws_lc_rs::{self, kx_group};
use rustls::{HandshakeKind, NamedGroup, ProtocolVersion, version};
use tokio::io::AsyncWriteExt;

use crate::harness::{Client, House, get, rest};
use edge::Limits;

#[tokio::test]
async fn a_client_of_tls_1_2_is_refused() {
    let house = House::open(Limits::default()).await;
    let old = Client::of(house.addr, &house.root, aws_lc_rs::default_provider(), &[&version::TLS12]);
    let error = old.connect().await.unwrap_err();
    assert!(error.to_string().contains("ProtocolVersion"), "{error}");
    let both = Client::of(
        house.addr,
        &house.root,
        aws_lc_rs::default_provider(),
        &[&version::TLS12, &version::TLS13],
    );
    let stream = both.connect().await.unwrap();
    assert_eq!(stream.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    drop(stream);
    assert_eq!(house.close().await.handshake_failures, 1);
}

#[tokio::test]
async fn the_hybrid_group_is_taken_by_whoever_offers_it() {
    let house = House::open(Limits::default()).await;
    // Also when the client would rather have another: the order is the server's.
    for groups in [
        &[kx_group::X25519MLKEM768, kx_group::X25519][..],
        &[kx_group::X25519, kx_group::SECP256R1, kx_group::X25519MLKEM768],
    ] {
        let stream = Client::groups(&house, groups).connect().await.unwrap();
        let group = stream.get_ref().1.negotiated_key_exchange_group().unwrap().name();
        assert_eq!(group, NamedGroup::X25519MLKEM768);
    }
    let page = house.client().get("/peer").await;
    assert!(page.contains("X25519MLKEM768") && page.contains("TLSv1_3"), "{page}");
    assert!(page.contains("edge.test"), "{page}");
}

#[tokio::test]
async fn clients_without_the_hybrid_group_fall_back() {
    let house = House::open(Limits::default()).await;
    for group in [kx_group::X25519, kx_group::SECP256R1] {
        let stream = Client::groups(&house, &[group]).connect().await.unwrap();
        assert_eq!(stream.get_ref().1.negotiated_key_exchange_group().unwrap().name(), group.name());
    }
    assert!(Client::groups(&house, &[kx_group::SECP384R1]).connect().await.is_err());
}

#[tokio::test]
async fn a_session_is_resumed_and_no_early_data_is_taken() {
    let house = House::open(Limits::default()).await;
    let mut client = house.client().alpn(&["http/1.1"]);
    client.config.enable_early_data = true;
    let mut first = client.connect().await.unwrap();
    first.write_all(get("/").as_bytes()).await.unwrap();
    assert!(rest(&mut first).await.ends_with("hello"));
    assert_eq!(first.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
    let mut second = client.connect().await.unwrap();
    assert_eq!(second.get_ref().1.handshake_kind(), Some(HandshakeKind::Resumed));
    assert!(!second.get_ref().1.is_early_data_accepted());
    second.write_all(get("/peer").as_bytes()).await.unwrap();
    let page = rest(&mut second).await;
    assert!(page.contains("resumed: true"), "{page}");
    assert!(page.contains("X25519MLKEM768"), "a resumed session has a fresh key exchange: {page}");
    assert_eq!(house.close().await.resumed, 1);
}

#[tokio::test]
async fn the_application_protocol_is_agreed_on() {
    let house = House::open(Limits::default()).await;
    for (offer, taken) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1", "h2"], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let stream = house.client().alpn(offer).connect().await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), taken.map(str::as_bytes), "{offer:?}");
    }
    assert!(house.client().alpn(&["spdy/3"]).connect().await.is_err());
}
