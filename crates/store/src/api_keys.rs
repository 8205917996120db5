//! API keys and service accounts. Of a key only the hash comes here.
//!
//! What a request with a key needs takes no permit: it is read to find out who asks. Those functions say
//! so; only `identity` calls them.

use guard::action::{InviteUser, MakeApiKey, ReadApiKeys, RevokeApiKey};
use guard::{Act, Permit, Scope};
use kernel::{ApiKeyId, Id, TenantId, Timestamp, Title, UserId};
use vault::{Place, Sealed};

use crate::access;
use crate::bound::{self, Bound};
use crate::places::SealedColumn;
use crate::{Read, Row, StoreError, Tx, Value, params};

/// An API key, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Where it is good.
    pub tenant: TenantId,
    /// The key.
    pub id: ApiKeyId,
    /// The account above which it never does anything.
    pub owner: UserId,
    /// The public beginning of the key.
    pub tag: String,
    /// The first key of the line that rotation continues.
    pub line: ApiKeyId,
    /// What it was made for.
    pub acts: Vec<Act>,
    /// Where.
    pub scope: Scope,
    /// The generation of the key that seals name and sources.
    pub key_gen: u32,
    /// What it is for, sealed at [`name_place`].
    pub name: Sealed<Title>,
    /// The addresses that it may be shown from, as JSON, sealed at [`sources_place`]; any when none are
    /// named.
    pub sources: Option<Sealed<Vec<u8>>>,
    /// When it was made.
    pub made: Timestamp,
    /// Who made it; nobody for the operator.
    pub made_by: Option<UserId>,
    /// When it ends by itself.
    pub expires: Timestamp,
    /// Its last use, to the minute.
    pub used: Option<Timestamp>,
    /// When it was ended.
    pub revoked: Option<Timestamp>,
}

impl ApiKey {
    /// Whether it opens anything at `now`.
    pub fn lives(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && now < self.expires
    }
}

/// The place of a key's name.
pub fn name_place(tenant: TenantId, key: ApiKeyId) -> Place {
    SealedColumn::ApiKeyName.of(tenant, key)
}

/// The place of a key's addresses.
pub fn sources_place(tenant: TenantId, key: ApiKeyId) -> Place {
    SealedColumn::ApiKeySources.of(tenant, key)
}

/// Files a key for the permit's account, or for a service account that it answers for.
///
/// # Errors
/// [`StoreError::Conflict`] when there is one of this id or secret; [`StoreError::Missing`] when the owner
/// is neither the permit's account nor one that it answers for.
pub fn make(
    tx: &mut Tx<'_>,
    permit: &Permit<MakeApiKey>,
    key: &ApiKey,
    secret_hash: [u8; 32],
) -> Result<(), StoreError> {
    let (tenant, account) = (permit.tenant(), access::account(permit)?);
    let theirs = key.owner == account
        || service(tx, tenant, key.owner)?.is_some_and(|service| service.answers == account);
    if key.tenant != tenant || !theirs {
        return Err(StoreError::Missing { what: "account" });
    }
    let acts: Vec<&str> = key.acts.iter().map(|act| act.name()).collect();
    tx.insert(
        "API key",
        "INSERT INTO api_keys (tenant, id, owner, secret_hash, tag, line, acts, scope, key_gen, name, sources,
                               made_ms, made_by, expires_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT DO NOTHING",
        params![
            tenant,
            key.id,
            key.owner,
            secret_hash,
            key.tag,
            key.line,
            acts.join(" "),
            key.scope,
            key.key_gen,
            key.name,
            key.sources,
            key.made,
            permit.user(),
            key.expires
        ],
    )?;
    bound::bind(tx, Bound::ApiKeys, params![tenant, key.id])
}

/// Every key of the permit's tenant, ended ones too; or those of the permit's account and of the service
/// accounts that it answers for. The newest first.
///
/// # Errors
/// Only what the database says.
pub fn list(tx: &mut Read<'_>, permit: &Permit<ReadApiKeys>) -> Result<Vec<ApiKey>, StoreError> {
    let only = permit.resource().account();
    let rows = tx.rows(
        "SELECT * FROM api_keys
         WHERE tenant = $1
           AND ($3 = 0 OR owner = $2
                OR EXISTS (SELECT 1 FROM service_accounts s
                           WHERE s.tenant = $1 AND s.user_id = api_keys.owner AND s.answers = $2))
         ORDER BY made_ms DESC, id DESC",
        params![permit.tenant(), only.map_or([0; 16], Id::to_bytes), i64::from(only.is_some())],
    )?;
    bound::pass_over(tx, Bound::ApiKeys, rows)?.into_iter().map(key_of).collect()
}

/// Ends a key of the permit's account, or of a service account that it answers for. Gives the key as it
/// was; `None` when there is none that lives.
///
/// # Errors
/// Only what the database says.
pub fn revoke(
    tx: &mut Tx<'_>,
    permit: &Permit<RevokeApiKey>,
    key: ApiKeyId,
    now: Timestamp,
) -> Result<Option<ApiKey>, StoreError> {
    let (tenant, account) = (permit.tenant(), access::account(permit)?);
    let Some(found) = by_id(tx, tenant, key)?.filter(|found| found.lives(now)) else { return Ok(None) };
    let theirs = found.owner == account
        || service(tx, tenant, found.owner)?.is_some_and(|service| service.answers == account);
    if !theirs {
        return Ok(None);
    }
    tx.execute_one(
        "API key",
        "UPDATE api_keys SET revoked_ms = $3 WHERE tenant = $1 AND id = $2 AND revoked_ms IS NULL",
        params![tenant, key, now],
    )?;
    bound::bind(tx, Bound::ApiKeys, params![tenant, key])?;
    Ok(Some(found))
}

/// A key by its id. No permit: whoever asks about one needs to know whose it is before they can be asked
/// for leave.
///
/// # Errors
/// Only what the database says.
pub fn by_id(tx: &mut Read<'_>, tenant: TenantId, key: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
    let row = tx.row("SELECT * FROM api_keys WHERE tenant = $1 AND id = $2", params![tenant, key])?;
    bound::held_one(tx, Bound::ApiKeys, row)?.map(key_of).transpose()
}

/// The key of a secret, ended or not. No permit: it is what makes an actor.
///
/// # Errors
/// Only what the database says.
pub fn find(tx: &mut Read<'_>, secret_hash: [u8; 32]) -> Result<Option<ApiKey>, StoreError> {
    let row = tx.row("SELECT * FROM api_keys WHERE secret_hash = $1", params![secret_hash])?;
    bound::held_one(tx, Bound::ApiKeys, row)?.map(key_of).transpose()
}

/// How many keys of a line live. No permit: it is a number that bounds what a permit allows.
///
/// # Errors
/// Only what the database says.
pub fn living(
    tx: &mut Read<'_>,
    tenant: TenantId,
    line: ApiKeyId,
    now: Timestamp,
) -> Result<u64, StoreError> {
    living_where(
        tx,
        "SELECT COUNT(*) AS living FROM api_keys
         WHERE tenant = $1 AND line = $2 AND revoked_ms IS NULL AND expires_ms > $3",
        params![tenant, line, now],
    )
}

/// How many keys of an account live. No permit: as [`living`].
///
/// # Errors
/// Only what the database says.
pub fn living_of(
    tx: &mut Read<'_>,
    tenant: TenantId,
    owner: UserId,
    now: Timestamp,
) -> Result<u64, StoreError> {
    living_where(
        tx,
        "SELECT COUNT(*) AS living FROM api_keys
         WHERE tenant = $1 AND owner = $2 AND revoked_ms IS NULL AND expires_ms > $3",
        params![tenant, owner, now],
    )
}

fn living_where(tx: &mut Read<'_>, statement: &'static str, params: &[Value<'_>]) -> Result<u64, StoreError> {
    Ok(tx.row(statement, params)?.ok_or(StoreError::Missing { what: "API key" })?.take("living")?)
}

/// Ends every key that lives of an account and of the service accounts that it answers for. Gives each with
/// the account that it belongs to. No permit: it is part of letting an account in again.
///
/// # Errors
/// Only what the database says.
pub fn end_of_account(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    user: UserId,
    now: Timestamp,
) -> Result<Vec<(ApiKeyId, UserId)>, StoreError> {
    let rows = tx.rows(
        "SELECT id, owner FROM api_keys
         WHERE tenant = $1 AND revoked_ms IS NULL AND expires_ms > $3
           AND (owner = $2 OR EXISTS (SELECT 1 FROM service_accounts s
                                      WHERE s.tenant = $1 AND s.user_id = api_keys.owner AND s.answers = $2))
         ORDER BY id",
        params![tenant, user, now],
    )?;
    let mut ended = Vec::new();
    for mut row in rows {
        let (key, owner): (ApiKeyId, UserId) = (row.take("id")?, row.take("owner")?);
        tx.execute_one(
            "API key",
            "UPDATE api_keys SET revoked_ms = $3 WHERE tenant = $1 AND id = $2",
            params![tenant, key, now],
        )?;
        // Whatever the row was: it opens nothing any more.
        bound::bind(tx, Bound::ApiKeys, params![tenant, key])?;
        ended.push((key, owner));
    }
    Ok(ended)
}

/// When a key of an account was last shown. No permit: it says nothing of the key.
///
/// # Errors
/// Only what the database says.
pub fn last_use(tx: &mut Read<'_>, tenant: TenantId, owner: UserId) -> Result<Option<Timestamp>, StoreError> {
    let row = tx.row(
        "SELECT MAX(used_ms) AS used_ms FROM api_keys WHERE tenant = $1 AND owner = $2",
        params![tenant, owner],
    )?;
    Ok(row.ok_or(StoreError::Missing { what: "API key" })?.take("used_ms")?)
}

/// Remembers a use. Call it once a minute and not at each request: it is a write. No permit: as
/// [`find`].
///
/// # Errors
/// Only what the database says.
pub fn used(tx: &mut Tx<'_>, tenant: TenantId, key: ApiKeyId, now: Timestamp) -> Result<(), StoreError> {
    bound::change(tx, Bound::ApiKeys, params![tenant, key], |tx| {
        tx.execute(
            "UPDATE api_keys SET used_ms = $3
             WHERE tenant = $1 AND id = $2 AND (used_ms IS NULL OR used_ms < $3)",
            params![tenant, key, now],
        )
    })?;
    Ok(())
}

fn key_of(mut row: Row) -> Result<ApiKey, StoreError> {
    let acts: String = row.take("acts")?;
    let acts: Result<Vec<Act>, _> = acts.split_whitespace().map(str::parse).collect();
    Ok(ApiKey {
        tenant: row.take("tenant")?,
        id: row.take("id")?,
        owner: row.take("owner")?,
        tag: row.take("tag")?,
        line: row.take("line")?,
        acts: acts.map_err(|_| StoreError::Malformed { what: "action" })?,
        scope: row.take("scope")?,
        key_gen: row.take("key_gen")?,
        name: row.take("name")?,
        sources: row.take("sources")?,
        made: row.take("made_ms")?,
        made_by: row.take("made_by")?,
        expires: row.take("expires_ms")?,
        used: row.take("used_ms")?,
        revoked: row.take("revoked_ms")?,
    })
}

/// An account that no person signs in to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceAccount {
    /// The account.
    pub user: UserId,
    /// Who answers for it and makes its keys.
    pub answers: UserId,
    /// When it was made.
    pub made: Timestamp,
    /// Who made it; nobody for the operator.
    pub made_by: Option<UserId>,
}

/// Says that an account of the permit's tenant is a service account.
///
/// # Errors
/// [`StoreError::Missing`] when one of the two accounts is not there; [`StoreError::Conflict`] when it is
/// one already.
pub fn make_service(
    tx: &mut Tx<'_>,
    permit: &Permit<InviteUser>,
    user: UserId,
    answers: UserId,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.insert(
        "service account",
        "INSERT INTO service_accounts (tenant, user_id, answers, made_ms, made_by) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT DO NOTHING",
        params![permit.tenant(), user, answers, now, permit.user()],
    )?;
    bound::bind(tx, Bound::ServiceAccounts, params![permit.tenant(), user])
}

/// A service account, if the account is one. No permit: every use of one of its keys asks.
///
/// # Errors
/// Only what the database says.
pub fn service(
    tx: &mut Read<'_>,
    tenant: TenantId,
    user: UserId,
) -> Result<Option<ServiceAccount>, StoreError> {
    let row =
        tx.row("SELECT * FROM service_accounts WHERE tenant = $1 AND user_id = $2", params![tenant, user])?;
    bound::held_one(tx, Bound::ServiceAccounts, row)?.map(service_of).transpose()
}

/// Every service account of the permit's tenant; or those that the permit's account answers for.
///
/// # Errors
/// Only what the database says.
pub fn services(tx: &mut Read<'_>, permit: &Permit<ReadApiKeys>) -> Result<Vec<ServiceAccount>, StoreError> {
    let only = permit.resource().account();
    let rows = tx.rows(
        "SELECT * FROM service_accounts
         WHERE tenant = $1 AND ($3 = 0 OR answers = $2) ORDER BY made_ms, user_id",
        params![permit.tenant(), only.map_or([0; 16], Id::to_bytes), i64::from(only.is_some())],
    )?;
    bound::pass_over(tx, Bound::ServiceAccounts, rows)?.into_iter().map(service_of).collect()
}

fn service_of(mut row: Row) -> Result<ServiceAccount, StoreError> {
    Ok(ServiceAccount {
        user: row.take("user_id")?,
        answers: row.take("answers")?,
        made: row.take("made_ms")?,
        made_by: row.take("made_by")?,
    })
}
