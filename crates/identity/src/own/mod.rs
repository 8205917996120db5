//! One's own account: what one signs in with, seen and changed by oneself (ASVS 5.0, 6.2.3 and 7.5.1).
//!
//! Every change asks for leave that only a fresh proof gives ([`ChangeOwnFactors`]), and a change of factors
//! for the strongest proof that the account has (NIST SP 800-63B-4, section 4.1.2.1): who has a passkey proves
//! with it. No change leaves the account without a second factor, or without a passkey where its roles ask for
//! one. Afterwards every other session is over, this one goes on under a new secret, and the person is told.
//!
//! Not promised: that whoever holds a person's password and the code of their app is that person. Where there
//! is no passkey yet, they can add one, as the person could; the notice of it is what remains.

mod app;
mod list;
mod passkeys;
mod secrets;

use std::time::Duration;

use doors::cookie::SessionSecret;
use guard::action::ChangeOwnFactors;
use guard::{Act, Actor, Circumstances, Permit, Resource, Staff};
use kernel::{Id, Reason, SessionId, TenantId, Timestamp, UserId};
use store::sessions::{self, Session};
use store::users::{self, UserState};
use store::{Read, StoreError, Tx, Via, credentials};

use crate::pen::Pen;
use crate::session::end_all;
use crate::{IdentityError, Inner, Refused, sha256};

pub use list::{OwnAct, OwnFactors, OwnPasskey, PasskeyId};

/// What the browser gets after a change: the session goes on under a new secret.
#[derive(Debug)]
pub struct Renewed {
    /// For the session cookie.
    pub secret: SessionSecret,
    /// The session.
    pub session: SessionId,
    /// How long the session still lasts.
    pub left: Duration,
}

/// Which proof a change takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// A fresh one.
    Fresh,
    /// A fresh one of the highest level that the account can reach.
    Strongest,
}

/// Whose account it is, in the transaction of the change.
#[derive(Debug, Clone, Copy)]
struct Own {
    tenant: TenantId,
    user: UserId,
    now: Timestamp,
}

/// What is left to sign in with.
struct Standing {
    passkeys: usize,
    app: bool,
}

impl Standing {
    fn of(tx: &mut Read<'_>, own: Own) -> Result<Self, StoreError> {
        let app = credentials::totp(tx, own.tenant, own.user)?;
        Ok(Self {
            passkeys: credentials::passkeys(tx, own.tenant, own.user)?.len(),
            app: app.is_some_and(|app| app.confirmed.is_some()),
        })
    }
}

/// Who asks, when it is somebody who is signed in.
fn holder(permit: &Permit<ChangeOwnFactors>) -> Result<&Staff, Refused> {
    permit.actor().staff().ok_or(Refused::NoAccount)
}

impl Inner {
    /// Does a change: the proof is weighed, `act` does it, other sessions end and this one is renewed, in one
    /// transaction.
    async fn change_own<T: Send + 'static>(
        &self,
        permit: &Permit<ChangeOwnFactors>,
        proof: Proof,
        via: &Via,
        act: impl Fn(&mut Tx<'_>, &Pen, Own) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<(T, Renewed), IdentityError> {
        let staff = holder(permit)?;
        let (id, pen) = (staff.session, self.pen(permit.actor().clone(), via).await?);
        let own = Own { tenant: self.tenant, user: staff.user, now: self.world.now() };
        let secret = SessionSecret::generate(&self.world);
        let (hash, csrf_hash) =
            (sha256(secret.expose()), sha256(doors::csrf::token(&secret).expose().as_bytes()));
        let job = self.db.write(move |tx| {
            let Own { tenant, user, now } = own;
            let held = held(tx, own, id)?;
            if proof == Proof::Strongest && held.assurance < 3 && Standing::of(tx, own)?.passkeys > 0 {
                return Err(Refused::Stronger.into());
            }
            let done = act(tx, &pen, own)?;
            users::bump_epoch(tx, tenant, user)?;
            end_all(tx, &pen, (tenant, user), Some(id), now)?;
            let epoch = users::find(tx, tenant, user)?.ok_or(Refused::SignIn)?.epoch;
            let absolute = held.absolute;
            sessions::outlive(tx, &Session { csrf_hash, epoch, last_seen: now, ..held }, hash)?;
            Ok((done, absolute))
        });
        let (done, absolute) = job.await?;
        self.tell();
        Ok((done, Renewed { secret, session: id, left: absolute.since(own.now) }))
    }

    /// Whether what somebody holds opens something to a passkey that it does not open to a code. Custom roles
    /// and the policies of the day count, because the guard is asked.
    fn needs_a_passkey(&self, staff: &Staff) -> bool {
        let now = self.world.now();
        let with = |assurance| Actor::Staff(Staff { assurance, authenticated_at: now, ..staff.clone() });
        let (code, passkey, house) = (with(2), with(3), Resource::Tenant(self.tenant));
        let mut moment = Circumstances::at(now);
        if let Ok(reason) = Reason::new("asked before a passkey is removed") {
            moment = moment.because(reason);
        }
        let may = |act: Act, actor: &Actor| self.guard.decide(act, actor, &house, &moment).is_ok();
        let about = |act: &&Act| act.resources().contains(&house.kind());
        Act::ALL.iter().filter(about).any(|act| may(*act, &passkey) && !may(*act, &code))
    }
}

/// The session that asks, if it still holds.
fn held(tx: &mut Read<'_>, own: Own, id: SessionId) -> Result<Session, StoreError> {
    let Own { tenant, user, now } = own;
    let found = sessions::of_user(tx, tenant, user, now)?.into_iter().find(|held| held.id == id);
    let account = users::find(tx, tenant, user)?;
    let fits = |held: &Session| {
        account.as_ref().is_some_and(|row| row.state == UserState::Active && row.epoch == held.epoch)
    };
    Ok(found.filter(fits).ok_or(Refused::SignIn)?)
}

/// The bytes of an account's id, as authenticators keep them.
fn handle(user: UserId) -> [u8; 16] {
    user.to_bytes()
}
