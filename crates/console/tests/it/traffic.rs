//! The traffic page: who sees it, who decides, and what is written down of that.

use std::sync::Mutex;
use std::time::Duration;

use console::{Heaviest, Measured, TrafficDesk, TrafficNow};
use guard::Role;
use http::StatusCode;
use kernel::Timestamp;

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
    for told in ["attack", "refusals, mix", "192.0.2.77/32", "98 %", "new-and-heavy", "<polyline", "Shut out"]
    {
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
