//! The walking path: open, ask, a cited answer, find it all again.

use serde_json::Value;

use crate::house::{House, wardroom};
use crate::visitor::Visitor;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_gets_a_streamed_and_cited_answer_that_can_be_read_again() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let house = House::start(&data);
    let visitor = Visitor::open(&house.ready).await;

    let seq = visitor.say("How are messages encrypted at rest?").await;
    let events = visitor
        .events(Some(&seq.to_string()), |event| event.kind == "message" && event.data["role"] == "bot")
        .await;
    let answer = &events.last().unwrap().data;
    let deltas: String = events
        .iter()
        .filter(|event| event.kind == "delta")
        .filter_map(|event| event.data["text"].as_str())
        .collect();
    assert_eq!(deltas, answer["text"].as_str().unwrap(), "the pieces are the answer");
    assert!(!answer["citations"].as_array().unwrap().is_empty(), "{answer}");

    // The citation leads to a page that is there.
    let url = answer["citations"][0]["url"].as_str().unwrap();
    let page = visitor.client.get(format!("{}{url}", visitor.base)).send().await.unwrap();
    assert_eq!(page.status(), 200, "{url}");

    // Everything is there after a restart, under the same token.
    assert_eq!(house.interrupt(), 0);
    let house = House::start(&data);
    let again =
        Visitor { base: house.ready.public.clone(), client: crate::visitor::client(&house.ready), ..visitor };
    let messages = again.messages_up_to(answer["seq"].as_u64().unwrap()).await;
    let roles: Vec<&str> = messages.iter().filter_map(|message: &Value| message["role"].as_str()).collect();
    assert_eq!(roles, ["bot", "user", "bot"], "greeting, question, answer");
    assert_eq!(messages[2], *answer);

    // And the audit log says so, to anybody.
    assert_eq!(house.interrupt(), 0);
    let (status, out, err) = wardroom(&["audit", "verify", "--data", data.to_str().unwrap()]);
    assert_eq!(status, 0, "{out}{err}");
}

#[tokio::test]
async fn a_client_id_makes_posting_twice_the_same_as_once() {
    let temp = tempfile::tempdir().unwrap();
    let house = House::start(&temp.path().join("data"));
    let visitor = Visitor::open(&house.ready).await;
    let body = serde_json::json!({ "text": "hello", "client_id": "0198c0de-1234-7abc-8def-0123456789ab" });
    let first: Value = visitor.post(&body).await.unwrap().json().await.unwrap();
    let second: Value = visitor.post(&body).await.unwrap().json().await.unwrap();
    assert_eq!(first, second);
}

#[tokio::test]
async fn two_quick_questions_get_two_answers() {
    let temp = tempfile::tempdir().unwrap();
    let house = House::start(&temp.path().join("data"));
    let visitor = Visitor::open(&house.ready).await;
    let (_, second) =
        (visitor.say("What is Wardroom?").await, visitor.say("Which databases does it run on?").await);
    let mut answers = 0;
    visitor
        .events(None, |event| {
            answers += usize::from(event.kind == "message" && event.data["role"] == "bot");
            answers == 3
        })
        .await;
    assert_eq!((answers, second), (3, 3));
}

#[tokio::test]
async fn a_bot_that_is_pushed_while_the_house_runs_answers_within_seconds() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let house = House::start(&data);
    let visitor = Visitor::open(&house.ready).await;
    let folder = temp.path().join("help-desk");
    let (folder, data) = (folder.to_str().unwrap(), data.to_str().unwrap());
    assert_eq!(wardroom(&["bot", "new", "help-desk", "--dir", folder]).0, 0);
    let (status, out, err) = wardroom(&["bot", "push", folder, "--data", data]);
    assert_eq!(status, 0, "{out}{err}");
    for _ in 0..100 {
        let url = format!("{}/chat/v1/conversations", house.ready.public);
        let opened = visitor.client.post(url).json(&serde_json::json!({ "bot": "help-desk" })).send().await;
        if opened.unwrap().status() == 201 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("it does not answer after 10 seconds");
}
