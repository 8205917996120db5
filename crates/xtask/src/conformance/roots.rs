//! The whole suite of the house, once with each root key that is not its own: SoftHSM 2, the real OpenBao
//! server, and moto, which speaks AWS KMS. The tests are the same; the folder that each house is started
//! in gets a key of its own there (`crates/wardroom/tests/it/root.rs`).

use std::path::Path;
use std::process::{Command, Stdio};

use crate::Outcome;
use crate::conformance::{kms, workshop};

/// The root keys, in the words of `WARDROOM_TEST_ROOT`.
pub(crate) const ROOTS: [&str; 3] = ["softhsm", "openbao", "moto"];

/// Runs the suite on each.
pub(crate) fn run(roots: &[&str]) -> Outcome {
    kms::install()?;
    let mut figures = serde_json::Map::new();
    let mut failed = Vec::new();
    for root in roots {
        if !ROOTS.contains(root) {
            return Err(format!("the roots are {}", ROOTS.join(", ")));
        }
        let folder = workshop("roots")?.join(root);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let conf = folder.join("softhsm2.conf");
        if *root == "softhsm" {
            make_token(&folder, &conf)?;
        }
        println!("cargo test -p wardroom --test it, with {root} as root key");
        let output = Command::new("cargo")
            .args(["test", "--quiet", "--package", "wardroom", "--test", "it", "--no-fail-fast"])
            .env("WARDROOM_TEST_ROOT", root)
            .env("WARDROOM_TEST_ROOT_DIR", &folder)
            .env("SOFTHSM2_CONF", &conf)
            .current_dir(crate::root())
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| format!("cannot run cargo: {error}"))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let passed = number_before(&said, " passed");
        let houses = std::fs::read_to_string(folder.join("houses")).unwrap_or_default().lines().count();
        if !output.status.success() {
            println!("{said}");
            failed.push(*root);
        } else if passed == 0 || houses == 0 {
            return Err(format!("{root}: nothing ran"));
        }
        println!("  {passed} tests passed, {houses} houses stood on {root}");
        figures.insert(format!("{root}_tests"), passed.into());
        figures.insert(format!("{root}_houses"), houses.into());
    }
    println!("{}", serde_json::json!({ "name": "roots", "figures": figures }));
    if failed.is_empty() { Ok(()) } else { Err(format!("not everything passed on {}", failed.join(", "))) }
}

/// A SoftHSM token of this run's own.
fn make_token(folder: &Path, conf: &Path) -> Outcome {
    let tokens = folder.join("tokens");
    std::fs::create_dir_all(&tokens).map_err(|error| error.to_string())?;
    let text = format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display());
    std::fs::write(conf, text).map_err(|error| error.to_string())?;
    let made = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", "wardroom", "--so-pin", "12345678", "--pin", "87654321"])
        .env("SOFTHSM2_CONF", conf)
        .output()
        .map_err(|error| format!("softhsm2-util: {error}"))?;
    if made.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&made.stderr).into_owned()) }
}

/// The number before the first of these words.
fn number_before(text: &str, words: &str) -> u64 {
    let before = text.split_once(words).map_or("", |(before, _)| before);
    before.split_whitespace().next_back().and_then(|number| number.parse().ok()).unwrap_or(0)
}
