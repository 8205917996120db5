//! Two processes on one database: what one of them stores, the streams of the other tell.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::{Came, Cluster, SocketClient};
use tokio::sync::mpsc;

use crate::backup::{fresh, on_postgres};
use crate::house::House;
use crate::visitor::{Visitor, client};

/// Wide: what is shown is the figure, and that it is told at all.
const BOUND: Duration = Duration::from_secs(20);

/// Waits for a message of this number; when it came.
#[expect(clippy::disallowed_methods, reason = "how long it takes to be told is measured")]
async fn told(stream: &mut mpsc::UnboundedReceiver<u64>, seq: u64) -> Instant {
    let told = async {
        while let Some(came) = stream.recv().await {
            if came == seq {
                return Instant::now();
            }
        }
        panic!("the stream ended before message {seq}");
    };
    tokio::time::timeout(BOUND, told).await.expect("it is told")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "how long it takes to be told is measured")]
async fn what_one_process_stores_the_streams_of_another_tell() {
    let temp = tempfile::tempdir().unwrap();
    let (here, there) = (temp.path().join("here"), temp.path().join("there"));
    let database = Cluster::shared().database();
    on_postgres(&here, &database);
    let first = House::start(&here);
    on_postgres(&there, &database);
    fresh(&there, &here);
    let second = House::start(&there);

    let speaker = Visitor::open(&first.ready).await;
    let listener = Visitor {
        client: client(&second.ready),
        base: second.ready.public.clone(),
        conversation: speaker.conversation.clone(),
        token: speaker.token.clone(),
    };
    let (tell, mut by_events) = mpsc::unbounded_channel();
    let path = format!("/chat/v1/conversations/{}/socket", listener.conversation);
    let offered = format!("wardroom.chat.v1, wardroom.token.{}", listener.token);
    let fields = [("sec-websocket-protocol", offered.as_str()), ("origin", second.ready.public.as_str())];
    let root = fs::read(&second.ready.ca).unwrap();
    let mut socket = SocketClient::open(&second.ready.public, &root, &path, &fields).await.unwrap();
    let events = tokio::spawn(async move {
        let seq = |data: &Value| data["seq"].as_u64().unwrap();
        listener.events(None, |event| event.kind == "message" && tell.send(seq(&event.data)).is_err()).await
    });
    let (tell, mut by_socket) = mpsc::unbounded_channel();
    let frames = tokio::spawn(async move {
        while let Came::Text(text) = socket.next().await {
            let frame: Value = serde_json::from_str(&text).unwrap();
            if frame["event"] == "message" && tell.send(frame["data"]["seq"].as_u64().unwrap()).is_err() {
                return;
            }
        }
    });
    told(&mut by_events, 1).await;
    told(&mut by_socket, 1).await;

    let (mut longest, mut sum) = (Duration::ZERO, Duration::ZERO);
    for question in ["What is Wardroom?", "Is it free?", "Who made it?"] {
        let seq = speaker.say(question).await;
        let stored = Instant::now();
        let came = [told(&mut by_events, seq).await, told(&mut by_socket, seq).await];
        for came in came {
            let took = came.saturating_duration_since(stored);
            (longest, sum) = (longest.max(took), sum + took);
        }
        // The answer, which the first process makes, comes as well.
        told(&mut by_events, seq + 1).await;
        told(&mut by_socket, seq + 1).await;
    }
    println!("figure across_processes_ms longest {} mean {}", longest.as_millis(), sum.as_millis() / 6);
    drop((by_events, by_socket));
    events.abort();
    frames.abort();
    assert_eq!((first.interrupt(), second.interrupt()), (0, 0));
}
