//! What has been looked at before and was clean: the same browser sends the same headers with every
//! request, and a rule that found nothing in a text finds nothing in it again.
//!
//! Kept is a keyed 128-bit hash of the text together with the rule, never the text. The keys are drawn
//! when the rules are loaded, so nobody outside can prepare two texts of one hash. A lost or overwritten
//! entry costs a second look and changes no verdict.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

/// Entries; 512 KB.
const ENTRIES: usize = 1 << 15;
/// Longest text worth an entry: headers repeat, long values seldom do.
pub(super) const LONGEST: usize = 512;

/// A text's hash.
pub(super) type Print = [u64; 2];

/// The table.
pub(crate) struct Memo {
    keys: [RandomState; 2],
    seed: u64,
    entries: Box<[[AtomicU64; 2]]>,
}

impl Memo {
    /// An empty table with keys of its own.
    pub(crate) fn new() -> Self {
        let keys = [RandomState::new(), RandomState::new()];
        Self {
            seed: keys[0].hash_one("texts"),
            keys,
            entries: (0..ENTRIES).map(|_| [AtomicU64::new(0), AtomicU64::new(0)]).collect(),
        }
    }

    /// A number nobody outside knows.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// The hash of a text.
    pub(super) fn print(&self, text: &[u8]) -> Print {
        [&self.keys[0], &self.keys[1]].map(|key| key.hash_one(text))
    }

    /// Whether a rule is known to find nothing in a text. Two words read one after the other may stem
    /// from two entries; then one of them differs, and the answer is no.
    pub(super) fn is_clean(&self, print: Print, rule: u32) -> bool {
        let (place, first, second) = place(print, rule);
        self.entries.get(place).is_some_and(|entry| {
            entry[0].load(Ordering::Relaxed) == first && entry[1].load(Ordering::Relaxed) == second
        })
    }

    /// Writes down that a rule found nothing in a text.
    pub(super) fn is_clean_now(&self, print: Print, rule: u32) {
        let (place, first, second) = place(print, rule);
        if let Some(entry) = self.entries.get(place) {
            entry[0].store(first, Ordering::Relaxed);
            entry[1].store(second, Ordering::Relaxed);
        }
    }
}

/// An entry's place and its two words; the rule is mixed into both.
fn place(print: Print, rule: u32) -> (usize, u64, u64) {
    let mixed = (u64::from(rule) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let first = print[0] ^ mixed;
    let second = print[1].wrapping_add(mixed.rotate_left(32));
    #[expect(clippy::cast_possible_truncation, reason = "only the low bits are wanted")]
    let place = (first ^ first >> 32) as usize % ENTRIES;
    // An empty entry is all zeros; no text may look like one.
    (place, first, second | 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_text_is_known_for_its_rule_alone() {
        let memo = Memo::new();
        let (one, two) = (memo.print(b"one"), memo.print(b"two"));
        assert!(!memo.is_clean(one, 7));
        memo.is_clean_now(one, 7);
        assert!(memo.is_clean(one, 7));
        assert!(!memo.is_clean(one, 8) && !memo.is_clean(two, 7));
        assert_ne!(Memo::new().print(b"one"), one);
    }
}
