//! Signing in with a passkey alone: possession and user verification in one step. The browser offers
//! whatever passkeys it has; who it is, is found by the credential.

use kernel::{Id, UserId};
use ledger::catalogue::LoginFailed;
use serde::{Deserialize, Serialize};
use store::users::{self, User, UserState};
use store::{Via, credentials};

use crate::break_glass::barred;
use crate::ceremony::Step;
use crate::passkey::{Assertion, Challenge, Passkey, PasskeyError};
use crate::sign_in::SignedIn;
use crate::throttle::{self, Buckets};
use crate::{CeremonyId, DeviceToken, Identity, IdentityError, Inner, Refused, sha256};

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    challenge: Challenge,
}

impl Step for Asked {
    const KIND: &'static str = "passkey";
}

/// A passkey with whose it is.
pub(crate) struct Known {
    pub(crate) user: User,
    pub(crate) credential: [u8; 32],
    pub(crate) passkey: Passkey,
    /// Whether the account signs in through a provider and in no other way.
    pub(crate) elsewhere: bool,
}

impl Identity {
    /// Begins: the ceremony, and the options for `navigator.credentials.get()`.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn passkey_begin(&self) -> Result<(CeremonyId, serde_json::Value), IdentityError> {
        let inner = &self.0;
        let challenge = Challenge::generate(&inner.world);
        let options = inner.relying_party.request_options(&challenge, &[]);
        Ok((inner.begin(&Asked { challenge }).await?, options))
    }

    /// Ends with the passkey's answer. A ceremony is good for one answer.
    ///
    /// # Errors
    /// [`Refused::SignIn`] whatever is wrong, [`Refused::Throttled`] after too many failures of this
    /// network, [`Refused::CeremonyOver`].
    pub async fn passkey_finish(
        &self,
        ceremony: &CeremonyId,
        sent: &Assertion,
        device: Option<&str>,
        via: &Via,
    ) -> Result<SignedIn, IdentityError> {
        let inner = &self.0;
        let open = inner.look::<Asked>(ceremony).await?;
        let (tenant, now, index) = (inner.tenant, inner.world.now(), inner.index().await?);
        let known = inner.known(sent).await?;
        let (reason, checked) = match &known {
            None => ("unknown", None),
            Some(known) if known.user.state != UserState::Active => ("disabled", None),
            Some(known) if known.elsewhere => ("elsewhere", None),
            Some(known) => {
                match inner.relying_party.verify(&open.step.challenge, &known.passkey, sent) {
                    Ok(passkey) if ours(known, sent) => ("assertion", Some(u64::from(passkey.counter))),
                    // The authenticator may have been copied: its holder must hear of it.
                    Err(PasskeyError::Counter) => ("counter", None),
                    Ok(_) | Err(_) => ("assertion", None),
                }
            }
        };
        let who = known.as_ref().map(|known| known.user.id);
        let is_known = match (who, device) {
            (Some(user), Some(device)) => DeviceToken::check(&index, tenant, user, device, now)?.is_some(),
            _ => false,
        };
        let source = if is_known { None } else { Buckets(&index).source(via)? };
        let anybody = who.unwrap_or(UserId::from_bytes([0; 16]));
        let (beginning, signed_in) = inner.beginning(anybody, "passkey", via).await?;
        let nobody = beginning.pen.of(inner.nobody());
        // There is no login name: the credential stands for it.
        let login = nobody.scribe().pseudonym_of(&sent.id)?;
        let outcome = inner.db.write(move |tx| {
            open.take(tx, now)?;
            let lane: Vec<_> = source.into_iter().collect();
            let (wait, failures) = throttle::standing(tx, tenant, &lane, now)?;
            let failed =
                |reason, attempt: u32| LoginFailed { user: who, login, reason, attempt: u64::from(attempt) };
            if !wait.is_zero() {
                nobody.note(tx, &failed("throttled", failures))?;
                return Ok(Err(Refused::Throttled { wait }));
            }
            let mut reason = reason;
            if let (Some(known), Some(counter)) = (&known, checked) {
                if credentials::used_passkey(tx, tenant, known.credential, counter, now)? {
                    beginning.begin(tx, Some(known.user.epoch))?;
                    beginning.tell_of_device(tx, is_known)?;
                    return Ok(Ok(()));
                }
                reason = "counter";
            }
            let attempt = match source {
                Some(source) => throttle::charge(tx, tenant, source, now)?,
                None => 1,
            };
            nobody.note(tx, &failed(reason, attempt))?;
            Ok(Err(Refused::SignIn))
        });
        outcome.await??;
        Ok(signed_in)
    }
}

impl Inner {
    /// The passkey of an answer, and whose it is.
    pub(crate) async fn known(&self, sent: &Assertion) -> Result<Option<Known>, IdentityError> {
        let Ok(id) = sent.credential_id() else { return Ok(None) };
        let (tenant, now, credential) = (self.tenant, self.world.now(), sha256(&id));
        let found = self.db.read(move |tx| {
            let Some(passkey) = credentials::find_passkey(tx, tenant, credential)? else { return Ok(None) };
            let elsewhere = barred(tx, tenant, passkey.user, true, now)?;
            Ok(users::find(tx, tenant, passkey.user)?.map(|user| (user, passkey, elsewhere)))
        });
        let Some((user, row, elsewhere)) = found.await? else { return Ok(None) };
        let place = credentials::passkey_place(tenant, user.id, credential);
        let public = self.key_at(row.key_gen).await?.open(&place, &row.public)?;
        let passkey: Passkey =
            serde_json::from_slice(&public).map_err(|_| IdentityError::Document("passkey"))?;
        // The counter in the row is the newer one; one that does not fit was never this program's.
        let counter = u32::try_from(row.counter).unwrap_or(u32::MAX);
        Ok(Some(Known { user, credential, passkey: Passkey { counter, ..passkey }, elsewhere }))
    }
}

/// Whether the user handle, if the authenticator gave one, is the account's (section 7.2 step 6).
pub(crate) fn ours(known: &Known, sent: &Assertion) -> bool {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    sent.user_handle.as_ref().is_none_or(|handle| {
        URL_SAFE_NO_PAD.decode(handle).is_ok_and(|handle| handle == known.user.id.to_bytes())
    })
}
