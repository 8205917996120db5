//! Doors, opened from outside: each test sends requests through a whole router and reads the answers.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod bodies;
mod frame;
mod house;
mod leave;
mod table;

#[test]
fn a_handler_that_does_not_ask_for_leave_cannot_be_mounted_guarded() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
