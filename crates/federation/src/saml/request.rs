//! The beginning of a login: the request that the browser carries to the provider.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::{Timestamp, World};
use serde::{Deserialize, Serialize};

use super::connection::SamlConnection;
use super::error::SamlError;
use super::instant;
use super::keys::OwnKey;
use super::write::Message;
use super::xml::{escape, ns};

/// What this login asks beyond the connection's settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Login {
    /// Ask the person to authenticate anew: for step-up.
    pub force_authn: bool,
    /// Authentication contexts to ask for instead of the connection's.
    pub authn_contexts: Vec<String>,
}

/// A login under way. Stored by the caller under the relay state (or a digest of it), bound to a cookie
/// of the browser that began it, good once and for [`LOGIN_LIFETIME`](super::LOGIN_LIFETIME).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    /// The request's id, which the assertion must answer.
    pub request_id: String,
    /// An opaque random value that comes back with the response. Never an address.
    pub relay_state: String,
    /// When the person left us.
    pub issued_at: Timestamp,
    /// Whether the person must authenticate anew.
    pub force_authn: bool,
    /// The contexts, one of which the assertion must state; empty for any.
    pub authn_contexts: Vec<String>,
}

/// How the browser leaves for the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Departure {
    /// By a 303 to this address.
    Redirect {
        /// The address with its query.
        location: String,
    },
    /// By a form that is posted.
    Form {
        /// Where to.
        action: String,
        /// The hidden fields, not yet escaped for HTML.
        fields: Vec<(&'static str, String)>,
    },
}

/// A new identifier: 160 random bits, and no digit first.
pub(crate) fn new_id(world: &World) -> String {
    let bytes: [u8; 20] = world.bytes();
    bytes.iter().fold("_".to_owned(), |id, byte| format!("{id}{byte:02x}"))
}

/// Begins a login.
///
/// # Errors
/// When the connection signs its requests and `key` is missing or does not sign.
pub fn start(
    connection: &SamlConnection,
    key: Option<&OwnKey>,
    login: Login,
    world: &World,
) -> Result<(Departure, Pending), SamlError> {
    let settings = connection.settings();
    let signing = if settings.sign_requests { Some(key.ok_or(SamlError::NoSigningKey)?) } else { None };
    let contexts =
        if login.authn_contexts.is_empty() { settings.authn_contexts.clone() } else { login.authn_contexts };
    let pending = Pending {
        request_id: new_id(world),
        relay_state: URL_SAFE_NO_PAD.encode(world.bytes::<32>()),
        issued_at: world.now(),
        force_authn: login.force_authn,
        authn_contexts: contexts,
    };
    let departure =
        authn_request(connection, &pending).send(settings.sign_on(), Some(&pending.relay_state), signing)?;
    Ok((departure, pending))
}

fn authn_request(connection: &SamlConnection, pending: &Pending) -> Message {
    let settings = connection.settings();
    let force = if pending.force_authn { " ForceAuthn=\"true\"" } else { "" };
    let head = format!(
        "<samlp:AuthnRequest xmlns:samlp=\"{}\" xmlns:saml=\"{}\" ID=\"{}\" Version=\"2.0\" IssueInstant=\"{}\" \
         Destination=\"{}\" AssertionConsumerServiceURL=\"{}\" \
         ProtocolBinding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\"{force}><saml:Issuer>{}</saml:Issuer>",
        ns::SAMLP,
        ns::SAML,
        pending.request_id,
        instant::write(pending.issued_at),
        escape(&settings.sign_on().location),
        escape(&settings.acs),
        escape(&settings.entity_id),
    );
    let mut tail = String::new();
    if let Some(format) = &settings.name_id_format {
        tail.push_str(&format!(
            "<samlp:NameIDPolicy Format=\"{}\" AllowCreate=\"true\"></samlp:NameIDPolicy>",
            escape(format)
        ));
    }
    if !pending.authn_contexts.is_empty() {
        tail.push_str("<samlp:RequestedAuthnContext Comparison=\"exact\">");
        for context in &pending.authn_contexts {
            tail.push_str(&format!(
                "<saml:AuthnContextClassRef>{}</saml:AuthnContextClassRef>",
                escape(context)
            ));
        }
        tail.push_str("</samlp:RequestedAuthnContext>");
    }
    tail.push_str("</samlp:AuthnRequest>");
    Message { field: "SAMLRequest", id: pending.request_id.clone(), head, tail }
}
