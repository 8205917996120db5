//! OpenID Connect for a relying party: the authorization code flow with PKCE, and nothing else.
//!
//! In the order of a sign-in: a [`Provider`] is read from its discovery document and its [`KeySet`]
//! from where that says; a [`Question`] with fresh [`Ties`] sends the browser there; the [`Answer`]
//! it brings back is held against the ties and gives a [`Code`]; the code is given for [`Tokens`];
//! and an [`IdToken`] comes of them only when every check passed. A [`LogoutToken`] comes later, and
//! from the provider itself.
//!
//! No token is believed for where it came from: the ID token's signature is verified although it
//! came over TLS from the provider.
//!
//! What this module does not promise: that a state or a logout token comes for the first time. It
//! keeps nothing; whoever calls it records both, in the transaction of what follows from them.

mod authorize;
mod callback;
mod discovery;
mod endpoint;
mod id_token;
mod json;
mod jws;
mod keys;
mod logout;
mod refusal;
mod token;

use std::time::Duration;

pub use authorize::{Question, Ties};
pub use callback::{Answer, Code};
pub use discovery::{ClientAuthentication, Provider};
pub use endpoint::{Endpoint, Issuer};
pub use id_token::{Expected, IdToken};
pub use keys::{Algorithm, KeySet};
pub use logout::{LogoutToken, end_session_url};
pub use refusal::Refusal;
pub use token::{TokenRequest, Tokens, UserInfo};

/// By how much the clocks of two machines may differ.
pub const SKEW: Duration = Duration::from_secs(60);

/// The checks that were passed so far, in words, for an administrator who tries a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trail(Vec<&'static str>);

impl Trail {
    pub(crate) fn pass(&mut self, check: &'static str) {
        self.0.push(check);
    }

    /// The checks that were passed, in their order.
    pub fn passed(&self) -> &[&'static str] {
        &self.0
    }
}

/// Header and claims of a token as it came, with nothing of it verified: for an administrator who
/// looks into a failed trial. Nothing may ever be decided upon it.
pub fn as_received(token: &str) -> Option<(String, String)> {
    jws::as_received(token)
}
