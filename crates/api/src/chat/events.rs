//! `GET /chat/v1/conversations/{id}/events`: what happens in a conversation, as server-sent events (HTML
//! standard, section 9.2). The store is read, the hub only wakes; so a stream can end at any moment and
//! be taken up again at the id of its last event.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, Sse};
use conversations::token::TOKEN_LIFE;
use conversations::{Line, Said, Signal, Watch};
use doors::{Authorized, Refusal};
use futures_util::Stream;
use futures_util::stream::unfold;
use guard::Permit;
use guard::action::ReadOwnConversation;
use http::HeaderMap;
use kernel::{Problem, ProblemKind};
use serde_json::{Value, json};
use store::conversations::ConversationState;
use store::messages::Speaker;
use tokio::time::{Instant, sleep, sleep_until};

use crate::Front;
use crate::front::bearer;

/// Silence after which a ping is sent, so that nothing between us and the browser gives up.
const PING: Duration = Duration::from_secs(10);

/// Opens the stream.
pub(crate) async fn events(
    leave: Authorized<ReadOwnConversation>,
    State(front): State<Front>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let after = match headers.get("last-event-id") {
        None => 0,
        Some(id) => id.to_str().ok().and_then(|id| id.parse().ok()).ok_or_else(|| {
            let mend =
                "Send the `id` of the last event you have, or leave the header out to begin at the first.";
            Problem::new(ProblemKind::Malformed, "`last-event-id` is not an event's id.", mend)
        })?,
    };
    let permit = Arc::new(leave.into_permit());
    // Watch first, read then: what is stored in between is read, and signalled once more.
    let watch = permit.resource().conversation().map(|id| front.conversations.live().watch(id));
    let watch = watch
        .ok_or_else(|| Problem::new(ProblemKind::NotFound, "There is no such conversation.", "Open one."))?;
    front.conversations.resume(&permit).await.map_err(|error| Problem::from(&error))?;
    let until = Instant::now() + TOKEN_LIFE;
    let signed_out = signed_out(&front, &headers).await?;
    let telling = Telling {
        front,
        permit,
        watch,
        after,
        state: None,
        queue: VecDeque::new(),
        until,
        signed_out,
        ended: false,
        dirty: true,
    };
    Ok(Sse::new(unfold(telling, |mut telling| async {
        let event = telling.next().await?;
        Some((Ok(event), telling))
    })))
}

/// What waits for the end of a session; for ever, when there is none.
type SignedOut = Pin<Box<dyn Future<Output = ()> + Send>>;

async fn signed_out(front: &Front, headers: &HeaderMap) -> Result<SignedOut, Problem> {
    let token = bearer(headers).unwrap_or_default();
    let holder = front.conversations.holder(front.tenant, token).await;
    let session = holder.map_err(|error| Problem::from(&error))?.ok().and_then(|holder| holder.session);
    let Some(session) = session else { return Ok(Box::pin(std::future::pending())) };
    let identity = front.identity.clone();
    Ok(Box::pin(async move {
        if let Err(error) = identity.person_ended(session).await {
            tracing::error!(%error, "a stream closes, because its session cannot be looked at");
        }
    }))
}

/// One open stream.
struct Telling {
    front: Front,
    permit: Arc<Permit<ReadOwnConversation>>,
    watch: Watch,
    /// The number of the last message that was told; the resume point.
    after: u64,
    state: Option<ConversationState>,
    queue: VecDeque<Event>,
    /// No stream outlives the token that opened it.
    until: Instant,
    /// Ends when the session does in which the token was given out.
    signed_out: SignedOut,
    ended: bool,
    /// Whether the store may hold something that was not told.
    dirty: bool,
}

impl Telling {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Some(event);
            }
            if self.ended {
                return None;
            }
            if self.dirty {
                self.catch_up().await;
                continue;
            }
            let mut ending = self.front.ending.clone();
            tokio::select! {
                signal = self.watch.next() => self.hear(signal),
                () = sleep(PING) => self.tell("ping", &json!({})),
                () = sleep_until(self.until) => self.ended = true,
                () = &mut self.signed_out => self.ended = true,
                _ = ending.wait_for(|ending| *ending) => self.ended = true,
            }
        }
    }

    /// Reads what is new in the store.
    async fn catch_up(&mut self) {
        match self.front.conversations.read(&self.permit, self.after).await {
            Ok((lines, state)) => {
                self.dirty = !lines.is_empty();
                for line in lines {
                    self.after = line.seq();
                    match line {
                        Line::Said(said) => self.tell("message", &message(&said)),
                        Line::Refused { seq } => self.tell("error", &refused(seq)),
                        Line::Erased { seq } => self.tell("error", &erased(seq)),
                    }
                }
                if !self.dirty && self.state != Some(state) {
                    self.state = Some(state);
                    self.tell("state", &json!({ "state": state.as_str() }));
                }
            }
            Err(error) => {
                tracing::error!(%error, "a stream of events cannot be read");
                self.tell("error", &json!(Problem::from(&error)));
                self.ended = true;
            }
        }
    }

    fn hear(&mut self, signal: Signal) {
        match signal {
            Signal::Changed => self.dirty = true,
            Signal::Typing => self.tell("state", &json!({ "state": "typing" })),
            Signal::Delta { seq, text } => self.tell("delta", &json!({ "seq": seq, "text": &*text })),
            Signal::Failed => {
                let problem = Problem::new(
                    ProblemKind::Unavailable,
                    "The bot could not answer.",
                    "Your message is kept. Ask again, or ask for a person.",
                );
                self.tell("error", &json!(problem));
            }
        }
    }

    fn tell(&mut self, kind: &str, data: &Value) {
        let event = Event::default().id(self.after.to_string()).event(kind).data(data.to_string());
        self.queue.push_back(event);
    }
}

fn message(said: &Said) -> Value {
    let role = match said.speaker {
        Speaker::Person => "user",
        Speaker::Bot | Speaker::House => "bot",
        Speaker::Agent => "agent",
    };
    json!({
        "seq": said.seq,
        "role": role,
        "text": said.text.as_str(),
        "citations": said.citations,
        "created_at": said.at.rfc3339(),
    })
}

fn erased(seq: u64) -> Value {
    json!(Problem::new(
        ProblemKind::Conflict,
        format!("Message {seq} was erased."),
        "Nobody can read it any more. Open a new conversation.",
    ))
}

fn refused(seq: u64) -> Value {
    json!(Problem::new(
        ProblemKind::Internal,
        format!("Message {seq} cannot be shown: what is stored is not what was sent."),
        "The rest of the conversation can be read. The operator has been told.",
    ))
}
