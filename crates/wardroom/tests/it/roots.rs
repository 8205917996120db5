//! The whole process on root keys that are not its own: SoftHSM 2 and the real OpenBao server.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use serde_json::json;
use testkit::OpenBao;

use crate::house::{House, wardroom, wardroom_in};
use crate::keys::Rows;
use crate::visitor::Visitor;

const POLICY: &str = r#"
path "transit/keys/wardroom"    { capabilities = ["read"] }
path "transit/encrypt/wardroom" { capabilities = ["update"] }
path "transit/decrypt/wardroom" { capabilities = ["update"] }
"#;

fn data_with(folder: &Path, config: &str) -> std::path::PathBuf {
    let data = folder.join("data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(data.join("wardroom.toml"), config).unwrap();
    data
}

/// Opens, chats, restarts, reads what was said before.
async fn opens_chats_and_restarts(data: &Path, environment: &[(&str, &Path)]) {
    let first = House::start_with(data, environment);
    let visitor = Visitor::open(&first.ready).await;
    let answer = visitor.ask("How do I use PostgreSQL instead of SQLite?").await;
    let seq = answer["seq"].as_u64().unwrap();
    assert_eq!(first.interrupt(), 0);
    assert!(!data.join("keys/root.key").exists(), "no root key of our own");
    let second = House::start_with(data, environment);
    let (client, base) = (crate::visitor::client(&second.ready), second.ready.public.clone());
    let again = Visitor { client, base, ..visitor };
    assert_eq!(again.messages_up_to(seq).await.last().unwrap()["text"], answer["text"]);
    again.ask("How are messages encrypted at rest?").await;
    assert_eq!(second.interrupt(), 0);
}

/// A fresh token: its folder, SoftHSM's configuration and the file with the PIN.
fn token(folder: &Path) -> (PathBuf, PathBuf, PathBuf) {
    let (tokens, conf, pin) = (folder.join("tokens"), folder.join("softhsm2.conf"), folder.join("pin"));
    fs::create_dir(&tokens).unwrap();
    fs::write(&conf, format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display())).unwrap();
    fs::write(&pin, "87654321\n").unwrap();
    let made = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", "wardroom", "--so-pin", "12345678", "--pin", "87654321"])
        .env("SOFTHSM2_CONF", &conf)
        .output()
        .expect("SoftHSM is installed: `apt-get install softhsm2`");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (tokens, conf, pin)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_house_stands_on_an_hsm() {
    let temp = tempfile::tempdir().unwrap();
    let (tokens, conf, pin) = token(temp.path());
    let config = format!(
        "[keys]\nprovider = \"pkcs11\"\n[keys.pkcs11]\nmodule = \"/usr/lib/softhsm/libsofthsm2.so\"\n\
         token = \"wardroom\"\nkey = \"root\"\npin = {{ file = \"{}\" }}\ncreate = true\n",
        pin.display()
    );
    let data = data_with(temp.path(), &config);
    let environment = [("SOFTHSM2_CONF", conf.as_path())];
    opens_chats_and_restarts(&data, &environment).await;

    // Without the token, the house does not open, and no other key is made in its place.
    fs::rename(&tokens, temp.path().join("elsewhere")).unwrap();
    fs::create_dir(&tokens).unwrap();
    let refused = House::try_start_with(&data, &environment).err().unwrap();
    assert!(refused.stderr.contains("there is no token `wardroom`"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("87654321"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_house_stands_on_openbao() {
    let temp = tempfile::tempdir().unwrap();
    let mut server = OpenBao::with_transit_key("wardroom");
    let token = temp.path().join("token");
    fs::write(&token, server.token("wardroom", POLICY)).unwrap();
    let config = format!(
        "[keys]\nprovider = \"openbao\"\n[keys.openbao]\naddress = \"{}\"\nkey = \"wardroom\"\n\
         token = {{ file = \"{}\" }}\nnetwork = {{ internal = true, ca = \"{}\" }}\n",
        server.origin(),
        token.display(),
        server.ca().display()
    );
    let data = data_with(temp.path(), &config);
    opens_chats_and_restarts(&data, &[]).await;
    let (_, out, _) = wardroom(&["doctor", "--json", "--data", data.to_str().unwrap()]);
    let doctor: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(doctor["key_provider"]["kind"], "openbao", "{out}");
    assert_eq!(doctor["key_provider"]["failures"], 0, "{out}");
    let memory = &doctor["memory"];
    assert!(memory["dumpable"] == false && memory["core_limit"] == 0, "no core dumps: {out}");

    // A public name that leads to this machine is not what was meant.
    let file = data.join("wardroom.toml");
    fs::write(&file, config.replace("internal = true", "internal = false")).unwrap();
    let refused = House::try_start(&data).err().unwrap();
    assert!(refused.stderr.contains("declare the target as internal"), "{}", refused.stderr);
    fs::write(&file, &config).unwrap();

    server.run(&["operator", "seal"]);
    let refused = House::try_start(&data).err().unwrap();
    assert!(refused.stderr.contains("sealed"), "{}", refused.stderr);
    server.stop();
    let refused = House::try_start(&data).err().unwrap();
    assert!(refused.stderr.contains("cannot be reached"), "{}", refused.stderr);
    // A root key of our own was not made in its place.
    assert!(!data.join("keys/root.key").exists());
}

/// What the people who talked met with.
#[derive(Default)]
struct Met {
    calm: Vec<Duration>,
    moving: Vec<Duration>,
    told_to_wait: u64,
    failed: Vec<String>,
}

/// Talks until told to end. A conversation that is told to wait waits.
#[expect(clippy::disallowed_methods, reason = "the real time of an answer is what a person feels")]
async fn talk(visitor: &Visitor, phase: &AtomicU8, met: &Mutex<Met>) {
    for number in 0.. {
        let phase_then = phase.load(Ordering::SeqCst);
        if phase_then == ENDED {
            return;
        }
        let begun = std::time::Instant::now();
        let answer = visitor.post(&json!({ "text": format!("word {number}") })).await;
        let took = begun.elapsed();
        let mut wait = Duration::from_millis(20);
        {
            let mut met = met.lock().unwrap();
            match answer {
                Ok(answer) if answer.status() == 202 && phase_then == MOVING => met.moving.push(took),
                Ok(answer) if answer.status() == 202 => met.calm.push(took),
                Ok(answer) if answer.status() == 429 => {
                    met.told_to_wait += 1;
                    let after = answer.headers().get("retry-after").and_then(|after| after.to_str().ok());
                    let seconds: u64 = after.and_then(|after| after.parse().ok()).unwrap_or(1);
                    wait = Duration::from_millis(300).min(Duration::from_secs(seconds));
                }
                Ok(answer) => met.failed.push(answer.status().to_string()),
                Err(error) => met.failed.push(error.to_string()),
            }
        }
        tokio::time::sleep(wait).await;
    }
}

const CALM: u8 = 0;
const MOVING: u8 = 1;
const ENDED: u8 = 2;
/// Versions of the tenant's key that are moved.
const VERSIONS: usize = 20;
/// People who talk meanwhile.
const PEOPLE: usize = 8;

fn p99(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[(times.len() * 99).div_ceil(100).saturating_sub(1)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_house_moves_from_its_file_to_an_hsm_while_people_talk() {
    let temp = tempfile::tempdir().unwrap();
    let (_, conf, pin) = token(temp.path());
    let hsm = |table: &str| {
        format!(
            "[{table}]\nprovider = \"pkcs11\"\n[{table}.pkcs11]\nmodule = \"/usr/lib/softhsm/libsofthsm2.so\"\n\
             token = \"wardroom\"\nkey = \"root\"\npin = {{ file = {pin:?} }}\ncreate = true\n"
        )
    };
    let config = format!("[keys]\nprovider = \"file\"\n{}", hsm("keys.next"));
    let data = data_with(temp.path(), &config);
    let environment = [("SOFTHSM2_CONF", conf.as_path())];
    let house = House::start_with(&data, &environment);
    let command = |words: &[&str]| {
        let (status, out, err) = wardroom_in(
            &[&["keys"], words, &["--json", "--data", data.to_str().unwrap()]].concat(),
            "",
            &environment,
        );
        assert_eq!(status, 0, "{words:?}: {err}");
        serde_json::from_str::<serde_json::Value>(out.trim()).unwrap()
    };
    for _ in 1..VERSIONS {
        command(&["rotate"]);
    }
    let request = command(&["move", "--to", "pkcs11"])["request"].as_str().unwrap().to_owned();
    Rows::open(&data).await.agree(&request).await;

    let (phase, met) = (AtomicU8::new(CALM), Mutex::new(Met::default()));
    let mut visitors = Vec::new();
    for _ in 0..PEOPLE {
        visitors.push(Visitor::open(&house.ready).await);
    }
    let enough = |count: fn(&Met) -> usize, aim: usize| {
        let met = &met;
        async move {
            for _ in 0..1200 {
                if count(&met.lock().unwrap()) >= aim {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            panic!("the people stand still");
        }
    };
    let moving = async {
        enough(|met| met.calm.len(), 100).await;
        phase.store(MOVING, Ordering::SeqCst);
        let moved = tokio::task::block_in_place(|| command(&["move", "--to", "pkcs11"]));
        assert_eq!(moved["done"], true, "{moved}");
        enough(|met| met.moving.len(), 100).await;
        phase.store(ENDED, Ordering::SeqCst);
    };
    let talking = futures_util::future::join_all(visitors.iter().map(|visitor| talk(visitor, &phase, &met)));
    futures_util::future::join(moving, talking).await;
    let mut met = met.into_inner().unwrap();
    assert!(met.failed.is_empty(), "{:?}", met.failed);
    let (calm, moving) = (p99(&mut met.calm), p99(&mut met.moving));
    println!(
        "{VERSIONS} versions moved: {} sends before, {} during and after, 0 failed, {} told to wait; p99 {:.1} and \
         {:.1} ms, ratio {:.2}",
        met.calm.len(),
        met.moving.len(),
        met.told_to_wait,
        calm.as_secs_f64() * 1e3,
        moving.as_secs_f64() * 1e3,
        moving.as_secs_f64() / calm.as_secs_f64()
    );
    assert_eq!(house.interrupt(), 0);

    // From now on the HSM alone is enough.
    fs::write(data.join("wardroom.toml"), hsm("keys")).unwrap();
    fs::remove_file(data.join("keys/root.key")).unwrap();
    let house = House::start_with(&data, &environment);
    let (client, base) = (crate::visitor::client(&house.ready), house.ready.public.clone());
    let first = visitors.remove(0);
    let again = Visitor { client, base, ..first };
    assert!(again.ask("Is it free?").await["text"].as_str().is_some());
    assert_eq!(house.interrupt(), 0);
}
