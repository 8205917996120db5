//! Authorization: every route of both doors tried by everybody through the real routers, and the judge of
//! the policies in `conformance/authz`, which stands in a workspace of its own.

use std::process::Command;

use serde_json::{Map, Value};

use super::{shown, target};
use crate::Outcome;
use crate::steps::ask;

pub(crate) fn run() -> Outcome {
    let mut figures = Map::new();
    let swept = ask(
        "cargo",
        &["test", "--quiet", "--package", "wardroom", "--bin", "wardroom", "sweep", "--", "--nocapture"],
    )?;
    for line in swept.lines().filter(|line| line.starts_with('{')) {
        println!("{line}");
        take(line, &mut figures)?;
    }
    let said = judge()?;
    print!("{said}");
    let line = said.lines().next_back().unwrap_or_default();
    take(line, &mut figures)?;
    let sum = |name: &str| -> u64 {
        let of = |suite: &str| figures.get(&format!("{suite}.{name}")).and_then(Value::as_u64).unwrap_or(0);
        of("authz-staff-routes")
            + of("authz-program-routes")
            + of("authz-public-routes")
            + of("authz-policies")
    };
    let of = |name: &str| figures.get(&format!("authz-policies.{name}")).cloned().unwrap_or_default();
    if sum("routes") == 0 {
        return Err("no route was tried".to_owned());
    }
    let last = serde_json::json!({ "name": "authz", "figures": {
        "checks": sum("checks"), "routes": sum("routes"), "permitted": sum("permitted"), "refused": sum("refused"),
        "mutants": of("mutants"), "killed": of("killed"), "claims": of("claims"), "proofs": of("proofs"),
        "solver": of("solver"), "environments": of("environments"), "invariants": of("invariants"),
        "broken": of("broken"),
    }});
    println!("{last}");
    Ok(())
}

/// Builds the judge where the product is built, so that what both need is compiled once.
fn judge() -> Result<String, String> {
    let output = Command::new("cargo")
        .args(["run", "--quiet", "--locked"])
        .env("CARGO_TARGET_DIR", shown(&target()?))
        .current_dir(crate::root().join("conformance/authz"))
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run the judge: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    print!("{said}");
    Err("the policies were found wanting".to_owned())
}

/// Adds a line of figures to all, each under its suite's name.
fn take(line: &str, all: &mut Map<String, Value>) -> Outcome {
    let read: Value = serde_json::from_str(line).map_err(|_| format!("these are not figures: {line}"))?;
    let suite = read["name"].as_str().unwrap_or_default();
    for (name, value) in read["figures"].as_object().into_iter().flatten() {
        all.insert(format!("{suite}.{name}"), value.clone());
    }
    Ok(())
}
