//! The way out against real TLS servers on this machine.

#![expect(clippy::unwrap_used, reason = "helpers of tests, outside `#[test]` functions")]

use std::time::Duration;

use kernel::Secret;
use outbound::{
    AddressKind, Answer, Client, ClientIdentity, Limits, Origin, OutboundError, Request, Roots, Settings,
    Target,
};
use testkit::{Authority, HttpsServer, Said};

fn quick() -> Limits {
    Limits { connect: Duration::from_secs(2), total: Duration::from_secs(3), most_bytes: 4096 }
}

fn settings(authority: &Authority, server: &HttpsServer) -> Settings {
    Settings {
        targets: vec![Target::internal(origin(server))],
        roots: Roots::from_pem(authority.root().as_bytes()).unwrap(),
        identity: None,
        limits: quick(),
    }
}

fn origin(server: &HttpsServer) -> Origin {
    server.origin().parse().unwrap()
}

fn get(settings: Settings, server: &HttpsServer) -> Result<Answer, OutboundError> {
    Client::new(settings).unwrap().send(Request::get(&origin(server), "/"))
}

#[test]
fn a_request_arrives_as_it_was_made_and_its_answer_comes_back() {
    let authority = Authority::new();
    let server = HttpsServer::start(&authority, |heard| {
        let seen = format!(
            "{} {} {:?} {:?} {}",
            heard.method,
            heard.path,
            heard.header("authorization"),
            heard.header("content-type"),
            String::from_utf8_lossy(&heard.body)
        );
        Said::Answer(418, vec![("x-tea", "green".to_owned())], seen.into_bytes())
    });
    let client = Client::new(settings(&authority, &server)).unwrap();
    let request = Request::post(&origin(&server), "/v1/keys?x=%20")
        .secret("authorization", &Secret::new("Bearer t".to_owned()))
        .unwrap()
        .body("application/json", b"{}".to_vec());
    let answer = client.send(request).unwrap();
    assert_eq!((answer.status(), answer.is_success(), answer.header("X-Tea")), (418, false, Some("green")));
    let seen = "POST /v1/keys?x=%20 Some(\"Bearer t\") Some(\"application/json\") {}";
    assert_eq!(String::from_utf8_lossy(answer.body()), seen);
    // The second one goes over the same connection.
    client.send(Request::get(&origin(&server), "/")).unwrap();
    assert_eq!(server.connections(), 1);
    assert!(!format!("{client:?} {answer:?}").contains("Bearer"));
}

#[test]
fn what_is_not_a_target_is_refused_before_anything_leaves() {
    let authority = Authority::new();
    let server = HttpsServer::start(&authority, |_| Said::json(200, "{}"));
    let client = Client::new(settings(&authority, &server)).unwrap();
    let (port, own) = (server.port(), origin(&server));
    for other in [format!("https://127.0.0.1:{port}"), "https://localhost:1".to_owned()] {
        let refused = client.send(Request::get(&other.parse().unwrap(), "/")).unwrap_err();
        assert!(matches!(refused, OutboundError::Forbidden { .. }), "{refused}");
    }
    // A path cannot turn into another host.
    for path in ["", "@evil.example/", ".evil.example/", "v1", "/a b", "/\r\nhost: x"] {
        let refused = client.send(Request::get(&own, path)).unwrap_err();
        assert!(matches!(refused, OutboundError::Unwritable { .. }), "{path:?}: {refused}");
    }
    assert_eq!(server.connections(), 0);
    assert!(matches!(Client::new(Settings::to(Vec::new())), Err(OutboundError::Settings { .. })));
}

#[test]
fn a_public_target_that_leads_to_this_machine_is_refused_before_a_connection() {
    let authority = Authority::new();
    let server = HttpsServer::start(&authority, |_| Said::json(200, "{}"));
    let port = server.port();
    // By name, by address, and by the spellings of an address that a resolver understands.
    for host in ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"] {
        let origin: Origin = format!("https://{host}:{port}").parse().unwrap();
        let client = Client::new(Settings {
            targets: vec![Target::public(origin.clone())],
            ..settings(&authority, &server)
        });
        let refused = client.unwrap().send(Request::get(&origin, "/")).unwrap_err();
        match refused {
            OutboundError::Address { kind, .. } => assert_eq!(kind, AddressKind::Loopback, "{host}"),
            other => panic!("{host}: {other}"),
        }
    }
    for host in ["169.254.169.254", "[fd00:ec2::254]", "0.0.0.0", "[::ffff:169.254.169.254]"] {
        let origin: Origin = format!("https://{host}:{port}").parse().unwrap();
        let targets = vec![Target::internal(origin.clone())];
        let client = Client::new(Settings { targets, ..settings(&authority, &server) }).unwrap();
        let refused = client.send(Request::get(&origin, "/")).unwrap_err();
        assert!(matches!(refused, OutboundError::Address { .. }), "{host}: {refused}");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn only_the_given_authority_is_trusted_and_only_for_the_name() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let server = HttpsServer::start(&authority, |_| Said::json(200, "{}"));
    get(settings(&authority, &server), &server).unwrap();
    for refused in [
        get(settings(&stranger, &server), &server),
        get(Settings { roots: Roots::Web, ..settings(&authority, &server) }, &server),
    ] {
        assert!(matches!(refused, Err(OutboundError::Tls { .. })), "{refused:?}");
    }
    let misnamed = HttpsServer::with(&authority.issue(&["kms.example.org"]), None, |_| Said::json(200, "{}"));
    let refused = get(settings(&authority, &misnamed), &misnamed).unwrap_err();
    assert!(matches!(refused, OutboundError::Tls { .. }), "{refused}");
}

#[test]
fn a_server_that_asks_for_a_certificate_gets_ours() {
    let authority = Authority::new();
    let identity = authority.issue(&["localhost"]);
    let server =
        HttpsServer::with(&identity, Some(&authority), |heard| Said::json(200, heard.certified.to_string()));
    let ours = authority.issue(&["wardroom"]);
    let key = Secret::new(ours.key.clone());
    let ours = ClientIdentity::from_pem(ours.certificate.as_bytes(), &key).unwrap();
    assert_eq!(format!("{ours:?}"), "ClientIdentity([redacted])");
    let answer = get(Settings { identity: Some(ours), ..settings(&authority, &server) }, &server).unwrap();
    assert_eq!(answer.body(), b"true");
    let refused = get(settings(&authority, &server), &server).unwrap_err();
    assert!(matches!(refused, OutboundError::Tls { .. } | OutboundError::Unreachable { .. }), "{refused}");
}

#[test]
fn a_redirect_is_refused_and_not_followed() {
    let authority = Authority::new();
    let elsewhere = HttpsServer::start(&authority, |_| Said::json(200, "{}"));
    for status in [301, 302, 303, 307, 308] {
        let to = elsewhere.origin();
        let server = HttpsServer::start(&authority, move |_| {
            Said::Answer(status, vec![("location", to.clone())], Vec::new())
        });
        let mut settings = settings(&authority, &server);
        settings.targets.push(Target::internal(origin(&elsewhere)));
        let client = Client::new(settings).unwrap();
        for request in [Request::get(&origin(&server), "/"), Request::post(&origin(&server), "/")] {
            let refused = client.send(request).unwrap_err();
            assert!(matches!(refused, OutboundError::Redirected { .. }), "{status}: {refused}");
        }
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn an_answer_larger_than_the_limit_is_refused_whether_or_not_it_says_so() {
    let authority = Authority::new();
    let server = HttpsServer::start(&authority, |_| Said::json(200, vec![b'x'; 4096]));
    assert_eq!(get(settings(&authority, &server), &server).unwrap().body().len(), 4096);
    let told = HttpsServer::start(&authority, |_| Said::json(200, vec![b'x'; 4097]));
    let endless = HttpsServer::start(&authority, |_| {
        let mut text = b"HTTP/1.1 200 Said\r\n\r\n".to_vec();
        text.resize(100_000, b'x');
        Said::Raw(text)
    });
    for server in [told, endless] {
        let refused = get(settings(&authority, &server), &server).unwrap_err();
        assert!(matches!(refused, OutboundError::TooLarge { most: 4096, .. }), "{refused}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "that a call ends in time is what is tested")]
fn silence_and_trickle_end_in_time() {
    let authority = Authority::new();
    let silent = HttpsServer::start(&authority, |_| Said::Silence(Duration::from_secs(20)));
    let slow = HttpsServer::start(&authority, |_| Said::Trickle(Duration::from_millis(100), vec![b'x'; 200]));
    for server in [silent, slow] {
        let began = std::time::Instant::now();
        let refused = get(settings(&authority, &server), &server).unwrap_err();
        assert!(matches!(refused, OutboundError::Timeout { .. }) && refused.is_transient(), "{refused:?}");
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    }
    // A port that accepts and says nothing, not even a handshake.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let origin: Origin = format!("https://localhost:{}", mute.local_addr().unwrap().port()).parse().unwrap();
    let targets = vec![Target::internal(origin.clone())];
    let client = Client::new(Settings { limits: quick(), ..Settings::to(targets) }).unwrap();
    let began = std::time::Instant::now();
    let refused = client.send(Request::get(&origin, "/")).unwrap_err();
    assert!(matches!(refused, OutboundError::Timeout { .. }), "{refused:?}");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[test]
fn a_closed_port_an_unknown_name_and_rubbish_each_say_so() {
    let authority = Authority::new();
    let closed: Origin = "https://localhost:1".parse().unwrap();
    let unknown: Origin = "https://no-such-name.invalid".parse().unwrap();
    let targets = vec![Target::internal(closed.clone()), Target::public(unknown.clone())];
    let client = Client::new(Settings { limits: quick(), ..Settings::to(targets) }).unwrap();
    let refused = client.send(Request::get(&closed, "/")).unwrap_err();
    assert!(matches!(refused, OutboundError::Unreachable { .. }) && refused.is_transient(), "{refused:?}");
    let refused = client.send(Request::get(&unknown, "/")).unwrap_err();
    let transient = refused.is_transient();
    assert!(matches!(refused, OutboundError::Unresolved { .. } | OutboundError::Timeout { .. }) && transient);

    for rubbish in ["SSH-2.0-OpenSSH_9\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "\0\0\0\0\r\n\r\n"] {
        let server = HttpsServer::start(&authority, move |_| Said::Raw(rubbish.into()));
        let refused = get(settings(&authority, &server), &server).unwrap_err();
        assert!(matches!(refused, OutboundError::Protocol { .. }), "{rubbish:?}: {refused:?}");
    }
    // An answer that ends in the middle.
    let server = HttpsServer::start(&authority, |_| {
        Said::Raw(b"HTTP/1.1 200 Said\r\ncontent-length: 9\r\n\r\nx".to_vec())
    });
    assert!(get(settings(&authority, &server), &server).is_err());
    // A server that does not speak TLS.
    let plain = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let origin: Origin = format!("https://localhost:{}", plain.local_addr().unwrap().port()).parse().unwrap();
    std::thread::spawn(move || {
        use std::io::Write;
        let (mut stream, _) = plain.accept().unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let targets = vec![Target::internal(origin.clone())];
    let client = Client::new(Settings { limits: quick(), ..Settings::to(targets) }).unwrap();
    let refused = client.send(Request::get(&origin, "/")).unwrap_err();
    assert!(matches!(refused, OutboundError::Tls { .. }), "{refused:?}");
}

#[test]
fn no_error_shows_what_was_sent() {
    let authority = Authority::new();
    let silent = HttpsServer::start(&authority, |_| Said::Raw(b"rubbish hunter2\r\n\r\n".to_vec()));
    let client = Client::new(settings(&authority, &silent)).unwrap();
    let request = |path: &str| {
        Request::post(&origin(&silent), path)
            .secret("authorization", &Secret::new("hunter2".to_owned()))
            .unwrap()
            .body("text/plain", b"hunter2".to_vec())
    };
    for path in ["/hunter2?hunter2", "hunter2", "/hunter2 hunter2"] {
        let refused = client.send(request(path)).unwrap_err();
        assert!(!format!("{refused} {refused:?}").contains("hunter2"), "{refused:?}");
    }
}
