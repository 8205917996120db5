//! What can go wrong at the staff door, and the words for it.

use std::time::Duration;

use kernel::{Problem, ProblemKind};
use store::StoreError;
use vault::VaultError;

use crate::breached::BreachedError;
use crate::passkey::PasskeyError;
use crate::password::{HashError, NewPassword, PasswordRefused};

/// Why a verb of this room could not be done.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// It was refused: whoever asked can know why, and mend it.
    #[error("refused")]
    Refused(#[from] Refused),
    /// The memory.
    #[error("the store failed")]
    Store(#[source] StoreError),
    /// The keys.
    #[error("the keys failed")]
    Vault(#[from] VaultError),
    /// The password hashing.
    #[error("the password hashing failed")]
    Hash(#[from] HashError),
    /// The list of breached passwords could not be searched.
    #[error("the list of breached passwords failed")]
    Breached(#[from] BreachedError),
    /// The guard refused what this room does on its own.
    #[error("an inner permit was refused")]
    Denied(#[from] guard::Denied),
    /// A document of our own could not be written or read.
    #[error("the {0} cannot be written")]
    Document(&'static str),
}

/// A refusal that the person can do something about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The sign-in. One answer for a wrong password, an unknown or disabled account, and a passkey that
    /// is not ours: whoever guesses learns nothing.
    #[error("the sign-in was refused")]
    SignIn,
    /// Too many attempts failed; none is looked at before this much time has passed.
    #[error("too many attempts failed")]
    Throttled {
        /// How long to wait.
        wait: Duration,
    },
    /// The code is wrong, or was used.
    #[error("the code is not right")]
    Code,
    /// The ceremony took longer than ten minutes, or has moved on.
    #[error("the ceremony is over")]
    CeremonyOver,
    /// The invitation does not exist, was used or withdrawn, or has ended.
    #[error("the invitation cannot be used")]
    Invite,
    /// The invitation is for another address.
    #[error("the invitation is for another address")]
    OtherAddress,
    /// The address has an account.
    #[error("the address has an account")]
    AccountExists,
    /// The chosen password.
    #[error("the password was refused")]
    Password(#[from] PasswordRefused),
    /// The passkey's answer.
    #[error("the passkey was refused")]
    Passkey(#[from] PasskeyError),
    /// Without this person nobody could manage the staff.
    #[error("this is the last owner")]
    LastOwner,
    /// Two duties that one person may not hold.
    #[error("the roles may not be held together")]
    Separation(#[from] guard::Conflict),
    /// A grant or its end is explained by whoever makes it.
    #[error("a reason is needed")]
    ReasonNeeded,
    /// The person does not hold the role there.
    #[error("the role is not held")]
    NotHeld,
    /// There is no such account.
    #[error("there is no such account")]
    NoAccount,
    /// The sign-in or the step-up through a provider came to nothing. One answer whatever the reason was:
    /// it is in the audit log.
    #[error("the sign-in through the provider was refused")]
    Provider,
    /// There is no such connection, or it is not enabled.
    #[error("there is no such connection")]
    NoConnection,
    /// Towards a provider that speaks SAML, the public door has no address of its own.
    #[error("the public door has no address of its own for the provider")]
    NoPublicAddress,
    /// A setting of a connection.
    #[error("the {0} cannot be set so")]
    Setting(&'static str),
    /// A provider that cannot be used.
    #[error("the provider cannot be used: {0}")]
    ProviderUnusable(String),
    /// Another connection vouches for the domain.
    #[error("the domain has another connection")]
    DomainTaken,
    /// The domain's website does not say what it must.
    #[error("the domain is not proved")]
    DomainUnproved,
    /// Nobody could sign in any more.
    #[error("nobody could sign in any more")]
    NobodyLeft,
    /// The account is no break-glass account.
    #[error("this is no break-glass account")]
    NoGlass,
    /// A break-glass account needs a passkey.
    #[error("the account has no passkey")]
    GlassKey,
    /// The role is held, or asked for, already.
    #[error("the role is held or asked for already")]
    Asked,
    /// There is no such request that waits.
    #[error("there is no such request")]
    NoRequest,
    /// Nobody decides about what they asked for themselves.
    #[error("this is the same person's request")]
    OwnRequest,
    /// There is no such API key that lives.
    #[error("there is no such API key")]
    NoKey,
    /// Too many API keys live.
    #[error("too many API keys live")]
    Keys(&'static str),
    /// Nobody signs in to a service account.
    #[error("this is a service account")]
    Service,
    /// Two tokens of the connection are live.
    #[error("two tokens are live")]
    TwoTokens,
    /// There is no such token that is not revoked.
    #[error("there is no such token")]
    NoToken,
    /// The account is disabled, or holds no role that it could sign in for.
    #[error("the account cannot be used")]
    Unusable,
    /// The account is not disabled.
    #[error("the account is not disabled")]
    NotDisabled,
    /// The account has a passkey, and the last proof was something less.
    #[error("the proof is not the strongest that the account has")]
    Stronger,
    /// The account has no such factor.
    #[error("there is no such factor")]
    NoFactor,
    /// The person's roles ask for a passkey, and this is the last.
    #[error("the roles ask for a passkey")]
    PasskeyNeeded,
    /// Without this factor there would be no second one.
    #[error("this is the last second factor")]
    LastFactor,
    /// The account has as many passkeys as one may have.
    #[error("the account has too many passkeys")]
    TooManyPasskeys,
    /// An app for codes goes with a password, and there is none.
    #[error("a password is needed")]
    PasswordNeeded,
    /// The account has no password that could be changed.
    #[error("the account has no password")]
    NoPassword,
    /// What was given as the present password is another.
    #[error("the present password is another")]
    OldPassword,
    /// The new password is the old one.
    #[error("the new password is the old one")]
    SamePassword,
}

impl From<StoreError> for IdentityError {
    fn from(error: StoreError) -> Self {
        match error.refusal::<Refused>() {
            Some(refused) => Self::Refused(refused.clone()),
            None => Self::Store(error),
        }
    }
}

impl From<Refused> for StoreError {
    fn from(refused: Refused) -> Self {
        Self::refuse(refused)
    }
}

impl From<&Refused> for Problem {
    fn from(refused: &Refused) -> Self {
        use ProblemKind as Kind;
        use Refused as R;
        match refused {
            R::SignIn => Problem::new(
                Kind::Unauthenticated,
                "You were not signed in.",
                "Check what you entered and try again. If it stays, ask an owner to look at your account.",
            ),
            R::Throttled { wait } => {
                let seconds = wait.as_secs().max(1);
                Problem::new(
                    Kind::Throttled,
                    "Too many attempts failed.",
                    format!(
                        "Try again in {seconds} seconds. On a device that you have used before, it is sooner."
                    ),
                )
            }
            R::Code => Problem::new(
                Kind::Invalid,
                "The code is not right, or was used already.",
                "Wait for the next code of your app and enter that one; check that the device's clock is right.",
            ),
            R::CeremonyOver => Problem::new(
                Kind::Conflict,
                "This step took more than ten minutes, or was done in another window.",
                "Begin again.",
            ),
            R::Invite => Problem::new(
                Kind::NotFound,
                "This invitation cannot be used: it was used or withdrawn, or has ended.",
                "Ask whoever invited you for a new one.",
            ),
            R::OtherAddress => Problem::new(
                Kind::Invalid,
                "This invitation is for another e-mail address.",
                "Enter the address that the invitation was made for.",
            ),
            R::AccountExists => Problem::new(
                Kind::Conflict,
                "There is an account with this e-mail address.",
                "Sign in to it; an owner can grant it a role, or reset its factors.",
            ),
            R::Password(why) => Problem::new(
                Kind::Invalid,
                format!("This password was refused: {why}."),
                format!(
                    "Choose one of at least {} characters; four or more unrelated words do well.",
                    NewPassword::MIN
                ),
            ),
            R::Passkey(_) => Problem::new(
                Kind::Invalid,
                "The passkey was not accepted.",
                "Try again; use a passkey that asks for your fingerprint, face or PIN.",
            ),
            R::LastOwner => Problem::new(
                Kind::Conflict,
                "This is the last owner; without one nobody could manage the staff.",
                "Make somebody else an owner first.",
            ),
            R::Separation(conflict) => Problem::new(
                Kind::Conflict,
                format!("The roles cannot be held together: {conflict}."),
                "Take the other role away first, or grant this one to somebody else.",
            ),
            R::ReasonNeeded => Problem::new(
                Kind::Invalid,
                "A change of roles is explained.",
                "State the reason; it goes into the audit record.",
            ),
            R::NotHeld => {
                Problem::new(Kind::Conflict, "The person does not hold this role.", "Reload the page.")
            }
            R::NoAccount => Problem::new(Kind::NotFound, "There is no such account.", "Reload the list."),
            R::Provider => Problem::new(
                Kind::Unauthenticated,
                "You were not signed in: what your identity provider said was not accepted here.",
                "Begin again from the sign-in page. If it stays, tell an administrator the request id; the audit \
                 log has the reason.",
            ),
            R::NoConnection => Problem::new(
                Kind::NotFound,
                "There is no such way to sign in.",
                "Begin again from the sign-in page.",
            ),
            R::NoPublicAddress => Problem::new(
                Kind::Invalid,
                "People who chat could not come back from this provider: over SAML, the public door needs an \
                 address of its own, by https and not that of the staff's door.",
                "Have the operator set `public.origin` and `console.origin` to two different origins.",
            ),
            R::Setting(field) => Problem::new(
                Kind::Invalid,
                format!("The {field} cannot be set so."),
                "Go back and correct it.",
            ),
            R::ProviderUnusable(why) => Problem::new(
                Kind::Invalid,
                format!("The provider cannot be used: {why}."),
                "Check the address or the metadata, and that this house may reach the provider.",
            ),
            R::DomainTaken => Problem::new(
                Kind::Conflict,
                "Another connection vouches for this domain.",
                "Take it away there first.",
            ),
            R::DomainUnproved => Problem::new(
                Kind::Conflict,
                "The domain's website does not say the word that proves it.",
                "Put the word into `/.well-known/wardroom-domain.txt` of the domain's website, over https.",
            ),
            R::NobodyLeft => Problem::new(
                Kind::Conflict,
                "Nobody could sign in any more if the provider fails.",
                "Enable a connection, and name a break-glass account that has a passkey.",
            ),
            R::NoGlass => Problem::new(
                Kind::Conflict,
                "The account is no break-glass account.",
                "Name it as one first, under Sign-in.",
            ),
            R::GlassKey => Problem::new(
                Kind::Conflict,
                "The account has no passkey, and a break-glass account opens to nothing else.",
                "Let its holder add one under Your account, then name it.",
            ),
            R::Asked => Problem::new(
                Kind::Conflict,
                "The role is held already, or asked for, or too much is asked for at a time.",
                "Wait for the decision, or take another request back.",
            ),
            R::NoRequest => Problem::new(
                Kind::Conflict,
                "There is nothing here that waits for a decision.",
                "Reload the page: it may have been decided, taken back, or run out.",
            ),
            R::OwnRequest => Problem::new(
                Kind::Forbidden,
                "Nobody decides about what they asked for themselves, or about a service account that they answer for.",
                "Have a second person decide.",
            ),
            R::NoKey => {
                Problem::new(Kind::NotFound, "There is no such API key, or it has ended.", "Reload the list.")
            }
            R::Keys(why) => Problem::new(Kind::Conflict, *why, "End one that is not used any more first."),
            R::Service => Problem::new(
                Kind::Conflict,
                "Nobody signs in to a service account.",
                "Make a key for it instead.",
            ),
            R::TwoTokens => Problem::new(
                Kind::Conflict,
                "Two tokens of this connection are live.",
                "Revoke the one that the directory no longer uses, then make another.",
            ),
            R::NoToken => Problem::new(
                Kind::NotFound,
                "There is no such token, or it was revoked.",
                "Reload the page to see those that there are.",
            ),
            R::NotDisabled => Problem::new(
                Kind::Conflict,
                "The account is not disabled.",
                "Reload the page and look again.",
            ),
            R::Stronger => Problem::new(
                Kind::Forbidden,
                "Refused by the rule `account.strongest_proof`: this account has a passkey, and you confirmed \
                 with something else.",
                "Confirm with a passkey, then do it again. If you have lost it, ask an owner to reset your factors.",
            ),
            R::NoFactor => Problem::new(
                Kind::NotFound,
                "You have no such factor, or it was removed.",
                "Reload the page.",
            ),
            R::PasskeyNeeded => Problem::new(
                Kind::Conflict,
                "Your roles ask for a passkey, and this is your last.",
                "Add another passkey first.",
            ),
            R::LastFactor => Problem::new(
                Kind::Conflict,
                "Without it you would have no second factor.",
                "Add another one first: a passkey, or an app for codes.",
            ),
            R::TooManyPasskeys => Problem::new(
                Kind::Conflict,
                "You have twenty passkeys.",
                "Remove one that you do not use any more.",
            ),
            R::PasswordNeeded => Problem::new(
                Kind::Invalid,
                "Codes of an app go with a password, and you have none.",
                "Choose a password.",
            ),
            R::NoPassword => Problem::new(
                Kind::Conflict,
                "You have no password that could be changed.",
                "Add an app for codes; a password is chosen with it.",
            ),
            R::OldPassword => Problem::new(
                Kind::Invalid,
                "This is not your present password.",
                "Type the password with which you sign in now.",
            ),
            R::SamePassword => {
                Problem::new(Kind::Invalid, "The new password is the present one.", "Choose another.")
            }
            R::Unusable => Problem::new(
                Kind::Conflict,
                "The account is disabled or holds no role.",
                "Grant it a role first, or invite the person anew.",
            ),
        }
    }
}

impl From<&IdentityError> for Problem {
    fn from(error: &IdentityError) -> Self {
        use IdentityError as E;
        match error {
            E::Refused(refused) => refused.into(),
            E::Store(StoreError::Missing { what: "account" }) => (&Refused::NoAccount).into(),
            E::Store(StoreError::Full) => Problem::new(
                ProblemKind::StorageFull,
                "There is no space left; nothing was changed.",
                "Try again later. The operator has to free space.",
            ),
            E::Store(
                StoreError::Busy | StoreError::Unavailable | StoreError::Contended | StoreError::ReadOnly,
            ) => Problem::new(
                ProblemKind::Unavailable,
                "Accounts cannot be reached right now.",
                "Try again in a few seconds.",
            ),
            E::Vault(VaultError::Provider(_)) => Problem::new(
                ProblemKind::Unavailable,
                "The keys cannot be reached right now.",
                "Try again in a few seconds.",
            ),
            // Whoever may know of the thing may know what is missing: a fresh proof, a passkey.
            E::Denied(denied) if denied.visible() => Problem::new(
                ProblemKind::Forbidden,
                format!("Refused by the rule `{}`: {}.", denied.rule(), denied.reason()),
                denied.remedy().to_owned(),
            ),
            E::Store(_) | E::Vault(_) | E::Hash(_) | E::Breached(_) | E::Denied(_) | E::Document(_) => {
                Problem::new(
                    ProblemKind::Internal,
                    "Something failed here.",
                    "Try again; if it stays, tell the operator the request id.",
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_says_how_to_mend_it_and_none_says_what_was_wrong_with_a_sign_in() {
        let all = [
            (Refused::SignIn, 401),
            (Refused::Throttled { wait: Duration::from_millis(1500) }, 429),
            (Refused::Code, 422),
            (Refused::CeremonyOver, 409),
            (Refused::Invite, 404),
            (Refused::OtherAddress, 422),
            (Refused::AccountExists, 409),
            (Refused::Password(PasswordRefused::Short), 422),
            (Refused::Passkey(PasskeyError::Origin), 422),
            (Refused::LastOwner, 409),
            (Refused::ReasonNeeded, 422),
            (Refused::NotHeld, 409),
            (Refused::NoAccount, 404),
            (Refused::Unusable, 409),
            (Refused::NotDisabled, 409),
            (Refused::Stronger, 403),
            (Refused::NoFactor, 404),
            (Refused::PasskeyNeeded, 409),
            (Refused::LastFactor, 409),
            (Refused::TooManyPasskeys, 409),
            (Refused::PasswordNeeded, 422),
            (Refused::NoPassword, 409),
            (Refused::OldPassword, 422),
            (Refused::SamePassword, 422),
            (Refused::Asked, 409),
            (Refused::NoRequest, 409),
            (Refused::OwnRequest, 403),
            (Refused::NoKey, 404),
            (Refused::Keys("The account has twenty keys that live."), 409),
            (Refused::Service, 409),
            (Refused::Provider, 401),
            (Refused::NoConnection, 404),
            (Refused::Setting("issuer"), 422),
            (Refused::NoPublicAddress, 422),
            (Refused::ProviderUnusable("it does not answer".to_owned()), 422),
            (Refused::DomainTaken, 409),
            (Refused::DomainUnproved, 409),
            (Refused::NobodyLeft, 409),
            (Refused::NoGlass, 409),
            (Refused::GlassKey, 409),
            (Refused::TwoTokens, 409),
            (Refused::NoToken, 404),
        ];
        for (refused, status) in all {
            let problem = serde_json::to_value(Problem::from(&refused)).unwrap();
            assert_eq!(problem["status"], status, "{refused:?}");
            assert!(problem["mend"].as_str().unwrap().ends_with('.'), "{refused:?}");
        }
        let sign_in = serde_json::to_string(&Problem::from(&Refused::SignIn)).unwrap();
        assert!(!sign_in.contains("password") && !sign_in.contains("unknown"));
    }

    #[test]
    fn a_refusal_inside_a_job_comes_out_as_itself() {
        let through = IdentityError::from(StoreError::from(Refused::LastOwner));
        assert!(matches!(through, IdentityError::Refused(Refused::LastOwner)));
        assert!(matches!(IdentityError::from(StoreError::Busy), IdentityError::Store(StoreError::Busy)));
    }
}
