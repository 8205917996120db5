//! Which rules matched which bytes, and what the value had become by then. Content: for a person who
//! asked, never for a log.

use crate::Variable;

/// One match of one rule or link of a chain.
#[derive(Clone, Debug)]
pub struct Explained {
    /// The rule's id; of a link, the id of its chain's first rule.
    pub rule: u32,
    /// The file and line of the rule or link.
    pub place: String,
    /// The phase, 1 to 5.
    pub phase: u8,
    /// What was looked at.
    pub variable: Option<Variable>,
    /// The member's full name, for example `ARGS:note`.
    pub name: Vec<u8>,
    /// The value as it came.
    pub original: Vec<u8>,
    /// The names of the transformations that changed it, in order.
    pub transformations: Vec<&'static str>,
    /// The value the operator saw.
    pub seen: Vec<u8>,
    /// The part of it that matched, if the operator says.
    pub part: Option<std::ops::Range<usize>>,
    /// The rule's message with its macros filled in.
    pub message: Vec<u8>,
    /// Its log data, likewise.
    pub log_data: Vec<u8>,
    /// Whether the rule is one that is logged.
    pub logged: bool,
    /// Whether this completed a rule (the last link of a chain).
    pub complete: bool,
    /// Whether it was conversation text, and so only a signal.
    pub signal: bool,
}
