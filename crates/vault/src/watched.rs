//! A key provider under observation: when it last helped and last failed, with what words, and how long
//! it takes. The keyring puts every provider under it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::{Timestamp, World};

use crate::KeyBytes;
use crate::provider::{KeyProvider, ProviderError, ProviderInfo, WrapContext};

/// How many of the latest calls the latency is told of.
const SAMPLES: usize = 256;

/// Passes calls on to a provider and remembers how they went.
pub struct Watched {
    provider: Arc<dyn KeyProvider>,
    world: World,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    calls: u64,
    failures: u64,
    last_success: Option<Timestamp>,
    last_failure: Option<Failure>,
    failing_since: Option<Timestamp>,
    latest: VecDeque<Duration>,
}

/// What is known of a provider's health since this process began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderRecord {
    /// Which provider and which key.
    pub info: ProviderInfo,
    /// How often it was called.
    pub calls: u64,
    /// How many of these calls it failed or denied. A wrapped key that it refused to open is not among
    /// them: that is its duty.
    pub failures: u64,
    /// When it last helped.
    pub last_success: Option<Timestamp>,
    /// Its latest failure.
    pub last_failure: Option<Failure>,
    /// Since when every call has failed; `None` when the last one did not.
    pub failing_since: Option<Timestamp>,
    /// How long the latest calls took, failed ones included; `None` before the first.
    pub latency: Option<Latency>,
}

/// A failure of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// When.
    pub at: Timestamp,
    /// What was seen, without secrets.
    pub why: String,
}

/// How long calls took, by the wall clock, to a millisecond. A clock that is set while a call is under
/// way falsifies that one sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// Half of the calls took no longer.
    pub p50: Duration,
    /// 95 of 100 took no longer.
    pub p95: Duration,
    /// 99 of 100 took no longer.
    pub p99: Duration,
    /// How many calls this tells of: the latest 256 at most.
    pub of: usize,
}

impl Watched {
    /// Puts a provider under observation.
    pub fn new(provider: Arc<dyn KeyProvider>, world: World) -> Self {
        Self { provider, world, seen: Mutex::default() }
    }

    /// What has been seen so far.
    pub fn record(&self) -> ProviderRecord {
        let seen = self.seen();
        ProviderRecord {
            info: self.provider.describe(),
            calls: seen.calls,
            failures: seen.failures,
            last_success: seen.last_success,
            last_failure: seen.last_failure.clone(),
            failing_since: seen.failing_since,
            latency: latency(&seen.latest),
        }
    }

    fn watch<T>(&self, call: impl FnOnce() -> Result<T, ProviderError>) -> Result<T, ProviderError> {
        let began = self.world.now();
        let answer = call();
        let now = self.world.now();
        let mut seen = self.seen();
        seen.calls += 1;
        if seen.latest.len() == SAMPLES {
            seen.latest.pop_front();
        }
        seen.latest.push_back(now.since(began));
        match &answer {
            Err(error) if error.is_failure() => {
                seen.failures += 1;
                seen.last_failure = Some(Failure { at: now, why: error.to_string() });
                seen.failing_since.get_or_insert(now);
            }
            _ => {
                seen.last_success = Some(now);
                seen.failing_since = None;
            }
        }
        answer
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn latency(latest: &VecDeque<Duration>) -> Option<Latency> {
    let mut sorted: Vec<Duration> = latest.iter().copied().collect();
    sorted.sort_unstable();
    let of = sorted.len();
    // The nearest rank: the smallest sample that is not smaller than that share of all.
    let share = |percent: usize| sorted.get((of * percent).div_ceil(100).saturating_sub(1)).copied();
    Some(Latency { p50: share(50)?, p95: share(95)?, p99: share(99)?, of })
}

impl KeyProvider for Watched {
    fn describe(&self) -> ProviderInfo {
        self.provider.describe()
    }

    fn wrap(&self, key: &KeyBytes, context: &WrapContext) -> Result<Vec<u8>, ProviderError> {
        self.watch(|| self.provider.wrap(key, context))
    }

    fn unwrap(&self, blob: &[u8], context: &WrapContext) -> Result<KeyBytes, ProviderError> {
        self.watch(|| self.provider.unwrap(blob, context))
    }

    fn health(&self) -> Result<(), ProviderError> {
        self.watch(|| self.provider.health())
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watched({})", self.describe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_are_the_nearest_ranks() {
        let millis = |n: u64| Duration::from_millis(n);
        assert_eq!(latency(&VecDeque::new()), None);
        let one = latency(&VecDeque::from([millis(7)])).unwrap();
        assert_eq!((one.p50, one.p95, one.p99, one.of), (millis(7), millis(7), millis(7), 1));
        let all = latency(&(1..=200).rev().map(millis).collect()).unwrap();
        assert_eq!((all.p50, all.p95, all.p99, all.of), (millis(100), millis(190), millis(198), 200));
    }
}
