//! Keys: those of the provider, pinned by certificate, and our own that sign and decrypt.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey,
};
use aws_lc_rs::signature::{self, RsaKeyPair, UnparsedPublicKey, VerificationAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel::{Secret, Timestamp, World};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_RSA_SHA256, RsaKeySize, date_time_ymd,
};
use serde::{Deserialize, Serialize};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;

use super::error::SamlError;
use super::signature::SignatureAlgorithm;

/// A certificate that the administrator pinned. Its key is trusted because it was pinned: neither its
/// issuer nor its dates decide; an expired one is worth a warning, which is the caller's.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PinnedCertificate {
    der: Vec<u8>,
    key: Key,
    not_after: Timestamp,
    subject: String,
}

/// The public keys that the closed list of algorithms can use.
#[derive(Clone, PartialEq, Eq)]
enum Key {
    /// PKCS #1 DER, 2048 to 8192 bits.
    Rsa(Vec<u8>),
    /// An uncompressed point.
    P256(Vec<u8>),
    /// An uncompressed point.
    P384(Vec<u8>),
}

/// The named curves, as object identifiers (RFC 5480).
const P256: &str = "1.2.840.10045.3.1.7";
const P384: &str = "1.3.132.0.34";

/// SHA-256 of a certificate's DER.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint([u8; 32]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PinnedCertificate {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// When it is no certificate, or its key is neither RSA of 2048 to 8192 bits, nor P-256, nor P-384.
    pub fn from_der(der: &[u8]) -> Result<Self, SamlError> {
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| SamlError::Certificate)?;
        if !rest.is_empty() {
            return Err(SamlError::Certificate);
        }
        let spki = certificate.public_key();
        let octets = spki.subject_public_key.data.to_vec();
        let parameters = spki.algorithm.parameters.as_ref();
        let curve = parameters.and_then(|any| any.as_oid().ok()).map(|oid| oid.to_id_string());
        let key = match spki.parsed().map_err(|_| SamlError::Certificate)? {
            PublicKey::RSA(rsa) if (2048..=8192).contains(&rsa.key_size()) => Key::Rsa(octets),
            PublicKey::EC(_) if curve.as_deref() == Some(P256) && octets.len() == 65 => Key::P256(octets),
            PublicKey::EC(_) if curve.as_deref() == Some(P384) && octets.len() == 97 => Key::P384(octets),
            _ => return Err(SamlError::KeyKind),
        };
        let seconds = certificate.validity().not_after.timestamp();
        let not_after = Timestamp::from_millis(u64::try_from(seconds).unwrap_or(0).saturating_mul(1000));
        Ok(Self { der: der.to_vec(), key, not_after, subject: certificate.subject().to_string() })
    }

    /// Reads a certificate as metadata and people carry it: base64, with or without PEM lines around.
    ///
    /// # Errors
    /// As [`PinnedCertificate::from_der`], and when it is not base64.
    pub fn from_text(text: &str) -> Result<Self, SamlError> {
        let body: String = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("-----"))
            .flat_map(|line| line.chars().filter(|c| !c.is_ascii_whitespace()))
            .collect();
        Self::from_der(&STANDARD.decode(body).map_err(|_| SamlError::Certificate)?)
    }

    /// The certificate in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate in base64, as in metadata.
    pub fn base64(&self) -> String {
        STANDARD.encode(&self.der)
    }

    /// SHA-256 of the DER: what the console shows and the audit row names.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, &self.der).as_ref());
        Fingerprint(bytes)
    }

    /// When the provider means to stop using it. Only a reason to warn.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// The subject's name, for people.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Whether this key made the signature. A key answers only for algorithms of its own kind.
    pub(crate) fn verifies(&self, algorithm: SignatureAlgorithm, octets: &[u8], signature: &[u8]) -> bool {
        use SignatureAlgorithm::{EcdsaSha256, EcdsaSha384, RsaSha256, RsaSha384, RsaSha512};
        let (how, key): (&dyn VerificationAlgorithm, &[u8]) = match (&self.key, algorithm) {
            (Key::Rsa(key), RsaSha256) => (&signature::RSA_PKCS1_2048_8192_SHA256, key),
            (Key::Rsa(key), RsaSha384) => (&signature::RSA_PKCS1_2048_8192_SHA384, key),
            (Key::Rsa(key), RsaSha512) => (&signature::RSA_PKCS1_2048_8192_SHA512, key),
            (Key::P256(key), EcdsaSha256) => (&signature::ECDSA_P256_SHA256_FIXED, key),
            (Key::P384(key), EcdsaSha384) => (&signature::ECDSA_P384_SHA384_FIXED, key),
            _ => return false,
        };
        UnparsedPublicKey::new(how, key).verify(octets, signature).is_ok()
    }
}

impl fmt::Debug for PinnedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PinnedCertificate({})", self.fingerprint())
    }
}

impl TryFrom<String> for PinnedCertificate {
    type Error = SamlError;

    fn try_from(text: String) -> Result<Self, SamlError> {
        Self::from_text(&text)
    }
}

impl From<PinnedCertificate> for String {
    fn from(certificate: PinnedCertificate) -> Self {
        certificate.base64()
    }
}

/// The keys that a provider may sign with: at least one, so a connection that trusts nobody cannot be
/// built; at most four, so that a roll-over fits and a forgotten heap does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<PinnedCertificate>", into = "Vec<PinnedCertificate>")]
pub struct PinnedCertificates(Vec<PinnedCertificate>);

impl PinnedCertificates {
    /// The certificates, in the order that they were pinned.
    pub fn iter(&self) -> impl Iterator<Item = &PinnedCertificate> {
        self.0.iter()
    }

    /// The certificate whose key made this signature.
    pub(crate) fn signer(
        &self,
        algorithm: SignatureAlgorithm,
        octets: &[u8],
        signature: &[u8],
    ) -> Option<&PinnedCertificate> {
        self.0.iter().find(|certificate| certificate.verifies(algorithm, octets, signature))
    }
}

impl TryFrom<Vec<PinnedCertificate>> for PinnedCertificates {
    type Error = SamlError;

    fn try_from(certificates: Vec<PinnedCertificate>) -> Result<Self, SamlError> {
        match certificates.len() {
            1..=4 => Ok(Self(certificates)),
            _ => Err(SamlError::PinnedCount),
        }
    }
}

impl From<PinnedCertificates> for Vec<PinnedCertificate> {
    fn from(certificates: PinnedCertificates) -> Self {
        certificates.0
    }
}

/// The digest inside RSA-OAEP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OaepDigest {
    Sha256,
    /// Not broken in this use, and all that some providers can do: only where a connection says so.
    Sha1,
}

/// Our own key with its certificate: it signs requests and logouts, or decrypts assertions. One key
/// does one of the two. Reading a key costs more than using it once, so whoever uses it often keeps it.
pub struct OwnKey {
    signs: RsaKeyPair,
    opens: OaepPrivateDecryptingKey,
    certificate: PinnedCertificate,
}

impl OwnKey {
    /// Takes an RSA key (PKCS #8, DER) and the certificate of its public half.
    ///
    /// # Errors
    /// When the key cannot be read, is not RSA, or is not the certificate's.
    pub fn new(pkcs8: &Secret<Vec<u8>>, certificate: &[u8]) -> Result<Self, SamlError> {
        let certificate = PinnedCertificate::from_der(certificate)?;
        let signs = RsaKeyPair::from_pkcs8(pkcs8.expose()).map_err(|_| SamlError::OwnKey)?;
        let public = aws_lc_rs::signature::KeyPair::public_key(&signs).as_ref();
        if certificate.key != Key::Rsa(public.to_vec()) {
            return Err(SamlError::OwnKey);
        }
        let opens = PrivateDecryptingKey::from_pkcs8(pkcs8.expose()).map_err(|_| SamlError::OwnKey)?;
        let opens = OaepPrivateDecryptingKey::new(opens).map_err(|_| SamlError::OwnKey)?;
        Ok(Self { signs, opens, certificate })
    }

    /// Makes a key of 3072 bits and a self-signed certificate for it: the PKCS #8 key to seal and store,
    /// and the certificate in DER. The certificate is good for ten years; a provider that pins it does
    /// not look at its dates, and rolling over is done by publishing a second one.
    ///
    /// # Errors
    /// When the machine gives no key.
    pub fn generate(common_name: &str, world: &World) -> Result<(Secret<Vec<u8>>, Vec<u8>), SamlError> {
        let pair =
            KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_3072).map_err(|_| SamlError::OwnKey)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        let epoch = date_time_ymd(1970, 1, 1);
        let seconds = Duration::from_secs(world.now().as_millis() / 1000);
        params.not_before = epoch + seconds;
        params.not_after = epoch + seconds + Duration::from_secs(3_650 * 86_400);
        let certificate = params.self_signed(&pair).map_err(|_| SamlError::OwnKey)?;
        Ok((Secret::new(pair.serialize_der()), certificate.der().to_vec()))
    }

    /// The certificate, for metadata.
    pub fn certificate(&self) -> &PinnedCertificate {
        &self.certificate
    }

    /// RSA-SHA256 over octets.
    pub(crate) fn sign(&self, octets: &[u8]) -> Result<Vec<u8>, SamlError> {
        let mut signature = vec![0; self.signs.public_modulus_len()];
        self.signs
            .sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), octets, &mut signature)
            .map_err(|_| SamlError::OwnKey)?;
        Ok(signature)
    }

    /// RSA-OAEP without a label, mask generation with the same digest.
    pub(crate) fn unwrap_key(&self, digest: OaepDigest, wrapped: &[u8]) -> Option<Secret<Vec<u8>>> {
        let algorithm = match digest {
            OaepDigest::Sha256 => &OAEP_SHA256_MGF1SHA256,
            OaepDigest::Sha1 => &OAEP_SHA1_MGF1SHA1,
        };
        let mut out = vec![0; self.opens.min_output_size()];
        let length = self.opens.decrypt(algorithm, wrapped, &mut out, None).ok()?.len();
        out.truncate(length);
        Some(Secret::new(out))
    }
}

impl fmt::Debug for OwnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnKey({:?})", self.certificate)
    }
}
