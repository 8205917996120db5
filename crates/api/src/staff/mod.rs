//! The staff API: what programs do with an API key. It hangs on the staff door, beside the console, and
//! takes no cookies: a browser that is signed in to the console sends nothing here by itself.
//!
//! `docs/openapi/staff.json` describes it, and is compared with the routes.

mod audit;
mod bots;
mod conversations;
mod desk;

use axum::response::{IntoResponse, Response};
use doors::{Doors, DoorsError, Flavour, RouteTable};
use http::{Method, header};

pub use desk::{StaffApi, StaffParts};

/// Hangs the doors of the staff API.
///
/// # Errors
/// When two routes collide; that is a mistake of ours, and the process must not start.
pub fn staff_doors(desk: StaffApi) -> Result<(axum::Router, RouteTable), DoorsError> {
    let (get, post) = (Method::GET, Method::POST);
    Doors::<StaffApi>::new()
        .public(get.clone(), "/api/v1/openapi.json", "describes the API and holds no data", description)
        .guarded(get.clone(), "/api/v1/conversations", conversations::list)
        .guarded(get.clone(), "/api/v1/conversations/{id}", conversations::one)
        .guarded(get.clone(), "/api/v1/conversations/{id}/transcript", conversations::transcript)
        .guarded(post, "/api/v1/conversations/{id}/reply", conversations::reply)
        .guarded(get.clone(), "/api/v1/bots", bots::list)
        .guarded(get, "/api/v1/audit/events", audit::list)
        .hang(desk, Flavour::Api)
}

/// Whether an address is one of this API.
pub fn is_staff_api(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/")
}

/// `GET /api/v1/openapi.json`
async fn description() -> Response {
    const TEXT: &str = include_str!("../../../../docs/openapi/staff.json");
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "public, max-age=300")], TEXT)
        .into_response()
}
