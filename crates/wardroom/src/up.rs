//! `wardroom up`: everything in one process on embedded parts. It makes what is missing, opens the
//! doors, and says where to go.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use api::{Front, FrontParts, StaffApi, StaffParts};
use axum::extract::Request;
use console::{Desk, DeskParts};
use edge::{
    AcmeChallenge, AcmeConfig, Admission, ClientAuthorities, Door, Edge, Firewall, Limits, Peer, PlainConfig,
    Shared, Shutdown, Tls, TlsSource, Witness, serve_plain,
};
use identity::Identity;
use identity::passkey::RelyingParty;
use identity::password::Passwords;
use ledger::Token;
use ledger::catalogue::{ServiceStarted, ServiceStopped};
use rustls_pki_types::{DnsName, ServerName};
use store::{Source, Via};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tower::ServiceExt;
use wire::ca::LocalCa;

use crate::adapters::ShelfReleases;
use crate::bot::make_default;
use crate::config::Config;
use crate::courier::Courier;
use crate::datadir::DataDir;
use crate::wiring::{Foundation, House};
use crate::{
    Failure, adapters, checkpoints, invitations, passwords, posture, providers, refused, requests, retention,
    samples, watchman,
};

/// How long open streams get to end after Ctrl-C.
const DRAIN: Duration = Duration::from_secs(10);

/// The file that tells other commands under which origin staff's browsers see this house.
const ORIGIN: &str = "console.origin";

/// That origin: as configured, as the house that runs or ran last had it, or as the default port gives it.
pub(crate) fn staff_origin(data: &Path, config: &Config) -> String {
    let told = || std::fs::read_to_string(data.join(ORIGIN)).ok().map(|text| text.trim().to_owned());
    let usual = || format!("https://localhost:{}", config.console.listen.port());
    config.console.origin.clone().or_else(told).unwrap_or_else(usual)
}

/// Runs until Ctrl-C or SIGTERM.
pub(crate) async fn up(data: &Path, config: Config, reread: Reread, json: bool) -> Result<ExitCode, Failure> {
    logging();
    let dir = DataDir::hold(data)?;
    dir.folder("keys")?;
    let say = |line: &str| {
        if !json {
            println!("{line}");
        }
    };
    // Before anybody can be told that it runs, so that it ends in good order whenever it is told to.
    let stop = StopSignals::listen()?;
    let mailer = config.mail.mailer()?;
    let base = Foundation::open(dir.path(), &config, true).await?;
    let signer = checkpoints::signer(&base).await?;
    // Nothing is served from a database that was put back: people would be answered by an older state.
    if let Some(standing) = checkpoints::standing(&base, &signer).await? {
        return Err(standing.into());
    }
    std::fs::write(dir.path().join("audit.vkey"), format!("{}\n", signer.verifier_key()))?;
    let house = House::on(base.clone()).await?.mailing(mailer);
    if house.shelf.live(&config.bots.default).is_none() {
        say("making the default bot (once; a few seconds)");
        make_default(&house, &config.bots.default).await?;
    }
    started(&base, &config).await?;

    let certificates = Certificates::open(&dir, &config, &base).await?;
    posture::approved(&certificates.tls)?;
    let (trigger, shutdown) = Shutdown::new();
    let public = listen(config.public.listen).await?;
    let address = public.local_addr()?;
    let origin =
        config.public.origin.clone().unwrap_or_else(|| format!("https://localhost:{}", address.port()));
    let staff = listen(config.console.listen).await?;
    let staff_port = staff.local_addr()?.port();
    let staff_origin =
        config.console.origin.clone().unwrap_or_else(|| format!("https://localhost:{staff_port}"));
    std::fs::write(dir.path().join(ORIGIN), format!("{staff_origin}\n"))?;
    let rules = passwords::rules(&config.sign_in, &base.world)?;
    let identity = identity_with(&base, &staff_origin, rules)?;
    identity.open_to_providers(providers::access(&config.sign_in, staff_origin.clone(), origin.clone())?);
    let visitors = front(&house, &config, identity.clone(), origin.clone(), &shutdown);
    let (router, _) = api::doors(visitors.clone())?;
    let enrolment = identity.first_owner_invite().await?;
    let enrolment = enrolment.map(|secret| format!("{staff_origin}/enrol#{}", secret.expose()));
    let admission = admission(&config, &base.world)?;
    let (programs, _) = api::staff_doors(staff_api(&house, identity.clone()))?;
    let desk = desk(
        &house,
        &config,
        (identity.clone(), staff_origin.clone()),
        &signer,
        &certificates,
        admission.clone(),
        &shutdown,
    );
    let (console, _) = console::doors(desk)?;
    let limits = Limits { drain_timeout: DRAIN, ..Limits::default() };
    let firewall = Firewall::new(&config.waf, &base.world)?;
    let (ears, news) = watchman::ears();
    let ears = Arc::new(ears);
    admission.tell(Arc::clone(&ears) as Arc<dyn Witness>);
    firewall.tell(ears);
    let summing = tokio::spawn(firewall.clone().watch(shutdown.clone()));
    let watching = tokio::spawn(admission.clone().watch(shutdown.clone()));
    let sharing = tokio::spawn(admission.clone().keep_together(shutdown.clone()));
    let writing = tokio::spawn(watchman::keep_writing(base.clone(), news));
    let edge = |door, tls: &Tls| {
        let edge = Edge::new(tls.clone(), limits.clone(), admission.clone(), door);
        edge.map(|edge| edge.behind(firewall.clone()))
    };
    let (open, closed) = (&certificates.tls, certificates.of_staff(&config)?);
    let doors = tokio::spawn(edge(Door::Public, open)?.serve(public, with_source(router), shutdown.clone()));
    let staff_doors = tokio::spawn(edge(Door::Staff, &closed)?.serve(
        staff,
        with_source(beside(console, programs)),
        shutdown.clone(),
    ));
    if let Some((http, acme)) = config.tls.acme.as_ref().and_then(|acme| Some((acme.http_listen?, acme))) {
        let plain = PlainConfig {
            https_port: address.port(),
            hosts: acme.domains.clone(),
            challenges: Some(certificates.tls.challenges()),
        };
        tokio::spawn(serve_plain(
            listen(http).await?,
            plain,
            limits.clone(),
            admission.clone(),
            shutdown.clone(),
        ));
    }
    let reloading = tokio::spawn(reload(stop.reloads()?, reread, admission, firewall));
    // It may be stopped at any step.
    let tending = tokio::spawn(base.custody.clone().keep_tending());
    let signing = tokio::spawn(checkpoints::keep_signing(base.clone(), checkpoints::signer(&base).await?));
    let ruling = tokio::spawn(base.rulebook.clone().keep_current());
    let following = tokio::spawn(house.conversations.clone().keep_following(base.tenant));
    let telling = tokio::spawn(refused::keep_telling(base.clone()));
    let access = tokio::spawn(requests::keep_running_out(identity.clone()));
    let releases = tokio::spawn(adapters::keep_current(house.shelf.clone()));
    let courier = house
        .mailer
        .clone()
        .map(|mailer| Courier::new(base.clone(), identity.clone(), mailer, staff_origin.clone()));
    let delivering = courier.map(|courier| tokio::spawn(courier.keep_delivering(shutdown.clone())));
    let (shelf, rooms) = (house.shelf.clone(), house.conversations.clone());
    let expiring = tokio::spawn(retention::keep_expiring(base.tenant, shelf, rooms, identity.clone()));

    let mut findings = posture::of_config(&config);
    findings.extend(posture::of_policies(&base).await?);
    let (public, console) = (origin, staff_origin);
    let ready = Ready { public, console, enrolment, ca: certificates.ca, findings };
    if json {
        println!("{}", ready.json());
    } else {
        ready.show();
    }

    stop.heard().await;
    say("\nstopping: open conversations are told, answers in the making are finished");
    trigger.stop();
    doors.await??;
    staff_doors.await??;
    let _ = tokio::time::timeout(DRAIN, visitors.settle()).await;
    let _ = tokio::time::timeout(DRAIN, house.conversations.settle()).await;
    // The letter in hand is finished; should the relay be too slow for that, its claim ends by itself.
    if let Some(delivering) = delivering {
        let _ = tokio::time::timeout(DRAIN, delivering).await;
    }
    for task in [
        signing, releases, expiring, reloading, watching, sharing, summing, tending, ruling, access, writing,
        telling, following,
    ] {
        task.abort();
        // What it does between two waits it does to the end: the last checkpoint is signed after that.
        let _ = task.await;
    }
    stopped(&base).await?;
    checkpoints::sign(&base, &signer).await?;
    Ok(ExitCode::SUCCESS)
}

/// How the configuration is read once more.
pub(crate) type Reread = Box<dyn Fn() -> Result<Config, Failure> + Send>;

/// On SIGHUP the configuration is read again: access lists, trusted proxies, limits and the rules of the
/// firewall hold from then on, for open connections too. The rest of it needs a restart. A file with a
/// mistake changes nothing.
async fn reload(mut asked: Signal, reread: Reread, admission: Admission, firewall: Firewall) {
    while asked.recv().await.is_some() {
        let taken = match reread() {
            Ok(config) => take(config, &admission, &firewall).await,
            Err(error) => Err(error),
        };
        match taken {
            Ok(()) => tracing::info!("access lists, limits and firewall rules were read again"),
            Err(error) => tracing::error!(%error, "the configuration was not taken; the old one holds"),
        }
    }
}

async fn take(config: Config, admission: &Admission, firewall: &Firewall) -> Result<(), Failure> {
    // Large rule sets take a second to compile, and files about places to read; meanwhile requests go on.
    let (admission, firewall) = (admission.clone(), firewall.clone());
    let taken = tokio::task::spawn_blocking(move || {
        firewall.reload(&config.waf)?;
        admission.reload(config.admission, &config.edge)
    });
    Ok(taken.await??)
}

/// What a person needs to know once the doors are open.
struct Ready {
    public: String,
    console: String,
    /// The one-time link for the first owner, while there is none.
    enrolment: Option<String>,
    ca: Option<PathBuf>,
    findings: Vec<posture::Finding>,
}

impl Ready {
    fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "ready": true, "public": self.public, "console": self.console, "enrolment": self.enrolment, "ca": self.ca,
        })
    }

    fn show(&self) {
        println!("\n  Wardroom is open.\n");
        println!("  Chat       {}/", self.public);
        println!("  Console    {}/", self.console);
        if let Some(link) = &self.enrolment {
            println!("  First owner, once, within a day:");
            println!("             {link}");
        }
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
        if let Some(acme) = &config.tls.acme {
            let source = TlsSource::Acme(acme_config(acme, dir.folder("acme")?)?);
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

    /// What the staff's door shows, and to whom.
    fn of_staff(&self, config: &Config) -> Result<Tls, Failure> {
        let Some(authorities) = &config.console.client_ca else { return Ok(self.tls.clone()) };
        let authorities = ClientAuthorities::from_files(authorities, config.console.client_crl.as_ref())?;
        Ok(self.tls.for_clients_of(&authorities)?)
    }
}

/// The room of staff accounts; passkeys are bound to the console's host name.
pub(crate) async fn identity(base: &Foundation, origin: &str) -> Result<Identity, Failure> {
    identity_with(base, origin, Passwords::new(&base.world)?)
}

/// The same with the house's own rules for passwords.
fn identity_with(base: &Foundation, origin: &str, passwords: Passwords) -> Result<Identity, Failure> {
    let party = RelyingParty::of_origin(origin).ok_or_else(|| {
        format!("`console.origin` must name a host, not an address with brackets: `{origin}`")
    })?;
    let (db, keys, guard, world) =
        (base.db.clone(), base.keys.clone(), base.guard.clone(), base.world.clone());
    Ok(Identity::with_hasher(db, keys, guard, world, base.tenant, party, passwords))
}

/// Who is served now; together with other edges where they share a store.
fn admission(config: &Config, world: &kernel::World) -> Result<Admission, Failure> {
    let (settings, access) = (config.admission.clone(), &config.edge);
    Ok(match config.shared.fetched()? {
        None => Admission::new(settings, access, world)?,
        Some(shared) => Admission::together(settings, access, Shared::new(&shared, world)?, world)?,
    })
}

/// The public doors' state.
fn front(house: &House, config: &Config, identity: Identity, origin: String, shutdown: &Shutdown) -> Front {
    let base = &house.base;
    Front::new(FrontParts {
        tenant: base.tenant,
        guard: base.guard.clone(),
        world: base.world.clone(),
        db: base.db.clone(),
        keys: base.keys.clone(),
        conversations: house.conversations.clone(),
        identity,
        shelf: house.shelf.clone(),
        default_bot: config.bots.default.clone(),
        origin,
        ending: shutdown.receiver(),
        erased: keeps_the_list(base),
        assets: samples::asset,
    })
}

/// Somebody erased themselves: the list beside the backups is written anew, as `wardroom erase` does.
fn keeps_the_list(base: &Foundation) -> api::Erased {
    let base = base.clone();
    Arc::new(move || {
        let base = base.clone();
        Box::pin(async move {
            let list = crate::erase::list(&base.data);
            if let Err(error) = list.keep(&base.db, &base.keys, base.tenant).await {
                tracing::error!(%error, "the list of erasures could not be written; run `wardroom erase` once more");
            }
        })
    })
}

/// The staff doors' state.
fn desk(
    house: &House,
    config: &Config,
    (identity, origin): (Identity, String),
    signer: &ledger::Signer,
    certificates: &Certificates,
    admission: Admission,
    shutdown: &Shutdown,
) -> Desk {
    let base = &house.base;
    let links = house.mailer.clone();
    let links = links.map(|mailer| invitations::by_mail(base.clone(), mailer, origin.clone()));
    let (status, config) = (certificates.tls.status(), config.clone());
    let posture = move || {
        let status = status.borrow();
        let findings = posture::of_config(&config);
        let finding = |finding: posture::Finding| console::Finding { what: finding.what, mend: finding.mend };
        console::Posture {
            tls: console::TlsPosture {
                versions: "TLS 1.3".to_owned(),
                groups: match cfg!(feature = "fips") {
                    true => "X25519MLKEM768, P-256",
                    false => "X25519MLKEM768, X25519, P-256",
                }
                .to_owned(),
                issuer: status.source.to_owned(),
                ends: status.not_after,
            },
            findings: findings.into_iter().map(finding).collect(),
        }
    };
    Desk::new(DeskParts {
        tenant: base.tenant,
        guard: base.guard.clone(),
        world: base.world.clone(),
        db: base.db.clone(),
        keys: base.keys.clone(),
        custody: base.custody.clone(),
        rulebook: base.rulebook.clone(),
        identity,
        conversations: house.conversations.clone(),
        shelf: house.shelf.clone(),
        releases: Arc::new(ShelfReleases(house.shelf.clone())),
        engine: Arc::clone(&house.engine) as Arc<dyn wire::turn::EngineService>,
        log_keys: vec![signer.verifier_key().clone()],
        origin,
        ending: shutdown.receiver(),
        assets: samples::asset,
        posture: Arc::new(posture),
        traffic: Arc::new(watchman::Lookout(admission)),
        links,
    })
}

/// The state of the staff API.
fn staff_api(house: &House, identity: Identity) -> StaffApi {
    let base = &house.base;
    StaffApi::new(StaffParts {
        tenant: base.tenant,
        guard: base.guard.clone(),
        world: base.world.clone(),
        db: base.db.clone(),
        keys: base.keys.clone(),
        identity,
        conversations: house.conversations.clone(),
    })
}

/// The console, and beside it the staff API: one door, two sets of routes. They share nothing, so that a
/// cookie is never a credential of the API and a key never one of the console.
fn beside(console: axum::Router, programs: axum::Router) -> axum::Router {
    axum::Router::new().fallback_service(tower::service_fn(move |request: Request| {
        let router = if api::is_staff_api(request.uri().path()) { &programs } else { &console };
        router.clone().oneshot(request)
    }))
}

/// What to order from a public authority. With a place for http-01 answers that way is used, else
/// tls-alpn-01 on the public door itself.
fn acme_config(acme: &crate::config::Acme, dir: PathBuf) -> Result<AcmeConfig, Failure> {
    let names: Result<Vec<_>, _> =
        acme.domains.iter().map(|name| ServerName::try_from(name.clone())).collect();
    Ok(AcmeConfig {
        directory: acme.directory.clone(),
        names: names?,
        contact: acme.contact.iter().cloned().collect(),
        terms_agreed: acme.terms_agreed,
        challenge: if acme.http_listen.is_some() { AcmeChallenge::Http01 } else { AcmeChallenge::TlsAlpn01 },
        dir,
        server_root: acme.directory_ca.clone(),
        external_account: None,
    })
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

/// Ctrl-C and SIGTERM, heard from the moment this is made.
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// SIGHUP: the configuration is to be read again.
    fn reloads(&self) -> std::io::Result<Signal> {
        signal(SignalKind::hangup())
    }

    async fn heard(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Logs go to standard error; `RUST_LOG` chooses how much. They carry no content.
fn logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}

#[cfg(test)]
mod beyond;
#[cfg(test)]
mod ended;
#[cfg(test)]
mod sweep;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_routes_are_those_that_are_drawn() {
        let temp = tempfile::tempdir().unwrap();
        let (dir, config) = (DataDir::hold(&temp.path().join("data")).unwrap(), Config::default());
        dir.folder("keys").unwrap();
        let base = Foundation::open(dir.path(), &config, true).await.unwrap();
        let house = House::on(base.clone()).await.unwrap();
        let certificates = Certificates::open(&dir, &config, &base).await.unwrap();
        let origin = "https://localhost".to_owned();
        let (_trigger, shutdown) = Shutdown::new();
        let identity = identity(&base, &origin).await.unwrap();
        let front = front(&house, &config, identity.clone(), origin.clone(), &shutdown);
        let (_, public) = api::doors(front).unwrap();
        let signer = checkpoints::signer(&base).await.unwrap();
        let admission = Admission::off(&base.world);
        let (_, programs) = api::staff_doors(staff_api(&house, identity.clone())).unwrap();
        let desk = desk(&house, &config, (identity, origin), &signer, &certificates, admission, &shutdown);
        let (_, staff) = console::doors(desk).unwrap();
        let drawn = format!(
            "Every route and the leave that it needs. `UPDATE_GOLDEN=1 cargo test -p wardroom routes` writes this \
             file.\n\nPublic door\n\n{public}\nStaff door\n\n{staff}\nStaff API, on the staff door\n\n{programs}"
        );
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/architecture/routes.txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &drawn).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), drawn);

        let under = |table: &[String], root: &str| {
            let mut rows: Vec<String> = table.iter().filter(|row| row.contains(root)).cloned().collect();
            rows.sort();
            rows
        };
        let rows = |(method, path, _): (&http::Method, &'static str, _)| {
            format!("{} {path}", method.as_str().to_lowercase())
        };
        let (public, programs): (Vec<_>, Vec<_>) =
            (public.routes().map(rows).collect(), programs.routes().map(rows).collect());
        assert_eq!(described("chat.json"), under(&public, " /chat/"));
        assert_eq!(described("staff.json"), under(&programs, " /api/"));
    }

    /// The operations that a description tells of.
    fn described(file: &str) -> Vec<String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi").join(file);
        let text: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let paths = text["paths"].as_object().unwrap().iter();
        let mut rows: Vec<String> = paths
            .flat_map(|(path, verbs)| {
                let verbs = verbs.as_object().unwrap().keys().filter(|verb| *verb != "parameters");
                verbs.map(move |verb| format!("{verb} {path}"))
            })
            .collect();
        rows.sort();
        rows
    }
}
