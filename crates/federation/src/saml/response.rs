//! The verification of a login response: the checklist, in order, as one function.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel::{Secret, Timestamp};

use super::c14n;
use super::census::{self, Assertion};
use super::claims::{self, Claims};
use super::connection::{Encryption, LOGIN_LIFETIME, SKEW, SamlConnection, SamlSettings};
use super::decrypt;
use super::grammar;
use super::instant;
use super::keys::{Fingerprint, OwnKey};
use super::once::{Once, Recorded};
use super::refusal::Refusal;
use super::request::Pending;
use super::signature::{self, Verified};
use super::xml::{self, MESSAGE_LIMIT, Tree, ns};

/// An assertion that passed every check that needs no memory. Its claims come out when the caller has
/// recorded that it was used: see [`VerifiedAssertion::admit`].
#[derive(Debug)]
pub struct VerifiedAssertion {
    claims: Claims,
    once: Once,
}

impl VerifiedAssertion {
    /// What must be recorded, unique, until it expires.
    pub fn once(&self) -> &Once {
        &self.once
    }

    /// The provider's id of this assertion and the certificate that signed it, for the audit row of a
    /// refusal further on.
    pub fn audit(&self) -> (&str, Fingerprint) {
        (&self.claims.assertion_id, self.claims.signer)
    }

    /// Opens the claims. `record` inserts [`Once`] under a unique constraint, in the transaction that
    /// uses the claims, and says whether the row was new.
    ///
    /// # Errors
    /// The outer error is `record`'s own. The inner one is [`Refusal::Replayed`].
    pub fn admit<E>(
        &self,
        record: impl FnOnce(&Once) -> Result<Recorded, E>,
    ) -> Result<Result<Claims, Refusal>, E> {
        Ok(match record(&self.once)? {
            Recorded::New => Ok(self.claims.clone()),
            Recorded::SeenBefore => Err(Refusal::Replayed),
        })
    }
}

/// Verifies what the browser posted to the assertion consumer service of `connection`.
///
/// `saml_response` and `relay_state` are the form's fields, decoded from the form and no further.
/// `key` decrypts; without it encrypted assertions are refused. `pending` is the login that we began,
/// found by the relay state. The connection is the one whose address was posted to, never one found
/// by the message's issuer.
///
/// # Errors
/// The first check that fails.
pub fn finish(
    connection: &SamlConnection,
    key: Option<&OwnKey>,
    pending: &Pending,
    saml_response: &str,
    relay_state: &str,
    now: Timestamp,
) -> Result<VerifiedAssertion, Refusal> {
    let octets = decode(saml_response)?;
    let verified = verify(connection, key, pending, &octets, now)?;
    if relay_state != pending.relay_state {
        return Err(Refusal::RelayState);
    }
    Ok(verified)
}

/// Base64 as a form carries it: strict, though some providers break the lines.
pub(crate) fn decode(field: &str) -> Result<Vec<u8>, Refusal> {
    if field.len() > MESSAGE_LIMIT / 3 * 4 + 4 {
        return Err(Refusal::TooLarge);
    }
    if field.bytes().any(|byte| matches!(byte, b'\r' | b'\n')) {
        let joined: String = field.split(['\r', '\n']).collect();
        return STANDARD.decode(joined).map_err(|_| Refusal::Base64);
    }
    STANDARD.decode(field).map_err(|_| Refusal::Base64)
}

fn verify(
    connection: &SamlConnection,
    key: Option<&OwnKey>,
    pending: &Pending,
    octets: &[u8],
    now: Timestamp,
) -> Result<VerifiedAssertion, Refusal> {
    let settings = connection.settings();
    // 1 to 5: the document, before anything in it is believed.
    let tree = Tree::parse(octets)?;
    let kind = census::response(&tree)?;
    grammar::check(&tree)?;
    version(tree.root())?;
    // 7: encryption as agreed.
    match (kind, settings.encryption, key) {
        (Assertion::Plain, Encryption::Required, _) => return Err(Refusal::EncryptionRequired),
        (Assertion::Encrypted, Encryption::Off, _) | (Assertion::Encrypted, _, None) => {
            return Err(Refusal::EncryptionNotOffered);
        }
        _ => {}
    }
    // 8 and 9: signatures. The response's own, when it has one, must verify as well.
    let outer = match signature::of(tree.root()) {
        Some(signature) => Some(signature::verify(tree.root(), signature, &settings.idp_certificates)?),
        None => None,
    };
    // What a signed response says is read from its octets, too.
    let outer_tree = match &outer {
        Some(verified) => Some(Tree::parse(&verified.octets).map_err(|_| Refusal::Octets)?),
        None => None,
    };
    let response = outer_tree.as_ref().unwrap_or(&tree);
    let vouched = outer.as_ref().filter(|_| settings.response_signature_suffices);
    let encrypted = kind == Assertion::Encrypted;
    let assertion = match (kind, key) {
        (Assertion::Encrypted, Some(key)) => {
            let plain = decrypted(response, key, settings)?;
            let tree = Tree::parse(plain.expose())?;
            census::assertion(&tree)?;
            grammar::check(&tree)?;
            signed_assertion(&tree, outer.as_ref(), vouched, None, settings)?
        }
        _ => signed_assertion(&tree, outer.as_ref(), vouched, outer_tree.as_ref(), settings)?,
    };
    // 10 to 15, and 19: from here on the signed octets speak.
    let claims = claims::read(&assertion.octets, assertion.signer, encrypted, settings, pending, now)?;
    // 17: within the time that we gave.
    if now >= pending.issued_at.after(LOGIN_LIFETIME) {
        return Err(Refusal::RequestExpired);
    }
    // 18: what the response says around the assertion. Unsigned, it can only make us refuse.
    around(response, outer.is_some(), settings, pending, now)?;
    let once = Once::of_assertion(&claims.issuer, &claims.assertion_id, claims.not_on_or_after.after(SKEW));
    Ok(VerifiedAssertion { claims, once })
}

fn version(node: roxmltree::Node<'_, '_>) -> Result<(), Refusal> {
    match xml::attribute(node, "Version") {
        Some("2.0") => Ok(()),
        _ => Err(Refusal::Version),
    }
}

fn decrypted(response: &Tree<'_>, key: &OwnKey, settings: &SamlSettings) -> Result<Secret<Vec<u8>>, Refusal> {
    let encrypted =
        xml::only(response.root(), ns::SAML, "EncryptedAssertion").ok_or(Refusal::EncryptionForm)?;
    decrypt::assertion(encrypted, key, settings.accept_oaep_sha1)
}

/// The verified octets of the assertion: of its own signature, or, where the connection says that the
/// response's signature suffices, those that lie inside the response's verified octets.
fn signed_assertion(
    tree: &Tree<'_>,
    outer: Option<&Verified>,
    vouched: Option<&Verified>,
    outer_tree: Option<&Tree<'_>>,
    settings: &SamlSettings,
) -> Result<Verified, Refusal> {
    let assertion = assertion_of(tree)?;
    version(assertion)?;
    match (signature::of(assertion), vouched) {
        (Some(signature), _) => signature::verify(assertion, signature, &settings.idp_certificates),
        (None, Some(vouched)) => {
            let inside = assertion_of(outer_tree.unwrap_or(tree))?;
            Ok(Verified { octets: c14n::exclusive(inside, None, &[]), signer: vouched.signer })
        }
        (None, None) if outer.is_some() => Err(Refusal::AssertionUnsigned),
        (None, None) => Err(Refusal::Unsigned),
    }
}

fn assertion_of<'a, 'i>(tree: &'a Tree<'i>) -> Result<roxmltree::Node<'a, 'i>, Refusal> {
    let root = tree.root();
    if xml::is(root, ns::SAML, "Assertion") {
        return Ok(root);
    }
    xml::only(root, ns::SAML, "Assertion").ok_or(Refusal::AssertionCount)
}

/// What the response says around the assertion.
fn around(
    response: &Tree<'_>,
    signed: bool,
    settings: &SamlSettings,
    pending: &Pending,
    now: Timestamp,
) -> Result<(), Refusal> {
    let root = response.root();
    let issued = instant::parse(xml::attribute(root, "IssueInstant").ok_or(Refusal::Instant)?)?;
    if issued > now.after(SKEW) {
        return Err(Refusal::IssueInstant);
    }
    if !census::success(root) {
        return Err(Refusal::Status);
    }
    if let Some(issuer) = xml::only(root, ns::SAML, "Issuer")
        && !claims::is_entity(issuer, &settings.idp_entity_id)
    {
        return Err(Refusal::ResponseIssuer);
    }
    match xml::attribute(root, "Destination") {
        Some(destination) if destination == settings.acs => {}
        // A signed response must say where it goes (bindings, 3.5.5.2).
        None if !signed => {}
        _ => return Err(Refusal::Destination),
    }
    match xml::attribute(root, "InResponseTo") {
        Some(id) if id == pending.request_id => Ok(()),
        _ => Err(Refusal::ResponseInResponseTo),
    }
}
