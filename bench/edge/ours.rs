//! The edge on a thread of its own, and rustls alone with the same kind of certificate.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use bytes::Bytes;
use edge::{Admission, Door, Edge, Limits, RequestBody, Shutdown, ShutdownTrigger, Tls, TlsSource};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use kernel::World;
use rustls::{ClientConnection, ServerConfig, ServerConnection, version};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tempfile::TempDir;
use tokio::net::TcpListener;
use wire::ca::LocalCa;

use crate::client::{self, Client, NAME};
use crate::nginx;

/// The edge, served by one thread.
pub(crate) struct House {
    pub(crate) port: u16,
    pub(crate) root: CertificateDer<'static>,
    ca: LocalCa,
    /// The kernel's account of the thread.
    account: PathBuf,
    _trigger: ShutdownTrigger,
    _home: TempDir,
}

/// The application: reads the body and says that all is right.
async fn echo(request: Request<RequestBody>) -> Result<Response<Full<Bytes>>, Infallible> {
    let _ = request.into_body().collect().await;
    Ok(Response::new(Full::from("all right")))
}

impl House {
    pub(crate) fn open() -> Result<Self, String> {
        let home = tempfile::tempdir().map_err(|error| error.to_string())?;
        let folder = home.path().join("ca");
        let ca = LocalCa::load_or_create(&folder, &World::real()).map_err(|error| error.to_string())?;
        let root = ca.certificate().clone();
        let (tell, told) = mpsc::channel();
        let (trigger, shutdown) = Shutdown::new();
        std::thread::spawn(move || {
            let account = std::fs::read_link("/proc/thread-self").unwrap_or_default();
            let account = Path::new("/proc").join(account).join("schedstat");
            let served = serve(&folder, shutdown, |port| {
                let _ = tell.send((port, account.clone()));
            });
            if let Err(trouble) = served {
                eprintln!("{trouble}");
            }
        });
        let (port, account) = told.recv().map_err(|_| "the edge did not open".to_owned())?;
        Ok(Self { port, root, ca, account, _trigger: trigger, _home: home })
    }

    /// CPU time of the edge, in microseconds: of the thread that serves, and of those that shake hands, which
    /// the edge has beside it.
    pub(crate) fn cpu(&self) -> f64 {
        let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let tasks = tasks.map(|task| task.path());
        let shakes = |task: &PathBuf| {
            std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim_end() == "handshakes")
        };
        let shaking: f64 = tasks.filter(shakes).map(|task| nginx::schedstat(&task.join("schedstat"))).sum();
        nginx::schedstat(&self.account) + shaking
    }

    /// A certificate and its key as files of this folder.
    pub(crate) fn pem(&self, folder: &Path) -> Result<(String, String), String> {
        let (chain, key) = self.pair()?;
        let (certificate, private) = (folder.join("chain.pem"), folder.join("key.pem"));
        let chain: String = chain.iter().map(|one| pem("CERTIFICATE", one)).collect();
        std::fs::write(&certificate, chain).map_err(|error| error.to_string())?;
        std::fs::write(&private, pem("PRIVATE KEY", key.secret_der())).map_err(|error| error.to_string())?;
        Ok((certificate.display().to_string(), private.display().to_string()))
    }

    fn pair(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
        let names = [ServerName::try_from(NAME).map_err(|error| error.to_string())?];
        let identity = self.ca.issue_server(&names).map_err(|error| error.to_string())?;
        Ok((identity.chain().to_vec(), identity.key()))
    }
}

/// The edge as the house opens it, but for the firewall and the limits of one address, until the shutdown.
fn serve(folder: &Path, shutdown: Shutdown, tell: impl FnOnce(u16)) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(async {
        let world = World::real();
        let ca = LocalCa::load_or_create(folder, &world).map_err(|error| error.to_string())?;
        let names = vec![ServerName::try_from(NAME).map_err(|error| error.to_string())?];
        let tls =
            Tls::open(TlsSource::Local { ca, names }, &world).await.map_err(|error| error.to_string())?;
        let edge = Edge::new(tls, Limits::default(), Admission::off(&world), Door::Public);
        let edge = edge.map_err(|error| error.to_string())?;
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
        tell(listener.local_addr().map_err(|error| error.to_string())?.port());
        edge.serve(listener, tower::service_fn(echo), shutdown).await.map_err(|error| error.to_string())?;
        Ok(())
    })
}

fn bare_config(house: &House) -> Result<ServerConfig, String> {
    let (chain, key) = house.pair()?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| error.to_string())
}

/// Full handshakes per second of CPU time of rustls alone: the server's part of them, from memory to memory,
/// with a certificate like the edge's.
pub(crate) fn bare_handshakes(house: &House, count: usize, rounds: usize) -> Result<f64, String> {
    let (server, client) = (Arc::new(bare_config(house)?), Arc::new(client::config(&house.root)?));
    let mut best: f64 = 0.0;
    for _ in 0..rounds {
        best = best.max(count as f64 * 1e6 / handshakes(&server, &client, count)?);
    }
    Ok(best)
}

/// Full handshakes per second of CPU time of rustls over sockets, with nothing else: one thread that accepts,
/// shakes hands and closes. What is left to an edge beyond it is its own.
pub(crate) fn socket_handshakes(house: &House, count: usize, rounds: usize) -> Result<f64, String> {
    let server = Arc::new(bare_config(house)?);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let port = listener.local_addr().map_err(|error| error.to_string())?.port();
    let client = Client::new(port, &house.root)?;
    std::thread::scope(|scope| {
        let serving = scope.spawn(|| {
            let this = Path::new("/proc/thread-self/schedstat");
            let mut best: f64 = 0.0;
            for _ in 0..rounds {
                let before = nginx::schedstat(this);
                for _ in 0..count {
                    serve_one(&listener, &server)?;
                }
                best = best.max(count as f64 * 1e6 / (nginx::schedstat(this) - before));
            }
            Ok(best)
        });
        (0..rounds).try_for_each(|_| client.handshakes(count, 1))?;
        serving.join().map_err(|_| "the server panicked".to_owned())?
    })
}

fn serve_one(listener: &std::net::TcpListener, config: &Arc<ServerConfig>) -> Result<(), String> {
    let (mut stream, _) = listener.accept().map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let mut tls = ServerConnection::new(Arc::clone(config)).map_err(|error| error.to_string())?;
    while tls.is_handshaking() || tls.wants_write() {
        tls.complete_io(&mut stream).map_err(|error| error.to_string())?;
    }
    // Until the client is gone, as the edge waits for a request that does not come.
    let _ = tls.complete_io(&mut stream);
    Ok(())
}

/// So many handshakes side by side, flight by flight; the CPU time of all servers in microseconds.
fn handshakes(
    server: &Arc<ServerConfig>,
    client: &Arc<rustls::ClientConfig>,
    count: usize,
) -> Result<f64, String> {
    let this = Path::new("/proc/thread-self/schedstat");
    let told = |error: rustls::Error| error.to_string();
    let name = ServerName::try_from(NAME).map_err(|error| error.to_string())?;
    let mut theirs = Vec::new();
    for _ in 0..count {
        theirs.push(ClientConnection::new(Arc::clone(client), name.clone()).map_err(told)?);
    }
    let before = nginx::schedstat(this);
    let mut ours = Vec::new();
    for _ in 0..count {
        ours.push(ServerConnection::new(Arc::clone(server)).map_err(told)?);
    }
    let mut spent = nginx::schedstat(this) - before;
    for _ in 0..8 {
        if ours.iter().all(|one| !one.is_handshaking()) && theirs.iter().all(|one| !one.is_handshaking()) {
            return Ok(spent);
        }
        let mut flights = Vec::new();
        for one in &mut theirs {
            let mut flight = Vec::new();
            while one.wants_write() {
                one.write_tls(&mut flight).map_err(|error| error.to_string())?;
            }
            flights.push(flight);
        }
        let before = nginx::schedstat(this);
        let mut answers = Vec::new();
        for (one, flight) in ours.iter_mut().zip(&flights) {
            let mut rest = flight.as_slice();
            while !rest.is_empty() {
                one.read_tls(&mut rest).map_err(|error| error.to_string())?;
                one.process_new_packets().map_err(told)?;
            }
            let mut answer = Vec::new();
            while one.wants_write() {
                one.write_tls(&mut answer).map_err(|error| error.to_string())?;
            }
            answers.push(answer);
        }
        spent += nginx::schedstat(this) - before;
        for (one, answer) in theirs.iter_mut().zip(&answers) {
            let mut rest = answer.as_slice();
            while !rest.is_empty() {
                one.read_tls(&mut rest).map_err(|error| error.to_string())?;
                one.process_new_packets().map_err(told)?;
            }
        }
    }
    Err("a handshake has no end".to_owned())
}

fn pem(kind: &str, der: &[u8]) -> String {
    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n"))
}
