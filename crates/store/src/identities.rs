//! Whom a provider vouches for: the links between its people and our accounts, where a session came
//! from, the roles that its groups bring, and what was believed once and may not be believed again.
//!
//! No permits in this file: all of it happens while somebody signs in, or is signed out by their
//! provider, on the proof that the provider gave. Only `identity` calls these functions.

use guard::Grant;
use kernel::{ConnectionId, Secret, SessionId, TenantId, Timestamp, UserId};
use vault::Place;

use crate::bound::{self, Bound};
use crate::places::SealedColumn;
use crate::words::Keyed;
use crate::{Read, StoreError, Tx, params};

/// A link between a person of a provider and an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Whose.
    pub tenant: TenantId,
    /// The connection that vouches.
    pub connection: ConnectionId,
    /// The blind index of the provider and the person's id there.
    pub subject_blind: [u8; 16],
    /// The account.
    pub user: UserId,
    /// The person's id there, sealed at [`subject_place`], and the key's generation.
    pub subject: Keyed<Secret<String>>,
    /// When it was linked.
    pub created: Timestamp,
}

/// The place of a person's id at a provider.
pub fn subject_place(tenant: TenantId, subject_blind: [u8; 16]) -> Place {
    SealedColumn::IdentitySubject.at(tenant, subject_blind)
}

/// The place of what a provider wants to see when a session ends there too.
pub fn hint_place(tenant: TenantId, session: SessionId) -> Place {
    SealedColumn::SessionHint.of(tenant, session)
}

/// Links a person of a provider to an account, once.
///
/// # Errors
/// [`StoreError::Conflict`] when the person is linked, [`StoreError::Missing`] when the connection or the
/// account does not exist.
pub fn link(tx: &mut Tx<'_>, identity: &Identity) -> Result<(), StoreError> {
    let (subject, generation) = &identity.subject;
    tx.insert(
        "identity",
        "INSERT INTO identities (tenant, connection, subject_blind, user_id, key_gen, subject, created_ms, seen_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT DO NOTHING",
        params![
            identity.tenant,
            identity.connection,
            identity.subject_blind,
            identity.user,
            *generation,
            subject,
            identity.created
        ],
    )?;
    let key = params![identity.tenant, identity.connection, identity.subject_blind];
    bound::bind(tx, Bound::Identities, key)
}

/// The account of a person of a provider.
///
/// # Errors
/// Only what the database says.
pub fn find(
    tx: &mut Read<'_>,
    tenant: TenantId,
    connection: ConnectionId,
    subject_blind: [u8; 16],
) -> Result<Option<UserId>, StoreError> {
    let row = tx.row(
        "SELECT * FROM identities WHERE tenant = $1 AND connection = $2 AND subject_blind = $3",
        params![tenant, connection, subject_blind],
    )?;
    bound::held_one(tx, Bound::Identities, row)?.map(|mut row| Ok(row.take("user_id")?)).transpose()
}

/// The account of a person of a provider, and remembers that they came.
///
/// # Errors
/// Only what the database says.
pub fn account_of(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    connection: ConnectionId,
    subject_blind: [u8; 16],
    now: Timestamp,
) -> Result<Option<UserId>, StoreError> {
    let key = params![tenant, connection, subject_blind];
    let row = bound::change(tx, Bound::Identities, key, |tx| {
        tx.row(
            "UPDATE identities SET seen_ms = $4 WHERE tenant = $1 AND connection = $2 AND subject_blind = $3
         RETURNING user_id",
            params![tenant, connection, subject_blind, now],
        )
    })?;
    row.map(|mut row| Ok(row.take("user_id")?)).transpose()
}

/// Whether an account is linked to a person of a provider.
///
/// # Errors
/// Only what the database says.
pub fn is_linked(
    tx: &mut Read<'_>,
    tenant: TenantId,
    connection: ConnectionId,
    user: UserId,
) -> Result<bool, StoreError> {
    let row = tx.row(
        "SELECT user_id FROM identities WHERE tenant = $1 AND connection = $2 AND user_id = $3 LIMIT 1",
        params![tenant, connection, user],
    )?;
    Ok(row.is_some())
}

/// Forgets whom providers know an account as, and gives the number of links: its person enrols anew.
///
/// # Errors
/// Only what the database says.
pub fn unlink(tx: &mut Tx<'_>, tenant: TenantId, user: UserId) -> Result<u64, StoreError> {
    tx.execute("DELETE FROM identities WHERE tenant = $1 AND user_id = $2", params![tenant, user])
}

/// Forgets whom a provider knows our accounts as, and gives the number of links: from now on it names its
/// people in another way.
///
/// # Errors
/// Only what the database says.
pub fn unlink_all(tx: &mut Tx<'_>, tenant: TenantId, connection: ConnectionId) -> Result<u64, StoreError> {
    tx.execute("DELETE FROM identities WHERE tenant = $1 AND connection = $2", params![tenant, connection])
}

/// The connections that vouch for an account.
///
/// # Errors
/// Only what the database says.
pub fn connections_of(
    tx: &mut Read<'_>,
    tenant: TenantId,
    user: UserId,
) -> Result<Vec<ConnectionId>, StoreError> {
    let rows = tx.rows(
        "SELECT DISTINCT connection FROM identities WHERE tenant = $1 AND user_id = $2 ORDER BY connection",
        params![tenant, user],
    )?;
    rows.into_iter().map(|mut row| Ok(row.take("connection")?)).collect()
}

/// Where a session came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The connection.
    pub connection: ConnectionId,
    /// The blind index of the provider and the person's id there.
    pub subject_blind: [u8; 16],
    /// The blind index of the provider's session, if it named one.
    pub sid_blind: Option<[u8; 16]>,
    /// What the provider wants to see when the session ends there too, sealed at [`hint_place`].
    pub hint: Option<Keyed<Vec<u8>>>,
}

/// Remembers where a session came from.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such session or connection.
pub fn remember_origin(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    session: SessionId,
    origin: &Origin,
) -> Result<(), StoreError> {
    let hint = origin.hint.as_ref();
    tx.execute_one(
        "session",
        "INSERT INTO session_origins (tenant, session, connection, subject_blind, sid_blind, key_gen, hint)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (tenant, session) DO UPDATE
         SET connection = excluded.connection, subject_blind = excluded.subject_blind,
             sid_blind = excluded.sid_blind, key_gen = excluded.key_gen, hint = excluded.hint",
        params![
            tenant,
            session,
            origin.connection,
            origin.subject_blind,
            origin.sid_blind,
            hint.map(|(_, generation)| *generation),
            hint.map(|(sealed, _)| sealed)
        ],
    )
}

/// Where a session came from, unless it began with factors of our own.
///
/// # Errors
/// Only what the database says.
pub fn origin_of(
    tx: &mut Read<'_>,
    tenant: TenantId,
    session: SessionId,
) -> Result<Option<Origin>, StoreError> {
    let row = tx.row(
        "SELECT connection, subject_blind, sid_blind, key_gen, hint FROM session_origins
         WHERE tenant = $1 AND session = $2",
        params![tenant, session],
    )?;
    let Some(mut row) = row else { return Ok(None) };
    let hint: Option<vault::Sealed<Vec<u8>>> = row.take("hint")?;
    let key_gen: Option<u32> = row.take("key_gen")?;
    Ok(Some(Origin {
        connection: row.take("connection")?,
        subject_blind: row.take("subject_blind")?,
        sid_blind: row.take("sid_blind")?,
        hint: hint.zip(key_gen),
    }))
}

/// The sessions that have not ended and came from a session of the provider, or from any session of a
/// person there.
///
/// # Errors
/// Only what the database says.
pub fn sessions_from(
    tx: &mut Read<'_>,
    tenant: TenantId,
    connection: ConnectionId,
    subject_blind: Option<[u8; 16]>,
    sid_blind: Option<[u8; 16]>,
) -> Result<Vec<(UserId, SessionId)>, StoreError> {
    // No blind index is all zeros but by a chance of 1 in 2^128; the flags say which of the two count.
    let rows = tx.rows(
        "SELECT s.user_id AS user_id, s.id AS id FROM session_origins o
         JOIN sessions s ON s.tenant = o.tenant AND s.id = o.session
         WHERE o.tenant = $1 AND o.connection = $2 AND s.ended_ms IS NULL
           AND ($3 = 0 OR o.subject_blind = $4) AND ($5 = 0 OR o.sid_blind = $6)
         ORDER BY s.id",
        params![
            tenant,
            connection,
            i64::from(subject_blind.is_some()),
            subject_blind.unwrap_or_default(),
            i64::from(sid_blind.is_some()),
            sid_blind.unwrap_or_default()
        ],
    )?;
    rows.into_iter().map(|mut row| Ok((row.take("user_id")?, row.take("id")?))).collect()
}

/// Records that an assertion or a logout token was believed, once.
///
/// # Errors
/// [`StoreError::Conflict`] when it was before.
pub fn believe_once(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    connection: ConnectionId,
    token: [u8; 32],
    until: Timestamp,
) -> Result<(), StoreError> {
    tx.insert(
        "token",
        "INSERT INTO provider_replays (tenant, connection, token, until_ms) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING",
        params![tenant, connection, token, until],
    )
}

/// Forgets what is refused for its age by now. Gives the number of rows.
///
/// # Errors
/// Only what the database says.
pub fn sweep(tx: &mut Tx<'_>, now: Timestamp) -> Result<u64, StoreError> {
    tx.execute("DELETE FROM provider_replays WHERE until_ms < $1", params![now])
}

/// The roles that an account holds from one source.
///
/// # Errors
/// Only what the database says.
pub fn grants_from(
    tx: &mut Read<'_>,
    tenant: TenantId,
    user: UserId,
    source: &str,
) -> Result<Vec<Grant>, StoreError> {
    let rows = tx.rows(
        "SELECT * FROM grants WHERE tenant = $1 AND user_id = $2 AND source = $3 ORDER BY role, scope",
        params![tenant, user, *source],
    )?;
    let rows = bound::held(tx, Bound::Grants, rows)?;
    rows.into_iter().map(|mut row| Ok(Grant { role: row.take("role")?, scope: row.take("scope")? })).collect()
}

/// Takes a role of one source away from an account; the same role from another source stays.
///
/// # Errors
/// Only what the database says.
pub fn drop_grant(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    user: UserId,
    grant: &Grant,
    source: &str,
) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM grants WHERE tenant = $1 AND user_id = $2 AND role = $3 AND scope = $4 AND source = $5",
        params![tenant, user, grant.role, grant.scope, *source],
    )?;
    Ok(())
}
