//! What a handler of this console fails with: one type that every room's error becomes, and the words
//! for each.

use axum::response::{IntoResponse, Response};
use bots::ShelfError;
use conversations::ConversationError;
use custody::CustodyError;
use doors::Refusal;
use guard::Denied;
use identity::IdentityError;
use kernel::{Problem, ProblemKind, TextError};
use rulebook::RulebookError;
use store::StoreError;
use vault::VaultError;
use wire::turn::EngineError;

/// A handler's answer: a response, or what went wrong.
pub(crate) type Answer = Result<Response, Trouble>;

/// What went wrong, on its way to the person. Boxed, because it is large and seldom.
#[derive(Debug)]
pub(crate) struct Trouble(Box<Refusal>);

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self(Box::new(refusal))
    }
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem.into()))
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::from(of_store(&error))
    }
}

impl From<VaultError> for Trouble {
    fn from(error: VaultError) -> Self {
        Self::from(of_store(&StoreError::refuse(error)))
    }
}

impl From<ConversationError> for Trouble {
    fn from(error: ConversationError) -> Self {
        tracing::warn!(error = &error as &dyn std::error::Error, "a conversation could not be shown");
        Self::from(Problem::from(&error))
    }
}

impl From<CustodyError> for Trouble {
    fn from(error: CustodyError) -> Self {
        if !matches!(error, CustodyError::Refused(_)) {
            tracing::error!(error = &error as &dyn std::error::Error, "the custody of keys failed");
        }
        Self::from(Problem::from(&error))
    }
}

impl From<RulebookError> for Trouble {
    fn from(error: RulebookError) -> Self {
        let problem = Problem::from(&error);
        if problem.kind() == ProblemKind::Internal {
            tracing::error!(error = &error as &dyn std::error::Error, "the rulebook failed");
        }
        Self::from(problem)
    }
}

impl From<IdentityError> for Trouble {
    fn from(error: IdentityError) -> Self {
        if !matches!(error, IdentityError::Refused(_)) {
            tracing::error!(error = &error as &dyn std::error::Error, "the identity room failed");
        }
        Self::from(Problem::from(&error))
    }
}

impl From<ShelfError> for Trouble {
    fn from(error: ShelfError) -> Self {
        match error {
            ShelfError::Store(error) => error.into(),
            ShelfError::Denied(denied) => denied.into(),
            other => internal(&other),
        }
    }
}

impl From<EngineError> for Trouble {
    fn from(error: EngineError) -> Self {
        let (detail, mend) = match error {
            EngineError::State => {
                ("What the bot remembered of this trial does not fit any more.", "Start the trial again.")
            }
            EngineError::Unavailable => ("The engine does not answer.", "Try again in a few seconds."),
            other => return internal(&other),
        };
        Problem::new(ProblemKind::Unavailable, detail, mend).into()
    }
}

impl From<Denied> for Trouble {
    fn from(denied: Denied) -> Self {
        if !denied.visible() {
            return nothing().into();
        }
        let detail = format!("Refused by the rule `{}`: {}.", denied.rule(), denied.reason());
        Problem::new(ProblemKind::Forbidden, detail, denied.remedy().to_owned()).into()
    }
}

impl From<TextError> for Trouble {
    fn from(error: TextError) -> Self {
        invalid(sentence(&error), "Go back and correct it.").into()
    }
}

impl From<askama::Error> for Trouble {
    fn from(error: askama::Error) -> Self {
        internal(&error)
    }
}

/// A value that is not acceptable.
pub(crate) fn invalid(detail: impl Into<std::borrow::Cow<'static, str>>, mend: &'static str) -> Problem {
    Problem::new(ProblemKind::Invalid, detail, mend)
}

/// Nothing is there, or nothing that may be seen.
pub(crate) fn nothing() -> Problem {
    let detail = "There is nothing here, or nothing that you may see.";
    Problem::new(ProblemKind::NotFound, detail, "Check the address, and your roles on the page Your account.")
}

/// An error's words as a sentence.
pub(crate) fn sentence(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// A failure of ours: the cause is logged, the person gets the request's id.
pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Trouble {
    tracing::error!(error, "a page could not be made");
    let detail = "Something failed here. Nothing was changed.";
    Problem::new(ProblemKind::Internal, detail, "Try again; if it stays, tell the operator the request id.")
        .into()
}

/// The words for a failure of the memory.
pub(crate) fn of_store(error: &StoreError) -> Problem {
    match error {
        StoreError::Missing { .. } => nothing(),
        StoreError::Conflict { .. } => Problem::new(
            ProblemKind::Conflict,
            "It was changed meanwhile, or is there already.",
            "Reload the page and look again.",
        ),
        StoreError::Full => Problem::new(
            ProblemKind::StorageFull,
            "There is no space left, so nothing was changed.",
            "Free space on the database's disk, then try again.",
        ),
        StoreError::Busy | StoreError::Unavailable | StoreError::Contended | StoreError::ReadOnly => {
            let detail = "The database cannot do this right now.";
            Problem::new(ProblemKind::Unavailable, detail, "Try again in a few seconds.")
        }
        other => {
            tracing::error!(error = other as &dyn std::error::Error, "the store failed");
            let detail = "Something failed here. Nothing was changed.";
            Problem::new(
                ProblemKind::Internal,
                detail,
                "Try again; if it stays, tell the operator the request id.",
            )
        }
    }
}
