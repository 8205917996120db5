//! What we send, logouts, and metadata.

use std::convert::Infallible;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use federation::saml::{
    Binding, Departure, Encryption, Ended, Endpoint, IdpMetadata, Leaving, Login as Ask, LogoutRequest,
    OwnKey, Recorded, Refusal, SamlConnection, SamlError, SamlSettings, VerifiedLogout, sp_metadata, start,
};
use kernel::{ManualClock, Timestamp, World};

use super::idp::*;

fn world() -> World {
    World::rehearsal(Arc::new(ManualClock::at(NOW)), 7)
}

fn opened(verified: Result<VerifiedLogout, Refusal>) -> Result<LogoutRequest, Refusal> {
    verified?.admit(|_| Ok::<_, Infallible>(Recorded::New)).unwrap()
}

/// The provider seen from its own side: a connection in which we are the one that signs.
fn mirror() -> SamlConnection {
    connection(|settings| {
        settings.entity_id = IDP.to_owned();
        settings.idp_entity_id = SP.to_owned();
        settings.logout = Some("https://idp.example/slo".to_owned());
        settings.idp_certificates = vec![signing_key().certificate().clone()].try_into().unwrap();
    })
}

fn query(departure: &Departure) -> &str {
    match departure {
        Departure::Redirect { location } => location.split_once('?').unwrap().1,
        Departure::Form { .. } => panic!("this is a form"),
    }
}

fn inflated(query: &str, field: &str) -> String {
    let value = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{field}="))).unwrap();
    let value = value.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=");
    let deflated = STANDARD.decode(value).unwrap();
    String::from_utf8(miniz_oxide::inflate::decompress_to_vec(&deflated).unwrap()).unwrap()
}

#[test]
fn a_login_begins_with_a_signed_request_that_asks_for_what_is_wanted() {
    let connection = connection(|settings| {
        settings.name_id_format = Some("urn:oasis:names:tc:SAML:2.0:nameid-format:persistent".to_owned());
        settings.idp_sign_on.location = "https://idp.example/sso?tenant=1&x=2".to_owned();
    });
    let ask = Ask { force_authn: true, authn_contexts: vec!["https://refeds.org/profile/mfa".to_owned()] };
    let (departure, pending) = start(&connection, Some(signing_key()), ask, &world()).unwrap();
    let Departure::Redirect { location } = &departure else { panic!("a redirect") };
    assert!(location.starts_with("https://idp.example/sso?tenant=1&x=2&SAMLRequest="));
    assert!(location.contains(&format!("&RelayState={}&SigAlg=", pending.relay_state)));
    let xml = inflated(location, "SAMLRequest");
    for part in [
        &format!("ID=\"{}\"", pending.request_id),
        "ForceAuthn=\"true\"",
        "Comparison=\"exact\"",
        "https://refeds.org/profile/mfa",
        "NameIDPolicy",
        &format!("AssertionConsumerServiceURL=\"{ACS}\""),
        "IssueInstant=\"2026-11-22T20:15:00Z\"",
        "tenant=1&amp;x=2",
    ] {
        assert!(xml.contains(part), "`{part}` is not in {xml}");
    }
    assert!(pending.force_authn && pending.request_id.len() == 41);
    let (_, other) = start(&connection, Some(signing_key()), Ask::default(), &World::real()).unwrap();
    assert_ne!(other.request_id, pending.request_id);
    assert_eq!(start(&connection, None, Ask::default(), &world()).unwrap_err(), SamlError::NoSigningKey);
}

#[test]
fn a_posted_request_carries_its_signature_inside() {
    let connection = connection(|settings| settings.idp_sign_on.binding = Binding::Post);
    let (departure, pending) = start(&connection, Some(signing_key()), Ask::default(), &world()).unwrap();
    let Departure::Form { action, fields } = departure else { panic!("a form") };
    assert_eq!(action, "https://idp.example/sso");
    assert_eq!(fields[1], ("RelayState", pending.relay_state));
    let xml = String::from_utf8(STANDARD.decode(&fields[0].1).unwrap()).unwrap();
    assert!(xml.contains("</saml:Issuer><ds:Signature"), "{xml}");
}

#[test]
fn where_a_provider_offers_both_the_settings_choose() {
    let form = Endpoint { binding: Binding::Post, location: "https://idp.example/form".to_owned() };
    for by_form in [false, true] {
        let connection = connection(|settings| {
            settings.idp_sign_on_form = Some(form.clone());
            settings.send_by_form = by_form;
        });
        let (departure, _) = start(&connection, Some(signing_key()), Ask::default(), &world()).unwrap();
        match departure {
            Departure::Redirect { location } => {
                assert!(!by_form && location.starts_with("https://idp.example/sso?"), "{location}");
            }
            Departure::Form { action, fields } => {
                assert!(by_form && action == form.location, "{action}");
                let xml = String::from_utf8(STANDARD.decode(&fields[0].1).unwrap()).unwrap();
                assert!(xml.contains("Destination=\"https://idp.example/form\""), "{xml}");
            }
        }
    }
    // Without such a service the wish is void, and an address that is none is refused.
    assert_eq!(
        connection(|settings| settings.send_by_form = true).settings().sign_on().binding,
        Binding::Redirect
    );
    let mut wrong = settings();
    wrong.idp_sign_on_form = Some(Endpoint { location: "javascript:alert(1)".to_owned(), ..form });
    assert!(SamlConnection::new(wrong).is_err());
}

#[test]
fn logout_requests_come_and_go_by_both_bindings() {
    let leaving = Leaving::from(&judge(&login().xml()).unwrap());
    for binding in [Binding::Redirect, Binding::Post] {
        let ours = connection(|settings| settings.idp_logout.as_mut().unwrap().binding = binding);
        let (departure, id) = LogoutRequest::send(&ours, signing_key(), &leaving, "state", &world()).unwrap();
        // The provider reads it with the same rules.
        let received = match &departure {
            Departure::Redirect { .. } => LogoutRequest::from_redirect(&mirror(), query(&departure), NOW),
            Departure::Form { fields, .. } => {
                LogoutRequest::from_form(&mirror(), &fields[0].1, Some("state"), NOW)
            }
        };
        let request = opened(received).unwrap();
        assert_eq!(request.id, id);
        assert_eq!(request.name_id, leaving.name_id);
        assert_eq!(request.session_indexes, ["_session-1"]);
        assert_eq!(request.relay_state.as_deref(), Some("state"));
        // And answers; we read the answer.
        let back = mirrored_answer(&request, binding);
        let ended = match &back {
            Departure::Redirect { .. } => Ended::from_redirect(&answering(), query(&back), NOW),
            Departure::Form { fields, .. } => Ended::from_form(&answering(), &fields[0].1, NOW),
        };
        let ended = ended.unwrap();
        assert_eq!((ended.request_id, ended.success), (id, true));
    }
}

fn mirrored_answer(request: &LogoutRequest, binding: Binding) -> Departure {
    let provider = connection(|settings| {
        settings.entity_id = IDP.to_owned();
        settings.idp_entity_id = SP.to_owned();
        settings.idp_logout = Some(Endpoint { binding, location: SLO.to_owned() });
    });
    request.answer(&provider, signing_key(), &world()).unwrap()
}

/// Our connection to a provider that signs with the key at hand.
fn answering() -> SamlConnection {
    connection(|settings| {
        settings.idp_certificates = vec![signing_key().certificate().clone()].try_into().unwrap();
    })
}

/// A signed logout request of the provider, by redirect, with changes to its parts.
fn from_provider(change: impl FnOnce(&mut Vec<String>)) -> Result<LogoutRequest, Refusal> {
    let leaving = Leaving::from(&judge(&login().xml()).unwrap());
    let provider = connection(|settings| {
        settings.entity_id = IDP.to_owned();
        settings.idp_logout = Some(Endpoint { binding: Binding::Redirect, location: SLO.to_owned() });
    });
    let (departure, _) = LogoutRequest::send(&provider, signing_key(), &leaving, "state", &world()).unwrap();
    let mut parts: Vec<String> = query(&departure).split('&').map(str::to_owned).collect();
    change(&mut parts);
    opened(LogoutRequest::from_redirect(&answering(), &parts.join("&"), NOW))
}

#[test]
fn the_query_of_a_logout_is_signed_whole_and_once() {
    assert!(from_provider(|_| {}).is_ok());
    assert!(from_provider(|parts| parts.reverse()).is_ok(), "the order is the binding's, not the sender's");
    assert_eq!(from_provider(|parts| drop(parts.remove(3))), Err(Refusal::Unsigned));
    assert_eq!(from_provider(|parts| drop(parts.remove(2))), Err(Refusal::Unsigned));
    assert_eq!(from_provider(|parts| drop(parts.remove(1))), Err(Refusal::Signature));
    assert_eq!(from_provider(|parts| parts[1] = "RelayState=other".to_owned()), Err(Refusal::Signature));
    assert_eq!(from_provider(|parts| parts.push(parts[0].clone())), Err(Refusal::Query));
    assert_eq!(from_provider(|parts| parts.push("SAMLEncoding=x".to_owned())), Err(Refusal::Query));
    assert_eq!(from_provider(|parts| parts.push("SAMLResponse=x".to_owned())), Err(Refusal::Query));
    let sha1 = "SigAlg=http%3A%2F%2Fwww.w3.org%2F2000%2F09%2Fxmldsig%23rsa-sha1";
    assert_eq!(from_provider(|parts| parts[2] = sha1.to_owned()), Err(Refusal::SignatureAlgorithm));
    // The same value in another spelling is another octet string.
    assert_eq!(from_provider(|parts| parts[2] = parts[2].replace("%2F", "%2f")), Err(Refusal::Signature));
    let mangled = |parts: &mut Vec<String>| {
        let end = parts[0].pop().unwrap();
        parts[0].push(if end == 'A' { 'B' } else { 'A' });
    };
    assert_eq!(from_provider(mangled), Err(Refusal::Signature));
}

#[test]
fn a_logout_is_ours_of_now_and_from_our_provider() {
    let leaving = Leaving::from(&judge(&login().xml()).unwrap());
    let sent = |settings: &dyn Fn(&mut SamlSettings), at: Timestamp| {
        let provider = connection(|own| {
            own.entity_id = IDP.to_owned();
            own.idp_logout = Some(Endpoint { binding: Binding::Redirect, location: SLO.to_owned() });
            settings(own);
        });
        let (departure, _) = LogoutRequest::send(&provider, signing_key(), &leaving, "s", &world()).unwrap();
        opened(LogoutRequest::from_redirect(&answering(), query(&departure), at)).map(|_| ())
    };
    assert_eq!(sent(&|_| {}, NOW), Ok(()));
    assert_eq!(sent(&|_| {}, NOW.after(std::time::Duration::from_secs(360))), Err(Refusal::Expired));
    assert_eq!(sent(&|_| {}, Timestamp::from_millis(NOW.as_millis() - 61_000)), Err(Refusal::IssueInstant));
    assert_eq!(sent(&|own| own.entity_id = "https://other.example".to_owned(), NOW), Err(Refusal::Issuer));
    let elsewhere = |own: &mut SamlSettings| {
        own.idp_logout.as_mut().unwrap().location = "https://other.example/slo".to_owned();
    };
    assert_eq!(sent(&elsewhere, NOW), Err(Refusal::Destination));
}

#[test]
fn a_bomb_in_a_redirect_does_not_go_off() {
    let bomb = miniz_oxide::deflate::compress_to_vec(&vec![b' '; 50_000_000], 9);
    let message = format!(
        "SAMLRequest={}",
        STANDARD.encode(bomb).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
    );
    let signed = format!("{message}&SigAlg=http%3A%2F%2Fwww.w3.org%2F2001%2F04%2Fxmldsig-more%23rsa-sha256");
    let value = STANDARD.encode(Signer::genuine().sign(RSA_SHA256, signed.as_bytes()));
    let value = value.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let verdict =
        LogoutRequest::from_redirect(&connection(|_| {}), &format!("{signed}&Signature={value}"), NOW);
    assert_eq!(verdict.map(|_| ()), Err(Refusal::Deflate));
}

#[test]
fn posted_logouts_without_a_signature_are_refused() {
    let xml = format!(
        "<samlp:LogoutRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" ID=\"_logout\" Version=\"2.0\" \
         IssueInstant=\"2026-11-22T20:15:00Z\" Destination=\"{SLO}\"><saml:Issuer \
         xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">{IDP}</saml:Issuer><saml:NameID \
         xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">alice</saml:NameID></samlp:LogoutRequest>"
    );
    let usual = connection(|_| {});
    let refused = |xml: &str| LogoutRequest::from_form(&usual, &STANDARD.encode(xml), None, NOW).map(|_| ());
    assert_eq!(refused(&xml), Err(Refusal::Unsigned));
    // A login response is no logout, and a logout no login.
    assert_eq!(refused(&login().signed(true, true).xml()), Err(Refusal::Root));
    assert_eq!(judge(&xml), Err(Refusal::Root));
    let element = Signer::genuine().element("_logout", &xml, RSA_SHA256, SHA256_URI);
    let signed = xml.replacen("</saml:Issuer>", &format!("</saml:Issuer>{element}"), 1);
    // Written by hand, not in canonical order: the digest tells.
    assert_eq!(refused(&signed), Err(Refusal::Digest));
}

#[test]
fn the_providers_metadata_becomes_settings() {
    let certificate = Signer::genuine().certificate.base64();
    let next = Signer::foreign().certificate.base64();
    let key = |purpose: &str, text: &str| {
        format!(
            "<md:KeyDescriptor{purpose}><ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:X509Data>\
             <ds:X509Certificate>\n{text}\n</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
        )
    };
    let role = |more: &str| {
        format!(
            "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"{IDP}\"{more}>\
             <!-- made by hand --><md:IDPSSODescriptor WantAuthnRequestsSigned=\"true\" \
             protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\">{}{}{}{}\
             <md:SingleLogoutService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:SOAP\" Location=\"https://idp.example/soap\"/>\
             <md:SingleLogoutService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" Location=\"https://idp.example/slo\"/>\
             <md:NameIDFormat>urn:x</md:NameIDFormat>\
             <md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Location=\"https://idp.example/post\"/>\
             <md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" Location=\"https://idp.example/sso\"/>\
             <md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" Location=\"javascript:alert(1)\"/>\
             </md:IDPSSODescriptor></md:EntityDescriptor>",
            key(" use=\"signing\"", &certificate),
            key("", &next),
            key(" use=\"signing\"", &certificate),
            key(" use=\"encryption\"", "not even base64"),
        )
    };
    let read = IdpMetadata::parse(role("").as_bytes(), None, NOW).unwrap();
    assert_eq!(read.entity_id, IDP);
    assert_eq!(read.certificates.iter().count(), 2);
    assert_eq!(read.sign_on.len(), 2);
    assert_eq!(read.sign_on[0].location, "https://idp.example/sso");
    assert_eq!(read.logout.len(), 1);
    assert!(read.wants_signed_requests);

    let parse = |text: String, id| IdpMetadata::parse(text.as_bytes(), id, NOW).map(|_| ());
    assert_eq!(parse(role(" validUntil=\"2026-11-22T20:14:00Z\""), None), Err(SamlError::MetadataExpired));
    assert_eq!(parse(role(""), Some("https://other.example")), Err(SamlError::NoProvider));
    assert_eq!(parse(format!("<!DOCTYPE x>{}", role("")), None), Err(SamlError::Metadata(Refusal::Markup)));
    let several = format!(
        "<md:EntitiesDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\">{}{}</md:EntitiesDescriptor>",
        role(""),
        role("").replace("idp.example/metadata", "idp2.example/metadata")
    );
    assert_eq!(parse(several.clone(), None), Err(SamlError::SeveralProviders(2)));
    assert_eq!(parse(several.clone(), Some(IDP)), Ok(()));
    // A federation's file ends as a whole, and with it what it says of each provider.
    let over = several.replacen(
        "<md:EntitiesDescriptor",
        "<md:EntitiesDescriptor validUntil=\"2026-11-22T20:14:00Z\"",
        1,
    );
    assert_eq!(parse(over.clone(), Some(IDP)), Err(SamlError::MetadataExpired));
    let within = over.replacen("</md:EntitiesDescriptor>", "", 1);
    let around = format!(
        "<md:EntitiesDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\">{within}</md:EntitiesDescriptor></md:EntitiesDescriptor>"
    );
    assert_eq!(parse(around, Some(IDP)), Err(SamlError::MetadataExpired));
}

#[test]
fn our_metadata_says_what_the_connection_does() {
    let plain = sp_metadata(&connection(|_| {}), Some(signing_key()), Some(decryption_key()));
    assert!(plain.contains(&signing_key().certificate().base64()));
    assert!(!plain.contains("use=\"encryption\""), "no key is published for what is not offered");
    let offered = connection(|settings| settings.encryption = Encryption::Required);
    let sealed = sp_metadata(&offered, Some(signing_key()), Some(decryption_key()));
    assert!(sealed.contains(&decryption_key().certificate().base64()));
    assert!(sealed.contains("aes256-gcm") && !sealed.contains("mgf1p"));
    roxmltree::Document::parse(&sealed).unwrap();
}

#[test]
fn a_connection_that_trusts_nobody_cannot_be_built() {
    let mut json = serde_json::to_value(settings()).unwrap();
    assert_eq!(serde_json::from_value::<SamlSettings>(json.clone()).unwrap(), settings());
    json["idp_certificates"] = serde_json::json!([]);
    assert!(serde_json::from_value::<SamlSettings>(json.clone()).is_err());
    json["idp_certificates"] = serde_json::json!(vec![Signer::genuine().certificate.base64(); 5]);
    assert!(serde_json::from_value::<SamlSettings>(json).is_err());
    let small = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&small).unwrap();
    let verdict = federation::saml::PinnedCertificate::from_der(certificate.der());
    assert_eq!(verdict, Err(SamlError::KeyKind));
    let other = signing_key().certificate().der();
    let (key, _) = OwnKey::generate("x", &World::real()).unwrap();
    assert!(OwnKey::new(&key, other).is_err());
}
