//! What can go wrong in the memory, in the words of whoever asked. The engines' own errors are
//! translated here and nowhere else, and only a code and a message without values are kept of them:
//! PostgreSQL's `DETAIL` line, for one, repeats column values.

use std::any::Any;
use std::error::Error;
use std::sync::Arc;

use crate::value::ColumnError;

/// Why a job could not be done. It can be cloned, because one failed COMMIT fails every job in it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// More jobs are waiting than the queue holds. Nothing was done; trying again later can help.
    #[error("the database has more work queued than it takes on; try again later")]
    Busy,
    /// The disk, the quota or the database's page limit is used up. Reading still works.
    #[error("there is no space left for the database")]
    Full,
    /// The database file, its folder or the server allows reading only.
    #[error("the database can only be read, not written")]
    ReadOnly,
    /// The database's own structure is damaged; restore a backup.
    #[error("the database is damaged; restore it from a backup")]
    Corrupt,
    /// A newer Wardroom has migrated this database. This one would not understand it.
    #[error("the database is at migration {found}, this program knows up to {known}; run a newer program")]
    Newer {
        /// The highest migration number in the database.
        found: u32,
        /// The highest migration number of this program.
        known: u32,
    },
    /// A migration that this database has already run now has another text.
    #[error("migration {number} differs from the one that made this database")]
    MigrationChanged {
        /// The number of the changed migration.
        number: u32,
    },
    /// The database cannot be reached now. Nothing was done; the next job tries to connect again.
    #[error("the database cannot be reached")]
    Unavailable,
    /// The connection was lost after COMMIT was sent and before its answer came: the job is done or
    /// not done, and only reading again can tell.
    #[error("the connection was lost during commit; whether the change was kept is not known")]
    InDoubt,
    /// Another transaction was in the way, again and again.
    #[error("another transaction was in the way; try again")]
    Contended,
    /// The conversation went on, was closed or was erased since its slot was found. Nothing was done.
    #[error("the conversation went on meanwhile; look again")]
    Moved,
    /// The row exists already, or a state that was expected is no longer there.
    #[error("the {what} is already there or has changed meanwhile")]
    Conflict {
        /// What there may be only one of.
        what: &'static str,
    },
    /// The row does not exist in this tenant.
    #[error("there is no such {what}")]
    Missing {
        /// What was looked for.
        what: &'static str,
    },
    /// A row does not have the shape this program expects.
    #[error("a row cannot be read")]
    Column(#[from] ColumnError),
    /// A stored blob is not what its column promises.
    #[error("the stored {what} cannot be read")]
    Malformed {
        /// Which blob.
        what: &'static str,
    },
    /// A bound row is not as this program left it: somebody wrote to the database past it.
    #[error("the row {row} of {table} was changed by somebody else than this program")]
    Tampered {
        /// The table.
        table: &'static str,
        /// The rest of the row's key beside the tenant.
        row: String,
    },
    /// The job called itself off; [`StoreError::refusal`] gives its reason back.
    #[error("the job called itself off")]
    Refused(#[source] Arc<dyn Error + Send + Sync>),
    /// The job panicked. Its changes were undone; its neighbours were not touched.
    #[error("the job panicked")]
    Panicked,
    /// The version of the tenant's key that this needs is disabled or about to be destroyed.
    #[error(
        "version {version} of the tenant's key is {state}, so what it protects cannot be used; `wardroom keys status` tells more"
    )]
    KeyClosed {
        /// The version.
        version: u32,
        /// Its state: `disabled` or `scheduled`.
        state: &'static str,
    },
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
    /// The database's address cannot be used.
    #[error("the database address cannot be used: {why}")]
    Address {
        /// What is wrong with it. It never repeats the address, which may hold a password.
        why: &'static str,
    },
    /// Anything else the engine said.
    #[error("the database refused a statement")]
    Engine(#[from] EngineFault),
}

impl StoreError {
    /// Ends a job with a reason of the caller's own. The job's changes are undone.
    pub fn refuse(reason: impl Error + Send + Sync + 'static) -> Self {
        Self::Refused(Arc::new(reason))
    }

    /// The caller's own reason, if the job called itself off with one of this type.
    pub fn refusal<E: Error + Send + Sync + 'static>(&self) -> Option<&E> {
        match self {
            Self::Refused(reason) => reason.downcast_ref::<E>(),
            _ => None,
        }
    }

    /// Names what was in the way. A table's function knows it, the engine only its constraint.
    #[must_use]
    pub(crate) fn named(self, what: &'static str) -> Self {
        match self {
            Self::Conflict { .. } => Self::Conflict { what },
            Self::Missing { .. } => Self::Missing { what },
            other => other,
        }
    }
}

/// What an engine said, without values: the code by which to look it up, and its message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{engine} {code}: {message}")]
pub struct EngineFault {
    pub(crate) engine: &'static str,
    pub(crate) code: String,
    pub(crate) message: String,
}

/// What a unique or foreign key stands for before a table's function has named it.
const ROW: &str = "row";

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        use rusqlite::ffi;
        let rusqlite::Error::SqliteFailure(failure, message) = &error else {
            let code = "client".to_owned();
            return EngineFault { engine: "SQLite", code, message: error.to_string() }.into();
        };
        match (failure.code, failure.extended_code) {
            (Code::DiskFull, _) => Self::Full,
            (Code::ReadOnly, _) => Self::ReadOnly,
            (Code::DatabaseCorrupt | Code::NotADatabase, _) => Self::Corrupt,
            (Code::DatabaseBusy | Code::DatabaseLocked, _) => Self::Contended,
            (Code::CannotOpen, _) => Self::Unavailable,
            (_, ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => {
                Self::Conflict { what: ROW }
            }
            (_, ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => Self::Missing { what: ROW },
            (_, extended) => EngineFault {
                engine: "SQLite",
                code: extended.to_string(),
                message: message.clone().unwrap_or_default(),
            }
            .into(),
        }
    }
}

impl From<postgres::Error> for StoreError {
    fn from(error: postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            // No answer of the server's: the connection is gone or was never made. What the client
            // itself refuses (a wrong parameter type) is a fault of ours and must not look like an
            // outage.
            let ours = error.to_string();
            if ours.starts_with("error serializing") || ours.starts_with("expected ") {
                return EngineFault { engine: "PostgreSQL", code: "client".to_owned(), message: ours }.into();
            }
            tracing::debug!(error = %ours, "the connection to PostgreSQL failed");
            return Self::Unavailable;
        };
        // https://www.postgresql.org/docs/15/errcodes-appendix.html
        match db.code().code() {
            "53100" => Self::Full,
            "25006" => Self::ReadOnly,
            "XX001" | "XX002" => Self::Corrupt,
            "40001" | "40P01" | "55P03" => Self::Contended,
            "23505" => Self::Conflict { what: ROW },
            "23503" => Self::Missing { what: ROW },
            code if code.starts_with("08")
                || matches!(code, "55000" | "57P01" | "57P02" | "57P03" | "53300" | "57P05" | "25P03") =>
            {
                Self::Unavailable
            }
            code => {
                EngineFault { engine: "PostgreSQL", code: code.to_owned(), message: db.message().to_owned() }
                    .into()
            }
        }
    }
}

/// What a caught panic becomes. Its message may hold content, so it is dropped.
pub(crate) fn from_panic(_message: Box<dyn Any + Send>) -> StoreError {
    StoreError::Panicked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error, PartialEq)]
    #[error("the gate is shut")]
    struct Shut;

    #[test]
    fn a_refusal_gives_the_callers_own_reason_back() {
        let error = StoreError::refuse(Shut);
        assert_eq!(error.clone().refusal::<Shut>(), Some(&Shut));
        assert!(StoreError::Busy.refusal::<Shut>().is_none());
    }
}
