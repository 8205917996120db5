//! The house under attack: the edge with two doors, and behind it an application that can do so much and
//! no more. And the sink: what attackers flood to show what they cost by themselves.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use edge::{
    AccessConfig, Admission, AdmissionConfig, Door, Edge, Limits, News, RequestBody, Shutdown, Stats, Tls,
    TlsSource, Witness,
};
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kernel::World;
use rustls::ServerConfig;
use rustls_pki_types::ServerName;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};
use tokio_rustls::TlsAcceptor;
use wire::ca::LocalCa;

use crate::net::{HOST, PROXY};
use crate::{Failure, part};

const AT_ONCE: usize = 4;
const EACH: Duration = Duration::from_millis(10);

/// Requests that the application has answered.
static SERVED: AtomicU64 = AtomicU64::new(0);

/// What admission did, and when.
#[derive(Debug, Default)]
struct Log(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    began: Option<Instant>,
    found: Option<f64>,
    state: Option<f64>,
    measures: Vec<String>,
}

impl Witness for Log {
    fn note(&self, news: News) {
        let mut told = self.lock();
        let since = told.began.map(|began| began.elapsed().as_secs_f64());
        match news {
            News::Measure { dimension, label, step, .. } => {
                told.found = told.found.or(since);
                if told.measures.len() < 5 {
                    told.measures.push(format!("{step} {dimension} {label}"));
                }
            }
            News::State { .. } => told.state = told.state.or(since),
            _ => {}
        }
    }
}

impl Log {
    fn lock(&self) -> std::sync::MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The application: opening a conversation gives a token, and a message with it is accepted; the right
/// password gives a session.
async fn app<B: Body>(request: Request<B>, work: Arc<Semaphore>) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    let token = request.headers().get("authorization").and_then(|t| t.to_str().ok()).map(str::to_owned);
    let session = request.headers().get("cookie").is_some();
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes);
    let Ok(_turn) = work.acquire().await else { return Response::new(Full::default()) };
    sleep(EACH).await;
    SERVED.fetch_add(1, Ordering::Relaxed);
    let known = |mut response: Response<Full<Bytes>>, word: &'static str| {
        response.headers_mut().insert(edge::STANDING, http::HeaderValue::from_static(word));
        response
    };
    let status = |code: u16| {
        let mut response = Response::new(Full::from("{}"));
        *response.status_mut() = code.try_into().unwrap_or_default();
        response
    };
    let issue = |mut response: Response<Full<Bytes>>| {
        let token: String = World::real().bytes::<8>().iter().map(|b| format!("{b:02x}")).collect();
        if let Ok(token) = token.parse() {
            response.headers_mut().insert(edge::ISSUED, token);
        }
        *response.body_mut() = Full::from(token);
        response
    };
    const CHAT: &str = "conversation; tenant=t; bot=b";
    match (method, path.as_str(), token) {
        (Method::POST, "/chat/v1/conversations", _) => issue(known(status(201), CHAT)),
        (_, path, Some(_)) if path.starts_with("/chat/v1/conversations/") || path.starts_with("/v1/") => {
            known(status(202), CHAT)
        }
        (Method::POST, "/sign-in", _) if body.is_ok_and(|body| body.ends_with(b"password=right")) => {
            issue(known(status(200), "staff; tenant=t"))
        }
        (Method::POST, "/sign-in", _) => status(401),
        (Method::GET, "/conversations", _) if session => known(status(200), "staff; tenant=t"),
        (Method::GET, "/" | "/widget.js", _) => status(200),
        _ => status(404),
    }
}

/// Runs the house, with the edge in front or, for HAProxy, the bare application.
pub(crate) fn run(front: &str) -> Result<(), Failure> {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let home = tempfile::tempdir()?;
    let served = match front {
        "haproxy" => runtime.block_on(bare())?,
        other => runtime.block_on(guarded(other == "edge", home.path()))?,
    };
    let Served { mut first, stats, log } = served;
    first["capacity"] = runtime.block_on(capacity()).into();
    part::serve(&first, |word| {
        let told = {
            let mut told = log.lock();
            if word == "attack" {
                *told = Told { began: Some(Instant::now()), ..Told::default() };
            }
            json!({ "found": told.found, "state": told.state, "measures": told.measures })
        };
        let sum = |of: &dyn Fn(&edge::ServeReport) -> u64| -> u64 {
            stats.iter().map(|stats| of(&stats.snapshot())).sum()
        };
        let (cpu_ms, memory) = part::usage(std::process::id());
        let mut answer = json!({
            "requests": sum(&|r| r.requests),
            "connections": sum(&|r| r.connections),
            "handshakes": sum(&|r| r.handshakes),
            "served": SERVED.load(Ordering::Relaxed),
            "refused_budget": sum(&|r| r.refused_budget),
            "shed": sum(&|r| r.shed),
            "handshake_failures": sum(&|r| r.handshake_failures),
            "refused_requests": sum(&|r| r.refused_budget + r.shed),
            "refused_connections": sum(&|r| r.refused_admission + r.refused_address + r.refused_network + r.refused_full),
            "floods": sum(&|r| r.reset_floods + r.chatter_floods),
            "cpu_ms": cpu_ms,
            "memory_kib": memory,
        });
        if let (Value::Object(answer), Value::Object(told)) = (&mut answer, told) {
            answer.extend(told);
        }
        answer
    })?;
    runtime.shutdown_background();
    Ok(())
}

/// What the application really can do on this machine, whose timers are coarse: answers per second, when
/// there is always somebody who waits.
async fn capacity() -> f64 {
    const LASTS: Duration = Duration::from_secs(2);
    let work = Arc::new(Semaphore::new(AT_ONCE));
    let end = Instant::now() + LASTS;
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE * 2 {
        let work = Arc::clone(&work);
        asking.spawn(async move {
            let mut answered = 0u32;
            while Instant::now() < end {
                let Ok(_turn) = work.acquire().await else { break };
                sleep(EACH).await;
                answered += 1;
            }
            answered
        });
    }
    f64::from(asking.join_all().await.iter().sum::<u32>()) / LASTS.as_secs_f64()
}

struct Served {
    first: Value,
    stats: Vec<Arc<Stats>>,
    log: Arc<Log>,
}

async fn guarded(on: bool, home: &std::path::Path) -> Result<Served, Failure> {
    let world = World::real();
    let ca = LocalCa::load_or_create(&home.join("ca"), &world)?;
    let root = home.join("root.der");
    std::fs::write(&root, ca.certificate().as_ref())?;
    let names = vec![ServerName::try_from(HOST)?];
    let tls = Tls::open(TlsSource::Local { ca, names }, &world).await?;
    let config = AdmissionConfig { enabled: on, established_after: 20, ..AdmissionConfig::default() };
    let access = AccessConfig {
        trusted_proxies: vec![ipnet::IpNet::from(PROXY)],
        proxy_protocol: true,
        ..AccessConfig::default()
    };
    let admission = Admission::new(config, &access, &world)?;
    let log = Arc::new(Log::default());
    admission.tell(Arc::clone(&log) as Arc<dyn Witness>);
    let (trigger, shutdown) = Shutdown::new();
    // The house stands until its process ends.
    std::mem::forget(trigger);
    tokio::spawn(admission.clone().watch(shutdown.clone()));
    let limits = Limits {
        connections: 16_384,
        connections_per_network: 4096,
        header_timeout: Duration::from_secs(5),
        body_grace: Duration::from_secs(3),
        write_stall: Duration::from_secs(5),
        ..Limits::default()
    };
    let work = Arc::new(Semaphore::new(AT_ONCE));
    let (mut addresses, mut stats) = (Vec::new(), Vec::new());
    for door in [Door::Public, Door::Staff] {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        addresses.push(listener.local_addr()?.to_string());
        let edge = Edge::new(tls.clone(), limits.clone(), admission.clone(), door)?;
        stats.push(edge.stats());
        let (work, shutdown) = (Arc::clone(&work), shutdown.clone());
        let service = tower::service_fn(move |request: Request<RequestBody>| {
            let work = Arc::clone(&work);
            async move { Ok::<_, Infallible>(app(request, work).await) }
        });
        tokio::spawn(async move {
            let _ = edge.serve(listener, service, shutdown).await;
        });
    }
    let first = json!({ "addresses": addresses, "root": root });
    Ok(Served { first, stats, log })
}

/// The application alone, in clear, for a proxy before it.
async fn bare() -> Result<Served, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let work = Arc::new(Semaphore::new(AT_ONCE));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let work = Arc::clone(&work);
            tokio::spawn(async move {
                let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                    let work = Arc::clone(&work);
                    async move { Ok::<_, Infallible>(app(request, work).await) }
                });
                let http = hyper::server::conn::http1::Builder::new();
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    Ok(Served { first: json!({ "addresses": [address] }), stats: Vec::new(), log: Arc::default() })
}

/// Runs the sink: it takes every connection and answers every request with the same few bytes.
pub(crate) fn sink() -> Result<(), Failure> {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let home = tempfile::tempdir()?;
    let first = runtime.block_on(async {
        let own = rcgen::generate_simple_self_signed([HOST.to_owned()])?;
        let root = home.path().join("root.der");
        std::fs::write(&root, own.cert.der())?;
        let key = rustls_pki_types::PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key.into())?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(swallow(listener, TlsAcceptor::from(Arc::new(config))));
        Ok::<_, Failure>(json!({ "addresses": [address.to_string(), address.to_string()], "root": root }))
    })?;
    part::serve(&first, |_| json!({}))?;
    runtime.shutdown_background();
    Ok(())
}

async fn swallow(listener: TcpListener, tls: TlsAcceptor) {
    while let Ok((mut stream, peer)) = listener.accept().await {
        let (tls, proxied) = (tls.clone(), peer_is_proxy(peer));
        tokio::spawn(async move {
            let mut head = [0; 16 + 36];
            if proxied && stream.read_exact(&mut head).await.is_err() {
                return;
            }
            let Ok(mut stream) = tls.accept(stream).await else { return };
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                let mut buffer = vec![0; 16 * 1024];
                while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
                return;
            }
            let service = service_fn(|request: Request<hyper::body::Incoming>| async {
                let _ = request.into_body().collect().await;
                Ok::<_, Infallible>(
                    Response::builder().status(201).body(Full::<Bytes>::from("token")).unwrap_or_default(),
                )
            });
            let http = hyper::server::conn::http1::Builder::new();
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn peer_is_proxy(peer: SocketAddr) -> bool {
    peer.ip() == PROXY
}
