//! Stepping up through a provider: the person proves there, anew, who they are, and the session goes on
//! under a new secret.

use std::time::Duration;

use doors::cookie::SessionSecret;
use federation::oidc::{Refusal, SKEW};
use guard::{Actor, Staff};
use kernel::{SessionId, UserId};
use ledger::catalogue::{LoginSucceeded, ProviderRefused};
use store::sessions::{self, Session};
use store::users::{self, UserState};
use store::{StoreError, Via, credentials, identities};

use super::reason::{Failure, Objection};
use super::told::Told;
use super::{Offer, Opened};
use crate::session::Signed;
use crate::{Identity, IdentityError, Inner, sha256};

/// How old a proof may be that was asked for anew: the time that the way back takes.
const FRESH: Duration = Duration::from_secs(60);

/// With what somebody who is signed in can prove again who they are.
#[derive(Debug)]
pub struct Ways {
    /// A code of their authenticator app.
    pub app: bool,
    /// A passkey.
    pub passkey: bool,
    /// A provider that vouches for them.
    pub providers: Vec<Offer>,
}

impl Identity {
    /// With what somebody who is signed in can prove again who they are.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn ways_to_prove(&self, signed: &Signed) -> Result<Ways, IdentityError> {
        let (tenant, user) = (self.0.tenant, signed.actor.user);
        let offers = self.offers().await?;
        let found = self.0.db.read(move |tx| {
            let app = credentials::totp(tx, tenant, user)?.is_some_and(|totp| totp.confirmed.is_some());
            let passkey = !credentials::passkeys(tx, tenant, user)?.is_empty();
            Ok((app, passkey, identities::connections_of(tx, tenant, user)?))
        });
        let (app, passkey, linked) = found.await?;
        let providers = offers.into_iter().filter(|offer| linked.contains(&offer.connection)).collect();
        Ok(Ways { app, passkey, providers })
    }
}

impl Inner {
    /// Renews a session's proof by what the provider told, if it is about the session's own person, made
    /// just now, and of two factors.
    pub(crate) async fn step_up_through(
        &self,
        opened: &Opened,
        told: &Told,
        session: SessionId,
        user: UserId,
        via: &Via,
    ) -> Result<Result<SessionSecret, Failure>, IdentityError> {
        let (tenant, now, connection) = (self.tenant, self.world.now(), opened.row.id);
        let objection: Option<Failure> = match (told.proved, self.account_for(opened, told).await?) {
            (_, account) if account != Ok(Some(user)) => Some(Objection::OtherPerson.into()),
            (None, _) => Some(Refusal::AuthTimeMissing.into()),
            (Some(proved), _) if now.since(proved) > FRESH + SKEW => Some(Refusal::AuthTime.into()),
            _ if told.level < 2 => Some(Objection::OneFactor.into()),
            _ => None,
        };
        if let Some(failure) = objection {
            return self.objected(opened, Some(user), failure, via).await;
        }
        let secret = SessionSecret::generate(&self.world);
        let (hash, csrf_hash) =
            (sha256(secret.expose()), sha256(doors::csrf::token(&secret).expose().as_bytes()));
        let (level, method) = (told.level, opened.method());
        let proved = told.proved.unwrap_or(now).min(now);
        let staff =
            Staff { user, tenant, grants: Vec::new(), assurance: level, authenticated_at: proved, session };
        let (pen, nobody) = (self.pen(Actor::Staff(staff), via).await?, self.nobody());
        let outcome = self.db.write(move |tx| {
            let held = sessions::of_user(tx, tenant, user, now)?.into_iter().find(|held| held.id == session);
            let account = users::find(tx, tenant, user)?;
            let fits = |held: &Session| {
                account.as_ref().is_some_and(|row| row.state == UserState::Active && row.epoch == held.epoch)
            };
            let Some(held) = held.filter(fits) else {
                let reason = Objection::OtherPerson.code();
                pen.of(nobody.clone()).note(tx, &ProviderRefused { connection, user: Some(user), reason })?;
                return Ok::<_, StoreError>(Err(Objection::OtherPerson));
            };
            // The level is that of the last proof (`crate::step_up`).
            let renewed =
                Session { csrf_hash, assurance: level, authenticated: proved, last_seen: now, ..held };
            sessions::step_up(tx, &renewed, hash)?;
            pen.note(tx, &LoginSucceeded { user, session, method, mfa: level >= 2 })?;
            Ok(Ok(()))
        });
        Ok(outcome.await?.map(|()| secret).map_err(Failure::from))
    }
}
