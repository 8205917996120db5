//! The store on both of its engines. Every test that `both!` names runs once on SQLite and once on
//! PostgreSQL, with the same statements and the same expectations.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what a helper of a test cannot do fails the test"
)]

mod additions;
mod chats;
mod classes;
mod compile_fail;
mod engines_agree;
mod faults;
mod group_commit;
mod hierarchy;
mod house;
mod migrations;
mod notices;
mod people;
mod records;
mod staff;
mod tls;
