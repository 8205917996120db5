//! How one signs in oneself: one's passkeys, the app for codes, recovery codes and the password. Looking asks
//! for no more than being signed in; changing asks for a proof that is not older than five minutes, with a
//! passkey where there is one. After each change the browser has a new cookie.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use doors::cookie::SessionSecret;
use doors::{Authorized, Form, Json, Path, Query};
use guard::action::{ChangeOwnFactors, ManageOwnAccount};
use guard::{Act, Action, Actor, Resource};
use http::{HeaderMap, StatusCode};
use identity::passkey::Registration;
use identity::{IdentityError, OwnAct, OwnFactors, PasskeyId, Refused, Renewed};
use kernel::{DisplayName, Problem, ProblemKind, Secret};
use serde::Deserialize;

use crate::Desk;
use crate::audit::Nothing;
use crate::doorstep::{Crumbs, remember, renewed_for};
use crate::enrol::{fitted, grouped};
use crate::page::{Shell, When, html, html_with, may_to, see, shell};
use crate::sign_in::told;
use crate::trouble::{Answer, Trouble, nothing};
use crate::via::ByDoor;

/// The rule that an old password breaks, as a problem names it.
pub(crate) const PASSWORD_DUE: &str = "`account.password_due`";

/// Whether a page helps somebody whose password is too old.
pub(crate) fn mends_password(path: &str) -> bool {
    matches!(path, "/account/password" | "/account/notices/seen" | "/sign-out")
}

/// Nothing else is opened before the password was changed.
pub(crate) fn password_due() -> Problem {
    let detail = format!("Refused by the rule {PASSWORD_DUE}: your password is older than it may be here.");
    Problem::new(ProblemKind::Forbidden, detail, "Change it at /account/password, then do it again.")
}

/// What the page was reached by.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "factors.html")]
struct FactorsPage {
    shell: Shell,
    passkeys: Vec<Row>,
    app: Option<When>,
    password: Option<When>,
    codes: u64,
    /// Whether the last passkey cannot be removed.
    needed: bool,
    /// Whether changes are possible now.
    acts: bool,
    error: Option<(String, String)>,
}

struct Row {
    id: String,
    name: String,
    made: When,
    used: Option<When>,
    /// Whether it can be removed.
    goes: bool,
}

/// Whether whoever asks can change factors now, without another proof.
fn acts(desk: &Desk, actor: &Actor, factors: &OwnFactors) -> bool {
    let Some(staff) = actor.staff() else { return false };
    let own = Resource::Account { tenant: desk.tenant, user: staff.user };
    let strongest = factors.passkeys.is_empty() || staff.assurance >= 3;
    strongest && may_to(desk, actor, Act::ChangeOwnFactors, &own)
}

async fn page_of<A: OwnAct>(
    desk: &Desk,
    leave: &Authorized<A>,
    error: Option<(String, String)>,
) -> Result<FactorsPage, Trouble> {
    let shell = shell(desk, leave, "How you sign in", "/account/factors").await?;
    let factors = desk.identity.own_factors(leave.permit()).await?;
    let acts = acts(desk, leave.permit().actor(), &factors);
    let (several, needed) = (factors.passkeys.len() > 1, factors.needs_a_passkey);
    let goes = several || (factors.app.is_some() && !needed);
    let rows = factors.passkeys.into_iter().map(|key| Row {
        id: key.id.to_string(),
        name: key.name.as_str().to_owned(),
        made: When(key.made),
        used: key.used.map(When),
        goes,
    });
    Ok(FactorsPage {
        passkeys: rows.collect(),
        app: factors.app.map(When),
        password: factors.password.map(When),
        codes: factors.recovery_codes,
        needed,
        acts,
        shell,
        error,
    })
}

/// `GET /account/factors`
pub(crate) async fn page(
    leave: Authorized<ManageOwnAccount>,
    State(desk): State<Desk>,
    Query(wanted): Query<Wanted>,
) -> Answer {
    let mut page = page_of(&desk, &leave, None).await?;
    page.shell = page.shell.after(wanted.done.as_deref());
    html(&page)
}

/// The browser goes on under the session's new secret.
fn on(mut response: Response, renewed: &Renewed) -> Response {
    renewed_for(&mut response, &renewed.secret, renewed.left);
    response
}

/// The page again with what was refused, when its holder can mend that there; else the problem's own page.
async fn again<A: OwnAct>(desk: &Desk, leave: &Authorized<A>, error: IdentityError) -> Answer {
    match &error {
        IdentityError::Refused(
            Refused::Stronger | Refused::SignIn | Refused::CeremonyOver | Refused::NoFactor,
        ) => Err(error.into()),
        _ => {
            let (status, error) = told(error)?;
            html_with(status, &page_of(desk, leave, Some(error)).await?)
        }
    }
}

/// What the passkey island posts first.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeyBegin {
    #[serde(rename = "label")]
    _label: String,
}

/// `POST /account/passkeys/start`
pub(crate) async fn passkey_start(
    leave: Authorized<ChangeOwnFactors>,
    State(desk): State<Desk>,
    Json(_): Json<PasskeyBegin>,
) -> Answer {
    let (ceremony, options) = desk.identity.add_passkey_options(leave.permit()).await?;
    let mut response = Json(options).into_response();
    remember(&mut response, &ceremony);
    Ok(response)
}

/// What the passkey island posts in the end.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeyFinish {
    credential: Registration,
    label: DisplayName,
}

/// `POST /account/passkeys/finish`
pub(crate) async fn passkey_finish(
    leave: Authorized<ChangeOwnFactors>,
    State(desk): State<Desk>,
    crumbs: Crumbs,
    ByDoor(via): ByDoor,
    Json(PasskeyFinish { credential, label }): Json<PasskeyFinish>,
) -> Answer {
    let ceremony = crumbs.ceremony()?;
    let renewed = desk.identity.add_passkey(leave.permit(), ceremony, &credential, label, &via).await?;
    Ok(on(StatusCode::NO_CONTENT.into_response(), &renewed))
}

/// A passkey of the address; one that is none is not there.
fn of_path(text: &str) -> Result<PasskeyId, Trouble> {
    text.parse().map_err(|_| nothing().into())
}

/// Another name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NameForm {
    name: String,
}

/// `POST /account/passkeys/{passkey}/name`
pub(crate) async fn name(
    leave: Authorized<ChangeOwnFactors>,
    State(desk): State<Desk>,
    Path(passkey): Path<String>,
    ByDoor(via): ByDoor,
    Form(NameForm { name }): Form<NameForm>,
) -> Answer {
    let label = DisplayName::new(&name)?;
    desk.identity.name_passkey(leave.permit(), of_path(&passkey)?, label, &via).await?;
    see("/account/factors?done=factor-named")
}

/// `POST /account/passkeys/{passkey}/remove`
pub(crate) async fn remove(
    leave: Authorized<ChangeOwnFactors>,
    State(desk): State<Desk>,
    Path(passkey): Path<String>,
    ByDoor(via): ByDoor,
    Form(Nothing {}): Form<Nothing>,
) -> Answer {
    match desk.identity.remove_passkey(leave.permit(), of_path(&passkey)?, &via).await {
        Ok(renewed) => Ok(on(see("/account/factors?done=factor-removed")?, &renewed)),
        Err(error) => again(&desk, &leave, error).await,
    }
}

/// A password for the app, where there is none yet.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AppForm {
    password: Option<String>,
    again: Option<String>,
}

/// `POST /account/app/start`
pub(crate) async fn app_start(
    leave: Authorized<ChangeOwnFactors>,
    State(desk): State<Desk>,
    Form(form): Form<AppForm>,
) -> Answer {
    if form.password != form.again {
        let page = page_of(&desk, &leave, Some(differ())).await?;
        return html_with(StatusCode::UNPROCESSABLE_ENTITY, &page);
    }
    match desk.identity.new_app(leave.permit(), form.password.map(Secret::new)).await {
        Ok(ceremony) => {
            let mut response = see("/account/app")?;
            remember(&mut response, &ceremony);
            Ok(response)
        }
        Err(error) => again(&desk, &leave, error).await,
    }
}

fn differ() -> (String, String) {
    ("The two passwords differ.".to_owned(), "Type the same one twice.".to_owned())
}

#[derive(Template)]
#[template(path = "own_app.html")]
struct AppPage {
    shell: Shell,
    qr: String,
    letters: String,
    error: Option<(String, String)>,
}

async fn app_page_of<A: Action>(
    desk: &Desk,
    leave: &Authorized<A>,
    crumbs: &Crumbs,
    error: Option<(String, String)>,
) -> Result<AppPage, Trouble> {
    let setup = desk.identity.new_app_setup(crumbs.ceremony()?).await?;
    let (qr, letters) = (fitted(setup.qr.expose()), grouped(setup.letters.expose()));
    let shell = shell(desk, leave, "App for codes", "/account/factors").await?;
    Ok(AppPage { shell, qr, letters, error })
}

/// `GET /account/app`
pub(crate) async fn app_page(
    leave: Authorized<ManageOwnAccount>,
    State(desk): State<Desk>,
    crumbs: Crumbs,
) -> Answer {
    html(&app_page_of(&desk, &leave, &crumbs, None).await?)
}

/// The new app's first code.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeForm {
    code: String,
}

/// `POST /account/app`
pub(crate) async fn app_finish(
    leave: Authorized<ChangeOwnFactors>,
    State(desk): State<Desk>,
    crumbs: Crumbs,
    ByDoor(via): ByDoor,
    Form(CodeForm { code }): Form<CodeForm>,
) -> Answer {
    match desk.identity.confirm_app(leave.permit(), crumbs.ceremony()?, &code, &via).await {
        Ok(renewed) => Ok(on(see("/account/factors?done=factor-added")?, &renewed)),
        Err(error @ IdentityError::Refused(Refused::Code)) => {
            let (status, error) = told(error)?;
            html_with(status, &app_page_of(&desk, &leave, &crumbs, Some(error)).await?)
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /account/app/remove`
pub(crate) async fn app_remove(
    leave: Authorized<ChangeOwnFactors>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Form(Nothing {}): Form<Nothing>,
) -> Answer {
    match desk.identity.remove_app(leave.permit(), &via).await {
        Ok(renewed) => Ok(on(see("/account/factors?done=factor-removed")?, &renewed)),
        Err(error) => again(&desk, &leave, error).await,
    }
}

/// `POST /account/recovery-codes`
pub(crate) async fn codes(
    leave: Authorized<ChangeOwnFactors>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Form(Nothing {}): Form<Nothing>,
) -> Answer {
    let (codes, renewed) = desk.identity.new_recovery_codes(leave.permit(), &via).await?;
    desk.codes().keep(renewed.session, codes, desk.world.now());
    Ok(on(see("/enrol/codes")?, &renewed))
}

#[derive(Template)]
#[template(path = "own_password.html")]
struct PasswordPage {
    shell: Shell,
    email: String,
    /// Whether it has to be changed before anything else.
    due: bool,
    /// Whether the proof is fresh.
    acts: bool,
    error: Option<(String, String)>,
}

async fn password_page_of<A: OwnAct>(
    desk: &Desk,
    leave: &Authorized<A>,
    headers: &HeaderMap,
    error: Option<(String, String)>,
) -> Result<PasswordPage, Trouble> {
    let secret = SessionSecret::of_request(headers).ok_or_else(nothing)?;
    let signed = desk.identity.session(&secret).await?.map_err(|_| nothing())?;
    let email = desk.identity.who(&signed).await?.email.as_str().to_owned();
    let own = Resource::Account { tenant: desk.tenant, user: signed.actor.user };
    let acts = may_to(desk, leave.permit().actor(), Act::ChangeOwnFactors, &own);
    let shell = shell(desk, leave, "Your password", "/account/password").await?;
    Ok(PasswordPage { shell, email, due: signed.password_due, acts, error })
}

/// `GET /account/password`
pub(crate) async fn password_page(
    leave: Authorized<ManageOwnAccount>,
    State(desk): State<Desk>,
    headers: HeaderMap,
) -> Answer {
    html(&password_page_of(&desk, &leave, &headers, None).await?)
}

/// The password that is, and the one that is to be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordForm {
    present: String,
    password: String,
    again: String,
}

/// `POST /account/password`
pub(crate) async fn password(
    leave: Authorized<ChangeOwnFactors>,
    State(desk): State<Desk>,
    headers: HeaderMap,
    ByDoor(via): ByDoor,
    Form(form): Form<PasswordForm>,
) -> Answer {
    let PasswordForm { present, password, again } = form;
    let (status, refused) = if password == again {
        let (old, new) = (Secret::new(present), Secret::new(password));
        match desk.identity.change_password(leave.permit(), old, new, &via).await {
            Ok(renewed) => return Ok(on(see("/account?done=password-changed")?, &renewed)),
            Err(error @ IdentityError::Refused(Refused::SignIn)) => return Err(error.into()),
            Err(error) => told(error)?,
        }
    } else {
        (StatusCode::UNPROCESSABLE_ENTITY, differ())
    };
    html_with(status, &password_page_of(&desk, &leave, &headers, Some(refused)).await?)
}
