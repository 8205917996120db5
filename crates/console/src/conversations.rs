//! Conversations: the list without content, one conversation's facts, and its transcript for a stated
//! reason.

use askama::Template;
use axum::extract::State;
use conversations::Line;
use doors::{Authorized, Form, Path, Query};
use guard::Act;
use guard::action::{ListConversations, ReadBots, ReadTranscript};
use guard::{Circumstances, Permit, Resource};
use kernel::{BotName, ConversationId, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use store::Via;
use store::conversations::{Conversation, ConversationState, Filter};
use store::messages::Speaker;

use crate::Desk;
use crate::page::{Shell, When, chosen, day, html, may_to, shell};
use crate::trouble::{Answer, Trouble, invalid, nothing};
use crate::via::ByDoor;

/// Conversations on one page.
const PAGE: u32 = 50;

/// What the list is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    bot: Option<String>,
    state: Option<String>,
    from: Option<String>,
    to: Option<String>,
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "conversations.html")]
struct List {
    shell: Shell,
    bots: Vec<String>,
    wanted: Wanted,
    rows: Vec<Row>,
    older: Option<String>,
    /// Where the first page is kept current.
    live: Option<String>,
    waiting: usize,
}

pub(crate) struct Row {
    id: String,
    bot: String,
    state: &'static str,
    opened: When,
    last: When,
    messages: u64,
    locale: String,
    assigned: bool,
}

impl From<&Conversation> for Row {
    fn from(row: &Conversation) -> Self {
        Self {
            id: row.id.to_string(),
            bot: row.bot.to_string(),
            state: row.state.as_str(),
            opened: When(row.opened),
            last: When(row.last),
            messages: row.last_seq,
            locale: row.locale.clone(),
            assigned: row.assignee.is_some(),
        }
    }
}

impl Row {
    /// Changes whenever what is shown of it does.
    pub(crate) fn version(&self) -> String {
        format!("{}.{}.{}.{}", self.last.0.as_millis(), self.messages, self.state, self.assigned)
    }

    /// Whether it waits for a person whom nobody has sent yet.
    pub(crate) fn waits(&self) -> bool {
        self.state == ConversationState::Handoff.as_str() && !self.assigned
    }

    /// The same row for the island that keeps the list current.
    pub(crate) fn told(&self) -> Value {
        json!({
            "id": self.id, "href": format!("/conversations/{}", self.id), "bot": self.bot, "state": self.state,
            "messages": self.messages, "last": self.last.iso(), "opened": self.opened.iso(),
            "version": self.version(), "waits": if self.waits() { "yes" } else { "no" },
        })
    }
}

impl Wanted {
    pub(crate) fn filter(&self) -> Result<Filter, Trouble> {
        let mut filter = Filter { limit: PAGE, ..Filter::default() };
        let choose = |what| invalid(format!("There is no such {what}."), "Choose one of the list.");
        filter.bot = chosen(&self.bot).map(BotName::new).transpose().map_err(|_| choose("bot"))?;
        filter.state = chosen(&self.state)
            .map(str::parse::<ConversationState>)
            .transpose()
            .map_err(|_| choose("state"))?;
        filter.from = day(self.from.as_deref(), false)?.unwrap_or(filter.from);
        filter.to = day(self.to.as_deref(), true)?.unwrap_or(filter.to);
        filter.after = chosen(&self.after).map(place).transpose()?;
        Ok(filter)
    }

    /// The address of the page after `last`, with the same filter.
    fn beyond(&self, last: &Conversation) -> String {
        self.address("/conversations") + &format!("after={}.{}", last.last.as_millis(), last.id)
    }

    /// An address with the same filter.
    fn address(&self, path: &str) -> String {
        let mut address = format!("{path}?");
        let fields = [("bot", &self.bot), ("state", &self.state), ("from", &self.from), ("to", &self.to)];
        // What is filtered by has been parsed: slugs and dates need no encoding.
        for (name, value) in fields {
            if let Some(value) = chosen(value) {
                address.push_str(&format!("{name}={value}&"));
            }
        }
        address
    }

    fn is_state(&self, state: &str) -> bool {
        self.state.as_deref() == Some(state)
    }

    fn is_bot(&self, bot: &str) -> bool {
        self.bot.as_deref() == Some(bot)
    }
}

/// The place in a list that an address names, `MILLISECONDS.ID`.
pub(crate) fn place<I: std::str::FromStr>(text: &str) -> Result<(Timestamp, I), kernel::Problem> {
    let parse = || {
        let (time, id) = text.split_once('.')?;
        Some((Timestamp::from_millis(time.parse().ok()?), id.parse().ok()?))
    };
    parse().ok_or_else(|| invalid("The place in the list cannot be read.", "Begin at the first page."))
}

/// `GET /conversations`
pub(crate) async fn list(
    leave: Authorized<ListConversations>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Query(wanted): Query<Wanted>,
) -> Answer {
    let shell = shell(&desk, &leave, "Conversations", "/conversations").await?;
    let filter = wanted.filter()?;
    let bots = bot_names(&desk).await?;
    let found = desk.conversations.list(leave.into_permit(), filter, &via).await?;
    let full = u32::try_from(found.len()).is_ok_and(|found| found == PAGE);
    let older = found.last().filter(|_| full).map(|last| wanted.beyond(last));
    let rows: Vec<Row> = found.iter().map(Row::from).collect();
    let live = chosen(&wanted.after).is_none().then(|| wanted.address("/conversations/live"));
    let waiting = rows.iter().filter(|row| row.waits()).count();
    html(&List { shell, bots, wanted, rows, older, live, waiting })
}

/// The bots there are, for the filter.
async fn bot_names(desk: &Desk) -> Result<Vec<String>, Trouble> {
    let now = Circumstances::at(desk.world.now());
    let permit: Permit<ReadBots> = desk.guard.permit(&desk.core(), &Resource::Tenant(desk.tenant), &now)?;
    let bots = desk.db.read(move |tx| store::bots::list(tx, &permit)).await?;
    Ok(bots.into_iter().map(|bot| bot.name.to_string()).collect())
}

#[derive(Template)]
#[template(path = "conversation.html")]
struct One {
    shell: Shell,
    row: Row,
    readable: bool,
}

/// What was just done, when a form led here.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct After {
    done: Option<String>,
}

/// `GET /conversations/{id}`: the facts, and the form that asks for a reason.
pub(crate) async fn one(
    leave: Authorized<ListConversations>,
    State(desk): State<Desk>,
    Path(id): Path<ConversationId>,
    Query(after): Query<After>,
) -> Answer {
    let shell = shell(&desk, &leave, "Conversation", "/conversations").await?.after(after.done.as_deref());
    let permit = leave.permit();
    let readable = may_to(&desk, permit.actor(), Act::ReadTranscript, permit.resource());
    let tenant = desk.tenant;
    let row =
        desk.db.read(move |tx| store::conversations::facts(tx, tenant, id)).await?.ok_or_else(nothing)?;
    html(&One { shell, row: Row::from(&row), readable })
}

/// The reason itself is read by the door and is in the permit.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Opening {
    #[serde(rename = "reason")]
    _reason: String,
}

#[derive(Template)]
#[template(path = "transcript.html")]
struct Opened {
    shell: Shell,
    row: Row,
    reason: String,
    /// The number of the last line shown: what comes after it is told live.
    last: u64,
    lines: Vec<Shown>,
    may_answer: bool,
    mine: bool,
}

pub(crate) struct Shown {
    pub(crate) seq: u64,
    pub(crate) role: &'static str,
    pub(crate) who: String,
    pub(crate) at: Option<When>,
    pub(crate) text: Option<String>,
    pub(crate) sources: Vec<(String, Option<String>)>,
}

/// `POST /conversations/{id}`: opens the transcript. The event, with the reason sealed, is written
/// before anything is read.
pub(crate) async fn open(
    leave: Authorized<ReadTranscript>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Form(_): Form<Opening>,
) -> Answer {
    let shell = shell(&desk, &leave, "Transcript", "/conversations").await?;
    page(&desk, shell, leave.into_permit(), &via).await
}

/// The page of a transcript: opening it is recorded first.
pub(crate) async fn page(desk: &Desk, shell: Shell, permit: Permit<ReadTranscript>, via: &Via) -> Answer {
    let reason = permit.reason().map(|reason| reason.as_str().to_owned()).unwrap_or_default();
    let actor = permit.actor().clone();
    let transcript = desk.conversations.transcript(permit, via).await?;
    let found = &transcript.conversation;
    let may_answer = found.state != ConversationState::Closed
        && may_to(desk, &actor, Act::ReplyToConversation, &found.resource());
    let mine = found.assignee.is_some() && found.assignee == actor.staff().map(|staff| staff.user);
    let row = Row::from(found);
    let lines: Vec<Shown> =
        transcript.lines.into_iter().map(|line| shown(&transcript.conversation, line)).collect();
    let last = lines.last().map_or(0, |line| line.seq);
    html(&Opened { shell, row, reason, last, lines, may_answer, mine })
}

pub(crate) fn shown(conversation: &Conversation, line: Line) -> Shown {
    let said = match line {
        Line::Said(said) => said,
        Line::Refused { seq } | Line::Erased { seq } => {
            let who = if matches!(line, Line::Erased { .. }) { "Erased" } else { "Refused" };
            return Shown {
                seq,
                role: "bot",
                who: who.to_owned(),
                at: None,
                text: None,
                sources: Vec::new(),
            };
        }
    };
    let (role, who) = match said.speaker {
        Speaker::Person => ("user", "Visitor".to_owned()),
        Speaker::Bot => ("bot", conversation.bot.to_string()),
        Speaker::Agent => ("agent", "Agent".to_owned()),
        Speaker::House => ("agent", "Wardroom".to_owned()),
    };
    let sources = said.citations.into_iter().map(|source| {
        // A path is one of the public door, which is another address than this one: shown, not linked.
        let href = source.url.starts_with("https://").then_some(source.url);
        (source.title, href)
    });
    Shown {
        seq: said.seq,
        role,
        who,
        at: Some(When(said.at)),
        text: Some(said.text.as_str().to_owned()),
        sources: sources.collect(),
    }
}
