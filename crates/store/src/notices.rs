//! Notices: what members of staff are told about their own accounts (ASVS 5.0, 6.3.7). A notice is written in
//! the transaction of the change that it tells of, so there is no change without one. It is shown until it is
//! acknowledged, and may be sent to the person's mailbox besides.
//!
//! The particulars (from where, on what device, which factor) are sealed. What is left in the clear are fixed
//! words, times and ids.
//!
//! Not promised: that a notice reaches a mailbox. Whoever never opens the console and whose mail is lost
//! learns nothing; the audit log has the event all the same.

use std::time::Duration;

use guard::Permit;
use guard::action::ManageOwnAccount;
use kernel::{NoticeId, TenantId, Timestamp, UserId};
use vault::{Place, Sealed};

use crate::bound::{self, Bound};
use crate::places::SealedColumn;
use crate::words::{Keyed, states};
use crate::{Read, Row, StoreError, ToValue, Tx, Value, access, params};

/// How long after a change its notice is still worth a letter. When mail is first switched on, nobody is
/// sent the story of a year.
pub const MAILED_WITHIN: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The pause after the first letter that could not be sent; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 60 * 60);

states! {
    /// What happened to an account.
    NoticeKind {
        /// Its password was changed.
        PasswordChanged = "password_changed",
        /// A passkey or an app for codes was added.
        FactorAdded = "factor_added",
        /// A passkey or the app for codes was removed.
        FactorRemoved = "factor_removed",
        /// The app for codes was replaced by another.
        AppCodeReplaced = "app_code_replaced",
        /// New recovery codes took the place of the old ones.
        RecoveryCodesMade = "recovery_codes_made",
        /// A recovery code was used to sign in.
        RecoveryCodeUsed = "recovery_code_used",
        /// Every factor was removed, and the account has to enrol again.
        FactorsReset = "factors_reset",
        /// The address or the name was changed.
        DetailsChanged = "details_changed",
        /// Somebody signed in on a device that was not seen before.
        NewDevice = "new_device",
        /// The account may be used again.
        Enabled = "enabled",
        /// The account may no longer be used.
        Disabled = "disabled",
        /// Roles were granted or taken away.
        RolesChanged = "roles_changed",
        /// Somebody else's account went around the identity provider; owners are told.
        BreakGlassUsed = "break_glass_used",
        /// A request for a role waits for a second person; those who could decide are told.
        AccessWaits = "access_waits",
        /// A request about keys waits for a second person; those who could approve it are told.
        KeysWait = "keys_wait",
        /// A proposal of policies waits for a second person; those who could approve it are told.
        PolicyWaits = "policy_waits",
        /// A use of a break-glass account waits for a review; those who could make it are told.
        ReviewWaits = "review_waits",
    }
    /// By whose hand it happened.
    NoticeHand {
        /// By the holder of the account, or by whoever had their proofs.
        Oneself = "oneself",
        /// By another member of staff, or by the operator at the machine.
        Administrator = "administrator",
        /// By a directory, or by what an identity provider said.
        Provisioning = "provisioning",
    }
}

/// A notice to be written.
#[derive(Debug, Clone)]
pub struct NewNotice {
    /// Where they work.
    pub tenant: TenantId,
    /// Its id.
    pub id: NoticeId,
    /// Who is told.
    pub user: UserId,
    /// What happened.
    pub kind: NoticeKind,
    /// By whose hand.
    pub hand: NoticeHand,
    /// When.
    pub at: Timestamp,
    /// The particulars, sealed at [`particulars_place`].
    pub particulars: Keyed<Vec<u8>>,
}

/// A notice, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Where they work.
    pub tenant: TenantId,
    /// Its id.
    pub id: NoticeId,
    /// Who is told.
    pub user: UserId,
    /// What happened.
    pub kind: NoticeKind,
    /// By whose hand.
    pub hand: NoticeHand,
    /// When.
    pub at: Timestamp,
    /// The particulars, sealed at [`particulars_place`].
    pub particulars: Keyed<Vec<u8>>,
    /// When they acknowledged it.
    pub seen: Option<Timestamp>,
    /// When it was handed over for their mailbox.
    pub mailed: Option<Timestamp>,
    /// How often that was tried in vain.
    pub tries: u32,
}

/// The notices of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Those that are as this program left them.
    pub whole: Vec<Notice>,
    /// Those that are not.
    pub altered: Vec<Altered>,
}

/// A notice that is not as this program left it: what it says, which nobody vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Altered {
    tenant: TenantId,
    /// Its id as it stands there.
    id: Value<'static>,
    /// Which notice it says it is, whom it tells, and of what, where these are ids and a word at all.
    pub says: Option<(NoticeId, UserId, NoticeKind)>,
    /// How often it says its letter was tried in vain.
    pub tries: u32,
}

/// The place of a notice's particulars.
pub fn particulars_place(tenant: TenantId, notice: NoticeId) -> Place {
    SealedColumn::NoticeParticulars.of(tenant, notice)
}

/// Writes a notice. No permit: it is part of a change that had its own, or its own proof.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such account, [`StoreError::Conflict`] when there is a notice of
/// this id.
pub fn put(tx: &mut Tx<'_>, new: &NewNotice) -> Result<(), StoreError> {
    tx.insert(
        "notice",
        "INSERT INTO notices (tenant, id, user_id, kind, hand, at_ms, key_gen, particulars, tries, next_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $6) ON CONFLICT DO NOTHING",
        params![
            new.tenant,
            new.id,
            new.user,
            new.kind,
            new.hand,
            new.at,
            new.particulars.1,
            new.particulars.0
        ],
    )?;
    bound::bind(tx, Bound::Notices, params![new.tenant, new.id])
}

/// Writes a notice that is a letter only: it counts as read. False says that there is one of this id. No permit:
/// the house tells people what waits for them.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such account.
pub fn put_for_mail(tx: &mut Tx<'_>, new: &NewNotice) -> Result<bool, StoreError> {
    match put(tx, new) {
        Ok(()) => {}
        Err(StoreError::Conflict { .. }) => return Ok(false),
        Err(error) => return Err(error),
    }
    bound::change(tx, Bound::Notices, params![new.tenant, new.id], |tx| {
        tx.execute(
            "UPDATE notices SET seen_ms = at_ms WHERE tenant = $1 AND id = $2",
            params![new.tenant, new.id],
        )
    })?;
    Ok(true)
}

/// Those of these ids of which there is a notice. No permit, as for [`put_for_mail`].
///
/// # Errors
/// Only what the database says.
pub fn known(tx: &mut Read<'_>, tenant: TenantId, ids: &[NoticeId]) -> Result<Vec<NoticeId>, StoreError> {
    let mut known = Vec::new();
    for id in ids {
        let row =
            tx.row("SELECT 1 AS one FROM notices WHERE tenant = $1 AND id = $2", params![tenant, id])?;
        known.extend(row.map(|_| *id));
    }
    Ok(known)
}

/// What somebody has not acknowledged, the newest first. No permit: it is shown to them on whatever page they
/// have leave to open.
///
/// # Errors
/// Only what the database says; rows that are not as this program left them are passed over.
pub fn unseen(tx: &mut Read<'_>, tenant: TenantId, user: UserId, limit: u32) -> Result<Found, StoreError> {
    let rows = tx.rows(
        "SELECT * FROM notices WHERE tenant = $1 AND user_id = $2 AND seen_ms IS NULL
         ORDER BY at_ms DESC, id DESC LIMIT $3",
        params![tenant, user, limit],
    )?;
    found(tx, rows)
}

/// The notices of an account since a moment, the newest first. No permit, as for [`unseen`]: `identity` asks
/// for one and shows them to nobody else.
///
/// # Errors
/// Only what the database says; rows that are not as this program left them are passed over.
pub fn since(
    tx: &mut Read<'_>,
    tenant: TenantId,
    user: UserId,
    from: Timestamp,
    limit: u32,
) -> Result<Found, StoreError> {
    let rows = tx.rows(
        "SELECT * FROM notices WHERE tenant = $1 AND user_id = $2 AND at_ms >= $3
         ORDER BY at_ms DESC, id DESC LIMIT $4",
        params![tenant, user, from, limit],
    )?;
    found(tx, rows)
}

/// Acknowledges the notices of the permit's account up to a moment: those that were on the page, and none
/// that came meanwhile. Gives their number.
///
/// # Errors
/// Only what the database says; rows that are not as this program left them are passed over.
pub fn acknowledge(
    tx: &mut Tx<'_>,
    permit: &Permit<ManageOwnAccount>,
    until: Timestamp,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let tenant = permit.tenant();
    let rows = tx.rows(
        "SELECT * FROM notices WHERE tenant = $1 AND user_id = $2 AND seen_ms IS NULL AND at_ms <= $3
         ORDER BY at_ms, id",
        params![tenant, access::account(permit)?, until],
    )?;
    let mut acknowledged = 0;
    for mut row in bound::pass_over(tx, Bound::Notices, rows)? {
        let id: NoticeId = row.take("id")?;
        tx.execute(
            "UPDATE notices SET seen_ms = $3 WHERE tenant = $1 AND id = $2",
            params![tenant, id, now],
        )?;
        bound::bind(tx, Bound::Notices, params![tenant, id])?;
        acknowledged += 1;
    }
    Ok(acknowledged)
}

/// Notices that are to be mailed now, the oldest first: not mailed yet, not in the pause after a failed try,
/// and no older than [`MAILED_WITHIN`]. No permit: it is the house that writes the letter.
///
/// # Errors
/// Only what the database says; rows that are not as this program left them are passed over.
pub fn due(tx: &mut Read<'_>, tenant: TenantId, now: Timestamp, limit: u32) -> Result<Found, StoreError> {
    let within = u64::try_from(MAILED_WITHIN.as_millis()).unwrap_or(u64::MAX);
    let from = Timestamp::from_millis(now.as_millis().saturating_sub(within));
    let rows = tx.rows(
        "SELECT * FROM notices WHERE tenant = $1 AND mailed_ms IS NULL AND next_ms <= $2 AND at_ms >= $3
         ORDER BY at_ms, id LIMIT $4",
        params![tenant, now, from, limit],
    )?;
    found(tx, rows)
}

/// Remembers that a notice was handed over for its mailbox. False says that it was before. No permit, as
/// for [`due`].
///
/// # Errors
/// [`StoreError::Tampered`] when the row is not as this program left it.
pub fn mailed(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    notice: NoticeId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let changed = bound::change(tx, Bound::Notices, params![tenant, notice], |tx| {
        tx.execute(
            "UPDATE notices SET mailed_ms = $3 WHERE tenant = $1 AND id = $2 AND mailed_ms IS NULL",
            params![tenant, notice, now],
        )
    })?;
    Ok(changed == 1)
}

/// Remembers that a notice could not be mailed, and gives the moment of the next try: a minute later, then
/// two, four and so on, six hours at the most. No permit, as for [`due`].
///
/// # Errors
/// [`StoreError::Missing`] when there is no such notice or it was mailed; [`StoreError::Tampered`] when the
/// row is not as this program left it.
pub fn failed(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    notice: NoticeId,
    now: Timestamp,
) -> Result<Timestamp, StoreError> {
    let row = tx.row(
        "SELECT tries FROM notices WHERE tenant = $1 AND id = $2 AND mailed_ms IS NULL",
        params![tenant, notice],
    )?;
    let tries: u32 = row.ok_or(StoreError::Missing { what: "notice" })?.take("tries")?;
    let next = now.after(pause(tries));
    bound::change(tx, Bound::Notices, params![tenant, notice], |tx| {
        tx.execute_one(
            "notice",
            "UPDATE notices SET tries = $3, next_ms = $4 WHERE tenant = $1 AND id = $2 AND mailed_ms IS NULL",
            params![tenant, notice, tries.saturating_add(1), next],
        )
    })?;
    Ok(next)
}

/// Takes a notice for whoever writes its letter: until then it is due for nobody else. False says that
/// somebody else has it, or that it is not due. No permit, as for [`due`].
///
/// # Errors
/// [`StoreError::Tampered`] when the row is not as this program left it.
pub fn claim(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    notice: NoticeId,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool, StoreError> {
    let changed = bound::change(tx, Bound::Notices, params![tenant, notice], |tx| {
        // Of two that do this at once, the second finds the row as the first left it.
        tx.execute(
            "UPDATE notices SET next_ms = $4
             WHERE tenant = $1 AND id = $2 AND mailed_ms IS NULL AND next_ms <= $3",
            params![tenant, notice, now, until],
        )
    })?;
    Ok(changed == 1)
}

/// Gives the letter of a notice up: it is never due again. False says that it was mailed. No permit, as for
/// [`due`].
///
/// # Errors
/// [`StoreError::Tampered`] when the row is not as this program left it.
pub fn give_up(tx: &mut Tx<'_>, tenant: TenantId, notice: NoticeId) -> Result<bool, StoreError> {
    let changed = bound::change(tx, Bound::Notices, params![tenant, notice], |tx| {
        tx.execute(
            "UPDATE notices SET tries = tries + 1, next_ms = $3
             WHERE tenant = $1 AND id = $2 AND mailed_ms IS NULL",
            params![tenant, notice, Timestamp::MAX],
        )
    })?;
    Ok(changed == 1)
}

/// The same for a notice that is not as this program left it. It is not bound anew, so it stays what it is;
/// its letter only no longer stands in the way of others. False says that somebody did it before, or that it
/// is as it should be by now. No permit, as for [`due`].
///
/// # Errors
/// Only what the database says.
pub fn set_aside(tx: &mut Tx<'_>, altered: &Altered) -> Result<bool, StoreError> {
    let key = [altered.tenant.to_value(), altered.id.clone()];
    let row = tx.row("SELECT * FROM notices WHERE tenant = $1 AND id = $2 AND mailed_ms IS NULL", &key)?;
    if bound::sift(tx, Bound::Notices, row.into_iter().collect())?.1.is_empty() {
        return Ok(false);
    }
    let [tenant, id] = key;
    let changed = tx.execute(
        "UPDATE notices SET next_ms = $3 WHERE tenant = $1 AND id = $2 AND next_ms < $3",
        &[tenant, id, Timestamp::MAX.to_value()],
    )?;
    Ok(changed == 1)
}

fn pause(tries: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1_u32 << tries.min(16)).min(LONGEST_PAUSE)
}

/// Deletes notices that were acknowledged and are older than `seen_before`, and any that are older than
/// `before`. Gives their number. No permit: it is the calendar.
///
/// # Errors
/// Only what the database says.
pub fn sweep(tx: &mut Tx<'_>, seen_before: Timestamp, before: Timestamp) -> Result<u64, StoreError> {
    tx.execute(
        "DELETE FROM notices WHERE at_ms < $2 OR (at_ms < $1 AND seen_ms IS NOT NULL)",
        params![seen_before, before],
    )
}

fn found(tx: &mut Read<'_>, rows: Vec<Row>) -> Result<Found, StoreError> {
    let (held, refused) = bound::sift(tx, Bound::Notices, rows)?;
    let whole = held.into_iter().map(notice_of).collect::<Result<_, _>>()?;
    let altered = refused.into_iter().filter_map(altered_of).collect();
    Ok(Found { whole, altered })
}

fn altered_of(mut row: Row) -> Option<Altered> {
    let id = row.pairs().find(|(name, _)| *name == "id").map(|(_, value)| value.clone())?;
    let tenant = row.take("tenant").ok()?;
    let says = row.take("id").ok().zip(row.take("user_id").ok()).zip(row.take("kind").ok());
    let says = says.map(|((id, user), kind)| (id, user, kind));
    Some(Altered { tenant, id, says, tries: row.take("tries").unwrap_or_default() })
}

fn notice_of(mut row: Row) -> Result<Notice, StoreError> {
    let particulars: Sealed<Vec<u8>> = row.take("particulars")?;
    Ok(Notice {
        tenant: row.take("tenant")?,
        id: row.take("id")?,
        user: row.take("user_id")?,
        kind: row.take("kind")?,
        hand: row.take("hand")?,
        at: row.take("at_ms")?,
        particulars: (particulars, row.take("key_gen")?),
        seen: row.take("seen_ms")?,
        mailed: row.take("mailed_ms")?,
        tries: row.take("tries")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_after_a_failed_letter_doubles_up_to_six_hours() {
        let minutes: Vec<u64> = [0, 1, 2, 8, 9, 40].map(|tries| pause(tries).as_secs() / 60).to_vec();
        assert_eq!(minutes, [1, 2, 4, 256, 360, 360]);
    }
}
