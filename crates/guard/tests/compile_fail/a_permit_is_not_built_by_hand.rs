//! A permit has private fields.
use guard::{Permit, Actor, Resource, action::ReadTranscript};

fn forge(actor: Actor, resource: Resource) -> Permit<ReadTranscript> {
    Permit { actor, resource, reason: None, rule: "mine".into(), at: kernel::Timestamp::MAX, action: Default::default() }
}

fn main() {}
