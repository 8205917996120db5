//! The outermost layer: people read problems as pages, programs as JSON, directories as SCIM, and whoever
//! is signed out is led to the sign-in page.

use askama::Template;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use doors::problem_of;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use kernel::{Problem, ProblemKind};

use crate::doorstep::way;
use crate::factors::PASSWORD_DUE;

/// A problem as a page.
#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    title: &'a str,
    detail: &'a str,
    mend: &'a str,
    request: &'a str,
    /// Where to prove again who one is, when that is what is missing.
    prove: Option<String>,
}

/// The rules that somebody can satisfy by proving again who they are.
const PROVABLE: [&str; 4] =
    ["`guard.second_factor`", "`guard.step_up`", "`guard.phishing_resistant`", "`account.strongest_proof`"];

/// Shows problems as pages.
pub(crate) async fn pages(request: Request, next: Next) -> Response {
    let person = !asks_for_json(request.headers());
    // A page is somewhere to come back to; a form is not.
    let way_back = (request.method() == Method::GET).then(|| request.uri().path().to_owned());
    let from = page_of_form(request.headers());
    let directory = crate::scim::is_ours(request.uri().path());
    let mut response = next.run(request).await;
    // The frame's `no-referrer` makes browsers send `origin: null` with every form (Fetch, "append a
    // request Origin header"), and a form without an origin is refused. This tells other sites as little.
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    match problem_of(&response) {
        Some(problem) if directory => crate::scim::told(&problem.clone(), response),
        Some(problem) if person => shown(problem.clone(), response, way_back, from),
        _ => response,
    }
}

/// Whether one of our scripts asks: they name JSON.
pub(crate) fn asks_for_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
    accept.split(',').any(|kind| kind.trim().starts_with("application/json"))
}

/// The page that a form stands on.
fn page_of_form(headers: &HeaderMap) -> Option<String> {
    let referrer: http::Uri = headers.get(header::REFERER)?.to_str().ok()?.parse().ok()?;
    Some(referrer.path().to_owned())
}

fn shown(problem: Problem, response: Response, way_back: Option<String>, from: Option<String>) -> Response {
    let (mut parts, body) = response.into_parts();
    let there = match (problem.kind(), way_back.as_deref()) {
        (ProblemKind::Unauthenticated, None | Some("/")) => Some("/sign-in".to_owned()),
        (ProblemKind::Unauthenticated, Some(path)) => Some(format!("/sign-in?next={path}")),
        (ProblemKind::Forbidden, Some(_)) if problem.detail().contains(PASSWORD_DUE) => {
            Some("/account/password".to_owned())
        }
        _ => None,
    };
    if let Some(there) = there {
        parts.status = StatusCode::SEE_OTHER;
        let there = HeaderValue::from_str(&there).unwrap_or(HeaderValue::from_static("/sign-in"));
        parts.headers.insert(header::LOCATION, there);
        for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::WWW_AUTHENTICATE] {
            parts.headers.remove(name);
        }
        return Response::from_parts(parts, Body::empty());
    }
    let provable = problem.kind() == ProblemKind::Forbidden
        && PROVABLE.iter().any(|rule| problem.detail().contains(rule));
    let next = way_back.or(from).unwrap_or_else(|| "/".to_owned());
    let prove = provable.then(|| format!("/step-up?next={}", way(Some(&next))));
    let request = parts.headers.get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    let page = ProblemPage {
        title: problem.kind().title(),
        detail: problem.detail(),
        mend: problem.mend(),
        request,
        prove,
    };
    let Ok(html) = page.render() else { return Response::from_parts(parts, body) };
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    Response::from_parts(parts, Body::from(html))
}
