//! `cargo xtask test`: everything that must hold before a change lands, from one command.

use crate::steps::{Steps, call};
use crate::{Outcome, conformance, fuzz, needs, tidy, ui};

/// Runs every check. `fast` leaves out what takes minutes: the browser and the kill tests.
pub(crate) fn run(fast: bool) -> Outcome {
    needs::ensure()?;
    let mut steps = Steps::default();
    steps.step("format", || call("cargo", &["fmt", "--all", "--check"]));
    steps.step("lints", || {
        call("cargo", &["clippy", "--quiet", "--workspace", "--all-targets", "--", "--deny", "warnings"])
    });
    steps.step("tidy", || tidy::run(false));
    steps.step("user interface", ui::check);
    // Plain `cargo test`: a test binary starts one PostgreSQL for all its tests, which a runner with a
    // process per test would start a hundred times.
    steps.step("tests", || call("cargo", &["test", "--quiet", "--workspace", "--no-fail-fast"]));
    if !fast {
        // Most suites wait for servers and browsers; the fuzzing has what they leave of the machine.
        let mut fuzzing = None;
        steps
            .step("fuzz, built and begun", || fuzz::Beside::start("60").map(|beside| fuzzing = Some(beside)));
        for suite in conformance::ALWAYS {
            steps.step(&format!("conformance {suite}"), || conformance::run(&[suite]));
        }
        if let Some(fuzzing) = fuzzing {
            steps.step("fuzz, to its end", || fuzzing.finish());
        }
    }
    steps.summary()
}
