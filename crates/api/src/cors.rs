//! Which web origins may speak to the chat API from a browser (Fetch standard, CORS): our own, and those
//! that a live bot's `allowed_origins` name. Every answer to another origin lacks the header that would
//! let its scripts read it; whether a *conversation* may be opened from there is decided at `open`.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ORIGIN, VARY,
};
use http::{HeaderValue, Method, StatusCode};

use crate::Front;

/// Answers preflights and marks answers.
pub(crate) async fn cors(State(front): State<Front>, request: Request, next: Next) -> Response {
    let chat = request.uri().path().starts_with("/chat/");
    let origin = request.headers().get(ORIGIN).cloned();
    let allowed = match &origin {
        Some(origin) if chat => front.shelf.any_allows(origin.to_str().unwrap_or_default()),
        _ => false,
    };
    let preflight = chat && request.method() == Method::OPTIONS;
    let mut response =
        if preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    if chat {
        headers.append(VARY, HeaderValue::from_static("origin"));
    }
    if let (Some(origin), true) = (origin, allowed) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("x-request-id, retry-after, wardroom-challenge"),
        );
        if preflight {
            let (methods, sent) = ("GET, POST", "authorization, content-type, last-event-id, wardroom-proof");
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(sent));
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        }
        headers.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    }
    response
}
