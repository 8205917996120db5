//! A database for one test, on either engine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kernel::{ManualClock, Timestamp, World};
use store::{Db, DbUrl, Options};
use tempfile::TempDir;
use testkit::Cluster;

/// One test, twice: as `sqlite::NAME` and as `postgres::NAME`.
macro_rules! both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::house::House::sqlite()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::house::House::postgres()).await;
            })*
        }
    };
}
pub(crate) use both;

/// A database of its own for one test.
pub(crate) struct House {
    pub(crate) db: Db,
    pub(crate) world: World,
    pub(crate) kind: Kind,
    _room: TempDir,
}

/// Where it is.
pub(crate) enum Kind {
    Sqlite(PathBuf),
    Postgres(String),
}

impl Kind {
    pub(crate) fn url(&self) -> DbUrl {
        match self {
            Self::Sqlite(path) => DbUrl::sqlite(path),
            Self::Postgres(name) => Cluster::shared().url(name).parse().unwrap(),
        }
    }
}

pub(crate) fn world() -> World {
    World::rehearsal(Arc::new(ManualClock::at(Timestamp::from_millis(1_795_378_500_125))), 7)
}

impl House {
    pub(crate) fn sqlite() -> Self {
        let room = tempfile::tempdir().unwrap();
        let kind = Kind::Sqlite(room.path().join("house.db"));
        Self::open(kind, room, &Options::default())
    }

    pub(crate) fn postgres() -> Self {
        let kind = Kind::Postgres(Cluster::shared().database());
        Self::open(kind, tempfile::tempdir().unwrap(), &Options::default())
    }

    pub(crate) fn sqlite_with(options: &Options) -> Self {
        let room = tempfile::tempdir().unwrap();
        let kind = Kind::Sqlite(room.path().join("house.db"));
        Self::open(kind, room, options)
    }

    pub(crate) fn sqlite_at(path: &Path) -> Self {
        Self::open(Kind::Sqlite(path.to_owned()), tempfile::tempdir().unwrap(), &Options::default())
    }

    fn open(kind: Kind, room: TempDir, options: &Options) -> Self {
        let world = world();
        let db = Db::open_with(&kind.url(), &world, options).unwrap();
        Self { db, world, kind, _room: room }
    }

    /// The SQLite file, or nothing on PostgreSQL.
    pub(crate) fn file(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Sqlite(path) => Some(path),
            Kind::Postgres(_) => None,
        }
    }

    /// A table to scribble in, beside the house's own.
    pub(crate) async fn scratch(&self) {
        self.db
            .write(|tx| {
                tx.execute("CREATE TABLE scratch (n BIGINT NOT NULL PRIMARY KEY)", &[])?;
                Ok(())
            })
            .await
            .unwrap();
    }

    pub(crate) async fn scribbled(&self) -> Vec<i64> {
        self.db
            .read(|tx| {
                let rows = tx.rows("SELECT n FROM scratch ORDER BY n", &[])?;
                rows.into_iter().map(|mut row| Ok(row.take("n")?)).collect()
            })
            .await
            .unwrap()
    }
}
