//! Proving again who one is, in the session that there is: before a sensitive act, or because the
//! provider proved only one factor. The session goes on under a new secret.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use doors::cookie::SessionSecret;
use doors::{Form, Json, Query};
use http::{HeaderMap, StatusCode};
use identity::Signed;
use identity::passkey::Assertion;
use serde::Deserialize;

use crate::Desk;
use crate::doorstep::{Crumbs, Doorstep, OwnPage, remember, renewed_for, way};
use crate::page::{html, html_with, see};
use crate::sign_in::{Begin, Onward, told};
use crate::sso::Offered;
use crate::trouble::{Answer, Trouble, nothing};
use crate::via::ByDoor;

#[derive(Template)]
#[template(path = "step_up.html")]
struct StepUpPage {
    csrf: String,
    next: String,
    app: bool,
    passkey: bool,
    offers: Vec<Offered>,
    /// Whether the session is worth nothing yet.
    first: bool,
    error: Option<(String, String)>,
}

async fn signed(desk: &Desk, headers: &HeaderMap) -> Result<Signed, Trouble> {
    let secret = SessionSecret::of_request(headers).ok_or_else(nothing)?;
    Ok(desk.identity.session(&secret).await?.map_err(|_| nothing())?)
}

async fn page_of(
    desk: &Desk,
    signed: &Signed,
    csrf: String,
    next: String,
    error: Option<(String, String)>,
) -> Result<StepUpPage, Trouble> {
    let ways = desk.identity.ways_to_prove(signed).await?;
    let offers = ways.providers.into_iter().map(|offer| {
        let Offered { name, href } = Offered::new(offer, &next);
        Offered { name, href: format!("{href}&again=1") }
    });
    let first = signed.session.assurance < 2;
    Ok(StepUpPage {
        csrf,
        app: ways.app,
        passkey: ways.passkey,
        offers: offers.collect(),
        next,
        first,
        error,
    })
}

/// `GET /step-up`
pub(crate) async fn page(
    State(desk): State<Desk>,
    headers: HeaderMap,
    step: Doorstep,
    Query(onward): Query<Onward>,
) -> Answer {
    let next = way(onward.next()).to_owned();
    let Ok(signed) = signed(&desk, &headers).await else {
        return see(&format!("/sign-in?next={next}"));
    };
    let page = page_of(&desk, &signed, step.csrf.clone(), next, None).await?;
    Ok(step.onto(html(&page)?))
}

/// A code of the authenticator app.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeForm {
    code: String,
    next: Option<String>,
}

/// `POST /step-up/code`
pub(crate) async fn code(
    State(desk): State<Desk>,
    headers: HeaderMap,
    OwnPage { csrf }: OwnPage,
    ByDoor(via): ByDoor,
    Form(CodeForm { code, next }): Form<CodeForm>,
) -> Answer {
    let next = way(next.as_deref()).to_owned();
    let signed = signed(&desk, &headers).await?;
    match desk.identity.step_up_totp(&signed, &code, &via).await {
        Ok(secret) => Ok(on(&desk, &signed, see(&next)?, &secret)),
        Err(error) => {
            let (status, error) = told(error)?;
            html_with(status, &page_of(&desk, &signed, csrf, next, Some(error)).await?)
        }
    }
}

/// `POST /step-up/passkey/start`
pub(crate) async fn passkey_start(
    State(desk): State<Desk>,
    headers: HeaderMap,
    _: OwnPage,
    Json(Begin {}): Json<Begin>,
) -> Answer {
    let signed = signed(&desk, &headers).await?;
    let (ceremony, options) = desk.identity.step_up_begin(&signed).await?;
    let mut response = Json(options).into_response();
    remember(&mut response, &ceremony);
    Ok(response)
}

/// What the passkey island posts in the end.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Finish {
    credential: Assertion,
}

/// `POST /step-up/passkey/finish`
pub(crate) async fn passkey_finish(
    State(desk): State<Desk>,
    headers: HeaderMap,
    _: OwnPage,
    crumbs: Crumbs,
    ByDoor(via): ByDoor,
    Json(Finish { credential }): Json<Finish>,
) -> Answer {
    let signed = signed(&desk, &headers).await?;
    let secret = desk.identity.step_up_passkey(&signed, crumbs.ceremony()?, &credential, &via).await?;
    Ok(on(&desk, &signed, StatusCode::NO_CONTENT.into_response(), &secret))
}

/// The session goes on, with its new secret, as long as it would have.
fn on(desk: &Desk, signed: &Signed, mut response: Response, secret: &SessionSecret) -> Response {
    let left: Duration = signed.session.absolute.since(desk.world.now());
    renewed_for(&mut response, secret, left);
    response
}
