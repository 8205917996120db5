//! One's own app for codes: adding it, with a password where there is none yet, replacing it, and removing it
//! together with the password, which opens nothing without it.

use guard::Permit;
use guard::action::ChangeOwnFactors;
use kernel::{Secret, SessionId, UserId};
use ledger::catalogue::{FactorEnrolled, FactorRemoved};
use serde::{Deserialize, Serialize};
use store::credentials::{self, Password};
use store::{Via, users};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{Own, Proof, Renewed, Standing, holder};
use crate::ceremony::Step;
use crate::enrol::{TotpSetup, setup};
use crate::notices::{NoticeKind, Particulars};
use crate::totp::TotpSeed;
use crate::{CeremonyId, Identity, IdentityError, Refused};

/// An app that waits for its first code.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewApp {
    user: UserId,
    session: SessionId,
    chosen: Chosen,
}

/// The new seed, and the hash of a new password where there was none.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct Chosen {
    phc: Option<String>,
    seed: [u8; 20],
}

impl Step for NewApp {
    const KIND: &'static str = "own-app";
}

impl Identity {
    /// Begins to add or to replace the app for codes. `password` is chosen with it when the account has none;
    /// it is not looked at when there is one.
    ///
    /// # Errors
    /// [`Refused::PasswordNeeded`] when the account has no password and none is given; [`Refused::Password`];
    /// [`Refused::Stronger`].
    pub async fn new_app(
        &self,
        permit: &Permit<ChangeOwnFactors>,
        password: Option<Secret<String>>,
    ) -> Result<CeremonyId, IdentityError> {
        let inner = &self.0;
        let staff = holder(permit)?;
        let (tenant, user) = (inner.tenant, staff.user);
        let found = inner.db.read(move |tx| {
            let account = users::find(tx, tenant, user)?.ok_or(Refused::NoAccount)?;
            let passkeys = credentials::passkeys(tx, tenant, user)?.len();
            Ok((account, passkeys, credentials::password(tx, tenant, user)?.is_some()))
        });
        let (account, passkeys, has_password) = found.await?;
        if staff.assurance < 3 && passkeys > 0 {
            return Err(Refused::Stronger.into());
        }
        let phc = if has_password {
            None
        } else {
            let who = inner.who(&account).await?;
            let password = password.ok_or(Refused::PasswordNeeded)?;
            let accepted = inner.passwords.accept(password, &[who.name.as_str(), who.email.as_str()]).await?;
            Some(inner.passwords.hash(&inner.world, accepted).await?.expose().clone())
        };
        let seed = *TotpSeed::generate(&inner.world).secret().expose();
        inner.begin(&NewApp { user, session: staff.session, chosen: Chosen { phc, seed } }).await
    }

    /// What the new app is shown.
    ///
    /// # Errors
    /// [`Refused::CeremonyOver`].
    pub async fn new_app_setup(&self, ceremony: &CeremonyId) -> Result<TotpSetup, IdentityError> {
        let inner = &self.0;
        let NewApp { user, chosen, .. } = inner.look::<NewApp>(ceremony).await?.step;
        let tenant = inner.tenant;
        let account = inner.db.read(move |tx| users::find(tx, tenant, user)).await?;
        let email = inner.who(&account.ok_or(Refused::NoAccount)?).await?.email;
        setup(&TotpSeed::from_secret(Secret::new(chosen.seed)), &email)
    }

    /// Puts the new app in force with its first code.
    ///
    /// # Errors
    /// [`Refused::Code`], after which another can be tried; [`Refused::CeremonyOver`], [`Refused::Stronger`].
    pub async fn confirm_app(
        &self,
        permit: &Permit<ChangeOwnFactors>,
        ceremony: &CeremonyId,
        code: &str,
        via: &Via,
    ) -> Result<Renewed, IdentityError> {
        let inner = &self.0;
        let staff = holder(permit)?;
        let open = inner.look::<NewApp>(ceremony).await?;
        if (open.step.user, open.step.session) != (staff.user, staff.session) {
            return Err(Refused::CeremonyOver.into());
        }
        let (tenant, user, now) = (inner.tenant, staff.user, inner.world.now());
        let chosen = &open.step.chosen;
        let seed = TotpSeed::from_secret(Secret::new(chosen.seed));
        let step = seed.verify(code, now, None).ok_or(Refused::Code)?;
        let key = inner.key().await?;
        let key_gen = key.generation();
        let sealed = key.seal(&credentials::totp_place(tenant, user), &Secret::new(chosen.seed.to_vec()))?;
        let password = match &chosen.phc {
            None => None,
            Some(phc) => {
                let phc =
                    key.seal(&credentials::password_place(tenant, user, now), &Secret::new(phc.clone()))?;
                Some(Password { phc, key_gen, changed: now })
            }
        };
        let done = inner.change_own(permit, Proof::Strongest, via, move |tx, pen, own| {
            open.take(tx, now)?;
            let had = Standing::of(tx, own)?.app;
            match &password {
                Some(password) => credentials::set_password(tx, own.tenant, own.user, password)?,
                // The one that was there when this began may be gone.
                None if credentials::password(tx, own.tenant, own.user)?.is_none() => {
                    return Err(Refused::CeremonyOver.into());
                }
                None => {}
            }
            credentials::set_totp(tx, own.tenant, own.user, &sealed, key_gen)?;
            credentials::use_totp_step(tx, own.tenant, own.user, step.0, now)?;
            if had {
                pen.note(tx, &FactorRemoved { user, factor: "totp" })?;
            }
            pen.note(tx, &FactorEnrolled { user, factor: "totp" })?;
            let kind = if had { NoticeKind::AppCodeReplaced } else { NoticeKind::FactorAdded };
            pen.tell(tx, user, kind, the_app())
        });
        Ok(done.await?.1)
    }

    /// Removes the app for codes, and the password with it.
    ///
    /// # Errors
    /// [`Refused::NoFactor`] when there is none; [`Refused::LastFactor`] when no passkey would be left;
    /// [`Refused::Stronger`].
    pub async fn remove_app(
        &self,
        permit: &Permit<ChangeOwnFactors>,
        via: &Via,
    ) -> Result<Renewed, IdentityError> {
        let done = self.0.change_own(permit, Proof::Strongest, via, move |tx, pen, own| {
            let Own { tenant, user, .. } = own;
            let left = Standing::of(tx, own)?;
            if !left.app {
                return Err(Refused::NoFactor.into());
            }
            if left.passkeys == 0 {
                return Err(Refused::LastFactor.into());
            }
            credentials::remove_totp(tx, tenant, user)?;
            credentials::remove_password(tx, tenant, user)?;
            pen.note(tx, &FactorRemoved { user, factor: "totp" })?;
            pen.tell(tx, user, NoticeKind::FactorRemoved, the_app())
        });
        Ok(done.await?.1)
    }
}

fn the_app() -> Particulars {
    Particulars::about("app for codes".to_owned())
}
