//! What an enterprise's directory provisions through a connection: people and groups as it describes
//! them, who of them has an account here, and which accounts are disabled because it says so.
//!
//! The connection comes out of the permit, which the guard gives to a directory's token. So whatever a
//! directory asks for, the statements here find the entries of its own connection and no others, and the
//! accounts that hang on them and no others. Functions without a permit say why.

use guard::action::{ProvisionDirectory, ReadConnections, ReadDirectory};
use guard::{Action, Permit};
use kernel::{ConnectionId, DirectoryEntryId, TenantId, Timestamp, UserId};
use vault::Place;

use crate::bound::{self, Bound};
use crate::places::SealedColumn;
use crate::users::{NewUser, UserState};
use crate::words::{Keyed, states};
use crate::{Read, Row, StoreError, Tx, params};

states! {
    /// What an entry describes.
    EntryKind {
        /// A person.
        User = "user",
        /// A group of people.
        Group = "group",
    }
}

/// Leave that opens a directory's own entries.
#[diagnostic::on_unimplemented(message = "leave to `{Self}` does not open a directory's entries")]
pub trait Directories: Action {}
impl Directories for ReadDirectory {}
impl Directories for ProvisionDirectory {}

/// A person or a group, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The entry.
    pub id: DirectoryEntryId,
    /// What it describes.
    pub kind: EntryKind,
    /// The blind index of the user name or the group's name.
    pub name_blind: [u8; 16],
    /// The blind index of the id at the directory.
    pub external_blind: Option<[u8; 16]>,
    /// The account of a person who has one.
    pub account: Option<UserId>,
    /// Whether the directory says that the person may sign in.
    pub active: bool,
    /// What the directory says, sealed at [`record_place`], and the key's generation.
    pub record: Keyed<Vec<u8>>,
    /// Counts changes, those of members included.
    pub version: u64,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub changed: Timestamp,
}

/// The place of an entry's record.
pub fn record_place(tenant: TenantId, entry: DirectoryEntryId) -> Place {
    SealedColumn::DirectoryRecord.of(tenant, entry)
}

/// The connection of the directory that came with this permit. The guard gives these leaves to
/// directories only; should somebody else hold one, nothing is found.
fn own<A: Action>(permit: &Permit<A>) -> Result<ConnectionId, StoreError> {
    permit.actor().directory().ok_or(StoreError::Missing { what: "connection" })
}

/// Files a new entry.
///
/// # Errors
/// [`StoreError::Conflict`] when a person of this name is there, or the account has an entry.
pub fn create(tx: &mut Tx<'_>, permit: &Permit<ProvisionDirectory>, entry: &Entry) -> Result<(), StoreError> {
    let (record, generation) = &entry.record;
    tx.insert(
        "entry",
        "INSERT INTO directory_entries (tenant, connection, id, kind, name_blind, external_blind, account, active,
                                        key_gen, record, version, created_ms, changed_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, $11, $11) ON CONFLICT DO NOTHING",
        params![
            permit.tenant(),
            own(permit)?,
            entry.id,
            entry.kind,
            entry.name_blind,
            entry.external_blind,
            entry.account,
            entry.active,
            *generation,
            record,
            entry.created
        ],
    )
}

/// Writes an entry, if nobody else has changed it since `entry.version` was read.
///
/// # Errors
/// [`StoreError::Conflict`] when somebody has, when there is none, or when another person of the
/// directory has this name.
pub fn update(tx: &mut Tx<'_>, permit: &Permit<ProvisionDirectory>, entry: &Entry) -> Result<(), StoreError> {
    let (record, generation) = &entry.record;
    let changed = tx.execute(
        "UPDATE directory_entries
         SET name_blind = $5, external_blind = $6, account = $7, active = $8, key_gen = $9, record = $10,
             version = version + 1, changed_ms = $11
         WHERE tenant = $1 AND connection = $2 AND id = $3 AND version = $4",
        params![
            permit.tenant(),
            own(permit)?,
            entry.id,
            entry.version,
            entry.name_blind,
            entry.external_blind,
            entry.account,
            entry.active,
            *generation,
            record,
            entry.changed
        ],
    );
    match changed.map_err(|error| error.named("entry"))? {
        1 => Ok(()),
        _ => Err(StoreError::Conflict { what: "version" }),
    }
}

/// Removes an entry, and with it its memberships.
///
/// # Errors
/// [`StoreError::Conflict`] when it was changed meanwhile or is gone.
pub fn remove(
    tx: &mut Tx<'_>,
    permit: &Permit<ProvisionDirectory>,
    id: DirectoryEntryId,
    version: u64,
) -> Result<(), StoreError> {
    let gone = tx.execute(
        "DELETE FROM directory_entries WHERE tenant = $1 AND connection = $2 AND id = $3 AND version = $4",
        params![permit.tenant(), own(permit)?, id, version],
    )?;
    if gone == 1 { Ok(()) } else { Err(StoreError::Conflict { what: "version" }) }
}

/// One entry.
///
/// # Errors
/// Only what the database says.
pub fn find<A: Directories>(
    tx: &mut Read<'_>,
    permit: &Permit<A>,
    kind: EntryKind,
    id: DirectoryEntryId,
) -> Result<Option<Entry>, StoreError> {
    tx.row(
        "SELECT id, kind, name_blind, external_blind, account, active, key_gen, record, version, created_ms,
                changed_ms
         FROM directory_entries WHERE tenant = $1 AND connection = $2 AND kind = $3 AND id = $4",
        params![permit.tenant(), own(permit)?, kind, id],
    )?
    .map(entry_of)
    .transpose()
}

/// The entries of one name: one person at most, and any number of groups.
///
/// # Errors
/// Only what the database says.
pub fn named<A: Directories>(
    tx: &mut Read<'_>,
    permit: &Permit<A>,
    kind: EntryKind,
    name_blind: [u8; 16],
) -> Result<Vec<Entry>, StoreError> {
    let rows = tx.rows(
        "SELECT id, kind, name_blind, external_blind, account, active, key_gen, record, version, created_ms,
                changed_ms
         FROM directory_entries WHERE tenant = $1 AND connection = $2 AND kind = $3 AND name_blind = $4
         ORDER BY created_ms, id",
        params![permit.tenant(), own(permit)?, kind, name_blind],
    )?;
    rows.into_iter().map(entry_of).collect()
}

/// The entries of one id at the directory.
///
/// # Errors
/// Only what the database says.
pub fn external<A: Directories>(
    tx: &mut Read<'_>,
    permit: &Permit<A>,
    kind: EntryKind,
    external_blind: [u8; 16],
) -> Result<Vec<Entry>, StoreError> {
    let rows = tx.rows(
        "SELECT id, kind, name_blind, external_blind, account, active, key_gen, record, version, created_ms,
                changed_ms
         FROM directory_entries WHERE tenant = $1 AND connection = $2 AND kind = $3 AND external_blind = $4
         ORDER BY created_ms, id",
        params![permit.tenant(), own(permit)?, kind, external_blind],
    )?;
    rows.into_iter().map(entry_of).collect()
}

/// Entries in the order of their making: at most `limit`, after the first `skip`.
///
/// # Errors
/// Only what the database says.
pub fn page<A: Directories>(
    tx: &mut Read<'_>,
    permit: &Permit<A>,
    kind: EntryKind,
    skip: u64,
    limit: u64,
) -> Result<Vec<Entry>, StoreError> {
    let rows = tx.rows(
        "SELECT id, kind, name_blind, external_blind, account, active, key_gen, record, version, created_ms,
                changed_ms
         FROM directory_entries WHERE tenant = $1 AND connection = $2 AND kind = $3
         ORDER BY created_ms, id LIMIT $4 OFFSET $5",
        params![permit.tenant(), own(permit)?, kind, limit, skip],
    )?;
    rows.into_iter().map(entry_of).collect()
}

/// How many entries there are.
///
/// # Errors
/// Only what the database says.
pub fn count<A: Directories>(
    tx: &mut Read<'_>,
    permit: &Permit<A>,
    kind: EntryKind,
) -> Result<u64, StoreError> {
    let row = tx.row(
        "SELECT COUNT(*) AS n FROM directory_entries WHERE tenant = $1 AND connection = $2 AND kind = $3",
        params![permit.tenant(), own(permit)?, kind],
    )?;
    row.map_or(Ok(0), |mut row| Ok(row.take("n")?))
}

fn entry_of(mut row: Row) -> Result<Entry, StoreError> {
    Ok(Entry {
        id: row.take("id")?,
        kind: row.take("kind")?,
        name_blind: row.take("name_blind")?,
        external_blind: row.take("external_blind")?,
        account: row.take("account")?,
        active: row.take("active")?,
        record: (row.take("record")?, row.take("key_gen")?),
        version: row.take("version")?,
        created: row.take("created_ms")?,
        changed: row.take("changed_ms")?,
    })
}

/// Who is in a group.
///
/// # Errors
/// Only what the database says.
pub fn members<A: Directories>(
    tx: &mut Read<'_>,
    permit: &Permit<A>,
    group: DirectoryEntryId,
) -> Result<Vec<DirectoryEntryId>, StoreError> {
    let rows = tx.rows(
        "SELECT m.member AS member FROM directory_members m
         JOIN directory_entries e ON e.tenant = m.tenant AND e.id = m.group_id
         WHERE m.tenant = $1 AND e.connection = $2 AND m.group_id = $3 ORDER BY m.member",
        params![permit.tenant(), own(permit)?, group],
    )?;
    rows.into_iter().map(|mut row| Ok(row.take("member")?)).collect()
}

/// The groups that a person is in.
///
/// # Errors
/// Only what the database says.
pub fn groups_of<A: Directories>(
    tx: &mut Read<'_>,
    permit: &Permit<A>,
    person: DirectoryEntryId,
) -> Result<Vec<Entry>, StoreError> {
    let rows = tx.rows(
        "SELECT e.id AS id, e.kind AS kind, e.name_blind AS name_blind, e.external_blind AS external_blind,
                e.account AS account, e.active AS active, e.key_gen AS key_gen, e.record AS record,
                e.version AS version, e.created_ms AS created_ms, e.changed_ms AS changed_ms
         FROM directory_members m JOIN directory_entries e ON e.tenant = m.tenant AND e.id = m.group_id
         WHERE m.tenant = $1 AND e.connection = $2 AND m.member = $3 ORDER BY e.created_ms, e.id",
        params![permit.tenant(), own(permit)?, person],
    )?;
    rows.into_iter().map(entry_of).collect()
}

/// Puts a person into a group of the same directory. False says that there is no such person, or that
/// they were in it.
///
/// # Errors
/// Only what the database says.
pub fn put_member(
    tx: &mut Tx<'_>,
    permit: &Permit<ProvisionDirectory>,
    group: DirectoryEntryId,
    member: DirectoryEntryId,
) -> Result<bool, StoreError> {
    let put = tx.execute(
        "INSERT INTO directory_members (tenant, group_id, member)
         SELECT g.tenant, g.id, m.id FROM directory_entries g
         JOIN directory_entries m ON m.tenant = g.tenant AND m.connection = g.connection
         WHERE g.tenant = $1 AND g.connection = $2 AND g.id = $3 AND g.kind = 'group' AND m.id = $4 AND m.kind = 'user'
         ON CONFLICT DO NOTHING",
        params![permit.tenant(), own(permit)?, group, member],
    )?;
    Ok(put == 1)
}

/// Takes a person out of a group. False says that they were not in it.
///
/// # Errors
/// Only what the database says.
pub fn drop_member(
    tx: &mut Tx<'_>,
    permit: &Permit<ProvisionDirectory>,
    group: DirectoryEntryId,
    member: DirectoryEntryId,
) -> Result<bool, StoreError> {
    let gone = tx.execute(
        "DELETE FROM directory_members WHERE tenant = $1 AND group_id = $3 AND member = $4
           AND EXISTS (SELECT 1 FROM directory_entries g
                       WHERE g.tenant = $1 AND g.connection = $2 AND g.id = directory_members.group_id)",
        params![permit.tenant(), own(permit)?, group, member],
    )?;
    Ok(gone == 1)
}

/// Disables an account that hangs on an entry of the directory, or enables it again. Either way its
/// sessions are void at once.
///
/// # Errors
/// [`StoreError::Missing`] when no entry of this directory has the account.
pub fn set_state(
    tx: &mut Tx<'_>,
    permit: &Permit<ProvisionDirectory>,
    user: UserId,
    state: UserState,
) -> Result<(), StoreError> {
    let (tenant, connection) = (permit.tenant(), own(permit)?);
    bound::change(tx, Bound::Users, params![tenant, user], |tx| {
        tx.execute_one(
            "account",
            "UPDATE users SET state = $4, epoch = epoch + 1 WHERE tenant = $1 AND id = $3
               AND EXISTS (SELECT 1 FROM directory_entries e
                           WHERE e.tenant = $1 AND e.connection = $2 AND e.account = users.id)",
            params![tenant, connection, user, state],
        )
    })
}

/// Writes the name and address of an account that hangs on an entry of the directory.
///
/// # Errors
/// [`StoreError::Missing`] when no entry of this directory has the account, [`StoreError::Conflict`] when
/// the address has another one.
pub fn rename(tx: &mut Tx<'_>, permit: &Permit<ProvisionDirectory>, as_: &NewUser) -> Result<(), StoreError> {
    let (tenant, connection) = (permit.tenant(), own(permit)?);
    let renamed = bound::change(tx, Bound::Users, params![tenant, as_.id], |tx| {
        tx.execute(
            "UPDATE users SET email_blind = $4, key_gen = $5, email = $6, name = $7 WHERE tenant = $1 AND id = $3
               AND EXISTS (SELECT 1 FROM directory_entries e
                           WHERE e.tenant = $1 AND e.connection = $2 AND e.account = users.id)",
            params![tenant, connection, as_.id, as_.email_blind, as_.key_gen, as_.email, as_.name],
        )
    });
    match renamed.map_err(|error| error.named("address"))? {
        0 => Err(StoreError::Missing { what: "account" }),
        _ => Ok(()),
    }
}

/// Remembers that an account is disabled because the directory says so, and for no other reason.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such account.
pub fn hold(
    tx: &mut Tx<'_>,
    permit: &Permit<ProvisionDirectory>,
    user: UserId,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute_one(
        "account",
        "INSERT INTO directory_holds (tenant, user_id, connection, since_ms) VALUES ($1, $2, $3, $4)
         ON CONFLICT (tenant, user_id) DO UPDATE
         SET connection = excluded.connection, since_ms = excluded.since_ms",
        params![permit.tenant(), user, own(permit)?, now],
    )
}

/// The directory because of which an account is disabled. No permit: it says what the next act is about.
///
/// # Errors
/// Only what the database says.
pub fn held_by(
    tx: &mut Read<'_>,
    tenant: TenantId,
    user: UserId,
) -> Result<Option<ConnectionId>, StoreError> {
    let row = tx.row(
        "SELECT connection FROM directory_holds WHERE tenant = $1 AND user_id = $2",
        params![tenant, user],
    )?;
    row.map(|mut row| Ok(row.take("connection")?)).transpose()
}

/// Forgets that an account is disabled because a directory says so: it is enabled again, or somebody
/// here has disabled it too, and then no directory enables it. No permit: it is a part of either.
///
/// # Errors
/// Only what the database says.
pub fn release(tx: &mut Tx<'_>, tenant: TenantId, user: UserId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM directory_holds WHERE tenant = $1 AND user_id = $2", params![tenant, user])?;
    Ok(())
}

/// The entry that has an account, whichever directory's it is. No permit: it keeps two directories from
/// sharing one account.
///
/// # Errors
/// Only what the database says.
pub fn entry_of_account(
    tx: &mut Read<'_>,
    tenant: TenantId,
    user: UserId,
) -> Result<Option<DirectoryEntryId>, StoreError> {
    let row =
        tx.row("SELECT id FROM directory_entries WHERE tenant = $1 AND account = $2", params![tenant, user])?;
    row.map(|mut row| Ok(row.take("id")?)).transpose()
}

/// Whether an account holds a role that no provider's and no directory's group brought. No permit: it keeps
/// a directory from handing such an account to somebody else.
///
/// # Errors
/// Only what the database says.
pub fn is_trusted_here(
    tx: &mut Read<'_>,
    tenant: TenantId,
    user: UserId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let row = tx.row(
        "SELECT COUNT(*) AS n FROM grants WHERE tenant = $1 AND user_id = $2
           AND source NOT LIKE 'scim:%' AND source NOT LIKE 'sso:%' AND (expires_ms IS NULL OR expires_ms > $3)",
        params![tenant, user, now],
    )?;
    row.map_or(Ok(false), |mut row| Ok(row.take::<u64>("n")? > 0))
}

/// The people of a directory who have an account. No permit: their roles are made anew when somebody
/// with leave changes what groups mean.
///
/// # Errors
/// Only what the database says.
pub fn accounts(
    tx: &mut Read<'_>,
    tenant: TenantId,
    connection: ConnectionId,
) -> Result<Vec<(DirectoryEntryId, UserId)>, StoreError> {
    let rows = tx.rows(
        "SELECT id, account FROM directory_entries
         WHERE tenant = $1 AND connection = $2 AND kind = 'user' AND account IS NOT NULL ORDER BY id",
        params![tenant, connection],
    )?;
    rows.into_iter().map(|mut row| Ok((row.take("id")?, row.take("account")?))).collect()
}

/// A group by the blind indexes that a mapping names it by: of its name, and of its id at the directory.
pub type GroupBlinds = ([u8; 16], Option<[u8; 16]>);

/// The groups that a person is in. No permit: as for [`accounts`].
///
/// # Errors
/// Only what the database says.
pub fn blinds_of_groups(
    tx: &mut Read<'_>,
    tenant: TenantId,
    person: DirectoryEntryId,
) -> Result<Vec<GroupBlinds>, StoreError> {
    let rows = tx.rows(
        "SELECT e.name_blind AS name_blind, e.external_blind AS external_blind
         FROM directory_members m JOIN directory_entries e ON e.tenant = m.tenant AND e.id = m.group_id
         WHERE m.tenant = $1 AND m.member = $2 ORDER BY e.id",
        params![tenant, person],
    )?;
    rows.into_iter().map(|mut row| Ok((row.take("name_blind")?, row.take("external_blind")?))).collect()
}

/// What a directory has provisioned, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// People.
    pub people: u64,
    /// Of them those who have an account.
    pub accounts: u64,
    /// Of them those who may sign in.
    pub active: u64,
    /// Groups.
    pub groups: u64,
    /// When it last changed anything.
    pub changed: Option<Timestamp>,
}

/// What the directory of a connection has provisioned, in numbers.
///
/// # Errors
/// Only what the database says.
pub fn tally(
    tx: &mut Read<'_>,
    permit: &Permit<ReadConnections>,
    connection: ConnectionId,
) -> Result<Tally, StoreError> {
    let row = tx.row(
        "SELECT COALESCE(SUM(CASE WHEN kind = 'user' THEN 1 ELSE 0 END), 0) AS people,
                COUNT(account) AS accounts,
                COALESCE(SUM(CASE WHEN account IS NOT NULL AND active = 1 THEN 1 ELSE 0 END), 0) AS active,
                COALESCE(SUM(CASE WHEN kind = 'group' THEN 1 ELSE 0 END), 0) AS groups_,
                MAX(changed_ms) AS changed
         FROM directory_entries WHERE tenant = $1 AND connection = $2",
        params![permit.tenant(), connection],
    )?;
    let Some(mut row) = row else { return Ok(Tally::default()) };
    Ok(Tally {
        people: row.take("people")?,
        accounts: row.take("accounts")?,
        active: row.take("active")?,
        groups: row.take("groups_")?,
        changed: row.take("changed")?,
    })
}
