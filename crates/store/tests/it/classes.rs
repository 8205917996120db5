//! `docs/data-classes.md` is made from the comments in the migrations and checked against the real
//! schema: a column without a class, or a class without a column, fails here.
//! Set `WARDROOM_BLESS=1` to write the page anew.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use store::MIGRATIONS;

use crate::house::House;

const CLASSES: &[(&str, &str)] = &[
    ("sealed", "Encrypted before it reaches the database; opens only in its own row and column."),
    ("wrapped key", "A key, encrypted under the key above it."),
    ("blind index", "A keyed hash cut to 16 bytes: tells which rows share a value, and nothing else."),
    (
        "hash",
        "A hash or a commitment. Those of secrets are of random or keyed values, so they cannot be guessed.",
    ),
    ("event", "An audit event: ids, fixed words and pseudonyms; it has no field for free text."),
    ("id", "A random id that means nothing outside."),
    ("name", "A name that staff or the program gave to a thing: a bot, a role, a setting, an event code."),
    ("time", "Milliseconds since 1970, UTC."),
    ("state", "One of a few fixed words or numbers."),
    ("number", "A version, a generation, a place in a sequence."),
    ("size", "A count or a number of bytes."),
];

struct Column {
    table: String,
    name: String,
    class: String,
    meaning: String,
}

/// The columns as the migrations describe them.
fn described() -> Vec<Column> {
    let mut columns = Vec::new();
    for migration in MIGRATIONS {
        let mut table = None;
        for line in migration.sql.lines() {
            if let Some(rest) = line.strip_prefix("CREATE TABLE ") {
                table = rest.split_whitespace().next().map(str::to_owned);
            } else if line.starts_with(')') {
                table = None;
            } else if let Some((table, rest)) =
                line.strip_prefix("ALTER TABLE ").and_then(|rest| rest.split_once(" ADD COLUMN "))
            {
                let (column, comment) = rest.split_once(" -- ").unwrap();
                let (class, meaning) = comment.split_once(": ").unwrap();
                let name = column.split_whitespace().next().unwrap();
                let [table, name, class, meaning] = [table, name, class, meaning].map(str::to_owned);
                let at = columns.iter().rposition(|known: &Column| known.table == table);
                columns.insert(at.unwrap() + 1, Column { table, name, class, meaning });
            } else if let (Some(table), Some((column, comment))) = (&table, line.split_once(" -- ")) {
                let (class, meaning) = comment.split_once(": ").unwrap();
                columns.push(Column {
                    table: table.clone(),
                    name: column.split_whitespace().next().unwrap().to_owned(),
                    class: class.to_owned(),
                    meaning: meaning.to_owned(),
                });
            }
        }
    }
    // The table that the migrations keep of themselves.
    for (name, class, meaning) in [
        ("number", "number", "the migration's"),
        ("name", "name", "the migration's"),
        ("sha256", "hash", "of the migration's text"),
        ("applied_ms", "time", "when it was run"),
    ] {
        let [table, name, class, meaning] = ["migrations", name, class, meaning].map(str::to_owned);
        columns.push(Column { table, name, class, meaning });
    }
    columns
}

#[tokio::test]
async fn every_column_has_a_class_and_every_class_a_column() {
    let house = House::sqlite();
    let real: BTreeSet<(String, String)> = house
        .db
        .read(|tx| {
            let rows = tx.rows(
                "SELECT m.name AS t, c.name AS c FROM sqlite_schema m JOIN pragma_table_info(m.name) c
                 WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'",
                &[],
            )?;
            rows.into_iter().map(|mut row| Ok((row.take("t")?, row.take("c")?))).collect()
        })
        .await
        .unwrap();
    let columns = described();
    let known: BTreeSet<_> = columns.iter().map(|c| (c.table.clone(), c.name.clone())).collect();
    assert_eq!(known, real);
    for column in &columns {
        let at = format!("{}.{}", column.table, column.name);
        assert!(CLASSES.iter().any(|(class, _)| *class == column.class), "{at}: `{}`", column.class);
        assert!(!column.meaning.is_empty(), "{at}");
    }
}

#[test]
fn every_sealed_column_has_a_place_of_its_own() {
    let sealed = described().into_iter().filter(|column| column.class == "sealed").count();
    assert_eq!(sealed, store::SealedColumn::ALL.len());
}

#[test]
fn the_page_of_data_classes_is_up_to_date() {
    let mut page = String::from(
        "# Data classes\n\n\
         What every column of the database holds. This page is made from the comments in\n\
         `crates/store/migrations/` and compared with the real schema by a test; to make it anew, run\n\
         `WARDROOM_BLESS=1 cargo test -p wardroom-store --test it classes`.\n\n\
         Content, names of people, addresses, credentials and reasons stand only in sealed columns.\n\n\
         | class | what it means |\n|---|---|\n",
    );
    for (class, meaning) in CLASSES {
        writeln!(page, "| {class} | {meaning} |").unwrap();
    }
    let mut last = String::new();
    for column in described() {
        if column.table != last {
            write!(page, "\n## {}\n\n| column | class | what it is |\n|---|---|---|\n", column.table)
                .unwrap();
            last.clone_from(&column.table);
        }
        writeln!(page, "| `{}.{}` | {} | {} |", column.table, column.name, column.class, column.meaning)
            .unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/data-classes.md");
    if std::env::var_os("WARDROOM_BLESS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(kept == page, "docs/data-classes.md is stale: run this test with WARDROOM_BLESS=1");
}
