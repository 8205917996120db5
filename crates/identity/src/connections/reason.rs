//! Why a sign-in through a provider came to nothing: each reason with its stable code.

use federation::{oidc, saml};

use super::fetch::FetchError;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident, $code:literal, $words:literal;)*) => {
        /// What the house itself has against a sign-in whose proof was in order.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
        pub enum Objection {
            $( $(#[$doc])* #[error($words)] $variant, )*
        }

        impl Objection {
            /// The stable code.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }
        }
    };
}

reasons! {
    /// The connection is not enabled.
    Connection, "sso.connection", "the connection is not enabled";
    /// Nobody is linked to this person, and accounts are not made by signing in.
    NoAccount, "sso.no-account", "there is no account, and the connection makes none";
    /// The provider says no address, or none that can be one.
    NoAddress, "sso.no-address", "the provider says no e-mail address";
    /// The provider says that the address is not verified.
    Unverified, "sso.address-unverified", "the provider has not verified the e-mail address";
    /// The address is in a domain that was not proved for this connection.
    ForeignAddress, "sso.address-foreign", "the address is in a domain that this connection does not vouch for";
    /// The account with this address is somebody else's at the provider: an address is given to another
    /// person when the one who had it has left.
    OtherSubject, "sso.other-subject", "the account with this address belongs to another person of the provider";
    /// The account is disabled.
    Disabled, "sso.disabled", "the account is disabled";
    /// Groups mean something, and nothing was said of them.
    GroupsUnsaid, "sso.groups-unsaid", "the provider says nothing of groups";
    /// There are more groups than were sent.
    GroupsTooMany, "sso.groups-too-many", "the provider left groups out, because there are too many";
    /// The groups are no list of names.
    GroupsUnreadable, "sso.groups-unreadable", "the provider's list of groups cannot be read";
    /// The groups bring roles that one person may not hold together.
    RolesConflict, "sso.roles-conflict", "the roles may not be held by one person";
    /// The person holds no role.
    NoRole, "sso.no-role", "the person holds no role";
    /// The answer was believed before.
    Replayed, "sso.replayed", "the provider's answer was used before";
    /// The person's proof is older than a session may be.
    Stale, "sso.stale", "the person signed in at the provider too long ago";
    /// The proof is somebody else's than the session's.
    OtherPerson, "sso.other-person", "it is another person than the one who is signed in";
    /// The proof is of one factor only.
    OneFactor, "sso.one-factor", "the provider proves one factor only";
    /// The answer came back in another browser than it was asked in.
    OtherBrowser, "sso.other-browser", "the answer came to another browser";
    /// Staff do not sign in through this connection.
    NotForStaff, "sso.not-for-staff", "the connection is for people who chat, and for no staff";
    /// People who chat do not sign in through this connection.
    NotForVisitors, "sso.not-for-visitors", "the connection is for staff, and not for people who chat";
    /// The connection lacks its secret.
    NoSecret, "sso.no-secret", "the connection has no secret";
}

/// Why a sign-in through a provider came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// What came over OpenID Connect is not believed.
    #[error("{0}")]
    Oidc(oidc::Refusal),
    /// What came over SAML is not believed.
    #[error("{0}")]
    Saml(saml::Refusal),
    /// The provider could not be asked.
    #[error("{0}")]
    Fetch(FetchFailure),
    /// The house has something against it.
    #[error("{0}")]
    House(#[from] Objection),
}

/// A [`FetchError`] that can be copied about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct FetchFailure {
    code: &'static str,
    words: &'static str,
}

impl Failure {
    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Oidc(refusal) => refusal.code(),
            Self::Saml(refusal) => refusal.code(),
            Self::Fetch(failure) => failure.code,
            Self::House(objection) => objection.code(),
        }
    }
}

impl From<oidc::Refusal> for Failure {
    fn from(refusal: oidc::Refusal) -> Self {
        Self::Oidc(refusal)
    }
}

impl From<saml::Refusal> for Failure {
    fn from(refusal: saml::Refusal) -> Self {
        Self::Saml(refusal)
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        let (code, words) = match error {
            FetchError::Forbidden => ("fetch.forbidden", "an address of the provider may not be called"),
            FetchError::Unreachable => ("fetch.unreachable", "the provider does not answer"),
            FetchError::Untrusted => ("fetch.untrusted", "the provider's certificate is not trusted"),
            FetchError::TooLarge => ("fetch.too-large", "the provider's answer is too large"),
            FetchError::Redirected => ("fetch.redirected", "the provider sends us elsewhere"),
        };
        Self::Fetch(FetchFailure { code, words })
    }
}
