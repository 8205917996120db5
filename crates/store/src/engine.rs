//! What the store asks of an engine, and how a connection to one is made and made again.

use std::sync::Arc;

use crate::address::{DbUrl, PostgresAddress};
use crate::value::{Row, Value};
use crate::{StoreError, postgres_engine, sqlite_engine};

/// One connection, driven by one thread.
pub(crate) trait Engine: Send {
    /// Runs one statement and gives its rows.
    fn query(&mut self, sql: &'static str, params: &[Value<'_>]) -> Result<Vec<Row>, StoreError>;

    /// Runs one statement and gives the number of rows it changed.
    fn execute(&mut self, sql: &'static str, params: &[Value<'_>]) -> Result<u64, StoreError>;

    /// Runs several statements in one round trip: transaction words and migrations.
    fn batch(&mut self, sql: &str) -> Result<(), StoreError>;
}

/// Which of the two languages is spoken. Statements are the same text for both; only transactions
/// begin differently, and column types have other names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite 3, in WAL mode.
    Sqlite,
    /// PostgreSQL 13 and later.
    Postgres,
}

impl Dialect {
    /// Begins a transaction that writes, with the first job's savepoint, in one round trip.
    pub(crate) fn begin_writing(self) -> &'static str {
        match self {
            // IMMEDIATE: take the write lock now and not in the middle, where it could not be waited for.
            Self::Sqlite => "BEGIN IMMEDIATE; SAVEPOINT job",
            Self::Postgres => "BEGIN; SAVEPOINT job",
        }
    }

    /// The same for additions, which need no savepoint.
    pub(crate) fn begin_adding(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN",
        }
    }

    /// Begins a transaction that sees one unchanging state.
    pub(crate) fn begin_reading(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN",
            Self::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Duty {
    Write,
    Read,
}

/// Knows how to reach the database, again and again.
#[derive(Debug)]
pub(crate) enum Connector {
    Sqlite(sqlite_engine::File),
    Postgres(Box<postgres_engine::Server>),
}

impl Connector {
    pub(crate) fn new(url: &DbUrl, max_bytes: Option<u64>) -> Result<Self, StoreError> {
        Ok(match url {
            DbUrl::Sqlite { path } => Self::Sqlite(sqlite_engine::File::new(path.clone(), max_bytes)),
            DbUrl::Postgres { url } => {
                let address = PostgresAddress::parse(url.expose())?;
                Self::Postgres(Box::new(postgres_engine::Server::new(address)?))
            }
        })
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    fn connect(&self, duty: Duty) -> Result<Box<dyn Engine>, StoreError> {
        match self {
            Self::Sqlite(file) => Ok(Box::new(file.open(duty)?)),
            Self::Postgres(server) => Ok(Box::new(server.connect()?)),
        }
    }
}

/// A connection that is made when it is needed and dropped when it is lost.
pub(crate) struct Link {
    connector: Arc<Connector>,
    duty: Duty,
    engine: Option<Box<dyn Engine>>,
}

impl Link {
    pub(crate) fn new(connector: Arc<Connector>, duty: Duty) -> Self {
        Self { connector, duty, engine: None }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.connector.dialect()
    }

    pub(crate) fn engine(&mut self) -> Result<&mut dyn Engine, StoreError> {
        let engine = match self.engine.take() {
            Some(engine) => engine,
            None => self.connector.connect(self.duty)?,
        };
        Ok(self.engine.insert(engine).as_mut())
    }

    /// Undoes whatever transaction is open. A connection that cannot even do that is dropped.
    pub(crate) fn undo(&mut self, error: &StoreError) {
        let lost = matches!(error, StoreError::Unavailable | StoreError::InDoubt);
        if let Some(engine) = &mut self.engine {
            // SQLite ends the transaction itself after some errors; then there is nothing to undo
            // and its complaint about that means nothing. A fresh connection is never wrong.
            if lost || engine.batch("ROLLBACK").is_err() {
                self.engine = None;
            }
        }
    }
}
