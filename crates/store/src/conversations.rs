//! Conversations: who talks with which bot, in what state. What was said is in [`crate::messages`].

use aws_lc_rs::digest::{SHA256, digest};
use guard::action::{ListConversations, ReplyToConversation};
use guard::{Permit, Resource};
use kernel::{BotName, ConversationId, Id, ReleaseId, SubjectId, TenantId, Timestamp, UserId};
use vault::{Place, Sealed};

use crate::access::{self, Knows, Lists, Opens, Owns, Reads, Writes};
use crate::places::SealedColumn;
use crate::words::{Keyed, states};
use crate::{Read, Row, StoreError, Tx, params};

states! {
    /// The state of a conversation.
    ConversationState {
        /// The bot answers.
        Open = "open",
        /// Handed over to people: waiting for an agent, or with one.
        Handoff = "handoff",
        /// Nothing more is said.
        Closed = "closed",
    }
}

/// A conversation that begins.
#[derive(Debug)]
pub struct NewConversation {
    /// Its id.
    pub id: ConversationId,
    /// The person who chats.
    pub subject: SubjectId,
    /// When it begins.
    pub now: Timestamp,
    /// The language tag asked for; empty when none was.
    pub locale: String,
    /// The release of the bot that answers.
    pub release: Option<ReleaseId>,
    /// What the embedding page told, sealed at [`context_place`], and the key's generation.
    pub context: Option<Keyed<Vec<u8>>>,
}

/// A conversation, without what was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// Whose.
    pub tenant: TenantId,
    /// Its id.
    pub id: ConversationId,
    /// The bot it is held with.
    pub bot: BotName,
    /// The person who chats.
    pub subject: SubjectId,
    /// Its state.
    pub state: ConversationState,
    /// When it was opened.
    pub opened: Timestamp,
    /// When something last happened in it.
    pub last: Timestamp,
    /// The number of the last message; 0 when there is none.
    pub last_seq: u64,
    /// The language tag asked for.
    pub locale: String,
    /// The release of the bot that answers.
    pub release: Option<ReleaseId>,
    /// The agent who has it.
    pub assignee: Option<UserId>,
    /// The hash of the last row of its chain of messages.
    pub head: [u8; 32],
    /// The person was erased: nothing in it can be read, and nothing is added.
    pub erased: bool,
}

impl Conversation {
    /// The same as the guard wants to see it.
    pub fn resource(&self) -> Resource {
        Resource::Conversation {
            tenant: self.tenant,
            bot: self.bot.clone(),
            conversation: self.id,
            subject: self.subject,
            assignee: self.assignee,
            waiting: self.state == ConversationState::Handoff && self.assignee.is_none(),
        }
    }
}

/// Where a bot stands in its flow.
#[derive(Debug, Clone)]
pub struct Flow {
    /// The state, sealed at [`flow_place`].
    pub sealed: Sealed<Vec<u8>>,
    /// The generation of the key that seals it.
    pub key_gen: u32,
    /// The message after which it holds.
    pub seq: u64,
}

/// Which conversations are wanted.
#[derive(Debug, Clone)]
pub struct Filter {
    /// Only of this bot. A permit for one bot narrows this further.
    pub bot: Option<BotName>,
    /// Only in this state.
    pub state: Option<ConversationState>,
    /// Only with something happening at or after this moment.
    pub from: Timestamp,
    /// Only with something happening before this moment.
    pub to: Timestamp,
    /// Only those after this one in the order of the list: the last of the page before.
    pub after: Option<(Timestamp, ConversationId)>,
    /// The most there may be on a page.
    pub limit: u32,
}

impl Default for Filter {
    fn default() -> Self {
        let (from, to) = (Timestamp::from_millis(0), Timestamp::MAX);
        Self { bot: None, state: None, from, to, after: None, limit: 50 }
    }
}

/// The place of a conversation's context.
pub fn context_place(tenant: TenantId, conversation: ConversationId) -> Place {
    SealedColumn::ConversationContext.of(tenant, conversation)
}

/// The place of a conversation's flow state after message `seq`.
pub fn flow_place(tenant: TenantId, conversation: ConversationId, seq: u64) -> Place {
    SealedColumn::ConversationFlow.of(tenant, conversation).seq(seq)
}

/// The head of a chain without messages. It names its conversation, so chains cannot be exchanged.
pub fn first_head(tenant: TenantId, conversation: ConversationId) -> [u8; 32] {
    let mut bytes = b"wardroom/1/chain-start\0".to_vec();
    bytes.extend_from_slice(&tenant.to_bytes());
    bytes.extend_from_slice(&conversation.to_bytes());
    sha256(&bytes)
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

/// Begins a conversation with the permit's bot.
///
/// # Errors
/// [`StoreError::Conflict`] when there is one of this id.
pub fn open<A: Opens>(tx: &mut Tx<'_>, permit: &Permit<A>, new: &NewConversation) -> Result<(), StoreError> {
    let (tenant, bot) = (permit.tenant(), access::bot(permit)?);
    let context = new.context.as_ref();
    tx.insert(
        "conversation",
        "INSERT INTO conversations (tenant, id, bot, subject, state, opened_ms, last_ms, last_seq, locale,
                                    release, context, context_gen, head)
         VALUES ($1, $2, $3, $4, 'open', $5, $6, 0, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
        params![
            tenant,
            new.id,
            bot,
            new.subject,
            new.now,
            new.now,
            new.locale,
            new.release,
            context.map(|(sealed, _)| sealed),
            context.map(|(_, generation)| *generation),
            first_head(tenant, new.id)
        ],
    )
}

/// The facts about a conversation that the guard weighs, and nothing of its content.
///
/// No permit: it is asked in order to decide on one. What comes of it goes to the guard, and only
/// with a permit to whoever asked.
///
/// # Errors
/// Only what the database says.
pub fn facts(
    tx: &mut Read<'_>,
    tenant: TenantId,
    id: ConversationId,
) -> Result<Option<Conversation>, StoreError> {
    tx.row(
        "SELECT tenant, id, bot, subject, state, opened_ms, last_ms, last_seq, locale, release, assignee,
                head, EXISTS (SELECT 1 FROM erasures e
                              WHERE e.tenant = conversations.tenant AND e.subject = conversations.subject) AS erased
         FROM conversations WHERE tenant = $1 AND id = $2",
        params![tenant, id],
    )?
    .map(conversation_of)
    .transpose()
}

/// The permit's conversation.
///
/// # Errors
/// [`StoreError::Missing`] when it is no longer there.
pub fn get<A: Reads>(tx: &mut Read<'_>, permit: &Permit<A>) -> Result<Conversation, StoreError> {
    facts(tx, permit.tenant(), access::conversation(permit)?)?
        .ok_or(StoreError::Missing { what: "conversation" })
}

/// What the embedding page told about the person, with the generation of the key that seals it.
///
/// # Errors
/// Only what the database says.
pub fn context<A: Reads>(
    tx: &mut Read<'_>,
    permit: &Permit<A>,
) -> Result<Option<Keyed<Vec<u8>>>, StoreError> {
    let row = tx.row(
        "SELECT context, context_gen FROM conversations
         WHERE tenant = $1 AND id = $2 AND context IS NOT NULL",
        params![permit.tenant(), access::conversation(permit)?],
    )?;
    row.map(|mut row| Ok((row.take("context")?, row.take("context_gen")?))).transpose()
}

/// Where the bot stands in its flow.
///
/// # Errors
/// Only what the database says.
pub fn flow<A: Reads>(tx: &mut Read<'_>, permit: &Permit<A>) -> Result<Option<Flow>, StoreError> {
    let row = tx.row(
        "SELECT flow_state, flow_gen, flow_seq FROM conversations
         WHERE tenant = $1 AND id = $2 AND flow_state IS NOT NULL",
        params![permit.tenant(), access::conversation(permit)?],
    )?;
    row.map(|mut row| {
        Ok(Flow {
            sealed: row.take("flow_state")?,
            key_gen: row.take("flow_gen")?,
            seq: row.take("flow_seq")?,
        })
    })
    .transpose()
}

/// Remembers where the bot stands in its flow, or with `None` that it stands nowhere.
///
/// # Errors
/// [`StoreError::Missing`] when the conversation is no longer there.
pub fn set_flow<A: Writes>(
    tx: &mut Tx<'_>,
    permit: &Permit<A>,
    flow: Option<&Flow>,
) -> Result<(), StoreError> {
    tx.execute_one(
        "conversation",
        "UPDATE conversations SET flow_state = $3, flow_gen = $4, flow_seq = $5
         WHERE tenant = $1 AND id = $2",
        params![
            permit.tenant(),
            access::conversation(permit)?,
            flow.map(|flow| &flow.sealed),
            flow.map(|flow| flow.key_gen),
            flow.map(|flow| flow.seq)
        ],
    )
}

/// Changes the state. What is closed stays closed.
///
/// # Errors
/// [`StoreError::Conflict`] when it is closed already.
pub fn set_state<A: Writes>(
    tx: &mut Tx<'_>,
    permit: &Permit<A>,
    state: ConversationState,
    now: Timestamp,
) -> Result<(), StoreError> {
    let changed = tx.execute(
        "UPDATE conversations SET state = $3, last_ms = $4
         WHERE tenant = $1 AND id = $2 AND state <> 'closed'",
        params![permit.tenant(), access::conversation(permit)?, state, now],
    )?;
    if changed == 0 { Err(StoreError::Conflict { what: "conversation's state" }) } else { Ok(()) }
}

/// Takes a conversation that waits for an agent, for the agent of the permit. Taking what one has
/// already is no error.
///
/// # Errors
/// [`StoreError::Conflict`] when another agent has it, or it does not wait.
pub fn take(tx: &mut Tx<'_>, permit: &Permit<ReplyToConversation>, now: Timestamp) -> Result<(), StoreError> {
    let agent = permit.user().ok_or(StoreError::Missing { what: "agent" })?;
    let changed = tx.execute(
        "UPDATE conversations SET assignee = $3, last_ms = $4
         WHERE tenant = $1 AND id = $2 AND state = 'handoff' AND (assignee IS NULL OR assignee = $3)",
        params![permit.tenant(), access::conversation(permit)?, agent, now],
    )?;
    if changed == 0 { Err(StoreError::Conflict { what: "conversation's agent" }) } else { Ok(()) }
}

/// Gives a conversation that the agent of the permit has back to the bot.
///
/// # Errors
/// [`StoreError::Conflict`] when somebody else has it, or nobody.
pub fn give_back(
    tx: &mut Tx<'_>,
    permit: &Permit<ReplyToConversation>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let agent = permit.user().ok_or(StoreError::Missing { what: "agent" })?;
    let changed = tx.execute(
        "UPDATE conversations SET assignee = NULL, state = 'open', last_ms = $4
         WHERE tenant = $1 AND id = $2 AND state = 'handoff' AND assignee = $3",
        params![permit.tenant(), access::conversation(permit)?, agent, now],
    )?;
    if changed == 0 { Err(StoreError::Conflict { what: "conversation's agent" }) } else { Ok(()) }
}

/// A page of conversations, those first in which something happened last.
///
/// # Errors
/// Only what the database says.
pub fn list<A: Lists>(
    tx: &mut Read<'_>,
    permit: &Permit<A>,
    filter: &Filter,
) -> Result<Vec<Conversation>, StoreError> {
    let ours = permit.resource().bot();
    let bot = match (ours, &filter.bot) {
        (Some(ours), Some(wanted)) if ours != wanted => return Ok(Vec::new()),
        (Some(bot), _) => bot.as_str(),
        (None, wanted) => wanted.as_ref().map_or("", BotName::as_str),
    };
    let only = permit.resource().conversation();
    let (time, id) = filter.after.map_or((u64::MAX, [0xFF; 16]), |(t, id)| (t.as_millis(), id.to_bytes()));
    let rows = tx.rows(
        "SELECT tenant, id, bot, subject, state, opened_ms, last_ms, last_seq, locale, release, assignee,
                head, EXISTS (SELECT 1 FROM erasures e
                              WHERE e.tenant = conversations.tenant AND e.subject = conversations.subject) AS erased
         FROM conversations
         WHERE tenant = $1 AND ($2 = '' OR bot = $2) AND ($3 = '' OR state = $3)
           AND last_ms >= $4 AND last_ms < $5 AND (last_ms, id) < ($6, $7)
           AND (id = $8 OR $9 = 0)
         ORDER BY last_ms DESC, id DESC LIMIT $10",
        params![
            permit.tenant(),
            bot,
            filter.state.map_or("", ConversationState::as_str),
            filter.from,
            filter.to,
            time,
            id,
            only.map_or([0; 16], Id::to_bytes),
            i64::from(only.is_some()),
            filter.limit
        ],
    )?;
    rows.into_iter().map(conversation_of).collect()
}

/// How many conversations there are in each state.
///
/// # Errors
/// Only what the database says.
pub fn count<A: Lists>(
    tx: &mut Read<'_>,
    permit: &Permit<A>,
) -> Result<Vec<(ConversationState, u64)>, StoreError> {
    let bot = permit.resource().bot().map_or("", BotName::as_str);
    let rows = tx.rows(
        "SELECT state, COUNT(*) AS n FROM conversations
         WHERE tenant = $1 AND ($2 = '' OR bot = $2) GROUP BY state ORDER BY state",
        params![permit.tenant(), bot],
    )?;
    rows.into_iter().map(|mut row| Ok((row.take("state")?, row.take("n")?))).collect()
}

/// The conversations of one person, the oldest first.
///
/// # Errors
/// Only what the database says.
pub fn of_subject(
    tx: &mut Read<'_>,
    permit: &Permit<ListConversations>,
    subject: SubjectId,
) -> Result<Vec<ConversationId>, StoreError> {
    let rows = tx.rows(
        "SELECT id FROM conversations WHERE tenant = $1 AND subject = $2 ORDER BY opened_ms, id",
        params![permit.tenant(), subject],
    )?;
    rows.into_iter().map(|mut row| Ok(row.take("id")?)).collect()
}

/// The conversation of a person in which something happened last. No permit: it is asked in order to
/// decide on one, of somebody who is signed in and shows no conversation.
///
/// # Errors
/// Only what the database says.
pub fn latest_of(
    tx: &mut Read<'_>,
    tenant: TenantId,
    subject: SubjectId,
) -> Result<Option<Conversation>, StoreError> {
    let row = tx.row(
        "SELECT id FROM conversations WHERE tenant = $1 AND subject = $2 ORDER BY last_ms DESC, id DESC LIMIT 1",
        params![tenant, subject],
    )?;
    match row {
        Some(mut row) => facts(tx, tenant, row.take("id")?),
        None => Ok(None),
    }
}

/// How many conversations the permit's person has, and how many messages stand in them.
///
/// # Errors
/// Only what the database says.
pub fn sum_of_person<A: Owns>(tx: &mut Read<'_>, permit: &Permit<A>) -> Result<(u64, u64), StoreError> {
    let subject = permit.subject().ok_or(StoreError::Missing { what: "person" })?;
    let row = tx.row(
        "SELECT COUNT(*) AS conversations, CAST(COALESCE(SUM(last_seq), 0) AS BIGINT) AS messages
         FROM conversations WHERE tenant = $1 AND subject = $2",
        params![permit.tenant(), subject],
    )?;
    row.map_or(Ok((0, 0)), |mut row| Ok((row.take("conversations")?, row.take("messages")?)))
}

/// The conversations of the permit's person, the latest opened first, at most `limit`; with `before`, those
/// opened before that one.
///
/// # Errors
/// Only what the database says.
pub fn of_person<A: Owns>(
    tx: &mut Read<'_>,
    permit: &Permit<A>,
    before: Option<&Conversation>,
    limit: u32,
) -> Result<Vec<Conversation>, StoreError> {
    let subject = permit.subject().ok_or(StoreError::Missing { what: "person" })?;
    let (opened, id) =
        before.map_or((u64::MAX, [0xFF; 16]), |row| (row.opened.as_millis(), row.id.to_bytes()));
    let rows = tx.rows(
        "SELECT tenant, id, bot, subject, state, opened_ms, last_ms, last_seq, locale, release, assignee,
                head, EXISTS (SELECT 1 FROM erasures e
                              WHERE e.tenant = conversations.tenant AND e.subject = conversations.subject) AS erased
         FROM conversations WHERE tenant = $1 AND subject = $2 AND (opened_ms, id) < ($3, $4)
         ORDER BY opened_ms DESC, id DESC LIMIT $5",
        params![permit.tenant(), subject, opened, id, limit],
    )?;
    rows.into_iter().map(conversation_of).collect()
}

/// Whether a person of this id ever chatted in the permit's tenant.
///
/// # Errors
/// Only what the database says.
pub fn is_known<A: Knows>(
    tx: &mut Read<'_>,
    permit: &Permit<A>,
    subject: SubjectId,
) -> Result<bool, StoreError> {
    let row = tx.row(
        "SELECT id FROM conversations WHERE tenant = $1 AND subject = $2 LIMIT 1",
        params![permit.tenant(), subject],
    )?;
    Ok(row.is_some())
}

pub(crate) fn conversation_of(mut row: Row) -> Result<Conversation, StoreError> {
    Ok(Conversation {
        tenant: row.take("tenant")?,
        id: row.take("id")?,
        bot: row.take("bot")?,
        subject: row.take("subject")?,
        state: row.take("state")?,
        opened: row.take("opened_ms")?,
        last: row.take("last_ms")?,
        last_seq: row.take("last_seq")?,
        locale: row.take("locale")?,
        release: row.take("release")?,
        assignee: row.take("assignee")?,
        head: row.take("head")?,
        erased: row.take("erased")?,
    })
}
