//! The doorstep: pages and forms of people who are not signed in yet. They have no session, and still
//! nobody else's page may send their forms, so the doorstep gives out the session cookie before there
//! is a session, and takes the forms' token from it. Whoever signs in gets another.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::response::Response;
use doors::Refusal;
use doors::cookie::{self, SessionSecret};
use doors::csrf;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use identity::{CeremonyId, DeviceToken};
use kernel::{Problem, ProblemKind, Secret};

use crate::Desk;

/// Somebody before the door, looking at a page.
pub(crate) struct Doorstep {
    /// The token for the page's forms.
    pub(crate) csrf: String,
    /// The cookie to set, when there was none.
    fresh: Option<HeaderValue>,
}

impl Doorstep {
    /// The page's response, with the cookie.
    pub(crate) fn onto(self, mut response: Response) -> Response {
        append(&mut response, self.fresh);
        response
    }
}

impl FromRequestParts<Desk> for Doorstep {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, desk: &Desk) -> Result<Self, Refusal> {
        if let Some(secret) = SessionSecret::of_request(&parts.headers) {
            return Ok(Self { csrf: csrf::token(&secret).expose().to_owned(), fresh: None });
        }
        let secret = SessionSecret::generate(&desk.world);
        let fresh = secret.set_cookie(CeremonyId::LIFE * 6);
        Ok(Self { csrf: csrf::token(&secret).expose().to_owned(), fresh })
    }
}

/// Proof that a form or a script's request comes from our own page. It stands among the arguments of
/// every public handler that changes something.
pub(crate) struct OwnPage {
    /// The same token again, for the page that answers.
    pub(crate) csrf: String,
}

impl FromRequestParts<Desk> for OwnPage {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Desk) -> Result<Self, Refusal> {
        let secret = SessionSecret::of_request(&parts.headers).ok_or_else(|| {
            let detail = "The browser sent no cookie, or the page was open for too long.";
            Problem::new(ProblemKind::Forbidden, detail, "Allow cookies for this address, then begin again.")
        })?;
        let token = csrf::token(&secret);
        csrf::check(parts, &token)?;
        Ok(Self { csrf: token.expose().to_owned() })
    }
}

/// The cookies that the doorstep gives out besides the session's.
pub(crate) struct Crumbs {
    ceremony: Option<CeremonyId>,
    /// The token of a known device.
    pub(crate) device: Option<String>,
}

impl Crumbs {
    /// The ceremony that this browser is in.
    ///
    /// # Errors
    /// That it is in none.
    pub(crate) fn ceremony(&self) -> Result<&CeremonyId, Problem> {
        self.ceremony.as_ref().ok_or_else(|| Problem::from(&identity::Refused::CeremonyOver))
    }
}

impl FromRequestParts<Desk> for Crumbs {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Desk) -> Result<Self, Self::Rejection> {
        Ok(Self {
            ceremony: named(&parts.headers, CeremonyId::COOKIE).and_then(|text| CeremonyId::parse(&text)),
            device: named(&parts.headers, DeviceToken::COOKIE),
        })
    }
}

/// The token of a known device that a browser shows.
pub(crate) fn device_token(headers: &HeaderMap) -> Option<Secret<String>> {
    named(headers, DeviceToken::COOKIE).map(Secret::new)
}

/// The one cookie of a name; two of the same are none.
fn named(headers: &HeaderMap, wanted: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut found = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut found = found.by_ref().filter(|(name, _)| *name == wanted);
    let (first, second) = (found.next(), found.next());
    first.filter(|_| second.is_none()).map(|(_, value)| value.to_owned())
}

/// Lets the browser remember the ceremony.
pub(crate) fn remember(response: &mut Response, ceremony: &CeremonyId) {
    append(response, line(CeremonyId::COOKIE, &ceremony.expose(), CeremonyId::LIFE.as_secs()));
}

/// What a browser keeps of a sign-in: the session and the known device. The ceremony is over.
pub(crate) fn welcome(response: &mut Response, signed_in: &identity::SignedIn) {
    append(response, signed_in.secret.set_cookie(signed_in.lifetime));
    append(response, line(DeviceToken::COOKIE, signed_in.device.expose(), DeviceToken::LIFE.as_secs()));
    append(response, line(CeremonyId::COOKIE, "", 0));
}

/// The session goes on under a new secret, for as long as any session may.
pub(crate) fn renewed(response: &mut Response, secret: &SessionSecret) {
    renewed_for(response, secret, Duration::from_secs(12 * 60 * 60));
}

/// The same, for as long as is known.
pub(crate) fn renewed_for(response: &mut Response, secret: &SessionSecret, left: Duration) {
    append(response, secret.set_cookie(left));
    append(response, line(CeremonyId::COOKIE, "", 0));
}

/// The browser forgets the session.
pub(crate) fn farewell(response: &mut Response) {
    append(response, cookie::clear());
}

fn line(name: &str, value: &str, seconds: u64) -> Option<HeaderValue> {
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax");
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn append(response: &mut Response, cookie: Option<HeaderValue>) {
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

/// Where to go after a sign-in: a path of ours, whatever the address says.
pub(crate) fn way(next: Option<&str>) -> &str {
    let ours = |path: &&str| {
        path.starts_with('/')
            && !path.starts_with("//")
            && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
    };
    next.filter(ours).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_on_never_leads_to_another_site() {
        assert_eq!(way(Some("/audit?code=AUTH")), "/audit?code=AUTH");
        for bad in
            ["//evil.example", "https://evil.example", "/\\evil.example", "", "audit", "/a b", "/\u{e9}"]
        {
            assert_eq!(way(Some(bad)), "/", "{bad}");
        }
    }

    #[test]
    fn a_cookie_given_twice_is_none() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; b=2"));
        assert_eq!(named(&headers, "b"), Some("2".to_owned()));
        headers.append(header::COOKIE, HeaderValue::from_static("b=3"));
        assert_eq!(named(&headers, "b"), None);
    }
}
