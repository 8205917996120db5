//! Credentials that AWS gives a machine or a container: moto's metadata service for the dialogue, and a
//! stand-in of ours for what moto does not do (it asks for no token, and its credentials are good for a day).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kernel::{ManualClock, Timestamp, World};
use outbound::Metadata;
use testkit::{Moto, Said};
use vault::{AwsCredentials, AwsKms, AwsKmsSettings, Credential, KeyBytes, KeyProvider, ProviderError};

use super::aws::{Stage, context};
use super::stage::Mode;

const TOKEN: &str = "a-token-of-the-stand-in";
const SECRET: &str = "a-secret-that-nobody-may-read-in-an-error";

/// What the stand-in does.
struct Plan {
    /// When its credentials expire.
    expires: Timestamp,
    /// Said instead of the role's credentials, with this status.
    instead: Option<(u16, String)>,
    /// The number of sets of credentials it gave.
    given: u32,
}

/// A stand-in for the instance metadata service and for the endpoint of containers. Like the first, it
/// answers nobody who has no token, and gives none to a request that was passed on by a proxy.
struct StandIn {
    at: SocketAddr,
    plan: Arc<Mutex<Plan>>,
}

impl StandIn {
    fn start(expires: Timestamp) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let plan = Arc::new(Mutex::new(Plan { expires, instead: None, given: 0 }));
        let ours = Arc::clone(&plan);
        // It ends with the process of the tests.
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
                    head.push(byte[0]);
                }
                let (status, body) = answer(&String::from_utf8(head).unwrap(), &mut ours.lock().unwrap());
                let length = body.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} Status\r\ncontent-length: {length}\r\nlocation: http://127.0.0.1/\r\n\
                     connection: close\r\n\r\n{body}"
                );
            }
        });
        Self { at, plan }
    }

    fn service(&self) -> Metadata {
        Metadata::at(self.at).unwrap()
    }

    fn instead(&self, instead: Option<(u16, &str)>) {
        self.plan.lock().unwrap().instead = instead.map(|(status, body)| (status, body.to_owned()));
    }

    fn given(&self) -> u32 {
        self.plan.lock().unwrap().given
    }
}

fn answer(head: &str, plan: &mut Plan) -> (u16, String) {
    let header = |name: &str| {
        head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned))
    };
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    match (head.split(' ').next().unwrap_or_default(), path.as_str()) {
        ("PUT", "/latest/api/token") => match header("x-aws-ec2-metadata-token-ttl-seconds") {
            Some(seconds) if seconds.parse::<u32>().is_ok() => (200, TOKEN.to_owned()),
            _ => (400, String::new()),
        },
        ("GET", "/v2/credentials/pod") if header("authorization").as_deref() == Some("Bearer pod") => {
            credentials(plan)
        }
        ("GET", rest) if rest.starts_with("/latest/") => {
            if header("x-aws-ec2-metadata-token").as_deref() != Some(TOKEN) {
                return (401, String::new());
            }
            match rest.strip_prefix("/latest/meta-data/iam/security-credentials/") {
                Some("") => (200, "wardroom-role\n".to_owned()),
                Some("wardroom-role") => credentials(plan),
                _ => (404, String::new()),
            }
        }
        _ => (401, String::new()),
    }
}

fn credentials(plan: &mut Plan) -> (u16, String) {
    if let Some(instead) = &plan.instead {
        return instead.clone();
    }
    plan.given += 1;
    let (given, expires) = (plan.given, plan.expires.rfc3339());
    let body = format!(
        r#"{{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"ASIA{given}","SecretAccessKey":"{SECRET}",
            "Token":"session-{given}","Expiration":"{expires}"}}"#
    );
    (200, body)
}

fn open(stage: &Stage, credentials: AwsCredentials, world: World) -> Result<AwsKms, ProviderError> {
    AwsKms::open(AwsKmsSettings { credentials, ..stage.settings() }, world)
}

/// The session tokens that went over the wire.
fn tokens(stage: &Stage) -> Vec<String> {
    let heard = stage.wire.heard();
    heard.iter().map(|heard| heard.header("x-amz-security-token").unwrap_or_default().to_owned()).collect()
}

#[test]
fn an_instance_s_role_signs_with_what_moto_s_metadata_service_gives() {
    let (stage, moto) = (Stage::new(), Moto::plain());
    let service = Metadata::at(moto.address()).unwrap();
    let kms = open(&stage, AwsCredentials::Instance(service), World::real()).unwrap();
    let (key, context) = (KeyBytes::generate(&World::real()), context());
    let blob = kms.wrap(&key, &context).unwrap();
    assert_eq!(kms.unwrap(&blob, &context).unwrap().expose(), key.expose());
    let heard = stage.wire.heard();
    for request in &heard {
        assert!(request.header("authorization").unwrap().contains("Credential=test-key/"));
        assert_eq!(request.header("x-amz-security-token"), Some("test-session-token"));
    }
    let asked = |path: &str| moto.log().iter().filter(|line| line.contains(path)).count();
    assert_eq!((asked("PUT /latest/api/token"), heard.len()), (1, 3), "asked once, used three times");
}

#[test]
fn credentials_are_renewed_before_they_expire_and_serve_to_their_end() {
    let stage = Stage::new();
    let start = World::real().now();
    let clock = Arc::new(ManualClock::at(start));
    let hour = Duration::from_secs(3600);
    let stand_in = StandIn::start(start.after(hour));
    let world = World::rehearsal(clock.clone(), 1);
    let kms = open(&stage, AwsCredentials::Instance(stand_in.service()), world).unwrap();
    clock.advance(hour - Duration::from_secs(6 * 60));
    kms.health().unwrap();
    assert_eq!(tokens(&stage), ["session-1", "session-1"]);
    // Within five minutes of their end new ones are fetched.
    clock.advance(Duration::from_secs(2 * 60));
    stand_in.plan.lock().unwrap().expires = start.after(hour * 2);
    kms.health().unwrap();
    assert_eq!(tokens(&stage), ["session-2"]);
    // Where there are none to be had, the old ones serve to their end; then it is an outage, not a denial.
    stand_in.instead(Some((500, "out of order")));
    clock.advance(hour);
    kms.health().unwrap();
    assert_eq!(tokens(&stage), ["session-2"]);
    clock.advance(Duration::from_secs(5 * 60));
    let refused = kms.health().unwrap_err();
    assert!(refused.is_outage(), "{refused:?}");
    stand_in.plan.lock().unwrap().expires = start.after(hour * 4);
    stand_in.instead(None);
    kms.health().unwrap();
    assert_eq!((tokens(&stage), stand_in.given()), (vec!["session-3".to_owned()], 3));
}

#[test]
fn credentials_that_aws_no_longer_takes_are_fetched_anew_once() {
    let stage = Stage::new();
    let stand_in = StandIn::start(World::real().now().after(Duration::from_secs(3600)));
    let kms = open(&stage, AwsCredentials::Instance(stand_in.service()), World::real()).unwrap();
    stage.wire.set(Mode::Instead(Said::json(400, r#"{"__type":"ExpiredTokenException"}"#)));
    tokens(&stage);
    assert!(matches!(kms.health(), Err(ProviderError::Denied { .. })));
    assert_eq!(tokens(&stage), ["session-1", "session-2"]);
    stage.wire.set(Mode::Good);
    kms.health().unwrap();
}

#[test]
fn a_container_shows_what_its_file_says_at_that_moment() {
    let stage = Stage::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "Bearer somebody else\n").unwrap();
    let stand_in = StandIn::start(World::real().now().after(Duration::from_secs(3600)));
    let credentials = || AwsCredentials::Container {
        service: stand_in.service(),
        path: "/v2/credentials/pod".to_owned(),
        authorization: Some(Credential::File(file.clone())),
    };
    let refused = open(&stage, credentials(), World::real()).unwrap_err();
    assert!(matches!(refused, ProviderError::Denied { .. }), "{refused:?}");
    std::fs::write(&file, "Bearer pod\n").unwrap();
    open(&stage, credentials(), World::real()).unwrap();
    assert_eq!(tokens(&stage), ["session-1"]);
}

#[test]
fn whatever_the_service_says_instead_is_refused_without_a_word_of_it() {
    let stage = Stage::new();
    let stand_in = StandIn::start(World::real().now().after(Duration::from_secs(3600)));
    let set = |code: &str, expires: &str| {
        format!(
            r#"{{"Code":"{code}","AccessKeyId":"A","SecretAccessKey":"{SECRET}","Token":"{SECRET}",
                "Expiration":"{expires}"}}"#
        )
    };
    for (status, body) in [
        (404, SECRET.to_owned()),
        (401, SECRET.to_owned()),
        (302, SECRET.to_owned()),
        (500, SECRET.to_owned()),
        (200, SECRET.to_owned()),
        (200, "{}".to_owned()),
        (200, "x".repeat(100_000)),
        (200, set("Failed", "2099-01-01T00:00:00Z")),
        (200, set("Success", "2001-01-01T00:00:00Z")),
        (200, set("Success", "soon")),
    ] {
        stand_in.instead(Some((status, &body)));
        let refused = open(&stage, AwsCredentials::Instance(stand_in.service()), World::real()).unwrap_err();
        let told = format!("{refused} {refused:?}");
        assert!(!told.contains(SECRET), "{status}: {told}");
        let denied = matches!(refused, ProviderError::Denied { .. });
        assert_eq!(denied, [401, 404].contains(&status) || body.contains("Failed"), "{status}: {told}");
    }
    assert!(stage.wire.heard().is_empty(), "nothing was signed");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = AwsCredentials::Instance(Metadata::at(nobody).unwrap());
    let refused = open(&stage, nobody, World::real()).unwrap_err();
    assert!(refused.is_outage(), "{refused:?}");
}
