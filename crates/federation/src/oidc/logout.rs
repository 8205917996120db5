//! Logouts: of a session here that the provider's is to follow (RP-Initiated Logout 1.0), and of one
//! there that ours is to follow (Back-Channel Logout 1.0).

use std::time::Duration;

use kernel::{Secret, Timestamp};

use super::id_token::{for_us, in_time};
use super::jws;
use super::keys::{Algorithm, KeySet};
use super::{Issuer, Provider, Refusal, Trail};

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// The oldest logout token that is acted upon.
const OLDEST: Duration = Duration::from_secs(2 * 60);

/// A provider's word that a session of its own has ended, of which everything was checked but that it
/// comes for the first time: record [`LogoutToken::id`] in the transaction that ends our sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutToken {
    id: String,
    subject: Option<String>,
    sid: Option<String>,
}

impl LogoutToken {
    /// For how long an id must be remembered: an older token is refused anyway.
    pub const MEMORY: Duration = Duration::from_secs(5 * 60);

    /// Verifies a logout token (section 2.6).
    ///
    /// # Errors
    /// The first reason not to believe it.
    pub fn verify(
        token: &str,
        keys: &KeySet,
        issuer: &Issuer,
        client: &str,
        algorithms: &[Algorithm],
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let mut trail = Trail::default();
        let jws::Verified { kind, claims, .. } = jws::verify(token, keys, algorithms, &mut trail)?;
        if !matches!(kind.as_str(), "logout+jwt" | "jwt" | "") {
            return Err(Refusal::Type);
        }
        if claims.text("iss")? != Some(issuer.as_str()) {
            return Err(Refusal::Issuer);
        }
        for_us(&claims, client)?;
        if claims.has("nonce") {
            return Err(Refusal::LogoutNonce);
        }
        let event = claims.get("events").and_then(|events| events.get(EVENT));
        if !event.is_some_and(serde_json::Value::is_object) {
            return Err(Refusal::LogoutEvents);
        }
        let issued = in_time(&claims, now)?;
        if now.since(issued) > OLDEST {
            return Err(Refusal::LogoutOld);
        }
        let short = |name| {
            let text = claims.text(name)?.filter(|text| !text.is_empty() && text.len() <= 255);
            Ok::<_, Refusal>(text.map(str::to_owned))
        };
        let (id, subject, sid) = (short("jti")?.ok_or(Refusal::LogoutId)?, short("sub")?, short("sid")?);
        if subject.is_none() && sid.is_none() {
            return Err(Refusal::LogoutSubject);
        }
        Ok(Self { id, subject, sid })
    }

    /// The token's own id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whose sessions end.
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// Which session ends; without one, all of the person's.
    pub fn sid(&self) -> Option<&str> {
        self.sid.as_deref()
    }
}

/// Where to send the browser so that the provider's session ends too; `None` when the provider offers
/// no such thing.
pub fn end_session_url(
    provider: &Provider,
    client: &str,
    hint: Option<&Secret<String>>,
    afterwards: &str,
    state: &str,
) -> Option<String> {
    let endpoint = provider.end_session.as_ref()?;
    let mut pairs = vec![("client_id", client), ("post_logout_redirect_uri", afterwards), ("state", state)];
    pairs.extend(hint.map(|hint| ("id_token_hint", hint.expose().as_str())));
    Some(endpoint.with(&pairs))
}
