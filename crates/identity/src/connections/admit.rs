//! From what a provider told to a session: the account is found, linked or made, its roles are made to
//! be what its groups bring, and the session begins. One transaction,
//! so that nothing of this happens by half.

use std::time::Duration;

use guard::Grant;
use kernel::{Email, Timestamp, UserId};
use ledger::catalogue::{IdentityLinked, ProviderRefused, UserEnrolled};
use store::connections::{self, ConnectionState};
use store::identities::{self, Origin};
use store::users::{self, NewUser, User, UserState};
use store::{Read, StoreError, Tx, Via};

use super::reason::{Failure, Objection};
use super::roles::{self, Synced};
use super::told::{self, Told};
use super::{Domain, Opened};
use crate::pen::Pen;
use crate::session::end_all;
use crate::sign_in::{ABSOLUTE, Beginning, SignedIn};
use crate::{DeviceToken, IdentityError, Inner};

/// The oldest proof that a session may begin with.
pub(crate) const OLDEST: Duration = ABSOLUTE;
/// How old a proof is taken to be when the provider does not say: older than any act accepts that asks
/// for a fresh one.
const UNSAID: Duration = Duration::from_secs(10 * 60);

/// Whose account it is.
#[derive(Debug, Clone)]
enum Whose {
    /// The person was here before.
    Linked(UserId),
    /// The account with the same address, which is in a proved domain of the connection, and which nobody
    /// of the connection is linked to yet.
    SameAddress(UserId),
    /// One that is made now.
    New(UserId, Email),
}

impl Whose {
    fn user(&self) -> UserId {
        match self {
            Self::Linked(user) | Self::SameAddress(user) | Self::New(user, _) => *user,
        }
    }
}

impl Inner {
    /// Admits somebody. The ceremony was ended before.
    pub(crate) async fn let_in(
        &self,
        opened: &Opened,
        told: &Told,
        via: &Via,
    ) -> Result<Result<SignedIn, Failure>, IdentityError> {
        let (tenant, now, connection) = (self.tenant, self.world.now(), opened.row.id);
        let index = self.index().await?;
        let subject_blind = index.blind_index("identity.subject", told.subject.as_bytes())?;
        let whose = match self.whose(opened, told, subject_blind).await? {
            Ok(whose) => whose,
            Err(objection) => return self.objected(opened, None, objection, via).await,
        };
        let user = whose.user();
        let wanted = match self.wanted(opened, told) {
            Ok(wanted) => wanted,
            Err(objection) => return self.objected(opened, Some(user), objection, via).await,
        };
        let known = match via.device.as_ref().and_then(|device| device.token.as_ref()) {
            Some(token) => DeviceToken::check(&index, tenant, user, token.expose(), now)?.is_some(),
            None => false,
        };
        let (mut beginning, signed_in) = self.beginning(user, opened.method(), via).await?;
        let proved = told.proved.unwrap_or_else(|| before(now, UNSAID)).min(now);
        beginning.through(told.level, proved, told.ends);
        let act = Act {
            new: self.new_user(&whose, told).await?,
            identity: self.identity(opened, told, subject_blind, user).await?,
            origin: {
                let place = identities::hint_place(tenant, signed_in.session);
                self.origin(opened, told, subject_blind, &place).await?
            },
            source: told::source(opened),
            gains: opened.row.changed_by != Some(user),
            whose,
            wanted,
            known,
            nobody: beginning.pen.of(self.nobody()),
            beginning,
        };
        let outcome = self.db.write(move |tx| {
            let still = connections::find(tx, tenant, connection)?;
            if still.is_none_or(|row| row.state != ConnectionState::Enabled) {
                return act.refuse(tx, connection, Objection::Connection);
            }
            act.run(tx, now)
        });
        Ok(outcome.await?.map(|()| signed_in).map_err(Failure::from))
    }

    /// Whose account it would be, with nothing changed.
    pub(crate) async fn account_for(
        &self,
        opened: &Opened,
        told: &Told,
    ) -> Result<Result<Option<UserId>, Objection>, IdentityError> {
        let subject_blind = self.index().await?.blind_index("identity.subject", told.subject.as_bytes())?;
        Ok(self.whose(opened, told, subject_blind).await?.map(|whose| match whose {
            Whose::New(..) => None,
            other => Some(other.user()),
        }))
    }

    async fn whose(
        &self,
        opened: &Opened,
        told: &Told,
        subject_blind: [u8; 16],
    ) -> Result<Result<Whose, Objection>, IdentityError> {
        let (tenant, connection) = (self.tenant, opened.row.id);
        let linked = self.db.read(move |tx| identities::find(tx, tenant, connection, subject_blind)).await?;
        if let Some(user) = linked {
            return Ok(Ok(Whose::Linked(user)));
        }
        let Some(email) = told.email.clone() else { return Ok(Err(Objection::NoAddress)) };
        if told.unverified {
            return Ok(Err(Objection::Unverified));
        }
        let Some(domain) = Domain::of(&email) else { return Ok(Err(Objection::ForeignAddress)) };
        let (domain_blind, email_blind) =
            (self.domain_blind(&domain).await?, self.email_blind(&email).await?);
        let found = self.db.read(move |tx| {
            let domain = connections::domain(tx, tenant, domain_blind)?;
            let ours = domain.is_some_and(|row| row.connection == connection && row.proved.is_some());
            let user = users::find_by_email(tx, tenant, email_blind)?.map(|user| user.id);
            let taken = match user {
                Some(user) => identities::is_linked(tx, tenant, connection, user)?,
                None => false,
            };
            Ok((ours, user, taken))
        });
        Ok(match found.await? {
            (false, ..) => Err(Objection::ForeignAddress),
            (true, Some(_), true) => Err(Objection::OtherSubject),
            (true, Some(user), false) => Ok(Whose::SameAddress(user)),
            (true, None, _) if opened.settings.people.create => Ok(Whose::New(self.world.id(), email)),
            (true, None, _) => Err(Objection::NoAccount),
        })
    }

    /// What the person is to hold from this connection.
    fn wanted(&self, opened: &Opened, told: &Told) -> Result<Vec<Grant>, Objection> {
        let now = self.world.now();
        if told.proved.is_some_and(|proved| now.since(proved) > OLDEST) {
            return Err(Objection::Stale);
        }
        if told.ends.is_some_and(|ends| ends <= now) {
            return Err(Objection::Stale);
        }
        roles::brought(&opened.settings.people, &told.groups)
    }

    async fn new_user(&self, whose: &Whose, told: &Told) -> Result<Option<NewUser>, IdentityError> {
        let Whose::New(id, email) = whose else { return Ok(None) };
        let (tenant, key) = (self.tenant, self.key().await?);
        let name = told.display(email).ok_or(IdentityError::Document("name"))?;
        Ok(Some(NewUser {
            tenant,
            id: *id,
            email_blind: self.email_blind(email).await?,
            key_gen: key.generation(),
            email: key.seal(&users::email_place(tenant, *id), email)?,
            name: key.seal(&users::name_place(tenant, *id), &name)?,
            now: self.world.now(),
        }))
    }

    async fn identity(
        &self,
        opened: &Opened,
        told: &Told,
        subject_blind: [u8; 16],
        user: UserId,
    ) -> Result<identities::Identity, IdentityError> {
        let (tenant, key) = (self.tenant, self.key().await?);
        let id = kernel::Secret::new(told.id.clone());
        let subject = (key.seal(&identities::subject_place(tenant, subject_blind), &id)?, key.generation());
        let (connection, created) = (opened.row.id, self.world.now());
        Ok(identities::Identity { tenant, connection, subject_blind, user, subject, created })
    }

    pub(crate) async fn origin(
        &self,
        opened: &Opened,
        told: &Told,
        subject_blind: [u8; 16],
        place: &vault::Place,
    ) -> Result<Origin, IdentityError> {
        let (index, key) = (self.index().await?, self.key().await?);
        let sid =
            told.sid.as_ref().map(|sid| index.blind_index("identity.sid", sid.as_bytes())).transpose()?;
        let hint = match &told.hint {
            Some(hint) => {
                let sealed = key.seal(place, &hint.clone().into_bytes())?;
                Some((sealed, key.generation()))
            }
            None => None,
        };
        let subject_blind = match &told.leaver {
            Some(leaver) => index.blind_index("identity.subject", leaver.as_bytes())?,
            None => subject_blind,
        };
        Ok(Origin { connection: opened.row.id, subject_blind, sid_blind: sid, hint })
    }

    /// Records that a sign-in through a provider came to nothing.
    pub(crate) async fn objected<T>(
        &self,
        opened: &Opened,
        user: Option<UserId>,
        failure: impl Into<Failure>,
        via: &Via,
    ) -> Result<Result<T, Failure>, IdentityError> {
        let (failure, pen) = (failure.into(), self.pen(self.nobody(), via).await?);
        let event = ProviderRefused { connection: opened.row.id, user, reason: failure.code() };
        self.db.write(move |tx| pen.note(tx, &event)).await?;
        Ok(Err(failure))
    }
}

/// What is done in the transaction.
struct Act {
    whose: Whose,
    new: Option<NewUser>,
    identity: identities::Identity,
    origin: Origin,
    source: String,
    wanted: Vec<Grant>,
    gains: bool,
    /// Whether the device is known.
    known: bool,
    nobody: Pen,
    beginning: Beginning,
}

impl Act {
    fn run(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<Result<(), Objection>, StoreError> {
        let (tenant, user, connection) = (self.identity.tenant, self.whose.user(), self.identity.connection);
        let pen = &self.beginning.pen;
        if self.new.is_some() && self.wanted.is_empty() {
            return self.refuse(tx, connection, Objection::NoRole);
        }
        match (&self.whose, &self.new) {
            (Whose::Linked(_), _) => {
                let subject = self.identity.subject_blind;
                if identities::account_of(tx, tenant, connection, subject, now)? != Some(user) {
                    return self.refuse(tx, connection, Objection::OtherSubject);
                }
            }
            (_, new) => {
                if let Some(new) = new {
                    users::create(tx, new)?;
                    pen.note(tx, &UserEnrolled { user, invite: None })?;
                }
                if !active(tx, tenant, user)? {
                    return self.refuse(tx, connection, Objection::Disabled);
                }
                // Of two people with one address, who come at the same time, one was quicker.
                if identities::is_linked(tx, tenant, connection, user)? {
                    return self.refuse(tx, connection, Objection::OtherSubject);
                }
                identities::link(tx, &self.identity)?;
                let how = if new.is_some() { "created" } else { "address" };
                pen.note(tx, &IdentityLinked { user, connection, how })?;
            }
        }
        if !active(tx, tenant, user)? {
            return self.refuse(tx, connection, Objection::Disabled);
        }
        let synced = roles::sync(tx, pen, (tenant, user), &self.source, &self.wanted, self.gains, now)?;
        if synced != Synced::Same {
            end_all(tx, pen, (tenant, user), None, now)?;
        }
        if synced == Synced::Conflict {
            return self.refuse(tx, connection, Objection::RolesConflict);
        }
        if users::grants_of(tx, tenant, user, now)?.is_empty() {
            return self.refuse(tx, connection, Objection::NoRole);
        }
        self.beginning.begin(tx, None)?;
        // With a new account every device is new.
        self.beginning.tell_of_device(tx, self.known || self.new.is_some())?;
        identities::remember_origin(tx, tenant, self.beginning.session(), &self.origin)?;
        Ok(Ok(()))
    }

    fn refuse(
        &self,
        tx: &mut Tx<'_>,
        connection: kernel::ConnectionId,
        objection: Objection,
    ) -> Result<Result<(), Objection>, StoreError> {
        let user = match self.whose {
            Whose::New(..) => None,
            _ => Some(self.whose.user()),
        };
        self.nobody.note(tx, &ProviderRefused { connection, user, reason: objection.code() })?;
        Ok(Err(objection))
    }
}

fn active(tx: &mut Read<'_>, tenant: kernel::TenantId, user: UserId) -> Result<bool, StoreError> {
    Ok(users::find(tx, tenant, user)?.is_some_and(|User { state, .. }| state == UserState::Active))
}

fn before(now: Timestamp, span: Duration) -> Timestamp {
    let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_sub(millis))
}
