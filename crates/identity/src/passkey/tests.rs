//! The ceremonies against a software authenticator that can be told to misbehave.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use ciborium::{Value, cbor};
use proptest::prelude::*;

use super::*;

const ORIGIN: &str = "https://console.example.org:9443";

struct Authenticator {
    key: EcdsaKeyPair,
    rp_id: &'static str,
    flags: u8,
    counter: u32,
    alg: i64,
}

impl Authenticator {
    fn new() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        Self { key, rp_id: "console.example.org", flags: 0x05, counter: 0, alg: -7 }
    }

    fn client_data(ceremony: &str, challenge: &Challenge, origin: &str) -> Vec<u8> {
        serde_json::to_vec(&serde_json::json!({
            "type": ceremony, "challenge": challenge.base64url(), "origin": origin, "crossOrigin": false,
        }))
        .unwrap()
    }

    fn data(&self, credential: Option<&[u8]>) -> Vec<u8> {
        let mut data =
            aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, self.rp_id.as_bytes()).as_ref().to_vec();
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

    fn create(&self, challenge: &Challenge, origin: &str) -> Registration {
        let object = cbor!({
            "fmt" => "none", "attStmt" => {}, "authData" => Value::Bytes(self.data(Some(b"credential"))),
        });
        let mut attestation = Vec::new();
        ciborium::into_writer(&object.unwrap(), &mut attestation).unwrap();
        Registration {
            id: URL_SAFE_NO_PAD.encode(b"credential"),
            client_data: URL_SAFE_NO_PAD.encode(Self::client_data("webauthn.create", challenge, origin)),
            attestation_object: URL_SAFE_NO_PAD.encode(attestation),
        }
    }

    fn get(&self, challenge: &Challenge, origin: &str) -> Assertion {
        let client_data = Self::client_data("webauthn.get", challenge, origin);
        let data = self.data(None);
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &client_data);
        let signature = self.key.sign(&SystemRandom::new(), &[&data[..], hash.as_ref()].concat()).unwrap();
        Assertion {
            id: URL_SAFE_NO_PAD.encode(b"credential"),
            client_data: URL_SAFE_NO_PAD.encode(client_data),
            authenticator_data: URL_SAFE_NO_PAD.encode(data),
            signature: URL_SAFE_NO_PAD.encode(signature.as_ref()),
            user_handle: None,
        }
    }
}

fn us() -> RelyingParty {
    RelyingParty::of_origin(ORIGIN).unwrap()
}

fn challenge() -> Challenge {
    Challenge::generate(&World::real())
}

#[test]
fn a_registered_passkey_signs_in() {
    let (mut authenticator, first, second) = (Authenticator::new(), challenge(), challenge());
    let passkey = us().register(&first, &authenticator.create(&first, ORIGIN)).unwrap();
    authenticator.counter = 7;
    let again = us().verify(&second, &passkey, &authenticator.get(&second, ORIGIN)).unwrap();
    assert_eq!(again.counter, 7);
}

#[test]
fn a_registration_elsewhere_unverified_or_of_an_unoffered_algorithm_is_refused() {
    let ours = challenge();
    let refused = |authenticator: &Authenticator, challenge: &Challenge, origin: &str| {
        us().register(&ours, &authenticator.create(challenge, origin)).unwrap_err()
    };
    let good = Authenticator::new;
    assert_eq!(refused(&good(), &challenge(), ORIGIN), PasskeyError::Challenge);
    assert_eq!(refused(&good(), &ours, "https://evil.example"), PasskeyError::Origin);
    assert_eq!(
        refused(&Authenticator { rp_id: "evil.example", ..good() }, &ours, ORIGIN),
        PasskeyError::RelyingParty
    );
    assert_eq!(refused(&Authenticator { flags: 0x04, ..good() }, &ours, ORIGIN), PasskeyError::Presence);
    assert_eq!(refused(&Authenticator { flags: 0x01, ..good() }, &ours, ORIGIN), PasskeyError::Verification);
    assert_eq!(refused(&Authenticator { alg: -65535, ..good() }, &ours, ORIGIN), PasskeyError::Algorithm);
}

#[test]
fn an_assertion_is_good_for_its_own_ceremony_only() {
    let (authenticator, ours) = (Authenticator::new(), challenge());
    let passkey = us().register(&ours, &authenticator.create(&ours, ORIGIN)).unwrap();
    let sent = authenticator.get(&ours, ORIGIN);
    assert!(us().verify(&ours, &passkey, &sent).is_ok());
    assert_eq!(us().verify(&challenge(), &passkey, &sent).unwrap_err(), PasskeyError::Challenge);
    let as_registration =
        Assertion { client_data: authenticator.create(&ours, ORIGIN).client_data, ..sent.clone() };
    assert_eq!(us().verify(&ours, &passkey, &as_registration).unwrap_err(), PasskeyError::Ceremony);
    let other = Authenticator::new();
    assert_eq!(us().verify(&ours, &passkey, &other.get(&ours, ORIGIN)).unwrap_err(), PasskeyError::Signature);
}

#[test]
fn a_cloned_authenticator_is_noticed_by_its_counter() {
    let (authenticator, ours) = (Authenticator { counter: 5, ..Authenticator::new() }, challenge());
    let passkey = us().register(&ours, &authenticator.create(&ours, ORIGIN)).unwrap();
    let sent = authenticator.get(&ours, ORIGIN);
    assert_eq!(us().verify(&ours, &passkey, &sent).unwrap_err(), PasskeyError::Counter);
}

#[test]
fn the_relying_party_is_the_host_of_the_origin() {
    assert_eq!(us().id(), "console.example.org");
    assert_eq!(RelyingParty::of_origin("https://localhost:9443").unwrap().id(), "localhost");
    assert!(RelyingParty::of_origin("http://localhost").is_none());
    assert!(RelyingParty::of_origin("https://a/b").is_none());
}

proptest! {
    #[test]
    fn no_bytes_make_the_parsers_panic(object in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = authenticator::from_attestation_object(&object);
        let _ = AuthenticatorData::parse(&object);
    }

    #[test]
    fn one_flipped_bit_spoils_an_assertion(byte in 0usize..37, bit in 0u8..8) {
        let (authenticator, ours) = (Authenticator::new(), challenge());
        let passkey = us().register(&ours, &authenticator.create(&ours, ORIGIN)).unwrap();
        let mut sent = authenticator.get(&ours, ORIGIN);
        let mut data = URL_SAFE_NO_PAD.decode(&sent.authenticator_data).unwrap();
        data[byte] ^= 1 << bit;
        sent.authenticator_data = URL_SAFE_NO_PAD.encode(data);
        prop_assert!(us().verify(&ours, &passkey, &sent).is_err());
    }
}
