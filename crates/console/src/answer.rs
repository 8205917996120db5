//! Answering a conversation: a member of staff speaks in it, gives it back to the bot, or closes it. The
//! forms stand below an open transcript and carry its reason on, so that the page that comes after is
//! opened, and recorded, for the same reason.

use axum::extract::State;
use axum::response::IntoResponse;
use doors::{Authorized, Form, Path};
use guard::action::{ReadTranscript, ReplyToConversation};
use guard::{Circumstances, Permit};
use http::{HeaderMap, StatusCode};
use kernel::{ConversationId, MessageText};
use serde::Deserialize;

use crate::Desk;
use crate::conversations::page;
use crate::layer::asks_for_json;
use crate::page::{see, shell};
use crate::trouble::{Answer, nothing};
use crate::via::ByDoor;

/// What the form of an answer says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Words {
    text: MessageText,
    #[serde(rename = "reason")]
    _reason: String,
}

/// `POST /conversations/{id}/reply`: says it, then shows the transcript with it.
pub(crate) async fn reply(
    leave: Authorized<ReplyToConversation>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Path(id): Path<ConversationId>,
    headers: HeaderMap,
    Form(words): Form<Words>,
) -> Answer {
    let shell = shell(&desk, &leave, "Transcript", "/conversations").await?;
    let permit = leave.into_permit();
    let (actor, reason, tenant) = (permit.actor().clone(), permit.reason().cloned(), permit.tenant());
    desk.conversations.reply(permit, words.text, &via).await?;
    // The page's own script has the transcript open, and sees the answer there.
    if asks_for_json(&headers) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    // Whose it is has changed: what the guard is asked about is read again.
    let row = desk.db.read(move |tx| store::conversations::facts(tx, tenant, id)).await?;
    let mut now = Circumstances::at(desk.world.now());
    if let Some(reason) = reason {
        now = now.because(reason);
    }
    let resource = row.ok_or_else(nothing)?.resource();
    let read: Permit<ReadTranscript> = desk.guard.permit(&actor, &resource, &now)?;
    page(&desk, shell, read, &via).await
}

/// `POST /conversations/{id}/give-back`: the bot answers again.
pub(crate) async fn give_back(
    leave: Authorized<ReplyToConversation>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Path(id): Path<ConversationId>,
) -> Answer {
    desk.conversations.give_back(leave.into_permit(), &via).await?;
    see(&format!("/conversations/{id}?done=given-back"))
}

/// `POST /conversations/{id}/close`: nothing more is said in it.
pub(crate) async fn close(
    leave: Authorized<ReplyToConversation>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Path(id): Path<ConversationId>,
) -> Answer {
    desk.conversations.close(leave.into_permit(), &via).await?;
    see(&format!("/conversations/{id}?done=closed"))
}
