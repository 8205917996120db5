//! The console's own style, script and mark.

use axum::extract::State;
use axum::response::IntoResponse;
use doors::Path;
use http::header;

use crate::Desk;
use crate::trouble::{Answer, nothing};

/// `GET /assets/{file}`: three files and no others.
pub(crate) async fn asset(State(desk): State<Desk>, Path(name): Path<String>) -> Answer {
    let kind = match name.as_str() {
        "console.css" => "text/css; charset=utf-8",
        "console.js" => "text/javascript; charset=utf-8",
        "mark.svg" => "image/svg+xml",
        _ => return Err(nothing().into()),
    };
    let bytes = (desk.assets)(&name).ok_or_else(nothing)?;
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "private, max-age=300")];
    Ok((headers, bytes).into_response())
}
