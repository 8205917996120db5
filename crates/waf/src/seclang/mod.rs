//! SecLang, the rule language of ModSecurity: text in, a typed tree out. What is not understood is an
//! error with its file, its line and the mend; nothing is passed over in silence.

mod actions;
mod lex;
mod parse;
mod source;
mod targets;

pub use source::Source;

use crate::{Transformation, Variable};
use std::{fmt, ops::RangeInclusive, path::PathBuf, sync::Arc};

pub(crate) use source::read;

/// Where a directive stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was named to the loader.
    pub file: Arc<str>,
    /// Its line, counted from one.
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.file, self.line)
    }
}

/// Why rules could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file or folder could not be read.
    #[error("`{path}` could not be read")]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A folder in which nothing is a rule file: whoever named it means to be protected by rules.
    #[error("`{path}` holds no rules; name a folder with `*.conf` in it, or in its `rules`")]
    NoRules {
        /// The folder.
        path: PathBuf,
    },
    /// A directive is wrong or asks for what this engine does not do.
    #[error("{place}: {what}; {mend}")]
    Directive {
        /// Where.
        place: Place,
        /// What is wrong.
        what: String,
        /// What to write instead.
        mend: String,
    },
    /// The shared prefilter could not be built.
    #[error("the literal prefilter could not be built: {0}")]
    Prefilter(String),
}

impl LoadError {
    /// A directive's error.
    pub(crate) fn at(place: &Place, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::Directive { place: place.clone(), what: what.into(), mend: mend.into() }
    }
}

/// A single target, as `ctl` and exclusions name it; the error says what is wrong and the mend.
pub(crate) fn target(text: &str) -> Result<Target, (String, String)> {
    let mut found = targets::parse(text)?;
    match (found.pop(), found.is_empty()) {
        (Some(target), true) => Ok(target),
        _ => Err(("it names more than one target".to_owned(), "write one for each".to_owned())),
    }
}

/// One directive and its place.
#[derive(Clone, Debug)]
pub(crate) struct Directive {
    pub(crate) place: Place,
    /// Folder that files named by the directive are looked for in.
    pub(crate) folder: Option<Arc<std::path::Path>>,
    pub(crate) kind: DirectiveKind,
}

#[derive(Clone, Debug)]
pub(crate) enum DirectiveKind {
    /// `SecRule`, or `SecAction` when there is no condition.
    Rule(RuleText),
    /// `SecMarker`
    Marker(String),
    /// `SecDefaultAction`
    DefaultAction(Vec<Action>),
    /// `SecComponentSignature`
    Signature,
    /// `SecRuleRemoveById`, `..ByTag`, `..ByMsg`
    Remove(Pick),
    /// `SecRuleUpdateTargetById`, `..ByTag`, `..ByMsg`
    UpdateTarget(Pick, Vec<Target>),
    /// `SecRuleUpdateActionById`
    UpdateAction(u32, Vec<Action>),
}

/// Which rules a directive or a `ctl` speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pick {
    Ids(Vec<RangeInclusive<u32>>),
    Tag(String),
    Message(String),
}

#[derive(Clone, Debug)]
pub(crate) struct RuleText {
    /// Empty together with `operator: None`: an unconditional `SecAction`.
    pub(crate) targets: Vec<Target>,
    pub(crate) operator: Option<OperatorText>,
    pub(crate) actions: Vec<Action>,
}

#[derive(Clone, Debug)]
pub(crate) struct OperatorText {
    pub(crate) negated: bool,
    pub(crate) name: String,
    pub(crate) argument: String,
}

/// One target of a rule: `ARGS`, `!ARGS:/^x/`, `&REQUEST_HEADERS:Host`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    pub(crate) kind: TargetKind,
    pub(crate) variable: Variable,
    pub(crate) selector: Selector,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TargetKind {
    Include,
    Exclude,
    Count,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Selector {
    /// The whole collection.
    All,
    /// A name, compared without case.
    Name(String),
    /// A pattern over names.
    Pattern(String),
}

/// An action of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Id(u32),
    Phase(u8),
    Message(String),
    LogData(String),
    Severity(u8),
    Tag(String),
    Version,
    /// `t:none`
    NoTransformation,
    Transform(Transformation),
    /// `pass`
    Pass,
    /// `block`: what the phase's default action says.
    Block,
    /// `deny`, `drop`
    Deny,
    /// `allow`
    Allow(Allow),
    Status(u16),
    Log,
    NoLog,
    /// `auditlog`, `noauditlog`: the verdict is our audit.
    Audit,
    Capture,
    MultiMatch,
    Chain,
    Skip(u32),
    SkipAfter(String),
    SetVar(SetVarText),
    /// `initcol`: collections that outlive a request are not kept; the name is.
    InitCollection,
    Control(ControlText),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allow {
    Transaction,
    Phase,
    Request,
}

/// `setvar:tx.name=value`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SetVarText {
    pub(crate) name: String,
    pub(crate) change: Change,
    pub(crate) value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Set,
    Add,
    Subtract,
    Unset,
}

/// `ctl:`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ControlText {
    Remove(Pick),
    RemoveTarget(Pick, Target),
    RequestBodyProcessor(crate::Processor),
    /// `forceRequestBodyVariable`: `REQUEST_BODY` even where a reader takes the body apart.
    ForceRequestBody,
    /// `auditEngine`, `auditLogParts`: the verdict is our audit.
    Audit,
    /// `ruleEngine=Off` or `DetectionOnly`
    Engine(EngineMode),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EngineMode {
    On,
    Observe,
    Off,
}
