//! The checklist continued, steps 11 to 20: what the signed assertion says, and what stands around it.

use std::convert::Infallible;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use federation::saml::{Recorded, Refusal, finish};
use kernel::Timestamp;

use super::idp::*;

/// The refusal of a document by the usual connection.
fn refusal(xml: &str) -> Refusal {
    judge(xml).expect_err("this must be refused")
}

/// The refusal of a login that the provider built so and signed.
fn signed(from: &str, to: &str) -> Refusal {
    refusal(&login().assertion(from, to).xml())
}

fn later(seconds: u64) -> Timestamp {
    Timestamp::from_millis(NOW.as_millis() + seconds * 1000)
}

// Steps 11 to 15: wrong in itself, though the provider signed it.

#[test]
fn the_issuer_is_the_connections() {
    assert_eq!(signed(&format!(">{IDP}<"), ">https://other.example/<"), Refusal::Issuer);
    assert_eq!(signed(&format!(">{IDP}<"), &format!(">{IDP} <")), Refusal::Issuer);
    // An issuer is an entity and nothing else, whatever somebody writes beside its name.
    for beside in ["Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent\"", "NameQualifier=\"x\""] {
        assert_eq!(signed("<saml:Issuer>", &format!("<saml:Issuer {beside}>")), Refusal::Issuer);
        let around = login().response("<saml:Issuer ", &format!("<saml:Issuer {beside} "));
        assert_eq!(refusal(&around.xml()), Refusal::ResponseIssuer);
    }
    let entity = "<saml:Issuer Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:entity\">";
    assert!(judge(&login().assertion("<saml:Issuer>", entity).xml()).is_ok());
    assert_eq!(signed("20:14:58Z", "20:16:30Z"), Refusal::IssueInstant);
    assert_eq!(signed("20:14:58Z", "20:14:58"), Refusal::Instant);
    assert_eq!(signed("20:14:58Z", "20:14:58+01:00"), Refusal::Instant);
}

#[test]
fn name_identifiers_name_somebody() {
    for empty in ["><", "> <", "> alice<", ">alice\n<", ">a\u{7f}<"] {
        assert_eq!(signed(">alice<", empty), Refusal::NameId, "{empty:?}");
    }
    assert_eq!(signed("nameid-format:persistent", "nameid-format:encrypted"), Refusal::NameIdFormat);
    assert_eq!(signed("nameid-format:persistent", "nameid-format:transient"), Refusal::NameIdFormat);
}

#[test]
fn a_transient_identifier_needs_an_attribute_that_names_the_person() {
    let transient = login().assertion("nameid-format:persistent", "nameid-format:transient").xml();
    let by = |name: &str| connection(|settings| settings.subject_attribute = Some(name.to_owned()));
    assert_eq!(present(&by("mail"), transient.as_bytes()).unwrap().subject, "alice@corp.example");
    assert_eq!(present(&by("uid"), transient.as_bytes()), Err(Refusal::Subject));
    assert_eq!(present(&by("groups"), transient.as_bytes()), Err(Refusal::Subject));
}

#[test]
fn the_confirmation_is_one_bearers_for_us_now_and_for_this_request() {
    let until = " NotOnOrAfter=\"2026-11-22T20:20:00Z\" Recipient";
    let cases = [
        ("cm:bearer", "cm:holder-of-key", Refusal::ConfirmationMethod),
        ("cm:bearer", "cm:sender-vouches", Refusal::ConfirmationMethod),
        (until, " NotOnOrAfter=\"2026-11-22T20:14:00Z\" Recipient", Refusal::ConfirmationExpired),
        (until, " Recipient", Refusal::ConfirmationExpired),
        (
            until,
            " NotBefore=\"2026-11-22T20:00:00Z\" NotOnOrAfter=\"2026-11-22T20:20:00Z\" Recipient",
            Refusal::ConfirmationNotBefore,
        ),
        ("Recipient=\"https://wardroom.example/", "Recipient=\"https://evil.example/", Refusal::Recipient),
        (
            "Recipient=\"https://wardroom.example/",
            "Recipient=\"HTTPS://wardroom.example/",
            Refusal::Recipient,
        ),
        (REQUEST, "_another-request", Refusal::InResponseTo),
    ];
    for (from, to, reason) in cases {
        assert_eq!(signed(from, to), reason, "{to}");
    }
    assert_eq!(signed(&format!(" InResponseTo=\"{REQUEST}\""), ""), Refusal::Unsolicited);
    assert_eq!(signed(&format!(" Recipient=\"{ACS}\""), ""), Refusal::Recipient);
    let two = "</saml:SubjectConfirmation><saml:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\"></saml:SubjectConfirmation>";
    assert_eq!(signed("</saml:SubjectConfirmation>", two), Refusal::ConfirmationMethod);
}

#[test]
fn conditions_hold_and_are_all_known() {
    let from = "NotBefore=\"2026-11-22T20:14:30Z\"";
    let audience =
        format!("<saml:AudienceRestriction><saml:Audience>{SP}</saml:Audience></saml:AudienceRestriction>");
    assert_eq!(signed(from, "NotBefore=\"2026-11-22T20:16:30Z\""), Refusal::NotYetValid);
    assert_eq!(signed(from, "NotBefore=\"2026-11-22T20:20:00Z\""), Refusal::Conditions);
    assert_eq!(
        signed(
            &format!("{from} NotOnOrAfter=\"2026-11-22T20:20:00Z\""),
            "NotOnOrAfter=\"2026-11-22T20:13:59Z\""
        ),
        Refusal::Expired
    );
    assert_eq!(signed(&format!(">{SP}<"), ">https://other.example/sp<"), Refusal::Audience);
    assert_eq!(signed(&audience, ""), Refusal::Audience);
    assert_eq!(signed(&audience, &audience.repeat(2)), Refusal::Audience);
    assert_eq!(
        signed(&audience, &format!("{audience}<saml:Condition></saml:Condition>")),
        Refusal::UnknownCondition
    );
    assert_eq!(
        signed(&audience, &format!("{audience}<saml:Subject></saml:Subject>")),
        Refusal::UnknownCondition
    );
    let known = format!(
        "{audience}<saml:OneTimeUse></saml:OneTimeUse><saml:ProxyRestriction Count=\"0\"></saml:ProxyRestriction>"
    );
    assert!(judge(&login().assertion(&audience, &known).xml()).is_ok());
    let several = format!("<saml:Audience>urn:x</saml:Audience><saml:Audience>{SP}</saml:Audience>");
    assert!(
        judge(&login().assertion(&format!("<saml:Audience>{SP}</saml:Audience>"), &several).xml()).is_ok()
    );
}

#[test]
fn clocks_may_differ_by_a_minute_and_no_more() {
    let usual = connection(|_| {});
    let xml = login().xml();
    assert!(present_at(&usual, &pending(), xml.as_bytes(), later(359)).is_ok());
    assert_eq!(present_at(&usual, &pending(), xml.as_bytes(), later(360)), Err(Refusal::ConfirmationExpired));
}

#[test]
fn the_authentication_is_stated_once_recent_enough_and_as_asked() {
    assert_eq!(
        signed("AuthnInstant=\"2026-11-22T20:14:50Z\"", "AuthnInstant=\"2026-11-22T20:17:00Z\""),
        Refusal::AuthnInstant
    );
    assert_eq!(
        signed("SessionNotOnOrAfter=\"2026-11-23", "SessionNotOnOrAfter=\"2026-11-20"),
        Refusal::SessionExpired
    );
    let statement = "<saml:AuthnStatement";
    let without = login().xml();
    let text = &without[without.find(statement).unwrap()..without.find("<saml:AttributeStatement>").unwrap()];
    assert_eq!(signed(text, ""), Refusal::AuthnStatement);
    assert_eq!(signed(text, &text.repeat(2)), Refusal::Element);

    let recent = connection(|settings| settings.max_authn_age = Some(300));
    let old = login().assertion("AuthnInstant=\"2026-11-22T20:14", "AuthnInstant=\"2026-11-22T20:08").xml();
    assert!(judge(&old).is_ok());
    assert_eq!(present(&recent, old.as_bytes()), Err(Refusal::AuthnTooOld));

    let mut anew = pending();
    anew.force_authn = true;
    anew.issued_at = NOW;
    let before =
        login().assertion("AuthnInstant=\"2026-11-22T20:14", "AuthnInstant=\"2026-11-22T20:13").xml();
    assert_eq!(present_at(&recent, &anew, before.as_bytes(), NOW), Err(Refusal::AuthnTooOld));

    let mut asked = pending();
    asked.authn_contexts = vec!["https://refeds.org/profile/mfa".to_owned()];
    let password = login().xml();
    assert_eq!(present_at(&recent, &asked, password.as_bytes(), NOW), Err(Refusal::AuthnContext));
    let mfa = login().assertion(
        "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
        "https://refeds.org/profile/mfa",
    );
    assert!(present_at(&recent, &asked, mfa.xml().as_bytes(), NOW).is_ok());
}

// Steps 16 and 17.

#[test]
fn the_second_presentation_of_an_assertion_is_a_replay() {
    let field = STANDARD.encode(login().xml());
    let usual = connection(|_| {});
    let mut seen = std::collections::BTreeSet::new();
    let mut once = || {
        let verified = finish(&usual, None, &pending(), &field, RELAY, NOW).unwrap();
        assert_eq!(verified.once().until().rfc3339(), "2026-11-22T20:21:00.000Z");
        verified
            .admit(|once| {
                Ok::<_, Infallible>(if seen.insert(*once.key()) {
                    Recorded::New
                } else {
                    Recorded::SeenBefore
                })
            })
            .unwrap()
            .map(|claims| claims.subject)
    };
    assert_eq!(once(), Ok("alice".to_owned()));
    assert_eq!(once(), Err(Refusal::Replayed));
    // A record that fails keeps the claims shut.
    let verified = finish(&usual, None, &pending(), &field, RELAY, NOW).unwrap();
    assert_eq!(verified.admit(|_| Err("disk")).map(|_| ()), Err("disk"));
}

#[test]
fn a_login_that_took_too_long_is_over() {
    let mut slow = pending();
    slow.issued_at = Timestamp::from_millis(NOW.as_millis() - 600_000);
    let verdict = present_at(&connection(|_| {}), &slow, login().xml().as_bytes(), NOW);
    assert_eq!(verdict, Err(Refusal::RequestExpired));
}

// Step 18.

#[test]
fn the_response_around_the_assertion_agrees() {
    let changed = |from: &str, to: &str| refusal(&login().response(from, to).xml());
    assert_eq!(changed("status:Success", "status:Responder"), Refusal::Status);
    assert_eq!(
        changed(&format!("Destination=\"{ACS}\""), "Destination=\"https://evil.example/\""),
        Refusal::Destination
    );
    assert_eq!(changed(&format!(">{IDP}<"), ">https://other.example/<"), Refusal::ResponseIssuer);
    assert_eq!(changed(REQUEST, "_another-request"), Refusal::ResponseInResponseTo);
    assert_eq!(changed(&format!(" InResponseTo=\"{REQUEST}\""), ""), Refusal::ResponseInResponseTo);
    assert_eq!(changed("20:14:59Z", "20:16:59Z"), Refusal::IssueInstant);
    // A signed response must say where it goes; an unsigned one may be silent.
    let silent = login().response(&format!(" Destination=\"{ACS}\""), "");
    assert!(judge(&silent.clone().xml()).is_ok());
    assert_eq!(refusal(&silent.signed(true, true).xml()), Refusal::Destination);
}

#[test]
fn an_answer_of_one_connection_is_no_answer_for_another() {
    let other = connection(|settings| {
        settings.entity_id = "https://wardroom.example/sso/saml/8".to_owned();
        settings.acs = "https://wardroom.example/sso/saml/8/acs".to_owned();
        settings.idp_entity_id = "https://other.example/metadata".to_owned();
    });
    assert_eq!(present(&other, login().xml().as_bytes()), Err(Refusal::Issuer));
    let same_provider =
        connection(|settings| settings.acs = "https://wardroom.example/sso/saml/8/acs".to_owned());
    assert_eq!(present(&same_provider, login().xml().as_bytes()), Err(Refusal::Recipient));
}

// Steps 19 and 20.

#[test]
fn attributes_have_one_name_each_and_bounded_values() {
    let mail = "<saml:Attribute Name=\"mail\">";
    let twice = "<saml:Attribute Name=\"mail\"><saml:AttributeValue>x</saml:AttributeValue></saml:Attribute><saml:Attribute Name=\"mail\">";
    assert_eq!(signed(mail, twice), Refusal::AttributeDuplicate);
    assert_eq!(signed(mail, &twice.replacen("mail", "Mail", 1)), Refusal::AttributeDuplicate);
    assert_eq!(signed("Name=\"mail\"", "FriendlyName=\"mail\""), Refusal::Attribute);
    let groups = "<saml:AttributeValue>g</saml:AttributeValue>".repeat(500);
    assert_eq!(
        signed("<saml:AttributeValue>developers", &format!("{groups}<saml:AttributeValue>developers")),
        Refusal::AttributeLimit
    );
    assert_eq!(signed(">developers<", &format!(">{}<", "g".repeat(4097))), Refusal::AttributeLimit);
    let many: String = (0..101).map(|n| format!("<saml:Attribute Name=\"a{n}\"></saml:Attribute>")).collect();
    assert_eq!(signed(mail, &format!("{many}{mail}")), Refusal::AttributeLimit);
}

#[test]
fn the_relay_state_is_the_one_that_we_gave() {
    let field = STANDARD.encode(login().xml());
    for state in ["", "https://evil.example/", "relay-of-another-login"] {
        let verdict = finish(&connection(|_| {}), None, &pending(), &field, state, NOW).map(|_| ());
        assert_eq!(verdict, Err(Refusal::RelayState));
    }
}

#[test]
fn claims_and_refusals_print_no_content() {
    let claims = judge(&login().xml()).unwrap();
    let shown = format!("{claims:?} {:?}", claims.name_id);
    assert!(!shown.contains("alice") && !shown.contains("developers"));
}
