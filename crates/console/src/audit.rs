//! The audit log: read in pages, proved on demand, taken away as a file.

use std::sync::Arc;

use askama::Template;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::IntoResponse;
use doors::{Authorized, Form, Query};
use futures_util::stream;
use guard::Act;
use guard::action::{ExportAudit, ReadAudit, VerifyAudit};
use http::header;
use kernel::UserId;
use ledger::catalogue::{AuditExported, AuditVerified, AuditVerifyFailed};
use ledger::verify::{self, Expect, StoredLeaf, VerifyReport};
use ledger::{Json, Record};
use serde::Deserialize;
use store::audit::{self as rows, Filter, Leaf, Walks};
use store::{Db, StoreError};
use tokio::sync::mpsc;

use crate::Desk;
use crate::page::{Shell, When, chosen, day, html, may, shell};
use crate::trouble::{Answer, Trouble, internal, invalid};
use crate::via::ByDoor;

/// Entries on one page.
const PAGE: u32 = 50;
/// Leaves that are read from the database at once when the whole log is walked.
const STRIDE: u32 = 1000;

/// What the list is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    code: Option<String>,
    actor: Option<String>,
    from: Option<String>,
    to: Option<String>,
    before: Option<u64>,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct List {
    shell: Shell,
    wanted: Wanted,
    rows: Vec<Row>,
    older: Option<String>,
    verifies: bool,
    exports: bool,
}

struct Row {
    index: u64,
    at: When,
    code: String,
    name: &'static str,
    meaning: &'static str,
    severity: char,
    actor: String,
    fields: String,
    hash: String,
}

impl Wanted {
    fn filter(&self) -> Result<Filter, Trouble> {
        let mut filter = Filter { limit: PAGE, before: self.before, ..Filter::default() };
        if let Some(code) = chosen(&self.code) {
            let plain = code.len() <= 16 && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            if !plain {
                return Err(invalid(
                    "This is not the beginning of an event code.",
                    "Write it like AUTH-1010W or CHAT.",
                )
                .into());
            }
            filter.code = code.to_ascii_uppercase();
        }
        let actor = chosen(&self.actor).map(str::parse::<UserId>).transpose();
        filter.actor = actor.map_err(|_| {
            invalid("This is not an account's id.", "Copy it from an entry, or leave it out.")
        })?;
        filter.from = day(self.from.as_deref(), false)?.unwrap_or(filter.from);
        filter.to = day(self.to.as_deref(), true)?.unwrap_or(filter.to);
        Ok(filter)
    }

    fn beyond(&self, last: &Leaf) -> String {
        let mut address = "/audit?".to_owned();
        let fields = [("code", &self.code), ("actor", &self.actor), ("from", &self.from), ("to", &self.to)];
        // What is filtered by has been parsed: codes, ids and dates need no encoding.
        for (name, value) in fields {
            if let Some(value) = chosen(value) {
                address.push_str(&format!("{name}={value}&"));
            }
        }
        address + &format!("before={}", last.index)
    }
}

impl From<&Leaf> for Row {
    fn from(leaf: &Leaf) -> Self {
        let record = leaf.json.as_deref().and_then(|json| Record::parse(json).ok());
        let info = record.as_ref().map(Record::info);
        let severity = info.map_or('E', |info| info.severity.letter());
        let fields = record.as_ref().and_then(|record| record.json().get("unmapped")).map(own_fields);
        Self {
            index: leaf.index,
            at: When(leaf.at),
            code: leaf.code.clone(),
            name: info.map_or("unreadable or pruned", |info| info.name),
            meaning: info.map_or("The entry is pruned or damaged; verify the log to learn which.", |info| {
                info.meaning
            }),
            severity,
            actor: record.as_ref().and_then(Record::actor).unwrap_or("unknown").to_owned(),
            fields: fields.unwrap_or_default(),
            hash: brief(&hex_of(&leaf.leaf_hash)),
        }
    }
}

/// The event's own fields as a line of words. No content and no free text can stand in an event.
fn own_fields(json: &Json) -> String {
    let Json::Object(members) = json else { return String::new() };
    let one = |(name, value): &(std::borrow::Cow<'static, str>, Json)| match value {
        Json::Text(text) => format!("{name} {}", brief(text)),
        other => format!("{name} {}", brief(&String::from_utf8_lossy(&other.to_canonical()))),
    };
    members.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// A long value, such as a digest, by its beginning: the export has all of it.
fn brief(text: &str) -> String {
    if text.chars().count() <= 40 {
        return text.to_owned();
    }
    text.chars().take(16).chain(['…']).collect()
}

fn hex_of(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `GET /audit`
pub(crate) async fn list(
    leave: Authorized<ReadAudit>,
    State(desk): State<Desk>,
    Query(wanted): Query<Wanted>,
) -> Answer {
    let shell = shell(&desk, &leave, "Audit log", "/audit").await?;
    let actor = leave.permit().actor();
    let (verifies, exports) = (may(&desk, actor, Act::VerifyAudit), may(&desk, actor, Act::ExportAudit));
    let (filter, permit) = (wanted.filter()?, leave.into_permit());
    let found = desk.db.read(move |tx| rows::list(tx, &permit, &filter)).await?;
    let full = u32::try_from(found.len()).is_ok_and(|found| found == PAGE);
    let older = found.last().filter(|_| full).map(|last| wanted.beyond(last));
    let rows = found.iter().map(Row::from).collect();
    html(&List { shell, wanted, rows, older, verifies, exports })
}

/// A form with nothing but its token.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

#[derive(Template)]
#[template(path = "verified.html")]
struct Verified {
    shell: Shell,
    ok: bool,
    report: String,
}

/// `POST /audit/verify`: walks the whole log against its signed checkpoints, and records the outcome.
pub(crate) async fn verify(
    leave: Authorized<VerifyAudit>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Form(Nothing {}): Form<Nothing>,
) -> Answer {
    let shell = shell(&desk, &leave, "Verification", "/audit").await?;
    let permit = Arc::new(leave.into_permit());
    let report = walk(&desk, Arc::clone(&permit)).await?;
    let scribe = desk.keys.scribe(desk.tenant).await?;
    let entry = match &report.failure {
        None => {
            let root = rows_root(&report);
            let event = AuditVerified { leaves: report.leaves, checkpoints: report.checkpoints, root };
            scribe.write(&event, permit.actor(), &via)?
        }
        Some(failure) => {
            let event = AuditVerifyFailed { index: failure.index, fault: failure.fault.word() };
            scribe.write(&event, permit.actor(), &via)?
        }
    };
    desk.db.write(move |tx| entry.append(tx)).await?;
    html(&Verified { shell, ok: report.ok, report: report.to_string() })
}

fn rows_root(report: &VerifyReport) -> [u8; 32] {
    let mut root = [0; 32];
    for (byte, pair) in root.iter_mut().zip(report.root.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(pair).unwrap_or_default();
        *byte = u8::from_str_radix(digits, 16).unwrap_or_default();
    }
    root
}

/// Verifies the log while it is read, a stride at a time, so that memory does not grow with it.
async fn walk(desk: &Desk, permit: Arc<guard::Permit<VerifyAudit>>) -> Result<VerifyReport, Trouble> {
    let mut expect = Expect::signed_by(desk.log_keys.clone());
    expect.tenant = Some(desk.tenant);
    // Checkpoints first: then every one of them lies within the leaves that are read after.
    let inside = Arc::clone(&permit);
    let notes = desk.db.read(move |tx| rows::checkpoints(tx, &inside)).await?;
    let (sender, mut leaves) = mpsc::channel::<Result<StoredLeaf, StoreError>>(STRIDE as usize);
    let checking = tokio::task::spawn_blocking(move || {
        let notes = notes.into_iter().map(|(_, note)| Ok(note));
        verify::stored(std::iter::from_fn(|| leaves.blocking_recv()), notes, &expect)
    });
    let mut next = 0;
    'walk: loop {
        let page = match stride(&desk.db, &permit, next).await {
            Ok(page) => page,
            Err(error) => {
                let _ = sender.send(Err(error)).await;
                break;
            }
        };
        let Some(last) = page.last() else { break };
        next = last.index + 1;
        for leaf in page {
            // A verifier that found a fault has stopped listening.
            if sender.send(Ok(leaf.into())).await.is_err() {
                break 'walk;
            }
        }
    }
    drop(sender);
    Ok(checking.await.map_err(|error| internal(&error))??)
}

async fn stride<A: Walks>(
    db: &Db,
    permit: &Arc<guard::Permit<A>>,
    from: u64,
) -> Result<Vec<Leaf>, StoreError> {
    let inside = Arc::clone(permit);
    db.read(move |tx| rows::walk(tx, &inside, from, STRIDE)).await
}

/// `POST /audit/export`: every entry as a line of JSON, then every checkpoint. The event is written
/// first and is itself not part of the file.
pub(crate) async fn export(
    leave: Authorized<ExportAudit>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Form(Nothing {}): Form<Nothing>,
) -> Answer {
    let (tenant, permit) = (desk.tenant, Arc::new(leave.into_permit()));
    let inside = Arc::clone(&permit);
    let (frontier, notes) =
        desk.db.read(move |tx| Ok((rows::frontier(tx, tenant)?, rows::checkpoints(tx, &inside)?))).await?;
    let event = AuditExported { leaves: frontier.size(), root: frontier.root() };
    let entry = desk.keys.scribe(tenant).await?.write(&event, permit.actor(), &via)?;
    desk.db.write(move |tx| entry.append(tx)).await?;

    let (db, size) = (desk.db.clone(), frontier.size());
    let entries = stream::try_unfold(0, move |from| {
        let (db, permit) = (db.clone(), Arc::clone(&permit));
        async move {
            let page = if from < size { stride(&db, &permit, from).await? } else { Vec::new() };
            let Some(last) = page.last() else { return Ok::<_, StoreError>(None) };
            let next = last.index + 1;
            let lines: String = page.iter().filter(|leaf| leaf.index < size).map(entry_line).collect();
            Ok(Some((Bytes::from(lines), next)))
        }
    });
    let signed: String = notes
        .into_iter()
        .filter(|(at, _)| *at <= size)
        .map(|(at, note)| format!("{}\n", serde_json::json!({ "checkpoint": note, "size": at })))
        .collect();
    let end = stream::iter([Ok(Bytes::from(signed))]);
    let body = Body::from_stream(futures_util::StreamExt::chain(entries, end));
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"audit.ndjson\""),
    ];
    Ok((headers, body).into_response())
}

/// One entry of the file. The entry stands in it as a text, byte for byte as it was hashed.
fn entry_line(leaf: &Leaf) -> String {
    let entry = leaf.json.as_deref().map(String::from_utf8_lossy);
    let line =
        serde_json::json!({ "index": leaf.index, "leaf_hash": hex_of(&leaf.leaf_hash), "entry": entry });
    format!("{line}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_survives_its_hexadecimal_form() {
        let root: Vec<u8> = (0..32).map(|n| n * 7).collect();
        let report = VerifyReport { root: hex_of(&root), ..VerifyReport::default() };
        assert_eq!(rows_root(&report).as_slice(), root);
    }
}
