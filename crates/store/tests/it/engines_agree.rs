//! Both engines do the same: random sequences of operations, the same answers and the same rows.

use std::sync::OnceLock;

use kernel::{Id, Timestamp};
use proptest::prelude::*;
use store::{Db, StoreError, Tx, params, sessions, settings, tenants};
use tokio::runtime::Runtime;

use crate::house::House;

/// One step. Numbers stand for tenants, buckets, rows: few, so that steps meet.
#[derive(Debug, Clone)]
enum Step {
    Tenant(u8),
    Fail(u8, u8),
    Pause(u8, u8, u32),
    Forget(u8, u8),
    RemoveSetting(u8, String),
    Put {
        key: i64,
        text: String,
        blob: Vec<u8>,
        nothing: bool,
    },
    Change {
        from: i64,
        to: i64,
    },
    Delete(i64),
    /// Puts a row and then fails: nothing may be left of it.
    Undo(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let few = 0..4u8;
    let key = -3..12i64;
    prop_oneof![
        few.clone().prop_map(Step::Tenant),
        (few.clone(), few.clone()).prop_map(|(t, b)| Step::Fail(t, b)),
        (few.clone(), few.clone(), any::<u32>()).prop_map(|(t, b, ms)| Step::Pause(t, b, ms)),
        (few.clone(), few.clone()).prop_map(|(t, b)| Step::Forget(t, b)),
        (few, "[a-c]").prop_map(|(t, name)| Step::RemoveSetting(t, name)),
        (key.clone(), "[a-zA-Zäß€ ]{0,6}", prop::collection::vec(any::<u8>(), 0..6), any::<bool>())
            .prop_map(|(key, text, blob, nothing)| Step::Put { key, text, blob, nothing }),
        (key.clone(), key.clone()).prop_map(|(from, to)| Step::Change { from, to }),
        key.clone().prop_map(Step::Delete),
        key.prop_map(Step::Undo),
    ]
}

fn run(tx: &mut Tx<'_>, step: &Step) -> Result<u64, StoreError> {
    let tenant = |n: u8| Id::from_bytes([n; 16]);
    let now = Timestamp::from_millis(5);
    match step {
        Step::Tenant(n) => tenants::create(tx, tenant(*n), now).map(|()| 1),
        Step::Fail(t, b) => sessions::failed(tx, tenant(*t), [*b; 16], now).map(u64::from),
        Step::Pause(t, b, ms) => {
            sessions::set_pause(tx, tenant(*t), [*b; 16], Timestamp::from_millis(u64::from(*ms)))?;
            let stand = sessions::failures(tx, tenant(*t), [*b; 16])?;
            Ok(stand.map_or(0, |stand| stand.until.as_millis()))
        }
        Step::Forget(t, b) => sessions::forget_failures(tx, tenant(*t), [*b; 16]).map(|()| 1),
        Step::RemoveSetting(t, name) => settings::remove(tx, tenant(*t), name).map(|()| 1),
        Step::Put { key, text, blob, nothing } => tx.execute(
            "INSERT INTO sheet (k, t, b) VALUES ($1, $2, $3)
             ON CONFLICT (k) DO UPDATE SET t = excluded.t, b = excluded.b",
            params![key, text, (!nothing).then_some(blob)],
        ),
        Step::Change { from, to } => tx.execute("UPDATE sheet SET k = $2 WHERE k = $1", params![from, to]),
        Step::Delete(key) => tx.execute("DELETE FROM sheet WHERE k = $1", params![key]),
        Step::Undo(key) => {
            tx.execute("INSERT INTO sheet (k, t) VALUES ($1, 'gone')", params![key])?;
            Err(StoreError::Busy)
        }
    }
}

type Sheet = Vec<(i64, String, Option<Vec<u8>>)>;

async fn sheet(db: &Db) -> Sheet {
    db.read(|tx| {
        // By text: the order of letters outside ASCII is where engines like to differ.
        let rows = tx.rows("SELECT k, t, b FROM sheet ORDER BY t DESC, k", &[])?;
        rows.into_iter().map(|mut row| Ok((row.take("k")?, row.take("t")?, row.take("b")?))).collect()
    })
    .await
    .unwrap()
}

struct Pair {
    runtime: Runtime,
    sqlite: House,
    postgres: House,
}

/// One pair of databases for all cases; each case begins with empty tables.
fn pair() -> &'static Pair {
    static PAIR: OnceLock<Pair> = OnceLock::new();
    PAIR.get_or_init(|| {
        let runtime = Runtime::new().unwrap();
        let (sqlite, postgres) = (House::sqlite(), House::postgres());
        for (house, create) in [
            (&sqlite, "CREATE TABLE sheet (k INTEGER NOT NULL PRIMARY KEY, t TEXT NOT NULL, b BLOB) STRICT"),
            (
                &postgres,
                "CREATE TABLE sheet (k BIGINT NOT NULL PRIMARY KEY, t TEXT COLLATE \"C\" NOT NULL, b BYTEA)",
            ),
        ] {
            runtime.block_on(house.db.write(move |tx| tx.execute(create, &[]))).unwrap();
        }
        Pair { runtime, sqlite, postgres }
    })
}

async fn clear(db: &Db) {
    db.write(|tx| {
        for sql in [
            "DELETE FROM sheet",
            "DELETE FROM login_failures",
            "DELETE FROM settings",
            "DELETE FROM ledger_trees",
            "DELETE FROM tenants",
        ] {
            tx.execute(sql, &[])?;
        }
        Ok(())
    })
    .await
    .unwrap();
}

/// The answer in a form that can be compared: which error, not its engine's words.
fn plain(answer: Result<u64, StoreError>) -> Result<u64, String> {
    answer.map_err(|error| match error {
        StoreError::Engine(fault) => panic!("an error that is the engine's own: {fault}"),
        other => other.to_string(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn random_operations_end_alike_on_both_engines(steps in prop::collection::vec(step(), 1..40)) {
        let Pair { runtime, sqlite, postgres } = pair();
        runtime.block_on(async {
            let mut seen = Vec::new();
            for house in [sqlite, postgres] {
                clear(&house.db).await;
                let mut answers = Vec::new();
                for step in steps.clone() {
                    answers.push(plain(house.db.write(move |tx| run(tx, &step)).await));
                }
                let tenants = house.db.read(tenants::list).await.unwrap();
                seen.push((answers, sheet(&house.db).await, tenants));
            }
            prop_assert_eq!(&seen[0], &seen[1]);
            Ok(())
        })?;
    }
}
