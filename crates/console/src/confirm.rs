//! Confirming who one is, before an act that needs a fresh proof: a code from the app, or a passkey. The
//! session goes on under a new secret.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use doors::cookie::SessionSecret;
use doors::{Authorized, Form, Json, Query};
use guard::action::ManageOwnAccount;
use http::{HeaderMap, StatusCode, header};
use identity::Signed;
use serde::Deserialize;

use crate::Desk;
use crate::doorstep::{Crumbs, remember, way};
use crate::page::{Shell, html, html_with, see, shell};
use crate::sign_in::{Begin, Finish, told};
use crate::trouble::{Answer, Trouble, nothing};
use crate::via::ByDoor;

/// Where to go afterwards.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Onward {
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "confirm.html")]
struct Confirm {
    shell: Shell,
    next: String,
    error: Option<(String, String)>,
}

/// `GET /account/confirm`
pub(crate) async fn page(
    leave: Authorized<ManageOwnAccount>,
    State(desk): State<Desk>,
    Query(onward): Query<Onward>,
) -> Answer {
    let shell = shell(&desk, &leave, "Confirm that it is you", "/account");
    html(&Confirm { shell, next: way(onward.next.as_deref()).to_owned(), error: None })
}

/// A code of the app.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeForm {
    code: String,
    next: Option<String>,
}

/// `POST /account/confirm`
pub(crate) async fn code(
    leave: Authorized<ManageOwnAccount>,
    State(desk): State<Desk>,
    headers: HeaderMap,
    ByDoor(via): ByDoor,
    Form(CodeForm { code, next }): Form<CodeForm>,
) -> Answer {
    let signed = signed(&desk, &headers).await?;
    let next = way(next.as_deref()).to_owned();
    match desk.identity.step_up_totp(&signed, &code, &via).await {
        Ok(secret) => renewed(see(&next)?, &desk, &signed, &secret),
        Err(error) => {
            let shell = shell(&desk, &leave, "Confirm that it is you", "/account");
            let (status, error) = told(error)?;
            html_with(status, &Confirm { shell, next, error: Some(error) })
        }
    }
}

/// `POST /account/confirm/passkey/start`
pub(crate) async fn passkey_start(
    _leave: Authorized<ManageOwnAccount>,
    State(desk): State<Desk>,
    headers: HeaderMap,
    Json(Begin {}): Json<Begin>,
) -> Answer {
    let signed = signed(&desk, &headers).await?;
    let (ceremony, options) = desk.identity.step_up_begin(&signed).await?;
    let mut response = Json(options).into_response();
    remember(&mut response, &ceremony);
    Ok(response)
}

/// `POST /account/confirm/passkey/finish`
pub(crate) async fn passkey_finish(
    _leave: Authorized<ManageOwnAccount>,
    State(desk): State<Desk>,
    headers: HeaderMap,
    crumbs: Crumbs,
    ByDoor(via): ByDoor,
    Json(Finish { credential }): Json<Finish>,
) -> Answer {
    let signed = signed(&desk, &headers).await?;
    let ceremony = crumbs.ceremony()?;
    let secret = desk.identity.step_up_passkey(&signed, ceremony, &credential, &via).await?;
    renewed(StatusCode::NO_CONTENT.into_response(), &desk, &signed, &secret)
}

/// The session of the request.
async fn signed(desk: &Desk, headers: &HeaderMap) -> Result<Signed, Trouble> {
    let secret = SessionSecret::of_request(headers).ok_or_else(nothing)?;
    Ok(desk.identity.session(&secret).await?.map_err(|_| nothing())?)
}

/// The browser keeps the session's new secret, until the session's end.
fn renewed(mut response: Response, desk: &Desk, signed: &Signed, secret: &SessionSecret) -> Answer {
    let left = signed.session.absolute.since(desk.world.now());
    if let Some(cookie) = secret.set_cookie(left) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}
