//! Single logout, both directions and both bindings. Nothing unsigned is believed here, and nothing
//! unsigned is sent.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel::{Timestamp, World};
use miniz_oxide::inflate::decompress_to_vec_with_limit;
use serde::{Deserialize, Serialize};

use super::census;
use super::claims::{Claims, NameId, is_entity, read_name_id};
use super::connection::{SKEW, SamlConnection};
use super::error::SamlError;
use super::grammar;
use super::instant;
use super::keys::{Fingerprint, OwnKey};
use super::once::{Once, Recorded};
use super::refusal::Refusal;
use super::request::{Departure, new_id};
use super::response::decode;
use super::signature::{self, SignatureAlgorithm};
use super::write::Message;
use super::xml::{self, MESSAGE_LIMIT, Tree, ns};

/// How long a logout request without an end of its own is good for.
const LIFETIME: Duration = Duration::from_secs(300);
/// The most sessions that one request may name.
const SESSIONS_LIMIT: usize = 100;

/// What a provider must be told so that its own session ends: whom it knows, and which session. Kept with
/// the session that began by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leaving {
    /// The name identifier, as it was told.
    pub name_id: NameId,
    /// The provider's session, if it named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_index: Option<String>,
}

impl From<&Claims> for Leaving {
    fn from(claims: &Claims) -> Self {
        Self { name_id: claims.name_id.clone(), session_index: claims.session_index.clone() }
    }
}

/// A verified request of the provider to end sessions of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutRequest {
    /// The request's id, which our answer repeats.
    pub id: String,
    /// Whose sessions.
    pub name_id: NameId,
    /// Which of the provider's sessions; none means all of them.
    pub session_indexes: Vec<String>,
    /// What must come back with our answer, as it came.
    pub relay_state: Option<String>,
    /// The certificate whose key signed.
    pub signer: Fingerprint,
}

/// A logout request that passed every check that needs no memory.
#[derive(Debug)]
pub struct VerifiedLogout {
    request: LogoutRequest,
    once: Once,
}

impl VerifiedLogout {
    /// What must be recorded, unique, until it expires.
    pub fn once(&self) -> &Once {
        &self.once
    }

    /// Opens the request; as [`VerifiedAssertion::admit`](super::VerifiedAssertion::admit).
    ///
    /// # Errors
    /// The outer error is `record`'s own. The inner one is [`Refusal::Replayed`].
    pub fn admit<E>(
        &self,
        record: impl FnOnce(&Once) -> Result<Recorded, E>,
    ) -> Result<Result<LogoutRequest, Refusal>, E> {
        Ok(match record(&self.once)? {
            Recorded::New => Ok(self.request.clone()),
            Recorded::SeenBefore => Err(Refusal::Replayed),
        })
    }
}

/// The provider's answer to a logout that we began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The request that it answers: the caller compares it with the one that it sent.
    pub request_id: String,
    /// Whether the provider ended its session and all others.
    pub success: bool,
    /// The certificate whose key signed.
    pub signer: Fingerprint,
}

impl LogoutRequest {
    /// Verifies a request that came by redirect. `query` is the raw query, without its `?`.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn from_redirect(
        connection: &SamlConnection,
        query: &str,
        now: Timestamp,
    ) -> Result<VerifiedLogout, Refusal> {
        let signed = SignedQuery::verify(connection, "SAMLRequest", query)?;
        read_request(connection, &signed.octets, signed.relay_state, signed.signer, now)
    }

    /// Verifies a request that came as a form.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn from_form(
        connection: &SamlConnection,
        saml_request: &str,
        relay_state: Option<&str>,
        now: Timestamp,
    ) -> Result<VerifiedLogout, Refusal> {
        let (octets, signer) = enveloped(connection, "LogoutRequest", &decode(saml_request)?)?;
        read_request(connection, &octets, relay_state.map(str::to_owned), signer, now)
    }

    /// Our request to the provider: this person left. Gives the request's id with the departure.
    ///
    /// # Errors
    /// When the provider has no logout service, or the key does not sign.
    pub fn send(
        connection: &SamlConnection,
        key: &OwnKey,
        leaving: &Leaving,
        relay_state: &str,
        world: &World,
    ) -> Result<(Departure, String), SamlError> {
        let settings = connection.settings();
        let endpoint = settings.idp_logout.as_ref().ok_or(SamlError::NoLogoutEndpoint)?;
        let id = new_id(world);
        let head = head(connection, "LogoutRequest", &id, &endpoint.location, "", world.now());
        let attribute = |name: &str, value: Option<&String>| {
            value.map(|value| format!(" {name}=\"{}\"", xml::escape(value))).unwrap_or_default()
        };
        let name_id = &leaving.name_id;
        let index = leaving
            .session_index
            .as_ref()
            .map(|index| format!("<samlp:SessionIndex>{}</samlp:SessionIndex>", xml::escape(index)));
        let tail = format!(
            "<saml:NameID Format=\"{}\"{}{}>{}</saml:NameID>{}</samlp:LogoutRequest>",
            xml::escape(&name_id.format),
            attribute("NameQualifier", name_id.name_qualifier.as_ref()),
            attribute("SPNameQualifier", name_id.sp_name_qualifier.as_ref()),
            xml::escape(&name_id.value),
            index.unwrap_or_default(),
        );
        let message = Message { field: "SAMLRequest", id: id.clone(), head, tail };
        Ok((message.send(endpoint, Some(relay_state), Some(key))?, id))
    }

    /// Our answer. Call it when the sessions *have ended*: an answer sent before is a lie while the
    /// work is under way.
    ///
    /// # Errors
    /// When the provider has no logout service, or the key does not sign.
    pub fn answer(
        &self,
        connection: &SamlConnection,
        key: &OwnKey,
        world: &World,
    ) -> Result<Departure, SamlError> {
        let endpoint = connection.settings().idp_logout.as_ref().ok_or(SamlError::NoLogoutEndpoint)?;
        let id = new_id(world);
        let answered = format!(" InResponseTo=\"{}\"", xml::escape(&self.id));
        let head = head(connection, "LogoutResponse", &id, &endpoint.location, &answered, world.now());
        let tail = "<samlp:Status><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\">\
                    </samlp:StatusCode></samlp:Status></samlp:LogoutResponse>"
            .to_owned();
        let message = Message { field: "SAMLResponse", id, head, tail };
        message.send(endpoint, self.relay_state.as_deref(), Some(key))
    }
}

impl Ended {
    /// Verifies an answer that came by redirect. `query` is the raw query, without its `?`.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn from_redirect(connection: &SamlConnection, query: &str, now: Timestamp) -> Result<Self, Refusal> {
        let signed = SignedQuery::verify(connection, "SAMLResponse", query)?;
        read_response(connection, &signed.octets, signed.signer, now)
    }

    /// Verifies an answer that came as a form.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn from_form(
        connection: &SamlConnection,
        saml_response: &str,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let (octets, signer) = enveloped(connection, "LogoutResponse", &decode(saml_response)?)?;
        read_response(connection, &octets, signer, now)
    }
}

fn head(
    connection: &SamlConnection,
    name: &str,
    id: &str,
    destination: &str,
    more: &str,
    now: Timestamp,
) -> String {
    let end = if name == "LogoutRequest" {
        format!(" NotOnOrAfter=\"{}\"", instant::write(now.after(LIFETIME)))
    } else {
        String::new()
    };
    format!(
        "<samlp:{name} xmlns:samlp=\"{}\" xmlns:saml=\"{}\" ID=\"{id}\" Version=\"2.0\" IssueInstant=\"{}\" \
         Destination=\"{}\"{more}{end}><saml:Issuer>{}</saml:Issuer>",
        ns::SAMLP,
        ns::SAML,
        instant::write(now),
        xml::escape(destination),
        xml::escape(&connection.settings().entity_id),
    )
}

/// The octets of a posted message that its own signature covers.
fn enveloped(
    connection: &SamlConnection,
    name: &'static str,
    octets: &[u8],
) -> Result<(Vec<u8>, Fingerprint), Refusal> {
    let tree = Tree::parse(octets)?;
    census::message(&tree, name)?;
    grammar::check(&tree)?;
    let signature = signature::of(tree.root()).ok_or(Refusal::Unsigned)?;
    let verified = signature::verify(tree.root(), signature, &connection.settings().idp_certificates)?;
    Ok((verified.octets, verified.signer))
}

/// A query whose signature was verified (bindings, 3.4.4.1).
struct SignedQuery {
    octets: Vec<u8>,
    relay_state: Option<String>,
    signer: Fingerprint,
}

impl SignedQuery {
    fn verify(connection: &SamlConnection, field: &str, query: &str) -> Result<Self, Refusal> {
        if query.len() > 2 * MESSAGE_LIMIT {
            return Err(Refusal::TooLarge);
        }
        let mut message = None;
        let mut relay_state = None;
        let mut algorithm = None;
        let mut signature = None;
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').ok_or(Refusal::Query)?;
            let slot = match name {
                name if name == field => &mut message,
                "RelayState" => &mut relay_state,
                "SigAlg" => &mut algorithm,
                "Signature" => &mut signature,
                _ => return Err(Refusal::Query),
            };
            // Given twice, two readers could read two messages.
            if slot.replace((pair, value)).is_some() {
                return Err(Refusal::Query);
            }
        }
        let (message_pair, message) = message.ok_or(Refusal::Query)?;
        let (Some((algorithm_pair, algorithm)), Some((_, signature))) = (algorithm, signature) else {
            return Err(Refusal::Unsigned);
        };
        // The octets as they came, in the order of the binding, whatever order they came in.
        let signed = match relay_state {
            Some((pair, _)) => format!("{message_pair}&{pair}&{algorithm_pair}"),
            None => format!("{message_pair}&{algorithm_pair}"),
        };
        let algorithm =
            SignatureAlgorithm::from_uri(&unpercent(algorithm)?).ok_or(Refusal::SignatureAlgorithm)?;
        let signature = STANDARD.decode(unpercent(signature)?).map_err(|_| Refusal::Base64)?;
        let signer = connection
            .settings()
            .idp_certificates
            .signer(algorithm, signed.as_bytes(), &signature)
            .ok_or(Refusal::Signature)?
            .fingerprint();
        let deflated = STANDARD.decode(unpercent(message)?).map_err(|_| Refusal::Base64)?;
        let octets = decompress_to_vec_with_limit(&deflated, MESSAGE_LIMIT).map_err(|_| Refusal::Deflate)?;
        let relay_state = relay_state.map(|(_, value)| unpercent(value)).transpose()?;
        Ok(Self { octets, relay_state, signer })
    }
}

/// Reads one value of a query. `+` is a space there.
fn unpercent(value: &str) -> Result<String, Refusal> {
    let mut out = Vec::with_capacity(value.len());
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| {
                    byte.and_then(|byte| char::from(byte).to_digit(16)).ok_or(Refusal::Query)
                };
                let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
                u8::try_from(high * 16 + low).map_err(|_| Refusal::Query)?
            }
            b'+' => b' ',
            byte => byte,
        });
    }
    String::from_utf8(out).map_err(|_| Refusal::Query)
}

/// What requests and responses have in common, read from verified octets.
fn common(
    connection: &SamlConnection,
    root: roxmltree::Node<'_, '_>,
    now: Timestamp,
) -> Result<Timestamp, Refusal> {
    let settings = connection.settings();
    if xml::attribute(root, "Version") != Some("2.0") {
        return Err(Refusal::Version);
    }
    let issuer = xml::only(root, ns::SAML, "Issuer").ok_or(Refusal::Issuer)?;
    if !is_entity(issuer, &settings.idp_entity_id) {
        return Err(Refusal::Issuer);
    }
    let issued = instant::parse(xml::attribute(root, "IssueInstant").ok_or(Refusal::Instant)?)?;
    if issued > now.after(SKEW) {
        return Err(Refusal::IssueInstant);
    }
    // A signed message says where it goes; ours is the connection's own logout address.
    if settings.logout.is_none() || xml::attribute(root, "Destination") != settings.logout.as_deref() {
        return Err(Refusal::Destination);
    }
    Ok(issued)
}

fn read_request(
    connection: &SamlConnection,
    octets: &[u8],
    relay_state: Option<String>,
    signer: Fingerprint,
    now: Timestamp,
) -> Result<VerifiedLogout, Refusal> {
    let tree = unsigned_tree(octets, "LogoutRequest")?;
    let root = tree.root();
    let issued = common(connection, root, now)?;
    let until = match xml::attribute(root, "NotOnOrAfter").map(instant::parse).transpose()? {
        Some(until) => until,
        None => issued.after(LIFETIME),
    };
    if now >= until.after(SKEW) {
        return Err(Refusal::Expired);
    }
    let name_id = read_name_id(xml::only(root, ns::SAML, "NameID").ok_or(Refusal::NameId)?)?;
    let mut session_indexes = Vec::new();
    for index in xml::children(root, ns::SAMLP, "SessionIndex") {
        let text = xml::text(index)
            .filter(|text| !text.is_empty() && text.len() <= 512)
            .ok_or(Refusal::SessionIndex)?;
        if session_indexes.len() >= SESSIONS_LIMIT {
            return Err(Refusal::SessionIndex);
        }
        session_indexes.push(text.to_owned());
    }
    let id = xml::attribute(root, "ID").ok_or(Refusal::IdForm)?.to_owned();
    let once = Once::of_logout(&connection.settings().idp_entity_id, &id, until.after(SKEW));
    Ok(VerifiedLogout { request: LogoutRequest { id, name_id, session_indexes, relay_state, signer }, once })
}

fn read_response(
    connection: &SamlConnection,
    octets: &[u8],
    signer: Fingerprint,
    now: Timestamp,
) -> Result<Ended, Refusal> {
    let tree = unsigned_tree(octets, "LogoutResponse")?;
    let issued = common(connection, tree.root(), now)?;
    if now >= issued.after(LIFETIME).after(SKEW) {
        return Err(Refusal::Expired);
    }
    let request_id = xml::attribute(tree.root(), "InResponseTo").ok_or(Refusal::InResponseTo)?.to_owned();
    Ok(Ended { request_id, success: census::success(tree.root()), signer })
}

/// Octets that a signature covers hold no signature of their own.
fn unsigned_tree<'a>(octets: &'a [u8], name: &'static str) -> Result<Tree<'a>, Refusal> {
    let tree = Tree::parse(octets)?;
    census::message(&tree, name)?;
    grammar::check(&tree)?;
    if signature::of(tree.root()).is_some() {
        return Err(Refusal::SignaturePlace);
    }
    Ok(tree)
}
