//! Why a message was refused: one value per check, each with a stable code for the audit row and one
//! plain sentence for the administrator. The person who signs in sees neither.

/// Declares the refusals as a table: variant, step of the checklist, code, sentence.
macro_rules! refusals {
    ($($variant:ident, $step:literal, $code:literal, $sentence:literal;)+) => {
        /// A refused message. The order is that of the checks: whatever stands above passed.
        ///
        /// No variant carries content of the message, so a refusal may be logged.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
        pub enum Refusal {
            $(#[doc = $sentence] #[error($sentence)] $variant,)+
        }

        impl Refusal {
            /// Every refusal, in the order of the checks.
            pub const ALL: &[Refusal] = &[$(Refusal::$variant,)+];

            /// The stable code. Codes never change meaning.
            pub const fn code(self) -> &'static str {
                match self { $(Refusal::$variant => $code,)+ }
            }

            /// The step of the checklist (1 to 18, as documented in [`crate::saml`]) that failed.
            pub const fn step(self) -> u8 {
                match self { $(Refusal::$variant => $step,)+ }
            }
        }
    };
}

refusals! {
    TooLarge, 1, "saml.size", "the message is larger than the limit";
    Base64, 1, "saml.base64", "the message is not strict base64";
    Deflate, 1, "saml.deflate", "the message does not inflate within the limit";
    Encoding, 1, "saml.encoding", "the message is not UTF-8";
    ByteOrderMark, 1, "saml.byte_order_mark", "the message begins with a byte order mark";
    Declaration, 1, "saml.declaration", "the XML declaration is not that of XML 1.0 in UTF-8";
    Markup, 2, "saml.markup", "the message holds a document type, a comment or a CDATA section";
    ProcessingInstruction, 2, "saml.processing_instruction", "the message holds a processing instruction";
    Attributes, 3, "saml.attributes", "an element has too many attributes";
    Namespaces, 3, "saml.namespaces", "too many namespaces are declared";
    Xml, 3, "saml.xml", "the message is not well-formed XML";
    Nodes, 3, "saml.nodes", "the message has too many nodes";
    Depth, 3, "saml.depth", "the message is nested too deeply";
    Name, 3, "saml.name", "an element or attribute name is not plain ASCII";
    Namespace, 3, "saml.namespace", "a namespace is relative, empty or not ASCII";
    Root, 4, "saml.root", "the root is not the message that was awaited";
    Status, 4, "saml.status", "the provider reports that the login failed";
    MixedAssertions, 4, "saml.mixed_assertions", "there are a plain and an encrypted assertion";
    AssertionCount, 4, "saml.assertion_count", "there is not exactly one assertion";
    AssertionPlace, 4, "saml.assertion_place", "the assertion is not a child of the response";
    NestedResponse, 4, "saml.nested_response", "there is a second protocol message inside the message";
    SignaturePlace, 4, "saml.signature_place", "a signature is not a child of what it may sign";
    SignatureCount, 4, "saml.signature_count", "an element has several signatures";
    SignatureObject, 4, "saml.signature_object", "a signature carries an object or a manifest";
    StatusDetail, 4, "saml.status_detail", "the status carries details, which could hide signed content";
    Extensions, 4, "saml.extensions", "the message carries extensions, which could hide signed content";
    Advice, 4, "saml.advice", "the assertion carries advice, which could hide signed content";
    EncryptedPart, 4, "saml.encrypted_part", "an identifier or attribute is encrypted by itself";
    IdAttribute, 4, "saml.id_attribute", "an identifier attribute stands where none may be";
    IdForm, 4, "saml.id_form", "an identifier is not a short ASCII name";
    IdDuplicate, 4, "saml.id_duplicate", "an identifier occurs twice";
    Element, 5, "saml.element", "an element is unknown, out of place, missing or repeated";
    Attribute, 5, "saml.attribute", "an attribute is unknown or out of place";
    Text, 5, "saml.text", "text stands between elements, or elements stand inside text";
    Version, 5, "saml.version", "the version is not 2.0";
    EncryptionNotOffered, 7, "saml.encryption_not_offered", "the assertion is encrypted, and this connection has no key for it";
    EncryptionRequired, 7, "saml.encryption_required", "this connection accepts encrypted assertions only";
    EncryptionForm, 7, "saml.encryption_form", "the encrypted assertion is not built as specified";
    ContentCipher, 7, "saml.content_cipher", "the content cipher is not AES-GCM";
    KeyTransport, 7, "saml.key_transport", "the key transport is not RSA-OAEP with an accepted digest";
    Decryption, 7, "saml.decryption", "the assertion does not decrypt";
    Unsigned, 8, "saml.unsigned", "nothing is signed";
    AssertionUnsigned, 8, "saml.assertion_unsigned", "the assertion itself is not signed";
    SignatureForm, 9, "saml.signature_form", "a signature is not built as specified";
    Canonicalization, 9, "saml.canonicalization", "the canonicalization is not exclusive C14N without comments";
    SignatureAlgorithm, 9, "saml.signature_algorithm", "the signature algorithm is not on the list";
    DigestAlgorithm, 9, "saml.digest_algorithm", "the digest algorithm is not on the list";
    Transforms, 9, "saml.transforms", "the transforms are not enveloped signature and exclusive C14N";
    Reference, 9, "saml.reference", "the signature refers to something else than its parent";
    OctetsShort, 9, "saml.octets_short", "the signed octets are too short to be what they claim";
    Digest, 9, "saml.digest", "the digest does not match";
    Signature, 9, "saml.signature", "no pinned key verifies the signature";
    Octets, 10, "saml.octets", "the signed octets do not read as the element that was signed";
    Issuer, 11, "saml.issuer", "the issuer is not that of this connection";
    IssueInstant, 11, "saml.issue_instant", "the message was issued in the future";
    Instant, 11, "saml.instant", "a moment is not written as UTC in full";
    NameId, 12, "saml.name_id", "the name identifier is missing, empty or too long";
    NameIdFormat, 12, "saml.name_id_format", "the format of the name identifier is not accepted";
    Subject, 12, "saml.subject", "the attribute that names the person is missing or has several values";
    ConfirmationMethod, 13, "saml.confirmation_method", "there is not exactly one bearer confirmation";
    Recipient, 13, "saml.recipient", "the assertion is meant for another recipient";
    ConfirmationExpired, 13, "saml.confirmation_expired", "the confirmation has expired, or never does";
    ConfirmationNotBefore, 13, "saml.confirmation_not_before", "the confirmation has a beginning, which bearers may not have";
    Unsolicited, 13, "saml.unsolicited", "the assertion answers no request";
    InResponseTo, 13, "saml.in_response_to", "the assertion answers another request";
    Conditions, 14, "saml.conditions", "the conditions are missing or contradict themselves";
    UnknownCondition, 14, "saml.unknown_condition", "there is a condition that we do not know";
    NotYetValid, 14, "saml.not_yet_valid", "the assertion is not valid yet";
    Expired, 14, "saml.expired", "the assertion has expired";
    Audience, 14, "saml.audience", "the assertion is meant for another audience";
    AuthnStatement, 15, "saml.authn_statement", "there is not exactly one statement of authentication";
    AuthnInstant, 15, "saml.authn_instant", "the authentication lies in the future";
    AuthnTooOld, 15, "saml.authn_too_old", "the authentication is older than was asked for";
    SessionExpired, 15, "saml.session_expired", "the provider's session has already ended";
    AuthnContext, 15, "saml.authn_context", "the way of authentication is not the one asked for";
    Replayed, 16, "saml.replayed", "the assertion was presented before";
    RequestExpired, 17, "saml.request_expired", "the login took longer than allowed";
    ResponseIssuer, 18, "saml.response_issuer", "the response names another issuer than its assertion";
    Destination, 18, "saml.destination", "the response was sent to another destination";
    ResponseInResponseTo, 18, "saml.response_in_response_to", "the response answers another request";
    AttributeDuplicate, 19, "saml.attribute_duplicate", "an attribute name occurs twice";
    AttributeLimit, 19, "saml.attribute_limit", "there are too many attributes or values";
    RelayState, 20, "saml.relay_state", "the relay state is not the one that we gave";
    Query, 20, "saml.query", "the query of a redirect is not exactly what the binding defines";
    SessionIndex, 20, "saml.session_index", "the logout names too many sessions";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_own_code_and_steps_never_go_back() {
        let mut codes: Vec<_> = Refusal::ALL.iter().map(|refusal| refusal.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Refusal::ALL.len());
        assert!(Refusal::ALL.is_sorted_by_key(|refusal| refusal.step()));
        assert!(Refusal::ALL.iter().all(|refusal| refusal.code().starts_with("saml.")));
    }
}
