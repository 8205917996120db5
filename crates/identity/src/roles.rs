//! Granting a role and taking one away. Either way the person signs in anew: a session never changes
//! its powers. Making somebody an owner asks for leave of its own besides (`iam.grant-owner`), wherever an
//! owner comes of: here, by an invitation, by a role for a while.

use guard::action::{GrantOwner, GrantRole, ReadUsers, RevokeRole};
use guard::{Actor, Circumstances, Grant, Permit, Resource, Role, check_assignment};
use kernel::Timestamp;
use ledger::Token;
use ledger::catalogue::{RoleGranted, RoleRevoked};
use store::users::{self, GrantRow};
use store::{StoreError, Via, api_keys};

use crate::notices::{NoticeKind, Particulars};
use crate::session::{account, end_all};
use crate::staff::not_the_last;
use crate::{Identity, IdentityError, Inner, Refused};

impl Identity {
    /// Grants a role to the permit's account, for the reason that the permit carries, until `expires`
    /// or for good.
    ///
    /// # Errors
    /// [`Refused::ReasonNeeded`], [`Refused::NoAccount`], [`Refused::Separation`] when the person holds a
    /// role that may not go with it; [`Refused::OwnRequest`] when it is a service account that whoever grants
    /// answers for; [`Refused::LastOwner`] when the last owner's role would be given an
    /// end; [`IdentityError::Denied`] when the role is owner and there is no leave for that.
    pub async fn grant(
        &self,
        permit: Permit<GrantRole>,
        grant: Grant,
        expires: Option<Timestamp>,
        via: &Via,
    ) -> Result<(), IdentityError> {
        let inner = &self.0;
        let (tenant, user, now) = (inner.tenant, account(permit.resource())?, inner.world.now());
        let reason = permit.reason().cloned().ok_or(Refused::ReasonNeeded)?;
        inner.may_appoint(permit.actor(), permit.resource(), &grant)?;
        let pen = inner.pen(permit.actor().clone(), via).await?;
        let reads = inner.also::<ReadUsers>(permit.actor())?;
        let key = inner.key().await?;
        let row = GrantRow {
            user,
            grant,
            source: "manual".to_owned(),
            granted_by: permit.actor().staff().map(|staff| staff.user),
            reason: Some((key.seal(&users::reason_place(tenant, user, now), &reason)?, key.generation())),
            granted: now,
            expires,
        };
        let job = inner.db.write(move |tx| {
            if users::find(tx, tenant, user)?.is_none() {
                return Err(Refused::NoAccount.into());
            }
            let held = users::grants_of(tx, tenant, user, now)?;
            check_assignment(&held, &row.grant).map_err(Refused::from)?;
            // Who answers for a service account makes its keys: what it holds is in their hands.
            if let Some(service) = api_keys::service(tx, tenant, user)? {
                if permit.user() == Some(service.answers) {
                    return Err(Refused::OwnRequest.into());
                }
                let theirs = users::grants_of(tx, tenant, service.answers, now)?;
                check_assignment(&theirs, &row.grant).map_err(Refused::from)?;
            }
            if expires.is_some() && row.grant == Grant::everywhere(Role::Owner) {
                not_the_last(tx, &reads, user, now)?;
            }
            users::grant(tx, &permit, &row)?;
            users::bump_epoch(tx, tenant, user)?;
            end_all(tx, &pen, (tenant, user), None, now)?;
            let (role, scope) = words(&row.grant);
            pen.tell(tx, user, NoticeKind::RolesChanged, Particulars::default())?;
            pen.note_why(tx, &RoleGranted { user, role, scope }, reason.as_str())
        });
        Ok(job.await?)
    }

    /// Takes a role away from the permit's account, for the reason that the permit carries.
    ///
    /// # Errors
    /// [`Refused::ReasonNeeded`], [`Refused::NotHeld`], [`Refused::LastOwner`].
    pub async fn revoke(
        &self,
        permit: Permit<RevokeRole>,
        grant: Grant,
        via: &Via,
    ) -> Result<(), IdentityError> {
        let inner = &self.0;
        let (tenant, user, now) = (inner.tenant, account(permit.resource())?, inner.world.now());
        let reason = permit.reason().cloned().ok_or(Refused::ReasonNeeded)?;
        let pen = inner.pen(permit.actor().clone(), via).await?;
        let reads = inner.also::<ReadUsers>(permit.actor())?;
        let job = inner.db.write(move |tx| {
            if grant == Grant::everywhere(Role::Owner) {
                not_the_last(tx, &reads, user, now)?;
            }
            if !users::revoke(tx, &permit, &grant)? {
                return Err(StoreError::from(Refused::NotHeld));
            }
            users::bump_epoch(tx, tenant, user)?;
            end_all(tx, &pen, (tenant, user), None, now)?;
            let (role, scope) = words(&grant);
            pen.tell(tx, user, NoticeKind::RolesChanged, Particulars::default())?;
            pen.note_why(tx, &RoleRevoked { user, role, scope }, reason.as_str())
        });
        Ok(job.await?)
    }
}

impl Inner {
    /// Refuses when the role is owner, of whatever scope, and whoever would give it may not make owners:
    /// `whom` is the account that is to hold it, or the house when there is no account yet.
    pub(crate) fn may_appoint(
        &self,
        actor: &Actor,
        whom: &Resource,
        grant: &Grant,
    ) -> Result<(), IdentityError> {
        if grant.role == Role::Owner {
            self.guard.permit::<GrantOwner>(actor, whom, &Circumstances::at(self.world.now()))?;
        }
        Ok(())
    }
}

fn words(grant: &Grant) -> (Token, Token) {
    (Token::lossy(grant.role.name()), Token::lossy(&grant.scope.to_string()))
}
