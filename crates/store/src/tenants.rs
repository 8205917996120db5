//! Tenants. No permit: a tenant is made by whoever runs the house, before anybody can be permitted
//! anything in it.

use kernel::{TenantId, Timestamp};

use crate::{Read, StoreError, Tx, params};

/// Makes a tenant, with an empty audit log.
///
/// # Errors
/// [`StoreError::Conflict`] when it is there already.
pub fn create(tx: &mut Tx<'_>, tenant: TenantId, now: Timestamp) -> Result<(), StoreError> {
    tx.insert(
        "tenant",
        "INSERT INTO tenants (id, created_ms) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        params![tenant, now],
    )?;
    tx.execute(
        "INSERT INTO ledger_trees (tenant, size, frontier) VALUES ($1, 0, $2)",
        params![tenant, ledger::Frontier::new().to_bytes()],
    )?;
    Ok(())
}

/// All tenants, the oldest first.
///
/// # Errors
/// Only what the database says.
pub fn list(tx: &mut Read<'_>) -> Result<Vec<TenantId>, StoreError> {
    let rows = tx.rows("SELECT id FROM tenants ORDER BY created_ms, id", &[])?;
    rows.into_iter().map(|mut row| Ok(row.take("id")?)).collect()
}
