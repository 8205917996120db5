//! `wardroom keys`: what it tells, what it does beside a running deployment, and `kill -9` at any moment
//! of a rotation and of the wrapping anew.

use std::path::Path;
use std::sync::Arc;

use guard::action::ApproveKeyRequest;
use guard::{Actor, Circumstances, Grant, Guard, Permit, Resource, Role, Staff};
use kernel::{ConversationId, Id, TenantId, World};
use serde_json::Value;
use store::{Db, DbUrl, Keychain, keys, tenants};
use vault::{CachePolicy, FileRoot, KeyChain, Keyring, PassphraseRoot, Purpose, TwoRoots};

use crate::house::{House, wardroom};
use crate::killer::{Killer, program};
use crate::root;

/// Kills in the middle of a rotation and of what follows it.
const KILLS: u64 = 40;
/// Kills in the middle of a move.
const MOVES_KILLED: u64 = 30;
/// What the other root key is made of.
const PASSPHRASE: &str = "seven words that nobody else would think of";
/// Data keys that lie directly under the tenant's key.
const DATA_KEYS: usize = 12_000;

fn keys_command(data: &Path, args: &[&str]) -> (i32, Value, String) {
    let data = data.to_str().unwrap();
    let (status, stdout, stderr) = wardroom(&[&["keys"], args, &["--json", "--data", data]].concat());
    (status, serde_json::from_str(stdout.trim()).unwrap_or(Value::Null), stderr)
}

#[test]
fn the_keys_are_looked_after_beside_a_running_deployment() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    let house = House::start(&data);
    let (status, page, _) = keys_command(&data, &["status", "--check"]);
    assert_eq!(status, 0, "nothing is overdue");
    assert_eq!(page["keys"][0]["state"], "active");
    assert_eq!(page["keys"][0]["age_days"], 0);
    let before = page["keys"][0]["wraps"].as_u64().unwrap();
    assert!(before >= 4, "{page}");

    let (status, rotated, stderr) = keys_command(&data, &["rotate"]);
    assert_eq!((status, rotated["version"].as_u64()), (0, Some(2)), "{stderr}");
    let (_, page, _) = keys_command(&data, &["status"]);
    assert_eq!(page["under_old_versions"].as_u64(), Some(before));
    let (_, paused, _) = keys_command(&data, &["pause"]);
    assert_eq!(paused["changed"], true);
    let (status, done, _) = keys_command(&data, &["rewrap"]);
    assert_eq!((status, &done["paused"], &done["done"]), (0, &true.into(), &0.into()));
    keys_command(&data, &["resume"]);
    let (_, done, _) = keys_command(&data, &["rewrap"]);
    assert_eq!(done["done"].as_u64(), Some(before));
    let (_, page, _) = keys_command(&data, &["status"]);
    assert_eq!(page["under_old_versions"], 0);

    // The policy: the configuration's, then its own, then the configuration's again.
    let (_, policy, _) = keys_command(&data, &["policy"]);
    assert_eq!((&policy["rotate_after_days"], &policy["own"]), (&90.into(), &false.into()), "{policy}");
    let (status, _, stderr) = keys_command(&data, &["policy", "--days", "30"]);
    assert!(status == 2 && stderr.contains("--reason"), "{stderr}");
    let (status, _, stderr) = keys_command(&data, &["policy", "--days", "0", "--reason", "a slip"]);
    assert!(status == 1 && stderr.contains("1 to 3650 days"), "{stderr}");
    let (status, policy, stderr) = keys_command(&data, &["policy", "--days", "30", "--reason", "a month"]);
    assert_eq!((status, &policy["own"]), (0, &true.into()), "{stderr}");
    let (_, page, _) = keys_command(&data, &["status"]);
    assert_eq!((&page["rotate_after_days"], &page["own_policy"]), (&30.into(), &true.into()));
    let (_, policy, _) = keys_command(&data, &["policy", "--default", "--reason", "enough"]);
    assert_eq!((&policy["rotate_after_days"], &policy["own"]), (&90.into(), &false.into()), "{policy}");

    // In use, and the operator alone: refused with words that say why.
    let (status, _, stderr) = keys_command(&data, &["destroy", "2"]);
    assert!(status == 1 && stderr.contains("version 2 of the tenant's key is active"), "{stderr}");
    let (status, asked, stderr) = keys_command(&data, &["destroy", "1", "--days", "7"]);
    assert_eq!(status, 0, "{stderr}");
    let request = asked["request"].as_str().unwrap().to_owned();
    let (status, _, stderr) = keys_command(&data, &["approve", &request]);
    assert!(status == 1 && stderr.contains("a second person must"), "{stderr}");
    let (status, _, _) = keys_command(&data, &["cancel", &request]);
    assert_eq!(status, 0);
    let (status, _, stderr) = keys_command(&data, &["move", "--to", "passphrase"]);
    assert!(status == 1 && stderr.contains("[keys.next]"), "{stderr}");
    let (status, _, stderr) = keys_command(&data, &["disable", "2"]);
    assert!(status == 1 && stderr.contains("--stop-everything"), "{stderr}");

    // Stopped, it says which key, and starts again when it is enabled.
    assert_eq!(house.interrupt(), 0);
    assert_eq!(keys_command(&data, &["disable", "2", "--stop-everything"]).0, 0);
    let refusal = House::try_start(&data).err().expect("it does not start");
    assert!(refusal.stderr.contains("version 2 of the tenant's key is disabled"), "{}", refusal.stderr);
    assert_eq!(keys_command(&data, &["enable", "2"]).1["state"], "active");
    let house = House::start(&data);
    assert_eq!(house.interrupt(), 0);
    let (status, _, stderr) = wardroom(&["audit", "verify", "--data", data.to_str().unwrap()]);
    assert_eq!(status, 0, "{stderr}");
}

/// The rows of a deployment, looked at beside the binary.
pub(crate) struct Rows {
    db: Db,
    keyring: Arc<Keyring>,
    tenant: TenantId,
    world: World,
}

impl Rows {
    pub(crate) async fn open(data: &Path) -> Self {
        let world = World::real();
        let db = Db::open(&DbUrl::sqlite(data.join("wardroom.db")), &world).unwrap();
        let tenant = db.read(tenants::list).await.unwrap()[0];
        let root = FileRoot::open(data.join("keys/root.key"), world.clone()).unwrap();
        let keyring = Arc::new(Keyring::new(Arc::new(root), world.clone(), CachePolicy::default()));
        Self { db, keyring, tenant, world }.bound()
    }

    /// Rows that say who may do what are bound anew when they are changed, as the program does it.
    fn bound(self) -> Self {
        let _ = Keychain::new(self.db.clone(), Arc::clone(&self.keyring), self.world.clone());
        self
    }

    /// The same with the root key of the passphrase beside the file's.
    async fn open_with_both(data: &Path) -> Self {
        let rows = Self::open(data).await;
        let passphrase = kernel::Secret::new(PASSPHRASE.to_owned());
        let path = data.join("keys/passphrase.root");
        let other = PassphraseRoot::open(path, &passphrase, rows.world.clone()).unwrap();
        let file = FileRoot::open(data.join("keys/root.key"), rows.world.clone()).unwrap();
        let both = TwoRoots::new(Arc::new(file), Arc::new(other));
        let keyring = Arc::new(Keyring::new(Arc::new(both), rows.world.clone(), CachePolicy::default()));
        Self { keyring, ..rows }.bound()
    }

    /// A key custodian agrees to a request, as the console's page of keys does.
    pub(crate) async fn agree(&self, request: &str) {
        let custodian = Actor::Staff(Staff {
            user: self.world.id(),
            tenant: self.tenant,
            grants: vec![Grant::everywhere(Role::KeyCustodian)],
            assurance: 3,
            authenticated_at: self.world.now(),
            session: self.world.id(),
        });
        let now = Circumstances::at(self.world.now());
        let tenant = Resource::Tenant(self.tenant);
        let permit: Permit<ApproveKeyRequest> =
            Guard::embedded().unwrap().permit(&custodian, &tenant, &now).unwrap();
        let (id, now) = (request.parse().unwrap(), self.world.now());
        self.db.write(move |tx| store::key_requests::approve(tx, &permit, id, now)).await.unwrap();
    }

    async fn seed(&self, count: usize) {
        let (tenant, now) = (self.tenant, self.world.now());
        let top = self.db.read(move |tx| keys::active_tenant_key(tx, tenant)).await.unwrap().unwrap();
        for _ in 0..count / 1000 {
            let rows: Vec<_> = (0..1000)
                .map(|_| {
                    let owner: ConversationId = self.world.id();
                    let key = self.keyring.new_data_key(&top, None, Purpose::Conversation, 1).unwrap();
                    (key, owner.to_bytes())
                })
                .collect();
            let file = move |tx: &mut store::Tx<'_>| {
                rows.iter().try_for_each(|(key, owner)| keys::add_data_key(tx, key, *owner, now))
            };
            self.db.write(file).await.unwrap();
        }
    }

    /// Opens every data key that a tenant key wraps, under whatever version, and gives how many.
    async fn open_all(&self) -> usize {
        let tenant = self.tenant;
        let versions = self.db.read(move |tx| keys::versions(tx, tenant)).await.unwrap();
        let active = versions.iter().filter(|version| version.state == keys::KeyState::Active).count();
        assert_eq!(active, 1);
        let mut opened = 0;
        for version in &versions {
            let (number, mut cursor) = (version.key.version, store::rewraps::Cursor::Subjects);
            loop {
                let read =
                    move |tx: &mut store::Read<'_>| store::rewraps::next(tx, tenant, number, cursor, 5000);
                let store::rewraps::Batch::Data(rows) = self.db.read(read).await.unwrap() else {
                    panic!("data keys were asked for")
                };
                let Some(last) = rows.last() else { break };
                cursor = store::rewraps::Cursor::Data(last.key_id);
                for row in &rows {
                    let chain = KeyChain { tenant: &version.key, subject: None, data: row };
                    self.keyring.data_key(&chain).unwrap();
                    opened += 1;
                }
            }
        }
        opened
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_of_a_rotation_or_of_the_wrapping_anew_no_key_is_lost() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    root::own(&data);
    assert_eq!(House::start(&data).interrupt(), 0);
    let rows = Rows::open(&data).await;
    rows.seed(DATA_KEYS).await;
    let all = rows.open_all().await;
    let mut killer = Killer::new(0x2545_F491_4F6C_DD1D);
    let (mut killed, mut rounds) = (0, 0);
    while killed < KILLS {
        let command: &[&str] = match rounds % 4 {
            0 => &["keys", "rotate"],
            1 | 2 => &["keys", "rewrap"],
            _ => &["keys", "tend"],
        };
        killed += u64::from(killer.strike(&data, command).await);
        rounds += 1;
        if rounds % 5 == 0 {
            assert_eq!(rows.open_all().await, all, "after {rounds} rounds");
        }
        assert!(rounds < 8 * KILLS, "{killed} kills in {rounds} rounds");
    }
    // Two at once bring it to its end.
    let both = [1, 2].map(|_| program(&data, &["keys", "rewrap", "--json"]).spawn().unwrap());
    for mut child in both {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(rows.open_all().await, all);
    let (_, page, _) = keys_command(&data, &["status"]);
    assert_eq!(page["under_old_versions"], 0, "{page}");
    let (status, _, stderr) = wardroom(&["audit", "verify", "--data", data.to_str().unwrap()]);
    assert_eq!(status, 0, "{stderr}");
    println!("{killed} killed in {rounds} rounds");
    assert_eq!(House::start(&data).interrupt(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_of_a_move_to_another_root_key_it_goes_on() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    root::own(&data);
    assert_eq!(House::start(&data).interrupt(), 0);
    let secret = room.path().join("passphrase");
    std::fs::write(&secret, PASSPHRASE).unwrap();
    let (secret, file) = (secret.display(), data.join("keys/root.key"));
    let configs = [
        ("passphrase", format!("[keys.next]\npassphrase = {{ file = \"{secret}\" }}\n")),
        (
            "file",
            format!(
                "[keys]\npassphrase = {{ file = \"{secret}\" }}\n[keys.next]\nroot_file = \"{}\"\n",
                file.display()
            ),
        ),
    ];
    for _ in 0..25 {
        assert_eq!(keys_command(&data, &["rotate"]).0, 0);
    }
    let all = Rows::open(&data).await.open_all().await;
    let mut killer = Killer::new(0x9E37_79B9_7F4A_7C15);
    let (mut killed, mut moves) = (0, 0_u64);
    while killed < MOVES_KILLED {
        let (kind, config) = &configs[usize::from(moves % 2 == 1)];
        std::fs::write(data.join("wardroom.toml"), config).unwrap();
        let (status, asked, stderr) = keys_command(&data, &["move", "--to", kind]);
        assert_eq!(status, 0, "{stderr}");
        let rows = Rows::open_with_both(&data).await;
        rows.agree(asked["request"].as_str().unwrap()).await;
        for _ in 0..6 {
            if !killer.strike(&data, &["keys", "move", "--to", kind]).await {
                break;
            }
            killed += 1;
        }
        // Whoever comes next goes on: with this command if it is not done, and then it is.
        let (_, page, _) = keys_command(&data, &["status"]);
        if !page["moving"].is_null() {
            let (status, moved, stderr) = keys_command(&data, &["move", "--to", kind]);
            assert_eq!((status, &moved["done"]), (0, &true.into()), "{stderr}");
        }
        let (_, page, _) = keys_command(&data, &["status"]);
        assert!(page["moving"].is_null(), "{page}");
        let providers: std::collections::BTreeSet<&str> =
            page["keys"].as_array().unwrap().iter().filter_map(|key| key["provider"].as_str()).collect();
        assert!(providers.iter().all(|provider| provider.starts_with(kind)), "{providers:?}");
        assert_eq!(rows.open_all().await, all);
        moves += 1;
        assert!(moves < 8 * MOVES_KILLED, "{killed} kills in {moves} moves");
    }
    println!("{killed} killed in {moves} moves");
    let (status, _, stderr) = wardroom(&["audit", "verify", "--data", data.to_str().unwrap()]);
    assert_eq!(status, 0, "{stderr}");
}
