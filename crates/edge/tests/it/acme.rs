//! Orders at a real ACME server: Pebble, with a DNS server that says 127.0.0.1 to everything. These
//! tests need Debian's package `pebble`, so they run by name: `conformance/edge/acme.sh`.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use kernel::{ManualClock, World};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::harness::{Client, HOST, House, eventually, within};
use edge::{
    AcmeChallenge, AcmeConfig, Admission, EdgeError, Limits, PlainConfig, Shutdown, Tls, TlsSource,
    serve_plain,
};
use wire::ca::LocalCa;

/// A program of ours, stopped with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Pebble {
    directory: String,
    server_root: PathBuf,
    management: SocketAddr,
    own_root: CertificateDer<'static>,
    _programs: [Running; 2],
    _home: TempDir,
}

fn free_port() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn run(program: &str, args: &[&str]) -> Running {
    let child = Command::new(program)
        .args(args)
        .env("PEBBLE_VA_NOSLEEP", "1")
        .env_remove("PEBBLE_VA_ALWAYS_VALID")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Running(child.unwrap_or_else(|e| panic!("cannot run `{program}` (Debian's package `pebble`): {e}")))
}

impl Pebble {
    /// An ACME server that looks for http-01 and tls-alpn-01 answers at these ports.
    async fn start(http: u16, tls: u16) -> Self {
        let home = tempfile::tempdir().unwrap();
        let ca = LocalCa::load_or_create(home.path(), &World::real()).unwrap();
        let names = ["localhost", "127.0.0.1", HOST].map(|n| ServerName::try_from(n).unwrap());
        ca.load_or_issue_server(&names).unwrap();
        let (acme, management, dns) = (free_port(), free_port(), free_port());
        let config = serde_json::json!({ "pebble": {
            "listenAddress": acme.to_string(), "managementListenAddress": management.to_string(),
            "certificate": home.path().join("server.crt"), "privateKey": home.path().join("server.key"),
            "httpPort": http, "tlsPort": tls, "ocspResponderURL": "", "externalAccountBindingRequired": false,
        }});
        let config_path = home.path().join("pebble.json");
        fs::write(&config_path, config.to_string()).unwrap();
        let (dns_at, ours) = (dns.to_string(), free_port().to_string());
        let programs = [
            run(
                "pebble-challtestsrv",
                &[
                    "-dns01",
                    &dns_at,
                    "-http01",
                    "",
                    "-https01",
                    "",
                    "-tlsalpn01",
                    "",
                    "-management",
                    &ours,
                    "-defaultIPv6",
                    "",
                ],
            ),
            run("pebble", &["-strict", "-config", config_path.to_str().unwrap(), "-dnsserver", &dns_at]),
        ];
        for addr in [acme, management, dns] {
            eventually("pebble listens", || std::net::TcpStream::connect(addr).is_ok()).await;
        }
        Self {
            directory: format!("https://localhost:{}/dir", acme.port()),
            server_root: ca.certificate_path(),
            management,
            own_root: ca.certificate().clone(),
            _programs: programs,
            _home: home,
        }
    }

    /// The root of what it issues: a new one in every run.
    async fn issuing_root(&self) -> CertificateDer<'static> {
        let page = Client::new(self.management, &self.own_root).get("/roots/0").await;
        CertificateDer::from_pem_slice(page.as_bytes()).unwrap()
    }

    fn config(&self, dir: &Path, challenge: AcmeChallenge) -> AcmeConfig {
        AcmeConfig {
            directory: self.directory.clone(),
            names: vec![ServerName::try_from(HOST).unwrap(), ServerName::try_from("chat.edge.test").unwrap()],
            contact: vec!["mailto:ops@edge.test".to_owned()],
            terms_agreed: true,
            challenge,
            dir: dir.to_owned(),
            server_root: Some(self.server_root.clone()),
            external_account: None,
        }
    }
}

async fn open(config: AcmeConfig, world: &World) -> Tls {
    Tls::open_checking(TlsSource::Acme(config), world, Duration::from_millis(50)).await.unwrap()
}

async fn loaded(tls: &Tls, loads: u32) {
    let mut status = tls.status();
    let done = within(status.wait_for(|s| s.loads >= loads || s.failures > 0)).await.unwrap().clone();
    assert_eq!((done.loads, done.last_error), (loads, None));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Debian's pebble: run by conformance/edge/acme.sh"]
async fn a_certificate_is_ordered_over_http_kept_and_renewed() {
    let home = tempfile::tempdir().unwrap();
    let (plain, public) =
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let pebble = Pebble::start(plain.local_addr().unwrap().port(), 1).await;
    let dir = home.path().join("acme");
    let clock = Arc::new(ManualClock::at(World::real().now()));
    let world = World::rehearsal(clock.clone(), 5);
    let tls = open(pebble.config(&dir, AcmeChallenge::Http01), &world).await;
    let (_trigger, shutdown) = Shutdown::new();
    let config = PlainConfig { https_port: 443, hosts: Vec::new(), challenges: Some(tls.challenges()) };
    tokio::spawn(serve_plain(plain, config, Limits::default(), Admission::off(&World::real()), shutdown));
    loaded(&tls, 1).await;
    let root = pebble.issuing_root().await;
    let house = House::open_on(public, Limits::default(), tls, root, home);
    assert!(house.client().get("/").await.ends_with("hello"), "a client that trusts the authority is served");
    let first = house.tls.status().borrow().clone();
    for file in fs::read_dir(&dir).unwrap() {
        assert_eq!(file.unwrap().metadata().unwrap().mode() & 0o777, 0o600);
    }
    // The next start uses what was kept: the server is not asked, it may be down.
    let mut again = pebble.config(&dir, AcmeChallenge::Http01);
    again.server_root = Some(home_of(&dir).join("there is no such file"));
    let again = open(again, &world).await;
    loaded(&again, 1).await;
    assert_eq!(again.status().borrow().not_after, first.not_after);
    drop(again);
    // Two thirds of its life later there is another, from the same account.
    let life = first.not_after.unwrap().since(world.now());
    clock.advance(life * 2 / 3 + Duration::from_secs(60));
    loaded(&house.tls, 2).await;
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 2, "one account, one certificate");
    assert!(house.client().get("/").await.ends_with("hello"));
    assert_eq!(format!("{:?}", house.tls.challenges()), "Challenges(0 over HTTP, 0 over TLS)");
}

fn home_of(dir: &Path) -> PathBuf {
    dir.parent().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Debian's pebble: run by conformance/edge/acme.sh"]
async fn a_certificate_is_ordered_inside_tls() {
    let home = tempfile::tempdir().unwrap();
    let public = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pebble = Pebble::start(1, public.local_addr().unwrap().port()).await;
    let tls = open(pebble.config(&home.path().join("acme"), AcmeChallenge::TlsAlpn01), &World::real()).await;
    let root = pebble.issuing_root().await;
    let house = House::open_on(public, Limits::default(), tls, root, home);
    loaded(&house.tls, 1).await;
    assert!(house.client().get("/").await.ends_with("hello"));
    assert!(house.client().alpn(&["acme-tls/1"]).connect().await.is_err(), "no challenge is open any more");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Debian's pebble: run by conformance/edge/acme.sh"]
async fn an_order_that_fails_is_told_and_does_not_stop_the_listener() {
    let home = tempfile::tempdir().unwrap();
    let pebble = Pebble::start(1, 1).await;
    let tls = open(pebble.config(&home.path().join("acme"), AcmeChallenge::Http01), &World::real()).await;
    let mut status = tls.status();
    let told = within(status.wait_for(|s| s.failures > 0)).await.unwrap().clone();
    assert_eq!((told.loads, told.not_after), (0, None));
    assert!(told.last_error.unwrap().contains("challenge"));
    let house = House::open_with(Limits::default(), tls, pebble.own_root.clone(), home).await;
    assert!(house.client().connect().await.is_err(), "there is nothing to show yet");
}

#[tokio::test]
async fn settings_without_sense_are_refused_before_anybody_is_asked() {
    let home = tempfile::tempdir().unwrap();
    let sound = || AcmeConfig {
        directory: "https://localhost:1/dir".to_owned(),
        names: vec![ServerName::try_from(HOST).unwrap()],
        contact: Vec::new(),
        terms_agreed: true,
        challenge: AcmeChallenge::Http01,
        dir: home.path().join("acme"),
        server_root: None,
        external_account: None,
    };
    for (config, wrong) in [
        (AcmeConfig { directory: "http://localhost:1/dir".to_owned(), ..sound() }, "directory"),
        (AcmeConfig { names: Vec::new(), ..sound() }, "names"),
        (AcmeConfig { terms_agreed: false, ..sound() }, "terms_agreed"),
        (AcmeConfig { contact: vec!["ops@edge.test".to_owned()], ..sound() }, "contact"),
    ] {
        let error = Tls::open(TlsSource::Acme(config), &World::real()).await.unwrap_err();
        assert!(matches!(error, EdgeError::AcmeSetting { setting, .. } if setting == wrong), "{error}");
    }
    assert!(!home.path().join("acme").exists());
}
