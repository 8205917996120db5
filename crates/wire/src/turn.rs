//! One turn of a conversation, between `core` and `engine`. The engine keeps nothing between turns:
//! what it needs to remember comes back as sealed-at-rest state from `core`, and it never sees a
//! conversation's id, a person's id or a key.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use kernel::{Email, MessageText, Note, ReleaseId, Timestamp, Title};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::release::Release;

/// What the engine is asked.
#[derive(Debug, Clone)]
pub struct TurnRequest {
    /// The bot that answers.
    pub release: ReleaseId,
    /// The language of the person's page, a BCP 47 tag, if known.
    pub locale: Option<String>,
    /// The last messages before this one, oldest first.
    pub history: Vec<Said>,
    /// What the person says.
    pub text: MessageText,
    /// What the engine asked to be remembered after the last turn.
    pub state: Option<TurnState>,
    /// The time of the turn, for what depends on today's date.
    pub now: Timestamp,
}

/// A message of the conversation so far.
#[derive(Debug, Clone)]
pub struct Said {
    /// Whether the person said it; otherwise the bot or an agent did.
    pub by_person: bool,
    /// What was said.
    pub text: MessageText,
}

/// What the engine wants to remember: slot values, so as personal as a message. Opaque to `core`.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnState(pub Vec<u8>);

impl std::fmt::Debug for TurnState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TurnState({} bytes)", self.0.len())
    }
}

/// What the engine answers with: any number of deltas, then exactly one reply or failure.
#[derive(Debug)]
pub enum TurnEvent {
    /// A further piece of the reply's text, to be shown at once.
    Delta(String),
    /// The whole reply; the stream ends.
    Reply(Reply),
    /// The turn failed; the stream ends.
    Failed(EngineError),
}

/// The whole reply to one message.
#[derive(Clone, PartialEq)]
pub struct Reply {
    /// What the bot says: all deltas together.
    pub text: MessageText,
    /// Where it is written.
    pub citations: Vec<Citation>,
    /// What to hand back with the next turn; `None` forgets.
    pub state: Option<TurnState>,
    /// What `core` is to do.
    pub act: Option<Act>,
    /// How the reply came about, for tests and for people who build bots.
    pub basis: Basis,
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reply").field("text", &self.text).field("basis", &self.basis).finish_non_exhaustive()
    }
}

/// A place where an answer is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Citation {
    /// The title to show.
    pub title: String,
    /// An absolute `https` address, or a path on Wardroom's own origin.
    pub url: String,
}

/// What `core` is to do after a reply.
#[derive(Clone, PartialEq)]
pub enum Act {
    /// Hand the conversation to a person.
    Handoff,
    /// Open a ticket for staff.
    Ticket {
        /// Its title.
        title: Title,
        /// Its text.
        body: Note,
        /// Where the answer goes.
        contact: Option<Email>,
    },
}

impl std::fmt::Debug for Act {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Handoff => "Handoff",
            Self::Ticket { .. } => "Ticket",
        })
    }
}

/// How a reply came about.
#[derive(Debug, Clone, PartialEq)]
pub enum Basis {
    /// An intent was recognised.
    Intent {
        /// Its name.
        name: String,
        /// Its calibrated probability.
        probability: f32,
    },
    /// A passage was quoted.
    Knowledge {
        /// Where the passage stands.
        url: String,
        /// The share of the question that it covers.
        coverage: f32,
    },
    /// A flow asked its next question, or ended.
    Flow {
        /// The flow's name.
        flow: String,
        /// The slot that is asked for now; `None` at the confirmation and at the end.
        slot: Option<String>,
    },
    /// The bot said that it does not know.
    Fallback,
}

/// Why the engine could not answer.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The release is not loaded here: load it and ask again.
    #[error("the release {0} is not loaded")]
    NotLoaded(ReleaseId),
    /// The release cannot be run.
    #[error("the release cannot be run: {0}")]
    Release(String),
    /// The state handed in is not one that this engine made.
    #[error("the remembered state cannot be read")]
    State,
    /// The engine is gone, or took too long.
    #[error("the engine does not answer")]
    Unavailable,
}

/// The events of one turn, in order. The channel is bounded: a reader that stops holds the writer
/// back and costs no memory.
#[derive(Debug)]
pub struct TurnStream(mpsc::Receiver<TurnEvent>);

impl TurnStream {
    /// Deltas that may wait for the reader.
    const DEPTH: usize = 32;

    /// A stream and the end that fills it.
    pub fn channel() -> (mpsc::Sender<TurnEvent>, Self) {
        let (sender, receiver) = mpsc::channel(Self::DEPTH);
        (sender, Self(receiver))
    }

    /// The next event. When the writer went away without a reply, the last event is
    /// [`EngineError::Unavailable`] from [`TurnStream::reply`]; here it is `None`.
    pub async fn next(&mut self) -> Option<TurnEvent> {
        self.0.recv().await
    }

    /// Reads to the end and returns the reply, for callers that do not show deltas.
    ///
    /// # Errors
    /// When the turn failed or the engine went away.
    pub async fn reply(mut self) -> Result<Reply, EngineError> {
        while let Some(event) = self.next().await {
            match event {
                TurnEvent::Delta(_) => {}
                TurnEvent::Reply(reply) => return Ok(reply),
                TurnEvent::Failed(error) => return Err(error),
            }
        }
        Err(EngineError::Unavailable)
    }
}

/// What loading a release found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loaded {
    /// Passages that can be found.
    pub passages: usize,
    /// Bytes of memory that the index takes.
    pub index_bytes: usize,
}

/// A future of this contract.
pub type EngineFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, EngineError>> + Send + 'a>>;

/// The engine, wherever it lives. In one process the engine itself implements it; across the network
/// a client does.
pub trait EngineService: Send + Sync {
    /// Makes a release ready to answer. Loading one that is loaded does nothing.
    fn load(&self, id: ReleaseId, release: Arc<Release>) -> EngineFuture<'_, Loaded>;

    /// Starts one turn.
    fn turn(&self, request: TurnRequest) -> EngineFuture<'_, TurnStream>;
}
