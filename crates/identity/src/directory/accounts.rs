//! The account of a person whom a directory describes. It is made, or found by its address, when that is
//! in a domain which is proved to be this connection's; it is disabled when the directory says so, and
//! enabled again when the directory says so and nobody here had another reason to disable it.

use federation::scim::Resource;
use guard::Permit;
use guard::action::ProvisionDirectory;
use kernel::{ConnectionId, DisplayName, Email, Timestamp, UserId};
use ledger::catalogue::{UserDisabled, UserEnabled, UserEnrolled};
use store::users::{self, NewUser, User, UserState};
use store::{StoreError, Tx, connections, directory};

use super::Meaning;
use crate::break_glass::somebody_left;
use crate::connections::Domain;
use crate::notices::{NoticeKind, Particulars};
use crate::pen::Pen;
use crate::session::end_all;
use crate::staff::end_keys;
use crate::{IdentityError, Inner, Refused};

/// What becomes of a person's account, sealed and ready.
#[derive(Debug)]
pub(super) enum Account {
    /// There is none, and none is made: no address that the connection vouches for, or somebody else has
    /// it, or the person may not sign in anyway.
    None,
    /// There is one; with the name and address it is to have, if they are others than now, and the address
    /// that it loses by it.
    There(UserId, Option<(NewUser, Option<Email>)>),
    /// One is made.
    Made(NewUser),
}

impl Account {
    pub(super) fn user(&self) -> Option<UserId> {
        match self {
            Self::None => None,
            Self::There(user, _) => Some(*user),
            Self::Made(new) => Some(new.id),
        }
    }
}

impl Inner {
    /// Finds out what becomes of the account of a person, who has the account `has` so far.
    pub(super) async fn account_of_person(
        &self,
        connection: ConnectionId,
        has: Option<UserId>,
        person: &Resource,
    ) -> Result<Account, IdentityError> {
        let (tenant, now) = (self.tenant, self.world.now());
        let email = self.vouched_address(connection, person).await?;
        let blind = match &email {
            Some(email) => Some(self.email_blind(email).await?),
            None => None,
        };
        let found = self.db.read(move |tx| {
            let at_address = match blind {
                Some(blind) => users::find_by_email(tx, tenant, blind)?,
                None => None,
            };
            let own = match has {
                Some(user) => users::find(tx, tenant, user)?,
                None => None,
            };
            let taken = match &at_address {
                Some(user) => directory::entry_of_account(tx, tenant, user.id)?.is_some(),
                None => false,
            };
            let trusted = match &own {
                Some(user) => directory::is_trusted_here(tx, tenant, user.id, now)?,
                None => false,
            };
            Ok((own, at_address, taken, trusted))
        });
        match (found.await?, email) {
            ((Some(own), at_address, _, trusted), email) => {
                // An address that another account has stays with it. And whoever holds a role that somebody
                // here granted keeps the address: with another one, another person could sign in to it.
                let free = !trusted && at_address.is_none_or(|other| other.id == own.id);
                let rename = self.renamed(&own, person, email.filter(|_| free)).await?;
                Ok(Account::There(own.id, rename))
            }
            ((None, Some(other), false, _), email) => {
                let rename = self.renamed(&other, person, email).await?;
                Ok(Account::There(other.id, rename))
            }
            ((None, None, ..), Some(email)) if person.active() => {
                let name = name_of(person, &email).ok_or(IdentityError::Document("name"))?;
                Ok(Account::Made(self.sealed_user(self.world.id(), &name, &email).await?))
            }
            _ => Ok(Account::None),
        }
    }

    /// The address of a person, if it is in a domain that is proved to be the connection's.
    async fn vouched_address(
        &self,
        connection: ConnectionId,
        person: &Resource,
    ) -> Result<Option<Email>, IdentityError> {
        let Some(email) = person.email().and_then(|text| Email::new(text).ok()) else { return Ok(None) };
        let Some(domain) = Domain::of(&email) else { return Ok(None) };
        let (tenant, blind) = (self.tenant, self.domain_blind(&domain).await?);
        let row = self.db.read(move |tx| connections::domain(tx, tenant, blind)).await?;
        let ours = row.is_some_and(|row| row.connection == connection && row.proved.is_some());
        Ok(ours.then_some(email))
    }

    /// The name and address that an account is to have, if they are others than now.
    async fn renamed(
        &self,
        user: &User,
        person: &Resource,
        email: Option<Email>,
    ) -> Result<Option<(NewUser, Option<Email>)>, IdentityError> {
        let now = self.who(user).await?;
        let email = email.unwrap_or_else(|| now.email.clone());
        let name = name_of(person, &email).unwrap_or_else(|| now.name.clone());
        if name.as_str() == now.name.as_str() && email == now.email {
            return Ok(None);
        }
        let formerly = (email != now.email).then_some(now.email);
        Ok(Some((self.sealed_user(user.id, &name, &email).await?, formerly)))
    }

    async fn sealed_user(
        &self,
        id: UserId,
        name: &DisplayName,
        email: &Email,
    ) -> Result<NewUser, IdentityError> {
        let (tenant, key) = (self.tenant, self.key().await?);
        Ok(NewUser {
            tenant,
            id,
            email_blind: self.email_blind(email).await?,
            key_gen: key.generation(),
            email: key.seal(&users::email_place(tenant, id), email)?,
            name: key.seal(&users::name_place(tenant, id), name)?,
            now: self.world.now(),
        })
    }
}

/// The best name there is: what the directory says, or the address's first part.
fn name_of(person: &Resource, email: &Email) -> Option<DisplayName> {
    let local = email.as_str().split('@').next().unwrap_or_default();
    let said = person.display_name().and_then(|name| DisplayName::new(&name).ok());
    said.or_else(|| DisplayName::new(local).ok())
}

/// Makes the account before its entry is written.
pub(super) fn make(tx: &mut Tx<'_>, pen: &Pen, account: &Account) -> Result<(), StoreError> {
    let Account::Made(new) = account else { return Ok(()) };
    users::create(tx, new)?;
    pen.note(tx, &UserEnrolled { user: new.id, invite: None })
}

/// Makes an account be what its entry, which was written before, says: its name and address, whether it
/// may sign in, its roles.
pub(super) fn follow(
    tx: &mut Tx<'_>,
    pen: &Pen,
    permit: &Permit<ProvisionDirectory>,
    meaning: &Meaning,
    (entry, account): (&directory::Entry, &Account),
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(user) = account.user() else { return Ok(()) };
    if let Account::There(_, Some((as_, formerly))) = account {
        directory::rename(tx, permit, as_)?;
        let about = Particulars::formerly(formerly.clone());
        pen.tell(tx, user, NoticeKind::DetailsChanged, about)?;
    }
    if entry.active {
        enable(tx, pen, permit, user, now)?;
    } else {
        disable(tx, pen, permit, user, now)?;
    }
    meaning.apply(tx, pen, (entry.id, user), now)
}

/// Disables an account whose person may not sign in any more: the one way in which every cause ends
/// sessions.
pub(super) fn disable(
    tx: &mut Tx<'_>,
    pen: &Pen,
    permit: &Permit<ProvisionDirectory>,
    user: UserId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let tenant = permit.tenant();
    if users::find(tx, tenant, user)?.is_none_or(|row| row.state != UserState::Active) {
        return Ok(());
    }
    if users::owners(tx, tenant, now)? == [user] {
        return Err(Refused::LastOwner.into());
    }
    let glass = connections::only_connections(tx, tenant)?
        && connections::break_glass(tx, tenant)?.iter().any(|(one, _)| *one == user)
        && !somebody_left(tx, tenant, Some(user))?;
    if glass {
        return Err(Refused::NobodyLeft.into());
    }
    let sessions_ended = end_all(tx, pen, (tenant, user), None, now)?;
    directory::set_state(tx, permit, user, UserState::Disabled)?;
    directory::hold(tx, permit, user, now)?;
    pen.tell(tx, user, NoticeKind::Disabled, Particulars::default())?;
    pen.note(tx, &UserDisabled { user, sessions_ended })
}

/// Enables an account that is disabled for no other reason than that this directory said so. What ended with it
/// stays ended.
fn enable(
    tx: &mut Tx<'_>,
    pen: &Pen,
    permit: &Permit<ProvisionDirectory>,
    user: UserId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let tenant = permit.tenant();
    let Some(connection) = directory::held_by(tx, tenant, user)? else { return Ok(()) };
    if permit.actor().directory() != Some(connection) {
        return Ok(());
    }
    directory::release(tx, tenant, user)?;
    end_keys(tx, pen, (tenant, user), now)?;
    directory::set_state(tx, permit, user, UserState::Active)?;
    pen.tell(tx, user, NoticeKind::Enabled, Particulars::default())?;
    pen.note(tx, &UserEnabled { user, connection: Some(connection) })
}
