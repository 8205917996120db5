//! A person says something. When `send` returns, the message is sealed, stored and in the audit log;
//! the bot's answer comes later, over the stream of events.

use std::sync::Arc;

use guard::action::PostMessage;
use guard::{Actor, Permit};
use kernel::{MessageId, MessageText, Timestamp};
use ledger::catalogue::MessageAccepted;
use store::messages::{self, NewMessage, Next, Speaker};
use store::{Addition, Scribe, StoreError, Via};
use vault::DataKey;

use crate::live::Signal;
use crate::{ConversationError, Conversations};

/// A message that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Its id.
    pub id: MessageId,
    /// Its number in the conversation.
    pub seq: u64,
}

impl Conversations {
    /// Stores what a person says, and lets the bot answer. Sending a message again under its `id` (after
    /// a lost connection) stores nothing twice and gives the same answer.
    ///
    /// # Errors
    /// When the conversation is closed, too many messages wait for an answer, or the store or the keys
    /// fail. Then nothing was accepted.
    pub async fn send(
        &self,
        permit: Permit<PostMessage>,
        text: MessageText,
        id: Option<MessageId>,
        via: &Via,
    ) -> Result<Accepted, ConversationError> {
        let (inner, permit) = (&self.0, Arc::new(permit));
        let (tenant, now) = (permit.tenant(), inner.world.now());
        let (conversation, subject) = self.whose(permit.as_ref())?;
        // A message that may have been sent before is looked for.
        let new = id.is_none();
        let id = id.unwrap_or_else(|| inner.world.id());
        let place = inner.turns.reserve(conversation).ok_or(ConversationError::TooFast)?;

        let key = inner.keys.conversation_key(tenant, subject, conversation).await?;
        let scribe = inner.keys.scribe(tenant).await?;
        let (actor, via) = (permit.actor().clone(), via.clone());
        let again = (Arc::clone(&permit), Arc::clone(&key), scribe.clone(), text.clone());
        let inside = Arc::clone(&permit);
        // The usual way: the slot is known or found by a reader, and all that can be made is made here, so that the
        // one writer has nothing to do but to compare and insert.
        let slot = match inner.tips.take(conversation).filter(|_| new) {
            Some(tip) => tip.next(permit.as_ref(), id, Speaker::Person, now)?,
            None => {
                let found = inner.db.read(move |tx| messages::next(tx, &inside, id, Speaker::Person, now));
                match found.await? {
                    Next::Already { seq } => return Ok(Accepted { id, seq }),
                    Next::Fresh(slot) => slot,
                }
            }
        };
        let (seq, record) = (slot.seq(), key.seal(&slot.place(), &text)?);
        let sealed_bytes = record.as_bytes().len() as u64;
        let event =
            scribe.write(&MessageAccepted { conversation, message: id, seq, sealed_bytes }, &actor, &via)?;
        let sealed = NewMessage { record, citations: None, key_gen: key.generation(), author: None };
        let addition = Addition::new().message(slot, sealed).event(event);
        let tip = addition.tip();
        let (seq, fresh) = match inner.db.add(addition).await {
            Ok(()) => {
                inner.tips.put(conversation, tip);
                (seq, true)
            }
            // Somebody else said something first, or the same message came twice: in one job, then.
            Err(StoreError::Moved | StoreError::Conflict { what: "message" }) => {
                self.send_in_one_job(again, id, now, actor, via).await?
            }
            Err(error) => return Err(error.into()),
        };
        if fresh {
            inner.live.signal(conversation, Signal::Changed);
            self.answer(place, permit, seq);
        }
        Ok(Accepted { id, seq })
    }

    /// Finds the slot, seals and stores in one job, which cannot be overtaken.
    async fn send_in_one_job(
        &self,
        (inside, key, scribe, text): (Arc<Permit<PostMessage>>, Arc<DataKey>, Scribe, MessageText),
        id: MessageId,
        now: Timestamp,
        actor: Actor,
        via: Via,
    ) -> Result<(u64, bool), ConversationError> {
        let (conversation, _) = self.whose(inside.as_ref())?;
        let store = move |tx: &mut store::Tx<'_>| {
            let slot = match messages::next(tx, &inside, id, Speaker::Person, now)? {
                Next::Already { seq } => return Ok((seq, false)),
                Next::Fresh(slot) => slot,
            };
            let record = key.seal(&slot.place(), &text).map_err(StoreError::refuse)?;
            let sealed_bytes = record.as_bytes().len() as u64;
            let event = MessageAccepted { conversation, message: id, seq: slot.seq(), sealed_bytes };
            let key_gen = key.generation();
            let seq =
                messages::append(tx, slot, NewMessage { record, citations: None, key_gen, author: None })?;
            scribe.write(&event, &actor, &via).map_err(StoreError::refuse)?.append(tx)?;
            Ok((seq, true))
        };
        Ok(self.0.db.write(store).await?)
    }
}
