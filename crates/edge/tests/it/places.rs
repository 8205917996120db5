//! Countries, networks, methods, hosts and origins: who is turned away through the real edge, and what
//! changes while connections are open.

use std::path::{Path, PathBuf};

use edge::{
    AccessConfig, AccessList, Admission, AdmissionConfig, Door, FormList, Limits, PlaceLimit, Rate, Route,
    Shutdown,
};
use http::{Method, Request};
use http_body_util::Full;
use kernel::World;
use tokio::io::AsyncWriteExt;

use crate::admission::{connect_from, get_from};
use crate::harness::{HOST, House, PATIENCE, get, rest, within};
use crate::requests::h2;

/// Known places: the last byte of an address in 127.0.0.0/24, its country, its network.
type Known = (u8, &'static str, u32);

const HERE: [Known; 3] = [(20, "SE", 64_496), (21, "KP", 64_497), (23, "NO", 64_496)];
const SE: &str = "127.0.0.20";
const KP: &str = "127.0.0.21";
const NOBODY_KNOWS: &str = "127.0.0.22";
const NO: &str = "127.0.0.23";

/// A file in MaxMind's format that knows these addresses and nothing else.
fn database(known: &[Known]) -> Vec<u8> {
    let text = |text: &str| [&[0x40 | u8::try_from(text.len()).unwrap()][..], text.as_bytes()].concat();
    let number = |number: u32| [&[0xC4][..], &number.to_be_bytes()].concat();
    let data: Vec<Vec<u8>> = known
        .iter()
        .map(|(_, country, asn)| {
            let country = [vec![0xE1], text("iso_code"), text(country)].concat();
            [vec![0xE2], text("country"), country, text("autonomous_system_number"), number(*asn)].concat()
        })
        .collect();
    // A binary tree over the 128 bits of an IPv6 address, with IPv4 addresses below ::/96.
    let mut nodes = vec![[None::<usize>; 2]];
    let mut leaves = Vec::new();
    for (at, (last, _, _)) in known.iter().enumerate() {
        let address = u128::from(u32::from_be_bytes([127, 0, 0, *last]));
        let mut node = 0;
        for bit in (1..128).rev() {
            let side = usize::from(address >> bit & 1 == 1);
            node = match nodes[node][side] {
                Some(next) => next,
                None => {
                    nodes.push([None; 2]);
                    let made = nodes.len() - 1;
                    nodes[node][side] = Some(made);
                    made
                }
            };
        }
        leaves.push((node, usize::from(address & 1 == 1), at));
    }
    let count = nodes.len();
    let offset = |at: usize| data[..at].iter().map(Vec::len).sum::<usize>();
    let mut file = Vec::new();
    for (node, sides) in nodes.iter().enumerate() {
        for (side, next) in sides.iter().enumerate() {
            let leaf = leaves.iter().find(|(of, to, _)| (*of, *to) == (node, side));
            let record = leaf.map_or(next.unwrap_or(count), |(_, _, at)| count + 16 + offset(*at));
            file.extend(&u32::try_from(record).unwrap().to_be_bytes()[1..]);
        }
    }
    file.extend([0; 16]);
    file.extend(data.concat());
    file.extend(b"\xAB\xCD\xEFMaxMind.com");
    let short = |number: u16| [&[0xA2][..], &number.to_be_bytes()].concat();
    let long = |number: u64| [&[0x08, 0x02][..], &number.to_be_bytes()].concat();
    let facts = [
        ("node_count", number(u32::try_from(count).unwrap())),
        ("record_size", short(24)),
        ("ip_version", short(6)),
        ("database_type", text("Test-Country-ASN")),
        ("languages", vec![0x00, 0x04]),
        ("binary_format_major_version", short(2)),
        ("binary_format_minor_version", short(0)),
        ("build_epoch", long(1_700_000_000)),
        ("description", vec![0xE0]),
    ];
    file.push(0xE0 | u8::try_from(facts.len()).unwrap());
    for (name, value) in facts {
        file.extend(text(name));
        file.extend(value);
    }
    file
}

fn file(folder: &Path, known: &[Known]) -> PathBuf {
    let (path, new) = (folder.join("places.mmdb"), folder.join("new.mmdb"));
    std::fs::write(&new, database(known)).unwrap();
    std::fs::rename(&new, &path).unwrap();
    path
}

fn settings() -> AdmissionConfig {
    AdmissionConfig { connections: Rate::new(1000.0, 1000.0), ..AdmissionConfig::default() }
}

fn country(code: &str) -> edge::Country {
    code.to_owned().try_into().unwrap()
}

fn list(place: &Path, list: AccessList) -> AccessConfig {
    AccessConfig { places: vec![place.to_owned()], access: vec![list], ..AccessConfig::default() }
}

/// What an address reads: a status, or nothing because its connection is not taken.
async fn reads(house: &House, from: &str, path: &str) -> Option<u16> {
    let page = get_from(&house.client(), from, &get(path)).await;
    page.strip_prefix("HTTP/1.1 ").map(|rest| rest[..3].parse().unwrap())
}

#[tokio::test]
async fn countries_and_networks_are_let_in_and_kept_out_by_door_and_route() {
    let home = tempfile::tempdir().unwrap();
    let place = file(home.path(), &HERE);
    let denied = AccessList { deny_countries: vec![country("KP")], ..AccessList::default() };
    let admission = Admission::new(settings(), &list(&place, denied), &World::real()).unwrap();
    let house = House::open_behind(admission.clone(), Limits::default()).await;
    assert_eq!(reads(&house, KP, "/").await, None);
    assert_eq!(
        (reads(&house, SE, "/").await, reads(&house, NOBODY_KNOWS, "/").await),
        (Some(200), Some(200))
    );

    // Signing in is for one country and one network more; of the rest nothing changes.
    let sign_in = AccessList {
        routes: vec![Route::Login],
        allow_countries: vec![country("SE")],
        allow_asns: vec![64_497],
        ..AccessList::default()
    };
    let client = house.client();
    let mut open = connect_from(&client, NO, b"").await.unwrap();
    admission.reload(settings(), &list(&place, sign_in)).unwrap();
    for (from, status) in [(SE, 200), (KP, 200), (NOBODY_KNOWS, 403), (NO, 403)] {
        assert_eq!(reads(&house, from, "/sign-in").await, Some(status), "{from}");
        assert_eq!(reads(&house, from, "/").await, Some(200), "{from}");
    }
    open.write_all(get("/").as_bytes()).await.unwrap();
    assert!(rest(&mut open).await.starts_with("HTTP/1.1 200"), "the open connection was dropped");

    // A block that is allowed by hand needs no country, and a denied network outranks an allowed country.
    let both = AccessList {
        doors: vec![Door::Public],
        allow: vec!["127.0.0.22/32".parse().unwrap()],
        allow_countries: vec![country("SE"), country("NO"), country("KP")],
        deny_asns: vec![64_497],
        ..AccessList::default()
    };
    admission.reload(settings(), &list(&place, both)).unwrap();
    let mut seen = Vec::new();
    for from in [SE, NO, NOBODY_KNOWS, KP] {
        seen.push(reads(&house, from, "/").await.is_some());
    }
    assert_eq!(seen, [true, true, true, false]);
    let staff =
        AccessList { doors: vec![Door::Staff], deny_countries: vec![country("SE")], ..AccessList::default() };
    admission.reload(settings(), &list(&place, staff)).unwrap();
    assert_eq!(reads(&house, SE, "/").await, Some(200), "that list is for the other door");
}

#[tokio::test]
async fn a_network_has_its_limit_for_all_its_strangers_together() {
    let home = tempfile::tempdir().unwrap();
    let limit = PlaceLimit {
        doors: vec![],
        routes: vec![Route::Page],
        countries: vec![],
        asns: vec![64_496],
        rate: Rate::new(0.01, 5.0),
    };
    let access = AccessConfig {
        places: vec![file(home.path(), &HERE)],
        limits: vec![limit],
        ..AccessConfig::default()
    };
    let admission = Admission::new(settings(), &access, &World::real()).unwrap();
    let house = House::open_behind(admission.clone(), Limits::default()).await;
    let mut served = 0;
    for _ in 0..4 {
        for from in [SE, NO] {
            served += usize::from(reads(&house, from, "/").await == Some(200));
        }
    }
    assert_eq!(served, 5);
    assert_eq!(reads(&house, SE, "/").await, Some(429));
    assert_eq!(reads(&house, SE, "/sign-in").await, Some(200), "another route");
    assert_eq!(reads(&house, KP, "/").await, Some(200), "another network");
    let traffic = admission.traffic();
    assert_eq!(traffic.places[0].kind, "Test-Country-ASN");
    assert_eq!(traffic.places[0].made.as_millis(), 1_700_000_000_000);
}

#[tokio::test]
async fn a_file_that_changes_is_read_again_and_a_broken_one_is_not_taken() {
    let home = tempfile::tempdir().unwrap();
    let place = file(home.path(), &HERE);
    let denied = AccessList { deny_countries: vec![country("KP")], ..AccessList::default() };
    let access = list(&place, denied);
    let admission = Admission::new(settings(), &access, &World::real()).unwrap();
    let house = House::open_behind(admission.clone(), Limits::default()).await;
    let (_stop, shutdown) = Shutdown::new();
    tokio::spawn(admission.clone().watch(shutdown));
    let mut sender = h2(&house.client()).await;
    assert_eq!(reads(&house, SE, "/").await, Some(200));
    file(home.path(), &[(20, "KP", 1), (21, "SE", 2)]);
    let start = tokio::time::Instant::now();
    while reads(&house, SE, "/").await.is_some() {
        assert!(start.elapsed() < PATIENCE, "the new file is not read");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(reads(&house, KP, "/").await, Some(200));
    let ask = Request::get(format!("https://{HOST}/")).body(Full::default()).unwrap();
    assert_eq!(within(sender.send_request(ask)).await.unwrap().status(), 200, "the open one goes on");
    let whole = database(&HERE);
    std::fs::write(&place, &whole[..whole.len() / 2]).unwrap();
    let refused = admission.reload(settings(), &access).unwrap_err().to_string();
    assert!(refused.ends_with("holds no database in MaxMind's format"), "{refused}");
    assert_eq!(reads(&house, SE, "/").await, None, "the old one holds");
    let gone = AccessConfig { places: vec![home.path().join("none.mmdb")], ..AccessConfig::default() };
    let refused = Admission::new(settings(), &gone, &World::real()).unwrap_err().to_string();
    assert!(refused.starts_with("cannot read"), "{refused}");
}

#[tokio::test]
async fn methods_hosts_and_origins_are_taken_as_listed_and_change_while_connections_are_open() {
    let access = |forms: Vec<FormList>| AccessConfig { forms, ..AccessConfig::default() };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let hosts = FormList { hosts: words(&["edge.test", "*.chat.test"]), ..FormList::default() };
    let pages = FormList {
        doors: vec![Door::Public],
        routes: vec![Route::Page],
        methods: words(&["GET", "HEAD"]),
        ..FormList::default()
    };
    let origins = FormList {
        routes: vec![Route::Open],
        origins: words(&["https://www.example.org"]),
        ..FormList::default()
    };
    let staff = FormList { doors: vec![Door::Staff], hosts: words(&["console.test"]), ..FormList::default() };
    let all = access(vec![hosts, pages, origins, staff]);
    let admission = Admission::new(settings(), &all, &World::real()).unwrap();
    let house = House::open_behind(admission.clone(), Limits::default()).await;
    let client = house.client();
    let open = "/chat/v1/conversations";
    for (method, path, host, field, status) in [
        ("GET", "/", HOST, "", 200),
        ("GET", "/", "Edge.Test:8443", "", 200),
        ("GET", "/", "a.chat.test", "", 200),
        ("GET", "/", "chat.test", "", 403),
        ("GET", "/", "127.0.0.1", "", 403),
        ("GET", "/healthz", "127.0.0.1", "", 200),
        ("OPTIONS", "/", HOST, "", 405),
        ("POST", open, HOST, "origin: https://www.example.org\r\n", 200),
        ("POST", open, HOST, "", 200),
        ("POST", open, HOST, "origin: https://www.example.org.evil.test\r\n", 403),
        ("POST", open, HOST, "origin: null\r\n", 403),
        ("GET", "/", HOST, "origin: https://evil.test\r\n", 200),
    ] {
        let page = client
            .raw(format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n{field}connection: close\r\n\r\n"));
        let page = page.await;
        assert!(page.starts_with(&format!("HTTP/1.1 {status}")), "{method} {path} {host} {field}: {page}");
    }
    // Over HTTP/2 the host stands elsewhere; and an open connection is under the new lists at once.
    let mut sender = h2(&client).await;
    let mut ask = |host: &str| {
        let request = Request::builder().method(Method::GET).uri(format!("https://{host}/"));
        sender.send_request(request.body(Full::default()).unwrap())
    };
    assert_eq!(within(ask(HOST)).await.unwrap().status(), 200);
    assert_eq!(within(ask("other.test")).await.unwrap().status(), 403);
    let other = FormList { hosts: words(&["other.test"]), ..FormList::default() };
    admission.reload(settings(), &access(vec![other])).unwrap();
    assert_eq!(within(ask(HOST)).await.unwrap().status(), 403);
    assert_eq!(within(ask("other.test")).await.unwrap().status(), 200);
    let nonsense = FormList { hosts: words(&["https://chat.test"]), ..FormList::default() };
    assert!(admission.reload(settings(), &access(vec![nonsense])).is_err());
    assert_eq!(within(ask("other.test")).await.unwrap().status(), 200, "the old ones hold");
}
