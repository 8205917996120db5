//! Encrypted assertions (XML Encryption 1.1): AES-GCM under a key wrapped with RSA-OAEP.
//!
//! CBC ciphers and RSA PKCS #1 v1.5 are refused by name: both let an attacker who can submit messages
//! decrypt. Every fault after the names of the algorithms is one and the same refusal, so the answer
//! tells nothing about the key or the plain text.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use kernel::Secret;
use roxmltree::Node;

use super::keys::{OaepDigest, OwnKey};
use super::refusal::Refusal;
use super::signature::base64;
use super::xml::{self, ns};

/// RSA-OAEP of XML Encryption 1.0: mask generation with SHA-1, whatever the digest.
pub(crate) const RSA_OAEP_MGF1P: &str = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p";
/// RSA-OAEP of XML Encryption 1.1: the mask generation is named.
pub(crate) const RSA_OAEP: &str = "http://www.w3.org/2009/xmlenc11#rsa-oaep";
pub(crate) const MGF1_SHA256: &str = "http://www.w3.org/2009/xmlenc11#mgf1sha256";
const SHA1: &str = "http://www.w3.org/2000/09/xmldsig#sha1";
const ELEMENT: &str = "http://www.w3.org/2001/04/xmlenc#Element";
const NONCE: usize = 12;
const TAG: usize = 16;

/// The octets of the assertion inside an `EncryptedAssertion`.
pub(crate) fn assertion(
    encrypted: Node<'_, '_>,
    key: &OwnKey,
    accept_sha1: bool,
) -> Result<Secret<Vec<u8>>, Refusal> {
    let data = xml::only(encrypted, ns::XENC, "EncryptedData").ok_or(Refusal::EncryptionForm)?;
    if xml::attribute(data, "Type").is_some_and(|kind| kind != ELEMENT) {
        return Err(Refusal::EncryptionForm);
    }
    let cipher = match algorithm(data)? {
        "http://www.w3.org/2009/xmlenc11#aes128-gcm" => &AES_128_GCM,
        "http://www.w3.org/2009/xmlenc11#aes256-gcm" => &AES_256_GCM,
        _ => return Err(Refusal::ContentCipher),
    };
    let wrapped = wrapped_key(encrypted, data)?;
    let digest = key_transport(wrapped, accept_sha1)?;

    let wrapped = cipher_value(wrapped)?;
    let mut sealed = cipher_value(data)?;
    if sealed.len() < NONCE + TAG {
        return Err(Refusal::Decryption);
    }
    let content_key = key.unwrap_key(digest, &wrapped).ok_or(Refusal::Decryption)?;
    let content_key = UnboundKey::new(cipher, content_key.expose()).map_err(|_| Refusal::Decryption)?;
    let mut ciphertext = sealed.split_off(NONCE);
    let nonce = Nonce::try_assume_unique_for_key(&sealed).map_err(|_| Refusal::Decryption)?;
    let plain = LessSafeKey::new(content_key)
        .open_in_place(nonce, Aad::empty(), &mut ciphertext)
        .map_err(|_| Refusal::Decryption)?
        .len();
    ciphertext.truncate(plain);
    Ok(Secret::new(ciphertext))
}

/// The one wrapped key: inside the `KeyInfo`, or beside the data, which then may point to it.
fn wrapped_key<'a, 'i>(encrypted: Node<'a, 'i>, data: Node<'a, 'i>) -> Result<Node<'a, 'i>, Refusal> {
    let inside =
        xml::only(data, ns::DS, "KeyInfo").and_then(|info| xml::only(info, ns::XENC, "EncryptedKey"));
    let beside = xml::only(encrypted, ns::XENC, "EncryptedKey");
    match (inside, beside) {
        (Some(key), None) | (None, Some(key)) => Ok(key),
        _ => Err(Refusal::EncryptionForm),
    }
}

fn key_transport(wrapped: Node<'_, '_>, accept_sha1: bool) -> Result<OaepDigest, Refusal> {
    let method = xml::only(wrapped, ns::XENC, "EncryptionMethod").ok_or(Refusal::EncryptionForm)?;
    let named = |namespace, name| {
        xml::only(method, namespace, name).and_then(|node| xml::attribute(node, "Algorithm"))
    };
    match (algorithm(wrapped)?, named(ns::DS, "DigestMethod"), named(ns::XENC11, "MGF")) {
        (RSA_OAEP, Some(super::signature::SHA256), Some(MGF1_SHA256)) => Ok(OaepDigest::Sha256),
        (RSA_OAEP_MGF1P, None | Some(SHA1), None) if accept_sha1 => Ok(OaepDigest::Sha1),
        _ => Err(Refusal::KeyTransport),
    }
}

fn algorithm<'a>(node: Node<'a, '_>) -> Result<&'a str, Refusal> {
    xml::only(node, ns::XENC, "EncryptionMethod")
        .and_then(|method| xml::attribute(method, "Algorithm"))
        .ok_or(Refusal::EncryptionForm)
}

fn cipher_value(node: Node<'_, '_>) -> Result<Vec<u8>, Refusal> {
    xml::only(node, ns::XENC, "CipherData")
        .and_then(|data| xml::only(data, ns::XENC, "CipherValue"))
        .and_then(xml::text)
        .and_then(base64)
        .ok_or(Refusal::EncryptionForm)
}
