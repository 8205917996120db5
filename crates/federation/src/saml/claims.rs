//! What an assertion claims, read from the octets whose digest was verified and from nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use kernel::Timestamp;
use roxmltree::Node;
use serde::{Deserialize, Serialize};

use super::census;
use super::connection::{SKEW, SamlSettings};
use super::grammar;
use super::instant;
use super::keys::Fingerprint;
use super::refusal::Refusal;
use super::request::Pending;
use super::xml::{self, Tree, ns};

const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
const TRANSIENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";
const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";
const EMAIL: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
const WINDOWS: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:WindowsDomainQualifiedName";
const ENTITY: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity";
const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
/// The longest value that names or describes a person, in octets.
const VALUE_LIMIT: usize = 4096;
const NAME_ID_LIMIT: usize = 512;
/// The most attributes, and the most values of one: groups come as values.
const ATTRIBUTE_LIMIT: usize = 100;
const VALUES_LIMIT: usize = 500;

/// What the provider says of a person and a login. Every word stood in the signed octets.
///
/// `Debug` shows no content; the claims are personal data.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// The provider's entity id: that of the connection.
    pub issuer: String,
    /// What names the person within this connection, for good: the name identifier, or the attribute
    /// that the connection names. Never an address unless the administrator chose it.
    pub subject: String,
    /// The name identifier, as a logout request must repeat it.
    pub name_id: NameId,
    /// Attributes by name, values in document order. Structured values are left out.
    pub attributes: BTreeMap<String, Vec<String>>,
    /// The provider's session, named in logouts.
    pub session_index: Option<String>,
    /// When the person authenticated.
    pub authn_instant: Timestamp,
    /// How the person authenticated: an identifier that the connection maps to a level of assurance.
    pub authn_context: Option<String>,
    /// When the provider's session ends, and ours with it at the latest.
    pub session_not_on_or_after: Option<Timestamp>,
    /// The end of the assertion's own validity.
    pub not_on_or_after: Timestamp,
    /// The assertion's id.
    pub assertion_id: String,
    /// The request that this answers.
    pub request_id: String,
    /// The certificate whose key signed these claims.
    pub signer: Fingerprint,
    /// Whether the assertion came encrypted.
    pub encrypted: bool,
}

/// A name identifier with its qualifiers.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NameId {
    /// The identifier.
    pub value: String,
    /// Its format.
    pub format: String,
    /// The domain that it is unique in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_qualifier: Option<String>,
    /// The service that it was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sp_name_qualifier: Option<String>,
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims")
            .field("issuer", &self.issuer)
            .field("attributes", &self.attributes.len())
            .field("signer", &self.signer)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for NameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NameId({})", self.format)
    }
}

/// Reads and judges the claims (steps 10 to 15, and 19).
pub(crate) fn read(
    octets: &[u8],
    signer: Fingerprint,
    encrypted: bool,
    settings: &SamlSettings,
    pending: &Pending,
    now: Timestamp,
) -> Result<Claims, Refusal> {
    let tree = Tree::parse(octets).map_err(|_| Refusal::Octets)?;
    census::assertion(&tree).map_err(|_| Refusal::Octets)?;
    grammar::check(&tree).map_err(|_| Refusal::Octets)?;
    let assertion = tree.root();

    let issuer = part(assertion, "Issuer", Refusal::Issuer)?;
    if !is_entity(issuer, &settings.idp_entity_id) {
        return Err(Refusal::Issuer);
    }
    if moment(assertion, "IssueInstant")?.ok_or(Refusal::Instant)? > now.after(SKEW) {
        return Err(Refusal::IssueInstant);
    }
    let subject = part(assertion, "Subject", Refusal::NameId)?;
    let name_id = name_id(subject, settings)?;
    let confirmed_until = confirmation(subject, settings, pending, now)?;
    conditions(part(assertion, "Conditions", Refusal::Conditions)?, settings, now)?;
    let authn = authn(assertion, settings, pending, now)?;
    let attributes = attributes(assertion)?;
    let subject = match &settings.subject_attribute {
        None => name_id.value.clone(),
        Some(name) => match attributes.get(name).map(Vec::as_slice) {
            Some([only]) if usable(only) => only.clone(),
            _ => return Err(Refusal::Subject),
        },
    };
    Ok(Claims {
        issuer: settings.idp_entity_id.clone(),
        subject,
        name_id,
        attributes,
        session_index: authn.session_index,
        authn_instant: authn.instant,
        authn_context: authn.context,
        session_not_on_or_after: authn.session_end,
        not_on_or_after: confirmed_until,
        assertion_id: xml::attribute(assertion, "ID").ok_or(Refusal::Octets)?.to_owned(),
        request_id: pending.request_id.clone(),
        signer,
        encrypted,
    })
}

fn part<'a, 'i>(node: Node<'a, 'i>, name: &'static str, otherwise: Refusal) -> Result<Node<'a, 'i>, Refusal> {
    xml::only(node, ns::SAML, name).ok_or(otherwise)
}

fn moment(node: Node<'_, '_>, name: &str) -> Result<Option<Timestamp>, Refusal> {
    xml::attribute(node, name).map(instant::parse).transpose()
}

/// Text that may name a person: not empty, no space around it, nothing that does not print.
fn usable(text: &str) -> bool {
    (1..=NAME_ID_LIMIT).contains(&text.len()) && text.trim() == text && !text.contains(char::is_control)
}

/// Reads a name identifier. Also used for logouts.
pub(crate) fn read_name_id(node: Node<'_, '_>) -> Result<NameId, Refusal> {
    let value = xml::text(node).filter(|text| usable(text)).ok_or(Refusal::NameId)?;
    let owned = |name| xml::attribute(node, name).map(str::to_owned);
    let format = owned("Format").unwrap_or_else(|| UNSPECIFIED.to_owned());
    if ![PERSISTENT, TRANSIENT, UNSPECIFIED, EMAIL, WINDOWS].contains(&format.as_str()) {
        return Err(Refusal::NameIdFormat);
    }
    Ok(NameId {
        value: value.to_owned(),
        format,
        name_qualifier: owned("NameQualifier"),
        sp_name_qualifier: owned("SPNameQualifier"),
    })
}

/// Whether an `Issuer` is this entity: by its text, in the one format that an issuer may have, and without
/// qualifiers (profiles, 4.1.4.2; core, 8.3.6).
pub(crate) fn is_entity(issuer: Node<'_, '_>, entity: &str) -> bool {
    let plain =
        issuer.attributes().all(|attribute| attribute.name() == "Format" && attribute.value() == ENTITY);
    plain && xml::text(issuer) == Some(entity)
}

fn name_id(subject: Node<'_, '_>, settings: &SamlSettings) -> Result<NameId, Refusal> {
    let name_id = read_name_id(part(subject, "NameID", Refusal::NameId)?)?;
    // A transient identifier is new at every login; as a key it would make a new person each time.
    if name_id.format == TRANSIENT && settings.subject_attribute.is_none() {
        return Err(Refusal::NameIdFormat);
    }
    Ok(name_id)
}

/// The one bearer confirmation (profiles, 4.1.4.2 and 4.1.4.3).
fn confirmation(
    subject: Node<'_, '_>,
    settings: &SamlSettings,
    pending: &Pending,
    now: Timestamp,
) -> Result<Timestamp, Refusal> {
    let confirmation = part(subject, "SubjectConfirmation", Refusal::ConfirmationMethod)?;
    if xml::attribute(confirmation, "Method") != Some(BEARER) {
        return Err(Refusal::ConfirmationMethod);
    }
    let data = part(confirmation, "SubjectConfirmationData", Refusal::ConfirmationMethod)?;
    if xml::attribute(data, "Recipient") != Some(settings.acs.as_str()) {
        return Err(Refusal::Recipient);
    }
    let until = moment(data, "NotOnOrAfter")?.ok_or(Refusal::ConfirmationExpired)?;
    if now >= until.after(SKEW) {
        return Err(Refusal::ConfirmationExpired);
    }
    if xml::attribute(data, "NotBefore").is_some() {
        return Err(Refusal::ConfirmationNotBefore);
    }
    match xml::attribute(data, "InResponseTo") {
        None => Err(Refusal::Unsolicited),
        Some(id) if id == pending.request_id => Ok(until),
        Some(_) => Err(Refusal::InResponseTo),
    }
}

fn conditions(node: Node<'_, '_>, settings: &SamlSettings, now: Timestamp) -> Result<(), Refusal> {
    let (from, until) = (moment(node, "NotBefore")?, moment(node, "NotOnOrAfter")?);
    if let (Some(from), Some(until)) = (from, until)
        && from >= until
    {
        return Err(Refusal::Conditions);
    }
    if from.is_some_and(|from| from > now.after(SKEW)) {
        return Err(Refusal::NotYetValid);
    }
    if until.is_some_and(|until| now >= until.after(SKEW)) {
        return Err(Refusal::Expired);
    }
    let restriction = part(node, "AudienceRestriction", Refusal::Audience)?;
    let ours = xml::children(restriction, ns::SAML, "Audience")
        .any(|audience| xml::text(audience) == Some(settings.entity_id.as_str()));
    if ours { Ok(()) } else { Err(Refusal::Audience) }
}

struct Authn {
    instant: Timestamp,
    session_index: Option<String>,
    session_end: Option<Timestamp>,
    context: Option<String>,
}

fn authn(
    assertion: Node<'_, '_>,
    settings: &SamlSettings,
    pending: &Pending,
    now: Timestamp,
) -> Result<Authn, Refusal> {
    let statement = part(assertion, "AuthnStatement", Refusal::AuthnStatement)?;
    let instant = moment(statement, "AuthnInstant")?.ok_or(Refusal::AuthnStatement)?;
    if instant > now.after(SKEW) {
        return Err(Refusal::AuthnInstant);
    }
    let too_old = settings.max_authn_age.is_some_and(|seconds| {
        now.since(instant) > SKEW.saturating_add(std::time::Duration::from_secs(seconds.into()))
    });
    // Who was asked to authenticate anew did so after we asked.
    let not_anew = pending.force_authn && instant.after(SKEW) < pending.issued_at;
    if too_old || not_anew {
        return Err(Refusal::AuthnTooOld);
    }
    let session_end = moment(statement, "SessionNotOnOrAfter")?;
    if session_end.is_some_and(|end| now >= end) {
        return Err(Refusal::SessionExpired);
    }
    let session_index = xml::attribute(statement, "SessionIndex");
    if session_index.is_some_and(|index| !usable(index)) {
        return Err(Refusal::AuthnStatement);
    }
    let context = xml::only(statement, ns::SAML, "AuthnContext")
        .and_then(|context| xml::only(context, ns::SAML, "AuthnContextClassRef"))
        .and_then(xml::text);
    let asked = &pending.authn_contexts;
    if !asked.is_empty() && !context.is_some_and(|context| asked.iter().any(|uri| uri == context)) {
        return Err(Refusal::AuthnContext);
    }
    Ok(Authn {
        instant,
        session_index: session_index.map(str::to_owned),
        session_end,
        context: context.map(str::to_owned),
    })
}

fn attributes(assertion: Node<'_, '_>) -> Result<BTreeMap<String, Vec<String>>, Refusal> {
    let mut found = BTreeMap::new();
    let mut folded = BTreeSet::new();
    for statement in xml::children(assertion, ns::SAML, "AttributeStatement") {
        for attribute in xml::children(statement, ns::SAML, "Attribute") {
            let name =
                xml::attribute(attribute, "Name").filter(|name| usable(name)).ok_or(Refusal::Attribute)?;
            // Two names that a careless reader would take for one are one too many.
            if !folded.insert(name.to_lowercase()) {
                return Err(Refusal::AttributeDuplicate);
            }
            let mut values = Vec::new();
            for value in xml::children(attribute, ns::SAML, "AttributeValue") {
                let Some(text) = xml::text(value) else { continue };
                if text.len() > VALUE_LIMIT || values.len() >= VALUES_LIMIT {
                    return Err(Refusal::AttributeLimit);
                }
                values.push(text.to_owned());
            }
            found.insert(name.to_owned(), values);
            if found.len() > ATTRIBUTE_LIMIT {
                return Err(Refusal::AttributeLimit);
            }
        }
    }
    Ok(found)
}
