//! What can go wrong with keys, and the words for it at the door.

use kernel::{Problem, ProblemKind};
use store::StoreError;
use store::custody::KeyRefusal;
use vault::VaultError;

/// Why a verb of this room could not be done.
#[derive(Debug, thiserror::Error)]
pub enum CustodyError {
    /// The records of keys do not allow it; nothing has changed.
    #[error(transparent)]
    Refused(#[from] KeyRefusal),
    /// No root key that this process has opens the tenant's newest key.
    #[error("no root key of this process opens version {version} of the tenant's key")]
    NoRoot {
        /// The version.
        version: u32,
        /// What the provider said.
        source: VaultError,
    },
    /// There is no other root key to move to.
    #[error("no other root key is configured; set `[keys.next]`")]
    NoNext,
    /// The other root key is not the one that was meant.
    #[error("the root key to move to is `{configured}`, not `{meant}`")]
    OtherNext {
        /// What is configured.
        configured: String,
        /// What was meant.
        meant: String,
    },
    /// There is nothing to move.
    #[error("every version is wrapped by `{0}` already")]
    AlreadyThere(String),
    /// The act needs a stated reason.
    #[error("state a reason: it is kept, sealed, in the audit log")]
    ReasonNeeded,
    /// The store.
    #[error("the store failed")]
    Store(#[source] StoreError),
    /// The keys.
    #[error("the keys failed")]
    Vault(#[from] VaultError),
    /// The guard refused what this room does on its own.
    #[error("an inner permit was refused")]
    Denied(#[from] guard::Denied),
    /// A thread of ours ended early.
    #[error("a worker thread failed")]
    Worker,
}

impl From<StoreError> for CustodyError {
    fn from(error: StoreError) -> Self {
        match error.refusal::<KeyRefusal>() {
            Some(refusal) => Self::Refused(refusal.clone()),
            None => Self::Store(error),
        }
    }
}

impl CustodyError {
    /// Whether trying again later can help by itself.
    pub fn passes(&self) -> bool {
        match self {
            Self::Store(error) => matches!(
                error,
                StoreError::Busy
                    | StoreError::Full
                    | StoreError::Unavailable
                    | StoreError::Contended
                    | StoreError::InDoubt
            ),
            Self::Vault(error) | Self::NoRoot { source: error, .. } => error.is_transient(),
            _ => false,
        }
    }
}

impl From<&CustodyError> for Problem {
    fn from(error: &CustodyError) -> Self {
        use CustodyError as E;
        match error {
            E::Refused(KeyRefusal::NoRequest) => Problem::new(
                ProblemKind::NotFound,
                "There is no such open request.",
                "Look at the list of requests.",
            ),
            E::Refused(refusal) => Problem::new(
                ProblemKind::Conflict,
                format!("The keys do not allow this: {refusal}."),
                "Look at the list of keys and requests, then decide anew.",
            ),
            E::ReasonNeeded => Problem::new(
                ProblemKind::Invalid,
                "The reason is missing.",
                "Say why; it is kept, sealed, in the audit log.",
            ),
            E::NoNext | E::OtherNext { .. } => Problem::new(
                ProblemKind::Conflict,
                "There is no root key to move to.",
                "Have the operator set `[keys.next]` in `wardroom.toml` and start again.",
            ),
            E::AlreadyThere(_) => Problem::new(
                ProblemKind::Conflict,
                "Every version is wrapped by that root key already.",
                "Make it the root key in `[keys]`, and remove `[keys.next]`.",
            ),
            E::NoRoot { .. } | E::Vault(_) => Problem::new(
                ProblemKind::Unavailable,
                "The root key did not help.",
                "Try again in a few seconds; `wardroom doctor` says what is wrong.",
            ),
            E::Store(StoreError::Full) => Problem::new(
                ProblemKind::StorageFull,
                "There is no space left; nothing has changed.",
                "Free space, then try again.",
            ),
            E::Store(_) | E::Denied(_) | E::Worker => Problem::new(
                ProblemKind::Internal,
                "Something failed here; nothing has changed.",
                "Try again; if it stays, tell the operator the request id.",
            ),
        }
    }
}
