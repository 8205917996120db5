//! The audit log for programs, the newest entries first. An entry is given as it was hashed.

use axum::extract::State;
use doors::{Authorized, Json, Query, Refusal};
use guard::action::ReadAudit;
use kernel::{Problem, ProblemKind};
use serde::Deserialize;
use serde_json::{Value, json};
use store::audit::{self as rows, Filter, Leaf};

use super::StaffApi;
use super::desk::of_store;

/// The most entries in one answer.
const MOST: u32 = 500;

/// Which entries are wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Only codes that begin so.
    code: Option<String>,
    /// Only entries before this place in the log.
    before: Option<u64>,
    limit: Option<u32>,
}

impl Wanted {
    fn filter(self) -> Result<Filter, Problem> {
        let refuse = |detail, mend| Problem::new(ProblemKind::Invalid, detail, mend);
        let limit = self.limit.unwrap_or(100);
        if !(1..=MOST).contains(&limit) {
            return Err(refuse("`limit` is out of range.", "Ask for 1 to 500."));
        }
        let code = self.code.unwrap_or_default().to_ascii_uppercase();
        if code.len() > 16 || !code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(refuse(
                "`code` is not the beginning of an event code.",
                "Write it like AUTH-1010W or CHAT.",
            ));
        }
        Ok(Filter { code, before: self.before, limit, ..Filter::default() })
    }
}

/// `GET /api/v1/audit/events`
pub(super) async fn list(
    leave: Authorized<ReadAudit>,
    State(desk): State<StaffApi>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Value>, Refusal> {
    let filter = wanted.filter()?;
    let (limit, permit) = (filter.limit, leave.into_permit());
    let found = desk.db.read(move |tx| rows::list(tx, &permit, &filter)).await.map_err(of_store)?;
    let full = u32::try_from(found.len()).is_ok_and(|found| found == limit);
    let next = found.last().filter(|_| full).map(|last| last.index);
    let events: Vec<Value> = found.iter().map(entry).collect();
    Ok(Json(json!({ "events": events, "next": next })))
}

/// The entry stands in the answer as a text, byte for byte as it was hashed.
fn entry(leaf: &Leaf) -> Value {
    let hash: String = leaf.leaf_hash.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({
        "index": leaf.index, "event": leaf.event, "code": leaf.code, "at": leaf.at.rfc3339(),
        "leaf_hash": hash, "entry": leaf.json.as_deref().map(String::from_utf8_lossy),
    })
}
