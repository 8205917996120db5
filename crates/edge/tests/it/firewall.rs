//! The firewall in the path of real requests.

use std::sync::{Arc, Mutex};

use edge::{
    Admission, Firewall, FirewallConfig, FirewallExclusion, FirewallMode, Limits, News, Outcome, Witness,
};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use kernel::World;

use crate::harness::{HOST, House, within};
use crate::requests::{Sender, h2};

/// Hears what would be written down.
#[derive(Debug, Default)]
struct Heard(Mutex<Vec<News>>);

impl Witness for Heard {
    fn note(&self, news: News) {
        self.0.lock().unwrap().push(news);
    }
}

impl Heard {
    fn outcomes(&self) -> Vec<Outcome> {
        let heard = self.0.lock().unwrap();
        let outcome = |news: &News| match news {
            News::Inspected(finding) => Some(finding.outcome),
            _ => None,
        };
        heard.iter().filter_map(outcome).collect()
    }
}

async fn house(config: &FirewallConfig) -> (House, Firewall, Arc<Heard>) {
    let world = World::real();
    let firewall = Firewall::new(config, &world).unwrap();
    let heard = Arc::new(Heard::default());
    firewall.tell(Arc::clone(&heard) as Arc<dyn Witness>);
    let house =
        House::open_inspected(Admission::off(&world), Limits::default(), Some(firewall.clone())).await;
    (house, firewall, heard)
}

async fn send(sender: &mut Sender, path: &str, kind: &str, body: &str) -> Response<Incoming> {
    let request = match kind {
        "" => Request::get(format!("https://{HOST}{path}")),
        kind => Request::post(format!("https://{HOST}{path}")).header("content-type", kind),
    };
    let request = request.body(Full::from(body.to_owned())).unwrap();
    within(sender.send_request(request)).await.unwrap()
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const MESSAGES: &str = "/chat/v1/conversations/0198c0de-1234-7abc-8def-0123456789ab/messages";

#[tokio::test]
async fn an_attack_is_refused_in_every_place_but_conversation_text() {
    let (house, _, heard) = house(&FirewallConfig::default()).await;
    let mut sender = h2(&house.client()).await;
    let sql = r#"{"text": "hello", "note": "1' UNION SELECT password FROM users--"}"#;
    for (path, kind, body) in [
        ("/?q=1%27%20UNION%20SELECT%20password%20FROM%20users--", "", ""),
        ("/?q=%3Cscript%3Ealert(1)%3C/script%3E", "", ""),
        ("/a/../../etc/passwd", "", ""),
        ("/.env", "", ""),
        ("/echo", JSON, r#"{"text": "1' UNION SELECT password FROM users--"}"#),
        ("/echo", FORM, "note=%3Cscript%3Ealert(1)%3C/script%3E"),
        (MESSAGES, JSON, sql),
    ] {
        let response = send(&mut sender, path, kind, body).await;
        assert_eq!(response.status(), 403, "{path} {body}");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let reference = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let said = response.into_body().collect().await.unwrap().to_bytes();
        let said: serde_json::Value = serde_json::from_slice(&said).unwrap();
        assert_eq!(said["instance"], format!("urn:wardroom:request:{reference}"));
        let words = said.to_string();
        assert!(!words.contains("1001") && !words.to_lowercase().contains("sql"), "{words}");
    }
    let agent = format!(
        "GET / HTTP/1.1\r\nhost: {HOST}\r\nuser-agent: sqlmap/1.8#stable\r\nconnection: close\r\n\r\n"
    );
    let page = house.client().raw(agent).await;
    assert!(page.starts_with("HTTP/1.1 403"), "{page}");
    assert_eq!(heard.outcomes(), [Outcome::Blocked; 8]);
    for news in heard.0.lock().unwrap().iter() {
        let News::Inspected(finding) = news else { continue };
        assert!(
            finding.reference.is_some() && !finding.rules.is_empty() && finding.score >= 5,
            "{finding:?}"
        );
    }
    assert_eq!(house.close().await.blocked, 8);
}

#[tokio::test]
async fn what_people_write_to_people_passes_and_is_a_signal() {
    let (house, _, heard) = house(&FirewallConfig::default()).await;
    let mut sender = h2(&house.client()).await;
    for text in [
        "Please explain: 1' UNION SELECT password FROM users--",
        "My page shows <script>alert(document.cookie)</script>, why?",
        "I tried `cat /etc/passwd; rm -rf /` and it said no",
        "How much is the fee for a transfer to O'Brien & Sons?",
    ] {
        let body = serde_json::json!({ "text": text }).to_string();
        assert_eq!(send(&mut sender, MESSAGES, JSON, &body).await.status(), 200, "{text}");
    }
    assert_eq!(heard.outcomes(), [Outcome::Suspicious; 3]);
}

#[tokio::test]
async fn bad_form_is_refused_by_whoever_can_say_best_what_is_wrong() {
    let (house, _, _) = house(&FirewallConfig::default()).await;
    let mut sender = h2(&house.client()).await;
    // No parser of ours reads this: the application says where it breaks off.
    assert_eq!(send(&mut sender, MESSAGES, JSON, "{").await.status(), 200);
    // The rest of such a request is inspected all the same.
    assert_eq!(send(&mut sender, "/echo?q=%3Cscript%3Ealert(1)%3C/script%3E", JSON, "{").await.status(), 403);
    // A form of more fields than anybody sends could hide one.
    let many = "a=1&".repeat(1001);
    assert_eq!(send(&mut sender, "/echo", FORM, &many).await.status(), 400);
    // JSON that our parser would read and the firewall did not, likewise.
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    assert_eq!(send(&mut sender, "/echo", JSON, &deep).await.status(), 400);
}

#[tokio::test]
async fn a_large_body_is_inspected_as_far_as_any_room_reads() {
    let (house, _, _) = house(&FirewallConfig::default()).await;
    let mut sender = h2(&house.client()).await;
    let of = |fill: usize, last: &str| format!(r#"{{"a": "{}", "b": "{last}"}}"#, "x ".repeat(fill / 2));
    let attack = "<script>alert(1)</script>";
    assert_eq!(send(&mut sender, "/echo", JSON, &of(100 << 10, "fine")).await.status(), 200);
    assert_eq!(send(&mut sender, "/echo", JSON, &of(100 << 10, attack)).await.status(), 403);
    assert_eq!(send(&mut sender, "/echo", JSON, &of(200 << 10, "fine")).await.status(), 200);
    let early = format!(r#"{{"b": "{attack}", "a": "{}"}}"#, "x ".repeat(100 << 10));
    assert_eq!(send(&mut sender, "/echo", JSON, &early).await.status(), 403);
}

#[tokio::test]
async fn observing_lets_pass_and_writes_down() {
    let config = FirewallConfig { mode: FirewallMode::Observe, ..FirewallConfig::default() };
    let (house, _, heard) = house(&config).await;
    let mut sender = h2(&house.client()).await;
    assert_eq!(send(&mut sender, "/?q=%3Cscript%3Ealert(1)%3C/script%3E", "", "").await.status(), 200);
    assert_eq!(heard.outcomes(), [Outcome::Observed]);
}

#[tokio::test]
async fn an_exclusion_holds_for_its_target_only() {
    let exclusion = |tag: &str| FirewallExclusion {
        tag: Some(tag.to_owned()),
        target: Some("ARGS:note".to_owned()),
        ids: vec![],
    };
    let config = FirewallConfig { exclusions: vec![exclusion("wardroom")], ..FirewallConfig::default() };
    let (house, _, _) = house(&config).await;
    let mut sender = h2(&house.client()).await;
    assert_eq!(send(&mut sender, "/?note=%3Cscript%3Ealert(1)%3C/script%3E", "", "").await.status(), 200);
    assert_eq!(send(&mut sender, "/?other=%3Cscript%3Ealert(1)%3C/script%3E", "", "").await.status(), 403);
}

#[tokio::test]
async fn new_rules_hold_for_open_connections_and_wrong_ones_change_nothing() {
    let (house, firewall, _) = house(&FirewallConfig::default()).await;
    let mut sender = h2(&house.client()).await;
    assert_eq!(send(&mut sender, "/?colour=mauve", "", "").await.status(), 200);
    let file = house.path("own.conf");
    let rule = "SecRule ARGS:colour \"@streq mauve\" \"id:1,phase:1,deny,status:403\"\n";
    std::fs::write(&file, rule).unwrap();
    let rules = vec!["builtin".to_owned(), file.display().to_string()];
    let config = FirewallConfig { rules, ..FirewallConfig::default() };
    firewall.reload(&config).unwrap();
    assert_eq!(send(&mut sender, "/?colour=mauve", "", "").await.status(), 403);

    std::fs::write(&file, format!("{rule}\nSecRule WEATHER \"@streq rain\" \"id:2,phase:1,deny\"\n"))
        .unwrap();
    let refused = std::error::Error::source(&firewall.reload(&config).unwrap_err()).unwrap().to_string();
    assert!(refused.contains("own.conf:3: ") && refused.contains("WEATHER"), "{refused}");
    assert_eq!(send(&mut sender, "/?colour=mauve", "", "").await.status(), 403, "the old rules hold");
    firewall.reload(&FirewallConfig { mode: FirewallMode::Off, ..config }).unwrap();
    assert_eq!(send(&mut sender, "/?colour=mauve", "", "").await.status(), 200);
}
