//! Floods against the edge: real sockets, real TLS, source addresses out of 127.0.0.0/8, and IPv6 clients
//! by the PROXY protocol. Behind the edge stands an application with a known capacity, so that what is
//! measured is who gets it.
//!
//! Every part is a process of its own, so that figures mean something on a small machine: the house (edge
//! and application) has the first processor, the people and the attackers have the second, and among these
//! the people come first: what attackers pay for their own cryptography is nobody's waiting.
//!
//! Each attack has its own house, and four phases: the people come; calm, which is the control; the same
//! attack against a sink on the attackers' own processor, which shows what the generator alone does to the
//! people's figures; and the attack itself.
//!
//! `off` runs the same with admission switched off, `haproxy` with HAProxy and a stick table in the edge's
//! place (A1 and A2 alone), `tools` lets slowhttptest and h2load attack.

#![expect(clippy::print_stdout, reason = "a measurement speaks to its terminal")]
#![expect(clippy::indexing_slicing, reason = "of JSON: what is missing reads as null")]

mod attacks;
mod house;
mod net;
mod part;
mod people;
mod rival;
mod row;
mod tools;

use serde_json::{Map, Value, json};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What the application could do with an exact timer: four at once, ten milliseconds each. What it can, is
/// measured before each attack.
pub(crate) const CAPACITY: usize = 400;

/// Who stands in front of the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Front {
    /// The edge.
    Edge,
    /// The edge with admission switched off.
    Open,
    /// HAProxy with a stick table.
    Haproxy,
}

impl Front {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Open => "off",
            Self::Haproxy => "haproxy",
        }
    }
}

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["part", "house", front] => house::run(front),
        ["part", "sink"] => house::sink(),
        ["part", "people", target @ ..] => people::run(target),
        ["part", "attack", name, target @ ..] => attacks::run(name, target),
        wanted => measure(wanted),
    }
}

fn measure(words: &[&str]) -> Result<(), Failure> {
    let named = |word: &&&str| word.starts_with('A');
    let mut wanted: Vec<&str> = words.iter().filter(named).copied().collect();
    let mut fronts = Vec::new();
    for (word, front) in [("on", Front::Edge), ("off", Front::Open), ("haproxy", Front::Haproxy)] {
        if words.contains(&word) {
            fronts.push(front);
        }
    }
    if wanted.is_empty() && !words.contains(&"tools") {
        wanted = attacks::ALL.to_vec();
    }
    if fronts.is_empty() && !wanted.is_empty() {
        fronts.push(Front::Edge);
    }
    let _foreground = part::Foreground::take();
    let mut figures = Map::new();
    for front in fronts {
        println!("\n{}: capacity {CAPACITY}/s", front.name());
        row::title();
        let mut rows = Map::new();
        for name in &wanted {
            // A stick table knows requests and addresses; the other attacks are not its matter.
            if front == Front::Haproxy && !matches!(*name, "A1" | "A2") {
                continue;
            }
            let row = row::run(name, front)?;
            row.show(name);
            rows.insert((*name).to_owned(), row.json());
        }
        figures.insert(front.name().to_owned(), Value::Object(rows));
    }
    if words.contains(&"tools") {
        figures.insert("tools".to_owned(), tools::run()?);
    }
    println!("{}", json!({ "name": "flood", "figures": figures }));
    Ok(())
}
