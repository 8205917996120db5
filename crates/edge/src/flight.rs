//! The requests in flight on one connection: to know when it is idle, and when it cancels too much.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

/// What one connection is doing.
#[derive(Debug)]
pub(crate) struct Activity {
    open: AtomicUsize,
    started: AtomicU64,
    cancelled: AtomicU64,
    most_cancelled: u64,
    flood: Notify,
    last: Mutex<Instant>,
}

/// One request, from its head to the end of its answer. Dropped before the answer began, it counts as
/// cancelled.
#[derive(Debug)]
pub(crate) struct Flight {
    activity: Arc<Activity>,
    answered: bool,
}

impl Activity {
    pub(crate) fn new(most_cancelled: u32) -> Arc<Self> {
        Arc::new(Self {
            open: AtomicUsize::new(0),
            started: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            most_cancelled: u64::from(most_cancelled),
            flood: Notify::new(),
            last: Mutex::new(Instant::now()),
        })
    }

    pub(crate) fn begin(self: &Arc<Self>) -> Flight {
        self.open.fetch_add(1, Ordering::AcqRel);
        self.started.fetch_add(1, Ordering::Relaxed);
        Flight { activity: Arc::clone(self), answered: false }
    }

    /// Since when nothing has been in flight; `None` while something is.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        (self.open.load(Ordering::Acquire) == 0).then_some(last)
    }

    /// Waits until the peer has cancelled more than it may.
    pub(crate) async fn flooded(&self) {
        self.flood.notified().await;
    }
}

impl Flight {
    /// The answer has begun: what comes now is the peer's own pace.
    pub(crate) fn answered(&mut self) {
        self.answered = true;
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let activity = &self.activity;
        if !self.answered {
            let cancelled = activity.cancelled.fetch_add(1, Ordering::Relaxed) + 1;
            let started = activity.started.load(Ordering::Relaxed);
            if cancelled >= activity.most_cancelled && cancelled.saturating_mul(2) > started {
                activity.flood.notify_one();
            }
        }
        *activity.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        activity.open.fetch_sub(1, Ordering::AcqRel);
    }
}
