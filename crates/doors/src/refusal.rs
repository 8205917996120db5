//! The one place where a [`Problem`] becomes a response: `application/problem+json` (RFC 9457).

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use kernel::{Problem, ProblemKind, RequestId};

/// A [`Problem`] on its way out. Handlers return `Result<_, Refusal>` and use `?` on problems.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    problem: Box<Problem>,
    retry_after: Option<u32>,
}

impl Refusal {
    /// A refusal that says after how many seconds to come back (`retry-after`).
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The problem.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { problem: Box::new(problem), retry_after: None }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = render(&self.problem);
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        // RFC 9110 section 15.5.2: a 401 says how to prove who one is.
        if self.problem.kind() == ProblemKind::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer realm="wardroom""#));
        }
        response.extensions_mut().insert(*self.problem);
        response
    }
}

/// The problem that a response tells of, for a layer that tells it in another shape: as a page, or in
/// the error format of another API.
pub fn problem_of(response: &Response) -> Option<&Problem> {
    response.extensions().get::<Problem>()
}

/// Puts the request's id on a response, and into its problem if it tells of one.
pub(crate) fn stamp(mut response: Response, id: RequestId) -> Response {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let problem = problem.at(format!("urn:wardroom:request:{id}"));
        let (mut parts, _) = response.into_parts();
        let (fresh, body) = render(&problem).into_parts();
        parts.headers.extend(fresh.headers);
        parts.extensions.insert(problem);
        response = Response::from_parts(parts, body);
    }
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(crate::frame::REQUEST_ID, value);
    }
    response
}

fn render(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::to_vec(problem).unwrap_or_default();
    let length = HeaderValue::from(body.len());
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CONTENT_LENGTH, length);
    response
}

/// What stands in for anything that is not there, or that the actor may not know to be there. One text
/// for both, so that they cannot be told apart.
pub(crate) fn nothing_here() -> Problem {
    Problem::new(
        ProblemKind::NotFound,
        "There is nothing here, or nothing that you may see.",
        "Check the address, and that you are signed in to the right tenant with the right role.",
    )
}
