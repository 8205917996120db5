//! What can go wrong with policies, and the words for it at the door.

use guard::{Broken, GuardError};
use kernel::{Problem, ProblemKind};
use store::StoreError;
use store::policies::PolicyRefusal;
use vault::VaultError;

/// Why a verb of this room could not be done.
#[derive(Debug, thiserror::Error)]
pub enum RulebookError {
    /// The records of policies do not allow it; nothing has changed.
    #[error(transparent)]
    Refused(#[from] PolicyRefusal),
    /// The files are not policies, or not policies that fit.
    #[error(transparent)]
    Policies(#[from] GuardError),
    /// They would break invariants.
    #[error("they break {} invariants, first `{}`: {}", .0.len(), first(.0).0, first(.0).1)]
    Broken(Vec<Broken>),
    /// They are what is in force already.
    #[error("these policies are in force already")]
    Same,
    /// What a question is about is not there.
    #[error("there is no such thing")]
    Nothing,
    /// No reason was stated.
    #[error("a change of policies is made for a stated reason")]
    NoReason,
    /// The version in force cannot be used by this program.
    #[error("version {version} of the policies, which is in force, does not fit this program: {cause}")]
    InForce {
        /// The version.
        version: u64,
        /// What does not fit.
        cause: GuardError,
    },
    /// The record of a version is not what it was.
    #[error("the record of version {0} is damaged")]
    Damaged(u64),
    /// The store.
    #[error("the store failed")]
    Store(#[source] StoreError),
    /// The keys.
    #[error("the keys failed")]
    Vault(#[from] VaultError),
    /// A thread of ours ended early.
    #[error("a worker thread failed")]
    Worker,
}

fn first(broken: &[Broken]) -> (&str, &str) {
    broken.first().map_or(("", ""), |broken| (broken.invariant, broken.example.as_str()))
}

impl From<StoreError> for RulebookError {
    fn from(error: StoreError) -> Self {
        match error.refusal::<PolicyRefusal>() {
            Some(refusal) => Self::Refused(refusal.clone()),
            None => Self::Store(error),
        }
    }
}

impl From<&RulebookError> for Problem {
    fn from(error: &RulebookError) -> Self {
        use RulebookError as E;
        let sentence = |error: &dyn std::error::Error| {
            let text = error.to_string();
            let mut letters = text.chars();
            let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
            format!("{first}{}.", letters.as_str())
        };
        match error {
            E::Refused(PolicyRefusal::NoProposal) => {
                Problem::new(ProblemKind::NotFound, sentence(error), "Look at the history of the policies.")
            }
            E::Nothing => {
                Problem::new(ProblemKind::NotFound, "There is no such thing here.", "Check its address.")
            }
            E::Refused(_) | E::Same => {
                Problem::new(ProblemKind::Conflict, sentence(error), "Look at the history, then decide anew.")
            }
            E::Policies(_) | E::Broken(_) | E::NoReason => {
                Problem::new(ProblemKind::Invalid, sentence(error), "Correct it, then rehearse it again.")
            }
            E::Store(StoreError::Full) => Problem::new(
                ProblemKind::StorageFull,
                "There is no space left; nothing has changed.",
                "Free space, then try again.",
            ),
            E::InForce { .. } | E::Damaged(_) | E::Store(_) | E::Vault(_) | E::Worker => Problem::new(
                ProblemKind::Internal,
                "Something failed here; nothing has changed.",
                "Try again; if it stays, tell the operator the request id.",
            ),
        }
    }
}
