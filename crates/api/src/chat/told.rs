//! What happens in a conversation, as it is told to the person in it: over server-sent events
//! ([`super::events`]) or a WebSocket ([`super::socket`]), in the same words. The store is read, the hub only
//! wakes; so a stream can end at any moment and be taken up again at the id of its last event.
//!
//! What ends one kind of stream ends the other: half an hour, as long as a token lives; the end of the
//! session in which the token was given out; the end of the process. Whoever is signed in is asked about before
//! each event, after its content was read: what was stored after the end of their session is never told.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use conversations::token::TOKEN_LIFE;
use conversations::{Line, Said, Signal, Watch};
use guard::Permit;
use guard::action::ReadOwnConversation;
use http::HeaderMap;
use kernel::{Problem, ProblemKind, SessionId};
use serde_json::{Value, json};
use store::conversations::ConversationState;
use store::messages::Speaker;
use tokio::time::{Instant, sleep, sleep_until};

use crate::Front;
use crate::front::bearer;

/// Silence after which a ping is sent, so that nothing between us and the browser gives up.
const PING: Duration = Duration::from_secs(10);

/// One event.
pub(super) struct Told {
    pub(super) kind: &'static str,
    /// The resume point after it.
    pub(super) id: u64,
    pub(super) data: Value,
}

/// Why a stream is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// The session has ended in which the token was given out.
    SignedOut,
    /// A token that was new when the stream began has expired.
    Expired,
    /// The process is ending.
    Ending,
    /// The store could not be read; an event has said so.
    Failed,
}

/// What waits for the end of a session; for ever, when there is none.
type SignedOut = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One open stream.
pub(super) struct Telling {
    front: Front,
    permit: Arc<Permit<ReadOwnConversation>>,
    watch: Watch,
    /// The number of the last message that was told; the resume point.
    after: u64,
    state: Option<ConversationState>,
    queue: VecDeque<Told>,
    /// No stream lasts longer than a token lives.
    until: Instant,
    /// The session in which the token was given out.
    session: Option<SessionId>,
    /// Ends when that session does.
    signed_out: SignedOut,
    over: Option<Over>,
    /// Whether the store may hold something that was not told.
    dirty: bool,
}

impl Telling {
    /// Begins after message `after`, for whoever brought the token among these headers.
    pub(super) async fn begin(
        front: Front,
        permit: Permit<ReadOwnConversation>,
        headers: &HeaderMap,
        after: u64,
    ) -> Result<Self, Problem> {
        let permit = Arc::new(permit);
        // Watch first, read then: what is stored in between is read, and signalled once more.
        let watch = permit.resource().conversation().map(|id| front.conversations.live().watch(id));
        let nothing = || Problem::new(ProblemKind::NotFound, "There is no such conversation.", "Open one.");
        let watch = watch.ok_or_else(nothing)?;
        front.conversations.resume(&permit).await.map_err(|error| Problem::from(&error))?;
        let until = Instant::now() + TOKEN_LIFE;
        let token = bearer(headers).unwrap_or_default();
        let holder = front.conversations.holder(front.tenant, token).await;
        let session = holder.map_err(|error| Problem::from(&error))?.ok().and_then(|holder| holder.session);
        let signed_out = signed_out(&front, session);
        Ok(Self {
            front,
            permit,
            watch,
            after,
            state: None,
            queue: VecDeque::new(),
            until,
            session,
            signed_out,
            over: None,
            dirty: true,
        })
    }

    /// Waits for the next event. It can be abandoned at any moment without losing one.
    pub(super) async fn next(&mut self) -> Result<Told, Over> {
        loop {
            if !self.queue.is_empty() && self.over.is_none_or(|over| over == Over::Failed) {
                self.look().await;
            }
            match self.over {
                None | Some(Over::Failed) => {
                    if let Some(told) = self.queue.pop_front() {
                        return Ok(told);
                    }
                }
                Some(_) => {}
            }
            if let Some(over) = self.over {
                return Err(over);
            }
            if self.dirty {
                self.catch_up().await;
                continue;
            }
            let mut ending = self.front.ending.clone();
            tokio::select! {
                biased;
                () = &mut self.signed_out => self.over = Some(Over::SignedOut),
                _ = ending.wait_for(|ending| *ending) => self.over = Some(Over::Ending),
                () = sleep_until(self.until) => self.over = Some(Over::Expired),
                signal = self.watch.next() => self.hear(signal),
                () = sleep(PING) => self.tell("ping", json!({})),
            }
        }
    }

    /// Waits for the end, whatever there is to tell.
    pub(super) async fn over(&mut self) -> Over {
        if let Some(over) = self.over {
            return over;
        }
        let mut ending = self.front.ending.clone();
        let over = tokio::select! {
            biased;
            () = &mut self.signed_out => Over::SignedOut,
            _ = ending.wait_for(|ending| *ending) => Over::Ending,
            () = sleep_until(self.until) => Over::Expired,
        };
        self.over = Some(over);
        over
    }

    /// Whether the session still opens anything, now that there is something to tell.
    async fn look(&mut self) {
        let Some(session) = self.session else { return };
        match self.front.identity.person_still(session).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => self.over = Some(Over::SignedOut),
            Err(error) => {
                tracing::error!(%error, "a stream closes, because its session cannot be looked at");
                self.over = Some(Over::SignedOut);
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
                        Line::Said(said) => self.tell("message", message(&said)),
                        Line::Refused { seq } => self.tell("error", refused(seq)),
                        Line::Erased { seq } => self.tell("error", erased(seq)),
                    }
                }
                if !self.dirty && self.state != Some(state) {
                    self.state = Some(state);
                    self.tell("state", json!({ "state": state.as_str() }));
                }
            }
            Err(error) => {
                tracing::error!(%error, "a stream of events cannot be read");
                self.tell("error", json!(Problem::from(&error)));
                self.over = Some(Over::Failed);
            }
        }
    }

    fn hear(&mut self, signal: Signal) {
        match signal {
            Signal::Changed => self.dirty = true,
            Signal::Stored { seq } => self.dirty |= seq > self.after,
            Signal::Typing => self.tell("state", json!({ "state": "typing" })),
            Signal::Delta { seq, text } => self.tell("delta", json!({ "seq": seq, "text": &*text })),
            Signal::Failed => {
                let problem = Problem::new(
                    ProblemKind::Unavailable,
                    "The bot could not answer.",
                    "Your message is kept. Ask again, or ask for a person.",
                );
                self.tell("error", json!(problem));
            }
        }
    }

    fn tell(&mut self, kind: &'static str, data: Value) {
        self.queue.push_back(Told { kind, id: self.after, data });
    }
}

fn signed_out(front: &Front, session: Option<SessionId>) -> SignedOut {
    let Some(session) = session else { return Box::pin(std::future::pending()) };
    let identity = front.identity.clone();
    Box::pin(async move {
        if let Err(error) = identity.person_ended(session).await {
            tracing::error!(%error, "a stream closes, because its session cannot be looked at");
        }
    })
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
