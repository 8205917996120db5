//! The extractor that stands first in every guarded handler.

use axum::extract::{FromRequestParts, RawPathParams};
use guard::{Action, Actor, Denied, Permit};
use http::request::Parts;
use kernel::{Problem, ProblemKind, RequestId};

use crate::csrf::{self, Token};
use crate::entrance::{Arrival, Decision, Entrance, ResourceNeed};
use crate::refusal::{Refusal, nothing_here};
use crate::standing::Word;

/// Proof, in a handler's signature, that whoever asks may do `A` to what the path names.
#[derive(Debug)]
pub struct Authorized<A: Action> {
    permit: Permit<A>,
    csrf: Option<Token>,
    request: RequestId,
}

impl<A: Action> Authorized<A> {
    /// The permit, to be handed to the room.
    pub fn permit(&self) -> &Permit<A> {
        &self.permit
    }

    /// The permit itself, for work that outlives the handler.
    pub fn into_permit(self) -> Permit<A> {
        self.permit
    }

    /// The token to put into the forms of this page; none when the actor did not come by cookie.
    pub fn csrf(&self) -> Option<&Token> {
        self.csrf.as_ref()
    }

    /// The id of this request.
    pub fn request(&self) -> RequestId {
        self.request
    }
}

impl<A: Action, S: Entrance> FromRequestParts<S> for Authorized<A> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, house: &S) -> Result<Self, Refusal> {
        let Arrival { actor, csrf } = house.arrival(parts).await?;
        if let Some(token) = &csrf {
            csrf::check(parts, token)?;
        }
        // Before anything is looked up, so that a stranger's 401 does not tell what exists.
        if matches!(actor, Actor::Anonymous { .. }) && !A::ACT.is_for_strangers() {
            return Err(sign_in().into());
        }
        let request = match parts.extensions.get::<RequestId>() {
            Some(id) => *id,
            None => house.world().id(),
        };
        let need = ResourceNeed::new(A::ACT, path_params(parts, house).await?, parts.uri.query());
        let resource = house.resource(&need, &actor).await.map_err(as_if_nowhere)?;
        let circumstances = house.circumstances(parts)?;
        let answer = house.guard().permit::<A>(&actor, &resource, &circumstances);
        let outcome = answer.as_ref().map(Permit::rule);
        let reason = circumstances.reason();
        let decision = Decision { act: A::ACT, actor: &actor, resource: &resource, request, reason, outcome };
        house.record(&decision).await?;
        match answer {
            Ok(permit) => {
                if let Some(word) = parts.extensions.get::<Word>() {
                    word.leave(&actor, resource.bot());
                }
                Ok(Self { permit, csrf, request })
            }
            Err(denied) => Err(refused(&actor, &denied).into()),
        }
    }
}

async fn path_params<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<Vec<(String, String)>, Problem> {
    let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| nothing_here())?;
    Ok(params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

fn sign_in() -> Problem {
    Problem::new(
        ProblemKind::Unauthenticated,
        "Nobody is signed in here.",
        "Sign in, or send a valid token as `authorization: Bearer TOKEN`.",
    )
}

/// Whatever a room says about a thing that is not there, it must read like a thing that may not be seen.
fn as_if_nowhere(problem: Problem) -> Problem {
    if problem.kind() == ProblemKind::NotFound { nothing_here() } else { problem }
}

fn refused(actor: &Actor, denied: &Denied) -> Problem {
    if matches!(actor, Actor::Anonymous { .. }) {
        sign_in()
    } else if denied.visible() {
        let detail = format!("Refused by the rule `{}`: {}.", denied.rule(), denied.reason());
        Problem::new(ProblemKind::Forbidden, detail, denied.remedy().to_owned())
    } else {
        nothing_here()
    }
}
