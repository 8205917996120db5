//! Unwrapped keys, kept for a while: bounded in number, zeroized when they leave.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::Timestamp;

/// How long and how many unwrapped keys are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CachePolicy {
    /// How long after the provider last unwrapped a tenant key that key, and every key below it, may
    /// be used without asking the provider again. So long may a key withdrawn at the provider still
    /// work.
    pub lifetime: Duration,
    /// How much longer, only while the provider is out of order. After that the tenant is refused.
    /// A provider that answers, but denies, gets no grace.
    pub grace: Duration,
    /// How long to leave a provider alone after it could not be reached, so that a burst of requests
    /// does not wait for it one after the other.
    pub pause: Duration,
    /// The most unwrapped keys of each level (tenant, subject, data).
    pub most_keys: usize,
}

impl Default for CachePolicy {
    /// 15 minutes, 5 minutes of grace, 2 seconds of pause, 4096 keys of each level.
    fn default() -> Self {
        Self {
            lifetime: Duration::from_secs(15 * 60),
            grace: Duration::from_secs(5 * 60),
            pause: Duration::from_secs(2),
            most_keys: 4096,
        }
    }
}

/// How old a kept key is, by the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    Fresh,
    /// Past its lifetime, within the grace.
    Stale,
    Expired,
}

impl CachePolicy {
    /// A key from the future was kept before the clock was set back: how old it is cannot be known,
    /// so it counts as past its lifetime and gets no grace.
    pub(crate) fn age(&self, vouched: Timestamp, now: Timestamp) -> Age {
        if now < vouched {
            return Age::Expired;
        }
        let age = now.since(vouched);
        if age < self.lifetime {
            Age::Fresh
        } else if age < self.lifetime.saturating_add(self.grace) {
            Age::Stale
        } else {
            Age::Expired
        }
    }
}

/// A kept key and the moment when the provider last vouched for the tenant key it came through.
pub(crate) struct Kept<V> {
    pub(crate) key: Arc<V>,
    pub(crate) commitment: [u8; 32],
    pub(crate) vouched: Timestamp,
}

impl<V> Clone for Kept<V> {
    fn clone(&self) -> Self {
        Self { key: Arc::clone(&self.key), commitment: self.commitment, vouched: self.vouched }
    }
}

/// The kept keys of one level.
pub(crate) struct Shelf<K, V> {
    most: usize,
    inner: Mutex<Inner<K, V>>,
}

struct Inner<K, V> {
    kept: HashMap<K, (Kept<V>, u64)>,
    uses: u64,
}

impl<K: Copy + Eq + Hash, V> Shelf<K, V> {
    pub(crate) fn new(most: usize) -> Self {
        Self { most: most.max(1), inner: Mutex::new(Inner { kept: HashMap::new(), uses: 0 }) }
    }

    pub(crate) fn get(&self, id: &K) -> Option<Kept<V>> {
        let mut inner = self.lock();
        inner.uses += 1;
        let uses = inner.uses;
        let (kept, used) = inner.kept.get_mut(id)?;
        *used = uses;
        Some(kept.clone())
    }

    pub(crate) fn put(&self, id: K, kept: Kept<V>) {
        let mut inner = self.lock();
        if inner.kept.len() >= self.most && !inner.kept.contains_key(&id) {
            // Room for the next ones too: the quarter that was not used for longest goes at once.
            let mut used: Vec<u64> = inner.kept.values().map(|(_, used)| *used).collect();
            let quarter = self.most / 4;
            let (_, bound, _) = used.select_nth_unstable(quarter.min(self.most - 1));
            let bound = *bound;
            inner.kept.retain(|_, (_, used)| *used > bound);
        }
        inner.uses += 1;
        let uses = inner.uses;
        inner.kept.insert(id, (kept, uses));
    }

    /// Keeps only what `keep` says.
    pub(crate) fn retain(&self, keep: impl Fn(&K, &Kept<V>) -> bool) {
        self.lock().kept.retain(|id, (kept, _)| keep(id, kept));
    }

    /// The least of what `of` says of the kept keys.
    pub(crate) fn least<T: Ord>(&self, of: impl Fn(&Kept<V>) -> T) -> Option<T> {
        self.lock().kept.values().map(|(kept, _)| of(kept)).min()
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().kept.len()
    }

    fn lock(&self) -> MutexGuard<'_, Inner<K, V>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(value: u32) -> Kept<u32> {
        Kept { key: Arc::new(value), commitment: [0; 32], vouched: Timestamp::from_millis(0) }
    }

    #[test]
    fn a_full_shelf_lets_go_of_what_was_not_used_for_longest() {
        let shelf = Shelf::new(8);
        for id in 0..8 {
            shelf.put(id, kept(id));
        }
        assert!(shelf.get(&0).is_some());
        shelf.put(8, kept(8));
        assert!(shelf.len() <= 8);
        assert!(shelf.get(&0).is_some(), "used a moment ago");
        assert!(shelf.get(&1).is_none(), "not used since it came");
        assert!(shelf.get(&8).is_some());
    }

    #[test]
    fn a_shelf_of_one_holds_one() {
        let shelf = Shelf::new(0);
        shelf.put(1, kept(1));
        shelf.put(2, kept(2));
        assert_eq!(shelf.len(), 1);
        assert!(shelf.get(&2).is_some());
    }

    #[test]
    fn a_key_is_fresh_then_stale_then_expired() {
        let policy = CachePolicy {
            lifetime: Duration::from_millis(10),
            grace: Duration::from_millis(5),
            ..CachePolicy::default()
        };
        let at = Timestamp::from_millis;
        assert_eq!(policy.age(at(100), at(109)), Age::Fresh);
        assert_eq!(policy.age(at(100), at(110)), Age::Stale);
        assert_eq!(policy.age(at(100), at(115)), Age::Expired);
        assert_eq!(policy.age(at(100), at(99)), Age::Expired, "the clock was set back");
    }
}
