//! What the public doors know: who comes with which token, and what a conversation is.

use std::pin::Pin;
use std::sync::Arc;

use bots::Shelf;
use conversations::Conversations;
use conversations::token::{Holder, TokenRefused};
use doors::{Arrival, Decision, Entrance, ResourceNeed};
use guard::{Actor, Guard, Resource};
use http::HeaderMap;
use http::request::Parts;
use identity::Identity;
use identity::person::{PersonSecret, PersonSession};
use kernel::{BotName, ConversationId, Problem, ProblemKind, TenantId, World};
use ledger::Token;
use ledger::catalogue::AccessDenied;
use store::{Db, Keychain, Via};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

/// What follows an erasure. It cannot undo it, so it answers nothing; what fails is logged.
pub type Erased = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// The parts of the house that the public doors stand before.
pub struct FrontParts {
    /// The tenant of this door.
    pub tenant: TenantId,
    /// Who decides.
    pub guard: Guard,
    /// Time and ids.
    pub world: World,
    /// The memory.
    pub db: Db,
    /// The keys, for the events of refusals.
    pub keys: Keychain,
    /// The room.
    pub conversations: Conversations,
    /// Whom a site vouches for.
    pub identity: Identity,
    /// The live bots.
    pub shelf: Shelf,
    /// The bot of the page at `/`.
    pub default_bot: BotName,
    /// The origin that this door is reached by.
    pub origin: String,
    /// Turns true when the process is about to end: streams then close.
    pub ending: watch::Receiver<bool>,
    /// Somebody was erased at this door: whoever keeps the list beside the backups writes it anew.
    pub erased: Erased,
    /// The chat page, the widget and the rest of `ui/dist`.
    pub assets: fn(&str) -> Option<&'static [u8]>,
}

/// The state behind the public doors.
#[derive(Clone)]
pub struct Front {
    parts: Arc<FrontParts>,
    /// The open WebSockets.
    pub(crate) sockets: TaskTracker,
}

impl std::fmt::Debug for Front {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Front")
    }
}

impl Front {
    /// The state from its parts.
    pub fn new(parts: FrontParts) -> Self {
        Self { parts: Arc::new(parts), sockets: TaskTracker::new() }
    }

    /// The open WebSockets have said goodbye when this returns. Called once the process is about to end: they
    /// close themselves then, and their peers are to hear why.
    pub async fn settle(&self) {
        self.sockets.close();
        self.sockets.wait().await;
    }

    /// Who is signed in in this browser. A cookie that opens nothing is as good as none.
    pub(crate) async fn person(&self, headers: &HeaderMap) -> Result<Option<PersonSession>, Problem> {
        let Some(secret) = PersonSecret::of_request(headers) else { return Ok(None) };
        Ok(self.identity.person(&secret).await.map_err(|error| Problem::from(&error))?.ok())
    }

    /// Refuses a token whose session has ended.
    pub(crate) async fn still(&self, holder: &Holder) -> Result<(), Problem> {
        let Some(session) = holder.session else { return Ok(()) };
        let held = self.identity.person_holds(holder.visitor.subject, session).await;
        held.map_err(|error| Problem::from(&error))?.map(drop).map_err(|_| {
            Problem::new(
                ProblemKind::Unauthenticated,
                "The sign-in that this conversation token belongs to has ended.",
                "Sign in again, then exchange the token at `POST /chat/v1/conversations/{id}/token`.",
            )
        })
    }
}

impl std::ops::Deref for Front {
    type Target = FrontParts;

    fn deref(&self) -> &FrontParts {
        &self.parts
    }
}

/// The conversation token of a request, if it brings one.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// The words for a token that is not good.
pub(crate) fn token_problem(refused: &TokenRefused) -> Problem {
    match refused {
        TokenRefused::Expired { .. } => Problem::new(
            ProblemKind::Unauthenticated,
            "The conversation token has expired.",
            "Exchange it at `POST /chat/v1/conversations/{id}/token`, or open a new conversation.",
        ),
        TokenRefused::False => Problem::new(
            ProblemKind::Unauthenticated,
            "The conversation token is not valid.",
            "Open a new conversation and send its token as `authorization: Bearer TOKEN`.",
        ),
        TokenRefused::Key => Problem::new(
            ProblemKind::Unavailable,
            "Conversation tokens cannot be checked right now.",
            "Try again in a few seconds.",
        ),
    }
}

impl Entrance for Front {
    fn guard(&self) -> &Guard {
        &self.guard
    }

    fn world(&self) -> &World {
        &self.world
    }

    async fn arrival(&self, parts: &Parts) -> Result<Arrival, Problem> {
        let Some(token) = bearer(&parts.headers) else {
            return match parts.headers.contains_key(http::header::AUTHORIZATION) {
                true => Err(token_problem(&TokenRefused::False)),
                false => Err(Problem::new(
                    ProblemKind::Unauthenticated,
                    "This needs a conversation token.",
                    "Open a conversation and send its token as `authorization: Bearer TOKEN`.",
                )),
            };
        };
        match self.conversations.holder(self.tenant, token).await.map_err(|error| Problem::from(&error))? {
            Ok(holder) => {
                self.still(&holder).await?;
                Ok(Arrival::by_token(holder.visitor.into()))
            }
            Err(refused) => Err(token_problem(&refused)),
        }
    }

    async fn resource(&self, need: &ResourceNeed, actor: &Actor) -> Result<Resource, Problem> {
        let (tenant, id): (_, ConversationId) = (actor.tenant(), need.parse("id")?);
        let found = self.db.read(move |tx| store::conversations::facts(tx, tenant, id)).await;
        let facts = found.map_err(|error| Problem::from(&conversations::ConversationError::from(error)))?;
        facts.map(|facts| facts.resource()).ok_or_else(|| {
            Problem::new(ProblemKind::NotFound, "There is no such conversation.", "Open a new conversation.")
        })
    }

    async fn record(&self, decision: &Decision<'_>) -> Result<(), Problem> {
        // What a visitor may do is recorded by the act itself; here only what they may not.
        let Err(denied) = decision.outcome else { return Ok(()) };
        let event = AccessDenied {
            action: decision.act.name(),
            resource: Token::lossy(decision.resource.kind().name()),
            rule: Token::lossy(denied.rule()),
        };
        let via = Via { request: Some(decision.request), source: None, device: None };
        let written = async {
            let entry = self.keys.scribe(self.tenant).await?.write(&event, decision.actor, &via)?;
            self.db.write(move |tx| entry.append(tx)).await?;
            Ok::<_, conversations::ConversationError>(())
        };
        written.await.map_err(|error| Problem::from(&error))
    }
}
