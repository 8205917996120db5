//! A permit names its action in its type.
use guard::{Permit, action::{ListConversations, ReadTranscript}};

fn open(_: &Permit<ReadTranscript>) {}

fn misuse(permit: &Permit<ListConversations>) {
    open(permit);
}

fn main() {}
