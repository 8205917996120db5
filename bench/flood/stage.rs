//! The edge, and behind it an application that can do so much and no more.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use edge::{
    AccessConfig, Admission, AdmissionConfig, Door, Edge, Limits, News, RequestBody, ServeReport, Shutdown,
    ShutdownTrigger, Stats, Tls, TlsSource, Witness,
};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use kernel::World;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use wire::ca::LocalCa;

use crate::Failure;

/// What the application can do: four at once, ten milliseconds each.
pub(crate) const CAPACITY: usize = 400;
const AT_ONCE: usize = 4;
const EACH: Duration = Duration::from_millis(10);
const HOST: &str = "chat.test";
/// Who may tell another's address by the PROXY protocol.
pub(crate) const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 50));

/// The edge under test.
#[derive(Clone)]
pub(crate) struct Stage(Arc<Inner>);

struct Inner {
    address: SocketAddr,
    client: Arc<ClientConfig>,
    resuming: Arc<ClientConfig>,
    stats: Arc<Stats>,
    log: Arc<Log>,
    trigger: ShutdownTrigger,
    task: Mutex<Option<JoinHandle<()>>>,
    _home: TempDir,
}

/// What admission did, and when.
#[derive(Debug, Default)]
struct Log(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    began: Option<Instant>,
    found: Option<f64>,
    measures: Vec<String>,
}

impl Witness for Log {
    fn note(&self, news: News) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let News::Measure { dimension, label, step, .. } = news {
            let since = told.began.map(|began| began.elapsed().as_secs_f64());
            told.found = told.found.or(since);
            let words = format!("{step} {dimension} {label}");
            if told.measures.len() < 6 {
                told.measures.push(words);
            }
        }
    }
}

/// The application: opening a conversation gives a token, and a message with it is accepted.
async fn app(request: Request<RequestBody>, work: Arc<Semaphore>) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    let token = request.headers().get("authorization").and_then(|t| t.to_str().ok()).map(str::to_owned);
    let _ = request.into_body().collect().await;
    let Ok(_turn) = work.acquire().await else { return Response::new(Full::default()) };
    sleep(EACH).await;
    let known = |mut response: Response<Full<Bytes>>| {
        if let Ok(word) = "conversation; tenant=t; bot=b".parse() {
            response.headers_mut().insert(edge::STANDING, word);
        }
        response
    };
    let status = |code: u16| {
        let mut response = Response::new(Full::from("{}"));
        *response.status_mut() = code.try_into().unwrap_or_default();
        response
    };
    match (method, path.as_str(), token) {
        (Method::POST, "/chat/v1/conversations", _) => {
            let token = hex(&World::real().bytes::<8>());
            let mut response = known(status(201));
            if let Ok(token) = token.parse() {
                response.headers_mut().insert(edge::ISSUED, token);
            }
            *response.body_mut() = Full::from(token);
            response
        }
        (_, path, Some(_)) if path.starts_with("/chat/v1/conversations/") || path.starts_with("/v1/") => {
            known(status(202))
        }
        (Method::POST, "/sign-in", _) => status(401),
        (Method::GET, "/" | "/widget.js", _) => status(200),
        _ => status(404),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

impl Stage {
    pub(crate) async fn open(off: bool) -> Result<Self, Failure> {
        let world = World::real();
        let home = tempfile::tempdir()?;
        let ca = LocalCa::load_or_create(&home.path().join("ca"), &world)?;
        let mut roots = RootCertStore::empty();
        roots.add(ca.certificate().clone())?;
        let names = vec![ServerName::try_from(HOST)?];
        let tls = Tls::open(TlsSource::Local { ca, names }, &world).await?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let client = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut never = client.clone();
        never.resumption = rustls::client::Resumption::disabled();
        let config = AdmissionConfig { enabled: !off, established_after: 5, ..AdmissionConfig::default() };
        let access = AccessConfig {
            trusted_proxies: vec![ipnet::IpNet::from(PROXY)],
            proxy_protocol: true,
            ..AccessConfig::default()
        };
        let admission = Admission::new(config, &access, &world)?;
        let log = Arc::new(Log::default());
        admission.tell(Arc::clone(&log) as Arc<dyn Witness>);
        let (trigger, shutdown) = Shutdown::new();
        tokio::spawn(admission.clone().watch(shutdown.clone()));
        let limits = Limits {
            connections: 16_384,
            connections_per_network: 4096,
            header_timeout: Duration::from_secs(5),
            body_grace: Duration::from_secs(3),
            write_stall: Duration::from_secs(5),
            drain_timeout: Duration::from_millis(200),
            ..Limits::default()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let edge = Edge::new(tls, limits, admission, Door::Public)?;
        let stats = edge.stats();
        let work = Arc::new(Semaphore::new(AT_ONCE));
        let service = tower::service_fn(move |request| {
            let work = Arc::clone(&work);
            async move { Ok::<_, Infallible>(app(request, work).await) }
        });
        let task = tokio::spawn(async move {
            let _ = edge.serve(listener, service, shutdown).await;
        });
        Ok(Self(Arc::new(Inner {
            address,
            client: Arc::new(never),
            resuming: Arc::new(client),
            stats,
            log,
            trigger,
            task: Mutex::new(Some(task)),
            _home: home,
        })))
    }

    pub(crate) fn stats(&self) -> ServeReport {
        self.0.stats.snapshot()
    }

    pub(crate) fn attack_begins(&self) {
        let mut told = self.0.log.0.lock().unwrap_or_else(PoisonError::into_inner);
        *told = Told { began: Some(Instant::now()), ..Told::default() };
    }

    pub(crate) fn found(&self) -> Option<f64> {
        self.0.log.0.lock().unwrap_or_else(PoisonError::into_inner).found
    }

    pub(crate) fn measures(&self) -> Vec<String> {
        self.0.log.0.lock().unwrap_or_else(PoisonError::into_inner).measures.clone()
    }

    pub(crate) async fn close(&self) {
        self.0.trigger.stop();
        let task = self.0.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            let _ = timeout(Duration::from_secs(10), task).await;
        }
    }

    /// A TCP connection from an address of our choice.
    pub(crate) async fn dial(&self, from: IpAddr) -> Result<TcpStream, Failure> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(from, 0))?;
        Ok(timeout(Duration::from_secs(5), socket.connect(self.0.address)).await??)
    }

    /// A TLS connection. An IPv6 client comes by the proxy.
    pub(crate) async fn connect(
        &self,
        from: IpAddr,
        resume: bool,
        alpn: &[u8],
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let stream = match from {
            IpAddr::V4(_) => self.dial(from).await?,
            IpAddr::V6(v6) => {
                let mut stream = self.dial(PROXY).await?;
                let mut head = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x24".to_vec();
                head.extend(v6.octets());
                head.extend([0; 16]);
                head.extend([0x40, 0, 1, 0xBB]);
                stream.write_all(&head).await?;
                stream
            }
        };
        let mut config = if resume { Arc::clone(&self.0.resuming) } else { Arc::clone(&self.0.client) };
        if !alpn.is_empty() {
            Arc::make_mut(&mut config).alpn_protocols = vec![alpn.to_vec()];
        }
        let name = ServerName::try_from(HOST)?;
        Ok(timeout(Duration::from_secs(10), TlsConnector::from(config).connect(name, stream)).await??)
    }

    /// An HTTP/1.1 client on a connection of its own.
    pub(crate) async fn client(&self, from: IpAddr) -> Result<Client, Failure> {
        let stream = self.connect(from, true, b"").await?;
        let (sender, conn) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(conn);
        Ok(Client(sender))
    }
}

/// An HTTP/1.1 client.
pub(crate) struct Client(hyper::client::conn::http1::SendRequest<Full<Bytes>>);

impl Client {
    /// Sends a request; the status and the body that came back.
    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        fields: &[(&'static str, &str)],
        body: &'static str,
    ) -> Result<(u16, Bytes), Failure> {
        let mut request = Request::builder().method(method).uri(path).header("host", HOST);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(body))?;
        let answer = async {
            self.0.ready().await?;
            let response = self.0.send_request(request).await?;
            let status = response.status().as_u16();
            Ok::<_, Failure>((status, response.into_body().collect().await?.to_bytes()))
        };
        timeout(Duration::from_secs(10), answer).await?
    }
}

/// Memory of this process that is in use: of both sides of every connection, since both are here.
pub(crate) fn memory_kib() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or_default()
}
