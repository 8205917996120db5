//! Console sessions, unfinished ceremonies, and the throttle before the staff door.
//!
//! No permits in this file: a session is what makes an actor, a ceremony comes before it, and the
//! throttle before that. Only `identity` calls these functions. Of secrets only hashes come here.

use kernel::{SessionId, TenantId, Timestamp, UserId};
use vault::{Place, Sealed};

use crate::bound::{self, Bound};
use crate::places::SealedColumn;
use crate::words::Keyed;
use crate::{Read, Row, StoreError, Tx, params};

/// A session, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Where they work.
    pub tenant: TenantId,
    /// The session.
    pub id: SessionId,
    /// Hash of the token that forms carry.
    pub csrf_hash: [u8; 32],
    /// Who is signed in.
    pub user: UserId,
    /// The authenticator assurance level, 1 to 3.
    pub assurance: u8,
    /// The account's epoch at sign-in; the session is void when the account's is newer.
    pub epoch: u64,
    /// When they signed in.
    pub created: Timestamp,
    /// When they last proved who they are.
    pub authenticated: Timestamp,
    /// When the last request came.
    pub last_seen: Timestamp,
    /// When it ends whatever happens.
    pub absolute: Timestamp,
    /// When it was ended.
    pub ended: Option<Timestamp>,
}

/// Files a session under the hash of its cookie's secret.
///
/// # Errors
/// [`StoreError::Conflict`] when there is one of this id or secret.
pub fn begin(tx: &mut Tx<'_>, session: &Session, secret_hash: [u8; 32]) -> Result<(), StoreError> {
    tx.insert(
        "session",
        "INSERT INTO sessions (tenant, id, secret_hash, csrf_hash, user_id, assurance, epoch, created_ms,
                               auth_ms, last_seen_ms, absolute_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
        params![
            session.tenant,
            session.id,
            secret_hash,
            session.csrf_hash,
            session.user,
            session.assurance,
            session.epoch,
            session.created,
            session.authenticated,
            session.last_seen,
            session.absolute
        ],
    )?;
    bound::bind(tx, Bound::Sessions, params![session.tenant, session.id])
}

/// The session of a secret, ended or not: whether it still holds is the caller's to judge, who knows
/// the idle limit and the account's epoch.
///
/// # Errors
/// Only what the database says.
pub fn find(tx: &mut Read<'_>, secret_hash: [u8; 32]) -> Result<Option<Session>, StoreError> {
    let row = tx.row("SELECT * FROM sessions WHERE secret_hash = $1", params![secret_hash])?;
    bound::held_one(tx, Bound::Sessions, row)?.map(session_of).transpose()
}

/// Remembers a request. Call it once a minute and not at each request: it is a write.
///
/// # Errors
/// Only what the database says.
pub fn seen(tx: &mut Tx<'_>, tenant: TenantId, session: SessionId, now: Timestamp) -> Result<(), StoreError> {
    bound::change(tx, Bound::Sessions, params![tenant, session], |tx| {
        tx.execute(
            "UPDATE sessions SET last_seen_ms = $3
             WHERE tenant = $1 AND id = $2 AND ended_ms IS NULL AND last_seen_ms < $3",
            params![tenant, session, now],
        )
    })?;
    Ok(())
}

/// Gives a session a new secret after its holder has proved more: what was known of it before is void
/// (session fixation).
///
/// # Errors
/// [`StoreError::Missing`] when it has ended.
pub fn step_up(tx: &mut Tx<'_>, session: &Session, secret_hash: [u8; 32]) -> Result<(), StoreError> {
    bound::change(tx, Bound::Sessions, params![session.tenant, session.id], |tx| {
        tx.execute_one(
        "session",
        "UPDATE sessions SET secret_hash = $3, csrf_hash = $4, assurance = $5, auth_ms = $6, last_seen_ms = $7
         WHERE tenant = $1 AND id = $2 AND ended_ms IS NULL",
        params![
            session.tenant,
            session.id,
            secret_hash,
            session.csrf_hash,
            session.assurance,
            session.authenticated,
            session.last_seen
        ],
    )
    })
}

/// Lets a session outlive a change of what its account signs in with: it goes on in the account's new epoch,
/// under a new secret.
///
/// # Errors
/// [`StoreError::Missing`] when it has ended.
pub fn outlive(tx: &mut Tx<'_>, session: &Session, secret_hash: [u8; 32]) -> Result<(), StoreError> {
    bound::change(tx, Bound::Sessions, params![session.tenant, session.id], |tx| {
        tx.execute_one(
            "session",
            "UPDATE sessions SET secret_hash = $3, csrf_hash = $4, epoch = $5, last_seen_ms = $6
             WHERE tenant = $1 AND id = $2 AND ended_ms IS NULL",
            params![
                session.tenant,
                session.id,
                secret_hash,
                session.csrf_hash,
                session.epoch,
                session.last_seen
            ],
        )
    })
}

/// Ends one session of an account. Ending it twice is no error; false says there was nothing to end.
///
/// # Errors
/// Only what the database says.
pub fn end(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    user: UserId,
    session: SessionId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let ended = tx.execute(
        "UPDATE sessions SET ended_ms = $4
         WHERE tenant = $1 AND user_id = $2 AND id = $3 AND ended_ms IS NULL",
        params![tenant, user, session, now],
    )?;
    bound::bind(tx, Bound::Sessions, params![tenant, session])?;
    Ok(ended == 1)
}

/// Ends every session of an account but `except`, and gives their number.
///
/// # Errors
/// Only what the database says.
pub fn end_all(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    user: UserId,
    except: Option<SessionId>,
    now: Timestamp,
) -> Result<u64, StoreError> {
    // No id is all zeros, so that stands for "except none".
    let except = except.unwrap_or(kernel::Id::from_bytes([0; 16]));
    let rows = tx.rows(
        "UPDATE sessions SET ended_ms = $4
         WHERE tenant = $1 AND user_id = $2 AND id <> $3 AND ended_ms IS NULL RETURNING id",
        params![tenant, user, except, now],
    )?;
    let ended = rows.len() as u64;
    for mut row in rows {
        let session: SessionId = row.take("id")?;
        bound::bind(tx, Bound::Sessions, params![tenant, session])?;
    }
    Ok(ended)
}

/// The sessions of an account that have neither ended nor passed their absolute limit.
///
/// # Errors
/// Only what the database says.
pub fn of_user(
    tx: &mut Read<'_>,
    tenant: TenantId,
    user: UserId,
    now: Timestamp,
) -> Result<Vec<Session>, StoreError> {
    let rows = tx.rows(
        "SELECT * FROM sessions WHERE tenant = $1 AND user_id = $2 AND ended_ms IS NULL AND absolute_ms > $3
         ORDER BY last_seen_ms DESC, id",
        params![tenant, user, now],
    )?;
    bound::pass_over(tx, Bound::Sessions, rows)?.into_iter().map(session_of).collect()
}

/// Deletes sessions and ceremonies that ended before `before`. Gives the number of rows.
///
/// # Errors
/// Only what the database says.
pub fn sweep(tx: &mut Tx<'_>, before: Timestamp) -> Result<u64, StoreError> {
    let sessions = tx.execute(
        "DELETE FROM sessions WHERE absolute_ms < $1 OR (ended_ms IS NOT NULL AND ended_ms < $1)",
        params![before],
    )?;
    let ceremonies = tx.execute("DELETE FROM ceremonies WHERE expires_ms < $1", params![before])?;
    Ok(sessions.saturating_add(ceremonies))
}

fn session_of(mut row: Row) -> Result<Session, StoreError> {
    Ok(Session {
        tenant: row.take("tenant")?,
        id: row.take("id")?,
        csrf_hash: row.take("csrf_hash")?,
        user: row.take("user_id")?,
        assurance: row.take("assurance")?,
        epoch: row.take("epoch")?,
        created: row.take("created_ms")?,
        authenticated: row.take("auth_ms")?,
        last_seen: row.take("last_seen_ms")?,
        absolute: row.take("absolute_ms")?,
        ended: row.take("ended_ms")?,
    })
}

/// The place of a ceremony's state.
pub fn ceremony_place(tenant: TenantId, ceremony: [u8; 16]) -> Place {
    SealedColumn::CeremonyState.at(tenant, ceremony)
}

/// Files what must be remembered until the browser answers. `ceremony` is random; the browser holds
/// it in a cookie.
///
/// # Errors
/// [`StoreError::Conflict`] when there is one of this id.
pub fn begin_ceremony(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    ceremony: [u8; 16],
    kind: &str,
    state: &Sealed<Vec<u8>>,
    key_gen: u32,
    expires: Timestamp,
) -> Result<(), StoreError> {
    tx.insert(
        "ceremony",
        "INSERT INTO ceremonies (tenant, id, kind, key_gen, state, expires_ms)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        params![tenant, ceremony, kind, key_gen, state, expires],
    )
}

/// Takes a ceremony's state, once: the same answer cannot be given twice. `None` when there is none of
/// this kind, or it has ended.
///
/// # Errors
/// Only what the database says.
pub fn take_ceremony(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    ceremony: [u8; 16],
    kind: &str,
    now: Timestamp,
) -> Result<Option<Keyed<Vec<u8>>>, StoreError> {
    let row = tx.row(
        "DELETE FROM ceremonies WHERE tenant = $1 AND id = $2 AND kind = $3
         RETURNING state, key_gen, expires_ms",
        params![tenant, ceremony, kind],
    )?;
    let Some(mut row) = row else { return Ok(None) };
    let expires: Timestamp = row.take("expires_ms")?;
    if expires <= now {
        return Ok(None);
    }
    Ok(Some((row.take("state")?, row.take("key_gen")?)))
}

/// How a bucket of the throttle stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failures {
    /// Failed attempts since the last success.
    pub count: u32,
    /// Before this moment no further attempt is looked at.
    pub until: Timestamp,
}

/// How a bucket of the throttle stands; `None` when nothing failed.
///
/// # Errors
/// Only what the database says.
pub fn failures(
    tx: &mut Read<'_>,
    tenant: TenantId,
    bucket: [u8; 16],
) -> Result<Option<Failures>, StoreError> {
    let row = tx.row(
        "SELECT failures, until_ms FROM login_failures WHERE tenant = $1 AND bucket = $2",
        params![tenant, bucket],
    )?;
    row.map(|mut row| Ok(Failures { count: row.take("failures")?, until: row.take("until_ms")? })).transpose()
}

/// Counts a failure in a bucket and gives the count. The pause before the next attempt grows with it:
/// [`set_pause`].
///
/// # Errors
/// Only what the database says.
pub fn failed(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    bucket: [u8; 16],
    now: Timestamp,
) -> Result<u32, StoreError> {
    let row = tx.row(
        "INSERT INTO login_failures (tenant, bucket, failures, until_ms, updated_ms)
         VALUES ($1, $2, 1, 0, $3)
         ON CONFLICT (tenant, bucket) DO UPDATE
         SET failures = login_failures.failures + 1, updated_ms = excluded.updated_ms
         RETURNING failures",
        params![tenant, bucket, now],
    )?;
    Ok(row.ok_or(StoreError::Missing { what: "bucket" })?.take("failures")?)
}

/// Sets the moment before which a bucket looks at no further attempt. It never moves backwards.
///
/// # Errors
/// Only what the database says.
pub fn set_pause(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    bucket: [u8; 16],
    until: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE login_failures SET until_ms = $3 WHERE tenant = $1 AND bucket = $2 AND until_ms < $3",
        params![tenant, bucket, until],
    )?;
    Ok(())
}

/// Forgets the failures of a bucket after a success.
///
/// # Errors
/// Only what the database says.
pub fn forget_failures(tx: &mut Tx<'_>, tenant: TenantId, bucket: [u8; 16]) -> Result<(), StoreError> {
    tx.execute("DELETE FROM login_failures WHERE tenant = $1 AND bucket = $2", params![tenant, bucket])?;
    Ok(())
}
