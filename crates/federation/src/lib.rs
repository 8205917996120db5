//! What an identity provider says, verified. Pure functions: no storage, no network, no clock of
//! their own. A message goes in with what we know of the connection and of the login we began; out
//! comes either a typed statement or a refusal with one stable reason code.
//!
//! What a pure function cannot check (was this assertion seen before, is this request still ours to
//! finish) is handed to the caller as a value, and the claims stay shut until the caller gives
//! proof that it recorded it.

pub mod assurance;
pub mod groups;
pub mod oidc;
pub mod saml;
pub mod scim;
