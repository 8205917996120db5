//! `wardroom up`: everything in one process on embedded parts. It makes what is missing, opens the
//! doors, and says where to go.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use api::{Front, FrontParts};
use axum::extract::Request;
use edge::{Edge, Limits, Peer, Shutdown, Tls, TlsSource};
use ledger::Token;
use ledger::catalogue::{ServiceStarted, ServiceStopped};
use rustls_pki_types::{DnsName, ServerName};
use store::{Source, Via};
use tokio::net::TcpListener;
use tower::ServiceExt;
use wire::ca::LocalCa;

use crate::bot::make_default;
use crate::config::Config;
use crate::datadir::DataDir;
use crate::wiring::{Foundation, House};
use crate::{Failure, checkpoints, posture, samples};

/// How long open streams get to end after Ctrl-C.
const DRAIN: Duration = Duration::from_secs(10);

/// Runs until Ctrl-C or SIGTERM.
pub(crate) async fn up(data: &Path, config: Config, json: bool) -> Result<ExitCode, Failure> {
    logging();
    let dir = DataDir::hold(data)?;
    dir.folder("keys")?;
    let say = |line: &str| {
        if !json {
            println!("{line}");
        }
    };
    let base = Foundation::open(dir.path(), &config, true).await?;
    let signer = checkpoints::signer(&base).await?;
    std::fs::write(dir.path().join("audit.vkey"), format!("{}\n", signer.verifier_key()))?;
    let house = House::on(base.clone()).await?;
    if house.shelf.live(&config.bots.default).is_none() {
        say("making the default bot (once; a few seconds)");
        make_default(&house, &config.bots.default).await?;
    }
    started(&base, &config).await?;

    let certificates = Certificates::open(&dir, &config, &base).await?;
    let (trigger, shutdown) = Shutdown::new();
    let public = listen(config.public.listen).await?;
    let address = public.local_addr()?;
    let origin =
        config.public.origin.clone().unwrap_or_else(|| format!("https://localhost:{}", address.port()));
    let front = Front::new(FrontParts {
        tenant: base.tenant,
        guard: base.guard.clone(),
        world: base.world.clone(),
        db: base.db.clone(),
        keys: base.keys.clone(),
        conversations: house.conversations.clone(),
        shelf: house.shelf.clone(),
        default_bot: config.bots.default.clone(),
        origin: origin.clone(),
        ending: shutdown.receiver(),
        assets: samples::asset,
    });
    let (router, _) = api::doors(front)?;
    let limits = Limits { drain_timeout: DRAIN, ..Limits::default() };
    let edge = Edge::new(certificates.tls.clone(), limits)?;
    let doors = tokio::spawn(edge.serve(public, with_source(router), shutdown.clone()));
    let signing = tokio::spawn(checkpoints::keep_signing(base.clone(), checkpoints::signer(&base).await?));

    let ready = Ready { public: origin, ca: certificates.ca, findings: posture::of_config(&config) };
    if json {
        println!("{}", ready.json());
    } else {
        ready.show();
    }

    asked_to_stop().await;
    say("\nstopping: open conversations are told, answers in the making are finished");
    trigger.stop();
    doors.await??;
    let _ = tokio::time::timeout(DRAIN, house.conversations.settle()).await;
    signing.abort();
    stopped(&base).await?;
    checkpoints::sign(&base, &signer).await?;
    Ok(ExitCode::SUCCESS)
}

/// What a person needs to know once the doors are open.
struct Ready {
    public: String,
    ca: Option<PathBuf>,
    findings: Vec<posture::Finding>,
}

impl Ready {
    fn json(&self) -> serde_json::Value {
        serde_json::json!({ "ready": true, "public": self.public, "ca": self.ca })
    }

    fn show(&self) {
        println!("\n  Wardroom is open.\n");
        println!("  Chat       {}/", self.public);
        if let Some(ca) = &self.ca {
            println!("  Trust      {}", ca.display());
            println!(
                "             (the certificate of this deployment's own authority; add it to your browser)"
            );
        }
        if !self.findings.is_empty() {
            println!("\n  Not yet for production:");
            for finding in &self.findings {
                println!("   - {}\n     {}", finding.what, finding.mend);
            }
        }
        println!("\n  Ctrl-C stops it.");
    }
}

/// Certificates for the doors, and the authority to trust when it is our own.
struct Certificates {
    tls: Tls,
    ca: Option<PathBuf>,
}

impl Certificates {
    async fn open(dir: &DataDir, config: &Config, base: &Foundation) -> Result<Self, Failure> {
        if let (Some(cert), Some(key)) = (&config.tls.certificate, &config.tls.key) {
            let source = TlsSource::Files { cert: cert.clone(), key: key.clone() };
            return Ok(Self { tls: Tls::open(source, &base.world).await?, ca: None });
        }
        let ca = LocalCa::load_or_create(&dir.folder("tls")?, &base.world)?;
        let path = std::path::absolute(ca.certificate_path())?;
        let mut names = vec![ServerName::DnsName(DnsName::try_from("localhost")?.to_owned())];
        for address in [IpAddr::from([127, 0, 0, 1]), "::1".parse()?] {
            names.push(ServerName::IpAddress(address.into()));
        }
        for name in &config.tls.names {
            names.push(ServerName::try_from(name.clone())?);
        }
        let source = TlsSource::Local { ca, names };
        Ok(Self { tls: Tls::open(source, &base.world).await?, ca: Some(path) })
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        format!("cannot listen on {address}: {error}; choose another address with --listen or --console")
            .into()
    })
}

/// Hands the client's address from the edge on to the events.
fn with_source(
    router: axum::Router,
) -> impl tower::Service<
    http::Request<edge::RequestBody>,
    Response = axum::response::Response,
    Error = std::convert::Infallible,
    Future: Send,
> + Clone
+ Send
+ 'static {
    router.map_request(|request: http::Request<edge::RequestBody>| -> Request {
        let mut request = request.map(axum::body::Body::new);
        if let Some(peer) = request.extensions().get::<Peer>() {
            let source = Source(peer.addr.ip().to_string());
            request.extensions_mut().insert(source);
        }
        request
    })
}

async fn started(base: &Foundation, config: &Config) -> Result<(), Failure> {
    let digest = ledger::leaf_hash(toml::to_string(config)?.as_bytes());
    let event = ServiceStarted {
        role: "all",
        version: Token::lossy(env!("CARGO_PKG_VERSION")),
        config_sha256: digest,
    };
    let entry = base.keys.scribe(base.tenant).await?.write(&event, &base.operator(), &Via::default())?;
    Ok(base.db.write(move |tx| entry.append(tx)).await?)
}

async fn stopped(base: &Foundation) -> Result<(), Failure> {
    let event = ServiceStopped { role: "all", why: "signal" };
    let entry = base.keys.scribe(base.tenant).await?.write(&event, &base.operator(), &Via::default())?;
    Ok(base.db.write(move |tx| entry.append(tx)).await?)
}

async fn asked_to_stop() {
    let mut terminate = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(signal) => signal,
        Err(_) => return drop(tokio::signal::ctrl_c().await),
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

/// Logs go to standard error; `RUST_LOG` chooses how much. They carry no content.
fn logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}
