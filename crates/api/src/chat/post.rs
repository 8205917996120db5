//! `POST /chat/v1/conversations/{id}/messages`: the person says something.

use axum::extract::State;
use doors::{Authorized, Json, Refusal};
use guard::action::PostMessage;
use http::StatusCode;
use kernel::{MessageId, MessageText, Problem};
use serde::{Deserialize, Serialize};

use crate::Front;
use crate::via::ByDoor;

/// What is said.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Words {
    text: MessageText,
    /// An id of the page's own making: sending again under it stores nothing twice.
    client_id: Option<MessageId>,
}

/// What was stored.
#[derive(Serialize)]
pub(crate) struct Stored {
    message_id: MessageId,
    seq: u64,
}

/// Takes it in. The answer comes over the stream of events.
pub(crate) async fn post(
    leave: Authorized<PostMessage>,
    State(front): State<Front>,
    ByDoor(via): ByDoor,
    Json(words): Json<Words>,
) -> Result<(StatusCode, Json<Stored>), Refusal> {
    let sent = front.conversations.send(leave.into_permit(), words.text, words.client_id, &via).await;
    let accepted = sent.map_err(|error| {
        let refusal = Refusal::from(Problem::from(&error));
        if matches!(error, conversations::ConversationError::TooFast) {
            refusal.retry_after(1)
        } else {
            refusal
        }
    })?;
    Ok((StatusCode::ACCEPTED, Json(Stored { message_id: accepted.id, seq: accepted.seq })))
}
