//! The ceremonies against a software authenticator that can be told to misbehave.

use proptest::prelude::*;

use super::*;
use soft::{Authenticator, ORIGIN};

#[path = "../../tests/it/authenticator.rs"]
mod soft;

fn us() -> RelyingParty {
    RelyingParty::of_origin(ORIGIN).unwrap()
}

fn challenge() -> Challenge {
    Challenge::generate(&World::real())
}

#[test]
fn a_registered_passkey_signs_in() {
    let (mut authenticator, first, second) = (Authenticator::new(), challenge(), challenge());
    let passkey = us().register(&first, &authenticator.create(&first.base64url(), ORIGIN)).unwrap();
    authenticator.counter = 7;
    let again = us().verify(&second, &passkey, &authenticator.get(&second.base64url(), ORIGIN)).unwrap();
    assert_eq!(again.counter, 7);
}

#[test]
fn a_registration_elsewhere_unverified_or_of_an_unoffered_algorithm_is_refused() {
    let ours = challenge();
    let refused = |authenticator: &Authenticator, challenge: &Challenge, origin: &str| {
        us().register(&ours, &authenticator.create(&challenge.base64url(), origin)).unwrap_err()
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
    let passkey = us().register(&ours, &authenticator.create(&ours.base64url(), ORIGIN)).unwrap();
    let sent = authenticator.get(&ours.base64url(), ORIGIN);
    assert!(us().verify(&ours, &passkey, &sent).is_ok());
    assert_eq!(us().verify(&challenge(), &passkey, &sent).unwrap_err(), PasskeyError::Challenge);
    let as_registration = Assertion {
        client_data: authenticator.create(&ours.base64url(), ORIGIN).client_data,
        ..sent.clone()
    };
    assert_eq!(us().verify(&ours, &passkey, &as_registration).unwrap_err(), PasskeyError::Ceremony);
    let other = Authenticator { id: authenticator.id.clone(), ..Authenticator::new() };
    assert_eq!(
        us().verify(&ours, &passkey, &other.get(&ours.base64url(), ORIGIN)).unwrap_err(),
        PasskeyError::Signature
    );
}

#[test]
fn a_cloned_authenticator_is_noticed_by_its_counter() {
    let (authenticator, ours) = (Authenticator { counter: 5, ..Authenticator::new() }, challenge());
    let passkey = us().register(&ours, &authenticator.create(&ours.base64url(), ORIGIN)).unwrap();
    let sent = authenticator.get(&ours.base64url(), ORIGIN);
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
        let passkey = us().register(&ours, &authenticator.create(&ours.base64url(), ORIGIN)).unwrap();
        let mut sent = authenticator.get(&ours.base64url(), ORIGIN);
        let mut data = URL_SAFE_NO_PAD.decode(&sent.authenticator_data).unwrap();
        data[byte] ^= 1 << bit;
        sent.authenticator_data = URL_SAFE_NO_PAD.encode(data);
        prop_assert!(us().verify(&ours, &passkey, &sent).is_err());
    }
}
