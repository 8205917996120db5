//! A statement is a constant: text that came from outside cannot become one.

use store::{StoreError, Tx};

fn find(tx: &mut Tx<'_>, name: &str) -> Result<u64, StoreError> {
    tx.execute(&format!("DELETE FROM bots WHERE name = '{name}'"), &[])
}

fn main() {}
