//! What the engine remembers between turns: which form is open and what was answered so far. It comes
//! back from storage, so it is read like any input: bounded, versioned, and held against the release.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::release::Flow;
use wire::turn::{EngineError, TurnState};

/// The version of the encoding.
const VERSION: u8 = 1;

/// The most bytes of a state. Larger ones are not ours: a form of a hundred long texts fits.
const MOST_BYTES: usize = 4 << 20;

/// What is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Memory {
    /// A form is open.
    Flow(Open),
    /// The bot has offered a person.
    Offer,
}

/// An open form.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Open {
    /// The flow's name.
    pub(super) flow: String,
    /// The answers by slot; `None` was skipped.
    pub(super) values: BTreeMap<String, Option<String>>,
    /// What was asked last.
    pub(super) step: Step,
    /// How often the open question was answered with something that does not fit.
    pub(super) misses: u8,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Open").field("flow", &self.flow).field("step", &self.step).finish_non_exhaustive()
    }
}

/// What was asked last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Step {
    /// This slot.
    Slot(String),
    /// Whether everything is right.
    Confirm,
    /// Which answer is wrong.
    Change,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<M> {
    v: u8,
    m: M,
}

impl Memory {
    /// The bytes to hand out.
    pub(crate) fn encode(&self) -> Result<TurnState, EngineError> {
        let bytes = serde_json::to_vec(&Envelope { v: VERSION, m: self }).map_err(|_| EngineError::State)?;
        Ok(TurnState(bytes))
    }

    /// Reads bytes that came back.
    ///
    /// # Errors
    /// When they are not ours, of another version, or of a form that this release has not.
    pub(crate) fn decode(state: &TurnState, flows: &[Flow]) -> Result<Self, EngineError> {
        if state.0.len() > MOST_BYTES {
            return Err(EngineError::State);
        }
        let envelope: Envelope<Memory> = serde_json::from_slice(&state.0).map_err(|_| EngineError::State)?;
        let memory = envelope.m;
        let fits = envelope.v == VERSION
            && match &memory {
                Memory::Offer => true,
                Memory::Flow(open) => flows.iter().any(|flow| flow.name == open.flow && open.fits(flow)),
            };
        if fits { Ok(memory) } else { Err(EngineError::State) }
    }
}

impl Open {
    /// The name of the flow that is open.
    pub(crate) fn flow(&self) -> &str {
        &self.flow
    }

    /// Whether every slot that is spoken of is one of the flow's.
    fn fits(&self, flow: &Flow) -> bool {
        let known = |name: &str| flow.slots.iter().any(|slot| slot.name == name);
        let step = match &self.step {
            Step::Slot(name) => known(name),
            Step::Confirm | Step::Change => true,
        };
        step && self.values.keys().all(|name| known(name))
    }
}
