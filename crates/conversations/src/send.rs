//! A person says something. When `send` returns, the message is sealed, stored and in the audit log;
//! the bot's answer comes later, over the stream of events.

use std::sync::Arc;

use guard::Permit;
use guard::action::PostMessage;
use kernel::{MessageId, MessageText};
use ledger::catalogue::MessageAccepted;
use store::messages::{self, NewMessage, Next, Speaker};
use store::{StoreError, Via};

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
        let id = id.unwrap_or_else(|| inner.world.id());
        let place = inner.turns.reserve(conversation).ok_or(ConversationError::TooFast)?;

        let key = inner.keys.conversation_key(tenant, subject, conversation).await?;
        let scribe = inner.keys.scribe(tenant).await?;
        let (actor, via) = (permit.actor().clone(), via.clone());
        let (permit, inside) = (Arc::clone(&permit), permit);
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
        let (seq, fresh) = inner.db.write(store).await?;
        if fresh {
            inner.live.signal(conversation, Signal::Changed);
            self.answer(place, permit, seq);
        }
        Ok(Accepted { id, seq })
    }
}
