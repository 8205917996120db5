//! What the rules said of a request, without any of its content.

use crate::Variable;
use std::sync::Arc;

/// The outcome of an inspection. It names rules, never what they matched: that is content, and only
/// `explain` shows it, to a person who asked.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// What to do.
    pub decision: Decision,
    /// The refusal that observing held back.
    pub withheld: Option<Refusal>,
    /// Rules that matched and are to be logged, in the order they did.
    pub matches: Vec<Match>,
    /// The anomaly score that counted towards refusing the request.
    pub inbound_score: i64,
    /// The anomaly score that counted towards withholding the response.
    pub outbound_score: i64,
    /// What rules said of conversation text.
    pub signal: Signal,
    /// How much work it was.
    pub effort: Effort,
}

/// What to do with a request or a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Decision {
    /// Let it pass.
    #[default]
    Pass,
    /// Refuse it.
    Refuse(Refusal),
}

/// A refusal and its cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status to answer with.
    pub status: u16,
    /// Why.
    pub cause: Cause,
}

/// Why something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A rule refused.
    Rule(u32),
    /// The body could not be read to its end, and no rule has anything to say of that.
    Unread,
    /// The inspection would have needed more work than allowed; what cannot be inspected is refused.
    TooMuchWork,
}

/// One rule that matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The rule's id.
    pub rule: u32,
    /// The phase, 1 to 5.
    pub phase: u8,
    /// Its message as written, macros not filled in.
    pub message: Arc<str>,
    /// Its severity: 2 critical, 3 error, 4 warning, 5 notice.
    pub severity: Option<u8>,
    /// Its tags.
    pub tags: Arc<[Arc<str>]>,
    /// The kind of variable that matched; not its name, which a visitor may have chosen.
    pub variable: Option<Variable>,
}

/// What rules said of conversation text: a sign, never a refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signal {
    /// The score the rules would have added.
    pub score: i64,
    /// Their ids.
    pub rules: Vec<u32>,
}

/// How much work an inspection was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// Rules and links of chains that were reached.
    pub reached: u32,
    /// Of those, the ones whose operator had to look at a value.
    pub ran: u32,
    /// Bytes looked at or written, the unit of the work budget.
    pub steps: u64,
}

impl Verdict {
    /// Whether the request or response is to be refused.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.decision != Decision::Pass
    }

    /// Whether a rule of this id matched.
    #[must_use]
    pub fn has(&self, rule: u32) -> bool {
        self.matches.iter().any(|found| found.rule == rule)
    }
}
