//! A person who chats, as a test plays them: the chat API over TLS, with the deployment's own
//! certificate authority and no other.

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::{Certificate, Client, Response, StatusCode};
use serde_json::{Value, json};

use crate::house::Ready;

/// One conversation.
pub(crate) struct Visitor {
    pub(crate) client: Client,
    pub(crate) base: String,
    pub(crate) conversation: String,
    pub(crate) token: String,
}

/// One server-sent event.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) data: Value,
}

/// A client that trusts this deployment's authority only.
pub(crate) fn client(ready: &Ready) -> Client {
    let ca = std::fs::read(&ready.ca).expect("the authority's certificate is there");
    Client::builder()
        .tls_certs_only([Certificate::from_pem(&ca).expect("it is PEM")])
        .timeout(Duration::from_secs(60))
        .build()
        .expect("a client")
}

impl Visitor {
    /// Opens a conversation with the default bot.
    pub(crate) async fn open(ready: &Ready) -> Self {
        let client = client(ready);
        let response = client
            .post(format!("{}/chat/v1/conversations", ready.public))
            .json(&json!({ "bot": "front-desk" }))
            .send()
            .await
            .expect("the door answers");
        assert_eq!(response.status(), StatusCode::CREATED);
        let body: Value = response.json().await.expect("JSON");
        assert_eq!(body["expires_in"], 1800);
        Self {
            client,
            base: ready.public.clone(),
            conversation: body["conversation_id"].as_str().expect("an id").to_owned(),
            token: body["token"].as_str().expect("a token").to_owned(),
        }
    }

    /// The address of a part of this conversation.
    pub(crate) fn url(&self, part: &str) -> String {
        format!("{}/chat/v1/conversations/{}/{part}", self.base, self.conversation)
    }

    /// Posts a message and returns the raw answer.
    pub(crate) async fn post(&self, body: &Value) -> reqwest::Result<Response> {
        self.client.post(self.url("messages")).bearer_auth(&self.token).json(body).send().await
    }

    /// The same for a test that asks faster than any person: told to wait, it waits.
    pub(crate) async fn post_patiently(&self, body: &Value) -> reqwest::Result<Response> {
        let mut response = self.post(body).await?;
        for _ in 0..100 {
            if response.status() != StatusCode::TOO_MANY_REQUESTS {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            response = self.post(body).await?;
        }
        Ok(response)
    }

    /// Says something; the number under which it was stored.
    pub(crate) async fn say(&self, text: &str) -> u64 {
        let response = self.post_patiently(&json!({ "text": text })).await.expect("the door answers");
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        let body: Value = response.json().await.expect("JSON");
        body["seq"].as_u64().expect("a number")
    }

    /// Reads events from a resume point until `done` says so.
    pub(crate) async fn events(
        &self,
        last: Option<&str>,
        mut done: impl FnMut(&Event) -> bool,
    ) -> Vec<Event> {
        let ask = || {
            let request = self.client.get(self.url("events")).bearer_auth(&self.token);
            match last {
                Some(last) => request.header("last-event-id", last),
                None => request,
            }
        };
        let mut response = ask().send().await.expect("the door answers");
        // A test that asks faster than any person is told to wait, and waits.
        for _ in 0..100 {
            if response.status() != StatusCode::TOO_MANY_REQUESTS {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            response = ask().send().await.expect("the door answers");
        }
        assert_eq!(response.status(), StatusCode::OK);
        assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
        let mut stream = response.bytes_stream();
        let (mut text, mut events) = (Vec::new(), Vec::new());
        while let Some(chunk) = stream.next().await {
            text.extend_from_slice(&chunk.expect("the stream goes on"));
            while let Some(end) = text.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = text.drain(..end + 2).collect();
                if let Some(event) = parse(&String::from_utf8(block).expect("UTF-8")) {
                    events.push(event);
                    if done(events.last().unwrap()) {
                        return events;
                    }
                }
            }
        }
        events
    }

    /// All stored messages up to number `seq`.
    pub(crate) async fn messages_up_to(&self, seq: u64) -> Vec<Value> {
        let events = self
            .events(None, |event| event.kind == "message" && event.data["seq"].as_u64() >= Some(seq))
            .await;
        events.into_iter().filter(|event| event.kind == "message").map(|event| event.data).collect()
    }

    /// Says something and waits for the bot's answer.
    pub(crate) async fn ask(&self, text: &str) -> Value {
        let seq = self.say(text).await;
        let answered = |event: &Event| {
            event.kind == "message" && event.data["role"] == "bot" && event.data["seq"].as_u64() > Some(seq)
        };
        self.events(Some(&seq.to_string()), answered).await.pop().expect("an answer").data
    }
}

fn parse(block: &str) -> Option<Event> {
    let mut event = Event { id: String::new(), kind: String::new(), data: Value::Null };
    for line in block.trim_end().lines() {
        match line.split_once(": ")? {
            ("id", id) => event.id = id.to_owned(),
            ("event", kind) => event.kind = kind.to_owned(),
            ("data", data) => event.data = serde_json::from_str(data).expect("data is JSON"),
            _ => {}
        }
    }
    (!event.kind.is_empty()).then_some(event)
}
