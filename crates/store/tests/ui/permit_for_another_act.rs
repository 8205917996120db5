//! Leave to see the list is not leave to read what was said.

use guard::Permit;
use guard::action::ListConversations;
use store::{Read, StoreError, messages};

fn peek(tx: &mut Read<'_>, permit: &Permit<ListConversations>) -> Result<usize, StoreError> {
    Ok(messages::list(tx, permit, 0, 10)?.len())
}

fn main() {}
