//! Wrapping keys anew: the next batch, its outcome, and how far it has come. What is left to do is found
//! from the rows themselves; the cursor only leads past keys that do not open. So a job that was killed
//! goes on where it was, and two jobs at once do no harm: a key is replaced only while it is still
//! wrapped by the version it was taken from.

use guard::Permit;
use guard::action::TendKeys;
use kernel::{Id, KeyId, SubjectId, TenantId, Timestamp};
use vault::{WrappedDataKey, WrappedSubjectKey};

use crate::keys::{data_key_of, subject_key_of};
use crate::{Dialect, Read, Row, StoreError, Tx, params};

/// Where the wrapping anew of what one version wraps stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrap {
    /// The version that keys are taken from.
    pub version: u32,
    /// The version they are wrapped by then.
    pub target: u32,
    /// The last key looked at.
    pub cursor: Cursor,
    /// Keys wrapped anew.
    pub done: u64,
    /// Keys that did not open and stay as they are.
    pub refused: u64,
    /// When it began.
    pub started: Timestamp,
    /// When the last batch was done.
    pub updated: Timestamp,
    /// When all of them had been looked at.
    pub ended: Option<Timestamp>,
}

/// How far it has come: subject keys first, then data keys, each in the order of their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor {
    /// Nothing has been looked at.
    Start,
    /// Subject keys up to this one.
    Subject(SubjectId),
    /// All subject keys.
    Subjects,
    /// All subject keys, and data keys up to this one.
    Data(KeyId),
}

impl Cursor {
    /// As stored: nothing, or a letter and an id.
    fn to_bytes(self) -> Option<Vec<u8>> {
        let with = |letter, id: [u8; 16]| Some([&[letter][..], &id].concat());
        match self {
            Self::Start => None,
            Self::Subject(id) => with(b's', id.to_bytes()),
            Self::Subjects => Some(vec![b'd']),
            Self::Data(id) => with(b'd', id.to_bytes()),
        }
    }

    fn from_bytes(bytes: Option<Vec<u8>>) -> Result<Self, StoreError> {
        let malformed = StoreError::Malformed { what: "cursor" };
        let Some(bytes) = bytes else { return Ok(Self::Start) };
        match bytes.split_first() {
            Some((b'd', [])) => Ok(Self::Subjects),
            Some((letter, id)) => {
                let id = <[u8; 16]>::try_from(id).map_err(|_| malformed.clone())?;
                match letter {
                    b's' => Ok(Self::Subject(SubjectId::from_bytes(id))),
                    b'd' => Ok(Self::Data(KeyId::from_bytes(id))),
                    _ => Err(malformed),
                }
            }
            None => Err(malformed),
        }
    }
}

/// A batch of keys that are to be wrapped anew.
#[derive(Debug, Clone)]
pub enum Batch {
    /// Subject keys.
    Subjects(Vec<WrappedSubjectKey>),
    /// Data keys that the tenant key itself wraps.
    Data(Vec<WrappedDataKey>),
}

/// Begins to take keys from `version`, or begins anew after all had been looked at.
///
/// # Errors
/// Only what the database says.
pub fn begin(
    tx: &mut Tx<'_>,
    permit: &Permit<TendKeys>,
    version: u32,
    target: u32,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO key_rewraps (tenant, version, target, done, refused, started_ms, updated_ms)
         VALUES ($1, $2, $3, 0, 0, $4, $4) ON CONFLICT (tenant, version) DO UPDATE
         SET target = excluded.target, cursor = NULL, refused = 0, ended_ms = NULL,
             updated_ms = excluded.updated_ms",
        params![permit.tenant(), version, target, now],
    )?;
    Ok(())
}

/// Where each of the tenant's versions stands.
///
/// # Errors
/// Only what the database says.
pub fn all(tx: &mut Read<'_>, tenant: TenantId) -> Result<Vec<Rewrap>, StoreError> {
    let rows = tx.rows(
        "SELECT version, target, cursor, done, refused, started_ms, updated_ms, ended_ms
         FROM key_rewraps WHERE tenant = $1 ORDER BY version",
        params![tenant],
    )?;
    rows.into_iter().map(rewrap_of).collect()
}

/// Where one version stands.
///
/// # Errors
/// Only what the database says.
pub fn get(tx: &mut Read<'_>, tenant: TenantId, version: u32) -> Result<Option<Rewrap>, StoreError> {
    tx.row(
        "SELECT version, target, cursor, done, refused, started_ms, updated_ms, ended_ms
         FROM key_rewraps WHERE tenant = $1 AND version = $2",
        params![tenant, version],
    )?
    .map(rewrap_of)
    .transpose()
}

/// At most `limit` keys after the cursor that `version` wraps: subject keys while there are any, then
/// data keys. Nothing is left when a batch of data keys is empty.
///
/// # Errors
/// Only what the database says.
pub fn next(
    tx: &mut Read<'_>,
    tenant: TenantId,
    version: u32,
    cursor: Cursor,
    limit: u32,
) -> Result<Batch, StoreError> {
    let subjects_after = match cursor {
        Cursor::Start => Some([0; 16]),
        Cursor::Subject(id) => Some(id.to_bytes()),
        Cursor::Subjects | Cursor::Data(_) => None,
    };
    if let Some(after) = subjects_after {
        let rows = tx.rows(
            "SELECT tenant, subject, wrapped_by, blob, commitment FROM subject_keys
             WHERE tenant = $1 AND wrapped_by = $2 AND subject > $3 ORDER BY subject LIMIT $4",
            params![tenant, version, after, limit],
        )?;
        if !rows.is_empty() {
            return Ok(Batch::Subjects(rows.into_iter().map(subject_key_of).collect::<Result<_, _>>()?));
        }
    }
    let after = match cursor {
        Cursor::Data(id) => id.to_bytes(),
        _ => [0; 16],
    };
    let rows = tx.rows(
        "SELECT tenant, key_id, purpose, generation, subject, wrapped_by, blob, commitment FROM data_keys
         WHERE tenant = $1 AND wrapped_by = $2 AND key_id > $3 ORDER BY key_id LIMIT $4",
        params![tenant, version, after, limit],
    )?;
    Ok(Batch::Data(rows.into_iter().map(data_key_of).collect::<Result<_, _>>()?))
}

/// Moves the cursor and counts what was done; with `ended` when all had been looked at.
///
/// # Errors
/// Only what the database says.
pub fn advance(
    tx: &mut Tx<'_>,
    permit: &Permit<TendKeys>,
    version: u32,
    cursor: Cursor,
    (done, refused): (u64, u64),
    now: Timestamp,
    ended: bool,
) -> Result<(), StoreError> {
    let ended = ended.then_some(now);
    tx.execute(
        "UPDATE key_rewraps SET cursor = $3, done = done + $4, refused = refused + $5, updated_ms = $6,
                                ended_ms = $7
         WHERE tenant = $1 AND version = $2",
        params![permit.tenant(), version, cursor.to_bytes(), done, refused, now, ended],
    )?;
    Ok(())
}

/// Bytes of one key in a packed batch: id, commitment, blob.
const ID: usize = 16;
const COMMITMENT: usize = 32;
/// Bytes of a wrapped subject or data key, the same for all.
const BLOB: usize = 73;

/// Puts keys one behind the other, so that one statement replaces all of them. `None` when one of them
/// is not of the common length.
fn packed<'a>(keys: impl Iterator<Item = ([u8; ID], &'a [u8; COMMITMENT], &'a [u8])>) -> Option<Vec<u8>> {
    let mut packed = Vec::new();
    for (id, commitment, blob) in keys {
        packed.extend_from_slice(&id);
        packed.extend_from_slice(commitment);
        packed.extend_from_slice(<&[u8; BLOB]>::try_from(blob).ok()?);
    }
    Some(packed)
}

// PostgreSQL gets a batch in one statement, because each statement is a journey there and back; `typed`
// is never run and only tells it that `$4` is bytes. SQLite gets one statement for each key: there is no
// journey, and its planner would walk through every key of the version for each of the batch.

/// Replaces the blobs of subject keys that were wrapped anew, taken from version `was`. Gives how many;
/// those that are gone or that another process replaced first are left alone.
///
/// # Errors
/// [`StoreError::Malformed`] when a key has not the length of all keys.
pub fn replace_subjects(
    tx: &mut Tx<'_>,
    dialect: Dialect,
    tenant: TenantId,
    keys: &[WrappedSubjectKey],
    was: u32,
    now_by: u32,
) -> Result<u64, StoreError> {
    if dialect == Dialect::Sqlite {
        let mut changed = 0;
        for key in keys {
            changed += tx.execute(
                "UPDATE subject_keys SET blob = $4, wrapped_by = $5
                 WHERE tenant = $1 AND subject = $2 AND commitment = $3 AND wrapped_by = $6",
                params![tenant, key.subject, key.commitment, key.blob, now_by, was],
            )?;
        }
        return Ok(changed);
    }
    let parts = keys.iter().map(|key| (key.subject.to_bytes(), &key.commitment, key.blob.as_slice()));
    let packed = packed(parts).ok_or(StoreError::Malformed { what: "subject key" })?;
    if keys.is_empty() {
        return Ok(0);
    }
    tx.execute(
        "WITH RECURSIVE typed AS (SELECT 1 FROM subject_keys WHERE blob = $4),
             n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $5)
         UPDATE subject_keys SET blob = substr($4, n.i * 121 + 49, 73), wrapped_by = $3 FROM n
         WHERE subject_keys.tenant = $1 AND subject_keys.subject = substr($4, n.i * 121 + 1, 16)
           AND subject_keys.commitment = substr($4, n.i * 121 + 17, 32) AND subject_keys.wrapped_by = $2",
        params![tenant, was, now_by, packed, keys.len()],
    )
}

/// The same for data keys.
///
/// # Errors
/// As for [`replace_subjects`].
pub fn replace_data(
    tx: &mut Tx<'_>,
    dialect: Dialect,
    tenant: TenantId,
    keys: &[WrappedDataKey],
    was: u32,
    now_by: u32,
) -> Result<u64, StoreError> {
    if dialect == Dialect::Sqlite {
        let mut changed = 0;
        for key in keys {
            changed += tx.execute(
                "UPDATE data_keys SET blob = $4, wrapped_by = $5
                 WHERE tenant = $1 AND key_id = $2 AND commitment = $3 AND wrapped_by = $6",
                params![tenant, key.key_id, key.commitment, key.blob, now_by, was],
            )?;
        }
        return Ok(changed);
    }
    let parts = keys.iter().map(|key| (key.key_id.to_bytes(), &key.commitment, key.blob.as_slice()));
    let packed = packed(parts).ok_or(StoreError::Malformed { what: "data key" })?;
    if keys.is_empty() {
        return Ok(0);
    }
    tx.execute(
        "WITH RECURSIVE typed AS (SELECT 1 FROM data_keys WHERE blob = $4),
             n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $5)
         UPDATE data_keys SET blob = substr($4, n.i * 121 + 49, 73), wrapped_by = $3 FROM n
         WHERE data_keys.tenant = $1 AND data_keys.key_id = substr($4, n.i * 121 + 1, 16)
           AND data_keys.commitment = substr($4, n.i * 121 + 17, 32) AND data_keys.wrapped_by = $2",
        params![tenant, was, now_by, packed, keys.len()],
    )
}

fn rewrap_of(mut row: Row) -> Result<Rewrap, StoreError> {
    Ok(Rewrap {
        version: row.take("version")?,
        target: row.take("target")?,
        cursor: Cursor::from_bytes(row.take("cursor")?)?,
        done: row.take("done")?,
        refused: row.take("refused")?,
        started: row.take("started_ms")?,
        updated: row.take("updated_ms")?,
        ended: row.take("ended_ms")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back() {
        for cursor in [
            Cursor::Start,
            Cursor::Subject(SubjectId::from_bytes([7; 16])),
            Cursor::Subjects,
            Cursor::Data(KeyId::from_bytes([9; 16])),
        ] {
            assert_eq!(Cursor::from_bytes(cursor.to_bytes()).unwrap(), cursor);
        }
        assert!(Cursor::from_bytes(Some(vec![b'x'; 17])).is_err());
        assert!(Cursor::from_bytes(Some(vec![])).is_err());
    }
}
