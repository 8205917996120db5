//! Strings that people wrote are nowhere in the clear in any file we write.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::house::{House, wardroom, wardroom_with};
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
    let data = temp.path().join("data");
    let house = House::start(&data);
    plant(&house).await;
    entrust(&data);
    // Once while it runs, with the write-ahead log as it is, and once after a clean end.
    assert_eq!(betrayals(&data), Vec::<String>::new());
    assert_eq!(house.interrupt(), 0);
    assert_eq!(betrayals(&data), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_canary_is_in_the_clear_in_the_files_or_a_dump_of_postgresql() {
    let cluster = testkit::Cluster::shared();
    let database = cluster.database();
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
    let url = data.join("database.url");
    fs::write(&url, cluster.url(&database)).unwrap();
    fs::write(data.join("wardroom.toml"), format!("[database]\nurl = {{ file = {url:?} }}\n")).unwrap();

    let house = House::start(&data);
    let mut canaries = plant(&house).await;
    canaries.push(entrust(&data));
    assert_eq!(house.interrupt(), 0);
    cluster.sql(&database, "CHECKPOINT");
    let dump = cluster.dump(&database);
    assert!(dump.contains("COPY public.messages"), "the messages are in the dump");
    for canary in &canaries {
        let hex: String = canary.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(!dump.contains(canary) && !dump.contains(&hex), "{canary}");
    }
    assert_eq!(betrayals(cluster.files()), Vec::<String>::new());
    assert_eq!(betrayals(&data), Vec::<String>::new());
    let (status, out, err) = wardroom(&["audit", "verify", "--data", data.to_str().unwrap()]);
    assert_eq!(status, 0, "{out}{err}");
}
