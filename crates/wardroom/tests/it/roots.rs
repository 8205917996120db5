//! The whole process on root keys that are not its own: SoftHSM 2 and the real OpenBao server.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use testkit::OpenBao;

use crate::house::{House, wardroom};
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_house_stands_on_an_hsm() {
    let temp = tempfile::tempdir().unwrap();
    let (tokens, conf, pin) =
        (temp.path().join("tokens"), temp.path().join("softhsm2.conf"), temp.path().join("pin"));
    fs::create_dir(&tokens).unwrap();
    fs::write(&conf, format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display())).unwrap();
    fs::write(&pin, "87654321\n").unwrap();
    let made = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", "wardroom", "--so-pin", "12345678", "--pin", "87654321"])
        .env("SOFTHSM2_CONF", &conf)
        .output()
        .expect("SoftHSM is installed: `apt-get install softhsm2`");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
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
