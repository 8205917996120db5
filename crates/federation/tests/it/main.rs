//! The verifiers from outside: attacks and what must be accepted.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what a helper of a test cannot do fails the test"
)]

mod oidc;
mod saml;
