//! Tickets: what conversations left for people to do. The list shows no content: a ticket's texts are a
//! person's words, and the leave to list opens none of them.

use askama::Template;
use axum::extract::State;
use doors::{Authorized, Query};
use guard::action::ListConversations;
use serde::Deserialize;
use store::tickets::{self, TicketState};

use crate::Desk;
use crate::conversations::place;
use crate::page::{Shell, When, chosen, html, shell};
use crate::trouble::{Answer, invalid};

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
    let rows = found.into_iter().map(|ticket| Row {
        id: ticket.id.to_string(),
        conversation: ticket.conversation.to_string(),
        bot: ticket.bot.to_string(),
        state: ticket.state.as_str(),
        created: When(ticket.created),
        contact: ticket.contact.is_some(),
    });
    let rows = rows.collect();
    html(&List { shell, state: word, rows, older })
}
