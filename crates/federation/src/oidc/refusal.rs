//! Why something that a provider (or somebody who pretends to be one) sent is not believed.

use std::fmt;

macro_rules! refusals {
    ($($(#[$doc:meta])* $variant:ident, $code:literal, $words:literal;)*) => {
        /// A refusal: one variant and one stable code for each reason. Codes never change meaning.
        ///
        /// They are for the audit log, the tests and the administrator who sets a connection up.
        /// Whoever signs in is told one sentence for all of them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Refusal {
            $( $(#[$doc])* $variant, )*
        }

        impl Refusal {
            /// Every refusal there is.
            pub const ALL: &'static [Refusal] = &[$(Self::$variant),*];

            /// The stable code.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }
        }

        impl fmt::Display for Refusal {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $words,)* })
            }
        }
    };
}

refusals! {
    /// A document or token is larger than its cap.
    TooLarge, "oidc.too-large", "it is larger than allowed";
    /// A document is not the JSON that it should be, or names a member twice.
    Malformed, "oidc.malformed", "it is not well-formed";
    /// An address is not `https`, or has a user, a fragment or a foreign character in it.
    Endpoint, "oidc.endpoint", "an address in it is not acceptable";
    /// The discovery document speaks for another issuer than the one that was asked.
    DiscoveryIssuer, "oidc.discovery-issuer", "the discovery document names another issuer";
    /// The provider does not offer the authorization code flow.
    Flow, "oidc.flow", "the provider does not offer the code flow";
    /// The provider says which PKCE methods it offers, and S256 is not among them.
    Pkce, "oidc.pkce", "the provider does not offer PKCE with S256";
    /// The provider offers no way of authenticating the client that we use.
    ClientAuthentication, "oidc.client-auth", "the provider offers no client authentication that we use";
    /// The provider signs with nothing that we verify.
    NoAlgorithm, "oidc.no-algorithm", "the provider signs with no algorithm that is allowed";

    /// The token says that it is not signed.
    AlgorithmNone, "oidc.alg-none", "the token is not signed";
    /// The token says that it is signed with a shared key, which a public key must never become.
    AlgorithmSymmetric, "oidc.alg-symmetric", "the token is signed with a shared key";
    /// The token's algorithm is not on the connection's list.
    Algorithm, "oidc.alg", "the token's algorithm is not allowed here";
    /// The token demands an extension that we do not know (`crit`).
    Critical, "oidc.crit", "the token demands an unknown extension";
    /// The token is encrypted.
    Encrypted, "oidc.encrypted", "the token is encrypted";
    /// No key of the provider has the token's key id and kind.
    UnknownKey, "oidc.unknown-key", "no key of the provider fits the token";
    /// The token names no key, and more than one would do.
    KeyIdMissing, "oidc.kid-missing", "the token does not say which key signed it";
    /// The signature is wrong, and the token brought a key of its own, which nobody looked at.
    KeyInHeader, "oidc.key-in-header", "the token brings its own key, and no key of the provider fits";
    /// The signature is wrong.
    Signature, "oidc.signature", "the signature is wrong";
    /// The token is of another type: an access token or a logout token in place of an ID token, or so.
    Type, "oidc.type", "the token is of another type";

    /// The token is another issuer's.
    Issuer, "oidc.iss", "the token is another issuer's";
    /// The token is for another client.
    Audience, "oidc.aud", "the token is for somebody else";
    /// The token was given to another client.
    AuthorizedParty, "oidc.azp", "the token was given to another client";
    /// The token answers another sign-in, or none.
    Nonce, "oidc.nonce", "the token answers another sign-in";
    /// The token has ended, or has no end.
    Expired, "oidc.exp", "the token has ended";
    /// The token is not good yet.
    NotYet, "oidc.nbf", "the token is not good yet";
    /// The token was made in the future, or does not say when.
    IssuedAt, "oidc.iat", "the token's time of issue cannot be right";
    /// The token is about nobody, or about somebody whose id is too long.
    Subject, "oidc.sub", "the token is about nobody";
    /// A fresh proof was asked for, and the token does not say when the person gave one.
    AuthTimeMissing, "oidc.auth-time-missing", "the token does not say when the person signed in";
    /// The person's proof is older than was asked for, or from the future.
    AuthTime, "oidc.auth-time", "the person's sign-in is older than was asked for";
    /// The access token beside it is not the one that the ID token was made with.
    AccessTokenHash, "oidc.at-hash", "the access token does not belong to the token";

    /// The answer's state is not that of this browser's sign-in.
    State, "oidc.state", "the answer belongs to another sign-in";
    /// The answer comes from another issuer than the one that was asked (mix-up).
    CallbackIssuer, "oidc.callback-iss", "the answer comes from another provider";
    /// The provider always names itself in its answers, and this one does not.
    CallbackIssuerMissing, "oidc.callback-iss-missing", "the answer does not say which provider gave it";
    /// A parameter of the answer is there twice.
    CallbackTwice, "oidc.callback-twice", "a parameter of the answer is given twice";
    /// The answer has neither a code nor an error, or both.
    CodeMissing, "oidc.code", "the answer has no code";
    /// The provider answered with an error.
    ProviderError, "oidc.provider-error", "the provider refused the sign-in";
    /// The provider did not give tokens for the code.
    TokenError, "oidc.token-error", "the provider gave no tokens for the code";
    /// The tokens are of a type that we cannot use.
    TokenType, "oidc.token-type", "the provider gave tokens of another type";
    /// There is no ID token among the tokens.
    IdTokenMissing, "oidc.id-token-missing", "the provider gave no ID token";
    /// The user info is about somebody else.
    UserInfoSubject, "oidc.userinfo-sub", "the user info is about somebody else";

    /// A logout token carries a nonce, as only ID tokens do.
    LogoutNonce, "oidc.logout-nonce", "the logout token carries a nonce";
    /// A logout token without the logout event.
    LogoutEvents, "oidc.logout-events", "the logout token has no logout event";
    /// A logout token older than two minutes.
    LogoutOld, "oidc.logout-iat", "the logout token is too old";
    /// A logout token that names neither a person nor a session.
    LogoutSubject, "oidc.logout-sub", "the logout token names nobody";
    /// A logout token without an id of its own.
    LogoutId, "oidc.logout-jti", "the logout token has no id";
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_a_code_of_its_own() {
        let mut codes: Vec<_> = Refusal::ALL.iter().map(|refusal| refusal.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Refusal::ALL.len());
        assert!(codes.iter().all(|code| code.starts_with("oidc.")));
    }
}
