//! What people see of the keys: every version's age, state and future, what is still under old versions,
//! and what is overdue.

use guard::Permit;
use guard::action::ReadKeys;
use kernel::Timestamp;
use serde::Serialize;
use store::custody::{self, KeyPolicy};
use store::key_requests::{self, KeyRequest};
use store::keys::{self, KeyState};
use store::rewraps;
use vault::Purpose;

use crate::{Custody, CustodyError};

const DAY: u64 = 24 * 60 * 60;
/// Days that a retired version may go on wrapping keys before somebody should look.
pub(crate) const REWRAP_DAYS: u64 = 7;
/// Requests that are shown.
const REQUESTS: u32 = 20;

/// The keys of a tenant.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The root key in use.
    pub provider: String,
    /// What is wrong with it, if it does not help now.
    pub provider_fault: Option<String>,
    /// The root key to move to, if one is configured.
    pub next_provider: Option<String>,
    /// The age in days at which the tenant key gets a new version.
    pub rotate_after_days: u32,
    /// The days that a version waits for its end.
    pub destroy_after_days: u32,
    /// The most keys that are wrapped anew in a second; 0 for no bound.
    pub rewrap_per_second: u32,
    /// Whether the tenant decided these three; the deployment's configuration did otherwise.
    pub own_policy: bool,
    /// Whether the wrapping anew is paused.
    pub paused: bool,
    /// Every version of the tenant's key, the newest first.
    pub keys: Vec<KeyLine>,
    /// The newest generation of each key that seals a whole tenant's rows.
    pub generations: Vec<Generation>,
    /// Keys that older versions still wrap.
    pub under_old_versions: u64,
    /// Requests, the newest first.
    pub requests: Vec<RequestLine>,
    /// The move that is approved and not done.
    pub moving: Option<MoveLine>,
    /// What is overdue, in sentences.
    pub overdue: Vec<String>,
}

/// One version of the tenant's key.
#[derive(Debug, Clone, Serialize)]
pub struct KeyLine {
    /// Its version.
    pub version: u32,
    /// Its state.
    pub state: &'static str,
    /// The provider that wraps it.
    pub provider: String,
    /// When it was made.
    pub created: String,
    /// Its age in days.
    pub age_days: u64,
    /// When a newer version took over.
    pub retired: Option<String>,
    /// When it is to be followed by a new version.
    pub next_rotation: Option<String>,
    /// How many subject and data keys it wraps now.
    pub wraps: u64,
    /// Keys that were taken from it and wrapped anew.
    pub rewrapped: u64,
    /// Keys that would not open and stay under it.
    pub refused: u64,
    /// When it is destroyed, or was.
    pub ends: Option<String>,
    /// Whether its destruction was called off.
    pub held: bool,
    /// Whether it is overdue.
    pub overdue: bool,
}

/// The newest generation of a key that seals a tenant's rows of one purpose.
#[derive(Debug, Clone, Serialize)]
pub struct Generation {
    /// What it is for.
    pub purpose: &'static str,
    /// Which generation.
    pub generation: u32,
    /// Its age in days.
    pub age_days: u64,
    /// Records that it has sealed, as far as processes have filed them; `None` for a key that seals none and
    /// is never renewed.
    pub records: Option<u64>,
}

/// A request that needs a second person.
#[derive(Debug, Clone, Serialize)]
pub struct RequestLine {
    /// Its id.
    pub id: String,
    /// `destroy` or `move`.
    pub kind: &'static str,
    /// The version, for a destruction.
    pub version: Option<u32>,
    /// The days to wait, for a destruction.
    pub days: Option<u32>,
    /// The provider, for a move.
    pub provider: Option<String>,
    /// How far it is.
    pub state: &'static str,
    /// Who asked: a member of staff's id, or `operator`.
    pub requested_by: String,
    /// When.
    pub requested: String,
    /// When it can no longer be approved.
    pub expires: String,
}

/// How far a move is.
#[derive(Debug, Clone, Serialize)]
pub struct MoveLine {
    /// The provider.
    pub to: String,
    /// Versions that another provider still wraps.
    pub left: usize,
    /// Whether this process has that root key.
    pub configured: bool,
}

impl Custody {
    /// The keys as they are now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn status(&self, permit: Permit<ReadKeys>) -> Result<Status, CustodyError> {
        let (inner, now) = (&self.0, self.0.world.now());
        let present = std::sync::Arc::clone(&inner.present);
        let fault = crate::Inner::aside(move || Ok(present.health().err())).await?;
        let read = move |tx: &mut store::Read<'_>| {
            Ok((
                keys::list(tx, &permit)?,
                keys::generations(tx, &permit)?,
                custody::rules(tx, permit.tenant())?,
                custody::destructions(tx, permit.tenant())?,
                rewraps::all(tx, permit.tenant())?,
                key_requests::list(tx, &permit, REQUESTS)?,
                key_requests::move_under_way(tx, permit.tenant())?,
            ))
        };
        let (list, generations, rules, ends, rewraps, requests, moving) = inner.db.read(read).await?;
        let policy = rules.policy.unwrap_or(inner.keys.policy());
        let lines: Vec<KeyLine> = list.iter().map(|key| line(key, &policy, &ends, &rewraps, now)).collect();
        let moving = moving.and_then(|request| request.root).map(|to| MoveLine {
            left: list.iter().filter(|key| key.state != KeyState::Destroyed && key.provider != to).count(),
            configured: inner.roots().any(|root| root.provider().to_string() == to),
            to,
        });
        let days = |made: Timestamp| now.since(made).as_secs() / DAY;
        Ok(Status {
            provider: inner.present.provider().to_string(),
            provider_fault: fault.map(|error| error.to_string()),
            next_provider: inner.next.as_ref().map(|next| next.provider().to_string()),
            rotate_after_days: policy.rotate_after_days,
            destroy_after_days: policy.destroy_after_days,
            rewrap_per_second: policy.rewrap_per_second,
            own_policy: rules.policy.is_some(),
            paused: rules.paused.is_some(),
            under_old_versions: lines
                .iter()
                .filter(|line| line.retired.is_some())
                .map(|line| line.wraps)
                .sum(),
            overdue: lines.iter().filter(|line| line.overdue).map(|line| sentence(line, &policy)).collect(),
            keys: lines,
            generations: generations
                .into_iter()
                .map(|(purpose, generation, made, records)| Generation {
                    purpose: purpose_name(purpose),
                    generation,
                    age_days: days(made),
                    records: (!matches!(purpose, Purpose::Index | Purpose::Rows)).then_some(records),
                })
                .collect(),
            requests: requests.iter().map(|request| RequestLine::of(request, now)).collect(),
            moving,
        })
    }
}

fn line(
    key: &keys::TenantKeyInfo,
    policy: &KeyPolicy,
    ends: &[custody::Destruction],
    rewraps: &[rewraps::Rewrap],
    now: Timestamp,
) -> KeyLine {
    let end = ends.iter().find(|end| end.version == key.version);
    let rewrap = rewraps.iter().find(|rewrap| rewrap.version == key.version);
    let newest = key.retired.is_none() && key.state != KeyState::Destroyed;
    let due = key.created.after(policy.rotate_after());
    let due_end = end.filter(|_| key.state == KeyState::Scheduled).map(|end| end.due);
    let overdue = match (newest, key.retired) {
        (true, _) => now.since(due).as_secs() >= DAY,
        (false, Some(retired)) => key.wraps > 0 && now.since(retired).as_secs() > REWRAP_DAYS * DAY,
        _ => false,
    };
    KeyLine {
        version: key.version,
        state: key.state.as_str(),
        provider: key.provider.clone(),
        created: key.created.rfc3339(),
        age_days: now.since(key.created).as_secs() / DAY,
        retired: key.retired.map(Timestamp::rfc3339),
        next_rotation: newest.then(|| due.rfc3339()),
        wraps: key.wraps,
        rewrapped: rewrap.map_or(0, |rewrap| rewrap.done),
        refused: rewrap.map_or(0, |rewrap| rewrap.refused),
        ends: key.destroyed.or(due_end).map(Timestamp::rfc3339),
        held: end.is_some_and(|end| end.held.is_some()) && key.state != KeyState::Destroyed,
        overdue,
    }
}

fn sentence(line: &KeyLine, policy: &KeyPolicy) -> String {
    match &line.retired {
        None => format!(
            "Version {} is {} days old; it should have been followed by a new one after {} days.",
            line.version, line.age_days, policy.rotate_after_days
        ),
        Some(_) => format!(
            "Version {} was followed by a new one more than {REWRAP_DAYS} days ago and still wraps {} keys.",
            line.version, line.wraps
        ),
    }
}

impl RequestLine {
    fn of(request: &KeyRequest, now: Timestamp) -> Self {
        use key_requests::RequestState::{Asked, Expired};
        // One that nobody looked at since it expired still stands as asked for.
        let state = if request.state == Asked && now >= request.expires { Expired } else { request.state };
        Self {
            id: request.id.to_string(),
            kind: request.kind.as_str(),
            version: request.version,
            days: request.days,
            provider: request.root.clone(),
            state: state.as_str(),
            requested_by: request.requested_by.map_or_else(|| "operator".to_owned(), |user| user.to_string()),
            requested: request.requested.rfc3339(),
            expires: request.expires.rfc3339(),
        }
    }
}

const fn purpose_name(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Conversation => "conversations",
        Purpose::Ticket => "tickets",
        Purpose::Settings => "settings",
        Purpose::Secrets => "secrets",
        Purpose::Ledger => "audit details",
        Purpose::Backup => "backups",
        Purpose::Identity => "staff accounts",
        Purpose::Bots => "bots",
        Purpose::Index => "blind index",
        Purpose::Rows => "row bindings",
    }
}
