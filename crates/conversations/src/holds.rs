//! Legal holds: what a court or an authority may ask for is kept. A privacy officer places one, on a person, on
//! a conversation or on everybody, and says why; somebody else lifts it. While it stands [`crate::erase`] and
//! the person's own wish to be erased are refused by the guard (`guard.legal_hold`), and both are told so.
//!
//! Not promised: that what was erased before the hold comes back, or that a backup which is restored brings
//! back a hold that was placed after it was taken.

use guard::action::{LiftHold, PlaceHold, ReadHolds};
use guard::{Permit, Resource};
use kernel::{ConversationId, HoldId, Reason, SubjectId, TenantId, Timestamp, UserId, World};
use ledger::catalogue::{HoldLifted, HoldPlaced};
use store::holds::{self as rows, Hold, Kept};
use store::{Db, Keychain, StoreError, Via, conversations};
use vault::Purpose;

use crate::ConversationError;

/// Holds that are shown.
const SHOWN: u32 = 500;

/// What a hold is to be placed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldOn {
    /// Everybody who chats here.
    Everybody,
    /// One person.
    Person(SubjectId),
    /// One conversation, and so its person.
    Conversation(ConversationId),
}

/// A hold, for whoever may see it.
#[derive(Debug, Clone)]
pub struct HoldView {
    /// Its id.
    pub id: HoldId,
    /// What it is on.
    pub kept: Kept,
    /// Why it was placed.
    pub reason: Reason,
    /// When.
    pub placed: Timestamp,
    /// Who placed it; nobody for the operator.
    pub placed_by: Option<UserId>,
    /// How it ended, if it has: when, by whom (nobody for the operator) and why.
    pub lifted: Option<(Timestamp, Option<UserId>, Reason)>,
}

/// The legal holds of a deployment. Clones share what they stand on.
#[derive(Debug, Clone)]
pub struct Holds {
    db: Db,
    keys: Keychain,
    world: World,
}

impl Holds {
    /// Over its parts.
    pub const fn new(db: Db, keys: Keychain, world: World) -> Self {
        Self { db, keys, world }
    }

    /// Places a hold, for the reason that the permit carries. The event is in the transaction of the act.
    ///
    /// # Errors
    /// [`ConversationError::ReasonNeeded`]; [`StoreError::Missing`] when there is no such person or
    /// conversation; [`ConversationError::Erased`] when there is nothing left to keep.
    pub async fn place(
        &self,
        permit: Permit<PlaceHold>,
        on: HoldOn,
        via: &Via,
    ) -> Result<HoldId, ConversationError> {
        let (tenant, id, now): (_, HoldId, _) = (permit.tenant(), self.world.id(), self.world.now());
        let why = permit.reason().cloned().ok_or(ConversationError::ReasonNeeded)?;
        let kept = match on {
            HoldOn::Everybody => Kept::Everybody,
            HoldOn::Person(subject) => Kept::Person(subject),
            HoldOn::Conversation(conversation) => {
                let row = self.db.read(move |tx| conversations::facts(tx, tenant, conversation)).await?;
                Kept::Conversation(
                    conversation,
                    row.ok_or(StoreError::Missing { what: "conversation" })?.subject,
                )
            }
        };
        let key = self.keys.tenant_data_key(tenant, Purpose::Identity).await?;
        let reason = (key.seal(&rows::reason_place(tenant, id), &why)?, key.generation());
        let hold = Hold { id, kept, reason, placed: now, placed_by: permit.user(), lifted: None };
        let scribe = self.keys.scribe(tenant).await?;
        let subject = kept.subject().map(|subject| scribe.pseudonym(subject)).transpose()?;
        let (on, conversation) = (kept.word(), kept.conversation());
        let event = HoldPlaced { hold: id, on, subject, conversation };
        let entry = scribe.write_with(&event, permit.actor(), via, why.as_str().as_bytes().to_vec())?;
        let job = self.db.write(move |tx| {
            if let Some(subject) = kept.subject() {
                if !conversations::is_known(tx, &permit, subject)? {
                    return Err(MISSING);
                }
                if store::keys::is_erased(tx, tenant, subject)? {
                    return Err(StoreError::Conflict { what: "erased person" });
                }
            }
            rows::place(tx, &permit, &hold)?;
            entry.append(tx)
        });
        match job.await {
            Err(StoreError::Conflict { what: "erased person" }) => Err(ConversationError::Erased),
            other => Ok(other.map(|()| id)?),
        }
    }

    /// Lifts the permit's hold, for the reason that the permit carries.
    ///
    /// # Errors
    /// [`ConversationError::ReasonNeeded`]; [`ConversationError::NoHold`] when it was lifted before.
    pub async fn lift(&self, permit: Permit<LiftHold>, via: &Via) -> Result<(), ConversationError> {
        let (tenant, now) = (permit.tenant(), self.world.now());
        let id = permit.resource().hold().ok_or(ConversationError::NoHold)?;
        let why = permit.reason().cloned().ok_or(ConversationError::ReasonNeeded)?;
        let key = self.keys.tenant_data_key(tenant, Purpose::Identity).await?;
        let reason = (key.seal(&rows::lift_place(tenant, id), &why)?, key.generation());
        let scribe = self.keys.scribe(tenant).await?;
        let (event, detail) = (HoldLifted { hold: id }, why.as_str().as_bytes().to_vec());
        let entry = scribe.write_with(&event, permit.actor(), via, detail)?;
        let job = self.db.write(move |tx| {
            let lifted = rows::lift(tx, &permit, &reason, now)?;
            if lifted {
                entry.append(tx)?;
            }
            Ok(lifted)
        });
        if job.await? { Ok(()) } else { Err(ConversationError::NoHold) }
    }

    /// Holds, those that stand first; at most 500.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn list(&self, permit: Permit<ReadHolds>) -> Result<Vec<HoldView>, ConversationError> {
        let tenant = permit.tenant();
        let mut shown = Vec::new();
        for hold in self.db.read(move |tx| rows::list(tx, &permit, SHOWN)).await? {
            let open = async |place, (sealed, generation): &store::Keyed<Reason>| {
                let key = self.keys.tenant_data_key_at(tenant, Purpose::Identity, *generation).await?;
                Ok::<Reason, ConversationError>(key.open(&place, sealed)?)
            };
            let reason = open(rows::reason_place(tenant, hold.id), &hold.reason).await?;
            let lifted = match &hold.lifted {
                Some(end) => {
                    let why = open(rows::lift_place(tenant, hold.id), &end.reason).await?;
                    Some((end.at, end.by, why))
                }
                None => None,
            };
            let Hold { id, kept, placed, placed_by, .. } = hold;
            shown.push(HoldView { id, kept, reason, placed, placed_by, lifted });
        }
        Ok(shown)
    }

    /// A hold as something that is asked about, for whoever has to ask for leave to lift it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn resource(&self, tenant: TenantId, id: HoldId) -> Result<Option<Resource>, StoreError> {
        let found = self.db.read(move |tx| rows::find(tx, tenant, id)).await?;
        Ok(found.map(|hold| hold.resource(tenant)))
    }
}

const MISSING: StoreError = StoreError::Missing { what: "person" };
