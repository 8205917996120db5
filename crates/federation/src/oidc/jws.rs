//! Signed tokens in compact form (RFC 7515 section 7.1). The payload is read only after its signature
//! was verified, and with a key of the provider's set: whatever key or address of a key a token's
//! header brings along (`jwk`, `jku`, `x5c`, `x5u`) is never looked at.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::json::Object;
use super::keys::{Algorithm, KeySet};
use super::{Refusal, Trail};

/// The most bytes of a token.
pub(crate) const MAX: usize = 64 * 1024;
/// The most bytes of a token's header.
const MAX_HEADER: usize = 8 * 1024;
/// Members of a header with which a token would choose the key that verifies it.
const OWN_KEYS: [&str; 4] = ["jwk", "jku", "x5c", "x5u"];

/// The content of a token whose signature holds.
#[derive(Debug)]
pub(crate) struct Verified {
    /// `typ`, in small letters and without `application/`; empty when there is none.
    pub(crate) kind: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) claims: Object,
}

/// Verifies a token's signature.
pub(crate) fn verify(
    token: &str,
    keys: &KeySet,
    allowed: &[Algorithm],
    trail: &mut Trail,
) -> Result<Verified, Refusal> {
    let (header, input, payload, signature) = take_apart(token)?;
    let header = Object::parse(&decode(header)?, MAX_HEADER)?;
    trail.pass("the token has the form of a signed token");
    let algorithm = algorithm_of(header.text("alg")?.ok_or(Refusal::Malformed)?, allowed)?;
    trail.pass("its algorithm is on the connection's list");
    if header.has("crit") {
        return Err(Refusal::Critical);
    }
    let outcome = keys.verify(header.text("kid")?, algorithm, input, &decode(signature)?);
    let brings_a_key = OWN_KEYS.iter().any(|name| header.has(name));
    outcome.map_err(|refusal| match refusal {
        Refusal::Signature | Refusal::UnknownKey if brings_a_key => Refusal::KeyInHeader,
        other => other,
    })?;
    trail.pass("its signature is by a key that the provider publishes");
    let kind = header.text("typ")?.unwrap_or_default().to_ascii_lowercase();
    let kind = kind.strip_prefix("application/").unwrap_or(&kind).to_owned();
    Ok(Verified { kind, algorithm, claims: Object::parse(&decode(payload)?, MAX)? })
}

fn algorithm_of(name: &str, allowed: &[Algorithm]) -> Result<Algorithm, Refusal> {
    if name.eq_ignore_ascii_case("none") {
        return Err(Refusal::AlgorithmNone);
    }
    if name.to_ascii_uppercase().starts_with("HS") {
        return Err(Refusal::AlgorithmSymmetric);
    }
    Algorithm::named(name).filter(|algorithm| allowed.contains(algorithm)).ok_or(Refusal::Algorithm)
}

/// Header, what is signed, payload, signature.
fn take_apart(token: &str) -> Result<(&str, &[u8], &str, &str), Refusal> {
    if token.len() > MAX {
        return Err(Refusal::TooLarge);
    }
    let parts: Vec<&str> = token.split('.').collect();
    match parts.as_slice() {
        [header, payload, signature] => {
            let signed = header.len() + 1 + payload.len();
            let input = token.as_bytes().get(..signed).ok_or(Refusal::Malformed)?;
            Ok((header, input, payload, signature))
        }
        [_, _, _, _, _] => Err(Refusal::Encrypted),
        _ => Err(Refusal::Malformed),
    }
}

fn decode(part: &str) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Malformed)
}

/// Header and claims of a token as it came, nothing of it verified: for an administrator who looks
/// into a failed trial. Nothing may ever be decided upon it.
pub(crate) fn as_received(token: &str) -> Option<(String, String)> {
    let (header, _, payload, _) = take_apart(token).ok()?;
    let pretty = |part| {
        let value: serde_json::Value = serde_json::from_slice(&decode(part).ok()?).ok()?;
        serde_json::to_string_pretty(&value).ok()
    };
    Some((pretty(header)?, pretty(payload)?))
}
