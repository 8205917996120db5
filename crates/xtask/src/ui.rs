//! The user interface: `ui/dist` is made from `ui/src` and committed, so that nobody needs Node.js to
//! build Wardroom. A stale `ui/dist` fails the tests.

use crate::Outcome;
use crate::steps::{ask, call_in};

/// Builds `ui/dist`.
pub(crate) fn build() -> Outcome {
    let ui = crate::root().join("ui");
    call_in(&ui, "npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])?;
    call_in(&ui, "npm", &["run", "--silent", "build"])
}

/// Builds, runs the user interface's own tests, and checks that what is committed is what is built.
pub(crate) fn check() -> Outcome {
    build()?;
    call_in(&crate::root().join("ui"), "npm", &["test", "--silent"])?;
    let changed = ask("git", &["status", "--porcelain", "--", "ui/dist"])?;
    if changed.is_empty() {
        Ok(())
    } else {
        Err(format!("ui/dist is not what ui/src builds; commit the output of `cargo xtask ui`:\n{changed}"))
    }
}
