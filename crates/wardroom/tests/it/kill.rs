//! `kill -9` at any moment: what was acknowledged is there, in order, opens, and the audit log holds.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::house::{House, wardroom};
use crate::visitor::{Visitor, client};

const KILLS: u64 = 50;
const VISITORS: usize = 4;

/// What one visitor was promised.
struct Promise {
    visitor: Visitor,
    acknowledged: Vec<(u64, String)>,
}

/// Talks until the connection breaks.
async fn talk(promise: Arc<Mutex<Promise>>, round: u64) {
    for number in 0..10_000 {
        let text = format!("round {round}, message {number}");
        let request = {
            let promise = promise.lock().unwrap();
            let visitor = &promise.visitor;
            visitor
                .client
                .post(visitor.url("messages"))
                .bearer_auth(&visitor.token)
                .json(&json!({ "text": text }))
        };
        let Ok(response) = request.send().await else { return };
        if response.status() != StatusCode::ACCEPTED {
            // Said too much at once: nothing was promised.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        }
        let Ok(body) = response.json::<Value>().await else { return };
        promise.lock().unwrap().acknowledged.push((body["seq"].as_u64().unwrap(), text));
    }
}

async fn keep(house: &House, promises: Vec<Promise>) {
    for Promise { mut visitor, acknowledged } in promises {
        let Some((last, _)) = acknowledged.last() else { continue };
        visitor.base = house.ready.public.clone();
        visitor.client = client(&house.ready);
        let messages = visitor.messages_up_to(*last).await;
        let numbers: Vec<u64> = messages.iter().filter_map(|message| message["seq"].as_u64()).collect();
        assert!(numbers.is_sorted(), "{numbers:?}");
        for (seq, text) in &acknowledged {
            let found = messages.iter().find(|message| message["seq"] == *seq);
            assert_eq!(
                found.map(|message| &message["text"]),
                Some(&json!(text)),
                "message {seq} was acknowledged"
            );
        }
    }
}

fn audit_holds(data: &Path, more: &[&str]) {
    let words = [&["audit", "verify", "--data", data.to_str().unwrap()], more].concat();
    let (status, out, err) = wardroom(&words);
    assert_eq!(status, 0, "{out}{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_kills_under_load_lose_no_acknowledged_message() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let mut promises = Vec::new();
    let mut kept = 0;
    for round in 0..KILLS {
        let house = House::start(&data);
        kept += promises.iter().map(|promise: &Promise| promise.acknowledged.len()).sum::<usize>();
        keep(&house, promises).await;
        let mut talkers = Vec::new();
        for _ in 0..VISITORS {
            let visitor = Visitor::open(&house.ready).await;
            let promise = Arc::new(Mutex::new(Promise { visitor, acknowledged: Vec::new() }));
            talkers.push((tokio::spawn(talk(Arc::clone(&promise), round)), promise));
        }
        // Another moment each time: 53 is prime to 500.
        tokio::time::sleep(Duration::from_millis(60 + round * 53 % 500)).await;
        house.kill();
        promises = Vec::new();
        for (talker, promise) in talkers {
            talker.await.unwrap();
            promises.push(Arc::into_inner(promise).unwrap().into_inner().unwrap());
        }
        audit_holds(&data, &["--log-only"]);
    }
    let house = House::start(&data);
    kept += promises.iter().map(|promise| promise.acknowledged.len()).sum::<usize>();
    keep(&house, promises).await;
    // And, while it runs, every message and every other row.
    audit_holds(&data, &[]);
    assert!(kept > 10 * KILLS as usize, "the load was real: {kept} messages");
}
