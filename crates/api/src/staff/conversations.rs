//! Conversations for programs: the list without content, a transcript for a stated reason, an answer.

use axum::extract::State;
use conversations::{Line, Said};
use doors::{Authorized, Json, Path, Query, Refusal};
use guard::action::{ListConversations, ReadTranscript, ReplyToConversation};
use http::StatusCode;
use kernel::{BotName, ConversationId, MessageId, MessageText, Problem, ProblemKind, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::conversations::{Conversation, ConversationState, Filter};
use store::messages::Speaker;

use super::StaffApi;
use crate::via::ByDoor;

/// The most conversations in one answer.
const MOST: u32 = 200;

/// Which conversations are wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    bot: Option<BotName>,
    state: Option<String>,
    /// Where the page before ended.
    after: Option<String>,
    limit: Option<u32>,
}

impl Wanted {
    fn filter(self) -> Result<Filter, Problem> {
        let refuse = |detail, mend| Problem::new(ProblemKind::Invalid, detail, mend);
        let limit = self.limit.unwrap_or(50);
        if !(1..=MOST).contains(&limit) {
            return Err(refuse("`limit` is out of range.", "Ask for 1 to 200."));
        }
        let state = self.state.as_deref().map(str::parse::<ConversationState>).transpose();
        let state =
            state.map_err(|_| refuse("There is no such state.", "Ask for open, handoff or closed."))?;
        let after = self.after.as_deref().map(|text| place(text).ok_or(()));
        let after = after.transpose().map_err(|()| {
            refuse("`after` is no place in the list.", "Send the `next` of the answer before.")
        })?;
        Ok(Filter { bot: self.bot, state, after, limit, ..Filter::default() })
    }
}

fn place(text: &str) -> Option<(Timestamp, ConversationId)> {
    let (time, id) = text.split_once('.')?;
    Some((Timestamp::from_millis(time.parse().ok()?), id.parse().ok()?))
}

fn facts(row: &Conversation) -> Value {
    json!({
        "id": row.id, "bot": row.bot, "state": row.state.as_str(), "opened_at": row.opened.rfc3339(),
        "last_at": row.last.rfc3339(), "messages": row.last_seq, "locale": row.locale,
        "assignee": row.assignee, "erased": row.erased,
    })
}

/// `GET /api/v1/conversations`
pub(super) async fn list(
    leave: Authorized<ListConversations>,
    State(desk): State<StaffApi>,
    ByDoor(via): ByDoor,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Value>, Refusal> {
    let filter = wanted.filter()?;
    let limit = filter.limit;
    let found = desk.conversations.list(leave.into_permit(), filter, &via).await;
    let found = found.map_err(|error| Problem::from(&error))?;
    let full = u32::try_from(found.len()).is_ok_and(|found| found == limit);
    let next = found.last().filter(|_| full).map(|last| format!("{}.{}", last.last.as_millis(), last.id));
    let rows: Vec<Value> = found.iter().map(facts).collect();
    Ok(Json(json!({ "conversations": rows, "next": next })))
}

/// `GET /api/v1/conversations/{id}`
pub(super) async fn one(
    leave: Authorized<ListConversations>,
    State(desk): State<StaffApi>,
    ByDoor(via): ByDoor,
    Path(_): Path<ConversationId>,
) -> Result<Json<Value>, Refusal> {
    let filter = Filter { limit: 1, ..Filter::default() };
    let found = desk.conversations.list(leave.into_permit(), filter, &via).await;
    let found = found.map_err(|error| Problem::from(&error))?;
    let nothing = || Problem::new(ProblemKind::NotFound, "There is no such conversation.", "Check its id.");
    Ok(Json(found.first().map(facts).ok_or_else(nothing)?))
}

/// `GET /api/v1/conversations/{id}/transcript`: the reason stands in the header `wardroom-reason`, and is
/// recorded, sealed, before anything is read.
pub(super) async fn transcript(
    leave: Authorized<ReadTranscript>,
    State(desk): State<StaffApi>,
    ByDoor(via): ByDoor,
) -> Result<Json<Value>, Refusal> {
    let transcript = desk.conversations.transcript(leave.into_permit(), &via).await;
    let transcript = transcript.map_err(|error| Problem::from(&error))?;
    let lines: Vec<Value> = transcript.lines.iter().map(line).collect();
    Ok(Json(json!({ "conversation": facts(&transcript.conversation), "lines": lines })))
}

fn line(line: &Line) -> Value {
    match line {
        Line::Said(said) => message(said),
        Line::Refused { seq } => json!({ "seq": seq, "unreadable": "refused" }),
        Line::Erased { seq } => json!({ "seq": seq, "unreadable": "erased" }),
    }
}

fn message(said: &Said) -> Value {
    let role = match said.speaker {
        Speaker::Person => "user",
        Speaker::Bot | Speaker::House => "bot",
        Speaker::Agent => "agent",
    };
    json!({
        "seq": said.seq, "role": role, "text": said.text.as_str(), "citations": said.citations,
        "created_at": said.at.rfc3339(),
    })
}

/// What is said.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    text: MessageText,
}

/// What was stored.
#[derive(Serialize)]
pub(super) struct Stored {
    message_id: MessageId,
    seq: u64,
}

/// `POST /api/v1/conversations/{id}/reply`: says it on the account that the key belongs to, which thereby
/// takes the conversation.
pub(super) async fn reply(
    leave: Authorized<ReplyToConversation>,
    State(desk): State<StaffApi>,
    ByDoor(via): ByDoor,
    Json(words): Json<Words>,
) -> Result<(StatusCode, Json<Stored>), Refusal> {
    let said = desk.conversations.reply(leave.into_permit(), words.text, &via).await;
    let said = said.map_err(|error| Problem::from(&error))?;
    Ok((StatusCode::CREATED, Json(Stored { message_id: said.id, seq: said.seq })))
}
