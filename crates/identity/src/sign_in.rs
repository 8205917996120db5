//! Signing in with a password and a second factor, and what every way of signing in ends with.
//!
//! An attempt on an address that has no account costs the same work and reads the same as one on an
//! address that has: the same lookups, one argon2 run, one event.

use std::time::Duration;

use guard::{Actor, Staff};
use kernel::{Email, Secret, SessionId, Timestamp, UserId};
use ledger::Pseudonym;
use ledger::catalogue::{BreakGlassUsed, LoginFailed, LoginSucceeded, RecoveryCodeUsed, SessionEnded};
use serde::{Deserialize, Serialize};
use store::access_requests;
use store::connections;
use store::credentials;
use store::sessions::{self, Session};
use store::users::{self, User, UserState};
use store::{StoreError, Tx, Via};

use crate::access::REVIEW;
use crate::break_glass::barred;
use crate::ceremony::{Open, Step};
use crate::notices::{NoticeHand, NoticeKind, Particulars};
use crate::pen::Pen;
use crate::recovery::typed_code_hash;
use crate::throttle::{self, Bucket, Buckets};
use crate::totp::{Step as TotpStep, TotpSeed};
use crate::{CeremonyId, DeviceToken, Identity, IdentityError, Inner, Refused, sha256};
use doors::cookie::SessionSecret;

/// The longest that a session lasts.
pub(crate) const ABSOLUTE: Duration = Duration::from_secs(12 * 60 * 60);
/// Sessions that one person may have at once; the oldest ends.
const AT_ONCE: usize = 5;
/// Wrong codes that one right password is good for.
const TRIES: u32 = 5;

/// Somebody who has just signed in: what their browser is to keep.
#[derive(Debug)]
pub struct SignedIn {
    /// For the session cookie.
    pub secret: SessionSecret,
    /// How long the browser keeps it.
    pub lifetime: Duration,
    /// For the cookie of the known device.
    pub device: DeviceToken,
    /// Who.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
}

/// A right password that waits for its second factor.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HalfWay {
    user: UserId,
    epoch: u64,
    login: [u8; 16],
    /// The bucket that a success empties.
    bucket: Bucket,
    tries: u32,
    /// Whether the device is known.
    #[serde(default)]
    known: bool,
}

impl Step for HalfWay {
    const KIND: &'static str = "password";
}

/// What a login name leads to.
struct Found {
    user: Option<User>,
    hash: Option<Secret<String>>,
    /// Whether a second factor can be asked for.
    ready: bool,
    /// Whether this account signs in through a provider and in no other way.
    elsewhere: bool,
}

impl Identity {
    /// The first step: address and password. `device` is the cookie of a known device, if there is one.
    /// What follows is [`Identity::totp_step`] or [`Identity::recovery_step`].
    ///
    /// # Errors
    /// [`Refused::SignIn`] whatever is wrong, [`Refused::Throttled`] after too many failures.
    pub async fn password_step(
        &self,
        login: &str,
        password: Secret<String>,
        device: Option<&str>,
        via: &Via,
    ) -> Result<CeremonyId, IdentityError> {
        let inner = &self.0;
        let login = spelling(login);
        let Found { user, hash, ready, elsewhere } = inner.find_login(&login).await?;
        let pen = inner.pen(inner.nobody(), via).await?;
        let pseudonym = pen.scribe().pseudonym_of(&login)?;

        let index = inner.index().await?;
        let buckets = Buckets(&index);
        let known = match (&user, device) {
            (Some(user), Some(device)) => {
                DeviceToken::check(&index, inner.tenant, user.id, device, inner.world.now())?
                    .map(|device| buckets.device(user.id, device))
                    .transpose()?
            }
            _ => None,
        };
        let (bucket, source) = match known {
            Some(device) => (device, None),
            None => (buckets.login(&login)?, buckets.source(via)?),
        };
        let who = user.as_ref().map(|user| user.id);
        let attempt = inner.admit(bucket, source, &pen, who, pseudonym).await?;

        let fits = inner.passwords.verify(hash, password).await?;
        let reason = match &user {
            None => "unknown",
            Some(_) if !fits => "password",
            Some(user) if user.state != UserState::Active => "disabled",
            Some(_) if elsewhere => "elsewhere",
            Some(_) if !ready => "factor",
            Some(user) => {
                let login = buckets.login(&login)?;
                let known = known.is_some();
                let half = HalfWay { user: user.id, epoch: user.epoch, login, bucket, tries: 0, known };
                return inner.begin(&half).await;
            }
        };
        let failed = LoginFailed { user: who, login: pseudonym, reason, attempt: u64::from(attempt) };
        inner.db.write(move |tx| pen.note(tx, &failed)).await?;
        Err(Refused::SignIn.into())
    }

    /// The second step with a code of the authenticator app.
    ///
    /// # Errors
    /// [`Refused::Code`], after which another can be tried; [`Refused::SignIn`] after five;
    /// [`Refused::CeremonyOver`].
    pub async fn totp_step(
        &self,
        ceremony: &CeremonyId,
        code: &str,
        via: &Via,
    ) -> Result<SignedIn, IdentityError> {
        let inner = &self.0;
        let open = inner.look::<HalfWay>(ceremony).await?;
        let (tenant, user) = (inner.tenant, open.step.user);
        let step = inner.check_totp(user, code).await?;
        inner
            .second_step(open, "password+totp", via, move |tx, _, now| match step {
                Some(step) => credentials::use_totp_step(tx, tenant, user, step.0, now),
                None => Ok(false),
            })
            .await
    }

    /// The second step with a recovery code, which is spent.
    ///
    /// # Errors
    /// As for [`Identity::totp_step`].
    pub async fn recovery_step(
        &self,
        ceremony: &CeremonyId,
        code: &str,
        via: &Via,
    ) -> Result<SignedIn, IdentityError> {
        let inner = &self.0;
        let open = inner.look::<HalfWay>(ceremony).await?;
        let (tenant, user) = (inner.tenant, open.step.user);
        let hashes = inner.recovery_hashes(std::iter::once(typed_code_hash(code))).await?;
        inner
            .second_step(open, "password+recovery", via, move |tx, pen, now| {
                let mut used = false;
                for hash in &hashes {
                    used = credentials::use_recovery_code(tx, tenant, user, *hash, now)?;
                }
                if used {
                    let left = credentials::recovery_codes_left(tx, tenant, user)?;
                    pen.note(tx, &RecoveryCodeUsed { user, left })?;
                    pen.tell(tx, user, NoticeKind::RecoveryCodeUsed, Particulars::default())?;
                }
                Ok(used)
            })
            .await
    }
}

impl Inner {
    /// The blind index of an address.
    pub(crate) async fn email_blind(&self, email: &Email) -> Result<[u8; 16], IdentityError> {
        Ok(self.index().await?.blind_index("user.email", email.as_str().as_bytes())?)
    }

    async fn find_login(&self, login: &str) -> Result<Found, IdentityError> {
        let (tenant, now, blind) =
            (self.tenant, self.world.now(), self.index().await?.blind_index("user.email", login.as_bytes())?);
        let (user, password, ready, elsewhere) = self
            .db
            .read(move |tx| {
                let Some(user) = users::find_by_email(tx, tenant, blind)? else {
                    return Ok((None, None, false, false));
                };
                let password = credentials::password(tx, tenant, user.id)?;
                let totp = credentials::totp(tx, tenant, user.id)?;
                let elsewhere = barred(tx, tenant, user.id, false, now)?;
                Ok((Some(user), password, totp.is_some_and(|totp| totp.confirmed.is_some()), elsewhere))
            })
            .await?;
        let hash = match (&user, password) {
            (Some(user), Some(password)) => {
                let place = credentials::password_place(tenant, user.id, password.changed);
                Some(self.key_at(password.key_gen).await?.open(&place, &password.phc)?)
            }
            _ => None,
        };
        Ok(Found { user, hash, ready, elsewhere })
    }

    /// Lets an attempt through, counted as failed until it succeeds, or refuses to look at it.
    pub(crate) async fn admit(
        &self,
        bucket: Bucket,
        source: Option<Bucket>,
        pen: &Pen,
        user: Option<UserId>,
        login: Pseudonym,
    ) -> Result<u32, IdentityError> {
        let (tenant, now, pen) = (self.tenant, self.world.now(), pen.clone());
        let outcome = self.db.write(move |tx| {
            let all: Vec<Bucket> = source.into_iter().chain([bucket]).collect();
            let (wait, count) = throttle::standing(tx, tenant, &all, now)?;
            if !wait.is_zero() {
                let attempt = u64::from(count);
                pen.note(tx, &LoginFailed { user, login, reason: "throttled", attempt })?;
                return Ok(Err(Refused::Throttled { wait }));
            }
            if let Some(source) = source {
                throttle::charge(tx, tenant, source, now)?;
            }
            Ok(Ok(throttle::charge(tx, tenant, bucket, now)?))
        });
        Ok(outcome.await??)
    }

    /// The time step of a code that is right and was not used, for the caller to use up.
    pub(crate) async fn check_totp(
        &self,
        user: UserId,
        code: &str,
    ) -> Result<Option<TotpStep>, IdentityError> {
        let tenant = self.tenant;
        let Some(totp) = self.db.read(move |tx| credentials::totp(tx, tenant, user)).await? else {
            return Ok(None);
        };
        let place = credentials::totp_place(tenant, user);
        let seed = self.key_at(totp.key_gen).await?.open(&place, &totp.seed)?;
        let seed = <[u8; 20]>::try_from(seed.expose().as_slice());
        let seed = TotpSeed::from_secret(Secret::new(seed.map_err(|_| IdentityError::Document("seed"))?));
        let usable = totp.confirmed.is_some();
        let step = seed.verify(code, self.world.now(), Some(TotpStep(totp.last_step)));
        Ok(step.filter(|_| usable))
    }

    /// Asks `proof` in the transaction in which the session begins, or the failure is counted.
    async fn second_step(
        &self,
        open: Open<HalfWay>,
        method: &'static str,
        via: &Via,
        proof: impl Fn(&mut Tx<'_>, &Pen, Timestamp) -> Result<bool, StoreError> + Send + 'static,
    ) -> Result<SignedIn, IdentityError> {
        let (tenant, now, key) = (self.tenant, self.world.now(), self.key().await?);
        let HalfWay { user, epoch, login, bucket, known, .. } = open.step;
        let (beginning, signed_in) = self.beginning(user, method, via).await?;
        let nobody = beginning.pen.of(self.nobody());
        let mut open = open;
        let tries = open.step.tries;
        let outcome = self.db.write(move |tx| {
            open.take(tx, now)?;
            if proof(tx, &beginning.pen, now)? {
                beginning.begin(tx, Some(epoch))?;
                beginning.tell_of_device(tx, known)?;
                sessions::forget_failures(tx, tenant, bucket)?;
                return Ok(Ok(()));
            }
            let attempt = u64::from(throttle::charge(tx, tenant, bucket, now)?);
            let login = Pseudonym::from(login);
            nobody.note(tx, &LoginFailed { user: Some(user), login, reason: "factor", attempt })?;
            open.step.tries = tries + 1;
            if open.step.tries >= TRIES {
                return Ok(Err(Refused::SignIn));
            }
            open.refile(tx, &key)?;
            Ok(Err(Refused::Code))
        });
        outcome.await??;
        Ok(signed_in)
    }

    /// Prepares a session for somebody whose proof is about to be weighed.
    pub(crate) async fn beginning(
        &self,
        user: UserId,
        method: &'static str,
        via: &Via,
    ) -> Result<(Beginning, SignedIn), IdentityError> {
        let (tenant, now) = (self.tenant, self.world.now());
        let assurance = level_of(method);
        let secret = SessionSecret::generate(&self.world);
        let csrf_hash = sha256(doors::csrf::token(&secret).expose().as_bytes());
        let session = Session {
            tenant,
            id: self.world.id(),
            csrf_hash,
            user,
            assurance,
            epoch: 0,
            created: now,
            authenticated: now,
            last_seen: now,
            absolute: now.after(ABSOLUTE),
            ended: None,
        };
        let staff =
            Staff { user, tenant, grants: Vec::new(), assurance, authenticated_at: now, session: session.id };
        let pen = self.pen(Actor::Staff(staff), via).await?;
        let device = DeviceToken::mint(&*self.index().await?, tenant, user, self.world.bytes(), now)?;
        let id = session.id;
        let hash = sha256(secret.expose());
        let signed_in = SignedIn { secret, lifetime: ABSOLUTE, device, user, session: id };
        Ok((Beginning { pen, session, hash, method, own: true }, signed_in))
    }
}

/// The level of a proof with two factors of ours: a passkey answers to our origin alone and cannot be phished
/// (WebAuthn section 13.4.9), a password with a code can.
pub(crate) fn level_of(method: &str) -> u8 {
    if method.ends_with("passkey") { 3 } else { 2 }
}

/// A session about to begin.
pub(crate) struct Beginning {
    pub(crate) pen: Pen,
    session: Session,
    hash: [u8; 32],
    method: &'static str,
    /// Whether the proof was one of our own factors, and no provider's word.
    own: bool,
}

impl Beginning {
    /// The session begins by the word of a provider: with the level and the proof that it states, and it
    /// ends when the provider wants it to at the latest.
    pub(crate) fn through(&mut self, level: u8, proved: Timestamp, ends: Option<Timestamp>) {
        self.own = false;
        self.session.assurance = level.clamp(1, 3);
        self.session.authenticated = proved;
        self.session.absolute = ends.map_or(self.session.absolute, |ends| ends.min(self.session.absolute));
    }

    /// The session that is to begin.
    pub(crate) fn session(&self) -> SessionId {
        self.session.id
    }

    /// Begins the session, for an account that is active and still in the epoch in which the proof
    /// began. The oldest sessions end when there are too many.
    pub(crate) fn begin(&self, tx: &mut Tx<'_>, epoch: Option<u64>) -> Result<(), StoreError> {
        let Session { tenant, user, id, created: now, .. } = self.session;
        let account = users::find(tx, tenant, user)?.ok_or(Refused::SignIn)?;
        if account.state != UserState::Active || epoch.is_some_and(|epoch| epoch != account.epoch) {
            return Err(Refused::SignIn.into());
        }
        let elsewhere = self.own && connections::only_connections(tx, tenant)?;
        if elsewhere && barred(tx, tenant, user, self.session.assurance >= 3, now)? {
            return Err(Refused::SignIn.into());
        }
        let session = Session { epoch: account.epoch, ..self.session.clone() };
        for old in sessions::of_user(tx, tenant, user, now)?.iter().skip(AT_ONCE - 1) {
            if sessions::end(tx, tenant, user, old.id, now)? {
                self.pen.note(tx, &SessionEnded { user, session: old.id, why: "replaced" })?;
            }
        }
        sessions::begin(tx, &session, self.hash)?;
        users::signed_in(tx, tenant, user, now)?;
        if elsewhere {
            access_requests::glass_used(tx, tenant, user, id, now, now.after(REVIEW))?;
            self.pen.note(tx, &BreakGlassUsed { user, session: id })?;
            for owner in users::owners(tx, tenant, now)?.into_iter().filter(|owner| *owner != user) {
                let (kind, hand) = (NoticeKind::BreakGlassUsed, NoticeHand::Administrator);
                self.pen.tell_by(tx, owner, kind, hand, Particulars::default())?;
            }
        }
        let mfa = session.assurance >= 2;
        self.pen.note(tx, &LoginSucceeded { user, session: id, method: self.method, mfa })
    }
}

impl Beginning {
    /// Tells the person of a session that began on a device which they had not used before.
    pub(crate) fn tell_of_device(&self, tx: &mut Tx<'_>, known: bool) -> Result<(), StoreError> {
        if known {
            return Ok(());
        }
        self.pen.tell(tx, self.session.user, NoticeKind::NewDevice, Particulars::default())
    }
}

/// A login name in the one spelling in which it is looked up.
fn spelling(login: &str) -> String {
    match Email::new(login) {
        Ok(email) => email.as_str().to_owned(),
        // No account has it; it is counted and recorded like any other.
        Err(_) => login.trim().chars().take(Email::MAX).collect::<String>().to_lowercase(),
    }
}
