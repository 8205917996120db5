//! What two people must agree to: requests to destroy a version of a tenant's key, or to move the keys
//! to another root key. Whoever asks cannot agree, and nobody can after a day.

use std::time::Duration;

use guard::action::{
    ApproveKeyRequest, CancelKeyDestruction, MoveRoot, ReadKeys, ScheduleKeyDestruction, TendKeys,
};
use guard::{Action, Permit};
use kernel::{KeyRequestId, TenantId, Timestamp, UserId};

use crate::bound::{self, Bound};
use crate::custody::{KeyRefusal, WAIT_DAYS, schedule, spent};
use crate::words::states;
use crate::{Read, Row, StoreError, Tx, params};

states! {
    /// What a request asks for.
    RequestKind {
        /// The destruction of a version of the tenant's key.
        Destroy = "destroy",
        /// The move of the tenant's keys to another root key.
        Move = "move",
    }

    /// How far a request is.
    RequestState {
        /// Somebody asked; a second person has not agreed yet.
        Asked = "asked",
        /// A second person agreed; what it asks for is scheduled or under way.
        Approved = "approved",
        /// It was called off.
        Cancelled = "cancelled",
        /// Nobody agreed in time.
        Expired = "expired",
        /// What it asked for is done.
        Done = "done",
    }
}

/// How long a request waits for a second person.
pub const APPROVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// A request that needs a second person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRequest {
    /// Its id.
    pub id: KeyRequestId,
    /// What it asks for.
    pub kind: RequestKind,
    /// The version to destroy.
    pub version: Option<u32>,
    /// The days to wait before it is destroyed.
    pub days: Option<u32>,
    /// The provider to move to.
    pub root: Option<String>,
    /// How far it is.
    pub state: RequestState,
    /// Who asks; nobody stands for the operator.
    pub requested_by: Option<UserId>,
    /// When they asked.
    pub requested: Timestamp,
    /// When it can no longer be approved.
    pub expires: Timestamp,
    /// Who decided.
    pub decided_by: Option<UserId>,
    /// When they decided.
    pub decided: Option<Timestamp>,
}

/// Asks for the destruction of a version, `days` after a second person agreed.
///
/// # Errors
/// A [`KeyRefusal`] when the version is in use, still wraps keys, or the wait is not allowed.
pub fn ask_destruction(
    tx: &mut Tx<'_>,
    permit: &Permit<ScheduleKeyDestruction>,
    id: KeyRequestId,
    version: u32,
    days: u32,
    now: Timestamp,
) -> Result<KeyRequest, StoreError> {
    if !WAIT_DAYS.contains(&days) {
        return Err(StoreError::refuse(KeyRefusal::Wait));
    }
    spent(tx, permit.tenant(), version)?;
    let asked =
        Asked { id, kind: RequestKind::Destroy, version: Some(version), days: Some(days), root: None };
    ask(tx, permit, &asked, now)
}

/// Asks for the move to another root key.
///
/// # Errors
/// [`KeyRefusal::Already`] as a refusal when a move is asked for or under way.
pub fn ask_move(
    tx: &mut Tx<'_>,
    permit: &Permit<MoveRoot>,
    id: KeyRequestId,
    root: &str,
    now: Timestamp,
) -> Result<KeyRequest, StoreError> {
    let root = Some(root.to_owned());
    ask(tx, permit, &Asked { id, kind: RequestKind::Move, version: None, days: None, root }, now)
}

struct Asked {
    id: KeyRequestId,
    kind: RequestKind,
    version: Option<u32>,
    days: Option<u32>,
    root: Option<String>,
}

fn ask<A: Action>(
    tx: &mut Tx<'_>,
    permit: &Permit<A>,
    asked: &Asked,
    now: Timestamp,
) -> Result<KeyRequest, StoreError> {
    let tenant = permit.tenant();
    expire(tx, tenant, now)?;
    let open = tx.rows(
        "SELECT id, version FROM key_requests
         WHERE tenant = $1 AND kind = $2 AND (state = 'asked' OR state = 'approved')",
        params![tenant, asked.kind],
    )?;
    for mut row in open {
        let version: Option<u32> = row.take("version")?;
        if version == asked.version {
            return Err(StoreError::refuse(KeyRefusal::Already(row.take("id")?)));
        }
    }
    tx.insert(
        "key request",
        "INSERT INTO key_requests (tenant, id, kind, version, days, root, state, requested_by,
                                   requested_ms, expires_ms)
         VALUES ($1, $2, $3, $4, $5, $6, 'asked', $7, $8, $9) ON CONFLICT DO NOTHING",
        params![
            tenant,
            asked.id,
            asked.kind,
            asked.version,
            asked.days,
            asked.root,
            permit.user(),
            now,
            now.after(APPROVAL)
        ],
    )?;
    bound::bind(tx, Bound::KeyRequests, params![tenant, asked.id])?;
    request(tx, tenant, asked.id)?.ok_or(StoreError::Missing { what: "key request" })
}

/// A second person agrees. A destruction is scheduled thereby, and a move may be carried out.
///
/// # Errors
/// A [`KeyRefusal`] when it is not open, is the same person's, has expired, or the version has come
/// into use again.
pub fn approve(
    tx: &mut Tx<'_>,
    permit: &Permit<ApproveKeyRequest>,
    id: KeyRequestId,
    now: Timestamp,
) -> Result<KeyRequest, StoreError> {
    let tenant = permit.tenant();
    let refuse = |refusal| Err(StoreError::refuse(refusal));
    let asked = match request(tx, tenant, id)? {
        Some(asked) if asked.state == RequestState::Asked => asked,
        _ => return refuse(KeyRefusal::NoRequest),
    };
    // A clock that was set back must not lengthen a request's life: it is open from when it was made.
    if now >= asked.expires || now < asked.requested {
        return refuse(KeyRefusal::Expired);
    }
    if asked.requested_by == permit.user() {
        return refuse(KeyRefusal::OwnRequest);
    }
    let changed = tx.execute(
        "UPDATE key_requests SET state = 'approved', decided_by = $3, decided_ms = $4
         WHERE tenant = $1 AND id = $2 AND state = 'asked'",
        params![tenant, id, permit.user(), now],
    )?;
    if changed == 0 {
        return refuse(KeyRefusal::NoRequest);
    }
    bound::bind(tx, Bound::KeyRequests, params![tenant, id])?;
    match (asked.kind, asked.version, &asked.root) {
        (RequestKind::Destroy, Some(version), _) => {
            let days = asked.days.unwrap_or(*WAIT_DAYS.end());
            schedule(tx, tenant, version, Some(id), now, days)?;
        }
        (RequestKind::Move, _, Some(_)) => {}
        _ => return Err(StoreError::Malformed { what: "key request" }),
    }
    request(tx, tenant, id)?.ok_or(StoreError::Missing { what: "key request" })
}

/// Calls off a request that is not approved yet.
///
/// # Errors
/// [`KeyRefusal::NoRequest`] as a refusal when there is none that is open.
pub fn cancel_request(
    tx: &mut Tx<'_>,
    permit: &Permit<CancelKeyDestruction>,
    id: KeyRequestId,
    now: Timestamp,
) -> Result<KeyRequest, StoreError> {
    let (tenant, user) = (permit.tenant(), permit.user());
    let changed = bound::change(tx, Bound::KeyRequests, params![tenant, id], |tx| {
        tx.execute(
            "UPDATE key_requests SET state = 'cancelled', decided_by = $3, decided_ms = $4
             WHERE tenant = $1 AND id = $2 AND state = 'asked'",
            params![tenant, id, user, now],
        )
    })?;
    if changed == 0 {
        return Err(StoreError::refuse(KeyRefusal::NoRequest));
    }
    request(tx, permit.tenant(), id)?.ok_or(StoreError::Missing { what: "key request" })
}

/// Marks an approved move as done, once no version is wrapped by another provider than `root`. Gives
/// false, and changes nothing, while one is.
///
/// # Errors
/// Only what the database says.
pub fn moved(
    tx: &mut Tx<'_>,
    permit: &Permit<TendKeys>,
    id: KeyRequestId,
    root: &str,
) -> Result<bool, StoreError> {
    let tenant = permit.tenant();
    let changed = bound::change(tx, Bound::KeyRequests, params![tenant, id], |tx| {
        tx.execute(
            "UPDATE key_requests SET state = 'done' WHERE tenant = $1 AND id = $2 AND state = 'approved'
               AND NOT EXISTS (SELECT 1 FROM tenant_keys t
                               WHERE t.tenant = $1 AND t.state <> 'destroyed' AND t.provider <> $3)",
            params![tenant, id, *root],
        )
    })?;
    Ok(changed == 1)
}

/// Requests that nobody agreed to in time become expired; gives them.
///
/// # Errors
/// Only what the database says.
pub fn expire(tx: &mut Tx<'_>, tenant: TenantId, now: Timestamp) -> Result<u64, StoreError> {
    let rows = tx.rows(
        "UPDATE key_requests SET state = 'expired', decided_ms = $2
         WHERE tenant = $1 AND state = 'asked' AND expires_ms <= $2 RETURNING id",
        params![tenant, now],
    )?;
    bind_all(tx, tenant, rows)
}

/// Requests, the newest first.
///
/// # Errors
/// Only what the database says.
pub fn list(tx: &mut Read<'_>, permit: &Permit<ReadKeys>, limit: u32) -> Result<Vec<KeyRequest>, StoreError> {
    let rows = tx.rows(
        "SELECT * FROM key_requests WHERE tenant = $1 ORDER BY requested_ms DESC, id DESC LIMIT $2",
        params![permit.tenant(), limit],
    )?;
    bound::pass_over(tx, Bound::KeyRequests, rows)?.into_iter().map(request_of).collect()
}

/// Those that wait for a second person, the oldest first. No permit: whoever could agree is told that something
/// waits, and nothing of it.
///
/// # Errors
/// Only what the database says.
pub fn waiting(tx: &mut Read<'_>, tenant: TenantId, now: Timestamp) -> Result<Vec<KeyRequest>, StoreError> {
    let rows = tx.rows(
        "SELECT * FROM key_requests WHERE tenant = $1 AND state = 'asked' AND expires_ms > $2
         ORDER BY requested_ms, id LIMIT 100",
        params![tenant, now],
    )?;
    bound::pass_over(tx, Bound::KeyRequests, rows)?.into_iter().map(request_of).collect()
}

/// The move that is approved and not done, if there is one.
///
/// # Errors
/// Only what the database says.
pub fn move_under_way(tx: &mut Read<'_>, tenant: TenantId) -> Result<Option<KeyRequest>, StoreError> {
    let row = tx.row(
        "SELECT * FROM key_requests WHERE tenant = $1 AND kind = 'move' AND state = 'approved' LIMIT 1",
        params![tenant],
    )?;
    bound::held_one(tx, Bound::KeyRequests, row)?.map(request_of).transpose()
}

/// Binds requests that were ended: that takes nobody's rights, and gives none. Gives their number.
pub(crate) fn bind_all(tx: &mut Tx<'_>, tenant: TenantId, rows: Vec<Row>) -> Result<u64, StoreError> {
    let ended = rows.len() as u64;
    for mut row in rows {
        let id: KeyRequestId = row.take("id")?;
        bound::bind(tx, Bound::KeyRequests, params![tenant, id])?;
    }
    Ok(ended)
}

fn request(tx: &mut Read<'_>, tenant: TenantId, id: KeyRequestId) -> Result<Option<KeyRequest>, StoreError> {
    let row = tx.row("SELECT * FROM key_requests WHERE tenant = $1 AND id = $2", params![tenant, id])?;
    bound::held_one(tx, Bound::KeyRequests, row)?.map(request_of).transpose()
}

fn request_of(mut row: Row) -> Result<KeyRequest, StoreError> {
    Ok(KeyRequest {
        id: row.take("id")?,
        kind: row.take("kind")?,
        version: row.take("version")?,
        days: row.take("days")?,
        root: row.take("root")?,
        state: row.take("state")?,
        requested_by: row.take("requested_by")?,
        requested: row.take("requested_ms")?,
        expires: row.take("expires_ms")?,
        decided_by: row.take("decided_by")?,
        decided: row.take("decided_ms")?,
    })
}
