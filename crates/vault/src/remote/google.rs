//! Google Cloud KMS: a symmetric key wraps tenant keys, with the context as
//! `additionalAuthenticatedData` and CRC32C sums over everything that travels
//! (<https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys/encrypt>).
//!
//! A service account signs its own tokens (RS256, AIP-4111), so no token service is asked: the key
//! service is the only target.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use kernel::{Id, Secret, TenantId, World};
use outbound::{Answer, Client, Origin, Request, segment};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Credential, Service, Wiped, base64, base64_url, denied, json, key, marked, of_outbound, parse};
use super::{rubbish, trouble, unbase64, unexpected};
use crate::KeyBytes;
use crate::provider::{KeyProvider, ProviderError, ProviderInfo, WrapContext};

pub(super) const MARK: &[u8; 4] = b"gcp1";

/// How long a token is valid, in seconds: the longest that Google takes.
const TOKEN_SECONDS: u64 = 3600;

/// Which key, and who asks.
#[derive(Debug)]
pub struct GoogleKmsSettings {
    /// The endpoint, `https://cloudkms.googleapis.com` or a private one.
    pub service: Service,
    /// The key's full name: `projects/P/locations/L/keyRings/R/cryptoKeys/K`.
    pub key: String,
    /// The service account's key, the JSON that Google gives.
    pub service_account: Credential,
}

/// A root key in Google Cloud KMS.
pub struct GoogleKms {
    key: String,
    service_account: Credential,
    origin: Origin,
    client: Client,
    world: World,
}

#[derive(Deserialize)]
struct Account {
    client_email: String,
    private_key_id: String,
    private_key: Wiped,
}

#[derive(Serialize)]
struct Head<'a> {
    alg: &'static str,
    typ: &'static str,
    kid: &'a str,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'static str,
    iat: u64,
    exp: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Encrypt<'a> {
    plaintext: &'a str,
    plaintext_crc32c: String,
    additional_authenticated_data: &'a str,
    additional_authenticated_data_crc32c: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Encrypted {
    ciphertext: String,
    ciphertext_crc32c: String,
    #[serde(default)]
    verified_plaintext_crc32c: bool,
    #[serde(default)]
    verified_additional_authenticated_data_crc32c: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Decrypt<'a> {
    ciphertext: &'a str,
    ciphertext_crc32c: String,
    additional_authenticated_data: &'a str,
    additional_authenticated_data_crc32c: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Decrypted {
    plaintext: Wiped,
    plaintext_crc32c: String,
}

#[derive(Deserialize)]
struct Fault {
    error: Status,
}

#[derive(Deserialize)]
struct Status {
    status: String,
}

impl GoogleKms {
    /// Finds the key, by wrapping and unwrapping a key that is thrown away.
    ///
    /// # Errors
    /// When the service cannot be reached, the account's key is not one, or it may not use the KMS key.
    pub fn open(settings: GoogleKmsSettings, world: World) -> Result<Self, ProviderError> {
        let GoogleKmsSettings { service, key, service_account } = settings;
        let parts: Vec<&str> = key.split('/').collect();
        let named =
            matches!(parts.as_slice(), ["projects", _, "locations", _, "keyRings", _, "cryptoKeys", _])
                && parts.iter().all(|part| !part.is_empty());
        if !named {
            let why = format!("`{key}` is not of the form `projects/P/locations/L/keyRings/R/cryptoKeys/K`");
            return Err(ProviderError::Unsafe { why });
        }
        let origin = service.target.origin.clone();
        let client = service.client(Vec::new())?;
        let kms = Self { key, service_account, origin, client, world };
        kms.health()?;
        Ok(kms)
    }

    /// A token that the account signs for itself.
    fn token(&self) -> Result<Secret<String>, ProviderError> {
        let unusable = |why: &str| ProviderError::Unsafe { why: format!("the service account's key {why}") };
        let text = self.service_account.read()?;
        let account: Account =
            serde_json::from_str(&text).map_err(|_| unusable("is not the JSON that Google gives"))?;
        let key = KeyPair::from_pkcs8(&der(&account.private_key.0).ok_or_else(|| unusable("holds no PEM"))?)
            .map_err(|_| unusable("holds no RSA key in PKCS #8"))?;
        let iat = self.world.now().as_millis() / 1000;
        let claims = Claims {
            iss: &account.client_email,
            sub: &account.client_email,
            aud: "https://cloudkms.googleapis.com/",
            iat,
            exp: iat + TOKEN_SECONDS,
        };
        let head = Head { alg: "RS256", typ: "JWT", kid: &account.private_key_id };
        let (head, claims) = (base64_url(&json(&head)?), base64_url(&json(&claims)?));
        let text = format!("{}.{}", head.as_str(), claims.as_str());
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .map_err(|_| unusable("cannot sign"))?;
        Ok(Secret::new(format!("Bearer {text}.{}", base64_url(&signature).as_str())))
    }

    fn call(&self, verb: &str, body: Vec<u8>) -> Result<Answer, ProviderError> {
        let name: Vec<String> = self.key.split('/').map(segment).collect();
        let request = Request::post(&self.origin, &format!("/v1/{}:{verb}", name.join("/")))
            .body("application/json", body)
            .secret("authorization", &self.token()?)
            .map_err(of_outbound)?;
        let answer = self.client.send(request).map_err(of_outbound)?;
        if answer.is_success() { Ok(answer) } else { Err(self.refusal(&answer)) }
    }

    /// What a refusal means: its status only (google.rpc.Code). The text beside it is not passed on.
    fn refusal(&self, answer: &Answer) -> ProviderError {
        let Ok(Fault { error }) = parse::<Fault>(answer) else {
            return trouble(answer).unwrap_or_else(|| unexpected(answer));
        };
        let key = &self.key;
        match error.status.as_str() {
            "INVALID_ARGUMENT" => ProviderError::Refused,
            "FAILED_PRECONDITION" => denied(format!(
                "the key `{key}`, or the version that wrapped, is disabled or destroyed there"
            )),
            "PERMISSION_DENIED" => denied(format!(
                "the service account lacks the role Cloud KMS CryptoKey Encrypter/Decrypter on `{key}`"
            )),
            "UNAUTHENTICATED" => denied(
                "the service account's key is not valid, or this machine's clock is more than 5 minutes off",
            ),
            "NOT_FOUND" => denied(format!("there is no key `{key}`")),
            _ => trouble(answer).unwrap_or_else(|| unexpected(answer)),
        }
    }
}

/// The bytes of a PEM text.
fn der(pem: &str) -> Option<Zeroizing<Vec<u8>>> {
    let body = pem.trim().strip_prefix("-----BEGIN PRIVATE KEY-----")?;
    let body = body.strip_suffix("-----END PRIVATE KEY-----")?;
    let mut text = Zeroizing::new(String::with_capacity(body.len()));
    text.extend(body.split_ascii_whitespace());
    unbase64(&text).ok()
}

/// CRC-32C (Castagnoli; RFC 3720 appendix B.4), which Google's interface carries beside each value.
fn crc32c(bytes: &[u8]) -> String {
    let sum = bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0x82F6_3B78 & (sum & 1).wrapping_neg()))
    });
    (!sum).to_string()
}

impl KeyProvider for GoogleKms {
    fn describe(&self) -> ProviderInfo {
        ProviderInfo { kind: "gcp-kms", key: self.key.clone() }
    }

    fn wrap(&self, tenant_key: &KeyBytes, context: &WrapContext) -> Result<Vec<u8>, ProviderError> {
        let aad = context.aad();
        let body = json(&Encrypt {
            plaintext: &base64(tenant_key.expose()),
            plaintext_crc32c: crc32c(tenant_key.expose()),
            additional_authenticated_data: &base64(&aad),
            additional_authenticated_data_crc32c: crc32c(&aad),
        })?;
        let answer: Encrypted = parse(&self.call("encrypt", body)?)?;
        // What the service saw is what we sent, and what we see is what it sent.
        if !(answer.verified_plaintext_crc32c && answer.verified_additional_authenticated_data_crc32c) {
            return Err(rubbish("does not confirm the checksums of what was sent"));
        }
        let blob = unbase64(&answer.ciphertext)?;
        if blob.is_empty() || crc32c(&blob) != answer.ciphertext_crc32c {
            return Err(rubbish("was damaged on the way: its checksum does not fit"));
        }
        Ok([MARK.as_slice(), &blob].concat())
    }

    fn unwrap(&self, blob: &[u8], context: &WrapContext) -> Result<KeyBytes, ProviderError> {
        let (ciphertext, aad) = (marked(blob, MARK)?, context.aad());
        let body = json(&Decrypt {
            ciphertext: &base64(ciphertext),
            ciphertext_crc32c: crc32c(ciphertext),
            additional_authenticated_data: &base64(&aad),
            additional_authenticated_data_crc32c: crc32c(&aad),
        })?;
        let answer: Decrypted = parse(&self.call("decrypt", body)?)?;
        let plaintext = unbase64(&answer.plaintext.0)?;
        if crc32c(&plaintext) != answer.plaintext_crc32c {
            return Err(rubbish("was damaged on the way: its checksum does not fit"));
        }
        key(&plaintext)
    }

    /// Wraps and unwraps a key that is thrown away: looking at the key would need a role of its own.
    fn health(&self) -> Result<(), ProviderError> {
        round_trip(self, &self.world)
    }
}

/// Wraps and unwraps a key that is thrown away, under a context that no tenant has.
pub(super) fn round_trip(provider: &impl KeyProvider, world: &World) -> Result<(), ProviderError> {
    let (key, context) =
        (KeyBytes::generate(world), WrapContext { tenant: TenantId::from_bytes([0; 16]), version: 0 });
    let again = provider.unwrap(&provider.wrap(&key, &context)?, &context)?;
    if again.expose() == key.expose() { Ok(()) } else { Err(rubbish("is another key than was wrapped")) }
}

impl fmt::Debug for GoogleKms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GoogleKms({})", self.describe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of the algorithm, and the vectors of RFC 3720 appendix B.4.
    #[test]
    fn the_checksum_is_crc_32c() {
        assert_eq!(crc32c(b"123456789"), 0xE306_9283_u32.to_string());
        assert_eq!(crc32c(&[0; 32]), 0x8A91_36AA_u32.to_string());
        assert_eq!(crc32c(&[0xFF; 32]), 0x62A8_AB43_u32.to_string());
        assert_eq!(crc32c(b""), "0");
    }
}
