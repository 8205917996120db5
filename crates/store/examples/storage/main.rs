//! What sealing, chaining and the ledger cost, each against its limit in the same run.
//!
//! - **Appending**: a message through the store (slot read, sealed, chained, with its audit entry, one
//!   durable transaction shared by whoever waits) against plain inserts of the same two rows into tables
//!   of the same shape, and of the message alone; both through the same writer with the same durability.
//!   Rounds alternate, so that a slow disk slows all.
//! - **Opening**: the last 20 messages, opened, against the plain read of the same rows.
//! - **Sealing**: CPU time of one record against bare AES-256-GCM with a key that is used again.
//! - **The curve**: CPU time and wall time per message while the database grows.
//!
//! `cargo xtask bench storage [MESSAGES]`; MESSAGES is how far the curve goes (100,000 when not said).
//! `cargo xtask bench storage curve [MESSAGES]` draws the curve alone, to 5,000,000 when not said: about a
//! quarter of an hour and 6 GB of disk. PostgreSQL is a private cluster on this machine that waits for the disk at each commit.

#![expect(clippy::print_stdout, reason = "an example shows its figures")]
#![expect(clippy::disallowed_methods, reason = "an example that measures time reads the clock")]

mod house;
mod seals;

use std::future::Future;
use std::time::Instant;

use house::{Failed, House};
use store::{DbUrl, StoreError};

const ROUNDS: usize = 5;
/// (senders at once, messages per round)
const LOADS: [(usize, usize); 3] = [(1, 200), (8, 1_200), (64, 6_400)];
/// Times that the last messages of a conversation are read in a round.
const READS: usize = 1_500;

fn main() -> Result<(), Failed> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    let folder = tempfile::tempdir()?;
    let up_to: u64 = match words.as_slice() {
        ["curve", rest @ ..] => {
            let up_to = rest.first().map_or(Ok(5_000_000), |word| word.parse())?;
            let figures = curve(&runtime, folder.path(), up_to)?;
            println!(r#"{{"name":"storage-curve","figures":{{{figures}}}}}"#);
            return Ok(());
        }
        [up_to] => up_to.parse()?,
        _ => 100_000,
    };
    let cluster = testkit::Cluster::durable();
    let urls = [
        ("sqlite", DbUrl::sqlite(folder.path().join("rate.db"))),
        ("postgres", cluster.url(&cluster.database()).parse()?),
    ];
    let mut figures = Vec::new();
    println!(
        "{:<9} {:>7} {:>11} {:>11} {:>11} {:>13} {:>15}",
        "engine", "senders", "message /s", "two rows /s", "sealed /s", "of two rows", "of the message"
    );
    for (engine, url) in &urls {
        let senders = LOADS.iter().map(|(senders, _)| *senders).max().unwrap_or(1);
        let house = runtime.block_on(House::new(url, folder.path().join(engine), senders))?;
        for (senders, count) in LOADS {
            let (mut alone, mut both, mut sealed) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                alone.push(runtime.block_on(rate(senders, count, |lane| house.message_alone(lane)))?);
                both.push(runtime.block_on(rate(senders, count, |lane| house.two_rows(lane)))?);
                sealed.push(runtime.block_on(rate(senders, count, |lane| house.sealed(lane)))?);
            }
            let (alone, both, sealed) = (median(alone), median(both), median(sealed));
            let (of_both, of_alone) = (sealed / both, sealed / alone);
            println!(
                "{engine:<9} {senders:>7} {alone:>11.0} {both:>11.0} {sealed:>11.0} {of_both:>13.2} {of_alone:>15.2}"
            );
            figures.push(format!(r#""sealed_per_s_{engine}_{senders}":{sealed:.0}"#));
            figures.push(format!(r#""sealed_ratio_{engine}_{senders}":{of_both:.3}"#));
            figures.push(format!(r#""message_ratio_{engine}_{senders}":{of_alone:.3}"#));
            if senders == 64 {
                figures.push(format!(r#""sealed_ratio_{engine}":{of_both:.3}"#));
            }
        }
        let open = opening(&runtime, &house)?;
        println!("{engine:<9} the last 20, opened, at {open:.2} of the plain read's rate");
        figures.push(format!(r#""open_ratio_{engine}":{open:.3}"#));
        if *engine == "sqlite" {
            figures.push(format!(r#""open_ratio":{open:.3}"#));
        }
    }
    figures.extend(seals::measure()?);
    figures.push(curve(&runtime, folder.path(), up_to)?);
    println!(r#"{{"name":"storage","figures":{{{}}}}}"#, figures.join(","));
    Ok(())
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or_default()
}

/// Messages per second with so many senders, each of whom waits for the answer before the next.
async fn rate<F>(senders: usize, count: usize, send: impl Fn(usize) -> F) -> Result<f64, Failed>
where
    F: Future<Output = Result<(), StoreError>> + Send + 'static,
{
    let each = count / senders;
    let begin = Instant::now();
    let mut waiting = tokio::task::JoinSet::new();
    let mut left = vec![each.saturating_sub(1); senders];
    for lane in 0..senders {
        let job = send(lane);
        waiting.spawn(async move { (lane, job.await) });
    }
    while let Some(done) = waiting.join_next().await {
        let (lane, outcome) = done?;
        outcome?;
        if let Some(more) = left.get_mut(lane).filter(|more| **more > 0) {
            *more -= 1;
            let job = send(lane);
            waiting.spawn(async move { (lane, job.await) });
        }
    }
    Ok((each * senders) as f64 / begin.elapsed().as_secs_f64())
}

/// How fast the last 20 messages are read and opened, as a part of the plain read's rate: CPU time.
fn opening(runtime: &tokio::runtime::Runtime, house: &House) -> Result<f64, Failed> {
    let (mut plain, mut opened) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        runtime.block_on(house.read_plain(READS))?;
        plain.push(begin.elapsed().as_secs_f64());
        let begin = Instant::now();
        runtime.block_on(house.read_opened(READS))?;
        opened.push(begin.elapsed().as_secs_f64());
    }
    Ok(median(plain) / median(opened))
}

/// Cost per message while the database grows, on SQLite, 64 senders. Each point is the mean of the messages
/// since the one before it.
fn curve(runtime: &tokio::runtime::Runtime, folder: &std::path::Path, up_to: u64) -> Result<String, Failed> {
    let file = folder.join("curve.db");
    let house = runtime.block_on(House::new(&DbUrl::sqlite(file.clone()), folder.join("curve"), 64))?;
    println!("{:>12} {:>16} {:>12} {:>14}", "stored", "CPU us/message", "messages/s", "bytes/message");
    let (mut stored, mut points, mut costs) = (0u64, Vec::new(), Vec::new());
    let mut next = 10_000.min(up_to);
    while stored < up_to {
        let (cpu, begin, count) = (process_cpu()?, Instant::now(), next - stored);
        runtime.block_on(rate(64, usize::try_from(count)?, |lane| house.sealed(lane)))?;
        let each = (process_cpu()? - cpu) * 1e6 / count as f64;
        let per_s = count as f64 / begin.elapsed().as_secs_f64();
        stored = next;
        let bytes = std::fs::metadata(&file)?.len() / stored;
        println!("{stored:>12} {each:>16.1} {per_s:>12.0} {bytes:>14}");
        points.push(format!("[{stored},{each:.1},{per_s:.0}]"));
        costs.push(each);
        next = (next * 2).min(up_to);
    }
    // What a message costs at the end, against what it cost at the beginning.
    let grown = costs.last().zip(costs.first()).map_or(1.0, |(last, first)| last / first);
    let points = points.join(",");
    Ok(format!(r#""cpu_us_per_message_and_rate":[{points}],"cost_grown":{grown:.2}"#))
}

/// Seconds of CPU time that this process has used.
fn process_cpu() -> Result<f64, Failed> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    // Fields 14 and 15 of proc(5), in hundredths of a second.
    Ok((ticks(11) + ticks(12)) / 100.0)
}
