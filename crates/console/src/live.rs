//! The desk while it is looked at: the list of conversations and an open transcript, kept current by
//! server-sent events (HTML standard, section 9.2). Pages work without them; the islands of `ui/src/console`
//! read them.
//!
//! A stream is opened with the same leave as the page it stands on, and with the same entry in the audit log.
//! It is no leave for ever: before each event the session is judged, the roles are read and the guard is asked
//! again, after the event's content was read. So what was stored after an account was disabled, a role taken
//! away or a conversation given to somebody else is never told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::sse::{Event, Sse};
use conversations::{Following, Line, Signal, Watch};
use doors::cookie::SessionSecret;
use doors::{Authorized, Query};
use futures_util::stream::unfold;
use guard::action::{ListConversations, ReadTranscript};
use guard::{Act, Action, Circumstances, Permit, Resource};
use http::HeaderMap;
use identity::Signed;
use kernel::{ConversationId, Problem, ProblemKind, Reason};
use serde::Deserialize;
use serde_json::{Value, json};
use store::Via;
use store::conversations::{Conversation, ConversationState, Filter};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::Desk;
use crate::conversations::{Row, Wanted, shown};
use crate::page::may_to;
use crate::trouble::{Answer, nothing};
use crate::via::ByDoor;

/// Silence after which a ping is sent, and the store is looked into unasked: another process may have written.
const PING: Duration = Duration::from_secs(10);
/// No stream lasts longer; the page opens it again, and that is recorded again.
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// The list is read no more often.
const PACE: Duration = Duration::from_millis(500);

/// From which line on.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct From {
    #[serde(default)]
    after: u64,
}

/// `GET /conversations/{id}/live`: an open transcript as it grows. The reason stands in the header
/// `wardroom-reason`.
pub(crate) async fn transcript(
    leave: Authorized<ReadTranscript>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Query(from): Query<From>,
    headers: HeaderMap,
) -> Answer {
    let permit = Arc::new(leave.into_permit());
    let conversation = permit.resource().conversation().ok_or_else(nothing)?;
    let reason = permit.reason().cloned().ok_or_else(nothing)?;
    let sitting = Sitting::of(&desk, &headers).await?;
    // Watch first, read then: what is stored in between is read, and signalled once more.
    let watch = desk.conversations.live().watch(conversation);
    let (following, _) = desk.conversations.follow(&permit, from.after, &via).await?;
    let after = from.after;
    let open = OpenTranscript { conversation, reason, following, watch, after, state: None, dirty: true };
    Ok(stream(sitting, open))
}

/// `GET /conversations/live`: the first page of the list, with the list's own filter.
pub(crate) async fn list(
    leave: Authorized<ListConversations>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Answer {
    let filter = wanted.filter()?;
    let permit = leave.into_permit();
    let resource = permit.resource().clone();
    let sitting = Sitting::of(&desk, &headers).await?;
    let changes = desk.conversations.live().changes();
    let found = desk.conversations.list(permit, filter.clone(), &via).await?;
    let known = found.iter().map(|row| row.id).collect();
    let shown = BTreeMap::new();
    let open = OpenList { resource, filter, via, changes, known, shown, next: Instant::now(), dirty: true };
    Ok(stream(sitting, open))
}

/// What is open: something to read whenever it may have changed.
trait Open: Send + Sync + 'static {
    /// The act that it takes to look at it.
    type Look: Action;

    /// The thing that the guard is asked about, as it is now.
    fn resource(&self, desk: &Desk) -> impl Future<Output = Result<Resource, Problem>> + Send;

    /// What is known of the moment.
    fn circumstances(&self, now: Circumstances) -> Circumstances;

    /// Reads what is new; the events that tell it. Nothing when nothing may have changed.
    fn read(
        &mut self,
        desk: &Desk,
        permit: Permit<Self::Look>,
    ) -> impl Future<Output = Result<Vec<Told>, Problem>> + Send;

    /// Whether there may be something to read.
    fn dirty(&self) -> bool;

    /// There may be something to read.
    fn look_again(&mut self);

    /// Waits until there may be something new. It can be abandoned at any moment.
    fn changed(&mut self) -> impl Future<Output = Option<Told>> + Send;
}

/// One event.
struct Told {
    kind: &'static str,
    id: Option<u64>,
    data: Value,
}

/// Whoever looks, and until when.
struct Sitting {
    desk: Desk,
    signed: Arc<Signed>,
    ended: Pin<Box<dyn Future<Output = ()> + Send>>,
    until: Instant,
}

impl Sitting {
    async fn of(desk: &Desk, headers: &HeaderMap) -> Result<Self, Problem> {
        let nobody = || Problem::new(ProblemKind::Unauthenticated, "Nobody is signed in here.", "Sign in.");
        let secret = SessionSecret::of_request(headers).ok_or_else(nobody)?;
        let signed = desk.identity.session(&secret).await.map_err(|error| Problem::from(&error))?;
        let signed = Arc::new(signed.map_err(|_| nobody())?);
        let (identity, whose) = (desk.identity.clone(), Arc::clone(&signed));
        let ended = Box::pin(async move {
            if let Err(error) = identity.ended(&whose).await {
                tracing::error!(%error, "a stream closes, because its session cannot be looked at");
            }
        });
        Ok(Self { desk: desk.clone(), signed, ended, until: Instant::now() + LONGEST })
    }
}

/// The leave to look at this moment; `None` when there is none any more.
async fn leave<O: Open>(desk: &Desk, signed: &Signed, open: &O) -> Option<Permit<O::Look>> {
    let actor = match desk.identity.again(signed).await {
        Ok(actor) => actor.ok()?,
        Err(error) => {
            tracing::error!(%error, "a stream closes, because its session cannot be looked at");
            return None;
        }
    };
    let resource = open.resource(desk).await.ok()?;
    let now = open.circumstances(Circumstances::at(desk.world.now()));
    desk.guard.permit(&actor.into(), &resource, &now).ok()
}

/// A stream that is being told.
struct Telling<O> {
    sitting: Sitting,
    open: O,
    queue: VecDeque<Told>,
}

fn stream<O: Open>(sitting: Sitting, open: O) -> axum::response::Response {
    let telling = Telling { sitting, open, queue: VecDeque::new() };
    Sse::new(unfold(telling, |mut telling| async {
        let told = telling.next().await?;
        let mut event = Event::default().event(told.kind).data(told.data.to_string());
        if let Some(id) = told.id {
            event = event.id(id.to_string());
        }
        Some((Ok::<_, Infallible>(event), telling))
    }))
    .into_response()
}

impl<O: Open> Telling<O> {
    /// The next event; `None` when the stream is over.
    async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some(told) = self.queue.pop_front() {
                // Asked after the content was read, and before anybody sees it.
                return leave(&self.sitting.desk, &self.sitting.signed, &self.open).await.map(|_| told);
            }
            if self.open.dirty() {
                let permit = leave(&self.sitting.desk, &self.sitting.signed, &self.open).await?;
                match self.open.read(&self.sitting.desk, permit).await {
                    Ok(told) => self.queue.extend(told),
                    Err(problem) => {
                        tracing::error!(detail = problem.detail(), "a stream of the console cannot be read");
                        return None;
                    }
                }
                continue;
            }
            let mut ending = self.sitting.desk.ending.clone();
            let told = tokio::select! {
                biased;
                () = &mut self.sitting.ended => return None,
                _ = ending.wait_for(|ending| *ending) => return None,
                () = sleep_until(self.sitting.until) => return None,
                told = self.open.changed() => told,
                () = sleep(PING) => {
                    self.open.look_again();
                    Some(Told { kind: "ping", id: None, data: json!({}) })
                }
            };
            self.queue.extend(told);
        }
    }
}

/// A transcript that somebody has open.
struct OpenTranscript {
    conversation: ConversationId,
    reason: Reason,
    following: Following,
    watch: Watch,
    /// The number of the last line that was told.
    after: u64,
    state: Option<(ConversationState, u64, bool, bool)>,
    dirty: bool,
}

impl Open for OpenTranscript {
    type Look = ReadTranscript;

    async fn resource(&self, desk: &Desk) -> Result<Resource, Problem> {
        let (tenant, id) = (desk.tenant, self.conversation);
        let row = desk.db.read(move |tx| store::conversations::facts(tx, tenant, id)).await;
        row.map_err(|error| crate::trouble::of_store(&error))?.map(|row| row.resource()).ok_or_else(nothing)
    }

    fn circumstances(&self, now: Circumstances) -> Circumstances {
        now.because(self.reason.clone())
    }

    async fn read(&mut self, desk: &Desk, permit: Permit<ReadTranscript>) -> Result<Vec<Told>, Problem> {
        let actor = permit.actor().clone();
        let read = desk.conversations.following(&self.following, &Arc::new(permit), self.after).await;
        let (lines, row) = read.map_err(|error| Problem::from(&error))?;
        self.dirty = !lines.is_empty();
        let mut told = Vec::with_capacity(lines.len() + 1);
        for line in lines {
            self.after = line.seq();
            told.push(Told { kind: "message", id: Some(self.after), data: self::line(&row, line) });
        }
        let may_answer = row.state != ConversationState::Closed
            && may_to(desk, &actor, Act::ReplyToConversation, &row.resource());
        let mine = row.assignee.is_some() && row.assignee == actor.staff().map(|staff| staff.user);
        let state = Some((row.state, row.last_seq, may_answer, mine));
        if !self.dirty && self.state != state {
            self.state = state;
            let data = json!({
                "state": row.state.as_str(), "may_answer": may_answer, "mine": mine, "messages": row.last_seq,
                "last": row.last.rfc3339(), "agent": if row.assignee.is_some() { "Taken" } else { "Nobody" },
            });
            told.push(Told { kind: "state", id: None, data });
        }
        Ok(told)
    }

    fn dirty(&self) -> bool {
        self.dirty
    }

    fn look_again(&mut self) {
        self.dirty = true;
    }

    async fn changed(&mut self) -> Option<Told> {
        loop {
            match self.watch.next().await {
                Signal::Stored { seq } if seq <= self.after => {}
                Signal::Changed | Signal::Stored { .. } => {
                    self.dirty = true;
                    return None;
                }
                Signal::Typing | Signal::Delta { .. } | Signal::Failed => {}
            }
        }
    }
}

/// A line as the island shows it.
fn line(row: &Conversation, line: Line) -> Value {
    let shown = shown(row, line);
    let text = shown.text.as_deref().unwrap_or(match shown.who.as_str() {
        "Erased" => "The person was erased. Nobody can read this any more.",
        _ => "This record did not open: it was altered, moved, swapped or removed.",
    });
    let cited: Vec<&str> = shown.sources.iter().map(|(title, _)| title.as_str()).collect();
    json!({
        "seq": shown.seq, "role": shown.role, "who": shown.who, "text": text,
        "at": shown.at.map(|at| at.iso()),
        "cited": (!cited.is_empty()).then(|| format!("Sources: {}", cited.join(", "))),
    })
}

/// The list that somebody has open.
struct OpenList {
    resource: Resource,
    filter: Filter,
    via: Via,
    changes: watch::Receiver<u64>,
    /// What the log says that they were told of.
    known: BTreeSet<ConversationId>,
    /// What was told, in which version.
    shown: BTreeMap<ConversationId, String>,
    /// When it may be read again.
    next: Instant,
    dirty: bool,
}

impl Open for OpenList {
    type Look = ListConversations;

    async fn resource(&self, _: &Desk) -> Result<Resource, Problem> {
        Ok(self.resource.clone())
    }

    fn circumstances(&self, now: Circumstances) -> Circumstances {
        now
    }

    async fn read(&mut self, desk: &Desk, permit: Permit<ListConversations>) -> Result<Vec<Told>, Problem> {
        let (permit, filter) = (Arc::new(permit), self.filter.clone());
        let found = desk.conversations.list_again(&permit, filter, &mut self.known, &self.via).await;
        let found = found.map_err(|error| Problem::from(&error))?;
        (self.dirty, self.next) = (false, Instant::now() + PACE);
        let fresh: BTreeMap<_, _> = found.iter().map(|row| (row.id, Row::from(row).version())).collect();
        let mut told = Vec::new();
        for id in self.shown.keys().filter(|id| !fresh.contains_key(id)) {
            told.push(Told { kind: "remove", id: None, data: json!({ "id": id.to_string() }) });
        }
        // Each rises to the top: the latest comes last.
        for row in found.iter().rev().filter(|row| self.shown.get(&row.id) != fresh.get(&row.id)) {
            told.push(Told { kind: "upsert", id: None, data: Row::from(row).told() });
        }
        self.shown = fresh;
        Ok(told)
    }

    fn dirty(&self) -> bool {
        self.dirty
    }

    fn look_again(&mut self) {
        self.dirty = true;
    }

    async fn changed(&mut self) -> Option<Told> {
        let seen = self.changes.changed().await;
        sleep_until(self.next).await;
        if seen.is_ok() {
            self.dirty = true;
        } else {
            // The room is gone: the process ends.
            std::future::pending::<()>().await;
        }
        None
    }
}
