//! The edge from outside: real sockets on the loopback, real TLS clients, and people with bad manners.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what a helper of a test cannot do fails the test"
)]

mod acme;
mod admission;
mod clients;
mod firewall;
mod garbage;
mod handshake;
mod harness;
mod life;
mod limits;
mod places;
mod plain;
mod readings;
mod requests;
mod shared;
