//! Enrolment: from an invitation to an account with two factors. It is a ceremony; until its last step
//! nothing but the sealed ceremony exists, so an enrolment that is abandoned leaves no account.

use guard::Grant;
use kernel::{DisplayName, Email, Id, InviteId, Secret, UserId};
use ledger::Token;
use ledger::catalogue::{FactorEnrolled, RoleGranted, UserEnrolled};
use qrcode::QrCode;
use qrcode::render::svg;
use serde::{Deserialize, Serialize};
use store::credentials::{self, Password};
use store::users::{self, GrantRow, NewUser, UserState};
use store::{Read, StoreError, Tx, Via};
use vault::Sealed;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::ceremony::{Open, Step};
use crate::invite::{For, account_of};
use crate::passkey::{Challenge, PasskeyError, Registration};
use crate::recovery::RecoveryCode;
use crate::sign_in::SignedIn;
use crate::totp::TotpSeed;
use crate::{CeremonyId, Identity, IdentityError, Inner, Refused, sha256};

/// What the ceremony remembers.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Enrolling {
    invite: InviteId,
    invited_by: Option<UserId>,
    grant: Grant,
    user: UserId,
    again: bool,
    name: DisplayName,
    email: Email,
    challenge: Option<Challenge>,
    chosen: Option<Chosen>,
}

/// The password and the seed that wait for a first code.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct Chosen {
    phc: String,
    seed: [u8; 20],
}

impl Step for Enrolling {
    const KIND: &'static str = "enrol";
}

/// How an enrolment stands, for its page.
#[derive(Debug)]
pub struct Enrolment {
    /// Whose.
    pub name: DisplayName,
    /// Their address.
    pub email: Email,
    /// The role that comes of it.
    pub grant: Grant,
    /// What the authenticator app needs, once a password was chosen.
    pub totp: Option<TotpSetup>,
}

/// What an authenticator app needs.
#[derive(Debug)]
pub struct TotpSetup {
    /// The seed in letters, for typing.
    pub letters: Secret<String>,
    /// The seed as an `otpauth://` address.
    pub address: Secret<String>,
    /// The address as a QR code: one `<svg>` element, black on white, without styles or scripts.
    pub qr: Secret<String>,
}

/// An account that was made (or enrolled anew) and signed in.
#[derive(Debug)]
pub struct Enrolled {
    /// The recovery codes. They are not stored and cannot be shown again.
    pub recovery_codes: Vec<Secret<String>>,
    /// The session that began.
    pub signed_in: SignedIn,
}

/// The factor that is filed at the end.
#[derive(Clone)]
enum Factor {
    Passkey(credentials::Passkey),
    Totp { password: Password, seed: Sealed<Secret<Vec<u8>>>, key_gen: u32, step: u64 },
}

impl Identity {
    /// Begins an enrolment.
    ///
    /// # Errors
    /// [`Refused::Invite`], [`Refused::OtherAddress`] or [`Refused::AccountExists`].
    pub async fn begin_enrolment(
        &self,
        secret: &str,
        name: DisplayName,
        email: Email,
    ) -> Result<CeremonyId, IdentityError> {
        let inner = &self.0;
        let invite = inner.find_invite(secret).await?;
        let whom = inner.whom(&invite).await?;
        let (blind, tenant) = (inner.email_blind(&email).await?, inner.tenant);
        let found = inner.db.read(move |tx| users::find_by_email(tx, tenant, blind)).await?;
        let (user, again) = match (whom, found) {
            (For::Newcomer(Some(only)) | For::Again(only), _) if only != email => {
                return Err(Refused::OtherAddress.into());
            }
            (For::Newcomer(_), None) => (account_of(invite.id), false),
            (For::Newcomer(_), Some(_)) => return Err(Refused::AccountExists.into()),
            (For::Again(_), Some(user)) => (user.id, true),
            (For::Again(_), None) => return Err(Refused::Invite.into()),
        };
        let enrolling = Enrolling {
            invite: invite.id,
            invited_by: invite.invited_by,
            grant: invite.grant,
            user,
            again,
            name,
            email,
            challenge: None,
            chosen: None,
        };
        inner.begin(&enrolling).await
    }

    /// How an enrolment stands.
    ///
    /// # Errors
    /// [`Refused::CeremonyOver`].
    pub async fn enrolment(&self, ceremony: &CeremonyId) -> Result<Enrolment, IdentityError> {
        let Enrolling { name, email, grant, chosen, .. } = self.0.look::<Enrolling>(ceremony).await?.step;
        let totp = chosen.as_ref().map(|chosen| setup(&seed_of(chosen), &email)).transpose()?;
        Ok(Enrolment { name, email, grant, totp })
    }

    /// The options for `navigator.credentials.create()`.
    ///
    /// # Errors
    /// [`Refused::CeremonyOver`].
    pub async fn enrol_passkey_options(
        &self,
        ceremony: &CeremonyId,
    ) -> Result<serde_json::Value, IdentityError> {
        let inner = &self.0;
        let mut open = inner.look::<Enrolling>(ceremony).await?;
        let challenge = Challenge::generate(&inner.world);
        let (user, name) = (open.step.user.to_bytes(), open.step.email.as_str());
        let options = inner.relying_party.creation_options(&challenge, &user, name, &[]);
        open.step.challenge = Some(challenge);
        inner.advance(open).await?;
        Ok(options)
    }

    /// Ends an enrolment with a passkey. `label` is what its holder calls it.
    ///
    /// # Errors
    /// [`Refused::CeremonyOver`], [`Refused::Passkey`], [`Refused::Invite`] when the invitation was used
    /// meanwhile, [`Refused::AccountExists`].
    pub async fn enrol_passkey(
        &self,
        ceremony: &CeremonyId,
        sent: &Registration,
        label: DisplayName,
        via: &Via,
    ) -> Result<Enrolled, IdentityError> {
        let inner = &self.0;
        let open = inner.look::<Enrolling>(ceremony).await?;
        let challenge = open.step.challenge.as_ref().ok_or(Refused::CeremonyOver)?;
        let passkey = inner.relying_party.register(challenge, sent).map_err(Refused::from)?;
        let passkey = inner.seal_passkey(open.step.user, &passkey, &label).await?;
        inner.finish(open, Factor::Passkey(passkey), "passkey", via).await
    }

    /// Chooses a password, and gives what an authenticator app needs for the second factor. Choosing
    /// again replaces both.
    ///
    /// # Errors
    /// [`Refused::Password`], [`Refused::CeremonyOver`].
    pub async fn enrol_password(
        &self,
        ceremony: &CeremonyId,
        password: Secret<String>,
    ) -> Result<TotpSetup, IdentityError> {
        let inner = &self.0;
        let mut open = inner.look::<Enrolling>(ceremony).await?;
        let about = [open.step.name.as_str(), open.step.email.as_str()];
        let password = inner.passwords.accept(password, &about).await?;
        let phc = inner.passwords.hash(&inner.world, password).await?;
        let seed = TotpSeed::generate(&inner.world);
        let shown = setup(&seed, &open.step.email)?;
        open.step.chosen = Some(Chosen { phc: phc.expose().clone(), seed: *seed.secret().expose() });
        inner.advance(open).await?;
        Ok(shown)
    }

    /// Ends an enrolment with the password that was chosen and the first code of the app.
    ///
    /// # Errors
    /// [`Refused::Code`], after which another can be tried; else as for [`Identity::enrol_passkey`].
    pub async fn enrol_code(
        &self,
        ceremony: &CeremonyId,
        code: &str,
        via: &Via,
    ) -> Result<Enrolled, IdentityError> {
        let inner = &self.0;
        let open = inner.look::<Enrolling>(ceremony).await?;
        let chosen = open.step.chosen.as_ref().ok_or(Refused::CeremonyOver)?;
        let now = inner.world.now();
        let step = seed_of(chosen).verify(code, now, None).ok_or(Refused::Code)?;
        let (tenant, user, key) = (inner.tenant, open.step.user, inner.key().await?);
        let key_gen = key.generation();
        let place = credentials::password_place(tenant, user, now);
        let phc = key.seal(&place, &Secret::new(chosen.phc.clone()))?;
        let seed = key.seal(&credentials::totp_place(tenant, user), &Secret::new(chosen.seed.to_vec()))?;
        let password = Password { phc, key_gen, changed: now };
        let factor = Factor::Totp { password, seed, key_gen, step: step.0 };
        inner.finish(open, factor, "password+totp", via).await
    }
}

impl Inner {
    /// A passkey as it is stored.
    pub(crate) async fn seal_passkey(
        &self,
        user: UserId,
        passkey: &crate::passkey::Passkey,
        label: &DisplayName,
    ) -> Result<credentials::Passkey, IdentityError> {
        let (tenant, credential, key) = (self.tenant, sha256(&passkey.id), self.key().await?);
        let public = serde_json::to_vec(passkey).map_err(|_| IdentityError::Document("passkey"))?;
        Ok(credentials::Passkey {
            user,
            credential,
            key_gen: key.generation(),
            public: key.seal(&credentials::passkey_place(tenant, user, credential), &public)?,
            name: key.seal(&credentials::passkey_name_place(tenant, user, credential), label)?,
            counter: u64::from(passkey.counter),
            created: self.world.now(),
            used: None,
        })
    }

    /// The last step: account, factors, role, events and session, all or nothing.
    async fn finish(
        &self,
        open: Open<Enrolling>,
        factor: Factor,
        method: &'static str,
        via: &Via,
    ) -> Result<Enrolled, IdentityError> {
        let (tenant, now, key) = (self.tenant, self.world.now(), self.key().await?);
        let Enrolling { invite, user, again, invited_by, .. } = open.step;
        self.still_stands(invited_by, &open.step.grant, again.then_some(user)).await?;
        let new = NewUser {
            tenant,
            id: user,
            email_blind: self.email_blind(&open.step.email).await?,
            key_gen: key.generation(),
            email: key.seal(&users::email_place(tenant, user), &open.step.email)?,
            name: key.seal(&users::name_place(tenant, user), &open.step.name)?,
            now,
        };
        let codes = RecoveryCode::generate(&self.world);
        let hashes = self.recovery_hashes(codes.iter().map(RecoveryCode::hash)).await?;
        let (beginning, signed_in) = self.beginning(user, method, via).await?;
        let pen = beginning.pen.clone();
        let granted = GrantRow {
            user,
            grant: open.step.grant.clone(),
            source: "manual".to_owned(),
            granted_by: open.step.invited_by,
            reason: None,
            granted: now,
            expires: None,
        };
        self.db
            .write(move |tx| {
                open.take(tx, now)?;
                if let Some(inviter) = invited_by
                    && users::find(tx, tenant, inviter)?.is_none_or(|row| row.state != UserState::Active)
                {
                    return Err(Refused::Invite.into());
                }
                if again {
                    still_without_factors(tx, tenant, user)?;
                } else {
                    users::create(tx, &new).map_err(|error| match error {
                        StoreError::Conflict { .. } => Refused::AccountExists.into(),
                        other => other,
                    })?;
                }
                users::use_invite(tx, tenant, invite, user, now).map_err(|error| match error {
                    StoreError::Conflict { .. } => Refused::Invite.into(),
                    other => other,
                })?;
                pen.note(tx, &UserEnrolled { user, invite: Some(invite) })?;
                let factor = file(tx, tenant, user, &factor, now)?;
                pen.note(tx, &FactorEnrolled { user, factor })?;
                credentials::set_recovery_codes(tx, tenant, user, &hashes, now)?;
                pen.note(tx, &FactorEnrolled { user, factor: "recovery-codes" })?;
                if !again {
                    users::put_grant(tx, tenant, &granted)?;
                    let role = Token::lossy(granted.grant.role.name());
                    let scope = Token::lossy(&granted.grant.scope.to_string());
                    pen.note(tx, &RoleGranted { user, role, scope })?;
                }
                beginning.begin(tx, None)
            })
            .await?;
        Ok(Enrolled { recovery_codes: codes.iter().map(RecoveryCode::shown).collect(), signed_in })
    }

    /// Recovery codes as they are stored: their hashes under a key that is not in the database.
    pub(crate) async fn recovery_hashes(
        &self,
        hashes: impl Iterator<Item = [u8; 32]>,
    ) -> Result<Vec<[u8; 32]>, IdentityError> {
        let index = self.index().await?;
        Ok(hashes.map(|hash| index.mac("wardroom/1/recovery-code", &hash)).collect::<Result<_, _>>()?)
    }
}

fn file(
    tx: &mut Tx<'_>,
    tenant: kernel::TenantId,
    user: UserId,
    factor: &Factor,
    now: kernel::Timestamp,
) -> Result<&'static str, StoreError> {
    match factor {
        Factor::Passkey(passkey) => {
            credentials::add_passkey(tx, tenant, passkey).map_err(|error| match error {
                // Section 7.1 step 26: the credential is registered, here or to somebody else.
                StoreError::Conflict { .. } => Refused::Passkey(PasskeyError::Credential).into(),
                other => other,
            })?;
            Ok("passkey")
        }
        Factor::Totp { password, seed, key_gen, step } => {
            credentials::set_password(tx, tenant, user, password)?;
            credentials::set_totp(tx, tenant, user, seed, *key_gen)?;
            // The first code confirms the seed, and is used up.
            credentials::use_totp_step(tx, tenant, user, *step, now)?;
            Ok("totp")
        }
    }
}

/// An invitation to enrol anew is good only for an account that may sign in and has nothing to do so.
fn still_without_factors(
    tx: &mut Read<'_>,
    tenant: kernel::TenantId,
    user: UserId,
) -> Result<(), StoreError> {
    let active = users::find(tx, tenant, user)?.is_some_and(|user| user.state == UserState::Active);
    let bare =
        credentials::totp(tx, tenant, user)?.is_none() && credentials::passkeys(tx, tenant, user)?.is_empty();
    if active && bare { Ok(()) } else { Err(Refused::Invite.into()) }
}

fn seed_of(chosen: &Chosen) -> TotpSeed {
    TotpSeed::from_secret(Secret::new(chosen.seed))
}

/// What an app with this seed is shown.
pub(crate) fn setup(seed: &TotpSeed, email: &Email) -> Result<TotpSetup, IdentityError> {
    let address = seed.address("Wardroom", email.as_str());
    let code = QrCode::new(address.expose()).map_err(|_| IdentityError::Document("QR code"))?;
    let image = code.render::<svg::Color<'_>>().min_dimensions(200, 200).build();
    // The element alone: the XML declaration before it has no place inside a page.
    let element = image.find("<svg").and_then(|at| image.get(at..)).unwrap_or_default().to_owned();
    Ok(TotpSetup { letters: seed.letters(), address, qr: Secret::new(element) })
}
