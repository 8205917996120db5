//! Backups from outside: taken while people chat, restored into either database, refused when anything
//! is wrong with them, whole or not there at all whenever the process is killed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use testkit::Cluster;

use crate::house::{House, wardroom};
use crate::killer::Killer;
use crate::root::{self, private};
use crate::visitor::{Visitor, client};

/// A command with a data directory, and what it said.
pub(crate) fn run(data: &Path, words: &[&str]) -> (i32, String) {
    let mut all: Vec<&str> = words.to_vec();
    all.extend(["--data", data.to_str().unwrap()]);
    let (status, out, err) = wardroom(&all);
    (status, format!("{out}{err}"))
}

fn good(data: &Path, words: &[&str]) -> String {
    let (status, said) = run(data, words);
    assert_eq!(status, 0, "{words:?}: {said}");
    said
}

fn refused(data: &Path, words: &[&str], because: &str) {
    let (status, said) = run(data, words);
    assert_eq!(status, 1, "{words:?}: {said}");
    assert!(said.contains(because), "{words:?} should say `{because}`: {said}");
}

/// A data directory with nothing in it but this deployment's root key.
pub(crate) fn fresh(at: &Path, from: &Path) -> PathBuf {
    root::share(from, at);
    at.to_owned()
}

/// Lets a data directory use a database of the tests' PostgreSQL.
pub(crate) fn on_postgres(data: &Path, database: &str) {
    private(data);
    let url = data.join("database.url");
    fs::write(&url, Cluster::shared().url(database)).unwrap();
    fs::write(data.join("wardroom.toml"), format!("[database]\nurl = {{ file = {url:?} }}\n")).unwrap();
}

/// What a visitor reads in their conversation.
async fn texts(house: &House, visitor: &Visitor, up_to: u64) -> Vec<Value> {
    let (base, client) = (house.ready.public.clone(), client(&house.ready));
    let (conversation, token) = (visitor.conversation.clone(), visitor.token.clone());
    let again = Visitor { client, base, conversation, token };
    let messages = again.messages_up_to(up_to).await;
    messages.into_iter().map(|message| message["text"].clone()).collect()
}

/// Three questions and their answers; the number of the last message.
async fn talk(visitor: &Visitor) -> u64 {
    let mut last = 0;
    for question in ["What is Wardroom?", "Is it free?", "my secret word is Zanzibar7Quokka"] {
        last = visitor.ask(question).await["seq"].as_u64().unwrap();
    }
    last
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_goes_from_sqlite_to_postgresql_and_back_and_the_conversation_goes_on() {
    let temp = tempfile::tempdir().unwrap();
    let (data, there) = (temp.path().join("data"), temp.path().join("there"));
    let (first, second) = (temp.path().join("first.wb"), temp.path().join("second.wb"));
    let house = House::start(&data);
    let visitor = Visitor::open(&house.ready).await;
    let last = talk(&visitor).await;
    let before = texts(&house, &visitor, last).await;
    // While it runs.
    good(&data, &["backup", "create", first.to_str().unwrap()]);
    assert_eq!(fs::metadata(&first).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(house.interrupt(), 0);
    refused(&data, &["backup", "create", first.to_str().unwrap()], "never overwritten");
    let bytes = fs::read(&first).unwrap();
    assert!(!bytes.windows(8).any(|window| window == b"Zanzibar"), "the backup is sealed");
    assert!(!bytes.windows(10).any(|window| window == b"front-desk"), "names too");

    let checked: Value =
        serde_json::from_str(&good(&data, &["backup", "verify", "--json", first.to_str().unwrap()])).unwrap();
    assert!(
        checked["records"].as_u64().unwrap() > 6 && checked["messages"].as_u64().unwrap() >= 7,
        "{checked}"
    );

    // Into PostgreSQL, on another machine as it were.
    let database = Cluster::shared().database();
    on_postgres(&there, &database);
    fresh(&there, &data);
    good(&there, &["backup", "restore", first.to_str().unwrap()]);
    good(&there, &["audit", "verify"]);
    let house = House::start(&there);
    assert_eq!(texts(&house, &visitor, last).await, before);
    let again = Visitor { base: house.ready.public.clone(), client: client(&house.ready), ..visitor };
    let last = again.ask("Is it free?").await["seq"].as_u64().unwrap();
    let before = texts(&house, &again, last).await;
    good(&there, &["backup", "create", second.to_str().unwrap()]);
    assert_eq!(house.interrupt(), 0);

    // And back, over what is there.
    refused(&data, &["backup", "restore", second.to_str().unwrap()], "--replace");
    good(&data, &["backup", "restore", "--replace", second.to_str().unwrap()]);
    good(&data, &["audit", "verify"]);
    let house = House::start(&data);
    assert_eq!(texts(&house, &again, last).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_was_erased_stays_erased_when_an_older_backup_is_restored() {
    let temp = tempfile::tempdir().unwrap();
    let (data, backup) = (temp.path().join("data"), temp.path().join("older.wb"));
    let house = House::start(&data);
    let (gone, stays) = (Visitor::open(&house.ready).await, Visitor::open(&house.ready).await);
    let last = talk(&gone).await;
    talk(&stays).await;
    good(&data, &["backup", "create", backup.to_str().unwrap()]);
    let said =
        good(&data, &["erase", "--yes", "--reason", "they asked", "--conversation", &gone.conversation]);
    assert!(said.contains("is erased"), "{said}");
    let again = good(&data, &["erase", "--yes", "--conversation", &gone.conversation]);
    assert!(again.contains("0 data keys"), "{again}");

    // At once, in the process that has their key in memory.
    let lines = gone.events(None, |event| event.kind == "state").await;
    let errors = lines.iter().filter(|line| line.kind == "error").count();
    assert!(errors as u64 == last && !lines.iter().any(|line| line.kind == "message"), "{lines:?}");
    let post = gone.post(&serde_json::json!({ "text": "hello?" })).await.unwrap();
    assert_eq!(post.status(), 409);
    assert!(stays.ask("Is it free?").await["text"].as_str().is_some(), "the others go on");
    assert_eq!(house.interrupt(), 0);
    good(&data, &["audit", "verify"]);
    let tail = good(&data, &["audit", "tail"]);
    assert!(tail.contains("PRIV-1001I  subject.erased"), "{tail}");

    let check = |data: &Path| {
        let house = House::start(data);
        let (base, client) = (house.ready.public.clone(), client(&house.ready));
        (house, Visitor { base, client, conversation: gone.conversation.clone(), token: gone.token.clone() })
    };
    // Over the present database, which knows; and into a fresh directory, from the list alone.
    good(&data, &["backup", "restore", "--replace", backup.to_str().unwrap()]);
    let there = fresh(&temp.path().join("there"), &data);
    let list = data.join("erasures");
    let said =
        good(&there, &["backup", "restore", "--erasures", list.to_str().unwrap(), backup.to_str().unwrap()]);
    assert!(said.contains("1 people who were erased since were erased again"), "{said}");
    for data in [&data, &there] {
        let (house, gone) = check(data);
        let lines = gone.events(None, |event| event.kind == "state").await;
        assert!(!lines.iter().any(|line| line.kind == "message"), "{lines:?}");
        assert_eq!(house.interrupt(), 0);
    }
    // A list with a line that this deployment did not write is refused: it could erase anybody.
    let forged = temp.path().join("forged");
    let line = fs::read_to_string(&list).unwrap().replace(" wardroom", "");
    fs::write(&forged, line.trim_end().to_owned() + "0\n").unwrap();
    let other = fresh(&temp.path().join("other"), &data);
    let words = ["backup", "restore", "--erasures", forged.to_str().unwrap(), backup.to_str().unwrap()];
    refused(&other, &words, "does not hold");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_foreign_or_misplaced_backup_is_refused_and_changes_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let (data, backup) = (temp.path().join("data"), temp.path().join("b.wb"));
    root::own(&data);
    let house = House::start(&data);
    talk(&Visitor::open(&house.ready).await).await;
    assert_eq!(house.interrupt(), 0);
    good(&data, &["backup", "create", backup.to_str().unwrap()]);
    let whole = fs::read(&backup).unwrap();

    let broken = temp.path().join("broken.wb");
    let words = ["backup", "restore", "--replace", broken.to_str().unwrap()];
    let mut cases: Vec<(Vec<u8>, &str)> = vec![
        (Vec::new(), "too short"),
        (b"not a backup at all, but long enough to be read".to_vec(), "does not begin like one"),
        (whole[..whole.len() - 1].to_vec(), "damaged"),
        (whole[..whole.len() / 2].to_vec(), "damaged"),
        ([whole.as_slice(), b"more"].concat(), "damaged"),
    ];
    for at in [whole.len() - 1, whole.len() / 2, whole.len() / 3] {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        cases.push((flipped, "damaged"));
    }
    // Its head: another time, and a newer format.
    let text = String::from_utf8_lossy(&whole[20..2000]).into_owned();
    let taken = text.split("\"taken_ms\":").nth(1).unwrap().split(',').next().unwrap().to_owned();
    let swap = |from: &str, to: &str| {
        let at = whole.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        let mut changed = whole.clone();
        changed[at..at + to.len()].copy_from_slice(to.as_bytes());
        changed
    };
    cases.push((swap(&taken, &"1".repeat(taken.len())), "damaged"));
    cases.push((swap("\"format\":1", "\"format\":2"), "newer program"));
    let before = fs::read(data.join("wardroom.db")).unwrap();
    for (bytes, because) in cases {
        fs::write(&broken, bytes).unwrap();
        refused(&data, &words, because);
    }
    assert_eq!(fs::read(data.join("wardroom.db")).unwrap(), before, "nothing was touched");

    // Another deployment, with its own root key, and with this one's.
    let foreign = temp.path().join("foreign");
    root::own(&foreign);
    assert_eq!(House::start(&foreign).interrupt(), 0);
    refused(&foreign, &["backup", "restore", "--replace", backup.to_str().unwrap()], "root key");
    fs::copy(data.join("keys/root.key"), foreign.join("keys/root.key")).unwrap();
    fs::remove_file(foreign.join("audit.vkey")).unwrap();
    refused(&foreign, &["backup", "restore", "--replace", backup.to_str().unwrap()], "another deployment");

    // Nowhere to restore to without the root key; and not while it runs.
    let empty = temp.path().join("empty");
    private(&empty);
    refused(&empty, &["backup", "restore", backup.to_str().unwrap()], "needs the root key");
    let house = House::start(&data);
    refused(&data, &["backup", "restore", "--replace", backup.to_str().unwrap()], "another wardroom");
    assert_eq!(house.interrupt(), 0);
    good(&data, &["audit", "verify"]);
}

/// How often each is struck, at the least.
const KILLS: u64 = 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_backup_or_restore_leaves_nothing_that_looks_whole() {
    let temp = tempfile::tempdir().unwrap();
    let (data, whole) = (temp.path().join("data"), temp.path().join("whole.wb"));
    let house = House::start(&data);
    for _ in 0..4 {
        talk(&Visitor::open(&house.ready).await).await;
    }
    assert_eq!(house.interrupt(), 0);
    good(&data, &["backup", "create", whole.to_str().unwrap()]);

    let mut killer = Killer::new(0x2545_F491_4F6C_DD1D);
    let (mut cut, mut kept) = (0, 0);
    while cut < KILLS / 2 {
        let round = cut + kept;
        let file = temp.path().join(format!("{round}.wb"));
        killer.strike(&data, &["backup", "create", file.to_str().unwrap()]).await;
        if file.exists() {
            kept += 1;
            good(&data, &["backup", "verify", file.to_str().unwrap()]);
        } else {
            cut += 1;
            // The same name can be taken up again at once.
            if round % 10 == 0 {
                good(&data, &["backup", "create", file.to_str().unwrap()]);
            }
        }
        assert!(round < 8 * KILLS, "{cut} cut, {kept} kept");
    }

    let there = fresh(&temp.path().join("there"), &data);
    let (mut half, mut done) = (0, 0);
    for round in 0..KILLS {
        killer.strike(&there, &["backup", "restore", "--replace", whole.to_str().unwrap()]).await;
        // Either nothing is there, and it says so; or everything, and it holds.
        let (status, said) = run(&there, &["audit", "verify"]);
        match status {
            0 => done += 1,
            _ => {
                half += 1;
                let honest = ["no deployment", "interrupted", "cannot read the log's public key"];
                assert!(honest.iter().any(|words| said.contains(words)), "round {round}: {said}");
            }
        }
    }
    good(&there, &["backup", "restore", "--replace", whole.to_str().unwrap()]);
    good(&there, &["audit", "verify"]);
    assert!(half > 0, "{half} cut, {done} done");
    assert!(
        !fs::read_dir(&data)
            .unwrap()
            .flatten()
            .any(|entry| { entry.file_name().to_string_lossy().ends_with(".partial") })
    );
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// A small file system of its own; only root may mount one.
struct Mount(tempfile::TempDir);

impl Mount {
    fn new(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size},mode=0700"), "tmpfs"]).arg(folder.path());
        mount.output().is_ok_and(|output| output.status.success()).then_some(Self(folder))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_in_the_middle_leaves_no_backup_and_no_half_database() {
    let temp = tempfile::tempdir().unwrap();
    let (data, whole) = (temp.path().join("data"), temp.path().join("whole.wb"));
    let house = House::start(&data);
    talk(&Visitor::open(&house.ready).await).await;
    assert_eq!(house.interrupt(), 0);
    good(&data, &["backup", "create", whole.to_str().unwrap()]);
    let size = fs::metadata(&whole).unwrap().len();

    let rooted = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    let Some(disk) = Mount::new(&format!("{}k", size / 2048)) else {
        return assert!(!rooted, "root can mount a tmpfs");
    };
    let file = disk.0.path().join("b.wb");
    refused(&data, &["backup", "create", file.to_str().unwrap()], "no space left");
    assert_eq!(fs::read_dir(disk.0.path()).unwrap().count(), 0, "nothing is left of it");

    // Room for the scratch database elsewhere, and too little for the database itself.
    let disk = Mount::new(&format!("{}k", size / 1024 / 2)).unwrap();
    let there = fresh(disk.0.path(), &data);
    let scratch = temp.path().to_str().unwrap();
    refused(&there, &["backup", "restore", "--scratch", scratch, whole.to_str().unwrap()], "no space left");
    // With room again it is as empty as before, and the restore goes through.
    let mut again = Command::new("mount");
    again.args(["-o", "remount,size=256m"]).arg(disk.0.path());
    assert!(again.status().is_ok_and(|status| status.success()));
    let (_, said) = run(&there, &["audit", "tail"]);
    assert!(said.contains("no deployment"), "{said}");
    good(&there, &["backup", "restore", whole.to_str().unwrap()]);
    good(&there, &["audit", "verify"]);
}
