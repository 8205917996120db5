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

impl KeyState {
    /// Whether keys may be opened with it.
    pub const fn opens(self) -> bool {
        matches!(self, Self::Active | Self::Retiring)
    }
}

states! {
    /// What a version of a tenant's key may still be used for.
    KeyState {
        /// New keys are wrapped with it.
        Active = "active",
        /// It only unwraps; what it wraps is being wrapped anew.
        Retiring = "retiring",
        /// Somebody stopped it: nothing below it opens until it is enabled again.
        Disabled = "disabled",
        /// It wraps nothing and waits for its end, which can still be called off.
        Scheduled = "scheduled",
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

/// One version of a tenant's key, as the machinery sees it.
#[derive(Debug, Clone)]
pub struct Version {
    /// The key, wrapped.
    pub key: WrappedTenantKey,
    /// What it may still be used for.
    pub state: KeyState,
    /// The provider that wrapped it.
    pub provider: String,
    /// When it was made.
    pub created: Timestamp,
    /// When a newer version took over.
    pub retired: Option<Timestamp>,
}

/// The rows that lead to one data key.
#[derive(Debug, Clone)]
pub struct Chain {
    /// The tenant key at the top.
    pub tenant: WrappedTenantKey,
    /// Its state. Whoever opens the chain looks at it first; the keychain does.
    pub state: KeyState,
    /// The subject key between, when there is one.
    pub subject: Option<WrappedSubjectKey>,
    /// The data key.
    pub data: WrappedDataKey,
    /// When the data key was made.
    pub made: Timestamp,
    /// Records that it is known to have sealed.
    pub records: u64,
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
    // A disabled version stays disabled; it is no longer the newest all the same.
    tx.execute(
        "UPDATE tenant_keys SET state = CASE state WHEN 'active' THEN 'retiring' ELSE state END, retired_ms = $2
         WHERE tenant = $1 AND retired_ms IS NULL AND state <> 'destroyed' AND version < $3",
        params![key.tenant, now, key.version],
    )?;
    tx.insert(
        "tenant key",
        "INSERT INTO tenant_keys (tenant, version, state, provider, blob, commitment, created_ms)
         VALUES ($1, $2, 'active', $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        params![key.tenant, key.version, provider, key.blob, key.commitment, now],
    )
}

/// Files the version that follows `seen`, if `seen` is still the newest and still wrapped as it was: so
/// of two that rotate at once one does, and a version that was moved to another root key meanwhile is
/// not followed by one under the root key before.
///
/// # Errors
/// [`StoreError::Conflict`] when `seen` is no longer so.
pub fn rotate(
    tx: &mut Tx<'_>,
    seen: &WrappedTenantKey,
    key: &WrappedTenantKey,
    provider: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let changed = tx.execute(
        "UPDATE tenant_keys SET state = CASE state WHEN 'active' THEN 'retiring' ELSE state END, retired_ms = $2
         WHERE tenant = $1 AND version = $3 AND retired_ms IS NULL AND state <> 'destroyed' AND blob = $4",
        params![key.tenant, now, seen.version, seen.blob],
    )?;
    if changed == 0 || key.version != seen.version + 1 {
        return Err(StoreError::Conflict { what: "tenant key" });
    }
    add_tenant_key(tx, key, provider, now)
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

/// Replaces the blob of a tenant's key that was wrapped anew, if it is still the one that was `seen`. The
/// key, and with it the commitment, must be the same. Gives false when another process was first.
///
/// # Errors
/// Only what the database says.
pub fn rewrapped_tenant_key(
    tx: &mut Tx<'_>,
    seen: &WrappedTenantKey,
    key: &WrappedTenantKey,
    provider: &str,
) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE tenant_keys SET blob = $4, provider = $5
         WHERE tenant = $1 AND version = $2 AND commitment = $3 AND state <> 'destroyed' AND blob = $6",
        params![key.tenant, key.version, key.commitment, key.blob, provider, seen.blob],
    )?;
    Ok(changed == 1)
}

/// Every version of a tenant's key that is not destroyed, with its state, the provider that wrapped it
/// and when it was made. The newest first.
///
/// # Errors
/// Only what the database says.
pub fn versions(tx: &mut Read<'_>, tenant: TenantId) -> Result<Vec<Version>, StoreError> {
    let rows = tx.rows(
        "SELECT tenant, version, state, provider, created_ms, retired_ms, blob, commitment FROM tenant_keys
         WHERE tenant = $1 AND state <> 'destroyed' ORDER BY version DESC",
        params![tenant],
    )?;
    rows.into_iter()
        .map(|mut row| {
            Ok(Version {
                state: row.take("state")?,
                provider: row.take("provider")?,
                created: row.take("created_ms")?,
                retired: row.take("retired_ms")?,
                key: tenant_key_of(row)?,
            })
        })
        .collect()
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

/// The newest generation of each key that seals a whole tenant's rows: purpose, generation, and when it
/// was made.
///
/// # Errors
/// Only what the database says.
pub fn generations(
    tx: &mut Read<'_>,
    permit: &Permit<ReadKeys>,
) -> Result<Vec<(Purpose, u32, Timestamp, u64)>, StoreError> {
    let tenant = permit.tenant();
    let mut found = Vec::new();
    for purpose in Purpose::ALL {
        let row = tx.row(
            "SELECT generation, created_ms, records FROM data_keys
             WHERE tenant = $1 AND purpose = $2 AND owner = $3
             ORDER BY generation DESC LIMIT 1",
            params![tenant, purpose.code(), house_of(tenant)],
        )?;
        if let Some(mut row) = row {
            let (generation, made) = (row.take("generation")?, row.take("created_ms")?);
            found.push((purpose, generation, made, row.take("records")?));
        }
    }
    Ok(found)
}

/// Files a subject's key.
///
/// # Errors
/// [`StoreError::Conflict`] when they have one, or were erased (an erased person does not come back
/// under the same id), or the version that wraps it is no longer the active one.
pub fn add_subject_key(tx: &mut Tx<'_>, key: &WrappedSubjectKey, now: Timestamp) -> Result<(), StoreError> {
    let erased = tx.row(
        "SELECT erased_ms FROM erasures WHERE tenant = $1 AND subject = $2",
        params![key.tenant, key.subject],
    )?;
    if erased.is_some() {
        return Err(StoreError::Conflict { what: "erased subject" });
    }
    still_active(tx, key.tenant, key.wrapped_by)?;
    tx.insert(
        "subject key",
        "INSERT INTO subject_keys (tenant, subject, wrapped_by, blob, commitment, created_ms)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        params![key.tenant, key.subject, key.wrapped_by, key.blob, key.commitment, now],
    )
}

/// A key that was wrapped a moment before the tenant key was rotated must be wrapped again: else a
/// version could come into use after it was found to wrap nothing.
fn still_active(tx: &mut Tx<'_>, tenant: TenantId, version: u32) -> Result<(), StoreError> {
    let row =
        tx.row("SELECT state FROM tenant_keys WHERE tenant = $1 AND version = $2", params![tenant, version])?;
    match row.map(|mut row| row.take("state")).transpose()? {
        Some(KeyState::Active) => Ok(()),
        Some(_) => Err(StoreError::Conflict { what: "tenant key" }),
        None => Err(StoreError::Missing { what: "tenant key" }),
    }
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
/// [`StoreError::Conflict`] when there is one of this purpose, owner and generation, or the version
/// that wraps it is no longer the active one;
/// [`StoreError::Missing`] when the tenant or the wrapping version does not exist.
pub fn add_data_key(
    tx: &mut Tx<'_>,
    key: &WrappedDataKey,
    owner: [u8; 16],
    now: Timestamp,
) -> Result<(), StoreError> {
    let (subject, version) = (key.wrapped_by.subject(), key.wrapped_by.tenant_version());
    if let Some(version) = version {
        still_active(tx, key.tenant, version)?;
    }
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
        "SELECT tenant, key_id, purpose, generation, subject, wrapped_by, blob, commitment, created_ms, records
         FROM data_keys WHERE tenant = $1 AND purpose = $2 AND owner = $3
         ORDER BY generation DESC LIMIT 1",
        params![tenant, purpose.code(), owner],
    )?;
    row.map(|row| chain_of(tx, row)).transpose()
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
        "SELECT tenant, key_id, purpose, generation, subject, wrapped_by, blob, commitment, created_ms, records
         FROM data_keys WHERE tenant = $1 AND purpose = $2 AND owner = $3 AND generation = $4",
        params![tenant, purpose.code(), owner, generation],
    )?;
    row.map(|row| chain_of(tx, row)).transpose()
}

fn chain_of(tx: &mut Read<'_>, mut row: Row) -> Result<Chain, StoreError> {
    let (made, records) = (row.take("created_ms")?, row.take("records")?);
    let data = data_key_of(row)?;
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
    let row = tx.row(
        "SELECT tenant, version, blob, commitment, state FROM tenant_keys
         WHERE tenant = $1 AND version = $2 AND state <> 'destroyed'",
        params![data.tenant, version],
    )?;
    let mut row = row.ok_or(StoreError::Missing { what: "tenant key" })?;
    let state = row.take("state")?;
    Ok(Chain { tenant: tenant_key_of(row)?, state, subject, data, made, records })
}

/// Counts records sealed with a key, and gives the count so far.
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

pub(crate) fn subject_key_of(mut row: Row) -> Result<WrappedSubjectKey, StoreError> {
    Ok(WrappedSubjectKey {
        tenant: row.take("tenant")?,
        subject: row.take("subject")?,
        wrapped_by: row.take("wrapped_by")?,
        blob: row.take("blob")?,
        commitment: row.take("commitment")?,
    })
}

pub(crate) fn data_key_of(mut row: Row) -> Result<WrappedDataKey, StoreError> {
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
