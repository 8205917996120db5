//! The ID token: who signed in, when, and how (OpenID Connect Core 1.0 sections 2 and 3.1.3.7).

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, SHA512, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::{Secret, Timestamp};
use serde_json::Value;

use super::json::Object;
use super::jws;
use super::keys::{Algorithm, KeySet};
use super::{Issuer, Refusal, SKEW, Trail};

/// What the token must say, because of what was asked.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'e> {
    /// The provider that was asked.
    pub issuer: &'e Issuer,
    /// Who we are there.
    pub client: &'e str,
    /// The nonce of this sign-in.
    pub nonce: &'e str,
    /// How old the person's proof may be, if that was asked.
    pub max_age: Option<Duration>,
    /// The connection's algorithms.
    pub algorithms: &'e [Algorithm],
    /// The access token that came along.
    pub access_token: Option<&'e Secret<String>>,
    /// The time.
    pub now: Timestamp,
}

/// An ID token of which everything was checked.
#[derive(Debug, Clone)]
pub struct IdToken {
    subject: String,
    issued: Timestamp,
    claims: Object,
}

impl IdToken {
    /// The longest subject (section 2: 255 characters).
    pub const MAX_SUBJECT: usize = 255;

    /// Verifies a token. What was passed is noted in the trail, in the order of the checks.
    ///
    /// # Errors
    /// The first reason not to believe it. After [`Refusal::UnknownKey`] the caller may fetch the
    /// provider's keys anew, seldom, and try again.
    pub fn verify(
        token: &str,
        keys: &KeySet,
        expected: &Expected<'_>,
        trail: &mut Trail,
    ) -> Result<Self, Refusal> {
        let jws::Verified { kind, algorithm, claims } = jws::verify(token, keys, expected.algorithms, trail)?;
        if !matches!(kind.as_str(), "" | "jwt") || claims.has("events") {
            return Err(Refusal::Type);
        }
        trail.pass("it is an ID token and no other kind");
        if claims.text("iss")? != Some(expected.issuer.as_str()) {
            return Err(Refusal::Issuer);
        }
        trail.pass("it is by the issuer of this connection");
        for_us(&claims, expected.client)?;
        trail.pass("it is for this client");
        let issued = in_time(&claims, expected.now)?;
        trail.pass("it is of now");
        let nonce = claims.text("nonce")?.unwrap_or_default();
        verify_slices_are_equal(nonce.as_bytes(), expected.nonce.as_bytes()).map_err(|_| Refusal::Nonce)?;
        trail.pass("it answers this sign-in");
        let subject = claims.text("sub")?.unwrap_or_default();
        if subject.is_empty() || subject.len() > Self::MAX_SUBJECT || subject.chars().any(char::is_control) {
            return Err(Refusal::Subject);
        }
        trail.pass("it is about somebody");
        fresh_enough(&claims, expected)?;
        trail.pass("the person's proof is as fresh as was asked");
        if let Some(token) = expected.access_token {
            belongs(&claims, algorithm, token)?;
            trail.pass("the access token belongs to it");
        }
        Ok(Self { subject: subject.to_owned(), issued, claims })
    }

    /// Who, for this issuer: never used again for somebody else.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The provider's session, for logouts behind the browser's back.
    pub fn sid(&self) -> Option<&str> {
        self.claims.text("sid").ok().flatten().filter(|sid| !sid.is_empty() && sid.len() <= 255)
    }

    /// The authentication context class.
    pub fn acr(&self) -> Option<&str> {
        self.claims.text("acr").ok().flatten()
    }

    /// The authentication methods.
    pub fn amr(&self) -> Vec<&str> {
        self.claims.texts("amr").ok().flatten().unwrap_or_default()
    }

    /// When the person gave their proof; when the provider does not say, it was no later than the
    /// token was made, and nothing may be concluded from it.
    pub fn auth_time(&self) -> Option<Timestamp> {
        self.claims.seconds("auth_time").ok().flatten().map(of_seconds)
    }

    /// When the token was made.
    pub fn issued(&self) -> Timestamp {
        self.issued
    }

    /// When the provider wants our session to end at the latest (`session_expiry`, OpenID IPSIE).
    pub fn session_ends(&self) -> Option<Timestamp> {
        self.claims.seconds("session_expiry").ok().flatten().map(of_seconds)
    }

    /// A claim by its name.
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.get(name)
    }

    /// Every claim, as JSON to be looked at.
    pub fn pretty(&self) -> String {
        serde_json::to_string_pretty(self.claims.members()).unwrap_or_default()
    }
}

/// `aud` and `azp` (section 3.1.3.7 steps 3 to 5).
pub(crate) fn for_us(claims: &Object, client: &str) -> Result<(), Refusal> {
    let audiences = match claims.get("aud") {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(_)) => claims.texts("aud")?.unwrap_or_default(),
        _ => return Err(Refusal::Audience),
    };
    if !audiences.contains(&client) {
        return Err(Refusal::Audience);
    }
    match claims.text("azp")? {
        Some(party) if party == client => Ok(()),
        Some(_) => Err(Refusal::AuthorizedParty),
        None if audiences.len() == 1 => Ok(()),
        None => Err(Refusal::AuthorizedParty),
    }
}

/// `exp`, `nbf` and `iat`; gives the last.
pub(crate) fn in_time(claims: &Object, now: Timestamp) -> Result<Timestamp, Refusal> {
    let ends = claims.seconds("exp")?.ok_or(Refusal::Expired)?;
    if now > of_seconds(ends).after(SKEW) {
        return Err(Refusal::Expired);
    }
    if claims.seconds("nbf")?.is_some_and(|from| of_seconds(from) > now.after(SKEW)) {
        return Err(Refusal::NotYet);
    }
    let issued = of_seconds(claims.seconds("iat")?.ok_or(Refusal::IssuedAt)?);
    if issued > now.after(SKEW) { Err(Refusal::IssuedAt) } else { Ok(issued) }
}

fn fresh_enough(claims: &Object, expected: &Expected<'_>) -> Result<(), Refusal> {
    let proved = claims.seconds("auth_time")?.map(of_seconds);
    if proved.is_some_and(|proved| proved > expected.now.after(SKEW)) {
        return Err(Refusal::AuthTime);
    }
    let Some(max_age) = expected.max_age else { return Ok(()) };
    let proved = proved.ok_or(Refusal::AuthTimeMissing)?;
    if proved.after(max_age).after(SKEW) < expected.now { Err(Refusal::AuthTime) } else { Ok(()) }
}

/// `at_hash`, if there is one (section 3.1.3.8).
fn belongs(claims: &Object, algorithm: Algorithm, token: &Secret<String>) -> Result<(), Refusal> {
    let Some(stated) = claims.text("at_hash")? else { return Ok(()) };
    let by = if algorithm == Algorithm::EdDsa { &SHA512 } else { &SHA256 };
    let hash = digest(by, token.expose().as_bytes());
    let half = hash.as_ref().get(..hash.as_ref().len() / 2).unwrap_or_default();
    if URL_SAFE_NO_PAD.encode(half) == stated { Ok(()) } else { Err(Refusal::AccessTokenHash) }
}

pub(crate) fn of_seconds(seconds: u64) -> Timestamp {
    Timestamp::from_millis(seconds.saturating_mul(1000))
}
