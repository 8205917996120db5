//! One's own password and recovery codes.

use guard::Permit;
use guard::action::ChangeOwnFactors;
use kernel::Secret;
use ledger::catalogue::{FactorEnrolled, FactorRemoved, LoginFailed, PasswordChanged};
use store::credentials::{self, Password};
use store::{Via, sessions, users};

use super::{Own, Proof, Renewed, holder};
use crate::notices::{NoticeKind, Particulars};
use crate::recovery::RecoveryCode;
use crate::throttle::Buckets;
use crate::{Identity, IdentityError, Refused};

impl Identity {
    /// Makes new recovery codes in place of all old ones. They are not stored and cannot be shown again.
    ///
    /// # Errors
    /// [`Refused::Stronger`].
    pub async fn new_recovery_codes(
        &self,
        permit: &Permit<ChangeOwnFactors>,
        via: &Via,
    ) -> Result<(Vec<Secret<String>>, Renewed), IdentityError> {
        let inner = &self.0;
        let codes = RecoveryCode::generate(&inner.world);
        let hashes = inner.recovery_hashes(codes.iter().map(RecoveryCode::hash)).await?;
        let done = inner.change_own(permit, Proof::Strongest, via, move |tx, pen, own| {
            let Own { tenant, user, now } = own;
            let old = credentials::recovery_codes_left(tx, tenant, user)?;
            credentials::set_recovery_codes(tx, tenant, user, &hashes, now)?;
            if old > 0 {
                pen.note(tx, &FactorRemoved { user, factor: "recovery-codes" })?;
            }
            pen.note(tx, &FactorEnrolled { user, factor: "recovery-codes" })?;
            pen.tell(tx, user, NoticeKind::RecoveryCodesMade, Particulars::default())
        });
        let (_, renewed) = done.await?;
        Ok((codes.iter().map(RecoveryCode::shown).collect(), renewed))
    }

    /// Changes the password: the old one is asked for besides the fresh proof. Guessing it is slowed as
    /// guessing at the sign-in is, and recorded.
    ///
    /// # Errors
    /// [`Refused::NoPassword`] when the account has none, [`Refused::OldPassword`] when the old one is wrong,
    /// [`Refused::Throttled`], [`Refused::SamePassword`], [`Refused::Password`].
    pub async fn change_password(
        &self,
        permit: &Permit<ChangeOwnFactors>,
        old: Secret<String>,
        new: Secret<String>,
        via: &Via,
    ) -> Result<Renewed, IdentityError> {
        let inner = &self.0;
        let (tenant, user) = (inner.tenant, holder(permit)?.user);
        let found = inner.db.read(move |tx| {
            let account = users::find(tx, tenant, user)?.ok_or(Refused::NoAccount)?;
            Ok((account, credentials::password(tx, tenant, user)?))
        });
        let (account, Some(row)) = found.await? else { return Err(Refused::NoPassword.into()) };
        let place = credentials::password_place(tenant, user, row.changed);
        let hash = inner.key_at(row.key_gen).await?.open(&place, &row.phc)?;

        let pen = inner.pen(permit.actor().clone(), via).await?;
        let login = pen.scribe().pseudonym_of(&user.to_string())?;
        let bucket = Buckets(&*inner.index().await?).password(user)?;
        let attempt = inner.admit(bucket, None, &pen, Some(user), login).await?;
        let same = old.expose() == new.expose();
        if !inner.passwords.verify(Some(hash), old).await? {
            let attempt = u64::from(attempt);
            let failed = LoginFailed { user: Some(user), login, reason: "password", attempt };
            inner.db.write(move |tx| pen.note(tx, &failed)).await?;
            return Err(Refused::OldPassword.into());
        }
        inner.db.write(move |tx| sessions::forget_failures(tx, tenant, bucket)).await?;
        if same {
            return Err(Refused::SamePassword.into());
        }
        let who = inner.who(&account).await?;
        let accepted = inner.passwords.accept(new, &[who.name.as_str(), who.email.as_str()]).await?;
        let phc = inner.passwords.hash(&inner.world, accepted).await?;
        let (now, key) = (inner.world.now(), inner.key().await?);
        let phc = key.seal(&credentials::password_place(tenant, user, now), &phc)?;
        let password = Password { phc, key_gen: key.generation(), changed: now };
        let was = row.changed;
        let done = inner.change_own(permit, Proof::Fresh, via, move |tx, pen, own| {
            // What was verified is what is replaced.
            let still = credentials::password(tx, own.tenant, own.user)?;
            if still.is_none_or(|still| still.changed != was) {
                return Err(Refused::OldPassword.into());
            }
            credentials::set_password(tx, own.tenant, own.user, &password)?;
            pen.note(tx, &PasswordChanged { user })?;
            pen.tell(tx, user, NoticeKind::PasswordChanged, Particulars::default())
        });
        Ok(done.await?.1)
    }
}
