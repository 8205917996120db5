//! All rows of all tables, to be carried away and put back: what a backup is made of.
//!
//! The tables are read out of the migrations, so a table that a later migration makes is in the next
//! backup without anybody thinking of it. Statements are made once, out of constants alone.
//!
//! Rows are given in the order of their primary key, which is the same on both engines, so the same
//! rows are the same sequence whichever database holds them.

use std::sync::LazyLock;

use guard::action::{CreateBackup, RestoreBackup, VerifyAudit, VerifyBackup};
use guard::{Action, Permit};
use kernel::TenantId;

use crate::migrate::{MIGRATIONS, Migration};
use crate::value::{Row, Value};
use crate::{Dialect, Read, StoreError, Tx, tenants};

/// Leave to walk every row of a deployment. What it finds is sealed; it goes into a backup or is
/// counted, and is shown to nobody.
#[diagnostic::on_unimplemented(message = "leave to `{Self}` does not open every row")]
pub trait Dumps: Action {}
impl Dumps for CreateBackup {}
impl Dumps for VerifyBackup {}
impl Dumps for VerifyAudit {}
impl Dumps for RestoreBackup {}

/// Tables that are not carried: a session that was ended, or a directory's token that was revoked, after
/// a backup must not come to life again with it, and nobody is in the middle of a ceremony when a backup is restored.
pub const LEFT_OUT: &[&str] =
    &["sessions", "session_origins", "person_sessions", "ceremonies", "directory_tokens"];

/// Rows that one statement puts back.
const TOGETHER: usize = 16;

/// A table as one schema version has it.
#[derive(Debug)]
pub struct Table {
    name: String,
    columns: Vec<Column>,
    key: Vec<usize>,
    first: String,
    next: String,
    one: String,
    many: String,
    clear: String,
}

/// A column of a [`Table`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its class, as in `docs/data-classes.md`.
    pub class: String,
}

/// The tables of every schema version, from version 1, in an order in which rows can be put back.
static SCHEMAS: LazyLock<Vec<(u32, Vec<Table>)>> = LazyLock::new(|| {
    let until = |at: usize| tables_of(MIGRATIONS.get(..=at).unwrap_or_default());
    MIGRATIONS.iter().enumerate().map(|(at, migration)| (migration.number, until(at))).collect()
});

/// The newest schema version of this program.
pub fn schema() -> u32 {
    MIGRATIONS.last().map_or(0, |last| last.number)
}

/// The tables of a schema version that are carried, parents before their children; none when this
/// program does not know the version.
pub fn tables(schema: u32) -> &'static [Table] {
    let found = SCHEMAS.iter().find(|(number, _)| *number == schema);
    found.map_or(&[], |(_, tables)| tables.as_slice())
}

/// Whether the permits are for every tenant of the database, and for no other.
///
/// # Errors
/// [`StoreError::Missing`] when one lacks.
pub fn covers<A: Dumps>(tx: &mut Read<'_>, permits: &[Permit<A>]) -> Result<(), StoreError> {
    let mut permitted: Vec<TenantId> = permits.iter().map(Permit::tenant).collect();
    let mut there = tenants::list(tx)?;
    permitted.sort_unstable();
    there.sort_unstable();
    if permitted == there { Ok(()) } else { Err(StoreError::Missing { what: "leave for every tenant" }) }
}

/// Whether the database holds nothing of anybody.
///
/// # Errors
/// Only what the database says.
pub fn is_empty(tx: &mut Read<'_>) -> Result<bool, StoreError> {
    Ok(tenants::list(tx)?.is_empty())
}

/// Lets statements take as long as they need until the end of this transaction.
///
/// # Errors
/// Only what the database says.
pub fn take_time(tx: &mut Tx<'_>, dialect: Dialect) -> Result<(), StoreError> {
    match dialect {
        Dialect::Sqlite => Ok(()),
        Dialect::Postgres => tx.execute("SET LOCAL statement_timeout = 0", &[]).map(drop),
    }
}

impl Table {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its columns, in the order of its rows' values.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The columns of its primary key.
    pub fn key_columns(&self) -> impl Iterator<Item = &Column> {
        self.key.iter().filter_map(|at| self.columns.get(*at))
    }

    /// The next rows after the one whose values are `after`, at most `limit`.
    ///
    /// # Errors
    /// Only what the database says.
    pub fn page<A: Dumps>(
        &'static self,
        tx: &mut Read<'_>,
        _permits: &[Permit<A>],
        after: Option<&[Value<'static>]>,
        limit: u32,
    ) -> Result<Vec<Row>, StoreError> {
        let limit = Value::Int(i64::from(limit));
        match after {
            None => tx.rows(&self.first, &[limit]),
            Some(row) => {
                let malformed = StoreError::Malformed { what: "row" };
                let mut params = Vec::with_capacity(self.key.len() + 1);
                for at in &self.key {
                    params.push(row.get(*at).cloned().ok_or_else(|| malformed.clone())?);
                }
                params.push(limit);
                tx.rows(&self.next, &params)
            }
        }
    }

    /// Puts rows back, each with a value for every column.
    ///
    /// # Errors
    /// [`StoreError::Malformed`] when a row has another number of values, [`StoreError::Conflict`] when
    /// a row is there already, [`StoreError::Missing`] when the row it hangs on is not.
    pub fn put(
        &'static self,
        tx: &mut Tx<'_>,
        _permits: &[Permit<RestoreBackup>],
        rows: &[Vec<Value<'static>>],
    ) -> Result<(), StoreError> {
        if rows.iter().any(|row| row.len() != self.columns.len()) {
            return Err(StoreError::Malformed { what: "row" });
        }
        for group in rows.chunks(TOGETHER) {
            if group.len() == TOGETHER {
                tx.execute(&self.many, &group.concat())?;
            } else {
                for row in group {
                    tx.execute(&self.one, row)?;
                }
            }
        }
        Ok(())
    }

    /// Removes every row.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when rows of another table hang on them.
    pub fn clear(
        &'static self,
        tx: &mut Tx<'_>,
        _permits: &[Permit<RestoreBackup>],
    ) -> Result<u64, StoreError> {
        tx.execute(&self.clear, &[])
    }
}

/// Removes the rows of the tables that are not carried, before the tables they hang on are cleared.
///
/// # Errors
/// Only what the database says.
pub fn clear_left_out(tx: &mut Tx<'_>, _permits: &[Permit<RestoreBackup>]) -> Result<(), StoreError> {
    tx.execute("DELETE FROM session_origins", &[])?;
    tx.execute("DELETE FROM sessions", &[])?;
    tx.execute("DELETE FROM person_sessions", &[])?;
    tx.execute("DELETE FROM ceremonies", &[])?;
    tx.execute("DELETE FROM directory_tokens", &[])?;
    Ok(())
}

/// A table while the migrations are read.
struct Draft {
    name: String,
    columns: Vec<Column>,
    key: Vec<String>,
}

fn tables_of(migrations: &[Migration]) -> Vec<Table> {
    let mut drafts: Vec<Draft> = Vec::new();
    for line in migrations.iter().flat_map(|migration| migration.sql.lines()) {
        let (code, comment) = line.split_once("--").unwrap_or((line, ""));
        let words: Vec<&str> = code.split_whitespace().collect();
        let class = comment.split_once(':').map_or("", |(class, _)| class).trim().to_owned();
        match words.as_slice() {
            ["CREATE", "TABLE", name, ..] => {
                drafts.push(Draft { name: (*name).to_owned(), columns: Vec::new(), key: Vec::new() });
            }
            ["ALTER", "TABLE", table, "ADD", "COLUMN", name, ..] => {
                if let Some(draft) = drafts.iter_mut().find(|draft| draft.name == *table) {
                    draft.columns.push(Column { name: (*name).to_owned(), class });
                }
            }
            ["DROP", "TABLE", name] => drafts.retain(|draft| draft.name != name.trim_end_matches(';')),
            ["PRIMARY", "KEY", ..] => {
                if let (Some(draft), Some((_, names))) = (drafts.last_mut(), code.split_once('(')) {
                    let names = names.trim().trim_end_matches(',').trim_end_matches(')');
                    draft.key = names.split(',').map(|name| name.trim().to_owned()).collect();
                }
            }
            [name, "BLOB" | "BIGINT" | "BIGINT," | "BLOB," | "TEXT" | "TEXT,", ..] => {
                if let Some(draft) = drafts.last_mut() {
                    draft.columns.push(Column { name: (*name).to_owned(), class });
                    if code.contains("PRIMARY KEY") {
                        draft.key = vec![(*name).to_owned()];
                    }
                }
            }
            _ => {}
        }
    }
    drafts.retain(|draft| !LEFT_OUT.contains(&draft.name.as_str()));
    drafts.into_iter().map(table_of).collect()
}

fn table_of(draft: Draft) -> Table {
    let Draft { name, columns, key } = draft;
    let listed = columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
    let (order, width) = (key.join(", "), columns.len());
    let numbered = |from: usize, count: usize| {
        (from..from + count).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ")
    };
    let values = |rows: usize| {
        (0..rows).map(|row| format!("({})", numbered(row * width + 1, width))).collect::<Vec<_>>().join(", ")
    };
    let at = |name: &String| columns.iter().position(|column| column.name == *name);
    Table {
        first: format!("SELECT {listed} FROM {name} ORDER BY {order} LIMIT $1"),
        next: format!(
            "SELECT {listed} FROM {name} WHERE ({order}) > ({}) ORDER BY {order} LIMIT ${}",
            numbered(1, key.len()),
            key.len() + 1
        ),
        one: format!("INSERT INTO {name} ({listed}) VALUES {}", values(1)),
        many: format!("INSERT INTO {name} ({listed}) VALUES {}", values(TOGETHER)),
        clear: format!("DELETE FROM {name}"),
        key: key.iter().filter_map(at).collect(),
        name,
        columns,
    }
}
