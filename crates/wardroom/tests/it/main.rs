//! The whole house from outside: the real binary, real TLS, real files.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise, helpers included"
)]

#[path = "../../../identity/tests/it/authenticator.rs"]
#[expect(dead_code, reason = "the tests of identity use more of it")]
mod authenticator;
mod backup;
mod bad_input;
mod canary;
mod enrol;
mod faults;
mod firewall;
mod glass;
mod holds;
#[expect(dead_code, reason = "the measurement in benches/house.rs uses the rest")]
mod house;
mod keys;
mod kill;
mod killer;
mod mail;
mod newcomer;
mod own;
mod people;
mod policies;
mod programs;
mod root;
mod roots;
#[path = "../../../identity/tests/it/saml_idp.rs"]
#[expect(dead_code, reason = "the tests of identity use more of it")]
mod saml_idp;
mod sockets;
mod start;
mod tamper;
mod two;
mod visitor;
mod visits;
mod visits_saml;
mod walk;
