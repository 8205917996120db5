//! What staff may see: the list of conversations without content, and a transcript, opened with a
//! reason. Both are in the audit log before anybody sees them.

use guard::Permit;
use guard::action::{ListConversations, ReadTranscript};
use ledger::Listed;
use ledger::catalogue::{TranscriptRead, TranscriptSearched};
use std::sync::Arc;
use store::conversations::{self as rows, Conversation, Filter};
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
        let (tenant, actor) = (permit.tenant(), permit.actor().clone());
        let found = self.0.db.read(move |tx| rows::list(tx, &permit, &filter)).await?;
        let scribe = self.0.keys.scribe(tenant).await?;
        let subjects: Result<Vec<_>, _> = found.iter().map(|row| scribe.pseudonym(row.subject)).collect();
        let event = TranscriptSearched {
            how: "list",
            subjects: Listed::try_from(subjects?).map_err(StoreError::refuse)?,
            found: found.len() as u64,
        };
        let entry = scribe.write(&event, &actor, via)?;
        self.0.db.write(move |tx| entry.append(tx)).await?;
        Ok(found)
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
        let (tenant, (conversation, subject)) = (permit.tenant(), self.whose(permit.as_ref())?);
        let inside = Arc::clone(&permit);
        let row = self.0.db.read(move |tx| rows::get(tx, &inside)).await?;
        let scribe = self.0.keys.scribe(tenant).await?;
        let event = TranscriptRead {
            conversation,
            subjects: Listed::one(scribe.pseudonym(subject)?),
            messages: row.last_seq.min(u64::from(PAGE)),
        };
        let reason = permit.reason().ok_or(StoreError::Missing { what: "reason" })?;
        let reason = reason.as_str().as_bytes().to_vec();
        let entry = scribe.write_with(&event, permit.actor(), via, reason)?;
        self.0.db.write(move |tx| entry.append(tx)).await?;

        let inside = Arc::clone(&permit);
        let page = self.0.db.read(move |tx| Page::fetch(tx, &inside, 0, PAGE)).await?;
        let lines = self.open_lines(permit.as_ref(), page).await?;
        Ok(Transcript { conversation: row, lines })
    }
}
