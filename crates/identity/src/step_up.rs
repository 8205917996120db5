//! Stepping up: somebody who is signed in proves anew who they are, before a sensitive act. The session
//! goes on under a new secret; the old one is void at once. Its level is that of the new proof: what a code
//! confirms is worth a code, even where a passkey began.

use doors::cookie::SessionSecret;
use guard::Actor;
use ledger::catalogue::{LoginFailed, LoginSucceeded};
use serde::{Deserialize, Serialize};
use store::sessions::{self, Session};
use store::{StoreError, Tx, Via, credentials};

use crate::ceremony::Step;
use crate::passkey::{Assertion, Challenge};
use crate::session::Signed;
use crate::sign_in::level_of;
use crate::sign_in_passkey::ours;
use crate::throttle::{self, Buckets};
use crate::{CeremonyId, Identity, IdentityError, Inner, Refused, sha256};

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedAgain {
    user: kernel::UserId,
    challenge: Challenge,
}

impl Step for AskedAgain {
    const KIND: &'static str = "step-up";
}

impl Identity {
    /// Proves again with a code of the authenticator app, and gives the session's new secret.
    ///
    /// # Errors
    /// [`Refused::Code`], [`Refused::Throttled`]; [`Refused::SignIn`] when the session ended meanwhile.
    pub async fn step_up_totp(
        &self,
        signed: &Signed,
        code: &str,
        via: &Via,
    ) -> Result<SessionSecret, IdentityError> {
        let inner = &self.0;
        let (tenant, user, now) = (inner.tenant, signed.actor.user, inner.world.now());
        let step = inner.check_totp(user, code).await?;
        let prove = move |tx: &mut Tx<'_>| match step {
            Some(step) => credentials::use_totp_step(tx, tenant, user, step.0, now),
            None => Ok(false),
        };
        inner.step_up(signed, "step-up totp", Refused::Code, via, prove).await
    }

    /// Asks for a passkey of this account.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn step_up_begin(
        &self,
        signed: &Signed,
    ) -> Result<(CeremonyId, serde_json::Value), IdentityError> {
        let inner = &self.0;
        let (tenant, user) = (inner.tenant, signed.actor.user);
        let rows = inner.db.read(move |tx| credentials::passkeys(tx, tenant, user)).await?;
        let mut ids = Vec::with_capacity(rows.len());
        for row in rows {
            ids.push(inner.open_passkey(&row).await?.id);
        }
        let challenge = Challenge::generate(&inner.world);
        let options = inner.relying_party.request_options(&challenge, &ids);
        Ok((inner.begin(&AskedAgain { user, challenge }).await?, options))
    }

    /// Proves again with a passkey, and gives the session's new secret.
    ///
    /// # Errors
    /// [`Refused::SignIn`], [`Refused::Throttled`], [`Refused::CeremonyOver`].
    pub async fn step_up_passkey(
        &self,
        signed: &Signed,
        ceremony: &CeremonyId,
        sent: &Assertion,
        via: &Via,
    ) -> Result<SessionSecret, IdentityError> {
        let inner = &self.0;
        let (tenant, user, now) = (inner.tenant, signed.actor.user, inner.world.now());
        let open = inner.look::<AskedAgain>(ceremony).await?;
        if open.step.user != user {
            return Err(Refused::CeremonyOver.into());
        }
        let known = inner.known(sent).await?.filter(|known| known.user.id == user && ours(known, sent));
        let checked = known.and_then(|known| {
            let checked = inner.relying_party.verify(&open.step.challenge, &known.passkey, sent);
            checked.ok().map(|passkey| (known.credential, u64::from(passkey.counter)))
        });
        let prove = move |tx: &mut Tx<'_>| {
            open.take(tx, now)?;
            match checked {
                Some((credential, counter)) => {
                    credentials::used_passkey(tx, tenant, credential, counter, now)
                }
                None => Ok(false),
            }
        };
        inner.step_up(signed, "step-up passkey", Refused::SignIn, via, prove).await
    }
}

impl Inner {
    async fn step_up(
        &self,
        signed: &Signed,
        method: &'static str,
        refused: Refused,
        via: &Via,
        prove: impl Fn(&mut Tx<'_>) -> Result<bool, StoreError> + Send + 'static,
    ) -> Result<SessionSecret, IdentityError> {
        let (tenant, user, now) = (self.tenant, signed.actor.user, self.world.now());
        let secret = SessionSecret::generate(&self.world);
        let csrf_hash = sha256(doors::csrf::token(&secret).expose().as_bytes());
        let session = Session {
            csrf_hash,
            assurance: level_of(method),
            authenticated: now,
            last_seen: now,
            ..signed.session.clone()
        };
        let hash = sha256(secret.expose());
        let pen = self.pen(Actor::Staff(signed.actor.clone()), via).await?;
        let login = pen.scribe().pseudonym_of(&user.to_string())?;
        let bucket = Buckets(&*self.index().await?).step_up(user)?;
        let outcome = self.db.write(move |tx| {
            let (wait, _) = throttle::standing(tx, tenant, &[bucket], now)?;
            if !wait.is_zero() {
                return Ok(Err(Refused::Throttled { wait }));
            }
            if !prove(tx)? {
                let attempt = u64::from(throttle::charge(tx, tenant, bucket, now)?);
                pen.note(tx, &LoginFailed { user: Some(user), login, reason: "factor", attempt })?;
                return Ok(Err(refused.clone()));
            }
            sessions::forget_failures(tx, tenant, bucket)?;
            sessions::step_up(tx, &session, hash).map_err(|error| match error {
                StoreError::Missing { .. } => Refused::SignIn.into(),
                other => other,
            })?;
            pen.note(tx, &LoginSucceeded { user, session: session.id, method, mfa: true })?;
            Ok(Ok(()))
        });
        outcome.await??;
        Ok(secret)
    }

    /// A passkey as it was registered.
    pub(crate) async fn open_passkey(
        &self,
        row: &credentials::Passkey,
    ) -> Result<crate::passkey::Passkey, IdentityError> {
        let place = credentials::passkey_place(self.tenant, row.user, row.credential);
        let public = self.key_at(row.key_gen).await?.open(&place, &row.public)?;
        serde_json::from_slice(&public).map_err(|_| IdentityError::Document("passkey"))
    }
}
