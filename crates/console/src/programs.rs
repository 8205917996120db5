//! API keys and service accounts: one's own for everybody, all of them for whoever rules over accounts. The
//! text of a key is in the answer to the form that makes it, once.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State;
use doors::{Authorized, Form, Path, Query};
use guard::action::{InviteUser, MakeApiKey, ReadApiKeys, ReadUsers, RevokeApiKey};
use guard::{Act, Actor, Circumstances, Permit, Resource, Scope};
use identity::UserState;
use identity::api_keys::{KeyView, KeyWish, LONGEST_DAYS};
use kernel::{ApiKeyId, BotName, DisplayName, Problem, Title, UserId};
use serde::Deserialize;

use crate::Desk;
use crate::audit::Nothing;
use crate::page::{Shell, When, could, html, may, may_to, see, shell};
use crate::trouble::{Answer, Trouble, invalid};
use crate::via::ByDoor;

/// What a page was reached by.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "api_keys.html")]
struct List {
    shell: Shell,
    /// Every key of the house, and not one's own alone.
    all: bool,
    rows: Vec<Row>,
    owners: Vec<(String, String)>,
    acts: Vec<(&'static str, &'static str, &'static str)>,
    /// The proof is fresh enough to make a key.
    fresh: bool,
    services: Vec<Service>,
    people: Vec<(String, String)>,
    makes_services: bool,
}

struct Row {
    id: String,
    tag: String,
    name: String,
    owner: String,
    own: bool,
    acts: String,
    scope: String,
    sources: String,
    expires: When,
    used: Option<When>,
    state: &'static str,
    tone: &'static str,
    lives: bool,
    /// Whether a successor lives already.
    continued: bool,
    ends: bool,
}

struct Service {
    name: String,
    id: String,
    answers: String,
    active: bool,
    made: When,
}

/// The actions that a key can be made for: field, name, words.
const ACTS: [(&str, Act, &str); 5] = [
    ("list", Act::ListConversations, "List conversations, without content"),
    ("read", Act::ReadTranscript, "Read transcripts, each for a stated reason"),
    ("reply", Act::ReplyToConversation, "Answer conversations"),
    ("bots", Act::ReadBots, "See bots"),
    ("audit", Act::ReadAudit, "Read the audit log"),
];

/// `GET /api-keys`
pub(crate) async fn list(
    leave: Authorized<ReadApiKeys>,
    State(desk): State<Desk>,
    Query(wanted): Query<Wanted>,
) -> Answer {
    let shell = shell(&desk, &leave, "API keys", "/api-keys").await?.after(wanted.done.as_deref());
    let permit = leave.into_permit();
    let (actor, tenant, now) = (permit.actor().clone(), desk.tenant, desk.world.now());
    let me = actor.account().ok_or_else(crate::trouble::nothing)?;
    let own = Resource::Account { tenant, user: me };
    let all = permit.resource().account().is_none();
    let services = desk.identity.services(again(&desk, &actor, permit.resource())?).await?;
    let keys = desk.identity.keys(permit).await?;
    let mut names: BTreeMap<UserId, String> =
        services.iter().map(|service| (service.user, service.name.as_str().to_owned())).collect();
    let reads_people = may(&desk, &actor, Act::ReadUsers);
    let mut people = Vec::new();
    if reads_people {
        let at = Circumstances::at(now);
        let permit: Permit<ReadUsers> = desk.guard.permit(&actor, &Resource::Tenant(tenant), &at)?;
        for user in desk.identity.users(permit).await? {
            if user.state == UserState::Active && !names.contains_key(&user.id) {
                people.push((user.id.to_string(), user.name.as_str().to_owned()));
            }
            names.entry(user.id).or_insert_with(|| user.name.as_str().to_owned());
        }
    }
    names.insert(me, "you".to_owned());
    let answered = services.iter().filter(|service| service.answers == me && service.active);
    let mut owners = vec![(me.to_string(), "Yourself".to_owned())];
    owners.extend(answered.map(|service| (service.user.to_string(), service.name.as_str().to_owned())));
    let mine: Vec<UserId> = owners.iter().filter_map(|(id, _)| id.parse().ok()).collect();
    let line_lives = |key: &KeyView| {
        keys.iter().any(|other| other.line == key.line && other.made > key.made && other.lives(now))
    };
    let rows = keys.iter().map(|key| {
        let (state, tone) = match (key.revoked.is_some(), key.lives(now)) {
            (true, _) => ("ended", ""),
            (false, false) => ("expired", "warn"),
            (false, true) => ("lives", "good"),
        };
        let account = Resource::Account { tenant, user: key.owner };
        let theirs = mine.contains(&key.owner);
        Row {
            id: key.id.to_string(),
            tag: key.tag.clone(),
            name: key.name.as_str().to_owned(),
            owner: names.get(&key.owner).cloned().unwrap_or_else(|| key.owner.to_string()),
            own: theirs,
            acts: key.acts.iter().map(|act| act.name()).collect::<Vec<_>>().join(", "),
            scope: match &key.scope {
                Scope::Tenant => "everywhere".to_owned(),
                Scope::Bot(bot) => format!("for {bot}"),
            },
            sources: key.sources.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            expires: When(key.expires),
            used: key.used.map(When),
            state,
            tone,
            lives: key.lives(now),
            continued: line_lives(key),
            ends: theirs || may_to(&desk, &actor, Act::RevokeApiKey, &account),
        }
    });
    let rows = rows.collect();
    let services = services.iter().map(|service| Service {
        name: service.name.as_str().to_owned(),
        id: service.user.to_string(),
        answers: names.get(&service.answers).cloned().unwrap_or_else(|| service.answers.to_string()),
        active: service.active,
        made: When(service.made),
    });
    let services = services.collect();
    let fresh = may_to(&desk, &actor, Act::MakeApiKey, &own);
    let makes_services =
        could(&desk, &actor, Act::InviteUser, &Resource::Tenant(desk.tenant)) && reads_people;
    let acts = ACTS.iter().map(|(field, act, words)| (*field, act.name(), *words)).collect();
    html(&List { shell, all, rows, owners, acts, fresh, services, people, makes_services })
}

fn again(desk: &Desk, actor: &Actor, thing: &Resource) -> Result<Permit<ReadApiKeys>, Trouble> {
    Ok(desk.guard.permit(actor, thing, &Circumstances::at(desk.world.now()))?)
}

/// A key as its form wishes for it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyForm {
    owner: UserId,
    name: Title,
    list: Option<String>,
    read: Option<String>,
    reply: Option<String>,
    bots: Option<String>,
    audit: Option<String>,
    bot: String,
    days: u32,
    sources: String,
}

impl KeyForm {
    fn wish(self) -> Result<KeyWish, Problem> {
        let ticked = [&self.list, &self.read, &self.reply, &self.bots, &self.audit];
        let acts: Vec<Act> =
            ACTS.iter().zip(ticked).filter(|(_, tick)| tick.is_some()).map(|((_, act, _), _)| *act).collect();
        if acts.is_empty() {
            return Err(invalid("A key is made for something.", "Choose at least one action."));
        }
        if !(1..=LONGEST_DAYS).contains(&self.days) {
            return Err(invalid("A key lives for 1 to 90 days.", "Choose a number of days in between."));
        }
        let scope =
            match self.bot.trim() {
                "" => Scope::Tenant,
                bot => Scope::Bot(BotName::new(bot).map_err(|_| {
                    invalid("There is no such bot.", "Write the bot's name, or leave it out.")
                })?),
            };
        let blocks = self.sources.split([',', ' ', '\n', '\r', '\t']).filter(|text| !text.is_empty());
        let sources: Result<Vec<_>, _> = blocks
            .map(|text| {
                text.parse::<ipnet::IpNet>().or_else(|_| text.parse::<std::net::IpAddr>().map(Into::into))
            })
            .collect();
        let sources = sources.map_err(|_| {
            invalid("An address cannot be read.", "Write blocks such as 192.0.2.0/24, with commas between.")
        })?;
        Ok(KeyWish { owner: self.owner, name: self.name, acts, scope, days: self.days, sources })
    }
}

#[derive(Template)]
#[template(path = "api_key_made.html")]
struct Made {
    shell: Shell,
    heading: &'static str,
    about: &'static str,
    text: String,
}

/// `POST /api-keys`
pub(crate) async fn make(
    leave: Authorized<MakeApiKey>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Form(form): Form<KeyForm>,
) -> Answer {
    let shell = shell(&desk, &leave, "API key", "/api-keys").await?;
    let (_, text) = desk.identity.make_key(leave.into_permit(), form.wish()?, &via).await?;
    let about = "A program sends it as `authorization: Bearer ..` to /api/v1.";
    html(&Made { shell, heading: "Key made", about, text: text.expose().clone() })
}

/// `POST /api-keys/{key}/rotate`
pub(crate) async fn rotate(
    leave: Authorized<MakeApiKey>,
    State(desk): State<Desk>,
    Path(key): Path<ApiKeyId>,
    ByDoor(via): ByDoor,
    Form(Nothing {}): Form<Nothing>,
) -> Answer {
    let shell = shell(&desk, &leave, "API key", "/api-keys").await?;
    let (_, text) = desk.identity.rotate_key(leave.into_permit(), key, LONGEST_DAYS, &via).await?;
    let about = "The old key lives on until you end it: give the program the new one, then end the old.";
    html(&Made { shell, heading: "Successor made", about, text: text.expose().clone() })
}

/// `POST /api-keys/{key}/revoke`
pub(crate) async fn revoke(
    leave: Authorized<RevokeApiKey>,
    State(desk): State<Desk>,
    Path(key): Path<ApiKeyId>,
    ByDoor(via): ByDoor,
    Form(Nothing {}): Form<Nothing>,
) -> Answer {
    desk.identity.revoke_key(leave.into_permit(), key, &via).await?;
    see("/api-keys?done=key-ended")
}

/// A service account as its form wishes for it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceForm {
    name: DisplayName,
    answers: UserId,
}

/// `POST /service-accounts`
pub(crate) async fn make_service(
    leave: Authorized<InviteUser>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Form(form): Form<ServiceForm>,
) -> Answer {
    let user = desk.identity.make_service(leave.into_permit(), form.name, form.answers, &via).await?;
    see(&format!("/users/{user}?done=service-made"))
}
