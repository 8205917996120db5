//! The shelf: releases in the database, sealed, and the live ones in memory, ready to be handed to the
//! engine.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::digest::{SHA256, digest};
use guard::action::{ActivateRelease, PushRelease};
use guard::{Actor, Circumstances, Guard, Permit, Resource};
use kernel::{BotName, ReleaseId, TenantId, World};
use ledger::catalogue::{ReleaseActivated, ReleaseMade};
use store::bots::{self as rows, NewRelease};
use store::{Db, Keychain, StoreError, Via};
use vault::{Purpose, VaultError};
use wire::release::{Release, ReleaseError};

/// Bytes of an artifact that are sealed as one part.
const PART: usize = 512 * 1024;

/// Why a release cannot be put on the shelf or taken from it.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// The memory.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The keys, or a part that does not open.
    #[error("the release does not open")]
    Vault(#[from] VaultError),
    /// What opens is not a release.
    #[error("the release cannot be read")]
    Release(#[from] ReleaseError),
    /// What opens is not what was pushed.
    #[error("the release is not the one that was pushed: its digest differs")]
    Digest,
    /// A bot's secret is empty, too long or no text.
    #[error("a secret is a text of 1 to {} bytes", crate::secret::MAX_SECRET)]
    Secret,
    /// The guard refused.
    #[error("not allowed")]
    Denied(#[from] guard::Denied),
}

/// The releases of one tenant. Clones share it.
#[derive(Debug, Clone)]
pub struct Shelf(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tenant: TenantId,
    db: Db,
    keys: Keychain,
    guard: Guard,
    world: World,
    live: RwLock<HashMap<BotName, (ReleaseId, Arc<Release>)>>,
    /// Releases that conversations still use though another is live.
    old: RwLock<HashMap<ReleaseId, Arc<Release>>>,
}

/// Old releases that are kept in memory.
const OLD: usize = 8;

/// A release that was put live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pushed {
    /// Its id.
    pub id: ReleaseId,
    /// Its number, counted per bot from 1.
    pub version: u32,
}

impl Shelf {
    /// The shelf of a tenant, with its live releases loaded.
    ///
    /// # Errors
    /// When the store fails, or a live release does not open.
    pub async fn open(
        tenant: TenantId,
        db: Db,
        keys: Keychain,
        guard: Guard,
        world: World,
    ) -> Result<Self, ShelfError> {
        let (live, old) = (RwLock::default(), RwLock::default());
        let shelf = Self(Arc::new(Inner { tenant, db, keys, guard, world, live, old }));
        shelf.take_over().await?;
        Ok(shelf)
    }

    /// Takes over what was put live elsewhere: by the command line, or by another process on this
    /// database. Gives the bots that another release answers for from now on.
    ///
    /// # Errors
    /// When the store fails, or a live release does not open; the others are taken over all the same.
    pub async fn take_over(&self) -> Result<Vec<BotName>, ShelfError> {
        let inner = &self.0;
        let core = Actor::Service { name: guard::ServiceName::Core, tenant: inner.tenant };
        let now = Circumstances::at(inner.world.now());
        let permit = inner.guard.permit(&core, &Resource::Tenant(inner.tenant), &now)?;
        let (mut taken, mut failed) = (Vec::new(), None);
        for bot in inner.db.read(move |tx| rows::list(tx, &permit)).await? {
            let Some(id) = bot.active else { continue };
            if self.live(&bot.name).is_some_and(|(live, _)| live == id) {
                continue;
            }
            match self.fetch(id).await {
                Ok(release) => {
                    self.put_live(bot.name.clone(), id, Arc::new(release));
                    taken.push(bot.name);
                }
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(taken), Err)
    }

    pub(crate) fn tenant(&self) -> TenantId {
        self.0.tenant
    }

    pub(crate) fn db(&self) -> &Db {
        &self.0.db
    }

    pub(crate) fn keys(&self) -> &Keychain {
        &self.0.keys
    }

    pub(crate) fn world(&self) -> &World {
        &self.0.world
    }

    /// Stores a release, sealed, and puts it live. `tests_passed` is how many of the bot's own
    /// conversations it passed; the caller pushes nothing that failed one.
    ///
    /// # Errors
    /// When the guard refuses, or the store or the keys fail; then nothing has changed.
    pub async fn push(
        &self,
        actor: &Actor,
        release: Release,
        tests_passed: u64,
        via: &Via,
    ) -> Result<Pushed, ShelfError> {
        let inner = &self.0;
        let (tenant, now, bot) = (inner.tenant, inner.world.now(), release.manifest.name.clone());
        let (moment, resource) = (Circumstances::at(now), Resource::Bot { tenant, bot: bot.clone() });
        let permit: Permit<PushRelease> = inner.guard.permit(actor, &resource, &moment)?;

        let artifact = release.encode()?;
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest(&SHA256, &artifact).as_ref());
        let id: ReleaseId = inner.world.id();
        let key = inner.keys.tenant_data_key(tenant, Purpose::Bots).await?;
        let parts: Result<Vec<_>, _> = artifact
            .chunks(PART)
            .zip(0..)
            .map(|(part, number)| key.seal(&rows::part_place(tenant, id, number), &part.to_vec()))
            .collect();
        let new = NewRelease {
            id,
            sha256,
            size: artifact.len() as u64,
            parts: parts?,
            key_gen: key.generation(),
            now,
        };

        // The release does not exist yet, so the guard is asked about it as it will be.
        let author = actor.staff().map(|staff| staff.user);
        let resource = Resource::Release { tenant, bot: bot.clone(), release: id, author };
        let activate: Permit<ActivateRelease> = inner.guard.permit(actor, &resource, &moment)?;
        let scribe = inner.keys.scribe(tenant).await?;
        let made = ReleaseMade { bot: bot.clone(), release: id, sha256, tests_passed };
        let activated =
            ReleaseActivated { bot: bot.clone(), release: id, previous: self.live(&bot).map(|(id, _)| id) };
        let entries = [scribe.write(&made, actor, via)?, scribe.write(&activated, actor, via)?];
        let version = inner
            .db
            .write(move |tx| {
                let version = rows::push(tx, &permit, &new)?;
                rows::activate(tx, &activate, now)?;
                entries.iter().try_for_each(|entry| entry.append(tx))?;
                Ok(version)
            })
            .await?;
        self.put_live(bot, id, Arc::new(release));
        Ok(Pushed { id, version })
    }

    /// Puts the permit's release live, in the database and in memory: an earlier one again, or one that
    /// somebody else submitted.
    ///
    /// # Errors
    /// When there is no such release, it does not open, or the store or the keys fail; then nothing has
    /// changed.
    pub async fn activate(&self, permit: Permit<ActivateRelease>, via: &Via) -> Result<(), ShelfError> {
        let missing = || StoreError::Missing { what: "release" };
        let bot = permit.resource().bot().cloned().ok_or_else(missing)?;
        let id = permit.resource().release().ok_or_else(missing)?;
        // Opened first: what does not open must not go live.
        let release = self.release(id).await?.ok_or_else(missing)?;
        let event =
            ReleaseActivated { bot: bot.clone(), release: id, previous: self.live(&bot).map(|(id, _)| id) };
        let entry = self.0.keys.scribe(self.0.tenant).await?.write(&event, permit.actor(), via)?;
        let now = self.0.world.now();
        self.0
            .db
            .write(move |tx| {
                rows::activate(tx, &permit, now)?;
                entry.append(tx)
            })
            .await?;
        self.put_live(bot, id, release);
        Ok(())
    }

    /// The live release of a bot.
    pub fn live(&self, bot: &BotName) -> Option<(ReleaseId, Arc<Release>)> {
        self.0.live.read().unwrap_or_else(PoisonError::into_inner).get(bot).cloned()
    }

    /// The live release of a bot, without its id.
    pub fn current(&self, bot: &BotName) -> Option<Arc<Release>> {
        self.live(bot).map(|(_, release)| release)
    }

    /// Every live bot.
    pub fn bots(&self) -> Vec<(ReleaseId, Arc<Release>)> {
        self.0.live.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Any release of this tenant, live or not.
    ///
    /// # Errors
    /// When the store fails or the release does not open.
    pub async fn release(&self, id: ReleaseId) -> Result<Option<Arc<Release>>, ShelfError> {
        if let Some((_, release)) = self.bots().into_iter().find(|(live, _)| *live == id) {
            return Ok(Some(release));
        }
        if let Some(release) = self.0.old.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return Ok(Some(Arc::clone(release)));
        }
        let release = match self.fetch(id).await {
            Ok(release) => Arc::new(release),
            Err(ShelfError::Store(StoreError::Missing { .. })) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut old = self.0.old.write().unwrap_or_else(PoisonError::into_inner);
        if old.len() >= OLD {
            old.clear();
        }
        old.insert(id, Arc::clone(&release));
        Ok(Some(release))
    }

    /// Whether a bot may be used from pages of an origin.
    pub fn allows(&self, bot: &BotName, origin: &str) -> bool {
        self.current(bot)
            .is_some_and(|release| release.manifest.allowed_origins.iter().any(|allowed| allowed == origin))
    }

    /// Whether any live bot may be used from pages of an origin.
    pub fn any_allows(&self, origin: &str) -> bool {
        let allows =
            |release: &Release| release.manifest.allowed_origins.iter().any(|allowed| allowed == origin);
        self.0
            .live
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .any(|(_, release)| allows(release))
    }

    fn put_live(&self, bot: BotName, id: ReleaseId, release: Arc<Release>) {
        self.0.live.write().unwrap_or_else(PoisonError::into_inner).insert(bot, (id, release));
    }

    async fn fetch(&self, id: ReleaseId) -> Result<Release, ShelfError> {
        let tenant = self.0.tenant;
        let (row, parts) = self
            .0
            .db
            .read(move |tx| {
                let row = rows::release(tx, tenant, id)?.ok_or(StoreError::Missing { what: "release" })?;
                Ok((row, rows::parts(tx, tenant, id)?))
            })
            .await?;
        let key = self.0.keys.tenant_data_key_at(tenant, Purpose::Bots, row.key_gen).await?;
        let mut artifact = Vec::with_capacity(usize::try_from(row.size).unwrap_or_default());
        for (part, number) in parts.iter().zip(0..) {
            artifact.extend_from_slice(&key.open(&rows::part_place(tenant, id, number), part)?);
        }
        if digest(&SHA256, &artifact).as_ref() != row.sha256 {
            return Err(ShelfError::Digest);
        }
        Ok(Release::decode(&artifact)?)
    }
}
