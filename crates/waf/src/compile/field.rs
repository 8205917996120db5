//! One thing a rule looks at: a variable, or members of a collection.

use super::pattern;
use crate::{
    Variable,
    seclang::{Selector, Target},
};
use regex::bytes::Regex;
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// A variable and which of its members.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) variable: Variable,
    pub(crate) choice: Choice,
}

#[derive(Clone, Debug)]
pub(crate) enum Choice {
    All,
    /// A member by name, in lower case.
    Name(Arc<[u8]>),
    /// A slot of `TX`.
    Slot(u32),
    Pattern(Arc<Regex>),
}

impl Field {
    pub(super) fn of(target: &Target, names: &mut Names) -> Result<Self, String> {
        Self::new(target.variable, &target.selector, names)
    }

    pub(super) fn new(variable: Variable, selector: &Selector, names: &mut Names) -> Result<Self, String> {
        if let Some(used) = names.used.get_mut(names.side) {
            used.insert(variable);
        }
        match selector {
            Selector::Name(name) if variable == Variable::Tx => {
                Ok(Self { variable, choice: Choice::Slot(names.slot(name)) })
            }
            _ => Self::excluded(variable, selector),
        }
    }

    /// A target that is taken away: members by name, never by slot.
    pub(crate) fn excluded(variable: Variable, selector: &Selector) -> Result<Self, String> {
        let choice = match selector {
            Selector::All => Choice::All,
            Selector::Name(name) => Choice::Name(name.to_ascii_lowercase().into_bytes().into()),
            Selector::Pattern(pattern) => Choice::Pattern(Arc::new(pattern::selector(pattern)?)),
        };
        Ok(Self { variable, choice })
    }

    /// Whether a member of this name is meant.
    pub(crate) fn takes(&self, name: &[u8]) -> bool {
        match &self.choice {
            Choice::All => true,
            Choice::Name(wanted) => wanted.eq_ignore_ascii_case(name),
            Choice::Slot(_) => false,
            Choice::Pattern(pattern) => pattern.is_match(name),
        }
    }
}

/// The names of `TX` that rules use literally, each with a slot. `0` to `9` are captures.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    slots: HashMap<String, u32>,
    order: Vec<Arc<[u8]>>,
    /// For the request's phases and for the response's.
    used: [BTreeSet<Variable>; 2],
    /// Which of the two is being compiled.
    side: usize,
}

impl Names {
    pub(super) fn new() -> Self {
        let mut names = Self { slots: HashMap::new(), order: Vec::new(), used: Default::default(), side: 0 };
        for capture in 0..10 {
            names.slot(&capture.to_string());
        }
        names
    }

    pub(super) fn slot(&mut self, name: &str) -> u32 {
        let name = name.to_ascii_lowercase();
        if let Some(slot) = self.slots.get(&name) {
            return *slot;
        }
        let slot = u32::try_from(self.order.len()).unwrap_or(u32::MAX);
        self.order.push(name.as_bytes().into());
        self.slots.insert(name, slot);
        slot
    }

    /// The slot of a name in lower case.
    pub(crate) fn find(&self, name: &[u8]) -> Option<u32> {
        std::str::from_utf8(name).ok().and_then(|name| self.slots.get(name)).copied()
    }

    /// Whether what comes now belongs to a phase of the response.
    pub(super) fn begin(&mut self, of_response: bool) {
        self.side = usize::from(of_response);
    }

    /// Every variable that a target or a macro names, for the request's phases and for the response's.
    pub(crate) fn used(&self) -> [Vec<Variable>; 2] {
        self.used.each_ref().map(|used| used.iter().copied().collect())
    }

    /// All names by slot.
    pub(crate) fn all(&self) -> &[Arc<[u8]>] {
        &self.order
    }
}
