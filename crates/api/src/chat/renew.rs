//! `POST /chat/v1/conversations/{id}/token`: a new token for an old one. A page that slept over the
//! token's half hour finds its conversation again, for twelve hours; after that it opens a new one.

use std::time::Duration;

use axum::extract::State;
use conversations::token::TokenRefused;
use doors::{Entrance, Json, Path, Refusal};
use guard::action::ReadOwnConversation;
use guard::{Actor, Circumstances};
use http::{HeaderMap, Request};
use kernel::{ConversationId, Problem, ProblemKind};

use super::open::Pass;
use crate::Front;
use crate::front::{bearer, token_problem};

/// How long after its end a token can be exchanged.
const GRACE: Duration = Duration::from_secs(12 * 60 * 60);

/// Exchanges it.
pub(crate) async fn renew(
    State(front): State<Front>,
    Path(id): Path<ConversationId>,
    request: Request<axum::body::Body>,
) -> Result<(HeaderMap, Json<Pass>), Refusal> {
    let (parts, _) = request.into_parts();
    let token = bearer(&parts).ok_or_else(|| token_problem(&TokenRefused::False))?;
    let now = front.world().now();
    let checked =
        front.conversations.visitor(front.tenant, token).await.map_err(|error| Problem::from(&error))?;
    let visitor = match checked {
        Ok(visitor) => visitor,
        Err(TokenRefused::Expired { visitor, at }) if now < at.after(GRACE) => visitor,
        Err(refused) => return Err(token_problem(&refused).into()),
    };
    let nothing =
        || Problem::new(ProblemKind::NotFound, "There is no such conversation.", "Open a new conversation.");
    let (tenant, conversation) = (front.tenant, id);
    let found = front.db.read(move |tx| store::conversations::facts(tx, tenant, conversation)).await;
    let facts = found.map_err(|error| Problem::from(&conversations::ConversationError::from(error)))?;
    let resource = facts.ok_or_else(nothing)?.resource();
    let actor = Actor::Visitor(visitor);
    // Whether the token is this conversation's is the guard's to say.
    let leave = front.guard().permit::<ReadOwnConversation>(&actor, &resource, &Circumstances::at(now));
    leave.map_err(|_| nothing())?;
    let token = front.conversations.token(&visitor).await.map_err(|error| Problem::from(&error))?;
    let issued = doors::issued(&actor, resource.bot(), token.expose());
    Ok((issued, Json(Pass::new(visitor.conversation, &token))))
}
