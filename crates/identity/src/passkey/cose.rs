//! The public keys of passkeys: COSE (RFC 9053) in, aws-lc-rs verification out. Three algorithms, the
//! ones that authenticators have: ES256, EdDSA with Ed25519, RS256.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use ciborium::Value;
use serde::{Deserialize, Serialize};

use super::PasskeyError;

/// A public key with its algorithm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "alg", deny_unknown_fields)]
pub enum PublicKey {
    /// ECDSA on P-256 with SHA-256: the uncompressed point.
    Es256 {
        /// `04 | x | y`.
        point: Vec<u8>,
    },
    /// Ed25519.
    EdDsa {
        /// The key.
        key: Vec<u8>,
    },
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256 {
        /// The modulus, big-endian.
        n: Vec<u8>,
        /// The exponent, big-endian.
        e: Vec<u8>,
    },
}

impl PublicKey {
    /// The COSE algorithm numbers that are offered, preferred first.
    pub(super) const ALGORITHMS: [i32; 3] = [-8, -7, -257];

    /// Reads a COSE key.
    pub(super) fn from_cose(cose: &Value) -> Result<Self, PasskeyError> {
        let map = Map(cose.as_map().ok_or(PasskeyError::Algorithm)?);
        // Labels of RFC 9053: 1 key type, 3 algorithm, -1 curve (or n), -2 x (or e), -3 y.
        match (map.number(1)?, map.number(3)?) {
            (2, -7) if map.number(-1)? == 1 => {
                let (x, y) = (map.bytes(-2)?, map.bytes(-3)?);
                if x.len() != 32 || y.len() != 32 {
                    return Err(PasskeyError::Algorithm);
                }
                let point = [&[4], x, y].concat();
                // Not every pair of numbers is a point of the curve.
                ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &point).map_err(|_| PasskeyError::Algorithm)?;
                Ok(Self::Es256 { point })
            }
            (1, -8) if map.number(-1)? == 6 && map.bytes(-2)?.len() == 32 => {
                Ok(Self::EdDsa { key: map.bytes(-2)?.to_vec() })
            }
            // 2048 to 8192 bits, the first of them set.
            (3, -257) => match map.bytes(-1)? {
                n @ [0x80..=0xff, ..] if (256..=1024).contains(&n.len()) => {
                    Ok(Self::Rs256 { n: n.to_vec(), e: map.bytes(-2)?.to_vec() })
                }
                _ => Err(PasskeyError::Algorithm),
            },
            _ => Err(PasskeyError::Algorithm),
        }
    }

    /// Verifies a signature.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), PasskeyError> {
        let outcome = match self {
            Self::Es256 { point } => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature)
            }
            Self::EdDsa { key } => UnparsedPublicKey::new(&ED25519, key).verify(message, signature),
            Self::Rs256 { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
        };
        outcome.map_err(|_| PasskeyError::Signature)
    }
}

struct Map<'a>(&'a [(Value, Value)]);

impl<'a> Map<'a> {
    fn get(&self, label: i64) -> Result<&'a Value, PasskeyError> {
        let wanted = Value::Integer(label.into());
        self.0.iter().find(|(key, _)| *key == wanted).map(|(_, value)| value).ok_or(PasskeyError::Algorithm)
    }

    fn number(&self, label: i64) -> Result<i64, PasskeyError> {
        let number = self.get(label)?.as_integer().and_then(|number| i64::try_from(number).ok());
        number.ok_or(PasskeyError::Algorithm)
    }

    fn bytes(&self, label: i64) -> Result<&'a [u8], PasskeyError> {
        self.get(label)?.as_bytes().map(Vec::as_slice).ok_or(PasskeyError::Algorithm)
    }
}
