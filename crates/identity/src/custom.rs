//! Roles that a tenant makes of actions: made, changed and ended. Whoever holds one signs in anew when it
//! changes: a session never changes its powers.

use guard::action::DefineRole;
use guard::{CustomRole, Permit, check_assignment};
use ledger::Token;
use ledger::catalogue::{RoleDefined, RoleRetired};
use store::custom_roles::{self, MadeRole};
use store::{StoreError, Via, users};

use crate::notices::{NoticeKind, Particulars};
use crate::session::end_all;
use crate::{Identity, IdentityError, Refused};

impl Identity {
    /// Makes a role, or changes what the role of this name gives, and tells how many people hold it.
    ///
    /// # Errors
    /// [`Refused::Separation`] when somebody who holds it also holds what may not go with what it would
    /// give.
    pub async fn define_role(
        &self,
        permit: Permit<DefineRole>,
        role: CustomRole,
        via: &Via,
    ) -> Result<usize, IdentityError> {
        let inner = &self.0;
        let (tenant, now) = (inner.tenant, inner.world.now());
        let pen = inner.pen(permit.actor().clone(), via).await?;
        let job = inner.db.write(move |tx| {
            let holders = custom_roles::define(tx, &permit, role, now)?;
            for user in &holders {
                let held = users::grants_of(tx, tenant, *user, now)?;
                for grant in &held {
                    check_assignment(&held, grant).map_err(Refused::from)?;
                }
                users::bump_epoch(tx, tenant, *user)?;
                end_all(tx, &pen, (tenant, *user), None, now)?;
                pen.tell(tx, *user, NoticeKind::RolesChanged, Particulars::default())?;
            }
            let event = RoleDefined { role: Token::lossy(role.text()), holders: holders.len() as u64 };
            pen.note(tx, &event)?;
            Ok(holders.len())
        });
        Ok(job.await?)
    }

    /// Ends a role, and with it every grant of it; tells how many people held it.
    ///
    /// # Errors
    /// [`Refused::NotHeld`] when there is no such role.
    pub async fn retire_role(
        &self,
        permit: Permit<DefineRole>,
        name: String,
        via: &Via,
    ) -> Result<usize, IdentityError> {
        let inner = &self.0;
        let (tenant, now) = (inner.tenant, inner.world.now());
        let pen = inner.pen(permit.actor().clone(), via).await?;
        let job = inner.db.write(move |tx| {
            let Some((role, holders)) = custom_roles::retire(tx, &permit, &name)? else {
                return Err(StoreError::from(Refused::NotHeld));
            };
            for user in &holders {
                users::bump_epoch(tx, tenant, *user)?;
                end_all(tx, &pen, (tenant, *user), None, now)?;
                pen.tell(tx, *user, NoticeKind::RolesChanged, Particulars::default())?;
            }
            let event = RoleRetired { role: Token::lossy(role.text()), holders: holders.len() as u64 };
            pen.note(tx, &event)?;
            Ok(holders.len())
        });
        Ok(job.await?)
    }

    /// The roles that the tenant made, by name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn made_roles(&self) -> Result<Vec<MadeRole>, IdentityError> {
        let tenant = self.0.tenant;
        Ok(self.0.db.read(move |tx| custom_roles::list(tx, tenant)).await?)
    }
}
