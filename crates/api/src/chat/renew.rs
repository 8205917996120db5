//! `POST /chat/v1/conversations/{id}/token`: a new token for an old one. A page that slept over the
//! token's half hour finds its conversation again, for twelve hours; after that it opens a new one. Whoever
//! is signed in needs no old token: the conversation is theirs, and so is the new one.

use std::time::Duration;

use axum::extract::State;
use conversations::token::{Holder, TokenRefused};
use doors::{Entrance, Json, Path, Refusal};
use guard::action::ReadOwnConversation;
use guard::{Actor, Circumstances, Visitor};
use http::{HeaderMap, Request};
use kernel::{ConversationId, Problem, ProblemKind};

use super::open::Pass;
use crate::front::{bearer, token_problem};
use crate::{Front, visit};

/// How long after its end a token can be exchanged.
const GRACE: Duration = Duration::from_secs(12 * 60 * 60);

/// Exchanges it.
pub(crate) async fn renew(
    State(front): State<Front>,
    Path(id): Path<ConversationId>,
    request: Request<axum::body::Body>,
) -> Result<(HeaderMap, Json<Pass>), Refusal> {
    let (parts, _) = request.into_parts();
    let (tenant, conversation, now) = (front.tenant, id, front.world().now());
    let found = front.db.read(move |tx| store::conversations::facts(tx, tenant, conversation)).await;
    let facts = found.map_err(|error| Problem::from(&conversations::ConversationError::from(error)))?;
    let signed_in = match front.asked_by_own_page(&parts.headers) {
        true => front.person(&parts.headers).await?,
        false => None,
    };
    let somebody = signed_in.is_some();
    let theirs = signed_in.filter(|person| facts.as_ref().is_some_and(|row| row.subject == person.subject));
    let holder = match theirs {
        Some(person) => {
            let visitor = Visitor { tenant, subject: person.subject, conversation };
            Holder { visitor, session: Some(person.id) }
        }
        None => {
            let token = bearer(&parts.headers).ok_or_else(|| token_problem(&TokenRefused::False))?;
            let checked = front.conversations.holder(tenant, token).await;
            let holder = match checked.map_err(|error| Problem::from(&error))? {
                Ok(holder) => holder,
                Err(TokenRefused::Expired { holder, at }) if now < at.after(GRACE) => holder,
                Err(refused) => return Err(token_problem(&refused).into()),
            };
            front.still(&holder).await.map_err(|problem| match &facts {
                // Whoever holds the token may know where its bot's people sign in; somebody who has, as
                // another person, need not do it again: their page begins anew.
                Some(row) if !somebody && row.id == holder.visitor.conversation => {
                    problem.sign_in_at(visit::page_of(&front, &row.bot))
                }
                _ => problem,
            })?;
            holder
        }
    };
    let nothing =
        || Problem::new(ProblemKind::NotFound, "There is no such conversation.", "Open a new conversation.");
    let resource = facts.ok_or_else(nothing)?.resource();
    let actor = Actor::Visitor(holder.visitor);
    // Whether the token is this conversation's is the guard's to say.
    let leave = front.guard().permit::<ReadOwnConversation>(&actor, &resource, &Circumstances::at(now));
    leave.map_err(|_| nothing())?;
    let token = front.conversations.token(&holder).await.map_err(|error| Problem::from(&error))?;
    let issued = doors::issued(&actor, resource.bot(), token.expose());
    Ok((issued, Json(Pass::new(holder.visitor.conversation, &token))))
}
