//! A member of staff answers: takes a conversation, speaks in it, gives it back to the bot or closes it.

use std::sync::Arc;

use guard::Permit;
use guard::action::ReplyToConversation;
use kernel::{MessageId, MessageText};
use ledger::catalogue::{ConversationClosed, HandoffChanged, ReplySent};
use store::conversations::{self as rows, ConversationState};
use store::messages::{self, NewMessage, Next, Speaker};
use store::{StoreError, Via};

use crate::live::Signal;
use crate::send::Accepted;
use crate::{ConversationError, Conversations};

impl Conversations {
    /// Says something as the permit's member of staff. Who speaks takes the conversation, so that the
    /// bot is silent from now on: one that waits for a person, or one that the bot was answering.
    ///
    /// # Errors
    /// When the conversation is closed, another member of staff has it, or the store or the keys fail.
    /// Then nothing was said.
    pub async fn reply(
        &self,
        permit: Permit<ReplyToConversation>,
        text: MessageText,
        via: &Via,
    ) -> Result<Accepted, ConversationError> {
        let inner = &self.0;
        let (tenant, now) = (permit.tenant(), inner.world.now());
        let (conversation, subject) = self.whose(&permit)?;
        let id: MessageId = inner.world.id();
        let key = inner.keys.conversation_key(tenant, subject, conversation).await?;
        let scribe = inner.keys.scribe(tenant).await?;
        let (actor, author, via) = (permit.actor().clone(), permit.user(), via.clone());
        let store = move |tx: &mut store::Tx<'_>| {
            let row = rows::get(tx, &permit)?;
            if row.assignee.is_none() && row.state != ConversationState::Closed {
                rows::set_state(tx, &permit, ConversationState::Handoff, now)?;
                let taken = HandoffChanged { conversation, to: "agent" };
                scribe.write(&taken, &actor, &via).map_err(StoreError::refuse)?.append(tx)?;
            }
            let Next::Fresh(slot) = messages::next(tx, &permit, id, Speaker::Agent, now)? else {
                return Err(StoreError::Conflict { what: "message" });
            };
            rows::take(tx, &permit, now)?;
            let record = key.seal(&slot.place(), &text).map_err(StoreError::refuse)?;
            let event = ReplySent {
                conversation,
                message: id,
                seq: slot.seq(),
                sealed_bytes: record.as_bytes().len() as u64,
                release: None,
                citations: 0,
            };
            let key_gen = key.generation();
            let seq = messages::append(tx, slot, NewMessage { record, citations: None, key_gen, author })?;
            scribe.write(&event, &actor, &via).map_err(StoreError::refuse)?.append(tx)?;
            Ok(seq)
        };
        let seq = inner.db.write(store).await?;
        inner.live.signal(conversation, Signal::Changed);
        Ok(Accepted { id, seq })
    }

    /// Gives a conversation back to the bot, which answers what is said from now on.
    ///
    /// # Errors
    /// When the permit's member of staff does not have it, or the store fails.
    pub async fn give_back(
        &self,
        permit: Permit<ReplyToConversation>,
        via: &Via,
    ) -> Result<(), ConversationError> {
        let (conversation, _) = self.whose(&permit)?;
        let (scribe, now) = (self.0.keys.scribe(permit.tenant()).await?, self.0.world.now());
        let event = HandoffChanged { conversation, to: "bot" };
        let entry = scribe.write(&event, permit.actor(), via)?;
        self.0
            .db
            .write(move |tx| {
                rows::give_back(tx, &permit, now)?;
                entry.append(tx)
            })
            .await?;
        self.0.live.signal(conversation, Signal::Changed);
        Ok(())
    }

    /// Closes a conversation: nothing more is said in it, by anybody.
    ///
    /// # Errors
    /// When it is closed already, or the store fails.
    pub async fn close(
        &self,
        permit: Permit<ReplyToConversation>,
        via: &Via,
    ) -> Result<(), ConversationError> {
        let (conversation, _) = self.whose(&permit)?;
        let (scribe, now) = (self.0.keys.scribe(permit.tenant()).await?, self.0.world.now());
        let (actor, via, permit) = (permit.actor().clone(), via.clone(), Arc::new(permit));
        self.0
            .db
            .write(move |tx| {
                let messages = rows::get(tx, &permit)?.last_seq;
                rows::set_state(tx, &permit, ConversationState::Closed, now)?;
                let event = ConversationClosed { conversation, why: "agent", messages };
                scribe.write(&event, &actor, &via).map_err(StoreError::refuse)?.append(tx)
            })
            .await?;
        self.0.live.signal(conversation, Signal::Changed);
        Ok(())
    }
}
