//! `cargo xtask fuzz`: the targets of `fuzz/` on the stable toolchain, bounded in time. The nightly toolchain
//! runs the same ones with coverage: `cargo +nightly fuzz run TARGET` in `fuzz/`.

use crate::Outcome;
use crate::steps::call;

/// The packages that have targets, with their runners.
const PACKAGES: &[(&str, &str)] = &[("wardroom-waf", "fuzz-waf"), ("wardroom-federation", "fuzz-federation")];

/// Runs each target for so many seconds.
pub(crate) fn run(seconds: &str) -> Outcome {
    let seconds: u64 = seconds.parse().map_err(|_| "--seconds takes a whole number".to_owned())?;
    let seconds = seconds.max(1).to_string();
    for (package, example) in PACKAGES {
        let run = ["run", "--quiet", "--release", "--package", package, "--example", example, "--", &seconds];
        call("cargo", &run)?;
    }
    Ok(())
}
