//! `docs/asvs.md`: which requirement of OWASP ASVS 5.0.0 is proved by which test. It is made of
//! `docs/architecture/asvs.txt`, and every test that is named there has to exist.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::Outcome;

const SOURCE: &str = "docs/architecture/asvs.txt";
const PAGE: &str = "docs/asvs.md";

/// Before the reason why nothing proves a requirement.
const NOT_PROVED: &str = "not proved: ";

#[derive(Debug, PartialEq, Eq)]
struct Requirement<'a> {
    id: &'a str,
    says: &'a str,
    /// File and name.
    tests: Vec<(&'a str, &'a str)>,
    missing: Option<&'a str>,
}

/// Holds the page against its source and the tests; with `bless`, writes it.
pub(crate) fn check(root: &Path, bless: bool, faults: &mut Vec<String>) -> Outcome {
    let source = fs::read_to_string(root.join(SOURCE)).map_err(|error| format!("{SOURCE}: {error}"))?;
    let requirements = match read(&source) {
        Ok(requirements) => requirements,
        Err(line) => {
            faults.push(format!("{SOURCE}:{line} is neither a requirement nor a test of one"));
            return Ok(());
        }
    };
    for requirement in &requirements {
        let id = requirement.id;
        if requirement.tests.is_empty() == requirement.missing.is_none() {
            faults.push(format!("{SOURCE}: {id} has tests, or says why it has none; one of the two"));
        }
        for (file, name) in &requirement.tests {
            let text = fs::read_to_string(root.join(file)).unwrap_or_default();
            if !stands_in(&text, file, name) {
                faults
                    .push(format!("{SOURCE}: {id} names `{name}`, which is not in {file}: mend one of them"));
            }
        }
    }
    let drawn = page(&requirements);
    if bless {
        return fs::write(root.join(PAGE), drawn).map_err(|error| format!("{PAGE}: {error}"));
    }
    if fs::read_to_string(root.join(PAGE)).unwrap_or_default() != drawn {
        faults.push(format!("{PAGE} is not what {SOURCE} says: run `cargo xtask tidy --bless`"));
    }
    Ok(())
}

/// A test of Rust is a function of that name; one of a script is named by its words.
fn stands_in(text: &str, file: &str, name: &str) -> bool {
    let function = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if function && file.ends_with(".rs") {
        text.contains(&format!("fn {name}("))
    } else {
        text.contains(name)
    }
}

/// The requirements, or the number of the line that is none.
fn read(source: &str) -> Result<Vec<Requirement<'_>>, usize> {
    let mut all: Vec<Requirement<'_>> = Vec::new();
    // The head ends with the first empty line.
    let body = source.lines().enumerate().skip_while(|(_, line)| !line.is_empty()).skip(1);
    for (at, line) in body {
        let Some(inner) = line.strip_prefix("  ") else {
            let (id, says) = line.split_once(' ').ok_or(at + 1)?;
            all.push(Requirement { id, says, tests: Vec::new(), missing: None });
            continue;
        };
        let requirement = all.last_mut().ok_or(at + 1)?;
        match inner.strip_prefix(NOT_PROVED) {
            Some(why) => requirement.missing = Some(why),
            None => requirement.tests.push(inner.split_once(": ").ok_or(at + 1)?),
        }
    }
    Ok(all)
}

fn page(requirements: &[Requirement<'_>]) -> String {
    let proved = requirements.iter().filter(|requirement| requirement.missing.is_none()).count();
    let mut page = format!(
        "# OWASP ASVS 5.0.0: what is proved, and by which test\n\n\
         Made of `{SOURCE}` by `cargo xtask tidy --bless`; a test that is no longer there fails `cargo xtask tidy`. \
         The sentences are ours; the text of the standard rules. That a test exists says that the requirement is \
         looked after there, not that a review would find nothing.\n\n\
         {proved} of {} requirements are proved; {} are not, and say why.\n\n\
         | id | what it asks for | tests |\n|---|---|---|\n",
        requirements.len(),
        requirements.len() - proved
    );
    for Requirement { id, says, tests, missing } in requirements {
        let tests: Vec<String> = tests.iter().map(|(file, name)| format!("`{name}` ({file})")).collect();
        let told = missing.map_or_else(|| tests.join("<br>"), |why| format!("**not proved**: {why}"));
        let _ = writeln!(page, "| {id} | {says} | {told} |");
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_read_with_their_tests_or_the_reason_why_there_is_none() {
        let source = "Head.\n\n1.2.3 doors are shut\n  a.rs: the_door_is_shut\n1.2.4 windows\n  not proved: no glass\n";
        let read = read(source).unwrap();
        assert_eq!(read[0].tests, [("a.rs", "the_door_is_shut")]);
        assert_eq!((read[1].says, read[1].missing), ("windows", Some("no glass")));
        assert!(page(&read).contains("1 of 2 requirements are proved"));
        assert_eq!(super::read("Head.\n\n  a.rs: x\n"), Err(3));
    }

    #[test]
    fn a_test_that_was_renamed_is_noticed() {
        assert!(stands_in("fn a_b() {}", "x.rs", "a_b"));
        assert!(!stands_in("fn a_bc() {}", "x.rs", "a_b"));
        assert!(stands_in("refused(\"a code\")", "x.mjs", "a code"));
    }
}
