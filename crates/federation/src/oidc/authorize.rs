//! Asking: the address to send the browser to, and the secrets that tie the answer to the question
//! (RFC 6749 section 4.1.1, RFC 7636, OpenID Connect Core section 3.1.2.1).

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::{Secret, World};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::Provider;

/// The secrets of one sign-in, 256 random bits each. They are kept sealed at home, bound to the
/// browser, and used once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub struct Ties {
    pub(crate) state: String,
    pub(crate) nonce: String,
    pub(crate) verifier: String,
}

impl std::fmt::Debug for Ties {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ties([redacted])")
    }
}

impl Ties {
    /// New ones.
    pub fn generate(world: &World) -> Self {
        let word = || URL_SAFE_NO_PAD.encode(world.bytes::<32>());
        Self { state: word(), nonce: word(), verifier: word() }
    }

    /// The word that ties the answer to this browser.
    pub fn state(&self) -> &str {
        &self.state
    }

    /// The word that ties the token to this sign-in.
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// What the provider sees of the word that ties the code to this sign-in (RFC 7636 section 4.2).
    pub(crate) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.verifier.as_bytes()))
    }
}

/// A question to a provider.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// Who we are there.
    pub client: &'q str,
    /// Where the answer comes to: this connection's own address.
    pub redirect: &'q str,
    /// What is asked for besides `openid`.
    pub scopes: &'q [String],
    /// How old the person's proof may be.
    pub max_age: Option<Duration>,
    /// Which authentication contexts are wanted, the best first.
    pub acr_values: &'q [String],
    /// Who probably signs in, so that they need not type their address twice.
    pub hint: Option<&'q str>,
}

impl Question<'_> {
    /// Where to send the browser.
    pub fn url(&self, provider: &Provider, ties: &Ties) -> Secret<String> {
        let scope = self.scopes.iter().filter(|scope| *scope != "openid");
        let scope = scope.fold("openid".to_owned(), |all, one| format!("{all} {one}"));
        let (challenge, acr) = (ties.challenge(), self.acr_values.join(" "));
        let max_age = self.max_age.map(|age| age.as_secs().to_string());
        let mut pairs = vec![
            ("response_type", "code"),
            ("client_id", self.client),
            ("redirect_uri", self.redirect),
            ("scope", &scope),
            ("state", &ties.state),
            ("nonce", &ties.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        pairs.extend(max_age.as_ref().map(|age| ("max_age", age.as_str())));
        pairs.extend((!acr.is_empty()).then_some(("acr_values", acr.as_str())));
        pairs.extend(self.hint.map(|hint| ("login_hint", hint)));
        Secret::new(provider.authorization.with(&pairs))
    }
}
