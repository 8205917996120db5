//! How many records each data key has sealed in this process and nobody has filed yet. The numbers outlive
//! the unwrapped keys, which come and go with the cache, so that a key that is let go of often is counted
//! like any other.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kernel::KeyId;

/// Records of one key that nobody has filed yet.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tally(Arc<AtomicU64>);

impl Tally {
    pub(crate) fn add(&self, records: u64) {
        self.0.fetch_add(records, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// All of them, for whoever files them.
    pub(crate) fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

/// The tallies of the keys that were lately at work.
#[derive(Debug)]
pub(crate) struct Tallies {
    most: usize,
    kept: Mutex<HashMap<KeyId, Tally>>,
}

impl Tallies {
    pub(crate) fn new(most: usize) -> Self {
        Self { most: most.max(1), kept: Mutex::default() }
    }

    /// The tally of a key: the one that it had when it was last at work, if that is remembered.
    pub(crate) fn of(&self, key: KeyId) -> Tally {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= self.most && !kept.contains_key(&key) {
            // Keys at work keep theirs; what the others had not filed, less than a step each, is forgotten.
            kept.retain(|_, tally| Arc::strong_count(&tally.0) > 1);
        }
        kept.entry(key).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use kernel::{Id, World};

    use super::*;

    #[test]
    fn a_tally_outlives_the_key_and_is_taken_once() {
        let (world, tallies) = (World::real(), Tallies::new(8));
        let key: KeyId = world.id();
        tallies.of(key).add(5);
        tallies.of(key).add(2);
        assert_eq!((tallies.of(key).take(), tallies.of(key).take()), (7, 0));
    }

    #[test]
    fn keys_at_work_keep_their_tally_when_many_others_come() {
        let (world, tallies) = (World::real(), Tallies::new(2));
        let key: KeyId = world.id();
        let at_work = tallies.of(key);
        at_work.add(3);
        for _ in 0..10 {
            tallies.of(KeyId::from_bytes(world.bytes()));
        }
        assert_eq!(tallies.of(key).now(), 3);
    }
}
