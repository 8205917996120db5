//! Directives to a program: names become slots, targets and transformation chains are shared, patterns
//! are built and their literals put into one prefilter, `skipAfter` becomes a place in a list.

mod assemble;
mod condition;
mod field;
mod literals;
mod pattern;
mod prefilter;
mod template;
mod trigger;

pub(crate) use assemble::compile;
pub(crate) use condition::{Comparison, Condition, Relation, Simple, simple};
pub(crate) use field::{Choice, Field, Names};
pub(crate) use prefilter::{Clause, Prefilter, bits, has};
pub(crate) use template::{Part, Template, whole_number};
pub(crate) use trigger::classes_of;

use crate::{
    Processor, Transformation, Variable,
    engine::Memo,
    seclang::{Allow, Change, EngineMode, Pick, Place},
};
use std::{collections::HashMap, sync::Arc};

/// The place of a rule, a chain's later links included, in [`Program::rules`].
pub(crate) type RuleIndex = u32;

/// All rules, ready to run.
pub(crate) struct Program {
    pub(crate) rules: Box<[Rule]>,
    /// Heads of chains by phase (1 to 5 at 0 to 4), in order.
    pub(crate) phases: [Box<[RuleIndex]>; 5],
    pub(crate) groups: Box<[Group]>,
    pub(crate) chains: Box<[Chain]>,
    /// For the request's phases and for the response's.
    pub(crate) prefilters: [Prefilter; 2],
    pub(crate) memo: Memo,
    pub(crate) names: Names,
    /// By tag: the heads that bear it.
    pub(crate) tags: HashMap<Arc<str>, Vec<RuleIndex>>,
    /// Variables any rule looks at, in the request's phases and in the response's.
    pub(crate) used: [Vec<Variable>; 2],
}

impl Program {
    /// Whether rules of the response's phases look at the request.
    pub(crate) fn remembers_request(&self) -> bool {
        let [_, used] = &self.used;
        used.iter().any(|variable| variable.is_of_request())
    }

    /// The heads of the chains that are meant.
    pub(crate) fn picked(&self, pick: &Pick) -> Vec<RuleIndex> {
        if let Pick::Tag(tag) = pick {
            return self.tags.get(tag.as_str()).cloned().unwrap_or_default();
        }
        let meant = |rule: &Rule| match pick {
            Pick::Ids(ranges) => ranges.iter().any(|range| range.contains(&rule.id)),
            Pick::Message(message) => *rule.title == **message,
            Pick::Tag(_) => false,
        };
        (0..)
            .zip(&self.rules)
            .filter(|(_, rule)| rule.id != 0 && meant(rule))
            .map(|(index, _)| index)
            .collect()
    }
}

/// One rule: a `SecRule`, a `SecAction`, or a link of a chain.
pub(crate) struct Rule {
    /// Its own place, for the memory of clean texts.
    pub(crate) number: RuleIndex,
    /// Zero for links.
    pub(crate) id: u32,
    pub(crate) place: Place,
    /// The next link.
    pub(crate) next: Option<RuleIndex>,
    /// What it looks at; `None` for an unconditional action.
    pub(crate) group: Option<u32>,
    pub(crate) counts: Box<[Field]>,
    pub(crate) condition: Condition,
    pub(crate) negated: bool,
    pub(crate) capture: bool,
    /// Clauses of which a text must satisfy all; empty if every text must be looked at.
    pub(crate) needs: Box<[Clause]>,
    /// Whether it judges form and not meaning, and so holds for conversation text as well.
    pub(crate) of_form: bool,
    pub(crate) sets: Box<[SetVar]>,
    pub(crate) controls: Box<[Control]>,
    pub(crate) effect: Effect,
    pub(crate) status: Option<u16>,
    pub(crate) log: bool,
    /// Where the phase goes on after a match.
    pub(crate) go_to: Option<usize>,
    pub(crate) message: Template,
    /// The message as written.
    pub(crate) title: Arc<str>,
    pub(crate) log_data: Template,
    pub(crate) severity: Option<u8>,
    pub(crate) tags: Arc<[Arc<str>]>,
}

/// What a full match does to the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Pass,
    Deny,
    Allow(Allow),
}

/// Targets and transformations that several rules share.
pub(crate) struct Group {
    pub(crate) include: Box<[Field]>,
    pub(crate) exclude: Box<[Field]>,
    pub(crate) chain: u32,
    /// Whether that chain has no step.
    pub(crate) chain_is_empty: bool,
    /// Look at the value after each transformation that changed it, not only after the last.
    pub(crate) multi: bool,
    /// Whether a rule may change what it holds while a phase runs.
    pub(crate) live: bool,
}

/// A chain of transformations.
pub(crate) struct Chain {
    pub(crate) steps: Box<[Step]>,
    /// Union of the steps' triggers.
    pub(crate) trigger: u32,
}

/// One transformation after a certain row of others; equal rows share a number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) node: u16,
    pub(crate) kind: Transformation,
    pub(crate) trigger: u32,
}

/// `setvar`
pub(crate) struct SetVar {
    pub(crate) name: SetName,
    pub(crate) change: Change,
    pub(crate) value: Template,
}

pub(crate) enum SetName {
    Slot(u32),
    Template(Template),
}

/// `ctl`
pub(crate) enum Control {
    /// Rules by their heads, one bit each, as [`bits`] makes them.
    Remove(Arc<[u64]>),
    RemoveTarget(Arc<[u64]>, Field),
    Processor(Processor),
    /// The body as one text, even where a reader takes it apart.
    WholeBody,
    Engine(EngineMode),
}
