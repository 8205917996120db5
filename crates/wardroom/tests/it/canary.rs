//! Strings that people wrote are nowhere in the clear in any file we write.

use std::fs;
use std::path::{Path, PathBuf};

use crate::backup::run;
use crate::house::{House, wardroom, wardroom_with};
use crate::root::private;
use crate::visitor::Visitor;

/// What every canary begins with, and nothing else in the world.
const MARK: &[u8] = b"Zanzibar";

/// Every file below `folder` in which a canary can be read.
fn betrayals(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(betrayals(&path));
            continue;
        }
        // Sockets and files that the server removes meanwhile have no content to betray.
        let Ok(bytes) = fs::read(&path) else { continue };
        if bytes.windows(MARK.len()).any(|window| window == MARK) {
            found.push(path.display().to_string());
        }
    }
    found
}

/// Says two hundred strings that exist nowhere else, and waits for the answers.
async fn plant(house: &House) -> Vec<String> {
    let canaries: Vec<String> = (0..200).map(|number| format!("Zanzibar{number:03}Quokka")).collect();
    for group in canaries.chunks(20) {
        let visitor = Visitor::open(&house.ready).await;
        for canary in group {
            visitor.ask(&format!("my secret word is {canary}")).await;
        }
    }
    canaries
}

/// Entrusts a secret to a bot, as its developer would, and gives it.
fn entrust(data: &Path) -> String {
    let canary = "ZanzibarSecretQuokka".to_owned();
    let data = data.to_str().unwrap();
    let set = ["bot", "secret", "set", "front-desk", "CRM_TOKEN", "--data", data];
    let (status, out, err) = wardroom_with(&set, &canary);
    assert_eq!((status, out.trim()), (0, "`CRM_TOKEN` of `front-desk` is kept, sealed"), "{err}");
    let listed = wardroom(&["bot", "secret", "list", "front-desk", "--data", data]);
    assert_eq!((listed.0, listed.1.trim()), (0, "CRM_TOKEN"), "{}", listed.2);
    let (status, _, err) = wardroom(&["bot", "secret", "remove", "front-desk", "NO_SUCH", "--data", data]);
    assert!(status == 1 && err.contains("secret"), "{err}");
    canary
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_canary_is_in_the_clear_in_the_data_directory() {
    let temp = tempfile::tempdir().unwrap();
    let (data, scratch) = rooms(temp.path());
    let house = House::start_with(&data, &[("TMPDIR", scratch.as_path()), ("RUST_LOG", Path::new("debug"))]);
    plant(&house).await;
    entrust(&data);
    carry_away(&data, temp.path());
    // Once while it runs, with the write-ahead log as it is, and once after a clean end.
    assert_eq!(betrayals(temp.path()), Vec::<String>::new());
    keeps_silent(house);
    carry_away(&data, &temp.path().join("data"));
    assert_eq!(betrayals(temp.path()), Vec::<String>::new());
    a_planted_one_is_found(temp.path());
}

/// A data directory, and a folder for temporary files beside it.
fn rooms(folder: &Path) -> (PathBuf, PathBuf) {
    let (data, scratch) = (folder.join("data"), folder.join("tmp"));
    private(&data);
    private(&scratch);
    (data, scratch)
}

/// Whatever leaves the deployment: a backup, which is checked too, and the audit log.
fn carry_away(data: &Path, to: &Path) {
    let (backup, export) = (to.join("backup.wb"), to.join("export"));
    let (backup, export) = (backup.to_str().unwrap(), export.to_str().unwrap());
    for words in [
        &["backup", "create", backup] as &[&str],
        &["backup", "verify", backup],
        &["audit", "export", export],
        &["audit", "tail"],
    ] {
        let (status, said) = run(data, words);
        assert_eq!(status, 0, "{words:?}: {said}");
        assert!(!said.contains("Zanzibar"), "{words:?} tells what was said");
    }
}

/// Ends it, and reads all that it logged.
fn keeps_silent(house: House) {
    let (status, logged) = house.interrupt_and_tell();
    assert_eq!(status, 0);
    assert!(!logged.is_empty(), "it logs");
    assert!(!logged.contains("Zanzibar"), "what was said is in the log");
}

/// The same search finds one that lies in the clear, in the middle of other bytes.
fn a_planted_one_is_found(folder: &Path) {
    let file = folder.join("tmp/control");
    let noise: Vec<u8> = (0..100_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(&file, [&noise, b"my secret word is Zanzibar042Quokka".as_slice(), &noise].concat()).unwrap();
    assert_eq!(betrayals(folder), [file.display().to_string()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_canary_is_in_the_clear_in_the_files_or_a_dump_of_postgresql() {
    let cluster = testkit::Cluster::shared();
    let database = cluster.database();
    let temp = tempfile::tempdir().unwrap();
    let (data, scratch) = rooms(temp.path());
    let url = data.join("database.url");
    fs::write(&url, cluster.url(&database)).unwrap();
    fs::write(data.join("wardroom.toml"), format!("[database]\nurl = {{ file = {url:?} }}\n")).unwrap();

    let house = House::start_with(&data, &[("TMPDIR", scratch.as_path()), ("RUST_LOG", Path::new("debug"))]);
    let mut canaries = plant(&house).await;
    canaries.push(entrust(&data));
    carry_away(&data, temp.path());
    keeps_silent(house);
    cluster.sql(&database, "CHECKPOINT");
    let dump = cluster.dump(&database);
    assert!(dump.contains("COPY public.messages"), "the messages are in the dump");
    for canary in &canaries {
        let hex: String = canary.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(!dump.contains(canary) && !dump.contains(&hex), "{canary}");
    }
    assert_eq!(betrayals(cluster.files()), Vec::<String>::new());
    assert_eq!(betrayals(temp.path()), Vec::<String>::new());
    let (status, out, err) = wardroom(&["audit", "verify", "--data", data.to_str().unwrap()]);
    assert_eq!(status, 0, "{out}{err}");
    a_planted_one_is_found(temp.path());
    // And in the files of the server.
    cluster.sql(&database, "CREATE TABLE control AS SELECT 'Zanzibar042Quokka'::text AS word; CHECKPOINT");
    assert!(!betrayals(cluster.files()).is_empty(), "one that was planted in a table is found");
    cluster.sql(&database, "DROP TABLE control");
}
