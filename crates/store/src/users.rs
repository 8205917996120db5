//! Members of staff: accounts, invitations, and the roles they hold.
//!
//! Managing other people takes a permit. What signing in and accepting an invitation need does not:
//! a permit names an actor, and there is none before the proof is given. Those functions are at the
//! end of each section and say so; only `identity` calls them.

use guard::action::{DisableUser, EnableUser, GrantRole, InviteUser, ReadUsers, ResetFactors, RevokeRole};
use guard::{Action, Grant, Permit, Role};
use kernel::{DisplayName, Email, Id, InviteId, Reason, TenantId, Timestamp, UserId};
use vault::{Place, Sealed};

use crate::access;
use crate::bound::{self, Bound};
use crate::places::SealedColumn;
use crate::words::{Keyed, states};
use crate::{Read, Row, StoreError, Tx, custom_roles, params};

states! {
    /// The state of an account.
    UserState {
        /// May sign in.
        Active = "active",
        /// May not.
        Disabled = "disabled",
    }
}

/// An account, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Where they work.
    pub tenant: TenantId,
    /// The account.
    pub id: UserId,
    /// The generation of the key that seals address and name.
    pub key_gen: u32,
    /// The e-mail address, sealed at [`email_place`].
    pub email: Sealed<Email>,
    /// The name, sealed at [`name_place`].
    pub name: Sealed<DisplayName>,
    /// The state.
    pub state: UserState,
    /// Sessions of an older epoch are void.
    pub epoch: u64,
    /// When the account was made.
    pub created: Timestamp,
    /// When they last signed in.
    pub last_login: Option<Timestamp>,
}

/// An account to be made.
#[derive(Debug)]
pub struct NewUser {
    /// Where they work.
    pub tenant: TenantId,
    /// The account.
    pub id: UserId,
    /// The blind index of the e-mail address.
    pub email_blind: [u8; 16],
    /// The generation of the key that seals address and name.
    pub key_gen: u32,
    /// The e-mail address, sealed at [`email_place`].
    pub email: Sealed<Email>,
    /// The name, sealed at [`name_place`].
    pub name: Sealed<DisplayName>,
    /// When it is made.
    pub now: Timestamp,
}

/// The place of an account's e-mail address.
pub fn email_place(tenant: TenantId, user: UserId) -> Place {
    SealedColumn::UserEmail.of(tenant, user)
}

/// The place of an account's name.
pub fn name_place(tenant: TenantId, user: UserId) -> Place {
    SealedColumn::UserName.of(tenant, user)
}

/// All accounts, the oldest first; or the permit's one.
///
/// # Errors
/// Only what the database says.
pub fn list(tx: &mut Read<'_>, permit: &Permit<ReadUsers>) -> Result<Vec<User>, StoreError> {
    let rows = listed(tx, permit)?;
    bound::held(tx, Bound::Users, rows)?.into_iter().map(user_of).collect()
}

/// The same for a page that goes on without accounts that are not as this program left them; with what each
/// may do now. What reviews or counts accounts takes [`list`]: it has them all or says that it has not.
///
/// # Errors
/// Only what the database says.
pub fn legible(
    tx: &mut Read<'_>,
    permit: &Permit<ReadUsers>,
    now: Timestamp,
) -> Result<Vec<(User, Vec<Grant>)>, StoreError> {
    let rows = listed(tx, permit)?;
    let mut found = Vec::with_capacity(rows.len());
    for row in bound::pass_over(tx, Bound::Users, rows)? {
        let user = user_of(row)?;
        match grants_of(tx, user.tenant, user.id, now) {
            Ok(grants) => found.push((user, grants)),
            // Somebody whose roles nobody knows is not shown as somebody without any.
            Err(StoreError::Tampered { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

fn listed(tx: &mut Read<'_>, permit: &Permit<ReadUsers>) -> Result<Vec<Row>, StoreError> {
    let only = permit.resource().account();
    tx.rows(
        "SELECT * FROM users WHERE tenant = $1 AND (id = $2 OR $3 = 0) ORDER BY created_ms, id",
        params![permit.tenant(), only.map_or([0; 16], Id::to_bytes), i64::from(only.is_some())],
    )
}

/// Disables the permit's account. Its sessions and whatever else carries the old epoch are void at once.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such account.
pub fn disable(tx: &mut Tx<'_>, permit: &Permit<DisableUser>) -> Result<(), StoreError> {
    set_state(tx, (permit.tenant(), access::account(permit)?), UserState::Disabled)
}

/// Enables the permit's account. What carries the old epoch stays void.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such account.
pub fn enable(tx: &mut Tx<'_>, permit: &Permit<EnableUser>) -> Result<(), StoreError> {
    set_state(tx, (permit.tenant(), access::account(permit)?), UserState::Active)
}

fn set_state(
    tx: &mut Tx<'_>,
    (tenant, user): (TenantId, UserId),
    state: UserState,
) -> Result<(), StoreError> {
    bound::change(tx, Bound::Users, params![tenant, user], |tx| {
        tx.execute_one(
            "account",
            "UPDATE users SET state = $3, epoch = epoch + 1 WHERE tenant = $1 AND id = $2",
            params![tenant, user, state],
        )
    })
}

/// Removes every factor of the permit's account and voids its sessions, so that it must enrol again.
/// No credential is shown to anybody.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such account.
pub fn reset_factors(tx: &mut Tx<'_>, permit: &Permit<ResetFactors>) -> Result<(), StoreError> {
    let (tenant, user) = (permit.tenant(), access::account(permit)?);
    for sql in [
        "DELETE FROM totp WHERE tenant = $1 AND user_id = $2",
        "DELETE FROM passkeys WHERE tenant = $1 AND user_id = $2",
        "DELETE FROM recovery_codes WHERE tenant = $1 AND user_id = $2",
    ] {
        tx.execute(sql, params![tenant, user])?;
    }
    bump_epoch(tx, tenant, user)
}

/// Makes an account. No permit: the proof is an invitation's secret, or standing at the machine.
///
/// # Errors
/// [`StoreError::Conflict`] when the id or the address has an account.
pub fn create(tx: &mut Tx<'_>, new: &NewUser) -> Result<(), StoreError> {
    tx.insert(
        "account",
        "INSERT INTO users (tenant, id, email_blind, key_gen, email, name, state, epoch, created_ms)
         VALUES ($1, $2, $3, $4, $5, $6, 'active', 1, $7) ON CONFLICT DO NOTHING",
        params![new.tenant, new.id, new.email_blind, new.key_gen, new.email, new.name, new.now],
    )?;
    bound::bind(tx, Bound::Users, params![new.tenant, new.id])
}

/// An account by its id. No permit: it is read at each request to see whether the session still holds.
///
/// # Errors
/// Only what the database says.
pub fn find(tx: &mut Read<'_>, tenant: TenantId, user: UserId) -> Result<Option<User>, StoreError> {
    let row = tx.row("SELECT * FROM users WHERE tenant = $1 AND id = $2", params![tenant, user])?;
    bound::held_one(tx, Bound::Users, row)?.map(user_of).transpose()
}

/// An account by the blind index of its address. No permit: this is how signing in begins.
///
/// # Errors
/// Only what the database says.
pub fn find_by_email(
    tx: &mut Read<'_>,
    tenant: TenantId,
    email_blind: [u8; 16],
) -> Result<Option<User>, StoreError> {
    let row =
        tx.row("SELECT * FROM users WHERE tenant = $1 AND email_blind = $2", params![tenant, email_blind])?;
    bound::held_one(tx, Bound::Users, row)?.map(user_of).transpose()
}

/// Remembers a sign-in. No permit: it is what makes one possible.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such account.
pub fn signed_in(tx: &mut Tx<'_>, tenant: TenantId, user: UserId, now: Timestamp) -> Result<(), StoreError> {
    bound::change(tx, Bound::Users, params![tenant, user], |tx| {
        tx.execute_one(
            "account",
            "UPDATE users SET last_login_ms = $3 WHERE tenant = $1 AND id = $2",
            params![tenant, user, now],
        )
    })
}

/// Voids every session of an account. No permit: it is what a password change, a stolen cookie or a
/// change of roles leads to.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such account.
pub fn bump_epoch(tx: &mut Tx<'_>, tenant: TenantId, user: UserId) -> Result<(), StoreError> {
    bound::change(tx, Bound::Users, params![tenant, user], |tx| {
        tx.execute_one(
            "account",
            "UPDATE users SET epoch = epoch + 1 WHERE tenant = $1 AND id = $2",
            params![tenant, user],
        )
    })
}

fn user_of(mut row: Row) -> Result<User, StoreError> {
    Ok(User {
        tenant: row.take("tenant")?,
        id: row.take("id")?,
        key_gen: row.take("key_gen")?,
        email: row.take("email")?,
        name: row.take("name")?,
        state: row.take("state")?,
        epoch: row.take("epoch")?,
        created: row.take("created_ms")?,
        last_login: row.take("last_login_ms")?,
    })
}

/// A grant with its story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRow {
    /// Who holds it.
    pub user: UserId,
    /// The role and where it holds.
    pub grant: Grant,
    /// Where it comes from: `manual`, or a directory's connection.
    pub source: String,
    /// Who granted it.
    pub granted_by: Option<UserId>,
    /// Why, sealed at [`reason_place`], and the key's generation.
    pub reason: Option<Keyed<Reason>>,
    /// When.
    pub granted: Timestamp,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
}

/// The place of a grant's reason. The time tells one granting from another.
pub fn reason_place(tenant: TenantId, user: UserId, granted: Timestamp) -> Place {
    SealedColumn::GrantReason.of(tenant, user).created(granted)
}

/// Grants a role to the permit's account, in place of the same grant from the same source. Which
/// roles one person may hold together is [`guard::check_assignment`]'s to say, before this.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such account.
pub fn grant(tx: &mut Tx<'_>, permit: &Permit<GrantRole>, row: &GrantRow) -> Result<(), StoreError> {
    if row.user != access::account(permit)? {
        return Err(StoreError::Missing { what: "account" });
    }
    put_grant(tx, permit.tenant(), row)
}

/// Takes a role away from the permit's account, whatever its source. Gives false when it was not held.
///
/// # Errors
/// Only what the database says.
pub fn revoke(tx: &mut Tx<'_>, permit: &Permit<RevokeRole>, grant: &Grant) -> Result<bool, StoreError> {
    let gone = tx.execute(
        "DELETE FROM grants WHERE tenant = $1 AND user_id = $2 AND role = $3 AND scope = $4",
        params![permit.tenant(), access::account(permit)?, grant.role, grant.scope],
    )?;
    Ok(gone > 0)
}

/// Every grant, ended ones too; or those of the permit's account.
///
/// # Errors
/// Only what the database says.
pub fn grants(tx: &mut Read<'_>, permit: &Permit<ReadUsers>) -> Result<Vec<GrantRow>, StoreError> {
    let only = permit.resource().account();
    let rows = tx.rows(
        "SELECT * FROM grants
         WHERE tenant = $1 AND (user_id = $2 OR $3 = 0) ORDER BY granted_ms, user_id, role, scope, source",
        params![permit.tenant(), only.map_or([0; 16], Id::to_bytes), i64::from(only.is_some())],
    )?;
    bound::held(tx, Bound::Grants, rows)?.into_iter().map(grant_of).collect()
}

/// Files a grant. No permit: it comes of an accepted invitation, a directory, or the first owner.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such account.
pub fn put_grant(tx: &mut Tx<'_>, tenant: TenantId, row: &GrantRow) -> Result<(), StoreError> {
    let reason = row.reason.as_ref();
    let key = params![tenant, row.user, row.grant.role, row.grant.scope, row.source];
    bound::change(tx, Bound::Grants, key, |tx| {
        tx.execute(
        "INSERT INTO grants (tenant, user_id, role, scope, source, granted_by, key_gen, reason, granted_ms,
                             expires_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (tenant, user_id, role, scope, source) DO UPDATE
         SET granted_by = excluded.granted_by, key_gen = excluded.key_gen, reason = excluded.reason,
             granted_ms = excluded.granted_ms, expires_ms = excluded.expires_ms",
        params![
            tenant,
            row.user,
            row.grant.role,
            row.grant.scope,
            row.source,
            row.granted_by,
            reason.map(|(_, generation)| *generation),
            reason.map(|(sealed, _)| sealed),
            row.granted,
            row.expires
        ],
    )
    .map_err(|error| error.named("account"))
    })?;
    Ok(())
}

/// The grants that hold now for an account. No permit: they are what an actor is made of. A grant of a
/// role that the tenant made of actions holds only while that role is what the grant says.
///
/// # Errors
/// Only what the database says.
pub fn grants_of(
    tx: &mut Read<'_>,
    tenant: TenantId,
    user: UserId,
    now: Timestamp,
) -> Result<Vec<Grant>, StoreError> {
    // Those that have ended too: a changed end would else make a grant vanish without a word.
    let rows = tx.rows(
        "SELECT * FROM grants WHERE tenant = $1 AND user_id = $2 ORDER BY role, scope",
        params![tenant, user],
    )?;
    let mut grants = Vec::new();
    for mut row in bound::held(tx, Bound::Grants, rows)? {
        let expires: Option<Timestamp> = row.take("expires_ms")?;
        if expires.is_none_or(|end| end > now) {
            grants.push(Grant { role: row.take("role")?, scope: row.take("scope")? });
        }
    }
    grants.dedup();
    // What the tenant made of actions holds only while it is in force as it was granted.
    if grants.iter().any(|grant| matches!(grant.role, Role::Custom(_))) {
        let made: Vec<Role> =
            custom_roles::list(tx, tenant)?.into_iter().map(|made| Role::Custom(made.role)).collect();
        grants.retain(|grant| !matches!(grant.role, Role::Custom(_)) || made.contains(&grant.role));
    }
    Ok(grants)
}

/// Puts another role in the place of one, in every grant of it. No permit: whoever changes what a role
/// gives has leave to do so.
///
/// # Errors
/// When a grant is not as this program left it; else what the database says.
pub(crate) fn swap_role(tx: &mut Tx<'_>, tenant: TenantId, old: Role, new: Role) -> Result<(), StoreError> {
    let rows = tx.rows("SELECT * FROM grants WHERE tenant = $1 AND role = $2", params![tenant, old])?;
    for row in bound::held(tx, Bound::Grants, rows)? {
        let mut row = grant_of(row)?;
        row.grant.role = new;
        put_grant(tx, tenant, &row)?;
    }
    tx.execute("DELETE FROM grants WHERE tenant = $1 AND role = $2", params![tenant, old])?;
    Ok(())
}

/// Accounts that may sign in, each with what it holds now. No permit: nobody is shown them; whoever has to be
/// told of something is found among them by asking the guard. One that is not as this program left it decides
/// nothing, and is passed over.
///
/// # Errors
/// Only what the database says.
pub fn able(
    tx: &mut Read<'_>,
    tenant: TenantId,
    now: Timestamp,
) -> Result<Vec<(UserId, Vec<Grant>)>, StoreError> {
    let rows = tx.rows(
        "SELECT * FROM users WHERE tenant = $1 AND state = $2
           AND EXISTS (SELECT 1 FROM grants g WHERE g.tenant = $1 AND g.user_id = users.id)
         ORDER BY created_ms, id",
        params![tenant, UserState::Active],
    )?;
    let mut able = Vec::with_capacity(rows.len());
    for mut row in bound::pass_over(tx, Bound::Users, rows)? {
        let user: UserId = row.take("id")?;
        match grants_of(tx, tenant, user, now) {
            Ok(grants) => able.push((user, grants)),
            Err(StoreError::Tampered { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(able)
}

/// The accounts that are owners of the whole house now and may sign in. No permit: without one of them
/// nobody could manage the staff, and whatever would take the last one out asks.
///
/// # Errors
/// Only what the database says.
pub fn owners(tx: &mut Read<'_>, tenant: TenantId, now: Timestamp) -> Result<Vec<UserId>, StoreError> {
    let rows = tx.rows(
        "SELECT DISTINCT u.id AS id FROM users u JOIN grants g ON g.tenant = u.tenant AND g.user_id = u.id
         WHERE u.tenant = $1 AND u.state = $2 AND g.role = $3 AND g.scope = $4
           AND (g.expires_ms IS NULL OR g.expires_ms > $5)
         ORDER BY u.id",
        params![tenant, UserState::Active, guard::Role::Owner, guard::Scope::Tenant, now],
    )?;
    rows.into_iter().map(|mut row| Ok(row.take("id")?)).collect()
}

fn grant_of(mut row: Row) -> Result<GrantRow, StoreError> {
    let reason: Option<Sealed<Reason>> = row.take("reason")?;
    let key_gen: Option<u32> = row.take("key_gen")?;
    Ok(GrantRow {
        user: row.take("user_id")?,
        grant: Grant { role: row.take("role")?, scope: row.take("scope")? },
        source: row.take("source")?,
        granted_by: row.take("granted_by")?,
        reason: reason.zip(key_gen),
        granted: row.take("granted_ms")?,
        expires: row.take("expires_ms")?,
    })
}

/// An invitation, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// Where to.
    pub tenant: TenantId,
    /// Its id.
    pub id: InviteId,
    /// What it brings.
    pub grant: Grant,
    /// The one address that may use it, sealed at [`invite_place`], and the key's generation.
    pub email: Option<Keyed<Email>>,
    /// Who invited.
    pub invited_by: Option<UserId>,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// When it was used.
    pub used: Option<Timestamp>,
}

/// Leave that makes and withdraws invitations: of somebody new, or to enrol an account anew.
pub trait Invites: Action {}
impl Invites for InviteUser {}
impl Invites for ResetFactors {}

/// The place of an invitation's address.
pub fn invite_place(tenant: TenantId, invite: InviteId) -> Place {
    SealedColumn::InviteEmail.of(tenant, invite)
}

/// Files an invitation to the permit's tenant. Of the link's secret only the hash comes here.
///
/// # Errors
/// [`StoreError::Conflict`] when there is one of this id or secret, [`StoreError::Missing`] when it is
/// for another tenant than the permit.
pub fn invite<A: Invites>(
    tx: &mut Tx<'_>,
    permit: &Permit<A>,
    invite: &Invite,
    secret_hash: [u8; 32],
) -> Result<(), StoreError> {
    if invite.tenant != permit.tenant() {
        return Err(StoreError::Missing { what: "tenant" });
    }
    let email = invite.email.as_ref();
    tx.insert(
        "invitation",
        "INSERT INTO invites (tenant, id, secret_hash, role, scope, key_gen, email, invited_by, created_ms,
                              expires_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
        params![
            invite.tenant,
            invite.id,
            secret_hash,
            invite.grant.role,
            invite.grant.scope,
            email.map(|(_, generation)| *generation),
            email.map(|(sealed, _)| sealed),
            permit.user(),
            invite.created,
            invite.expires
        ],
    )?;
    bound::bind(tx, Bound::Invites, params![invite.tenant, invite.id])
}

/// Every invitation of the permit's tenant, the newest first.
///
/// # Errors
/// Only what the database says.
pub fn invites(tx: &mut Read<'_>, permit: &Permit<ReadUsers>) -> Result<Vec<Invite>, StoreError> {
    let rows = tx.rows(
        "SELECT * FROM invites WHERE tenant = $1 ORDER BY created_ms DESC, id",
        params![permit.tenant()],
    )?;
    bound::pass_over(tx, Bound::Invites, rows)?.into_iter().map(invite_of).collect()
}

/// Withdraws an invitation that was not used.
///
/// # Errors
/// [`StoreError::Missing`] when there is none such.
pub fn withdraw_invite<A: Invites>(
    tx: &mut Tx<'_>,
    permit: &Permit<A>,
    invite: InviteId,
) -> Result<(), StoreError> {
    tx.execute_one(
        "invitation",
        "DELETE FROM invites WHERE tenant = $1 AND id = $2 AND used_ms IS NULL",
        params![permit.tenant(), invite],
    )
}

/// An invitation by the hash of its secret, if it can be used now. No permit: the secret is the proof.
///
/// # Errors
/// Only what the database says.
pub fn find_invite(
    tx: &mut Read<'_>,
    secret_hash: [u8; 32],
    now: Timestamp,
) -> Result<Option<Invite>, StoreError> {
    let row = tx.row(
        "SELECT * FROM invites WHERE secret_hash = $1 AND used_ms IS NULL AND expires_ms > $2",
        params![secret_hash, now],
    )?;
    bound::held_one(tx, Bound::Invites, row)?.map(invite_of).transpose()
}

/// Uses an invitation up, once. No permit: the secret was the proof.
///
/// # Errors
/// [`StoreError::Conflict`] when it was used meanwhile or has ended.
pub fn use_invite(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    invite: InviteId,
    by: UserId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let used = bound::change(tx, Bound::Invites, params![tenant, invite], |tx| {
        tx.execute(
            "UPDATE invites SET used_ms = $3, used_by = $4
             WHERE tenant = $1 AND id = $2 AND used_ms IS NULL AND expires_ms > $3",
            params![tenant, invite, now, by],
        )
    })?;
    if used == 0 { Err(StoreError::Conflict { what: "invitation" }) } else { Ok(()) }
}

fn invite_of(mut row: Row) -> Result<Invite, StoreError> {
    let email: Option<Sealed<Email>> = row.take("email")?;
    let key_gen: Option<u32> = row.take("key_gen")?;
    Ok(Invite {
        tenant: row.take("tenant")?,
        id: row.take("id")?,
        grant: Grant { role: row.take("role")?, scope: row.take("scope")? },
        email: email.zip(key_gen),
        invited_by: row.take("invited_by")?,
        created: row.take("created_ms")?,
        expires: row.take("expires_ms")?,
        used: row.take("used_ms")?,
    })
}
