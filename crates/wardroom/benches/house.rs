//! The whole house measured from outside: start, size, the time from a message to its receipt over TLS,
//! and what an idle stream costs. Run by `cargo xtask bench house`.

#![expect(clippy::print_stdout, reason = "a measurement prints its table")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement stops at the first surprise"
)]
#![expect(clippy::disallowed_methods, reason = "a measurement reads the real clock")]

#[path = "../tests/it/house.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod house;
#[path = "../tests/it/root.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod root;
#[path = "../tests/it/visitor.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod visitor;

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use house::House;
use visitor::Visitor;

const MESSAGES: usize = 400;
const STREAMS: usize = 1000;
const WIDE: &str = "[admission]
connections = { per_second = 2000, burst = 4000 }
address = { per_second = 20000, burst = 40000 }
network = { per_second = 20000, burst = 40000 }
credential = { per_second = 2000, burst = 4000 }
bot = { per_second = 20000, burst = 40000 }
tenant = { per_second = 20000, burst = 40000 }
";

#[tokio::main]
async fn main() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let data = temp.path().join("data");

    println!("first start (makes keys, certificates, database and the default bot)");
    let first = House::start(&data);
    let first_start = first.started_in;
    first.interrupt();
    println!("five cold starts");
    let mut starts: Vec<Duration> = Vec::new();
    for _ in 0..5 {
        let house = House::start(&data);
        starts.push(house.started_in);
        house.interrupt();
    }
    starts.sort();

    // One address asks here for what a thousand people ask for: admission stays, with wider budgets.
    std::fs::write(data.join("wardroom.toml"), WIDE).expect("the configuration is written");
    let house = House::start(&data);
    println!("{MESSAGES} messages, one after the other, over one TLS connection");
    let mut receipts = Vec::with_capacity(MESSAGES);
    let mut bare = Vec::with_capacity(MESSAGES);
    for _ in 0..MESSAGES / 40 {
        let visitor = Visitor::open(&house.ready).await;
        for number in 0..40 {
            // The limit in the same run: a request over the same connection that touches nothing.
            let begun = Instant::now();
            let _ = visitor.client.get(format!("{}/healthz", visitor.base)).send().await.expect("healthz");
            bare.push(begun.elapsed());
            let begun = Instant::now();
            let seq = visitor.say(&format!("message {number} about opening hours")).await;
            receipts.push(begun.elapsed());
            let answered = |event: &visitor::Event| event.kind == "message" && event.data["role"] == "bot";
            visitor.events(Some(&seq.to_string()), answered).await;
        }
    }
    receipts.sort();
    bare.sort();

    println!("{STREAMS} idle streams");
    let before = house.memory();
    let mut streams = Vec::with_capacity(STREAMS);
    for _ in 0..STREAMS / 50 {
        // One conversation per stream; fifty streams share a connection, as HTTP/2 does.
        let client = visitor::client(&house.ready);
        for _ in 0..50 {
            let visitor = Visitor { client: client.clone(), ..Visitor::open(&house.ready).await };
            let request = visitor.client.get(visitor.url("events")).bearer_auth(&visitor.token);
            let mut stream =
                request.timeout(Duration::from_secs(600)).send().await.expect("a stream").bytes_stream();
            let _ = stream.next().await;
            streams.push(stream);
        }
    }
    let per_stream = house.memory().saturating_sub(before) / STREAMS as u64;
    let size = std::fs::metadata(env!("CARGO_BIN_EXE_wardroom")).expect("the binary").len();

    let at =
        |sorted: &[Duration], share: usize| sorted[(sorted.len() - 1) * share / 100].as_secs_f64() * 1000.0;
    let figures = serde_json::json!({
        "first_start_ms": first_start.as_millis() as u64,
        "cold_start_ms": starts[2].as_millis() as u64,
        "binary_bytes": size,
        "send_p50_ms": at(&receipts, 50),
        "send_p99_ms": at(&receipts, 99),
        "bare_request_p50_ms": at(&bare, 50),
        "send_p50_over_bare": at(&receipts, 50) / at(&bare, 50),
        "bytes_per_idle_stream": per_stream,
        "idle_streams": streams.len(),
    });
    println!();
    for (name, value) in figures.as_object().expect("an object") {
        println!("  {name:<24} {value}");
    }
    println!("{}", serde_json::json!({ "name": "house", "figures": figures }));
}
