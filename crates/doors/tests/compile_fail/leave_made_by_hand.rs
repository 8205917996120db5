//! Leave is not made by a handler.
use doors::Authorized;
use guard::{Permit, action::ReadTranscript};

fn forge(permit: Permit<ReadTranscript>, request: kernel::RequestId) -> Authorized<ReadTranscript> {
    Authorized { permit, csrf: None, request }
}

fn main() {}
