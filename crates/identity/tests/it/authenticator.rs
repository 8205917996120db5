//! A software authenticator that can be told to misbehave. The unit tests of the verifier share it.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::{Value, cbor};
use identity::passkey::{Assertion, Registration};

pub(crate) const ORIGIN: &str = "https://console.example.org:9443";

pub(crate) struct Authenticator {
    pub(crate) key: EcdsaKeyPair,
    pub(crate) id: Vec<u8>,
    pub(crate) rp_id: &'static str,
    pub(crate) flags: u8,
    pub(crate) counter: u32,
    pub(crate) alg: i64,
}

impl Authenticator {
    pub(crate) fn new() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let id = key.public_key().as_ref()[1..17].to_vec();
        Self { key, id, rp_id: "console.example.org", flags: 0x05, counter: 0, alg: -7 }
    }

    fn client_data(ceremony: &str, challenge: &str, origin: &str) -> Vec<u8> {
        serde_json::to_vec(&serde_json::json!({
            "type": ceremony, "challenge": challenge, "origin": origin, "crossOrigin": false,
        }))
        .unwrap()
    }

    fn data(&self, credential: Option<&[u8]>) -> Vec<u8> {
        let mut data = digest(&SHA256, self.rp_id.as_bytes()).as_ref().to_vec();
        data.push(self.flags | if credential.is_some() { 0x40 } else { 0 });
        data.extend_from_slice(&self.counter.to_be_bytes());
        if let Some(id) = credential {
            let point = self.key.public_key().as_ref();
            data.extend_from_slice(&[0; 16]);
            data.extend_from_slice(&(id.len() as u16).to_be_bytes());
            data.extend_from_slice(id);
            let (x, y) = (Value::Bytes(point[1..33].to_vec()), Value::Bytes(point[33..].to_vec()));
            let cose = cbor!({ 1 => 2, 3 => self.alg, -1 => 1, -2 => x, -3 => y }).unwrap();
            ciborium::into_writer(&cose, &mut data).unwrap();
        }
        data
    }

    /// Answers `navigator.credentials.create()` for a challenge in base64url.
    pub(crate) fn create(&self, challenge: &str, origin: &str) -> Registration {
        let object = cbor!({
            "fmt" => "none", "attStmt" => {}, "authData" => Value::Bytes(self.data(Some(&self.id))),
        });
        let mut attestation = Vec::new();
        ciborium::into_writer(&object.unwrap(), &mut attestation).unwrap();
        Registration {
            id: URL_SAFE_NO_PAD.encode(&self.id),
            client_data: URL_SAFE_NO_PAD.encode(Self::client_data("webauthn.create", challenge, origin)),
            attestation_object: URL_SAFE_NO_PAD.encode(attestation),
        }
    }

    /// Answers `navigator.credentials.get()`.
    pub(crate) fn get(&self, challenge: &str, origin: &str) -> Assertion {
        let client_data = Self::client_data("webauthn.get", challenge, origin);
        let data = self.data(None);
        let hash = digest(&SHA256, &client_data);
        let signature = self.key.sign(&SystemRandom::new(), &[&data[..], hash.as_ref()].concat()).unwrap();
        Assertion {
            id: URL_SAFE_NO_PAD.encode(&self.id),
            client_data: URL_SAFE_NO_PAD.encode(client_data),
            authenticator_data: URL_SAFE_NO_PAD.encode(data),
            signature: URL_SAFE_NO_PAD.encode(signature.as_ref()),
            user_handle: None,
        }
    }
}
