//! The rows of the audit ledger: leaves, the frontier they move, and signed checkpoints. An entry is
//! appended in the same transaction as the act it tells of, so there is no act without its entry and
//! no entry without its act.

use std::time::Duration;

use guard::action::{ExportAudit, ReadAudit, ReadTraffic, VerifyAudit, VerifyBackup};
use guard::{Action, Permit};
use kernel::{EventId, Id, RequestId, TenantId, Timestamp, UserId};
use ledger::verify::StoredLeaf;
use ledger::{Entry, Frontier, Hash};
use vault::{Place, Sealed};

use crate::engine::Engine;
use crate::places::SealedColumn;
use crate::{Read, Row, StoreError, Tx, params};

/// The setting that holds the seed of the log's signing key, sealed.
pub const SEED: &str = "audit.seed";

/// How long it may take at most until an entry is written.
const WRITTEN: Duration = Duration::from_secs(600);

/// The name under which a tenant's log is signed.
pub fn origin(tenant: TenantId) -> String {
    format!("wardroom/{tenant}")
}

/// What is personal about an entry, sealed at [`detail_place`]. The entry itself holds its SHA-256
/// ([`ledger::Header::detail`]).
#[derive(Debug)]
pub struct Detail {
    /// The sealed bytes.
    pub sealed: Sealed<Vec<u8>>,
    /// The generation of the key that seals them.
    pub key_gen: u32,
}

/// A leaf, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Its place in the log, from 0.
    pub index: u64,
    /// The event.
    pub event: EventId,
    /// The event's stable code.
    pub code: String,
    /// When it happened.
    pub at: Timestamp,
    /// The member of staff who did it, if one did.
    pub actor: Option<UserId>,
    /// The entry: canonical JSON; `None` when its time to be kept is over.
    pub json: Option<Vec<u8>>,
    /// The hash that went into the tree.
    pub leaf_hash: Hash,
    /// Whether there is a sealed detail.
    pub has_detail: bool,
}

impl From<Leaf> for StoredLeaf {
    fn from(leaf: Leaf) -> Self {
        Self { index: leaf.index, hash: leaf.leaf_hash, json: leaf.json }
    }
}

/// Which leaves are wanted.
#[derive(Debug, Clone)]
pub struct Filter {
    /// Only codes that begin with this, for example `AUTH-`.
    pub code: String,
    /// Only what this member of staff did.
    pub actor: Option<UserId>,
    /// Only at or after this moment.
    pub from: Timestamp,
    /// Only before this moment.
    pub to: Timestamp,
    /// Only leaves before this index: the last of the page before.
    pub before: Option<u64>,
    /// The most there may be on a page.
    pub limit: u32,
}

impl Default for Filter {
    fn default() -> Self {
        let (from, to) = (Timestamp::from_millis(0), Timestamp::MAX);
        Self { code: String::new(), actor: None, from, to, before: None, limit: 50 }
    }
}

/// The place of an entry's detail.
pub fn detail_place(tenant: TenantId, event: EventId) -> Place {
    SealedColumn::LedgerDetail.of(tenant, event)
}

/// Appends an entry to its tenant's log and gives its index. `actor` is kept beside the leaf so that
/// it can be looked for. No permit: what is refused is recorded too.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such tenant; [`StoreError::Contended`] when others were
/// first again and again (the writer then runs the whole job again); [`StoreError::Malformed`] when
/// the stored frontier is damaged.
pub fn append(
    tx: &mut Tx<'_>,
    entry: &Entry,
    actor: Option<UserId>,
    detail: Option<&Detail>,
) -> Result<u64, StoreError> {
    let (tenant, leaf_hash) = (entry.tenant(), entry.leaf_hash());
    let index = match advance(tx, tenant, leaf_hash)? {
        Some(index) => index,
        // Another process was first. A busy one would be first again, so the place is held now.
        None => {
            hold(tx, tenant)?;
            advance(tx, tenant, leaf_hash)?.ok_or(StoreError::Contended)?
        }
    };
    tx.execute(
        "INSERT INTO ledger_leaves (tenant, idx, event, code, at_ms, actor, json, leaf_hash, detail, detail_gen)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        params![
            tenant,
            index,
            entry.event(),
            entry.code(),
            entry.at(),
            actor,
            entry.json(),
            leaf_hash,
            detail.map(|detail| &detail.sealed),
            detail.map(|detail| detail.key_gen)
        ],
    )?;
    Ok(index)
}

/// Moves the frontier on by one leaf, and gives the leaf's index; `None` when another process was first.
fn advance(tx: &mut Tx<'_>, tenant: TenantId, leaf_hash: Hash) -> Result<Option<u64>, StoreError> {
    let mut frontier = frontier(tx, tenant)?;
    let index = frontier.append(leaf_hash);
    let moved = tx.execute(MOVE_EDGE, params![tenant, frontier.size(), frontier.to_bytes(), index])?;
    Ok((moved > 0).then_some(index))
}

/// Takes the next place in a tenant's log until the transaction ends. A job that changes many rows
/// before it appends its event begins with this: whoever waits then waits here, and two programs never
/// wait for each other.
///
/// # Errors
/// Only what the database says.
pub fn hold(tx: &mut Tx<'_>, tenant: TenantId) -> Result<(), StoreError> {
    tx.execute("UPDATE ledger_trees SET size = size WHERE tenant = $1", params![tenant])?;
    Ok(())
}

/// The frontier of a tenant's log, to be signed. No permit: checkpoints are made by the clock.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such tenant, [`StoreError::Malformed`] when it is damaged.
pub fn frontier(tx: &mut Read<'_>, tenant: TenantId) -> Result<Frontier, StoreError> {
    let row = tx.row(EDGE, params![tenant])?;
    edge_of(row.ok_or(StoreError::Missing { what: "tenant" })?)
}

/// How many entries a tenant's log has. No permit: a number, by which a process learns that another one wrote.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such tenant.
pub fn size(tx: &mut Read<'_>, tenant: TenantId) -> Result<u64, StoreError> {
    let row = tx.row("SELECT size FROM ledger_trees WHERE tenant = $1", params![tenant])?;
    Ok(row.ok_or(StoreError::Missing { what: "tenant" })?.take("size")?)
}

/// Of the entries from one index up to another, those by which a stream learns that its conversation grew or
/// changed hands. No permit: they wake streams, each of which reads under its own leave, and are shown to nobody.
///
/// # Errors
/// Only what the database says.
pub fn spoken(tx: &mut Read<'_>, tenant: TenantId, from: u64, to: u64) -> Result<Vec<Vec<u8>>, StoreError> {
    let rows = tx.rows(
        "SELECT json FROM ledger_leaves
         WHERE tenant = $1 AND idx >= $2 AND idx < $3 AND json IS NOT NULL
           AND code IN ('CHAT-1001I', 'CHAT-1002I', 'CHAT-1003I', 'CHAT-1004I', 'CHAT-1006I', 'CHAT-1010I')
         ORDER BY idx",
        params![tenant, from, to],
    )?;
    rows.into_iter().map(|mut row| Ok(row.take("json")?)).collect()
}

const EDGE: &str = "SELECT size, frontier FROM ledger_trees WHERE tenant = $1";
const MOVE_EDGE: &str = "UPDATE ledger_trees SET size = $2, frontier = $3 WHERE tenant = $1 AND size = $4";

/// The same for the writer itself.
pub(crate) fn edge(engine: &mut dyn Engine, tenant: TenantId) -> Result<Frontier, StoreError> {
    let row = engine.query(EDGE, params![tenant])?.into_iter().next();
    edge_of(row.ok_or(StoreError::Missing { what: "tenant" })?)
}

/// Moves the edge of a log that still has `was` leaves.
pub(crate) fn move_edge(
    engine: &mut dyn Engine,
    tenant: TenantId,
    was: u64,
    edge: &Frontier,
) -> Result<(), StoreError> {
    let (size, bytes) = (edge.size(), edge.to_bytes());
    if engine.execute(MOVE_EDGE, params![tenant, size, bytes, was])? == 1 {
        Ok(())
    } else {
        Err(StoreError::Contended)
    }
}

fn edge_of(mut row: Row) -> Result<Frontier, StoreError> {
    let (size, bytes): (u64, Vec<u8>) = (row.take("size")?, row.take("frontier")?);
    match Frontier::from_bytes(&bytes) {
        Ok(frontier) if frontier.size() == size => Ok(frontier),
        _ => Err(StoreError::Malformed { what: "frontier" }),
    }
}

/// Files a signed checkpoint. No permit: checkpoints are made by the clock.
///
/// # Errors
/// [`StoreError::Conflict`] when there is another for this size.
pub fn save_checkpoint(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    size: u64,
    note: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.insert(
        "checkpoint",
        "INSERT INTO ledger_checkpoints (tenant, size, note, at_ms) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING",
        params![tenant, size, note, now],
    )
}

/// The newest checkpoint: the size it vouches for, and its text. No permit: it is public by nature.
///
/// # Errors
/// Only what the database says.
pub fn last_checkpoint(tx: &mut Read<'_>, tenant: TenantId) -> Result<Option<(u64, String)>, StoreError> {
    let row = tx.row(
        "SELECT size, note FROM ledger_checkpoints WHERE tenant = $1 ORDER BY size DESC LIMIT 1",
        params![tenant],
    )?;
    row.map(|mut row| Ok((row.take("size")?, row.take("note")?))).transpose()
}

/// The checkpoint that was filed for exactly this size. No permit: it is public by nature.
///
/// # Errors
/// Only what the database says.
pub fn checkpoint_at(tx: &mut Read<'_>, tenant: TenantId, size: u64) -> Result<Option<String>, StoreError> {
    let row =
        tx.row("SELECT note FROM ledger_checkpoints WHERE tenant = $1 AND size = $2", params![tenant, size])?;
    row.map(|mut row| Ok(row.take("note")?)).transpose()
}

/// Leave to walk a tenant's whole log.
pub trait Walks: Action {}
impl Walks for VerifyAudit {}
impl Walks for ExportAudit {}
impl Walks for VerifyBackup {}

/// Every checkpoint, the oldest first.
///
/// # Errors
/// Only what the database says.
pub fn checkpoints<A: Walks>(
    tx: &mut Read<'_>,
    permit: &Permit<A>,
) -> Result<Vec<(u64, String)>, StoreError> {
    let rows = tx.rows(
        "SELECT size, note FROM ledger_checkpoints WHERE tenant = $1 ORDER BY size",
        params![permit.tenant()],
    )?;
    rows.into_iter().map(|mut row| Ok((row.take("size")?, row.take("note")?))).collect()
}

/// The next leaves of the permit's log from index `from`, in order, at most `limit`: walk the whole
/// log by calling it again after the last index. An index that is missing is the verifier's to notice.
///
/// # Errors
/// Only what the database says.
pub fn walk<A: Walks>(
    tx: &mut Read<'_>,
    permit: &Permit<A>,
    from: u64,
    limit: u32,
) -> Result<Vec<Leaf>, StoreError> {
    let rows = tx.rows(
        "SELECT idx, event, code, at_ms, actor, json, leaf_hash, detail_gen FROM ledger_leaves
         WHERE tenant = $1 AND idx >= $2 ORDER BY idx LIMIT $3",
        params![permit.tenant(), from, limit],
    )?;
    rows.into_iter().map(leaf_of).collect()
}

/// The same for the leaves of one code.
///
/// # Errors
/// Only what the database says.
pub fn walk_of<A: Walks>(
    tx: &mut Read<'_>,
    permit: &Permit<A>,
    code: &str,
    from: u64,
    limit: u32,
) -> Result<Vec<Leaf>, StoreError> {
    let rows = tx.rows(
        "SELECT idx, event, code, at_ms, actor, json, leaf_hash, detail_gen FROM ledger_leaves
         WHERE tenant = $1 AND code = $2 AND idx >= $3 ORDER BY idx LIMIT $4",
        params![permit.tenant(), code, from, limit],
    )?;
    rows.into_iter().map(leaf_of).collect()
}

/// A page of leaves, the newest first.
///
/// # Errors
/// Only what the database says.
pub fn list(tx: &mut Read<'_>, permit: &Permit<ReadAudit>, filter: &Filter) -> Result<Vec<Leaf>, StoreError> {
    // A range instead of LIKE: what was typed is never a pattern, and the index serves it. No code
    // has a character above `~`.
    let code_end = format!("{}~", filter.code);
    let rows = tx.rows(
        "SELECT idx, event, code, at_ms, actor, json, leaf_hash, detail_gen FROM ledger_leaves
         WHERE tenant = $1 AND idx < $2 AND at_ms >= $3 AND at_ms < $4
           AND (code >= $5 AND code < $6) AND (actor = $7 OR $8 = 0)
         ORDER BY idx DESC LIMIT $9",
        params![
            permit.tenant(),
            filter.before.unwrap_or(u64::MAX),
            filter.from,
            filter.to,
            filter.code,
            code_end,
            filter.actor,
            i64::from(filter.actor.is_some()),
            filter.limit
        ],
    )?;
    rows.into_iter().map(leaf_of).collect()
}

/// The firewall's refusal of the request with this reference, if it was recorded by itself.
///
/// # Errors
/// Only what the database says.
pub fn refusal(
    tx: &mut Read<'_>,
    permit: &Permit<ReadTraffic>,
    reference: RequestId,
) -> Result<Option<Leaf>, StoreError> {
    // The reference is older than its entry, which waits its turn to be written.
    let from = made(reference);
    let rows = tx.rows(
        "SELECT idx, event, code, at_ms, actor, json, leaf_hash, detail_gen FROM ledger_leaves
         WHERE tenant = $1 AND at_ms >= $2 AND at_ms < $3 AND code = $4 ORDER BY idx LIMIT 5000",
        params![permit.tenant(), from, from.after(WRITTEN), "EDGE-1003W"],
    )?;
    let name = format!("\"correlation_uid\":\"{reference}\"");
    let said = |leaf: &Leaf| {
        let json = leaf.json.as_deref().unwrap_or_default();
        json.windows(name.len()).any(|window| window == name.as_bytes())
    };
    let leaves = rows.into_iter().map(leaf_of).collect::<Result<Vec<_>, _>>()?;
    Ok(leaves.into_iter().find(said))
}

/// When a reference was made: it begins with its time (RFC 9562, version 7).
pub fn made(reference: RequestId) -> Timestamp {
    let [a, b, c, d, e, f, ..] = reference.to_bytes();
    Timestamp::from_millis(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
}

/// The sealed detail of one entry, with the generation of the key that seals it.
///
/// # Errors
/// Only what the database says.
pub fn detail(
    tx: &mut Read<'_>,
    permit: &Permit<ReadAudit>,
    index: u64,
) -> Result<Option<Detail>, StoreError> {
    let row = tx.row(
        "SELECT detail, detail_gen FROM ledger_leaves
         WHERE tenant = $1 AND idx = $2 AND detail IS NOT NULL",
        params![permit.tenant(), index],
    )?;
    row.map(|mut row| Ok(Detail { sealed: row.take("detail")?, key_gen: row.take("detail_gen")? }))
        .transpose()
}

fn leaf_of(mut row: Row) -> Result<Leaf, StoreError> {
    let generation: Option<u32> = row.take("detail_gen")?;
    Ok(Leaf {
        index: row.take("idx")?,
        event: row.take("event")?,
        code: row.take("code")?,
        at: row.take("at_ms")?,
        actor: row.take("actor")?,
        json: row.take("json")?,
        leaf_hash: row.take("leaf_hash")?,
        has_detail: generation.is_some(),
    })
}
