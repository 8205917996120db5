//! Erasing a person who chats: their keys are destroyed, at once and for good, and with them every
//! message, context, flow state and ticket that those keys seal. The rows stay, unreadable; chains and
//! audit log still verify.
//!
//! What a legal hold keeps is not erased: the guard is asked once more, of the person, in the transaction
//! of the act, and a refusal is recorded there.
//!
//! Not promised: that older backups forget (`docs/encryption.md` says when they do), nor that the
//! memory of another process forgets before its cache ends. No process of the house opens anything with
//! such a key: each reading asks the database whether the person was erased.

use guard::action::EraseSubject;
use guard::{Circumstances, Denied, Guard, Permit, Resource};
use kernel::{ConversationId, SubjectId, Timestamp};
use ledger::catalogue::{AccessDenied, PersonSessionEnded, SubjectErased};
use ledger::{Token, leaf_hash};
use store::{
    Db, Erases, Keychain, Knows, StoreError, Via, conversations, end_users, holds, keys, person_sessions,
};

use crate::ConversationError;

/// A person who was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    /// The data keys that were destroyed with theirs; 0 when they had been erased before.
    pub keys: u64,
    /// What the audit log holds as proof: a hash over the commitments of the destroyed keys.
    pub proof: [u8; 32],
}

/// Erases a person. The event, with the reason sealed beside it, is in the transaction of the act.
///
/// # Errors
/// [`ConversationError::Kept`] when a legal hold keeps them; [`StoreError::Missing`] when nobody of this id
/// ever chatted here; else when the store fails. Erasing twice is no error.
pub async fn erase(
    db: &Db,
    keychain: &Keychain,
    guard: &Guard,
    permit: Permit<EraseSubject>,
    subject: SubjectId,
    now: Timestamp,
    via: &Via,
) -> Result<Erased, ConversationError> {
    destroy(db, keychain, guard, permit, subject, now, via).await
}

/// The same with any leave to erase.
pub(crate) async fn destroy<A: Erases + Knows>(
    db: &Db,
    keychain: &Keychain,
    guard: &Guard,
    permit: Permit<A>,
    subject: SubjectId,
    now: Timestamp,
    via: &Via,
) -> Result<Erased, ConversationError> {
    let (tenant, via, guard) = (permit.tenant(), via.clone(), guard.clone());
    let scribe = keychain.scribe(tenant).await?;
    let pseudonym = scribe.pseudonym(subject)?;
    let erased = db
        .write(move |tx| {
            let commitments = keys::commitments_of(tx, tenant, subject)?;
            let known = !commitments.is_empty()
                || keys::is_erased(tx, tenant, subject)?
                || conversations::is_known(tx, &permit, subject)?;
            if !known {
                return Err(StoreError::Missing { what: "person" });
            }
            let held = holds::keep(tx, tenant, subject)?;
            if let Err(denied) = still(&guard, &permit, Resource::Person { tenant, subject, held }, now) {
                let (resource, rule) = (Token::lossy("Person"), Token::lossy(denied.rule()));
                let event = AccessDenied { action: A::NAME, resource, rule };
                scribe.write(&event, permit.actor(), &via).map_err(StoreError::refuse)?.append(tx)?;
                return Ok(Err(denied));
            }
            let proof = leaf_hash(&commitments.concat());
            let keys = keys::erase_subject(tx, tenant, subject, now)?;
            end_users::forget(tx, tenant, subject)?;
            for session in person_sessions::of_person(tx, tenant, subject, now)? {
                person_sessions::end(tx, (tenant, subject), session.id, now)?;
                let ended = PersonSessionEnded { subject: pseudonym, session: session.id, why: "erased" };
                let ended = scribe.write(&ended, permit.actor(), &via).map_err(StoreError::refuse)?;
                ended.append(tx)?;
            }
            let event = SubjectErased { subject: pseudonym, keys, proof };
            let entry = match permit.reason() {
                Some(reason) => {
                    scribe.write_with(&event, permit.actor(), &via, reason.as_str().as_bytes().to_vec())
                }
                None => scribe.write(&event, permit.actor(), &via),
            };
            entry.map_err(StoreError::refuse)?.append(tx)?;
            Ok(Ok(Erased { keys, proof }))
        })
        .await?
        .map_err(ConversationError::Kept)?;
    keychain.keyring().forget_subject(tenant, subject);
    Ok(erased)
}

/// Whether the leave to erase holds of this very person, as they stand now.
fn still<A: Erases>(
    guard: &Guard,
    permit: &Permit<A>,
    person: Resource,
    now: Timestamp,
) -> Result<Permit<A>, Denied> {
    let mut at = Circumstances::at(now);
    if let Some(reason) = permit.reason() {
        at = at.because(reason.clone());
    }
    guard.permit::<A>(permit.actor(), &person, &at)
}

/// The person of a conversation, for whoever knows only that.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such conversation.
pub async fn person_of(
    db: &Db,
    permit: &Permit<EraseSubject>,
    conversation: ConversationId,
) -> Result<SubjectId, ConversationError> {
    let tenant = permit.tenant();
    let row = db.read(move |tx| conversations::facts(tx, tenant, conversation)).await?;
    Ok(row.ok_or(StoreError::Missing { what: "conversation" })?.subject)
}
