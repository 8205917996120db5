//! Passkeys: the relying party of W3C Web Authentication Level 3, for one kind of use: staff signing in
//! with user verification, attestation "none". `docs/decisions/0005-own-webauthn-verifier.md` says why
//! this small verifier is ours.
//!
//! What it checks follows sections 7.1 and 7.2 of the specification in order. What it does not promise:
//! anything about the make of the authenticator, because attestation statements are not asked for and
//! not read.

mod authenticator;
mod cose;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::World;
use serde::{Deserialize, Serialize};

use authenticator::AuthenticatorData;
pub use cose::PublicKey;

/// Who we are to the authenticator.
#[derive(Debug, Clone)]
pub struct RelyingParty {
    /// The relying party id: the host name of the console.
    id: String,
    /// The origin that browsers report, for example `https://console.example.org:9443`.
    origin: String,
}

/// The random value that a ceremony must sign. Good for one ceremony.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge([u8; 32]);

/// A registered passkey, as stored (sealed).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passkey {
    /// The credential's id.
    pub id: Vec<u8>,
    /// The key that checks its signatures.
    pub key: PublicKey,
    /// The last signature counter; zero for authenticators that do not count.
    pub counter: u32,
}

/// What the browser sends after `navigator.credentials.create()`. Byte strings are base64url.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// The credential's id.
    pub id: String,
    /// The client data, as signed.
    pub client_data: String,
    /// The attestation object (CBOR).
    pub attestation_object: String,
}

/// What the browser sends after `navigator.credentials.get()`. Byte strings are base64url.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// The credential's id.
    pub id: String,
    /// The client data, as signed.
    pub client_data: String,
    /// The authenticator data, as signed.
    pub authenticator_data: String,
    /// The signature.
    pub signature: String,
    /// The user handle that the authenticator keeps.
    pub user_handle: Option<String>,
}

/// Why a ceremony was refused. For the log; a person reads one sentence for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasskeyError {
    /// Something is not the encoding it should be.
    #[error("the {0} cannot be read")]
    Encoding(&'static str),
    /// The client data is of the other ceremony.
    #[error("the client data is of another ceremony")]
    Ceremony,
    /// The challenge is not the one that was given out.
    #[error("the challenge is not ours")]
    Challenge,
    /// The page was another one, or embedded in another one.
    #[error("the origin is not ours")]
    Origin,
    /// The credential is scoped to another relying party.
    #[error("the relying party is not ours")]
    RelyingParty,
    /// Nobody touched the authenticator.
    #[error("the user was not present")]
    Presence,
    /// The authenticator did not verify the person by PIN or biometry.
    #[error("the user was not verified")]
    Verification,
    /// The credential's id differs from the one in the signed data, or is too long.
    #[error("the credential id is not acceptable")]
    Credential,
    /// The key's algorithm was not offered, or its parameters are wrong.
    #[error("the key's algorithm is not acceptable")]
    Algorithm,
    /// The signature is not the key's.
    #[error("the signature does not verify")]
    Signature,
    /// The counter did not grow: the authenticator may have been cloned.
    #[error("the signature counter went back")]
    Counter,
}

#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    ceremony: String,
    challenge: String,
    origin: String,
    #[serde(rename = "crossOrigin", default)]
    cross_origin: bool,
}

impl Challenge {
    /// A new challenge.
    pub fn generate(world: &World) -> Self {
        Self(world.bytes())
    }

    /// The challenge for the browser.
    pub fn base64url(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

impl std::fmt::Debug for Challenge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Challenge")
    }
}

impl RelyingParty {
    /// The relying party of an origin `https://host[:port]`. `None` when the text is not an origin.
    pub fn of_origin(origin: &str) -> Option<Self> {
        let authority = origin.strip_prefix("https://")?;
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => authority,
        };
        let plain =
            !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-');
        plain.then(|| Self { id: host.to_owned(), origin: origin.to_owned() })
    }

    /// The relying party id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The options for `navigator.credentials.create()`, byte strings as base64url.
    pub fn creation_options(
        &self,
        challenge: &Challenge,
        user: &[u8],
        name: &str,
        known: &[Vec<u8>],
    ) -> serde_json::Value {
        serde_json::json!({
            "challenge": challenge.base64url(),
            "rp": { "id": self.id, "name": "Wardroom" },
            "user": { "id": URL_SAFE_NO_PAD.encode(user), "name": name, "displayName": name },
            "pubKeyCredParams": PublicKey::ALGORITHMS.map(|alg| serde_json::json!({ "type": "public-key", "alg": alg })),
            "excludeCredentials": descriptors(known),
            "authenticatorSelection": { "residentKey": "required", "requireResidentKey": true, "userVerification": "required" },
            "attestation": "none",
            "timeout": 300_000,
        })
    }

    /// The options for `navigator.credentials.get()`.
    pub fn request_options(&self, challenge: &Challenge, known: &[Vec<u8>]) -> serde_json::Value {
        serde_json::json!({
            "challenge": challenge.base64url(),
            "rpId": self.id,
            "allowCredentials": descriptors(known),
            "userVerification": "required",
            "timeout": 300_000,
        })
    }

    /// Checks a registration (section 7.1) and returns the passkey to store.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn register(&self, challenge: &Challenge, sent: &Registration) -> Result<Passkey, PasskeyError> {
        let client_data = bytes(&sent.client_data, "client data")?;
        self.client_data(&client_data, "webauthn.create", challenge)?;
        let object = bytes(&sent.attestation_object, "attestation object")?;
        let raw = authenticator::from_attestation_object(&object)?;
        let data = AuthenticatorData::parse(&raw)?;
        self.authenticator(&data)?;
        let (id, cose) = data.credential.ok_or(PasskeyError::Encoding("attested credential data"))?;
        // Section 7.1 step 25: ids are at most 1023 bytes.
        if id.len() > 1023 || id != bytes(&sent.id, "credential id")? {
            return Err(PasskeyError::Credential);
        }
        Ok(Passkey { id, key: PublicKey::from_cose(&cose)?, counter: data.counter })
    }

    /// Checks an assertion (section 7.2) and returns the passkey with its new counter, to store.
    ///
    /// # Errors
    /// The first check that fails. On [`PasskeyError::Counter`] the passkey should be suspended.
    pub fn verify(
        &self,
        challenge: &Challenge,
        passkey: &Passkey,
        sent: &Assertion,
    ) -> Result<Passkey, PasskeyError> {
        if bytes(&sent.id, "credential id")? != passkey.id {
            return Err(PasskeyError::Credential);
        }
        let client_data = bytes(&sent.client_data, "client data")?;
        self.client_data(&client_data, "webauthn.get", challenge)?;
        let raw = bytes(&sent.authenticator_data, "authenticator data")?;
        let data = AuthenticatorData::parse(&raw)?;
        self.authenticator(&data)?;
        let mut signed = raw;
        signed
            .extend_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &client_data).as_ref());
        passkey.key.verify(&signed, &bytes(&sent.signature, "signature")?)?;
        let counts = data.counter != 0 || passkey.counter != 0;
        if counts && data.counter <= passkey.counter {
            return Err(PasskeyError::Counter);
        }
        Ok(Passkey { counter: data.counter, ..passkey.clone() })
    }

    fn client_data(&self, raw: &[u8], ceremony: &str, challenge: &Challenge) -> Result<(), PasskeyError> {
        let data: ClientData =
            serde_json::from_slice(raw).map_err(|_| PasskeyError::Encoding("client data"))?;
        if data.ceremony != ceremony {
            return Err(PasskeyError::Ceremony);
        }
        if bytes(&data.challenge, "challenge")? != challenge.0 {
            return Err(PasskeyError::Challenge);
        }
        if data.origin != self.origin || data.cross_origin {
            return Err(PasskeyError::Origin);
        }
        Ok(())
    }

    fn authenticator(&self, data: &AuthenticatorData) -> Result<(), PasskeyError> {
        let ours = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, self.id.as_bytes());
        if data.rp_id_hash != ours.as_ref() {
            return Err(PasskeyError::RelyingParty);
        }
        if !data.user_present {
            return Err(PasskeyError::Presence);
        }
        if !data.user_verified {
            return Err(PasskeyError::Verification);
        }
        Ok(())
    }
}

impl Assertion {
    /// The credential's id, to find the passkey by.
    ///
    /// # Errors
    /// When it is not base64url.
    pub fn credential_id(&self) -> Result<Vec<u8>, PasskeyError> {
        bytes(&self.id, "credential id")
    }
}

fn descriptors(known: &[Vec<u8>]) -> Vec<serde_json::Value> {
    known
        .iter()
        .map(|id| serde_json::json!({ "type": "public-key", "id": URL_SAFE_NO_PAD.encode(id) }))
        .collect()
}

fn bytes(text: &str, what: &'static str) -> Result<Vec<u8>, PasskeyError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| PasskeyError::Encoding(what))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
