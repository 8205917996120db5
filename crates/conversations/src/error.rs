//! What can go wrong in a conversation, and the words for it at the door.

use kernel::{BotName, Problem, ProblemKind};
use store::StoreError;
use vault::VaultError;
use wire::turn::EngineError;

/// Why a verb of this room could not be done.
#[derive(Debug, thiserror::Error)]
pub enum ConversationError {
    /// No bot of that name is live.
    #[error("there is no live bot `{0}`")]
    NoSuchBot(BotName),
    /// The conversation was closed.
    #[error("the conversation is closed")]
    Closed,
    /// More messages are waiting for an answer than one person can have.
    #[error("the bot has not caught up yet")]
    TooFast,
    /// What is under a legal hold is not erased.
    #[error("a legal hold keeps this person")]
    Kept(#[source] guard::Denied),
    /// There is nothing left to keep.
    #[error("the person was erased")]
    Erased,
    /// The act is done for a stated reason only.
    #[error("no reason was stated")]
    ReasonNeeded,
    /// There is no such hold, or it was lifted before.
    #[error("there is no such legal hold, or it was lifted before")]
    NoHold,
    /// The memory.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The keys.
    #[error("the keys failed")]
    Vault(#[from] VaultError),
    /// The bot.
    #[error("the engine failed")]
    Engine(#[from] EngineError),
    /// The guard refused what this room does on its own.
    #[error("an inner permit was refused")]
    Denied(#[from] guard::Denied),
    /// The bots' room failed.
    #[error("the bots' room failed")]
    Bots(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<&ConversationError> for Problem {
    fn from(error: &ConversationError) -> Self {
        use ConversationError as E;
        match error {
            E::NoSuchBot(_) => {
                Problem::new(ProblemKind::NotFound, "There is no such bot here.", "Check the bot's name.")
            }
            E::Closed
            | E::Store(StoreError::Conflict { what: "closed conversation" | "conversation's state" }) => {
                Problem::new(
                    ProblemKind::Conflict,
                    "This conversation is closed.",
                    "Open a new conversation.",
                )
            }
            E::Store(StoreError::Conflict { what: "conversation's agent" }) => Problem::new(
                ProblemKind::Conflict,
                "Another member of staff answers in this conversation.",
                "Ask them, or wait until they give it back.",
            ),
            E::Kept(denied) => Problem::new(
                ProblemKind::Forbidden,
                format!("Nothing was erased. Refused by the rule `{}`: {}.", denied.rule(), denied.reason()),
                denied.remedy().to_owned(),
            ),
            E::Erased => Problem::new(
                ProblemKind::Conflict,
                "This person was erased: there is nothing left to keep.",
                "Look into the audit log for when and by whom.",
            ),
            E::ReasonNeeded => {
                Problem::new(ProblemKind::Invalid, "A reason is needed for this.", "State why you do it.")
            }
            E::NoHold => Problem::new(
                ProblemKind::Conflict,
                "There is no such legal hold, or it was lifted before.",
                "Reload the page and look again.",
            ),
            E::Store(StoreError::Conflict { what: "erased person" | "erased subject" }) => Problem::new(
                ProblemKind::Conflict,
                "This conversation was erased.",
                "Open a new conversation.",
            ),
            E::TooFast => Problem::new(
                ProblemKind::Throttled,
                "The bot has not answered your last messages yet.",
                "Wait for the answer, then send again.",
            ),
            E::Store(StoreError::Missing { what: "person" }) => Problem::new(
                ProblemKind::NotFound,
                "There is no such person here.",
                "Look for their conversation, and name that.",
            ),
            E::Store(StoreError::Missing { .. }) => Problem::new(
                ProblemKind::NotFound,
                "There is no such conversation.",
                "Open a new conversation.",
            ),
            E::Store(StoreError::Full) => Problem::new(
                ProblemKind::StorageFull,
                "There is no space left to store the message; it was not accepted.",
                "Try again later. The operator has to free space.",
            ),
            E::Store(
                StoreError::Busy | StoreError::Unavailable | StoreError::Contended | StoreError::ReadOnly,
            )
            | E::Engine(EngineError::Unavailable) => Problem::new(
                ProblemKind::Unavailable,
                "Conversations cannot be reached right now.",
                "Try again in a few seconds.",
            ),
            E::Vault(VaultError::Provider(_)) => Problem::new(
                ProblemKind::Unavailable,
                "The keys cannot be reached right now.",
                "Try again in a few seconds.",
            ),
            E::Store(_) | E::Vault(_) | E::Engine(_) | E::Denied(_) | E::Bots(_) => Problem::new(
                ProblemKind::Internal,
                "Something failed here. Nothing that was accepted is lost.",
                "Try again; if it stays, tell the operator the request id.",
            ),
        }
    }
}
