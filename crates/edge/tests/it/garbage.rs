//! Bytes that mean nothing, before and inside TLS.

use edge::Limits;
use proptest::prelude::*;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::harness::{House, rest};

fn some_bytes() -> impl Strategy<Value = Vec<u8>> {
    let anything = proptest::collection::vec(any::<u8>(), 0..600);
    let record = (any::<u8>(), proptest::collection::vec(any::<u8>(), 0..400)).prop_map(|(kind, body)| {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&[20 + kind % 5, 3, 1, length[0], length[1]][..], &body].concat()
    });
    let hello = proptest::collection::vec(any::<u8>(), 0..400).prop_map(|body| {
        let (outer, inner) = (body.len() + 4, body.len());
        [&[22, 3, 1, (outer >> 8) as u8, outer as u8, 1, 0, (inner >> 8) as u8, inner as u8][..], &body]
            .concat()
    });
    prop_oneof![anything, record, hello]
}

fn run(cases: u32, check: impl AsyncFn(&House, Vec<u8>)) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let limits = Limits { handshake_timeout: std::time::Duration::from_millis(500), ..Limits::default() };
    let house = runtime.block_on(House::open(limits));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&some_bytes(), |bytes| {
            runtime.block_on(check(&house, bytes));
            Ok(())
        })
        .unwrap();
    let page = runtime.block_on(house.client().get("/"));
    assert!(page.ends_with("hello"), "the house still stands: {page}");
    assert_eq!(runtime.block_on(house.close()).panics, 0);
}

#[test]
fn garbage_before_tls_harms_nobody() {
    run(200, async |house, bytes| {
        let mut stream = TcpStream::connect(house.addr).await.unwrap();
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        rest(&mut stream).await;
    });
}

#[test]
fn garbage_inside_tls_harms_nobody() {
    run(100, async |house, bytes| {
        for alpn in ["h2", "http/1.1"] {
            let mut stream = house.client().alpn(&[alpn]).connect().await.unwrap();
            let preface: &[u8] =
                if alpn == "h2" { b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" } else { b"GET / HTTP/1.1\r\n" };
            let _ = stream.write_all(&[preface, &bytes].concat()).await;
            let _ = stream.shutdown().await;
            rest(&mut stream).await;
        }
    });
}
