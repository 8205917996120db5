//! Starting, starting again, and refusing to start.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::house::{House, wardroom};
use crate::root;
use crate::visitor::Visitor;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_start_makes_everything_and_the_second_changes_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    root::own(&data);
    let first = House::start(&data);
    assert_eq!(fs::metadata(&data).unwrap().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(data.join("keys/root.key")).unwrap().mode() & 0o777, 0o600);
    let enrolment = first.ready.enrolment.as_deref().unwrap();
    assert!(enrolment.starts_with(&format!("{}/enrol#", first.ready.console)), "the first owner can enrol");
    let ca = fs::read(&first.ready.ca).unwrap();
    assert_eq!(first.interrupt(), 0);
    let second = House::start(&data);
    assert_eq!(fs::read(&second.ready.ca).unwrap(), ca);
    Visitor::open(&second.ready).await;
}

#[test]
fn a_second_process_on_the_same_data_says_so_and_exits() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let _first = House::start(&data);
    let refused = House::try_start(&data).err().unwrap();
    assert_eq!(refused.status, 1);
    assert!(refused.stderr.contains("another wardroom"), "{}", refused.stderr);
}

#[test]
fn a_missing_wrong_or_readable_root_key_is_refused_and_nothing_is_lost() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    root::own(&data);
    assert_eq!(House::start(&data).interrupt(), 0);
    let path = data.join("keys/root.key");
    let key = fs::read(&path).unwrap();

    fs::remove_file(&path).unwrap();
    let missing = House::try_start(&data).err().unwrap();
    assert!(missing.stderr.contains("root"), "{}", missing.stderr);
    assert!(!path.exists(), "no new key is made beside sealed data");

    let mut wrong = key.clone();
    *wrong.last_mut().unwrap() ^= 1;
    fs::write(&path, &wrong).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(House::try_start(&data).err().unwrap().status, 1);

    fs::write(&path, &key).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let open = House::try_start(&data).err().unwrap();
    assert!(open.stderr.contains("600"), "{}", open.stderr);

    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    House::start(&data);
}

#[test]
fn bad_usage_is_status_2_and_bad_configuration_names_the_line() {
    assert_eq!(wardroom(&["fly"]).0, 2);
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("wardroom.toml");
    fs::write(&file, "[public]\nlisten = \"127.0.0.1:0\"\norigni = \"x\"\n").unwrap();
    let (status, _, err) = wardroom(&["config", "check", "--config", file.to_str().unwrap()]);
    assert_eq!(status, 1);
    assert!(err.contains(":3:") && err.contains("did you mean `origin`"), "{err}");
}
