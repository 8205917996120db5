//! A database from another time: older, newer, or made by a text that has since been edited.

use store::{Db, MIGRATIONS, StoreError, params};

use crate::house::{House, Kind, both};

both!(
    opening_again_changes_nothing,
    two_that_open_together_migrate_once,
    a_database_of_a_newer_program_is_refused,
    a_changed_migration_is_refused,
);

async fn applied(db: &Db) -> i64 {
    db.read(|tx| {
        let row = tx.row("SELECT COUNT(*) AS n FROM migrations", &[])?;
        Ok(row.ok_or(StoreError::Missing { what: "count" })?.take("n")?)
    })
    .await
    .unwrap()
}

async fn opening_again_changes_nothing(house: House) {
    let again = Db::open(&house.kind.url(), &house.world).unwrap();
    assert_eq!(applied(&again).await, MIGRATIONS.len() as i64);
}

async fn two_that_open_together_migrate_once(house: House) {
    // A database that nobody has migrated yet.
    let room = tempfile::tempdir().unwrap();
    let fresh = match house.kind {
        Kind::Sqlite(_) => Kind::Sqlite(room.path().join("fresh.db")),
        Kind::Postgres(_) => Kind::Postgres(testkit::Cluster::shared().database()),
    };
    let (url, world) = (fresh.url(), house.world.clone());
    let opened: Vec<_> = std::thread::scope(|scope| {
        let open = || Db::open(&url, &world);
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for db in opened {
        assert_eq!(applied(&db.unwrap()).await, MIGRATIONS.len() as i64);
    }
}

async fn a_database_of_a_newer_program_is_refused(house: House) {
    house
        .db
        .write(|tx| {
            tx.execute(
                "INSERT INTO migrations (number, name, sha256, applied_ms) VALUES ($1, $2, $3, $4)",
                params![9999u32, *"9999_of_tomorrow", [0u8; 32], 0i64],
            )
        })
        .await
        .unwrap();
    let known = MIGRATIONS.last().unwrap().number;
    match Db::open(&house.kind.url(), &house.world) {
        Err(StoreError::Newer { found: 9999, known: k }) => assert_eq!(k, known),
        other => panic!("{other:?}"),
    }
}

async fn a_changed_migration_is_refused(house: House) {
    house
        .db
        .write(|tx| tx.execute("UPDATE migrations SET sha256 = $1 WHERE number = 1", params![[0u8; 32]]))
        .await
        .unwrap();
    let refused = Db::open(&house.kind.url(), &house.world);
    assert!(matches!(refused, Err(StoreError::MigrationChanged { number: 1 })), "{refused:?}");
}
