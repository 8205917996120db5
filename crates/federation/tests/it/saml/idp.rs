//! A provider of our own for tests. It writes its documents in canonical form by hand, so what it signs
//! owes nothing to the canonicalization under test.

use std::sync::OnceLock;

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPublicEncryptingKey, PublicEncryptingKey,
};
use aws_lc_rs::signature::{self, EcdsaKeyPair, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use federation::saml::{
    Binding, Claims, Encryption, Endpoint, OwnKey, Pending, PinnedCertificate, Recorded, Refusal,
    SamlConnection, SamlSettings, finish,
};
use kernel::{Timestamp, World};
use x509_parser::prelude::FromDer as _;

pub(crate) const IDP: &str = "https://idp.example/metadata";
pub(crate) const SP: &str = "https://wardroom.example/sso/saml/7";
pub(crate) const ACS: &str = "https://wardroom.example/sso/saml/7/acs";
pub(crate) const SLO: &str = "https://wardroom.example/sso/saml/7/slo";
pub(crate) const REQUEST: &str = "_a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4";
pub(crate) const RELAY: &str = "relay-of-this-login";
/// 2026-11-22T20:15:00Z
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_795_378_500_000);

/// A key that signs, of one of the kinds on the list.
pub(crate) struct Signer {
    key: Key,
    pub(crate) certificate: PinnedCertificate,
}

enum Key {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
}

impl Signer {
    fn rsa(name: &str) -> Self {
        let (key, certificate) = OwnKey::generate(name, &World::real()).unwrap();
        let key = Key::Rsa(RsaKeyPair::from_pkcs8(key.expose()).unwrap());
        Self { key, certificate: PinnedCertificate::from_der(&certificate).unwrap() }
    }

    fn ec(
        kind: &'static rcgen::SignatureAlgorithm,
        signing: &'static signature::EcdsaSigningAlgorithm,
    ) -> Self {
        let pair = rcgen::KeyPair::generate_for(kind).unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&pair).unwrap();
        let key = Key::Ec(EcdsaKeyPair::from_pkcs8(signing, &pair.serialize_der()).unwrap());
        Self { key, certificate: PinnedCertificate::from_der(certificate.der()).unwrap() }
    }

    /// The provider's key; made once for all tests.
    pub(crate) fn genuine() -> &'static Self {
        static KEY: OnceLock<Signer> = OnceLock::new();
        KEY.get_or_init(|| Self::rsa("idp"))
    }

    /// Somebody else's key.
    pub(crate) fn foreign() -> &'static Self {
        static KEY: OnceLock<Signer> = OnceLock::new();
        KEY.get_or_init(|| Self::rsa("idp"))
    }

    pub(crate) fn p256() -> &'static Self {
        static KEY: OnceLock<Signer> = OnceLock::new();
        KEY.get_or_init(|| {
            Self::ec(&rcgen::PKCS_ECDSA_P256_SHA256, &signature::ECDSA_P256_SHA256_FIXED_SIGNING)
        })
    }

    pub(crate) fn p384() -> &'static Self {
        static KEY: OnceLock<Signer> = OnceLock::new();
        KEY.get_or_init(|| {
            Self::ec(&rcgen::PKCS_ECDSA_P384_SHA384, &signature::ECDSA_P384_SHA384_FIXED_SIGNING)
        })
    }

    pub(crate) fn sign(&self, algorithm: &str, octets: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.key {
            Key::Ec(key) => key.sign(&random, octets).unwrap().as_ref().to_vec(),
            Key::Rsa(key) => {
                let how: &dyn signature::RsaEncoding = match algorithm.rsplit('#').next().unwrap() {
                    "rsa-sha384" => &signature::RSA_PKCS1_SHA384,
                    "rsa-sha512" => &signature::RSA_PKCS1_SHA512,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut out = vec![0; key.public_modulus_len()];
                key.sign(how, &random, octets, &mut out).unwrap();
                out
            }
        }
    }

    /// The `Signature` element over canonical octets.
    pub(crate) fn element(&self, id: &str, octets: &str, method: &str, digest_uri: &str) -> String {
        self.styled_element(id, octets, method, digest_uri, &Style::default())
    }

    fn styled_element(
        &self,
        id: &str,
        octets: &str,
        method: &str,
        digest_uri: &str,
        style: &Style,
    ) -> String {
        let algorithm = match digest_uri.rsplit('#').next().unwrap() {
            "sha384" => &SHA384,
            "sha512" => &SHA512,
            "sha1" => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            _ => &SHA256,
        };
        let digest = STANDARD.encode(digest::digest(algorithm, octets.as_bytes()));
        let listed = match style.prefix_list {
            "" => String::new(),
            list => format!(
                "<ec:InclusiveNamespaces xmlns:ec=\"{EXC}\" PrefixList=\"{list}\"></ec:InclusiveNamespaces>"
            ),
        };
        let unprefixed = |text: String| match style.default_namespace {
            true => text.replace("<ds:", "<").replace("</ds:", "</").replace("xmlns:ds=", "xmlns="),
            false => text,
        };
        let info = format!(
            "<ds:CanonicalizationMethod Algorithm=\"{EXC}\"></ds:CanonicalizationMethod>\
             <ds:SignatureMethod Algorithm=\"{method}\"></ds:SignatureMethod><ds:Reference URI=\"#{id}\"><ds:Transforms>\
             <ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"></ds:Transform>\
             <ds:Transform Algorithm=\"{EXC}\">{listed}</ds:Transform></ds:Transforms>\
             <ds:DigestMethod Algorithm=\"{digest_uri}\"></ds:DigestMethod><ds:DigestValue>{digest}</ds:DigestValue>\
             </ds:Reference>"
        );
        let canonical = unprefixed(format!("<ds:SignedInfo xmlns:ds=\"{DS}\">{info}</ds:SignedInfo>"));
        let value = STANDARD.encode(self.sign(method, canonical.as_bytes()));
        unprefixed(format!(
            "<ds:Signature xmlns:ds=\"{DS}\"><ds:SignedInfo>{info}</ds:SignedInfo>\
             <ds:SignatureValue>{value}</ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{}\
             </ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>",
            self.certificate.base64()
        ))
    }
}

/// How a provider writes its signatures.
#[derive(Clone, Default)]
pub(crate) struct Style {
    /// The prefixes that its canonicalization keeps.
    pub(crate) prefix_list: &'static str,
    /// Whether it declares the namespace as the default one.
    pub(crate) default_namespace: bool,
}

const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
const EXC: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
pub(crate) const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
pub(crate) const SHA256_URI: &str = "http://www.w3.org/2001/04/xmlenc#sha256";

/// A response in the making. Edits before signing are the provider's own doing: the signature holds.
#[derive(Clone)]
pub(crate) struct Login {
    assertion: String,
    response: String,
    signer: &'static Signer,
    method: &'static str,
    digest: &'static str,
    sign_assertion: bool,
    sign_response: bool,
    style: Style,
    encryption: Option<Encrypted>,
}

/// How an assertion is encrypted.
#[derive(Clone)]
pub(crate) struct Encrypted {
    pub(crate) cipher: &'static str,
    pub(crate) transport: &'static str,
    pub(crate) transport_inner: &'static str,
}

impl Encrypted {
    pub(crate) const GCM: Self = Self {
        cipher: "http://www.w3.org/2009/xmlenc11#aes256-gcm",
        transport: "http://www.w3.org/2009/xmlenc11#rsa-oaep",
        transport_inner: "<ds:DigestMethod \
                          Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"></ds:DigestMethod><xenc11:MGF \
                          xmlns:xenc11=\"http://www.w3.org/2009/xmlenc11#\" Algorithm=\"http://www.w3.org/2009/xmlenc11#mgf1sha256\"></xenc11:MGF>",
    };
}

/// A login of alice, signed assertion in an unsigned response, as most providers send it.
pub(crate) fn login() -> Login {
    let assertion = format!(
        "<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"_assertion-0001\" \
         IssueInstant=\"2026-11-22T20:14:58Z\" Version=\"2.0\"><saml:Issuer>{IDP}</saml:Issuer>@SIGNATURE@\
         <saml:Subject><saml:NameID Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent\">alice</saml:NameID>\
         <saml:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\"><saml:SubjectConfirmationData \
         InResponseTo=\"{REQUEST}\" NotOnOrAfter=\"2026-11-22T20:20:00Z\" Recipient=\"{ACS}\"></saml:SubjectConfirmationData>\
         </saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore=\"2026-11-22T20:14:30Z\" \
         NotOnOrAfter=\"2026-11-22T20:20:00Z\"><saml:AudienceRestriction><saml:Audience>{SP}</saml:Audience>\
         </saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant=\"2026-11-22T20:14:50Z\" \
         SessionIndex=\"_session-1\" SessionNotOnOrAfter=\"2026-11-23T04:14:50Z\"><saml:AuthnContext>\
         <saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport\
         </saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement>\
         <saml:Attribute Name=\"mail\"><saml:AttributeValue>alice@corp.example</saml:AttributeValue></saml:Attribute>\
         <saml:Attribute Name=\"groups\"><saml:AttributeValue>developers</saml:AttributeValue>\
         <saml:AttributeValue>all &amp; sundry</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion>"
    );
    let response = format!(
        "<samlp:Response xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" Destination=\"{ACS}\" ID=\"_response-0001\" \
         InResponseTo=\"{REQUEST}\" IssueInstant=\"2026-11-22T20:14:59Z\" Version=\"2.0\">\
         <saml:Issuer xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">{IDP}</saml:Issuer>@SIGNATURE@<samlp:Status>\
         <samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"></samlp:StatusCode></samlp:Status>\
         @ASSERTION@</samlp:Response>"
    );
    Login::of(assertion, response, Style::default())
}

fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "`{from}` is not there to be replaced");
    text.replacen(from, to, 1)
}

impl Login {
    /// A response in canonical form with `@SIGNATURE@` in both parts and `@ASSERTION@` in the response.
    pub(crate) fn of(assertion: String, response: String, style: Style) -> Self {
        Self {
            assertion,
            response,
            signer: Signer::genuine(),
            method: RSA_SHA256,
            digest: SHA256_URI,
            sign_assertion: true,
            sign_response: false,
            style,
            encryption: None,
        }
    }

    /// Changes the assertion before it is signed.
    pub(crate) fn assertion(mut self, from: &str, to: &str) -> Self {
        self.assertion = replaced(&self.assertion, from, to);
        self
    }

    /// Changes the response before it is signed.
    pub(crate) fn response(mut self, from: &str, to: &str) -> Self {
        self.response = replaced(&self.response, from, to);
        self
    }

    pub(crate) fn signed(mut self, assertion: bool, response: bool) -> Self {
        (self.sign_assertion, self.sign_response) = (assertion, response);
        self
    }

    pub(crate) fn by(mut self, signer: &'static Signer, method: &'static str, digest: &'static str) -> Self {
        (self.signer, self.method, self.digest) = (signer, method, digest);
        self
    }

    pub(crate) fn encrypted(mut self, how: Encrypted) -> Self {
        self.encryption = Some(how);
        self
    }

    /// The document.
    pub(crate) fn xml(&self) -> String {
        let seal = |text: &str, signed: bool, canonical: &str| {
            let id = text.split(" ID=\"").nth(1).unwrap().split('"').next().unwrap();
            let element = self.signer.styled_element(id, canonical, self.method, self.digest, &self.style);
            text.replacen("@SIGNATURE@", if signed { &element } else { "" }, 1)
        };
        let bare = self.assertion.replacen("@SIGNATURE@", "", 1);
        let mut assertion = seal(&self.assertion, self.sign_assertion, &bare);
        if let Some(how) = &self.encryption {
            assertion = encrypt(&assertion, how);
        }
        let bare = self.response.replacen("@SIGNATURE@", "", 1).replacen("@ASSERTION@", &assertion, 1);
        seal(&self.response, self.sign_response, &bare).replacen("@ASSERTION@", &assertion, 1)
    }
}

/// The service's decryption key.
pub(crate) fn decryption_key() -> &'static OwnKey {
    static KEY: OnceLock<OwnKey> = OnceLock::new();
    KEY.get_or_init(own_key)
}

/// The service's signing key.
pub(crate) fn signing_key() -> &'static OwnKey {
    static KEY: OnceLock<OwnKey> = OnceLock::new();
    KEY.get_or_init(own_key)
}

fn own_key() -> OwnKey {
    let (key, certificate) = OwnKey::generate("wardroom", &World::real()).unwrap();
    OwnKey::new(&key, &certificate).unwrap()
}

/// Wraps with the digest that the transport names, so that what is refused is refused by its name.
fn encrypt(assertion: &str, how: &Encrypted) -> String {
    let (cipher, content_key): (_, &[u8]) =
        if how.cipher.contains("aes128") { (&AES_128_GCM, &[7; 16]) } else { (&AES_256_GCM, &[7; 32]) };
    let nonce = [9; 12];
    let mut sealed = assertion.as_bytes().to_vec();
    LessSafeKey::new(UnboundKey::new(cipher, content_key).unwrap())
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed)
        .unwrap();
    let oaep: &'static OaepAlgorithm =
        if how.transport.ends_with("mgf1p") { &OAEP_SHA1_MGF1SHA1 } else { &OAEP_SHA256_MGF1SHA256 };
    let der = decryption_key().certificate().der();
    let (_, certificate) = x509_parser::certificate::X509Certificate::from_der(der).unwrap();
    let public = PublicEncryptingKey::from_der(certificate.public_key().raw).unwrap();
    let public = OaepPublicEncryptingKey::new(public).unwrap();
    let mut wrapped = vec![0; public.ciphertext_size()];
    let wrapped = public.encrypt(oaep, content_key, &mut wrapped, None).unwrap();
    format!(
        "<saml:EncryptedAssertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"><xenc:EncryptedData \
         xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\" Type=\"http://www.w3.org/2001/04/xmlenc#Element\">\
         <xenc:EncryptionMethod Algorithm=\"{}\"></xenc:EncryptionMethod><ds:KeyInfo xmlns:ds=\"{DS}\"><xenc:EncryptedKey>\
         <xenc:EncryptionMethod Algorithm=\"{}\">{}</xenc:EncryptionMethod><xenc:CipherData><xenc:CipherValue>{}\
         </xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo><xenc:CipherData><xenc:CipherValue>{}\
         </xenc:CipherValue></xenc:CipherData></xenc:EncryptedData></saml:EncryptedAssertion>",
        how.cipher,
        how.transport,
        how.transport_inner,
        STANDARD.encode(wrapped),
        STANDARD.encode([nonce.as_slice(), &sealed].concat()),
    )
}

/// The settings of the connection under test.
pub(crate) fn settings() -> SamlSettings {
    SamlSettings {
        entity_id: SP.to_owned(),
        acs: ACS.to_owned(),
        logout: Some(SLO.to_owned()),
        idp_entity_id: IDP.to_owned(),
        idp_sign_on: Endpoint { binding: Binding::Redirect, location: "https://idp.example/sso".to_owned() },
        idp_sign_on_form: None,
        send_by_form: false,
        idp_logout: Some(Endpoint {
            binding: Binding::Redirect,
            location: "https://idp.example/slo".to_owned(),
        }),
        idp_certificates: vec![Signer::genuine().certificate.clone()].try_into().unwrap(),
        sign_requests: true,
        name_id_format: None,
        subject_attribute: None,
        response_signature_suffices: false,
        encryption: Encryption::Off,
        accept_oaep_sha1: false,
        authn_contexts: vec![],
        max_authn_age: None,
    }
}

/// The connection with changed settings.
pub(crate) fn connection(change: impl FnOnce(&mut SamlSettings)) -> SamlConnection {
    let mut settings = settings();
    change(&mut settings);
    SamlConnection::new(settings).unwrap()
}

/// The login under way.
pub(crate) fn pending() -> Pending {
    Pending {
        request_id: REQUEST.to_owned(),
        relay_state: RELAY.to_owned(),
        issued_at: Timestamp::from_millis(NOW.as_millis() - 30_000),
        force_authn: false,
        authn_contexts: vec![],
    }
}

/// Presents a document to a connection.
pub(crate) fn present(connection: &SamlConnection, xml: &[u8]) -> Result<Claims, Refusal> {
    present_at(connection, &pending(), xml, NOW)
}

pub(crate) fn present_at(
    connection: &SamlConnection,
    pending: &Pending,
    xml: &[u8],
    now: Timestamp,
) -> Result<Claims, Refusal> {
    let field = STANDARD.encode(xml);
    let verified = finish(connection, Some(decryption_key()), pending, &field, RELAY, now)?;
    verified.admit(|_| Ok::<_, std::convert::Infallible>(Recorded::New)).unwrap()
}

/// Presents a document to the usual connection.
pub(crate) fn judge(xml: &str) -> Result<Claims, Refusal> {
    static CONNECTION: OnceLock<SamlConnection> = OnceLock::new();
    present(CONNECTION.get_or_init(|| connection(|_| {})), xml.as_bytes())
}
