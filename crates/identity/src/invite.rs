//! Invitations: a link with a secret that is good once. The account that comes of one has the
//! invitation's own 16 bytes as its id, so one link never makes two accounts.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use guard::action::{InviteUser, ReadUsers, ResetFactors};
use guard::{Actor, Circumstances, Grant, Permit, Resource, Role, ServiceName, Staff};
use kernel::{Email, Id, InviteId, Secret, SessionId, Timestamp, UserId};
use ledger::Token;
use ledger::catalogue::UserInvited;
use store::users::{self, Invite, UserState};
use store::{StoreError, Via};
use vault::{DataKey, Place, VaultError};

use crate::pen::Pen;
use crate::staff::owners;
use crate::{Identity, IdentityError, Inner, Refused, sha256};

/// How long an invitation is good.
const LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long the first owner's is.
const FIRST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
const PREFIX: &str = "wri1_";
/// Marks an invitation's sealed address as that of an account whose factors were reset.
const AGAIN: u8 = 1;

/// What an invitation offers, for the page that its link opens.
#[derive(Debug, Clone)]
pub struct InviteView {
    /// The role that comes with it. When an account is enrolled anew, it keeps the roles it has.
    pub grant: Grant,
    /// The one address that may use it.
    pub email: Option<Email>,
    /// Whether it is for an account that there is, whose factors were reset.
    pub again: bool,
    /// When it ends.
    pub expires: Timestamp,
}

/// An invitation, for the list.
#[derive(Debug, Clone)]
pub struct InviteRow {
    /// Its id.
    pub id: InviteId,
    /// What it offers.
    pub view: InviteView,
    /// Who invited; nobody for the first owner.
    pub invited_by: Option<UserId>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was used.
    pub used: Option<Timestamp>,
}

/// Whom an invitation is for.
pub(crate) enum For {
    /// Whoever has the link, or the one address.
    Newcomer(Option<Email>),
    /// The account of this address.
    Again(Email),
}

impl Identity {
    /// The secret of the first owner's invitation, for the operator's eyes; `None` once somebody is an
    /// owner. Each call makes a new one and withdraws those before it.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn first_owner_invite(&self) -> Result<Option<Secret<String>>, IdentityError> {
        let inner = &self.0;
        let operator = Actor::Service { name: ServiceName::Operator, tenant: inner.tenant };
        let at = Circumstances::at(inner.world.now());
        let house = Resource::Tenant(inner.tenant);
        let reads = inner.guard.permit::<ReadUsers>(&operator, &house, &at)?;
        let invites = inner.guard.permit::<InviteUser>(&operator, &house, &at)?;
        let pen = inner.pen(operator, &Via::default()).await?;
        let draft = inner.draft(Grant::everywhere(Role::Owner), For::Newcomer(None), FIRST_LIFE).await?;
        let Draft { invite, hash, secret, user } = draft;
        let now = inner.world.now();
        let made = inner
            .db
            .write(move |tx| {
                if !owners(tx, &reads, now)?.is_empty() {
                    return Ok(false);
                }
                let earlier = users::invites(tx, &reads)?;
                for old in earlier.iter().filter(|old| is_first(old)) {
                    users::withdraw_invite(tx, &invites, old.id)?;
                }
                users::invite(tx, &invites, &invite, hash)?;
                note(&pen, tx, &invite, user)?;
                Ok(true)
            })
            .await?;
        Ok(made.then_some(secret))
    }

    /// Invites somebody, and gives the link's secret, which is not stored and cannot be shown again.
    ///
    /// # Errors
    /// When the address has an account, or the store or the keys fail; [`IdentityError::Denied`] when the role
    /// is owner and there is no leave for that.
    pub async fn invite(
        &self,
        permit: Permit<InviteUser>,
        grant: Grant,
        email: Option<Email>,
        via: &Via,
    ) -> Result<Secret<String>, IdentityError> {
        let inner = &self.0;
        inner.may_appoint(permit.actor(), permit.resource(), &grant)?;
        let pen = inner.pen(permit.actor().clone(), via).await?;
        let blind = match &email {
            Some(email) => Some(inner.email_blind(email).await?),
            None => None,
        };
        let draft = inner.draft(grant, For::Newcomer(email), LIFE).await?;
        let Draft { mut invite, hash, secret, user } = draft;
        invite.invited_by = permit.actor().staff().map(|staff| staff.user);
        let tenant = inner.tenant;
        inner
            .db
            .write(move |tx| {
                if let Some(blind) = blind
                    && users::find_by_email(tx, tenant, blind)?.is_some()
                {
                    return Err(Refused::AccountExists.into());
                }
                users::invite(tx, &permit, &invite, hash)?;
                note(&pen, tx, &invite, user)
            })
            .await?;
        Ok(secret)
    }

    /// Withdraws an invitation that was not used.
    ///
    /// # Errors
    /// [`Refused::Invite`] when there is none such.
    pub async fn withdraw_invite(
        &self,
        permit: Permit<InviteUser>,
        invite: InviteId,
    ) -> Result<(), IdentityError> {
        let withdrawn = self.0.db.write(move |tx| users::withdraw_invite(tx, &permit, invite)).await;
        match withdrawn {
            Err(StoreError::Missing { .. }) => Err(Refused::Invite.into()),
            other => Ok(other?),
        }
    }

    /// All invitations, the newest first.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn invites(&self, permit: Permit<ReadUsers>) -> Result<Vec<InviteRow>, IdentityError> {
        let rows = self.0.db.read(move |tx| users::invites(tx, &permit)).await?;
        let mut shown = Vec::with_capacity(rows.len());
        for row in rows {
            let view = self.0.view(&row).await?;
            let Invite { id, invited_by, created, used, .. } = row;
            shown.push(InviteRow { id, view, invited_by, created, used });
        }
        Ok(shown)
    }

    /// What the invitation with this secret offers.
    ///
    /// # Errors
    /// [`Refused::Invite`] when it cannot be used.
    pub async fn look_at_invite(&self, secret: &str) -> Result<InviteView, IdentityError> {
        let invite = self.0.find_invite(secret).await?;
        self.0.view(&invite).await
    }
}

/// Whether an unused invitation is one of the first owner: other invitations last longer.
fn is_first(invite: &Invite) -> bool {
    invite.used.is_none()
        && invite.email.is_none()
        && invite.grant == Grant::everywhere(Role::Owner)
        && invite.expires.since(invite.created) == FIRST_LIFE
}

/// An invitation that is not filed yet.
pub(crate) struct Draft {
    pub(crate) invite: Invite,
    pub(crate) hash: [u8; 32],
    pub(crate) secret: Secret<String>,
    /// The account that it makes.
    pub(crate) user: UserId,
}

impl Inner {
    pub(crate) async fn draft(
        &self,
        grant: Grant,
        whom: For,
        life: Duration,
    ) -> Result<Draft, IdentityError> {
        let (tenant, id, now): (_, InviteId, _) = (self.tenant, self.world.id(), self.world.now());
        let (place, email) = match &whom {
            For::Newcomer(email) => (users::invite_place(tenant, id), email.as_ref()),
            For::Again(email) => (again_place(tenant, id), Some(email)),
        };
        let email = match email {
            Some(email) => {
                let key = self.key().await?;
                Some((key.seal(&place, email)?, key.generation()))
            }
            None => None,
        };
        let secret = URL_SAFE_NO_PAD.encode(self.world.bytes::<32>());
        let secret = Secret::new(format!("{PREFIX}{secret}"));
        let hash = sha256(secret.expose().as_bytes());
        let expires = now.after(life);
        let invite = Invite { tenant, id, grant, email, invited_by: None, created: now, expires, used: None };
        Ok(Draft { invite, hash, secret, user: account_of(id) })
    }

    /// The draft of an invitation for an account whose factors were reset.
    pub(crate) async fn draft_again(&self, grant: Grant, email: Email) -> Result<Draft, IdentityError> {
        self.draft(grant, For::Again(email), LIFE).await
    }

    pub(crate) async fn find_invite(&self, secret: &str) -> Result<Invite, IdentityError> {
        let (hash, now, tenant) = (sha256(secret.as_bytes()), self.world.now(), self.tenant);
        let found = self.db.read(move |tx| users::find_invite(tx, hash, now)).await?;
        let invite = found.filter(|invite| invite.tenant == tenant).ok_or(Refused::Invite)?;
        if invite.invited_by.is_some() {
            let again = match self.whom(&invite).await? {
                For::Newcomer(_) => None,
                For::Again(email) => {
                    let blind = self.email_blind(&email).await?;
                    let found = self.db.read(move |tx| users::find_by_email(tx, tenant, blind)).await?;
                    Some(found.ok_or(Refused::Invite)?.id)
                }
            };
            self.still_stands(invite.invited_by, &invite.grant, again).await?;
        }
        Ok(invite)
    }

    /// Refuses when whoever invited, or had the factors of the account `again` reset, could not do so any more,
    /// with whatever proof: an invitation gives nothing that the person behind it has lost. The operator has
    /// nobody's name.
    pub(crate) async fn still_stands(
        &self,
        invited_by: Option<UserId>,
        grant: &Grant,
        again: Option<UserId>,
    ) -> Result<(), IdentityError> {
        let Some(user) = invited_by else { return Ok(()) };
        let (tenant, now) = (self.tenant, self.world.now());
        let found = self.db.read(move |tx| {
            let row = users::find(tx, tenant, user)?.filter(|row| row.state == UserState::Active);
            row.map(|_| users::grants_of(tx, tenant, user, now)).transpose()
        });
        let grants = found.await?.ok_or(Refused::Invite)?;
        let session = SessionId::from_bytes([0; 16]);
        let staff = Staff { user, tenant, grants, assurance: 3, authenticated_at: now, session };
        let (actor, at) = (Actor::Staff(staff), Circumstances::at(now));
        let whom = again.map_or(Resource::Tenant(tenant), |user| Resource::Account { tenant, user });
        let may = match again {
            None => self.guard.permit::<InviteUser>(&actor, &whom, &at).map(drop),
            Some(_) => self.guard.permit::<ResetFactors>(&actor, &whom, &at).map(drop),
        };
        may.map_err(|_| Refused::Invite)?;
        self.may_appoint(&actor, &whom, grant).map_err(|_| Refused::Invite)?;
        Ok(())
    }

    /// Whom an invitation is for. Which it is, is part of what the seal authenticates.
    pub(crate) async fn whom(&self, invite: &Invite) -> Result<For, IdentityError> {
        let Some((sealed, generation)) = &invite.email else { return Ok(For::Newcomer(None)) };
        let key: &DataKey = &*self.key_at(*generation).await?;
        match key.open(&users::invite_place(invite.tenant, invite.id), sealed) {
            Ok(email) => Ok(For::Newcomer(Some(email))),
            Err(VaultError::Refused) => {
                Ok(For::Again(key.open(&again_place(invite.tenant, invite.id), sealed)?))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn view(&self, invite: &Invite) -> Result<InviteView, IdentityError> {
        let (email, again) = match self.whom(invite).await? {
            For::Newcomer(email) => (email, false),
            For::Again(email) => (Some(email), true),
        };
        Ok(InviteView { grant: invite.grant.clone(), email, again, expires: invite.expires })
    }
}

/// The account that comes of an invitation.
pub(crate) fn account_of(invite: InviteId) -> UserId {
    UserId::from_bytes(invite.to_bytes())
}

pub(crate) fn note(
    pen: &Pen,
    tx: &mut store::Tx<'_>,
    invite: &Invite,
    user: UserId,
) -> Result<(), StoreError> {
    let role = Token::lossy(invite.grant.role.name());
    pen.note(tx, &UserInvited { user, invite: invite.id, role })
}

fn again_place(tenant: kernel::TenantId, invite: InviteId) -> Place {
    users::invite_place(tenant, invite).content_type(AGAIN)
}
