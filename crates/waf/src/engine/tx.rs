//! `TX`: what rules write down while they look at one request.

use crate::{compile::Names, operator, seclang::Change};
use std::{borrow::Cow, sync::Arc};

/// Most names that rules may make up while they run; beyond them nothing is written.
const MOST: usize = 4_096;

/// A value: a number as long as it is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TxValue {
    Number(i64),
    Bytes(Arc<[u8]>),
}

impl TxValue {
    pub(super) fn number(&self) -> i64 {
        match self {
            Self::Number(number) => *number,
            Self::Bytes(bytes) => operator::number(bytes),
        }
    }

    pub(super) fn as_bytes(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Number(number) => Cow::Owned(number.to_string().into_bytes()),
            Self::Bytes(bytes) => Cow::Borrowed(bytes),
        }
    }
}

/// All variables of `TX`: those rules name literally in slots, the others in a list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tx {
    slots: Vec<Option<TxValue>>,
    others: Vec<(Arc<[u8]>, TxValue)>,
}

impl Tx {
    pub(crate) fn new(names: &Names) -> Self {
        Self { slots: vec![None; names.all().len()], others: Vec::new() }
    }

    pub(super) fn get(&self, slot: u32) -> Option<&TxValue> {
        self.slots.get(slot as usize).and_then(Option::as_ref)
    }

    pub(super) fn number(&self, slot: u32) -> i64 {
        self.get(slot).map_or(0, TxValue::number)
    }

    pub(super) fn put(&mut self, slot: u32, value: Option<TxValue>) {
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = value;
        }
    }

    /// Writes a variable by a name in lower case.
    pub(super) fn put_named(&mut self, names: &Names, name: &[u8], value: Option<TxValue>) {
        if let Some(slot) = names.find(name) {
            return self.put(slot, value);
        }
        let known = self.others.iter().position(|(known, _)| **known == *name);
        match (known, value) {
            (Some(at), Some(value)) => {
                if let Some(entry) = self.others.get_mut(at) {
                    entry.1 = value;
                }
            }
            (Some(at), None) => {
                self.others.swap_remove(at);
            }
            (None, Some(value)) if self.others.len() < MOST => self.others.push((name.into(), value)),
            (None, _) => {}
        }
    }

    pub(super) fn get_named(&self, names: &Names, name: &[u8]) -> Option<&TxValue> {
        match names.find(name) {
            Some(slot) => self.get(slot),
            None => self.others.iter().find(|(known, _)| **known == *name).map(|(_, value)| value),
        }
    }

    /// All variables that are set, by name.
    pub(super) fn all<'n>(&'n self, names: &'n Names) -> impl Iterator<Item = (&'n Arc<[u8]>, &'n TxValue)> {
        let slots =
            names.all().iter().zip(&self.slots).filter_map(|(name, value)| Some((name, value.as_ref()?)));
        slots.chain(self.others.iter().map(|(name, value)| (name, value)))
    }
}

/// The value after a change.
pub(super) fn changed(before: Option<&TxValue>, change: Change, by: TxValue) -> Option<TxValue> {
    let now = before.map_or(0, TxValue::number);
    match change {
        Change::Set => Some(by),
        Change::Add => Some(TxValue::Number(now.saturating_add(by.number()))),
        Change::Subtract => Some(TxValue::Number(now.saturating_sub(by.number()))),
        Change::Unset => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_counted_and_texts_count_as_the_number_they_begin_with() {
        let five = TxValue::Bytes(b"5".to_vec().into());
        assert_eq!(changed(Some(&five), Change::Add, TxValue::Number(3)), Some(TxValue::Number(8)));
        assert_eq!(changed(None, Change::Subtract, TxValue::Number(3)), Some(TxValue::Number(-3)));
        assert_eq!(changed(Some(&five), Change::Unset, TxValue::Number(3)), None);
    }
}
