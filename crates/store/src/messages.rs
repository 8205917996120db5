//! Messages: what was said, sealed, in order, chained.
//!
//! A message is added in two steps inside one job: [`next`] gives the [`Slot`] it will have, the
//! caller seals for the slot's [`Slot::place`], and [`append`] puts it there. The seal names the
//! sequence number, so it cannot be made before the number is known.
//!
//! Each row's hash covers the one before it: SHA-256 of
//! `"wardroom/1/chain\0" | previous | tenant | conversation | seq | id | role | author | type | time |
//! key generation | SHA-256(record) | SHA-256(citations)`, all at fixed widths. The chain is over
//! ciphertext, so it still verifies after a person was erased. It finds rows that were changed, moved
//! or removed from the middle; that the end was cut off is found by the ledger, which records heads.

use guard::Permit;
use kernel::{ConversationId, Id, MessageId, MessageText, TenantId, Timestamp, UserId};
use vault::{Place, Sealed};

use crate::access::{self, Reads, Writes};
use crate::conversations::{ConversationState, first_head, sha256};
use crate::dump::Dumps;
use crate::places::SealedColumn;
use crate::{FromValue, Read, Row, StoreError, ToValue, Tx, Value, params};

/// An enum whose variants are stored, and authenticated, as fixed numbers.
macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $number:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// The number, as stored and as authenticated by the seal.
            pub const fn number(self) -> u8 {
                match self { $(Self::$variant => $number,)* }
            }
        }

        impl ToValue for $name {
            fn to_value(&self) -> Value<'_> {
                Value::Int(i64::from(self.number()))
            }
        }

        impl FromValue for $name {
            const EXPECTED: &'static str = stringify!($name);

            fn from_value(value: Value<'static>) -> Option<Self> {
                match value {
                    $(Value::Int($number) => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    )*};
}

numbers! {
    /// Who speaks.
    Speaker {
        /// The person who chats.
        Person = 1,
        /// The bot.
        Bot = 2,
        /// An agent.
        Agent = 3,
        /// The house: notices such as that an agent has joined.
        House = 4,
    }

    /// What a record holds.
    ContentType {
        /// A text.
        Text = 1,
    }
}

/// The next free place in a conversation, with what the message's seal must name. It is good for one
/// [`append`] in the same job.
#[derive(Debug)]
#[must_use = "a slot is nothing until a message is put there"]
pub struct Slot {
    tenant: TenantId,
    conversation: ConversationId,
    seq: u64,
    id: MessageId,
    speaker: Speaker,
    content_type: ContentType,
    now: Timestamp,
    previous: [u8; 32],
    state: ConversationState,
}

impl Slot {
    /// The state of the conversation as this job sees it: `Open` or `Handoff`.
    pub fn state(&self) -> ConversationState {
        self.state
    }

    /// The sequence number that the message will have.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The message in this slot, with the hash of the row before it.
    pub(crate) fn filled(self, new: NewMessage) -> (Message, [u8; 32]) {
        let Self { tenant, conversation, seq, id, speaker, content_type, now, previous, .. } = self;
        let mut message = Message {
            tenant,
            conversation,
            seq,
            id,
            speaker,
            author: new.author,
            content_type,
            created: now,
            key_gen: new.key_gen,
            record: new.record,
            citations: new.citations,
            row_hash: [0; 32],
        };
        message.row_hash = message.chained(&previous);
        (message, previous)
    }

    /// Where the record will live: seal the text for this place.
    pub fn place(&self) -> Place {
        self.column(SealedColumn::MessageRecord)
    }

    /// Where the citations will live.
    pub fn citations_place(&self) -> Place {
        self.column(SealedColumn::MessageCitations)
    }

    fn column(&self, column: SealedColumn) -> Place {
        message_place(
            column,
            self.tenant,
            self.conversation,
            self.seq,
            self.id,
            self.speaker,
            self.content_type,
            self.now,
        )
    }
}

/// The end of a conversation as it was last seen: where the next message may go without looking again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    tenant: TenantId,
    conversation: ConversationId,
    seq: u64,
    head: [u8; 32],
}

impl Tip {
    pub(crate) fn of(message: &Message) -> Self {
        let Message { tenant, conversation, seq, row_hash, .. } = message;
        Self { tenant: *tenant, conversation: *conversation, seq: *seq, head: *row_hash }
    }

    /// The slot after this end. It may be taken by now: use it with [`crate::Db::add`], which tells.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when the permit is for another conversation.
    pub fn next<A: Writes>(
        self,
        permit: &Permit<A>,
        id: MessageId,
        speaker: Speaker,
        now: Timestamp,
    ) -> Result<Slot, StoreError> {
        let Self { tenant, conversation, seq, head } = self;
        if (permit.tenant(), access::conversation(permit)?) != (tenant, conversation) {
            return Err(StoreError::Missing { what: "conversation" });
        }
        let (seq, content_type) = (seq.saturating_add(1), ContentType::Text);
        // Whoever takes a conversation from the bot says something in it, and that moves the end.
        let state = ConversationState::Open;
        Ok(Slot { tenant, conversation, seq, id, speaker, content_type, now, previous: head, state })
    }
}

/// What [`next`] found.
#[derive(Debug)]
pub enum Next {
    /// A message of this id is new; here is its place.
    Fresh(Slot),
    /// A message of this id is there already: it was sent again. Nothing needs to be done.
    Already {
        /// The sequence number it has.
        seq: u64,
    },
}

/// A message to be put into a [`Slot`].
#[derive(Debug)]
pub struct NewMessage {
    /// The text, sealed at [`Slot::place`].
    pub record: Sealed<MessageText>,
    /// The sources of an answer, sealed at [`Slot::citations_place`].
    pub citations: Option<Sealed<Vec<u8>>>,
    /// The generation of the key that seals both.
    pub key_gen: u32,
    /// The member of staff who wrote it, if one did.
    pub author: Option<UserId>,
}

/// A message, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Whose.
    pub tenant: TenantId,
    /// The conversation.
    pub conversation: ConversationId,
    /// Its place in it, from 1.
    pub seq: u64,
    /// Its id.
    pub id: MessageId,
    /// Who speaks.
    pub speaker: Speaker,
    /// The member of staff who wrote it, if one did.
    pub author: Option<UserId>,
    /// What the record holds.
    pub content_type: ContentType,
    /// When it was taken in.
    pub created: Timestamp,
    /// The generation of the key that seals it.
    pub key_gen: u32,
    /// What was said.
    pub record: Sealed<MessageText>,
    /// The sources of an answer.
    pub citations: Option<Sealed<Vec<u8>>>,
    /// The hash of this row and the one before it.
    pub row_hash: [u8; 32],
}

impl Message {
    /// Where the record lives.
    pub fn place(&self) -> Place {
        self.column(SealedColumn::MessageRecord)
    }

    /// Where the citations live.
    pub fn citations_place(&self) -> Place {
        self.column(SealedColumn::MessageCitations)
    }

    /// Whether this row is what it was, and stands after the row with the hash `previous`.
    pub fn follows(&self, previous: &[u8; 32]) -> bool {
        self.chained(previous) == self.row_hash
    }

    fn column(&self, column: SealedColumn) -> Place {
        message_place(
            column,
            self.tenant,
            self.conversation,
            self.seq,
            self.id,
            self.speaker,
            self.content_type,
            self.created,
        )
    }

    /// The row, as its statement takes it.
    pub(crate) fn values(&self) -> [Value<'_>; 12] {
        [
            self.tenant.to_value().into_owned(),
            self.conversation.to_value().into_owned(),
            self.seq.to_value().into_owned(),
            self.id.to_value().into_owned(),
            self.speaker.to_value().into_owned(),
            self.author.to_value().into_owned(),
            self.content_type.to_value().into_owned(),
            self.created.to_value().into_owned(),
            self.key_gen.to_value().into_owned(),
            Value::Blob(self.record.as_bytes().into()),
            self.citations.as_ref().map_or(Value::Null, |sealed| Value::Blob(sealed.as_bytes().into())),
            Value::Blob(self.row_hash.as_slice().into()),
        ]
    }

    /// The hash this row ought to have after `previous`.
    fn chained(&self, previous: &[u8; 32]) -> [u8; 32] {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(b"wardroom/1/chain\0");
        bytes.extend_from_slice(previous);
        bytes.extend_from_slice(&self.tenant.to_bytes());
        bytes.extend_from_slice(&self.conversation.to_bytes());
        bytes.extend_from_slice(&self.seq.to_be_bytes());
        bytes.extend_from_slice(&self.id.to_bytes());
        bytes.push(self.speaker.number());
        bytes.extend_from_slice(&self.author.map_or([0; 16], Id::to_bytes));
        bytes.push(self.content_type.number());
        bytes.extend_from_slice(&self.created.as_millis().to_be_bytes());
        bytes.extend_from_slice(&self.key_gen.to_be_bytes());
        bytes.extend_from_slice(&sha256(self.record.as_bytes()));
        bytes.extend_from_slice(&sha256(self.citations.as_ref().map_or(&[], Sealed::as_bytes)));
        sha256(&bytes)
    }
}

#[expect(clippy::too_many_arguments, reason = "a place names everything that gives a message its meaning")]
fn message_place(
    column: SealedColumn,
    tenant: TenantId,
    conversation: ConversationId,
    seq: u64,
    id: MessageId,
    speaker: Speaker,
    content_type: ContentType,
    created: Timestamp,
) -> Place {
    column
        .of(tenant, conversation)
        .seq(seq)
        .second(id.to_bytes())
        .role(speaker.number())
        .content_type(content_type.number())
        .created(created)
}

/// The next free place in the permit's conversation, for a message of this id. Found by a reader, it may
/// be taken by the time a message gets there; found inside the job that appends, it is not.
///
/// # Errors
/// [`StoreError::Missing`] when the conversation is not there, [`StoreError::Conflict`] when it is
/// closed, or the person was erased.
pub fn next<A: Writes>(
    tx: &mut Read<'_>,
    permit: &Permit<A>,
    id: MessageId,
    speaker: Speaker,
    now: Timestamp,
) -> Result<Next, StoreError> {
    let (tenant, conversation) = (permit.tenant(), access::conversation(permit)?);
    let row = tx.row(
        "SELECT c.state, c.last_seq, c.head, m.seq AS already, e.erased_ms
         FROM conversations c
         LEFT JOIN messages m ON m.tenant = c.tenant AND m.conversation = c.id AND m.id = $3
         LEFT JOIN erasures e ON e.tenant = c.tenant AND e.subject = c.subject
         WHERE c.tenant = $1 AND c.id = $2",
        params![tenant, conversation, id],
    )?;
    let mut row = row.ok_or(StoreError::Missing { what: "conversation" })?;
    if let Some(seq) = row.take("already")? {
        return Ok(Next::Already { seq });
    }
    // Other processes may still keep the person's key for a while: the row decides, at once.
    if row.take::<Option<Timestamp>>("erased_ms")?.is_some() {
        return Err(StoreError::Conflict { what: "erased person" });
    }
    let state: ConversationState = row.take("state")?;
    if state == ConversationState::Closed {
        return Err(StoreError::Conflict { what: "closed conversation" });
    }
    let (last, previous): (u64, _) = (row.take("last_seq")?, row.take("head")?);
    let (seq, content_type) = (last.saturating_add(1), ContentType::Text);
    Ok(Next::Fresh(Slot { tenant, conversation, seq, id, speaker, content_type, now, previous, state }))
}

/// Puts a message into its slot and advances the chain. Gives its sequence number.
///
/// There is no way to give it plaintext: the record is a [`Sealed`], and only a data key makes one.
///
/// # Errors
/// [`StoreError::Contended`] when another process was first; the writer then runs the whole job again.
pub fn append(tx: &mut Tx<'_>, slot: Slot, new: NewMessage) -> Result<u64, StoreError> {
    let Slot { tenant, conversation, seq, id, speaker, content_type, now, .. } = slot;
    let (message, previous) = slot.filled(new);
    // Compare and swap: whoever moves the head owns the number.
    let moved = tx.execute(
        "UPDATE conversations SET last_seq = $3, last_ms = $4, head = $5
         WHERE tenant = $1 AND id = $2 AND last_seq = $6 AND head = $7",
        params![tenant, conversation, seq, now, message.row_hash, seq.saturating_sub(1), previous],
    )?;
    if moved == 0 {
        return Err(StoreError::Contended);
    }
    let put = tx.execute(
        "INSERT INTO messages (tenant, conversation, seq, id, role, author, content_type, created_ms, key_gen,
                               record, citations, row_hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        params![
            tenant,
            conversation,
            seq,
            id,
            speaker,
            message.author,
            content_type,
            now,
            message.key_gen,
            message.record,
            message.citations,
            message.row_hash
        ],
    );
    put.map_err(|error| error.named("message"))?;
    Ok(seq)
}

/// The messages of the permit's conversation after number `after`, in order, at most `limit`.
///
/// # Errors
/// Only what the database says.
pub fn list<A: Reads>(
    tx: &mut Read<'_>,
    permit: &Permit<A>,
    after: u64,
    limit: u32,
) -> Result<Vec<Message>, StoreError> {
    page(tx, permit.tenant(), access::conversation(permit)?, after, limit)
}

/// The last messages of the permit's conversation, in order.
///
/// # Errors
/// Only what the database says.
pub fn last<A: Reads>(tx: &mut Read<'_>, permit: &Permit<A>, limit: u32) -> Result<Vec<Message>, StoreError> {
    let rows = tx.rows(
        "SELECT tenant, conversation, seq, id, role, author, content_type, created_ms, key_gen, record,
                citations, row_hash
         FROM messages WHERE tenant = $1 AND conversation = $2 ORDER BY seq DESC LIMIT $3",
        params![permit.tenant(), access::conversation(permit)?, limit],
    )?;
    rows.into_iter().rev().map(message_of).collect()
}

/// The messages of any conversation of the permit's tenant after number `after`, in order, at most
/// `limit`: for those who check every record and show none.
///
/// # Errors
/// Only what the database says.
pub fn walk<A: Dumps>(
    tx: &mut Read<'_>,
    permit: &Permit<A>,
    conversation: ConversationId,
    after: u64,
    limit: u32,
) -> Result<Vec<Message>, StoreError> {
    page(tx, permit.tenant(), conversation, after, limit)
}

/// Whether the conversation has this message under this number.
///
/// # Errors
/// Only what the database says.
pub fn is_there<A: Dumps>(
    tx: &mut Read<'_>,
    permit: &Permit<A>,
    conversation: ConversationId,
    id: MessageId,
    seq: u64,
) -> Result<bool, StoreError> {
    let row = tx.row(
        "SELECT seq FROM messages WHERE tenant = $1 AND conversation = $2 AND seq = $3 AND id = $4",
        params![permit.tenant(), conversation, seq, id],
    )?;
    Ok(row.is_some())
}

/// What is wrong with a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// The row is not there: the numbers jump.
    #[error("message {seq} is missing")]
    Gap {
        /// The number that is missing.
        seq: u64,
    },
    /// The row, or the one before it, is not what it was.
    #[error("message {seq} was changed")]
    Changed {
        /// Its number.
        seq: u64,
    },
    /// The conversation names another end than its rows have.
    #[error("the chain does not end where the conversation says")]
    End,
}

/// Walks the chain of a conversation from its beginning and gives the number of its messages.
///
/// No permit: it reads hashes and ciphertext, tells nothing but whether they fit, and is a background
/// check's to run.
///
/// # Errors
/// [`StoreError::Refused`] with a [`ChainError`] when the chain does not hold.
pub fn verify_chain(
    tx: &mut Read<'_>,
    tenant: TenantId,
    conversation: ConversationId,
) -> Result<u64, StoreError> {
    let (mut seq, mut head) = (0, first_head(tenant, conversation));
    loop {
        let rows = page(tx, tenant, conversation, seq, 500)?;
        if rows.is_empty() {
            break;
        }
        for message in rows {
            seq += 1;
            if message.seq != seq {
                return Err(StoreError::refuse(ChainError::Gap { seq }));
            }
            head = message.chained(&head);
            if head != message.row_hash {
                return Err(StoreError::refuse(ChainError::Changed { seq }));
            }
        }
    }
    let row = tx.row(
        "SELECT last_seq, head FROM conversations WHERE tenant = $1 AND id = $2",
        params![tenant, conversation],
    )?;
    let mut row = row.ok_or(StoreError::Missing { what: "conversation" })?;
    let end: (u64, [u8; 32]) = (row.take("last_seq")?, row.take("head")?);
    if end == (seq, head) { Ok(seq) } else { Err(StoreError::refuse(ChainError::End)) }
}

fn page(
    tx: &mut Read<'_>,
    tenant: TenantId,
    conversation: ConversationId,
    after: u64,
    limit: u32,
) -> Result<Vec<Message>, StoreError> {
    let rows = tx.rows(
        "SELECT tenant, conversation, seq, id, role, author, content_type, created_ms, key_gen, record,
                citations, row_hash
         FROM messages WHERE tenant = $1 AND conversation = $2 AND seq > $3 ORDER BY seq LIMIT $4",
        params![tenant, conversation, after, limit],
    )?;
    rows.into_iter().map(message_of).collect()
}

fn message_of(mut row: Row) -> Result<Message, StoreError> {
    Ok(Message {
        tenant: row.take("tenant")?,
        conversation: row.take("conversation")?,
        seq: row.take("seq")?,
        id: row.take("id")?,
        speaker: row.take("role")?,
        author: row.take("author")?,
        content_type: row.take("content_type")?,
        created: row.take("created_ms")?,
        key_gen: row.take("key_gen")?,
        record: row.take("record")?,
        citations: row.take("citations")?,
        row_hash: row.take("row_hash")?,
    })
}
