//! A WebSocket client over TLS that can also misbehave: for tests of those who serve sockets.

#![expect(clippy::unwrap_used, reason = "a suite that cannot run must say so loudly, never skip")]

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

/// What came over a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Came {
    /// A text.
    Text(String),
    /// The server said goodbye, with this code and reason.
    Closed(u16, String),
    /// The connection ended without a word.
    Gone,
}

/// The server did not open a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turned {
    /// The status.
    pub status: u16,
    /// Its head and what came of its body with it.
    pub answer: String,
}

/// An open socket, the client's side.
#[derive(Debug)]
pub struct SocketClient {
    stream: WebSocketStream<TlsStream<TcpStream>>,
    /// The head of the answer that opened it.
    pub head: String,
}

impl SocketClient {
    /// Asks the server at `https://HOST:PORT`, whose authority is `root` in PEM, for a socket at `path`.
    ///
    /// # Errors
    /// When the answer is any other than 101.
    ///
    /// # Panics
    /// When nobody answers at all.
    pub async fn open(
        origin: &str,
        root: &[u8],
        path: &str,
        fields: &[(&str, &str)],
    ) -> Result<Self, Turned> {
        let authority = origin.strip_prefix("https://").unwrap();
        let (name, _) = authority.rsplit_once(':').unwrap();
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(root) {
            roots.add(certificate.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let tcp = TcpStream::connect(authority.replace("localhost", "127.0.0.1")).await.unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
        let mut head = format!(
            "GET {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             user-agent: testkit\r\naccept: */*\r\n"
        );
        for (name, value) in fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => answer.push(byte),
                Err(_) => break,
            }
        }
        let status = String::from_utf8_lossy(&answer);
        let status = status.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        if status != 101 {
            let mut rest = vec![0; 16 * 1024];
            let read = stream.read(&mut rest).await.unwrap_or_default();
            rest.truncate(read);
            answer.extend(rest);
            return Err(Turned { status, answer: String::from_utf8_lossy(&answer).into_owned() });
        }
        let stream = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
        Ok(Self { stream, head: String::from_utf8_lossy(&answer).into_owned() })
    }

    /// Sends a text; false when the server is gone.
    pub async fn say(&mut self, text: &str) -> bool {
        self.stream.send(Message::text(text)).await.is_ok()
    }

    /// Sends bytes that need be no frame.
    pub async fn blurt(&mut self, bytes: &[u8]) -> bool {
        let stream = self.stream.get_mut();
        stream.write_all(bytes).await.is_ok() && stream.flush().await.is_ok()
    }

    /// Waits for the next text, or for the end. Pings are answered.
    pub async fn next(&mut self) -> Came {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => return Came::Text(text.as_str().to_owned()),
                Some(Ok(Message::Close(Some(close)))) => {
                    return Came::Closed(close.code.into(), close.reason.as_str().to_owned());
                }
                Some(Ok(Message::Close(None)) | Err(_)) | None => return Came::Gone,
                Some(Ok(_)) => {}
            }
        }
    }
}
