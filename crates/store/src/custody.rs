//! Key custody: the policy of a tenant's keys, their states, and their end. Every change of a state is one statement that names the state before, so
//! of two processes that try, one does it.

use std::time::Duration;

use guard::Permit;
use guard::action::{CancelKeyDestruction, DisableKey, RotateKeys, TendKeys};
use kernel::{KeyRequestId, TenantId, Timestamp};

use crate::keys::KeyState;
use crate::{Read, StoreError, Tx, key_requests, params};

/// The days after which a key may be followed by a new one.
pub const ROTATE_DAYS: std::ops::RangeInclusive<u32> = 1..=3650;
/// The days that a scheduled destruction may wait.
pub const WAIT_DAYS: std::ops::RangeInclusive<u32> = 7..=30;

const DAY: u64 = 24 * 60 * 60;

/// Why the records of keys refuse an act that the guard would allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    /// There is no such version, or its state does not allow it.
    #[error("version {version} of the tenant's key is {}; this needs it {needs}", state.map_or("not there", KeyState::as_str))]
    State {
        /// The version.
        version: u32,
        /// Its state, if it is there.
        state: Option<KeyState>,
        /// What it would have to be.
        needs: &'static str,
    },
    /// It still wraps keys: destroying it would destroy data.
    #[error(
        "version {version} of the tenant's key still wraps {keys} keys; wrap them anew first (`wardroom keys rewrap`)"
    )]
    StillWraps {
        /// The version.
        version: u32,
        /// How many.
        keys: u64,
    },
    /// There is no such request, or it is no longer open.
    #[error("there is no open request of that id")]
    NoRequest,
    /// Nobody agreed within [`APPROVAL`](crate::key_requests::APPROVAL).
    #[error("the request has expired; ask again")]
    Expired,
    /// Whoever asks cannot also agree.
    #[error("whoever asked cannot agree to it; a second person must")]
    OwnRequest,
    /// The same is asked for already.
    #[error("this is asked for already, by request {0}")]
    Already(KeyRequestId),
    /// The age is not one that is allowed.
    #[error("a key is rotated after {} to {} days", ROTATE_DAYS.start(), ROTATE_DAYS.end())]
    Rotation,
    /// The wait is not one that is allowed.
    #[error("a destruction waits {} to {} days", WAIT_DAYS.start(), WAIT_DAYS.end())]
    Wait,
}

/// What a tenant decided about its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPolicy {
    /// The age in days at which the tenant key gets a new version, and a data key a new generation.
    pub rotate_after_days: u32,
    /// How many days a version that wraps nothing any more waits for its end.
    pub destroy_after_days: u32,
    /// The most keys that are wrapped anew in a second; 0 for no bound.
    pub rewrap_per_second: u32,
}

impl Default for KeyPolicy {
    /// 90 days, 30 days, no bound.
    fn default() -> Self {
        Self { rotate_after_days: 90, destroy_after_days: 30, rewrap_per_second: 0 }
    }
}

impl KeyPolicy {
    /// Whether its numbers are within their bounds.
    ///
    /// # Errors
    /// [`KeyRefusal::Rotation`] or [`KeyRefusal::Wait`].
    pub fn check(&self) -> Result<(), KeyRefusal> {
        if !ROTATE_DAYS.contains(&self.rotate_after_days) {
            return Err(KeyRefusal::Rotation);
        }
        if !WAIT_DAYS.contains(&self.destroy_after_days) {
            return Err(KeyRefusal::Wait);
        }
        Ok(())
    }

    /// [`KeyPolicy::rotate_after_days`] as a span.
    pub fn rotate_after(&self) -> Duration {
        Duration::from_secs(u64::from(self.rotate_after_days) * DAY)
    }

    /// [`KeyPolicy::destroy_after_days`] as a span.
    pub fn destroy_after(&self) -> Duration {
        Duration::from_secs(u64::from(self.destroy_after_days) * DAY)
    }
}

/// The policy in force, and what stands beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// What the tenant decided; `None` when it decided nothing and the deployment's default holds.
    pub policy: Option<KeyPolicy>,
    /// Since when the wrapping anew is paused, if it is.
    pub paused: Option<Timestamp>,
}

/// A destruction on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destruction {
    /// The version.
    pub version: u32,
    /// The request that was approved, if the policy alone does not ask for it.
    pub request: Option<KeyRequestId>,
    /// When it happens.
    pub due: Timestamp,
    /// When it was called off.
    pub held: Option<Timestamp>,
}

/// The policy of a tenant's keys, and what stands beside it. No permit: it tells nothing about data.
///
/// # Errors
/// Only what the database says.
pub fn rules(tx: &mut Read<'_>, tenant: TenantId) -> Result<Rules, StoreError> {
    let row = tx.row(
        "SELECT rotate_after_days, destroy_after_days, rewrap_per_second, paused_ms
         FROM key_policies WHERE tenant = $1",
        params![tenant],
    )?;
    let Some(mut row) = row else { return Ok(Rules { policy: None, paused: None }) };
    let rotate_after_days: u32 = row.take("rotate_after_days")?;
    let policy = KeyPolicy {
        rotate_after_days,
        destroy_after_days: row.take("destroy_after_days")?,
        rewrap_per_second: row.take("rewrap_per_second")?,
    };
    // A row may be there for its other columns only.
    let policy = (rotate_after_days > 0).then_some(policy);
    Ok(Rules { policy, paused: row.take("paused_ms")? })
}

/// Sets the tenant's own policy, or takes it away (`None`), so that the deployment's holds.
///
/// # Errors
/// [`KeyRefusal::Rotation`] or [`KeyRefusal::Wait`] as a refusal when a number is out of its bounds.
pub fn set_policy(
    tx: &mut Tx<'_>,
    permit: &Permit<RotateKeys>,
    policy: Option<&KeyPolicy>,
) -> Result<(), StoreError> {
    policy.map(KeyPolicy::check).transpose().map_err(StoreError::refuse)?;
    have_rules(tx, permit.tenant())?;
    // Zero days stand for none of its own.
    let none = KeyPolicy { rotate_after_days: 0, destroy_after_days: 0, rewrap_per_second: 0 };
    let policy = policy.unwrap_or(&none);
    tx.execute_one(
        "key policy",
        "UPDATE key_policies SET rotate_after_days = $2, destroy_after_days = $3, rewrap_per_second = $4
         WHERE tenant = $1",
        params![
            permit.tenant(),
            policy.rotate_after_days,
            policy.destroy_after_days,
            policy.rewrap_per_second
        ],
    )
}

/// Pauses the wrapping anew (`since` says when), or lets it go on. Gives false when it was so already.
///
/// # Errors
/// Only what the database says.
pub fn pause(
    tx: &mut Tx<'_>,
    permit: &Permit<RotateKeys>,
    since: Option<Timestamp>,
) -> Result<bool, StoreError> {
    have_rules(tx, permit.tenant())?;
    let paused = i64::from(since.is_some());
    let changed = tx.execute(
        "UPDATE key_policies SET paused_ms = $2
         WHERE tenant = $1 AND (CASE WHEN paused_ms IS NULL THEN 0 ELSE 1 END) <> $3",
        params![permit.tenant(), since, paused],
    )?;
    Ok(changed == 1)
}

pub(crate) fn have_rules(tx: &mut Tx<'_>, tenant: TenantId) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO key_policies (tenant, rotate_after_days, destroy_after_days, rewrap_per_second)
         VALUES ($1, 0, 0, 0) ON CONFLICT DO NOTHING",
        params![tenant],
    )?;
    Ok(())
}

/// Stops a version from opening anything. Gives the state that it was in.
///
/// # Errors
/// [`KeyRefusal::State`] as a refusal when it is not enabled.
pub fn disable(tx: &mut Tx<'_>, permit: &Permit<DisableKey>, version: u32) -> Result<KeyState, StoreError> {
    let was = state_of(tx, permit.tenant(), version)?;
    let changed = tx.execute(
        "UPDATE tenant_keys SET state = 'disabled'
         WHERE tenant = $1 AND version = $2 AND (state = 'active' OR state = 'retiring')",
        params![permit.tenant(), version],
    )?;
    match (was, changed) {
        (Some(was), 1) => Ok(was),
        (state, _) => {
            Err(StoreError::refuse(KeyRefusal::State { version, state, needs: "active or retiring" }))
        }
    }
}

/// Lets a disabled version open again: as the active one when there is no newer, else as a retiring
/// one. Gives the state that it is in then.
///
/// # Errors
/// [`KeyRefusal::State`] as a refusal when it is not disabled.
pub fn enable(tx: &mut Tx<'_>, permit: &Permit<DisableKey>, version: u32) -> Result<KeyState, StoreError> {
    let tenant = permit.tenant();
    let changed = tx.execute(
        "UPDATE tenant_keys SET state = CASE WHEN retired_ms IS NULL THEN 'active' ELSE 'retiring' END
         WHERE tenant = $1 AND version = $2 AND state = 'disabled'",
        params![tenant, version],
    )?;
    match (state_of(tx, tenant, version)?, changed) {
        (Some(is), 1) => Ok(is),
        (state, _) => Err(StoreError::refuse(KeyRefusal::State { version, state, needs: "disabled" })),
    }
}

/// Calls off the scheduled destruction of a version, which is then as it was before.
///
/// # Errors
/// [`KeyRefusal::State`] as a refusal when it is not scheduled.
pub fn cancel_destruction(
    tx: &mut Tx<'_>,
    permit: &Permit<CancelKeyDestruction>,
    version: u32,
    now: Timestamp,
) -> Result<KeyState, StoreError> {
    let tenant = permit.tenant();
    let changed = tx.execute(
        "UPDATE tenant_keys SET state =
            (SELECT was FROM key_destructions d WHERE d.tenant = $1 AND d.version = $2)
         WHERE tenant = $1 AND version = $2 AND state = 'scheduled'",
        params![tenant, version],
    )?;
    if changed == 0 {
        let state = state_of(tx, tenant, version)?;
        return Err(StoreError::refuse(KeyRefusal::State { version, state, needs: "scheduled" }));
    }
    tx.execute(
        "UPDATE key_destructions SET held_ms = $3 WHERE tenant = $1 AND version = $2",
        params![tenant, version, now],
    )?;
    let ended = tx.rows(
        "UPDATE key_requests SET state = 'cancelled', decided_by = $3, decided_ms = $4
         WHERE tenant = $1 AND version = $2 AND state = 'approved' RETURNING id",
        params![tenant, version, permit.user(), now],
    )?;
    key_requests::bind_all(tx, tenant, ended)?;
    state_of(tx, tenant, version)?.ok_or(StoreError::Missing { what: "tenant key" })
}

/// Schedules the end of a version that wraps nothing, because the policy says so.
///
/// # Errors
/// A [`KeyRefusal`] when it is in use or still wraps keys.
pub fn schedule_by_policy(
    tx: &mut Tx<'_>,
    permit: &Permit<TendKeys>,
    version: u32,
    now: Timestamp,
    days: u32,
) -> Result<(), StoreError> {
    schedule(tx, permit.tenant(), version, None, now, days)
}

pub(crate) fn schedule(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    version: u32,
    request: Option<KeyRequestId>,
    now: Timestamp,
    days: u32,
) -> Result<(), StoreError> {
    let was = spent(tx, tenant, version)?;
    let due = now.after(Duration::from_secs(u64::from(days) * DAY));
    let changed = tx.execute(
        "UPDATE tenant_keys SET state = 'scheduled' WHERE tenant = $1 AND version = $2 AND state = $3",
        params![tenant, version, was],
    )?;
    if changed == 0 {
        return Err(StoreError::Conflict { what: "tenant key" });
    }
    tx.execute(
        "INSERT INTO key_destructions (tenant, version, was, request, scheduled_ms, due_ms)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant, version) DO UPDATE
         SET was = excluded.was, request = excluded.request, scheduled_ms = excluded.scheduled_ms,
             due_ms = excluded.due_ms, held_ms = NULL",
        params![tenant, version, was, request, now, due],
    )?;
    Ok(())
}

/// Makes sure that a version is out of use and wraps nothing, and gives its state.
pub(crate) fn spent(tx: &mut Tx<'_>, tenant: TenantId, version: u32) -> Result<KeyState, StoreError> {
    let row = tx.row(
        "SELECT state, retired_ms FROM tenant_keys WHERE tenant = $1 AND version = $2",
        params![tenant, version],
    )?;
    let (state, retired) = match row {
        Some(mut row) => (Some(row.take("state")?), row.take::<Option<Timestamp>>("retired_ms")?),
        None => (None, None),
    };
    match state {
        Some(state @ (KeyState::Retiring | KeyState::Disabled)) if retired.is_some() => {
            match wraps(tx, tenant, version)? {
                0 => Ok(state),
                keys => Err(StoreError::refuse(KeyRefusal::StillWraps { version, keys })),
            }
        }
        state => Err(StoreError::refuse(KeyRefusal::State {
            version,
            state,
            needs: "retiring, or disabled and not the newest",
        })),
    }
}

/// The versions whose day has come.
///
/// # Errors
/// Only what the database says.
pub fn due(tx: &mut Read<'_>, tenant: TenantId, now: Timestamp) -> Result<Vec<u32>, StoreError> {
    let rows = tx.rows(
        "SELECT k.version AS version FROM key_destructions k
         JOIN tenant_keys t ON t.tenant = k.tenant AND t.version = k.version
         WHERE k.tenant = $1 AND k.due_ms <= $2 AND k.held_ms IS NULL AND t.state = 'scheduled'
         ORDER BY k.version",
        params![tenant, now],
    )?;
    rows.into_iter().map(|mut row| Ok(row.take("version")?)).collect()
}

/// Destroys a version whose day has come: its blob is overwritten. Gives false when it is not due,
/// was called off, or wraps a key.
///
/// Backups made before keep the blob; they open for as long as the root key that wraps it is there.
///
/// # Errors
/// Only what the database says.
pub fn destroy(
    tx: &mut Tx<'_>,
    permit: &Permit<TendKeys>,
    version: u32,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let tenant = permit.tenant();
    let changed = tx.execute(
        "UPDATE tenant_keys SET state = 'destroyed', destroyed_ms = $3, blob = $4
         WHERE tenant = $1 AND version = $2 AND state = 'scheduled'
           AND EXISTS (SELECT 1 FROM key_destructions k
                       WHERE k.tenant = $1 AND k.version = $2 AND k.due_ms <= $3 AND k.held_ms IS NULL)
           AND NOT EXISTS (SELECT 1 FROM subject_keys s WHERE s.tenant = $1 AND s.wrapped_by = $2)
           AND NOT EXISTS (SELECT 1 FROM data_keys d WHERE d.tenant = $1 AND d.wrapped_by = $2)",
        params![tenant, version, now, b"".as_slice()],
    )?;
    if changed == 1 {
        let ended = tx.rows(
            "UPDATE key_requests SET state = 'done' WHERE tenant = $1 AND version = $2 AND state = 'approved'
             RETURNING id",
            params![tenant, version],
        )?;
        key_requests::bind_all(tx, tenant, ended)?;
    }
    Ok(changed == 1)
}

/// Destructions that are scheduled or were called off.
///
/// # Errors
/// Only what the database says.
pub fn destructions(tx: &mut Read<'_>, tenant: TenantId) -> Result<Vec<Destruction>, StoreError> {
    let rows = tx.rows(
        "SELECT version, request, due_ms, held_ms FROM key_destructions WHERE tenant = $1 ORDER BY version",
        params![tenant],
    )?;
    rows.into_iter()
        .map(|mut row| {
            Ok(Destruction {
                version: row.take("version")?,
                request: row.take("request")?,
                due: row.take("due_ms")?,
                held: row.take("held_ms")?,
            })
        })
        .collect()
}

/// How many keys a version wraps.
///
/// # Errors
/// Only what the database says.
pub fn wraps(tx: &mut Read<'_>, tenant: TenantId, version: u32) -> Result<u64, StoreError> {
    let row = tx.row(
        "SELECT (SELECT COUNT(*) FROM subject_keys s WHERE s.tenant = $1 AND s.wrapped_by = $2)
              + (SELECT COUNT(*) FROM data_keys d WHERE d.tenant = $1 AND d.wrapped_by = $2) AS wraps",
        params![tenant, version],
    )?;
    Ok(row.map(|mut row| row.take("wraps")).transpose()?.unwrap_or(0))
}

fn state_of(tx: &mut Read<'_>, tenant: TenantId, version: u32) -> Result<Option<KeyState>, StoreError> {
    let row =
        tx.row("SELECT state FROM tenant_keys WHERE tenant = $1 AND version = $2", params![tenant, version])?;
    Ok(row.map(|mut row| row.take("state")).transpose()?)
}
