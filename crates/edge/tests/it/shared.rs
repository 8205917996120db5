//! Several edges with one store: what is one limit, what is heard, and what becomes of it when the store
//! is killed, stalls, or comes back empty. The store is a real Valkey or Redis.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use edge::{
    AccessConfig, Admission, AdmissionConfig, Limits, Rate, Shared, SharedConfig, Shutdown, ShutdownTrigger,
};
use http::Request;
use http_body_util::Full;
use kernel::{Secret, World};
use rustls_pki_types::ServerName;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use wire::ca::LocalCa;

use crate::admission::{connect_from, get_from};
use crate::harness::{HOST, House, PATIENCE, eventually, get, until, within};
use crate::requests::{Sender, h2};

const SECRET: &str = "what the edges of a test know";
const PASSWORD: &str = "what the store knows";

/// A store. It is killed when dropped.
struct Store {
    child: Child,
    port: u16,
    _home: TempDir,
}

impl Store {
    async fn start() -> Self {
        Self::start_on(free_port(), &["--port"]).await
    }

    /// `port` says by which settings the port is set.
    async fn start_on(port: u16, settings: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let program = ["/usr/bin/valkey-server", "/usr/bin/redis-server"];
        let program = program.into_iter().find(|program| Path::new(program).exists());
        let child = Command::new(program.expect("valkey-server or redis-server is installed"))
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--requirepass", PASSWORD])
            .args(settings)
            .arg(port.to_string())
            .current_dir(home.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let store = Self { child, port, _home: home };
        let start = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
            assert!(start.elapsed() < PATIENCE, "the store does not come up");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        store
    }

    fn url(&self) -> String {
        format!("redis://:{}@127.0.0.1:{}/1", PASSWORD.replace(' ', "%20"), self.port)
    }

    fn signal(&self, signal: &str) {
        let done = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(done.unwrap().success());
    }

    fn kill(mut self) -> u16 {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.port
    }

    /// What somebody does there who may write to it: a script in its own words.
    async fn run(&self, script: &str) {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.unwrap();
        let said =
            format!("AUTH \"{PASSWORD}\"\r\nSELECT 1\r\nEVAL \"{script}\" 0\r\nECHO the-end-of-it\r\n");
        stream.write_all(said.as_bytes()).await.unwrap();
        let seen = until(&mut stream, "the-end-of-it").await;
        assert!(!seen.contains("-ERR"), "{seen}");
    }

    /// All that it holds, as bytes.
    async fn holds(&self) -> Vec<u8> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.unwrap();
        let dump = "local all = {} for _, k in ipairs(redis.call('KEYS','*')) do all[#all+1] = k \
                    if redis.call('TYPE', k).ok == 'hash' then \
                    for _, v in ipairs(redis.call('HGETALL', k)) do all[#all+1] = v end \
                    else all[#all+1] = redis.call('GET', k) end end return all";
        let said = format!("AUTH \"{PASSWORD}\"\r\nSELECT 1\r\nEVAL \"{dump}\" 0\r\nECHO the-end-of-it\r\n");
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        while !seen.windows(13).any(|window| window == b"the-end-of-it") {
            let count = within(stream.read(&mut buffer)).await.unwrap();
            assert_ne!(count, 0);
            seen.extend_from_slice(&buffer[..count]);
        }
        seen
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn config(url: String, timeout: u64) -> SharedConfig {
    SharedConfig {
        url: Secret::new(url),
        secret: Some(Secret::new(SECRET.to_owned())),
        ca: None,
        cleartext: false,
        name: "test".to_owned(),
        timeout: Duration::from_millis(timeout),
    }
}

/// An edge that shares a store with others.
struct Joined {
    house: House,
    admission: Admission,
    _stop: ShutdownTrigger,
}

/// A budget of so many requests, which comes back so slowly that no test sees it.
fn only(burst: f64) -> AdmissionConfig {
    AdmissionConfig {
        address: Rate::new(0.01, burst),
        network: Rate::new(10_000.0, 10_000.0),
        connections: Rate::new(1000.0, 1000.0),
        ..AdmissionConfig::default()
    }
}

impl Joined {
    async fn to(url: String, settings: AdmissionConfig, timeout: u64) -> Self {
        let world = World::real();
        let shared = Shared::new(&config(url, timeout), &world).unwrap();
        let access = AccessConfig::default();
        let admission = Admission::together(settings, &access, shared, &world).unwrap();
        let (stop, shutdown) = Shutdown::new();
        tokio::spawn(admission.clone().keep_together(shutdown));
        let joined = Self {
            house: House::open_behind(admission.clone(), Limits::default()).await,
            admission,
            _stop: stop,
        };
        eventually("the edge reaches the store", || joined.is_together()).await;
        joined
    }

    fn is_together(&self) -> bool {
        self.admission.shared().unwrap().together
    }

    fn denies(&self, block: &str) -> bool {
        let block = block.parse().unwrap();
        self.admission.traffic().overrides.iter().any(|o| o.block == block && !o.allowed)
    }
}

/// One request; whether it was admitted. Anything but yes or "later" fails the test.
async fn admitted(sender: &mut Sender) -> bool {
    let request = Request::get(format!("https://{HOST}/")).body(Full::default()).unwrap();
    match within(sender.send_request(request)).await.unwrap().status().as_u16() {
        200 => true,
        429 => false,
        other => panic!("neither let in nor told to come back: {other}"),
    }
}

/// `rounds` requests to each of two edges in turn; how many were admitted. Whoever goes on asking on one
/// connection is answered later and later, so a new pair of connections comes every six rounds.
async fn in_turn(one: &Joined, two: &Joined, rounds: usize) -> usize {
    let mut count = 0;
    for at in (0..rounds).step_by(6) {
        let (mut first, mut second) = (h2(&one.house.client()).await, h2(&two.house.client()).await);
        for _ in at..rounds.min(at + 6) {
            count += usize::from(admitted(&mut first).await) + usize::from(admitted(&mut second).await);
        }
    }
    count
}

/// Requests from an address of its own, one after the other; how many were admitted.
async fn from(edge: &Joined, address: &str, times: usize) -> usize {
    let client = edge.house.client();
    let mut count = 0;
    for _ in 0..times {
        let page = get_from(&client, address, &get("/")).await;
        assert!(page.starts_with("HTTP/1.1 200") || page.starts_with("HTTP/1.1 429"), "{page}");
        count += usize::from(page.starts_with("HTTP/1.1 200"));
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_a_minute_are_a_hundred_over_two_edges() {
    let store = Store::start().await;
    // As an operator writes a hundred a minute.
    let rate = AdmissionConfig { address: Rate::new(100.0 / 60.0, 100.0), ..only(100.0) };
    let one = Joined::to(store.url(), rate.clone(), 1000).await;
    let two = Joined::to(store.url(), rate, 1000).await;
    let start = Instant::now();
    let count = in_turn(&one, &two, 150).await;
    // What came back while they were asked, on a slow machine.
    let back = (start.elapsed().as_secs_f64() * 100.0 / 60.0).ceil() as usize;
    println!("figure admitted_of_100_over_two_edges {count}");
    println!("figure seconds_of_the_300_requests {:.3}", start.elapsed().as_secs_f64());
    assert!((100..=101 + back).contains(&count), "{count}, and {back} came back");
    let (one, two) = (one.admission.shared().unwrap(), two.admission.shared().unwrap());
    assert_eq!((one.unanswered, two.unanswered), (0, 0));
    // Whom an edge refuses by itself is not asked about.
    println!("figure questions_for_300_requests {}", one.asked + two.asked);
    assert!(one.asked + two.asked < 120 + 2 * back as u64, "{one:?} {two:?}");
    let holds = String::from_utf8_lossy(&store.holds().await).into_owned();
    assert!(holds.contains("test:budget:address:") && !holds.contains("127.0.0"), "{holds}");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_store_is_killed_the_door_neither_opens_nor_closes() {
    let store = Store::start().await;
    let one = Joined::to(store.url(), only(60.0), 1000).await;
    let two = Joined::to(store.url(), only(60.0), 1000).await;
    assert_eq!(in_turn(&one, &two, 20).await, 40);
    let port = store.kill();
    // What was used up together stays used up: each edge has the twenty that are left, and no more.
    let after = in_turn(&one, &two, 60).await;
    println!("figure admitted_after_the_kill_of_20_left {after}");
    assert!((38..=42).contains(&after), "{after}");
    // Somebody new has each edge's own limit.
    assert_eq!((from(&one, "127.0.0.7", 65).await, from(&two, "127.0.0.7", 65).await), (60, 60));
    assert!(!one.is_together() && !one.admission.shared().unwrap().why.is_empty());

    // It comes back, and knows nothing: limits are one again by themselves.
    let store = Store::start_on(port, &["--port"]).await;
    let back = Instant::now();
    eventually("both are together again", || one.is_together() && two.is_together()).await;
    println!("figure seconds_until_together_again {:.3}", back.elapsed().as_secs_f64());
    assert_eq!(from(&one, "127.0.0.8", 40).await + from(&two, "127.0.0.8", 40).await, 60);
    // And who had used up all before has not become new.
    assert_eq!(in_turn(&one, &two, 5).await, 0);
    drop(store);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_stalls_delays_nobody_for_long() {
    let store = Store::start().await;
    let edge = Joined::to(store.url(), only(1000.0), 25).await;
    let mut sender = h2(&edge.house.client()).await;
    assert!(admitted(&mut sender).await);
    store.signal("-STOP");
    let mut waits = Vec::new();
    let start = Instant::now();
    while edge.is_together() {
        let asked = Instant::now();
        assert!(admitted(&mut sender).await);
        waits.push(asked.elapsed());
        assert!(start.elapsed() < PATIENCE, "it is still counted on");
    }
    let waited: Duration = waits.iter().sum();
    println!("figure waited_for_a_stalled_store_ms {}", waited.as_millis());
    assert!(waits.len() < 30, "{waits:?}");
    let asked = edge.admission.shared().unwrap().asked;
    for _ in 0..50 {
        assert!(admitted(&mut sender).await);
    }
    assert_eq!(edge.admission.shared().unwrap().asked, asked, "nobody waits for it any more");
    store.signal("-CONT");
    eventually("it is asked again", || edge.is_together()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_shut_out_at_one_edge_is_shut_out_at_all() {
    let store = Store::start().await;
    let one = Joined::to(store.url(), only(1000.0), 1000).await;
    let two = Joined::to(store.url(), only(1000.0), 1000).await;
    let hour = Duration::from_secs(3600);
    assert_eq!(from(&two, "127.0.0.9", 1).await, 1);
    let start = Instant::now();
    one.admission.decide("127.0.0.9/32".parse().unwrap(), false, hour).unwrap();
    while !two.denies("127.0.0.9/32") {
        assert!(start.elapsed() < PATIENCE, "nothing was heard");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    println!("figure seconds_until_a_deny_is_heard {:.4}", start.elapsed().as_secs_f64());
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert!(connect_from(&two.house.client(), "127.0.0.9", b"").await.is_err());

    // An edge that comes later learns it, and the store can read neither of the two.
    let three = Joined::to(store.url(), only(1000.0), 1000).await;
    eventually("the third edge knows", || three.denies("127.0.0.9/32")).await;
    let holds = store.holds().await;
    assert!(!holds.windows(9).any(|window| window == b"127.0.0.9"));

    // Taken back at another edge than where it was decided.
    two.admission.undecide("127.0.0.9/32".parse().unwrap());
    eventually("it is taken back everywhere", || {
        [&one, &two, &three].iter().all(|edge| !edge.denies("127.0.0.9/32"))
    })
    .await;
    assert_eq!(from(&one, "127.0.0.9", 1).await, 1);

    // Decided while the store is away, heard when it is back; and what was in force before is not lost.
    one.admission.decide("127.0.0.10/32".parse().unwrap(), false, hour).unwrap();
    eventually("the second edge hears", || two.denies("127.0.0.10/32")).await;
    let port = store.kill();
    eventually("it is missed", || !one.is_together()).await;
    one.admission.decide("127.0.0.11/32".parse().unwrap(), false, hour).unwrap();
    let store = Store::start_on(port, &["--port"]).await;
    eventually("the second edge hears of it", || two.denies("127.0.0.11/32")).await;
    eventually("the store knows both", || one.admission.shared().unwrap().told >= 2).await;
    let four = Joined::to(store.url(), only(1000.0), 1000).await;
    eventually("a new edge knows both", || four.denies("127.0.0.10/32") && four.denies("127.0.0.11/32"))
        .await;
    assert!(!four.denies("127.0.0.9/32"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_back_is_not_put_in_force_by_saying_it_again() {
    let store = Store::start().await;
    let one = Joined::to(store.url(), only(1000.0), 1000).await;
    let two = Joined::to(store.url(), only(1000.0), 1000).await;
    let (block, hour) = ("127.0.0.9/32".parse().unwrap(), Duration::from_secs(3600));
    one.admission.decide(block, false, hour).unwrap();
    eventually("the second edge hears", || two.denies("127.0.0.9/32")).await;
    store.run("return redis.call('SET', 'stolen', redis.call('HVALS', 'test:kept')[1])").await;
    two.admission.undecide(block);
    eventually("it is taken back", || !one.denies("127.0.0.9/32")).await;
    // Sealed as it is, whoever may write to the store can say it a second time.
    store.run("return redis.call('PUBLISH', 'test:rumours', redis.call('GET', 'stolen'))").await;
    one.admission.decide("127.0.0.10/32".parse().unwrap(), false, hour).unwrap();
    eventually("the second edge hears what came after it", || two.denies("127.0.0.10/32")).await;
    assert!(!two.denies("127.0.0.9/32"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_back_while_the_store_is_away_stays_taken_back() {
    let store = Store::start().await;
    let one = Joined::to(store.url(), only(1000.0), 25).await;
    let block = "127.0.0.9/32".parse().unwrap();
    one.admission.decide(block, false, Duration::from_secs(3600)).unwrap();
    eventually("it is told", || one.admission.shared().unwrap().told == 1).await;
    store.signal("-STOP");
    eventually("the connection is given up", || {
        one.admission.shared().unwrap().why.contains("does not answer")
    })
    .await;
    one.admission.undecide(block);
    store.signal("-CONT");
    eventually("it is told that it was taken back", || one.admission.shared().unwrap().told == 2).await;
    assert!(!one.denies("127.0.0.9/32"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_known_at_one_edge_is_known_at_all() {
    let store = Store::start().await;
    let one = Joined::to(store.url(), only(4.0), 1000).await;
    let two = Joined::to(store.url(), only(4.0), 1000).await;
    // Strangers have used up the budget of this address, at all edges.
    assert_eq!(from(&two, "127.0.0.20", 6).await, 4);
    let bearer = |path: &str, token: &str| {
        format!(
            "GET {path} HTTP/1.1\r\nhost: {HOST}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
        )
    };
    let page = get_from(&two.house.client(), "127.0.0.20", &bearer("/", "mine")).await;
    assert!(page.starts_with("HTTP/1.1 429"), "{page}");
    let page = get_from(&one.house.client(), "127.0.0.21", &bearer("/known", "mine")).await;
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    let start = Instant::now();
    eventually("the second edge hears of it", || two.admission.shared().unwrap().heard == 1).await;
    println!("figure seconds_until_a_standing_is_heard {:.4}", start.elapsed().as_secs_f64());
    let page = get_from(&two.house.client(), "127.0.0.20", &bearer("/", "mine")).await;
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    let page = get_from(&two.house.client(), "127.0.0.20", &bearer("/", "other")).await;
    assert!(page.starts_with("HTTP/1.1 429"), "{page}");
    // The store keeps nothing of it.
    let holds = String::from_utf8_lossy(&store.holds().await).into_owned();
    assert!(!holds.contains("kept") && !holds.contains("mine"), "{holds}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_reached_over_tls_with_a_password_and_not_otherwise() {
    let home = tempfile::tempdir().unwrap();
    let ca = LocalCa::load_or_create(&home.path().join("ca"), &World::real()).unwrap();
    let identity = ca.issue_server(&[ServerName::try_from("127.0.0.1").unwrap()]).unwrap();
    let pem = |name: &str, label: &str, parts: &[&[u8]]| {
        let path = home.path().join(name);
        let text: String = parts.iter().map(|der| armoured(label, der)).collect();
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let chain: Vec<&[u8]> = identity.chain().iter().map(AsRef::as_ref).collect();
    let certificate = pem("store.pem", "CERTIFICATE", &chain);
    let key = pem("store.key", "PRIVATE KEY", &[identity.key().secret_der()]);
    let root = ca.certificate_path();
    let settings = ["--port", "0", "--tls-auth-clients", "no", "--tls-cert-file", &certificate];
    let more = ["--tls-key-file", &key, "--tls-ca-cert-file", root.to_str().unwrap(), "--tls-port"];
    let store = Store::start_on(free_port(), &[&settings[..], &more].concat()).await;
    let url =
        |scheme: &str, password: &str| format!("{scheme}://default:{password}@127.0.0.1:{}", store.port);
    let right = PASSWORD.replace(' ', "%20");
    let probe = |url: String, ca: Option<std::path::PathBuf>| async move {
        let shared = Shared::new(&SharedConfig { ca, ..config(url, 25) }, &World::real()).unwrap();
        within(shared.probe()).await.map_err(|error| error.to_string())
    };
    assert_eq!(probe(url("rediss", &right), Some(root.clone())).await, Ok(()));
    let refused = probe(url("rediss", "wrong"), Some(root.clone())).await.unwrap_err();
    assert_eq!(refused, "the shared store cannot be used: it refuses: WRONGPASS");
    let foreign = probe(url("rediss", &right), None).await.unwrap_err();
    assert!(foreign.contains("invalid peer certificate"), "{foreign}");
    assert!(probe(url("redis", &right), None).await.is_err(), "without TLS");
    // What speaks something else is no store.
    let edge = House::open(Limits::default()).await;
    let SocketAddr::V4(address) = edge.addr else { panic!("an IPv4 address") };
    let stranger = probe(format!("redis://127.0.0.1:{}", address.port()), None).await.unwrap_err();
    assert!(stranger.contains("cannot be used"), "{stranger}");
}

fn armoured(label: &str, der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in der.chunks(48) {
        for three in line.chunks(3) {
            let bits =
                three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
            for at in 0..4 {
                let digit = DIGITS[(bits >> (18 - 6 * at) & 63) as usize];
                text.push(if at <= three.len() { char::from(digit) } else { '=' });
            }
        }
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}
