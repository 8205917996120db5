//! A listener with a small application behind it, and clients for it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use edge::{
    Admission, Door, Edge, EdgeError, Firewall, Limits, Peer, RequestBody, ServeReport, Shutdown,
    ShutdownTrigger, Stats, Tls, TlsSource,
};
use futures_util::StreamExt;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use kernel::World;
use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use rustls_pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower::Service;
use wire::ca::LocalCa;

pub(crate) const HOST: &str = "edge.test";

/// What every test may wait for at most: a hang is a failure, not a timeout of the whole run.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct House {
    pub(crate) addr: SocketAddr,
    pub(crate) tls: Tls,
    pub(crate) stats: Arc<Stats>,
    pub(crate) root: CertificateDer<'static>,
    pub(crate) home: TempDir,
    trigger: ShutdownTrigger,
    task: JoinHandle<Result<ServeReport, EdgeError>>,
}

pub(crate) type Body = BoxBody<Bytes, Infallible>;

fn say(words: impl Into<Bytes>) -> Body {
    Full::new(words.into()).boxed()
}

/// The application: every path shows one thing.
async fn app(request: Request<RequestBody>, shutdown: Shutdown) -> Result<Response<Body>, Infallible> {
    let peer = request.extensions().get::<Peer>().cloned();
    // An answer as the client wishes it: its type and its status, and the request's body as its own.
    if let Some(kind) = request.headers().get("x-answer-type").cloned() {
        let status =
            request.headers().get("x-answer-status").map_or("200", |status| status.to_str().unwrap());
        let answer = Response::builder().status(status).header("content-type", kind).header("x-mine", "kept");
        let body = request.into_body().collect().await.unwrap().to_bytes();
        return Ok(answer.body(say(body)).unwrap());
    }
    let body = match request.uri().path() {
        "/" => say("hello"),
        "/peer" => say(format!("{peer:?}")),
        "/fields" => say(format!("{:?}", request.headers())),
        "/panic" => panic!("the handler fails on purpose"),
        "/slow" => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            say("late")
        }
        "/echo" => match request.into_body().collect().await {
            Ok(body) => say(format!("{} bytes", body.to_bytes().len())),
            Err(e) => say(format!("the application saw: {e}")),
        },
        "/events" => {
            let ticks = futures_util::stream::unfold(shutdown, |shutdown| async {
                tokio::select! {
                    () = shutdown.requested() => None,
                    () = tokio::time::sleep(Duration::from_millis(50)) => {
                        Some((Ok(Frame::data(Bytes::from_static(b"data: tick\n\n"))), shutdown))
                    }
                }
            });
            BodyExt::boxed(StreamBody::new(Box::pin(ticks)))
        }
        "/upgrade" => {
            let mut request = request;
            let upgraded = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut io = TokioIo::new(upgraded.await.unwrap());
                let mut word = [0u8; 4];
                while io.read_exact(&mut word).await.is_ok() && io.write_all(&word).await.is_ok() {
                    io.flush().await.unwrap();
                }
            });
            let upgrade =
                Response::builder().status(101).header("upgrade", "echo").header("connection", "upgrade");
            return Ok(upgrade.body(say("")).unwrap());
        }
        "/forever" => {
            let ticks = futures_util::stream::pending::<Result<Frame<Bytes>, Infallible>>();
            BodyExt::boxed(StreamBody::new(ticks))
        }
        "/flood" => {
            let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
            let chunks = futures_util::stream::repeat(chunk).map(|c| Ok::<_, Infallible>(Frame::data(c)));
            BodyExt::boxed(StreamBody::new(chunks))
        }
        "/known" => {
            let known = Response::builder().header(edge::STANDING, "conversation; tenant=t; bot=b");
            return Ok(known.body(say("you")).unwrap());
        }
        "/renew" => {
            let known = Response::builder().header(edge::STANDING, "conversation; tenant=t; bot=b");
            return Ok(known.header(edge::ISSUED, "fresh").body(say("yours")).unwrap());
        }
        "/work" => {
            tokio::time::sleep(Duration::from_millis(400)).await;
            say("done")
        }
        _ => say("what?"),
    };
    Ok(Response::new(body))
}

/// A certificate of an authority of one's own, for [`HOST`].
async fn certified() -> (TempDir, CertificateDer<'static>, Tls) {
    let home = tempfile::tempdir().unwrap();
    let ca = LocalCa::load_or_create(&home.path().join("ca"), &World::real()).unwrap();
    let root = ca.certificate().clone();
    let names = vec![ServerName::try_from(HOST).unwrap()];
    let tls = Tls::open(TlsSource::Local { ca, names }, &World::real()).await.unwrap();
    (home, root, tls)
}

impl House {
    pub(crate) async fn open(limits: Limits) -> Self {
        Self::open_behind(Admission::off(&World::real()), limits).await
    }

    /// With an admission of its own.
    pub(crate) async fn open_behind(admission: Admission, limits: Limits) -> Self {
        Self::open_inspected(admission, limits, None).await
    }

    /// With a firewall as well.
    pub(crate) async fn open_inspected(
        admission: Admission,
        limits: Limits,
        firewall: Option<Firewall>,
    ) -> Self {
        let (home, root, tls) = certified().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::open_whole(listener, limits, (admission, firewall), tls, root, home)
    }

    pub(crate) async fn open_with(
        limits: Limits,
        tls: Tls,
        root: CertificateDer<'static>,
        home: TempDir,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::open_on(listener, limits, tls, root, home)
    }

    pub(crate) fn open_on(
        listener: TcpListener,
        limits: Limits,
        tls: Tls,
        root: CertificateDer<'static>,
        home: TempDir,
    ) -> Self {
        Self::open_admitting(listener, limits, Admission::off(&World::real()), tls, root, home)
    }

    pub(crate) fn open_admitting(
        listener: TcpListener,
        limits: Limits,
        admission: Admission,
        tls: Tls,
        root: CertificateDer<'static>,
        home: TempDir,
    ) -> Self {
        Self::open_whole(listener, limits, (admission, None), tls, root, home)
    }

    /// With a firewall and an application of its own.
    pub(crate) async fn open_serving<S, B>(firewall: Firewall, service: S) -> Self
    where
        S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send,
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
    {
        let (home, root, tls) = certified().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (trigger, shutdown) = Shutdown::new();
        let admission = Admission::off(&World::real());
        let edge = Edge::new(tls.clone(), Limits::default(), admission, Door::Public).unwrap();
        let edge = edge.behind(firewall);
        let stats = edge.stats();
        let task = tokio::spawn(edge.serve(listener, service, shutdown));
        Self { addr, tls, stats, root, home, trigger, task }
    }

    fn open_whole(
        listener: TcpListener,
        limits: Limits,
        (admission, firewall): (Admission, Option<Firewall>),
        tls: Tls,
        root: CertificateDer<'static>,
        home: TempDir,
    ) -> Self {
        let addr = listener.local_addr().unwrap();
        let (trigger, shutdown) = Shutdown::new();
        let mut edge = Edge::new(tls.clone(), limits, admission, Door::Public).unwrap();
        if let Some(firewall) = firewall {
            edge = edge.behind(firewall);
        }
        let stats = edge.stats();
        let seen = shutdown.clone();
        let service = tower::service_fn(move |request| app(request, seen.clone()));
        let task = tokio::spawn(edge.serve(listener, service, shutdown));
        Self { addr, tls, stats, root, home, trigger, task }
    }

    pub(crate) fn stop(&self) {
        self.trigger.stop();
    }

    /// Stops, and the listener's last word.
    pub(crate) async fn close(self) -> ServeReport {
        self.trigger.stop();
        within(self.task).await.unwrap().unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.addr, &self.root)
    }
}

/// A client's settings.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) addr: SocketAddr,
    pub(crate) config: ClientConfig,
}

impl Client {
    pub(crate) fn new(addr: SocketAddr, root: &CertificateDer<'static>) -> Self {
        Self::of(addr, root, aws_lc_rs::default_provider(), &[&version::TLS13])
    }

    pub(crate) fn of(
        addr: SocketAddr,
        root: &CertificateDer<'static>,
        provider: CryptoProvider,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(root.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { addr, config }
    }

    pub(crate) fn groups(house: &House, groups: &[&'static dyn SupportedKxGroup]) -> Self {
        let provider = CryptoProvider { kx_groups: groups.to_vec(), ..aws_lc_rs::default_provider() };
        Self::of(house.addr, &house.root, provider, &[&version::TLS13])
    }

    pub(crate) fn alpn(mut self, protocols: &[&str]) -> Self {
        self.config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
        self
    }

    pub(crate) async fn connect(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.addr).await?;
        let name = ServerName::try_from(HOST).unwrap();
        within(TlsConnector::from(Arc::new(self.config.clone())).connect(name, stream)).await
    }

    /// Sends these bytes on a new connection and reads to the end.
    pub(crate) async fn raw(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await.unwrap();
        stream.write_all(bytes.as_ref()).await.unwrap();
        rest(&mut stream).await
    }

    /// `GET path` over HTTP/1.1 on a new connection.
    pub(crate) async fn get(&self, path: &str) -> String {
        self.raw(get(path)).await
    }
}

pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n")
}

/// What comes until the end, as text. A connection that is cut without a close is an end as well.
pub(crate) async fn rest(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut bytes = Vec::new();
    let _ = within(stream.read_to_end(&mut bytes)).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads until `text` has come.
pub(crate) async fn until(stream: &mut (impl AsyncReadExt + Unpin), text: &str) -> String {
    let mut seen = String::new();
    let mut buffer = [0u8; 4096];
    while !seen.contains(text) {
        let count = within(stream.read(&mut buffer)).await.unwrap();
        assert_ne!(count, 0, "the end came before `{text}`; so far: {seen}");
        seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    seen
}

pub(crate) async fn within<F: Future>(work: F) -> F::Output {
    tokio::time::timeout(PATIENCE, work).await.expect("done within the patience of a test")
}

/// Waits until `check` holds.
pub(crate) async fn eventually(what: &str, check: impl Fn() -> bool) {
    for _ in 0..400 {
        if check() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it never came about that {what}");
}
