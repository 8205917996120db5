//! The traffic page: who sees it, who decides, and what is written down of that.

use std::sync::Mutex;
use std::time::Duration;

use console::{Heaviest, Measured, SharedNow, TrafficDesk, TrafficNow};
use guard::{Actor, Role, ServiceName};
use http::StatusCode;
use kernel::{RequestId, Timestamp};
use ledger::catalogue::{Method, RequestBlocked};
use ledger::{Listed, Token};
use store::Via;

use crate::house::House;

/// A street with one flood in it.
#[derive(Default)]
pub(crate) struct Street(Mutex<Vec<(String, bool, Timestamp)>>);

impl TrafficDesk for Street {
    fn now(&self) -> TrafficNow {
        TrafficNow {
            state: "attack",
            signals: vec!["refusals", "mix"],
            seconds: vec![(10.0, 0.0), (500.0, 480.0)],
            usual: 10.0,
            classes: vec![("anonymous", 480.0)],
            lanes: vec![("public", "all", 12, 3, 0, 7)],
            limited: vec![("address", "page", 480)],
            heaviest: vec![Heaviest {
                dimension: "address",
                label: "192.0.2.77/32".to_owned(),
                place: "SE, AS64496".to_owned(),
                per_second: 490.0,
                refused: 0.98,
                known: 0.0,
            }],
            measures: vec![Measured {
                dimension: "agent",
                label: "<script>alert(1)</script>".to_owned(),
                step: "throttle",
                why: "new-and-heavy",
                since: Timestamp::from_millis(1_700_000_000_000),
                until: Timestamp::from_millis(1_700_000_010_000),
            }],
            shared: Some(SharedNow {
                place: "store.example:6379".to_owned(),
                together: false,
                since: Timestamp::from_millis(1_700_000_000_000),
                why: "it refuses: NOAUTH".to_owned(),
                asked: 90,
                unanswered: 2,
                told: 1,
                heard: 3,
            }),
            places: vec![("GeoLite2-ASN".to_owned(), Timestamp::from_millis(1_700_000_000_000))],
            decided: self.0.lock().unwrap().clone(),
        }
    }

    fn block(&self, text: &str) -> Option<String> {
        text.starts_with("192.").then(|| text.to_owned())
    }

    fn decide(&self, block: &str, allowed: bool, lasts: Duration) -> Result<(), &'static str> {
        let until = Timestamp::from_millis(1_700_000_000_000).after(lasts);
        self.0.lock().unwrap().push((block.to_owned(), allowed, until));
        Ok(())
    }

    fn undo(&self, block: &str) {
        self.0.lock().unwrap().retain(|(known, _, _)| known != block);
    }

    fn lift(&self, _: &str, _: &str) {}
}

#[tokio::test]
async fn traffic_is_seen_and_decided_by_whoever_may_and_written_down() {
    let house = House::open().await;
    let admin = house.staff("admin", &[Role::SecurityAdmin]).await;
    let page = house.get("/traffic", &admin).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    for told in [
        "attack",
        "refusals, mix",
        "192.0.2.77/32",
        "98 %",
        "new-and-heavy",
        "<polyline",
        "Shut out",
        "SE, AS64496",
        "GeoLite2-ASN of",
        "it refuses: NOAUTH",
        "90 times, 2 not answered",
        "alone",
    ] {
        assert!(page.text.contains(told), "{told} in {}", page.text);
    }
    assert!(!page.text.contains("<script>alert") && !page.text.contains(" style="));
    let asked = [("block", "192.0.2.77/32"), ("decision", "deny")];
    let done = house.post("/traffic/decide", &admin, &asked).await;
    assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, "/traffic?done=decided"));
    assert_eq!(house.codes().await[0], "EDGE-1013I");
    assert!(house.get("/traffic", &admin).await.text.contains("shut out"));
    let nonsense = [("block", "everybody"), ("decision", "deny")];
    assert_eq!(house.post("/traffic/decide", &admin, &nonsense).await.status, 422);
    let undo = [("block", "192.0.2.77/32"), ("decision", "undo")];
    house.post("/traffic/decide", &admin, &undo).await;
    assert!(!house.get("/traffic", &admin).await.text.contains("shut out"));

    let auditor = house.staff("auditor", &[Role::Auditor]).await;
    let page = house.get("/traffic", &auditor).await;
    assert!(page.status == StatusCode::OK && !page.text.contains("Shut out"), "{}", page.text);
    assert_ne!(house.post("/traffic/decide", &auditor, &asked).await.status, StatusCode::SEE_OTHER);
    let agent = house.staff("agent", &[Role::SupportAgent]).await;
    assert_ne!(house.get("/traffic", &agent).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_refusal_is_found_by_its_reference_and_tells_no_content() {
    let house = House::open().await;
    let analyst = house.staff("analyst", &[Role::SecurityAdmin]).await;
    let reference: RequestId = house.world.id();
    let event = RequestBlocked {
        rules: Listed::try_from(vec![Token::lossy("941100"), Token::lossy("941160")]).unwrap(),
        score: 10,
        threshold: 5,
        route: Token::lossy("page"),
        method: Method::named("GET"),
        subject: None,
        passed: false,
        count: 1,
    };
    let edge = Actor::Service { name: ServiceName::Edge, tenant: house.tenant };
    let via = Via { request: Some(reference), source: Some("192.0.2.7".to_owned()), device: None };
    let entry = house.keys.scribe(house.tenant).await.unwrap().write(&event, &edge, &via).unwrap();
    house.db.write(move |tx| entry.append(tx)).await.unwrap();
    for typed in
        [reference.to_string(), format!("urn:wardroom:request:{reference}"), format!("+{reference}.")]
    {
        let page = house.get(&format!("/traffic?reference={typed}"), &analyst).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        for told in ["941100, 941160", "10, refused from 5", "GET, page", "Refused"] {
            assert!(page.text.contains(told), "{told} in {}", page.text);
        }
        assert!(!page.text.contains("192.0.2.7<"), "{}", page.text);
    }
    let other: RequestId = house.world.id();
    let page = house.get(&format!("/traffic?reference={other}"), &analyst).await;
    assert!(page.text.contains("No refusal is recorded"), "{}", page.text);
    let page = house.get("/traffic?reference=%3Cscript%3E", &analyst).await;
    assert!(page.text.contains("That is no reference") && !page.text.contains("<script>"), "{}", page.text);
    let agent = house.staff("agent", &[Role::SupportAgent]).await;
    assert_ne!(house.get(&format!("/traffic?reference={reference}"), &agent).await.status, StatusCode::OK);
}
