//! Sessions: read anew at each request, so that whatever happened to the account or its roles counts
//! from the next request on.

use std::time::Duration;

use doors::cookie::SessionSecret;
use doors::csrf::{self, Token};
use guard::action::{DisableUser, ManageOwnAccount};
use guard::{Permit, Staff};
use kernel::{DisplayName, Email, SessionId, Timestamp, UserId};
use ledger::catalogue::SessionEnded;
use store::sessions::{self, Session};
use store::users::{self, User, UserState};
use store::{Read, StoreError, Tx, Via, credentials, person_sessions};

use crate::pen::Pen;
use crate::{Identity, IdentityError, Inner, Refused, sha256};

/// How long a session lasts without a request.
pub(crate) const IDLE: Duration = Duration::from_secs(60 * 60);
/// How often a request is remembered: a write each time would be too many.
pub(crate) const SEEN_EVERY: Duration = Duration::from_secs(60);

/// Somebody who is signed in, as of this request.
#[derive(Debug)]
pub struct Signed {
    /// Who asks, for the guard.
    pub actor: Staff,
    /// Their session.
    pub session: Session,
    /// The token for the forms of this session's pages.
    pub csrf: Token,
    /// Whether the person's password is older than the house lets one be, and has to be changed first.
    pub password_due: bool,
    user: User,
}

/// A person by name.
#[derive(Debug, Clone)]
pub struct Who {
    /// Who.
    pub user: UserId,
    /// The name.
    pub name: DisplayName,
    /// The address.
    pub email: Email,
}

/// Why a cookie opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// No session has this secret.
    #[error("there is no such session")]
    Unknown,
    /// It was ended: by its holder, by an owner, or because a newer one took its place.
    #[error("the session was ended")]
    Ended,
    /// No request came for an hour.
    #[error("the session was idle for too long")]
    Idle,
    /// It is twelve hours old.
    #[error("the session is too old")]
    Expired,
    /// The account was disabled, or its roles or factors changed.
    #[error("the account has changed")]
    AccountChanged,
}

impl Identity {
    /// Who comes with this cookie. One read; a write at most once a minute.
    ///
    /// # Errors
    /// The outer error when the store fails, the inner one when the cookie opens nothing.
    pub async fn session(&self, secret: &SessionSecret) -> Result<Result<Signed, Why>, IdentityError> {
        let inner = &self.0;
        let (hash, tenant, now) = (sha256(secret.expose()), inner.tenant, inner.world.now());
        let longest = inner.passwords.longest();
        let found = inner.db.read(move |tx| {
            let Some(session) = sessions::find(tx, hash)? else { return Ok(None) };
            let Some(user) = users::find(tx, tenant, session.user)? else { return Ok(None) };
            let grants = users::grants_of(tx, tenant, session.user, now)?;
            let due = match longest {
                Some(longest) => password_due(tx, &user, longest, now)?,
                None => false,
            };
            Ok(Some((session, user, grants, due)))
        });
        let Some((session, user, grants, password_due)) = found.await? else { return Ok(Err(Why::Unknown)) };
        if let Err(why) = judge(&session, &user, now, tenant) {
            inner.lapse(&session, why).await;
            return Ok(Err(why));
        }
        if now.since(session.last_seen) >= SEEN_EVERY {
            let id = session.id;
            // A full disk must not keep staff from looking at what filled it.
            if let Err(error) = inner.db.write(move |tx| sessions::seen(tx, tenant, id, now)).await {
                tracing::warn!(%error, "a request of a session could not be remembered");
            }
        }
        let actor = Staff {
            user: user.id,
            tenant,
            grants,
            assurance: session.assurance,
            authenticated_at: session.authenticated,
            session: session.id,
        };
        Ok(Ok(Signed { actor, session, csrf: csrf::token(secret), password_due, user }))
    }

    /// The name and address of somebody who is signed in.
    ///
    /// # Errors
    /// When the keys fail.
    pub async fn who(&self, signed: &Signed) -> Result<Who, IdentityError> {
        self.0.who(&signed.user).await
    }

    /// Ends the session of whoever asks.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sign_out(&self, signed: &Signed, via: &Via) -> Result<(), IdentityError> {
        let inner = &self.0;
        let pen = inner.pen(signed.actor.clone().into(), via).await?;
        let (tenant, user, session, now) =
            (inner.tenant, signed.actor.user, signed.session.id, inner.world.now());
        inner.db.write(move |tx| end(tx, &pen, (tenant, user, session), "logout", now).map(drop)).await?;
        Ok(())
    }

    /// The sessions of the permit's account, the one seen last first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sessions(&self, permit: Permit<ManageOwnAccount>) -> Result<Vec<Session>, IdentityError> {
        let (tenant, user, now) = (self.0.tenant, account(permit.resource())?, self.0.world.now());
        let mut found = self.0.db.read(move |tx| sessions::of_user(tx, tenant, user, now)).await?;
        found.retain(|session| now.since(session.last_seen) <= IDLE);
        Ok(found)
    }

    /// Ends one session of the permit's account. False says that there was nothing to end.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end_session(
        &self,
        permit: Permit<ManageOwnAccount>,
        session: SessionId,
        via: &Via,
    ) -> Result<bool, IdentityError> {
        let inner = &self.0;
        let pen = inner.pen(permit.actor().clone(), via).await?;
        let (tenant, user, now) = (inner.tenant, account(permit.resource())?, inner.world.now());
        Ok(inner.db.write(move |tx| end(tx, &pen, (tenant, user, session), "revoked", now)).await?)
    }

    /// Ends every session of the permit's account but the one that asks, and gives their number.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end_other_sessions(
        &self,
        permit: Permit<ManageOwnAccount>,
        via: &Via,
    ) -> Result<u64, IdentityError> {
        let inner = &self.0;
        let pen = inner.pen(permit.actor().clone(), via).await?;
        let except = permit.actor().staff().map(|staff| staff.session);
        let (tenant, user, now) = (inner.tenant, account(permit.resource())?, inner.world.now());
        Ok(inner.db.write(move |tx| end_all(tx, &pen, (tenant, user), except, now)).await?)
    }

    /// Deletes sessions and ceremonies that ended a week ago and earlier, and notices whose time is over, and
    /// gives their number. For a clock of the process to call now and then.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep(&self) -> Result<u64, IdentityError> {
        const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
        let clock = self.0.world.now();
        let kept = u64::try_from(KEPT.as_millis()).unwrap_or(u64::MAX);
        let before = Timestamp::from_millis(clock.as_millis().saturating_sub(kept));
        let swept = self.0.db.write(move |tx| {
            let over = sessions::sweep(tx, before)?.saturating_add(person_sessions::sweep(tx, before)?);
            Ok(over.saturating_add(crate::notices::sweep(tx, clock)?))
        });
        Ok(swept.await?)
    }

    /// Ends every session of somebody else's account, and gives their number.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end_sessions_of(
        &self,
        permit: Permit<DisableUser>,
        via: &Via,
    ) -> Result<u64, IdentityError> {
        let inner = &self.0;
        let pen = inner.pen(permit.actor().clone(), via).await?;
        let (tenant, user, now) = (inner.tenant, account(permit.resource())?, inner.world.now());
        let ended = inner.db.write(move |tx| {
            users::bump_epoch(tx, tenant, user)?;
            end_all(tx, &pen, (tenant, user), None, now)
        });
        Ok(ended.await?)
    }
}

impl Inner {
    /// Whether a session that was looked at before still holds.
    pub(crate) async fn still(&self, signed: &Signed) -> Result<Result<(), Why>, IdentityError> {
        let (tenant, user, id, now) = (self.tenant, signed.actor.user, signed.session.id, self.world.now());
        let found = self.db.read(move |tx| {
            let session = sessions::of_user(tx, tenant, user, now)?.into_iter().find(|it| it.id == id);
            Ok((session, users::find(tx, tenant, user)?))
        });
        Ok(match found.await? {
            (Some(session), Some(user)) => judge(&session, &user, now, tenant),
            _ => Err(Why::Ended),
        })
    }

    pub(crate) async fn who(&self, user: &User) -> Result<Who, IdentityError> {
        let key = self.key_at(user.key_gen).await?;
        let name = key.open(&users::name_place(user.tenant, user.id), &user.name)?;
        let email = key.open(&users::email_place(user.tenant, user.id), &user.email)?;
        Ok(Who { user: user.id, name, email })
    }

    /// Records that a session has run out, when that is first noticed. The refusal stands without it.
    async fn lapse(&self, session: &Session, why: Why) {
        let word = match why {
            Why::Idle => "idle",
            Why::Expired => "expired",
            Why::Unknown | Why::Ended | Why::AccountChanged => return,
        };
        let core = guard::Actor::Service { name: guard::ServiceName::Core, tenant: self.tenant };
        let (whose, now) = ((session.tenant, session.user, session.id), self.world.now());
        let recorded = async {
            let pen = self.pen(core, &Via::default()).await?;
            self.db.write(move |tx| end(tx, &pen, whose, word, now).map(drop)).await?;
            Ok::<_, IdentityError>(())
        };
        if let Err(error) = recorded.await {
            tracing::warn!(%error, "the end of a session could not be recorded");
        }
    }
}

fn judge(session: &Session, user: &User, now: Timestamp, tenant: kernel::TenantId) -> Result<(), Why> {
    if session.tenant != tenant {
        return Err(Why::Unknown);
    }
    if session.ended.is_some() {
        return Err(Why::Ended);
    }
    if user.state != UserState::Active || user.epoch != session.epoch {
        return Err(Why::AccountChanged);
    }
    if now >= session.absolute {
        return Err(Why::Expired);
    }
    if now.since(session.last_seen) > IDLE {
        return Err(Why::Idle);
    }
    Ok(())
}

/// Whether somebody signs in with a password that is older than `longest`.
fn password_due(
    tx: &mut Read<'_>,
    user: &User,
    longest: Duration,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let password = credentials::password(tx, user.tenant, user.id)?;
    if password.is_none_or(|password| password.changed.after(longest) > now) {
        return Ok(false);
    }
    // Without its app a password opens nothing.
    Ok(credentials::totp(tx, user.tenant, user.id)?.is_some_and(|app| app.confirmed.is_some()))
}

type Whose = (kernel::TenantId, UserId, SessionId);

/// Ends a session with its event; false when it had ended.
pub(crate) fn end(
    tx: &mut Tx<'_>,
    pen: &Pen,
    (tenant, user, session): Whose,
    why: &'static str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let ended = sessions::end(tx, tenant, user, session, now)?;
    if ended {
        pen.note(tx, &SessionEnded { user, session, why })?;
    }
    Ok(ended)
}

/// Ends every session of an account but `except`, each with its event.
pub(crate) fn end_all(
    tx: &mut Tx<'_>,
    pen: &Pen,
    (tenant, user): (kernel::TenantId, UserId),
    except: Option<SessionId>,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let mut ended = 0;
    for session in sessions::of_user(tx, tenant, user, now)? {
        if Some(session.id) != except && end(tx, pen, (tenant, user, session.id), "revoked", now)? {
            ended += 1;
        }
    }
    Ok(ended)
}

/// The account that a permit is about.
pub(crate) fn account(resource: &guard::Resource) -> Result<UserId, IdentityError> {
    Ok(resource.account().ok_or(Refused::NoAccount)?)
}
