//! A conversation over a WebSocket, through the whole binary: what comes down is what the stream of events tells,
//! what goes up passes the walls that a posted message passes, and whoever has no business here is turned away.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Came, SocketClient, Turned};
use tokio::time::timeout;

use crate::house::{House, Ready};
use crate::visitor::Visitor;

const PROTOCOL: &str = "wardroom.chat.v1";

/// An open socket of one conversation.
struct Talk {
    socket: SocketClient,
}

async fn open(ready: &Ready, path: &str, fields: &[(&str, &str)]) -> Result<Talk, Turned> {
    let root = std::fs::read(&ready.ca).unwrap();
    // Who asks faster than any person is told to wait, and waits.
    for _ in 0..100 {
        match SocketClient::open(&ready.public, &root, path, fields).await {
            Err(Turned { status: 429, .. }) => tokio::time::sleep(Duration::from_millis(200)).await,
            done => return done.map(|socket| Talk { socket }),
        }
    }
    panic!("no socket is opened");
}

fn path(visitor: &Visitor) -> String {
    format!("/chat/v1/conversations/{}/socket", visitor.conversation)
}

/// As a browser's script would: everything it can say stands among the sub-protocols.
async fn by_browser(ready: &Ready, visitor: &Visitor, after: &str) -> Talk {
    let offered = format!("{PROTOCOL}, wardroom.token.{}", visitor.token);
    let fields = [("sec-websocket-protocol", offered.as_str()), ("origin", &ready.public)];
    open(ready, &format!("{}{after}", path(visitor)), &fields).await.unwrap()
}

impl Talk {
    async fn came(&mut self) -> Came {
        timeout(Duration::from_secs(30), self.socket.next()).await.unwrap()
    }

    /// The next frame for which this holds.
    async fn until(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            match self.came().await {
                Came::Text(text) => {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    if fits(&frame) {
                        return frame;
                    }
                }
                end => panic!("the socket ended: {end:?}"),
            }
        }
    }

    /// Sends a message; the frame that answers it.
    async fn post(&mut self, mark: &str, data: Value) -> Value {
        assert!(self.socket.say(&json!({ "event": "message", "ref": mark, "data": data }).to_string()).await);
        self.until(|frame| frame["ref"] == mark).await
    }

    /// The same, as often as it takes.
    async fn post_patiently(&mut self, mark: &str, data: Value) -> Value {
        for _ in 0..100 {
            let answer = self.post(mark, data.clone()).await;
            if answer["data"]["status"] != 429 {
                return answer;
            }
            let wait = answer["retry_after"].as_u64().unwrap();
            tokio::time::sleep(Duration::from_secs(wait)).await;
        }
        panic!("no message is taken");
    }

    /// How it ends.
    async fn end(&mut self) -> Came {
        loop {
            match self.came().await {
                Came::Text(_) => {}
                end => return end,
            }
        }
    }
}

#[tokio::test]
async fn a_conversation_is_held_over_one_socket_and_reads_the_same_as_over_the_stream_of_events() {
    let temp = tempfile::tempdir().unwrap();
    let house = House::start(&temp.path().join("data"));
    let visitor = Visitor::open(&house.ready).await;
    let mut talk = by_browser(&house.ready, &visitor, "").await;
    assert!(
        talk.socket.head.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        "{}",
        talk.socket.head
    );
    assert!(
        talk.socket.head.contains(&format!("sec-websocket-protocol: {PROTOCOL}\r\n")),
        "{}",
        talk.socket.head
    );
    assert!(!talk.socket.head.contains("wct1_"), "the token came back");
    let greeting = talk.until(|frame| frame["event"] == "message").await;
    assert_eq!((&greeting["data"]["role"], &greeting["id"]), (&json!("bot"), &json!("1")));

    let body = json!({ "text": "How do I start?", "client_id": "0198c0de-1234-7abc-8def-0123456789ab" });
    let accepted = talk.post_patiently("one", body.clone()).await;
    assert_eq!((&accepted["event"], &accepted["data"]["seq"]), (&json!("accepted"), &json!(2)), "{accepted}");
    let again = talk.post_patiently("two", body).await;
    assert_eq!(again["data"], accepted["data"], "the same id stores nothing twice");
    let answers = |frame: &Value| frame["data"]["role"] == "bot" && frame["data"]["seq"] != 1;
    let answer = talk.until(|frame| frame["event"] == "message" && answers(frame)).await;
    assert_eq!(visitor.messages_up_to(3).await[2], answer["data"], "both tell it in the same words");

    let mut later = by_browser(&house.ready, &visitor, "?after=2").await;
    assert_eq!(later.until(|frame| frame["event"] == "message").await["data"], answer["data"]);
}

#[tokio::test]
async fn what_may_not_be_posted_may_not_be_said_over_a_socket() {
    let temp = tempfile::tempdir().unwrap();
    let house = House::start(&temp.path().join("data"));
    let visitor = Visitor::open(&house.ready).await;
    let mut talk = by_browser(&house.ready, &visitor, "").await;
    let long = "a".repeat(8001);
    for (mark, body) in [
        ("empty", json!({ "text": " " })),
        ("control", json!({ "text": "a\u{0}b" })),
        ("long", json!({ "text": long })),
        ("unknown", json!({ "text": "hello", "role": "agent" })),
        ("shape", json!(["text", "hello"])),
        // Words for people to read may quote anything; the name of a field may not.
        ("attack", json!({ "text": "hello", "x' UNION SELECT password FROM users--": 1 })),
    ] {
        let posted = visitor.post_patiently(&body).await.unwrap();
        let status = posted.status().as_u16();
        let posted: Value = posted.json().await.unwrap();
        let said = talk.post_patiently(mark, body).await;
        assert_eq!(said["event"], "refused", "{mark}: {said}");
        assert_eq!(
            (&said["data"]["status"], &said["data"]["type"]),
            (&json!(status), &posted["type"]),
            "{mark}"
        );
        assert_eq!(said["data"]["detail"], posted["detail"], "{mark}");
    }
    let quoted = talk.post_patiently("quoted", json!({ "text": "What does ' OR 1=1 -- do?" })).await;
    assert_eq!(quoted["event"], "accepted", "{quoted}");
}

#[tokio::test]
async fn a_socket_takes_from_the_budget_that_posting_takes_from() {
    let temp = tempfile::tempdir().unwrap();
    let house = House::start(&temp.path().join("data"));
    let visitor = Visitor::open(&house.ready).await;
    let mut talk = by_browser(&house.ready, &visitor, "").await;
    let mut refused = None;
    for n in 0..400 {
        let answer = talk.post(&n.to_string(), json!({ "text": "" })).await;
        if answer["data"]["status"] == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.unwrap();
    assert!(refused["event"] == "refused" && refused["retry_after"].as_u64() >= Some(1), "{refused}");
    let posted = visitor.post(&json!({ "text": "" })).await.unwrap();
    assert_eq!(posted.status(), 429, "it is one budget");
}

#[tokio::test]
async fn a_socket_is_opened_by_the_token_alone_and_for_pages_that_the_bot_allows() {
    let temp = tempfile::tempdir().unwrap();
    let house = House::start(&temp.path().join("data"));
    let ready = &house.ready;
    let (visitor, other) = (Visitor::open(ready).await, Visitor::open(ready).await);
    let (ours, theirs) = (path(&visitor), path(&other));
    let bearer = format!("Bearer {}", visitor.token);
    let token = format!("wardroom.token.{}", visitor.token);
    let offered = format!("{PROTOCOL}, {token}");
    let protocol = |list| ("sec-websocket-protocol", list);
    let status = async |path: &str, fields: &[(&str, &str)]| match open(ready, path, fields).await {
        Ok(_) => 101,
        Err(turned) => turned.status,
    };
    // By header, as a program does, or as a sub-protocol, as a browser must; never by the address.
    assert_eq!(status(&ours, &[protocol(PROTOCOL), ("authorization", &bearer)]).await, 101);
    assert_eq!(status(&ours, &[protocol(&offered)]).await, 101);
    assert_eq!(status(&ours, &[protocol(PROTOCOL)]).await, 401);
    let in_address = format!("{ours}?token={}", visitor.token);
    assert_eq!(status(&in_address, &[protocol(PROTOCOL)]).await, 401);
    let forged = format!("{PROTOCOL}, {token}x");
    assert_eq!(status(&ours, &[protocol(&forged)]).await, 401);
    assert_eq!(status(&ours, &[protocol(&offered), ("authorization", &bearer)]).await, 400);
    assert_eq!(status(&theirs, &[protocol(&offered)]).await, 404);
    assert_eq!(status(&ours, &[protocol(&token)]).await, 400, "the protocol itself is not offered");
    // A page of another site that got hold of a token, or that counts on a cookie, is turned away.
    for origin in ["https://evil.example", "null", "https://localhost", "http://localhost:1"] {
        assert_eq!(status(&ours, &[protocol(&offered), ("origin", origin)]).await, 403, "{origin}");
    }
    assert_eq!(status(&ours, &[protocol(&offered), ("origin", &ready.public)]).await, 101);
    let cookie = ("cookie", "__Host-wardroom-person=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert_eq!(status(&ours, &[protocol(PROTOCOL), cookie, ("origin", &ready.public)]).await, 401);
}

#[tokio::test]
async fn whatever_is_no_frame_of_the_protocol_ends_the_socket_and_says_so() {
    let temp = tempfile::tempdir().unwrap();
    let house = House::start(&temp.path().join("data"));
    let visitor = Visitor::open(&house.ready).await;
    for (text, code) in [("hello", 1008), (r#"{"event":"message","data":{},"more":1}"#, 1008)] {
        let mut talk = by_browser(&house.ready, &visitor, "").await;
        assert!(talk.socket.say(text).await);
        assert!(matches!(talk.end().await, Came::Closed(said, _) if said == code), "{text}");
    }
    // Not masked, as a client's frames must be; a reserved opcode; random noise.
    for bytes in [b"\x81\x02hi".as_slice(), b"\x83\x80\0\0\0\0", b"\x16\x03\x01\x02\x00\x01\x00"] {
        let mut talk = by_browser(&house.ready, &visitor, "").await;
        assert!(talk.socket.blurt(bytes).await);
        assert!(matches!(talk.end().await, Came::Closed(1002, _)), "{bytes:?}");
    }
    // Larger than any message may be.
    let mut talk = by_browser(&house.ready, &visitor, "").await;
    let _ = talk.socket.say(&"a".repeat(200 * 1024)).await;
    assert!(matches!(talk.end().await, Came::Closed(1009, _)));
    // The house stands.
    visitor.say("Are you there?").await;
}

#[tokio::test]
async fn when_the_process_ends_its_sockets_are_told() {
    let temp = tempfile::tempdir().unwrap();
    let house = House::start(&temp.path().join("data"));
    let visitor = Visitor::open(&house.ready).await;
    let mut talk = by_browser(&house.ready, &visitor, "").await;
    talk.until(|frame| frame["event"] == "state").await;
    let ending = tokio::task::spawn_blocking(move || house.interrupt());
    assert!(matches!(talk.end().await, Came::Closed(1001, reason) if reason.contains("ending")));
    assert_eq!(ending.await.unwrap(), 0);
}
