//! One row of the table: one attack, from the coming of the people to its end.

use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::part::{CROWD, HOUSE, PEOPLE, Part, usage};
use crate::rival::Haproxy;
use crate::{Failure, Front, people};

/// Seconds in which people come and the edge learns what is usual.
const ARRIVE: u64 = 10;
/// Seconds of calm: the control.
const CALM: u64 = 12;
/// Seconds of the attack on the sink.
const ASIDE: u64 = 8;
/// Seconds of the attack.
const ATTACK: u64 = 16;

/// What came of one attack.
pub(crate) struct Row {
    calm: people::Tally,
    aside: people::Tally,
    attack: people::Tally,
    /// Answers per second that the application can give.
    capacity: f64,
    /// Figures of the house before the attack and after it.
    before: Value,
    after: Value,
    cpu_calm: f64,
    cpu: f64,
    memory_kib: i64,
}

fn seconds(count: u64) {
    sleep(Duration::from_secs(count));
}

/// Runs one.
pub(crate) fn run(name: &str, front: Front) -> Result<Row, Failure> {
    let mut house = Part::start(HOUSE, &["house", front.name()])?;
    let told = house.hear()?;
    let haproxy = (front == Front::Haproxy).then(|| Haproxy::before(&told)).transpose()?;
    let target = haproxy.as_ref().map_or_else(|| words(&told), |haproxy| Ok(haproxy.target()))?;
    // What is measured is who stands in front.
    let measured = haproxy.as_ref().map_or(house.id(), Haproxy::id);
    let target: Vec<&str> = target.iter().map(String::as_str).collect();
    let mut people = Part::start(PEOPLE, &[&["people"][..], &target].concat())?;
    people.hear()?;
    seconds(ARRIVE);
    people.ask("take")?;
    let start = usage(measured);
    seconds(CALM);
    let calm = people::Tally::told(&people.ask("take")?);
    let quiet = usage(measured);
    let aside = {
        let mut sink = Part::start(CROWD, &["sink"])?;
        let told = words(&sink.hear()?)?;
        let told: Vec<&str> = told.iter().map(String::as_str).collect();
        let _attack = Part::start(CROWD, &[&["attack", name][..], &told].concat())?;
        people.ask("take")?;
        seconds(ASIDE);
        people::Tally::told(&people.ask("take")?)
    };
    seconds(1);
    people.ask("take")?;
    let before = house.ask("attack")?;
    let began = usage(measured);
    let attack = Part::start(CROWD, &[&["attack", name][..], &target].concat())?;
    seconds(ATTACK);
    let tally = people::Tally::told(&people.ask("take")?);
    let after = house.ask("look")?;
    let ended = usage(measured);
    drop(attack);
    #[expect(clippy::cast_precision_loss, reason = "counts of seconds")]
    let share = |millis: f64, seconds: u64| millis / 1e3 / seconds as f64;
    Ok(Row {
        calm,
        aside,
        attack: tally,
        capacity: told["capacity"].as_f64().unwrap_or(f64::NAN),
        before,
        after,
        cpu_calm: share(quiet.0 - start.0, CALM),
        cpu: share(ended.0 - began.0, ATTACK),
        memory_kib: ended.1 - began.1,
    })
}

/// Addresses and root, as words for another part.
fn words(told: &Value) -> Result<Vec<String>, Failure> {
    let addresses = told["addresses"].as_array().into_iter().flatten();
    let mut words: Vec<String> = addresses.filter_map(Value::as_str).map(str::to_owned).collect();
    words.push(told["root"].as_str().ok_or("the part names no root")?.to_owned());
    Ok(words)
}

/// The heads of the columns.
pub(crate) fn title() {
    println!(
        "{:<4}{:>8}{:>8}{:>8}{:>7}{:>7}{:>7}{:>7}{:>8}{:>9}{:>7}{:>9}{:>9}{:>7}{:>7}{:>8}{:>9}  measures",
        "",
        "goodput",
        "new",
        "staff",
        "calm",
        "aside",
        "p99",
        "ratio",
        "young",
        "served/s",
        "of all",
        "asked/s",
        "refused",
        "cpu",
        "us/ref",
        "found",
        "memory"
    );
}

impl Row {
    fn gained(&self, what: &str) -> f64 {
        let of = |value: &Value| value[what].as_f64().unwrap_or_default();
        of(&self.after) - of(&self.before)
    }

    /// The p99 of established conversations under attack, by that of all in calm.
    fn ratio(&self) -> f64 {
        self.attack.p99_ms / self.calm.all_p99_ms.max(1.0)
    }

    /// The share of what the application can do that it did.
    fn of_capacity(&self) -> f64 {
        self.per_second(self.gained("served")) / self.capacity
    }

    fn refused(&self) -> f64 {
        self.gained("refused_requests") + self.gained("refused_connections")
    }

    #[expect(clippy::cast_precision_loss, reason = "a count of seconds")]
    fn per_second(&self, count: f64) -> f64 {
        count / ATTACK as f64
    }

    /// Processor time above the calm one, by refusals, in microseconds.
    fn price(&self) -> f64 {
        (self.cpu - self.cpu_calm) * 1e6 / self.per_second(self.refused()).max(1.0)
    }

    pub(crate) fn show(&self, name: &str) {
        let measures: Vec<&str> =
            self.after["measures"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        println!(
            "{name:<4}{:>7.2}%{:>7.1}%{:>7.1}%{:>7.1}{:>7.1}{:>7.1}{:>7.2}{:>8.1}{:>9.0}{:>6.0}%{:>9.0}{:>9.0}{:>6.0}%{:>7.0}{:>8}{:>7} K  {}",
            self.attack.goodput * 100.0,
            self.attack.newcomers * 100.0,
            self.attack.staff * 100.0,
            self.calm.all_p99_ms,
            self.aside.all_p99_ms,
            self.attack.p99_ms,
            self.ratio(),
            self.attack.young_p99_ms,
            self.per_second(self.gained("served")),
            self.of_capacity() * 100.0,
            self.per_second(self.gained("requests") + self.gained("refused_connections")),
            self.per_second(self.refused()),
            self.cpu * 100.0,
            self.price(),
            self.after["found"].as_f64().map_or("-".to_owned(), |found| format!("{found:.1}")),
            self.memory_kib,
            if measures.is_empty() { "none".to_owned() } else { measures.join(", ") },
        );
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "goodput": self.attack.goodput, "newcomers": self.attack.newcomers, "staff": self.attack.staff,
            "calm_p99_ms": self.calm.all_p99_ms, "aside_p99_ms": self.aside.all_p99_ms, "p99_ms": self.attack.p99_ms,
            "p99_ratio": self.ratio(), "p50_ms": self.attack.p50_ms,
            "young_p99_ms": self.attack.young_p99_ms, "served_per_s": self.per_second(self.gained("served")),
            "of_capacity": self.of_capacity(),
            "handshakes_per_s": self.per_second(self.gained("handshakes")),
            "refused": { "budget": self.gained("refused_budget"), "shed": self.gained("shed"),
                "connections": self.gained("refused_connections"), "handshakes": self.gained("handshake_failures") },
            "asked_per_s": self.per_second(self.gained("requests") + self.gained("refused_connections")),
            "refused_per_s": self.per_second(self.refused()), "cpu": self.cpu, "cpu_us_per_refusal": self.price(),
            "found_s": self.after["found"], "state_s": self.after["state"], "measures": self.after["measures"],
            "memory_kib": self.memory_kib,
        })
    }
}
