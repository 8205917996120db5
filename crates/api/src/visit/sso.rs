//! Signing in to chat, as browsers and providers see it: away by a link, and back again; and the
//! provider's word that a session there has ended.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use doors::{Form, Path, Query, Refusal, cookie};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use identity::connections::{Arrived, Visit};
use identity::person::PersonSecret;
use identity::{CeremonyId, IdentityError, Refused};
use kernel::{BotName, ConnectionId, Problem};
use serde::Deserialize;

use super::page::html;
use super::page_of;
use super::saml::onward;
use crate::via::ByDoor;
use crate::{Front, pages};

/// Whereto, through what, and where to go then.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Start {
    bot: BotName,
    connection: Option<ConnectionId>,
    next: Option<String>,
}

/// `GET /sso/start`. Only from our own pages, or typed: a link of another site leads to the bot's page,
/// where one chooses oneself. Where there are several ways and none is named, that page too.
pub(crate) async fn start(
    State(front): State<Front>,
    headers: HeaderMap,
    Query(Start { bot, connection, next }): Query<Start>,
) -> Result<Response, Refusal> {
    let page = page_of(&front, &bot);
    let named = front.demands_sign_in(&bot).ok_or_else(pages::nothing)?;
    let offers = front.identity.visit_offers(named.as_deref()).await;
    let offers = offers.map_err(|error| Problem::from(&error))?;
    let fits = |id: &ConnectionId| offers.iter().any(|offer| offer.connection == *id);
    let only = match offers.as_slice() {
        [offer] => Some(offer.connection),
        _ => None,
    };
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let ours = matches!(site, None | Some(b"same-origin" | b"none"));
    let Some(connection) = connection.filter(fits).or(only).filter(|_| ours) else {
        return Ok(see(&page));
    };
    let (next, back) = (next.filter(|next| is_way(next)).unwrap_or_else(|| page.clone()), page);
    let there = front.identity.visit_depart(connection, Visit { bot, next }).await;
    match there {
        Ok(there) => {
            let away = match there.form {
                None => see(there.to.expose()),
                Some(fields) => onward(there.to.expose(), fields, &back)?,
            };
            Ok(with(away, [PersonSecret::remember(Some(&there.ceremony))]))
        }
        Err(error) => refused(error),
    }
}

/// `GET /sso/oidc/callback`
pub(crate) async fn callback(
    State(front): State<Front>,
    headers: HeaderMap,
    ByDoor(via): ByDoor,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    arrive(front.answer(&headers, query, None, &via).await)
}

/// `GET /sso/oidc/callback/{connection}`, for a provider that does not name itself in its answers.
pub(crate) async fn own_callback(
    State(front): State<Front>,
    Path(connection): Path<ConnectionId>,
    headers: HeaderMap,
    ByDoor(via): ByDoor,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    arrive(front.answer(&headers, query, Some(connection), &via).await)
}

impl Front {
    async fn answer(
        &self,
        headers: &HeaderMap,
        query: Option<String>,
        of: Option<ConnectionId>,
        via: &store::Via,
    ) -> Result<Arrived, IdentityError> {
        let ceremony = cookie::value(PersonSecret::CEREMONY, headers).and_then(CeremonyId::parse);
        let ceremony = ceremony.ok_or(Refused::CeremonyOver)?;
        self.identity.visit_answer(&ceremony, query.as_deref().unwrap_or_default(), of, via).await
    }
}

/// What the browser is shown when it is back.
pub(super) fn arrive(outcome: Result<Arrived, IdentityError>) -> Result<Response, Refusal> {
    match outcome {
        Ok(Arrived { secret, lifetime, next }) => {
            let next = if is_way(&next) { next.as_str() } else { "/" };
            Ok(with(see(next), [secret.set_cookie(lifetime), PersonSecret::remember(None)]))
        }
        Err(error) => Ok(with(refused(error)?, [PersonSecret::remember(None)])),
    }
}

#[derive(Template)]
#[template(path = "not_signed_in.html")]
struct RefusedPage {
    detail: String,
    mend: String,
}

/// One sentence whatever went wrong; the reason is in the audit log.
pub(super) fn refused(error: IdentityError) -> Result<Response, Refusal> {
    let IdentityError::Refused(why) = &error else {
        tracing::error!(%error, "a sign-in of somebody who chats failed");
        return Err(Problem::from(&error).into());
    };
    let (detail, mend) = match why {
        Refused::CeremonyOver => (
            "You were not signed in: it took longer than ten minutes, or it began in another browser.",
            "Begin again from the chat.",
        ),
        _ => (
            "You were not signed in: what your identity provider said was not accepted here.",
            "Begin again from the chat. If it stays, tell whoever runs this page the time.",
        ),
    };
    let status =
        StatusCode::from_u16(Problem::from(why).status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let page = RefusedPage { detail: detail.to_owned(), mend: mend.to_owned() };
    let mut response = html(&page)?;
    *response.status_mut() = status;
    Ok(response)
}

/// A provider's word.
#[derive(Deserialize)]
pub(crate) struct LogoutForm {
    logout_token: String,
}

/// `POST /sso/oidc/backchannel` (OpenID Connect Back-Channel Logout 1.0 section 2.5).
pub(crate) async fn back_channel(
    State(front): State<Front>,
    ByDoor(via): ByDoor,
    Form(LogoutForm { logout_token }): Form<LogoutForm>,
) -> Result<Response, Refusal> {
    match front.identity.back_channel(&logout_token, &via).await {
        Ok(_) => Ok(StatusCode::OK.into_response()),
        Err(IdentityError::Refused(_)) => {
            let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
            Ok((StatusCode::BAD_REQUEST, kind, r#"{"error":"invalid_request"}"#).into_response())
        }
        Err(error) => Err(Problem::from(&error).into()),
    }
}

pub(super) fn see(to: &str) -> Response {
    match HeaderValue::from_str(to) {
        Ok(to) => (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The response with cookies.
pub(super) fn with<const N: usize>(mut response: Response, cookies: [Option<HeaderValue>; N]) -> Response {
    for cookie in cookies.into_iter().flatten() {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// Whether this is a path of ours, whatever else it says.
fn is_way(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && path.len() <= 200
        && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
}

#[cfg(test)]
mod tests {
    use super::is_way;

    #[test]
    fn the_way_on_never_leads_to_another_site() {
        assert!(is_way("/with/club") && is_way("/mine"));
        for bad in ["//evil.example", "https://evil.example", "/\\evil.example", "", "mine", "/a b"] {
            assert!(!is_way(bad), "{bad}");
        }
        assert!(!is_way(&format!("/{}", "a".repeat(200))));
    }
}
