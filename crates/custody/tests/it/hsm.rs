//! From a file to an HSM (SoftHSM 2, in a token of its own), while people go on talking. The machine that
//! runs the tests needs the package `softhsm2`.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use custody::Why;
use guard::action::{ApproveKeyRequest, RotateKeys};
use kernel::Secret;
use store::keys;
use vault::{KeyProvider, Pkcs11Root, Pkcs11Settings};

use crate::house::{House, via};

const MODULES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
];
const PIN: &str = "87654321";

fn settings() -> Pkcs11Settings {
    let found = MODULES.into_iter().map(PathBuf::from).find(|path| path.exists());
    let module = found.unwrap_or_else(|| panic!("SoftHSM is not installed: `apt-get install softhsm2`"));
    let pin = Secret::new(PIN.to_owned());
    Pkcs11Settings { module, token: "wardroom".to_owned(), key: "root".to_owned(), pin }
}

/// SoftHSM finds its tokens by an environment variable, which must be set before a process starts; so the
/// test runs itself again in one that sees a fresh token.
#[test]
fn keys_move_from_a_file_to_an_hsm_while_service_goes_on() {
    if std::env::var_os("WARDROOM_TEST_TOKEN").is_some() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        return runtime.block_on(async {
            moves(House::sqlite().await).await;
        });
    }
    let dir = tempfile::tempdir().unwrap();
    let (tokens, conf) = (dir.path().join("tokens"), dir.path().join("softhsm2.conf"));
    std::fs::create_dir(&tokens).unwrap();
    std::fs::write(&conf, format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display()))
        .unwrap();
    let made = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", "wardroom", "--so-pin", "12345678", "--pin", PIN])
        .env("SOFTHSM2_CONF", &conf)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hsm::keys_move_from_a_file_to_an_hsm_while_service_goes_on", "--nocapture"])
        .env("SOFTHSM2_CONF", &conf)
        .env("WARDROOM_TEST_TOKEN", "1")
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "{out}\n{err}");
}

async fn moves(house: House) {
    let people = house.people(6).await;
    for _ in 0..4 {
        let permit = house.leave::<RotateKeys>(&house.operator());
        house.custody.rotate(permit, Why::Demand, via()).await.unwrap();
    }
    let hsm: Arc<dyn KeyProvider> = Arc::new(Pkcs11Root::create(settings(), house.world.clone()).unwrap());
    let both = house.another(house.file_root(), Some(Arc::clone(&hsm)));
    let asked = both.custody.request_move(house.leave(&house.operator()), "pkcs11", via()).await.unwrap();
    let permit = house.leave::<ApproveKeyRequest>(&house.custodian());
    both.custody.approve(permit, asked.id, via()).await.unwrap();
    let (talking, tenant, world, known) = (both.clone(), house.tenant, house.world.clone(), people.clone());
    let senders = tokio::spawn(async move {
        for round in 0..100 {
            let (subject, conversation) = known[round % known.len()];
            talking.keys.conversation_key(tenant, subject, conversation).await.unwrap();
            talking.keys.conversation_key(tenant, world.id(), world.id()).await.unwrap();
            talking.keys.keyring().forget_all();
        }
    });
    let moved = both.custody.carry_out_move(&house.tending()).await.unwrap().unwrap();
    assert!(moved.done && moved.versions == 5, "{moved:?}");
    senders.await.unwrap();
    let after = house.another(hsm, None);
    for (subject, conversation) in people {
        after.keys.conversation_key(tenant, subject, conversation).await.unwrap();
    }
    let permit = house.leave::<RotateKeys>(&house.operator());
    assert_eq!(after.custody.rotate(permit, Why::Demand, via()).await.unwrap().version, 6);
    let versions = after.db.read(move |tx| keys::versions(tx, tenant)).await.unwrap();
    assert!(versions.iter().all(|version| version.provider.starts_with("pkcs11 ")), "{versions:?}");
}
