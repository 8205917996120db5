//! What a person who chats can do with all that is theirs: see it, take a copy away, have it destroyed.

use guard::action::{EraseOwnData, ReadOwnConversation, ReadOwnData};
use guard::{Actor, Circumstances, Permit, Visitor};
use ledger::catalogue::PersonExported;
use store::conversations::{self as rows, Conversation};
use store::{StoreError, Via};

use crate::erase::{Erased, destroy};
use crate::read::Page;
use crate::{ConversationError, Conversations, Line};

/// Conversations of one person that are shown.
const SHOWN: u32 = 200;
/// Lines that are read at once.
const PAGE: u32 = 200;

/// One conversation of a person, with all that was said.
#[derive(Debug)]
pub struct Own {
    /// The conversation.
    pub conversation: Conversation,
    /// What was said, oldest first.
    pub lines: Vec<Line>,
}

impl Conversations {
    /// The conversations of the permit's person, the latest first, at most 200.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn own(&self, permit: Permit<ReadOwnData>) -> Result<Vec<Conversation>, ConversationError> {
        Ok(self.0.db.read(move |tx| rows::of_person(tx, &permit, SHOWN)).await?)
    }

    /// All that was said in the conversations of the permit's person. The event is written before anything
    /// is given out.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn export_own(
        &self,
        permit: Permit<ReadOwnData>,
        via: &Via,
    ) -> Result<Vec<Own>, ConversationError> {
        let (tenant, actor) = (permit.tenant(), permit.actor().clone());
        let subject = permit.subject().ok_or(StoreError::Missing { what: "person" })?;
        let mut all = Vec::new();
        let mut lines = 0;
        for conversation in self.own(permit).await? {
            // The same person, in another of their conversations.
            let visitor = Visitor { tenant, subject, conversation: conversation.id };
            let now = Circumstances::at(self.0.world.now());
            let leave = self.0.guard.permit::<ReadOwnConversation>(
                &Actor::Visitor(visitor),
                &conversation.resource(),
                &now,
            )?;
            let leave = std::sync::Arc::new(leave);
            let mut own = Own { lines: Vec::new(), conversation };
            loop {
                let after = own.lines.last().map_or(0, Line::seq);
                let inside = std::sync::Arc::clone(&leave);
                let page = self.0.db.read(move |tx| Page::fetch(tx, &inside, after, PAGE)).await?;
                let more = self.open_lines(leave.as_ref(), page).await?;
                if more.is_empty() {
                    break;
                }
                own.lines.extend(more);
            }
            lines += own.lines.len() as u64;
            all.push(own);
        }
        let scribe = self.0.keys.scribe(tenant).await?;
        let pseudonym = scribe.pseudonym(subject)?;
        let event = PersonExported { subject: pseudonym, conversations: all.len() as u64, lines };
        let entry = scribe.write(&event, &actor, via)?;
        self.0.db.write(move |tx| entry.append(tx)).await?;
        Ok(all)
    }

    /// Erases the permit's person: their keys are destroyed, for good, in whatever conversation. See
    /// [`crate::erase`] for what is promised and what is not.
    ///
    /// # Errors
    /// [`ConversationError::Kept`] when a legal hold keeps them, which they are told; else when the store fails.
    pub async fn erase_own(
        &self,
        permit: Permit<EraseOwnData>,
        via: &Via,
    ) -> Result<Erased, ConversationError> {
        let (inner, now) = (&self.0, self.0.world.now());
        let subject = permit.subject().ok_or(StoreError::Missing { what: "person" })?;
        destroy(&inner.db, &inner.keys, &inner.guard, permit, subject, now, via).await
    }
}
