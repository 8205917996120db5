//! The place where a record lives: the additional authenticated data of its seal. A record opens in
//! exactly the place it was sealed for, so rows, columns, tenants, authors and times cannot be swapped
//! by someone who can write to the database.

use kernel::{Id, KeyId, TenantId, Timestamp};

/// A table of the database, by a number that never changes meaning. The store holds the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Table(u16);

impl Table {
    /// A table by its number.
    pub const fn new(number: u16) -> Self {
        Self(number)
    }
}

/// A column of a table, by a number that never changes meaning. The store holds the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Column(u16);

impl Column {
    /// A column by its number.
    pub const fn new(number: u16) -> Self {
        Self(number)
    }
}

/// Where a record lives. It is rebuilt from the row's own columns at each opening and never stored.
///
/// What is left out of a place can be changed in the row without the seal noticing: name everything
/// that gives the value its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    tenant: TenantId,
    table: Table,
    row: [u8; 16],
    column: Column,
    seq: u64,
    second: [u8; 16],
    role: u8,
    content_type: u8,
    created: Timestamp,
}

impl Place {
    /// The column of one row. The other parts are zero until they are named.
    pub fn new(tenant: TenantId, table: Table, row: [u8; 16], column: Column) -> Self {
        Self {
            tenant,
            table,
            row,
            column,
            seq: 0,
            second: [0; 16],
            role: 0,
            content_type: 0,
            created: Timestamp::from_millis(0),
        }
    }

    /// Names the row's sequence number or revision.
    #[must_use]
    pub fn seq(self, seq: u64) -> Self {
        Self { seq, ..self }
    }

    /// Names a second id of the row, for example the message's next to the conversation's.
    #[must_use]
    pub fn second(self, id: [u8; 16]) -> Self {
        Self { second: id, ..self }
    }

    /// Names the role of the author, by its number.
    #[must_use]
    pub fn role(self, role: u8) -> Self {
        Self { role, ..self }
    }

    /// Names the type of the content, by its number.
    #[must_use]
    pub fn content_type(self, content_type: u8) -> Self {
        Self { content_type, ..self }
    }

    /// Names the moment when the row was made.
    #[must_use]
    pub fn created(self, created: Timestamp) -> Self {
        Self { created, ..self }
    }

    /// The tenant.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// What tells this place from others, in 24 bytes, for mixing into a nonce. Not unique: two ids that
    /// differ by the same bits as two others give the same.
    pub(crate) fn mix(&self) -> [u8; 24] {
        let mut mix = [0; 24];
        let (ids, numbers) = mix.split_at_mut(16);
        for ((byte, row), second) in ids.iter_mut().zip(self.row).zip(self.second) {
            // The ends of two ids of one moment are random and their beginnings alike: turned against each
            // other, they do not cancel out.
            *byte = row ^ second.rotate_left(3);
        }
        let seq = self.seq.rotate_left(32) ^ self.created.as_millis();
        numbers.copy_from_slice(&seq.to_be_bytes());
        mix
    }

    /// The bytes that are authenticated: a label, the record's version, the key that seals, and each
    /// part at its fixed width, so that no two places have the same bytes.
    pub(crate) fn aad(&self, version: u8, key: KeyId, generation: u32) -> Vec<u8> {
        let mut aad = Vec::with_capacity(128);
        aad.extend_from_slice(b"wardroom/1/record\0");
        aad.push(version);
        aad.extend_from_slice(&key.to_bytes());
        aad.extend_from_slice(&generation.to_be_bytes());
        aad.extend_from_slice(&self.tenant.to_bytes());
        aad.extend_from_slice(&self.table.0.to_be_bytes());
        aad.extend_from_slice(&self.row);
        aad.extend_from_slice(&self.column.0.to_be_bytes());
        aad.extend_from_slice(&self.seq.to_be_bytes());
        aad.extend_from_slice(&self.second);
        aad.push(self.role);
        aad.push(self.content_type);
        aad.extend_from_slice(&self.created.as_millis().to_be_bytes());
        aad
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_place_changes_the_authenticated_bytes() {
        let id = |byte| TenantId::from_bytes([byte; 16]);
        let (table, column) = (Table::new(1), Column::new(1));
        let place = Place::new(id(1), table, [1; 16], column);
        let key = KeyId::from_bytes([9; 16]);
        let mut all = vec![
            place.aad(1, key, 1),
            place.aad(2, key, 1),
            place.aad(1, key, 2),
            place.aad(1, KeyId::from_bytes([8; 16]), 1),
        ];
        for other in [
            Place::new(id(2), table, [1; 16], column),
            Place::new(id(1), Table::new(2), [1; 16], column),
            Place::new(id(1), table, [2; 16], column),
            Place::new(id(1), table, [1; 16], Column::new(2)),
            place.seq(1),
            place.second([1; 16]),
            place.role(1),
            place.content_type(1),
            place.created(Timestamp::from_millis(1)),
        ] {
            all.push(other.aad(1, key, 1));
        }
        let (count, width) = (all.len(), all[0].len());
        assert!(all.iter().all(|aad| aad.len() == width));
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
