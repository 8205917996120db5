//! Where people are signed in now, and ending it.

use askama::Template;
use axum::extract::State;
use doors::{Authorized, Form, Path, Query};
use guard::action::{DisableUser, ReadUsers};
use guard::{Act, Resource};
use kernel::{SessionId, UserId};
use serde::Deserialize;

use crate::Desk;
use crate::audit::Nothing;
use crate::page::{Shell, When, html, may_to, see, shell};
use crate::trouble::{Answer, nothing};
use crate::via::ByDoor;

/// What a page was reached by.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "sessions.html")]
struct List {
    shell: Shell,
    rows: Vec<Row>,
}

struct Row {
    id: String,
    user: String,
    name: String,
    began: When,
    seen: When,
    ends: When,
    level: u8,
    this: bool,
    ends_it: bool,
}

/// `GET /sessions`
pub(crate) async fn list(
    leave: Authorized<ReadUsers>,
    State(desk): State<Desk>,
    Query(wanted): Query<Wanted>,
) -> Answer {
    let shell = shell(&desk, &leave, "Sessions", "/sessions").await?.after(wanted.done.as_deref());
    let permit = leave.into_permit();
    let actor = permit.actor().clone();
    let mine = actor.staff().map(|staff| staff.session);
    let rows = desk.identity.all_sessions(permit).await?.into_iter().map(|sitting| {
        let session = sitting.session;
        let account = Resource::Account { tenant: desk.tenant, user: session.user };
        Row {
            id: session.id.to_string(),
            user: session.user.to_string(),
            name: sitting.name.as_str().to_owned(),
            began: When(session.created),
            seen: When(session.last_seen),
            ends: When(session.absolute),
            level: session.assurance,
            this: Some(session.id) == mine,
            ends_it: may_to(&desk, &actor, Act::DisableUser, &account),
        }
    });
    let rows = rows.collect();
    html(&List { shell, rows })
}

/// `POST /users/{id}/sessions/{session}/end`
pub(crate) async fn end(
    leave: Authorized<DisableUser>,
    State(desk): State<Desk>,
    Path((_, session)): Path<(UserId, SessionId)>,
    ByDoor(via): ByDoor,
    Form(Nothing {}): Form<Nothing>,
) -> Answer {
    if !desk.identity.end_session_of(leave.into_permit(), session, &via).await? {
        return Err(nothing().into());
    }
    see("/sessions?done=ended")
}
