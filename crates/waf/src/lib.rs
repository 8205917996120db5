//! The web application firewall: SecLang rules, compiled, and run over one request.
//!
//! ```text
//! rule files -> seclang (typed tree) -> compile (program) -> engine (one request -> verdict)
//!                                                              ^ request, body, transform, operator
//! ```
//!
//! What it promises: rules are run as ModSecurity v3 runs them, in time linear in the request and within
//! a budget of work; what would exceed the budget is refused. What it does not promise: that a request
//! which passes is harmless. It is the outer of several walls.

pub mod body;
mod compile;
mod engine;
mod explain;
mod inspector;
pub mod operator;
mod policy;
pub mod request;
mod rules;
mod seclang;
pub mod transform;
mod value;
mod variable;
mod verdict;

pub use engine::Carried;
pub use explain::Explained;
pub use inspector::Inspector;
pub use policy::{Exclusion, Mode, Policy};
pub use rules::{Counts, Rules};
pub use seclang::{LoadError, Place, Source};
pub use transform::Transformation;
pub use value::{Body, BodyLimits, FilePart, Head, Pair, Processor, Request, Response};
pub use variable::Variable;
pub use verdict::{Cause, Decision, Effort, Match, Refusal, Signal, Verdict};
