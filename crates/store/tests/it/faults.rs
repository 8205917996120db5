//! The disk is full, the folder read-only, the file damaged, the server gone.

use std::time::Duration;

use store::{Db, Options, StoreError, params};
use testkit::{Cluster, Disk};

use crate::house::{House, Kind, world};

async fn fill(house: &House) -> StoreError {
    house
        .db
        .write(|tx| {
            tx.execute("CREATE TABLE heap (n BIGINT NOT NULL PRIMARY KEY, stuff BLOB NOT NULL)", &[])?;
            Ok(())
        })
        .await
        .unwrap();
    for n in 0..1000i64 {
        let stuff = vec![0u8; 64 * 1024];
        let put = move |tx: &mut store::Tx<'_>| {
            tx.execute("INSERT INTO heap (n, stuff) VALUES ($1, $2)", params![n, stuff])
        };
        if let Err(error) = house.db.write(put).await {
            return error;
        }
    }
    panic!("64 MB went into a database that has room for less");
}

async fn heaped(house: &House) -> i64 {
    let count = |tx: &mut store::Read<'_>| {
        let row = tx.row("SELECT COUNT(*) AS n FROM heap", &[])?;
        Ok(row.ok_or(StoreError::Missing { what: "count" })?.take("n")?)
    };
    house.db.read(count).await.unwrap()
}

#[tokio::test]
async fn a_database_at_its_size_limit_says_full_and_still_reads() {
    let house = House::sqlite_with(&Options { max_bytes: Some(4 << 20), ..Options::default() });
    let error = fill(&house).await;
    assert!(matches!(error, StoreError::Full), "{error:?}");
    assert!(heaped(&house).await > 10);
    // What makes room is still allowed, and then there is room again.
    house.db.write(|tx| tx.execute("DELETE FROM heap", &[])).await.unwrap();
    let put = |tx: &mut store::Tx<'_>| {
        tx.execute("INSERT INTO heap (n, stuff) VALUES ($1, $2)", params![0i64, vec![0u8; 1024]])
    };
    house.db.write(put).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_says_full_and_still_reads() {
    // Without the right to mount, the size limit above is the same error from the same engine.
    let Some(disk) = Disk::mount("size=6m") else { return };
    let house = House::sqlite_at(&disk.path().join("house.db"));
    let error = fill(&house).await;
    assert!(matches!(error, StoreError::Full), "{error:?}");
    assert!(heaped(&house).await > 10);
}

#[test]
fn a_folder_that_can_only_be_read_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mounted = Disk::mount("ro");
    let place = match &mounted {
        Some(disk) => disk.path().to_owned(),
        None => {
            let mut mode = std::fs::metadata(folder.path()).unwrap().permissions();
            std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o500);
            std::fs::set_permissions(folder.path(), mode).unwrap();
            folder.path().to_owned()
        }
    };
    let refused = Db::open(&Kind::Sqlite(place.join("house.db")).url(), &world());
    assert!(matches!(refused, Err(StoreError::ReadOnly)), "{refused:?}");
}

#[test]
fn a_missing_folder_is_an_address_that_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("nowhere").join("house.db");
    let refused = Db::open(&Kind::Sqlite(nowhere).url(), &world());
    assert!(matches!(refused, Err(StoreError::Address { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_damaged_file_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("house.db");
    let house = House::sqlite_at(&file);
    fill_a_little(&house).await;
    drop(house);

    // Its head: another file altogether.
    let whole = std::fs::read(&file).unwrap();
    let mut headless = whole.clone();
    headless[..16].copy_from_slice(b"not a database!!");
    std::fs::write(&file, &headless).unwrap();
    let refused = Db::open(&Kind::Sqlite(file.clone()).url(), &world());
    assert!(matches!(refused, Err(StoreError::Corrupt)), "{refused:?}");

    // Its middle: it opens, and the job that meets the damage learns of it.
    let mut holed = whole;
    let end = holed.len();
    for byte in &mut holed[4096 * 3..end] {
        *byte = 0xA5;
    }
    std::fs::write(&file, &holed).unwrap();
    let met = match Db::open(&Kind::Sqlite(file.clone()).url(), &world()) {
        Err(error) => error,
        Ok(db) => db.read(|tx| tx.rows("SELECT n, stuff FROM heap", &[])).await.unwrap_err(),
    };
    assert!(matches!(met, StoreError::Corrupt), "{met:?}");
}

async fn fill_a_little(house: &House) {
    house
        .db
        .write(|tx| {
            tx.execute("CREATE TABLE heap (n BIGINT NOT NULL PRIMARY KEY, stuff BLOB NOT NULL)", &[])?;
            for n in 0..200i64 {
                tx.execute("INSERT INTO heap (n, stuff) VALUES ($1, $2)", params![n, vec![7u8; 900]])?;
            }
            Ok(())
        })
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_same_file_waits_its_turn_and_corrupts_nothing() {
    let house = House::sqlite();
    house.scratch().await;
    // Another connection pool, as another process would have; SQLite's locks are the file's.
    let other = Db::open(&house.kind.url(), &world()).unwrap();
    let mut waiting = Vec::new();
    for n in 0..200i64 {
        let db = if n % 2 == 0 { house.db.clone() } else { other.clone() };
        let put = move |tx: &mut store::Tx<'_>| tx.execute("INSERT INTO scratch (n) VALUES ($1)", params![n]);
        waiting.push(tokio::spawn(async move { db.write(put).await }));
    }
    for job in waiting {
        job.await.unwrap().unwrap();
    }
    assert_eq!(house.scribbled().await, (0..200).collect::<Vec<_>>());
    let check = |tx: &mut store::Read<'_>| {
        let row = tx.row("PRAGMA integrity_check", &[])?;
        Ok(row.ok_or(StoreError::Corrupt)?.take::<String>("integrity_check")?)
    };
    assert_eq!(house.db.read(check).await.unwrap(), "ok");
}

#[cfg(unix)]
#[test]
fn the_file_and_its_log_are_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::sqlite();
    let file = house.file().unwrap();
    for path in [file.to_owned(), file.with_extension("db-wal"), file.with_extension("db-shm")] {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
}

fn database(house: &House) -> &str {
    match &house.kind {
        Kind::Postgres(name) => name,
        Kind::Sqlite(_) => panic!("only PostgreSQL has backends"),
    }
}

fn end_connections(house: &House) {
    let name = database(house);
    let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    Cluster::shared().sql("postgres", &end);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_connections_are_made_again_without_an_error() {
    let house = House::postgres();
    house.scratch().await;
    for n in 0..3i64 {
        end_connections(&house);
        let put = move |tx: &mut store::Tx<'_>| tx.execute("INSERT INTO scratch (n) VALUES ($1)", params![n]);
        house.db.write(put).await.unwrap();
        end_connections(&house);
        assert_eq!(house.scribbled().await.len() as i64, n + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_lost_in_the_middle_of_a_job_runs_the_job_again() {
    let house = House::postgres();
    house.scratch().await;
    let name = database(&house).to_owned();
    let mut runs = 0i64;
    let last = house
        .db
        .write(move |tx| {
            runs += 1;
            tx.execute("INSERT INTO scratch (n) VALUES ($1)", params![runs])?;
            if runs == 1 {
                let end = format!(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                     WHERE datname = '{name}' AND state = 'idle in transaction'"
                );
                Cluster::shared().sql("postgres", &end);
            }
            tx.execute("INSERT INTO scratch (n) VALUES ($1)", params![runs + 100])?;
            Ok(runs)
        })
        .await
        .unwrap();
    assert_eq!(last, 2);
    assert_eq!(house.scribbled().await, [2, 102]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_says_unavailable_and_passes_by_itself() {
    let house = House::postgres();
    house.scratch().await;
    let name = database(&house).to_owned();
    Cluster::shared().sql("postgres", &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
    end_connections(&house);
    let put = |tx: &mut store::Tx<'_>| tx.execute("INSERT INTO scratch (n) VALUES (1)", &[]);
    let down = house.db.write(put).await;
    assert!(matches!(down, Err(StoreError::Unavailable)), "{down:?}");
    let down = house.db.read(|tx| tx.rows("SELECT n FROM scratch", &[])).await;
    assert!(matches!(down, Err(StoreError::Unavailable)), "{down:?}");

    Cluster::shared().sql("postgres", &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"));
    house.db.write(put).await.unwrap();
    assert_eq!(house.scribbled().await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_unavailable_and_not_a_hang() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("postgres://wardroom@{nobody}/w").parse().unwrap();
    let world = world();
    let opening = tokio::task::spawn_blocking(move || Db::open(&url, &world));
    let refused = tokio::time::timeout(Duration::from_secs(10), opening).await.unwrap().unwrap();
    assert!(matches!(refused, Err(StoreError::Unavailable)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_between_two_programs_is_resolved_without_an_error() {
    let house = House::postgres();
    house.scratch().await;
    house.db.write(|tx| tx.execute("INSERT INTO scratch (n) VALUES (1), (2)", &[])).await.unwrap();
    let other = Db::open(&house.kind.url(), &world()).unwrap();
    let mut waiting = Vec::new();
    for (db, order) in [(house.db.clone(), [1i64, 2]), (other, [2, 1])] {
        waiting.push(tokio::spawn(async move {
            for _ in 0..8 {
                db.write(move |tx| {
                    for n in order {
                        tx.execute("UPDATE scratch SET n = n WHERE n = $1", params![n])?;
                        std::thread::sleep(Duration::from_millis(2));
                    }
                    Ok(())
                })
                .await?;
            }
            Ok::<_, StoreError>(db.counts().reruns)
        }));
    }
    let mut reruns = 0;
    for job in waiting {
        reruns += job.await.unwrap().unwrap();
    }
    assert!(reruns > 0, "the two never met: the test proves nothing");
}
