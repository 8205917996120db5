//! Reading one's own conversation, from the beginning or from where one left off.

use std::sync::Arc;

use guard::action::{PostMessage, ReadOwnConversation};
use guard::{Action, Circumstances, Permit};
use kernel::{ConversationId, MessageText, SubjectId, Timestamp};
use ledger::Token;
use ledger::catalogue::RecordRefused;
use store::conversations::{self as rows, Conversation, ConversationState};
use store::messages::{self, Message, Speaker};
use store::{Read, Reads, StoreError, Via};
use vault::VaultError;
use wire::turn::Citation;

use crate::{ConversationError, Conversations};

/// One line of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// What was said.
    Said(Said),
    /// A stored record that did not open, or that is no longer where it was: it was altered, moved,
    /// swapped or removed. The rest can be read.
    Refused {
        /// Its number.
        seq: u64,
    },
    /// The person was erased. Nobody can read it any more.
    Erased {
        /// Its number.
        seq: u64,
    },
}

/// Something that was said.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// Its number in the conversation.
    pub seq: u64,
    /// Who spoke.
    pub speaker: Speaker,
    /// What was said.
    pub text: MessageText,
    /// Where it is written.
    pub citations: Vec<Citation>,
    /// When.
    pub at: Timestamp,
}

impl Line {
    /// Its number in the conversation.
    pub fn seq(&self) -> u64 {
        match self {
            Self::Said(said) => said.seq,
            Self::Refused { seq } | Self::Erased { seq } => *seq,
        }
    }
}

/// Lines that are read at once.
const PAGE: u32 = 200;

/// What stands under one number of a conversation.
pub(crate) enum Stored {
    /// The message that was put there.
    Whole(Message),
    /// A row that is not what it was, or does not follow the one before it.
    Altered { seq: u64 },
    /// No row, although the conversation had one.
    Missing { seq: u64 },
}

impl Stored {
    fn seq(&self) -> u64 {
        match self {
            Self::Whole(message) => message.seq,
            Self::Altered { seq } | Self::Missing { seq } => *seq,
        }
    }
}

/// A part of a conversation, compared with its chain.
pub(crate) struct Page {
    pub(crate) row: Conversation,
    pub(crate) stored: Vec<Stored>,
}

impl Page {
    /// The rows after number `after`, at most `limit`, each held against the hash of the one before it,
    /// and the last against the conversation's own.
    pub(crate) fn fetch<A: Reads>(
        tx: &mut Read<'_>,
        permit: &Permit<A>,
        after: u64,
        limit: u32,
    ) -> Result<Self, StoreError> {
        let row = rows::get(tx, permit)?;
        // With the row before, whose hash the first one names.
        let before = after.saturating_sub(1);
        let mut found = messages::list(tx, permit, before, limit.saturating_add(1))?;
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(usize::from(after > 0)));
        let (mut last, mut head) = (before, None);
        if after == 0 {
            head = Some(rows::first_head(row.tenant, row.id));
        }
        let mut stored = Vec::with_capacity(found.len());
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let gap = |stored: &mut Vec<Stored>, from: u64, to: u64| {
            let missing = (from.max(after)..to).map(|seq| Stored::Missing { seq: seq + 1 });
            stored.extend(missing.take(most.saturating_sub(stored.len())));
        };
        for message in found {
            let (seq, hash) = (message.seq, message.row_hash);
            if seq > last + 1 {
                gap(&mut stored, last, seq - 1);
                head = None;
            }
            if seq > after && stored.len() < most {
                let follows = head.is_none_or(|head| message.follows(&head));
                let ends = seq != row.last_seq || hash == row.head;
                stored.push(if follows && ends && seq <= row.last_seq {
                    Stored::Whole(message)
                } else {
                    Stored::Altered { seq }
                });
            }
            (last, head) = (seq, Some(hash));
        }
        if stored.len() < most {
            gap(&mut stored, last.max(after), row.last_seq);
        }
        Ok(Self { row, stored })
    }
}

impl Conversations {
    /// The lines after number `after`, oldest first, at most 200, and the conversation's state.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn read(
        &self,
        permit: &Arc<Permit<ReadOwnConversation>>,
        after: u64,
    ) -> Result<(Vec<Line>, ConversationState), ConversationError> {
        let inside = Arc::clone(permit);
        let page = self.0.db.read(move |tx| Page::fetch(tx, &inside, after, PAGE)).await?;
        let state = page.row.state;
        Ok((self.open_lines(permit.as_ref(), page).await?, state))
    }

    /// Lets the bot answer a question that nobody is answering: the process may have ended between a
    /// message and its answer.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn resume(&self, permit: &Arc<Permit<ReadOwnConversation>>) -> Result<(), ConversationError> {
        let (conversation, _) = self.whose(permit.as_ref())?;
        if !self.0.turns.idle(conversation) {
            return Ok(());
        }
        let inside = Arc::clone(permit);
        let (row, last) =
            self.0.db.read(move |tx| Ok((rows::get(tx, &inside)?, messages::last(tx, &inside, 1)?))).await?;
        let unanswered = last.first().filter(|message| message.speaker == Speaker::Person);
        if let (Some(message), ConversationState::Open) = (unanswered, row.state)
            && let Some(turn) = self.0.turns.reserve(conversation)
        {
            let now = Circumstances::at(self.0.world.now());
            let post = self.0.guard.permit::<PostMessage>(permit.actor(), permit.resource(), &now)?;
            self.answer(turn, Arc::new(post), message.seq);
        }
        Ok(())
    }

    /// Opens stored messages. One that does not open, or does not stand where it stood, becomes a
    /// [`Line::Refused`] and an event.
    pub(crate) async fn open_lines<A: Reads>(
        &self,
        permit: &Permit<A>,
        page: Page,
    ) -> Result<Vec<Line>, ConversationError> {
        let (tenant, (conversation, subject)) = (permit.tenant(), self.whose(permit)?);
        let erased = page.row.erased;
        let mut lines = Vec::with_capacity(page.stored.len());
        for stored in page.stored {
            let seq = stored.seq();
            let opened = match stored {
                Stored::Missing { .. } => Err("missing"),
                Stored::Altered { .. } => Err("chain"),
                Stored::Whole(_) if erased => {
                    lines.push(Line::Erased { seq });
                    continue;
                }
                Stored::Whole(message) => {
                    let keys = &self.0.keys;
                    let key = keys.conversation_key_at(tenant, subject, conversation, message.key_gen).await;
                    match key {
                        Ok(key) => open(&key, &message),
                        Err(error) => Err(error_of(error)?),
                    }
                }
            };
            lines.push(match opened {
                Ok(said) => Line::Said(said),
                Err(reason) => {
                    self.refused(permit, conversation, seq, reason).await?;
                    Line::Refused { seq }
                }
            });
        }
        Ok(lines)
    }

    /// Records that a stored message did not open.
    async fn refused<A: Action>(
        &self,
        permit: &Permit<A>,
        conversation: ConversationId,
        seq: u64,
        reason: &'static str,
    ) -> Result<(), ConversationError> {
        let tenant = permit.tenant();
        tracing::error!(%conversation, seq, reason, "a stored message was refused");
        let event = RecordRefused {
            table: Token::lossy("messages"),
            row: Token::lossy(&format!("{conversation}:{seq}")),
            reason,
        };
        let entry = self.0.keys.scribe(tenant).await?.write(&event, &self.0.core(tenant), &Via::default())?;
        self.0.db.write(move |tx| entry.append(tx)).await?;
        Ok(())
    }

    /// The conversation and the person of a permit.
    pub(crate) fn whose<A: Action>(
        &self,
        permit: &Permit<A>,
    ) -> Result<(ConversationId, SubjectId), ConversationError> {
        match permit.resource() {
            guard::Resource::Conversation { conversation, subject, .. } => Ok((*conversation, *subject)),
            _ => Err(StoreError::Missing { what: "conversation" }.into()),
        }
    }
}

fn open(key: &vault::DataKey, message: &Message) -> Result<Said, &'static str> {
    let text = key.open(&message.place(), &message.record).map_err(|error| word(&error))?;
    let citations = match &message.citations {
        Some(sealed) => {
            let json = key.open(&message.citations_place(), sealed).map_err(|error| word(&error))?;
            serde_json::from_slice(&json).map_err(|_| "tag")?
        }
        None => Vec::new(),
    };
    Ok(Said { seq: message.seq, speaker: message.speaker, text, citations, at: message.created })
}

/// The word for a refusal in the event.
fn word(error: &VaultError) -> &'static str {
    match error {
        VaultError::UnknownVersion { .. } => "version",
        VaultError::Truncated { .. } | VaultError::Length { .. } | VaultError::TooLarge { .. } => "length",
        VaultError::Refused | VaultError::Content { .. } => "tag",
        _ => "key",
    }
}

/// A key that refuses spoils its own messages only; a store or provider that fails spoils the request.
fn error_of(error: StoreError) -> Result<&'static str, ConversationError> {
    match error.refusal::<VaultError>() {
        Some(VaultError::Provider(_)) | None => Err(error.into()),
        Some(refused) => Ok(word(refused)),
    }
}
