//! The attack generator against the verifier, on responses of our own provider: nothing that it makes is
//! ever believed, and nearly all of it is refused outright.

use std::collections::BTreeMap;

use federation::saml::Refusal;

use super::attacks;
use super::idp::*;

#[test]
fn no_attack_that_the_generator_knows_is_believed() {
    for (assertion, response) in [(true, false), (true, true), (false, true)] {
        let connection = connection(|settings| settings.response_signature_suffices = !assertion);
        let genuine = login().signed(assertion, response).xml();
        let truth = present(&connection, genuine.as_bytes()).unwrap();
        let mut refused: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
        let mut accepted = Vec::new();
        for attack in attacks::all(&genuine) {
            match present(&connection, &attack.xml) {
                Err(refusal) => {
                    *refused.entry(attack.family).or_default().entry(refusal.code()).or_default() += 1
                }
                Ok(claims) => {
                    assert_eq!(
                        claims,
                        truth,
                        "a forgery was believed: {}",
                        String::from_utf8_lossy(&attack.xml)
                    );
                    accepted.push(String::from_utf8_lossy(&attack.xml).into_owned());
                }
            }
        }
        let total: usize = refused.values().flat_map(BTreeMap::values).sum();
        println!("{total} refused: {refused:#?}");
        assert!(total > 5_000, "the generator made only {total} attacks");
        assert_eq!(accepted, Vec::<String>::new(), "accepted, though with genuine claims");
    }
}

#[test]
fn wrapping_is_refused_for_what_it_is() {
    let genuine = login().signed(true, true).xml();
    let connection = connection(|_| {});
    let classic = attacks::all(&genuine).into_iter().filter(|attack| attack.family == "XSW1 to XSW8");
    for attack in classic {
        let verdict = present(&connection, &attack.xml).map(|_| ());
        let expected = [
            Refusal::AssertionCount,
            Refusal::AssertionPlace,
            Refusal::NestedResponse,
            Refusal::SignatureObject,
            Refusal::Extensions,
        ];
        assert!(expected.iter().any(|refusal| verdict == Err(*refusal)), "{verdict:?}");
    }
}
