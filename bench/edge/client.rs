//! A client on threads of its own: requests over connections that are kept, or handshakes alone.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, version};
use rustls_pki_types::{CertificateDer, ServerName};

use crate::nginx;

pub(crate) const NAME: &str = "edge.test";
/// A chat message of some 300 bytes.
const WORDS: &str = "hello, I have a question about the card that I ordered two weeks ago. It has not come yet. Could you \
    tell me when it was sent, and to which address? My old one runs out at the end of the month, and I would \
    rather not be without it on my journey. Thank you very much for your help.";

/// Whoever asks, and where.
pub(crate) struct Client {
    port: u16,
    config: Arc<ClientConfig>,
    request: Vec<u8>,
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

impl Client {
    pub(crate) fn new(port: u16, root: &CertificateDer<'static>) -> Result<Self, String> {
        let body = format!(r#"{{"text":"{WORDS}"}}"#);
        let request = format!(
            "POST /chat/v1/conversations/0198c0de/messages HTTP/1.1\r\nhost: {NAME}\r\nuser-agent: Mozilla/5.0 (X11; \
             Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0\r\naccept: application/json\r\ncontent-type: \
             application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        Ok(Self { port, config: Arc::new(config(root)?), request: request.into_bytes() })
    }

    /// Sends this many requests over this many connections.
    pub(crate) fn requests(&self, count: usize, connections: usize) -> Result<(), String> {
        side_by_side(connections, &|| self.over_one(count / connections))
    }

    fn over_one(&self, count: usize) -> Result<(), String> {
        let mut reading = BufReader::new(self.connect()?);
        for _ in 0..count {
            reading.get_mut().write_all(&self.request).map_err(|error| error.to_string())?;
            let mut line = [0; 12];
            reading.read_exact(&mut line).map_err(|error| error.to_string())?;
            if &line != b"HTTP/1.1 200" {
                return Err(format!("answered `{}`", String::from_utf8_lossy(&line)));
            }
            let length = nginx::head(&mut reading).ok_or("an answer ends early")?;
            let mut body = (&mut reading).take(length);
            std::io::copy(&mut body, &mut std::io::sink()).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Opens this many connections, so many at once, each with a full handshake.
    pub(crate) fn handshakes(&self, count: usize, at_once: usize) -> Result<(), String> {
        side_by_side(at_once, &|| (0..count / at_once).try_for_each(|_| self.connect().map(drop)))
    }

    fn connect(&self) -> Result<Stream, String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let name = ServerName::try_from(NAME).map_err(|error| error.to_string())?;
        let mut tls =
            ClientConnection::new(Arc::clone(&self.config), name).map_err(|error| error.to_string())?;
        while tls.is_handshaking() || tls.wants_write() {
            tls.complete_io(&mut stream).map_err(|error| error.to_string())?;
        }
        Ok(StreamOwned::new(tls, stream))
    }
}

/// The same on so many threads.
fn side_by_side(threads: usize, work: &(dyn Fn() -> Result<(), String> + Sync)) -> Result<(), String> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a client panicked")?)
    })
}

/// TLS 1.3 with the house's groups, and never a handshake that is resumed.
pub(crate) fn config(root: &CertificateDer<'static>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).map_err(|error| error.to_string())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}
