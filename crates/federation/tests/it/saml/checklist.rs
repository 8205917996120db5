//! The checklist, steps 1 to 9, one test per line: what the provider itself could send wrong, or what
//! somebody on the way could change, each with the reason it is refused for.
//! Longer than 600 lines because the checklist is one list and is read beside the verifier's steps.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use federation::saml::{Encryption, Refusal, finish};

use super::idp::*;

/// The refusal of a document by the usual connection.
fn refusal(xml: &str) -> Refusal {
    judge(xml).expect_err("this must be refused")
}

/// The refusal of a login that the provider built so and signed.
fn signed(from: &str, to: &str) -> Refusal {
    refusal(&login().assertion(from, to).xml())
}

/// The refusal of a document that was changed on its way.
fn tampered(from: &str, to: &str) -> Refusal {
    let xml = login().xml();
    assert!(xml.contains(from), "`{from}` is not there to be changed");
    refusal(&xml.replacen(from, to, 1))
}

#[test]
fn a_genuine_login_is_accepted_and_says_what_was_signed() {
    for (assertion, response) in [(true, false), (true, true)] {
        let claims = judge(&login().signed(assertion, response).xml()).unwrap();
        assert_eq!(claims.subject, "alice");
        assert_eq!(claims.issuer, IDP);
        assert_eq!(claims.name_id.value, "alice");
        assert_eq!(claims.attributes["groups"], ["developers", "all & sundry"]);
        assert_eq!(claims.attributes["mail"], ["alice@corp.example"]);
        assert_eq!(claims.session_index.as_deref(), Some("_session-1"));
        assert_eq!(claims.assertion_id, "_assertion-0001");
        assert_eq!(claims.request_id, REQUEST);
        assert_eq!(claims.signer, Signer::genuine().certificate.fingerprint());
        assert!(claims.authn_context.unwrap().ends_with("PasswordProtectedTransport"));
        assert_eq!(claims.session_not_on_or_after.unwrap().rfc3339(), "2026-11-23T04:14:50.000Z");
        assert!(!claims.encrypted);
    }
}

#[test]
fn every_algorithm_of_the_list_verifies() {
    let more =
        |name: &str| -> &'static str { format!("http://www.w3.org/2001/04/xmldsig-more#{name}").leak() };
    let sha512 = "http://www.w3.org/2001/04/xmlenc#sha512";
    let cases = [
        (Signer::genuine(), more("rsa-sha256"), SHA256_URI),
        (Signer::genuine(), more("rsa-sha384"), more("sha384")),
        (Signer::genuine(), more("rsa-sha512"), sha512),
        (Signer::p256(), more("ecdsa-sha256"), SHA256_URI),
        (Signer::p384(), more("ecdsa-sha384"), more("sha384")),
    ];
    for (signer, method, digest) in cases {
        let connection = connection(|settings| {
            settings.idp_certificates = vec![signer.certificate.clone()].try_into().unwrap();
        });
        let xml = login().by(signer, method, digest).xml();
        assert!(present(&connection, xml.as_bytes()).is_ok(), "{method}");
    }
}

#[test]
fn either_of_two_pinned_certificates_verifies_during_a_roll_over() {
    let both = connection(|settings| {
        settings.idp_certificates =
            vec![Signer::foreign().certificate.clone(), Signer::genuine().certificate.clone()]
                .try_into()
                .unwrap();
    });
    let old = present(&both, login().xml().as_bytes()).unwrap();
    let new = present(&both, login().by(Signer::foreign(), RSA_SHA256, SHA256_URI).xml().as_bytes()).unwrap();
    assert_ne!(old.signer, new.signer);
}

// Step 1.

#[test]
fn a_message_over_the_limit_is_refused_before_it_is_decoded() {
    let field = "A".repeat(400_000);
    let verdict = finish(&connection(|_| {}), None, &pending(), &field, RELAY, NOW).map(|_| ());
    assert_eq!(verdict, Err(Refusal::TooLarge));
}

#[test]
fn base64_is_strict() {
    let field = STANDARD.encode(login().xml());
    for broken in [format!("{field}*"), format!(" {field}"), field.replace('A', "-"), format!("{field}A")] {
        let verdict = finish(&connection(|_| {}), None, &pending(), &broken, RELAY, NOW).map(|_| ());
        assert_eq!(verdict, Err(Refusal::Base64));
    }
}

#[test]
fn line_breaks_in_base64_are_what_some_providers_send() {
    let field = STANDARD.encode(login().xml());
    let lines: Vec<&str> =
        (0..field.len()).step_by(76).map(|at| &field[at..field.len().min(at + 76)]).collect();
    assert!(finish(&connection(|_| {}), None, &pending(), &lines.join("\r\n"), RELAY, NOW).is_ok());
}

#[test]
fn other_encodings_are_refused() {
    let xml = login().xml();
    let usual = connection(|_| {});
    let utf16: Vec<u8> =
        std::iter::once(0xfeff).chain(xml.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    assert_eq!(present(&usual, &utf16), Err(Refusal::Encoding));
    assert_eq!(refusal(&format!("\u{feff}{xml}")), Refusal::ByteOrderMark);
    for declared in ["UTF-7", "UTF-16", "ISO-8859-1", "utf8"] {
        let text = format!("<?xml version=\"1.0\" encoding=\"{declared}\"?>{xml}");
        assert_eq!(refusal(&text), Refusal::Declaration, "{declared}");
    }
    assert!(judge(&format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{xml}")).is_ok());
}

// Step 2.

#[test]
fn document_types_and_entities_are_refused() {
    let xml = login().xml();
    for doctype in [
        "<!DOCTYPE r>",
        "<!DOCTYPE r [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>",
        "<!DOCTYPE r SYSTEM \"https://evil.example/x.dtd\">",
        "<!DOCTYPE r [<!ATTLIST saml:Assertion ID ID #IMPLIED>]>",
        "<!DOCTYPE r [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>",
    ] {
        assert_eq!(refusal(&format!("{doctype}{xml}")), Refusal::Markup);
    }
    assert_eq!(tampered(">alice<", ">&x;alice<"), Refusal::Xml);
}

#[test]
fn comments_processing_instructions_and_cdata_are_refused() {
    assert_eq!(tampered(">alice<", ">ali<!-- -->ce<"), Refusal::Markup);
    assert_eq!(tampered(">alice<", "><![CDATA[alice]]><"), Refusal::Markup);
    assert_eq!(tampered(">alice<", ">ali<?x y?>ce<"), Refusal::ProcessingInstruction);
    assert_eq!(refusal(&format!("{}<!-- -->", login().xml())), Refusal::Markup);
}

// Step 3.

#[test]
fn what_is_not_well_formed_is_refused() {
    let xml = login().xml();
    assert_eq!(refusal(&xml[..xml.len() - 1]), Refusal::Xml);
    assert_eq!(refusal(&format!("{xml}{xml}")), Refusal::Xml);
    assert_eq!(refusal(""), Refusal::Xml);
    assert_eq!(tampered("ID=\"_assertion-0001\"", "ID=\"_assertion-0001\" ID=\"_b\""), Refusal::Xml);
}

#[test]
fn bombs_of_nodes_and_depth_are_refused() {
    let many = "<saml:AudienceRestriction/>".repeat(5000);
    assert_eq!(
        tampered("<saml:AudienceRestriction>", &format!("{many}<saml:AudienceRestriction>")),
        Refusal::Nodes
    );
    let deep = format!("{}{}", "<saml:Audience>".repeat(50), "</saml:Audience>".repeat(50));
    assert_eq!(
        tampered("<saml:AudienceRestriction>", &format!("<saml:AudienceRestriction>{deep}")),
        Refusal::Depth
    );
}

#[test]
fn relative_empty_and_foreign_letters_in_namespaces_are_refused() {
    for uri in ["relative", "../up", "urn:é", "urn: x"] {
        let xml = login().xml().replacen("<samlp:Status>", &format!("<samlp:Status xmlns:z=\"{uri}\">"), 1);
        assert_eq!(refusal(&xml), Refusal::Namespace, "{uri}");
    }
}

#[test]
fn names_are_ascii() {
    assert_eq!(tampered("<samlp:Status>", "<samlp:Status é=\"\">"), Refusal::Name);
}

// Step 4.

#[test]
fn the_root_is_a_response() {
    let xml = login().xml();
    assert_eq!(refusal("<a/>"), Refusal::Root);
    assert_eq!(refusal(&xml.replace("SAML:2.0:protocol", "SAML:1.1:protocol")), Refusal::Root);
    let alone = xml.split("</samlp:Status>").nth(1).unwrap().split("</samlp:Response>").next().unwrap();
    assert_eq!(refusal(alone), Refusal::Root);
}

#[test]
fn a_second_message_inside_is_refused() {
    assert_eq!(tampered("<samlp:Status>", "<samlp:Response/><samlp:Status>"), Refusal::NestedResponse);
    assert_eq!(
        tampered("<samlp:Status>", "<x:response xmlns:x=\"urn:x\"/><samlp:Status>"),
        Refusal::NestedResponse
    );
}

#[test]
fn there_is_exactly_one_assertion_and_it_is_in_its_place() {
    let xml = login().xml();
    let start = xml.find("<saml:Assertion").unwrap();
    let end = xml.find("</samlp:Response>").unwrap();
    let assertion = &xml[start..end];
    assert_eq!(refusal(&xml.replacen(assertion, "", 1)), Refusal::AssertionCount);
    assert_eq!(refusal(&xml.replacen(assertion, &assertion.repeat(2), 1)), Refusal::AssertionCount);
    let elsewhere = "<x:Assertion xmlns:x=\"urn:x\"/><samlp:Status>";
    assert_eq!(tampered("<samlp:Status>", elsewhere), Refusal::AssertionCount);
    let wrapped = format!("<samlp:Status>{assertion}</samlp:Status>");
    assert_eq!(refusal(&xml.replacen(assertion, &wrapped, 1)), Refusal::AssertionPlace);
    let renamed = xml.replace("saml:Assertion", "saml:assertion");
    assert_eq!(refusal(&renamed), Refusal::AssertionPlace);
}

#[test]
fn a_plain_and_an_encrypted_assertion_together_are_refused() {
    let mixed =
        "<saml:EncryptedAssertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"/></samlp:Response>";
    assert_eq!(tampered("</samlp:Response>", mixed), Refusal::MixedAssertions);
}

#[test]
fn a_failed_login_is_told_as_such() {
    let xml = login().xml();
    let assertion = &xml[xml.find("<saml:Assertion").unwrap()..xml.find("</samlp:Response>").unwrap()];
    let failed = xml.replacen(assertion, "", 1).replacen("status:Success", "status:Responder", 1);
    assert_eq!(refusal(&failed), Refusal::Status);
}

#[test]
fn signatures_stand_where_they_sign_and_once() {
    let xml = login().xml();
    let start = xml.find("<ds:Signature ").unwrap();
    let end = xml.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
    let signature = &xml[start..end];
    let without = xml.replacen(signature, "", 1);
    let moved = without.replacen("<samlp:StatusCode", &format!("{signature}<samlp:StatusCode"), 1);
    assert_eq!(refusal(&moved), Refusal::SignaturePlace);
    let twice = xml.replacen(signature, &signature.repeat(2), 1);
    assert_eq!(refusal(&twice), Refusal::SignatureCount);
    let foreign = xml.replacen("<samlp:Status>", "<x:Signature xmlns:x=\"urn:x\"/><samlp:Status>", 1);
    assert_eq!(refusal(&foreign), Refusal::SignaturePlace);
}

#[test]
fn every_place_where_content_could_hide_is_closed() {
    let ds = "xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"";
    let cases = [
        ("</ds:Signature>", format!("<ds:Object {ds}/></ds:Signature>"), Refusal::SignatureObject),
        ("</ds:SignedInfo>", format!("<ds:Manifest {ds}/></ds:SignedInfo>"), Refusal::SignatureObject),
        ("</samlp:Status>", "<samlp:StatusDetail/></samlp:Status>".to_owned(), Refusal::StatusDetail),
        ("<samlp:Status>", "<samlp:Extensions/><samlp:Status>".to_owned(), Refusal::Extensions),
        ("</saml:Conditions>", "</saml:Conditions><saml:Advice/>".to_owned(), Refusal::Advice),
        ("<saml:NameID", "<saml:EncryptedID/><saml:NameID".to_owned(), Refusal::EncryptedPart),
        (
            "</saml:AttributeStatement>",
            "<saml:EncryptedAttribute/></saml:AttributeStatement>".to_owned(),
            Refusal::EncryptedPart,
        ),
    ];
    for (from, to, reason) in cases {
        assert_eq!(tampered(from, &to), reason, "{to}");
    }
}

#[test]
fn identifiers_have_one_spelling_one_place_and_one_occurrence() {
    let own = "ID=\"_response-0001\"";
    assert_eq!(tampered(own, "ID=\"_assertion-0001\""), Refusal::IdDuplicate);
    assert_eq!(tampered(own, &format!("{own} Id=\"_x\"")), Refusal::IdAttribute);
    assert_eq!(tampered(own, &format!("{own} xml:id=\"_x\"")), Refusal::IdAttribute);
    assert_eq!(tampered("<samlp:Status>", "<samlp:Status ID=\"_x\">"), Refusal::IdAttribute);
    assert_eq!(tampered(own, "id=\"_response-0001\""), Refusal::IdAttribute);
    assert_eq!(tampered(own, "ID=\"#xpointer(/)\""), Refusal::IdForm);
    assert_eq!(tampered(own, "ID=\"\""), Refusal::IdForm);
    assert_eq!(tampered("<ds:Signature ", "<ds:Signature ID=\"_s\" "), Refusal::IdAttribute);
    assert_eq!(tampered("<ds:Signature ", "<ds:Signature Id=\"_assertion-0001\" "), Refusal::IdDuplicate);
    assert_eq!(tampered("<ds:SignedInfo>", "<ds:SignedInfo Id=\"_s\">"), Refusal::IdAttribute);
}

// Step 5.

#[test]
fn unknown_elements_attributes_and_stray_text_are_refused() {
    assert_eq!(tampered("<samlp:Status>", "<x:y xmlns:x=\"urn:x\"/><samlp:Status>"), Refusal::Element);
    assert_eq!(tampered("<samlp:Status>", "<samlp:Status x=\"1\">"), Refusal::Attribute);
    assert_eq!(tampered("<samlp:Status>", "<samlp:Status>text"), Refusal::Text);
    assert_eq!(tampered("<samlp:Status>", "<samlp:Status xml:base=\"x\">"), Refusal::Attribute);
    assert_eq!(signed(">alice<", "><saml:Audience></saml:Audience>alice<"), Refusal::Text);
}

#[test]
fn the_version_is_2_0_inside_and_outside() {
    assert_eq!(tampered("Version=\"2.0\"", "Version=\"1.1\""), Refusal::Version);
    assert_eq!(refusal(&login().response("Version=\"2.0\"", "Version=\"2.1\"").xml()), Refusal::Version);
    assert_eq!(signed("Version=\"2.0\"", "Version=\"1.1\""), Refusal::Version);
}

// Step 7.

#[test]
fn a_plain_assertion_is_refused_where_encryption_is_required() {
    let strict = connection(|settings| settings.encryption = Encryption::Required);
    assert_eq!(present(&strict, login().xml().as_bytes()), Err(Refusal::EncryptionRequired));
}

// Step 8.

#[test]
fn unsigned_messages_are_refused() {
    assert_eq!(refusal(&login().signed(false, false).xml()), Refusal::Unsigned);
}

#[test]
fn a_signed_response_does_not_vouch_for_its_assertion_unless_the_connection_says_so() {
    let xml = login().signed(false, true).xml();
    assert_eq!(refusal(&xml), Refusal::AssertionUnsigned);
    let lenient = connection(|settings| settings.response_signature_suffices = true);
    assert_eq!(present(&lenient, xml.as_bytes()).unwrap().subject, "alice");
    // It still must verify, and an unsigned response still counts for nothing.
    let forged = xml.replacen(">alice<", ">mallory<", 1);
    assert_eq!(present(&lenient, forged.as_bytes()), Err(Refusal::Digest));
    let unsigned = login().signed(false, false).xml();
    assert_eq!(present(&lenient, unsigned.as_bytes()), Err(Refusal::Unsigned));
}

#[test]
fn when_both_are_signed_both_must_verify() {
    let xml = login().signed(true, true).xml();
    assert_eq!(refusal(&xml.replacen("status:Success", "status:success", 1)), Refusal::Digest);
    assert_eq!(refusal(&xml.replacen(">alice<", ">mallory<", 1)), Refusal::Digest);
}

// Step 9.

#[test]
fn other_canonicalizations_transforms_and_algorithms_are_refused_by_name() {
    let exc = "Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"";
    let method = |uri: &str| format!("<ds:CanonicalizationMethod Algorithm=\"{uri}\"");
    for uri in [
        "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
        "http://www.w3.org/2006/12/xml-c14n11",
        "",
    ] {
        let from = format!("<ds:CanonicalizationMethod {exc}");
        assert_eq!(tampered(&from, &method(uri)), Refusal::Canonicalization, "{uri}");
        let from = format!("<ds:Transform {exc}");
        assert_eq!(
            tampered(&from, &format!("<ds:Transform Algorithm=\"{uri}\"")),
            Refusal::Transforms,
            "{uri}"
        );
    }
    for uri in [
        "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
        "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
        "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
        "none",
    ] {
        assert_eq!(tampered(RSA_SHA256, uri), Refusal::SignatureAlgorithm, "{uri}");
    }
    for uri in ["http://www.w3.org/2000/09/xmldsig#sha1", "http://www.w3.org/2001/04/xmldsig-more#md5"] {
        assert_eq!(tampered(SHA256_URI, uri), Refusal::DigestAlgorithm, "{uri}");
    }
    for uri in [
        "http://www.w3.org/TR/1999/REC-xslt-19991116",
        "http://www.w3.org/TR/1999/REC-xpath-19991116",
        "http://www.w3.org/2002/06/xmldsig-filter2",
        "http://www.w3.org/2000/09/xmldsig#base64",
    ] {
        let verdict = tampered("http://www.w3.org/2000/09/xmldsig#enveloped-signature", uri);
        assert_eq!(verdict, Refusal::Transforms, "{uri}");
    }
}

#[test]
fn a_downgrade_that_the_provider_itself_signed_is_refused_as_well() {
    let sha1 = login().by(Signer::genuine(), RSA_SHA256, "http://www.w3.org/2000/09/xmldsig#sha1");
    assert_eq!(refusal(&sha1.xml()), Refusal::DigestAlgorithm);
    let rsa = login().by(Signer::genuine(), "http://www.w3.org/2000/09/xmldsig#rsa-sha1", SHA256_URI);
    assert_eq!(refusal(&rsa.xml()), Refusal::SignatureAlgorithm);
}

#[test]
fn the_parts_of_a_signature_are_exactly_those() {
    let xml = login().xml();
    let part = |name: &str| {
        let start = xml.find(&format!("<ds:{name}")).unwrap();
        let close = format!("</ds:{name}>");
        &xml[start..xml.find(&close).unwrap() + close.len()]
    };
    for name in ["SignedInfo", "Reference", "DigestValue", "SignatureValue", "SignatureMethod", "KeyInfo"] {
        let twice = xml.replacen(part(name), &part(name).repeat(2), 1);
        assert_eq!(refusal(&twice), Refusal::SignatureForm, "{name} twice");
        if name != "KeyInfo" {
            assert_eq!(refusal(&xml.replacen(part(name), "", 1)), Refusal::SignatureForm, "{name} gone");
        }
    }
    assert_eq!(
        tampered("<ds:Transforms>", "<ds:Transforms><ds:Transform Algorithm=\"x\"/>"),
        Refusal::Transforms
    );
    assert_eq!(
        tampered(
            "</ds:SignatureMethod>",
            "<ds:HMACOutputLength>1</ds:HMACOutputLength></ds:SignatureMethod>"
        ),
        Refusal::SignatureForm
    );
    // Who needs no hint finds the pinned key without one.
    assert!(judge(&xml.replacen(part("KeyInfo"), "", 1)).is_ok());
}

#[test]
fn the_reference_is_to_the_parent_and_nothing_else() {
    for uri in [
        "",
        "#",
        "#_response-0001",
        "#xpointer(/)",
        "#xpointer(id('_assertion-0001'))",
        "https://x/",
        "#_assertion-0001 ",
    ] {
        let verdict = tampered("URI=\"#_assertion-0001\"", &format!("URI=\"{uri}\""));
        assert_eq!(verdict, Refusal::Reference, "{uri}");
    }
    assert_eq!(
        tampered("URI=\"#_assertion-0001\"", "URI=\"#_assertion-0001\" Type=\"x\""),
        Refusal::Attribute
    );
    assert_eq!(tampered(" URI=\"#_assertion-0001\"", ""), Refusal::Reference);
}

#[test]
fn changed_content_does_not_match_its_digest() {
    assert_eq!(tampered(">alice<", ">mallory<"), Refusal::Digest);
    assert_eq!(tampered(">developers<", ">owners<"), Refusal::Digest);
    assert_eq!(
        tampered(&format!("Recipient=\"{ACS}\""), "Recipient=\"https://evil.example/\""),
        Refusal::Digest
    );
}

#[test]
fn a_changed_signature_value_or_a_foreign_key_does_not_verify() {
    let xml = login().xml();
    let value = xml.split("<ds:SignatureValue>").nth(1).unwrap().split('<').next().unwrap();
    let turned: String = value.chars().rev().skip_while(|c| *c == '=').collect();
    let padded = format!("{turned}{}", "=".repeat((4 - turned.len() % 4) % 4));
    assert!(matches!(refusal(&xml.replacen(value, &padded, 1)), Refusal::Signature | Refusal::SignatureForm));
    assert_eq!(refusal(&xml.replacen(value, "", 1)), Refusal::Signature);
    assert_eq!(refusal(&xml.replacen(value, "!", 1)), Refusal::SignatureForm);
    // Its certificate travels along in `KeyInfo`, where nobody looks.
    assert_eq!(refusal(&login().by(Signer::foreign(), RSA_SHA256, SHA256_URI).xml()), Refusal::Signature);
}

#[test]
fn a_key_answers_only_for_algorithms_of_its_kind() {
    let xml =
        login().by(Signer::p256(), "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256", SHA256_URI).xml();
    assert_eq!(refusal(&xml), Refusal::Signature);
}
