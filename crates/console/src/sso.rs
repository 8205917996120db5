//! Signing in through a provider, as browsers and providers see it: away and back again, forms that
//! providers make browsers post, and their word that a session has ended.
//!
//! One is sent away by a link and not by a form: our pages send forms to this house and nowhere else,
//! and browsers hold that against a form's redirects too. The one exception is the page that carries a login
//! request to a provider that takes forms: its form leads to that provider's origin, and nowhere beyond.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use doors::cookie::SessionSecret;
use doors::{Form, FormsTo, Path, Query};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use identity::connections::{Finished, LogoutMessage, Offer, Parted, Wish};
use identity::{IdentityError, Refused};
use kernel::{ConnectionId, Secret};
use serde::Deserialize;

use crate::Desk;
use crate::doorstep::{Crumbs, OwnPage, remember, renewed, way};
use crate::page::{html, html_with, see};
use crate::sign_in::{greeted, told};
use crate::trouble::{Answer, nothing};
use crate::via::ByDoor;

/// Whereto, and what for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Start {
    connection: ConnectionId,
    next: Option<String>,
    /// Anything: to prove again who one is, in the session that there is.
    again: Option<String>,
}

/// `GET /sso/oidc/start` and `GET /sso/saml/start`. Only from our own pages, or typed: a link of another
/// site leads to the sign-in page, where one chooses oneself.
pub(crate) async fn start(
    State(desk): State<Desk>,
    headers: HeaderMap,
    Query(Start { connection, next, again }): Query<Start>,
) -> Answer {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if !matches!(site, None | Some(b"same-origin" | b"none")) {
        return see("/sign-in");
    }
    let next = way(next.as_deref()).to_owned();
    let wish = match again {
        None => Wish::sign_in(next),
        Some(_) => {
            let secret = SessionSecret::of_request(&headers).ok_or_else(nothing)?;
            let signed = desk.identity.session(&secret).await?.map_err(|_| nothing())?;
            Wish::step_up(&signed, next)
        }
    };
    depart(&desk, connection, wish).await
}

#[derive(Template)]
#[template(path = "sso_onward.html")]
struct OnwardPage {
    action: String,
    host: String,
    fields: Vec<(&'static str, Secret<String>)>,
}

/// Sends the browser to a provider.
pub(crate) async fn depart(desk: &Desk, connection: ConnectionId, wish: Wish) -> Answer {
    let there = desk.identity.depart(connection, wish, None).await?;
    let mut response = match there.form {
        None => see(there.to.expose())?,
        Some(fields) => onward(there.to.expose(), fields)?,
    };
    remember(&mut response, &there.ceremony);
    Ok(response)
}

/// A page whose form goes to the provider by itself, or by its button where no script runs.
fn onward(action: &str, fields: Vec<(&'static str, Secret<String>)>) -> Answer {
    let to = FormsTo::origin_of(action).ok_or_else(nothing)?;
    let host = action.split('/').nth(2).unwrap_or_default().to_owned();
    let mut response = html(&OnwardPage { action: action.to_owned(), host, fields })?;
    response.extensions_mut().insert(to);
    Ok(response)
}

/// `GET /assets/onward.js`: sends the form of that page.
pub(crate) async fn script() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, "private, max-age=300"),
    ];
    (headers, FormsTo::SCRIPT)
}

/// `GET /sso/oidc/callback`
pub(crate) async fn callback(
    State(desk): State<Desk>,
    headers: HeaderMap,
    crumbs: Crumbs,
    ByDoor(via): ByDoor,
    RawQuery(query): RawQuery,
) -> Answer {
    let outcome = match crumbs.ceremony() {
        Ok(ceremony) => {
            desk.identity.oidc_answer(ceremony, query.as_deref().unwrap_or_default(), None, &via).await
        }
        Err(_) => Err(Refused::CeremonyOver.into()),
    };
    arrive((&desk, &headers, &via), outcome).await
}

/// `GET /sso/oidc/callback/{connection}`, for a provider that does not name itself in its answers.
pub(crate) async fn own_callback(
    State(desk): State<Desk>,
    Path(connection): Path<ConnectionId>,
    headers: HeaderMap,
    crumbs: Crumbs,
    ByDoor(via): ByDoor,
    RawQuery(query): RawQuery,
) -> Answer {
    let query = query.unwrap_or_default();
    let outcome = match crumbs.ceremony() {
        Ok(ceremony) => desk.identity.oidc_answer(ceremony, &query, Some(connection), &via).await,
        Err(_) => Err(Refused::CeremonyOver.into()),
    };
    arrive((&desk, &headers, &via), outcome).await
}

/// What a provider makes the browser post.
#[derive(Deserialize)]
pub(crate) struct SamlForm {
    #[serde(rename = "SAMLResponse")]
    response: String,
    #[serde(rename = "RelayState", default)]
    relay_state: String,
}

/// `POST /sso/saml/{connection}/acs`: verified here, and bound to the browser on the page after.
pub(crate) async fn saml_form(
    State(desk): State<Desk>,
    Path(connection): Path<ConnectionId>,
    ByDoor(via): ByDoor,
    Form(SamlForm { response, relay_state }): Form<SamlForm>,
) -> Answer {
    match desk.identity.saml_form(connection, &response, &relay_state, &via).await {
        Ok(handle) => see(&format!("/sso/saml/finish?h={}", handle.0.expose())),
        Err(error) => not_believed(error),
    }
}

/// Where the verified answer is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Handle {
    h: String,
}

/// `GET /sso/saml/finish`
pub(crate) async fn saml_finish(
    State(desk): State<Desk>,
    headers: HeaderMap,
    crumbs: Crumbs,
    ByDoor(via): ByDoor,
    Query(Handle { h }): Query<Handle>,
) -> Answer {
    let outcome = match crumbs.ceremony() {
        Ok(ceremony) => desk.identity.saml_answer(ceremony, &h, &via).await,
        Err(_) => Err(Refused::CeremonyOver.into()),
    };
    arrive((&desk, &headers, &via), outcome).await
}

/// `GET /sso/saml/{connection}/metadata`
pub(crate) async fn saml_metadata(State(desk): State<Desk>, Path(connection): Path<ConnectionId>) -> Answer {
    let metadata = desk.identity.saml_metadata(connection).await?;
    let kind = HeaderValue::from_static("application/samlmetadata+xml");
    Ok(([(header::CONTENT_TYPE, kind)], metadata).into_response())
}

/// `GET /sso/saml/{connection}/logout`: a logout message in the query.
pub(crate) async fn saml_logout(
    State(desk): State<Desk>,
    Path(connection): Path<ConnectionId>,
    ByDoor(via): ByDoor,
    RawQuery(query): RawQuery,
) -> Answer {
    let message = LogoutMessage::Query(query.unwrap_or_default());
    part(desk.identity.saml_logout(connection, &message, &via).await)
}

/// A logout message that a provider makes the browser post.
#[derive(Deserialize)]
pub(crate) struct SamlLogoutForm {
    #[serde(rename = "SAMLRequest")]
    request: Option<String>,
    #[serde(rename = "SAMLResponse")]
    response: Option<String>,
    #[serde(rename = "RelayState")]
    relay_state: Option<String>,
}

/// `POST /sso/saml/{connection}/logout`
pub(crate) async fn saml_logout_form(
    State(desk): State<Desk>,
    Path(connection): Path<ConnectionId>,
    ByDoor(via): ByDoor,
    Form(SamlLogoutForm { request, response, relay_state }): Form<SamlLogoutForm>,
) -> Answer {
    let message = LogoutMessage::Form { request, response, relay_state };
    part(desk.identity.saml_logout(connection, &message, &via).await)
}

#[derive(Template)]
#[template(path = "sso_parted.html")]
struct PartedPage {
    everywhere: bool,
}

/// What the browser is shown after a logout message.
fn part(outcome: Result<Parted, IdentityError>) -> Answer {
    match outcome {
        Ok(Parted::Asked { back: Some(back), .. }) => see(back.expose()),
        Ok(Parted::Asked { back: None, .. }) => html(&PartedPage { everywhere: true }),
        Ok(Parted::Answered { success }) => html(&PartedPage { everywhere: success }),
        Err(error) => not_believed(error),
    }
}

/// A provider's word.
#[derive(Deserialize)]
pub(crate) struct LogoutForm {
    logout_token: String,
}

/// `POST /sso/oidc/backchannel` (OpenID Connect Back-Channel Logout 1.0 section 2.5).
pub(crate) async fn back_channel(
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Form(LogoutForm { logout_token }): Form<LogoutForm>,
) -> Answer {
    match desk.identity.back_channel(&logout_token, &via).await {
        Ok(_) => Ok(StatusCode::OK.into_response()),
        Err(IdentityError::Refused(_)) => {
            let body = r#"{"error":"invalid_request"}"#;
            let kind = HeaderValue::from_static("application/json");
            Ok((StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, kind)], body).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Template)]
#[template(path = "sso_refused.html")]
struct RefusedPage {
    error: Option<(String, String)>,
}

/// What the browser is shown when it is back.
async fn arrive(
    browser: (&Desk, &HeaderMap, &store::Via),
    outcome: Result<Finished, IdentityError>,
) -> Answer {
    match outcome {
        Ok(Finished::SignedIn { signed_in, next, factor_missing }) => {
            let next = way(Some(&next)).to_owned();
            let response = if factor_missing { see(&format!("/step-up?next={next}"))? } else { see(&next)? };
            greeted(browser, response, &signed_in).await
        }
        Ok(Finished::SteppedUp { secret, next }) => {
            let mut response = see(way(Some(&next)))?;
            renewed(&mut response, &secret);
            Ok(response)
        }
        Ok(Finished::Tried { connection, ceremony }) => {
            let mut response = see(&format!("/connections/{connection}/trial"))?;
            remember(&mut response, &ceremony);
            Ok(response)
        }
        Err(error) => not_believed(error),
    }
}

/// A sign-in through a provider came to nothing.
fn not_believed(error: IdentityError) -> Answer {
    let (status, error) = told(error)?;
    html_with(status, &RefusedPage { error: Some(error) })
}

/// An address, to find its provider by.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FindForm {
    login: String,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "sso_found.html")]
struct FoundPage {
    next: String,
    login: String,
    offer: Option<Offered>,
}

/// A provider on a page.
pub(crate) struct Offered {
    pub(crate) name: String,
    /// Where its link leads.
    pub(crate) href: String,
}

impl Offered {
    pub(crate) fn new(offer: Offer, next: &str) -> Self {
        let Offer { connection, name } = offer;
        Self { name, href: format!("/sso/oidc/start?connection={connection}&next={next}") }
    }
}

/// `POST /sign-in/find`: which provider vouches for an address. Whether there is an account is not told.
pub(crate) async fn find(
    State(desk): State<Desk>,
    _: OwnPage,
    Form(FindForm { login, next }): Form<FindForm>,
) -> Answer {
    let next = way(next.as_deref()).to_owned();
    let offer = desk.identity.offer_for(&login).await?.map(|offer| Offered::new(offer, &next));
    html(&FoundPage { next, login, offer })
}

#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOutPage {
    there: String,
}

/// After signing out of a session that came through a provider: there, one is still signed in.
pub(crate) fn signed_out(there: &Secret<String>) -> Result<Response, crate::trouble::Trouble> {
    html(&SignedOutPage { there: there.expose().clone() })
}
