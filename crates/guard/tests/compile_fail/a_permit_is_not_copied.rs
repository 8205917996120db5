//! A permit has no copy.
use guard::{Permit, action::ReadTranscript};

fn keep(permit: &Permit<ReadTranscript>) -> Permit<ReadTranscript> {
    permit.clone()
}

fn main() {}
