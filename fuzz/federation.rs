//! What strangers send to single sign-on: documents, tokens, addresses, certificates. A target panics when
//! something does not hold.

use federation::oidc::{Answer, Endpoint, Issuer, KeySet, Provider, Tokens};
use federation::saml::{IdpMetadata, PinnedCertificate, canonicalize};
use kernel::Timestamp;

/// A target's name, what it does, and inputs to begin with.
pub(crate) type Target = (&'static str, fn(&[u8]), &'static [&'static [u8]]);

/// All of them.
pub(crate) const ALL: [Target; 3] = [
    ("saml-document", saml_document, &DOCUMENTS),
    ("oidc-json", oidc_json, &JSON),
    ("oidc-text", oidc_text, &TEXTS),
];

/// What inputs are made richer with.
pub(crate) const PIECES: [&[u8]; 26] = [
    b"<",
    b">",
    b"/>",
    b"\"",
    b"'",
    b"=",
    b"&amp;",
    b"&#0;",
    b"&#x10ffff;",
    b"xmlns:a=\"b\"",
    b"<![CDATA[",
    b"]]>",
    b"<!--",
    b"-->",
    b"<?a b?>",
    b"<!DOCTYPE a [<!ENTITY b \"c\">]>",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\\u0000",
    b"https://",
    b"\xff",
    b"\0",
    b"<md:KeyDescriptor use=\"signing\">",
    b"&state=",
];

const DOCUMENTS: [&[u8]; 2] = [
    b"<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"https://i.example\"><md:IDPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\"><md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" Location=\"https://i.example/sso\"/></md:IDPSSODescriptor></md:EntityDescriptor>",
    b"<a:b xmlns:a=\"urn:a\" z='1' a:c=\"&lt;\"><d xmlns=\"urn:d\">e&#13;<!-- f --><?g h?><![CDATA[<i>]]></d></a:b>",
];
const JSON: [&[u8]; 3] = [
    b"{\"issuer\":\"https://i.example\",\"authorization_endpoint\":\"https://i.example/a\",\"token_endpoint\":\"https://i.example/t\",\"jwks_uri\":\"https://i.example/k\",\"response_types_supported\":[\"code\"],\"id_token_signing_alg_values_supported\":[\"RS256\",\"ES256\"],\"subject_types_supported\":[\"public\"]}",
    b"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"1\",\"use\":\"sig\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}",
    b"{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"id_token\":\"eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.AAAA\",\"expires_in\":60}",
];
const TEXTS: [&[u8]; 3] = [
    b"code=a&state=b&iss=https%3A%2F%2Fi.example",
    b"https://i.example/a?b=c",
    b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
];

/// XML: its canonical form is its own canonical form, and a provider's description is read or refused.
pub(crate) fn saml_document(data: &[u8]) {
    if let Ok(once) = canonicalize(data, &[]) {
        let twice = canonicalize(&once, &[]);
        assert!(twice.as_ref().is_ok_and(|twice| *twice == once), "a canonical form is not its own");
    }
    let _ = IdpMetadata::parse(data, None, Timestamp::from_millis(1_795_000_000_000));
}

/// What a provider answers.
pub(crate) fn oidc_json(data: &[u8]) {
    if let Ok(issuer) = Issuer::parse("https://i.example") {
        let _ = Provider::parse(data, &issuer);
    }
    let _ = KeySet::parse(data);
    let _ = Tokens::parse(200, data);
}

/// What comes in an address, and what people paste.
pub(crate) fn oidc_text(data: &[u8]) {
    let _ = PinnedCertificate::from_der(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = Answer::parse(text);
    let _ = Issuer::parse(text);
    if let Ok(endpoint) = Endpoint::parse(text) {
        assert!(endpoint.as_str().starts_with("https://"), "an address that is not of TLS");
    }
    let _ = PinnedCertificate::from_text(text);
}
