//! The two local roots: files that must not be trusted, and roots that are not the right one.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;

use kernel::{Secret, World};
use vault::{
    CachePolicy, FileRoot, KeyBytes, KeyProvider, Keyring, PassphraseRoot, ProviderError, WrapContext,
};

fn context(world: &World) -> WrapContext {
    WrapContext { tenant: world.id(), version: 1 }
}

fn passphrase() -> Secret<String> {
    Secret::new("correct horse battery staple".to_owned())
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn why(result: Result<impl std::fmt::Debug, ProviderError>) -> String {
    match result.unwrap_err() {
        ProviderError::Unsafe { why } => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_root_survives_a_restart() {
    let (dir, world) = (tempfile::tempdir().unwrap(), World::real());
    let path = dir.path().join("root.key");
    let made = FileRoot::create(&path, world.clone()).unwrap();
    assert_eq!(std::fs::read(&path).unwrap().len(), 32);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    let (key, context) = (KeyBytes::generate(&world), context(&world));
    let blob = made.wrap(&key, &context).unwrap();
    let again = FileRoot::open(&path, world).unwrap();
    assert_eq!(again.unwrap(&blob, &context).unwrap().expose(), key.expose());
    assert_eq!(again.check_value(), made.check_value());
    again.health().unwrap();
}

#[test]
fn a_root_key_is_never_overwritten() {
    let (dir, world) = (tempfile::tempdir().unwrap(), World::real());
    let path = dir.path().join("root.key");
    FileRoot::create(&path, world.clone()).unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(why(FileRoot::create(&path, world.clone())).contains("exists already"));
    assert!(why(PassphraseRoot::create(&path, &passphrase(), world)).contains("exists already"));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_root_key_that_others_can_reach_is_refused() {
    let (dir, world) = (tempfile::tempdir().unwrap(), World::real());
    let path = dir.path().join("root.key");
    FileRoot::create(&path, world.clone()).unwrap();
    for bad in [0o640, 0o604, 0o660, 0o644, 0o400, 0o700, 0o4600] {
        mode(&path, bad);
        let why = why(FileRoot::open(&path, world.clone()));
        assert!(why.contains("chmod 0600"), "{bad:o}: {why}");
    }
    mode(&path, 0o600);
    FileRoot::open(&path, world).unwrap();
}

#[test]
fn links_directories_pipes_and_wrong_sizes_are_refused() {
    let (dir, world) = (tempfile::tempdir().unwrap(), World::real());
    let path = dir.path().join("root.key");
    FileRoot::create(&path, world.clone()).unwrap();
    let link = dir.path().join("link.key");
    symlink(&path, &link).unwrap();
    assert!(why(FileRoot::open(&link, world.clone())).contains("symbolic link"));
    assert!(why(FileRoot::create(&link, world.clone())).contains("exists already"));
    assert!(why(FileRoot::open(dir.path(), world.clone())).contains("not a file"));
    assert!(why(FileRoot::open(dir.path().join("none"), world.clone())).contains("cannot be read"));

    let pipe = dir.path().join("pipe.key");
    let owner = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, owner, 0).unwrap();
    assert!(why(FileRoot::open(&pipe, world.clone())).contains("not a file"));

    for len in [0, 31, 33, 64] {
        let path = dir.path().join(format!("{len}.key"));
        std::fs::write(&path, vec![7; len]).unwrap();
        mode(&path, 0o600);
        assert!(why(FileRoot::open(&path, world.clone())).contains("exactly 32"), "{len}");
    }
}

#[test]
fn a_root_key_of_another_user_is_refused() {
    let (dir, world) = (tempfile::tempdir().unwrap(), World::real());
    let path = dir.path().join("root.key");
    FileRoot::create(&path, world.clone()).unwrap();
    match std::os::unix::fs::chown(&path, Some(65_534), None) {
        Ok(()) => assert!(why(FileRoot::open(&path, world)).contains("belongs to user 65534")),
        // Only the superuser can give files away; everybody else has a file that is not theirs here.
        Err(_) => {
            let why = why(FileRoot::open("/etc/passwd", world));
            assert!(why.contains("mode") || why.contains("belongs to"), "{why}");
        }
    }
}

#[test]
fn a_systemd_credential_is_taken_as_systemd_gives_it_and_no_other_way() {
    let (dir, world) = (tempfile::tempdir().unwrap(), World::real());
    let path = dir.path().join("wardroom-root");
    std::fs::write(&path, [7; 32]).unwrap();
    let open = |name: &str| FileRoot::of_systemd(dir.path(), name, world.clone());
    // Owner alone, or with the access list that lets the service's user read root's file.
    for good in [0o400, 0o440, 0o600] {
        mode(&path, good);
        let root = open("wardroom-root").unwrap();
        assert_eq!(root.describe().kind, "systemd-credential");
        root.health().unwrap();
        let context = context(&world);
        let key = KeyBytes::generate(&world);
        let blob = root.wrap(&key, &context).unwrap();
        assert_eq!(open("wardroom-root").unwrap().unwrap(&blob, &context).unwrap().expose(), key.expose());
    }
    for bad in [0o444, 0o404, 0o460, 0o666, 0o644, 0o410] {
        mode(&path, bad);
        assert!(why(open("wardroom-root")).contains("none of a credential"), "{bad:o}");
    }
    mode(&path, 0o400);
    for name in ["", "..", ".hidden", "a/b", "/etc/passwd"] {
        assert!(why(open(name)).contains("not the name"), "{name}");
    }
    assert!(why(open("other")).contains("cannot be read"));
    let relative = FileRoot::of_systemd(Path::new("run"), "wardroom-root", world.clone());
    assert!(why(relative).contains("not the name"));
}

#[test]
fn the_wrong_root_key_says_that_it_is_the_wrong_one() {
    let (dir, world) = (tempfile::tempdir().unwrap(), World::real());
    let right = FileRoot::create(dir.path().join("right.key"), world.clone()).unwrap();
    let wrong = FileRoot::create(dir.path().join("wrong.key"), world.clone()).unwrap();
    let (ours, theirs) = (wrong.check_value(), right.check_value());
    let right = Keyring::new(Arc::new(right), world.clone(), CachePolicy::default());
    let wrong = Keyring::new(Arc::new(wrong), world.clone(), CachePolicy::default());
    let tenant = right.new_tenant_key(world.id(), 1).unwrap();
    let refused = wrong.new_subject_key(&tenant, world.id()).unwrap_err();
    let said = std::error::Error::source(&refused).unwrap().to_string();
    assert_eq!(
        said,
        format!("this root key ({ours}) is not the one these tenant keys were wrapped with ({theirs})")
    );
}

#[test]
fn health_notices_that_the_file_is_gone_or_was_replaced() {
    let (dir, world) = (tempfile::tempdir().unwrap(), World::real());
    let path = dir.path().join("root.key");
    let root = FileRoot::create(&path, world.clone()).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(root.health(), Err(ProviderError::Unsafe { .. })));
    FileRoot::create(&path, world).unwrap();
    assert!(matches!(root.health(), Err(ProviderError::WrongRoot { .. })));
}

#[test]
fn a_wrapped_tenant_key_is_bound_to_tenant_and_version() {
    let (dir, world) = (tempfile::tempdir().unwrap(), World::real());
    let root = FileRoot::create(dir.path().join("root.key"), world.clone()).unwrap();
    let context = context(&world);
    let blob = root.wrap(&KeyBytes::generate(&world), &context).unwrap();
    for other in [WrapContext { version: 2, ..context }, WrapContext { tenant: world.id(), ..context }] {
        assert!(matches!(root.unwrap(&blob, &other), Err(ProviderError::Refused)));
    }
    let malformed = |blob: &[u8]| matches!(root.unwrap(blob, &context), Err(ProviderError::Malformed { .. }));
    assert!(malformed(&[]) && malformed(&blob[..80]) && malformed(&[blob.as_slice(), &[0]].concat()));
    let mut future = blob;
    future[0] = 2;
    assert!(malformed(&future));
}

#[test]
fn a_passphrase_root_survives_a_restart_and_knows_a_wrong_passphrase() {
    let (dir, world) = (tempfile::tempdir().unwrap(), World::real());
    let path = dir.path().join("root.json");
    let made = PassphraseRoot::create(&path, &passphrase(), world.clone()).unwrap();
    let (key, context) = (KeyBytes::generate(&world), context(&world));
    let blob = made.wrap(&key, &context).unwrap();
    let again = PassphraseRoot::open(&path, &passphrase(), world.clone()).unwrap();
    assert_eq!(again.unwrap(&blob, &context).unwrap().expose(), key.expose());
    again.health().unwrap();

    let wrong = Secret::new("correct horse battery stable".to_owned());
    let refused = PassphraseRoot::open(&path, &wrong, world.clone());
    assert!(matches!(refused, Err(ProviderError::WrongPassphrase)));
    let header = std::fs::read_to_string(&path).unwrap();
    assert!(!header.contains("horse"));
    assert!(!format!("{again:?}").contains("horse"));

    // Weaker costs in the header are another key, so the check value does not fit.
    let weak = header.replace("65536", "19456");
    assert_ne!(weak, header);
    std::fs::write(&path, weak).unwrap();
    let refused = PassphraseRoot::open(&path, &passphrase(), world);
    assert!(matches!(refused, Err(ProviderError::WrongPassphrase)));
}

#[test]
fn a_passphrase_header_is_read_with_suspicion() {
    let (dir, world) = (tempfile::tempdir().unwrap(), World::real());
    let short = Secret::new("fifteen letters".to_owned());
    let refused = PassphraseRoot::create(dir.path().join("short"), &short, world.clone());
    assert!(why(refused).contains("at least 16"));

    let good = r#"{"format":"wardroom passphrase root 1","salt":"00112233445566778899aabbccddeeff",
        "cost":{"memory_kib":65536,"passes":3,"lanes":1},"check":"0011223344556677"}"#;
    for (part, bad, says) in [
        ("root 1", "root 2", "format"),
        ("00112233445566778899aabbccddeeff", "00", "damaged"),
        ("\"0011223344556677\"", "\"zz11223344556677\"", "damaged"),
        ("65536", "4294967295", "cost"),
        ("65536", "8", "cost"),
        ("\"passes\":3", "\"passes\":1000000", "cost"),
        ("\"check\"", "\"more\":1,\"check\"", "unknown field"),
        ("{\"format\"", "\"format\"", "header"),
    ] {
        let path = dir.path().join("header.json");
        std::fs::write(&path, good.replacen(part, bad, 1)).unwrap();
        mode(&path, 0o600);
        let why = why(PassphraseRoot::open(&path, &passphrase(), world.clone()));
        assert!(why.contains(says), "{bad}: {why}");
    }
    let path = dir.path().join("header.json");
    mode(&path, 0o644);
    assert!(why(PassphraseRoot::open(&path, &passphrase(), world)).contains("chmod 0600"));
}

#[test]
fn a_passphrase_in_another_root_is_another_key() {
    let (dir, world) = (tempfile::tempdir().unwrap(), World::real());
    let open =
        |name: &str| PassphraseRoot::create(dir.path().join(name), &passphrase(), world.clone()).unwrap();
    let (one, other) = (open("one"), open("other"));
    let context = context(&world);
    let blob = one.wrap(&KeyBytes::generate(&world), &context).unwrap();
    assert!(matches!(other.unwrap(&blob, &context), Err(ProviderError::WrongRoot { .. })));
}
