//! What the rulebook shows.

use guard::{PolicyFiles, Rehearsal, Rule};
use kernel::{Reason, Timestamp, UserId};
use store::policies::VersionState;

/// What trying policies found.
#[derive(Debug, Clone)]
pub struct Trial {
    /// SHA-256 of the files.
    pub digest: [u8; 32],
    /// The version in force that they were held against; `None` for the policies that ship.
    pub over: Option<u64>,
    /// The policies that are not in force, by name.
    pub added: Vec<String>,
    /// The policies in force that are not there any more, by name.
    pub removed: Vec<String>,
    /// How many policies there are.
    pub rules: usize,
    /// The survey beside what is in force, and the invariants.
    pub rehearsal: Rehearsal,
    /// The decisions that were made.
    pub replay: Replay,
}

impl Trial {
    /// Whether it may be proposed.
    pub fn holds(&self) -> bool {
        self.rehearsal.broken.is_empty()
    }
}

/// What the decisions that were made would be.
#[derive(Debug, Clone, Default)]
pub struct Replay {
    /// How many shapes of decisions were replayed.
    pub shapes: usize,
    /// How many decisions they stand for.
    pub decisions: u64,
    /// Those that would fall otherwise.
    pub changed: Vec<Line>,
}

/// A shape of decision that would fall otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Who did what, without whose it was.
    pub sentence: String,
    /// How often.
    pub times: u64,
    /// Whether it was permitted.
    pub before: bool,
    /// Whether it would be.
    pub after: bool,
    /// The policy that would decide.
    pub rule: String,
}

/// A version, as history shows it.
#[derive(Debug, Clone)]
pub struct VersionLine {
    /// Its number.
    pub version: u64,
    /// What became of it.
    pub state: VersionState,
    /// SHA-256 of its files.
    pub digest: [u8; 32],
    /// Why it was proposed.
    pub reason: Reason,
    /// The version that it put in force again; 0 for the policies that ship.
    pub restores: Option<u64>,
    /// Who proposed it; nobody stands for the operator.
    pub proposed_by: Option<UserId>,
    /// When.
    pub proposed: Timestamp,
    /// Who approved or refused it.
    pub decided_by: Option<UserId>,
    /// When.
    pub decided: Option<Timestamp>,
}

/// The lines by which two sets of files differ: `-` before what goes, `+` before what comes.
pub fn difference(before: &PolicyFiles, after: &PolicyFiles) -> Vec<String> {
    let mut lines = Vec::new();
    let text = |files: &PolicyFiles, name: &str| -> Vec<String> {
        let found = files.iter().find(|(other, _)| *other == name);
        found.map(|(_, text)| text.lines().map(str::to_owned).collect()).unwrap_or_default()
    };
    let mut names: Vec<&str> = before.iter().chain(after.iter()).map(|(name, _)| name).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let (old, new) = (text(before, name), text(after, name));
        if old == new {
            continue;
        }
        lines.push(format!("{name}.cedar"));
        // What both begin and end with is not shown; files are short, and policies are read whole.
        let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
        let rest = old.len().min(new.len()) - head;
        let tail = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
        let middle = |lines: &[String]| -> Vec<String> {
            lines.iter().skip(head).take(lines.len() - head - tail).cloned().collect()
        };
        lines.extend(middle(&old).into_iter().map(|line| format!("- {line}")));
        lines.extend(middle(&new).into_iter().map(|line| format!("+ {line}")));
    }
    lines
}

/// The names of policies in one list that are not in another.
pub(crate) fn only_in(these: &[Rule], others: &[Rule]) -> Vec<String> {
    let there = |rule: &&Rule| !others.iter().any(|other| other.id == rule.id);
    these.iter().filter(there).map(|rule| rule.id.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_the_lines_that_go_and_those_that_come() {
        let files = |text: &str| PolicyFiles::new([("guards".to_owned(), text.to_owned())]).unwrap();
        let lines = difference(&files("a\nb\nc\nd"), &files("a\nB\nc\nd"));
        assert_eq!(lines, ["guards.cedar", "- b", "+ B"]);
        assert_eq!(difference(&files("a\na"), &files("a")), ["guards.cedar", "- a"]);
        assert!(difference(&files("a"), &files("a")).is_empty());
    }
}
