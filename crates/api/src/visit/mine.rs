//! What somebody who is signed in sees and does of their own, from the page `/mine`: where they are signed
//! in, all their conversations, a copy, the end of it. The proof is the cookie of their session, and for
//! whatever changes something the token that our own page was told.

use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use conversations::Belongings;
use doors::csrf;
use doors::{Entrance, Json, Path, Refusal};
use guard::action::{EraseOwnData, ReadOwnData};
use guard::{Action, Actor, Circumstances, Permit, Visitor};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use identity::person::{PersonSecret, PersonSession};
use kernel::{Problem, ProblemKind, SessionId};
use serde_json::json;

use super::sso::with;
use crate::Front;
use crate::person::{Everything, Wish, destroy, facts, file_of};
use crate::via::ByDoor;

/// Somebody who is signed in and asks from our own page.
pub(crate) struct Signed {
    person: PersonSession,
}

impl FromRequestParts<Front> for Signed {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, front: &Front) -> Result<Self, Refusal> {
        let nobody = || {
            let mend = "Sign in from the page of the bot that you chat with.";
            Problem::new(ProblemKind::Unauthenticated, "Nobody is signed in here.", mend)
        };
        let secret = PersonSecret::of_request(&parts.headers).ok_or_else(nobody)?;
        csrf::check(parts, &secret.csrf())?;
        let held = front.identity.person(&secret).await.map_err(|error| Problem::from(&error))?;
        Ok(Self { person: held.map_err(|_| nobody())? })
    }
}

impl Front {
    /// The leave of a person to do something to what is theirs; `None` when they have no conversation.
    async fn leave<A: Action>(&self, person: &PersonSession) -> Result<Option<Permit<A>>, Problem> {
        let (tenant, subject) = (person.tenant, person.subject);
        let found = self.db.read(move |tx| store::conversations::latest_of(tx, tenant, subject)).await;
        let found = found.map_err(|error| Problem::from(&conversations::ConversationError::from(error)))?;
        let Some(row) = found else { return Ok(None) };
        let actor = Actor::Visitor(Visitor { tenant, subject, conversation: row.id });
        let now = Circumstances::at(self.world().now());
        let leave = self.guard().permit::<A>(&actor, &row.resource(), &now);
        leave.map(Some).map_err(|denied| {
            let detail = format!("Refused by the rule `{}`: {}.", denied.rule(), denied.reason());
            Problem::new(ProblemKind::Forbidden, detail, denied.remedy().to_owned())
        })
    }
}

/// `GET /mine/signed-in`: 204 when nobody is.
pub(crate) async fn signed_in(State(front): State<Front>, headers: HeaderMap) -> Result<Response, Refusal> {
    let (Some(secret), Some(person)) = (PersonSecret::of_request(&headers), front.person(&headers).await?)
    else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let csrf = secret.csrf();
    let failed = |error: &identity::IdentityError| Problem::from(error);
    let sessions = front.identity.person_sessions(&person).await.map_err(|error| failed(&error))?;
    let provider = front.identity.person_provider(&person).await.map_err(|error| failed(&error))?;
    let own = match front.leave::<ReadOwnData>(&person).await? {
        Some(leave) => front.conversations.own(leave).await.map_err(|error| Problem::from(&error))?,
        None => Belongings::default(),
    };
    let session = |row: &PersonSession| {
        json!({
            "id": row.id, "began_at": row.created.rfc3339(), "seen_at": row.last_seen.rfc3339(),
            "ends_at": row.absolute.rfc3339(), "here": row.id == person.id,
        })
    };
    Ok(Json(json!({
        "provider": provider,
        "csrf": csrf.expose(),
        "sessions": sessions.iter().map(session).collect::<Vec<_>>(),
        "conversations": own.latest.iter().map(facts).collect::<Vec<_>>(),
        "total": own.conversations,
    }))
    .into_response())
}

/// `GET /mine/export`
pub(crate) async fn export(
    State(front): State<Front>,
    ByDoor(via): ByDoor,
    Signed { person }: Signed,
) -> Result<Response, Refusal> {
    match front.leave::<ReadOwnData>(&person).await? {
        Some(leave) => file_of(&front, leave, &via).await,
        None => Err(Problem::new(
            ProblemKind::NotFound,
            "There is no conversation of yours.",
            "Nothing is kept of you but that you signed in.",
        )
        .into()),
    }
}

/// `POST /mine/erase`
pub(crate) async fn erase(
    State(front): State<Front>,
    ByDoor(via): ByDoor,
    Signed { person }: Signed,
    Json(Wish { erase: Everything::EverythingOfMine }): Json<Wish>,
) -> Result<Response, Refusal> {
    let erased = match front.leave::<EraseOwnData>(&person).await? {
        Some(leave) => destroy(&front, leave, &via).await?,
        None => {
            let forgotten = front.identity.forget_person(&person, &via).await;
            forgotten.map_err(|error| Problem::from(&error))?;
            Json(json!({ "erased": true, "keys": 0 }))
        }
    };
    Ok(with(erased.into_response(), [PersonSecret::clear()]))
}

/// `POST /mine/sign-out`: here, and the address to go to so that it happens at the provider too.
pub(crate) async fn sign_out(
    State(front): State<Front>,
    ByDoor(via): ByDoor,
    Signed { person }: Signed,
) -> Result<Response, Refusal> {
    let there = front.identity.person_farewell(&person).await.map_err(|error| Problem::from(&error))?;
    let ended = front.identity.end_person_session(&person, person.id, &via).await;
    ended.map_err(|error| Problem::from(&error))?;
    let there = there.map(|there| there.0.expose().clone());
    Ok(with(Json(json!({ "there": there })).into_response(), [PersonSecret::clear()]))
}

/// `POST /mine/sessions/{session}/end`
pub(crate) async fn end(
    State(front): State<Front>,
    Path(session): Path<SessionId>,
    ByDoor(via): ByDoor,
    Signed { person }: Signed,
) -> Result<Response, Refusal> {
    let ended = front.identity.end_person_session(&person, session, &via).await;
    if !ended.map_err(|error| Problem::from(&error))? {
        let detail = "There is no such session of yours, or it has ended.";
        return Err(Problem::new(ProblemKind::NotFound, detail, "Reload the page.").into());
    }
    let cookie = if session == person.id { PersonSecret::clear() } else { None };
    Ok(with(Json(json!({ "ended": 1 })).into_response(), [cookie]))
}

/// `POST /mine/sessions/end`: all, this one too.
pub(crate) async fn end_all(
    State(front): State<Front>,
    ByDoor(via): ByDoor,
    Signed { person }: Signed,
) -> Result<Response, Refusal> {
    let ended = front.identity.end_person_sessions(&person, &via).await;
    let ended = ended.map_err(|error| Problem::from(&error))?;
    Ok(with(Json(json!({ "ended": ended })).into_response(), [PersonSecret::clear()]))
}
