//! SAML 2.0, the service provider's side.
//!
//! Root of every forgery since 2012: *the element whose digest was checked is not the element that the
//! application reads*. So there is one parser, one small profile of XML, closed lists of algorithms,
//! keys pinned by hand; and claims are read only from the very octets whose digest was verified.
//!
//! The checklist, whose steps [`Refusal::step`] names:
//!
//! | step | check |
//! |---|---|
//! | 1 | size, strict base64, UTF-8 without byte order mark or other declaration |
//! | 2 | no document type, comment, CDATA section, processing instruction |
//! | 3 | well-formed; nodes, attributes, depth, names, absolute namespaces |
//! | 4 | census: one assertion in its place, signatures in theirs, unique identifiers, no place to hide |
//! | 5 | the grammar of the message, version 2.0 |
//! | 6 | the connection is that of the address posted to (the caller's) |
//! | 7 | encryption as agreed: AES-GCM, RSA-OAEP |
//! | 8 | the assertion itself is signed |
//! | 9 | digest over octets, then the signature with pinned keys |
//! | 10 | the octets, parsed again |
//! | 11 | issuer and time of issue |
//! | 12 | name identifier |
//! | 13 | bearer confirmation: recipient, end, the request answered |
//! | 14 | conditions: time, audience, nothing unknown |
//! | 15 | authentication: when, how, until when |
//! | 16 | replay ([`VerifiedAssertion::admit`]) |
//! | 17 | the login's own time; single use and the browser's cookie are the caller's |
//! | 18 | status, destination, issuer and request of the response around it |
//! | 19 | attributes |
//! | 20 | relay state; the query of a redirect |
//!
//! What this does not promise: that the provider tells the truth, that the person at the browser is the
//! one who began the login (the caller binds the pending login to a cookie), or that a message is fresh
//! beyond its own dates (the caller records [`Once`]).

mod bounds;
mod c14n;
mod census;
mod claims;
mod connection;
mod decrypt;
mod error;
mod grammar;
mod instant;
mod keys;
mod logout;
mod metadata;
mod once;
mod refusal;
mod request;
mod response;
mod signature;
mod write;
mod xml;

pub use c14n::canonicalize;
pub use claims::{Claims, NameId};
pub use connection::{Binding, Encryption, Endpoint, LOGIN_LIFETIME, SKEW, SamlConnection, SamlSettings};
pub use error::SamlError;
pub use keys::{Fingerprint, OwnKey, PinnedCertificate, PinnedCertificates};
pub use logout::{Ended, Leaving, LogoutRequest, VerifiedLogout};
pub use metadata::{IdpMetadata, sp_metadata};
pub use once::{Once, Recorded};
pub use refusal::Refusal;
pub use request::{Departure, Login, Pending, start};
pub use response::{VerifiedAssertion, finish};
