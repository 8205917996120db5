//! One automaton for the literals of all rules: each text is read once, and what was seen decides which
//! rules need to look at it.

use super::literals::{Literals, commonness};
use crate::LoadError;
use aho_corasick::{
    Anchored, MatchKind,
    automaton::Automaton,
    dfa::{Builder, DFA},
};
use std::{collections::HashMap, sync::Arc};

/// A clause: one of its literals must stand in a text. Its number is a bit of a [`Seen`].
pub(crate) type Clause = u32;

/// Longest literal in the automaton.
const WINDOW: usize = 5;

/// Collects clauses while rules are compiled.
#[derive(Default)]
pub(super) struct Gathering {
    clauses: HashMap<Literals, Clause>,
    order: Vec<Literals>,
}

impl Gathering {
    /// The number of a clause, the same for equal ones.
    pub(super) fn clause(&mut self, literals: Literals) -> Clause {
        let literals: Literals = literals.iter().map(|literal| window(literal).to_vec()).collect();
        if let Some(known) = self.clauses.get(&literals) {
            return *known;
        }
        let number = Clause::try_from(self.order.len()).unwrap_or(Clause::MAX);
        self.order.push(literals.clone());
        self.clauses.insert(literals, number);
        number
    }

    /// Whether a clause of phrases is rare enough to be of use.
    pub(super) fn is_useful(literals: &Literals) -> bool {
        !literals.is_empty() && !literals.contains(&Vec::new()) && commonness(literals) < 40.0
    }

    pub(super) fn build(self) -> Result<Prefilter, LoadError> {
        let words = self.order.len().div_ceil(64).max(1);
        let mut single = vec![0_u64; 256 * words];
        let mut literals: HashMap<&[u8], Vec<Clause>> = HashMap::new();
        for (number, clause) in (0..).zip(&self.order) {
            for literal in clause {
                match literal.as_slice() {
                    [byte] => {
                        for form in [byte.to_ascii_lowercase(), byte.to_ascii_uppercase()] {
                            set(&mut single, usize::from(form) * words, number);
                        }
                    }
                    longer => literals.entry(longer).or_default().push(number),
                }
            }
        }
        let mut patterns: Vec<(&[u8], Vec<Clause>)> = literals.into_iter().collect();
        patterns.sort();
        let automaton = Builder::new()
            .match_kind(MatchKind::Standard)
            .ascii_case_insensitive(true)
            .start_kind(aho_corasick::StartKind::Unanchored)
            .build(patterns.iter().map(|(literal, _)| literal))
            .map_err(|trouble| LoadError::Prefilter(trouble.to_string()))?;
        let clauses = patterns.into_iter().map(|(_, clauses)| clauses.into()).collect();
        Ok(Prefilter { words, automaton, clauses, single: single.into() })
    }
}

/// The rarest part of a literal, no longer than the automaton needs: long literals would make it large,
/// and a large one leaves the processor's cache.
fn window(literal: &[u8]) -> &[u8] {
    if literal.len() <= WINDOW {
        return literal;
    }
    let rarity = |part: &&[u8]| commonness(&Literals::from([part.to_vec()]));
    literal.windows(WINDOW).min_by(|a, b| rarity(a).total_cmp(&rarity(b))).unwrap_or(literal)
}

/// The automaton and what its literals mean.
pub(crate) struct Prefilter {
    /// 64-bit words of one [`Seen`].
    pub(crate) words: usize,
    automaton: DFA,
    /// By literal: the clauses it satisfies.
    clauses: Box<[Box<[Clause]>]>,
    /// By byte: the clauses it satisfies alone, `words` words each.
    single: Box<[u64]>,
}

impl Prefilter {
    /// Sets in `seen` (zeroed, `words` long) the bit of every clause the text satisfies. `bytes` says
    /// which bytes stand in it.
    pub(crate) fn read(&self, text: &[u8], bytes: &[u64; 4], seen: &mut [u64]) {
        for (high, word) in bytes.iter().enumerate() {
            let mut left = *word;
            while left != 0 {
                let byte = high * 64 + left.trailing_zeros() as usize;
                left &= left - 1;
                if let Some(row) = self.single.get(byte * self.words..(byte + 1) * self.words) {
                    for (into, from) in seen.iter_mut().zip(row) {
                        *into |= from;
                    }
                }
            }
        }
        let Ok(mut state) = self.automaton.start_state(Anchored::No) else {
            seen.fill(u64::MAX);
            return;
        };
        for byte in text {
            state = self.automaton.next_state(Anchored::No, state, *byte);
            if self.automaton.is_special(state) && self.automaton.is_match(state) {
                for index in 0..self.automaton.match_len(state) {
                    let pattern = self.automaton.match_pattern(state, index);
                    for clause in self.clauses.get(pattern.as_usize()).into_iter().flatten() {
                        set(seen, 0, *clause);
                    }
                }
            }
        }
    }
}

fn set(words: &mut [u64], start: usize, bit: Clause) {
    if let Some(word) = words.get_mut(start + bit as usize / 64) {
        *word |= 1 << (bit % 64);
    }
}

/// A set of these numbers, one bit each.
pub(crate) fn bits(numbers: &[u32]) -> Arc<[u64]> {
    let most = numbers.iter().max().map_or(0, |most| *most as usize / 64 + 1);
    let mut words = vec![0; most];
    numbers.iter().for_each(|number| set(&mut words, 0, *number));
    words.into()
}

/// Whether a bit is set.
pub(crate) fn has(words: &[u64], bit: Clause) -> bool {
    words.get(bit as usize / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(prefilter: &Prefilter, text: &[u8]) -> Vec<u64> {
        let mut bytes = [0_u64; 4];
        for byte in text {
            bytes[usize::from(*byte) / 64] |= 1 << (byte % 64);
        }
        let mut seen = vec![0; prefilter.words];
        prefilter.read(text, &bytes, &mut seen);
        seen
    }

    #[test]
    fn literals_are_found_without_case_and_within_each_other() {
        let mut gathering = Gathering::default();
        let first = gathering.clause(Literals::from([b"select".to_vec()]));
        let second = gathering.clause(Literals::from([b"ele".to_vec(), b"zz".to_vec()]));
        let third = gathering.clause(Literals::from([b"<".to_vec()]));
        let prefilter = gathering.build().unwrap();
        let found = seen(&prefilter, b"a SELECT b");
        assert!(has(&found, first) && has(&found, second) && !has(&found, third));
        let found = seen(&prefilter, b"<ELE");
        assert!(!has(&found, first) && has(&found, second) && has(&found, third));
    }
}
