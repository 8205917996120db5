//! The house put together: database, keys, guard, rooms. Everything that serves or administers a
//! deployment begins here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bots::Shelf;
use conversations::Conversations;
use custody::{Custody, CustodyParts};
use engine::turn::Engine;
use guard::{Actor, Circumstances, Guard, Permit, Resource, ServiceName};
use kernel::{TenantId, World};
use mail::Mailer;
use rulebook::{Rulebook, RulebookParts};
use store::{Db, DbUrl, Keychain, StoreError, tenants};
use vault::{CachePolicy, Keyring, TwoRoots};

use crate::Failure;
use crate::adapters::ShelfBots;
use crate::config::{Config, Keys};
use crate::roots::provider;

/// The parts that every command on a deployment needs: memory, keys, leave.
#[derive(Debug, Clone)]
pub(crate) struct Foundation {
    pub(crate) world: World,
    pub(crate) db: Db,
    pub(crate) keys: Keychain,
    pub(crate) custody: Custody,
    pub(crate) guard: Guard,
    pub(crate) rulebook: Rulebook,
    pub(crate) tenant: TenantId,
    /// The data directory.
    pub(crate) data: PathBuf,
}

/// The rooms of the `core` role.
#[derive(Clone)]
pub(crate) struct House {
    pub(crate) base: Foundation,
    pub(crate) shelf: Shelf,
    pub(crate) conversations: Conversations,
    pub(crate) engine: Arc<Engine>,
    /// What takes letters to staff to a relay, where one is named.
    pub(crate) mailer: Option<Mailer>,
}

/// The deployment does not exist yet, and this command does not make one.
#[derive(Debug, thiserror::Error)]
#[error("there is no deployment in `{}` yet; `wardroom up --data {}` makes one", .0.display(), .0.display())]
struct Nothing(PathBuf);

/// A restore was begun and not finished.
#[derive(Debug, thiserror::Error)]
#[error(
    "a restore into this deployment was interrupted, so the database may lack everything; run `wardroom backup restore` \
     again, or delete `{}` to go on with the database as it is",
    .0.display()
)]
struct RestorePending(PathBuf);

/// The database does not answer.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0}; see that it runs, and that `[database] url` has its host, port and name right \
     (with `RUST_LOG=store=debug`, `wardroom up` logs why it does not)"
)]
struct Unreachable(StoreError);

/// The file that stands in the data directory while a restore is under way.
pub(crate) fn restore_mark(data: &Path) -> PathBuf {
    data.join("restore.pending")
}

/// Where the rows are.
pub(crate) fn database(data: &Path, config: &Config) -> Result<DbUrl, Failure> {
    Ok(match &config.database.url {
        Some(reference) => reference.resolve()?.expose().parse()?,
        None => DbUrl::sqlite(data.join("wardroom.db")),
    })
}

impl Foundation {
    /// Opens the deployment in `data`; with `make`, makes what is missing.
    pub(crate) async fn open(data: &Path, config: &Config, make: bool) -> Result<Self, Failure> {
        Self::open_for_custody(data, config, make).await?.ready().await
    }

    async fn ready(self) -> Result<Self, Failure> {
        // Before anything is served: the keys open, or the process says why not.
        self.keys.scribe(self.tenant).await?;
        // And the guard decides by what two people agreed to, or nothing is served.
        self.rulebook.install().await?;
        Ok(self)
    }

    /// A deployment in a world of its own.
    #[cfg(test)]
    pub(crate) async fn rehearse(world: World, data: &Path) -> Result<Self, Failure> {
        Self::assemble(world, data, &Config::default(), true).await?.ready().await
    }

    /// The same although keys may be disabled: for the commands that enable them.
    pub(crate) async fn open_for_custody(data: &Path, config: &Config, make: bool) -> Result<Self, Failure> {
        Self::assemble(World::real(), data, config, make).await
    }

    async fn assemble(world: World, data: &Path, config: &Config, make: bool) -> Result<Self, Failure> {
        let guard = Guard::embedded()?;
        let (url, mark) = (database(data, config)?, restore_mark(data));
        if mark.exists() {
            return Err(RestorePending(mark).into());
        }
        if let DbUrl::Sqlite { path } = &url
            && !make
            && !path.exists()
        {
            return Err(Nothing(data.to_owned()).into());
        }
        let opening = world.clone();
        let opened = tokio::task::spawn_blocking(move || Db::open(&url, &opening)).await?;
        let db = opened.map_err(|error| match error {
            StoreError::Unavailable => Unreachable(error).into(),
            error => Failure::from(error),
        })?;
        let known = db.read(tenants::list).await?.first().copied();
        if known.is_none() && !make {
            return Err(Nothing(data.to_owned()).into());
        }
        let roots = Roots::open(data, &config.keys, &world, known.is_none())?;
        let keys = Keychain::with_policy(db.clone(), roots.keyring, world.clone(), config.keys.policy());
        let tenant = match known {
            Some(tenant) => tenant,
            None => {
                let (tenant, now) = (world.id(), world.now());
                db.write(move |tx| tenants::create(tx, tenant, now)).await?;
                tenant
            }
        };
        keys.prepare(tenant).await?;
        let custody = Custody::new(CustodyParts {
            tenant,
            db: db.clone(),
            keys: keys.clone(),
            guard: guard.clone(),
            world: world.clone(),
            present: roots.present,
            next: roots.next,
        });
        let rulebook = Rulebook::new(RulebookParts {
            tenant,
            db: db.clone(),
            keys: keys.clone(),
            guard: guard.clone(),
            world: world.clone(),
        });
        Ok(Self { world, db, keys, custody, guard, rulebook, tenant, data: data.to_owned() })
    }

    /// Whoever runs this command.
    pub(crate) fn operator(&self) -> Actor {
        Actor::Service { name: ServiceName::Operator, tenant: self.tenant }
    }

    /// Leave for the operator to do something to the tenant as a whole.
    pub(crate) fn leave<A: guard::Action>(&self) -> Result<Permit<A>, guard::Denied> {
        let now = Circumstances::at(self.world.now());
        self.guard.permit(&self.operator(), &Resource::Tenant(self.tenant), &now)
    }

    /// The same, for what needs a stated reason.
    pub(crate) fn leave_because<A: guard::Action>(&self, reason: &str) -> Result<Permit<A>, Failure> {
        let now = Circumstances::at(self.world.now()).because(kernel::Reason::new(reason)?);
        Ok(self.guard.permit(&self.operator(), &Resource::Tenant(self.tenant), &now)?)
    }

    /// The shelf of bots.
    pub(crate) async fn shelf(&self) -> Result<Shelf, bots::ShelfError> {
        Shelf::open(self.tenant, self.db.clone(), self.keys.clone(), self.guard.clone(), self.world.clone())
            .await
    }
}

impl House {
    /// Puts the rooms on the foundation.
    pub(crate) async fn on(base: Foundation) -> Result<Self, Failure> {
        let shelf = base.shelf().await?;
        let engine = Arc::new(Engine::default());
        let conversations = Conversations::new(
            base.db.clone(),
            base.keys.clone(),
            base.guard.clone(),
            base.world.clone(),
            Arc::clone(&engine) as Arc<dyn wire::turn::EngineService>,
            Arc::new(ShelfBots(shelf.clone())),
        );
        Ok(Self { base, shelf, conversations, engine, mailer: None })
    }

    /// The same with a way to send letters.
    pub(crate) fn mailing(self, mailer: Option<Mailer>) -> Self {
        Self { mailer, ..self }
    }
}

/// The root keys of a deployment, each with a keyring of its own, and the keyring at work, which opens
/// what either of them wrapped.
struct Roots {
    keyring: Arc<Keyring>,
    present: Arc<Keyring>,
    next: Option<Arc<Keyring>>,
}

impl Roots {
    fn open(data: &Path, keys: &Keys, world: &World, fresh: bool) -> Result<Self, Failure> {
        let ring = |provider| Arc::new(Keyring::new(provider, world.clone(), CachePolicy::default()));
        let present = provider(data, keys, world, fresh)?;
        let Some(next) = &keys.next else {
            let keyring = ring(present);
            return Ok(Self { present: Arc::clone(&keyring), keyring, next: None });
        };
        // Nothing is wrapped by it yet when it is not there; should something be, it does not open, and
        // the process says so.
        let next = provider(data, next, world, true)?;
        let both = TwoRoots::new(Arc::clone(&present), Arc::clone(&next));
        Ok(Self { keyring: ring(Arc::new(both)), present: ring(present), next: Some(ring(next)) })
    }
}
