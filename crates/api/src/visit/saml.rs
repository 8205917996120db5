//! Signing in and out over SAML, as the browsers of people who chat see it. The public door is a service of
//! its own towards the provider, with an entity id and addresses of its own.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use doors::{Form, FormsTo, Path, Query, Refusal, cookie};
use http::{HeaderMap, HeaderValue, header};
use identity::connections::{LogoutMessage, Parted};
use identity::person::PersonSecret;
use identity::{CeremonyId, IdentityError, Refused};
use kernel::{ConnectionId, Problem, Secret};
use serde::Deserialize;

use super::page::html;
use super::sso::{arrive, refused, see};
use crate::via::ByDoor;
use crate::{Front, pages};

#[derive(Template)]
#[template(path = "onward.html")]
struct OnwardPage {
    action: String,
    host: String,
    fields: Vec<(&'static str, Secret<String>)>,
    back: String,
}

/// A page whose form goes to the provider by itself, or by its button where no script runs. Its policy lets
/// it lead to that provider's origin, and nowhere beyond.
pub(super) fn onward(
    action: &str,
    fields: Vec<(&'static str, Secret<String>)>,
    back: &str,
) -> Result<Response, Refusal> {
    let to = FormsTo::origin_of(action).ok_or_else(pages::nothing)?;
    let host = action.split('/').nth(2).unwrap_or_default().to_owned();
    let page = OnwardPage { action: action.to_owned(), host, fields, back: back.to_owned() };
    let mut response = html(&page)?;
    response.extensions_mut().insert(to);
    Ok(response)
}

/// `GET /assets/onward.js`: sends the form of that page.
pub(crate) async fn script() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=300"),
    ];
    (headers, FormsTo::SCRIPT)
}

/// What a provider makes the browser post. It may say more than we read.
#[derive(Deserialize)]
pub(crate) struct AnswerForm {
    #[serde(rename = "SAMLResponse")]
    response: String,
    #[serde(rename = "RelayState", default)]
    relay_state: String,
}

/// `POST /sso/saml/{connection}/acs`: verified here, and bound to the browser on the page after. It comes
/// from another site, so none of our cookies comes with it, and none is changed here.
pub(crate) async fn form(
    State(front): State<Front>,
    Path(connection): Path<ConnectionId>,
    ByDoor(via): ByDoor,
    Form(AnswerForm { response, relay_state }): Form<AnswerForm>,
) -> Result<Response, Refusal> {
    match front.identity.visit_saml_form(connection, &response, &relay_state, &via).await {
        Ok(handle) => Ok(see(&format!("/sso/saml/finish?h={}", handle.0.expose()))),
        Err(error) => refused(error),
    }
}

/// Where the verified answer is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Handle {
    h: String,
}

/// `GET /sso/saml/finish`
pub(crate) async fn finish(
    State(front): State<Front>,
    headers: HeaderMap,
    ByDoor(via): ByDoor,
    Query(Handle { h }): Query<Handle>,
) -> Result<Response, Refusal> {
    let ceremony = cookie::value(PersonSecret::CEREMONY, &headers).and_then(CeremonyId::parse);
    arrive(match ceremony {
        Some(ceremony) => front.identity.visit_saml_answer(&ceremony, &h, &via).await,
        None => Err(Refused::CeremonyOver.into()),
    })
}

/// `GET /sso/saml/{connection}/metadata`
pub(crate) async fn metadata(
    State(front): State<Front>,
    Path(connection): Path<ConnectionId>,
) -> Result<Response, Refusal> {
    let metadata = front.identity.visit_saml_metadata(connection).await;
    let metadata = metadata.map_err(|error| match error {
        IdentityError::Refused(Refused::NoConnection) => pages::nothing(),
        other => Problem::from(&other).into(),
    })?;
    let kind = HeaderValue::from_static("application/samlmetadata+xml");
    Ok(([(header::CONTENT_TYPE, kind)], metadata).into_response())
}

/// `GET /sso/saml/{connection}/logout`: a logout message in the query.
pub(crate) async fn logout(
    State(front): State<Front>,
    Path(connection): Path<ConnectionId>,
    ByDoor(via): ByDoor,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let message = LogoutMessage::Query(query.unwrap_or_default());
    part(front.identity.visit_saml_logout(connection, &message, &via).await)
}

/// A logout message that a provider makes the browser post.
#[derive(Deserialize)]
pub(crate) struct LogoutForm {
    #[serde(rename = "SAMLRequest")]
    request: Option<String>,
    #[serde(rename = "SAMLResponse")]
    response: Option<String>,
    #[serde(rename = "RelayState")]
    relay_state: Option<String>,
}

/// `POST /sso/saml/{connection}/logout`
pub(crate) async fn logout_form(
    State(front): State<Front>,
    Path(connection): Path<ConnectionId>,
    ByDoor(via): ByDoor,
    Form(LogoutForm { request, response, relay_state }): Form<LogoutForm>,
) -> Result<Response, Refusal> {
    let message = LogoutMessage::Form { request, response, relay_state };
    part(front.identity.visit_saml_logout(connection, &message, &via).await)
}

#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOutPage {
    everywhere: bool,
}

/// What the browser is shown after a logout message.
fn part(outcome: Result<Parted, IdentityError>) -> Result<Response, Refusal> {
    match outcome {
        Ok(Parted::Asked { back: Some(back), .. }) => Ok(see(back.expose())),
        Ok(Parted::Asked { back: None, .. }) => html(&SignedOutPage { everywhere: true }),
        Ok(Parted::Answered { success }) => html(&SignedOutPage { everywhere: success }),
        Err(error) => refused(error),
    }
}
