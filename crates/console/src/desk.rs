//! What the staff doors know: who comes with which session, and what the things are that they ask for.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bots::{Shelf, ShelfError};
use conversations::Conversations;
use custody::Custody;
use doors::cookie::SessionSecret;
use doors::{Arrival, Decision, Entrance, ResourceNeed};
use guard::action::ActivateRelease;
use guard::{Act, Actor, Guard, Permit, Resource, Role, Scope};
use http::request::Parts;
use identity::Identity;
use kernel::{
    BotName, ConversationId, Email, Problem, ReleaseId, Secret, TenantId, TicketId, Timestamp, UserId, World,
};
use ledger::catalogue::AccessDenied;
use ledger::{Token, VerifierKey};
use rulebook::Rulebook;
use store::{Db, Keychain, StoreError, Via};
use tokio::sync::watch;
use wire::turn::EngineService;

use crate::enrol::Codes;
use crate::factors;
use crate::page::may_to;
use crate::trouble::{Trouble, nothing, of_store};

/// The parts of the house that the staff doors stand before.
pub struct DeskParts {
    /// The tenant of this door.
    pub tenant: TenantId,
    /// Who decides.
    pub guard: Guard,
    /// Time and ids.
    pub world: World,
    /// The memory.
    pub db: Db,
    /// The keys, for events, reasons and tickets.
    pub keys: Keychain,
    /// The life of the keys.
    pub custody: Custody,
    /// The policies as they change.
    pub rulebook: Rulebook,
    /// Who is who.
    pub identity: Identity,
    /// What was said.
    pub conversations: Conversations,
    /// The live bots.
    pub shelf: Shelf,
    /// Puts a release live, in the database and in memory.
    pub releases: Arc<dyn Releases>,
    /// Runs the trial chat. Nothing of it is stored.
    pub engine: Arc<dyn EngineService>,
    /// The public keys of the audit log.
    pub log_keys: Vec<VerifierKey>,
    /// The origin that staff's browsers see, for the links of invitations.
    pub origin: String,
    /// Turns true when the process is about to end: streams then close.
    pub ending: watch::Receiver<bool>,
    /// The style, the script and the mark, out of `ui/dist`.
    pub assets: fn(&str) -> Option<&'static [u8]>,
    /// What protects this deployment now, beyond what the parts above can tell.
    pub posture: Arc<dyn Fn() -> Posture + Send + Sync>,
    /// The edge, to be looked into.
    pub traffic: Arc<dyn crate::TrafficDesk>,
    /// Sends the links of invitations by mail; none where no relay is named.
    pub links: Option<SendsLinks>,
}

/// The link of an invitation, for the one address that may use it.
#[derive(Debug)]
pub struct LinkLetter {
    /// To where.
    pub to: Email,
    /// The link. It is good once.
    pub link: Secret<String>,
    /// What the account may do that it makes, in words.
    pub role: String,
    /// Who invites.
    pub actor: Actor,
    /// By which way they came.
    pub via: Via,
}

/// Hands such a letter over, or tells in a sentence why it did not leave.
pub type SendsLinks = Arc<dyn Fn(LinkLetter) -> Sending + Send + Sync>;

/// The answer of [`SendsLinks`].
pub type Sending = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// Puts a release live. The console asks for it; the shelf of bots knows how.
pub trait Releases: Send + Sync {
    /// Makes the permit's release the one that answers: in the database, with its event in the same
    /// transaction, and in memory.
    fn activate(&self, permit: Permit<ActivateRelease>, via: Via) -> Activation<'_>;
}

/// The answer of [`Releases`].
pub type Activation<'a> = Pin<Box<dyn Future<Output = Result<(), ShelfError>> + Send + 'a>>;

/// What protects this deployment now.
#[derive(Debug, Clone, Default)]
pub struct Posture {
    /// How connections are protected.
    pub tls: TlsPosture,
    /// What is not yet as it should be in production.
    pub findings: Vec<Finding>,
}

/// How connections are protected.
#[derive(Debug, Clone, Default)]
pub struct TlsPosture {
    /// The versions that are spoken, for example `TLS 1.3`.
    pub versions: String,
    /// The groups for the key exchange, for example `X25519MLKEM768, X25519`.
    pub groups: String,
    /// Who signed the certificate: `local authority`, or a file's name.
    pub issuer: String,
    /// When the certificate ends, if that is known.
    pub ends: Option<Timestamp>,
}

/// Something that is not yet as it should be in production.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub what: String,
    /// How to mend it.
    pub mend: String,
}

/// The state behind the staff doors. Clones share it.
#[derive(Clone)]
pub struct Desk(Arc<Inner>);

struct Inner {
    parts: DeskParts,
    codes: Codes,
}

impl Desk {
    /// The state from its parts.
    pub fn new(parts: DeskParts) -> Self {
        Self(Arc::new(Inner { parts, codes: Codes::default() }))
    }

    /// Recovery codes that wait to be shown.
    pub(crate) fn codes(&self) -> &Codes {
        &self.0.codes
    }

    /// This process, for what anybody on the overview may know.
    pub(crate) fn core(&self) -> Actor {
        Actor::Service { name: guard::ServiceName::Core, tenant: self.tenant }
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Desk")
    }
}

impl std::ops::Deref for Desk {
    type Target = DeskParts;

    fn deref(&self) -> &DeskParts {
        &self.0.parts
    }
}

impl Entrance for Desk {
    fn guard(&self) -> &Guard {
        &self.guard
    }

    fn world(&self) -> &World {
        &self.world
    }

    async fn arrival(&self, parts: &Parts) -> Result<Arrival, Problem> {
        if crate::scim::is_ours(parts.uri.path()) {
            return crate::scim::arrival(self, parts).await;
        }
        let Some(secret) = SessionSecret::of_request(&parts.headers) else {
            return Ok(Arrival::unknown(self.tenant));
        };
        // A cookie without a session is nobody: the sign-in page gives one out before there is a session.
        match self.identity.session(&secret).await {
            Ok(Ok(signed)) if signed.password_due && !factors::mends_password(parts.uri.path()) => {
                Err(factors::password_due())
            }
            Ok(Ok(signed)) => Ok(Arrival::by_cookie(signed.actor.into(), &secret)),
            Ok(Err(_)) => Ok(Arrival::unknown(self.tenant)),
            Err(error) => Err(Problem::from(&error)),
        }
    }

    async fn resource(&self, need: &ResourceNeed, actor: &Actor) -> Result<Resource, Problem> {
        let tenant = self.tenant;
        let found = |error: StoreError| of_store(&error);
        match need.act() {
            Act::ListConversations | Act::ReadTranscript if need.path("ticket").is_some() => {
                let ticket: TicketId = need.parse("ticket")?;
                let row = self.db.read(move |tx| store::tickets::find(tx, tenant, ticket)).await;
                self.conversation_of(row.map_err(found)?.ok_or_else(nothing)?.conversation).await
            }
            Act::ReadTranscript | Act::ReplyToConversation => self.conversation(need).await,
            Act::ListConversations if need.path("id").is_some() => self.conversation(need).await,
            Act::ListConversations => Ok(match need.bot_of_query()?.or_else(|| only_bot(actor)) {
                Some(bot) => Resource::Bot { tenant, bot },
                None => Resource::Tenant(tenant),
            }),
            Act::ReadBots if need.path("name").is_none() => Ok(match only_bot(actor) {
                Some(bot) => Resource::Bot { tenant, bot },
                None => Resource::Tenant(tenant),
            }),
            Act::ReadBots | Act::TestBot => {
                let bot: BotName = need.parse("name")?;
                let name = bot.clone();
                let row =
                    self.db.read(move |tx| store::bots::find(tx, tenant, &name)).await.map_err(found)?;
                row.map(|_| Resource::Bot { tenant, bot }).ok_or_else(nothing)
            }
            Act::ActivateRelease => {
                let (bot, id): (BotName, ReleaseId) = (need.parse("name")?, need.parse("id")?);
                let row =
                    self.db.read(move |tx| store::bots::release(tx, tenant, id)).await.map_err(found)?;
                row.filter(|row| row.bot == bot).map(|row| row.resource()).ok_or_else(nothing)
            }
            Act::ReadApiKeys => {
                let all = Resource::Tenant(tenant);
                if may_to(self, actor, Act::ReadApiKeys, &all) { Ok(all) } else { own_account(tenant, actor) }
            }
            Act::RevokeApiKey => {
                let owner = self.identity.owner_of_key(need.parse("key")?).await;
                let owner = owner.map_err(|error| Problem::from(&error))?.ok_or_else(nothing)?;
                let account = Resource::Account { tenant, user: owner };
                // Or a key of a service account that they answer for, which the room looks into.
                let rules = may_to(self, actor, Act::RevokeApiKey, &account);
                if rules { Ok(account) } else { own_account(tenant, actor) }
            }
            Act::ReadAccess => {
                let all = Resource::Tenant(tenant);
                if may_to(self, actor, Act::ReadAccess, &all) { Ok(all) } else { own_account(tenant, actor) }
            }
            Act::DecideAccess => {
                let user = self.identity.subject_of_request(need.parse("request")?).await;
                let user = user.map_err(|error| Problem::from(&error))?.ok_or_else(nothing)?;
                Ok(Resource::Account { tenant, user })
            }
            Act::ReviewBreakGlass => {
                let user = self.identity.subject_of_glass(need.parse("session")?).await;
                let user = user.map_err(|error| Problem::from(&error))?.ok_or_else(nothing)?;
                Ok(Resource::Account { tenant, user })
            }
            Act::RequestAccess | Act::MakeApiKey | Act::ManageOwnAccount | Act::ChangeOwnFactors => {
                own_account(tenant, actor)
            }
            Act::ReadUsers if need.path("id").is_none() => Ok(Resource::Tenant(tenant)),
            Act::LiftHold => {
                let found = self.holds().resource(tenant, need.parse("hold")?).await.map_err(found)?;
                found.ok_or_else(nothing)
            }
            Act::ReadUsers
            | Act::DisableUser
            | Act::EnableUser
            | Act::GrantRole
            | Act::RevokeRole
            | Act::ResetFactors => {
                let user: UserId = need.parse("id")?;
                let row =
                    self.db.read(move |tx| store::users::find(tx, tenant, user)).await.map_err(found)?;
                row.map(|_| Resource::Account { tenant, user }).ok_or_else(nothing)
            }
            _ => Ok(Resource::Tenant(tenant)),
        }
    }

    async fn record(&self, decision: &Decision<'_>) -> Result<(), Problem> {
        let moment = (self.world.now(), decision.reason.is_some());
        self.rulebook.note(decision.act, decision.actor, decision.resource, moment, decision.outcome);
        // What somebody may do is recorded by the act itself; here only what they may not.
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
        written.await.map_err(|error| of_store(&error))
    }
}

impl DeskParts {
    async fn conversation(&self, need: &ResourceNeed) -> Result<Resource, Problem> {
        self.conversation_of(need.parse("id")?).await
    }

    async fn conversation_of(&self, id: ConversationId) -> Result<Resource, Problem> {
        let tenant = self.tenant;
        let row = self.db.read(move |tx| store::conversations::facts(tx, tenant, id)).await;
        let row = row.map_err(|error| of_store(&error))?;
        row.map(|row| row.resource()).ok_or_else(nothing)
    }
}

fn own_account(tenant: TenantId, actor: &Actor) -> Result<Resource, Problem> {
    let user = actor.account().ok_or_else(nothing)?;
    Ok(Resource::Account { tenant, user })
}

/// The bot that somebody's grants are confined to, when they are confined to one: their lists are lists
/// of it.
fn only_bot(actor: &Actor) -> Option<BotName> {
    let scopes: Vec<&Scope> = actor.staff()?.grants.iter().map(|grant| &grant.scope).collect();
    match scopes.split_first()? {
        (Scope::Bot(bot), rest)
            if rest.iter().all(|scope| matches!(scope, Scope::Bot(other) if other == bot)) =>
        {
            Some(bot.clone())
        }
        _ => None,
    }
}

/// Every role with its name and what it is for, for the forms that give one: those that ship, and those
/// that the tenant made of actions.
pub(crate) async fn roles(desk: &Desk) -> Result<Vec<(&'static str, &'static str)>, Trouble> {
    let made = desk.identity.made_roles().await?.into_iter().map(|made| Role::Custom(made.role));
    Ok(Role::ALL.iter().copied().chain(made).map(|role| (role.name(), role.display())).collect())
}
