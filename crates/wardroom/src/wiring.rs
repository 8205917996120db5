//! The house put together: database, keys, guard, rooms. Everything that serves or administers a
//! deployment begins here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bots::Shelf;
use conversations::Conversations;
use engine::turn::Engine;
use guard::{Actor, Circumstances, Guard, Permit, Resource, ServiceName};
use kernel::{TenantId, World};
use store::{Db, DbUrl, Keychain, tenants};
use vault::{CachePolicy, FileRoot, KeyProvider, Keyring, PassphraseRoot};

use crate::Failure;
use crate::adapters::ShelfBots;
use crate::config::Config;

/// The parts that every command on a deployment needs: memory, keys, leave.
#[derive(Debug, Clone)]
pub(crate) struct Foundation {
    pub(crate) world: World,
    pub(crate) db: Db,
    pub(crate) keys: Keychain,
    pub(crate) guard: Guard,
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
}

/// The deployment does not exist yet, and this command does not make one.
#[derive(Debug, thiserror::Error)]
#[error("there is no deployment in `{}` yet; `wardroom up --data {}` makes one", .0.display(), .0.display())]
struct Nothing(PathBuf);

/// The root key is gone, and what it seals is still here.
#[derive(Debug, thiserror::Error)]
#[error(
    "the root key `{}` is missing, but there is data that it seals; put the file back from where you keep its copy \
     (without it nothing can be read, by anybody)",
    .0.display()
)]
struct RootKeyMissing(PathBuf);

/// A restore was begun and not finished.
#[derive(Debug, thiserror::Error)]
#[error(
    "a restore into this deployment was interrupted, so the database may lack everything; run `wardroom backup restore` \
     again, or delete `{}` to go on with the database as it is",
    .0.display()
)]
struct RestorePending(PathBuf);

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
        let world = World::real();
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
        let db = tokio::task::spawn_blocking(move || Db::open(&url, &opening)).await??;
        let known = db.read(tenants::list).await?.first().copied();
        if known.is_none() && !make {
            return Err(Nothing(data.to_owned()).into());
        }
        let provider = provider(data, config, &world, known.is_none())?;
        let keyring = Keyring::new(provider, world.clone(), CachePolicy::default());
        let keys = Keychain::new(db.clone(), Arc::new(keyring), world.clone());
        let tenant = match known {
            Some(tenant) => tenant,
            None => {
                let (tenant, now) = (world.id(), world.now());
                db.write(move |tx| tenants::create(tx, tenant, now)).await?;
                tenant
            }
        };
        keys.prepare(tenant).await?;
        // Before anything is served: the keys open, or the process says why not.
        keys.scribe(tenant).await?;
        Ok(Self { world, db, keys, guard, tenant, data: data.to_owned() })
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
        Ok(Self { base, shelf, conversations, engine })
    }
}

/// The root key: of a file, or of a passphrase. It is made only where nothing is sealed yet.
pub(crate) fn provider(
    data: &Path,
    config: &Config,
    world: &World,
    fresh: bool,
) -> Result<Arc<dyn KeyProvider>, Failure> {
    let folder = data.join("keys");
    if let Some(reference) = &config.keys.passphrase {
        let (path, passphrase) = (folder.join("passphrase.root"), reference.resolve()?);
        return Ok(match path.exists() || !fresh {
            true => Arc::new(PassphraseRoot::open(path, &passphrase, world.clone())?),
            false => Arc::new(PassphraseRoot::create(path, &passphrase, world.clone())?),
        });
    }
    let path = config.keys.root_file.clone().unwrap_or_else(|| folder.join("root.key"));
    match (path.exists(), fresh) {
        (true, _) => Ok(Arc::new(FileRoot::open(path, world.clone())?)),
        (false, true) => Ok(Arc::new(FileRoot::create(path, world.clone())?)),
        (false, false) => Err(RootKeyMissing(path).into()),
    }
}
