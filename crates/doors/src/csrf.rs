//! Requests that another site makes a browser send. A cookie travels with them, so for cookies three
//! things must hold before anything is changed: the browser says that the request comes from our own
//! pages (`sec-fetch-site`), its `origin` is ours, and it carries a token that only our pages know.
//! Requests with a bearer token need none of this: no browser adds one by itself.

use std::fmt;

use aws_lc_rs::hmac;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{self, HeaderMap, HeaderName};
use http::request::Parts;
use http::{Method, Uri};
use kernel::{Problem, ProblemKind, Secret};

use crate::body::{FORM, media_type};
use crate::cookie::SessionSecret;
use crate::refusal::Refusal;

/// The header in which a script sends the token.
pub const HEADER: HeaderName = HeaderName::from_static("x-csrf-token");

/// The field in which a form sends the token. [`crate::Form`] takes it out before it reads the rest.
pub const FIELD: &str = "csrf_token";

/// The field in which a form states the reason for a sensitive act. It stays in the form, too.
pub const REASON_FIELD: &str = "reason";

/// The largest form that is read.
pub const MAX_FORM: usize = 64 * 1024;

/// The token of a session. It goes into pages, and nowhere else.
pub struct Token(Secret<String>);

impl Token {
    /// The token as it stands in a page.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([redacted])")
    }
}

/// The token of a session: HMAC-SHA-256 of a fixed text under the cookie's secret, in base64url. It
/// does not give the cookie away, and changes with it.
pub fn token(session: &SessionSecret) -> Token {
    let key = hmac::Key::new(hmac::HMAC_SHA256, session.expose());
    Token(Secret::new(URL_SAFE_NO_PAD.encode(hmac::sign(&key, b"wardroom csrf token v1"))))
}

/// Checks a request that was authenticated by a cookie. Methods that change nothing pass.
///
/// # Errors
/// A `Forbidden` problem when the request does not provably come from our own pages.
pub fn check(parts: &Parts, expected: &Token) -> Result<(), Problem> {
    if is_safe(&parts.method) {
        return Ok(());
    }
    if parts.headers.get("sec-fetch-site").is_some_and(|site| site.as_bytes() != b"same-origin") {
        return Err(foreign("It was sent by a page of another site."));
    }
    if !same_origin(&parts.headers, &parts.uri) {
        return Err(foreign("Its `origin` is not this site."));
    }
    let in_form = parts.extensions.get::<FormExtras>().and_then(|extras| extras.token.as_ref());
    let shown = match parts.headers.get(HEADER) {
        Some(value) => value.as_bytes(),
        None => in_form.map_or(&[][..], |token| token.expose().as_bytes()),
    };
    if expected.0.ct_eq(shown) { Ok(()) } else { Err(foreign("Its token is missing or of another session.")) }
}

fn foreign(detail: &'static str) -> Problem {
    Problem::new(ProblemKind::Forbidden, detail, "Reload the page and do it again from there.")
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
}

/// Whether `origin` names the host that was asked. Plain HTTP counts on this machine only.
fn same_origin(headers: &HeaderMap, uri: &Uri) -> bool {
    let host = match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => headers.get(header::HOST).and_then(|host| host.to_str().ok()),
    };
    let (Some(origin), Some(host)) = (headers.get(header::ORIGIN).and_then(|o| o.to_str().ok()), host) else {
        return false;
    };
    match origin.split_once("://") {
        Some(("https", from)) => from.eq_ignore_ascii_case(host),
        Some(("http", from)) => from.eq_ignore_ascii_case(host) && is_this_machine(host),
        _ => false,
    }
}

fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

/// What a form says besides what it is for.
#[derive(Debug, Clone)]
pub(crate) struct FormExtras {
    pub(crate) token: Option<std::sync::Arc<Secret<String>>>,
    pub(crate) reason: Option<std::sync::Arc<Secret<String>>>,
}

/// Picks token and reason out of a form, and hands the form on unchanged.
pub(crate) async fn read_form(request: Request, next: Next) -> Response {
    if media_type(request.headers()).as_deref() != Some(FORM) {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, MAX_FORM).await else {
        return Refusal::from(Problem::new(
            ProblemKind::TooLarge,
            format!("The form is larger than {MAX_FORM} bytes, or broke off."),
            "Send less.",
        ))
        .into_response();
    };
    let field = |wanted: &str| {
        let found = form_urlencoded::parse(&bytes).find(|(name, _)| name == wanted);
        found.map(|(_, value)| std::sync::Arc::new(Secret::new(value.into_owned())))
    };
    parts.extensions.insert(FormExtras { token: field(FIELD), reason: field(REASON_FIELD) });
    next.run(Request::from_parts(parts, Body::from(bytes))).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::World;

    fn post(headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::post("/users").header("host", "desk.example:9443");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_request_from_our_own_page_with_its_token_passes() {
        let token = token(&SessionSecret::generate(&World::real()));
        let ours = ("origin", "https://desk.example:9443");
        let shown = ("x-csrf-token", token.expose());
        assert_eq!(check(&post(&[ours, shown, ("sec-fetch-site", "same-origin")]), &token), Ok(()));
        // A browser too old for fetch metadata still names the origin.
        assert_eq!(check(&post(&[ours, shown]), &token), Ok(()));
    }

    #[test]
    fn each_of_the_three_is_needed() {
        let world = World::real();
        let (mine, theirs) = (SessionSecret::generate(&world), SessionSecret::generate(&world));
        let (token, wrong) = (token(&mine), token(&theirs));
        let ours = ("origin", "https://desk.example:9443");
        let shown = ("x-csrf-token", token.expose());
        for headers in [
            vec![ours],
            vec![shown],
            vec![ours, ("x-csrf-token", "")],
            vec![ours, ("x-csrf-token", wrong.expose())],
            vec![ours, shown, ("sec-fetch-site", "cross-site")],
            vec![ours, shown, ("sec-fetch-site", "same-site")],
            vec![ours, shown, ("sec-fetch-site", "none")],
            vec![("origin", "null"), shown],
            vec![("origin", "http://desk.example:9443"), shown],
            vec![("origin", "https://desk.example"), shown],
            vec![("origin", "https://desk.example:9443.evil.example"), shown],
            vec![("origin", "https://evil.example"), shown],
        ] {
            assert!(check(&post(&headers), &token).is_err(), "{headers:?}");
        }
    }

    #[test]
    fn plain_http_counts_on_this_machine_only() {
        let token = token(&SessionSecret::generate(&World::real()));
        for (host, passes) in [("localhost:9443", true), ("127.0.0.1:9443", true), ("[::1]:9443", true)]
            .into_iter()
            .chain([("desk.example", false), ("127.0.0.1.evil.example", false), ("localhost:x", false)])
        {
            let request =
                http::Request::post("/").header("host", host).header("origin", format!("http://{host}"));
            let parts = request.header(HEADER, token.expose()).body(()).unwrap().into_parts().0;
            assert_eq!(check(&parts, &token).is_ok(), passes, "{host}");
        }
    }

    #[test]
    fn a_token_is_bound_to_its_session_and_does_not_print() {
        let world = World::real();
        let session = SessionSecret::generate(&world);
        assert_eq!(token(&session).expose(), token(&session).expose());
        assert_ne!(token(&session).expose(), token(&SessionSecret::generate(&world)).expose());
        assert_eq!(format!("{:?}", token(&session)), "Token([redacted])");
    }
}
