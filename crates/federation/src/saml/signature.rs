//! XML signatures, as far as SAML needs them: one enveloped signature over its parent element.
//!
//! [`verify`] gives back the *octets whose digest was verified*. Whoever reads the element reads these
//! octets, parsed again; the tree that the signature was found in is never read again. That closes the
//! gap every wrapping attack lives in.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use roxmltree::Node;

use super::c14n;
use super::grammar;
use super::keys::{Fingerprint, PinnedCertificates};
use super::refusal::Refusal;
use super::xml::{self, Tree, ns};

/// The closed list of signature algorithms (RFC 9231).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignatureAlgorithm {
    RsaSha256,
    RsaSha384,
    RsaSha512,
    EcdsaSha256,
    EcdsaSha384,
}

impl SignatureAlgorithm {
    pub(crate) fn from_uri(uri: &str) -> Option<Self> {
        Some(match uri {
            RSA_SHA256 => Self::RsaSha256,
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384" => Self::RsaSha384,
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512" => Self::RsaSha512,
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256" => Self::EcdsaSha256,
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384" => Self::EcdsaSha384,
            _ => return None,
        })
    }
}

/// What we sign with.
pub(crate) const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
/// What we digest with.
pub(crate) const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
pub(crate) const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";

/// The closed list of digests.
fn digest_algorithm(uri: &str) -> Option<&'static digest::Algorithm> {
    match uri {
        SHA256 => Some(&digest::SHA256),
        "http://www.w3.org/2001/04/xmldsig-more#sha384" => Some(&digest::SHA384),
        "http://www.w3.org/2001/04/xmlenc#sha512" => Some(&digest::SHA512),
        _ => None,
    }
}

/// Fewer octets than any element that SAML signs can have. A canonicalization that failed open would
/// leave less.
const LEAST_OCTETS: usize = 200;

/// The most prefixes that a signature may ask to keep: each is looked up for each element, before anything
/// is believed. Genuine ones name one or two.
const MOST_PREFIXES: usize = 32;

/// What was verified.
#[derive(Debug)]
pub(crate) struct Verified {
    /// The canonical octets of the signed element, without its signature: what the digest is over.
    pub(crate) octets: Vec<u8>,
    /// The certificate whose key signed.
    pub(crate) signer: Fingerprint,
}

/// The signature that is a child of an element.
pub(crate) fn of<'a, 'i>(element: Node<'a, 'i>) -> Option<Node<'a, 'i>> {
    xml::only(element, ns::DS, "Signature")
}

/// Verifies the enveloped signature of `element` with the pinned keys. Its document has passed the
/// census and the grammar. `KeyInfo` is not read.
pub(crate) fn verify(
    element: Node<'_, '_>,
    signature: Node<'_, '_>,
    keys: &PinnedCertificates,
) -> Result<Verified, Refusal> {
    let info = xml::only(signature, ns::DS, "SignedInfo").ok_or(Refusal::SignatureForm)?;
    let method = xml::only(info, ns::DS, "CanonicalizationMethod").ok_or(Refusal::SignatureForm)?;
    let prefixes = exclusive_with_prefixes(method).ok_or(Refusal::Canonicalization)?;
    let info_octets = c14n::exclusive(info, None, &prefixes);

    // The plan is read from the octets that the signature is over, not from the tree they came from.
    let info_tree = Tree::parse(&info_octets)?;
    grammar::check(&info_tree)?;
    let plan = Plan::read(info_tree.root())?;

    if xml::attribute(element, "ID").is_none_or(|id| plan.reference.strip_prefix('#') != Some(id)) {
        return Err(Refusal::Reference);
    }
    let octets = c14n::exclusive(element, Some(signature.id()), &plan.prefixes);
    if octets.len() < LEAST_OCTETS {
        return Err(Refusal::OctetsShort);
    }
    let computed = digest::digest(plan.digest_algorithm, &octets);
    verify_slices_are_equal(computed.as_ref(), &plan.digest).map_err(|_| Refusal::Digest)?;

    let value = only_text(signature, "SignatureValue")?;
    let value = base64(value).ok_or(Refusal::SignatureForm)?;
    let signer = keys.signer(plan.algorithm, &info_octets, &value).ok_or(Refusal::Signature)?;
    Ok(Verified { octets, signer: signer.fingerprint() })
}

/// What a `SignedInfo` says.
struct Plan<'a> {
    algorithm: SignatureAlgorithm,
    reference: &'a str,
    prefixes: Vec<&'a str>,
    digest_algorithm: &'static digest::Algorithm,
    digest: Vec<u8>,
}

impl<'a> Plan<'a> {
    fn read(info: Node<'a, '_>) -> Result<Self, Refusal> {
        let part = |node, name| xml::only(node, ns::DS, name).ok_or(Refusal::SignatureForm);
        if !xml::is(info, ns::DS, "SignedInfo") {
            return Err(Refusal::SignatureForm);
        }
        exclusive_with_prefixes(part(info, "CanonicalizationMethod")?).ok_or(Refusal::Canonicalization)?;
        let algorithm = xml::attribute(part(info, "SignatureMethod")?, "Algorithm")
            .and_then(SignatureAlgorithm::from_uri)
            .ok_or(Refusal::SignatureAlgorithm)?;
        let reference = part(info, "Reference")?;
        let mut transforms = xml::children(part(reference, "Transforms")?, ns::DS, "Transform");
        let (Some(first), Some(second), None) = (transforms.next(), transforms.next(), transforms.next())
        else {
            return Err(Refusal::Transforms);
        };
        if xml::attribute(first, "Algorithm") != Some(ENVELOPED) || first.has_children() {
            return Err(Refusal::Transforms);
        }
        let prefixes = exclusive_with_prefixes(second).ok_or(Refusal::Transforms)?;
        let digest_algorithm = xml::attribute(part(reference, "DigestMethod")?, "Algorithm")
            .and_then(digest_algorithm)
            .ok_or(Refusal::DigestAlgorithm)?;
        let digest = base64(only_text(reference, "DigestValue")?).ok_or(Refusal::SignatureForm)?;
        let reference = xml::attribute(reference, "URI").ok_or(Refusal::Reference)?;
        Ok(Self { algorithm, reference, prefixes, digest_algorithm, digest })
    }
}

/// The prefixes of an element that names exclusive canonicalization, and `None` when it names another.
fn exclusive_with_prefixes<'a>(method: Node<'a, '_>) -> Option<Vec<&'a str>> {
    if xml::attribute(method, "Algorithm") != Some(c14n::ALGORITHM) {
        return None;
    }
    let Some(list) = xml::only(method, ns::EXC_C14N, "InclusiveNamespaces") else { return Some(Vec::new()) };
    let words = xml::attribute(list, "PrefixList")?.split_ascii_whitespace();
    let prefixes: Vec<&str> = words.take(MOST_PREFIXES + 1).collect();
    (prefixes.len() <= MOST_PREFIXES).then_some(prefixes)
}

fn only_text<'a>(parent: Node<'a, '_>, name: &'static str) -> Result<&'a str, Refusal> {
    xml::only(parent, ns::DS, name).and_then(xml::text).ok_or(Refusal::SignatureForm)
}

/// Base64 as XML schema has it: strict, but with white space between.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    let body: String = text.chars().filter(|c| !matches!(c, ' ' | '\t' | '\r' | '\n')).collect();
    STANDARD.decode(body).ok()
}
