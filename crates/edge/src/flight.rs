//! The requests in flight on one connection: to know when it is idle, when it cancels too much, and when
//! it sends much that asks for nothing (HTTP/2 PING, SETTINGS and WINDOW_UPDATE floods), or takes nothing of
//! what it asked for (a window that it never opens, CVE-2019-9517).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// What one connection is doing.
#[derive(Debug)]
pub(crate) struct Activity {
    open: AtomicUsize,
    started: AtomicU64,
    cancelled: AtomicU64,
    most_cancelled: u64,
    breathless: AtomicU64,
    flood: Notify,
    last: Mutex<Instant>,
    untaken: Mutex<Untaken>,
    chatter: Chatter,
}

/// Answers of which a piece is ready that the peer has not let us send. One that has nothing to say at the
/// moment, as a stream of events mostly has, is not among them.
#[derive(Debug)]
struct Untaken {
    /// Since when, by the number of the flight.
    since: BTreeMap<u64, Instant>,
    /// When the peer last took a piece of any.
    last: Instant,
}

/// Bytes that came, and bytes that something came of.
#[derive(Debug)]
struct Chatter {
    watched: AtomicBool,
    began: Instant,
    heard: AtomicU64,
    of_use: AtomicU64,
    /// Frames that asked for nothing, and how many there may be.
    idle: AtomicU64,
    may_idle: AtomicU64,
}

/// What a connection does too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flood {
    /// Requests that are cancelled.
    Resets,
    /// Frames that ask for nothing.
    Chatter,
}

/// What a connection may send beyond requests and bodies: so much at first (a full window of a body that
/// nobody has read yet is among it), so much each second, and so much with each request (its head, and the
/// acknowledgements of its answer).
const CHATTER: u64 = 1536 * 1024;
const CHATTER_PER_SECOND: u64 = 8 * 1024;
const CHATTER_PER_REQUEST: u64 = 24 * 1024;

/// The same in frames that ask for nothing: at first, each second, with each request, and one for so many
/// bytes of ours (a client says that its windows are open again).
const IDLE: u64 = 500;
const IDLE_PER_SECOND: u64 = 50;
const IDLE_PER_REQUEST: u64 = 24;
const IDLE_PER_BYTES: u64 = 1024;
/// How many times as long as all of them one answer may wait while the peer takes pieces of others.
const ONE_OF_MANY: u32 = 15;
/// Requests that may be cancelled in the breath in which they came.
const BREATHLESS: u64 = 20;

/// One request, from its head to the end of its answer. Dropped before the answer began, it counts as
/// cancelled.
#[derive(Debug)]
pub(crate) struct Flight {
    activity: Arc<Activity>,
    number: u64,
    answered: bool,
    /// Whether it is among the untaken.
    ready: bool,
}

impl Activity {
    pub(crate) fn new(most_cancelled: u32) -> Arc<Self> {
        Arc::new(Self {
            open: AtomicUsize::new(0),
            started: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            breathless: AtomicU64::new(0),
            most_cancelled: u64::from(most_cancelled),
            flood: Notify::new(),
            last: Mutex::new(Instant::now()),
            untaken: Mutex::new(Untaken { since: BTreeMap::new(), last: Instant::now() }),
            chatter: Chatter {
                watched: AtomicBool::new(false),
                began: Instant::now(),
                heard: AtomicU64::new(0),
                of_use: AtomicU64::new(CHATTER),
                idle: AtomicU64::new(0),
                may_idle: AtomicU64::new(IDLE * IDLE_PER_BYTES),
            },
        })
    }

    /// From here on, bytes that nothing comes of are counted. For HTTP/2: in HTTP/1.1 there are none, and
    /// an upgraded connection says what it likes.
    pub(crate) fn watch_chatter(&self) {
        self.chatter.watched.store(true, Ordering::Release);
    }

    /// So many bytes came.
    pub(crate) fn heard(&self, bytes: usize) {
        let bytes = bytes as u64;
        let heard = self.chatter.heard.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if self.chatter.is_too_much(heard) {
            self.flood.notify_one();
        }
    }

    /// So many frames came that ask for nothing, and among them so many that take back a request of the
    /// same breath.
    pub(crate) fn idled(&self, idle: u64, breathless: u64) {
        self.chatter.idle.fetch_add(idle, Ordering::Relaxed);
        self.breathless.fetch_add(breathless, Ordering::Relaxed);
        if self.flood().is_some() {
            self.flood.notify_one();
        }
    }

    /// So many bytes went out.
    pub(crate) fn said(&self, bytes: usize) {
        self.chatter.may_idle.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// So many of them were somebody's body.
    pub(crate) fn was_of_use(&self, bytes: u64) {
        // Frames and TLS records around it, and small ones at that.
        self.chatter.of_use.fetch_add(bytes.saturating_mul(2), Ordering::Relaxed);
    }

    pub(crate) fn begin(self: &Arc<Self>) -> Flight {
        self.open.fetch_add(1, Ordering::AcqRel);
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        self.chatter.of_use.fetch_add(CHATTER_PER_REQUEST, Ordering::Relaxed);
        self.chatter.may_idle.fetch_add(IDLE_PER_REQUEST * IDLE_PER_BYTES, Ordering::Relaxed);
        Flight { activity: Arc::clone(self), number, answered: false, ready: false }
    }

    /// Since when nothing has been in flight; `None` while something is.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        (self.open.load(Ordering::Acquire) == 0).then_some(last)
    }

    /// When the peer has taken too little for too long, if it goes on as it does now: nothing of any answer for
    /// `stall`, or nothing of one for [`ONE_OF_MANY`] times that. `None` while nothing waits for it.
    pub(crate) fn untaken_until(&self, stall: Duration) -> Option<Instant> {
        let untaken = self.untaken();
        let oldest = untaken.since.values().min()?;
        let (of_all, of_one) = ((*oldest).max(untaken.last) + stall, *oldest + stall * ONE_OF_MANY);
        Some(of_all.min(of_one))
    }

    fn untaken(&self) -> MutexGuard<'_, Untaken> {
        self.untaken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the peer has done more than it may.
    pub(crate) async fn flooded(&self) -> Flood {
        self.flood.notified().await;
        self.flood().unwrap_or(Flood::Resets)
    }

    /// What the peer has done more of than it may.
    pub(crate) fn flood(&self) -> Option<Flood> {
        if self.breathless.load(Ordering::Relaxed) >= BREATHLESS || self.cancels_too_much() {
            return Some(Flood::Resets);
        }
        let chatter = &self.chatter;
        let much = chatter.is_too_much(chatter.heard.load(Ordering::Relaxed)) || chatter.idles_too_much();
        much.then_some(Flood::Chatter)
    }

    fn cancels_too_much(&self) -> bool {
        let cancelled = self.cancelled.load(Ordering::Relaxed);
        cancelled >= self.most_cancelled && cancelled.saturating_mul(2) > self.started.load(Ordering::Relaxed)
    }
}

impl Chatter {
    fn is_too_much(&self, heard: u64) -> bool {
        let of_use = self.of_use.load(Ordering::Relaxed);
        heard > of_use
            && self.watched.load(Ordering::Acquire)
            && heard - of_use > self.began.elapsed().as_secs().saturating_mul(CHATTER_PER_SECOND)
    }

    fn idles_too_much(&self) -> bool {
        let (idle, may) = (self.idle.load(Ordering::Relaxed), self.may_idle.load(Ordering::Relaxed));
        let may = may / IDLE_PER_BYTES;
        idle > may && idle - may > self.began.elapsed().as_secs().saturating_mul(IDLE_PER_SECOND)
    }
}

impl Flight {
    /// The answer has begun: what comes now is the peer's own pace.
    pub(crate) fn answered(&mut self) {
        self.answered = true;
    }

    /// A piece of the answer is ready, and waits for the peer.
    pub(crate) fn offer(&mut self) {
        self.ready = true;
        self.activity.untaken().since.insert(self.number, Instant::now());
    }

    /// The next piece is asked for: the one before is on its way.
    pub(crate) fn taken(&mut self) {
        if std::mem::take(&mut self.ready) {
            let mut untaken = self.activity.untaken();
            untaken.since.remove(&self.number);
            untaken.last = Instant::now();
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.taken();
        let activity = &self.activity;
        if !self.answered {
            activity.cancelled.fetch_add(1, Ordering::Relaxed);
            if activity.cancels_too_much() {
                activity.flood.notify_one();
            }
        }
        *activity.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        activity.open.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bytes_that_nothing_comes_of_are_a_flood() {
        let activity = Activity::new(100);
        activity.heard(1 << 30);
        activity.watch_chatter();
        let activity = Activity::new(100);
        activity.watch_chatter();
        for _ in 0..100 {
            activity.begin().answered();
            activity.was_of_use(100_000);
            activity.heard(150_000);
        }
        assert!(futures_util::FutureExt::now_or_never(activity.flooded()).is_none());
        activity.heard(20_000_000);
        assert_eq!(activity.flooded().await, Flood::Chatter);
    }

    #[tokio::test(start_paused = true)]
    async fn frames_that_ask_for_nothing_are_paid_for_by_requests_and_answers() {
        let activity = Activity::new(100);
        for _ in 0..100 {
            activity.begin().answered();
            activity.said(100_000);
            activity.idled(24 + 97, 0);
        }
        assert_eq!(activity.flood(), None);
        activity.idled(600, 0);
        assert_eq!(activity.flooded().await, Flood::Chatter);
        let activity = Activity::new(100);
        activity.idled(19, 19);
        assert_eq!(activity.flood(), None);
        activity.idled(1, 1);
        assert_eq!(activity.flood(), Some(Flood::Resets));
    }
}
