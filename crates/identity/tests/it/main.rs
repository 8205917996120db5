//! The staff door against a real database and a clock that is set by hand.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what a helper of a test cannot do fails the test"
)]

mod access;
#[path = "../../../federation/tests/it/saml/attacks.rs"]
mod attacks;
mod authenticator;
mod connections;
mod directory;
mod documents;
mod enrolment;
mod house;
mod keys;
mod left_behind;
mod own;
mod privacy;
mod provider;
mod saml;
mod saml_idp;
mod sessions;
mod sign_in;
mod staff;
mod throttle;
mod visits;
mod visits_saml;
