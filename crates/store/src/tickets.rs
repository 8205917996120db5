//! Tickets: what a conversation left for people to do. All of it but its state and times is sealed.

use guard::Permit;
use guard::action::ReplyToConversation;
use kernel::{BotName, ConversationId, Id, Note, TenantId, TicketId, Timestamp, Title};
use vault::{Place, Sealed};

use crate::access::{self, Lists, Writes};
use crate::places::SealedColumn;
use crate::words::states;
use crate::{Read, Row, StoreError, Tx, params};

states! {
    /// The state of a ticket.
    TicketState {
        /// To be done.
        Open = "open",
        /// Done.
        Closed = "closed",
    }
}

/// A ticket to be opened for the permit's conversation.
#[derive(Debug)]
pub struct NewTicket {
    /// Its id.
    pub id: TicketId,
    /// When it is opened.
    pub now: Timestamp,
    /// The generation of the key that seals it.
    pub key_gen: u32,
    /// The subject line, sealed at [`title_place`].
    pub title: Sealed<Title>,
    /// What it is about, sealed at [`body_place`].
    pub body: Sealed<Note>,
    /// How to reach the person, sealed at [`contact_place`].
    pub contact: Option<Sealed<Note>>,
}

/// A ticket, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Whose.
    pub tenant: TenantId,
    /// Its id.
    pub id: TicketId,
    /// The conversation it came from.
    pub conversation: ConversationId,
    /// The bot of that conversation.
    pub bot: BotName,
    /// Its state.
    pub state: TicketState,
    /// When it was opened.
    pub created: Timestamp,
    /// When its state last changed.
    pub updated: Timestamp,
    /// The generation of the key that seals it.
    pub key_gen: u32,
    /// The subject line.
    pub title: Sealed<Title>,
    /// What it is about.
    pub body: Sealed<Note>,
    /// How to reach the person.
    pub contact: Option<Sealed<Note>>,
}

/// The place of a ticket's subject line.
pub fn title_place(tenant: TenantId, ticket: TicketId) -> Place {
    SealedColumn::TicketTitle.of(tenant, ticket)
}

/// The place of what a ticket is about.
pub fn body_place(tenant: TenantId, ticket: TicketId) -> Place {
    SealedColumn::TicketBody.of(tenant, ticket)
}

/// The place of a ticket's contact.
pub fn contact_place(tenant: TenantId, ticket: TicketId) -> Place {
    SealedColumn::TicketContact.of(tenant, ticket)
}

/// Opens a ticket for the permit's conversation.
///
/// # Errors
/// [`StoreError::Conflict`] when there is one of this id.
pub fn open<A: Writes>(tx: &mut Tx<'_>, permit: &Permit<A>, new: &NewTicket) -> Result<(), StoreError> {
    tx.insert(
        "ticket",
        "INSERT INTO tickets (tenant, id, conversation, bot, state, created_ms, updated_ms, key_gen, title,
                              body, contact)
         VALUES ($1, $2, $3, $4, 'open', $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
        params![
            permit.tenant(),
            new.id,
            access::conversation(permit)?,
            access::bot(permit)?,
            new.now,
            new.now,
            new.key_gen,
            new.title,
            new.body,
            new.contact
        ],
    )
}

/// Changes the state of a ticket of the permit's conversation.
///
/// # Errors
/// [`StoreError::Missing`] when that conversation has no such ticket.
pub fn set_state(
    tx: &mut Tx<'_>,
    permit: &Permit<ReplyToConversation>,
    ticket: TicketId,
    state: TicketState,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute_one(
        "ticket",
        "UPDATE tickets SET state = $4, updated_ms = $5 WHERE tenant = $1 AND id = $2 AND conversation = $3",
        params![permit.tenant(), ticket, access::conversation(permit)?, state, now],
    )
}

/// A page of tickets, the newest first; `after` is the last of the page before.
///
/// # Errors
/// Only what the database says.
pub fn list<A: Lists>(
    tx: &mut Read<'_>,
    permit: &Permit<A>,
    state: Option<TicketState>,
    after: Option<(Timestamp, TicketId)>,
    limit: u32,
) -> Result<Vec<Ticket>, StoreError> {
    let (time, id) = after.map_or((u64::MAX, [0xFF; 16]), |(t, id)| (t.as_millis(), id.to_bytes()));
    let rows = tx.rows(
        "SELECT tenant, id, conversation, bot, state, created_ms, updated_ms, key_gen, title, body, contact
         FROM tickets
         WHERE tenant = $1 AND ($2 = '' OR bot = $2) AND ($3 = '' OR state = $3)
           AND (created_ms, id) < ($4, $5)
         ORDER BY created_ms DESC, id DESC LIMIT $6",
        params![
            permit.tenant(),
            permit.resource().bot().map_or("", BotName::as_str),
            state.map_or("", TicketState::as_str),
            time,
            id,
            limit
        ],
    )?;
    rows.into_iter().map(ticket_of).collect()
}

/// The facts about a ticket by its id, its texts still sealed. No permit: it is asked to learn which
/// conversation's permit is needed.
///
/// # Errors
/// Only what the database says.
pub fn find(tx: &mut Read<'_>, tenant: TenantId, ticket: TicketId) -> Result<Option<Ticket>, StoreError> {
    tx.row(
        "SELECT tenant, id, conversation, bot, state, created_ms, updated_ms, key_gen, title, body, contact
         FROM tickets WHERE tenant = $1 AND id = $2",
        params![tenant, ticket],
    )?
    .map(ticket_of)
    .transpose()
}

fn ticket_of(mut row: Row) -> Result<Ticket, StoreError> {
    Ok(Ticket {
        tenant: row.take("tenant")?,
        id: row.take("id")?,
        conversation: row.take("conversation")?,
        bot: row.take("bot")?,
        state: row.take("state")?,
        created: row.take("created_ms")?,
        updated: row.take("updated_ms")?,
        key_gen: row.take("key_gen")?,
        title: row.take("title")?,
        body: row.take("body")?,
        contact: row.take("contact")?,
    })
}
