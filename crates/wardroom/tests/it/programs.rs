//! A program at the staff API of the real binary, with a key from the command line.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::enrol::first_owner;
use crate::house::{House, wardroom};
use crate::visitor::{Visitor, client};

#[tokio::test]
async fn a_program_lists_reads_and_answers_with_its_key_and_loses_it() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let house = House::start(&data);
    let visitor = Visitor::open(&house.ready).await;
    visitor.say("I would like to talk to a person.").await;
    let at = data.to_str().unwrap();
    let run = |words: &[&str]| {
        let (status, out, err) = wardroom(&[words, &["--data", at]].concat());
        assert_eq!(status, 0, "{words:?}: {out}{err}");
        out
    };

    // Nobody has enrolled, so that nobody could answer for a service account.
    let somebody = "018f0000-0000-7000-8000-000000000000";
    let (status, _, err) = wardroom(&["user", "service", "robot", "--answers", somebody, "--data", at]);
    assert!(status == 1 && err.contains("wardroom user list"), "{err}");
    let owner = first_owner(&house).await;
    let robot = run(&["user", "service", "night robot", "--answers", &owner]);
    let robot = robot.trim();
    let reason = "answers at night";
    run(&["role", "grant", robot, "support_manager", "--reason", reason]);
    let make = |more: &[&str]| {
        let words = ["api-key", "create", "--owner", robot, "--name", "night", "--json"];
        let made: Value = serde_json::from_str(&run(&[&words, more].concat())).unwrap();
        (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
    };
    let may = ["--may", "transcript.list", "--may", "transcript.read", "--may", "transcript.reply"];
    let (id, key) = make(&may);
    let (_, narrow) = make(&["--may", "bot.read"]);
    let (_, elsewhere) = make(&["--may", "bot.read", "--from", "192.0.2.0/24"]);

    let client = client(&house.ready);
    let base = format!("{}/api/v1", house.ready.console);
    let get = |path: String, key: String| {
        let request = client.get(format!("{base}{path}")).bearer_auth(key);
        async move { request.send().await.unwrap() }
    };
    let list = get("/conversations?limit=10".to_owned(), key.clone()).await;
    assert_eq!(list.status(), StatusCode::OK);
    let list: Value = list.json().await.unwrap();
    assert_eq!(list["conversations"][0]["id"], visitor.conversation);
    let one = format!("/conversations/{}", visitor.conversation);
    assert_eq!(get(one.clone(), key.clone()).await.status(), StatusCode::OK);

    // Without a reason no transcript is opened; with one, what was said can be read.
    let silent = get(format!("{one}/transcript"), key.clone()).await;
    assert_eq!(silent.status(), StatusCode::FORBIDDEN);
    assert_eq!(silent.headers()["content-type"], "application/problem+json");
    let problem: Value = silent.json().await.unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("guard.purpose") && problem["mend"].is_string());
    let read = client
        .get(format!("{base}{one}/transcript"))
        .bearer_auth(&key)
        .header("wardroom-reason", "the%20nightly%20report")
        .send()
        .await
        .unwrap();
    let transcript: Value = read.json().await.unwrap();
    assert!(transcript["lines"].as_array().unwrap().iter().any(|line| line["role"] == "user"));
    let said = client
        .post(format!("{base}{one}/reply"))
        .bearer_auth(&key)
        .json(&json!({ "text": "A person will be here at eight." }))
        .send()
        .await
        .unwrap();
    assert_eq!(said.status(), StatusCode::CREATED);
    let seq = said.json::<Value>().await.unwrap()["seq"].as_u64().unwrap();
    let heard = visitor.messages_up_to(seq).await;
    assert_eq!(heard.last().unwrap()["role"], "agent");

    // A key does what it was made for, from where it was made for; and a manager lists no bots.
    assert_eq!(get("/bots".to_owned(), narrow.clone()).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(get("/conversations".to_owned(), narrow).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(get("/bots".to_owned(), elsewhere).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(get("/audit/events".to_owned(), key.clone()).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(
        get("/conversations?colour=red".to_owned(), key.clone()).await.status(),
        StatusCode::BAD_REQUEST
    );
    let foreign = "/conversations/018f0000-0000-7000-8000-000000000000".to_owned();
    assert_eq!(get(foreign, key.clone()).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(get("/conversations".to_owned(), format!("{key}0")).await.status(), StatusCode::UNAUTHORIZED);
    let nobody = client.get(format!("{base}/conversations")).send().await.unwrap();
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    let described = client.get(format!("{base}/openapi.json")).send().await.unwrap();
    assert_eq!(described.json::<Value>().await.unwrap()["openapi"], "3.1.0");
    // The console takes no keys.
    let page =
        client.get(format!("{}/api-keys", house.ready.console)).bearer_auth(&key).send().await.unwrap();
    assert!(!page.text().await.unwrap().contains("night"));

    // Its account loses the role; then the key is ended.
    run(&["role", "revoke", robot, "support_manager", "--reason", "the night is over"]);
    assert_eq!(get("/conversations".to_owned(), key.clone()).await.status(), StatusCode::FORBIDDEN);
    run(&["role", "grant", robot, "support_manager", "--reason", reason]);
    assert_eq!(get("/conversations".to_owned(), key.clone()).await.status(), StatusCode::OK);
    run(&["api-key", "revoke", &id]);
    assert_eq!(get("/conversations".to_owned(), key.clone()).await.status(), StatusCode::UNAUTHORIZED);
    let log = run(&["audit", "tail", "--lines", "200"]);
    for name in
        ["api_key.made", "api_key.revoked", "api_key.refused", "service_account.made", "access.denied"]
    {
        assert!(log.contains(name), "{name}: {log}");
    }
    let listed = run(&["api-key", "list"]);
    assert!(listed.contains("night") && !listed.contains(&key));
}
