//! Roles for a while, which a second person agrees to; and the uses of break-glass accounts, which somebody
//! else looks into.

use guard::action::{DecideAccess, ReadAccess, RequestAccess, ReviewBreakGlass};
use guard::{Grant, Permit};
use kernel::{AccessRequestId, Id, Reason, SessionId, TenantId, Timestamp, UserId};
use vault::{Place, Sealed};

use crate::access;
use crate::bound::{self, Bound};
use crate::places::SealedColumn;
use crate::words::{Keyed, states};
use crate::{Read, Row, StoreError, Tx, params};

states! {
    /// How far a request is.
    AccessState {
        /// Somebody asked; nobody has decided.
        Asked = "asked",
        /// A second person agreed: the role is held until its end.
        Approved = "approved",
        /// A second person did not agree.
        Refused = "refused",
        /// Whoever asked took it back.
        Withdrawn = "withdrawn",
        /// Nobody decided in time.
        Expired = "expired",
        /// The role was held, and is no longer.
        Ended = "ended",
    }
}

/// A wish to hold a role for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRequest {
    /// Its id.
    pub id: AccessRequestId,
    /// Who is to hold the role.
    pub user: UserId,
    /// The role and where it is to hold.
    pub grant: Grant,
    /// For how many hours.
    pub hours: u32,
    /// Why, sealed at [`reason_place`].
    pub reason: Keyed<Reason>,
    /// How far it is.
    pub state: AccessState,
    /// When it was asked for.
    pub asked: Timestamp,
    /// Who asked; nobody for the operator.
    pub asked_by: Option<UserId>,
    /// When it can no longer be approved.
    pub expires: Timestamp,
    /// When it was decided.
    pub decided: Option<Timestamp>,
    /// Who decided; nobody for the operator.
    pub decided_by: Option<UserId>,
    /// When the role ends by itself.
    pub until: Option<Timestamp>,
}

/// The place of a request's reason.
pub fn reason_place(tenant: TenantId, request: AccessRequestId) -> Place {
    SealedColumn::AccessReason.of(tenant, request)
}

/// Files a request for the permit's account.
///
/// # Errors
/// [`StoreError::Conflict`] when there is one of this id; [`StoreError::Missing`] when it is for another
/// account than the permit's.
pub fn ask(
    tx: &mut Tx<'_>,
    permit: &Permit<RequestAccess>,
    request: &AccessRequest,
) -> Result<(), StoreError> {
    if request.user != access::account(permit)? {
        return Err(StoreError::Missing { what: "account" });
    }
    tx.insert(
        "access request",
        "INSERT INTO access_requests (tenant, id, user_id, role, scope, hours, key_gen, reason, state, asked_ms,
                                      asked_by, expires_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'asked', $9, $10, $11) ON CONFLICT DO NOTHING",
        params![
            permit.tenant(),
            request.id,
            request.user,
            request.grant.role,
            request.grant.scope,
            request.hours,
            request.reason.1,
            request.reason.0,
            request.asked,
            permit.user(),
            request.expires
        ],
    )?;
    bound::bind(tx, Bound::AccessRequests, params![permit.tenant(), request.id])
}

/// Requests, the newest first: all of the tenant, or those for the permit's account.
///
/// # Errors
/// Only what the database says.
pub fn list(
    tx: &mut Read<'_>,
    permit: &Permit<ReadAccess>,
    limit: u32,
) -> Result<Vec<AccessRequest>, StoreError> {
    let only = permit.resource().account();
    let rows = tx.rows(
        "SELECT * FROM access_requests WHERE tenant = $1 AND (user_id = $2 OR $3 = 0)
         ORDER BY asked_ms DESC, id DESC LIMIT $4",
        params![permit.tenant(), only.map_or([0; 16], Id::to_bytes), i64::from(only.is_some()), limit],
    )?;
    bound::pass_over(tx, Bound::AccessRequests, rows)?.into_iter().map(request_of).collect()
}

/// A request by its id. No permit: whoever decides about one needs to know for whom it is before they can
/// be asked for leave.
///
/// # Errors
/// Only what the database says.
pub fn find(
    tx: &mut Read<'_>,
    tenant: TenantId,
    id: AccessRequestId,
) -> Result<Option<AccessRequest>, StoreError> {
    let row = tx.row("SELECT * FROM access_requests WHERE tenant = $1 AND id = $2", params![tenant, id])?;
    bound::held_one(tx, Bound::AccessRequests, row)?.map(request_of).transpose()
}

/// Decides about a request for the permit's account that nobody has decided about. With `until` it is
/// approved, without refused. False says that there is none such.
///
/// # Errors
/// Only what the database says.
pub fn decide(
    tx: &mut Tx<'_>,
    permit: &Permit<DecideAccess>,
    id: AccessRequestId,
    until: Option<Timestamp>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let state = if until.is_some() { AccessState::Approved } else { AccessState::Refused };
    let account = access::account(permit)?;
    let changed = bound::change(tx, Bound::AccessRequests, params![permit.tenant(), id], |tx| {
        tx.execute(
            "UPDATE access_requests SET state = $4, decided_ms = $5, decided_by = $6, until_ms = $7
             WHERE tenant = $1 AND id = $2 AND user_id = $3 AND state = 'asked' AND expires_ms > $5",
            params![permit.tenant(), id, account, state, now, permit.user(), until],
        )
    })?;
    Ok(changed == 1)
}

/// Takes back a request for the permit's account: one that is asked for is withdrawn, one whose role is held
/// ends now. Gives how it stood; nothing when there was nothing to take back.
///
/// # Errors
/// Only what the database says.
pub fn withdraw(
    tx: &mut Tx<'_>,
    permit: &Permit<RequestAccess>,
    id: AccessRequestId,
    now: Timestamp,
) -> Result<Option<AccessRequest>, StoreError> {
    let (tenant, account) = (permit.tenant(), access::account(permit)?);
    let Some(found) = find(tx, tenant, id)?.filter(|found| found.user == account) else { return Ok(None) };
    let next = match found.state {
        AccessState::Asked => AccessState::Withdrawn,
        AccessState::Approved => AccessState::Ended,
        _ => return Ok(None),
    };
    tx.execute_one(
        "access request",
        "UPDATE access_requests SET state = $3, until_ms = $4 WHERE tenant = $1 AND id = $2",
        params![tenant, id, next, (next == AccessState::Ended).then_some(now)],
    )?;
    bound::bind(tx, Bound::AccessRequests, params![tenant, id])?;
    drop_grant(tx, tenant, &found)?;
    Ok(Some(found))
}

/// Those that wait for a second person, the oldest first. No permit: whoever could decide is told that something
/// waits, and nothing of it.
///
/// # Errors
/// Only what the database says.
pub fn waiting(
    tx: &mut Read<'_>,
    tenant: TenantId,
    now: Timestamp,
) -> Result<Vec<AccessRequest>, StoreError> {
    let rows = tx.rows(
        "SELECT * FROM access_requests WHERE tenant = $1 AND state = 'asked' AND expires_ms > $2
         ORDER BY asked_ms, id LIMIT 100",
        params![tenant, now],
    )?;
    bound::pass_over(tx, Bound::AccessRequests, rows)?.into_iter().map(request_of).collect()
}

/// Uses of break-glass accounts that nobody has looked into, the oldest first. No permit, as for [`waiting`].
///
/// # Errors
/// Only what the database says.
pub fn glass_waiting(tx: &mut Read<'_>, tenant: TenantId) -> Result<Vec<GlassUse>, StoreError> {
    let rows = tx.rows(
        "SELECT * FROM break_glass_uses WHERE tenant = $1 AND reviewed_ms IS NULL
         ORDER BY used_ms, session LIMIT 100",
        params![tenant],
    )?;
    bound::pass_over(tx, Bound::GlassUses, rows)?.into_iter().map(use_of).collect()
}

/// What time alone has ended: requests that nobody decided about, and roles whose time is over. Gives them
/// as they stood before. No permit: nobody decides here; it follows from what was decided.
///
/// # Errors
/// Only what the database says.
pub fn run_out(tx: &mut Tx<'_>, tenant: TenantId, now: Timestamp) -> Result<Vec<AccessRequest>, StoreError> {
    let rows = tx.rows(
        "SELECT * FROM access_requests
         WHERE tenant = $1 AND ((state = 'asked' AND expires_ms <= $2) OR (state = 'approved' AND until_ms <= $2))
         ORDER BY asked_ms, id LIMIT 100",
        params![tenant, now],
    )?;
    let over = bound::pass_over(tx, Bound::AccessRequests, rows)?.into_iter().map(request_of);
    let over: Vec<AccessRequest> = over.collect::<Result<_, _>>()?;
    for request in &over {
        let next = match request.state {
            AccessState::Asked => AccessState::Expired,
            _ => AccessState::Ended,
        };
        tx.execute_one(
            "access request",
            "UPDATE access_requests SET state = $3 WHERE tenant = $1 AND id = $2",
            params![tenant, request.id, next],
        )?;
        bound::bind(tx, Bound::AccessRequests, params![tenant, request.id])?;
        drop_grant(tx, tenant, request)?;
    }
    Ok(over)
}

/// The source of a grant that came of a request.
pub const SOURCE: &str = "request";

/// The grant goes with its request, unless a later request for the same has taken its place.
fn drop_grant(tx: &mut Tx<'_>, tenant: TenantId, request: &AccessRequest) -> Result<(), StoreError> {
    if request.state == AccessState::Approved {
        tx.execute(
            "DELETE FROM grants
             WHERE tenant = $1 AND user_id = $2 AND role = $3 AND scope = $4 AND source = 'request'
               AND granted_ms = $5",
            params![tenant, request.user, request.grant.role, request.grant.scope, request.decided],
        )?;
    }
    Ok(())
}

fn request_of(mut row: Row) -> Result<AccessRequest, StoreError> {
    let reason: Sealed<Reason> = row.take("reason")?;
    Ok(AccessRequest {
        id: row.take("id")?,
        user: row.take("user_id")?,
        grant: Grant { role: row.take("role")?, scope: row.take("scope")? },
        hours: row.take("hours")?,
        reason: (reason, row.take("key_gen")?),
        state: row.take("state")?,
        asked: row.take("asked_ms")?,
        asked_by: row.take("asked_by")?,
        expires: row.take("expires_ms")?,
        decided: row.take("decided_ms")?,
        decided_by: row.take("decided_by")?,
        until: row.take("until_ms")?,
    })
}

/// A use of a break-glass account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlassUse {
    /// The session that began.
    pub session: SessionId,
    /// The account.
    pub user: UserId,
    /// When.
    pub used: Timestamp,
    /// By when somebody has to have looked into it.
    pub due: Timestamp,
    /// When somebody had.
    pub reviewed: Option<Timestamp>,
    /// Who; nobody for the operator.
    pub reviewed_by: Option<UserId>,
    /// What they found, sealed at [`finding_place`].
    pub finding: Option<Keyed<Reason>>,
}

/// The place of what was found.
pub fn finding_place(tenant: TenantId, session: SessionId) -> Place {
    SealedColumn::GlassFinding.of(tenant, session)
}

/// Remembers a use. No permit: it is part of the sign-in.
///
/// # Errors
/// Only what the database says.
pub fn glass_used(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    user: UserId,
    session: SessionId,
    now: Timestamp,
    due: Timestamp,
) -> Result<(), StoreError> {
    tx.insert(
        "break-glass use",
        "INSERT INTO break_glass_uses (tenant, session, user_id, used_ms, due_ms) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT DO NOTHING",
        params![tenant, session, user, now, due],
    )?;
    bound::bind(tx, Bound::GlassUses, params![tenant, session])
}

/// A use by its session. No permit: as [`find`].
///
/// # Errors
/// Only what the database says.
pub fn glass_use(
    tx: &mut Read<'_>,
    tenant: TenantId,
    session: SessionId,
) -> Result<Option<GlassUse>, StoreError> {
    let row = tx
        .row("SELECT * FROM break_glass_uses WHERE tenant = $1 AND session = $2", params![tenant, session])?;
    bound::held_one(tx, Bound::GlassUses, row)?.map(use_of).transpose()
}

/// Uses of the tenant, those that nobody has looked into first.
///
/// # Errors
/// Only what the database says.
pub fn glass_uses(
    tx: &mut Read<'_>,
    permit: &Permit<ReadAccess>,
    limit: u32,
) -> Result<Vec<GlassUse>, StoreError> {
    if permit.resource().account().is_some() {
        return Ok(Vec::new());
    }
    let rows = tx.rows(
        "SELECT * FROM break_glass_uses WHERE tenant = $1
         ORDER BY reviewed_ms IS NOT NULL, used_ms DESC, session LIMIT $2",
        params![permit.tenant(), limit],
    )?;
    bound::pass_over(tx, Bound::GlassUses, rows)?.into_iter().map(use_of).collect()
}

/// How many uses nobody has looked into, and how many of these are overdue. No permit: it is a number for
/// the posture of the house.
///
/// # Errors
/// Only what the database says.
pub fn glass_open(tx: &mut Read<'_>, tenant: TenantId, now: Timestamp) -> Result<(u64, u64), StoreError> {
    let row = tx.row(
        "SELECT COUNT(*) AS open_uses, COUNT(CASE WHEN due_ms <= $2 THEN 1 END) AS overdue
         FROM break_glass_uses WHERE tenant = $1 AND reviewed_ms IS NULL",
        params![tenant, now],
    )?;
    let mut row = row.ok_or(StoreError::Missing { what: "break-glass use" })?;
    Ok((row.take("open_uses")?, row.take("overdue")?))
}

/// Somebody has looked into a use of the permit's account. False says that somebody had, or that there is
/// none such.
///
/// # Errors
/// Only what the database says.
pub fn glass_reviewed(
    tx: &mut Tx<'_>,
    permit: &Permit<ReviewBreakGlass>,
    session: SessionId,
    finding: &Keyed<Reason>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let account = access::account(permit)?;
    let changed = bound::change(tx, Bound::GlassUses, params![permit.tenant(), session], |tx| {
        tx.execute(
            "UPDATE break_glass_uses SET reviewed_ms = $4, reviewed_by = $5, key_gen = $6, finding = $7
             WHERE tenant = $1 AND session = $2 AND user_id = $3 AND reviewed_ms IS NULL",
            params![permit.tenant(), session, account, now, permit.user(), finding.1, finding.0],
        )
    })?;
    Ok(changed == 1)
}

fn use_of(mut row: Row) -> Result<GlassUse, StoreError> {
    let finding: Option<Sealed<Reason>> = row.take("finding")?;
    let key_gen: Option<u32> = row.take("key_gen")?;
    Ok(GlassUse {
        session: row.take("session")?,
        user: row.take("user_id")?,
        used: row.take("used_ms")?,
        due: row.take("due_ms")?,
        reviewed: row.take("reviewed_ms")?,
        reviewed_by: row.take("reviewed_by")?,
        finding: finding.zip(key_gen),
    })
}
