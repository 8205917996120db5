//! A certificate authority and an HTTPS server for tests: HTTP/1.1, TLS 1.3, a thread per connection.

#![expect(clippy::unwrap_used, reason = "a suite that cannot run must say so loudly, never skip")]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate authority of one test.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: String,
}

/// A certificate and its key, in PEM.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

impl Authority {
    /// A new authority.
    ///
    /// # Panics
    /// When the cryptographic library fails.
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "an authority of a test");
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), root }
    }

    /// The authority's own certificate, in PEM.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// A certificate for these DNS names and IP addresses.
    ///
    /// # Panics
    /// When a name is not one.
    pub fn issue(&self, names: &[&str]) -> Identity {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Identity { certificate, key: key.serialize_pem() }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

/// A request as the server heard it.
#[derive(Debug, Clone)]
pub struct Heard {
    /// The method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Whether the client showed a certificate.
    pub certified: bool,
}

impl Heard {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// What the server says.
#[derive(Debug, Clone)]
pub enum Said {
    /// A status, headers and a body, with a `content-length`.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// These bytes, and then the connection ends.
    Raw(Vec<u8>),
    /// Nothing for this long, and then the connection ends.
    Silence(Duration),
    /// The head of an answer, then its body byte by byte with this pause between them.
    Trickle(Duration, Vec<u8>),
}

impl Said {
    /// An answer with a JSON body.
    pub fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::Answer(status, vec![("content-type", "application/json".to_owned())], body.into())
    }
}

/// A server that answers with what a function says.
#[derive(Debug)]
pub struct HttpsServer {
    port: u16,
    stopped: Arc<AtomicBool>,
    connections: Arc<AtomicUsize>,
}

impl HttpsServer {
    /// Starts one on a free port of the loopback interface, as `localhost` and `127.0.0.1`.
    ///
    /// # Panics
    /// When there is no port.
    pub fn start(authority: &Authority, say: impl Fn(&Heard) -> Said + Send + Sync + 'static) -> Self {
        Self::with(&authority.issue(&["localhost", "127.0.0.1"]), None, say)
    }

    /// Starts one with this certificate, which asks clients for a certificate of `clients`' authority.
    ///
    /// # Panics
    /// When there is no port, or a certificate cannot be used.
    pub fn with(
        identity: &Identity,
        clients: Option<&Authority>,
        say: impl Fn(&Heard) -> Said + Send + Sync + 'static,
    ) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap();
        let builder = match clients {
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(authority.root.as_bytes()).unwrap()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
            None => builder.with_no_client_auth(),
        };
        let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
        let config = Arc::new(builder.with_single_cert(chain, key).unwrap());

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stopped, connections) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let server = Self { port, stopped: Arc::clone(&stopped), connections: Arc::clone(&connections) };
        let say = Arc::new(say);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                connections.fetch_add(1, Ordering::SeqCst);
                let (config, say) = (Arc::clone(&config), Arc::clone(&say));
                std::thread::spawn(move || {
                    // A client that goes away, or does not trust us, ends its own connection only.
                    let _ = serve(stream, config, say.as_ref());
                });
            }
        });
        server
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The origin, by name.
    pub fn origin(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// How many TCP connections were accepted.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for HttpsServer {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn serve(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    say: &(impl Fn(&Heard) -> Said + ?Sized),
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    while let Some(heard) = hear(&mut stream)? {
        let certified = stream.get_ref().conn.peer_certificates().is_some();
        let out = stream.get_mut();
        match say(&Heard { certified, ..heard }) {
            Said::Answer(status, headers, body) => {
                let mut head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n", body.len());
                for (name, value) in headers {
                    head.push_str(&format!("{name}: {value}\r\n"));
                }
                out.write_all(format!("{head}\r\n").as_bytes())?;
                out.write_all(&body)?;
                out.flush()?;
            }
            Said::Raw(bytes) => {
                out.write_all(&bytes)?;
                out.conn.send_close_notify();
                return out.flush();
            }
            Said::Silence(span) => {
                std::thread::sleep(span);
                return Ok(());
            }
            Said::Trickle(pause, body) => {
                write!(out, "HTTP/1.1 200 Said\r\ncontent-length: {}\r\n\r\n", body.len())?;
                for byte in body {
                    out.write_all(&[byte])?;
                    out.flush()?;
                    std::thread::sleep(pause);
                }
            }
        }
    }
    Ok(())
}

/// Reads one request; `None` when the client has ended the connection.
fn hear(stream: &mut impl BufRead) -> std::io::Result<Option<Heard>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut heard = Heard {
        method: method.to_owned(),
        path: path.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        certified: false,
    };
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        heard.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = heard.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    heard.body.resize(length, 0);
    stream.read_exact(&mut heard.body)?;
    Ok(Some(heard))
}
