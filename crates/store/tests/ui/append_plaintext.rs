//! A message is appended sealed or not at all.

use kernel::MessageText;
use store::messages::{NewMessage, Slot, append};
use store::{StoreError, Tx};

fn text(tx: &mut Tx<'_>, slot: Slot, text: MessageText) -> Result<u64, StoreError> {
    append(tx, slot, NewMessage { record: text, citations: None, key_gen: 1, author: None })
}

fn bytes(tx: &mut Tx<'_>, slot: Slot, text: Vec<u8>) -> Result<u64, StoreError> {
    append(tx, slot, NewMessage { record: text, citations: None, key_gen: 1, author: None })
}

fn main() {}
