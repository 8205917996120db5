//! Bots for programs.

use axum::extract::State;
use doors::{Authorized, Json, Refusal};
use guard::action::ReadBots;
use serde_json::{Value, json};

use super::StaffApi;
use super::desk::of_store;

/// `GET /api/v1/bots`
pub(super) async fn list(
    leave: Authorized<ReadBots>,
    State(desk): State<StaffApi>,
) -> Result<Json<Value>, Refusal> {
    let permit = leave.into_permit();
    let bots = desk.db.read(move |tx| store::bots::list(tx, &permit)).await.map_err(of_store)?;
    let rows = bots.iter().map(|bot| {
        json!({
            "name": bot.name, "active_release": bot.active, "created_at": bot.created.rfc3339(),
            "updated_at": bot.updated.rfc3339(),
        })
    });
    Ok(Json(json!({ "bots": rows.collect::<Vec<_>>() })))
}
