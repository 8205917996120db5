//! One's own account: what one signs in with, and where one is signed in.

use askama::Template;
use axum::extract::State;
use doors::cookie::SessionSecret;
use doors::{Authorized, Form, Path, Query};
use guard::Permit;
use guard::action::ManageOwnAccount;
use http::HeaderMap;
use identity::Factors;
use kernel::SessionId;
use serde::Deserialize;
use store::credentials;

use crate::Desk;
use crate::audit::Nothing;
use crate::doorstep::farewell;
use crate::notices::Line;
use crate::page::{Shell, When, html, see, shell};
use crate::sign_in::end;
use crate::trouble::{Answer, Trouble, nothing};
use crate::users::{factors, in_words};
use crate::via::ByDoor;

/// What the page was reached by.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "account.html")]
struct Account {
    shell: Shell,
    name: String,
    email: String,
    roles: Vec<String>,
    factors: String,
    sessions: Vec<Row>,
    notices: Vec<Line>,
}

struct Row {
    id: String,
    began: When,
    seen: When,
    ends: When,
    this: bool,
}

/// `GET /account`
pub(crate) async fn page(
    leave: Authorized<ManageOwnAccount>,
    State(desk): State<Desk>,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Answer {
    let shell = shell(&desk, &leave, "Your account", "/account").await?.after(wanted.done.as_deref());
    let secret = SessionSecret::of_request(&headers).ok_or_else(nothing)?;
    let signed = desk.identity.session(&secret).await?.map_err(|_| nothing())?;
    let who = desk.identity.who(&signed).await?;
    let factors = factors(&own_factors(&desk, leave.permit()).await?);
    let notices = desk.identity.notices(leave.permit()).await?.told.iter().map(Line::of).collect();
    let sessions = desk.identity.sessions(leave.into_permit()).await?;
    let rows = sessions.into_iter().map(|session| Row {
        id: session.id.to_string(),
        began: When(session.created),
        seen: When(session.last_seen),
        ends: When(session.absolute),
        this: session.id == signed.session.id,
    });
    let sessions = rows.collect();
    let (name, email) = (who.name.as_str().to_owned(), who.email.as_str().to_owned());
    let roles = signed.actor.grants.iter().map(in_words).collect();
    html(&Account { shell, name, email, roles, factors, sessions, notices })
}

/// How many factors of each kind the permit's account has.
async fn own_factors(desk: &Desk, permit: &Permit<ManageOwnAccount>) -> Result<Factors, Trouble> {
    let (tenant, user) = (permit.tenant(), permit.resource().account().ok_or_else(nothing)?);
    let counted = desk.db.read(move |tx| {
        Ok(Factors {
            totp: credentials::totp(tx, tenant, user)?.is_some_and(|totp| totp.confirmed.is_some()),
            passkeys: credentials::passkeys(tx, tenant, user)?.len(),
            recovery_codes: credentials::recovery_codes_left(tx, tenant, user)?,
        })
    });
    Ok(counted.await?)
}

/// `POST /account/sessions/{session}/end`
pub(crate) async fn end_one(
    leave: Authorized<ManageOwnAccount>,
    State(desk): State<Desk>,
    Path(session): Path<SessionId>,
    ByDoor(via): ByDoor,
    Form(Nothing {}): Form<Nothing>,
) -> Answer {
    if !desk.identity.end_session(leave.into_permit(), session, &via).await? {
        return Err(nothing().into());
    }
    see("/account?done=ended")
}

/// `POST /account/sessions/end`: signs out everywhere, here too.
pub(crate) async fn end_all(
    leave: Authorized<ManageOwnAccount>,
    State(desk): State<Desk>,
    headers: HeaderMap,
    ByDoor(via): ByDoor,
    Form(Nothing {}): Form<Nothing>,
) -> Answer {
    desk.identity.end_other_sessions(leave.into_permit(), &via).await?;
    end(&desk, &headers, &via).await?;
    let mut response = see("/sign-in")?;
    farewell(&mut response);
    Ok(response)
}
