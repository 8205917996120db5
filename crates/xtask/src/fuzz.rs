//! `cargo xtask fuzz`: the targets of `fuzz/` on the stable toolchain, bounded in time. The nightly toolchain
//! runs the same ones with coverage: `cargo +nightly fuzz run TARGET` in `fuzz/`.

use crate::Outcome;
use crate::steps::call;

/// The packages that have targets, and the part of the time each has.
const PACKAGES: &[(&str, &str, u64)] =
    &[("wardroom-waf", "fuzz-waf", 3), ("wardroom-federation", "fuzz-federation", 1)];

/// Runs all targets for so many seconds in sum.
pub(crate) fn run(seconds: &str) -> Outcome {
    let seconds: u64 = seconds.parse().map_err(|_| "--seconds takes a whole number".to_owned())?;
    let parts: u64 = PACKAGES.iter().map(|(_, _, part)| part).sum();
    for (package, example, part) in PACKAGES {
        let time = (seconds * part / parts).max(1).to_string();
        let run = ["run", "--quiet", "--release", "--package", package, "--example", example, "--", &time];
        call("cargo", &run)?;
    }
    Ok(())
}
