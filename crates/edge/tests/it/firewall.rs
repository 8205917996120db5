//! The firewall in the path of real requests.

use std::sync::{Arc, Mutex};

use edge::{
    Admission, Firewall, FirewallConfig, FirewallExclusion, FirewallMode, FirewallRoute, Limits, News,
    Outcome, Overhear, Witness,
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

/// Hears who inspected, and what it took.
#[derive(Default)]
struct Costs(Mutex<Vec<(usize, u64)>>);

impl Overhear for Costs {
    fn hear(
        &self,
        inspector: &waf::Inspector,
        _: &waf::Request<'_>,
        response: Option<&waf::Response<'_>>,
        verdict: &waf::Verdict,
    ) {
        if response.is_none() {
            self.0.lock().unwrap().push((std::ptr::from_ref(inspector).addr(), verdict.effort.steps));
        }
    }
}

#[tokio::test]
async fn a_body_of_bad_form_costs_no_more_than_one_of_good_form() {
    for mode in [FirewallMode::Block, FirewallMode::Observe] {
        let (house, firewall, _) = house(&FirewallConfig { mode, ..FirewallConfig::default() }).await;
        let costs = Arc::new(Costs::default());
        firewall.overhear(Arc::clone(&costs) as Arc<dyn Overhear>);
        let mut sender = h2(&house.client()).await;
        let good = format!(r#"{{"text": "{}", "note": "hello"}}"#, "and so on, ".repeat(100));
        let bad = good.replace('}', "");
        for body in [&good, &bad, &bad, &bad] {
            assert_eq!(send(&mut sender, MESSAGES, JSON, body).await.status(), 200);
        }
        let heard = costs.0.lock().unwrap().clone();
        let [(strict, good), (forgiving, bad), rest @ ..] = heard.as_slice() else { panic!("{heard:?}") };
        assert_ne!(strict, forgiving);
        assert!(*bad <= good + good / 2, "{bad} steps, and {good} for a body of good form");
        // Nothing is made anew for such a request, and it is inspected once.
        assert_eq!(rest, [(*forgiving, *bad); 2]);
    }
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

/// Asks the application for an answer of this kind and status.
async fn answered(
    sender: &mut Sender,
    path: &str,
    kind: &str,
    status: &str,
    body: impl Into<bytes::Bytes>,
) -> Response<Incoming> {
    let request = Request::post(format!("https://{HOST}{path}"))
        .header("x-answer-type", kind)
        .header("x-answer-status", status)
        .body(Full::new(body.into()))
        .unwrap();
    within(sender.send_request(request)).await.unwrap()
}

const PANIC: &str = "<p>thread 'main' panicked at src/main.rs:7:9</p>";
const KEY: &str = "-----BEGIN PRIVATE KEY-----";

#[tokio::test]
async fn an_answer_that_tells_too_much_is_withheld() {
    let (house, _, heard) = house(&FirewallConfig::default()).await;
    let mut sender = h2(&house.client()).await;
    for (kind, status, body) in [
        ("text/html; charset=utf-8", "500", PANIC),
        ("text/plain", "200", KEY),
        ("application/json", "200", r#"{"error": "SQLSTATE[42601]: syntax error at or near \"x\""}"#),
        ("application/problem+json", "404", r#"{"detail": "postgres://app:secret@db.internal/main"}"#),
    ] {
        let response = answered(&mut sender, "/", kind, status, body).await;
        assert_eq!(response.status(), 500, "{kind} {body}");
        assert!(response.headers().get("x-mine").is_none(), "nothing of the answer is left");
        let reference = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let said = response.into_body().collect().await.unwrap().to_bytes();
        let said = String::from_utf8(said.to_vec()).unwrap();
        assert!(said.contains(&reference) && !said.contains("secret") && !said.contains("main.rs"), "{said}");
    }
    for news in heard.0.lock().unwrap().iter() {
        let News::Inspected(finding) = news else { continue };
        assert!(finding.answer && finding.rules.iter().all(|rule| (100_900..101_000).contains(rule)));
        assert!(finding.score >= finding.threshold, "{finding:?}");
    }
    assert_eq!(heard.outcomes(), [Outcome::Blocked; 4]);
    // The connection is none the worse for it, and what is harmless passes as it is.
    let response = answered(&mut sender, "/", "text/html", "404", "<p>No such page.</p>").await;
    assert_eq!((response.status().as_u16(), &response.headers()["x-mine"]), (404, &"kept".parse().unwrap()));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "<p>No such page.</p>");
    assert_eq!(house.close().await.withheld, 4);
}

#[tokio::test]
async fn what_people_quote_is_read_by_whom_it_is_for_and_errors_of_such_routes_are_not() {
    let (house, _, _) = house(&FirewallConfig::default()).await;
    let mut sender = h2(&house.client()).await;
    assert_eq!(answered(&mut sender, MESSAGES, JSON, "200", PANIC).await.status(), 200);
    assert_eq!(
        answered(&mut sender, "/docs/desk/errors.html", "text/html", "200", PANIC).await.status(),
        200
    );
    let failed = answered(&mut sender, MESSAGES, JSON, "503", PANIC).await;
    assert_eq!(failed.status(), 500);
}

#[tokio::test]
async fn parts_of_pages_and_streams_leave_as_they_come() {
    let (house, _, heard) = house(&FirewallConfig::default()).await;
    let mut sender = h2(&house.client()).await;
    for kind in ["text/javascript", "text/css", "image/svg+xml", "application/octet-stream"] {
        let response = answered(&mut sender, "/assets/x", kind, "200", PANIC).await;
        assert_eq!(response.status(), 200, "{kind}");
    }
    // An event stream comes tick by tick, not when something is full or a time is over.
    let request = Request::get(format!("https://{HOST}/events")).body(Full::default()).unwrap();
    let mut stream = within(sender.send_request(request)).await.unwrap().into_body();
    let first = within(stream.frame()).await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "data: tick\n\n");
    // A text without an end and without a type is held for a moment and goes on.
    let request = Request::get(format!("https://{HOST}/flood")).body(Full::default()).unwrap();
    let mut flood = within(sender.send_request(request)).await.unwrap().into_body();
    assert!(!within(flood.frame()).await.unwrap().unwrap().into_data().unwrap().is_empty());
    assert!(heard.outcomes().is_empty());
}

#[tokio::test]
async fn an_answer_is_read_as_far_as_its_bound() {
    let (house, _, _) = house(&FirewallConfig::default()).await;
    let mut sender = h2(&house.client()).await;
    let of = |fill: usize| format!("{}{KEY}", "fine ".repeat(fill / 5));
    assert_eq!(answered(&mut sender, "/", "text/plain", "200", of(60 << 10)).await.status(), 500);
    let late = of(70 << 10);
    let response = answered(&mut sender, "/", "text/plain", "200", late.clone()).await;
    assert_eq!(response.status(), 200);
    let body = within(response.into_body().collect()).await.unwrap().to_bytes();
    assert_eq!(body, late, "and what follows the bound comes whole");
}

#[tokio::test]
async fn a_route_has_a_policy_and_rules_of_its_own() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("own.conf");
    std::fs::write(&file, "SecRule ARGS:colour \"@streq mauve\" \"id:1,phase:1,deny,status:403\"\n").unwrap();
    let route = |path: &str| FirewallRoute { path: Some(path.to_owned()), ..FirewallRoute::default() };
    let config = FirewallConfig {
        routes: vec![
            FirewallRoute { mode: Some(FirewallMode::Observe), ..route("/watched/{id}") },
            FirewallRoute { rules: vec![file.display().to_string()], ..route("/own/*") },
            FirewallRoute {
                exclusions: vec![FirewallExclusion { tag: Some("script".to_owned()), ..Default::default() }],
                answers: Some(false),
                ..route("/pages")
            },
        ],
        ..FirewallConfig::default()
    };
    let (house, firewall, heard) = house(&config).await;
    let mut sender = h2(&house.client()).await;
    let script = "q=%3Cscript%3Ealert(1)%3C/script%3E";
    for (path, status) in [
        (format!("/?{script}"), 403),
        (format!("/watched/7?{script}"), 200),
        (format!("/watched/7/more?{script}"), 403),
        (format!("/pages?{script}"), 200),
        (format!("/own/x?{script}"), 403),
        ("/own/x?colour=mauve".to_owned(), 403),
        ("/?colour=mauve".to_owned(), 200),
    ] {
        assert_eq!(send(&mut sender, &path, "", "").await.status(), status, "{path}");
    }
    let passed = answered(&mut sender, "/pages", "text/html", "200", PANIC).await;
    assert_eq!(passed.status(), 200, "its answers are not inspected");
    assert_eq!(heard.outcomes().iter().filter(|outcome| **outcome == Outcome::Observed).count(), 1);
    firewall.reload(&FirewallConfig::default()).unwrap();
    assert_eq!(send(&mut sender, &format!("/watched/7?{script}"), "", "").await.status(), 403);
}

#[tokio::test]
async fn a_bot_has_a_policy_of_its_own_once_its_conversation_is_known() {
    let world = World::real();
    let config = FirewallConfig {
        routes: vec![FirewallRoute {
            bot: Some("b".to_owned()),
            mode: Some(FirewallMode::Observe),
            ..FirewallRoute::default()
        }],
        ..FirewallConfig::default()
    };
    let firewall = Firewall::new(&config, &world).unwrap();
    let house = House::open_inspected(Admission::off(&world), Limits::default(), Some(firewall)).await;
    let mut sender = h2(&house.client()).await;
    let ask = |path: &str, token: &str| {
        Request::get(format!("https://{HOST}{path}"))
            .header("authorization", format!("Bearer {token}"))
            .body(Full::default())
            .unwrap()
    };
    let script = "/?q=%3Cscript%3Ealert(1)%3C/script%3E";
    assert_eq!(within(sender.send_request(ask(script, "mine"))).await.unwrap().status(), 403);
    // The core says whose conversation it is; from then on it is that bot's.
    assert_eq!(within(sender.send_request(ask("/known", "mine"))).await.unwrap().status(), 200);
    assert_eq!(within(sender.send_request(ask(script, "mine"))).await.unwrap().status(), 200);
    assert_eq!(within(sender.send_request(ask(script, "other"))).await.unwrap().status(), 403);
    let open = "/chat/v1/conversations";
    let wish = |bot: &str| format!(r#"{{"bot": "{bot}", "note": "1' UNION SELECT password FROM users--"}}"#);
    assert_eq!(send(&mut sender, open, JSON, &wish("b")).await.status(), 200);
    assert_eq!(send(&mut sender, open, JSON, &wish("c")).await.status(), 403);
}
