//! The life of keys on both databases: every test that `both!` names runs once on SQLite and once on
//! PostgreSQL.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what a test cannot do fails the test"
)]

mod faults;
mod house;
mod hsm;
mod load;
mod moving;
mod rewrap;
mod rotation;
mod states;
