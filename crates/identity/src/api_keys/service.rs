//! Service accounts: accounts that no person signs in to. Each has a member of staff who answers for it and
//! makes its keys; roles are granted to it like to anybody.

use guard::Permit;
use guard::action::{InviteUser, ReadApiKeys};
use kernel::{DisplayName, Email, Timestamp, UserId};
use ledger::catalogue::ServiceAccountMade;
use store::api_keys as rows;
use store::users::{self, NewUser, UserState};
use store::{StoreError, Via};

use crate::{Identity, IdentityError, Refused};

/// A service account, for a list.
#[derive(Debug, Clone)]
pub struct ServiceView {
    /// The account.
    pub user: UserId,
    /// Its name.
    pub name: DisplayName,
    /// Who answers for it.
    pub answers: UserId,
    /// Whether its keys open anything.
    pub active: bool,
    /// When it was made.
    pub made: Timestamp,
}

impl Identity {
    /// Makes a service account for which `answers` answers. It holds nothing yet.
    ///
    /// # Errors
    /// [`Refused::NoAccount`] when nobody active is `answers`, or it is a service account itself.
    pub async fn make_service(
        &self,
        permit: Permit<InviteUser>,
        name: DisplayName,
        answers: UserId,
        via: &Via,
    ) -> Result<UserId, IdentityError> {
        let inner = &self.0;
        let (tenant, id, now): (_, UserId, _) = (inner.tenant, inner.world.id(), inner.world.now());
        // Nobody reads mail at a name under `.invalid` (RFC 2606), and no provider can vouch for one.
        let email = Email::new(&format!("{id}@service.invalid"))
            .map_err(|_| IdentityError::Document("address of a service account"))?;
        let key = inner.key().await?;
        let new = NewUser {
            tenant,
            id,
            email_blind: inner.email_blind(&email).await?,
            key_gen: key.generation(),
            email: key.seal(&users::email_place(tenant, id), &email)?,
            name: key.seal(&users::name_place(tenant, id), &name)?,
            now,
        };
        let pen = inner.pen(permit.actor().clone(), via).await?;
        let job = inner.db.write(move |tx| {
            let person = users::find(tx, tenant, answers)?;
            let active = person.is_some_and(|person| person.state == UserState::Active);
            if !active || rows::service(tx, tenant, answers)?.is_some() {
                return Err(StoreError::from(Refused::NoAccount));
            }
            users::create(tx, &new)?;
            rows::make_service(tx, &permit, id, answers, now)?;
            pen.note(tx, &ServiceAccountMade { user: id, answers })
        });
        job.await?;
        Ok(id)
    }

    /// Every service account; or those that the permit's account answers for.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn services(&self, permit: Permit<ReadApiKeys>) -> Result<Vec<ServiceView>, IdentityError> {
        let tenant = self.0.tenant;
        let found = self.0.db.read(move |tx| {
            let mut found = Vec::new();
            for service in rows::services(tx, &permit)? {
                if let Some(user) = users::find(tx, tenant, service.user)? {
                    found.push((service, user));
                }
            }
            Ok(found)
        });
        let mut shown = Vec::new();
        for (service, user) in found.await? {
            let name = self.0.who(&user).await?.name;
            let (answers, made) = (service.answers, service.made);
            let active = user.state == UserState::Active;
            shown.push(ServiceView { user: user.id, name, answers, active, made });
        }
        Ok(shown)
    }
}
