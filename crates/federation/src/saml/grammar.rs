//! The shape of a message: which element may hold which children and attributes, in which order.
//!
//! This is the SAML 2.0 schema with every open place closed, written as one table. A document that
//! passes holds nothing that the table does not name, so there is no corner in which a second truth
//! could hide.

use roxmltree::Node;

use super::refusal::Refusal;
use super::xml::{self, Tree, ns};

/// A child: namespace, name, least and most occurrences.
type Child = (&'static str, &'static str, usize, usize);

/// As many as the node limit allows.
const MANY: usize = usize::MAX;

enum Content {
    /// Nothing but text.
    Text,
    /// These, in this order, with white space between them.
    Sequence(&'static [Child]),
    /// These, in any order.
    Any(&'static [Child]),
    /// The value of an attribute: text, or one name identifier.
    Value,
}

struct Shape {
    namespace: &'static str,
    name: &'static str,
    attributes: &'static [&'static str],
    content: Content,
    /// What a departure from the shape is called.
    fault: Refusal,
}

const fn shape(
    namespace: &'static str,
    name: &'static str,
    attributes: &'static [&'static str],
    content: Content,
) -> Shape {
    Shape { namespace, name, attributes, content, fault: Refusal::Element }
}

const fn signature(name: &'static str, attributes: &'static [&'static str], content: Content) -> Shape {
    Shape { namespace: ns::DS, name, attributes, content, fault: Refusal::SignatureForm }
}

const fn encryption(
    namespace: &'static str,
    name: &'static str,
    attributes: &'static [&'static str],
    content: Content,
) -> Shape {
    Shape { namespace, name, attributes, content, fault: Refusal::EncryptionForm }
}

use Content::{Any, Sequence, Text, Value};
use ns::{DS, EXC_C14N, SAML, SAMLP, XENC, XENC11};

const NAME_ID: &[&str] = &["Format", "NameQualifier", "SPNameQualifier", "SPProvidedID"];
const EMPTY: Content = Sequence(&[]);

/// `KeyInfo` and `DigestMethod` serve signatures and encryption; the readers look closer.
const SHAPES: &[Shape] = &[
    shape(
        SAMLP,
        "Response",
        &["ID", "Version", "IssueInstant", "Destination", "Consent", "InResponseTo"],
        Sequence(&[
            (SAML, "Issuer", 0, 1),
            (DS, "Signature", 0, 1),
            (SAMLP, "Status", 1, 1),
            (SAML, "Assertion", 0, 1),
            (SAML, "EncryptedAssertion", 0, 1),
        ]),
    ),
    shape(SAMLP, "Status", &[], Sequence(&[(SAMLP, "StatusCode", 1, 1), (SAMLP, "StatusMessage", 0, 1)])),
    shape(SAMLP, "StatusCode", &["Value"], Sequence(&[(SAMLP, "StatusCode", 0, 1)])),
    shape(SAMLP, "StatusMessage", &[], Text),
    shape(
        SAMLP,
        "LogoutRequest",
        &["ID", "Version", "IssueInstant", "Destination", "Consent", "NotOnOrAfter", "Reason"],
        Sequence(&[
            (SAML, "Issuer", 1, 1),
            (DS, "Signature", 0, 1),
            (SAML, "NameID", 1, 1),
            (SAMLP, "SessionIndex", 0, MANY),
        ]),
    ),
    shape(SAMLP, "SessionIndex", &[], Text),
    shape(
        SAMLP,
        "LogoutResponse",
        &["ID", "Version", "IssueInstant", "Destination", "Consent", "InResponseTo"],
        Sequence(&[(SAML, "Issuer", 1, 1), (DS, "Signature", 0, 1), (SAMLP, "Status", 1, 1)]),
    ),
    shape(
        SAML,
        "Assertion",
        &["ID", "Version", "IssueInstant"],
        Sequence(&[
            (SAML, "Issuer", 1, 1),
            (DS, "Signature", 0, 1),
            (SAML, "Subject", 1, 1),
            (SAML, "Conditions", 1, 1),
            // Statements come in any order; two rounds cover what providers send.
            (SAML, "AttributeStatement", 0, 1),
            (SAML, "AuthnStatement", 0, 1),
            (SAML, "AttributeStatement", 0, 1),
        ]),
    ),
    shape(SAML, "Issuer", NAME_ID, Text),
    shape(SAML, "Subject", &[], Sequence(&[(SAML, "NameID", 1, 1), (SAML, "SubjectConfirmation", 1, 8)])),
    shape(SAML, "NameID", NAME_ID, Text),
    shape(SAML, "SubjectConfirmation", &["Method"], Sequence(&[(SAML, "SubjectConfirmationData", 0, 1)])),
    shape(
        SAML,
        "SubjectConfirmationData",
        &["NotBefore", "NotOnOrAfter", "Recipient", "InResponseTo", "Address"],
        EMPTY,
    ),
    Shape {
        namespace: SAML,
        name: "Conditions",
        attributes: &["NotBefore", "NotOnOrAfter"],
        content: Any(&[
            (SAML, "AudienceRestriction", 0, MANY),
            (SAML, "OneTimeUse", 0, 1),
            (SAML, "ProxyRestriction", 0, 1),
        ]),
        fault: Refusal::UnknownCondition,
    },
    shape(SAML, "AudienceRestriction", &[], Sequence(&[(SAML, "Audience", 1, 50)])),
    shape(SAML, "Audience", &[], Text),
    shape(SAML, "OneTimeUse", &[], EMPTY),
    shape(SAML, "ProxyRestriction", &["Count"], Sequence(&[(SAML, "Audience", 0, 50)])),
    shape(
        SAML,
        "AuthnStatement",
        &["AuthnInstant", "SessionIndex", "SessionNotOnOrAfter"],
        Sequence(&[(SAML, "SubjectLocality", 0, 1), (SAML, "AuthnContext", 1, 1)]),
    ),
    shape(SAML, "SubjectLocality", &["Address", "DNSName"], EMPTY),
    shape(
        SAML,
        "AuthnContext",
        &[],
        Sequence(&[
            (SAML, "AuthnContextClassRef", 0, 1),
            (SAML, "AuthnContextDeclRef", 0, 1),
            (SAML, "AuthenticatingAuthority", 0, 10),
        ]),
    ),
    shape(SAML, "AuthnContextClassRef", &[], Text),
    shape(SAML, "AuthnContextDeclRef", &[], Text),
    shape(SAML, "AuthenticatingAuthority", &[], Text),
    shape(SAML, "AttributeStatement", &[], Sequence(&[(SAML, "Attribute", 0, MANY)])),
    shape(
        SAML,
        "Attribute",
        &["Name", "NameFormat", "FriendlyName"],
        Sequence(&[(SAML, "AttributeValue", 0, MANY)]),
    ),
    shape(SAML, "AttributeValue", &[], Value),
    encryption(
        SAML,
        "EncryptedAssertion",
        &[],
        Sequence(&[(XENC, "EncryptedData", 1, 1), (XENC, "EncryptedKey", 0, 1)]),
    ),
    encryption(
        XENC,
        "EncryptedData",
        &["Id", "Type", "MimeType", "Encoding"],
        Sequence(&[(XENC, "EncryptionMethod", 1, 1), (DS, "KeyInfo", 0, 1), (XENC, "CipherData", 1, 1)]),
    ),
    encryption(
        XENC,
        "EncryptedKey",
        &["Id", "Type", "MimeType", "Encoding", "Recipient"],
        Sequence(&[
            (XENC, "EncryptionMethod", 1, 1),
            (DS, "KeyInfo", 0, 1),
            (XENC, "CipherData", 1, 1),
            (XENC, "ReferenceList", 0, 1),
        ]),
    ),
    encryption(
        XENC,
        "EncryptionMethod",
        &["Algorithm"],
        Any(&[(XENC, "KeySize", 0, 1), (DS, "DigestMethod", 0, 1), (XENC11, "MGF", 0, 1)]),
    ),
    encryption(XENC, "KeySize", &[], Text),
    encryption(XENC11, "MGF", &["Algorithm"], EMPTY),
    encryption(XENC, "CipherData", &[], Sequence(&[(XENC, "CipherValue", 1, 1)])),
    encryption(XENC, "CipherValue", &[], Text),
    encryption(XENC, "ReferenceList", &[], Sequence(&[(XENC, "DataReference", 1, 1)])),
    encryption(XENC, "DataReference", &["URI"], EMPTY),
    signature(
        "Signature",
        &["Id"],
        Sequence(&[(DS, "SignedInfo", 1, 1), (DS, "SignatureValue", 1, 1), (DS, "KeyInfo", 0, 1)]),
    ),
    signature(
        "SignedInfo",
        &[],
        Sequence(&[
            (DS, "CanonicalizationMethod", 1, 1),
            (DS, "SignatureMethod", 1, 1),
            (DS, "Reference", 1, 1),
        ]),
    ),
    signature("CanonicalizationMethod", &["Algorithm"], Sequence(&[(EXC_C14N, "InclusiveNamespaces", 0, 1)])),
    signature("SignatureMethod", &["Algorithm"], EMPTY),
    signature(
        "Reference",
        &["URI"],
        Sequence(&[(DS, "Transforms", 1, 1), (DS, "DigestMethod", 1, 1), (DS, "DigestValue", 1, 1)]),
    ),
    Shape {
        namespace: DS,
        name: "Transforms",
        attributes: &[],
        content: Sequence(&[(DS, "Transform", 2, 2)]),
        fault: Refusal::Transforms,
    },
    Shape {
        namespace: DS,
        name: "Transform",
        attributes: &["Algorithm"],
        content: Sequence(&[(EXC_C14N, "InclusiveNamespaces", 0, 1)]),
        fault: Refusal::Transforms,
    },
    Shape {
        namespace: EXC_C14N,
        name: "InclusiveNamespaces",
        attributes: &["PrefixList"],
        content: EMPTY,
        fault: Refusal::Transforms,
    },
    signature("DigestMethod", &["Algorithm"], EMPTY),
    signature("DigestValue", &[], Text),
    signature("SignatureValue", &[], Text),
    signature(
        "KeyInfo",
        &[],
        Any(&[
            (DS, "X509Data", 0, 4),
            (DS, "KeyValue", 0, 1),
            (DS, "KeyName", 0, 1),
            (DS, "RetrievalMethod", 0, 1),
            (XENC, "EncryptedKey", 0, 1),
        ]),
    ),
    signature("RetrievalMethod", &["URI", "Type"], EMPTY),
    signature("KeyName", &[], Text),
    signature("KeyValue", &[], Sequence(&[(DS, "RSAKeyValue", 1, 1)])),
    signature("RSAKeyValue", &[], Sequence(&[(DS, "Modulus", 1, 1), (DS, "Exponent", 1, 1)])),
    signature("Modulus", &[], Text),
    signature("Exponent", &[], Text),
    signature(
        "X509Data",
        &[],
        Any(&[
            (DS, "X509Certificate", 0, 4),
            (DS, "X509SubjectName", 0, 1),
            (DS, "X509SKI", 0, 1),
            (DS, "X509IssuerSerial", 0, 1),
        ]),
    ),
    signature("X509Certificate", &[], Text),
    signature("X509SubjectName", &[], Text),
    signature("X509SKI", &[], Text),
    signature(
        "X509IssuerSerial",
        &[],
        Sequence(&[(DS, "X509IssuerName", 1, 1), (DS, "X509SerialNumber", 1, 1)]),
    ),
    signature("X509IssuerName", &[], Text),
    signature("X509SerialNumber", &[], Text),
];

/// Holds a whole document against the table.
pub(crate) fn check(tree: &Tree<'_>) -> Result<(), Refusal> {
    // Groups come as hundreds of siblings of one shape.
    let mut last = None;
    tree.elements().try_for_each(|node| {
        let fits = |shape: &&Shape| xml::is(node, shape.namespace, shape.name);
        let shape = last.filter(fits).or_else(|| SHAPES.iter().find(fits)).ok_or(Refusal::Element)?;
        last = Some(shape);
        element(node, shape)
    })
}

fn element(node: Node<'_, '_>, shape: &Shape) -> Result<(), Refusal> {
    attributes(node, shape)?;
    match shape.content {
        Text => xml::text(node).map(|_| ()).ok_or(Refusal::Text),
        Sequence(children) => {
            no_stray_text(node)?;
            sequence(node, children).ok_or(shape.fault)
        }
        Any(children) => {
            no_stray_text(node)?;
            any(node, children).ok_or(shape.fault)
        }
        Value => {
            if xml::text(node).is_some() {
                return Ok(());
            }
            no_stray_text(node)?;
            sequence(node, &[(SAML, "NameID", 1, 1)]).ok_or(shape.fault)
        }
    }
}

fn attributes(node: Node<'_, '_>, shape: &Shape) -> Result<(), Refusal> {
    for attribute in node.attributes() {
        let known = match attribute.namespace() {
            None => shape.attributes.contains(&attribute.name()),
            Some(ns::XSI) => shape.name == "AttributeValue" && matches!(attribute.name(), "type" | "nil"),
            Some(ns::XML) => false,
            // The schema leaves this one open, and some providers say there where a value came from.
            Some(foreign) => shape.name == "Attribute" && ![SAML, SAMLP, DS, XENC].contains(&foreign),
        };
        if !known {
            return Err(Refusal::Attribute);
        }
    }
    Ok(())
}

fn no_stray_text(node: Node<'_, '_>) -> Result<(), Refusal> {
    let white = |text: &str| text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
    let stray = node.children().filter(Node::is_text).any(|text| !text.text().is_some_and(white));
    if stray { Err(Refusal::Text) } else { Ok(()) }
}

fn sequence(node: Node<'_, '_>, expected: &[Child]) -> Option<()> {
    let mut children = node.children().filter(Node::is_element).peekable();
    for (namespace, name, least, most) in expected {
        let mut found = 0;
        while found < *most && children.next_if(|child| xml::is(*child, namespace, name)).is_some() {
            found += 1;
        }
        if found < *least {
            return None;
        }
    }
    children.next().is_none().then_some(())
}

fn any(node: Node<'_, '_>, expected: &[Child]) -> Option<()> {
    let all_known = node
        .children()
        .filter(Node::is_element)
        .all(|child| expected.iter().any(|(namespace, name, _, _)| xml::is(child, namespace, name)));
    let counted = expected.iter().all(|(namespace, name, least, most)| {
        (*least..=*most).contains(&xml::children(node, namespace, name).count())
    });
    (all_known && counted).then_some(())
}
