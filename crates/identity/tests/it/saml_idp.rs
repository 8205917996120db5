//! A provider that speaks SAML, in memory: it reads the requests that it is sent, signs and encrypts what
//! it answers, and says whatever a test wants said.

use std::collections::HashMap;
use std::sync::Mutex;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use federation::saml::OwnKey;
use kernel::World;
use x509_parser::prelude::FromDer as _;

pub(crate) const IDP: &str = "https://idp.corp.example/saml";
pub(crate) const SLO: &str = "https://idp.corp.example/slo";
const SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
const SAMLP: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";

/// A key of the provider.
pub(crate) struct Signer {
    key: RsaKeyPair,
    certificate: Vec<u8>,
}

/// Somebody whom the provider vouches for.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) name_id: &'static str,
    pub(crate) format: &'static str,
    pub(crate) session: &'static str,
    /// When the provider's session ends at the latest, in seconds from now.
    pub(crate) lasts: Option<u64>,
    pub(crate) attributes: Vec<(&'static str, Vec<&'static str>)>,
}

/// The provider.
pub(crate) struct SamlIdp {
    world: World,
    pub(crate) signer: Signer,
    /// What assertions are encrypted for, in base64, when they are.
    pub(crate) encrypt_for: Option<String>,
    made: Mutex<u32>,
}

/// A request, as the provider reads it.
pub(crate) struct Asked {
    pub(crate) xml: String,
    pub(crate) relay_state: String,
}

impl Signer {
    pub(crate) fn new() -> Self {
        let (key, certificate) = OwnKey::generate("provider", &World::real()).unwrap();
        Self { key: RsaKeyPair::from_pkcs8(key.expose()).unwrap(), certificate }
    }

    fn sign(&self, octets: &[u8]) -> String {
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), octets, &mut signature).unwrap();
        STANDARD.encode(signature)
    }
}

pub(crate) fn alice() -> Person {
    Person {
        name_id: "u-1",
        format: "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
        session: "s-1",
        lasts: None,
        attributes: vec![
            ("email", vec!["alice@corp.example"]),
            ("name", vec!["Alice Liddell"]),
            ("groups", vec!["support"]),
            ("authnmethodsreferences", vec!["mfa"]),
        ],
    }
}

impl Person {
    pub(crate) fn with(mut self, name: &'static str, values: &[&'static str]) -> Self {
        self.attributes.retain(|(had, _)| *had != name);
        self.attributes.push((name, values.to_vec()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.attributes.retain(|(had, _)| *had != name);
        self
    }

    pub(crate) fn in_session(mut self, session: &'static str) -> Self {
        self.session = session;
        self
    }

    pub(crate) fn lasting(mut self, seconds: u64) -> Self {
        self.lasts = Some(seconds);
        self
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split_once(after).unwrap().0
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Reads what came by redirect.
pub(crate) fn asked(location: &str, field: &str) -> Asked {
    let query = location.split_once('?').unwrap().1;
    let pairs: HashMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    assert!(pairs.contains_key("Signature"), "it is not signed");
    let deflated = STANDARD.decode(&pairs[field]).unwrap();
    let xml = miniz_oxide::inflate::decompress_to_vec(&deflated).unwrap();
    Asked { xml: String::from_utf8(xml).unwrap(), relay_state: pairs["RelayState"].clone() }
}

impl SamlIdp {
    pub(crate) fn new(world: &World) -> Self {
        Self { world: world.clone(), signer: Signer::new(), encrypt_for: None, made: Mutex::default() }
    }

    /// Its metadata, with these keys.
    pub(crate) fn metadata(signers: &[&Signer]) -> Vec<u8> {
        Self::metadata_with(signers, &["Redirect"])
    }

    /// The same with its single sign-on services, by these bindings.
    pub(crate) fn metadata_with(signers: &[&Signer], bindings: &[&str]) -> Vec<u8> {
        let mut keys = String::new();
        for signer in signers {
            keys.push_str(&format!(
                "<md:KeyDescriptor use=\"signing\"><ds:KeyInfo xmlns:ds=\"{DS}\"><ds:X509Data><ds:X509Certificate>{}\
                 </ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>",
                STANDARD.encode(&signer.certificate)
            ));
        }
        let services: String = bindings
            .iter()
            .map(|binding| {
                format!(
                    "<md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-{binding}\" \
                     Location=\"https://idp.corp.example/{}\"/>",
                    if *binding == "POST" { "form" } else { "sso" }
                )
            })
            .collect();
        let redirect = "Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\"";
        format!(
            "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"{IDP}\"><md:IDPSSODescriptor \
             protocolSupportEnumeration=\"{SAMLP}\">{keys}<md:SingleLogoutService {redirect} Location=\"{SLO}\"/>\
             {services}</md:IDPSSODescriptor></md:EntityDescriptor>"
        )
        .into_bytes()
    }

    fn id(&self) -> String {
        let mut made = self.made.lock().unwrap();
        *made += 1;
        format!("_made-{made}")
    }

    fn at(&self, seconds: u64) -> String {
        self.world.now().after(std::time::Duration::from_secs(seconds)).rfc3339()
    }

    /// The form fields with which it answers a request for somebody.
    pub(crate) fn answer(&self, location: &str, person: &Person) -> (String, String) {
        self.answer_to(asked(location, "SAMLRequest"), person)
    }

    /// The same for a request that it has read.
    pub(crate) fn answer_to(&self, Asked { xml, relay_state }: Asked, person: &Person) -> (String, String) {
        let request = between(&xml, " ID=\"", "\"");
        let acs = between(&xml, "AssertionConsumerServiceURL=\"", "\"");
        let entity = between(&xml, "<saml:Issuer>", "</saml:Issuer>");
        let (now, end, id) = (self.at(0), self.at(300), self.id());
        let mut attributes = String::new();
        for (name, values) in &person.attributes {
            let values: String = values
                .iter()
                .map(|value| format!("<saml:AttributeValue>{value}</saml:AttributeValue>"))
                .collect();
            attributes.push_str(&format!("<saml:Attribute Name=\"{name}\">{values}</saml:Attribute>"));
        }
        let Person { name_id, format, session, lasts, .. } = person;
        let lasts = lasts.map(|seconds| format!(" SessionNotOnOrAfter=\"{}\"", self.at(seconds)));
        let lasts = lasts.unwrap_or_default();
        // In canonical form, so that what is written is what is hashed.
        let head = format!(
            "<saml:Assertion xmlns:saml=\"{SAML}\" ID=\"{id}\" IssueInstant=\"{now}\" Version=\"2.0\"><saml:Issuer>{IDP}\
             </saml:Issuer>"
        );
        let tail = format!(
            "<saml:Subject><saml:NameID Format=\"{format}\">{name_id}</saml:NameID><saml:SubjectConfirmation \
             Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\"><saml:SubjectConfirmationData InResponseTo=\"{request}\" \
             NotOnOrAfter=\"{end}\" Recipient=\"{acs}\"></saml:SubjectConfirmationData></saml:SubjectConfirmation>\
             </saml:Subject><saml:Conditions NotBefore=\"{now}\" NotOnOrAfter=\"{end}\"><saml:AudienceRestriction>\
             <saml:Audience>{entity}</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement \
             AuthnInstant=\"{now}\" SessionIndex=\"{session}\"{lasts}><saml:AuthnContext><saml:AuthnContextClassRef>\
             urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef>\
             </saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement>{attributes}</saml:AttributeStatement>\
             </saml:Assertion>"
        );
        let signed = format!("{head}{}{tail}", self.signature(&id, &format!("{head}{tail}")));
        let assertion = match &self.encrypt_for {
            Some(certificate) => encrypted(&signed, certificate),
            None => signed,
        };
        let response = format!(
            "<samlp:Response xmlns:samlp=\"{SAMLP}\" Destination=\"{acs}\" ID=\"{}\" InResponseTo=\"{request}\" \
             IssueInstant=\"{now}\" Version=\"2.0\"><saml:Issuer xmlns:saml=\"{SAML}\">{IDP}</saml:Issuer><samlp:Status>\
             <samlp:StatusCode Value=\"{SUCCESS}\"></samlp:StatusCode></samlp:Status>{assertion}</samlp:Response>",
            self.id()
        );
        (STANDARD.encode(response), relay_state)
    }

    fn signature(&self, id: &str, octets: &str) -> String {
        let exclusive = "http://www.w3.org/2001/10/xml-exc-c14n#";
        let hash = STANDARD.encode(digest(&SHA256, octets.as_bytes()));
        let info = format!(
            "<ds:SignedInfo xmlns:ds=\"{DS}\"><ds:CanonicalizationMethod Algorithm=\"{exclusive}\"></ds:CanonicalizationMethod>\
             <ds:SignatureMethod Algorithm=\"{RSA_SHA256}\"></ds:SignatureMethod><ds:Reference URI=\"#{id}\"><ds:Transforms>\
             <ds:Transform Algorithm=\"{DS}enveloped-signature\"></ds:Transform><ds:Transform Algorithm=\"{exclusive}\">\
             </ds:Transform></ds:Transforms><ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\">\
             </ds:DigestMethod><ds:DigestValue>{hash}</ds:DigestValue></ds:Reference></ds:SignedInfo>"
        );
        let value = self.signer.sign(info.as_bytes());
        format!(
            "<ds:Signature xmlns:ds=\"{DS}\">{info}<ds:SignatureValue>{value}</ds:SignatureValue></ds:Signature>"
        )
    }

    /// The query with which it asks to end sessions of somebody; none named is all of them.
    pub(crate) fn logout(&self, to: &str, name_id: &str, sessions: &[&str]) -> String {
        let sessions: String =
            sessions.iter().map(|one| format!("<samlp:SessionIndex>{one}</samlp:SessionIndex>")).collect();
        let (id, now, end) = (self.id(), self.at(0), self.at(300));
        self.query(
            "SAMLRequest",
            &format!(
                "<samlp:LogoutRequest xmlns:samlp=\"{SAMLP}\" xmlns:saml=\"{SAML}\" ID=\"{id}\" Version=\"2.0\" \
                 IssueInstant=\"{now}\" NotOnOrAfter=\"{end}\" Destination=\"{to}\"><saml:Issuer>{IDP}</saml:Issuer>\
                 <saml:NameID>{name_id}</saml:NameID>{sessions}</samlp:LogoutRequest>"
            ),
        )
    }

    /// The query with which it answers a logout that it was asked for.
    pub(crate) fn parted(&self, to: &str, location: &str) -> String {
        let request = asked(location, "SAMLRequest").xml;
        let (id, now, request) = (self.id(), self.at(0), between(&request, " ID=\"", "\""));
        self.query(
            "SAMLResponse",
            &format!(
                "<samlp:LogoutResponse xmlns:samlp=\"{SAMLP}\" xmlns:saml=\"{SAML}\" ID=\"{id}\" Version=\"2.0\" \
                 IssueInstant=\"{now}\" InResponseTo=\"{request}\" Destination=\"{to}\"><saml:Issuer>{IDP}</saml:Issuer>\
                 <samlp:Status><samlp:StatusCode Value=\"{SUCCESS}\"/></samlp:Status></samlp:LogoutResponse>"
            ),
        )
    }

    fn query(&self, field: &str, xml: &str) -> String {
        let deflated = miniz_oxide::deflate::compress_to_vec(xml.as_bytes(), 6);
        let signed = format!(
            "{field}={}&RelayState=there&SigAlg={}",
            encoded(&STANDARD.encode(deflated)),
            encoded(RSA_SHA256)
        );
        let signature = self.signer.sign(signed.as_bytes());
        format!("{signed}&Signature={}", encoded(&signature))
    }
}

fn encrypted(assertion: &str, certificate: &str) -> String {
    let (content_key, nonce) = ([7; 32], [9; 12]);
    let mut sealed = assertion.as_bytes().to_vec();
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &content_key).unwrap())
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed)
        .unwrap();
    let der = STANDARD.decode(certificate).unwrap();
    let (_, certificate) = x509_parser::certificate::X509Certificate::from_der(&der).unwrap();
    let public = PublicEncryptingKey::from_der(certificate.public_key().raw).unwrap();
    let public = OaepPublicEncryptingKey::new(public).unwrap();
    let mut wrapped = vec![0; public.ciphertext_size()];
    let wrapped = public.encrypt(&OAEP_SHA256_MGF1SHA256, &content_key, &mut wrapped, None).unwrap();
    let xenc = "http://www.w3.org/2001/04/xmlenc#";
    let xenc11 = "http://www.w3.org/2009/xmlenc11#";
    format!(
        "<saml:EncryptedAssertion xmlns:saml=\"{SAML}\"><xenc:EncryptedData xmlns:xenc=\"{xenc}\" Type=\"{xenc}Element\">\
         <xenc:EncryptionMethod Algorithm=\"{xenc11}aes256-gcm\"/><ds:KeyInfo xmlns:ds=\"{DS}\"><xenc:EncryptedKey>\
         <xenc:EncryptionMethod Algorithm=\"{xenc11}rsa-oaep\"><ds:DigestMethod Algorithm=\"{xenc}sha256\"/>\
         <xenc11:MGF xmlns:xenc11=\"{xenc11}\" Algorithm=\"{xenc11}mgf1sha256\"/></xenc:EncryptionMethod><xenc:CipherData>\
         <xenc:CipherValue>{}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo><xenc:CipherData>\
         <xenc:CipherValue>{}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData></saml:EncryptedAssertion>",
        STANDARD.encode(wrapped),
        STANDARD.encode([nonce.as_slice(), &sealed].concat()),
    )
}
