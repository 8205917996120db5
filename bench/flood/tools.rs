//! Other people's tools of attack: slowhttptest (slow heads, slow bodies, slow reading) and h2load (as many
//! HTTP/2 requests as one address can ask). What they see is held against what the people meet meanwhile.

use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::part::{CROWD, HOUSE, PEOPLE, Part};
use crate::{Failure, people};

/// Seconds that each tool attacks.
const SECONDS: &str = "15";

/// The tools and their words; `URL` stands for the house's.
const TOOLS: [(&str, &str, &[&str]); 4] = [
    (
        "slow heads",
        "slowhttptest",
        &["-H", "-c", "600", "-r", "100", "-i", "2", "-l", SECONDS, "-p", "3", "-u", "URL"],
    ),
    (
        "slow bodies",
        "slowhttptest",
        &["-B", "-c", "600", "-r", "100", "-i", "2", "-l", SECONDS, "-p", "3", "-u", "URL"],
    ),
    (
        "slow reading",
        "slowhttptest",
        &[
            "-X", "-c", "600", "-r", "100", "-w", "1", "-y", "8", "-n", "3", "-z", "4", "-l", SECONDS, "-p",
            "3", "-u", "URL",
        ],
    ),
    ("h2load", "h2load", &["-c", "50", "-m", "32", "-D", SECONDS, "-T", "5", "URL"]),
];

/// Runs them one after the other.
pub(crate) fn run() -> Result<Value, Failure> {
    let mut figures = Map::new();
    println!(
        "\ntools\n{:<14}{:>9}{:>8}{:>8}{:>7}  what the tool says",
        "", "goodput", "staff", "calm", "p99"
    );
    for (name, program, words) in TOOLS {
        let mut house = Part::start(HOUSE, &["house", "edge"])?;
        let told = house.hear()?;
        let at = |i: usize| told["addresses"][i].as_str().unwrap_or_default().to_owned();
        let (public, staff, root) = (at(0), at(1), told["root"].as_str().unwrap_or_default().to_owned());
        let mut people = Part::start(PEOPLE, &["people", &public, &staff, &root])?;
        people.hear()?;
        sleep(Duration::from_secs(10));
        people.ask("take")?;
        sleep(Duration::from_secs(10));
        let calm = people::Tally::told(&people.ask("take")?);
        let url = format!("https://{public}/");
        let mut command = CROWD.command(program.as_ref());
        command.args(words.iter().map(|word| if *word == "URL" { url.as_str() } else { word }));
        let output = command.stdin(Stdio::null()).output()?;
        if output.stdout.is_empty() {
            return Err(
                format!("`{program}` said nothing: apt-get install slowhttptest nghttp2-client").into()
            );
        }
        let met = people::Tally::told(&people.ask("take")?);
        let says = said(&String::from_utf8_lossy(&output.stdout));
        println!(
            "{name:<14}{:>8.2}%{:>7.1}%{:>8.1}{:>7.1}  {}",
            met.goodput * 100.0,
            met.staff * 100.0,
            calm.all_p99_ms,
            met.all_p99_ms,
            says.join("; ")
        );
        figures.insert(
            name.to_owned(),
            json!({ "goodput": met.goodput, "staff": met.staff, "calm_p99_ms": calm.all_p99_ms, "p99_ms": met.all_p99_ms, "says": says }),
        );
    }
    Ok(Value::Object(figures))
}

/// The lines of a report that say who was served. The tools write them in colours.
fn said(report: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut inside = false;
    for letter in report.chars() {
        match letter {
            '\u{1b}' => inside = true,
            'm' if inside => inside = false,
            _ if inside => {}
            letter => plain.push(letter),
        }
    }
    let telling =
        ["service available", "connected:", "closed:", "error:", "requests:", "status codes:", "Exit status"];
    let mut last: Vec<String> = Vec::new();
    for line in plain.lines().map(str::trim) {
        if let Some(begin) = telling.iter().find(|begin| line.starts_with(**begin)) {
            last.retain(|other| !other.starts_with(begin));
            last.push(line.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    last
}
