//! Settings of a tenant, sealed one by one. No permits: settings are read by every part of the house,
//! and the act that changes one asks for its own.

use kernel::{TenantId, Timestamp};
use vault::{Place, Sealed};

use crate::conversations::sha256;
use crate::places::SealedColumn;
use crate::words::Keyed;
use crate::{Read, StoreError, Tx, params};

/// The place of a setting's value: the first half of the SHA-256 of its name.
pub fn value_place(tenant: TenantId, name: &str) -> Place {
    let mut row = [0; 16];
    row.iter_mut().zip(sha256(name.as_bytes())).for_each(|(to, from)| *to = from);
    SealedColumn::SettingValue.at(tenant, row)
}

/// A setting, with the generation of the key that seals it.
///
/// # Errors
/// Only what the database says.
pub fn get(tx: &mut Read<'_>, tenant: TenantId, name: &str) -> Result<Option<Keyed<Vec<u8>>>, StoreError> {
    let row =
        tx.row("SELECT value, key_gen FROM settings WHERE tenant = $1 AND name = $2", params![tenant, name])?;
    row.map(|mut row| Ok((row.take("value")?, row.take("key_gen")?))).transpose()
}

/// The names of a tenant's settings.
///
/// # Errors
/// Only what the database says.
pub fn names(tx: &mut Read<'_>, tenant: TenantId) -> Result<Vec<String>, StoreError> {
    let rows = tx.rows("SELECT name FROM settings WHERE tenant = $1 ORDER BY name", params![tenant])?;
    rows.into_iter().map(|mut row| Ok(row.take("name")?)).collect()
}

/// Sets a setting; the value is sealed at [`value_place`].
///
/// # Errors
/// [`StoreError::Missing`] when there is no such tenant.
pub fn set(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    name: &str,
    value: &Sealed<Vec<u8>>,
    key_gen: u32,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute_one(
        "tenant",
        "INSERT INTO settings (tenant, name, key_gen, value, updated_ms) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant, name) DO UPDATE
         SET key_gen = excluded.key_gen, value = excluded.value, updated_ms = excluded.updated_ms",
        params![tenant, name, key_gen, value, now],
    )
}

/// Removes a setting.
///
/// # Errors
/// Only what the database says.
pub fn remove(tx: &mut Tx<'_>, tenant: TenantId, name: &str) -> Result<(), StoreError> {
    tx.execute("DELETE FROM settings WHERE tenant = $1 AND name = $2", params![tenant, name])?;
    Ok(())
}
