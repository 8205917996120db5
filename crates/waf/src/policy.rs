//! How strictly one route is inspected, and what of it is conversation text.

use crate::{
    seclang::{self, LoadError, Pick, Place, Target},
    value::BodyLimits,
};
use std::ops::RangeInclusive;

/// Work for one request: some forty times what the largest benign body of the chat API needs.
const DEFAULT_STEPS: u64 = 64 << 20;

/// What a refusal by rules leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The request is refused.
    #[default]
    Block,
    /// The request goes on; the verdict says that it would have been refused.
    Observe,
}

/// The policy of a route. Plain data: the edge makes one per route from its configuration.
#[derive(Clone, Debug)]
pub struct Policy {
    /// What a refusal leads to.
    pub mode: Mode,
    /// Paranoia level, 1 to 4: up to which level rules count towards a refusal.
    pub paranoia: u8,
    /// Up to which level rules are run at all; at least `paranoia`.
    pub detection: u8,
    /// Anomaly score from which a request is refused.
    pub inbound_threshold: u32,
    /// Anomaly score from which a response is withheld.
    pub outbound_threshold: u32,
    /// Rules, or targets of rules, that do not hold here.
    pub exclusions: Vec<Exclusion>,
    /// Arguments that are conversation text, as rules name them: `json.text`. No rule that judges
    /// meaning refuses a request on account of them; what such rules say is the verdict's signal.
    pub conversation_text: Vec<String>,
    /// Further variables of `TX` that rules read their settings from, for example `allowed_methods`.
    pub settings: Vec<(String, String)>,
    /// Bounds of the body's readers.
    pub body: BodyLimits,
    /// Whether a body that could not be read to its end is refused without a rule that says so.
    pub refuse_unread: bool,
    /// Most work, in bytes looked at, for one request or response. Beyond it a request is refused.
    pub steps: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            mode: Mode::Block,
            paranoia: 1,
            detection: 1,
            inbound_threshold: 5,
            outbound_threshold: 4,
            exclusions: Vec::new(),
            conversation_text: Vec::new(),
            settings: Vec::new(),
            body: BodyLimits::default(),
            refuse_unread: false,
            steps: DEFAULT_STEPS,
        }
    }
}

impl Policy {
    /// A policy that refuses at this paranoia level.
    #[must_use]
    pub fn block(paranoia: u8) -> Self {
        Self { paranoia, detection: paranoia, ..Self::default() }
    }

    /// A policy that only watches at this paranoia level.
    #[must_use]
    pub fn observe(paranoia: u8) -> Self {
        Self { mode: Mode::Observe, ..Self::block(paranoia) }
    }
}

/// Rules that do not hold on a route, wholly or for one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exclusion {
    pub(crate) rules: Pick,
    pub(crate) target: Option<Target>,
}

impl Exclusion {
    /// All rules with ids in this range.
    #[must_use]
    pub fn ids(ids: RangeInclusive<u32>) -> Self {
        Self { rules: Pick::Ids(vec![ids]), target: None }
    }

    /// All rules with this tag.
    #[must_use]
    pub fn tag(tag: impl Into<String>) -> Self {
        Self { rules: Pick::Tag(tag.into()), target: None }
    }

    /// The same rules, but only this target of them is taken away, for example `ARGS:note`.
    ///
    /// # Errors
    /// When the target is not one that rules could name.
    pub fn of_target(mut self, target: &str) -> Result<Self, LoadError> {
        let place = Place { file: "exclusion".into(), line: 1 };
        self.target =
            Some(seclang::target(target).map_err(|(what, mend)| LoadError::at(&place, what, mend))?);
        Ok(self)
    }
}
