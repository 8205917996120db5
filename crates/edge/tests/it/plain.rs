//! The port-80 listener.

use edge::{Admission, Limits, PlainConfig, Shutdown, serve_plain};
use kernel::World;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{rest, within};

#[tokio::test]
async fn port_80_redirects_and_drains() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (trigger, shutdown) = Shutdown::new();
    let config = PlainConfig { https_port: 443, hosts: Vec::new(), challenges: None };
    let task = tokio::spawn(serve_plain(
        listener,
        config,
        Limits::default(),
        Admission::off(&World::real()),
        shutdown,
    ));
    for (asked, answered) in [
        ("GET /a?b HTTP/1.1\r\nhost: x.test:80\r\n\r\n", "301"),
        ("HEAD / HTTP/1.1\r\nhost: x.test\r\n\r\n", "301"),
        ("POST / HTTP/1.1\r\nhost: x.test\r\ncontent-length: 3\r\n\r\nabc", "403"),
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        ("\x16\x03\x01", "400"),
    ] {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(asked.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let page = rest(&mut stream).await;
        assert!(page.starts_with(&format!("HTTP/1.1 {answered}")), "{asked:?} gave {page:?}");
        if asked.starts_with("GET /a") {
            assert!(page.contains("location: https://x.test/a?b"), "{page}");
        }
    }
    let _idle = TcpStream::connect(addr).await.unwrap();
    trigger.stop();
    assert_eq!(within(task).await.unwrap().unwrap().cut, 0);
}
