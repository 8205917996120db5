//! What surrounds every route: request id, panic catcher, security headers.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::HeaderName;
use kernel::{Problem, ProblemKind, RequestId, World};

use crate::headers::{self, Flavour, FormsTo};
use crate::refusal::{Refusal, nothing_here, stamp};
use crate::standing::Word;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the frame needs to know.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) world: World,
    pub(crate) flavour: Flavour,
}

/// The outermost layer. An id that came with the request is dropped: it could be another's, and would
/// then mark that other's entries in the log.
pub(crate) async fn frame(State(frame): State<Frame>, mut request: Request, next: Next) -> Response {
    let id: RequestId = frame.world.id();
    request.headers_mut().remove(REQUEST_ID);
    request.extensions_mut().insert(id);
    let word = Word::default();
    request.extensions_mut().insert(word.clone());
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let mut response = match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => caught(id, route.as_deref(), panic),
    };
    let forms: Option<FormsTo> = response.extensions_mut().remove();
    headers::secure(response.headers_mut(), frame.flavour, forms.as_ref());
    word.take(response.headers_mut());
    stamp(response, id)
}

/// A panic's message can hold anything that the handler had in hand, so it is dropped, not logged.
fn caught(id: RequestId, route: Option<&str>, panic: Box<dyn Any + Send>) -> Response {
    drop(panic);
    tracing::error!(request = %id, route = route.unwrap_or("none"), "a handler panicked");
    let problem = Problem::new(
        ProblemKind::Internal,
        "Something failed here. It was logged under this request's id.",
        "Try again; if it fails again, tell the operator the request's id.",
    );
    Refusal::from(problem).into_response()
}

/// Where no route is.
pub(crate) async fn no_route() -> Refusal {
    nothing_here().into()
}

/// Where a route is, but not for this method. axum adds `allow`.
pub(crate) async fn no_method() -> Refusal {
    Problem::new(
        ProblemKind::MethodNotAllowed,
        "This address does not serve that method.",
        "Use a method that the `allow` header names.",
    )
    .into()
}
