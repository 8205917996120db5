//! A deployment's keys for a test: a database, root keys, a clock that is moved by hand, and people.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use custody::{Custody, CustodyParts, KeyPolicy};
use guard::{Action, Actor, Circumstances, Grant, Guard, Permit, Resource, Role, ServiceName, Staff};
use kernel::{ConversationId, Id, ManualClock, Reason, SubjectId, TenantId, Timestamp, UserId, World};
use store::{Db, DbUrl, Keychain, Options, Via, keys, tenants};
use tempfile::TempDir;
use testkit::Cluster;
use vault::{CachePolicy, FileRoot, KeyProvider, Keyring, PassphraseRoot, Purpose, TwoRoots};

/// Runs each named function as a test on SQLite and one on PostgreSQL.
macro_rules! both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(crate::house::House::sqlite().await).await;
                }
            )*
        }

        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(crate::house::House::postgres().await).await;
                }
            )*
        }
    };
}
pub(crate) use both;

pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const NOON: Timestamp = Timestamp::from_millis(1_795_348_800_000);

/// By no door.
pub(crate) fn via() -> &'static Via {
    static VIA: OnceLock<Via> = OnceLock::new();
    VIA.get_or_init(Via::default)
}

pub(crate) fn guard() -> &'static Guard {
    static GUARD: OnceLock<Guard> = OnceLock::new();
    GUARD.get_or_init(|| Guard::embedded().unwrap())
}

/// One process's view of a deployment.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) db: Db,
    pub(crate) keys: Keychain,
    pub(crate) custody: Custody,
}

pub(crate) struct House {
    pub(crate) world: World,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) tenant: TenantId,
    pub(crate) url: String,
    pub(crate) room: TempDir,
    pub(crate) first: Process,
}

impl std::ops::Deref for House {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.first
    }
}

impl House {
    pub(crate) async fn sqlite() -> Self {
        let room = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", room.path().join("house.db").display());
        Self::open(room, url).await
    }

    pub(crate) async fn postgres() -> Self {
        let cluster = Cluster::shared();
        let url = cluster.url(&cluster.database());
        Self::open(tempfile::tempdir().unwrap(), url).await
    }

    async fn open(room: TempDir, url: String) -> Self {
        let clock = Arc::new(ManualClock::at(NOON));
        let world = World::rehearsal(clock.clone(), 7);
        let tenant = world.id();
        let db = Db::open(&url.parse::<DbUrl>().unwrap(), &world).unwrap();
        let now = world.now();
        db.write(move |tx| tenants::create(tx, tenant, now)).await.unwrap();
        let root = FileRoot::create(room.path().join("root.key"), world.clone()).unwrap();
        let first = process(&world, tenant, db, Arc::new(root), None, KeyPolicy::default());
        first.keys.prepare(tenant).await.unwrap();
        Self { world, clock, tenant, url, room, first }
    }

    pub(crate) fn file_root(&self) -> Arc<dyn KeyProvider> {
        Arc::new(FileRoot::open(self.room.path().join("root.key"), self.world.clone()).unwrap())
    }

    /// A root key of a passphrase in the same folder, made when it is not there.
    pub(crate) fn passphrase_root(&self) -> Arc<dyn KeyProvider> {
        let passphrase = kernel::Secret::new("a passphrase of many words".to_owned());
        let path: PathBuf = self.room.path().join("passphrase.root");
        Arc::new(match path.exists() {
            true => PassphraseRoot::open(path, &passphrase, self.world.clone()).unwrap(),
            false => PassphraseRoot::create(path, &passphrase, self.world.clone()).unwrap(),
        })
    }

    /// Another process on the same deployment.
    pub(crate) fn another(
        &self,
        present: Arc<dyn KeyProvider>,
        next: Option<Arc<dyn KeyProvider>>,
    ) -> Process {
        self.another_with(present, next, &Options::default())
    }

    pub(crate) fn another_with(
        &self,
        present: Arc<dyn KeyProvider>,
        next: Option<Arc<dyn KeyProvider>>,
        options: &Options,
    ) -> Process {
        let db = Db::open_with(&self.url.parse::<DbUrl>().unwrap(), &self.world, options).unwrap();
        process(&self.world, self.tenant, db, present, next, KeyPolicy::default())
    }

    /// Another process whose world is another one: its clock, for one.
    pub(crate) fn process_in(&self, world: &World) -> Process {
        let db = Db::open(&self.url.parse::<DbUrl>().unwrap(), world).unwrap();
        process(world, self.tenant, db, self.file_root(), None, KeyPolicy::default())
    }

    pub(crate) fn custodian(&self) -> Actor {
        self.staff(Role::KeyCustodian, self.world.id())
    }

    pub(crate) fn staff(&self, role: Role, user: UserId) -> Actor {
        Actor::Staff(Staff {
            user,
            tenant: self.tenant,
            grants: vec![Grant::everywhere(role)],
            assurance: 3,
            authenticated_at: self.world.now(),
            session: self.world.id(),
        })
    }

    pub(crate) fn operator(&self) -> Actor {
        Actor::Service { name: ServiceName::Operator, tenant: self.tenant }
    }

    pub(crate) fn leave<A: Action>(&self, actor: &Actor) -> Permit<A> {
        let now = Circumstances::at(self.world.now());
        guard().permit(actor, &Resource::Tenant(self.tenant), &now).unwrap()
    }

    pub(crate) fn leave_because<A: Action>(&self, actor: &Actor, reason: &str) -> Permit<A> {
        let now = Circumstances::at(self.world.now()).because(Reason::new(reason).unwrap());
        guard().permit(actor, &Resource::Tenant(self.tenant), &now).unwrap()
    }

    pub(crate) fn tending(&self) -> Arc<Permit<guard::action::TendKeys>> {
        Arc::new(self.leave(&self.operator()))
    }

    /// Makes the keys of that many conversations, each of a person of their own.
    pub(crate) async fn people(&self, count: usize) -> Vec<(SubjectId, ConversationId)> {
        let mut people = Vec::new();
        for _ in 0..count {
            let (subject, conversation) = (self.world.id(), self.world.id());
            self.keys.conversation_key(self.tenant, subject, conversation).await.unwrap();
            people.push((subject, conversation));
        }
        people
    }

    /// Files that many data keys directly under the active version.
    pub(crate) async fn data_keys(&self, count: usize) {
        let (tenant, now) = (self.tenant, self.world.now());
        let top = self.db.read(move |tx| keys::active_tenant_key(tx, tenant)).await.unwrap().unwrap();
        let rows: Vec<_> = (0..count)
            .map(|_| {
                let owner: ConversationId = self.world.id();
                let key = self.keys.keyring().new_data_key(&top, None, Purpose::Conversation, 1).unwrap();
                (key, owner.to_bytes())
            })
            .collect();
        for rows in rows.chunks(1000) {
            let rows = rows.to_vec();
            let file = move |tx: &mut store::Tx<'_>| {
                rows.iter().try_for_each(|(key, owner)| keys::add_data_key(tx, key, *owner, now))
            };
            self.db.write(file).await.unwrap();
        }
    }

    /// What the audit log says about keys: codes, oldest first.
    pub(crate) async fn events(&self, code: &str) -> Vec<String> {
        let (permit, code) = (self.leave::<guard::action::ReadAudit>(&self.operator()), code.to_owned());
        let filter = store::audit::Filter { code, limit: 1000, ..store::audit::Filter::default() };
        let leaves = self.db.read(move |tx| store::audit::list(tx, &permit, &filter)).await.unwrap();
        leaves.into_iter().rev().map(|leaf| String::from_utf8(leaf.json.unwrap()).unwrap()).collect()
    }
}

fn process(
    world: &World,
    tenant: TenantId,
    db: Db,
    present: Arc<dyn KeyProvider>,
    next: Option<Arc<dyn KeyProvider>>,
    policy: KeyPolicy,
) -> Process {
    let ring = |root| Arc::new(Keyring::new(root, world.clone(), CachePolicy::default()));
    let at_work: Arc<dyn KeyProvider> = match &next {
        Some(next) => Arc::new(TwoRoots::new(present.clone(), next.clone())),
        None => present.clone(),
    };
    let keys = Keychain::with_policy(db.clone(), ring(at_work), world.clone(), policy);
    let custody = Custody::new(CustodyParts {
        tenant,
        db: db.clone(),
        keys: keys.clone(),
        guard: guard().clone(),
        world: world.clone(),
        present: ring(present),
        next: next.map(ring),
    });
    Process { db, keys, custody }
}
