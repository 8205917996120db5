//! Legal holds through the binary: what is kept is erased by nobody, and everybody is told why.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::house::{House, wardroom};
use crate::visitor::Visitor;

#[tokio::test]
async fn what_is_under_a_legal_hold_is_erased_neither_by_the_operator_nor_by_the_person() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let house = House::start(&data);
    let (kept, other) = (Visitor::open(&house.ready).await, Visitor::open(&house.ready).await);
    kept.say("The heron was not mine.").await;
    let at = data.to_str().unwrap();
    let run = |words: &[&str]| wardroom(&[words, &["--data", at]].concat());
    let good = |words: &[&str]| {
        let (status, out, err) = run(words);
        assert_eq!(status, 0, "{words:?}: {out}{err}");
        out
    };
    let place = ["hold", "place", "--conversation", &kept.conversation];
    assert_eq!(run(&place).0, 2, "no hold without a reason");
    assert_eq!(run(&["hold", "place", "--reason", "x"]).0, 2, "nor on nothing");
    let said = good(&[&place[..], &["--reason", "matter 7"]].concat());
    let hold = said.lines().next().unwrap().to_owned();

    // The person is told, and nothing is gone.
    let erase = |visitor: &Visitor| {
        let body = json!({ "erase": "everything-of-mine" });
        visitor.client.post(visitor.url("person/erase")).bearer_auth(&visitor.token).json(&body).send()
    };
    let refused = erase(&kept).await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let problem: Value = refused.json().await.unwrap();
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("guard.legal_hold_own") && detail.contains("cannot be erased yet"), "{problem}");
    assert!(problem["mend"].as_str().unwrap().contains("Ask again later"), "{problem}");
    let (status, out, err) = run(&["erase", "--yes", "--conversation", &kept.conversation]);
    assert_eq!(status, 1, "{out}");
    assert!(err.contains("guard.legal_hold") && err.contains("legal hold"), "{err}");
    let export = kept.client.get(kept.url("person/export")).bearer_auth(&kept.token).send().await.unwrap();
    assert!(export.text().await.unwrap().contains("heron"));

    // Somebody else is not kept. Whoever placed the hold does not lift it, and it can be explained.
    assert_eq!(erase(&other).await.unwrap().status(), StatusCode::OK);
    let gone = run(&["hold", "place", "--conversation", &other.conversation, "--reason", "too late"]);
    assert!(gone.0 == 1 && gone.2.contains("erased"), "{}", gone.2);
    let (status, _, err) = run(&["hold", "lift", &hold, "--reason", "over"]);
    assert!(status == 1 && err.contains("separation.own_hold"), "{err}");
    let listed: Value = serde_json::from_str(&good(&["hold", "list", "--json"])).unwrap();
    assert_eq!((&listed[0]["on"], &listed[0]["reason"]), (&json!("conversation"), &json!("matter 7")));
    assert_eq!(listed[0]["lifted"], Value::Null);
    let person = format!("person/{}", listed[0]["subject"].as_str().unwrap());
    let explain = |action: &str, on: &str, more: &[&str]| {
        let words = ["role", "explain", "--as", "privacy_officer", "--action", action, "--on", on];
        run(&[&words, more].concat()).1
    };
    assert!(explain("privacy.erase", &person, &[]).contains("guard.legal_hold"));
    assert!(explain("privacy.lift-hold", &format!("hold/{hold}"), &[]).contains("allowed by the rule"));
    let custodian = ["role", "explain", "--as", "key_custodian", "--action", "key.rotate", "--level", "2"];
    assert!(run(&custodian).1.contains("guard.phishing_resistant"));

    // Everybody, for good measure: the one who opens now is kept too.
    good(&["hold", "place", "--everybody", "--reason", "matter 8"]);
    let late = Visitor::open(&house.ready).await;
    assert_eq!(erase(&late).await.unwrap().status(), StatusCode::FORBIDDEN);
    let log = good(&["audit", "tail", "--lines", "200"]);
    for name in ["hold.placed", "access.denied", "subject.erased"] {
        assert!(log.contains(name), "{name}: {log}");
    }
    assert_eq!(house.interrupt(), 0);
    good(&["audit", "verify"]);
}
