//! SAML 2.0, the service provider's side.
