//! Who is let in, who is told to come back, and who takes from which budget.

use kernel::ManualClock;

use super::*;

fn rehearsal(config: AdmissionConfig) -> (Admission, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000)));
    let world = World::rehearsal(Arc::clone(&clock), 7);
    (Admission::new(config, &AccessConfig::default(), &world).unwrap(), clock)
}

fn get(path: &str, token: Option<&str>) -> http::Request<()> {
    let mut request = http::Request::get(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.body(()).unwrap()
}

fn said(field: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(STANDING, field.parse().unwrap());
    headers
}

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

#[test]
fn nothing_is_limited_where_it_is_off() {
    let admission = Admission::off(&World::real());
    for _ in 0..10_000 {
        admission.connect(Door::Public, HERE).unwrap();
        admission.request(Door::Public, &get("/", None), HERE, 0).unwrap();
    }
}

#[test]
fn a_stranger_has_the_addresses_budget_and_the_known_have_their_own() {
    let (admission, _) = rehearsal(AdmissionConfig::default());
    let visit = admission.request(Door::Public, &get("/", Some("t")), HERE, 0).unwrap();
    assert_eq!(visit.class, Class::Anonymous);
    let mut headers = said("conversation; tenant=a; bot=b");
    admission.learn(&visit, StatusCode::OK, &mut headers);
    assert!(headers.is_empty(), "the house's own words stay inside");
    let mut turned = None;
    for _ in 0..1000 {
        turned = turned.or(admission.request(Door::Public, &get("/", None), HERE, 0).err());
    }
    assert_eq!(turned.unwrap().because, Because::Address);
    let visit = admission.request(Door::Public, &get("/", Some("t")), HERE, 0).unwrap();
    assert_eq!(visit.class, Class::Fresh);
    assert!(admission.request(Door::Public, &get("/", Some("other")), HERE, 0).is_err());
    assert!(admission.request(Door::Public, &get("/healthz", None), HERE, 0).is_ok());
}

#[test]
fn the_known_become_established_and_hand_their_seniority_on() {
    let (admission, clock) = rehearsal(AdmissionConfig::default());
    let ask = |token| admission.request(Door::Public, &get("/", Some(token)), HERE, 0).unwrap();
    admission.learn(&ask("old"), StatusCode::OK, &mut said("conversation"));
    clock.advance(Duration::from_secs(60));
    assert_eq!(ask("old").class, Class::Established);
    let mut headers = said("conversation");
    headers.insert(ISSUED, "new".parse().unwrap());
    admission.learn(&ask("old"), StatusCode::OK, &mut headers);
    assert!(headers.is_empty());
    assert_eq!(ask("new").class, Class::Established);
    admission.learn(&ask("new"), StatusCode::UNAUTHORIZED, &mut HeaderMap::new());
    assert_eq!(ask("new").class, Class::Anonymous, "a refused credential is forgotten");
}

#[test]
fn a_flood_of_sign_ins_leaves_room_for_those_who_have_been_here() {
    let (admission, _) = rehearsal(AdmissionConfig::default());
    let visit = admission.request(Door::Staff, &get("/", Some("s")), HERE, 0).unwrap();
    admission.learn(&visit, StatusCode::OK, &mut said("staff"));
    let mut refused = 0;
    for i in 0..2000u32 {
        let bot = IpAddr::from((0xC633_0000u32 + i * 256).to_be_bytes());
        refused += usize::from(admission.request(Door::Staff, &get("/sign-in", None), bot, 0).is_err());
    }
    assert!(refused > 1900, "{refused}");
    assert!(admission.request(Door::Staff, &get("/sign-in", None), HERE, 0).is_ok());
}

#[test]
fn a_conversations_token_opens_no_others_and_signs_nobody_in() {
    let (admission, clock) = rehearsal(AdmissionConfig::default());
    let token = "authorization";
    let post = |path: &str, bearer: &str| {
        http::Request::post(path).header(token, format!("Bearer {bearer}")).body(()).unwrap()
    };
    let open = || admission.request(Door::Public, &post("/chat/v1/conversations", "old"), HERE, 0);
    let visit = admission.request(Door::Public, &get("/", Some("old")), HERE, 0).unwrap();
    admission.learn(&visit, StatusCode::OK, &mut said("conversation"));
    clock.advance(Duration::from_secs(120));
    // What is opened with it is as new as what anybody opens.
    let mut headers = said("conversation");
    headers.insert(ISSUED, "another".parse().unwrap());
    admission.learn(&open().unwrap(), StatusCode::CREATED, &mut headers);
    let class = |token| admission.request(Door::Public, &get("/", Some(token)), HERE, 0).unwrap().class;
    assert_eq!((class("old"), class("another")), (Class::Established, Class::Fresh));
    // And takes from the budget of whoever opens it.
    let turned = (0..200).find_map(|_| open().err()).unwrap();
    assert_eq!(turned.because, Because::Address);
    let sign_in = || admission.request(Door::Staff, &post("/sign-in", "old"), [203, 0, 113, 9].into(), 0);
    let turned = (0..200).find_map(|_| sign_in().err()).unwrap();
    assert_eq!(turned.because, Because::Login);
}

#[test]
fn tokens_exchanged_for_one_another_have_one_budget() {
    let (admission, _) = rehearsal(AdmissionConfig::default());
    let ask = |token: &str| admission.request(Door::Public, &get("/", Some(token)), HERE, 0);
    admission.learn(&ask("0").unwrap(), StatusCode::OK, &mut said("conversation"));
    for i in 0..20 {
        let mut headers = said("conversation");
        headers.insert(ISSUED, (i + 1).to_string().parse().unwrap());
        admission.learn(&ask(&i.to_string()).unwrap(), StatusCode::OK, &mut headers);
    }
    let served = (0..20).flat_map(|_| (0..=20).map(|i: u32| ask(&i.to_string()))).filter(Result::is_ok);
    assert!(served.count() <= 60, "a burst of one credential");
}

#[test]
fn what_all_share_is_not_forgotten_in_a_flood_of_addresses() {
    let (admission, _) = rehearsal(AdmissionConfig { memory: 64, ..AdmissionConfig::default() });
    let tries = |i: u32| {
        let bot = IpAddr::from((0x0B00_0000u32 + i * 256).to_be_bytes());
        (0..5).map(move |_| bot)
    };
    let served = (0..2000)
        .flat_map(tries)
        .filter(|bot| admission.request(Door::Staff, &get("/sign-in", None), *bot, 0).is_ok());
    assert!(served.count() <= 60, "all sign-ins of strangers have one budget");
}

#[test]
fn whom_staff_shut_out_is_shut_out_on_open_connections_and_behind_proxies_too() {
    let (admission, _) = rehearsal(AdmissionConfig::default());
    let ask = |token: &str| admission.request(Door::Public, &get("/", Some(token)), HERE, 0);
    admission.learn(&ask("t").unwrap(), StatusCode::OK, &mut said("conversation"));
    admission.learn(&ask("s").unwrap(), StatusCode::OK, &mut said("staff"));
    admission.decide("192.0.2.0/24".parse().unwrap(), false, Duration::from_secs(60)).unwrap();
    assert_eq!(ask("nobody").unwrap_err().because, Because::AccessList);
    assert_eq!(ask("t").unwrap_err().because, Because::AccessList);
    assert!(ask("s").is_ok(), "who could take it back is not shut out by it");
}

#[test]
fn decisions_that_are_made_at_once_are_all_kept() {
    let admission = Admission::new(AdmissionConfig::default(), &AccessConfig::default(), &World::real());
    let admission = admission.unwrap();
    let block = |round: u8, thread: u8| -> ipnet::IpNet {
        ipnet::IpNet::new(IpAddr::from([10, round, thread, 0]), 24).unwrap()
    };
    for other in 0..200 {
        admission.decide(block(255, other), false, Duration::from_secs(600)).unwrap();
    }
    for round in 0..100 {
        let start = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (admission, start) = (&admission, &start);
                scope.spawn(move || {
                    start.wait();
                    admission.decide(block(round, thread), false, Duration::from_secs(600)).unwrap();
                });
            }
        });
        for thread in 0..4 {
            let kept = admission.0.overrides.load();
            assert!(kept.iter().any(|it| it.block == block(round, thread)), "{round} {thread}");
            admission.undecide(block(round, thread));
        }
    }
}

#[test]
fn a_block_of_mapped_addresses_is_the_block_that_it_maps() {
    let mapped: ipnet::IpNet = "::ffff:192.0.2.0/120".parse().unwrap();
    let lists = AccessConfig {
        access: vec![AccessList { deny: vec![mapped], ..Default::default() }],
        ..Default::default()
    };
    let admission = Admission::new(AdmissionConfig::default(), &lists, &World::real()).unwrap();
    assert!(admission.connect(Door::Public, HERE).is_err());
    let admission =
        Admission::new(AdmissionConfig::default(), &AccessConfig::default(), &World::real()).unwrap();
    admission.decide(mapped, false, Duration::from_secs(60)).unwrap();
    assert!(admission.connect(Door::Public, HERE).is_err());
    admission.undecide("192.0.2.0/24".parse().unwrap());
    assert!(admission.connect(Door::Public, HERE).is_ok());
}

#[test]
fn a_trusted_proxy_names_the_client_and_nobody_else_does() {
    let access = AccessConfig { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..Default::default() };
    let admission = Admission::new(AdmissionConfig::default(), &access, &World::real()).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("x-forwarded-for", "203.0.113.9".parse().unwrap());
    let named = |peer: &str| admission.client(peer.parse().unwrap(), &headers).to_string();
    assert_eq!(named("10.0.0.1"), "203.0.113.9");
    assert_eq!(named("192.0.2.1"), "192.0.2.1");
    admission.reload(AdmissionConfig::default(), &AccessConfig::default()).unwrap();
    assert_eq!(named("10.0.0.1"), "10.0.0.1", "other settings hold at once");
}
