//! Roles that a tenant made of actions. A grant holds what its role gives in its own text; the table here
//! says which of those texts are in force, and [`crate::users::grants_of`] passes over all others.

use guard::action::DefineRole;
use guard::{CustomRole, Permit, Role};
use kernel::{TenantId, Timestamp, UserId};

use crate::bound::{self, Bound};
use crate::{Read, Row, StoreError, Tx, params};

/// A role that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeRole {
    /// What it gives.
    pub role: CustomRole,
    /// Who made it so; nobody stands for the operator.
    pub made_by: Option<UserId>,
    /// When.
    pub made: Timestamp,
}

/// Makes a role, or changes what the role of this name gives; those who hold it hold the new one from now
/// on. Gives the accounts that do, whose sessions have to end.
///
/// # Errors
/// Only what the database says.
pub fn define(
    tx: &mut Tx<'_>,
    permit: &Permit<DefineRole>,
    role: CustomRole,
    now: Timestamp,
) -> Result<Vec<UserId>, StoreError> {
    let tenant = permit.tenant();
    let holders = match find(tx, tenant, role.name())? {
        Some(old) if old.role == role => return Ok(Vec::new()),
        Some(old) => {
            let holders = holders(tx, tenant, old.role)?;
            crate::users::swap_role(tx, tenant, Role::Custom(old.role), Role::Custom(role))?;
            holders
        }
        None => Vec::new(),
    };
    tx.execute_one(
        "tenant",
        "INSERT INTO custom_roles (tenant, name, role, made_by, made_ms) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant, name) DO UPDATE
         SET role = excluded.role, made_by = excluded.made_by, made_ms = excluded.made_ms",
        params![tenant, role.name(), Role::Custom(role), permit.user(), now],
    )?;
    // `find` has looked at the row that was there.
    bound::bind(tx, Bound::CustomRoles, params![tenant, role.name()])?;
    Ok(holders)
}

/// Ends a role: it and every grant of it are gone. Gives the accounts that held it, or nothing when there
/// is no such role.
///
/// # Errors
/// Only what the database says.
pub fn retire(
    tx: &mut Tx<'_>,
    permit: &Permit<DefineRole>,
    name: &str,
) -> Result<Option<(CustomRole, Vec<UserId>)>, StoreError> {
    let tenant = permit.tenant();
    let Some(old) = find(tx, tenant, name)? else { return Ok(None) };
    let holders = holders(tx, tenant, old.role)?;
    tx.execute(
        "DELETE FROM grants WHERE tenant = $1 AND role = $2",
        params![tenant, Role::Custom(old.role)],
    )?;
    tx.execute("DELETE FROM custom_roles WHERE tenant = $1 AND name = $2", params![tenant, name])?;
    Ok(Some((old.role, holders)))
}

/// The roles in force, by name. No permit: which roles there are is what a grant is made with.
///
/// # Errors
/// Only what the database says.
pub fn list(tx: &mut Read<'_>, tenant: TenantId) -> Result<Vec<MadeRole>, StoreError> {
    let rows = tx.rows("SELECT * FROM custom_roles WHERE tenant = $1 ORDER BY name", params![tenant])?;
    bound::held(tx, Bound::CustomRoles, rows)?.into_iter().map(made).collect()
}

/// The role of this name that is in force.
///
/// # Errors
/// Only what the database says.
pub fn find(tx: &mut Read<'_>, tenant: TenantId, name: &str) -> Result<Option<MadeRole>, StoreError> {
    let row = tx.row("SELECT * FROM custom_roles WHERE tenant = $1 AND name = $2", params![tenant, name])?;
    bound::held_one(tx, Bound::CustomRoles, row)?.map(made).transpose()
}

fn holders(tx: &mut Read<'_>, tenant: TenantId, role: CustomRole) -> Result<Vec<UserId>, StoreError> {
    let rows = tx.rows(
        "SELECT DISTINCT user_id FROM grants WHERE tenant = $1 AND role = $2 ORDER BY user_id",
        params![tenant, Role::Custom(role)],
    )?;
    rows.into_iter().map(|mut row| Ok(row.take("user_id")?)).collect()
}

fn made(mut row: Row) -> Result<MadeRole, StoreError> {
    let role: Role = row.take("role")?;
    let Role::Custom(role) = role else { return Err(StoreError::Malformed { what: "custom role" }) };
    Ok(MadeRole { role, made_by: row.take("made_by")?, made: row.take("made_ms")? })
}
