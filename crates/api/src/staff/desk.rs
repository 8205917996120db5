//! What the staff API knows: which program comes with which key, and what the things are that it asks for.

use std::sync::Arc;

use conversations::{ConversationError, Conversations};
use doors::{Arrival, Decision, Entrance, ResourceNeed};
use guard::{Act, Actor, Guard, Program, Resource, Scope};
use http::header::AUTHORIZATION;
use http::request::Parts;
use identity::Identity;
use identity::api_keys::KeyRefused;
use kernel::{BotName, ConversationId, Problem, ProblemKind, TenantId, World};
use ledger::Token;
use ledger::catalogue::AccessDenied;
use store::{Db, Keychain, StoreError, Via};

use crate::front::bearer;
use crate::via::way;

/// The parts of the house that the staff API stands before.
#[derive(Debug)]
pub struct StaffParts {
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
    /// Whose key it is.
    pub identity: Identity,
    /// What was said.
    pub conversations: Conversations,
}

/// The state behind the staff API. Clones share it.
#[derive(Debug, Clone)]
pub struct StaffApi(Arc<StaffParts>);

impl StaffApi {
    /// The state from its parts.
    pub fn new(parts: StaffParts) -> Self {
        Self(Arc::new(parts))
    }

    async fn conversation(&self, need: &ResourceNeed) -> Result<Resource, Problem> {
        let (tenant, id): (_, ConversationId) = (self.tenant, need.parse("id")?);
        let found = self.db.read(move |tx| store::conversations::facts(tx, tenant, id)).await;
        found.map_err(of_store)?.map(|facts| facts.resource()).ok_or_else(|| {
            Problem::new(ProblemKind::NotFound, "There is no such conversation.", "Check its id.")
        })
    }
}

impl std::ops::Deref for StaffApi {
    type Target = StaffParts;

    fn deref(&self) -> &StaffParts {
        &self.0
    }
}

impl Entrance for StaffApi {
    fn guard(&self) -> &Guard {
        &self.guard
    }

    fn world(&self) -> &World {
        &self.world
    }

    async fn arrival(&self, parts: &Parts) -> Result<Arrival, Problem> {
        if !parts.headers.contains_key(AUTHORIZATION) {
            return Ok(Arrival::unknown(self.tenant));
        }
        let text = bearer(&parts.headers).ok_or_else(|| refused(KeyRefused::Unknown))?;
        let program = self.identity.program(text, &way(parts)).await.map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "an API key could not be looked at");
            Problem::from(&error)
        })?;
        Ok(Arrival::by_token(program.map_err(refused)?.into()))
    }

    async fn resource(&self, need: &ResourceNeed, actor: &Actor) -> Result<Resource, Problem> {
        let tenant = self.tenant;
        match need.act() {
            Act::ReadTranscript | Act::ReplyToConversation => self.conversation(need).await,
            Act::ListConversations if need.path("id").is_some() => self.conversation(need).await,
            Act::ListConversations | Act::ReadBots => {
                let bot = match need.bot_of_query()? {
                    Some(bot) => Some(bot),
                    None => only_bot(actor),
                };
                Ok(bot.map_or(Resource::Tenant(tenant), |bot| Resource::Bot { tenant, bot }))
            }
            _ => Ok(Resource::Tenant(tenant)),
        }
    }

    async fn record(&self, decision: &Decision<'_>) -> Result<(), Problem> {
        // What a program may do is recorded by the act itself; here only what it may not.
        let Err(denied) = decision.outcome else { return Ok(()) };
        let event = AccessDenied {
            action: decision.act.name(),
            resource: Token::lossy(decision.resource.kind().name()),
            rule: Token::lossy(denied.rule()),
        };
        let via = Via { request: Some(decision.request), source: None, device: None };
        let written = async {
            let scribe = self.keys.scribe(self.tenant).await?;
            let entry = scribe.write(&event, decision.actor, &via).map_err(StoreError::refuse)?;
            self.db.write(move |tx| entry.append(tx)).await
        };
        written.await.map_err(of_store)
    }
}

/// The bot that a key, or the account that it belongs to, is confined to: its lists are lists of it.
fn only_bot(actor: &Actor) -> Option<BotName> {
    let Actor::ApiKey(Program { scope, grants, .. }) = actor else { return None };
    if let Scope::Bot(bot) = scope {
        return Some(bot.clone());
    }
    let mut scopes = grants.iter().map(|grant| &grant.scope);
    match scopes.next()? {
        Scope::Bot(bot) if scopes.all(|other| matches!(other, Scope::Bot(other) if other == bot)) => {
            Some(bot.clone())
        }
        _ => None,
    }
}

/// One answer for every key that opens nothing, but for one that is shown from elsewhere: whoever holds it
/// has to be able to mend that.
fn refused(why: KeyRefused) -> Problem {
    match why {
        KeyRefused::Source => Problem::new(
            ProblemKind::Unauthenticated,
            "The API key may not be used from this address.",
            "Send the request from one of the key's addresses, or make a key for this one.",
        ),
        _ => Problem::new(
            ProblemKind::Unauthenticated,
            "The API key opens nothing: it is not one of this house, or it has ended.",
            "Send a key that lives as `authorization: Bearer wrk1_..`. Keys are made on the console under API keys.",
        ),
    }
}

/// The words for a failure of the memory.
pub(super) fn of_store(error: StoreError) -> Problem {
    Problem::from(&ConversationError::from(error))
}
