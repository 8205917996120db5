//! The provider's public keys (RFC 7517) and the signatures they verify. The list of algorithms is
//! closed: what is not in it cannot be configured either.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Refusal;
use super::json::Object;

/// A signature algorithm (RFC 7518 section 3.1, RFC 8037 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// RSASSA-PSS with SHA-256.
    #[serde(rename = "PS256")]
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// All there are.
    pub const ALL: [Algorithm; 4] = [Self::Rs256, Self::Ps256, Self::Es256, Self::EdDsa];

    /// The name in headers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256([u8; 65]),
    Ed25519([u8; 32]),
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    id: Option<String>,
    only: Option<Algorithm>,
    material: Material,
}

impl Key {
    /// Reads a key; one that is of no use here is none.
    fn parse(jwk: &Value) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        let for_signatures = text("use").is_none_or(|used| used == "sig");
        let may_verify = jwk
            .get("key_ops")
            .and_then(Value::as_array)
            .is_none_or(|ops| ops.iter().any(|op| op.as_str() == Some("verify")));
        if !for_signatures || !may_verify {
            return None;
        }
        let only = match text("alg") {
            None => None,
            Some(name) => Some(Algorithm::named(name)?),
        };
        let material = match (text("kty")?, text("crv")) {
            // Sizes below 2,048 and above 8,192 bits are refused by the verification itself.
            ("RSA", _) => Material::Rsa { n: bytes("n")?, e: bytes("e")? },
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes("x")?, bytes("y")?);
                if x.len() != 32 {
                    return None;
                }
                Material::P256([&[4][..], &x, &y].concat().try_into().ok()?)
            }
            ("OKP", Some("Ed25519")) => Material::Ed25519(bytes("x")?.try_into().ok()?),
            _ => return None,
        };
        Some(Self { id: text("kid").map(str::to_owned), only, material })
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        let kind = match self.material {
            Material::Rsa { .. } => matches!(algorithm, Algorithm::Rs256 | Algorithm::Ps256),
            Material::P256(_) => algorithm == Algorithm::Es256,
            Material::Ed25519(_) => algorithm == Algorithm::EdDsa,
        };
        kind && self.only.is_none_or(|only| only == algorithm)
    }

    fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let outcome = match (&self.material, algorithm) {
            (Material::Rsa { n, e }, Algorithm::Rs256) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            (Material::Rsa { n, e }, Algorithm::Ps256) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PSS_2048_8192_SHA256, message, signature)
            }
            (Material::P256(point), Algorithm::Es256) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            (Material::Ed25519(point), Algorithm::EdDsa) => {
                UnparsedPublicKey::new(&ED25519, point).verify(message, signature)
            }
            _ => return false,
        };
        outcome.is_ok()
    }
}

/// The keys of a provider, from its `jwks_uri` and from nowhere else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeySet(Vec<Key>);

impl KeySet {
    /// The most bytes of a key set.
    pub const MAX: usize = 256 * 1024;
    /// Keys that are looked at.
    const KEYS: usize = 64;

    /// Reads a key set. Keys of kinds that are not used here are left out.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`], [`Refusal::Malformed`].
    pub fn parse(document: &[u8]) -> Result<Self, Refusal> {
        let document = Object::parse(document, Self::MAX)?;
        let keys = document.get("keys").and_then(Value::as_array).ok_or(Refusal::Malformed)?;
        Ok(Self(keys.iter().take(Self::KEYS).filter_map(Key::parse).collect()))
    }

    /// How many keys can be used.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no key can be used.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Verifies a signature with the key of this id; without an id, with the only key that would do.
    pub(crate) fn verify(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Refusal> {
        let fitting = self.0.iter().filter(|key| key.fits(algorithm));
        let wanted: Vec<&Key> = match id {
            Some(id) => fitting.filter(|key| key.id.as_deref() == Some(id)).collect(),
            None => fitting.collect(),
        };
        match (id, wanted.as_slice()) {
            (_, []) => Err(Refusal::UnknownKey),
            (None, [_, _, ..]) => Err(Refusal::KeyIdMissing),
            (_, keys) if keys.iter().any(|key| key.verify(algorithm, message, signature)) => Ok(()),
            _ => Err(Refusal::Signature),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(keys: Value) -> KeySet {
        KeySet::parse(&serde_json::to_vec(&json!({ "keys": keys })).unwrap()).unwrap()
    }

    #[test]
    fn keys_that_are_of_no_use_here_are_left_out() {
        let (x, y) = (URL_SAFE_NO_PAD.encode([1; 32]), URL_SAFE_NO_PAD.encode([2; 32]));
        let ec = |more: Value| {
            let mut key = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y});
            key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            key
        };
        assert_eq!(set(json!([ec(json!({})), ec(json!({"use": "sig", "alg": "ES256"}))])).len(), 2);
        let useless = json!([
            ec(json!({"use": "enc"})),
            ec(json!({"alg": "ES512"})),
            ec(json!({"key_ops": ["sign"]})),
            ec(json!({"crv": "P-384"})),
            ec(json!({"x": "AA"})),
            {"kty": "oct", "k": "AAAA"},
            {"kty": "RSA", "n": "!!", "e": "AQAB"},
            {"kty": "OKP", "crv": "X25519", "x": x},
            7,
        ]);
        assert!(set(useless).is_empty());
    }

    #[test]
    fn a_key_set_that_is_too_large_or_none_is_refused() {
        assert_eq!(KeySet::parse(&vec![b' '; 10_000_000]), Err(Refusal::TooLarge));
        assert_eq!(KeySet::parse(b"{}"), Err(Refusal::Malformed));
        assert_eq!(KeySet::parse(b"<html>"), Err(Refusal::Malformed));
    }
}
