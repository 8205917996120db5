//! The texts of a request: each distinct one is kept once, transformed once per chain, read once by the
//! prefilter.

use super::memo::{self, Memo, Print};
use crate::{
    compile::{Chain, Prefilter, classes_of},
    transform::{self, Transformation},
};
use std::{
    borrow::Cow,
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// A text's place in [`Texts`].
pub(super) type TextIndex = u32;

struct Text<'t> {
    bytes: Cow<'t, [u8]>,
    /// Which bytes stand in it.
    present: [u64; 4],
    /// Which classes of bytes, for the transformations.
    classes: u32,
    /// Where its clauses stand in `scans`.
    scan: Option<usize>,
    /// What single transformations made of it, by node.
    after: Vec<(u16, TextIndex)>,
    /// Its hash, once asked for.
    print: Option<Print>,
}

/// All texts so far, and the work they were.
pub(super) struct Texts<'t> {
    texts: Vec<Text<'t>>,
    known: HashMap<u64, TextIndex, BuildHasherDefault<AsItIs>>,
    /// Mixed into fingerprints, so that nobody outside can prepare many of one place.
    key: u64,
    scans: Vec<u64>,
    pub(super) steps: u64,
}

impl<'t> Texts<'t> {
    pub(super) fn new(key: u64) -> Self {
        Self {
            texts: Vec::with_capacity(128),
            known: HashMap::with_capacity_and_hasher(112, BuildHasherDefault::default()),
            key,
            scans: Vec::with_capacity(512),
            steps: 0,
        }
    }

    /// The bytes of a text.
    pub(super) fn bytes(&self, index: TextIndex) -> &[u8] {
        self.texts.get(index as usize).map_or(&[], |text| &text.bytes)
    }

    /// Keeps a text, the same place for the same bytes.
    pub(super) fn keep(&mut self, bytes: Cow<'t, [u8]>) -> TextIndex {
        let key = fingerprint(&bytes, self.key);
        if let Some(known) = self.known.get(&key).copied()
            && self.bytes(known) == &*bytes
        {
            return known;
        }
        self.steps += bytes.len() as u64 + 1;
        let present = present(&bytes);
        let index = TextIndex::try_from(self.texts.len()).unwrap_or(TextIndex::MAX);
        self.texts.push(Text {
            classes: classes_of(&present),
            bytes,
            present,
            scan: None,
            after: Vec::new(),
            print: None,
        });
        self.known.entry(key).or_insert(index);
        index
    }

    /// The hash of a text, if it is short enough to be remembered.
    pub(super) fn print(&mut self, index: TextIndex, memo: &Memo) -> Option<Print> {
        let text = self.texts.get_mut(index as usize)?;
        if text.bytes.len() > memo::LONGEST {
            return None;
        }
        Some(*text.print.get_or_insert_with(|| memo.print(&text.bytes)))
    }

    /// A number as a text.
    pub(super) fn keep_number(&mut self, number: i64) -> TextIndex {
        let digit = usize::try_from(number).ok().and_then(|digit| b"0123456789".get(digit..=digit));
        match digit {
            Some(digit) => self.keep(Cow::Borrowed(digit)),
            None => self.keep(Cow::Owned(number.to_string().into_bytes())),
        }
    }

    /// What one transformation has made of a text, if it was asked for.
    pub(super) fn known_after(&self, from: TextIndex, step: &crate::compile::Step) -> Option<TextIndex> {
        let text = self.texts.get(from as usize)?;
        text.after.iter().find(|(node, _)| *node == step.node).map(|(_, to)| *to)
    }

    /// What a chain makes of a text.
    pub(super) fn transformed(&mut self, from: TextIndex, chain: &Chain) -> TextIndex {
        let mut at = from;
        if self.classes(at) & chain.trigger == 0 {
            return at;
        }
        for step in &chain.steps {
            at = self.stepped(at, step);
        }
        at
    }

    /// What one transformation makes of a text.
    pub(super) fn stepped(&mut self, at: TextIndex, step: &crate::compile::Step) -> TextIndex {
        let Some(text) = self.texts.get(at as usize) else { return at };
        if text.classes & step.trigger == 0 {
            return at;
        }
        if let Some((_, known)) = text.after.iter().find(|(node, _)| *node == step.node) {
            return *known;
        }
        self.steps += text.bytes.len() as u64;
        let changed = match transform::apply(step.kind, &text.bytes) {
            Cow::Borrowed(same) if std::ptr::eq(same, &*text.bytes) => None,
            changed => Some(changed.into_owned()),
        };
        let to = changed.map_or(at, |changed| self.keep(Cow::Owned(changed)));
        let scan = self.texts.get(at as usize).and_then(|text| text.scan);
        if step.kind == Transformation::Lowercase
            && let (Some(scan), Some(text)) = (scan, self.texts.get_mut(to as usize))
        {
            text.scan = Some(scan);
        }
        if let Some(text) = self.texts.get_mut(at as usize) {
            text.after.push((step.node, to));
        }
        to
    }

    fn classes(&self, index: TextIndex) -> u32 {
        self.texts.get(index as usize).map_or(u32::MAX, |text| text.classes)
    }

    /// The clauses of the prefilter that a text satisfies.
    pub(super) fn seen(&mut self, index: TextIndex, prefilter: &Prefilter) -> &[u64] {
        let Some(text) = self.texts.get_mut(index as usize) else { return &[] };
        // Literals are found without case: a text and itself in lower case satisfy the same clauses.
        let start = if let Some(start) = text.scan {
            start
        } else {
            let start = self.scans.len();
            self.scans.resize(start + prefilter.words, 0);
            if let Some(seen) = self.scans.get_mut(start..) {
                prefilter.read(&text.bytes, &text.present, seen);
            }
            self.steps += text.bytes.len() as u64;
            text.scan = Some(start);
            start
        };
        self.scans.get(start..start + prefilter.words).unwrap_or(&[])
    }
}

/// Which bytes stand in a text, one bit each.
fn present(bytes: &[u8]) -> [u64; 4] {
    // Four words in registers: no byte waits for the one before it.
    bytes.iter().fold([0; 4], |words, byte| {
        let (high, bit) = (byte >> 6, 1_u64 << (byte & 63));
        let take = |word: u64, of: u8| word | if high == of { bit } else { 0 };
        [take(words[0], 0), take(words[1], 1), take(words[2], 2), take(words[3], 3)]
    })
}

/// A quick hash; equal bytes are compared afterwards, so a collision costs a copy and no more.
fn fingerprint(bytes: &[u8], key: u64) -> u64 {
    let mut hash = key ^ bytes.len() as u64;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        hash = folded(hash ^ u64::from_le_bytes(*word), key | 1);
    }
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(into, from)| *into = *from);
    folded(hash ^ u64::from_le_bytes(last), 0x9e37_79b9_7f4a_7c15)
}

/// Both halves of a product in one word.
#[expect(clippy::cast_possible_truncation, reason = "the halves are what is wanted")]
fn folded(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

/// The hasher of what is a keyed hash already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_a_text_is_marked_and_no_other() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(present(&all), [u64::MAX; 4]);
        assert_eq!(present(b""), [0; 4]);
        assert_eq!(present(b"\x00?@\xff"), [1 | 1 << 63, 1, 0, 1 << 63]);
    }

    #[test]
    fn texts_that_differ_have_fingerprints_that_do() {
        let of = |text: &[u8]| fingerprint(text, 0x1234_5678_9abc_def1);
        let texts: [&[u8]; 7] = [b"", b"\0", b"\0\0", b"12345678", b"123456789", b"12345678\0", b"87654321"];
        for (at, one) in texts.iter().enumerate() {
            for other in &texts[..at] {
                assert_ne!(of(one), of(other), "{one:?} {other:?}");
            }
        }
        assert_ne!(of(b"abc"), fingerprint(b"abc", 7));
    }
}
