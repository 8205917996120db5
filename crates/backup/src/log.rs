//! Checking the audit log: signed, whole, its columns true to its entries, and what it speaks of there.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use guard::Permit;
use kernel::{ConversationId, EventId, MessageId, TenantId, Timestamp, UserId};
use ledger::verify::{self, Expect, StoredLeaf};
use ledger::{Record, Signer, VerifierKey};
use store::audit::{self, Walks};
use store::dump::Dumps;
use store::{StoreError, messages, settings};
use vault::Purpose;

use crate::BackupError;
use crate::check::{Checker, PAGE, said};
use crate::records::{CHAINED, View};

impl<A: Dumps + Walks> Checker<'_, A> {
    /// The columns beside an entry say what the entry says: it is by them that it is found. And the sealed
    /// detail is the one whose hash the entry has.
    pub(crate) fn leaf(&mut self, view: View<'_>) {
        if let Some(Some(json)) = view.get::<Option<Vec<u8>>>("json")
            && let Ok(entry) = Record::parse(&json)
        {
            // The actor's column is set for members of staff only.
            let said = entry
                .json()
                .get("actor")
                .and_then(|actor| actor.get("user"))
                .filter(|user| user.get("type").and_then(ledger::Json::as_text) == Some("User"));
            let staff = said.and_then(|user| user.get("uid")).and_then(ledger::Json::as_text);
            let actor = view.get::<Option<UserId>>("actor").map(|actor| actor.map(|user| user.to_string()));
            let agrees = view.get::<String>("code").as_deref() == Some(entry.info().code)
                && view.get::<EventId>("event") == Some(entry.event())
                && view.get::<Timestamp>("at_ms") == Some(entry.at())
                && actor.as_ref().map(Option::as_deref) == Some(staff);
            if !agrees {
                let what = "what stands beside the entry is not what the entry says";
                self.report.fault("ledger_leaves", view.name(), what);
            }
        }
        let (detail, json) = (view.get::<Option<Vec<u8>>>("detail"), view.get::<Option<Vec<u8>>>("json"));
        let (Some(detail), Some(Some(json))) = (detail, json) else { return };
        let said: Option<serde_json::Value> = serde_json::from_slice(&json).ok();
        let said = said.as_ref().and_then(|json| json.pointer("/unmapped/detail_sha256")?.as_str());
        let is =
            detail.map(|detail| hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &detail)));
        if said != is.as_deref() {
            self.report.fault("ledger_leaves", view.name(), "its sealed detail is not the one it names");
        }
    }

    /// The audit log: signed, whole, and every message it speaks of is there.
    pub(crate) async fn log(&mut self, at: usize, known: &[VerifierKey]) -> Result<(), BackupError> {
        let tenant = self.permit(at)?.tenant();
        let mut trusted = known.to_vec();
        match self.log_key(tenant).await? {
            Ok(key) if trusted.is_empty() || trusted.contains(&key) => trusted.push(key),
            Ok(_) => {
                self.report.fault("settings", audit::SEED, "the log's key is not the one that was noted")
            }
            Err(what) => self.report.fault("settings", audit::SEED, what),
        }
        let mut expect = Expect::signed_by(trusted);
        expect.tenant = Some(tenant);
        let inside = Arc::clone(self.permits);
        let walked = self.db.read(move |tx| {
            let permit = inside.get(at).ok_or(StoreError::Missing { what: "leave" })?;
            let checkpoints = audit::checkpoints(tx, permit)?.into_iter().map(|(_, note)| Ok(note));
            let expired = expiries(tx, permit)?;
            let (mut from, mut failed, mut lost, mut bindings) = (0, None, Vec::new(), 0);
            let mut page = Vec::new().into_iter();
            let leaves = std::iter::from_fn(|| {
                loop {
                    if let Some(leaf) = page.next() {
                        return Some(Ok::<StoredLeaf, Infallible>(leaf));
                    }
                    let next = audit::walk(tx, permit, from, PAGE).and_then(|leaves| {
                        for leaf in &leaves {
                            lost.extend(spoken_of(tx, permit, leaf, &expired)?);
                            bindings += u32::from(is_binding(leaf));
                        }
                        Ok(leaves)
                    });
                    match next {
                        Ok(leaves) if leaves.is_empty() => return None,
                        Ok(leaves) => {
                            from = leaves.last().map_or(from, |leaf| leaf.index + 1);
                            page = leaves.into_iter().map(StoredLeaf::from).collect::<Vec<_>>().into_iter();
                        }
                        Err(error) => {
                            failed = Some(error);
                            return None;
                        }
                    }
                }
            });
            let Ok(report) = verify::stored(leaves, checkpoints, &expect);
            match failed {
                Some(error) => Err(error),
                None => Ok((report, audit::frontier(tx, permit.tenant())?, lost, bindings)),
            }
        });
        match walked.await {
            Ok((report, frontier, lost, bindings)) => {
                if bindings > 1 {
                    let what = "the rows were bound anew, which happens once: the key before was removed";
                    self.report.fault("data_keys", "of the rows", what);
                }
                if let Some(failure) = &report.failure {
                    let row = failure.index.map_or_else(|| "the log".to_owned(), |index| index.to_string());
                    self.report.fault("ledger_leaves", row, format!("{:?}", failure.fault));
                } else if (frontier.size(), hex::encode(frontier.root()))
                    != (report.leaves, report.root.clone())
                {
                    self.report.fault("ledger_trees", "its only row", "its edge is not that of the leaves");
                }
                for row in lost {
                    self.report.fault(CHAINED, row, "the audit log speaks of it, and it is not there");
                }
                self.report.logs.push((tenant, report));
            }
            Err(error) => {
                let what = said(error)?;
                self.report.fault("ledger_leaves", "the log", what);
            }
        }
        Ok(())
    }

    /// The log's public key, out of its sealed seed.
    async fn log_key(&self, tenant: TenantId) -> Result<Result<VerifierKey, String>, BackupError> {
        let row = match self.db.read(move |tx| settings::get(tx, tenant, audit::SEED)).await {
            Ok(Some(row)) => row,
            Ok(None) => return Ok(Err("the seed of the log's key is missing".to_owned())),
            Err(error) => return Ok(Err(said(error)?)),
        };
        let key = match self.keychain.tenant_data_key_at(tenant, Purpose::Secrets, row.1).await {
            Ok(key) => key,
            Err(error) => return Ok(Err(said(error)?)),
        };
        let place = settings::value_place(tenant, audit::SEED);
        let seed = key.open(&place, &row.0).map_err(|error| error.to_string());
        Ok(seed.and_then(|seed| {
            let seed = <[u8; 32]>::try_from(seed.as_slice()).map_err(|_| "it is no seed".to_owned())?;
            let signer = Signer::from_seed(&audit::origin(tenant), &kernel::Secret::new(seed));
            signer.map(|signer| signer.verifier_key().clone()).map_err(|error| error.to_string())
        }))
    }
}

/// Whether an entry tells that the rows of a tenant were bound.
fn is_binding(leaf: &audit::Leaf) -> bool {
    leaf.code == "KEYS-1002I"
        && leaf
            .json
            .as_deref()
            .and_then(|json| Record::parse(json).ok())
            .is_some_and(|entry| entry.field("kind").and_then(ledger::Json::as_text) == Some("rows"))
}

/// The conversations that were deleted because they were over, and the moment since when nothing had
/// happened in them. The entries are among those whose hashes are checked.
fn expiries<A: Walks>(
    tx: &mut store::Read<'_>,
    permit: &Permit<A>,
) -> Result<HashMap<ConversationId, Timestamp>, StoreError> {
    let mut expired = HashMap::new();
    let mut from = 0;
    loop {
        let page = audit::walk_of(tx, permit, "CHAT-1011I", from, PAGE)?;
        let Some(last) = page.last() else { return Ok(expired) };
        from = last.index + 1;
        for leaf in page {
            let entry = leaf.json.as_deref().and_then(|json| Record::parse(json).ok());
            let told = entry.as_ref().and_then(|entry| {
                let conversation = entry.field("conversation")?.as_text()?.parse().ok()?;
                let days = entry.field("days")?.as_whole()?;
                Some((conversation, entry.at().before(Duration::from_secs(days * 24 * 60 * 60))))
            });
            expired.extend(told);
        }
    }
}

/// The message that an entry speaks of, if it is not where the entry says. One of a conversation that was
/// deleted when it was over may be gone; one that was said too late for that may not.
fn spoken_of<A: Dumps>(
    tx: &mut store::Read<'_>,
    permit: &Permit<A>,
    leaf: &audit::Leaf,
    expired: &HashMap<ConversationId, Timestamp>,
) -> Result<Option<String>, StoreError> {
    if !matches!(leaf.code.as_str(), "CHAT-1001I" | "CHAT-1002I") {
        return Ok(None);
    }
    let said: Option<serde_json::Value> =
        leaf.json.as_deref().and_then(|json| serde_json::from_slice(json).ok());
    let Some(said) = said.as_ref().and_then(|json| json.get("unmapped")) else { return Ok(None) };
    let text = |name: &str| said.get(name).and_then(serde_json::Value::as_str);
    let conversation: Option<ConversationId> = text("conversation").and_then(|text| text.parse().ok());
    let message: Option<MessageId> = text("message").and_then(|text| text.parse().ok());
    let seq = said.get("seq").and_then(serde_json::Value::as_u64);
    let (Some(conversation), Some(message), Some(seq)) = (conversation, message, seq) else {
        return Ok(None);
    };
    if expired.get(&conversation).is_some_and(|until| leaf.at < *until) {
        return Ok(None);
    }
    let there = messages::is_there(tx, permit, conversation, message, seq)?;
    Ok((!there).then(|| format!("{conversation}/{seq}")))
}
