//! Bound rows: accounts, roles, invitations, sessions, factors, the keys of programs, the policies in force,
//! and through whom people sign in. Each
//! carries a MAC over all of its columns under a key of the tenant's ([`Purpose::Rows`]). Whoever can
//! write to the database and has no key can neither give themselves a role, nor make an account active
//! again, nor put in a session or a factor of their own: the row is refused, by its name, when it is read.
//!
//! A row is changed inside [`change`]: it is looked at before, so that a forged one does not become a
//! true one by the next honest change, and bound anew after. What is read goes through [`held`], or, where
//! many rows are read and none of them decides alone who may do what, through [`pass_over`].
//!
//! Not promised: that a row which was deleted is missed, or that an earlier state of the same row, with
//! the MAC of its time, is not put back. What the audit log says about it remains.
//!
//! Columns that are NULL do not count, so a migration may add one that may be NULL.

use std::sync::{Arc, LazyLock};

use guard::Permit;
use kernel::TenantId;
use vault::{DataKey, Purpose};

use crate::dump::{Dumps, LEFT_OUT};
use crate::refusals::RefusedRow;
use crate::value::{FromValue, Row, Value};
use crate::{Read, StoreError, Tx, keys, params};

/// The column that holds the MAC.
const COLUMN: &str = "bound";

/// A table whose rows are bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    Users,
    Grants,
    Invites,
    Sessions,
    Totp,
    Passkeys,
    RecoveryCodes,
    Holds,
    Connections,
    Domains,
    Identities,
    BreakGlass,
    SignInRules,
    DirectoryTokens,
    KeyRequests,
    ApiKeys,
    ServiceAccounts,
    EndUsers,
    CustomRoles,
    PolicyVersions,
    AccessRequests,
    GlassUses,
    PersonSessions,
    Notices,
}

/// Each with its name and what beside the tenant is its key.
const TABLES: [(Bound, &str, &[&str]); 24] = [
    (Bound::Users, "users", &["id"]),
    (Bound::Grants, "grants", &["user_id", "role", "scope", "source"]),
    (Bound::Invites, "invites", &["id"]),
    (Bound::Sessions, "sessions", &["id"]),
    (Bound::Totp, "totp", &["user_id"]),
    (Bound::Passkeys, "passkeys", &["credential"]),
    (Bound::RecoveryCodes, "recovery_codes", &["user_id", "code_hash"]),
    (Bound::Holds, "legal_holds", &["id"]),
    (Bound::Connections, "connections", &["id"]),
    (Bound::Domains, "connection_domains", &["domain_blind"]),
    (Bound::Identities, "identities", &["connection", "subject_blind"]),
    (Bound::BreakGlass, "break_glass", &["user_id"]),
    (Bound::SignInRules, "sign_in_rules", &[]),
    (Bound::DirectoryTokens, "directory_tokens", &["id"]),
    (Bound::KeyRequests, "key_requests", &["id"]),
    (Bound::ApiKeys, "api_keys", &["id"]),
    (Bound::ServiceAccounts, "service_accounts", &["user_id"]),
    (Bound::EndUsers, "end_users", &["person_blind"]),
    (Bound::CustomRoles, "custom_roles", &["name"]),
    (Bound::PolicyVersions, "policy_versions", &["version"]),
    (Bound::AccessRequests, "access_requests", &["id"]),
    (Bound::GlassUses, "break_glass_uses", &["session"]),
    (Bound::PersonSessions, "person_sessions", &["id"]),
    (Bound::Notices, "notices", &["id"]),
];

/// The statements of one table.
struct Statements {
    of: Bound,
    name: &'static str,
    key: &'static [&'static str],
    one: String,
    bind: String,
    loose: String,
    all: String,
}

static STATEMENTS: LazyLock<Vec<Statements>> = LazyLock::new(|| {
    let made = TABLES.iter().map(|(of, name, key)| {
        let wheres: Vec<String> = std::iter::once(&"tenant")
            .chain(*key)
            .enumerate()
            .map(|(at, column)| format!("{column} = ${}", at + 1))
            .collect();
        let (place, next) = (wheres.join(" AND "), wheres.len() + 1);
        Statements {
            of: *of,
            name,
            key,
            one: format!("SELECT * FROM {name} WHERE {place}"),
            bind: format!("UPDATE {name} SET {COLUMN} = ${next} WHERE {place}"),
            loose: format!("SELECT * FROM {name} WHERE tenant = $1 AND {COLUMN} IS NULL"),
            all: format!("SELECT * FROM {name}"),
        }
    });
    made.collect()
});

impl Bound {
    fn statements(self) -> Result<&'static Statements, StoreError> {
        let found = STATEMENTS.iter().find(|statements| statements.of == self);
        found.ok_or(StoreError::Missing { what: "bound table" })
    }
}

/// Whether rows of this table are bound.
pub fn is_bound(table: &str) -> bool {
    TABLES.iter().any(|(_, name, _)| *name == table)
}

/// Whether a row of a bound table, given by its columns, is as this program left it.
///
/// # Errors
/// [`StoreError::Tampered`] when it is not; else as for any look at the tenant's keys.
pub fn check<'a>(
    tx: &mut Read<'_>,
    table: &str,
    tenant: TenantId,
    columns: impl Iterator<Item = (&'a str, &'a Value<'static>)>,
) -> Result<(), StoreError> {
    let found = STATEMENTS.iter().find(|statements| statements.name == table);
    let statements = found.ok_or(StoreError::Missing { what: "bound table" })?;
    match tx.row_key(tenant)? {
        Some(key) => verify(&key, statements, &columns.collect::<Vec<_>>()),
        None => Ok(()),
    }
}

/// Every row in the bound tables that no dump carries. Gives those that do not hold.
///
/// # Errors
/// Only what the database says.
pub fn check_left_out<A: Dumps>(
    tx: &mut Read<'_>,
    _permits: &[Permit<A>],
) -> Result<Vec<StoreError>, StoreError> {
    let mut broken = Vec::new();
    for statements in STATEMENTS.iter().filter(|statements| LEFT_OUT.contains(&statements.name)) {
        for row in tx.rows(&statements.all, &[])? {
            let pairs: Vec<_> = row.pairs().collect();
            let held = match tenant_of(&pairs).and_then(|tenant| tx.row_key(tenant)) {
                Ok(Some(key)) => verify(&key, statements, &pairs),
                Ok(None) => Ok(()),
                // A tenant that is none has no key.
                Err(StoreError::Missing { .. } | StoreError::Malformed { .. }) => {
                    Err(tampered(statements, &pairs))
                }
                Err(error) => return Err(error),
            };
            broken.extend(held.err());
        }
    }
    Ok(broken)
}

/// The rows, if each of them is as this program left it. For whatever decides who may do what.
pub(crate) fn held(tx: &mut Read<'_>, of: Bound, rows: Vec<Row>) -> Result<Vec<Row>, StoreError> {
    let statements = of.statements()?;
    for row in &rows {
        holds(tx, statements, row)?;
    }
    Ok(rows)
}

/// The rows that are as this program left them, and apart those that are not. For lists and rounds of work
/// that would otherwise stop for everybody because of one row.
pub(crate) fn sift(tx: &mut Read<'_>, of: Bound, rows: Vec<Row>) -> Result<(Vec<Row>, Vec<Row>), StoreError> {
    let statements = of.statements()?;
    let (mut held, mut refused) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in rows {
        match holds(tx, statements, &row) {
            Ok(()) => held.push(row),
            Err(StoreError::Tampered { .. }) => refused.push(row),
            Err(error) => return Err(error),
        }
    }
    Ok((held, refused))
}

/// The rows that are as this program left them; the others are passed over, and noted.
pub(crate) fn pass_over(tx: &mut Read<'_>, of: Bound, rows: Vec<Row>) -> Result<Vec<Row>, StoreError> {
    Ok(sift(tx, of, rows)?.0)
}

/// Whether a row is as this program left it. One that is not is noted.
fn holds(tx: &mut Read<'_>, statements: &Statements, row: &Row) -> Result<(), StoreError> {
    let pairs: Vec<_> = row.pairs().collect();
    let Some(key) = tx.row_key(tenant_of(&pairs)?)? else { return Ok(()) };
    verify(&key, statements, &pairs).inspect_err(|error| {
        if let StoreError::Tampered { table, row } = error {
            tx.note(RefusedRow { table, row: row.clone(), reason: "bound" });
        }
    })
}

/// The row, if there is one and it is as this program left it.
pub(crate) fn held_one(tx: &mut Read<'_>, of: Bound, row: Option<Row>) -> Result<Option<Row>, StoreError> {
    Ok(held(tx, of, row.into_iter().collect())?.into_iter().next())
}

/// Changes one row, which may not be there before or after. `key` is the tenant and the rest of its key.
pub(crate) fn change<'e, T>(
    tx: &mut Tx<'e>,
    of: Bound,
    key: &[Value<'_>],
    act: impl FnOnce(&mut Tx<'e>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let before = tx.row(&of.statements()?.one, key)?;
    held_one(tx, of, before)?;
    let done = act(tx)?;
    bind(tx, of, key)?;
    Ok(done)
}

/// Binds a row to what it says now. Where it was not looked at before, only for what takes rights away.
pub(crate) fn bind(tx: &mut Tx<'_>, of: Bound, key: &[Value<'_>]) -> Result<(), StoreError> {
    let statements = of.statements()?;
    match tx.row(&statements.one, key)? {
        Some(row) => bind_row(tx, statements, key, &row),
        None => Ok(()),
    }
}

/// Binds every row of a tenant that is not: once, when the key for it is made.
pub(crate) fn adopt(tx: &mut Tx<'_>, tenant: TenantId) -> Result<u64, StoreError> {
    let mut adopted = 0;
    for statements in STATEMENTS.iter() {
        for row in tx.rows(&statements.loose, params![tenant])? {
            let key: Vec<Value<'static>> = std::iter::once(&"tenant")
                .chain(statements.key)
                .filter_map(|column| row.pairs().find(|(name, _)| name == column))
                .map(|(_, value)| value.clone())
                .collect();
            bind_row(tx, statements, &key, &row)?;
            adopted += 1;
        }
    }
    Ok(adopted)
}

fn bind_row(
    tx: &mut Tx<'_>,
    statements: &'static Statements,
    key: &[Value<'_>],
    row: &Row,
) -> Result<(), StoreError> {
    let pairs: Vec<_> = row.pairs().collect();
    let Some(with) = tx.row_key(tenant_of(&pairs)?)? else { return Ok(()) };
    let seal = seal_of(&with, statements.name, &pairs)?;
    let mut params: Vec<Value<'_>> = key.to_vec();
    params.push(Value::Blob(seal.as_slice().into()));
    tx.execute(&statements.bind, &params).map(drop)
}

fn verify(
    key: &DataKey,
    statements: &Statements,
    pairs: &[(&str, &Value<'static>)],
) -> Result<(), StoreError> {
    let seal = seal_of(key, statements.name, pairs)?;
    let carried = pairs.iter().find(|(name, _)| *name == COLUMN).map(|(_, value)| *value);
    let holds = match carried {
        Some(Value::Blob(carried)) => {
            aws_lc_rs::constant_time::verify_slices_are_equal(carried, &seal).is_ok()
        }
        _ => false,
    };
    if holds { Ok(()) } else { Err(tampered(statements, pairs)) }
}

fn tampered(statements: &Statements, pairs: &[(&str, &Value<'static>)]) -> StoreError {
    let told = statements.key.iter().filter_map(|column| pairs.iter().find(|(name, _)| name == column));
    let row: Vec<String> = told.map(|(_, value)| value.told()).collect();
    StoreError::Tampered { table: statements.name, row: row.join("/") }
}

/// HMAC-SHA256 over the table's name and, in the order of their names, every column that is not NULL:
/// name, kind and value, each with its length in front.
fn seal_of(key: &DataKey, table: &str, pairs: &[(&str, &Value<'static>)]) -> Result<[u8; 32], StoreError> {
    let mut sorted: Vec<_> = pairs.iter().filter(|(name, _)| *name != COLUMN).collect();
    sorted.sort_unstable_by_key(|(name, _)| *name);
    let mut text = Vec::with_capacity(512);
    let mut put = |part: &[u8]| {
        text.extend_from_slice(&(part.len() as u64).to_be_bytes());
        text.extend_from_slice(part);
    };
    put(table.as_bytes());
    for (name, value) in sorted {
        let (kind, bytes): (&[u8], std::borrow::Cow<'_, [u8]>) = match value {
            Value::Null => continue,
            Value::Int(number) => (b"i", number.to_be_bytes().to_vec().into()),
            Value::Text(text) => (b"t", text.as_bytes().into()),
            Value::Blob(bytes) => (b"b", bytes.as_ref().into()),
        };
        put(name.as_bytes());
        put(kind);
        put(&bytes);
    }
    key.mac("row", &text).map_err(StoreError::refuse)
}

fn tenant_of(pairs: &[(&str, &Value<'static>)]) -> Result<TenantId, StoreError> {
    let found = pairs.iter().find(|(name, _)| *name == "tenant").map(|(_, value)| (*value).clone());
    found.and_then(TenantId::from_value).ok_or(StoreError::Malformed { what: "row" })
}

/// The key that binds a tenant's rows, through the keys above it as they are in this transaction.
pub(crate) fn key_of(
    tx: &mut Read<'_>,
    keyring: &vault::Keyring,
    tenant: TenantId,
) -> Result<Arc<DataKey>, StoreError> {
    let chain = keys::newest(tx, tenant, Purpose::Rows, keys::house_of(tenant))?;
    let chain = chain.ok_or(StoreError::Missing { what: "key that binds the rows" })?;
    // Whatever the state of the version above it: it shows nothing to anybody, and whoever disables or
    // enables a version needs it for what they write.
    keyring.data_key(&chain.link()).map_err(StoreError::refuse)
}
