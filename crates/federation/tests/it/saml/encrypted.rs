//! Encrypted assertions.

use federation::saml::{Claims, Encryption, Refusal, finish};

use super::idp::*;

fn offered() -> federation::saml::SamlConnection {
    connection(|settings| settings.encryption = Encryption::Offered)
}

fn open(login: &Login) -> Result<Claims, Refusal> {
    present(&offered(), login.xml().as_bytes())
}

#[test]
fn an_encrypted_assertion_says_what_a_plain_one_says() {
    for cipher in ["http://www.w3.org/2009/xmlenc11#aes256-gcm", "http://www.w3.org/2009/xmlenc11#aes128-gcm"]
    {
        for response in [false, true] {
            let sealed = login().signed(true, response).encrypted(Encrypted { cipher, ..Encrypted::GCM });
            let claims = open(&sealed).unwrap();
            assert!(claims.encrypted);
            assert_eq!(claims.subject, "alice");
            assert_eq!(claims.attributes, judge(&login().xml()).unwrap().attributes);
        }
    }
    let required = connection(|settings| settings.encryption = Encryption::Required);
    assert!(present(&required, login().encrypted(Encrypted::GCM).xml().as_bytes()).is_ok());
}

#[test]
fn encryption_must_be_agreed_on_and_needs_a_key() {
    let xml = login().encrypted(Encrypted::GCM).xml();
    assert_eq!(judge(&xml), Err(Refusal::EncryptionNotOffered));
    use base64::Engine as _;
    let field = base64::engine::general_purpose::STANDARD.encode(&xml);
    let verdict = finish(&offered(), None, &pending(), &field, RELAY, NOW).map(|_| ());
    assert_eq!(verdict, Err(Refusal::EncryptionNotOffered));
}

#[test]
fn ciphers_that_leak_are_refused_by_name() {
    for cipher in [
        "http://www.w3.org/2001/04/xmlenc#aes128-cbc",
        "http://www.w3.org/2001/04/xmlenc#aes256-cbc",
        "http://www.w3.org/2001/04/xmlenc#tripledes-cbc",
        "http://www.w3.org/2009/xmlenc11#aes192-gcm",
    ] {
        assert_eq!(
            open(&login().encrypted(Encrypted { cipher, ..Encrypted::GCM })),
            Err(Refusal::ContentCipher)
        );
    }
}

#[test]
fn key_transports_other_than_oaep_are_refused_by_name() {
    let sha1 = Encrypted {
        transport: "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p",
        transport_inner: "",
        ..Encrypted::GCM
    };
    let pkcs1 = Encrypted { transport: "http://www.w3.org/2001/04/xmlenc#rsa-1_5", ..sha1.clone() };
    let silent = Encrypted { transport_inner: "", ..Encrypted::GCM };
    for how in [&pkcs1, &silent, &sha1] {
        assert_eq!(open(&login().encrypted(how.clone())), Err(Refusal::KeyTransport), "{}", how.transport);
    }
    let lenient = connection(|settings| {
        settings.encryption = Encryption::Offered;
        settings.accept_oaep_sha1 = true;
    });
    assert!(present(&lenient, login().encrypted(sha1).xml().as_bytes()).is_ok());
    assert_eq!(present(&lenient, login().encrypted(pkcs1).xml().as_bytes()), Err(Refusal::KeyTransport));
}

#[test]
fn a_changed_ciphertext_does_not_decrypt_and_does_not_tell_why() {
    let xml = login().encrypted(Encrypted::GCM).xml();
    let values: Vec<usize> =
        xml.match_indices("<xenc:CipherValue>").map(|(at, tag)| at + tag.len()).collect();
    for start in values {
        for offset in [0, 8, 40, 120] {
            let mut octets = xml.clone().into_bytes();
            octets[start + offset] = if octets[start + offset] == b'A' { b'B' } else { b'A' };
            assert_eq!(present(&offered(), &octets), Err(Refusal::Decryption));
        }
    }
}

#[test]
fn what_is_inside_is_held_to_every_rule_again() {
    let sealed = |login: Login| open(&login.encrypted(Encrypted::GCM));
    assert_eq!(sealed(login().signed(false, false)), Err(Refusal::Unsigned));
    assert_eq!(sealed(login().signed(false, true)), Err(Refusal::AssertionUnsigned));
    assert_eq!(sealed(login().assertion(">alice<", ">al<!-- -->ice<")), Err(Refusal::Markup));
    assert_eq!(sealed(login().assertion(SP, "https://other.example/")), Err(Refusal::Recipient));
    assert_eq!(
        sealed(login().assertion("<saml:Conditions", "<saml:Advice></saml:Advice><saml:Conditions")),
        Err(Refusal::Advice)
    );
    assert_eq!(sealed(login().by(Signer::foreign(), RSA_SHA256, SHA256_URI)), Err(Refusal::Signature));
}

#[test]
fn the_wrapping_of_the_key_has_one_form() {
    let xml = login().encrypted(Encrypted::GCM).xml();
    let start = xml.find("<xenc:EncryptedKey>").unwrap();
    let end = xml.find("</xenc:EncryptedKey>").unwrap() + "</xenc:EncryptedKey>".len();
    let key = &xml[start..end];
    let present = |xml: String| present(&offered(), xml.as_bytes()).map(|_| ());
    assert_eq!(present(xml.replacen(key, "", 1)), Err(Refusal::EncryptionForm));
    let declared = key.replacen("<xenc:EncryptedKey>", "<xenc:EncryptedKey xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\" xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">", 1);
    let beside = |xml: &str| {
        xml.replacen("</saml:EncryptedAssertion>", &format!("{declared}</saml:EncryptedAssertion>"), 1)
    };
    assert_eq!(present(beside(&xml)), Err(Refusal::EncryptionForm));
    assert_eq!(present(beside(&xml.replacen(key, "", 1))), Ok(()));
}
