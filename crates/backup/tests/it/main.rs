//! Checking a database, from outside: what is found when somebody writes to it past the program.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise, helpers included"
)]

mod bits;
mod house;
mod powers;
mod unbound;
