//! One's own passkeys: adding one, naming one, removing one.

use guard::Permit;
use guard::action::ChangeOwnFactors;
use kernel::{DisplayName, SessionId, UserId};
use ledger::catalogue::{FactorEnrolled, FactorRemoved, PasskeyNamed};
use serde::{Deserialize, Serialize};
use store::{StoreError, Via, credentials};

use super::{Own, PasskeyId, Proof, Renewed, Standing, handle, held, holder};
use crate::ceremony::Step;
use crate::notices::{NoticeKind, Particulars};
use crate::passkey::{Challenge, PasskeyError, Registration};
use crate::{CeremonyId, Identity, IdentityError, Refused};

/// Passkeys that one account may have.
const MOST: usize = 20;

/// A passkey that is being made.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Adding {
    user: UserId,
    session: SessionId,
    challenge: Challenge,
}

impl Step for Adding {
    const KIND: &'static str = "own-passkey";
}

impl Identity {
    /// Begins to add a passkey: the ceremony, and the options for `navigator.credentials.create()`. An
    /// authenticator that holds a passkey of this account says so itself.
    ///
    /// # Errors
    /// [`Refused::Stronger`] when the account has a passkey and the last proof was something else;
    /// [`Refused::TooManyPasskeys`].
    pub async fn add_passkey_options(
        &self,
        permit: &Permit<ChangeOwnFactors>,
    ) -> Result<(CeremonyId, serde_json::Value), IdentityError> {
        let inner = &self.0;
        let staff = holder(permit)?;
        let (tenant, user) = (inner.tenant, staff.user);
        let found = inner.db.read(move |tx| {
            let rows = credentials::passkeys(tx, tenant, user)?;
            Ok((rows, store::users::find(tx, tenant, user)?.ok_or(Refused::NoAccount)?))
        });
        let (rows, account) = found.await?;
        if staff.assurance < 3 && !rows.is_empty() {
            return Err(Refused::Stronger.into());
        }
        if rows.len() >= MOST {
            return Err(Refused::TooManyPasskeys.into());
        }
        let mut known = Vec::with_capacity(rows.len());
        for row in rows {
            known.push(inner.open_passkey(&row).await?.id);
        }
        let (email, challenge) = (inner.who(&account).await?.email, Challenge::generate(&inner.world));
        let options = inner.relying_party.creation_options(&challenge, &handle(user), email.as_str(), &known);
        let ceremony = inner.begin(&Adding { user, session: staff.session, challenge }).await?;
        Ok((ceremony, options))
    }

    /// Adds the passkey that was made. `label` is what its holder calls it.
    ///
    /// # Errors
    /// [`Refused::CeremonyOver`], [`Refused::Passkey`], [`Refused::Stronger`], [`Refused::TooManyPasskeys`].
    pub async fn add_passkey(
        &self,
        permit: &Permit<ChangeOwnFactors>,
        ceremony: &CeremonyId,
        sent: &Registration,
        label: DisplayName,
        via: &Via,
    ) -> Result<Renewed, IdentityError> {
        let inner = &self.0;
        let staff = holder(permit)?;
        let open = inner.look::<Adding>(ceremony).await?;
        if (open.step.user, open.step.session) != (staff.user, staff.session) {
            return Err(Refused::CeremonyOver.into());
        }
        let made = inner.relying_party.register(&open.step.challenge, sent).map_err(Refused::from)?;
        let passkey = inner.seal_passkey(staff.user, &made, &label).await?;
        let done = inner.change_own(permit, Proof::Strongest, via, move |tx, pen, own| {
            let Own { tenant, user, now } = own;
            open.take(tx, now)?;
            if credentials::passkeys(tx, tenant, user)?.len() >= MOST {
                return Err(Refused::TooManyPasskeys.into());
            }
            credentials::add_passkey(tx, tenant, &passkey).map_err(|error| match error {
                // Section 7.1 step 26: the credential is registered, here or to somebody else.
                StoreError::Conflict { .. } => Refused::Passkey(PasskeyError::Credential).into(),
                other => other,
            })?;
            pen.note(tx, &FactorEnrolled { user, factor: "passkey" })?;
            pen.tell(tx, user, NoticeKind::FactorAdded, called(&label))
        });
        Ok(done.await?.1)
    }

    /// Gives a passkey another name. No session ends by it.
    ///
    /// # Errors
    /// [`Refused::NoFactor`] when the account has none such; [`Refused::SignIn`] when the session is over.
    pub async fn name_passkey(
        &self,
        permit: &Permit<ChangeOwnFactors>,
        PasskeyId(credential): PasskeyId,
        label: DisplayName,
        via: &Via,
    ) -> Result<(), IdentityError> {
        let inner = &self.0;
        let staff = holder(permit)?;
        let (tenant, user, session, now) = (inner.tenant, staff.user, staff.session, inner.world.now());
        let row = inner.db.read(move |tx| credentials::find_passkey(tx, tenant, credential)).await?;
        let row = row.filter(|row| row.user == user).ok_or(Refused::NoFactor)?;
        let key = inner.key_at(row.key_gen).await?;
        let name = key.seal(&credentials::passkey_name_place(tenant, user, credential), &label)?;
        let pen = inner.pen(permit.actor().clone(), via).await?;
        let job = inner.db.write(move |tx| {
            held(tx, Own { tenant, user, now }, session)?;
            credentials::name_passkey(tx, tenant, user, credential, &name).map_err(gone)?;
            pen.note(tx, &PasskeyNamed { user })
        });
        Ok(job.await?)
    }

    /// Removes a passkey.
    ///
    /// # Errors
    /// [`Refused::NoFactor`] when the account has none such; [`Refused::PasskeyNeeded`] when the person's roles
    /// ask for one and it is the last; [`Refused::LastFactor`] when nothing would be left;
    /// [`Refused::Stronger`].
    pub async fn remove_passkey(
        &self,
        permit: &Permit<ChangeOwnFactors>,
        PasskeyId(credential): PasskeyId,
        via: &Via,
    ) -> Result<Renewed, IdentityError> {
        let inner = &self.0;
        let staff = holder(permit)?;
        let (tenant, user, needed) = (inner.tenant, staff.user, inner.needs_a_passkey(staff));
        let row = inner.db.read(move |tx| credentials::find_passkey(tx, tenant, credential)).await?;
        let row = row.filter(|row| row.user == user).ok_or(Refused::NoFactor)?;
        let place = credentials::passkey_name_place(tenant, user, credential);
        let label = inner.key_at(row.key_gen).await?.open(&place, &row.name)?;
        let done = inner.change_own(permit, Proof::Strongest, via, move |tx, pen, own| {
            let left = Standing::of(tx, own)?;
            if left.passkeys <= 1 && needed {
                return Err(Refused::PasskeyNeeded.into());
            }
            if left.passkeys <= 1 && !left.app {
                return Err(Refused::LastFactor.into());
            }
            credentials::remove_passkey(tx, own.tenant, own.user, credential).map_err(gone)?;
            pen.note(tx, &FactorRemoved { user: own.user, factor: "passkey" })?;
            pen.tell(tx, own.user, NoticeKind::FactorRemoved, called(&label))
        });
        Ok(done.await?.1)
    }
}

fn called(label: &DisplayName) -> Particulars {
    Particulars::about(format!("passkey “{}”", label.as_str()))
}

fn gone(error: StoreError) -> StoreError {
    match error {
        StoreError::Missing { .. } => Refused::NoFactor.into(),
        other => other,
    }
}
