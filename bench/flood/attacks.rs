//! The attacks. Every one is bounded in count and rate, and ends when its task is dropped.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::net::{At, Target};
use crate::people::{PEOPLE, crowd};
use crate::{Failure, part};

pub(crate) const ALL: [&str; 9] = ["A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9"];

/// What a script sends.
const SCRIPT: [(&str, &str); 2] = [("accept", "*/*"), ("user-agent", "python-requests/2.32")];

/// Runs the part: an attack, until nobody listens any more.
pub(crate) fn run(name: &str, target: &[&str]) -> Result<(), Failure> {
    let target = Target::named(target)?;
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let _there = runtime.enter();
    match name {
        "A1" => runtime.spawn(one_address(target)),
        "A2" => runtime.spawn(botnet(target)),
        "A3" => runtime.spawn(slow(target)),
        "A4" => runtime.spawn(frames(target)),
        "A5" => runtime.spawn(handshakes(target)),
        "A6" => runtime.spawn(dear(target)),
        "A7" => runtime.spawn(stuffing(target)),
        "A8" => runtime.spawn(crowd(target, PEOPLE * 9)),
        "A9" => runtime.spawn(async move {
            tokio::join!(
                crowd(target.clone(), PEOPLE * 9),
                one_address(target.clone()),
                botnet(target.clone()),
                slow(target.clone()),
                stuffing(target)
            );
        }),
        other => return Err(format!("there is no attack `{other}`").into()),
    };
    part::serve(&json!({}), |_| json!({}))?;
    runtime.shutdown_background();
    Ok(())
}

async fn all(mut tasks: JoinSet<()>) {
    while tasks.join_next().await.is_some() {}
}

/// A1: one address, 128 connections, as many requests as ten times the capacity.
async fn one_address(target: Target) {
    let from = IpAddr::V4(Ipv4Addr::new(127, 200, 0, 1));
    let mut tasks = JoinSet::new();
    for _ in 0..128 {
        tasks.spawn(ask_often(target.clone(), from, Duration::from_millis(32)));
    }
    all(tasks).await;
}

/// A2: a thousand sources, four requests each second of each: below any limit by address. One in four has
/// an IPv6 /64 of its own.
async fn botnet(target: Target) {
    let mut tasks = JoinSet::new();
    for i in 0..1000u16 {
        let [high, low] = i.to_be_bytes();
        let from = match i % 4 {
            0 => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, i, 1, 0, 0, 0, 9)),
            _ => IpAddr::V4(Ipv4Addr::new(127, 210 + high, low, 7)),
        };
        tasks.spawn(ask_often(target.clone(), from, Duration::from_millis(250)));
        if i % 50 == 0 {
            sleep(Duration::from_millis(20)).await;
        }
    }
    all(tasks).await;
}

async fn ask_often(target: Target, from: IpAddr, every: Duration) {
    let mut beat = interval(every);
    beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        let Ok(mut client) = target.client(At::Public, from).await else {
            sleep(Duration::from_millis(500)).await;
            continue;
        };
        loop {
            beat.tick().await;
            let body = r#"{"bot":"front-desk"}"#;
            if client.send("POST", "/chat/v1/conversations", &SCRIPT, body).await.is_err() {
                break;
            }
        }
    }
}

/// A3: heads that never end, bodies that trickle, and answers that are not read.
async fn slow(target: Target) {
    let mut tasks = JoinSet::new();
    for i in 0..450u16 {
        let [high, low] = i.to_be_bytes();
        let from = IpAddr::V4(Ipv4Addr::new(127, 220 + high, low, 1));
        let target = target.clone();
        tasks.spawn(async move {
            loop {
                let Ok(mut stream) = target.connect(At::Public, from, true, b"").await else {
                    sleep(Duration::from_secs(1)).await;
                    continue;
                };
                let head = match i % 3 {
                    0 => "GET / HTTP/1.1\r\nhost: chat.test\r\n",
                    1 => "POST /chat/v1/conversations HTTP/1.1\r\nhost: chat.test\r\ncontent-length: 5000\r\n\r\n",
                    _ => "GET / HTTP/1.1\r\nhost: chat.test\r\n\r\n",
                };
                if stream.write_all(head.as_bytes()).await.is_err() {
                    continue;
                }
                for _ in 0..60 {
                    sleep(Duration::from_millis(700)).await;
                    let more: &[u8] = if i % 3 == 0 { b"x-a: b\r\n" } else { b"x" };
                    if i % 3 == 2 {
                        continue;
                    }
                    if stream.write_all(more).await.is_err() || stream.flush().await.is_err() {
                        break;
                    }
                }
            }
        });
    }
    all(tasks).await;
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).unwrap_or_default().to_be_bytes();
    [&[a, b, c, kind, flags][..], &stream.to_be_bytes(), payload].concat()
}

/// A4: HTTP/2 requests that are cancelled at once, and PING and SETTINGS without end.
async fn frames(target: Target) {
    let mut tasks = JoinSet::new();
    for i in 0..30u8 {
        let from = IpAddr::V4(Ipv4Addr::new(127, 230, i, 1));
        let target = target.clone();
        tasks.spawn(async move {
            let mut beat = interval(Duration::from_millis(20));
            loop {
                let Ok(stream) = target.connect(At::Public, from, true, b"h2").await else {
                    sleep(Duration::from_millis(300)).await;
                    continue;
                };
                let (mut reader, mut writer) = tokio::io::split(stream);
                let first = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(4, 0, 0, &[])].concat();
                let flood = async {
                    writer.write_all(&first).await?;
                    for id in (1u32..200_000).step_by(2) {
                        let head = b"\x82\x87\x84\x01\x09chat.test";
                        let piece = match i % 3 {
                            0 => [frame(1, 5, id, head), frame(3, 0, id, &8u32.to_be_bytes())].concat(),
                            1 => frame(6, 0, 0, &[7; 8]).repeat(200),
                            _ => frame(4, 0, 0, &[0, 3, 0, 0, 0, 100]).repeat(200),
                        };
                        writer.write_all(&piece).await?;
                        writer.flush().await?;
                        if id % 64 == 1 {
                            beat.tick().await;
                        }
                    }
                    Ok::<_, std::io::Error>(())
                };
                let drink = async {
                    let mut buffer = vec![0; 16 * 1024];
                    while reader.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
                };
                tokio::select! { _ = flood => {}, () = drink => {} }
            }
        });
    }
    all(tasks).await;
}

/// A5: half of a handshake and nothing else: one hello, made once, costs us its signature each time and
/// the attacker nothing.
async fn handshakes(target: Target) {
    let Ok(hello) = target.hello() else { return };
    let mut tasks = JoinSet::new();
    for i in 0..200u8 {
        let from = IpAddr::V4(Ipv4Addr::new(127, 235, i, 1));
        let (target, hello) = (target.clone(), hello.clone());
        tasks.spawn(async move {
            let mut beat = interval(Duration::from_millis(100));
            beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                beat.tick().await;
                let Ok(mut stream) = target.dial(At::Public, from).await else { continue };
                if stream.write_all(&hello).await.is_ok() {
                    // The answer has been signed when it begins.
                    let mut first = [0; 64];
                    let _ = timeout(Duration::from_millis(500), stream.read(&mut first)).await;
                }
            }
        });
    }
    all(tasks).await;
}

/// A6: twenty conversations that ask for dear things as fast as they can.
async fn dear(target: Target) {
    let mut tasks = JoinSet::new();
    for i in 0..20u8 {
        let from = IpAddr::V4(Ipv4Addr::new(127, 240, i, 1));
        let target = target.clone();
        tasks.spawn(async move {
            let Ok(mut client) = target.client(At::Public, from).await else { return };
            let Ok((201, token)) = client.send("POST", "/chat/v1/conversations", &SCRIPT, "{}").await else {
                return;
            };
            let bearer = format!("Bearer {}", String::from_utf8_lossy(&token));
            let mut beat = interval(Duration::from_millis(5));
            beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                beat.tick().await;
                let fields = [("accept", "*/*"), ("authorization", bearer.as_str())];
                if client.send("POST", "/v1/chat/completions", &fields, "{}").await.is_err() {
                    let Ok(again) = target.client(At::Public, from).await else { return };
                    client = again;
                }
            }
        });
    }
    all(tasks).await;
}

/// A7: sign-ins with guessed passwords from five hundred sources.
async fn stuffing(target: Target) {
    let mut tasks = JoinSet::new();
    for i in 0..500u16 {
        let [high, low] = i.to_be_bytes();
        let from = IpAddr::V4(Ipv4Addr::new(127, 245 + high, low, 1));
        let target = target.clone();
        tasks.spawn(async move {
            let mut beat = interval(Duration::from_millis(500));
            loop {
                let Ok(mut client) = target.client(At::Staff, from).await else {
                    sleep(Duration::from_secs(1)).await;
                    continue;
                };
                loop {
                    beat.tick().await;
                    if client.send("POST", "/sign-in", &SCRIPT, "user=a&password=b").await.is_err() {
                        break;
                    }
                }
            }
        });
    }
    all(tasks).await;
}
