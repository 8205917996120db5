//! The texts of a request: each distinct one is kept once, transformed once per chain, read once by the
//! prefilter.

use super::memo::{self, Memo, Print};
use crate::{
    compile::{Chain, Prefilter, classes_of},
    transform::{self, Transformation},
};
use std::{borrow::Cow, collections::HashMap};

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
    known: HashMap<u64, TextIndex>,
    scans: Vec<u64>,
    pub(super) steps: u64,
}

impl<'t> Texts<'t> {
    pub(super) fn new() -> Self {
        Self { texts: Vec::with_capacity(64), known: HashMap::with_capacity(64), scans: Vec::new(), steps: 0 }
    }

    /// The bytes of a text.
    pub(super) fn bytes(&self, index: TextIndex) -> &[u8] {
        self.texts.get(index as usize).map_or(&[], |text| &text.bytes)
    }

    /// Keeps a text, the same place for the same bytes.
    pub(super) fn keep(&mut self, bytes: Cow<'t, [u8]>) -> TextIndex {
        let key = fingerprint(&bytes);
        if let Some(known) = self.known.get(&key).copied()
            && self.bytes(known) == &*bytes
        {
            return known;
        }
        self.steps += bytes.len() as u64 + 1;
        let mut present = [0_u64; 4];
        for byte in bytes.iter() {
            if let Some(word) = present.get_mut(usize::from(byte >> 6)) {
                *word |= 1 << (byte & 63);
            }
        }
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

/// A quick hash; equal bytes are compared afterwards, so a collision costs a copy and no more.
fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ bytes.len() as u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        for (into, from) in word.iter_mut().zip(chunk) {
            *into = *from;
        }
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^= hash >> 29;
    }
    hash
}
