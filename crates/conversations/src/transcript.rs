//! What staff may see: the list of conversations without content, a transcript, opened with a reason and read
//! on as it grows, and what a ticket says. All of it is in the audit log before anybody sees them.

use std::collections::BTreeSet;
use std::sync::Arc;

use guard::Permit;
use guard::action::{ListConversations, ReadTranscript};
use kernel::{ConversationId, Note, TicketId, Title};
use ledger::Listed;
use ledger::catalogue::{TranscriptRead, TranscriptSearched};
use store::conversations::{self as rows, Conversation, Filter};
use store::tickets::{self, Ticket};
use store::{StoreError, Via};

use crate::read::Page;
use crate::{ConversationError, Conversations, Line};

/// A transcript, opened.
#[derive(Debug)]
pub struct Transcript {
    /// The conversation.
    pub conversation: Conversation,
    /// What was said, oldest first.
    pub lines: Vec<Line>,
}

/// A transcript that was opened, as the log says, and may be read on.
#[derive(Debug)]
pub struct Following {
    conversation: ConversationId,
}

/// A ticket, opened.
#[derive(Debug)]
pub struct TicketText {
    /// Its facts.
    pub ticket: Ticket,
    /// The subject line.
    pub title: Title,
    /// What it is about.
    pub body: Note,
    /// How to reach the person.
    pub contact: Option<Note>,
}

/// Lines of one transcript page.
const PAGE: u32 = 1000;

impl Conversations {
    /// A page of the list, without content.
    ///
    /// # Errors
    /// When the list cannot be read or the event cannot be written; then nothing is shown.
    pub async fn list(
        &self,
        permit: Permit<ListConversations>,
        filter: Filter,
        via: &Via,
    ) -> Result<Vec<Conversation>, ConversationError> {
        let permit = Arc::new(permit);
        let inside = Arc::clone(&permit);
        let found = self.0.db.read(move |tx| rows::list(tx, &inside, &filter)).await?;
        self.listed(&permit, &found.iter().collect::<Vec<_>>(), via).await?;
        Ok(found)
    }

    /// The list again, for whoever has it open and is shown it anew when something changes. What was not in
    /// `known`, the ids that this reader was told before, is recorded as what they list now; `known` grows by it.
    ///
    /// # Errors
    /// When the list cannot be read or the event cannot be written; then nothing is shown.
    pub async fn list_again(
        &self,
        permit: &Arc<Permit<ListConversations>>,
        filter: Filter,
        known: &mut BTreeSet<ConversationId>,
        via: &Via,
    ) -> Result<Vec<Conversation>, ConversationError> {
        let inside = Arc::clone(permit);
        let found = self.0.db.read(move |tx| rows::list(tx, &inside, &filter)).await?;
        let new: Vec<&Conversation> = found.iter().filter(|row| !known.contains(&row.id)).collect();
        if !new.is_empty() {
            self.listed(permit.as_ref(), &new, via).await?;
            known.extend(new.iter().map(|row| row.id));
        }
        Ok(found)
    }

    async fn listed(
        &self,
        permit: &Permit<ListConversations>,
        found: &[&Conversation],
        via: &Via,
    ) -> Result<(), ConversationError> {
        let scribe = self.0.keys.scribe(permit.tenant()).await?;
        let subjects: Result<Vec<_>, _> = found.iter().map(|row| scribe.pseudonym(row.subject)).collect();
        let event = TranscriptSearched {
            how: "list",
            subjects: Listed::try_from(subjects?).map_err(StoreError::refuse)?,
            found: found.len() as u64,
        };
        let entry = scribe.write(&event, permit.actor(), via)?;
        self.0.db.write(move |tx| entry.append(tx)).await?;
        Ok(())
    }

    /// Opens a transcript. The event, with the reason sealed, is written first; if that fails nothing is
    /// read.
    ///
    /// # Errors
    /// When the event cannot be written, or the store or the keys fail.
    pub async fn transcript(
        &self,
        permit: Permit<ReadTranscript>,
        via: &Via,
    ) -> Result<Transcript, ConversationError> {
        let permit = Arc::new(permit);
        let (following, conversation) = self.follow(&permit, 0, via).await?;
        let (lines, _) = self.following(&following, &permit, 0).await?;
        Ok(Transcript { conversation, lines })
    }

    /// Opens a transcript to be read on as it grows, from the line after number `after`. The event, with the
    /// reason sealed, is written before anything is read.
    ///
    /// # Errors
    /// When the event cannot be written, or the store or the keys fail.
    pub async fn follow(
        &self,
        permit: &Arc<Permit<ReadTranscript>>,
        after: u64,
        via: &Via,
    ) -> Result<(Following, Conversation), ConversationError> {
        let (tenant, (conversation, subject)) = (permit.tenant(), self.whose(permit.as_ref())?);
        let inside = Arc::clone(permit);
        let row = self.0.db.read(move |tx| rows::get(tx, &inside)).await?;
        let scribe = self.0.keys.scribe(tenant).await?;
        let event = TranscriptRead {
            conversation,
            subjects: Listed::one(scribe.pseudonym(subject)?),
            messages: row.last_seq.saturating_sub(after).min(u64::from(PAGE)),
        };
        let reason = permit.reason().ok_or(StoreError::Missing { what: "reason" })?;
        let reason = reason.as_str().as_bytes().to_vec();
        let entry = scribe.write_with(&event, permit.actor(), via, reason)?;
        self.0.db.write(move |tx| entry.append(tx)).await?;
        Ok((Following { conversation }, row))
    }

    /// The lines of an opened transcript after number `after`, at most 1,000, and the conversation as it is now.
    /// The permit is asked for anew by whoever has held one for a while.
    ///
    /// # Errors
    /// When the permit is for another conversation, or the store or the keys fail.
    pub async fn following(
        &self,
        following: &Following,
        permit: &Arc<Permit<ReadTranscript>>,
        after: u64,
    ) -> Result<(Vec<Line>, Conversation), ConversationError> {
        if self.whose(permit.as_ref())?.0 != following.conversation {
            return Err(StoreError::Missing { what: "conversation" }.into());
        }
        let inside = Arc::clone(permit);
        let page = self.0.db.read(move |tx| Page::fetch(tx, &inside, after, PAGE)).await?;
        let row = page.row.clone();
        Ok((self.open_lines(permit.as_ref(), page).await?, row))
    }

    /// Opens a ticket of the permit's conversation: what it is about, and how to reach the person. It is part of
    /// what was said, so it is opened under the same leave, for a reason, with the same event written first.
    ///
    /// # Errors
    /// When the conversation has no such ticket, the event cannot be written, or the store or the keys fail.
    pub async fn ticket(
        &self,
        permit: Permit<ReadTranscript>,
        ticket: TicketId,
        via: &Via,
    ) -> Result<TicketText, ConversationError> {
        let permit = Arc::new(permit);
        let (tenant, (conversation, subject)) = (permit.tenant(), self.whose(permit.as_ref())?);
        let found = self.0.db.read(move |tx| tickets::find(tx, tenant, ticket)).await?;
        let found = found.filter(|found| found.conversation == conversation);
        let row = found.ok_or(StoreError::Missing { what: "ticket" })?;
        // Nothing of the conversation itself is shown: no message is counted.
        self.follow(&permit, u64::MAX, via).await?;
        let key = self.0.keys.conversation_key_at(tenant, subject, conversation, row.key_gen).await?;
        let title = key.open(&tickets::title_place(tenant, ticket), &row.title)?;
        let body = key.open(&tickets::body_place(tenant, ticket), &row.body)?;
        let contact = row.contact.as_ref().map(|it| key.open(&tickets::contact_place(tenant, ticket), it));
        let contact = contact.transpose()?;
        Ok(TicketText { ticket: row, title, body, contact })
    }
}
