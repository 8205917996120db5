//! Tickets: what conversations left for people to do. The list shows no content: a ticket's texts are a
//! person's words, and the leave to list opens none of them. They are opened one by one, for a reason, with
//! the leave that it takes to read the conversation they came from.

use askama::Template;
use axum::extract::State;
use doors::{Authorized, Form, Path, Query};
use guard::Act;
use guard::action::{ListConversations, ReadTranscript};
use kernel::TicketId;
use serde::Deserialize;
use store::tickets::{self, TicketState};

use crate::Desk;
use crate::conversations::{Opening, place};
use crate::page::{Shell, When, chosen, html, may_to, shell};
use crate::trouble::{Answer, invalid, nothing};
use crate::via::ByDoor;

/// Tickets on one page.
const PAGE: u32 = 50;

/// What the list is asked for. `bot` is read by the door.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    #[serde(rename = "bot")]
    _bot: Option<String>,
    state: Option<String>,
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "tickets.html")]
struct List {
    shell: Shell,
    state: String,
    rows: Vec<Row>,
    older: Option<String>,
}

struct Row {
    id: String,
    conversation: String,
    bot: String,
    state: &'static str,
    created: When,
    contact: bool,
}

impl From<&tickets::Ticket> for Row {
    fn from(ticket: &tickets::Ticket) -> Self {
        Self {
            id: ticket.id.to_string(),
            conversation: ticket.conversation.to_string(),
            bot: ticket.bot.to_string(),
            state: ticket.state.as_str(),
            created: When(ticket.created),
            contact: ticket.contact.is_some(),
        }
    }
}

/// `GET /tickets`
pub(crate) async fn list(
    leave: Authorized<ListConversations>,
    State(desk): State<Desk>,
    Query(wanted): Query<Wanted>,
) -> Answer {
    let shell = shell(&desk, &leave, "Tickets", "/tickets").await?;
    let state = chosen(&wanted.state).map(str::parse::<TicketState>).transpose();
    let state = state.map_err(|_| invalid("There is no such state.", "Choose one of the list."))?;
    let after = chosen(&wanted.after).map(place).transpose()?;
    let permit = leave.into_permit();
    let found = desk.db.read(move |tx| tickets::list(tx, &permit, state, after, PAGE)).await?;
    let word = state.map_or("", TicketState::as_str).to_owned();
    let full = u32::try_from(found.len()).is_ok_and(|found| found == PAGE);
    let beyond = |last: &tickets::Ticket| {
        format!("/tickets?state={word}&after={}.{}", last.created.as_millis(), last.id)
    };
    let older = found.last().filter(|_| full).map(beyond);
    let rows = found.iter().map(Row::from).collect();
    html(&List { shell, state: word, rows, older })
}

/// What a ticket says.
struct Said {
    title: String,
    body: String,
    contact: Option<String>,
    reason: String,
}

#[derive(Template)]
#[template(path = "ticket.html")]
struct One {
    shell: Shell,
    row: Row,
    readable: bool,
    said: Option<Said>,
}

/// `GET /tickets/{ticket}`: the facts, and the form that asks for a reason.
pub(crate) async fn one(
    leave: Authorized<ListConversations>,
    State(desk): State<Desk>,
    Path(ticket): Path<TicketId>,
) -> Answer {
    let shell = shell(&desk, &leave, "Ticket", "/tickets").await?;
    let permit = leave.permit();
    let readable = may_to(&desk, permit.actor(), Act::ReadTranscript, permit.resource());
    let tenant = desk.tenant;
    let found = desk.db.read(move |tx| tickets::find(tx, tenant, ticket)).await?.ok_or_else(nothing)?;
    html(&One { shell, row: Row::from(&found), readable, said: None })
}

/// `POST /tickets/{ticket}`: opens its texts. The event, with the reason sealed, is written before anything is
/// read.
pub(crate) async fn open(
    leave: Authorized<ReadTranscript>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Path(ticket): Path<TicketId>,
    Form(_): Form<Opening>,
) -> Answer {
    let shell = shell(&desk, &leave, "Ticket", "/tickets").await?;
    let permit = leave.into_permit();
    let reason = permit.reason().map(|reason| reason.as_str().to_owned()).unwrap_or_default();
    let opened = desk.conversations.ticket(permit, ticket, &via).await?;
    let said = Said {
        title: opened.title.as_str().to_owned(),
        body: opened.body.as_str().to_owned(),
        contact: opened.contact.as_ref().map(|contact| contact.as_str().to_owned()),
        reason,
    };
    html(&One { shell, row: Row::from(&opened.ticket), readable: true, said: Some(said) })
}
