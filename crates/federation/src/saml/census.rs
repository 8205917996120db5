//! What stands where, counted over the whole document before anything is verified.
//!
//! Every wrapping attack needs a second assertion, a moved signature, or a place where foreign content
//! may hide. Here names are counted *in any namespace*, signatures may stand in two places only,
//! identifiers are unique, and the places that SAML leaves open for anything are closed.

use std::collections::BTreeSet;

use roxmltree::Node;

use super::refusal::Refusal;
use super::xml::{self, Tree, ns};

/// Elements that SAML or XML Signature allow, and that we refuse with a reason of their own.
const CLOSED: &[(&str, Refusal)] = &[
    ("Object", Refusal::SignatureObject),
    ("Manifest", Refusal::SignatureObject),
    ("SignatureProperties", Refusal::SignatureObject),
    ("StatusDetail", Refusal::StatusDetail),
    ("Extensions", Refusal::Extensions),
    ("Advice", Refusal::Advice),
    ("EncryptedID", Refusal::EncryptedPart),
    ("NewEncryptedID", Refusal::EncryptedPart),
    ("EncryptedAttribute", Refusal::EncryptedPart),
];

/// Elements that only ever are the root.
const MESSAGES: &[&str] =
    &["Response", "LogoutRequest", "LogoutResponse", "AuthnRequest", "ArtifactResponse", "Envelope"];

/// What the census of a response found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Assertion {
    /// One assertion that can be read.
    Plain,
    /// One encrypted assertion.
    Encrypted,
}

/// Counts a response.
pub(crate) fn response(tree: &Tree<'_>) -> Result<Assertion, Refusal> {
    let root = tree.root();
    if !xml::is(root, ns::SAMLP, "Response") {
        return Err(Refusal::Root);
    }
    let named = |name: &'static str| tree.elements().filter(move |node| same(*node, name));
    let (plain, encrypted) = (named("Assertion").count(), named("EncryptedAssertion").count());
    match (plain, encrypted) {
        (1.., 1..) => return Err(Refusal::MixedAssertions),
        // A provider that refuses the login sends a status and nothing else.
        (0, 0) if !success(root) => return Err(Refusal::Status),
        (1, 0) | (0, 1) => {}
        _ => return Err(Refusal::AssertionCount),
    }
    let name = if plain == 1 { "Assertion" } else { "EncryptedAssertion" };
    let in_place =
        named(name).all(|node| node.parent_element() == Some(root) && xml::is(node, ns::SAML, name));
    if !in_place {
        return Err(Refusal::AssertionPlace);
    }
    common(tree)?;
    Ok(if plain == 1 { Assertion::Plain } else { Assertion::Encrypted })
}

/// Counts an assertion that stands alone: one that was decrypted, or the octets of one.
pub(crate) fn assertion(tree: &Tree<'_>) -> Result<(), Refusal> {
    if !xml::is(tree.root(), ns::SAML, "Assertion") {
        return Err(Refusal::Root);
    }
    common(tree)?;
    let inner = |node: &Node<'_, '_>| same(*node, "Assertion") || same(*node, "EncryptedAssertion");
    if tree.elements().filter(inner).count() != 1 {
        return Err(Refusal::AssertionCount);
    }
    Ok(())
}

/// Counts a protocol message without assertions.
pub(crate) fn message(tree: &Tree<'_>, name: &'static str) -> Result<(), Refusal> {
    let root = tree.root();
    if !xml::is(root, ns::SAMLP, name) {
        return Err(Refusal::Root);
    }
    common(tree)
}

fn common(tree: &Tree<'_>) -> Result<(), Refusal> {
    let root = tree.root();
    let mut ids = BTreeSet::new();
    for node in tree.elements() {
        let name = node.tag_name().name();
        if node != root && MESSAGES.iter().any(|message| name.eq_ignore_ascii_case(message)) {
            return Err(Refusal::NestedResponse);
        }
        if let Some((_, refusal)) = CLOSED.iter().find(|(closed, _)| name.eq_ignore_ascii_case(closed)) {
            return Err(*refusal);
        }
        if same(node, "Signature") {
            signature_place(node, root)?;
        }
        identifier(node, &mut ids)?;
    }
    Ok(())
}

/// A signature is a child of the root or of the assertion, one each, and in no other namespace.
fn signature_place(node: Node<'_, '_>, root: Node<'_, '_>) -> Result<(), Refusal> {
    let parent = node.parent_element().ok_or(Refusal::SignaturePlace)?;
    let may_be_signed =
        parent == root || (xml::is(parent, ns::SAML, "Assertion") && parent.parent_element() == Some(root));
    if !may_be_signed || !xml::is(node, ns::DS, "Signature") {
        return Err(Refusal::SignaturePlace);
    }
    if parent.children().filter(|sibling| sibling.is_element() && same(*sibling, "Signature")).count() > 1 {
        return Err(Refusal::SignatureCount);
    }
    Ok(())
}

/// Identifiers have one spelling per element, no prefix, and occur once.
fn identifier<'a>(node: Node<'a, '_>, ids: &mut BTreeSet<&'a str>) -> Result<(), Refusal> {
    let space = node.tag_name().namespace();
    for attribute in node.attributes() {
        if !attribute.name().eq_ignore_ascii_case("id") {
            continue;
        }
        let expected = match (space, node.tag_name().name()) {
            (Some(ns::SAMLP), name) if MESSAGES.contains(&name) => "ID",
            (Some(ns::SAML), "Assertion") => "ID",
            (Some(ns::XENC), "EncryptedData" | "EncryptedKey") => "Id",
            // xmlsec1 writes one; nothing refers to it.
            (Some(ns::DS), "Signature") => "Id",
            _ => return Err(Refusal::IdAttribute),
        };
        if attribute.namespace().is_some() || attribute.name() != expected {
            return Err(Refusal::IdAttribute);
        }
        if !well_formed(attribute.value()) {
            return Err(Refusal::IdForm);
        }
        if !ids.insert(attribute.value()) {
            return Err(Refusal::IdDuplicate);
        }
    }
    Ok(())
}

/// Whether a text is an identifier as providers make them: an ASCII NCName of at most 256 characters.
pub(crate) fn well_formed(id: &str) -> bool {
    id.len() <= 256
        && id.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

fn same(node: Node<'_, '_>, name: &str) -> bool {
    node.tag_name().name().eq_ignore_ascii_case(name)
}

/// The status code of success (SAML 2.0 core, 3.2.2.2).
const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";

/// Whether a response reports success.
pub(crate) fn success(response: Node<'_, '_>) -> bool {
    xml::only(response, ns::SAMLP, "Status")
        .and_then(|status| xml::only(status, ns::SAMLP, "StatusCode"))
        .and_then(|code| xml::attribute(code, "Value"))
        == Some(SUCCESS)
}
