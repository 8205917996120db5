//! Enrolment: from an invitation to an account with two factors, and the recovery codes, shown once.

use askama::Template;
use axum::extract::State;
use axum::response::IntoResponse;
use doors::{Authorized, Form, Json};
use guard::action::ManageOwnAccount;
use http::{HeaderMap, header};
use identity::passkey::Registration;
use identity::{Enrolled, Enrolment, IdentityError, Refused};
use kernel::{DisplayName, Email, Secret, SessionId, Timestamp};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::Desk;
use crate::doorstep::{Crumbs, Doorstep, OwnPage, remember};
use crate::page::{html, html_with, see};
use crate::sign_in::{greeted, told};
use crate::trouble::{Answer, Trouble, sentence};
use crate::via::ByDoor;

/// `GET /assets/enrol.js`: takes the invitation's secret out of the address.
pub(crate) async fn script() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, "private, max-age=300"),
    ];
    (headers, include_str!("../assets/enrol.js"))
}

#[derive(Template)]
#[template(path = "enrol.html")]
struct BeginPage {
    csrf: String,
    code: String,
    name: String,
    email: String,
    error: Option<(String, String)>,
}

/// `GET /enrol`
pub(crate) async fn page(step: Doorstep) -> Answer {
    let csrf = step.csrf.clone();
    let (code, name, email) = (String::new(), String::new(), String::new());
    let page = html(&BeginPage { csrf, code, name, email, error: None })?;
    Ok(step.onto(page))
}

/// Who wants to take up an invitation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BeginForm {
    code: String,
    name: String,
    email: String,
}

/// `POST /enrol`
pub(crate) async fn begin(
    State(desk): State<Desk>,
    OwnPage { csrf }: OwnPage,
    Form(form): Form<BeginForm>,
) -> Answer {
    let BeginForm { code, name, email } = form;
    let refused = match (DisplayName::new(&name), Email::new(&email)) {
        (Ok(shown), Ok(address)) => match desk.identity.begin_enrolment(code.trim(), shown, address).await {
            Ok(ceremony) => {
                let mut response = see("/enrol/factor")?;
                remember(&mut response, &ceremony);
                return Ok(response);
            }
            Err(error) => told(error)?.1,
        },
        (Err(error), _) | (_, Err(error)) => (sentence(&error), "Correct it and go on.".to_owned()),
    };
    let page = BeginPage { csrf, code, name, email, error: Some(refused) };
    html_with(http::StatusCode::UNPROCESSABLE_ENTITY, &page)
}

#[derive(Template)]
#[template(path = "enrol_factor.html")]
struct FactorPage {
    csrf: String,
    name: String,
    email: String,
    role: &'static str,
    totp: Option<Shown>,
    error: Option<(String, String)>,
}

/// What the app is shown.
struct Shown {
    letters: String,
    qr: String,
}

impl FactorPage {
    fn of(enrolment: &Enrolment, csrf: String, error: Option<(String, String)>) -> Self {
        let totp = enrolment
            .totp
            .as_ref()
            .map(|setup| Shown { letters: grouped(setup.letters.expose()), qr: fitted(setup.qr.expose()) });
        let (name, email) = (enrolment.name.as_str().to_owned(), enrolment.email.as_str().to_owned());
        Self { csrf, name, email, role: enrolment.grant.role.display(), totp, error }
    }
}

/// The image without a size of its own, so that it takes the size of its box.
pub(crate) fn fitted(svg: &str) -> String {
    match svg.find(" width=\"").zip(svg.find(" viewBox=\"")) {
        Some((width, view)) if width < view => {
            let (before, after) = (svg.get(..width).unwrap_or_default(), svg.get(view..).unwrap_or_default());
            format!("{before}{after}")
        }
        _ => svg.to_owned(),
    }
}

/// Letters in groups of four, to be typed.
pub(crate) fn grouped(letters: &str) -> String {
    let letters: Vec<char> = letters.chars().collect();
    letters.chunks(4).map(String::from_iter).collect::<Vec<_>>().join(" ")
}

/// `GET /enrol/factor`
pub(crate) async fn factor(State(desk): State<Desk>, step: Doorstep, crumbs: Crumbs) -> Answer {
    let enrolment = desk.identity.enrolment(crumbs.ceremony()?).await?;
    let page = html(&FactorPage::of(&enrolment, step.csrf.clone(), None))?;
    Ok(step.onto(page))
}

/// The chosen password, twice.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordForm {
    password: String,
    again: String,
}

/// `POST /enrol/password`
pub(crate) async fn password(
    State(desk): State<Desk>,
    OwnPage { csrf }: OwnPage,
    crumbs: Crumbs,
    Form(PasswordForm { password, again }): Form<PasswordForm>,
) -> Answer {
    let ceremony = crumbs.ceremony()?;
    let refused = if password == again {
        match desk.identity.enrol_password(ceremony, Secret::new(password)).await {
            Ok(_) => return see("/enrol/factor"),
            Err(error) => told_here(error)?,
        }
    } else {
        ("The two passwords differ.".to_owned(), "Type the same one twice.".to_owned())
    };
    let enrolment = desk.identity.enrolment(ceremony).await?;
    html_with(http::StatusCode::UNPROCESSABLE_ENTITY, &FactorPage::of(&enrolment, csrf, Some(refused)))
}

/// The app's first code.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeForm {
    code: String,
}

/// `POST /enrol/code`
pub(crate) async fn code(
    State(desk): State<Desk>,
    headers: HeaderMap,
    OwnPage { csrf }: OwnPage,
    crumbs: Crumbs,
    ByDoor(via): ByDoor,
    Form(CodeForm { code }): Form<CodeForm>,
) -> Answer {
    let ceremony = crumbs.ceremony()?;
    match desk.identity.enrol_code(ceremony, &code, &via).await {
        Ok(enrolled) => {
            let response =
                greeted((&desk, &headers, &via), see("/enrol/codes")?, &enrolled.signed_in).await?;
            keep(&desk, enrolled);
            Ok(response)
        }
        Err(error) => {
            let refused = told_here(error)?;
            let enrolment = desk.identity.enrolment(ceremony).await?;
            html_with(
                http::StatusCode::UNPROCESSABLE_ENTITY,
                &FactorPage::of(&enrolment, csrf, Some(refused)),
            )
        }
    }
}

/// A refusal that leaves the ceremony where it is; one that ends it is a problem page.
fn told_here(error: IdentityError) -> Result<(String, String), Trouble> {
    match &error {
        IdentityError::Refused(Refused::Password(_) | Refused::Code | Refused::Passkey(_)) => {
            Ok(told(error)?.1)
        }
        _ => Err(error.into()),
    }
}

/// What the passkey island posts first.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeyBegin {
    #[serde(rename = "label")]
    _label: String,
}

/// `POST /enrol/passkey/start`
pub(crate) async fn passkey_start(
    State(desk): State<Desk>,
    _: OwnPage,
    crumbs: Crumbs,
    Json(_): Json<PasskeyBegin>,
) -> Answer {
    Ok(Json(desk.identity.enrol_passkey_options(crumbs.ceremony()?).await?).into_response())
}

/// What the passkey island posts in the end.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeyFinish {
    credential: Registration,
    label: DisplayName,
}

/// `POST /enrol/passkey/finish`
pub(crate) async fn passkey_finish(
    State(desk): State<Desk>,
    headers: HeaderMap,
    _: OwnPage,
    crumbs: Crumbs,
    ByDoor(via): ByDoor,
    Json(PasskeyFinish { credential, label }): Json<PasskeyFinish>,
) -> Answer {
    let enrolled = desk.identity.enrol_passkey(crumbs.ceremony()?, &credential, label, &via).await?;
    let response = Json(serde_json::json!({ "next": "/enrol/codes" })).into_response();
    let response = greeted((&desk, &headers, &via), response, &enrolled.signed_in).await?;
    keep(&desk, enrolled);
    Ok(response)
}

fn keep(desk: &Desk, Enrolled { recovery_codes, signed_in }: Enrolled) {
    desk.codes().keep(signed_in.session, recovery_codes, desk.world.now());
}

/// Recovery codes between the answer to the last step and the page that shows them: in this process's
/// memory alone, given out once, and gone after ten minutes.
#[derive(Default)]
pub(crate) struct Codes(Mutex<HashMap<SessionId, Kept>>);

/// Codes, and until when they are kept.
struct Kept {
    until: Timestamp,
    codes: Vec<Secret<String>>,
}

impl Codes {
    const LIFE: Duration = Duration::from_secs(600);

    pub(crate) fn keep(&self, session: SessionId, codes: Vec<Secret<String>>, now: Timestamp) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, kept| kept.until > now);
        kept.insert(session, Kept { until: now.after(Self::LIFE), codes });
    }

    fn take(&self, session: SessionId, now: Timestamp) -> Option<Vec<Secret<String>>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(&session).filter(|kept| kept.until > now).map(|kept| kept.codes)
    }
}

#[derive(Template)]
#[template(path = "enrol_codes.html")]
struct CodesPage {
    codes: Vec<String>,
}

/// `GET /enrol/codes`: the recovery codes, once. Without any left, the overview.
pub(crate) async fn codes(leave: Authorized<ManageOwnAccount>, State(desk): State<Desk>) -> Answer {
    let session = leave.permit().actor().staff().map(|staff| staff.session);
    let Some(codes) = session.and_then(|session| desk.codes().take(session, desk.world.now())) else {
        return see("/");
    };
    html(&CodesPage { codes: codes.iter().map(|code| code.expose().clone()).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_loses_its_size_and_nothing_else() {
        let svg = r#"<svg xmlns="x" version="1.1" width="205" height="205" viewBox="0 0 205 205"><path d="M0"/></svg>"#;
        assert_eq!(fitted(svg), r#"<svg xmlns="x" version="1.1" viewBox="0 0 205 205"><path d="M0"/></svg>"#);
        assert_eq!(fitted("<svg></svg>"), "<svg></svg>");
    }

    #[test]
    fn letters_are_typed_in_groups_of_four() {
        assert_eq!(grouped("ABCDEFGHI"), "ABCD EFGH I");
    }
}
