//! Measurements, each as a ratio to a peer or a physical limit in the same run. Each shows progress,
//! prints a table, and ends with one line of JSON.

use crate::Outcome;
use crate::steps::call;

/// The measurements: name, what it measures.
const BENCHES: &[(&str, &str)] = &[
    ("intents", "accuracy and speed of the intent classifier on real questions: bench intents DATA_FOLDER"),
    ("knowledge", "whether the right page of the PostgreSQL manual is found for 40 questions and more"),
    ("append", "sealed append with its audit event against a plain insert, on both databases"),
    ("decision", "what one decision of the guard costs"),
    ("waf", "what inspecting a chat message costs: bench waf [CRS_FOLDER]; ../shared/crs if left out"),
    ("house", "start, size, send over TLS, idle streams"),
];

/// Runs one measurement, or lists them.
pub(crate) fn run(words: &[&str]) -> Outcome {
    let example = |package: &str, example: &str, args: &[&str]| {
        let mut all = vec!["run", "--quiet", "--release", "--package", package, "--example", example, "--"];
        all.extend(args);
        call("cargo", &all)
    };
    match words {
        ["intents", data] => example("wardroom-engine", "bench_intents", &[data]),
        ["knowledge"] => {
            let manual = "/usr/share/doc/postgresql-doc-15/html";
            if !std::path::Path::new(manual).is_dir() {
                return Err(format!("`{manual}` is missing: apt-get install postgresql-doc-15"));
            }
            example("wardroom-engine", "bench_knowledge", &[manual, "bench/knowledge/postgresql.toml"])
        }
        ["append"] => example("wardroom-store", "append_rate", &[]),
        ["decision"] => example("wardroom-guard", "decision_cost", &[]),
        ["waf"] => example("wardroom-waf", "cost", &["../shared/crs"]),
        ["waf", rules] => example("wardroom-waf", "cost", &[rules]),
        ["house"] => call("cargo", &["bench", "--quiet", "--package", "wardroom", "--bench", "house"]),
        [] => {
            for (name, what) in BENCHES {
                println!("  {name:<10} {what}");
            }
            Ok(())
        }
        _ => Err("no such measurement; `cargo xtask bench` lists them".to_owned()),
    }
}
