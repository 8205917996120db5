//! Migrations: numbered SQL files that only go forward. Each is one text for both engines; only the
//! names of the column types differ (see [`translate`]). What a database has run is kept in it with
//! a checksum, so an edited old migration is noticed and refused.

use aws_lc_rs::digest::{SHA256, digest};
use kernel::Timestamp;

use crate::engine::{Dialect, Engine, Link};
use crate::{StoreError, params};

/// One step from an older schema to a newer one.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Its number; they count up, and numbers are handed out before they are used.
    pub number: u32,
    /// Its name, as in the file's.
    pub name: &'static str,
    /// Its text.
    pub sql: &'static str,
}

macro_rules! migrations {
    ($($number:literal $name:literal,)*) => {
        &[$(Migration {
            number: $number,
            name: $name,
            sql: include_str!(concat!("../migrations/", $name, ".sql")),
        }),*]
    };
}

/// All migrations of this program, in order.
pub const MIGRATIONS: &[Migration] = migrations! {
    1 "0001_house",
    2 "0002_key_custody",
    3 "0003_connections",
    4 "0004_scim",
    5 "0005_api_keys",
    6 "0006_policies",
    7 "0007_access_requests",
    8 "0008_end_users",
    9 "0009_integrity",
    10 "0010_person_sessions",
    11 "0011_legal_holds",
    12 "0012_notices",
    13 "0013_armed",
};

/// The migrations up to one of them; all when none is named.
pub(crate) fn until(number: Option<u32>) -> &'static [Migration] {
    let last = number.and_then(|number| MIGRATIONS.iter().position(|migration| migration.number == number));
    last.and_then(|at| MIGRATIONS.get(..=at)).unwrap_or(MIGRATIONS)
}

/// The checksums of all migrations up to number `schema`, hashed together: two databases of the same
/// schema version and sum have the same tables.
pub fn schema_sum(schema: u32) -> [u8; 32] {
    let sums = until(Some(schema)).iter().flat_map(|migration| checksum(migration.sql));
    crate::conversations::sha256(&sums.collect::<Vec<u8>>())
}

const TABLE: &str = "CREATE TABLE IF NOT EXISTS migrations (
    number BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    sha256 BLOB NOT NULL,
    applied_ms BIGINT NOT NULL
) STRICT;";

/// Taken while migrating, so that two programs that start together do not both do it.
const POSTGRES_LOCK: &str = "SELECT pg_advisory_xact_lock(8245934125743)";

/// A migration's text in the words of one engine. The files are written in a form that is neither's:
/// `BIGINT`, `TEXT`, `BLOB`, `) STRICT;` and `) STRICT, WITHOUT ROWID;`.
pub fn translate(sql: &str, dialect: Dialect) -> String {
    let lines = sql.lines().map(|line| line.split_once("--").map_or(line, |(code, _)| code).trim_end());
    let code = lines.filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("\n");
    match dialect {
        Dialect::Sqlite => code.replace("BIGINT", "INTEGER"),
        Dialect::Postgres => code
            .replace(" BLOB", " BYTEA")
            // Texts sort by their bytes, as they do in SQLite, whatever the server's language.
            .replace(" TEXT", " TEXT COLLATE \"C\"")
            .replace(") STRICT, WITHOUT ROWID;", ");")
            .replace(") STRICT;", ");"),
    }
}

/// Brings the database up to date, in one transaction.
pub(crate) fn run(link: &mut Link, migrations: &[Migration], now: Timestamp) -> Result<(), StoreError> {
    let dialect = link.dialect();
    let outcome = link.engine().and_then(|engine| {
        engine.batch(dialect.begin_writing())?;
        if dialect == Dialect::Postgres {
            engine.batch(POSTGRES_LOCK)?;
        }
        up(engine, dialect, migrations, now)?;
        engine.batch("COMMIT")
    });
    if let Err(error) = &outcome {
        link.undo(error);
    }
    outcome
}

fn up(
    engine: &mut dyn Engine,
    dialect: Dialect,
    migrations: &[Migration],
    now: Timestamp,
) -> Result<(), StoreError> {
    engine.batch(&translate(TABLE, dialect))?;
    let known = migrations.last().map_or(0, |last| last.number);
    let mut done = 0;
    for mut row in engine.query("SELECT number, sha256 FROM migrations ORDER BY number", &[])? {
        let (number, sum): (u32, Vec<u8>) = (row.take("number")?, row.take("sha256")?);
        let Some(migration) = migrations.iter().find(|migration| migration.number == number) else {
            return Err(StoreError::Newer { found: number, known });
        };
        if checksum(migration.sql) != sum {
            return Err(StoreError::MigrationChanged { number });
        }
        done = number;
    }
    for migration in migrations.iter().filter(|migration| migration.number > done) {
        engine.batch(&translate(migration.sql, dialect))?;
        engine.execute(
            "INSERT INTO migrations (number, name, sha256, applied_ms) VALUES ($1, $2, $3, $4)",
            params![migration.number, *migration.name, checksum(migration.sql), now],
        )?;
        tracing::info!(number = migration.number, name = migration.name, "migrated");
    }
    Ok(())
}

/// The checksum of a text with its line endings made equal, so that a checkout on another system is
/// not taken for a change.
fn checksum(sql: &str) -> Vec<u8> {
    digest(&SHA256, sql.replace("\r\n", "\n").as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_count_up_and_are_named_by_their_number() {
        assert!(MIGRATIONS.windows(2).all(|pair| pair[0].number < pair[1].number));
        for migration in MIGRATIONS {
            assert!(migration.name.starts_with(&format!("{:04}_", migration.number)), "{}", migration.name);
        }
    }

    #[test]
    fn a_text_is_translated_for_both_engines() {
        let text = "CREATE TABLE t (\n  a BIGINT, -- BLOB\n  b BLOB, -- x\n  c TEXT -- y\n) STRICT;\n";
        assert_eq!(
            translate(text, Dialect::Sqlite),
            "CREATE TABLE t (\n  a INTEGER,\n  b BLOB,\n  c TEXT\n) STRICT;"
        );
        assert_eq!(
            translate(text, Dialect::Postgres),
            "CREATE TABLE t (\n  a BIGINT,\n  b BYTEA,\n  c TEXT COLLATE \"C\"\n);"
        );
    }
}
