//! A refusal looked up by the reference that a visitor was given: which rules, on what, and when. What
//! matched is nowhere kept, so it cannot be shown.

use guard::Permit;
use guard::action::ReadTraffic;
use kernel::{RequestId, Timestamp};
use ledger::{Json, Record};
use store::audit::{self, Leaf};

use crate::Desk;
use crate::page::When;
use crate::trouble::Trouble;

/// What was found under a reference.
pub(crate) enum Found {
    /// What was typed is no reference.
    NoReference,
    /// Nothing is recorded under it; when it was given out.
    Nothing(When),
    /// A refusal.
    Refusal(Refusal),
}

/// One refused request.
pub(crate) struct Refusal {
    pub(crate) at: When,
    pub(crate) index: u64,
    pub(crate) rules: Vec<String>,
    pub(crate) score: u64,
    pub(crate) threshold: u64,
    pub(crate) route: String,
    pub(crate) method: String,
    /// Whether the firewall only observed.
    pub(crate) passed: bool,
}

/// Looks a reference up, as it stands in an answer or as people copy it.
pub(crate) async fn look_up(desk: &Desk, permit: Permit<ReadTraffic>, typed: &str) -> Result<Found, Trouble> {
    let typed = typed.trim().trim_end_matches('.').to_ascii_lowercase();
    let bare = typed.strip_prefix("urn:wardroom:request:").unwrap_or(&typed);
    let Ok(reference) = bare.parse::<RequestId>() else { return Ok(Found::NoReference) };
    let leaf = desk.db.read(move |tx| audit::refusal(tx, &permit, reference)).await?;
    let found = leaf.as_ref().and_then(refusal).map(Found::Refusal);
    Ok(found.unwrap_or(Found::Nothing(When(given_out(reference)))))
}

/// References carry their time (RFC 9562, version 7).
fn given_out(reference: RequestId) -> Timestamp {
    audit::made(reference)
}

fn refusal(leaf: &Leaf) -> Option<Refusal> {
    let record = Record::parse(leaf.json.as_deref()?).ok()?;
    let number = |name| record.field(name).and_then(Json::as_whole).unwrap_or_default();
    let text = |json: Option<&Json>| json.and_then(Json::as_text).unwrap_or("unknown").to_owned();
    let rules = match record.field("rules") {
        Some(Json::List(rules)) => rules.iter().filter_map(Json::as_text).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    Some(Refusal {
        at: When(leaf.at),
        index: leaf.index,
        rules,
        score: number("score"),
        threshold: number("threshold"),
        route: text(record.field("route")),
        method: text(record.field("method")),
        passed: matches!(record.field("passed"), Some(Json::Flag(true))),
    })
}
