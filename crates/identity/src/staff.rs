//! The people who work here: who they are, taking somebody out and letting them in again, and making somebody
//! enrol anew.

use guard::action::{DisableUser, EnableUser, ManageOwnAccount, ReadUsers, ResetFactors};
use guard::{Action, Actor, Circumstances, Grant, Permit, Resource, Role, check_assignment};
use kernel::{DisplayName, Email, Secret, Timestamp, UserId};
use ledger::catalogue::{ApiKeyRevoked, FactorsReset, UserDisabled, UserEnabled};
use store::users::{self, GrantRow, User, UserState};
use store::{Read, StoreError, Tx, Via, api_keys, credentials, identities};

use crate::invite::{self, Draft, For};
use crate::notices::{NoticeKind, Particulars};
use crate::pen::Pen;
use crate::session::{account, end_all};
use crate::{Identity, IdentityError, Inner, Refused};

/// A member of staff, for the list.
#[derive(Debug, Clone)]
pub struct UserView {
    /// The account.
    pub id: UserId,
    /// The name.
    pub name: DisplayName,
    /// The address.
    pub email: Email,
    /// Whether they may sign in.
    pub state: UserState,
    /// When the account was made.
    pub created: Timestamp,
    /// When they last signed in.
    pub last_login: Option<Timestamp>,
    /// What they hold now.
    pub grants: Vec<Grant>,
    /// What they sign in with.
    pub factors: Factors,
    /// Nobody signs in to it: programs show its keys.
    pub service: bool,
}

/// What somebody signs in with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Factors {
    /// A password with a confirmed authenticator app.
    pub totp: bool,
    /// How many passkeys.
    pub passkeys: usize,
    /// How many recovery codes are left.
    pub recovery_codes: u64,
}

impl Factors {
    /// Whether they can sign in at all.
    pub fn any(&self) -> bool {
        self.totp || self.passkeys > 0
    }
}

impl Identity {
    /// All members of staff, the oldest account first; or the permit's one. An account that is not as this
    /// program left it, or whose roles are not, is left out.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn users(&self, permit: Permit<ReadUsers>) -> Result<Vec<UserView>, IdentityError> {
        let (inner, now) = (&self.0, self.0.world.now());
        let tenant = inner.tenant;
        let rows = inner.db.read(move |tx| {
            let mut rows = Vec::new();
            for (user, grants) in users::legible(tx, &permit, now)? {
                let factors = factors_of(tx, tenant, user.id)?;
                let service = api_keys::service(tx, tenant, user.id)?.is_some();
                rows.push((user, grants, factors, service));
            }
            Ok(rows)
        });
        let mut shown = Vec::new();
        for (user, grants, factors, service) in rows.await? {
            let who = inner.who(&user).await?;
            let User { id, state, created, last_login, .. } = user;
            let (name, email) = (who.name, who.email);
            shown.push(UserView { id, name, email, state, created, last_login, grants, factors, service });
        }
        Ok(shown)
    }

    /// What the permit's account signs in with.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn factors(&self, permit: Permit<ManageOwnAccount>) -> Result<Factors, IdentityError> {
        let (tenant, user) = (self.0.tenant, account(permit.resource())?);
        Ok(self.0.db.read(move |tx| factors_of(tx, tenant, user)).await?)
    }

    /// Every grant with its story, ended ones too; or those of the permit's account. Reasons stay
    /// sealed.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn grants(&self, permit: Permit<ReadUsers>) -> Result<Vec<GrantRow>, IdentityError> {
        Ok(self.0.db.read(move |tx| users::grants(tx, &permit)).await?)
    }

    /// Disables an account. Its sessions end with it.
    ///
    /// # Errors
    /// [`Refused::LastOwner`], [`Refused::NoAccount`].
    pub async fn disable(&self, permit: Permit<DisableUser>, via: &Via) -> Result<(), IdentityError> {
        let inner = &self.0;
        let (tenant, user, now) = (inner.tenant, account(permit.resource())?, inner.world.now());
        let pen = inner.pen(permit.actor().clone(), via).await?;
        let reads = inner.also::<ReadUsers>(permit.actor())?;
        let job = inner.db.write(move |tx| {
            if users::find(tx, tenant, user)?.is_none() {
                return Err(Refused::NoAccount.into());
            }
            not_the_last(tx, &reads, user, now)?;
            let sessions_ended = end_all(tx, &pen, (tenant, user), None, now)?;
            users::disable(tx, &permit)?;
            // A directory that had disabled it too does not enable it any more.
            store::directory::release(tx, tenant, user)?;
            pen.tell(tx, user, NoticeKind::Disabled, Particulars::default())?;
            pen.note(tx, &UserDisabled { user, sessions_ended })
        });
        job.await?;
        inner.tell();
        Ok(())
    }

    /// Enables an account that was disabled, for the reason that the permit carries. What ended with it stays
    /// ended: its sessions, and its API keys and those of the service accounts that it answers for. The
    /// person signs in with what they signed in with before.
    ///
    /// # Errors
    /// [`Refused::ReasonNeeded`], [`Refused::NoAccount`], [`Refused::NotDisabled`]; [`Refused::Separation`]
    /// when the account holds two roles that may not be held together, which the rules of the day decide.
    pub async fn enable(&self, permit: Permit<EnableUser>, via: &Via) -> Result<(), IdentityError> {
        let inner = &self.0;
        let (tenant, user, now) = (inner.tenant, account(permit.resource())?, inner.world.now());
        let reason = permit.reason().cloned().ok_or(Refused::ReasonNeeded)?;
        let pen = inner.pen(permit.actor().clone(), via).await?;
        let job = inner.db.write(move |tx| {
            match users::find(tx, tenant, user)? {
                None => return Err(Refused::NoAccount.into()),
                Some(row) if row.state != UserState::Disabled => return Err(Refused::NotDisabled.into()),
                Some(_) => {}
            }
            let held = users::grants_of(tx, tenant, user, now)?;
            for (at, grant) in held.iter().enumerate() {
                check_assignment(held.get(..at).unwrap_or_default(), grant).map_err(Refused::from)?;
            }
            end_keys(tx, &pen, (tenant, user), now)?;
            users::enable(tx, &permit)?;
            store::directory::release(tx, tenant, user)?;
            pen.tell(tx, user, NoticeKind::Enabled, Particulars::default())?;
            pen.note_why(tx, &UserEnabled { user, connection: None }, reason.as_str())
        });
        Ok(job.await?)
    }

    /// Removes every factor of an account, ends its sessions, and gives the secret of an invitation with
    /// which its owner, and only that account, enrols anew. Earlier such invitations are withdrawn, and
    /// providers' people that were linked to it no longer are. The password stays, and opens nothing by itself.
    ///
    /// # Errors
    /// [`Refused::NoAccount`]; [`Refused::Unusable`] when the account is disabled or holds no role;
    /// [`IdentityError::Denied`] when it is an owner's and there is no leave to make owners: whoever has the
    /// invitation becomes one.
    pub async fn reset_factors(
        &self,
        permit: Permit<ResetFactors>,
        via: &Via,
    ) -> Result<Secret<String>, IdentityError> {
        let inner = &self.0;
        let (tenant, user, now) = (inner.tenant, account(permit.resource())?, inner.world.now());
        let found = inner.db.read(move |tx| {
            if api_keys::service(tx, tenant, user)?.is_some() {
                return Err(Refused::Service.into());
            }
            Ok(users::find(tx, tenant, user)?.zip(Some(users::grants_of(tx, tenant, user, now)?)))
        });
        let (row, grants) = found.await?.ok_or(Refused::NoAccount)?;
        for grant in &grants {
            inner.may_appoint(permit.actor(), permit.resource(), grant)?;
        }
        let grant = grants.into_iter().next().filter(|_| row.state == UserState::Active);
        let email = inner.who(&row).await?.email;
        let pen = inner.pen(permit.actor().clone(), via).await?;
        let reads = inner.also::<ReadUsers>(permit.actor())?;
        let earlier = inner.invites_again(&reads, &email).await?;
        let Draft { mut invite, hash, secret, .. } =
            inner.draft_again(grant.ok_or(Refused::Unusable)?, email).await?;
        invite.invited_by = permit.actor().staff().map(|staff| staff.user);
        let job = inner.db.write(move |tx| {
            let totp = credentials::totp(tx, tenant, user)?.is_some();
            let passkeys = credentials::passkeys(tx, tenant, user)?.len() as u64;
            let codes = credentials::recovery_codes_left(tx, tenant, user)?;
            users::reset_factors(tx, &permit)?;
            identities::unlink(tx, tenant, user)?;
            end_all(tx, &pen, (tenant, user), None, now)?;
            let removed = u64::from(totp) + passkeys + codes;
            pen.tell(tx, user, NoticeKind::FactorsReset, Particulars::default())?;
            pen.note(tx, &FactorsReset { user, removed })?;
            for old in &earlier {
                match users::withdraw_invite(tx, &permit, *old) {
                    Ok(()) | Err(StoreError::Missing { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            users::invite(tx, &permit, &invite, hash)?;
            invite::note(&pen, tx, &invite, user)
        });
        job.await?;
        Ok(secret)
    }
}

impl Inner {
    /// A permit that somebody needs over the house besides the one they came with.
    pub(crate) fn also<A: Action>(&self, actor: &Actor) -> Result<Permit<A>, IdentityError> {
        let at = Circumstances::at(self.world.now());
        Ok(self.guard.permit::<A>(actor, &Resource::Tenant(self.tenant), &at)?)
    }

    /// The unused invitations to enrol the account of this address anew.
    async fn invites_again(
        &self,
        reads: &Permit<ReadUsers>,
        email: &Email,
    ) -> Result<Vec<kernel::InviteId>, IdentityError> {
        let permit = self.also::<ReadUsers>(reads.actor())?;
        let mut found = Vec::new();
        for invite in self.db.read(move |tx| users::invites(tx, &permit)).await? {
            if invite.used.is_none()
                && let For::Again(other) = self.whom(&invite).await?
                && other == *email
            {
                found.push(invite.id);
            }
        }
        Ok(found)
    }
}

/// Ends what an account that was disabled could otherwise wake up with: every API key of it that lives, and of
/// the service accounts that it answers for.
pub(crate) fn end_keys(
    tx: &mut Tx<'_>,
    pen: &Pen,
    (tenant, user): (kernel::TenantId, UserId),
    now: Timestamp,
) -> Result<(), StoreError> {
    for (key, owner) in api_keys::end_of_account(tx, tenant, user, now)? {
        pen.note(tx, &ApiKeyRevoked { key, owner })?;
    }
    Ok(())
}

fn factors_of(tx: &mut Read<'_>, tenant: kernel::TenantId, user: UserId) -> Result<Factors, StoreError> {
    let totp = credentials::totp(tx, tenant, user)?;
    Ok(Factors {
        totp: totp.is_some_and(|totp| totp.confirmed.is_some()),
        passkeys: credentials::passkeys(tx, tenant, user)?.len(),
        recovery_codes: credentials::recovery_codes_left(tx, tenant, user)?,
    })
}

/// Everybody who is an owner of the whole house now and may sign in.
pub(crate) fn owners(
    tx: &mut Read<'_>,
    permit: &Permit<ReadUsers>,
    now: Timestamp,
) -> Result<Vec<UserId>, StoreError> {
    let mut owners = Vec::new();
    for user in users::list(tx, permit)? {
        let grants = users::grants_of(tx, user.tenant, user.id, now)?;
        if user.state == UserState::Active && grants.contains(&Grant::everywhere(Role::Owner)) {
            owners.push(user.id);
        }
    }
    Ok(owners)
}

/// Refuses when nobody but `user` is an owner.
pub(crate) fn not_the_last(
    tx: &mut Read<'_>,
    permit: &Permit<ReadUsers>,
    user: UserId,
    now: Timestamp,
) -> Result<(), StoreError> {
    if owners(tx, permit, now)? == [user] { Err(Refused::LastOwner.into()) } else { Ok(()) }
}
