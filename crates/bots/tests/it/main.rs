//! Bot folders read, compiled and run, with the embedded engine where one is needed.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, beside the tests"
)]

mod engine_room;
mod mistakes;
mod samples;
mod whole;
