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
use vault::{CachePolicy, Keyring};

use crate::Failure;
use crate::adapters::ShelfBots;
use crate::config::Config;
use crate::roots::provider;

/// The parts that every command on a deployment needs: memory, keys, leave.
#[derive(Debug, Clone)]
pub(crate) struct Foundation {
    pub(crate) world: World,
    pub(crate) db: Db,
    pub(crate) keys: Keychain,
    pub(crate) guard: Guard,
    pub(crate) tenant: TenantId,
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

impl Foundation {
    /// Opens the deployment in `data`; with `make`, makes what is missing.
    pub(crate) async fn open(data: &Path, config: &Config, make: bool) -> Result<Self, Failure> {
        let world = World::real();
        let guard = Guard::embedded()?;
        let url = match &config.database.url {
            Some(reference) => reference.resolve()?.expose().parse()?,
            None => DbUrl::sqlite(data.join("wardroom.db")),
        };
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
        let provider = provider(data, &config.keys, &world, known.is_none())?;
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
        Ok(Self { world, db, keys, guard, tenant })
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
