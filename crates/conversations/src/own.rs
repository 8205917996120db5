//! What a person who chats can do with all that is theirs: see it, take a copy away, have it destroyed.

use std::sync::Arc;

use guard::action::{EraseOwnData, ReadOwnConversation, ReadOwnData};
use guard::{Actor, Circumstances, Permit, Visitor};
use ledger::catalogue::PersonExported;
use store::conversations::{self as rows, Conversation};
use store::{StoreError, Via};

use crate::erase::{Erased, destroy};
use crate::read::Page;
use crate::{ConversationError, Conversations, Line};

/// Conversations that are shown, or read at once.
const SHOWN: u32 = 200;
/// Lines that are read at once.
const PAGE: u32 = 200;

/// What a person has here.
#[derive(Debug, Default)]
pub struct Belongings {
    /// The conversations opened last, at most 200.
    pub latest: Vec<Conversation>,
    /// How many there are in all.
    pub conversations: u64,
}

/// The copy a person takes away, read piece by piece: whoever has a thousand conversations takes no more
/// of our memory than whoever has one.
#[derive(Debug)]
pub struct Export {
    house: Conversations,
    permit: Arc<Permit<ReadOwnData>>,
    /// Conversations that were read and are not given out yet, the next one last.
    ahead: Vec<Conversation>,
    /// The one that was given out last, or the one whose lines are being given out.
    current: Option<Conversation>,
    /// Leave to read the current one, and the last line of it that was given out.
    reading: Option<(Arc<Permit<ReadOwnConversation>>, u64)>,
}

/// A piece of the copy.
#[derive(Debug)]
pub enum Piece {
    /// The next conversation, the latest opened first.
    Conversation(Conversation),
    /// More of what was said in it, oldest first.
    Lines(Vec<Line>),
}

impl Export {
    /// The next piece; none when that was all.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn next(&mut self) -> Result<Option<Piece>, ConversationError> {
        if let Some((leave, after)) = self.reading.take() {
            let (db, inside) = (&self.house.0.db, Arc::clone(&leave));
            let page = db.read(move |tx| Page::fetch(tx, &inside, after, PAGE)).await?;
            let lines = self.house.open_lines(leave.as_ref(), page).await?;
            if let Some(last) = lines.last() {
                self.reading = Some((leave, last.seq()));
                return Ok(Some(Piece::Lines(lines)));
            }
        }
        if self.ahead.is_empty() {
            let (permit, before) = (Arc::clone(&self.permit), self.current.take());
            let read = move |tx: &mut store::Read<'_>| rows::of_person(tx, &permit, before.as_ref(), SHOWN);
            self.ahead = self.house.0.db.read(read).await?;
            self.ahead.reverse();
        }
        let Some(next) = self.ahead.pop() else { return Ok(None) };
        // The same person, in another of their conversations.
        let visitor = Visitor { tenant: next.tenant, subject: next.subject, conversation: next.id };
        let now = Circumstances::at(self.house.0.world.now());
        let guard = &self.house.0.guard;
        let leave = guard.permit::<ReadOwnConversation>(&Actor::Visitor(visitor), &next.resource(), &now)?;
        self.reading = Some((Arc::new(leave), 0));
        self.current = Some(next.clone());
        Ok(Some(Piece::Conversation(next)))
    }
}

impl Conversations {
    /// The conversations of the permit's person.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn own(&self, permit: Permit<ReadOwnData>) -> Result<Belongings, ConversationError> {
        let read = move |tx: &mut store::Read<'_>| {
            let latest = rows::of_person(tx, &permit, None, SHOWN)?;
            Ok(Belongings { latest, conversations: rows::sum_of_person(tx, &permit)?.0 })
        };
        Ok(self.0.db.read(read).await?)
    }

    /// All that was said in the conversations of the permit's person. The event is written before anything
    /// is given out, and counts what there was at that moment.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn export_own(
        &self,
        permit: Permit<ReadOwnData>,
        via: &Via,
    ) -> Result<Export, ConversationError> {
        let permit = Arc::new(permit);
        let subject = permit.subject().ok_or(StoreError::Missing { what: "person" })?;
        let inside = Arc::clone(&permit);
        let (conversations, lines) = self.0.db.read(move |tx| rows::sum_of_person(tx, &inside)).await?;
        let scribe = self.0.keys.scribe(permit.tenant()).await?;
        let event = PersonExported { subject: scribe.pseudonym(subject)?, conversations, lines };
        let entry = scribe.write(&event, permit.actor(), via)?;
        self.0.db.write(move |tx| entry.append(tx)).await?;
        Ok(Export { house: self.clone(), permit, ahead: Vec::new(), current: None, reading: None })
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
