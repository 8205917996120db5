//! The outside world as one parameter: time and randomness, and the ids made of both.

use std::sync::Arc;

use crate::ids::{Id, v7};
use crate::{Clock, ManualClock, OsRandom, Random, SeededRandom, SystemClock, Timestamp};

/// Time and randomness, handed to everything that needs either.
#[derive(Debug, Clone)]
pub struct World {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl World {
    /// The real world: the machine's clock and the system's generator.
    pub fn real() -> Self {
        Self { clock: Arc::new(SystemClock), random: Arc::new(OsRandom) }
    }

    /// A world that repeats itself, for tests: it stands at `clock` and draws from `seed`.
    pub fn rehearsal(clock: Arc<ManualClock>, seed: u64) -> Self {
        Self { clock, random: Arc::new(SeededRandom::new(seed)) }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The source of randomness.
    pub fn random(&self) -> &dyn Random {
        self.random.as_ref()
    }

    /// `N` random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes);
        bytes
    }

    /// `N` random bytes that will be public and must never repeat: a nonce.
    pub fn nonce<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random.fill_public(&mut bytes);
        bytes
    }

    /// A new id: now, and 74 random bits.
    pub fn id<T: Id>(&self) -> T {
        v7(self.now().as_millis(), self.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MessageId;

    #[test]
    fn the_same_seed_makes_the_same_ids() {
        let world = || World::rehearsal(Arc::new(ManualClock::at(Timestamp::from_millis(1))), 9);
        assert_eq!(world().id::<MessageId>(), world().id::<MessageId>());
    }
}
