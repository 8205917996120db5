//! `cargo xtask test`: everything that must hold before a change lands, from one command.

use crate::steps::{Steps, call};
use crate::{Outcome, conformance, needs, tidy, ui};

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
    steps.step("unit and integration tests", tests);
    steps.step("documentation examples", || call("cargo", &["test", "--quiet", "--workspace", "--doc"]));
    if !fast {
        for suite in conformance::ALWAYS {
            steps.step(&format!("conformance {suite}"), || conformance::run(&[suite]));
        }
    }
    steps.summary()
}

fn tests() -> Outcome {
    // nextest runs each test in its own process and shows progress; plain `cargo test` does as well.
    if crate::steps::ask("cargo", &["nextest", "--version"]).is_ok() {
        call("cargo", &["nextest", "run", "--workspace", "--no-fail-fast", "--status-level", "fail"])
    } else {
        call("cargo", &["test", "--workspace", "--no-fail-fast"])
    }
}
