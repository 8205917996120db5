//! What a pattern cannot match without: from its syntax tree, a few clauses of literals, of each of
//! which at least one must stand in the text. (The idea is Russ Cox's for code search; here the sets are
//! folded to lower case and judged by how rare they are in ordinary text.)

use regex_syntax::hir::{Class, Hir, HirKind, Repetition};
use std::collections::BTreeSet;

/// Most strings in one exact set or clause before it is given up.
const MOST: usize = 96;
/// Longest literal worth keeping; longer ones are cut to their beginning.
const LONGEST: usize = 24;
/// Most clauses of one pattern.
const CLAUSES: usize = 3;
/// A clause met more often than this share of ordinary values is not worth its bit.
const COMMON: f64 = 0.6;

/// A set of lower-case literals.
pub(super) type Literals = BTreeSet<Vec<u8>>;

/// The clauses of a pattern; empty when nothing useful is known of it.
pub(super) fn clauses(pattern: &Hir) -> Vec<Literals> {
    let mut known = known(pattern);
    if let Some(exact) = known.exact.take() {
        known.clauses.push(exact);
    }
    known
        .clauses
        .retain(|clause| !clause.is_empty() && !clause.contains(&Vec::new()) && commonness(clause) < COMMON);
    known.clauses.sort_by(|a, b| commonness(a).total_cmp(&commonness(b)));
    known.clauses.dedup();
    known.clauses.truncate(CLAUSES);
    known.clauses
}

/// What is known of the texts a part of a pattern matches.
struct Known {
    /// All of them, if they are few.
    exact: Option<Literals>,
    /// Each text holds at least one of each.
    clauses: Vec<Literals>,
}

impl Known {
    fn nothing() -> Self {
        Self { exact: None, clauses: Vec::new() }
    }

    fn exactly(set: Literals) -> Self {
        Self { exact: Some(set), clauses: Vec::new() }
    }

    /// The best single clause that holds for this part, if any.
    fn best(self) -> Option<Literals> {
        self.exact
            .into_iter()
            .chain(self.clauses)
            .filter(|clause| !clause.is_empty() && !clause.contains(&Vec::new()))
            .min_by(|a, b| commonness(a).total_cmp(&commonness(b)))
    }
}

fn empty() -> Literals {
    Literals::from([Vec::new()])
}

fn known(part: &Hir) -> Known {
    match part.kind() {
        HirKind::Empty | HirKind::Look(_) => Known::exactly(empty()),
        HirKind::Literal(literal) => {
            let mut folded = literal.0.to_ascii_lowercase();
            if folded.len() <= LONGEST {
                return Known::exactly(Literals::from([folded]));
            }
            folded.truncate(LONGEST);
            Known { exact: None, clauses: vec![Literals::from([folded])] }
        }
        HirKind::Class(class) => members(class).map_or_else(Known::nothing, Known::exactly),
        HirKind::Capture(capture) => known(&capture.sub),
        HirKind::Repetition(repetition) => repeated(repetition),
        HirKind::Concat(parts) => in_a_row(parts),
        HirKind::Alternation(parts) => one_of(parts),
    }
}

/// The bytes of a small class, folded.
fn members(class: &Class) -> Option<Literals> {
    let mut found = Literals::new();
    match class {
        Class::Bytes(class) => {
            for range in class.iter() {
                for byte in range.start()..=range.end() {
                    found.insert(vec![byte.to_ascii_lowercase()]);
                    if found.len() > 24 {
                        return None;
                    }
                }
            }
        }
        Class::Unicode(class) => {
            for range in class.iter() {
                for letter in range.start()..=range.end() {
                    if !letter.is_ascii() || found.len() > 24 {
                        return None;
                    }
                    found.insert(vec![u8::try_from(letter).ok()?.to_ascii_lowercase()]);
                }
            }
        }
    }
    Some(found)
}

fn repeated(repetition: &Repetition) -> Known {
    let inner = known(&repetition.sub);
    match (repetition.min, repetition.max) {
        (0, Some(1)) => match inner.exact {
            Some(mut set) if set.len() < MOST => {
                set.insert(Vec::new());
                Known::exactly(set)
            }
            _ => Known::nothing(),
        },
        (0, _) => Known::nothing(),
        (1, Some(1)) => inner,
        (least, most) => {
            let mut clauses = inner.clauses;
            let Some(set) = inner.exact else { return Known { exact: None, clauses } };
            // At least `least` of them stand in a row; a few suffice as a literal.
            let mut row = empty();
            let mut whole = true;
            for _ in 0..least {
                match product(&row, &set) {
                    Some(longer) => row = longer,
                    None => {
                        whole = false;
                        break;
                    }
                }
            }
            if whole && most == Some(least) {
                return Known { exact: Some(row), clauses };
            }
            clauses.push(row);
            Known { exact: None, clauses }
        }
    }
}

fn in_a_row(parts: &[Hir]) -> Known {
    let mut clauses = Vec::new();
    let mut whole = true;
    let mut row = empty();
    for part in parts {
        let inner = known(part);
        clauses.extend(inner.clauses);
        match inner.exact {
            Some(set) => match product(&row, &set) {
                Some(longer) => row = longer,
                None => {
                    whole = false;
                    clauses.push(std::mem::replace(&mut row, set));
                }
            },
            None => {
                whole = false;
                clauses.push(std::mem::replace(&mut row, empty()));
            }
        }
    }
    if whole {
        return Known { exact: Some(row), clauses };
    }
    clauses.push(row);
    clauses.retain(|clause| !clause.is_empty() && !clause.contains(&Vec::new()));
    Known { exact: None, clauses }
}

fn one_of(parts: &[Hir]) -> Known {
    let inner: Vec<Known> = parts.iter().map(known).collect();
    if inner.iter().all(|branch| branch.exact.is_some()) {
        let union: Literals =
            inner.iter().filter_map(|branch| branch.exact.as_ref()).flatten().cloned().collect();
        if union.len() <= MOST {
            return Known::exactly(union);
        }
    }
    let mut union = Literals::new();
    for branch in inner {
        let Some(best) = branch.best() else { return Known::nothing() };
        union.extend(best);
    }
    // A long list is as good as a short one for the automaton; its bound is generous.
    if union.len() > MOST * 16 {
        return Known::nothing();
    }
    Known { exact: None, clauses: vec![union] }
}

/// Every string of one set before every string of the other; `None` when they become too many or long.
fn product(first: &Literals, second: &Literals) -> Option<Literals> {
    if first.len() * second.len() > MOST {
        return None;
    }
    let mut found = Literals::new();
    for a in first {
        for b in second {
            if a.len() + b.len() > LONGEST {
                return None;
            }
            found.insert([a.as_slice(), b.as_slice()].concat());
        }
    }
    Some(found)
}

/// Roughly how often an ordinary value of a request, some 40 bytes, holds one of these.
pub(super) fn commonness(clause: &Literals) -> f64 {
    clause.iter().map(|literal| 40.0 * literal.iter().map(|byte| frequency(*byte)).product::<f64>()).sum()
}

/// The share of a byte in ordinary text: letters by English, the rest by how rare it is there.
fn frequency(byte: u8) -> f64 {
    match byte {
        b' ' => 0.16,
        b'e' => 0.10,
        b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 0.065,
        b'h' | b'l' | b'd' | b'c' | b'u' | b'm' | b'f' | b'p' | b'g' => 0.03,
        b'w' | b'y' | b'b' | b'v' | b'k' => 0.015,
        b'0'..=b'9' | b'.' | b',' | b'/' | b'-' => 0.012,
        b'j' | b'x' | b'q' | b'z' | b'_' | b'=' | b':' | b'\'' | b'"' | b'(' | b')' | b';' | b'\n' => 0.004,
        b'\t' | b'\r' | b'%' | b'&' | b'*' | b'?' | b'+' => 0.002,
        0x80..=0xff => 0.002,
        _ => 0.0008,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pattern: &str) -> Vec<Vec<String>> {
        let hir = super::super::pattern::syntax(pattern).unwrap();
        clauses(&hir)
            .iter()
            .map(|clause| {
                clause.iter().map(|literal| String::from_utf8_lossy(literal).into_owned()).collect()
            })
            .collect()
    }

    #[test]
    fn alternatives_of_words_become_one_clause() {
        assert_eq!(of("(?i)x(?:SLEEP|benchmark)\\s*\\("), vec![vec!["xbenchmark", "xsleep"], vec!["("]]);
    }

    #[test]
    fn what_may_be_missing_is_not_demanded() {
        assert_eq!(of("(?:union)?.*"), Vec::<Vec<String>>::new());
        assert_eq!(of("a?select"), vec![vec!["aselect", "select"]]);
    }

    #[test]
    fn a_class_too_wide_breaks_the_row() {
        assert_eq!(of("<script[^>]*>[\\s\\S]*?alert"), vec![vec!["<script"], vec!["alert"], vec![">"]]);
    }
}
