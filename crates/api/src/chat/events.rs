//! `GET /chat/v1/conversations/{id}/events`: what happens in a conversation, as server-sent events (HTML
//! standard, section 9.2).

use std::convert::Infallible;

use axum::extract::State;
use axum::response::sse::{Event, Sse};
use doors::{Authorized, Refusal};
use futures_util::Stream;
use futures_util::stream::unfold;
use guard::action::ReadOwnConversation;
use http::HeaderMap;
use kernel::{Problem, ProblemKind};

use super::told::Telling;
use crate::Front;

/// Opens the stream.
pub(crate) async fn events(
    leave: Authorized<ReadOwnConversation>,
    State(front): State<Front>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let after = match headers.get("last-event-id") {
        None => 0,
        Some(id) => id.to_str().ok().and_then(|id| id.parse().ok()).ok_or_else(|| {
            let mend =
                "Send the `id` of the last event you have, or leave the header out to begin at the first.";
            Problem::new(ProblemKind::Malformed, "`last-event-id` is not an event's id.", mend)
        })?,
    };
    let telling = Telling::begin(front, leave.into_permit(), &headers, after).await?;
    Ok(Sse::new(unfold(telling, |mut telling| async {
        let told = telling.next().await.ok()?;
        let event = Event::default().id(told.id.to_string()).event(told.kind).data(told.data.to_string());
        Some((Ok(event), telling))
    })))
}
