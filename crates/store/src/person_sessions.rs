//! Where people who chat are signed in through their own provider: the sessions behind the cookie of the
//! public door. They are kept apart from those of staff, in a table of their own: no secret opens both.
//!
//! No permits in this file: a session says who asks, and it ends on the proof that its holder or its
//! provider gave. Of the secret only a hash comes here.

use kernel::{ConnectionId, SessionId, SubjectId, TenantId, Timestamp};
use vault::Place;

use crate::bound::{self, Bound};
use crate::identities::Origin;
use crate::places::SealedColumn;
use crate::words::Keyed;
use crate::{Read, Row, StoreError, Tx, params};

/// A session, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonSession {
    /// At whose door.
    pub tenant: TenantId,
    /// The session.
    pub id: SessionId,
    /// Who is signed in.
    pub subject: SubjectId,
    /// Through which connection.
    pub connection: ConnectionId,
    /// When they signed in.
    pub created: Timestamp,
    /// When the last request came.
    pub last_seen: Timestamp,
    /// When it ends whatever happens.
    pub absolute: Timestamp,
    /// When it was ended.
    pub ended: Option<Timestamp>,
}

/// The place of what a provider wants to see when a person's session ends there too.
pub fn hint_place(tenant: TenantId, session: SessionId) -> Place {
    SealedColumn::PersonHint.of(tenant, session)
}

/// Files a session under the hash of its cookie's secret, with where it came from.
///
/// # Errors
/// [`StoreError::Conflict`] when there is one of this id or secret, [`StoreError::Missing`] when there is no
/// such connection.
pub fn begin(
    tx: &mut Tx<'_>,
    session: &PersonSession,
    origin: &Origin,
    secret_hash: [u8; 32],
) -> Result<(), StoreError> {
    let hint = origin.hint.as_ref();
    tx.insert(
        "session",
        "INSERT INTO person_sessions (tenant, id, secret_hash, subject, connection, subject_blind, sid_blind, key_gen,
                                      hint, created_ms, last_seen_ms, absolute_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING",
        params![
            session.tenant,
            session.id,
            secret_hash,
            session.subject,
            session.connection,
            origin.subject_blind,
            origin.sid_blind,
            hint.map(|(_, generation)| *generation),
            hint.map(|(sealed, _)| sealed),
            session.created,
            session.last_seen,
            session.absolute
        ],
    )?;
    bound::bind(tx, Bound::PersonSessions, params![session.tenant, session.id])
}

/// The session of a secret, ended or not: whether it still holds is the caller's to judge, who knows the
/// idle limit.
///
/// # Errors
/// Only what the database says.
pub fn find(tx: &mut Read<'_>, secret_hash: [u8; 32]) -> Result<Option<PersonSession>, StoreError> {
    let row = tx.row("SELECT * FROM person_sessions WHERE secret_hash = $1", params![secret_hash])?;
    bound::held_one(tx, Bound::PersonSessions, row)?.map(session_of).transpose()
}

/// One session, ended or not.
///
/// # Errors
/// Only what the database says.
pub fn get(
    tx: &mut Read<'_>,
    tenant: TenantId,
    session: SessionId,
) -> Result<Option<PersonSession>, StoreError> {
    let row =
        tx.row("SELECT * FROM person_sessions WHERE tenant = $1 AND id = $2", params![tenant, session])?;
    bound::held_one(tx, Bound::PersonSessions, row)?.map(session_of).transpose()
}

/// What the provider wants to see when the session ends there too.
///
/// # Errors
/// Only what the database says.
pub fn hint(
    tx: &mut Read<'_>,
    tenant: TenantId,
    session: SessionId,
) -> Result<Option<Keyed<Vec<u8>>>, StoreError> {
    let row = tx.row(
        "SELECT * FROM person_sessions WHERE tenant = $1 AND id = $2 AND hint IS NOT NULL",
        params![tenant, session],
    )?;
    let row = bound::held_one(tx, Bound::PersonSessions, row)?;
    row.map(|mut row| Ok((row.take("hint")?, row.take("key_gen")?))).transpose()
}

/// Remembers that a request came.
///
/// # Errors
/// Only what the database says.
pub fn seen(tx: &mut Tx<'_>, tenant: TenantId, session: SessionId, now: Timestamp) -> Result<(), StoreError> {
    bound::change(tx, Bound::PersonSessions, params![tenant, session], |tx| {
        tx.execute(
            "UPDATE person_sessions SET last_seen_ms = $3 WHERE tenant = $1 AND id = $2 AND ended_ms IS NULL",
            params![tenant, session, now],
        )
        .map(drop)
    })
}

/// Ends a session of a person; false when it had ended, or is another's.
///
/// # Errors
/// Only what the database says.
pub fn end(
    tx: &mut Tx<'_>,
    (tenant, subject): (TenantId, SubjectId),
    session: SessionId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    // It takes a right away, so a row that does not hold is ended as well.
    let ended = tx.execute(
        "UPDATE person_sessions SET ended_ms = $4
         WHERE tenant = $1 AND id = $2 AND subject = $3 AND ended_ms IS NULL",
        params![tenant, session, subject, now],
    )?;
    if ended == 1 {
        bound::bind(tx, Bound::PersonSessions, params![tenant, session])?;
    }
    Ok(ended == 1)
}

/// The sessions of a person that have not ended, the one seen last first.
///
/// # Errors
/// Only what the database says.
pub fn of_person(
    tx: &mut Read<'_>,
    tenant: TenantId,
    subject: SubjectId,
    now: Timestamp,
) -> Result<Vec<PersonSession>, StoreError> {
    let rows = tx.rows(
        "SELECT * FROM person_sessions
         WHERE tenant = $1 AND subject = $2 AND ended_ms IS NULL AND absolute_ms > $3
         ORDER BY last_seen_ms DESC, id DESC",
        params![tenant, subject, now],
    )?;
    bound::pass_over(tx, Bound::PersonSessions, rows)?.into_iter().map(session_of).collect()
}

/// The sessions that have not ended and came from a session of the provider, or from any session of a
/// person there, or through the connection at all.
///
/// # Errors
/// Only what the database says.
pub fn from_provider(
    tx: &mut Read<'_>,
    tenant: TenantId,
    connection: ConnectionId,
    subject_blind: Option<[u8; 16]>,
    sid_blind: Option<[u8; 16]>,
) -> Result<Vec<(SubjectId, SessionId)>, StoreError> {
    let rows = tx.rows(
        "SELECT subject, id FROM person_sessions
         WHERE tenant = $1 AND connection = $2 AND ended_ms IS NULL
           AND ($3 = 0 OR subject_blind = $4) AND ($5 = 0 OR sid_blind = $6)
         ORDER BY id",
        params![
            tenant,
            connection,
            i64::from(subject_blind.is_some()),
            subject_blind.unwrap_or_default(),
            i64::from(sid_blind.is_some()),
            sid_blind.unwrap_or_default()
        ],
    )?;
    rows.into_iter().map(|mut row| Ok((row.take("subject")?, row.take("id")?))).collect()
}

/// Deletes sessions that ended before a moment. Gives their number.
///
/// # Errors
/// Only what the database says.
pub fn sweep(tx: &mut Tx<'_>, before: Timestamp) -> Result<u64, StoreError> {
    tx.execute(
        "DELETE FROM person_sessions WHERE absolute_ms < $1 OR (ended_ms IS NOT NULL AND ended_ms < $1)",
        params![before],
    )
}

fn session_of(mut row: Row) -> Result<PersonSession, StoreError> {
    Ok(PersonSession {
        tenant: row.take("tenant")?,
        id: row.take("id")?,
        subject: row.take("subject")?,
        connection: row.take("connection")?,
        created: row.take("created_ms")?,
        last_seen: row.take("last_seen_ms")?,
        absolute: row.take("absolute_ms")?,
        ended: row.take("ended_ms")?,
    })
}
