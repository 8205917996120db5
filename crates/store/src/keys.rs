//! Wrapped keys: the rows of the key hierarchy. They are worthless without the key above them, and
//! the root of it all is not here.
//!
//! No permits but for the list that people see: whoever has leave to read a message needs its keys
//! fetched, rotation runs without anybody asking, and a wrapped key tells nothing.

use guard::Permit;
use guard::action::ReadKeys;
use kernel::{Id, KeyId, SubjectId, TenantId, Timestamp};
use vault::{KeyChain, Purpose, WrappedBy, WrappedDataKey, WrappedSubjectKey, WrappedTenantKey};

use crate::words::states;
use crate::{Read, Row, StoreError, Tx, params};

states! {
    /// What a version of a tenant's key may still be used for.
    KeyState {
        /// New keys are wrapped with it.
        Active = "active",
        /// It only unwraps; what it wraps is being wrapped anew.
        Retiring = "retiring",
        /// It is gone.
        Destroyed = "destroyed",
    }
}

/// One version of a tenant's key, as people see it.
#[derive(Debug, Clone)]
pub struct TenantKeyInfo {
    /// Its version.
    pub version: u32,
    /// What it may still be used for.
    pub state: KeyState,
    /// The provider that wrapped it.
    pub provider: String,
    /// When it was made.
    pub created: Timestamp,
    /// When a newer version took over.
    pub retired: Option<Timestamp>,
    /// When it was destroyed.
    pub destroyed: Option<Timestamp>,
    /// How many subject and data keys it wraps now.
    pub wraps: u64,
}

/// The rows that lead to one data key.
#[derive(Debug, Clone)]
pub struct Chain {
    /// The tenant key at the top.
    pub tenant: WrappedTenantKey,
    /// The subject key between, when there is one.
    pub subject: Option<WrappedSubjectKey>,
    /// The data key.
    pub data: WrappedDataKey,
}

impl Chain {
    /// The same as the keyring wants it.
    pub fn link(&self) -> KeyChain<'_> {
        KeyChain { tenant: &self.tenant, subject: self.subject.as_ref(), data: &self.data }
    }
}

/// The 16 bytes under which a key that seals a whole tenant's rows of one purpose is filed.
pub fn house_of(tenant: TenantId) -> [u8; 16] {
    tenant.to_bytes()
}

/// Files a new version of a tenant's key as the active one; the one before it only unwraps from now on.
///
/// # Errors
/// [`StoreError::Conflict`] when there is such a version already.
pub fn add_tenant_key(
    tx: &mut Tx<'_>,
    key: &WrappedTenantKey,
    provider: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE tenant_keys SET state = 'retiring', retired_ms = $2 WHERE tenant = $1 AND state = 'active'",
        params![key.tenant, now],
    )?;
    tx.insert(
        "tenant key",
        "INSERT INTO tenant_keys (tenant, version, state, provider, blob, commitment, created_ms)
         VALUES ($1, $2, 'active', $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        params![key.tenant, key.version, provider, key.blob, key.commitment, now],
    )
}

/// The active version of a tenant's key.
///
/// # Errors
/// Only what the database says.
pub fn active_tenant_key(
    tx: &mut Read<'_>,
    tenant: TenantId,
) -> Result<Option<WrappedTenantKey>, StoreError> {
    tx.row(
        "SELECT tenant, version, blob, commitment FROM tenant_keys
         WHERE tenant = $1 AND state = 'active' ORDER BY version DESC LIMIT 1",
        params![tenant],
    )?
    .map(tenant_key_of)
    .transpose()
}

/// One version of a tenant's key, unless it was destroyed.
///
/// # Errors
/// Only what the database says.
pub fn tenant_key(
    tx: &mut Read<'_>,
    tenant: TenantId,
    version: u32,
) -> Result<Option<WrappedTenantKey>, StoreError> {
    tx.row(
        "SELECT tenant, version, blob, commitment FROM tenant_keys
         WHERE tenant = $1 AND version = $2 AND state <> 'destroyed'",
        params![tenant, version],
    )?
    .map(tenant_key_of)
    .transpose()
}

/// Replaces the blob of a tenant's key that was wrapped anew. The key, and with it the commitment,
/// must be the same.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such key.
pub fn rewrapped_tenant_key(
    tx: &mut Tx<'_>,
    key: &WrappedTenantKey,
    provider: &str,
) -> Result<(), StoreError> {
    tx.execute_one(
        "tenant key",
        "UPDATE tenant_keys SET blob = $4, provider = $5
         WHERE tenant = $1 AND version = $2 AND commitment = $3 AND state <> 'destroyed'",
        params![key.tenant, key.version, key.commitment, key.blob, provider],
    )
}

/// Destroys a retiring version that wraps nothing any more. Backups made before keep its blob; they
/// are useless without the root key's version at the provider.
///
/// # Errors
/// [`StoreError::Conflict`] when it is active, destroyed already, or still wraps a key.
pub fn destroy_tenant_key(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    version: u32,
    now: Timestamp,
) -> Result<(), StoreError> {
    let changed = tx.execute(
        "UPDATE tenant_keys SET state = 'destroyed', destroyed_ms = $3, blob = $4
         WHERE tenant = $1 AND version = $2 AND state = 'retiring'
           AND NOT EXISTS (SELECT 1 FROM subject_keys s WHERE s.tenant = $1 AND s.wrapped_by = $2)
           AND NOT EXISTS (SELECT 1 FROM data_keys d WHERE d.tenant = $1 AND d.wrapped_by = $2)",
        params![tenant, version, now, b"".as_slice()],
    )?;
    if changed == 0 { Err(StoreError::Conflict { what: "tenant key" }) } else { Ok(()) }
}

/// The keys of a tenant as people see them, the newest first.
///
/// # Errors
/// Only what the database says.
pub fn list(tx: &mut Read<'_>, permit: &Permit<ReadKeys>) -> Result<Vec<TenantKeyInfo>, StoreError> {
    let rows = tx.rows(
        "SELECT version, state, provider, created_ms, retired_ms, destroyed_ms,
                (SELECT COUNT(*) FROM subject_keys s WHERE s.tenant = t.tenant AND s.wrapped_by = t.version)
              + (SELECT COUNT(*) FROM data_keys d WHERE d.tenant = t.tenant AND d.wrapped_by = t.version)
                AS wraps
         FROM tenant_keys t WHERE tenant = $1 ORDER BY version DESC",
        params![permit.tenant()],
    )?;
    rows.into_iter()
        .map(|mut row| {
            Ok(TenantKeyInfo {
                version: row.take("version")?,
                state: row.take("state")?,
                provider: row.take("provider")?,
                created: row.take("created_ms")?,
                retired: row.take("retired_ms")?,
                destroyed: row.take("destroyed_ms")?,
                wraps: row.take("wraps")?,
            })
        })
        .collect()
}

/// Files a subject's key.
///
/// # Errors
/// [`StoreError::Conflict`] when they have one, or were erased: an erased person does not come back
/// under the same id.
pub fn add_subject_key(tx: &mut Tx<'_>, key: &WrappedSubjectKey, now: Timestamp) -> Result<(), StoreError> {
    let erased = tx.row(
        "SELECT erased_ms FROM erasures WHERE tenant = $1 AND subject = $2",
        params![key.tenant, key.subject],
    )?;
    if erased.is_some() {
        return Err(StoreError::Conflict { what: "erased subject" });
    }
    tx.insert(
        "subject key",
        "INSERT INTO subject_keys (tenant, subject, wrapped_by, blob, commitment, created_ms)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        params![key.tenant, key.subject, key.wrapped_by, key.blob, key.commitment, now],
    )
}

/// A subject's key.
///
/// # Errors
/// Only what the database says.
pub fn subject_key(
    tx: &mut Read<'_>,
    tenant: TenantId,
    subject: SubjectId,
) -> Result<Option<WrappedSubjectKey>, StoreError> {
    tx.row(
        "SELECT tenant, subject, wrapped_by, blob, commitment FROM subject_keys
         WHERE tenant = $1 AND subject = $2",
        params![tenant, subject],
    )?
    .map(subject_key_of)
    .transpose()
}

/// Files a data key that seals the rows of `owner` (a conversation; or [`house_of`] a tenant).
///
/// # Errors
/// [`StoreError::Conflict`] when there is one of this purpose, owner and generation;
/// [`StoreError::Missing`] when the tenant or the wrapping version does not exist.
pub fn add_data_key(
    tx: &mut Tx<'_>,
    key: &WrappedDataKey,
    owner: [u8; 16],
    now: Timestamp,
) -> Result<(), StoreError> {
    let (subject, version) = (key.wrapped_by.subject(), key.wrapped_by.tenant_version());
    tx.insert(
        "data key",
        "INSERT INTO data_keys (tenant, key_id, purpose, owner, generation, subject, wrapped_by, blob,
                                commitment, created_ms, records)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0) ON CONFLICT DO NOTHING",
        params![
            key.tenant,
            key.key_id,
            key.purpose.code(),
            owner,
            key.generation,
            subject,
            version,
            key.blob,
            key.commitment,
            now
        ],
    )
}

/// The generation that the next data key of this purpose and owner gets; 1 when there is none.
///
/// # Errors
/// Only what the database says.
pub fn next_generation(
    tx: &mut Read<'_>,
    tenant: TenantId,
    purpose: Purpose,
    owner: [u8; 16],
) -> Result<u32, StoreError> {
    let row = tx.row(
        "SELECT COALESCE(MAX(generation), 0) + 1 AS next FROM data_keys
         WHERE tenant = $1 AND purpose = $2 AND owner = $3",
        params![tenant, purpose.code(), owner],
    )?;
    Ok(row.map(|mut row| row.take("next")).transpose()?.unwrap_or(1))
}

/// The rows that lead to the newest data key of this purpose and owner: the one to seal with.
///
/// # Errors
/// [`StoreError::Missing`] when the data key is there and a key above it is not: its subject was
/// erased, or the version was destroyed.
pub fn newest(
    tx: &mut Read<'_>,
    tenant: TenantId,
    purpose: Purpose,
    owner: [u8; 16],
) -> Result<Option<Chain>, StoreError> {
    let row = tx.row(
        "SELECT tenant, key_id, purpose, generation, subject, wrapped_by, blob, commitment
         FROM data_keys WHERE tenant = $1 AND purpose = $2 AND owner = $3
         ORDER BY generation DESC LIMIT 1",
        params![tenant, purpose.code(), owner],
    )?;
    row.map(|row| chain_of(tx, data_key_of(row)?)).transpose()
}

/// The rows that lead to the data key of one generation: the one to open a record with.
///
/// # Errors
/// As for [`newest`].
pub fn of_generation(
    tx: &mut Read<'_>,
    tenant: TenantId,
    purpose: Purpose,
    owner: [u8; 16],
    generation: u32,
) -> Result<Option<Chain>, StoreError> {
    let row = tx.row(
        "SELECT tenant, key_id, purpose, generation, subject, wrapped_by, blob, commitment
         FROM data_keys WHERE tenant = $1 AND purpose = $2 AND owner = $3 AND generation = $4",
        params![tenant, purpose.code(), owner, generation],
    )?;
    row.map(|row| chain_of(tx, data_key_of(row)?)).transpose()
}

fn chain_of(tx: &mut Read<'_>, data: WrappedDataKey) -> Result<Chain, StoreError> {
    let subject = match data.wrapped_by {
        WrappedBy::Tenant(_) => None,
        WrappedBy::Subject(subject) => {
            Some(subject_key(tx, data.tenant, subject)?.ok_or(StoreError::Missing { what: "subject key" })?)
        }
    };
    let version = match (&subject, data.wrapped_by) {
        (Some(key), _) => key.wrapped_by,
        (None, WrappedBy::Tenant(version)) => version,
        (None, WrappedBy::Subject(_)) => return Err(StoreError::Missing { what: "subject key" }),
    };
    let tenant = tenant_key(tx, data.tenant, version)?.ok_or(StoreError::Missing { what: "tenant key" })?;
    Ok(Chain { tenant, subject, data })
}

/// Counts records sealed with a key, and gives the count so far. A conversation's messages need not
/// be counted here: its last sequence number says as much.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such key.
pub fn count_records(tx: &mut Tx<'_>, tenant: TenantId, key: KeyId, more: u64) -> Result<u64, StoreError> {
    let row = tx.row(
        "UPDATE data_keys SET records = records + $3 WHERE tenant = $1 AND key_id = $2 RETURNING records",
        params![tenant, key, more],
    )?;
    Ok(row.ok_or(StoreError::Missing { what: "data key" })?.take("records")?)
}

/// Keys that an older version than `version` still wraps, at most `limit` of each kind: the work of
/// a rotation. It is found again from the rows themselves, so an interrupted rotation just goes on.
///
/// # Errors
/// Only what the database says.
pub fn to_rewrap(
    tx: &mut Read<'_>,
    tenant: TenantId,
    version: u32,
    limit: u32,
) -> Result<(Vec<WrappedSubjectKey>, Vec<WrappedDataKey>), StoreError> {
    let subjects = tx.rows(
        "SELECT tenant, subject, wrapped_by, blob, commitment FROM subject_keys
         WHERE tenant = $1 AND wrapped_by < $2 ORDER BY wrapped_by LIMIT $3",
        params![tenant, version, limit],
    )?;
    let data = tx.rows(
        "SELECT tenant, key_id, purpose, generation, subject, wrapped_by, blob, commitment FROM data_keys
         WHERE tenant = $1 AND wrapped_by IS NOT NULL AND wrapped_by < $2 ORDER BY wrapped_by LIMIT $3",
        params![tenant, version, limit],
    )?;
    let subjects = subjects.into_iter().map(subject_key_of).collect::<Result<_, _>>()?;
    let data = data.into_iter().map(data_key_of).collect::<Result<_, _>>()?;
    Ok((subjects, data))
}

/// Replaces the blob of a subject key that was wrapped anew; `was` is the version that wrapped it.
/// Gives false, and changes nothing, when it is gone (erased) or another process was first.
///
/// # Errors
/// Only what the database says.
pub fn rewrapped_subject_key(tx: &mut Tx<'_>, key: &WrappedSubjectKey, was: u32) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE subject_keys SET blob = $5, wrapped_by = $6
         WHERE tenant = $1 AND subject = $2 AND commitment = $3 AND wrapped_by = $4",
        params![key.tenant, key.subject, key.commitment, was, key.blob, key.wrapped_by],
    )?;
    Ok(changed == 1)
}

/// Replaces the blob of a data key that was wrapped anew; `was` is the version that wrapped it.
/// Gives false, and changes nothing, when it is gone or another process was first.
///
/// # Errors
/// Only what the database says.
pub fn rewrapped_data_key(tx: &mut Tx<'_>, key: &WrappedDataKey, was: u32) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE data_keys SET blob = $5, wrapped_by = $6
         WHERE tenant = $1 AND key_id = $2 AND commitment = $3 AND wrapped_by = $4",
        params![key.tenant, key.key_id, key.commitment, was, key.blob, key.wrapped_by.tenant_version()],
    )?;
    Ok(changed == 1)
}

/// Erases a person: destroys their key and every data key under it, and remembers that they were
/// erased, so that the erasure can be replayed when a backup is restored. Gives the number of data
/// keys destroyed. The sealed rows stay, unreadable; their chain still verifies.
///
/// Not promised: that copies of the wrapped keys in older backups are gone. They die with the tenant
/// key version that wraps them.
///
/// # Errors
/// Only what the database says. Erasing twice is no error.
pub fn erase_subject(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    subject: SubjectId,
    now: Timestamp,
) -> Result<u64, StoreError> {
    tx.execute(
        "INSERT INTO erasures (tenant, subject, erased_ms) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        params![tenant, subject, now],
    )?;
    let gone =
        tx.execute("DELETE FROM data_keys WHERE tenant = $1 AND subject = $2", params![tenant, subject])?;
    tx.execute("DELETE FROM subject_keys WHERE tenant = $1 AND subject = $2", params![tenant, subject])?;
    Ok(gone)
}

/// The commitments of a person's key and of every data key under it, sorted: what an erasure destroys.
/// They tell which keys those are and nothing about them.
///
/// # Errors
/// Only what the database says.
pub fn commitments_of(
    tx: &mut Read<'_>,
    tenant: TenantId,
    subject: SubjectId,
) -> Result<Vec<[u8; 32]>, StoreError> {
    let rows = tx.rows(
        "SELECT commitment FROM subject_keys WHERE tenant = $1 AND subject = $2
         UNION ALL SELECT commitment FROM data_keys WHERE tenant = $1 AND subject = $2 ORDER BY 1",
        params![tenant, subject],
    )?;
    rows.into_iter().map(|mut row| Ok(row.take("commitment")?)).collect()
}

/// Whether a person was erased.
///
/// # Errors
/// Only what the database says.
pub fn is_erased(tx: &mut Read<'_>, tenant: TenantId, subject: SubjectId) -> Result<bool, StoreError> {
    let row = tx
        .row("SELECT erased_ms FROM erasures WHERE tenant = $1 AND subject = $2", params![tenant, subject])?;
    Ok(row.is_some())
}

/// Everybody who was erased in a tenant, and when.
///
/// # Errors
/// Only what the database says.
pub fn erasures(tx: &mut Read<'_>, tenant: TenantId) -> Result<Vec<(SubjectId, Timestamp)>, StoreError> {
    let rows = tx.rows(
        "SELECT subject, erased_ms FROM erasures WHERE tenant = $1 ORDER BY erased_ms, subject",
        params![tenant],
    )?;
    rows.into_iter().map(|mut row| Ok((row.take("subject")?, row.take("erased_ms")?))).collect()
}

fn tenant_key_of(mut row: Row) -> Result<WrappedTenantKey, StoreError> {
    Ok(WrappedTenantKey {
        tenant: row.take("tenant")?,
        version: row.take("version")?,
        blob: row.take("blob")?,
        commitment: row.take("commitment")?,
    })
}

fn subject_key_of(mut row: Row) -> Result<WrappedSubjectKey, StoreError> {
    Ok(WrappedSubjectKey {
        tenant: row.take("tenant")?,
        subject: row.take("subject")?,
        wrapped_by: row.take("wrapped_by")?,
        blob: row.take("blob")?,
        commitment: row.take("commitment")?,
    })
}

fn data_key_of(mut row: Row) -> Result<WrappedDataKey, StoreError> {
    let subject: Option<SubjectId> = row.take("subject")?;
    let version: Option<u32> = row.take("wrapped_by")?;
    let wrapped_by = match (subject, version) {
        (Some(subject), None) => WrappedBy::Subject(subject),
        (None, Some(version)) => WrappedBy::Tenant(version),
        _ => return Err(StoreError::Malformed { what: "data key" }),
    };
    let purpose = Purpose::from_code(row.take("purpose")?);
    Ok(WrappedDataKey {
        tenant: row.take("tenant")?,
        key_id: row.take("key_id")?,
        purpose: purpose.ok_or(StoreError::Malformed { what: "data key" })?,
        generation: row.take("generation")?,
        wrapped_by,
        blob: row.take("blob")?,
        commitment: row.take("commitment")?,
    })
}
