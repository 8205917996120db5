//! What the documentation says is what the program takes: each command parses, each example of a
//! configuration is read, and each key of a configuration stands in its reference.

use std::path::{Path, PathBuf};

use clap::Parser;
use clap::error::ErrorKind;

use super::Cli;
use crate::config::Config;

const ID: &str = "0198c0de-1234-7abc-8def-0123456789ab";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every page, with its path.
fn pages() -> Vec<(String, String)> {
    fn below(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    for folder in ["docs", "bots"] {
        below(&root().join(folder), &mut found);
    }
    for page in ["README.md", "CONTRIBUTING.md", "SECURITY.md"] {
        found.push((page.to_owned(), std::fs::read_to_string(root().join(page)).unwrap()));
    }
    assert!(found.len() > 30, "the pages were not found");
    found
}

/// Commands that stand in blocks, and those that are mentioned in a sentence.
fn commands(page: &str) -> (Vec<String>, Vec<String>) {
    let (mut whole, mut mentioned) = (Vec::new(), Vec::new());
    let unbroken = page.replace('\n', " ");
    for (at, block) in page.split("```").enumerate() {
        if at % 2 == 0 {
            continue;
        }
        for line in block.lines() {
            let line = line.split("  #").next().unwrap().trim();
            let line = line.strip_prefix("$ ").unwrap_or(line);
            let line = line.rsplit("| ").next().unwrap();
            if line.starts_with("wardroom ") {
                whole.push(line.to_owned());
            }
        }
    }
    let sentences: String = unbroken.split("```").step_by(2).collect();
    for span in sentences.split('`').skip(1).step_by(2) {
        if span.starts_with("wardroom ") {
            mentioned.push(span.to_owned());
        }
    }
    (whole, mentioned)
}

/// The words of a command; what stands in capitals is for the reader to fill in.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, piece) in command.split('"').enumerate() {
        if at % 2 == 1 {
            words.push(piece.to_owned());
            continue;
        }
        for word in piece.split_whitespace().filter(|word| *word != "..") {
            let word = word.split('|').next().unwrap();
            let blank = word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase());
            words.push(if blank { ID.to_owned() } else { word.to_owned() });
        }
    }
    words
}

#[test]
fn every_command_of_the_documentation_is_one_that_the_program_takes() {
    let mut seen = 0;
    for (path, page) in pages() {
        let (whole, mentioned) = commands(&page);
        for command in whole {
            seen += 1;
            if let Err(error) = Cli::try_parse_from(words(&command)) {
                panic!("{path}: `{command}`\n{error}");
            }
        }
        for command in mentioned {
            seen += 1;
            let Err(error) = Cli::try_parse_from(words(&command)) else { continue };
            // A sentence names a command without all that it takes.
            let fine = [
                ErrorKind::MissingRequiredArgument,
                ErrorKind::MissingSubcommand,
                ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
                ErrorKind::DisplayHelp,
                ErrorKind::DisplayVersion,
                ErrorKind::InvalidValue,
                ErrorKind::ValueValidation,
            ];
            assert!(fine.contains(&error.kind()), "{path}: `{command}`\n{error}");
        }
    }
    assert!(seen > 100, "only {seen} commands were found");
}

#[test]
fn every_example_of_a_configuration_is_read() {
    let mut seen = 0;
    for (path, page) in pages().into_iter().filter(|(path, _)| path.contains("/docs/")) {
        for example in page.split("```toml\n").skip(1) {
            let example = example.split("```").next().unwrap();
            // A bot's own file is not this one.
            if !example.contains('[') {
                continue;
            }
            seen += 1;
            if let Err(error) = Config::parse(example, Path::new("wardroom.toml")) {
                panic!("{path}: {error}\n{example}");
            }
        }
    }
    assert!(seen > 10, "only {seen} examples were found");
}

/// The keys that a section takes, as it says itself when it is asked for one that it does not.
fn keys(section: &str) -> Vec<String> {
    let text = match section {
        "" => "zzzzzzzzzzzz = 1\n".to_owned(),
        _ => format!("{section}\nzzzzzzzzzzzz = 1\n"),
    };
    let error = Config::parse(&text, Path::new("wardroom.toml")).unwrap_err().to_string();
    let (_, expected) = error.split_once("expected ").unwrap_or_else(|| panic!("{section}: {error}"));
    expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_key_of_the_configuration_stands_in_its_reference() {
    let page = std::fs::read_to_string(root().join("docs/operations/configuration.md")).unwrap();
    let mut known = 0;
    for section in [
        "",
        "[public]",
        "[console]",
        "[tls]",
        "[tls.acme]",
        "[database]",
        "[keys]",
        "[keys.pkcs11]",
        "[keys.openbao]",
        "[keys.aws-kms]",
        "[keys.gcp-kms]",
        "[keys.azure-key-vault]",
        "[bots]",
        "[edge]",
        "[[edge.access]]",
        "[[edge.forms]]",
        "[[edge.limits]]",
        "[admission]",
        "[waf]",
        "[[waf.exclusions]]",
        "[[waf.routes]]",
        "[shared]",
        "[sign_in]",
        "[mail]",
    ] {
        let heading = format!("## `{section}`");
        let part = match section {
            "" => page.as_str(),
            _ => {
                let after = page.split_once(&heading).unwrap_or_else(|| panic!("`{section}` is missing")).1;
                after.split("\n## ").next().unwrap()
            }
        };
        for key in keys(section) {
            known += 1;
            assert!(part.contains(&key), "`{key}` of `{section}` is missing");
        }
    }
    assert!(known > 100, "only {known} keys are known");
}

#[test]
fn every_default_of_the_reference_is_the_one_in_force() {
    let page = std::fs::read_to_string(root().join("docs/operations/configuration.md")).unwrap();
    let shown = toml::to_string(&Config::default()).unwrap();
    let shown: toml::Table = shown.parse().unwrap();
    for section in ["public", "console", "bots", "edge", "admission", "waf"] {
        let (_, part) = page.split_once(&format!("## `[{section}]`")).unwrap();
        let part = part.split("\n## ").next().unwrap();
        for (key, value) in shown[section].as_table().unwrap() {
            if value.as_array().is_some_and(Vec::is_empty) {
                continue;
            }
            let Some(row) = part.lines().find(|line| line.starts_with(&format!("| `{key}` |"))) else {
                panic!("`{section}.{key}` has no row");
            };
            let value = match value {
                toml::Value::Table(rate) => {
                    let number = |name: &str| rate[name].as_float().unwrap();
                    let (each, burst) = (number("per_second"), number("burst"));
                    format!("`{{ per_second = {each}, burst = {burst} }}`")
                }
                value => format!("`{value}`"),
            };
            assert!(row.contains(&value), "`{section}.{key}` is {value}: {row}");
        }
    }
}
