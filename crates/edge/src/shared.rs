//! What several edges have in common, in a Valkey or Redis: budgets that are one budget, and what was
//! shut out at one of them. The store is never trusted with more than numbers under hashed names and
//! sealed messages, and never waited for: when it is away or slow, every edge's own limits hold, and when
//! it is back it is asked again.
//!
//! One connection serves all: questions are sent as they come and answered in their order, messages of
//! the other edges come in between (RESP 3: Redis 6, Valkey 7.2). Not here: Sentinel and cluster mode; one
//! address must lead to one server.

mod config;
mod link;
mod resp;
mod rumour;
mod scripts;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::{Secret, Timestamp, World};
use rustls::{ClientConfig, RootCertStore, version};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::EdgeError;
use config::Address;
pub use config::SharedConfig;
use resp::{Reply, command};
pub(crate) use rumour::Rumour;
use rumour::{Keys, Told};
use scripts::Script;

/// Questions that wait to be sent. More than that are not asked.
const WAITING: usize = 4096;
/// Rumours that wait while the store is away.
const UNTOLD: usize = 512;
/// Places of which it is remembered what was told last.
const REMEMBERED: usize = 8192;
/// What is told in passing and not kept; more than that at once is not told.
const PASSING: usize = 1024;

/// The store that this edge shares with others. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Shared(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    world: World,
    address: Address,
    tls: Option<Arc<ClientConfig>>,
    open_to_the_store: bool,
    name: String,
    timeout: Duration,
    keys: Keys,
    take: Script,
    tell: Script,
    /// Tells this edge's messages from those of others.
    me: u64,
    together: AtomicBool,
    status: Mutex<Status>,
    counts: Counts,
    asks: mpsc::Sender<Ask>,
    asked: Mutex<Option<mpsc::Receiver<Ask>>>,
    untold: Mutex<VecDeque<Told>>,
    passing: Mutex<VecDeque<Told>>,
    /// When each edge, this one included, told its last about each place, and until when that matters.
    latest: Mutex<HashMap<(u64, String), (u64, Timestamp)>>,
    news: Notify,
}

#[derive(Debug)]
struct Status {
    since: Timestamp,
    why: String,
}

#[derive(Debug, Default)]
struct Counts {
    asked: AtomicU64,
    unanswered: AtomicU64,
    told: AtomicU64,
    heard: AtomicU64,
}

/// How it stands between this edge and the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedStatus {
    /// Where the store is.
    pub place: String,
    /// Whether budgets are one with those of other edges now. Otherwise this edge's own limits hold.
    pub together: bool,
    /// Since when it is so.
    pub since: Timestamp,
    /// Why it is away; empty while it is there.
    pub why: String,
    /// Requests for which the store was asked since the start.
    pub asked: u64,
    /// Of them, those that it did not answer in time.
    pub unanswered: u64,
    /// Messages told to other edges, and heard from them.
    pub told: u64,
    /// Messages heard from other edges.
    pub heard: u64,
}

/// A question on its way.
#[derive(Debug)]
struct Ask {
    command: Vec<u8>,
    reply: oneshot::Sender<Reply>,
}

/// A budget as the store counts it; times in microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) name: String,
    pub(crate) most: u64,
    pub(crate) price: u64,
}

/// What the store said to a question for budgets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Which budget had not enough, and how long until it has.
    pub(crate) refused: Option<(usize, Duration)>,
    /// For each budget, how long until it is empty.
    pub(crate) fill: Vec<Duration>,
}

impl Shared {
    /// Gets ready to reach a store; [`crate::Admission::keep_together`] then does.
    ///
    /// # Errors
    /// When a setting makes no sense, or the authority's file cannot be read.
    pub fn new(config: &SharedConfig, world: &World) -> Result<Self, EdgeError> {
        let address = config.address()?;
        let nobody = Secret::new(String::new());
        let secret = config.secret.as_ref().or(address.password.as_ref()).unwrap_or(&nobody);
        let keys = Keys::new(secret, &config.name)
            .ok_or(EdgeError::Shared { setting: "secret", why: "cannot be used" })?;
        let tls = if address.tls { Some(Arc::new(client(config)?)) } else { None };
        let (asks, asked) = mpsc::channel(WAITING);
        Ok(Self(Arc::new(Inner {
            me: u64::from_le_bytes(world.bytes()),
            status: Mutex::new(Status { since: world.now(), why: "not reached yet".to_owned() }),
            together: AtomicBool::new(false),
            counts: Counts::default(),
            asked: Mutex::new(Some(asked)),
            asks,
            untold: Mutex::default(),
            passing: Mutex::default(),
            latest: Mutex::default(),
            news: Notify::new(),
            take: Script::take(),
            tell: Script::tell(),
            name: config.name.clone(),
            timeout: config.timeout,
            open_to_the_store: config.is_open_to_the_store(),
            world: world.clone(),
            address,
            tls,
            keys,
        })))
    }

    /// Reaches the store once and does there what an edge does.
    ///
    /// # Errors
    /// What is in the way, in words without a secret.
    pub async fn probe(&self) -> Result<(), EdgeError> {
        link::reach(&self.0).await.map(|_| ()).map_err(|error| EdgeError::Store(error.to_string()))
    }

    /// What could be safer about how the store is used: what, and how to mend it.
    pub fn advice(&self) -> Vec<(&'static str, &'static str)> {
        let mut advice = Vec::new();
        if self.0.open_to_the_store {
            advice.push((
                "Names in the shared store are hashed under its own password, or under none.",
                "Give every edge the same `[shared] secret` of at least 16 characters.",
            ));
        }
        if self.0.tls.is_none() {
            advice.push((
                "The shared store is reached without TLS.",
                "Use `rediss://` in `[shared] url`, with `ca` for a private authority.",
            ));
        }
        advice
    }

    /// How it stands.
    pub fn status(&self) -> SharedStatus {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (status, counts) = (self.0.status(), &self.0.counts);
        SharedStatus {
            place: self.0.place(),
            together: self.is_together(),
            since: status.since,
            why: status.why.clone(),
            asked: count(&counts.asked),
            unanswered: count(&counts.unanswered),
            told: count(&counts.told),
            heard: count(&counts.heard),
        }
    }

    /// Whether the store is asked now.
    pub(crate) fn is_together(&self) -> bool {
        self.0.together.load(Ordering::Relaxed)
    }

    /// Bytes that are the same on every edge.
    pub(crate) fn derive(&self, purpose: &str) -> Secret<[u8; 32]> {
        self.0.keys.derive(purpose)
    }

    /// The name of a budget in the store.
    pub(crate) fn name(&self, kind: &str, key: u64) -> String {
        format!("{}:budget:{kind}:{key:016x}", self.0.name)
    }

    /// Takes from all of `budgets` or from none. `None` when the store does not say in time.
    pub(crate) async fn take(&self, budgets: &[Budget]) -> Option<Answer> {
        let inner = &self.0;
        if !self.is_together() || budgets.is_empty() {
            return None;
        }
        let count = budgets.len().to_string();
        let numbers: Vec<String> =
            budgets.iter().flat_map(|budget| [budget.most.to_string(), budget.price.to_string()]).collect();
        let head = ["EVALSHA", &inner.take.name, &count];
        let names = budgets.iter().map(|budget| budget.name.as_str());
        let parts = head.into_iter().chain(names).chain(numbers.iter().map(String::as_str));
        let mut text = Vec::with_capacity(256);
        command(&mut text, parts.map(str::as_bytes));
        inner.counts.asked.fetch_add(1, Ordering::Relaxed);
        let (reply, answer) = oneshot::channel();
        let sent = inner.asks.try_send(Ask { command: text, reply }).is_ok();
        let answer = match sent {
            true => tokio::time::timeout(inner.timeout, answer).await.ok().and_then(Result::ok),
            false => None,
        };
        let answer = answer.and_then(|reply| read(&reply, budgets.len()));
        if answer.is_none() {
            inner.counts.unanswered.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    /// Tells the other edges, now or when the store is back.
    pub(crate) fn tell(&self, rumour: Rumour) {
        let place = (self.0.me, self.0.keys.place(&rumour));
        let mut latest = self.0.latest();
        // Later than whatever was told of it before, also within a millisecond.
        let before = latest.get(&place).map_or(0, |(at, _)| at + 1);
        let at = self.0.world.now().as_millis().max(before);
        remember(&mut latest, place, at, rumour.until(), self.0.world.now());
        drop(latest);
        let told = Told { from: self.0.me, at, rumour };
        let mut untold = self.0.untold();
        if untold.len() >= UNTOLD {
            untold.pop_front();
        }
        untold.push_back(told);
        drop(untold);
        self.0.news.notify_one();
    }

    /// Tells those of the other edges that are here now. It is not kept for later ones, does not wait for a
    /// store that is away, and crowds nothing out that must be told.
    pub(crate) fn mention(&self, rumour: Rumour) {
        if !self.is_together() {
            return;
        }
        let mut passing = self.0.passing();
        if passing.len() < PASSING {
            let at = self.0.world.now().as_millis();
            passing.push_back(Told { from: self.0.me, at, rumour });
            drop(passing);
            self.0.news.notify_one();
        }
    }

    /// What waits to be told, as if it were told now.
    #[cfg(test)]
    pub(crate) fn overhear(&self) -> Vec<Rumour> {
        let passing: Vec<Told> = self.0.passing().drain(..).collect();
        self.0.untold().drain(..).chain(passing).map(|told| told.rumour).collect()
    }

    /// As if the store were there.
    #[cfg(test)]
    pub(crate) fn pretend_together(&self) {
        self.0.together.store(true, Ordering::Relaxed);
    }

    /// Stays with the store until dropped; comes back to it by itself. `heard` is what other edges tell,
    /// `known` what is in force here: what the store does not know is told to it.
    pub(crate) async fn keep(
        &self,
        heard: impl Fn(Rumour) + Send + Sync,
        known: impl Fn() -> Vec<Rumour> + Send + Sync,
    ) {
        let asked = self.0.asked.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut asked) = asked {
            link::keep(self, &mut asked, heard, known).await;
        }
    }
}

impl Inner {
    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn untold(&self) -> MutexGuard<'_, VecDeque<Told>> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn passing(&self) -> MutexGuard<'_, VecDeque<Told>> {
        self.passing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn latest(&self) -> MutexGuard<'_, HashMap<(u64, String), (u64, Timestamp)>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an edge tells this for the first time, and has told nothing later about the same. Messages are
    /// sealed, but whoever may write to the store could say one again that was taken back since; and what is
    /// kept there may be older than what was told while it was away.
    fn is_news(&self, told: &Told) -> bool {
        // Who is known is told often and takes nothing back.
        if matches!(told.rumour, Rumour::Known { .. }) {
            return true;
        }
        let place = (told.from, self.keys.place(&told.rumour));
        let mut latest = self.latest();
        if latest.get(&place).is_some_and(|(at, _)| *at >= told.at) {
            return false;
        }
        remember(&mut latest, place, told.at, told.rumour.until(), self.world.now());
        true
    }

    fn place(&self) -> String {
        format!("{}:{}", self.address.host, self.address.port)
    }

    /// Notes that the store is there, or why it is not.
    fn stands(&self, together: bool, why: &str) {
        let mut status = self.status();
        let before = self.together.swap(together, Ordering::Relaxed);
        if before != together {
            status.since = self.world.now();
        }
        if before && !together {
            tracing::warn!(why, "the shared store is away; this edge's own limits hold");
        }
        if !before && together {
            tracing::info!("budgets are shared with the other edges");
        }
        why.clone_into(&mut status.why);
    }

    fn channel(&self) -> String {
        format!("{}:rumours", self.name)
    }

    fn kept(&self) -> String {
        format!("{}:kept", self.name)
    }
}

fn remember(
    latest: &mut HashMap<(u64, String), (u64, Timestamp)>,
    place: (u64, String),
    at: u64,
    until: Timestamp,
    now: Timestamp,
) {
    if latest.len() >= REMEMBERED {
        latest.retain(|_, (_, until)| *until > now);
    }
    // Of more than that, which only edges could tell, it is not remembered.
    if latest.len() < REMEMBERED || latest.contains_key(&place) {
        latest.insert(place, (at, until));
    }
}

/// The answer of [`Script::take`] to a question for so many budgets.
fn read(reply: &Reply, budgets: usize) -> Option<Answer> {
    let Reply::Many(numbers) = reply else { return None };
    let numbers = numbers.iter().map(|number| match number {
        Reply::Number(number) => u64::try_from(*number).ok(),
        _ => None,
    });
    let numbers: Vec<u64> = numbers.collect::<Option<_>>()?;
    let (which, rest) = numbers.split_first()?;
    let (wait, fill) = rest.split_first()?;
    if fill.len() != budgets {
        return None;
    }
    let refused = match usize::try_from(*which).ok()? {
        0 => None,
        which if which <= budgets => Some((which - 1, Duration::from_micros(*wait))),
        _ => return None,
    };
    Some(Answer { refused, fill: fill.iter().map(|micros| Duration::from_micros(*micros)).collect() })
}

/// TLS 1.3 towards the store.
fn client(config: &SharedConfig) -> Result<ClientConfig, EdgeError> {
    let mut roots = RootCertStore::empty();
    match &config.ca {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let text = std::fs::read(path).map_err(|source| EdgeError::File {
                act: "read",
                path: path.clone(),
                source,
            })?;
            for certificate in CertificateDer::pem_slice_iter(&text).flatten() {
                // One that cannot be an authority is no authority; what is left decides.
                let _ = roots.add(certificate);
            }
            if roots.is_empty() {
                return Err(EdgeError::Content { path: path.clone(), expected: "PEM certificate" });
            }
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(crate::tls::provider()))
        .with_protocol_versions(&[&version::TLS13])
        .map_err(EdgeError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_about_budgets_is_read_and_nothing_else() {
        let numbers = |all: &[i64]| Reply::Many(all.iter().map(|n| Reply::Number(*n)).collect());
        let micros = Duration::from_micros;
        assert_eq!(
            read(&numbers(&[0, 0, 5, 6]), 2),
            Some(Answer { refused: None, fill: vec![micros(5), micros(6)] })
        );
        assert_eq!(
            read(&numbers(&[2, 9, 5, 6]), 2),
            Some(Answer { refused: Some((1, micros(9))), fill: vec![micros(5), micros(6)] })
        );
        for wrong in [numbers(&[0, 0, 5]), numbers(&[3, 9, 5, 6]), numbers(&[0, -1, 5, 6]), Reply::Nothing] {
            assert_eq!(read(&wrong, 2), None, "{wrong:?}");
        }
    }
}
