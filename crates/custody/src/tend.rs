//! What the house does by itself, round after round: rotate by the calendar, carry out approved moves,
//! wrap anew, schedule the end of what wraps nothing, destroy what is due, and tell what is overdue.

use std::sync::Arc;
use std::time::Duration;

use guard::Permit;
use guard::action::{ReadKeys, RotateKeys, TendKeys};
use kernel::Timestamp;
use ledger::catalogue::{KeyDestroyed, KeyDestructionScheduled, KeyOverdue};
use store::custody;
use store::key_requests;
use store::keys::{self, KeyState};
use store::{StoreError, Via};

use crate::rotate::Why;
use crate::{Custody, CustodyError, Moved, Rewrapped, Rotated};

const DAY: u64 = 24 * 60 * 60;
/// Between two rounds.
const EVERY: Duration = Duration::from_secs(60);

/// What one round did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tended {
    /// The rotation that was due.
    pub rotated: Option<Rotated>,
    /// The move that is under way.
    pub moved: Option<Moved>,
    /// What was wrapped anew.
    pub rewrapped: Rewrapped,
    /// Versions whose end was scheduled.
    pub scheduled: Vec<u32>,
    /// Versions that were destroyed.
    pub destroyed: Vec<u32>,
}

impl Custody {
    /// One round. Each part is tried although another one failed; the first failure is given.
    ///
    /// # Errors
    /// When the keys, the provider or the store fail. What was done stays done.
    pub async fn tend(&self) -> Result<Tended, CustodyError> {
        let permit: Arc<Permit<TendKeys>> = Arc::new(self.core_leave()?);
        let (mut tended, mut failed) = (Tended::default(), None);
        let note = |failed: &mut Option<CustodyError>, error: CustodyError| {
            failed.get_or_insert(error);
        };
        match self.carry_out_move(&permit).await {
            Ok(moved) => tended.moved = moved,
            Err(error) => note(&mut failed, error),
        }
        match self.rotate_if_due().await {
            Ok(rotated) => tended.rotated = rotated,
            Err(error) => note(&mut failed, error),
        }
        match self.rewrap(&permit, |_| ()).await {
            Ok(rewrapped) => tended.rewrapped = rewrapped,
            Err(error) => note(&mut failed, error),
        }
        match self.schedule_spent(&permit).await {
            Ok(scheduled) => tended.scheduled = scheduled,
            Err(error) => note(&mut failed, error),
        }
        match self.destroy_due(&permit).await {
            Ok(destroyed) => tended.destroyed = destroyed,
            Err(error) => note(&mut failed, error),
        }
        if let Err(error) = self.record_uses().await {
            note(&mut failed, error);
        }
        failed.map_or(Ok(tended), Err)
    }

    /// Rounds without end, until the task is dropped. What is overdue is told once a day.
    pub async fn keep_tending(self) {
        let mut told: Option<Timestamp> = None;
        loop {
            if let Err(error) = self.tend().await {
                tracing::error!(error = %chain(&error), "the keys could not be tended");
            }
            let now = self.0.world.now();
            if told.is_none_or(|told| now < told || now.since(told).as_secs() >= DAY) {
                match self.tell_overdue().await {
                    Ok(_) => told = Some(now),
                    Err(error) => {
                        tracing::error!(error = %chain(&error), "overdue keys could not be told of")
                    }
                }
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Rotates the tenant's key if it has the age that the policy allows.
    ///
    /// # Errors
    /// As for [`Custody::rotate`].
    pub async fn rotate_if_due(&self) -> Result<Option<Rotated>, CustodyError> {
        let inner = &self.0;
        let tenant = inner.tenant;
        let (versions, rules) =
            inner.db.read(move |tx| Ok((keys::versions(tx, tenant)?, custody::rules(tx, tenant)?))).await?;
        let policy = rules.policy.unwrap_or(inner.keys.policy());
        let now = inner.world.now();
        let due = versions.first().is_some_and(|newest| {
            newest.state == KeyState::Active && now.since(newest.created) >= policy.rotate_after()
        });
        if !due {
            return Ok(None);
        }
        let permit: Permit<RotateKeys> = self.core_leave()?;
        self.rotate(permit, Why::Schedule, &Via::default()).await.map(Some)
    }

    /// Writes an event for each key that is overdue. Gives how many.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn tell_overdue(&self) -> Result<usize, CustodyError> {
        let inner = &self.0;
        let permit: Permit<ReadKeys> = self.core_leave()?;
        let actor = permit.actor().clone();
        let status = self.status(permit).await?;
        let scribe = inner.keys.scribe_of_custody(inner.tenant).await?;
        let mut entries = Vec::new();
        for line in status.keys.iter().filter(|line| line.overdue) {
            let event = KeyOverdue { kind: "tenant", version: line.version, age_days: line.age_days };
            entries.push(scribe.write(&event, &actor, &Via::default())?);
        }
        for sentence in &status.overdue {
            tracing::warn!("a key is overdue: {sentence}");
        }
        let count = entries.len();
        inner.db.write(move |tx| entries.iter().try_for_each(|entry| entry.append(tx))).await?;
        Ok(count)
    }

    /// Schedules the end of every retiring version that wraps nothing, unless somebody called it off.
    async fn schedule_spent(&self, permit: &Arc<Permit<TendKeys>>) -> Result<Vec<u32>, CustodyError> {
        let inner = &self.0;
        let (tenant, now) = (inner.tenant, inner.world.now());
        let read = move |tx: &mut store::Read<'_>| {
            let held = custody::destructions(tx, tenant)?;
            let mut spent = Vec::new();
            for version in keys::versions(tx, tenant)? {
                let number = version.key.version;
                let planned = held.iter().any(|end| end.version == number);
                if version.state == KeyState::Retiring && !planned && custody::wraps(tx, tenant, number)? == 0
                {
                    spent.push(number);
                }
            }
            Ok((spent, custody::rules(tx, tenant)?))
        };
        let (spent, rules) = inner.db.read(read).await?;
        let days = rules.policy.unwrap_or(inner.keys.policy()).destroy_after_days;
        let mut scheduled = Vec::new();
        for version in spent {
            let scribe = inner.keys.scribe_of_custody(tenant).await?;
            let due = now.after(Duration::from_secs(u64::from(days) * DAY));
            let event = KeyDestructionScheduled { version, due, why: "policy" };
            let entry = scribe.write(&event, permit.actor(), &Via::default())?;
            let permit = Arc::clone(permit);
            let job = move |tx: &mut store::Tx<'_>| {
                custody::schedule_by_policy(tx, &permit, version, now, days)?;
                entry.append(tx)
            };
            match inner.db.write(job).await.map_err(CustodyError::from) {
                Ok(()) => scheduled.push(version),
                // Somebody else was first, or it has come to wrap a key.
                Err(CustodyError::Refused(_) | CustodyError::Store(StoreError::Conflict { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(scheduled)
    }

    /// Destroys the versions whose day has come, and lets requests expire.
    async fn destroy_due(&self, permit: &Arc<Permit<TendKeys>>) -> Result<Vec<u32>, CustodyError> {
        let inner = &self.0;
        let (tenant, now) = (inner.tenant, inner.world.now());
        let due = inner.db.read(move |tx| custody::due(tx, tenant, now)).await?;
        let mut destroyed = Vec::new();
        for version in due {
            let scribe = inner.keys.scribe_of_custody(tenant).await?;
            let entry = scribe.write(&KeyDestroyed { version }, permit.actor(), &Via::default())?;
            let permit = Arc::clone(permit);
            let job = move |tx: &mut store::Tx<'_>| {
                let gone = custody::destroy(tx, &permit, version, now)?;
                if gone {
                    entry.append(tx)?;
                }
                Ok(gone)
            };
            if inner.db.write(job).await? {
                destroyed.push(version);
            }
        }
        if !destroyed.is_empty() {
            inner.keys.keyring().forget_tenant(tenant);
            inner.keys.look_again(tenant);
        }
        inner.db.write(move |tx| key_requests::expire(tx, tenant, now)).await?;
        Ok(destroyed)
    }
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}
