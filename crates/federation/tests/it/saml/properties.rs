//! Properties: no flipped byte of the signed region passes, no input panics, and whatever is accepted
//! says what the provider said.

use federation::saml::{IdpMetadata, LogoutRequest, Refusal};
use proptest::prelude::*;

use super::idp::*;

/// The octets of the assertion in a document, without its signature.
fn signed_regions(xml: &str) -> Vec<std::ops::Range<usize>> {
    let start = xml.find("<saml:Assertion").unwrap();
    let signature = xml.find("<ds:Signature ").unwrap();
    let after = xml.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
    let end = xml.find("</saml:Assertion>").unwrap() + "</saml:Assertion>".len();
    let info = xml.find("<ds:SignedInfo>").unwrap()..xml.find("</ds:SignedInfo>").unwrap();
    vec![start..signature, info, after..end]
}

#[test]
fn a_flip_of_any_bit_inside_the_signed_region_is_refused() {
    let usual = connection(|_| {});
    let xml = login().xml();
    let truth = present(&usual, xml.as_bytes()).unwrap();
    let mut flipped = 0;
    for region in signed_regions(&xml) {
        for at in region {
            for bit in [0x01, 0x20, 0x80] {
                let mut octets = xml.clone().into_bytes();
                octets[at] ^= bit;
                let verdict = present(&usual, &octets);
                // White space for other white space inside a tag is the same document.
                let same = verdict.as_ref() == Ok(&truth) && is_markup_blank(&xml, at);
                assert!(verdict.is_err() || same, "byte {at}, bit {bit:02x}");
                flipped += 1;
            }
        }
    }
    assert!(flipped > 6_000, "only {flipped} flips");
}

/// Whether a byte is white space inside a tag, where XML lets any white space stand.
fn is_markup_blank(xml: &str, at: usize) -> bool {
    let before = &xml[..at];
    xml.as_bytes()[at] == b' ' && before.rfind('<') > before.rfind('>')
}

#[test]
fn with_both_signed_a_flip_anywhere_in_the_response_is_refused() {
    let usual = connection(|_| {});
    let xml = login().signed(true, true).xml();
    let truth = present(&usual, xml.as_bytes()).unwrap();
    // The last `KeyInfo` is the response's own, outside of every signature.
    let outside = xml.find("<ds:KeyInfo>").unwrap()..xml.find("</ds:KeyInfo>").unwrap();
    for at in (0..xml.len()).filter(|at| !outside.contains(at)) {
        let mut octets = xml.clone().into_bytes();
        octets[at] ^= 0x01;
        match present(&usual, &octets) {
            Err(_) => {}
            Ok(claims) => assert_eq!((claims, xml.as_bytes()[at]), (truth.clone(), b' '), "byte {at}"),
        }
    }
}

/// One random edit of a document.
#[derive(Debug, Clone)]
enum Edit {
    Flip(prop::sample::Index, u8),
    Delete(prop::sample::Index, usize),
    Insert(prop::sample::Index, String),
    Copy(prop::sample::Index, prop::sample::Index, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), 1_u8..).prop_map(|(at, bits)| Edit::Flip(at, bits)),
        (at(), 1..300_usize).prop_map(|(at, length)| Edit::Delete(at, length)),
        (at(), "[ -~]{1,12}|<[a-z:]{1,9}/>|<!--[a-z]*-->|&[a-z#0-9]{1,5};|\\PC{1,4}")
            .prop_map(|(at, text)| Edit::Insert(at, text)),
        (at(), at(), 1..2500_usize).prop_map(|(from, to, length)| Edit::Copy(from, to, length)),
    ]
}

fn apply(octets: &mut Vec<u8>, edit: &Edit) {
    if octets.is_empty() {
        return;
    }
    match edit {
        Edit::Flip(at, bits) => {
            let at = at.index(octets.len());
            octets[at] ^= bits;
        }
        Edit::Delete(at, length) => {
            let at = at.index(octets.len());
            let end = (at + length).min(octets.len());
            octets.drain(at..end);
        }
        Edit::Insert(at, text) => {
            let at = at.index(octets.len());
            octets.splice(at..at, text.bytes());
        }
        Edit::Copy(from, to, length) => {
            let from = from.index(octets.len());
            let piece = octets[from..(from + length).min(octets.len())].to_vec();
            let to = to.index(octets.len());
            octets.splice(to..to, piece);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn an_edited_response_never_panics_and_what_is_accepted_is_genuine(
        edits in prop::collection::vec(edit(), 1..6),
        both in any::<bool>(),
    ) {
        let usual = connection(|settings| settings.response_signature_suffices = both);
        let genuine = login().signed(true, both).xml();
        let truth = present(&usual, genuine.as_bytes()).unwrap();
        let mut octets = genuine.into_bytes();
        edits.iter().for_each(|edit| apply(&mut octets, edit));
        if let Ok(claims) = present(&usual, &octets) {
            prop_assert_eq!(claims, truth);
        }
    }

    #[test]
    fn arbitrary_octets_never_panic(octets in prop::collection::vec(any::<u8>(), 0..400), query in "\\PC{0,200}") {
        let usual = connection(|_| {});
        prop_assert!(present(&usual, &octets).is_err());
        prop_assert!(LogoutRequest::from_redirect(&usual, &query, NOW).is_err());
        prop_assert!(IdpMetadata::parse(&octets, None, NOW).is_err());
    }

    #[test]
    fn a_name_that_needs_escaping_comes_out_as_it_went_in(name in "[!-~]{1,20}", group in "[ -~\u{e9}\u{1f600}]{0,30}") {
        let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let xml = login()
            .assertion(">alice<", &format!(">{}<", escaped(&name)))
            .assertion(">developers<", &format!(">{}<", escaped(&group)))
            .xml();
        let claims = judge(&xml).unwrap();
        prop_assert_eq!(claims.subject, name);
        prop_assert_eq!(&claims.attributes["groups"][0], &group);
    }
}

#[test]
fn an_entity_spelled_letter_is_the_same_letter() {
    // Canonicalization resolves it, so the digest holds, and the claims are the genuine ones.
    let xml = login().xml().replacen(">alice<", ">&#97;lice<", 1);
    assert_eq!(judge(&xml).map(|claims| claims.subject), Ok("alice".to_owned()));
    let xml = login().xml().replacen(">alice<", ">&#98;lice<", 1);
    assert_eq!(judge(&xml), Err(Refusal::Digest));
}
