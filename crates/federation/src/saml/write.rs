//! Messages of ours: written, signed and sent on their way.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use miniz_oxide::deflate::compress_to_vec;

use super::c14n;
use super::connection::{Binding, Endpoint};
use super::error::SamlError;
use super::keys::OwnKey;
use super::request::Departure;
use super::signature::{ENVELOPED, RSA_SHA256, SHA256};
use super::xml::{Tree, ns};

/// A message in two pieces: a signature goes between them, after the issuer (core, 3.2.1).
pub(crate) struct Message {
    /// The field that carries it: `SAMLRequest` or `SAMLResponse`.
    pub(crate) field: &'static str,
    pub(crate) id: String,
    pub(crate) head: String,
    pub(crate) tail: String,
}

impl Message {
    /// Sends the message to an endpoint by its binding, signed when there is a key.
    pub(crate) fn send(
        &self,
        endpoint: &Endpoint,
        relay_state: Option<&str>,
        key: Option<&OwnKey>,
    ) -> Result<Departure, SamlError> {
        match endpoint.binding {
            Binding::Redirect => self.redirect(&endpoint.location, relay_state, key),
            Binding::Post => {
                let mut fields = vec![(self.field, STANDARD.encode(self.enveloped(key)?))];
                fields.extend(relay_state.map(|state| ("RelayState", state.to_owned())));
                Ok(Departure::Form { action: endpoint.location.clone(), fields })
            }
        }
    }

    /// Bindings, 3.4.4.1: the signature is over the query as sent, in this order.
    fn redirect(
        &self,
        location: &str,
        relay_state: Option<&str>,
        key: Option<&OwnKey>,
    ) -> Result<Departure, SamlError> {
        let deflated = compress_to_vec(format!("{}{}", self.head, self.tail).as_bytes(), 9);
        let mut query = format!("{}={}", self.field, percent(&STANDARD.encode(deflated)));
        if let Some(state) = relay_state {
            query.push_str(&format!("&RelayState={}", percent(state)));
        }
        if let Some(key) = key {
            query.push_str(&format!("&SigAlg={}", percent(RSA_SHA256)));
            let signature = key.sign(query.as_bytes())?;
            query.push_str(&format!("&Signature={}", percent(&STANDARD.encode(signature))));
        }
        let joint = if location.contains('?') { '&' } else { '?' };
        Ok(Departure::Redirect { location: format!("{location}{joint}{query}") })
    }

    /// The message with its enveloped signature.
    pub(crate) fn enveloped(&self, key: Option<&OwnKey>) -> Result<String, SamlError> {
        let Self { id, head, tail, .. } = self;
        let plain = format!("{head}{tail}");
        let Some(key) = key else { return Ok(plain) };
        let tree = Tree::parse(plain.as_bytes()).map_err(SamlError::Metadata)?;
        let octets = c14n::exclusive(tree.root(), None, &[]);
        let digest = STANDARD.encode(digest::digest(&digest::SHA256, &octets));
        // Written in canonical form, so that these are the octets to sign.
        let info = format!(
            "<ds:SignedInfo xmlns:ds=\"{ds}\"><ds:CanonicalizationMethod Algorithm=\"{c14n}\"></ds:CanonicalizationMethod>\
             <ds:SignatureMethod Algorithm=\"{RSA_SHA256}\"></ds:SignatureMethod><ds:Reference URI=\"#{id}\"><ds:Transforms>\
             <ds:Transform Algorithm=\"{ENVELOPED}\"></ds:Transform><ds:Transform Algorithm=\"{c14n}\"></ds:Transform>\
             </ds:Transforms><ds:DigestMethod Algorithm=\"{SHA256}\"></ds:DigestMethod>\
             <ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>",
            ds = ns::DS,
            c14n = c14n::ALGORITHM,
        );
        let value = STANDARD.encode(key.sign(info.as_bytes())?);
        let certificate = key.certificate().base64();
        Ok(format!(
            "{head}<ds:Signature xmlns:ds=\"{}\">{info}<ds:SignatureValue>{value}</ds:SignatureValue><ds:KeyInfo>\
             <ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>\
             </ds:Signature>{tail}",
            ns::DS
        ))
    }
}

/// Percent-encodes everything that RFC 3986 does not leave unreserved.
pub(crate) fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use kernel::World;

    use super::*;
    use crate::saml::keys::PinnedCertificates;
    use crate::saml::refusal::Refusal;
    use crate::saml::signature;

    fn verified(xml: &str, keys: &PinnedCertificates) -> Result<Vec<u8>, Refusal> {
        let tree = Tree::parse(xml.as_bytes())?;
        let signature = signature::of(tree.root()).ok_or(Refusal::Unsigned)?;
        signature::verify(tree.root(), signature, keys).map(|verified| verified.octets)
    }

    #[test]
    fn what_we_sign_inside_is_what_a_strict_reader_verifies_and_no_other_octet() {
        let world = World::real();
        let (key, certificate) = OwnKey::generate("us", &world).unwrap();
        let key = OwnKey::new(&key, &certificate).unwrap();
        let keys = PinnedCertificates::try_from(vec![key.certificate().clone()]).unwrap();
        let id = "_0123456789012345678901234567890123456789";
        let head = format!(
            "<samlp:AuthnRequest xmlns:samlp=\"{}\" xmlns:saml=\"{}\" ID=\"{id}\" Version=\"2.0\" \
             Destination=\"https://idp.example/form?a=1&amp;b=2\"><saml:Issuer>https://desk.example/&lt;x&gt;</saml:Issuer>",
            ns::SAMLP,
            ns::SAML
        );
        let tail = "<samlp:NameIDPolicy AllowCreate=\"true\"></samlp:NameIDPolicy></samlp:AuthnRequest>";
        let message =
            Message { field: "SAMLRequest", id: id.to_owned(), head: head.clone(), tail: tail.to_owned() };
        let signed = message.enveloped(Some(&key)).unwrap();
        let octets = verified(&signed, &keys).unwrap();
        let tree = Tree::parse(&octets).unwrap();
        assert!(signature::of(tree.root()).is_none());
        assert!(String::from_utf8(octets.clone()).unwrap().contains("AllowCreate"));
        for (from, to) in [("desk.example", "evil.example"), ("a=1", "a=2"), ("\"true\"", "\"false\"")] {
            assert_eq!(verified(&signed.replace(from, to), &keys), Err(Refusal::Digest), "{from}");
        }
        let (_, other) = OwnKey::generate("somebody", &world).unwrap();
        let other = super::super::keys::PinnedCertificate::from_der(&other).unwrap();
        let strangers = PinnedCertificates::try_from(vec![other]).unwrap();
        assert_eq!(verified(&signed, &strangers), Err(Refusal::Signature));
        assert_eq!(verified(&message.enveloped(None).unwrap(), &keys), Err(Refusal::Unsigned));
    }
}
