//! What comes in wrong gets a clear answer, and nothing is lost by it.

use std::path::Path;
use std::process::Command;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::house::{House, wardroom};
use crate::visitor::{Visitor, client};

/// Token, content type, body; status and words of the answer.
type Case<'a> = (Option<String>, &'static str, Vec<u8>, u16, &'a str);

/// Asserts that an answer is a problem with this status whose detail has `words`.
async fn problem(response: reqwest::Response, status: u16, words: &str) {
    assert_eq!(response.status(), StatusCode::from_u16(status).unwrap(), "{words}");
    assert_eq!(response.headers()["content-type"], "application/problem+json", "{words}");
    // The edge refuses an oversized body before a request id is drawn.
    assert!(status == 413 || response.headers().contains_key("x-request-id"));
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["status"], status);
    let detail = body["detail"].as_str().unwrap();
    assert!(detail.to_lowercase().contains(words), "`{detail}` should say `{words}`");
    assert!(!body["mend"].as_str().unwrap().is_empty(), "{body}");
}

#[tokio::test]
async fn every_bad_request_gets_a_problem_that_says_what_and_how_to_mend() {
    let temp = tempfile::tempdir().unwrap();
    let house = House::start(&temp.path().join("data"));
    let visitor = Visitor::open(&house.ready).await;
    let other = Visitor::open(&house.ready).await;
    let base = &house.ready.public;
    let raw = |part: String, token: Option<String>, kind: &'static str, body: Vec<u8>| {
        let mut request = visitor.client.post(part).header("content-type", kind).body(body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request.send()
    };
    let messages = || visitor.url("messages");
    let token = || Some(visitor.token.clone());
    let json_type = "application/json";

    let long = serde_json::to_vec(&json!({ "text": "x".repeat(8001) })).unwrap();
    let cases: [Case<'_>; 13] = [
        (token(), json_type, b"{".to_vec(), 400, "too early"),
        (token(), json_type, br#"{"text": 5}"#.to_vec(), 400, "text"),
        (token(), json_type, br#"{"text": "a", "txet": "b"}"#.to_vec(), 400, "unknown field"),
        (token(), json_type, br#"{}"#.to_vec(), 400, "text"),
        (token(), json_type, b"{\"text\": \"\xff\"}".to_vec(), 400, ""),
        (token(), json_type, br#"{"text": "a\u0000b"}"#.to_vec(), 422, "control"),
        (token(), json_type, br#"{"text": "   "}"#.to_vec(), 422, "empty"),
        (token(), json_type, long, 422, "8000"),
        (token(), json_type, vec![b' '; 2 << 20], 413, "large"),
        (token(), "text/plain", b"hello".to_vec(), 415, ""),
        (None, json_type, br#"{"text": "a"}"#.to_vec(), 401, "token"),
        (Some("wct1_AAAA".into()), json_type, br#"{"text": "a"}"#.to_vec(), 401, "token"),
        (Some(other.token.clone()), json_type, br#"{"text": "a"}"#.to_vec(), 404, ""),
    ];
    for (token, kind, body, status, words) in cases {
        problem(raw(messages(), token, kind, body).await.unwrap(), status, words).await;
    }

    let absent = format!("{base}/chat/v1/conversations/0198c0de-1234-7abc-8def-0123456789ab/messages");
    problem(raw(absent, token(), json_type, br#"{"text":"a"}"#.to_vec()).await.unwrap(), 404, "").await;
    let no_bot = br#"{"bot": "nobody"}"#.to_vec();
    problem(raw(format!("{base}/chat/v1/conversations"), None, json_type, no_bot).await.unwrap(), 404, "")
        .await;
    problem(visitor.client.get(format!("{base}/nowhere")).send().await.unwrap(), 404, "").await;
    let wrong = visitor.client.request(Method::DELETE, messages()).send().await.unwrap();
    problem(wrong, 405, "method").await;

    // After all that the conversation goes on.
    assert!(visitor.ask("What is Wardroom?").await["text"].as_str().is_some());
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_an_answer_finds_it_whole_later() {
    let temp = tempfile::tempdir().unwrap();
    let house = House::start(&temp.path().join("data"));
    let visitor = Visitor::open(&house.ready).await;
    let seq = visitor.say("What is Wardroom?").await;
    visitor.events(Some(&seq.to_string()), |event| event.kind == "delta").await;
    let answer = visitor.events(Some(&seq.to_string()), |event| event.kind == "message").await.pop().unwrap();
    assert_eq!(answer.data["role"], "bot");
}

/// Runs Python on the deployment's SQLite file, as somebody would who can write to it.
fn tamper(data: &Path, script: &str) {
    let script = format!("import sqlite3, sys\ndb = sqlite3.connect(sys.argv[1])\n{script}\ndb.commit()\n");
    let done = Command::new("python3").arg("-c").arg(script).arg(data.join("wardroom.db")).status();
    assert!(done.is_ok_and(|status| status.success()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_corrupted_row_is_refused_by_its_name_and_the_rest_can_be_read() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let house = House::start(&data);
    let visitor = Visitor::open(&house.ready).await;
    visitor.ask("What is Wardroom?").await;
    assert_eq!(house.interrupt(), 0);

    tamper(
        &data,
        "record = bytearray(db.execute('SELECT record FROM messages WHERE seq = 2').fetchone()[0])\n\
         record[40] ^= 1\n\
         db.execute('UPDATE messages SET record = ? WHERE seq = 2', (bytes(record),))",
    );
    let house = House::start(&data);
    let again = Visitor { base: house.ready.public.clone(), client: client(&house.ready), ..visitor };
    let events = again.events(None, |event| event.kind == "state").await;
    let told: Vec<(&str, &str)> =
        events.iter().map(|event| (event.id.as_str(), event.kind.as_str())).collect();
    assert_eq!(told, [("1", "message"), ("2", "error"), ("3", "message"), ("3", "state")]);
    assert!(events[1].data["detail"].as_str().unwrap().contains("Message 2"));
    assert!(again.ask("Is it free?").await["text"].as_str().is_some(), "the conversation goes on");

    assert_eq!(house.interrupt(), 0);
    let data = data.to_str().unwrap();
    let (_, tail, _) = wardroom(&["audit", "tail", "--data", data]);
    assert!(tail.contains("CHAT-1005W  record.refused"), "{tail}");
    let (status, out, err) = wardroom(&["audit", "verify", "--log-only", "--data", data]);
    assert_eq!(status, 0, "the log is whole: {out}{err}");
    let (status, out, _) = wardroom(&["audit", "verify", "--data", data]);
    let named = format!("messages.record {}/2: ", again.conversation);
    assert!(status == 1 && out.contains(&named), "and what it speaks of is not: {out}");
}

#[test]
fn a_database_of_a_newer_program_is_refused_and_left_alone() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    assert_eq!(House::start(&data).interrupt(), 0);
    tamper(
        &data,
        "db.execute('INSERT INTO migrations (number, name, sha256, applied_ms) VALUES (9999, ?, ?, 0)', ('x', bytes(32)))",
    );
    let refused = House::try_start(&data).err().unwrap();
    assert_eq!(refused.status, 1);
    assert!(refused.stderr.contains("newer program"), "{}", refused.stderr);
}
