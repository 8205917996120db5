//! The person's own page and what stands behind it: which conversations there are, a copy of all that was
//! said, and the end of it. The token of any of their conversations is the proof.

mod copy;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use doors::{Authorized, Entrance, Json, Refusal};
use guard::Permit;
use guard::action::{EraseOwnData, ReadOwnData};
use http::header;
use kernel::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use store::Via;
use store::conversations::Conversation;

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
    let latest: Vec<_> = found.latest.iter().map(facts).collect();
    Ok(Json(json!({ "conversations": latest, "total": found.conversations })))
}

/// `GET /chat/v1/conversations/{id}/person/export`
pub(crate) async fn export(
    leave: Authorized<ReadOwnData>,
    State(front): State<Front>,
    ByDoor(via): ByDoor,
) -> Result<Response, Refusal> {
    file_of(&front, leave.into_permit(), &via).await
}

/// The copy, as a file.
pub(crate) async fn file_of(
    front: &Front,
    leave: Permit<ReadOwnData>,
    via: &Via,
) -> Result<Response, Refusal> {
    let export = front.conversations.export_own(leave, via).await;
    let export = export.map_err(|error| Problem::from(&error))?;
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"my-conversations.json\""),
    ];
    Ok((headers, copy::body(export, front.world().now())).into_response())
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
