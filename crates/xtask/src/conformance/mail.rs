//! Letters through a real relay: the room's tests and those of the whole house, and what they measured.

use crate::Outcome;
use crate::steps::ask;

/// The suites: what their figure is called, and which tests they are.
const SUITES: [(&str, &[&str]); 3] = [
    ("room_tests", &["--package", "wardroom-mail"]),
    ("courier_tests", &["--package", "wardroom", "--bin", "wardroom", "courier::"]),
    ("house_tests", &["--package", "wardroom", "--test", "it", "mail::"]),
];

/// Runs them. Some print figures as lines `figure NAME VALUE`.
pub(super) fn run() -> Outcome {
    let mut figures = serde_json::Map::new();
    for (name, words) in SUITES {
        println!("{name}: cargo test {}", words.join(" "));
        let said = ask("cargo", &[&["test", "--quiet"], words, &["--", "--nocapture"]].concat())?;
        let results = said.split("test result: ok. ").skip(1);
        let passed: u64 =
            results.filter_map(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).sum();
        if passed == 0 {
            return Err(format!("{name}: nothing ran"));
        }
        println!("  {passed} tests passed");
        figures.insert(name.to_owned(), passed.into());
        for line in said.lines() {
            let Some((_, figure)) = line.split_once("figure ") else { continue };
            let Some((name, value)) = figure.split_once(' ') else { continue };
            let value: f64 = value.trim().parse().map_err(|_| format!("`{line}` holds no figure"))?;
            println!("  {name:<24} {value}");
            figures.insert(name.to_owned(), value.into());
        }
    }
    println!("{}", serde_json::json!({ "name": "mail", "figures": figures }));
    Ok(())
}
