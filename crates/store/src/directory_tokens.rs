//! The tokens with which an enterprise's directory comes to provision people. Of a token only its hash
//! comes here. They are not carried in backups: what was revoked does not come to life again.

use guard::Permit;
use guard::action::{ManageConnections, ReadConnections};
use kernel::{ConnectionId, DirectoryTokenId, TenantId, Timestamp, UserId};

use crate::bound::{self, Bound};
use crate::{Read, Row, StoreError, Tx, params};

/// A token, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Whose.
    pub tenant: TenantId,
    /// The connection that it opens for provisioning.
    pub connection: ConnectionId,
    /// The token.
    pub id: DirectoryTokenId,
    /// When it was made.
    pub created: Timestamp,
    /// Who made it.
    pub created_by: Option<UserId>,
    /// When it ends by itself.
    pub expires: Timestamp,
    /// About when it was last used.
    pub used: Option<Timestamp>,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
}

impl Token {
    /// Whether it opens anything now.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && now < self.expires
    }
}

/// Files a token with a connection of the permit's tenant.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such connection, or the token is for another tenant than the
/// permit.
pub fn create(
    tx: &mut Tx<'_>,
    permit: &Permit<ManageConnections>,
    token: &Token,
    hash: [u8; 32],
) -> Result<(), StoreError> {
    if token.tenant != permit.tenant() {
        return Err(StoreError::Missing { what: "tenant" });
    }
    tx.insert(
        "token",
        "INSERT INTO directory_tokens (tenant, connection, id, hash, created_ms, created_by, expires_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        params![token.tenant, token.connection, token.id, hash, token.created, permit.user(), token.expires],
    )?;
    bound::bind(tx, Bound::DirectoryTokens, params![token.tenant, token.id])
}

/// Revokes a token of a connection.
///
/// # Errors
/// [`StoreError::Missing`] when there is none such that is not revoked.
pub fn revoke(
    tx: &mut Tx<'_>,
    permit: &Permit<ManageConnections>,
    connection: ConnectionId,
    token: DirectoryTokenId,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute_one(
        "token",
        "UPDATE directory_tokens SET revoked_ms = $4
         WHERE tenant = $1 AND connection = $2 AND id = $3 AND revoked_ms IS NULL",
        params![permit.tenant(), connection, token, now],
    )?;
    bound::bind(tx, Bound::DirectoryTokens, params![permit.tenant(), token])
}

/// The tokens of a connection, the newest first.
///
/// # Errors
/// Only what the database says.
pub fn list(
    tx: &mut Read<'_>,
    permit: &Permit<ReadConnections>,
    connection: ConnectionId,
) -> Result<Vec<Token>, StoreError> {
    of_connection(tx, permit.tenant(), connection)
}

/// The same. No permit: how many are live decides whether another is made.
///
/// # Errors
/// Only what the database says.
pub fn of_connection(
    tx: &mut Read<'_>,
    tenant: TenantId,
    connection: ConnectionId,
) -> Result<Vec<Token>, StoreError> {
    let rows = tx.rows(
        "SELECT * FROM directory_tokens WHERE tenant = $1 AND connection = $2 ORDER BY created_ms DESC, id",
        params![tenant, connection],
    )?;
    bound::pass_over(tx, Bound::DirectoryTokens, rows)?.into_iter().map(token_of).collect()
}

/// A token by its hash, live or not. No permit: the token is the proof.
///
/// # Errors
/// Only what the database says.
pub fn find(tx: &mut Read<'_>, hash: [u8; 32]) -> Result<Option<Token>, StoreError> {
    let row = tx.row("SELECT * FROM directory_tokens WHERE hash = $1", params![hash])?;
    bound::held_one(tx, Bound::DirectoryTokens, row)?.map(token_of).transpose()
}

/// Remembers that a token was used. No permit: as for [`find`].
///
/// # Errors
/// Only what the database says.
pub fn used(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    token: DirectoryTokenId,
    now: Timestamp,
) -> Result<(), StoreError> {
    bound::change(tx, Bound::DirectoryTokens, params![tenant, token], |tx| {
        tx.execute(
            "UPDATE directory_tokens SET used_ms = $3 WHERE tenant = $1 AND id = $2",
            params![tenant, token, now],
        )
    })?;
    Ok(())
}

fn token_of(mut row: Row) -> Result<Token, StoreError> {
    Ok(Token {
        tenant: row.take("tenant")?,
        connection: row.take("connection")?,
        id: row.take("id")?,
        created: row.take("created_ms")?,
        created_by: row.take("created_by")?,
        expires: row.take("expires_ms")?,
        used: row.take("used_ms")?,
        revoked: row.take("revoked_ms")?,
    })
}
