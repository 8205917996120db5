//! Legal holds: on a person who chats, on a conversation and so on its person, or on everybody. What is
//! under one is not erased. The rows are bound (`crate::bound`): one that is lifted past the program is
//! refused by name, and who would have erased by it erases nothing.

use guard::action::{LiftHold, PlaceHold, ReadHolds};
use guard::{Permit, Resource};
use kernel::{ConversationId, HoldId, Reason, SubjectId, TenantId, Timestamp, UserId};
use vault::{Place, Sealed};

use crate::bound::{self, Bound};
use crate::places::SealedColumn;
use crate::words::Keyed;
use crate::{Read, Row, StoreError, Tx, params};

/// What a hold is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Everybody who chats here.
    Everybody,
    /// One person.
    Person(SubjectId),
    /// One conversation. It lives and dies with its person's key, so the person is kept.
    Conversation(ConversationId, SubjectId),
}

impl Kept {
    /// The word for events and lists: `everybody`, `person` or `conversation`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Everybody => "everybody",
            Self::Person(_) => "person",
            Self::Conversation(..) => "conversation",
        }
    }

    /// Who is kept, if it is one person.
    pub const fn subject(self) -> Option<SubjectId> {
        match self {
            Self::Everybody => None,
            Self::Person(subject) | Self::Conversation(_, subject) => Some(subject),
        }
    }

    /// The conversation, if it is on one.
    pub const fn conversation(self) -> Option<ConversationId> {
        match self {
            Self::Conversation(conversation, _) => Some(conversation),
            Self::Everybody | Self::Person(_) => None,
        }
    }
}

/// A hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Its id.
    pub id: HoldId,
    /// What it is on.
    pub kept: Kept,
    /// Why, sealed at [`reason_place`].
    pub reason: Keyed<Reason>,
    /// When it was placed.
    pub placed: Timestamp,
    /// Who placed it; nobody for the operator.
    pub placed_by: Option<UserId>,
    /// How it ended, if it has.
    pub lifted: Option<Lifted>,
}

/// How a hold ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifted {
    /// When.
    pub at: Timestamp,
    /// Who lifted it; nobody for the operator.
    pub by: Option<UserId>,
    /// Why, sealed at [`lift_place`].
    pub reason: Keyed<Reason>,
}

impl Hold {
    /// The hold as something that is asked about.
    pub const fn resource(&self, tenant: TenantId) -> Resource {
        Resource::Hold { tenant, hold: self.id, author: self.placed_by }
    }
}

/// The place of the reason for which a hold was placed.
pub fn reason_place(tenant: TenantId, hold: HoldId) -> Place {
    SealedColumn::HoldReason.of(tenant, hold)
}

/// The place of the reason for which it was lifted.
pub fn lift_place(tenant: TenantId, hold: HoldId) -> Place {
    SealedColumn::HoldLiftReason.of(tenant, hold)
}

/// Places a hold.
///
/// # Errors
/// [`StoreError::Conflict`] when there is one of this id.
pub fn place(tx: &mut Tx<'_>, permit: &Permit<PlaceHold>, hold: &Hold) -> Result<(), StoreError> {
    let tenant = permit.tenant();
    tx.insert(
        "legal hold",
        "INSERT INTO legal_holds (tenant, id, subject, conversation, key_gen, reason, placed_ms, placed_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
        params![
            tenant,
            hold.id,
            hold.kept.subject(),
            hold.kept.conversation(),
            hold.reason.1,
            hold.reason.0,
            hold.placed,
            permit.user()
        ],
    )?;
    bound::bind(tx, Bound::Holds, params![tenant, hold.id])
}

/// Lifts the permit's hold. False says that it was lifted before.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such hold; [`StoreError::Tampered`] when it is not as this
/// program left it.
pub fn lift(
    tx: &mut Tx<'_>,
    permit: &Permit<LiftHold>,
    reason: &Keyed<Reason>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let tenant = permit.tenant();
    let id = permit.resource().hold().ok_or(StoreError::Missing { what: "legal hold" })?;
    let changed = bound::change(tx, Bound::Holds, params![tenant, id], |tx| {
        tx.execute(
            "UPDATE legal_holds SET lifted_ms = $3, lifted_by = $4, lift_gen = $5, lift_reason = $6
             WHERE tenant = $1 AND id = $2 AND lifted_ms IS NULL",
            params![tenant, id, now, permit.user(), reason.1, reason.0],
        )
    })?;
    Ok(changed == 1)
}

/// Holds of the tenant, those that stand first, then the newest first.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not as this program left it.
pub fn list(tx: &mut Read<'_>, permit: &Permit<ReadHolds>, limit: u32) -> Result<Vec<Hold>, StoreError> {
    let rows = tx.rows(
        "SELECT * FROM legal_holds WHERE tenant = $1
         ORDER BY lifted_ms IS NOT NULL, placed_ms DESC, id DESC LIMIT $2",
        params![permit.tenant(), limit],
    )?;
    bound::pass_over(tx, Bound::Holds, rows)?.into_iter().map(hold_of).collect()
}

/// A hold by its id. No permit: whoever lifts one needs to know who placed it before they can be asked for
/// leave.
///
/// # Errors
/// As for [`list`].
pub fn find(tx: &mut Read<'_>, tenant: TenantId, id: HoldId) -> Result<Option<Hold>, StoreError> {
    let row = tx.row("SELECT * FROM legal_holds WHERE tenant = $1 AND id = $2", params![tenant, id])?;
    bound::held_one(tx, Bound::Holds, row)?.map(hold_of).transpose()
}

/// Whether a hold keeps what a person said. No permit: it stops acts, and shows nothing. Whatever destroys
/// what people said asks here first, in the transaction of the act.
///
/// # Errors
/// As for [`list`]: a hold that somebody lifted past the program stops the act too.
pub fn keep(tx: &mut Read<'_>, tenant: TenantId, subject: SubjectId) -> Result<bool, StoreError> {
    let rows = tx.rows(
        "SELECT * FROM legal_holds WHERE tenant = $1 AND (subject = $2 OR subject IS NULL)",
        params![tenant, subject],
    )?;
    let holds: Result<Vec<Hold>, _> = bound::held(tx, Bound::Holds, rows)?.into_iter().map(hold_of).collect();
    Ok(holds?.iter().any(|hold| hold.lifted.is_none()))
}

fn hold_of(mut row: Row) -> Result<Hold, StoreError> {
    let malformed = StoreError::Malformed { what: "legal hold" };
    let (subject, conversation): (Option<SubjectId>, Option<ConversationId>) =
        (row.take("subject")?, row.take("conversation")?);
    let kept = match (subject, conversation) {
        (None, None) => Kept::Everybody,
        (Some(subject), None) => Kept::Person(subject),
        (Some(subject), Some(conversation)) => Kept::Conversation(conversation, subject),
        (None, Some(_)) => return Err(malformed),
    };
    let reason: Sealed<Reason> = row.take("reason")?;
    let (at, why, generation): (Option<Timestamp>, Option<Sealed<Reason>>, Option<u32>) =
        (row.take("lifted_ms")?, row.take("lift_reason")?, row.take("lift_gen")?);
    let by = row.take("lifted_by")?;
    let lifted = match (at, why, generation) {
        (None, None, None) => None,
        (Some(at), Some(why), Some(generation)) => Some(Lifted { at, by, reason: (why, generation) }),
        _ => return Err(malformed),
    };
    Ok(Hold {
        id: row.take("id")?,
        kept,
        reason: (reason, row.take("key_gen")?),
        placed: row.take("placed_ms")?,
        placed_by: row.take("placed_by")?,
        lifted,
    })
}
