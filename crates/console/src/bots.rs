//! Bots: which release answers, which were pushed, a trial chat that leaves no trace, and putting an
//! earlier release live again.

use askama::Template;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use doors::{Authorized, Form, Path, Query};
use guard::Act;
use guard::action::{ActivateRelease, ReadBots, TestBot};
use kernel::{BotName, MessageText, ReleaseId, UserId};
use serde::{Deserialize, Serialize};
use store::bots::{self as rows, Release, ReleaseState};
use wire::turn::{Act as Deed, Basis, Reply, Said, TurnRequest, TurnState};

use crate::Desk;
use crate::audit::Nothing;
use crate::page::{Shell, When, bytes, html, may_to, see, shell};
use crate::trouble::{Answer, Trouble, invalid, nothing};
use crate::via::ByDoor;

/// Releases of a bot that are shown.
const RELEASES: u32 = 100;

#[derive(Template)]
#[template(path = "bots.html")]
struct List {
    shell: Shell,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    title: String,
    version: Option<u32>,
    size: String,
    updated: When,
}

/// `GET /bots`
pub(crate) async fn list(leave: Authorized<ReadBots>, State(desk): State<Desk>) -> Answer {
    let shell = shell(&desk, &leave, "Bots", "/bots").await?;
    let permit = leave.into_permit();
    let (bots, releases) = desk
        .db
        .read(move |tx| Ok((rows::list(tx, &permit)?, rows::releases(tx, &permit, None, 1000)?)))
        .await?;
    let rows = bots.into_iter().map(|bot| {
        let live = bot.active.and_then(|id| releases.iter().find(|release| release.id == id));
        Row {
            title: desk
                .shelf
                .current(&bot.name)
                .map(|release| release.manifest.title.clone())
                .unwrap_or_default(),
            version: live.map(|release| release.version),
            size: live.map(|release| bytes(release.size)).unwrap_or_default(),
            updated: When(bot.updated),
            name: bot.name.to_string(),
        }
    });
    let rows = rows.collect();
    html(&List { shell, rows })
}

/// What the page of a bot is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "bot.html")]
struct One {
    shell: Shell,
    name: String,
    about: Option<About>,
    versions: Vec<Version>,
    trial: Option<Trial>,
}

/// What the live release is made of.
struct About {
    title: String,
    description: String,
    language: String,
    passages: usize,
    intents: usize,
    flows: usize,
    origins: String,
    retention: String,
}

struct Version {
    id: String,
    number: u32,
    live: bool,
    state: &'static str,
    size: String,
    digest: String,
    created: When,
    author: String,
    activates: bool,
}

/// A trial chat. Everything of it stands in the page and comes back with the next message.
struct Trial {
    greeting: String,
    lines: Vec<TrialLine>,
    remembered: String,
    basis: Option<String>,
    act: Option<String>,
}

/// `GET /bots/{name}`
pub(crate) async fn one(
    leave: Authorized<ReadBots>,
    State(desk): State<Desk>,
    Path(name): Path<BotName>,
    Query(wanted): Query<Wanted>,
) -> Answer {
    let page = page(&desk, leave, name, None).await?;
    html(&One { shell: page.shell.after(wanted.done.as_deref()), ..page })
}

async fn page(
    desk: &Desk,
    leave: Authorized<ReadBots>,
    name: BotName,
    trial: Option<Trial>,
) -> Result<One, Trouble> {
    let shell = shell(desk, &leave, format!("Bot {name}"), "/bots").await?;
    let permit = leave.into_permit();
    let (actor, thing) = (permit.actor().clone(), permit.resource().clone());
    let (bot, releases) = desk
        .db
        .read(move |tx| Ok((rows::list(tx, &permit)?, rows::releases(tx, &permit, None, RELEASES)?)))
        .await?;
    let active = bot.first().and_then(|bot| bot.active);
    let version = |release: &Release| Version {
        id: release.id.to_string(),
        number: release.version,
        live: active == Some(release.id),
        state: release.state.as_str(),
        size: bytes(release.size),
        digest: release.sha256.iter().take(6).map(|byte| format!("{byte:02x}")).collect(),
        created: When(release.created),
        author: release.author.map_or("operator".to_owned(), short),
        activates: active != Some(release.id)
            && release.state != ReleaseState::Withdrawn
            && may_to(desk, &actor, Act::ActivateRelease, &release.resource()),
    };
    let versions = releases.iter().map(version).collect();
    let live = desk.shelf.current(&name);
    let about = live.as_ref().map(|live| About {
        title: live.manifest.title.clone(),
        description: live.manifest.description.clone(),
        language: live.manifest.language.clone(),
        passages: live.passages.len(),
        intents: live.intents.len(),
        flows: live.flows.len(),
        origins: match live.manifest.allowed_origins.join(", ") {
            none if none.is_empty() => "only its own page".to_owned(),
            some => some,
        },
        retention: live
            .manifest
            .retention_days
            .map_or("until erased".to_owned(), |days| format!("{days} days")),
    });
    let fresh = || {
        live.as_ref()
            .filter(|_| may_to(desk, &actor, Act::TestBot, &thing))
            .map(|live| Trial::new(&live.manifest.greeting))
    };
    let trial = trial.or_else(fresh);
    Ok(One { shell, name: name.to_string(), about, versions, trial })
}

/// The beginning of an id: enough to tell people apart, short enough to read.
fn short(user: UserId) -> String {
    user.to_string().chars().take(13).collect()
}

/// Lines of a trial that are kept, and told to the bot.
const KEPT: usize = 12;

/// A message of a trial, with what was said before as the page handed it out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrialForm {
    text: String,
    remembered: String,
}

/// What a trial remembers. It is the tester's own page that holds it: who changes it fools only
/// themselves.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Memory {
    lines: Vec<TrialLine>,
    state: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrialLine {
    by_person: bool,
    text: MessageText,
}

impl TrialLine {
    fn said(&self) -> &str {
        self.text.as_str()
    }
}

impl Trial {
    fn new(greeting: &str) -> Self {
        let (greeting, remembered) = (greeting.to_owned(), String::new());
        Self { greeting, lines: Vec::new(), remembered, basis: None, act: None }
    }
}

/// `POST /bots/{name}/trial`: one turn with the live release. Nothing of it is stored.
pub(crate) async fn trial(
    leave: Authorized<TestBot>,
    State(desk): State<Desk>,
    Path(name): Path<BotName>,
    Form(form): Form<TrialForm>,
) -> Answer {
    let shell = shell(&desk, &leave, format!("Bot {name}"), "/bots").await?;
    let text = MessageText::new(&form.text)?;
    let mut memory = Memory::read(&form.remembered)?;
    let (id, release) = desk.shelf.live(&name).ok_or_else(nothing)?;
    desk.engine.load(id, std::sync::Arc::clone(&release)).await?;
    let history =
        memory.lines.iter().map(|line| Said { by_person: line.by_person, text: line.text.clone() }).collect();
    let request = TurnRequest {
        release: id,
        locale: Some(release.manifest.language.clone()),
        history,
        text: text.clone(),
        state: memory.state.take().map(TurnState),
        now: desk.world.now(),
    };
    let reply = desk.engine.turn(request).await?.reply().await?;
    memory.lines.push(TrialLine { by_person: true, text });
    memory.lines.push(TrialLine { by_person: false, text: reply.text.clone() });
    let excess = memory.lines.len().saturating_sub(KEPT);
    memory.lines.drain(..excess);
    memory.state = reply.state.clone().map(|TurnState(bytes)| bytes);
    let trial = Trial {
        greeting: release.manifest.greeting.clone(),
        remembered: memory.written(),
        lines: memory.lines,
        basis: Some(basis(&reply)),
        act: reply.act.as_ref().map(|deed| deed_in_words(deed).to_owned()),
    };
    let (actor, tenant, bot) = (leave.permit().actor(), desk.tenant, name.clone());
    let about_bot = guard::Resource::Bot { tenant, bot };
    if !may_to(&desk, actor, Act::ReadBots, &about_bot) {
        return Err(nothing().into());
    }
    html(&TrialPage { shell, name: name.to_string(), trial })
}

#[derive(Template)]
#[template(path = "trial.html")]
struct TrialPage {
    shell: Shell,
    name: String,
    trial: Trial,
}

impl Memory {
    fn read(text: &str) -> Result<Self, Trouble> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let read = || {
            let memory: Self = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
            (memory.lines.len() <= KEPT).then_some(memory)
        };
        read().ok_or_else(|| invalid("The trial so far cannot be read.", "Start the trial again.").into())
    }

    fn written(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }
}

fn basis(reply: &Reply) -> String {
    match &reply.basis {
        Basis::Intent { name, probability } => format!("intent {name}, {:.0} % sure", probability * 100.0),
        Basis::Knowledge { url, coverage } => {
            format!("knowledge at {url}, covers {:.0} % of the question", coverage * 100.0)
        }
        Basis::Flow { flow, slot: Some(slot) } => format!("flow {flow}, asks for {slot}"),
        Basis::Flow { flow, slot: None } => format!("flow {flow}, confirms or ends"),
        Basis::Fallback => "nothing known: the fallback".to_owned(),
    }
}

fn deed_in_words(deed: &Deed) -> &'static str {
    match deed {
        Deed::Handoff => "The conversation would go to a person now.",
        Deed::Ticket { .. } => "A ticket would be opened now.",
    }
}

/// `POST /bots/{name}/releases/{id}/activate`
pub(crate) async fn activate(
    leave: Authorized<ActivateRelease>,
    State(desk): State<Desk>,
    Path((name, _)): Path<(BotName, ReleaseId)>,
    ByDoor(via): ByDoor,
    Form(Nothing {}): Form<Nothing>,
) -> Answer {
    desk.releases.activate(leave.into_permit(), via).await?;
    see(&format!("/bots/{name}?done=activated"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_is_remembered_by_its_page_and_nothing_else_is_read() {
        let text = MessageText::new("Where is my card?").unwrap();
        let memory = Memory { lines: vec![TrialLine { by_person: true, text }], state: Some(vec![1, 2]) };
        let again = Memory::read(&memory.written()).unwrap();
        assert_eq!(again.lines.len(), 1);
        assert_eq!(again.state, Some(vec![1, 2]));
        for bad in ["!", "e30x", "eyJ4IjoxfQ"] {
            assert!(Memory::read(bad).is_err(), "{bad}");
        }
    }
}
