//! Somebody writes to the database past the program: messages deleted, moved, replayed, accounts and
//! sessions forged, the whole database put back. Each is refused when it is read and found by
//! `wardroom audit verify`, on both databases.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::Cluster;

use crate::backup::on_postgres;
use crate::house::{House, wardroom};
use crate::visitor::{Visitor, client};

/// A deployment whose database can be written to past the program, and put back.
struct Stage {
    data: PathBuf,
    /// The name of its database, on PostgreSQL.
    database: Option<String>,
    _room: tempfile::TempDir,
}

impl Stage {
    fn new(postgres: bool) -> Self {
        let room = tempfile::tempdir().unwrap();
        let data = room.path().join("data");
        let database = postgres.then(|| Cluster::shared().database());
        if let Some(database) = &database {
            on_postgres(&data, database);
        }
        Self { data, database, _room: room }
    }

    fn start(&self) -> House {
        House::start(&self.data)
    }

    /// Runs statements on the database; `{id}` is a message's or conversation's id as a literal.
    fn sql(&self, statements: &str) {
        match &self.database {
            Some(database) => {
                Cluster::shared().sql(database, statements);
            }
            None => {
                let script =
                    "import sqlite3, sys\ndb = sqlite3.connect(sys.argv[1])\ndb.executescript(sys.argv[2])";
                let mut python = Command::new("python3");
                python.args(["-c", script]).arg(self.file()).arg(statements);
                assert!(python.status().is_ok_and(|status| status.success()), "{statements}");
            }
        }
    }

    fn file(&self) -> PathBuf {
        self.data.join("wardroom.db")
    }

    /// 16 bytes as the database writes them.
    fn literal(&self, id: &str) -> String {
        let hex = id.replace('-', "");
        match self.database {
            Some(_) => format!("'\\x{hex}'::bytea"),
            None => format!("X'{hex}'"),
        }
    }

    /// Keeps the database as it is now under a name. Nothing may run on it.
    fn keep(&self, name: &str) {
        match &self.database {
            Some(database) => {
                let copy = format!("CREATE DATABASE {database}_{name} TEMPLATE {database}");
                Cluster::shared().sql("postgres", &copy);
            }
            None => copy_sqlite(&self.file(), &self.data.with_extension(name)),
        }
    }

    /// Puts back what was kept.
    fn put_back(&self, name: &str) {
        match &self.database {
            Some(database) => {
                let cluster = Cluster::shared();
                cluster.sql("postgres", &format!("DROP DATABASE {database} WITH (FORCE)"));
                cluster.sql("postgres", &format!("CREATE DATABASE {database} TEMPLATE {database}_{name}"));
            }
            None => copy_sqlite(&self.data.with_extension(name), &self.file()),
        }
    }

    /// `audit verify`: whether it holds, and what it says.
    fn verify(&self) -> (bool, String) {
        let (status, out, err) = wardroom(&["audit", "verify", "--data", self.data.to_str().unwrap()]);
        (status == 0, format!("{out}{err}"))
    }
}

fn copy_sqlite(from: &Path, to: &Path) {
    for end in ["-wal", "-shm"] {
        let side = |path: &Path| PathBuf::from(format!("{}{end}", path.display()));
        let _ = fs::remove_file(side(to));
        if side(from).exists() {
            fs::copy(side(from), side(to)).unwrap();
        }
    }
    fs::copy(from, to).unwrap();
}

/// What a visitor is told of their conversation: number and kind of each line.
async fn told(house: &House, visitor: &Visitor) -> Vec<(String, String)> {
    let again = Visitor {
        base: house.ready.public.clone(),
        client: client(&house.ready),
        conversation: visitor.conversation.clone(),
        token: visitor.token.clone(),
    };
    let events = again.events(None, |event| event.kind == "state").await;
    events.into_iter().map(|event| (event.id, event.kind)).collect()
}

#[expect(clippy::print_stdout, reason = "the count is what the test shows")]
async fn messages(postgres: bool) {
    let stage = Stage::new(postgres);
    let house = stage.start();
    let (visitor, other) = (Visitor::open(&house.ready).await, Visitor::open(&house.ready).await);
    let mut last = 0;
    for question in ["What is Wardroom?", "Is it free?"] {
        last = visitor.ask(question).await["seq"].as_u64().unwrap();
    }
    other.ask("What is Wardroom?").await;
    assert_eq!((last, house.interrupt()), (5, 0));
    assert!(stage.verify().0, "{}", stage.verify().1);
    stage.keep("whole");
    // Whoever only changes rows does not touch what stands beside the database.
    let beside = stage.data.join("audit.checkpoint");
    let checkpoint = fs::read(&beside).unwrap();

    let (this, that) = (stage.literal(&visitor.conversation), stage.literal(&other.conversation));
    let fresh = stage.literal("0198c0de-1234-7abc-8def-0123456789ab");
    let head =
        |seq: u64| format!("(SELECT row_hash FROM messages WHERE conversation = {this} AND seq = {seq})");
    let columns = "role, author, content_type, created_ms, key_gen, record, citations, row_hash";
    // What is done, which line is refused on reading it, and what verifying says.
    let cases: [(&str, String, Option<u64>, String); 6] = [
        (
            "deleted in the middle",
            format!("DELETE FROM messages WHERE conversation = {this} AND seq = 3;"),
            Some(3),
            "messages 3 to 3 before it are missing".to_owned(),
        ),
        (
            "deleted at the end",
            format!("DELETE FROM messages WHERE conversation = {this} AND seq = 5;"),
            Some(5),
            "its messages do not end where it says".to_owned(),
        ),
        (
            "cut off, and the head set back with it: what is left is a true beginning",
            format!(
                "UPDATE conversations SET last_seq = 4, head = {} WHERE id = {this};
                 DELETE FROM messages WHERE conversation = {this} AND seq = 5;",
                head(4)
            ),
            None,
            format!("messages {}/5: the audit log speaks of it", visitor.conversation),
        ),
        (
            "put in another order",
            [(2, 1000), (4, 2), (1000, 4)]
                .map(|(from, to)| {
                    format!("UPDATE messages SET seq = {to} WHERE conversation = {this} AND seq = {from};")
                })
                .concat(),
            Some(2),
            "it was changed, or does not follow the one before it".to_owned(),
        ),
        (
            "replayed at the end",
            format!(
                "INSERT INTO messages (tenant, conversation, seq, id, {columns})
                 SELECT tenant, conversation, 6, {fresh}, {columns} FROM messages
                 WHERE conversation = {this} AND seq = 2;
                 UPDATE conversations SET last_seq = 6, head = {} WHERE id = {this};",
                head(6)
            ),
            Some(6),
            format!("messages {}/6: it was changed", visitor.conversation),
        ),
        (
            "another conversation's put in its place",
            format!(
                "DELETE FROM messages WHERE conversation = {this} AND seq = 2;
                 INSERT INTO messages (tenant, conversation, seq, id, {columns})
                 SELECT tenant, {this}, seq, id, {columns} FROM messages WHERE conversation = {that} AND seq = 2;"
            ),
            Some(2),
            format!("messages {}/2: it was changed", visitor.conversation),
        ),
    ];
    let count = cases.len();
    for (what, statements, refused, words) in cases {
        stage.put_back("whole");
        fs::write(&beside, &checkpoint).unwrap();
        stage.sql(&statements);
        let (holds, said) = stage.verify();
        assert!(!holds && said.contains(&words), "{what}: verifying should say `{words}`: {said}");
        let house = stage.start();
        let lines = told(&house, &visitor).await;
        if let Some(seq) = refused {
            assert!(lines.contains(&(seq.to_string(), "error".to_owned())), "{what}: {lines:?}");
        }
        // The other conversation is whole, whatever happened to this one.
        assert!(told(&house, &other).await.iter().all(|(_, kind)| kind != "error"), "{what}");
        assert_eq!(house.interrupt(), 0);
    }
    println!("{count} ways to change a conversation, {count} found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_moved_and_replayed_messages_of_sqlite_are_refused_and_found() {
    messages(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_moved_and_replayed_messages_of_postgresql_are_refused_and_found() {
    messages(true).await;
}

async fn put_back_as_a_whole(postgres: bool) {
    let stage = Stage::new(postgres);
    let house = stage.start();
    let visitor = Visitor::open(&house.ready).await;
    visitor.ask("What is Wardroom?").await;
    assert_eq!(house.interrupt(), 0);
    stage.keep("older");
    let house = stage.start();
    let again = Visitor { base: house.ready.public.clone(), client: client(&house.ready), ..visitor };
    again.ask("Is it free?").await;
    assert_eq!(house.interrupt(), 0);
    assert!(stage.verify().0);

    // Every row, chain and signature of it is true: of its time.
    stage.put_back("older");
    let refused = House::try_start(&stage.data).err().expect("it does not serve an older state");
    assert!(refused.stderr.contains("put back to an earlier state"), "{}", refused.stderr);
    let (holds, said) = stage.verify();
    assert!(!holds && said.contains("NOT WHOLE"), "{said}");
    // Whoever put it back themselves says so, and goes on.
    fs::remove_file(stage.data.join("audit.checkpoint")).unwrap();
    let house = stage.start();
    assert_eq!(told(&house, &again).await.len(), 4, "three messages and the state");
    assert_eq!(house.interrupt(), 0);
    assert!(stage.verify().0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sqlite_database_put_back_as_a_whole_is_not_served() {
    put_back_as_a_whole(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_database_put_back_as_a_whole_is_not_served() {
    put_back_as_a_whole(true).await;
}
