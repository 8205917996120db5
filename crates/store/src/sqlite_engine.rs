//! SQLite, as safe as it can be set: write-ahead log, every commit on the disk before it is
//! acknowledged, strict tables, deleted rows overwritten, nothing temporary written to files.
//!
//! Not promised: that overwritten bytes leave the write-ahead log at once (it is reused, not wiped).
//! That is bearable because content reaches this crate only as ciphertext.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags};

use crate::StoreError;
use crate::engine::{Duty, Engine};
use crate::value::{Row, Value};

/// How long to wait for another process that writes to the same file.
const PATIENCE: Duration = Duration::from_secs(5);
/// Statements kept prepared per connection: more than this crate has.
const STATEMENTS: usize = 256;
const PAGE_BYTES: u64 = 4096;

/// A database file.
#[derive(Debug)]
pub(crate) struct File {
    path: PathBuf,
    max_bytes: Option<u64>,
}

impl File {
    pub(crate) fn new(path: PathBuf, max_bytes: Option<u64>) -> Self {
        Self { path, max_bytes }
    }

    pub(crate) fn open(&self, duty: Duty) -> Result<Sqlite, StoreError> {
        let flags = match duty {
            Duty::Write => {
                self.create_private()?;
                OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
            }
            Duty::Read => OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        };
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // No statement may edit the schema table or the pages of the file directly.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
        connection.execute_batch(
            "PRAGMA foreign_keys = ON;
             PRAGMA temp_store = MEMORY;
             PRAGMA cell_size_check = ON;
             PRAGMA cache_size = -16384;",
        )?;
        match duty {
            Duty::Read => connection.execute_batch("PRAGMA query_only = ON")?,
            Duty::Write => {
                connection.execute_batch(
                    "PRAGMA journal_mode = WAL;
                     PRAGMA synchronous = FULL;
                     PRAGMA secure_delete = ON;
                     PRAGMA journal_size_limit = 67108864;",
                )?;
                if let Some(bytes) = self.max_bytes {
                    let pages = i64::try_from(bytes / PAGE_BYTES).unwrap_or(i64::MAX).max(1);
                    connection.pragma_update(None, "max_page_count", pages)?;
                }
            }
        }
        Ok(Sqlite { connection, statements: HashMap::new() })
    }

    /// Makes the file before SQLite does, readable by its owner only (SQLite gives the log the same
    /// mode), and learns from the system why a file cannot be made, which SQLite does not tell.
    fn create_private(&self) -> Result<(), StoreError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(&self.path) {
            Ok(_) => Ok(()),
            Err(error) => Err(match error.kind() {
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly,
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full,
                ErrorKind::NotFound => StoreError::Address { why: "the folder of the file does not exist" },
                _ => StoreError::Unavailable,
            }),
        }
    }
}

/// One connection to a database file.
pub(crate) struct Sqlite {
    connection: Connection,
    statements: HashMap<&'static str, Prepared>,
}

/// What is remembered of a statement: its text with SQLite's own placeholders, and its columns.
struct Prepared {
    text: String,
    columns: Option<Arc<[String]>>,
}

impl Sqlite {
    fn prepared(&mut self, sql: &'static str) -> &mut Prepared {
        match self.statements.entry(sql) {
            Entry::Occupied(known) => known.into_mut(),
            // `$1` is only a name to SQLite, numbered by first appearance; `?1` is the first parameter.
            Entry::Vacant(new) => new.insert(Prepared { text: sql.replace('$', "?"), columns: None }),
        }
    }
}

impl Engine for Sqlite {
    fn query(&mut self, sql: &'static str, params: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        self.prepared(sql);
        let Some(prepared) = self.statements.get_mut(sql) else { return Ok(Vec::new()) };
        let mut statement = self.connection.prepare_cached(&prepared.text)?;
        let columns = prepared
            .columns
            .get_or_insert_with(|| statement.column_names().map(str::to_owned).collect())
            .clone();
        let mut answer = Vec::new();
        let mut rows = statement.query(rusqlite::params_from_iter(params))?;
        while let Some(row) = rows.next()? {
            let values = (0..columns.len())
                .map(|at| owned(row.get_ref(at)?))
                .collect::<Result<Vec<_>, StoreError>>()?;
            answer.push(Row::new(columns.clone(), values));
        }
        Ok(answer)
    }

    fn execute(&mut self, sql: &'static str, params: &[Value<'_>]) -> Result<u64, StoreError> {
        self.prepared(sql);
        let Some(prepared) = self.statements.get(sql) else { return Ok(0) };
        let mut statement = self.connection.prepare_cached(&prepared.text)?;
        let changed = statement.execute(rusqlite::params_from_iter(params))?;
        Ok(u64::try_from(changed).unwrap_or(u64::MAX))
    }

    fn batch(&mut self, sql: &str) -> Result<(), StoreError> {
        Ok(self.connection.execute_batch(sql)?)
    }
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn owned(value: ValueRef<'_>) -> Result<Value<'static>, StoreError> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Int(number),
        ValueRef::Blob(bytes) => Value::Blob(Cow::Owned(bytes.to_vec())),
        ValueRef::Text(text) => {
            let text = std::str::from_utf8(text).map_err(|_| StoreError::Malformed { what: "text" })?;
            Value::Text(Cow::Owned(text.to_owned()))
        }
        ValueRef::Real(_) => return Err(StoreError::Malformed { what: "number" }),
    })
}
