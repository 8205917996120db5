//! Signing in and out: a password and then a code, or a passkey alone.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use doors::cookie::SessionSecret;
use doors::{Authorized, Form, Json, Query};
use guard::action::ManageOwnAccount;
use http::{HeaderMap, StatusCode};
use identity::passkey::Assertion;
use identity::{IdentityError, Refused, SignedIn};
use kernel::{Problem, Secret};
use serde::Deserialize;

use crate::Desk;
use crate::audit::Nothing;
use crate::doorstep::{Crumbs, Doorstep, OwnPage, farewell, remember, way, welcome};
use crate::page::{html, html_with, see};
use crate::sso::{Offered, signed_out};
use crate::trouble::{Answer, Trouble};
use crate::via::ByDoor;

/// Where to go afterwards.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Onward {
    next: Option<String>,
    with: Option<String>,
}

impl Onward {
    pub(crate) fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    csrf: String,
    next: String,
    login: String,
    offers: Vec<Offered>,
    error: Option<(String, String)>,
}

/// The providers of the sign-in page.
async fn offers(desk: &Desk, next: &str) -> Result<Vec<Offered>, Trouble> {
    let offers = desk.identity.offers().await?;
    Ok(offers.into_iter().map(|offer| Offered::new(offer, next)).collect())
}

#[derive(Template)]
#[template(path = "sign_in_code.html")]
struct CodePage {
    csrf: String,
    next: String,
    recovery: bool,
    error: Option<(String, String)>,
}

/// A refusal that a page shows beside its form, with its status; anything else is a problem page.
pub(crate) fn told(error: IdentityError) -> Result<(StatusCode, (String, String)), Trouble> {
    let IdentityError::Refused(refused) = &error else { return Err(error.into()) };
    let problem = Problem::from(refused);
    let status = match refused {
        Refused::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    Ok((status, (problem.detail().to_owned(), problem.mend().to_owned())))
}

/// `GET /sign-in`
pub(crate) async fn page(
    State(desk): State<Desk>,
    headers: HeaderMap,
    step: Doorstep,
    Query(onward): Query<Onward>,
) -> Answer {
    if let Some(secret) = SessionSecret::of_request(&headers)
        && desk.identity.session(&secret).await?.is_ok()
    {
        return see(way(onward.next.as_deref()));
    }
    let next = way(onward.next.as_deref()).to_owned();
    let offers = offers(&desk, &next).await?;
    let page =
        html(&SignInPage { csrf: step.csrf.clone(), next, login: String::new(), offers, error: None })?;
    Ok(step.onto(page))
}

/// The first step.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordForm {
    login: String,
    password: String,
    next: Option<String>,
}

/// `POST /sign-in`
pub(crate) async fn password(
    State(desk): State<Desk>,
    OwnPage { csrf }: OwnPage,
    crumbs: Crumbs,
    ByDoor(via): ByDoor,
    Form(PasswordForm { login, password, next }): Form<PasswordForm>,
) -> Answer {
    let device = crumbs.device.as_deref();
    let next = way(next.as_deref()).to_owned();
    match desk.identity.password_step(&login, Secret::new(password), device, &via).await {
        Ok(ceremony) => {
            let mut response = see(&format!("/sign-in/code?next={next}"))?;
            remember(&mut response, &ceremony);
            Ok(response)
        }
        Err(error) => {
            let (status, error) = told(error)?;
            let offers = offers(&desk, &next).await?;
            html_with(status, &SignInPage { csrf, next, login, offers, error: Some(error) })
        }
    }
}

/// `GET /sign-in/code`
pub(crate) async fn code_page(step: Doorstep, Query(onward): Query<Onward>) -> Answer {
    let next = way(onward.next.as_deref()).to_owned();
    let recovery = onward.with.as_deref() == Some("recovery");
    let page = html(&CodePage { csrf: step.csrf.clone(), next, recovery, error: None })?;
    Ok(step.onto(page))
}

/// The second step.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeForm {
    code: String,
    kind: Kind,
    next: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    App,
    Recovery,
}

/// `POST /sign-in/code`
pub(crate) async fn code(
    State(desk): State<Desk>,
    headers: HeaderMap,
    OwnPage { csrf }: OwnPage,
    crumbs: Crumbs,
    ByDoor(via): ByDoor,
    Form(CodeForm { code, kind, next }): Form<CodeForm>,
) -> Answer {
    let next = way(next.as_deref()).to_owned();
    let ceremony = crumbs.ceremony()?;
    let done = match kind {
        Kind::App => desk.identity.totp_step(ceremony, &code, &via).await,
        Kind::Recovery => desk.identity.recovery_step(ceremony, &code, &via).await,
    };
    match done {
        Ok(signed_in) => greeted((&desk, &headers, &via), see(&next)?, &signed_in).await,
        Err(error @ IdentityError::Refused(Refused::SignIn | Refused::CeremonyOver)) => {
            let (status, error) = told(error)?;
            let (offers, login) = (offers(&desk, &next).await?, String::new());
            html_with(status, &SignInPage { csrf, next, login, offers, error: Some(error) })
        }
        Err(error) => {
            let (status, error) = told(error)?;
            html_with(status, &CodePage { csrf, next, recovery: kind == Kind::Recovery, error: Some(error) })
        }
    }
}

/// Lets somebody in who has just signed in. The session that their browser had before, whosever it was, is over:
/// nobody could end it from there any more.
pub(crate) async fn greeted(
    (desk, headers, via): (&Desk, &HeaderMap, &store::Via),
    mut response: Response,
    signed_in: &SignedIn,
) -> Answer {
    end(desk, headers, via).await?;
    welcome(&mut response, signed_in);
    Ok(response)
}

/// What the passkey island posts first: nothing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Begin {}

/// `POST /sign-in/passkey/start`
pub(crate) async fn passkey_start(
    State(desk): State<Desk>,
    _: OwnPage,
    Json(Begin {}): Json<Begin>,
) -> Answer {
    let (ceremony, options) = desk.identity.passkey_begin().await?;
    let mut response = Json(options).into_response();
    remember(&mut response, &ceremony);
    Ok(response)
}

/// What the passkey island posts in the end.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Finish {
    pub(crate) credential: Assertion,
}

/// `POST /sign-in/passkey/finish`
pub(crate) async fn passkey_finish(
    State(desk): State<Desk>,
    headers: HeaderMap,
    _: OwnPage,
    crumbs: Crumbs,
    ByDoor(via): ByDoor,
    Json(Finish { credential }): Json<Finish>,
) -> Answer {
    let device = crumbs.device.as_deref();
    let signed_in = desk.identity.passkey_finish(crumbs.ceremony()?, &credential, device, &via).await?;
    greeted((&desk, &headers, &via), StatusCode::NO_CONTENT.into_response(), &signed_in).await
}

/// `POST /sign-out`
pub(crate) async fn sign_out(
    _leave: Authorized<ManageOwnAccount>,
    State(desk): State<Desk>,
    headers: HeaderMap,
    ByDoor(via): ByDoor,
    Form(Nothing {}): Form<Nothing>,
) -> Answer {
    let there = there(&desk, &headers).await?;
    end(&desk, &headers, &via).await?;
    let mut response = match there {
        Some(there) => signed_out(&there)?,
        None => see("/sign-in")?,
    };
    farewell(&mut response);
    Ok(response)
}

/// Where the session's provider ends its own, if there is one.
async fn there(desk: &Desk, headers: &HeaderMap) -> Result<Option<Secret<String>>, Trouble> {
    let Some(secret) = SessionSecret::of_request(headers) else { return Ok(None) };
    let Ok(signed) = desk.identity.session(&secret).await? else { return Ok(None) };
    Ok(desk.identity.farewell(&signed).await?.map(|farewell| farewell.0))
}

/// Ends the session of a request.
pub(crate) async fn end(desk: &Desk, headers: &HeaderMap, via: &store::Via) -> Result<(), Trouble> {
    if let Some(secret) = SessionSecret::of_request(headers)
        && let Ok(signed) = desk.identity.session(&secret).await?
    {
        desk.identity.sign_out(&signed, via).await?;
    }
    Ok(())
}
