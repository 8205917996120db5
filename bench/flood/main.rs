//! Floods against the edge: real sockets, real TLS, source addresses out of 127.0.0.0/8, and IPv6 clients
//! by the PROXY protocol. Behind the edge stands an application with a known capacity, so that what is
//! measured is who gets it.
//!
//! Each attack has its own edge: calm, in which the edge learns what is usual and the control figures are
//! taken; the attack; and a moment after. `off` runs the same with admission switched off.

#![expect(clippy::print_stdout, reason = "a measurement speaks to its terminal")]

mod attacks;
mod people;
mod stage;

use std::time::Duration;

use people::Tally;
use stage::Stage;
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Seconds of calm, of which the last half is the control.
const CALM: u64 = 24;
/// Seconds of attack.
const ATTACK: u64 = 12;
/// People who chat, and how often each of them says something.
pub(crate) const PEOPLE: usize = 120;
pub(crate) const PAUSE: Duration = Duration::from_millis(1500);

/// The edge, the people and the attackers each have threads of their own: what the attackers pay for
/// their own cryptography is not to be the people's waiting.
struct Crowds {
    people: Runtime,
    attackers: Runtime,
}

fn main() -> Result<(), Failure> {
    let one = || Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let crowds = Crowds { people: one()?, attackers: one()? };
    let done = Builder::new_multi_thread().enable_all().build()?.block_on(measure(&crowds));
    crowds.attackers.shutdown_background();
    crowds.people.shutdown_background();
    done
}

async fn measure(crowds: &Crowds) -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let off = words.iter().any(|word| word == "off");
    let mut wanted: Vec<&str> = words.iter().map(String::as_str).filter(|word| *word != "off").collect();
    if wanted.is_empty() {
        wanted = attacks::ALL.to_vec();
    }
    println!(
        "admission {}; {CALM} s calm, {ATTACK} s attack; capacity {}/s",
        if off { "off" } else { "on" },
        stage::CAPACITY
    );
    println!(
        "{:<4} {:>9} {:>9} {:>8} {:>8} {:>6} {:>9} {:>9} {:>9} {:>9}  measures",
        "", "goodput", "new", "calm p99", "p99", "ratio", "offered/s", "refused/s", "found s", "memory"
    );
    let mut figures = serde_json::Map::new();
    for name in wanted {
        let row = run(crowds, name, off).await?;
        row.show(name);
        figures.insert(name.to_owned(), row.json());
    }
    let figures =
        serde_json::json!({ "name": "flood", "figures": { "admission": !off, "attacks": figures } });
    println!("{figures}");
    Ok(())
}

/// One attack.
struct Row {
    calm: Tally,
    attack: Tally,
    offered: f64,
    refused: f64,
    /// Seconds from the first request of the attack to the first measure or refusal.
    found: Option<f64>,
    measures: Vec<String>,
    memory_kib: i64,
}

async fn run(crowds: &Crowds, name: &str, off: bool) -> Result<Row, Failure> {
    let stage = Stage::open(off).await?;
    let people = {
        let _there = crowds.people.enter();
        people::People::come(&stage, PEOPLE)
    };
    sleep(Duration::from_secs(CALM / 2)).await;
    people.take();
    sleep(Duration::from_secs(CALM - CALM / 2)).await;
    let calm = people.take();
    let before = (stage.stats(), stage::memory_kib());
    stage.attack_begins();
    let attack = {
        let _there = crowds.attackers.enter();
        attacks::begin(name, &stage)?
    };
    sleep(Duration::from_secs(ATTACK)).await;
    let (tally, after, memory) = (people.take(), stage.stats(), stage::memory_kib());
    attack.abort();
    people.leave();
    #[expect(clippy::cast_precision_loss, reason = "counts of seconds")]
    let rate = |count: u64| count as f64 / ATTACK as f64;
    let turned = |r: &edge::ServeReport| r.refused_budget + r.shed + r.refused_admission + r.refused_address;
    let row = Row {
        calm,
        attack: tally,
        offered: rate(
            after.requests - before.0.requests + after.refused_admission - before.0.refused_admission,
        ),
        refused: rate(turned(&after) - turned(&before.0)),
        found: stage.found(),
        measures: stage.measures(),
        memory_kib: memory - before.1,
    };
    stage.close().await;
    Ok(row)
}

impl Row {
    fn ratio(&self) -> f64 {
        self.attack.p99().as_secs_f64() / self.calm.p99().as_secs_f64().max(0.001)
    }

    fn show(&self, name: &str) {
        println!(
            "{name:<4} {:>8.2}% {:>8.2}% {:>6.0}ms {:>6.0}ms {:>6.1} {:>9.0} {:>9.0} {:>9} {:>6} KiB  {}",
            self.attack.goodput() * 100.0,
            self.attack.newcomers() * 100.0,
            self.calm.p99().as_secs_f64() * 1e3,
            self.attack.p99().as_secs_f64() * 1e3,
            self.ratio(),
            self.offered,
            self.refused,
            self.found.map_or("-".to_owned(), |found| format!("{found:.1}")),
            self.memory_kib,
            if self.measures.is_empty() { "none".to_owned() } else { self.measures.join(", ") },
        );
    }

    fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "goodput": self.attack.goodput(), "newcomers": self.attack.newcomers(),
            "calm_p99_ms": self.calm.p99().as_secs_f64() * 1e3, "p99_ms": self.attack.p99().as_secs_f64() * 1e3,
            "p99_ratio": self.ratio(), "offered_per_s": self.offered, "refused_per_s": self.refused,
            "found_s": self.found, "measures": self.measures, "memory_kib": self.memory_kib,
        })
    }
}
