//! Holds the house against its plan. Each rule says what is wrong, where, and how to mend it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Outcome;
use crate::steps::ask;

/// The rooms, lowest layer first. A crate may depend on crates of lower layers only; layer 3 holds
/// the rooms, which therefore never import one another.
const LAYERS: &[&[&str]] = &[
    &["kernel"],
    &["outbound"],
    &["vault", "guard", "ledger", "wire", "waf", "federation"],
    &["store", "doors"],
    &[
        "identity",
        "conversations",
        "bots",
        "engine",
        "custody",
        "rulebook",
        "backup",
        "mail",
        "siem",
        "incidents",
        "compliance",
    ],
    &["edge", "api", "console"],
    &["wardroom"],
];

/// Crates beside the house: for tests and for the workshop.
const ASIDE: &[&str] = &["testkit", "xtask"];

/// Arrows that a lower layer would allow, but the plan forbids: (from, to, why).
const FORBIDDEN: &[(&str, &str, &str)] = &[
    ("edge", "store", "a breached edge must hold no data"),
    ("edge", "vault", "a breached edge must hold no keys"),
    ("engine", "store", "a breached engine must see one turn and no more"),
    ("engine", "vault", "a breached engine must hold no keys"),
    ("doors", "store", "the door decides on what it is given"),
];

const LINES: usize = 600;

/// Runs every rule. With `bless`, golden files are written instead of compared.
pub(crate) fn run(bless: bool) -> Outcome {
    let root = crate::root();
    let mut faults = Vec::new();
    arrows(&root, bless, &mut faults)?;
    let files = tracked()?;
    headers_and_sizes(&root, &files, &mut faults)?;
    data_classes(&root, &mut faults)?;
    named_paths(&root, &files, &mut faults)?;
    crate::asvs::check(&root, bless, &mut faults)?;
    if faults.is_empty() {
        println!("the house stands as drawn ({} files)", files.len());
        return Ok(());
    }
    for fault in &faults {
        println!("  {fault}");
    }
    Err(format!("{} faults", faults.len()))
}

/// Files that git knows or would add.
fn tracked() -> Result<Vec<String>, String> {
    let list = ask("git", &["ls-files", "--cached", "--others", "--exclude-standard"])?;
    Ok(list.lines().filter(|file| crate::root().join(file).is_file()).map(str::to_owned).collect())
}

/// The dependency arrows between our own crates, as drawn in `docs/architecture/arrows.txt`.
fn arrows(root: &Path, bless: bool, faults: &mut Vec<String>) -> Outcome {
    let metadata = ask("cargo", &["metadata", "--format-version=1", "--no-deps", "--offline"])?;
    let metadata: Value =
        serde_json::from_str(&metadata).map_err(|error| format!("cargo metadata: {error}"))?;
    let mut drawn: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let from = short(package["name"].as_str().unwrap_or_default());
        let to = package["dependencies"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|dependency| dependency["kind"].is_null())
            .filter_map(|dependency| dependency["name"].as_str())
            .filter(|name| name.starts_with("wardroom-"))
            .map(short)
            .collect();
        drawn.insert(from, to);
    }
    for (from, targets) in &drawn {
        if ASIDE.contains(&from.as_str()) {
            continue;
        }
        let Some(own) = layer(from) else {
            faults.push(format!(
                "crate `{from}` is in no layer: draw it in crates/xtask/src/tidy.rs and docs/ARCHITECTURE.md"
            ));
            continue;
        };
        for to in targets {
            if layer(to).is_none_or(|below| below >= own) {
                faults.push(format!("`{from}` -> `{to}` does not point to a lower layer: let `{from}` own a small trait and wire it in the binary"));
            }
            if let Some((_, _, why)) = FORBIDDEN.iter().find(|(f, t, _)| f == from && t == to) {
                faults.push(format!("`{from}` -> `{to}` is forbidden: {why}"));
            }
        }
    }
    let mut text = String::from(
        "# Arrows between the rooms, from `cargo metadata`. `cargo xtask tidy --bless` writes this file.\n",
    );
    for (from, targets) in drawn {
        let mut targets = targets;
        targets.sort();
        text.push_str(&format!("{from:<14} -> {}\n", targets.join(", ")));
    }
    golden(&root.join("docs/architecture/arrows.txt"), &text, bless, faults)
}

fn short(name: &str) -> String {
    name.strip_prefix("wardroom-").unwrap_or(name).to_owned()
}

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&name))
}

fn golden(path: &Path, text: &str, bless: bool, faults: &mut Vec<String>) -> Outcome {
    if bless {
        return fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()));
    }
    if fs::read_to_string(path).unwrap_or_default() != text {
        faults.push(format!(
            "{} is stale: look at the change, then `cargo xtask tidy --bless`",
            path.display()
        ));
    }
    Ok(())
}

/// Every Rust file says what it is about, and stays short or says why not.
fn headers_and_sizes(root: &Path, files: &[String], faults: &mut Vec<String>) -> Outcome {
    for file in files.iter().filter(|file| file.ends_with(".rs")) {
        // trybuild's cases and what it compiles are inputs of tests, not rooms.
        if file.contains("/tests/compile_fail/") || file.contains("/tests/ui/") {
            continue;
        }
        let text = read(&root.join(file))?;
        if !text.starts_with("//!") {
            faults.push(format!("{file}: begin with `//!` and say what the file is about"));
        }
        let lines = text.lines().count();
        let excused =
            text.lines().take_while(|line| line.starts_with("//!")).any(|line| line.contains("Longer than"));
        if lines > LINES && !excused {
            faults.push(format!(
                "{file}: {lines} lines; split it, or say `Longer than {LINES} lines because ...` in its `//!`"
            ));
        }
    }
    Ok(())
}

/// Every column of every migration has a class in `docs/data-classes.md`.
fn data_classes(root: &Path, faults: &mut Vec<String>) -> Outcome {
    let folder = root.join("crates/store/migrations");
    if !folder.is_dir() {
        return Ok(());
    }
    let classes = read(&root.join("docs/data-classes.md"))?;
    for path in sorted(&folder)? {
        let mut table = None;
        for line in read(&path)?.lines() {
            let words: Vec<&str> = line.split("--").next().unwrap_or_default().split_whitespace().collect();
            match words.as_slice() {
                ["CREATE", "TABLE", "IF", "NOT", "EXISTS", name, ..] | ["CREATE", "TABLE", name, ..] => {
                    table = Some(name.trim_end_matches('(').to_owned());
                }
                [first, ..] if first.starts_with(')') => table = None,
                ["ALTER", "TABLE", name, "ADD", "COLUMN", column, ..] => {
                    listed(&classes, name, column, &path, faults)
                }
                ["PRIMARY" | "UNIQUE" | "FOREIGN" | "CHECK" | "CONSTRAINT" | "REFERENCES", ..] | [] => {}
                [column, _, ..] => {
                    if let Some(table) = &table {
                        listed(&classes, table, column, &path, faults);
                    }
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn listed(classes: &str, table: &str, column: &str, path: &Path, faults: &mut Vec<String>) {
    if !classes.contains(&format!("`{table}.{column}`")) {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        faults.push(format!("{file}: `{table}.{column}` has no class in docs/data-classes.md"));
    }
}

/// Every path that a page of `docs/` names in backticks exists: prose that nothing checks goes stale.
fn named_paths(root: &Path, files: &[String], faults: &mut Vec<String>) -> Outcome {
    for page in files
        .iter()
        .filter(|file| file.ends_with(".md") && (file.starts_with("docs/") || *file == "README.md"))
    {
        for (number, line) in read(&root.join(page))?.lines().enumerate() {
            for name in line.split('`').skip(1).step_by(2) {
                let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
                let ours = [
                    "crates/",
                    "docs/",
                    "policies/",
                    "bots/",
                    "ui/",
                    "bench/",
                    "conformance/",
                    "deploy/",
                    ".ci/",
                ];
                if plain && ours.iter().any(|start| name.starts_with(start)) && !root.join(name).exists() {
                    faults.push(format!("{page}:{}: `{name}` does not exist", number + 1));
                }
            }
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries =
        fs::read_dir(folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}
