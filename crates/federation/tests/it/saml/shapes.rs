//! Responses as the large providers write them, shape by shape, signed with our own key: prefixes,
//! prefix lists, default namespaces, typed values, qualifiers, extra namespaces.

use federation::saml::SamlSettings;

use super::idp::*;

const SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
const SAMLP: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
const XS: &str = "http://www.w3.org/2001/XMLSchema";
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
const OBJECT_ID: &str = "http://schemas.microsoft.com/identity/claims/objectidentifier";

/// A provider's shape.
pub(crate) struct Profile {
    pub(crate) name: &'static str,
    pub(crate) login: Login,
    /// What is set of a connection to it.
    pub(crate) settings: fn(&mut SamlSettings),
}

/// All of them.
pub(crate) fn all() -> [Profile; 4] {
    [entra(), okta(), google(), keycloak()]
}

/// Microsoft Entra ID: default namespaces throughout, the assertion signed, an audience, e-mail address
/// as name, attributes named by address, `multipleauthn` among the methods.
fn entra() -> Profile {
    let assertion = format!(
        "<Assertion xmlns=\"{SAML}\" ID=\"_0b8c7f00-2f6a-4a5b-9d6e-2f3d8a1c0000\" IssueInstant=\"2026-11-22T20:14:58.123Z\" \
         Version=\"2.0\"><Issuer>{IDP}</Issuer>@SIGNATURE@<Subject><NameID \
         Format=\"urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress\">alice@corp.example</NameID><SubjectConfirmation \
         Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\"><SubjectConfirmationData InResponseTo=\"{REQUEST}\" \
         NotOnOrAfter=\"2026-11-22T21:14:58.000Z\" Recipient=\"{ACS}\"></SubjectConfirmationData></SubjectConfirmation></Subject>\
         <Conditions NotBefore=\"2026-11-22T20:09:58.000Z\" NotOnOrAfter=\"2026-11-22T21:14:58.000Z\"><AudienceRestriction>\
         <Audience>{SP}</Audience></AudienceRestriction></Conditions><AttributeStatement>\
         <Attribute Name=\"http://schemas.microsoft.com/identity/claims/tenantid\"><AttributeValue>0c7f</AttributeValue></Attribute>\
         <Attribute Name=\"http://schemas.microsoft.com/identity/claims/objectidentifier\"><AttributeValue>6f1d-alice\
         </AttributeValue></Attribute>\
         <Attribute Name=\"http://schemas.microsoft.com/ws/2008/06/identity/claims/groups\"><AttributeValue>g-1</AttributeValue>\
         <AttributeValue>g-2</AttributeValue></Attribute>\
         <Attribute Name=\"http://schemas.microsoft.com/claims/authnmethodsreferences\"><AttributeValue>\
         http://schemas.microsoft.com/claims/multipleauthn</AttributeValue></Attribute></AttributeStatement>\
         <AuthnStatement AuthnInstant=\"2026-11-22T20:14:50.000Z\" SessionIndex=\"_0b8c7f00\"><AuthnContext>\
         <AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</AuthnContextClassRef></AuthnContext>\
         </AuthnStatement></Assertion>"
    );
    let response = format!(
        "<samlp:Response xmlns:samlp=\"{SAMLP}\" Destination=\"{ACS}\" ID=\"_e1\" InResponseTo=\"{REQUEST}\" \
         IssueInstant=\"2026-11-22T20:14:59.001Z\" Version=\"2.0\"><Issuer xmlns=\"{SAML}\">{IDP}</Issuer>@SIGNATURE@\
         <samlp:Status><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"></samlp:StatusCode></samlp:Status>\
         @ASSERTION@</samlp:Response>"
    );
    let login = Login::of(assertion, response, Style { default_namespace: true, ..Style::default() });
    Profile {
        name: "Entra",
        login,
        settings: |settings| settings.subject_attribute = Some(OBJECT_ID.to_owned()),
    }
}

/// Okta: `saml2p` and `saml2`, both signed, values typed `xs:string`, a prefix list that keeps `xs`.
fn okta() -> Profile {
    let value = |text: &str| {
        format!(
            "<saml2:AttributeValue xmlns:xsi=\"{XSI}\" xsi:type=\"xs:string\">{text}</saml2:AttributeValue>"
        )
    };
    let basic = "NameFormat=\"urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified\"";
    let assertion = format!(
        "<saml2:Assertion xmlns:saml2=\"{SAML}\" xmlns:xs=\"{XS}\" ID=\"id7890123456789\" IssueInstant=\"2026-11-22T20:14:58.123Z\" \
         Version=\"2.0\"><saml2:Issuer Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:entity\">{IDP}</saml2:Issuer>@SIGNATURE@\
         <saml2:Subject><saml2:NameID Format=\"urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified\">alice</saml2:NameID>\
         <saml2:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\"><saml2:SubjectConfirmationData \
         InResponseTo=\"{REQUEST}\" NotOnOrAfter=\"2026-11-22T20:19:59.123Z\" Recipient=\"{ACS}\"></saml2:SubjectConfirmationData>\
         </saml2:SubjectConfirmation></saml2:Subject><saml2:Conditions NotBefore=\"2026-11-22T20:09:59.123Z\" \
         NotOnOrAfter=\"2026-11-22T20:19:59.123Z\"><saml2:AudienceRestriction><saml2:Audience>{SP}</saml2:Audience>\
         </saml2:AudienceRestriction></saml2:Conditions><saml2:AuthnStatement AuthnInstant=\"2026-11-22T20:14:58.000Z\" \
         SessionIndex=\"id1617\"><saml2:AuthnContext><saml2:AuthnContextClassRef>\
         urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml2:AuthnContextClassRef></saml2:AuthnContext>\
         </saml2:AuthnStatement><saml2:AttributeStatement><saml2:Attribute Name=\"email\" {basic}>{}</saml2:Attribute>\
         <saml2:Attribute Name=\"groups\" {basic}>{}{}</saml2:Attribute></saml2:AttributeStatement></saml2:Assertion>",
        value("alice@corp.example"),
        value("Everyone"),
        value("Wardroom &amp; friends"),
    );
    let response = format!(
        "<saml2p:Response xmlns:saml2p=\"{SAMLP}\" xmlns:xs=\"{XS}\" Destination=\"{ACS}\" ID=\"id123456789012\" \
         InResponseTo=\"{REQUEST}\" IssueInstant=\"2026-11-22T20:14:59.001Z\" Version=\"2.0\"><saml2:Issuer xmlns:saml2=\"{SAML}\" \
         Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:entity\">{IDP}</saml2:Issuer>@SIGNATURE@<saml2p:Status>\
         <saml2p:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"></saml2p:StatusCode></saml2p:Status>\
         @ASSERTION@</saml2p:Response>"
    );
    // Inside the response the prefix is known already, so only the assertion's own signature is asked for.
    let login = Login::of(assertion, response, Style { prefix_list: "xs", ..Style::default() });
    Profile { name: "Okta", login, settings: |_| {} }
}

/// Google Workspace: by default the response is signed and the assertion is not; typed values.
fn google() -> Profile {
    let assertion = format!(
        "<saml2:Assertion xmlns:saml2=\"{SAML}\" ID=\"_g2\" IssueInstant=\"2026-11-22T20:14:58.123Z\" Version=\"2.0\">\
         <saml2:Issuer>{IDP}</saml2:Issuer>@SIGNATURE@<saml2:Subject><saml2:NameID \
         Format=\"urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress\">alice@corp.example</saml2:NameID>\
         <saml2:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\"><saml2:SubjectConfirmationData \
         InResponseTo=\"{REQUEST}\" NotOnOrAfter=\"2026-11-22T20:19:58.123Z\" Recipient=\"{ACS}\"></saml2:SubjectConfirmationData>\
         </saml2:SubjectConfirmation></saml2:Subject><saml2:Conditions NotBefore=\"2026-11-22T20:09:58.123Z\" \
         NotOnOrAfter=\"2026-11-22T20:19:58.123Z\"><saml2:AudienceRestriction><saml2:Audience>{SP}</saml2:Audience>\
         </saml2:AudienceRestriction></saml2:Conditions><saml2:AttributeStatement><saml2:Attribute Name=\"department\">\
         <saml2:AttributeValue xmlns:xsi=\"{XSI}\" xsi:type=\"xs:anyType\">Ships</saml2:AttributeValue></saml2:Attribute>\
         </saml2:AttributeStatement><saml2:AuthnStatement AuthnInstant=\"2026-11-22T19:00:00.000Z\" SessionIndex=\"_g2\">\
         <saml2:AuthnContext><saml2:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified\
         </saml2:AuthnContextClassRef></saml2:AuthnContext></saml2:AuthnStatement></saml2:Assertion>"
    );
    let response = format!(
        "<saml2p:Response xmlns:saml2p=\"{SAMLP}\" Destination=\"{ACS}\" ID=\"_g1\" InResponseTo=\"{REQUEST}\" \
         IssueInstant=\"2026-11-22T20:14:58.123Z\" Version=\"2.0\"><saml2:Issuer xmlns:saml2=\"{SAML}\">{IDP}</saml2:Issuer>\
         @SIGNATURE@<saml2p:Status><saml2p:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"></saml2p:StatusCode>\
         </saml2p:Status>@ASSERTION@</saml2p:Response>"
    );
    let login = Login::of(assertion, response, Style::default()).signed(false, true);
    Profile { name: "Google", login, settings: |settings| settings.response_signature_suffices = true }
}

/// Keycloak: `samlp` and `saml`, both signed, qualifiers, friendly names; one `Role` attribute, as its
/// mapper writes with "single role attribute" switched on.
fn keycloak() -> Profile {
    let basic = "NameFormat=\"urn:oasis:names:tc:SAML:2.0:attrname-format:basic\"";
    let value = |text: &str| {
        format!(
            "<saml:AttributeValue xmlns:xsi=\"{XSI}\" xsi:type=\"xs:string\">{text}</saml:AttributeValue>"
        )
    };
    let assertion = format!(
        "<saml:Assertion xmlns:saml=\"{SAML}\" ID=\"ID_5e2a1f0c-1111\" IssueInstant=\"2026-11-22T20:14:58.500Z\" Version=\"2.0\">\
         <saml:Issuer>{IDP}</saml:Issuer>@SIGNATURE@<saml:Subject><saml:NameID \
         Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent\" NameQualifier=\"{IDP}\" SPNameQualifier=\"{SP}\">G-9f1c\
         </saml:NameID><saml:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\"><saml:SubjectConfirmationData \
         InResponseTo=\"{REQUEST}\" NotOnOrAfter=\"2026-11-22T20:19:56.500Z\" Recipient=\"{ACS}\"></saml:SubjectConfirmationData>\
         </saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore=\"2026-11-22T20:14:56.500Z\" \
         NotOnOrAfter=\"2026-11-22T20:15:56.500Z\"><saml:AudienceRestriction><saml:Audience>{SP}</saml:Audience>\
         </saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant=\"2026-11-22T20:14:58.500Z\" \
         SessionIndex=\"af31::0c2d\" SessionNotOnOrAfter=\"2026-11-23T06:14:58.500Z\"><saml:AuthnContext>\
         <saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified</saml:AuthnContextClassRef>\
         </saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement><saml:Attribute FriendlyName=\"email\" Name=\"email\" \
         {basic}>{}</saml:Attribute><saml:Attribute Name=\"Role\" {basic}>{}{}</saml:Attribute></saml:AttributeStatement>\
         </saml:Assertion>",
        value("alice@corp.example"),
        value("offline_access"),
        value("wardroom-owners"),
    );
    let response = format!(
        "<samlp:Response xmlns:samlp=\"{SAMLP}\" Destination=\"{ACS}\" ID=\"ID_77aa\" InResponseTo=\"{REQUEST}\" \
         IssueInstant=\"2026-11-22T20:14:58.500Z\" Version=\"2.0\"><saml:Issuer xmlns:saml=\"{SAML}\">{IDP}</saml:Issuer>@SIGNATURE@\
         <samlp:Status><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"></samlp:StatusCode></samlp:Status>\
         @ASSERTION@</samlp:Response>"
    );
    let login = Login::of(assertion, response, Style::default()).signed(true, true);
    Profile { name: "Keycloak", login, settings: |_| {} }
}
