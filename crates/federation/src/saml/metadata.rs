//! Metadata: the provider's, read when an administrator brings it, and ours, written per connection.
//!
//! The provider's metadata is trusted because of how it was obtained; a signature in it is not read.
//! What it says becomes settings that a person sees before they count.

use kernel::Timestamp;
use roxmltree::Node;

use super::connection::{Binding, Encryption, Endpoint, SamlConnection, address};
use super::decrypt::{MGF1_SHA256, RSA_OAEP, RSA_OAEP_MGF1P};
use super::error::SamlError;
use super::instant;
use super::keys::{OwnKey, PinnedCertificate, PinnedCertificates};
use super::signature::SHA256;
use super::xml::{self, Tree, escape, ns};

/// Federations publish larger files; those are for their own tools. One provider's stays far below.
const LIMIT: usize = 2 * 1024 * 1024;
const NODES: u32 = 50_000;

/// What an identity provider says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdpMetadata {
    /// Its entity id.
    pub entity_id: String,
    /// Its single sign-on services that we can speak to, redirect first.
    pub sign_on: Vec<Endpoint>,
    /// Its single logout services that we can speak to, redirect first.
    pub logout: Vec<Endpoint>,
    /// The certificates of its signing keys.
    pub certificates: PinnedCertificates,
    /// Whether it wants requests to be signed.
    pub wants_signed_requests: bool,
    /// The formats of name identifiers that it knows.
    pub name_id_formats: Vec<String>,
}

impl IdpMetadata {
    /// Reads metadata. `entity_id` chooses among several providers.
    ///
    /// # Errors
    /// When the file cannot be read, has expired, holds no or several providers, or one without a
    /// usable key and a binding that we speak.
    pub fn parse(file: &[u8], entity_id: Option<&str>, now: Timestamp) -> Result<Self, SamlError> {
        let octets = without_comments(file)?;
        let tree = Tree::parse_plain(&octets, LIMIT, NODES).map_err(SamlError::Metadata)?;
        Self::choose(&tree, entity_id, now)
    }

    fn choose(tree: &Tree<'_>, entity_id: Option<&str>, now: Timestamp) -> Result<Self, SamlError> {
        let mut found: Vec<(Node<'_, '_>, Node<'_, '_>)> = tree
            .elements()
            .filter(|node| xml::is(*node, ns::MD, "EntityDescriptor"))
            .filter(|node| entity_id.is_none_or(|id| xml::attribute(*node, "entityID") == Some(id)))
            .filter_map(|node| Some((node, xml::only(node, ns::MD, "IDPSSODescriptor")?)))
            .collect();
        match found.len() {
            0 => Err(SamlError::NoProvider),
            1 => found.pop().map_or(Err(SamlError::NoProvider), |(entity, role)| read(entity, role, now)),
            several => Err(SamlError::SeveralProviders(several)),
        }
    }
}

/// Cuts comments out, which metadata may have: it is a file that people edit.
fn without_comments(file: &[u8]) -> Result<Vec<u8>, SamlError> {
    let broken = || SamlError::Metadata(super::Refusal::Xml);
    let text = std::str::from_utf8(file).map_err(|_| SamlError::Metadata(super::Refusal::Encoding))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<!--") {
        out.push_str(before);
        rest = after.split_once("-->").ok_or_else(broken)?.1;
    }
    out.push_str(rest);
    Ok(out.into_bytes())
}

fn read(entity: Node<'_, '_>, role: Node<'_, '_>, now: Timestamp) -> Result<IdpMetadata, SamlError> {
    // What stands around a provider ends it too: a federation's file ends as a whole.
    for node in entity.ancestors().filter(Node::is_element).chain([role]) {
        let until = xml::attribute(node, "validUntil").map(instant::parse).transpose();
        if until.map_err(SamlError::Metadata)?.is_some_and(|until| now >= until) {
            return Err(SamlError::MetadataExpired);
        }
    }
    let entity_id = xml::attribute(entity, "entityID").ok_or(SamlError::EntityId)?.to_owned();
    let mut certificates: Vec<PinnedCertificate> = Vec::new();
    for descriptor in xml::children(role, ns::MD, "KeyDescriptor") {
        if !matches!(xml::attribute(descriptor, "use"), None | Some("signing")) {
            continue;
        }
        let texts = descriptor.descendants().filter(|node| xml::is(*node, ns::DS, "X509Certificate"));
        for text in texts {
            let certificate = PinnedCertificate::from_text(xml::text(text).ok_or(SamlError::Certificate)?)?;
            if !certificates.contains(&certificate) {
                certificates.push(certificate);
            }
        }
    }
    let sign_on = endpoints(role, "SingleSignOnService");
    if sign_on.is_empty() {
        return Err(SamlError::NoSignOn);
    }
    Ok(IdpMetadata {
        entity_id,
        sign_on,
        logout: endpoints(role, "SingleLogoutService"),
        certificates: certificates.try_into()?,
        wants_signed_requests: matches!(xml::attribute(role, "WantAuthnRequestsSigned"), Some("true" | "1")),
        name_id_formats: xml::children(role, ns::MD, "NameIDFormat")
            .filter_map(xml::text)
            .map(|text| text.trim().to_owned())
            .collect(),
    })
}

/// Services of bindings that we speak, at addresses that we accept.
fn endpoints(role: Node<'_, '_>, name: &'static str) -> Vec<Endpoint> {
    let mut found: Vec<Endpoint> = xml::children(role, ns::MD, name)
        .filter_map(|node| {
            let binding = Binding::from_uri(xml::attribute(node, "Binding")?)?;
            let location = xml::attribute(node, "Location")?.to_owned();
            address(&location).ok()?;
            Some(Endpoint { binding, location })
        })
        .collect();
    found.sort_by_key(|endpoint| endpoint.binding != Binding::Redirect);
    found
}

/// Our metadata for one connection, to hand to its provider.
///
/// `encryption` is published only when the connection takes encrypted assertions.
pub fn sp_metadata(
    connection: &SamlConnection,
    signing: Option<&OwnKey>,
    encryption: Option<&OwnKey>,
) -> String {
    let settings = connection.settings();
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<md:EntityDescriptor xmlns:md=\"{}\" xmlns:ds=\"{}\" \
         entityID=\"{}\">\n  <md:SPSSODescriptor AuthnRequestsSigned=\"{}\" WantAssertionsSigned=\"true\" \
         protocolSupportEnumeration=\"{}\">\n",
        ns::MD,
        ns::DS,
        escape(&settings.entity_id),
        settings.sign_requests,
        ns::SAMLP,
    );
    if let Some(key) = signing {
        out.push_str(&descriptor("signing", key, ""));
    }
    if let Some(key) = encryption.filter(|_| settings.encryption != Encryption::Off) {
        let mut methods = format!(
            "      <md:EncryptionMethod Algorithm=\"http://www.w3.org/2009/xmlenc11#aes256-gcm\"/>\n      \
             <md:EncryptionMethod Algorithm=\"http://www.w3.org/2009/xmlenc11#aes128-gcm\"/>\n      \
             <md:EncryptionMethod Algorithm=\"{RSA_OAEP}\"><ds:DigestMethod Algorithm=\"{SHA256}\"/>\
             <xenc11:MGF xmlns:xenc11=\"{}\" Algorithm=\"{MGF1_SHA256}\"/></md:EncryptionMethod>\n",
            ns::XENC11
        );
        if settings.accept_oaep_sha1 {
            methods.push_str(&format!("      <md:EncryptionMethod Algorithm=\"{RSA_OAEP_MGF1P}\"/>\n"));
        }
        out.push_str(&descriptor("encryption", key, &methods));
    }
    if let Some(logout) = &settings.logout {
        for binding in [Binding::Redirect, Binding::Post] {
            out.push_str(&format!(
                "    <md:SingleLogoutService Binding=\"{}\" Location=\"{}\"/>\n",
                binding.uri(),
                escape(logout)
            ));
        }
    }
    if let Some(format) = &settings.name_id_format {
        out.push_str(&format!("    <md:NameIDFormat>{}</md:NameIDFormat>\n", escape(format)));
    }
    out.push_str(&format!(
        "    <md:AssertionConsumerService Binding=\"{}\" Location=\"{}\" index=\"0\" isDefault=\"true\"/>\n  \
         </md:SPSSODescriptor>\n</md:EntityDescriptor>\n",
        Binding::Post.uri(),
        escape(&settings.acs)
    ));
    out
}

fn descriptor(purpose: &str, key: &OwnKey, methods: &str) -> String {
    format!(
        "    <md:KeyDescriptor use=\"{purpose}\">\n      <ds:KeyInfo><ds:X509Data><ds:X509Certificate>{}\
         </ds:X509Certificate></ds:X509Data></ds:KeyInfo>\n{methods}    </md:KeyDescriptor>\n",
        key.certificate().base64()
    )
}
