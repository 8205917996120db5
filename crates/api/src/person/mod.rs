//! The person's own page and what stands behind it: which conversations there are, a copy of all that was
//! said, and the end of it. The token of any of their conversations is the proof.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use conversations::{Line, Own};
use doors::{Authorized, Entrance, Json, Refusal};
use guard::Permit;
use guard::action::{EraseOwnData, ReadOwnData};
use http::header;
use kernel::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use store::Via;
use store::conversations::Conversation;
use store::messages::Speaker;

use crate::Front;
use crate::via::ByDoor;

pub(crate) fn facts(row: &Conversation) -> Value {
    json!({
        "id": row.id, "bot": row.bot, "state": row.state.as_str(), "opened_at": row.opened.rfc3339(),
        "last_at": row.last.rfc3339(), "messages": row.last_seq, "erased": row.erased,
    })
}

/// `GET /chat/v1/conversations/{id}/person`
pub(crate) async fn conversations(
    leave: Authorized<ReadOwnData>,
    State(front): State<Front>,
) -> Result<Json<Value>, Refusal> {
    let found = front.conversations.own(leave.into_permit()).await;
    let found = found.map_err(|error| Problem::from(&error))?;
    Ok(Json(json!({ "conversations": found.iter().map(facts).collect::<Vec<_>>() })))
}

/// `GET /chat/v1/conversations/{id}/person/export`
pub(crate) async fn export(
    leave: Authorized<ReadOwnData>,
    State(front): State<Front>,
    ByDoor(via): ByDoor,
) -> Result<Response, Refusal> {
    copy(&front, leave.into_permit(), &via).await
}

/// The copy, as a file.
pub(crate) async fn copy(front: &Front, leave: Permit<ReadOwnData>, via: &Via) -> Result<Response, Refusal> {
    let all = front.conversations.export_own(leave, via).await;
    let all = all.map_err(|error| Problem::from(&error))?;
    let taken = front.world().now().rfc3339();
    let file = json!({ "taken_at": taken, "conversations": all.iter().map(whole).collect::<Vec<_>>() });
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"my-conversations.json\""),
    ];
    Ok((headers, Body::from(file.to_string())).into_response())
}

fn whole(own: &Own) -> Value {
    let mut file = facts(&own.conversation);
    if let Value::Object(members) = &mut file {
        members.insert("lines".to_owned(), own.lines.iter().map(line).collect());
    }
    file
}

fn line(line: &Line) -> Value {
    let said = match line {
        Line::Said(said) => said,
        Line::Refused { seq } => return json!({ "seq": seq, "unreadable": "refused" }),
        Line::Erased { seq } => return json!({ "seq": seq, "unreadable": "erased" }),
    };
    let role = match said.speaker {
        Speaker::Person => "user",
        Speaker::Bot | Speaker::House => "bot",
        Speaker::Agent => "agent",
    };
    json!({
        "seq": said.seq, "role": role, "text": said.text.as_str(), "citations": said.citations,
        "created_at": said.at.rfc3339(),
    })
}

/// What has to be said so that nobody erases themselves by a slip.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    pub(crate) erase: Everything,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Everything {
    EverythingOfMine,
}

/// `POST /chat/v1/conversations/{id}/person/erase`
pub(crate) async fn erase(
    leave: Authorized<EraseOwnData>,
    State(front): State<Front>,
    ByDoor(via): ByDoor,
    Json(Wish { erase: Everything::EverythingOfMine }): Json<Wish>,
) -> Result<Json<Value>, Refusal> {
    destroy(&front, leave.into_permit(), &via).await
}

/// Destroys it.
pub(crate) async fn destroy(
    front: &Front,
    leave: Permit<EraseOwnData>,
    via: &Via,
) -> Result<Json<Value>, Refusal> {
    let erased = front.conversations.erase_own(leave, via).await;
    let erased = erased.map_err(|error| Problem::from(&error))?;
    front.identity.look_again();
    // The list beside the backups: a restore erases again who stands on it.
    (front.erased)().await;
    Ok(Json(json!({ "erased": true, "keys": erased.keys })))
}
