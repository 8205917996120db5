//! The PKCS#11 root against SoftHSM 2, in a token of its own in a temporary directory. The machine
//! that runs the tests needs the packages `softhsm2` and `opensc`.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use kernel::{Secret, World};
use tempfile::TempDir;
use vault::{
    CachePolicy, KeyBytes, KeyChain, KeyProvider, Keyring, Pkcs11Method, Pkcs11Root, Pkcs11Settings,
    ProviderError, Purpose, WrapContext,
};

const MODULES: [&str; 4] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
];
const TOKEN: &str = "wardroom";
const PIN: &str = "87654321";

fn module() -> PathBuf {
    let found = MODULES.into_iter().map(PathBuf::from).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("SoftHSM is not installed: `apt-get install softhsm2 opensc`"))
}

/// Runs `body` in a process of its own that sees one fresh token. SoftHSM finds its tokens by an
/// environment variable, which must be set before the process starts.
fn with_token(name: &str, body: fn()) {
    if std::env::var_os("WARDROOM_TEST_TOKEN").is_some() {
        return body();
    }
    let dir = fresh_token();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("pkcs11::{name}"), "--nocapture"])
        .env("SOFTHSM2_CONF", dir.path().join("softhsm2.conf"))
        .env("WARDROOM_TEST_TOKEN", "1")
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "{out}\n{err}");
}

fn fresh_token() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let tokens = dir.path().join("tokens");
    std::fs::create_dir(&tokens).unwrap();
    let conf = dir.path().join("softhsm2.conf");
    std::fs::write(&conf, format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display()))
        .unwrap();
    let made = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", TOKEN, "--so-pin", "12345678", "--pin", PIN])
        .env("SOFTHSM2_CONF", &conf)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    dir
}

fn settings(key: &str) -> Pkcs11Settings {
    let (token, key, pin) = (TOKEN.to_owned(), key.to_owned(), Secret::new(PIN.to_owned()));
    Pkcs11Settings { module: module(), token, key, pin }
}

fn context(world: &World) -> WrapContext {
    WrapContext { tenant: world.id(), version: 3 }
}

#[test]
fn the_token_wraps_by_aes_gcm_and_by_key_wrap() {
    with_token("the_token_wraps_by_aes_gcm_and_by_key_wrap", || {
        let world = World::real();
        let made = Pkcs11Root::create(settings("root"), world.clone()).unwrap();
        let open = |method| Pkcs11Root::open(settings("root"), method, world.clone()).unwrap();
        let methods = [None, Some(Pkcs11Method::AesGcm), Some(Pkcs11Method::AesKeyWrap)];
        for (method, len) in methods.into_iter().zip([70, 70, 122]) {
            let (root, key, context) = (open(method), KeyBytes::generate(&world), context(&world));
            let blob = root.wrap(&key, &context).unwrap();
            assert_eq!(blob.len(), len);
            assert_ne!(root.wrap(&key, &context).unwrap(), blob, "never the same twice");
            // Whatever wrapped it, any of them unwraps it.
            for other in methods {
                assert_eq!(open(other).unwrap(&blob, &context).unwrap().expose(), key.expose());
            }
            assert_eq!(made.unwrap(&blob, &context).unwrap().expose(), key.expose());
            for wrong in
                [WrapContext { version: 4, ..context }, WrapContext { tenant: world.id(), ..context }]
            {
                assert!(matches!(root.unwrap(&blob, &wrong), Err(ProviderError::Refused)), "{method:?}");
            }
            for at in 0..blob.len() {
                let mut changed = blob.clone();
                changed[at] ^= 0x10;
                match root.unwrap(&changed, &context).unwrap_err() {
                    ProviderError::Malformed { .. } => assert!(at < 2, "{at}"),
                    ProviderError::WrongRoot { .. } => assert!((2..10).contains(&at), "{at}"),
                    ProviderError::Refused => assert!(at >= 10, "{at}"),
                    other => panic!("{at}: {other:?}"),
                }
            }
            for short in [0, 1, 9, 10, len - 1] {
                let refused = root.unwrap(&blob[..short], &context);
                assert!(matches!(refused, Err(ProviderError::Malformed { .. })), "{short}");
            }
            root.health().unwrap();
        }
    });
}

#[test]
fn a_whole_house_stands_on_the_token() {
    with_token("a_whole_house_stands_on_the_token", || {
        let world = World::real();
        Pkcs11Root::create(settings("root"), world.clone()).unwrap();
        let root = Pkcs11Root::open(settings("root"), None, world.clone()).unwrap();
        let keyring = Keyring::new(Arc::new(root), world.clone(), CachePolicy::default());
        let tenants: Vec<_> = (0..8).map(|_| keyring.new_tenant_key(world.id(), 1).unwrap()).collect();
        // Many threads, one session.
        std::thread::scope(|scope| {
            for tenant in &tenants {
                scope.spawn(|| {
                    let data = keyring.new_data_key(tenant, None, Purpose::Settings, 1).unwrap();
                    keyring.data_key(&KeyChain { tenant, subject: None, data: &data }).unwrap();
                });
            }
        });
        assert!(format!("{keyring:?}").contains("pkcs11 root in token wardroom"));
        assert!(!format!("{keyring:?} {:?}", settings("root")).contains(PIN));
    });
}

#[test]
fn another_key_of_the_token_is_the_wrong_root() {
    with_token("another_key_of_the_token_is_the_wrong_root", || {
        let world = World::real();
        let one = Pkcs11Root::create(settings("one"), world.clone()).unwrap();
        let other = Pkcs11Root::create(settings("other"), world.clone()).unwrap();
        let context = context(&world);
        let blob = one.wrap(&KeyBytes::generate(&world), &context).unwrap();
        assert!(matches!(other.unwrap(&blob, &context), Err(ProviderError::WrongRoot { .. })));
    });
}

#[test]
fn a_token_that_is_not_as_it_should_be_is_refused_in_words() {
    with_token("a_token_that_is_not_as_it_should_be_is_refused_in_words", || {
        let world = World::real();
        let why = |result: Result<Pkcs11Root, ProviderError>| result.unwrap_err().to_string();
        let open = |settings| why(Pkcs11Root::open(settings, None, world.clone()));
        assert!(open(settings("none")).contains("`none` in the token `wardroom` is not there"));
        let elsewhere = Pkcs11Settings { token: "other".to_owned(), ..settings("root") };
        assert!(open(elsewhere).contains("there is no token `other`"));
        let relative = Pkcs11Settings { module: PathBuf::from("libsofthsm2.so"), ..settings("root") };
        assert!(open(relative).contains("not an absolute path"));
        let missing = Pkcs11Settings { module: PathBuf::from("/no/such/module.so"), ..settings("root") };
        assert!(open(missing).contains("cannot be read"));
        let text = Pkcs11Settings { module: PathBuf::from("/etc/passwd"), ..settings("root") };
        assert!(open(text).contains("cannot be loaded"));

        Pkcs11Root::create(settings("root"), world.clone()).unwrap();
        let again = Pkcs11Root::create(settings("root"), world.clone());
        assert!(why(again).contains("exists already"));
        extractable_key();
        assert!(open(settings("loose")).contains("can be extracted"));
    });
}

/// A key as an HSM's administrator should not make it.
fn extractable_key() {
    let module = module();
    let made = Command::new("pkcs11-tool")
        .args(["--module", module.to_str().unwrap(), "--token-label", TOKEN, "--login", "--pin", PIN])
        .args(["--keygen", "--key-type", "AES:32", "--label", "loose", "--id", "01", "--extractable"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[test]
fn a_refused_pin_is_not_tried_again() {
    with_token("a_refused_pin_is_not_tried_again", || {
        let world = World::real();
        let wrong = Pkcs11Settings { pin: Secret::new("00000000".to_owned()), ..settings("root") };
        let refused = Pkcs11Root::open(wrong, None, world.clone());
        assert!(matches!(refused, Err(ProviderError::Denied { .. })), "{refused:?}");
        // The right one still works: the token was not locked.
        Pkcs11Root::create(settings("root"), world).unwrap();
    });
}

#[test]
fn a_key_destroyed_in_the_token_unwraps_nothing_any_more() {
    with_token("a_key_destroyed_in_the_token_unwraps_nothing_any_more", || {
        let world = World::real();
        let root = Pkcs11Root::create(settings("root"), world.clone()).unwrap();
        let context = context(&world);
        let blob = root.wrap(&KeyBytes::generate(&world), &context).unwrap();
        root.unwrap(&blob, &context).unwrap();
        let module = module();
        let gone = Command::new("pkcs11-tool")
            .args(["--module", module.to_str().unwrap(), "--token-label", TOKEN, "--login", "--pin", PIN])
            .args(["--delete-object", "--type", "secrkey", "--label", "root"])
            .output()
            .unwrap();
        assert!(gone.status.success(), "{}", String::from_utf8_lossy(&gone.stderr));
        assert!(root.unwrap(&blob, &context).is_err());
        let health = root.health().unwrap_err().to_string();
        assert!(health.contains("is not there"), "{health}");
    });
}
