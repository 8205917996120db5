//! A bit flipped in any stored byte. Every column of every table is tried: the check names what does not
//! hold, reading gives what was written or a refusal, and nothing panics. The columns of which no seal, no
//! chain and no MAC knows are listed in `unbound.rs` and in docs/encryption.md, and nowhere else.
//! `WARDROOM_FLIPS` sets how many bits of each value are tried.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use backup::Report;
use store::{
    Value, connections, conversations, credentials, dump, identities, messages, person_sessions, sessions,
    users,
};

use crate::house::{House, sql};
use crate::unbound::{UNBOUND, WORDS};

/// The tables that no dump carries: columns, the key first.
const LEFT_OUT: [(&str, &[&str], usize); 5] = [
    (
        "directory_tokens",
        &[
            "tenant",
            "id",
            "connection",
            "hash",
            "created_ms",
            "created_by",
            "expires_ms",
            "used_ms",
            "revoked_ms",
            "bound",
        ],
        2,
    ),
    (
        "sessions",
        &[
            "tenant",
            "id",
            "secret_hash",
            "csrf_hash",
            "user_id",
            "assurance",
            "epoch",
            "created_ms",
            "auth_ms",
            "last_seen_ms",
            "absolute_ms",
            "ended_ms",
            "bound",
        ],
        2,
    ),
    (
        "session_origins",
        &["tenant", "session", "connection", "subject_blind", "sid_blind", "key_gen", "hint"],
        2,
    ),
    (
        "person_sessions",
        &[
            "tenant",
            "id",
            "secret_hash",
            "subject",
            "connection",
            "subject_blind",
            "sid_blind",
            "key_gen",
            "hint",
            "created_ms",
            "last_seen_ms",
            "absolute_ms",
            "ended_ms",
            "bound",
        ],
        2,
    ),
    ("ceremonies", &["tenant", "id", "kind", "key_gen", "state", "expires_ms"], 2),
];

/// A table as it is tried: its columns, and which of them are its key.
struct Tried {
    name: String,
    columns: Vec<String>,
    key: Vec<String>,
}

fn tables() -> Vec<Tried> {
    let carried = dump::tables(dump::schema()).iter().map(|table| Tried {
        name: table.name().to_owned(),
        columns: table.columns().iter().map(|column| column.name.clone()).collect(),
        key: table.key_columns().map(|column| column.name.clone()).collect(),
    });
    let left_out = LEFT_OUT.iter().map(|(name, columns, key)| Tried {
        name: (*name).to_owned(),
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        key: columns[..*key].iter().map(|column| (*column).to_owned()).collect(),
    });
    carried.chain(left_out).collect()
}

/// xorshift64: the same flips in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 1).unwrap() % bound
    }
}

/// The value with one bit changed; `None` when it has none, or when the bit would make it no text.
fn flipped(value: &Value<'static>, chance: &mut Chance) -> Option<Value<'static>> {
    let mut flip = |bytes: &[u8], bits: usize| {
        let mut bytes = bytes.to_vec();
        let at = chance.below(bytes.len());
        bytes[at] ^= 1 << chance.below(bits);
        bytes
    };
    match value {
        Value::Int(number) => {
            let bytes = flip(&number.to_be_bytes(), 8);
            Some(Value::Int(i64::from_be_bytes(bytes.try_into().unwrap())))
        }
        Value::Blob(bytes) if !bytes.is_empty() => Some(Value::Blob(flip(bytes, 8).into())),
        Value::Text(text) if !text.is_empty() => {
            let changed = String::from_utf8(flip(text.as_bytes(), 7)).ok()?;
            (!changed.contains('\0')).then(|| Value::Text(changed.into()))
        }
        _ => None,
    }
}

/// What reading gives: of accounts, roles, sessions and factors, and of what was said.
async fn look(house: &House) -> Vec<String> {
    let (tenant, user, now) = (house.tenant, house.user, house.world.now());
    let (five, three) = ([5u8; 16], [3u8; 16]);
    let connection = {
        let all = house.db.read(move |tx| connections::all(tx, tenant)).await;
        all.ok().and_then(|all| all.first().map(|one| one.id))
    };
    macro_rules! see {
        ($($read:expr),* $(,)?) => { vec![$(
            match house.db.read($read).await {
                Ok(found) => format!("{found:?}"),
                Err(error) => format!("Err {error}"),
            }
        ),*] };
    }
    let mut seen = see![
        move |tx| users::find(tx, tenant, user),
        move |tx| users::find_by_email(tx, tenant, five),
        move |tx| users::grants_of(tx, tenant, user, now),
        move |tx| users::find_invite(tx, [5; 32], now),
        move |tx| sessions::find(tx, [9; 32]),
        move |tx| sessions::of_user(tx, tenant, user, now),
        move |tx| person_sessions::find(tx, [8; 32]),
        move |tx| credentials::totp(tx, tenant, user).map(|totp| totp.map(|t| (t.last_step, t.confirmed))),
        move |tx| credentials::passkeys(tx, tenant, user),
        move |tx| connections::all(tx, tenant),
        move |tx| connections::domains(tx, tenant),
        move |tx| connections::only_connections(tx, tenant),
        move |tx| connections::break_glass(tx, tenant),
        move |tx| connection.map_or(Ok(None), |one| identities::find(tx, tenant, one, three)),
    ];
    let (conversation, subject) = (house.conversation, house.subject);
    let permit = house.posts();
    let rows = house.db.read(move |tx| messages::list(tx, &permit, 0, 10)).await;
    let Ok(rows) = rows else {
        seen.extend(["Err".to_owned(), "Err".to_owned(), "Err".to_owned()]);
        return seen;
    };
    let mut head = conversations::first_head(tenant, conversation);
    for seq in 1..=3 {
        let row = rows.iter().find(|row| row.seq == seq && row.follows(&head));
        let Some(row) = row else {
            seen.push("Err it does not follow".to_owned());
            continue;
        };
        head = row.row_hash;
        let key = house.keys.conversation_key_at(tenant, subject, conversation, row.key_gen).await;
        let text = key
            .map_err(|error| error.to_string())
            .and_then(|key| key.open(&row.place(), &row.record).map_err(|error| error.to_string()));
        seen.push(text.map_or_else(|error| format!("Err {error}"), |text| text.as_str().to_owned()));
    }
    seen
}

/// Whether what was read after a flip is what was read before, or less of it, or a refusal.
fn never_wrong(before: &[String], after: &[String], at: &str) {
    for (before, after) in before.iter().zip(after) {
        let refused = after.starts_with("Err") || ["None", "[]", "false"].contains(&after.as_str());
        assert!(refused || before == after, "{at}: `{after}` was read where `{before}` stood");
        assert!(!after.contains("panicked"), "{at}: {after}");
    }
}

struct Tally {
    tried: u64,
    noticed: u64,
    /// What nobody noticed, and how often it was not.
    missed: BTreeMap<String, u64>,
}

async fn flip_everything(house: &mut House, bits: usize) -> Tally {
    let mut chance = Chance(0x9E37_79B9_7F4A_7C15);
    let mut tally = Tally { tried: 0, noticed: 0, missed: BTreeMap::new() };
    let before = look(house).await;
    for table in tables() {
        let select = sql(format!(
            "SELECT {} FROM {} ORDER BY {}",
            table.columns.join(", "),
            table.name,
            table.key.join(", ")
        ));
        let rows = house.db.read(move |tx| tx.rows(select, &[])).await.unwrap();
        let rows: Vec<_> = rows.into_iter().map(store::Row::into_values).collect();
        assert!(!rows.is_empty(), "{} has a row", table.name);
        let step = rows.len().div_ceil(3);
        for row in rows.iter().step_by(step) {
            for (at, column) in table.columns.iter().enumerate() {
                for _ in 0..bits {
                    let Some(changed) = flipped(&row[at], &mut chance) else { continue };
                    let name = format!("{}.{column}", table.name);
                    let key: Vec<_> = table
                        .key
                        .iter()
                        .map(|key| table.columns.iter().position(|column| column == key).unwrap())
                        .collect();
                    let wheres: Vec<String> =
                        table.key.iter().enumerate().map(|(n, key)| format!("{key} = ${}", n + 2)).collect();
                    let update = sql(format!(
                        "UPDATE {} SET {column} = $1 WHERE {}",
                        table.name,
                        wheres.join(" AND ")
                    ));
                    let write = |new: &Value<'static>, found: &[Value<'static>]| {
                        let mut values = vec![new.clone()];
                        values.extend(key.iter().map(|at| found[*at].clone()));
                        values
                    };
                    house.write_past(update, write(&changed, row)).await;
                    let found = house.check().await;
                    tally.tried += 1;
                    if is_noticed(&name, &found) {
                        tally.noticed += 1;
                    } else {
                        *tally.missed.entry(name.clone()).or_default() += 1;
                    }
                    if !UNBOUND.contains(&name.as_str()) {
                        never_wrong(&before, &look(house).await, &name);
                    }
                    // And back.
                    let mut now = row.clone();
                    now[at] = changed;
                    house.write_past(update, write(&row[at], &now)).await;
                }
            }
        }
    }
    let after = house.check().await.unwrap();
    assert!(after.is_sound(), "everything is as it was: {:?}", after.faults);
    tally
}

/// A refusal in words, by the name of a row.
fn is_noticed(at: &str, found: &Result<Report, backup::BackupError>) -> bool {
    match found {
        Ok(report) => {
            for fault in &report.faults {
                assert!(!fault.table.is_empty() && !fault.row.is_empty(), "{at}: {fault}");
                assert!(!fault.what.contains("panicked"), "{at}: {fault}");
            }
            !report.is_sound()
        }
        Err(error) => {
            let error = error.to_string();
            assert!(!error.contains("panicked"), "{at}: {error}");
            true
        }
    }
}

fn rounds(default: usize) -> usize {
    std::env::var("WARDROOM_FLIPS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[expect(clippy::print_stdout, reason = "the count is what the test shows")]
fn hold_against_the_list(tally: &Tally, engine: &str) {
    let known: BTreeSet<&str> = UNBOUND.iter().copied().collect();
    let missed: BTreeSet<&str> = tally.missed.keys().map(String::as_str).collect();
    let new: Vec<_> = missed.difference(&known).collect();
    assert!(new.is_empty(), "nobody notices a change of {new:?}; bind them, or say so in docs/encryption.md");
    println!(
        "{engine}: {} bits flipped, {} noticed, {} in the {} columns that nothing vouches for",
        tally.tried,
        tally.noticed,
        tally.tried - tally.noticed,
        known.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bit_flipped_in_any_column_of_sqlite_is_noticed_or_the_column_is_listed() {
    let mut house = House::sqlite().await;
    let tally = flip_everything(&mut house, rounds(3)).await;
    hold_against_the_list(&tally, "SQLite");
    let idle: Vec<_> = UNBOUND.iter().filter(|name| !tally.missed.contains_key(**name)).collect();
    assert!(idle.is_empty(), "these are noticed by now, take them off the list: {idle:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bit_flipped_in_any_column_of_postgresql_is_noticed_or_the_column_is_listed() {
    let mut house = House::postgres().await;
    let tally = flip_everything(&mut house, rounds(1)).await;
    hold_against_the_list(&tally, "PostgreSQL");
}

#[test]
fn the_list_of_columns_that_nothing_vouches_for_stands_in_the_page() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/encryption.md");
    let page = std::fs::read_to_string(page).unwrap();
    let missing: Vec<_> =
        UNBOUND.iter().chain(WORDS).filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/encryption.md does not name {missing:?}");
}
