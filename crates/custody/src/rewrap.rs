//! Wrapping anew what an older version wraps, batch by batch: the next batch is read and its keys are
//! opened and wrapped while the one before it is written.

use std::sync::Arc;
use std::time::Duration;

use guard::Permit;
use guard::action::TendKeys;
use kernel::TenantId;
use ledger::catalogue::{KeyRefused, KeyRewrapped};
use store::custody;
use store::keys::{self, KeyState, Version};
use store::rewraps::{self, Batch, Cursor};
use store::{Scribe, StoreError, Via};
use tokio::time::Instant;
use vault::{KeyChain, WrappedDataKey, WrappedSubjectKey, WrappedTenantKey};

use crate::{Custody, CustodyError, Inner};

/// Keys in one batch, and so in one transaction.
pub const BATCH: u32 = 250;
/// How often a batch is tried again while the database has other work.
const PATIENCE: u32 = 100;
/// How long after a pass keys that did not open are tried again.
const RETRY: Duration = Duration::from_secs(60 * 60);

/// What is known while it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The version that keys are taken from.
    pub version: u32,
    /// Keys wrapped anew in this call.
    pub done: u64,
    /// Keys that did not open.
    pub refused: u64,
}

/// The outcome of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rewrapped {
    /// Keys wrapped anew.
    pub done: u64,
    /// Keys that did not open and stay as they are.
    pub refused: u64,
    /// Whether it ended because it is paused.
    pub paused: bool,
}

/// One batch, opened and wrapped, ready to be written.
struct Ready {
    keys: Wrapped,
    refused: Vec<KeyRefused>,
    after: Cursor,
    last: bool,
}

enum Wrapped {
    Subjects(Vec<WrappedSubjectKey>),
    Data(Vec<WrappedDataKey>),
}

enum Pace {
    /// The most keys in a second; 0 for no bound.
    Go(u32),
    Paused,
    /// Another version is the active one by now; there is a newer aim.
    Outrun,
}

/// From where to where.
#[derive(Clone)]
struct Route {
    tenant: TenantId,
    from: WrappedTenantKey,
    to: WrappedTenantKey,
}

impl Custody {
    /// Wraps everything anew that an older version of the tenant's key wraps, by the active one. It may
    /// be ended at any moment and called again; it may run in two processes at once.
    ///
    /// # Errors
    /// When the keys or the store fail. What was done stays done.
    pub async fn rewrap(
        &self,
        permit: &Arc<Permit<TendKeys>>,
        mut watch: impl FnMut(Progress) + Send,
    ) -> Result<Rewrapped, CustodyError> {
        let inner = &self.0;
        let tenant = inner.tenant;
        let mut total = Rewrapped::default();
        let versions = inner.db.read(move |tx| keys::versions(tx, tenant)).await?;
        let Some(active) = versions.iter().find(|version| version.state == KeyState::Active) else {
            return Ok(total);
        };
        let retiring = versions.iter().rev().filter(|version| version.state == KeyState::Retiring);
        for version in retiring {
            let route = Route { tenant, from: version.key.clone(), to: active.key.clone() };
            if inner.begin(permit, version, &route).await? {
                inner.pass(permit, &route, &mut total, &mut watch).await?;
            }
            if total.paused {
                break;
            }
        }
        if total.done > 0 {
            inner.keys.look_again(tenant);
        }
        Ok(total)
    }
}

impl Inner {
    /// Whether there is work, and a row that says how far it is.
    async fn begin(
        &self,
        permit: &Arc<Permit<TendKeys>>,
        version: &Version,
        route: &Route,
    ) -> Result<bool, CustodyError> {
        let (tenant, from, to) = (self.tenant, version.key.version, route.to.version);
        let (now, permit) = (self.world.now(), Arc::clone(permit));
        let (wraps, row) = self
            .db
            .read(move |tx| Ok((custody::wraps(tx, tenant, from)?, rewraps::get(tx, tenant, from)?)))
            .await?;
        if wraps == 0 {
            return Ok(false);
        }
        let fresh = match row {
            None => true,
            Some(row) if row.target != to => true,
            Some(row) => match row.ended {
                None => false,
                // What did not open a while ago is tried again, but not all the time.
                Some(ended) if row.refused >= wraps && now >= ended && now.since(ended) < RETRY => {
                    return Ok(false);
                }
                Some(_) => true,
            },
        };
        if fresh {
            self.db.write(move |tx| rewraps::begin(tx, &permit, from, to, now)).await?;
        }
        Ok(true)
    }

    /// Looks at every key that one version wraps.
    async fn pass(
        &self,
        permit: &Arc<Permit<TendKeys>>,
        route: &Route,
        total: &mut Rewrapped,
        watch: &mut (impl FnMut(Progress) + Send),
    ) -> Result<(), CustodyError> {
        let (tenant, version) = (self.tenant, route.from.version);
        let row = self.db.read(move |tx| rewraps::get(tx, tenant, version)).await?;
        let cursor = row.map_or(Cursor::Start, |row| row.cursor);
        let scribe = Arc::new(self.keys.scribe_of_custody(tenant).await?);
        let (started, mut looked) = (Instant::now(), 0);
        let mut ready = self.prepare(route, cursor).await?;
        loop {
            let bound = match self.pace(route).await? {
                Pace::Go(bound) => bound,
                Pace::Paused => {
                    total.paused = true;
                    return Ok(());
                }
                Pace::Outrun => return Ok(()),
            };
            looked += ready.size();
            if bound > 0 {
                let due = Duration::from_secs_f64(looked as f64 / f64::from(bound));
                tokio::time::sleep_until(started + due).await;
            }
            let (after, last, refused) = (ready.after, ready.last, ready.refused.len() as u64);
            let written = self.write(permit, route, &scribe, ready);
            let (done, next) = if last {
                (written.await?, None)
            } else {
                let (done, next) = tokio::join!(written, self.prepare(route, after));
                (done?, Some(next?))
            };
            total.done += done;
            total.refused += refused;
            watch(Progress { version, done: total.done, refused: total.refused });
            match next {
                Some(next) => ready = next,
                None => return Ok(()),
            }
        }
    }

    /// Whether to go on, and how fast.
    async fn pace(&self, route: &Route) -> Result<Pace, CustodyError> {
        let (tenant, to) = (self.tenant, route.to.version);
        let (rules, active) = self
            .db
            .read(move |tx| Ok((custody::rules(tx, tenant)?, keys::active_tenant_key(tx, tenant)?)))
            .await?;
        let policy = rules.policy.unwrap_or(self.keys.policy());
        Ok(match (rules.paused, active) {
            (Some(_), _) => Pace::Paused,
            (None, Some(active)) if active.version == to => Pace::Go(policy.rewrap_per_second),
            (None, _) => Pace::Outrun,
        })
    }

    /// Reads the batch after a cursor, opens its keys and wraps them anew.
    async fn prepare(&self, route: &Route, cursor: Cursor) -> Result<Ready, CustodyError> {
        let (tenant, version) = (self.tenant, route.from.version);
        let batch = self.db.read(move |tx| rewraps::next(tx, tenant, version, cursor, BATCH)).await?;
        let (keys, route) = (self.keys.clone(), route.clone());
        Self::aside(move || Ok(wrap_anew(keys.keyring(), &route, cursor, batch)?)).await
    }

    /// Writes a batch, what became of it, and how far it has come. Gives how many keys were replaced.
    async fn write(
        &self,
        permit: &Arc<Permit<TendKeys>>,
        route: &Route,
        scribe: &Arc<Scribe>,
        ready: Ready,
    ) -> Result<u64, CustodyError> {
        let ready = Arc::new(ready);
        for _ in 0..PATIENCE {
            match self.try_write(permit, route, scribe, &ready).await {
                // Everybody else's work comes first.
                Err(StoreError::Busy | StoreError::Contended) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                outcome => return Ok(outcome?),
            }
        }
        Err(StoreError::Busy.into())
    }

    async fn try_write(
        &self,
        permit: &Arc<Permit<TendKeys>>,
        route: &Route,
        scribe: &Arc<Scribe>,
        ready: &Arc<Ready>,
    ) -> Result<u64, StoreError> {
        let (permit, scribe, now) = (Arc::clone(permit), Arc::clone(scribe), self.world.now());
        let (tenant, from, to) = (route.tenant, route.from.version, route.to.version);
        let (ready, dialect) = (Arc::clone(ready), self.db.dialect());
        let job = move |tx: &mut store::Tx<'_>| {
            store::audit::hold(tx, tenant)?;
            let (kind, done) = match &ready.keys {
                Wrapped::Subjects(keys) => {
                    ("subject", rewraps::replace_subjects(tx, dialect, tenant, keys, from, to)?)
                }
                Wrapped::Data(keys) => ("data", rewraps::replace_data(tx, dialect, tenant, keys, from, to)?),
            };
            let write = |tx: &mut store::Tx<'_>, written: Result<store::Written, vault::VaultError>| {
                written.map_err(StoreError::refuse)?.append(tx)
            };
            if done > 0 {
                let event = KeyRewrapped { kind, from, to, keys: done };
                write(tx, scribe.write(&event, permit.actor(), &Via::default()))?;
            }
            for event in &ready.refused {
                write(tx, scribe.write(event, permit.actor(), &Via::default()))?;
            }
            let counts = (done, ready.refused.len() as u64);
            rewraps::advance(tx, &permit, from, ready.after, counts, now, ready.last)?;
            Ok(done)
        };
        self.db.write(job).await
    }
}

impl Ready {
    fn size(&self) -> u64 {
        let wrapped = match &self.keys {
            Wrapped::Subjects(keys) => keys.len(),
            Wrapped::Data(keys) => keys.len(),
        };
        (wrapped + self.refused.len()) as u64
    }
}

/// Opens and wraps a batch. A key that does not open is left and told of; when the key provider does not
/// help, nothing is.
fn wrap_anew(
    keyring: &vault::Keyring,
    route: &Route,
    cursor: Cursor,
    batch: Batch,
) -> Result<Ready, vault::VaultError> {
    let mut refused = Vec::new();
    let Route { from, to, .. } = route;
    match batch {
        Batch::Subjects(rows) => {
            let after = rows.last().map_or(Cursor::Subjects, |row| Cursor::Subject(row.subject));
            let mut keys = Vec::with_capacity(rows.len());
            for row in &rows {
                match keyring.rewrap_subject_key(from, row, to) {
                    Ok(new) => keys.push(new),
                    Err(error @ vault::VaultError::Provider(_)) => return Err(error),
                    Err(error) => {
                        refused.push(KeyRefused { kind: "subject", key: None, reason: why(&error) })
                    }
                }
            }
            Ok(Ready { keys: Wrapped::Subjects(keys), refused, after, last: false })
        }
        Batch::Data(rows) => {
            let after = rows.last().map_or(cursor, |row| Cursor::Data(row.key_id));
            let last = rows.len() < BATCH as usize;
            let mut keys = Vec::with_capacity(rows.len());
            for row in &rows {
                match keyring.rewrap_data_key(&KeyChain { tenant: from, subject: None, data: row }, to) {
                    Ok(new) => keys.push(new),
                    Err(error @ vault::VaultError::Provider(_)) => return Err(error),
                    Err(error) => {
                        refused.push(KeyRefused { kind: "data", key: Some(row.key_id), reason: why(&error) });
                    }
                }
            }
            Ok(Ready { keys: Wrapped::Data(keys), refused, after, last })
        }
    }
}

fn why(error: &vault::VaultError) -> &'static str {
    match error {
        vault::VaultError::CommitmentMismatch => "commitment",
        _ => "unwrap",
    }
}
