//! A listener with the tests' upstream behind it, a witness of its firewall, and a client that sends bytes.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use edge::{
    Admission, Door, Edge, Firewall, FirewallConfig, FirewallMode, Limits, Overhear, RequestBody, Shutdown,
    ShutdownTrigger, Tls, TlsSource,
};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use kernel::World;
use rustls::{ClientConfig, RootCertStore, version};
use rustls_pki_types::ServerName;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use waf::{Explained, Inspector, Verdict};
use wire::ca::LocalCa;

use crate::{expect, reflect};

const NAME: &str = "edge.test";
/// Longer than any answer takes; a request that is cut off is answered before.
const PATIENCE: Duration = Duration::from_secs(10);

/// The listener and what is needed to ask it.
pub(crate) struct House {
    address: SocketAddr,
    client: TlsConnector,
    witness: Arc<Witness>,
    _trigger: ShutdownTrigger,
    _home: TempDir,
}

/// What became of a request.
pub(crate) struct Reply {
    /// Whether the rules were asked.
    pub(crate) heard: bool,
    /// Ids of the rules that were logged.
    pub(crate) rules: Vec<u32>,
    /// The log, if it was wanted.
    pub(crate) log: Vec<u8>,
    /// The status of the answer, if one came.
    pub(crate) status: Option<u16>,
    /// The words of the edge's own refusal.
    pub(crate) detail: String,
}

/// Hears the verdicts of one request at a time.
#[derive(Default)]
struct Witness(Mutex<Heard>);

#[derive(Default)]
struct Heard {
    wants_log: bool,
    any: bool,
    rules: Vec<u32>,
    told: Vec<Explained>,
}

impl Overhear for Witness {
    fn hear(
        &self,
        inspector: &Inspector,
        request: &waf::Request<'_>,
        response: Option<&waf::Response<'_>>,
        verdict: &Verdict,
    ) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.any = true;
        heard.rules = verdict.matches.iter().map(|found| found.rule).collect();
        if heard.wants_log {
            let (_, told) = inspector.explain(request, response);
            let of_response = response.is_some();
            heard.told.extend(told.into_iter().filter(|told| (told.phase > 2) == of_response));
        }
    }
}

/// The upstream: `/reflect` answers as it is asked to, anything else with an empty page.
async fn upstream(request: Request<RequestBody>) -> Result<Response<Full<Bytes>>, Infallible> {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let answer = reflect::answer(target.as_bytes(), &body);
    let framing = ["content-length", "transfer-encoding", "connection"];
    let mut builder = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        if !framing.iter().any(|framing| name.eq_ignore_ascii_case(framing)) {
            builder = builder.header(name, value);
        }
    }
    Ok(builder.body(Full::from(answer.body)).unwrap_or_default())
}

impl House {
    /// Opens the edge with the rules of a folder at level 4, as the tests ask: nothing is refused.
    pub(crate) async fn watching(folder: &Path) -> Result<Self, String> {
        let rules = ["conformance/crs/setup.conf".to_owned(), folder.display().to_string()];
        Self::open(FirewallConfig {
            mode: FirewallMode::Observe,
            paranoia: 4,
            rules: rules.into(),
            ..FirewallConfig::default()
        })
        .await
    }

    /// Opens the edge with the rules of a folder alone, at a level at which they refuse.
    pub(crate) async fn refusing(folder: &Path, level: u8) -> Result<Self, String> {
        let rules = [folder.display().to_string()];
        Self::open(FirewallConfig { paranoia: level, rules: rules.into(), ..FirewallConfig::default() }).await
    }

    async fn open(config: FirewallConfig) -> Result<Self, String> {
        let world = World::real();
        let firewall = Firewall::new(&config, &world).map_err(|error| told(&error))?;
        let witness = Arc::new(Witness::default());
        firewall.overhear(Arc::clone(&witness) as Arc<dyn Overhear>);
        let home = tempfile::tempdir().map_err(|error| told(&error))?;
        let ca = LocalCa::load_or_create(&home.path().join("ca"), &world).map_err(|error| told(&error))?;
        let client = client(&ca)?;
        let names = vec![ServerName::try_from(NAME).map_err(|error| told(&error))?];
        let tls = Tls::open(TlsSource::Local { ca, names }, &world).await.map_err(|error| told(&error))?;
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| told(&error))?;
        let address = listener.local_addr().map_err(|error| told(&error))?;
        // A request that is cut off need not be waited for.
        let limits = Limits {
            body_grace: Duration::from_secs(1),
            header_timeout: Duration::from_secs(2),
            ..Limits::default()
        };
        let edge = Edge::new(tls, limits, Admission::off(&world), Door::Public)
            .map_err(|error| told(&error))?
            .behind(firewall);
        let (trigger, shutdown) = Shutdown::new();
        tokio::spawn(edge.serve(listener, tower::service_fn(upstream), shutdown));
        Ok(Self { address, client, witness, _trigger: trigger, _home: home })
    }

    /// Sends these bytes on a connection of their own.
    pub(crate) async fn send(&self, raw: &[u8], wants_log: bool) -> Result<Reply, String> {
        *self.lock() = Heard { wants_log, ..Heard::default() };
        let answer = tokio::time::timeout(PATIENCE, self.exchange(raw)).await;
        let answer = answer.map_err(|_| "no answer came in time".to_owned())?.map_err(|e| told(&e))?;
        let heard = std::mem::take(&mut *self.lock());
        let (head, body) = split(&answer);
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let problem: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        Ok(Reply {
            heard: heard.any,
            rules: heard.rules,
            log: expect::lines(&heard.told),
            status,
            detail: problem["detail"].as_str().unwrap_or_default().to_owned(),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.witness.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that comes until the answer is whole, or the connection ends.
    async fn exchange(&self, raw: &[u8]) -> std::io::Result<Vec<u8>> {
        let name = ServerName::try_from(NAME).map_err(std::io::Error::other)?;
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let mut stream = self.client.connect(name, stream).await?;
        // Whoever is refused early may not take all of it.
        let _ = stream.write_all(raw).await;
        let _ = stream.flush().await;
        let (mut answer, mut buffer) = (Vec::new(), [0; 16 * 1024]);
        while !is_whole(&answer) {
            match stream.read(&mut buffer).await {
                Ok(count) if count > 0 => answer.extend_from_slice(&buffer[..count]),
                // A connection that is cut without a close is an end as well.
                _ => break,
            }
        }
        Ok(answer)
    }
}

fn client(ca: &LocalCa) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.certificate().clone()).map_err(|error| told(&error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])
        .map_err(|error| told(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Head and body of an answer; interim ones are passed over.
fn split(answer: &[u8]) -> (String, &[u8]) {
    let mut rest = answer;
    while let Some(at) = memchr::memmem::find(rest, b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&rest[..at]).to_ascii_lowercase();
        rest = &rest[at + 4..];
        if !head.starts_with("http/1.1 100") {
            return (head, rest);
        }
    }
    (String::new(), &[])
}

/// Whether the answer has come to the end that its own head tells of. What tells of none ends with the
/// connection.
fn is_whole(answer: &[u8]) -> bool {
    let (head, body) = split(answer);
    if head.is_empty() {
        return false;
    }
    let field =
        |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim));
    let bodiless = [" 204", " 304"].iter().any(|status| head.get(8..12) == Some(status));
    match field("content-length").and_then(|length| length.parse::<usize>().ok()) {
        _ if bodiless => true,
        Some(length) => body.len() >= length,
        None => field("transfer-encoding").is_some() && body.ends_with(b"0\r\n\r\n"),
    }
}

fn told(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
