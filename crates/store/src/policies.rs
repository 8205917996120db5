//! Policies as they were changed. A version is proposed by one and approved by another; the newest that is
//! in force is what the guard decides by, and when there is none, the policies that ship.

use std::time::Duration;

use guard::Permit;
use guard::action::{ApprovePolicy, ProposePolicy, ReadPolicy, RollBackPolicy};
use kernel::{Reason, RequestId, TenantId, Timestamp, UserId};
use vault::{Place, Sealed};

use crate::bound::{self, Bound};
use crate::places::SealedColumn;
use crate::words::states;
use crate::{Read, Row, StoreError, Tx, params};

states! {
    /// What became of a version.
    VersionState {
        /// A second person has not agreed yet.
        Proposed = "proposed",
        /// The guard decides by it.
        InForce = "in-force",
        /// Another came in its place.
        Replaced = "replaced",
        /// Somebody said no, or the proposer took it back.
        Refused = "refused",
        /// Nobody agreed in time.
        Expired = "expired",
    }
}

/// How long a proposal waits for a second person: three days.
pub const APPROVAL: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// Why the records of policies refuse an act that the guard would allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyRefusal {
    /// There is no such version, or it is no longer open.
    #[error("there is no open proposal of that number")]
    NoProposal,
    /// There is no such version that was ever in force.
    #[error("no version of that number was ever in force")]
    NeverInForce,
    /// Whoever proposes cannot also agree.
    #[error("whoever proposed it cannot agree to it; a second person must")]
    OwnProposal,
    /// Nobody agreed within [`APPROVAL`].
    #[error("the proposal has expired; propose it again")]
    Expired,
    /// Another change came in between: what was rehearsed is not what would change.
    #[error("other policies came into force since it was proposed; propose it again")]
    Overtaken,
}

/// A version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its number.
    pub version: u64,
    /// The row, for its seals.
    pub id: RequestId,
    /// What became of it.
    pub state: VersionState,
    /// SHA-256 of the files.
    pub digest: [u8; 32],
    /// The generation of the key that seals files and reason.
    pub key_gen: u32,
    /// The files, sealed at [`files_place`].
    pub files: Sealed<Vec<u8>>,
    /// Why, sealed at [`reason_place`].
    pub reason: Sealed<Reason>,
    /// The version that it puts in force again; 0 for the policies that ship.
    pub restores: Option<u64>,
    /// Who proposed it; nobody stands for the operator.
    pub proposed_by: Option<UserId>,
    /// When.
    pub proposed: Timestamp,
    /// When it can no longer be approved.
    pub expires: Timestamp,
    /// Who approved or refused it.
    pub decided_by: Option<UserId>,
    /// When.
    pub decided: Option<Timestamp>,
}

/// What is new about a version.
#[derive(Debug)]
pub struct NewVersion {
    /// The row, for its seals.
    pub id: RequestId,
    /// SHA-256 of the files.
    pub digest: [u8; 32],
    /// The generation of the key that seals files and reason.
    pub key_gen: u32,
    /// The files, sealed at [`files_place`].
    pub files: Sealed<Vec<u8>>,
    /// Why, sealed at [`reason_place`].
    pub reason: Sealed<Reason>,
}

/// The place of a version's files.
pub fn files_place(tenant: TenantId, id: RequestId) -> Place {
    SealedColumn::PolicyFiles.of(tenant, id)
}

/// The place of a version's reason.
pub fn reason_place(tenant: TenantId, id: RequestId) -> Place {
    SealedColumn::PolicyReason.of(tenant, id)
}

/// Files a proposal and gives its number.
///
/// # Errors
/// Only what the database says.
pub fn propose(
    tx: &mut Tx<'_>,
    permit: &Permit<ProposePolicy>,
    new: &NewVersion,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let tenant = permit.tenant();
    expire(tx, tenant, now)?;
    let version = next(tx, tenant)?;
    put(
        tx,
        tenant,
        &Filed { version, new, state: VersionState::Proposed, by: permit.user(), restores: None },
        now,
    )?;
    Ok(version)
}

/// A second person agrees: the version comes into force, and what was in force is replaced. `over` is the
/// version in force on which the rehearsal that was agreed to was made.
///
/// # Errors
/// A [`PolicyRefusal`] when it is not open, is the same person's, has expired or was overtaken.
pub fn approve(
    tx: &mut Tx<'_>,
    permit: &Permit<ApprovePolicy>,
    version: u64,
    over: Option<u64>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let tenant = permit.tenant();
    let proposal = open(tx, tenant, version, now)?;
    if proposal.proposed_by == permit.user() {
        return Err(StoreError::refuse(PolicyRefusal::OwnProposal));
    }
    if in_force(tx, tenant)?.map(|version| version.version) != over {
        return Err(StoreError::refuse(PolicyRefusal::Overtaken));
    }
    replace(tx, tenant)?;
    decide(tx, tenant, version, VersionState::InForce, permit.user(), now)
}

/// Somebody refuses a proposal; its proposer may, too, which takes it back.
///
/// # Errors
/// A [`PolicyRefusal`] when it is not open.
pub fn refuse(
    tx: &mut Tx<'_>,
    permit: &Permit<ApprovePolicy>,
    version: u64,
    now: Timestamp,
) -> Result<(), StoreError> {
    let tenant = permit.tenant();
    open(tx, tenant, version, now)?;
    decide(tx, tenant, version, VersionState::Refused, permit.user(), now)
}

/// Puts an earlier version in force again, as a new version with the same files; with `to` 0, the policies
/// that ship. Gives the new number.
///
/// # Errors
/// [`PolicyRefusal::NeverInForce`] as a refusal.
pub fn roll_back(
    tx: &mut Tx<'_>,
    permit: &Permit<RollBackPolicy>,
    to: u64,
    new: &NewVersion,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let tenant = permit.tenant();
    let was = find(tx, tenant, to)?.is_some_and(|version| version.state == VersionState::Replaced);
    if to != 0 && !was {
        return Err(StoreError::refuse(PolicyRefusal::NeverInForce));
    }
    replace(tx, tenant)?;
    let version = next(tx, tenant)?;
    let filed = Filed { version, new, state: VersionState::InForce, by: permit.user(), restores: Some(to) };
    put(tx, tenant, &filed, now)?;
    Ok(version)
}

/// The version in force; none means the policies that ship. No permit: it is what the guard is made of.
///
/// # Errors
/// Only what the database says.
pub fn in_force(tx: &mut Read<'_>, tenant: TenantId) -> Result<Option<Version>, StoreError> {
    let row = tx.row(
        "SELECT * FROM policy_versions WHERE tenant = $1 AND state = 'in-force' ORDER BY version DESC LIMIT 1",
        params![tenant],
    )?;
    bound::held_one(tx, Bound::PolicyVersions, row)?.map(version_of).transpose()
}

/// The newest versions first.
///
/// # Errors
/// Only what the database says.
pub fn list(tx: &mut Read<'_>, permit: &Permit<ReadPolicy>, limit: u32) -> Result<Vec<Version>, StoreError> {
    let rows = tx.rows(
        "SELECT * FROM policy_versions WHERE tenant = $1 ORDER BY version DESC LIMIT $2",
        params![permit.tenant(), limit],
    )?;
    bound::pass_over(tx, Bound::PolicyVersions, rows)?.into_iter().map(version_of).collect()
}

/// Those that wait for a second person. No permit: whoever could agree is told that something waits, and nothing
/// of it.
///
/// # Errors
/// Only what the database says.
pub fn waiting(tx: &mut Read<'_>, tenant: TenantId, now: Timestamp) -> Result<Vec<Version>, StoreError> {
    let rows = tx.rows(
        "SELECT * FROM policy_versions WHERE tenant = $1 AND state = 'proposed' AND expires_ms > $2
         ORDER BY version LIMIT 20",
        params![tenant, now],
    )?;
    bound::pass_over(tx, Bound::PolicyVersions, rows)?.into_iter().map(version_of).collect()
}

/// One version. No permit: what may be done with it asks for its own.
///
/// # Errors
/// Only what the database says.
pub fn find(tx: &mut Read<'_>, tenant: TenantId, version: u64) -> Result<Option<Version>, StoreError> {
    let row =
        tx.row("SELECT * FROM policy_versions WHERE tenant = $1 AND version = $2", params![tenant, version])?;
    bound::held_one(tx, Bound::PolicyVersions, row)?.map(version_of).transpose()
}

/// A shape of decision that was met, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Met {
    /// SHA-256 of the shape.
    pub digest: [u8; 32],
    /// The shape, as its own text.
    pub shape: String,
    /// Whether it was permitted, the last time.
    pub allowed: bool,
    /// The policy that decided, the last time.
    pub rule: String,
    /// How often.
    pub times: u64,
    /// The last time.
    pub last: Timestamp,
}

/// How many shapes are kept; the one that was met longest ago makes room.
pub const SHAPES: u32 = 10_000;

/// Adds to the shapes that were met. No permit: the house counts its own decisions.
///
/// # Errors
/// Only what the database says.
pub fn meet(tx: &mut Tx<'_>, tenant: TenantId, met: &[Met]) -> Result<(), StoreError> {
    for one in met {
        tx.execute_one(
            "tenant",
            "INSERT INTO decision_shapes (tenant, digest, shape, allowed, rule, times, first_ms, last_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
             ON CONFLICT (tenant, digest) DO UPDATE
             SET allowed = excluded.allowed, rule = excluded.rule, last_ms = excluded.last_ms,
                 times = decision_shapes.times + excluded.times",
            params![tenant, one.digest, one.shape, one.allowed, one.rule, one.times, one.last],
        )?;
    }
    tx.execute(
        "DELETE FROM decision_shapes WHERE tenant = $1 AND digest IN (
             SELECT digest FROM decision_shapes WHERE tenant = $1
             ORDER BY last_ms DESC, digest LIMIT 1000 OFFSET $2)",
        params![tenant, SHAPES],
    )?;
    Ok(())
}

/// The shapes that were met, those met last first.
///
/// # Errors
/// Only what the database says.
pub fn shapes(tx: &mut Read<'_>, permit: &Permit<ReadPolicy>) -> Result<Vec<Met>, StoreError> {
    let rows = tx.rows(
        "SELECT digest, shape, allowed, rule, times, last_ms FROM decision_shapes WHERE tenant = $1
         ORDER BY last_ms DESC, digest LIMIT $2",
        params![permit.tenant(), SHAPES],
    )?;
    let met = |mut row: Row| {
        Ok(Met {
            digest: row.take("digest")?,
            shape: row.take("shape")?,
            allowed: row.take("allowed")?,
            rule: row.take("rule")?,
            times: row.take("times")?,
            last: row.take("last_ms")?,
        })
    };
    rows.into_iter().map(met).collect()
}

/// A proposal that can still be decided.
fn open(tx: &mut Read<'_>, tenant: TenantId, version: u64, now: Timestamp) -> Result<Version, StoreError> {
    let refuse = |refusal| Err(StoreError::refuse(refusal));
    match find(tx, tenant, version)? {
        // A clock that was set back must not lengthen a proposal's life.
        Some(found) if found.state == VersionState::Proposed => {
            if now >= found.expires || now < found.proposed {
                return refuse(PolicyRefusal::Expired);
            }
            Ok(found)
        }
        _ => refuse(PolicyRefusal::NoProposal),
    }
}

fn expire(tx: &mut Tx<'_>, tenant: TenantId, now: Timestamp) -> Result<(), StoreError> {
    let over = tx.rows(
        "SELECT * FROM policy_versions WHERE tenant = $1 AND state = 'proposed' AND expires_ms <= $2",
        params![tenant, now],
    )?;
    bound::held(tx, Bound::PolicyVersions, over)?;
    let rows = tx.rows(
        "UPDATE policy_versions SET state = 'expired', decided_ms = $2
         WHERE tenant = $1 AND state = 'proposed' AND expires_ms <= $2 RETURNING version",
        params![tenant, now],
    )?;
    bind_all(tx, tenant, rows)
}

fn replace(tx: &mut Tx<'_>, tenant: TenantId) -> Result<(), StoreError> {
    // A forged row must not become one that may be put in force again.
    in_force(tx, tenant)?;
    let rows = tx.rows(
        "UPDATE policy_versions SET state = 'replaced' WHERE tenant = $1 AND state = 'in-force' RETURNING version",
        params![tenant],
    )?;
    bind_all(tx, tenant, rows)
}

fn bind_all(tx: &mut Tx<'_>, tenant: TenantId, rows: Vec<Row>) -> Result<(), StoreError> {
    for mut row in rows {
        let version: u64 = row.take("version")?;
        bound::bind(tx, Bound::PolicyVersions, params![tenant, version])?;
    }
    Ok(())
}

fn decide(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    version: u64,
    state: VersionState,
    by: Option<UserId>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let changed = bound::change(tx, Bound::PolicyVersions, params![tenant, version], |tx| {
        tx.execute(
            "UPDATE policy_versions SET state = $3, decided_by = $4, decided_ms = $5
             WHERE tenant = $1 AND version = $2 AND state = 'proposed'",
            params![tenant, version, state, by, now],
        )
    })?;
    if changed == 1 { Ok(()) } else { Err(StoreError::refuse(PolicyRefusal::NoProposal)) }
}

fn next(tx: &mut Read<'_>, tenant: TenantId) -> Result<u64, StoreError> {
    let row = tx.row(
        "SELECT version FROM policy_versions WHERE tenant = $1 ORDER BY version DESC LIMIT 1",
        params![tenant],
    )?;
    let last: u64 = row.map(|mut row| row.take("version")).transpose()?.unwrap_or(0);
    Ok(last + 1)
}

struct Filed<'a> {
    version: u64,
    new: &'a NewVersion,
    state: VersionState,
    by: Option<UserId>,
    restores: Option<u64>,
}

fn put(tx: &mut Tx<'_>, tenant: TenantId, filed: &Filed<'_>, now: Timestamp) -> Result<(), StoreError> {
    let Filed { version, new, state, by, restores } = filed;
    tx.insert(
        "policy version",
        "INSERT INTO policy_versions (tenant, version, id, state, digest, key_gen, files, reason, restores,
                                      proposed_by, proposed_ms, expires_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING",
        params![
            tenant,
            *version,
            new.id,
            *state,
            new.digest,
            new.key_gen,
            new.files,
            new.reason,
            *restores,
            *by,
            now,
            now.after(APPROVAL)
        ],
    )?;
    bound::bind(tx, Bound::PolicyVersions, params![tenant, *version])
}

fn version_of(mut row: Row) -> Result<Version, StoreError> {
    Ok(Version {
        version: row.take("version")?,
        id: row.take("id")?,
        state: row.take("state")?,
        digest: row.take("digest")?,
        key_gen: row.take("key_gen")?,
        files: row.take("files")?,
        reason: row.take("reason")?,
        restores: row.take("restores")?,
        proposed_by: row.take("proposed_by")?,
        proposed: row.take("proposed_ms")?,
        expires: row.take("expires_ms")?,
        decided_by: row.take("decided_by")?,
        decided: row.take("decided_ms")?,
    })
}
