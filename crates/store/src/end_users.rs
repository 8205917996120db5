//! People who chat and whom somebody vouched for: the site that embeds a bot says who they are, by an id of
//! its own. Of that id only a blind index comes here; it finds the person again, and says nothing of them.

use kernel::{BotName, SubjectId, TenantId, Timestamp};

use crate::bound::{self, Bound};
use crate::{Read, StoreError, Tx, params};

/// The person of an id at a bot's site, if they came before and were not erased. No permit: it is read to
/// find out who asks.
///
/// # Errors
/// Only what the database says.
pub fn find(
    tx: &mut Read<'_>,
    tenant: TenantId,
    person_blind: [u8; 16],
) -> Result<Option<SubjectId>, StoreError> {
    let row = tx.row(
        "SELECT * FROM end_users WHERE tenant = $1 AND person_blind = $2",
        params![tenant, person_blind],
    )?;
    bound::held_one(tx, Bound::EndUsers, row)?.map(|mut row| Ok(row.take("subject")?)).transpose()
}

/// Remembers a person, or that they came again; gives who they are. Two that come at once are one person. No
/// permit: as [`find`].
///
/// # Errors
/// Only what the database says.
pub fn seen(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    person_blind: [u8; 16],
    bot: &BotName,
    fresh: SubjectId,
    now: Timestamp,
) -> Result<SubjectId, StoreError> {
    let row = bound::change(tx, Bound::EndUsers, params![tenant, person_blind], |tx| {
        tx.row(
            "INSERT INTO end_users (tenant, person_blind, subject, bot, made_ms, seen_ms)
             VALUES ($1, $2, $3, $4, $5, $5)
             ON CONFLICT (tenant, person_blind) DO UPDATE SET seen_ms = excluded.seen_ms
             RETURNING subject",
            params![tenant, person_blind, fresh, bot, now],
        )
    })?;
    Ok(row.ok_or(StoreError::Missing { what: "person" })?.take("subject")?)
}

/// Forgets how a person is found again. No permit: it is part of erasing them, and alone it harms nobody.
///
/// # Errors
/// Only what the database says.
pub fn forget(tx: &mut Tx<'_>, tenant: TenantId, subject: SubjectId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM end_users WHERE tenant = $1 AND subject = $2", params![tenant, subject])?;
    Ok(())
}
