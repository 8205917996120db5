//! `cargo xtask fuzz`: the targets of `fuzz/` on the stable toolchain, bounded in time. The nightly toolchain
//! runs the same ones with coverage: `cargo +nightly fuzz run TARGET` in `fuzz/`.

use std::process::{Child, Command, Stdio};

use crate::Outcome;
use crate::steps::call;

/// The packages that have targets, with their runners.
const PACKAGES: &[(&str, &str)] = &[("wardroom-waf", "fuzz-waf"), ("wardroom-federation", "fuzz-federation")];

fn words<'a>(verb: &'a str, package: &'a str, example: &'a str) -> Vec<&'a str> {
    vec![verb, "--quiet", "--release", "--package", package, "--example", example]
}

/// Runs each target for so many seconds.
pub(crate) fn run(seconds: &str) -> Outcome {
    let seconds = counted(seconds)?;
    for (package, example) in PACKAGES {
        call("cargo", &[words("run", package, example), vec!["--", &seconds]].concat())?;
    }
    Ok(())
}

fn counted(seconds: &str) -> Result<String, String> {
    let seconds: u64 = seconds.parse().map_err(|_| "--seconds takes a whole number".to_owned())?;
    Ok(seconds.max(1).to_string())
}

/// The targets at work beside other checks, less urgent than these.
pub(crate) struct Beside(Child);

impl Beside {
    /// Builds them, and lets them begin.
    pub(crate) fn start(seconds: &str) -> Result<Self, String> {
        let seconds = counted(seconds)?;
        for (package, example) in PACKAGES {
            call("cargo", &words("build", package, example))?;
        }
        let runs = PACKAGES.iter().map(|(package, example)| {
            [words("run", package, example), vec!["--", &seconds]].concat().join(" ")
        });
        let script = runs.map(|run| format!("cargo {run}")).collect::<Vec<_>>().join(" && ");
        Command::new("nice")
            .args(["-n", "15", "sh", "-c", &script])
            .current_dir(crate::root())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map(Self)
            .map_err(|error| format!("cannot start the fuzzing: {error}"))
    }

    /// Waits for their end, and shows what they said.
    pub(crate) fn finish(self) -> Outcome {
        let output = self.0.wait_with_output().map_err(|error| format!("the fuzzing is lost: {error}"))?;
        println!("{}", String::from_utf8_lossy(&output.stdout).trim_end());
        if output.status.success() { Ok(()) } else { Err(format!("a target failed: {}", output.status)) }
    }
}
