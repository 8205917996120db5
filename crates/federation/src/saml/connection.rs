//! A connection to one identity provider: who it is, which keys it signs with, what we ask and accept.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::SamlError;
use super::keys::PinnedCertificates;

/// How far apart the clocks of provider and service may stand.
pub const SKEW: Duration = Duration::from_secs(60);
/// How long a person may take from leaving us to coming back.
pub const LOGIN_LIFETIME: Duration = Duration::from_secs(600);

/// How a message travels through the browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Binding {
    /// In the query of an address, inflated and signed apart (bindings, 3.4).
    Redirect,
    /// In a form, signed inside (bindings, 3.5).
    Post,
}

impl Binding {
    /// The binding's identifier in metadata.
    pub const fn uri(self) -> &'static str {
        match self {
            Self::Redirect => "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect",
            Self::Post => "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST",
        }
    }

    pub(crate) fn from_uri(uri: &str) -> Option<Self> {
        [Self::Redirect, Self::Post].into_iter().find(|binding| binding.uri() == uri)
    }
}

/// Where a provider takes messages, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// How.
    pub binding: Binding,
    /// An absolute https address.
    pub location: String,
}

/// What a connection does with encrypted assertions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encryption {
    /// No encryption certificate is published, and an encrypted assertion is refused.
    #[default]
    Off,
    /// Encrypted assertions are decrypted, plain ones accepted.
    Offered,
    /// Plain assertions are refused.
    Required,
}

/// The settings of a connection, as stored and edited. [`SamlConnection::new`] judges them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamlSettings {
    /// Our entity id towards this provider; the audience of its assertions.
    pub entity_id: String,
    /// Our assertion consumer service of this connection: where the browser posts the response.
    pub acs: String,
    /// Our single logout service, when there is one.
    #[serde(default)]
    pub logout: Option<String>,
    /// The provider's entity id.
    pub idp_entity_id: String,
    /// The provider's single sign-on service: by redirect, unless it takes forms only.
    pub idp_sign_on: Endpoint,
    /// Its service that takes forms, where it offers both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idp_sign_on_form: Option<Endpoint>,
    /// Send login requests by a form where the provider offers both: a redirect's address ends up in logs,
    /// and some front doors cut long ones.
    #[serde(default)]
    pub send_by_form: bool,
    /// The provider's single logout service.
    #[serde(default)]
    pub idp_logout: Option<Endpoint>,
    /// The certificates of the keys that the provider signs with.
    pub idp_certificates: PinnedCertificates,
    /// Whether login requests are signed. Logout messages always are.
    #[serde(default = "yes")]
    pub sign_requests: bool,
    /// The format of name identifier to ask for; none leaves it to the provider.
    #[serde(default)]
    pub name_id_format: Option<String>,
    /// The attribute that names a person for good. Without it the name identifier does, and a transient
    /// one is refused.
    #[serde(default)]
    pub subject_attribute: Option<String>,
    /// Accept an assertion without a signature of its own inside a signed response. Off unless a
    /// provider cannot do otherwise.
    #[serde(default)]
    pub response_signature_suffices: bool,
    /// Encrypted assertions.
    #[serde(default)]
    pub encryption: Encryption,
    /// Accept RSA-OAEP with SHA-1 for the wrapped key, which is all that some providers can do.
    #[serde(default)]
    pub accept_oaep_sha1: bool,
    /// Authentication contexts to ask for. When there are any, the assertion must state one of them.
    #[serde(default)]
    pub authn_contexts: Vec<String>,
    /// The oldest authentication to accept, in seconds, when the provider need not ask again.
    #[serde(default)]
    pub max_authn_age: Option<u32>,
}

impl SamlSettings {
    /// Where login requests go, and how.
    pub fn sign_on(&self) -> &Endpoint {
        self.idp_sign_on_form.as_ref().filter(|_| self.send_by_form).unwrap_or(&self.idp_sign_on)
    }
}

fn yes() -> bool {
    true
}

/// A connection whose settings were judged. It always trusts at least one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SamlConnection(SamlSettings);

impl SamlConnection {
    /// Judges settings.
    ///
    /// # Errors
    /// When an address is not https (http passes for loopback only), an entity id is unusable, or a
    /// number is out of range.
    pub fn new(settings: SamlSettings) -> Result<Self, SamlError> {
        entity_id(&settings.entity_id)?;
        entity_id(&settings.idp_entity_id)?;
        let logout = settings.idp_logout.iter().map(|endpoint| &endpoint.location);
        let addresses = [&settings.acs, &settings.idp_sign_on.location];
        addresses
            .into_iter()
            .chain(logout)
            .chain(settings.idp_sign_on_form.iter().map(|endpoint| &endpoint.location))
            .chain(settings.logout.iter())
            .try_for_each(|text| address(text))?;
        if settings.authn_contexts.len() > 10 || settings.authn_contexts.iter().any(|uri| uri.len() > 512) {
            return Err(SamlError::Range("authn_contexts"));
        }
        if settings.max_authn_age.is_some_and(|seconds| !(60..=30 * 86_400).contains(&seconds)) {
            return Err(SamlError::Range("max_authn_age"));
        }
        Ok(Self(settings))
    }

    /// The settings.
    pub fn settings(&self) -> &SamlSettings {
        &self.0
    }
}

fn entity_id(text: &str) -> Result<(), SamlError> {
    let usable =
        (1..=1024).contains(&text.len()) && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    if usable { Ok(()) } else { Err(SamlError::EntityId) }
}

/// An absolute https address of printable ASCII without user information, quotes or a fragment; http
/// for loopback, so that a provider on the same machine can be tried out.
pub(crate) fn address(text: &str) -> Result<(), SamlError> {
    let refused = || SamlError::Address(text.chars().take(200).collect());
    let printable = text.len() <= 2048
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'<>\\^`{|}#".contains(&byte));
    let (scheme, rest) = text.split_once("://").ok_or_else(refused)?;
    let authority = rest.split(['/', '?']).next().unwrap_or("");
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            port.parse::<u16>().map_err(|_| refused())?;
            host
        }
        _ => authority,
    };
    let loopback = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    let allowed = scheme == "https" || (scheme == "http" && loopback);
    if printable && allowed && !host.is_empty() && !authority.contains('@') { Ok(()) } else { Err(refused()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_https_or_loopback() {
        for good in
            ["https://idp.example/sso?x=1", "http://127.0.0.1:8401/sso", "https://[2001:db8::1]:8443/a"]
        {
            assert_eq!(address(good), Ok(()), "{good}");
        }
        for bad in [
            "http://idp.example/sso",
            "https://",
            "https:///path",
            "javascript:alert(1)",
            "https://user@idp.example/",
            "https://idp.example/#f",
            "https://idp.example/\"onload",
            "https://idp.example:99999/",
            "/relative",
            "http://127.0.0.1.evil.example/",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
