//! What of a text the classifier looks at: words, pairs of neighbouring words (the text's beginning
//! counts as a neighbour: `can ..` asks something else than `.. can`), and runs of two to five
//! characters inside words (which carry it over typos and inflections). A feature is known by a hash
//! of 32 bits alone, so that a model needs no list of strings; its lowest bit tells words from runs.

use crate::text::{fold, words};

/// The longest word whose characters are looked at; longer ones are cut. It bounds the work that a
/// text without spaces can cause.
const LONGEST_WORD: usize = 40;

/// The two kinds of feature. Each kind is brought to unit length by itself, so that neither drowns
/// the other.
pub(super) const KINDS: usize = 2;
const WORDS: u32 = 0;
const RUNS: u32 = 1;

/// A feature and how often the text has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) feature: u32,
    pub(super) count: u32,
}

/// Which of the [`KINDS`] a feature is.
pub(super) fn kind(feature: u32) -> usize {
    if feature & 1 == WORDS { 0 } else { 1 }
}

/// FNV-1a over code points, with a final mix: fast, and the same on every machine. It is no defence
/// against collisions made on purpose: the worst they do is a wrong answer to who made them.
#[derive(Clone, Copy)]
struct Hash(u64);

impl Hash {
    const START: Hash = Hash(0xcbf2_9ce4_8422_2325);

    fn with(self, code: u32) -> Self {
        Self((self.0 ^ u64::from(code)).wrapping_mul(0x0000_0100_0000_01b3))
    }

    fn feature(self, kind: u32) -> u32 {
        let mixed = (self.0 ^ (self.0 >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        // The high half is the well-mixed one; its lowest bit makes room for the kind.
        (u32::try_from(mixed >> 32).unwrap_or(0) & !1) | kind
    }
}

/// The features of a text with their counts, in ascending order.
pub(super) fn count(text: &str) -> Vec<Counted> {
    let folded = fold(text);
    let mut found = Vec::with_capacity(folded.len() * 5);
    let mut letters: Vec<u32> = Vec::with_capacity(LONGEST_WORD + 2);
    let mut previous = Hash::START;
    for word in words(&folded) {
        let single = word.chars().fold(Hash::START, |hash, c| hash.with(u32::from(c)));
        found.push(single.feature(WORDS));
        let pair = word.chars().fold(previous.with(u32::from(' ')), |hash, c| hash.with(u32::from(c)));
        found.push(pair.feature(WORDS));
        previous = single;

        letters.clear();
        letters.push(u32::from(' '));
        letters.extend(word.chars().take(LONGEST_WORD).map(u32::from));
        letters.push(u32::from(' '));
        runs(&letters, &mut found);
    }
    found.sort_unstable();
    let mut counted: Vec<Counted> = Vec::with_capacity(found.len());
    for feature in found {
        match counted.last_mut() {
            Some(last) if last.feature == feature => last.count += 1,
            _ => counted.push(Counted { feature, count: 1 }),
        }
    }
    counted
}

/// All runs of two to five characters of a word that has a space at both ends.
fn runs(letters: &[u32], found: &mut Vec<u32>) {
    for start in 0..letters.len().saturating_sub(1) {
        let mut hash = Hash::START;
        for (length, code) in letters.iter().skip(start).take(5).enumerate() {
            hash = hash.with(*code);
            if length > 0 {
                found.push(hash.feature(RUNS));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of_kind(text: &str, wanted: usize) -> u32 {
        count(text).iter().filter(|c| kind(c.feature) == wanted).map(|c| c.count).sum()
    }

    #[test]
    fn a_text_has_its_words_its_pairs_and_its_runs() {
        assert_eq!(of_kind("lost my card", 0), 3 + 3);
        // " ab ": two letters with spaces: 3 runs of 2, 2 of 3, 1 of 4.
        assert_eq!(of_kind("ab", 1), 6);
        assert_eq!(count(""), []);
        assert_eq!(count("  ?! "), []);
    }

    #[test]
    fn case_and_punctuation_are_not_features() {
        assert_eq!(count("Lost my CARD!"), count("lost my card"));
    }

    proptest! {
        #[test]
        fn no_text_makes_counting_panic(text in any::<String>()) {
            let counted = count(&text);
            prop_assert!(counted.windows(2).all(|pair| pair[0].feature < pair[1].feature));
        }
    }
}
