//! The vault from outside: what a room can do with it, and what somebody with the database cannot.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests, outside `#[test]` functions"
)]

mod frozen;
mod keys;
mod lifetime;
#[cfg(feature = "pkcs11")]
mod pkcs11;
mod remote;
mod roots;
mod sealing;
mod support;
mod wycheproof;
