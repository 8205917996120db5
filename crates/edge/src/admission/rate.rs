//! Rates: the generic cell rate algorithm (GCRA, ITU-T I.371) in one number per key, in tables that
//! never grow. Time is the kernel's clock, in microseconds here.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kernel::Timestamp;
use serde::{Deserialize, Serialize};

/// How much of something there may be: so much each second, and so much at once after a rest.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a rate, for example `{ per_second = 10, burst = 60 }`")]
pub struct Rate {
    /// Units each second; fractions are fine (`0.1` is six a minute).
    pub per_second: f64,
    /// Units at once.
    pub burst: f64,
}

impl Rate {
    /// A rate.
    pub const fn new(per_second: f64, burst: f64) -> Self {
        Self { per_second, burst }
    }

    /// Whether it lets anything through at all, and is a number.
    pub(crate) fn makes_sense(self) -> bool {
        let sane = |value: f64| value.is_finite() && value > 0.0;
        sane(self.per_second) && self.burst.is_finite() && self.burst >= 1.0
    }

    /// The same shape, `factor` times as much.
    pub(crate) fn times(self, factor: f64) -> Self {
        Self { per_second: self.per_second * factor, burst: (self.burst * factor).max(1.0) }
    }

    /// Microseconds that `units` take.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rates are positive and checked; a float saturates when it becomes an integer"
    )]
    pub(crate) fn micros(self, units: f64) -> u64 {
        (units / self.per_second * 1e6) as u64
    }
}

/// What is known of one key: when its bucket will be empty again (the theoretical arrival time).
#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    key: u64,
    empty_at: u64,
}

/// Keys that share a lock. Eight of them fill two cache lines.
const WAYS: usize = 8;

/// Buckets for many keys in a table of fixed size. When a set is full, the key whose bucket is emptiest
/// is forgotten: it loses the least by it, and whoever floods is remembered longest.
#[derive(Debug)]
pub(crate) struct Buckets {
    sets: Vec<Mutex<[Cell; WAYS]>>,
}

impl Buckets {
    /// Room for about `keys` keys.
    pub(crate) fn new(keys: usize) -> Self {
        let sets = (keys / WAYS).next_power_of_two().max(1);
        Self { sets: (0..sets).map(|_| Mutex::default()).collect() }
    }

    /// Takes `units` from the bucket of `key`.
    ///
    /// # Errors
    /// How long to wait until so many would be there; nothing is taken then.
    pub(crate) fn take(&self, key: u64, rate: Rate, units: f64, now: Timestamp) -> Result<(), Duration> {
        let now = now.as_millis().saturating_mul(1000);
        let most = rate.micros(rate.burst);
        let price = rate.micros(units).min(most);
        let Some(set) = usize::try_from(key).ok().and_then(|k| self.sets.get(k & (self.sets.len() - 1)))
        else {
            return Ok(());
        };
        let mut set = set.lock().unwrap_or_else(PoisonError::into_inner);
        let cell = match set.iter().position(|cell| cell.key == key) {
            Some(found) => set.get_mut(found),
            None => set.iter_mut().min_by_key(|cell| cell.empty_at).map(|cell| {
                *cell = Cell { key, empty_at: 0 };
                cell
            }),
        };
        let Some(cell) = cell else { return Ok(()) };
        // Never further ahead than a full bucket: the clock may have been set back.
        let filled = cell.empty_at.clamp(now, now.saturating_add(most)).saturating_add(price);
        match (filled - now).checked_sub(most).filter(|over| *over > 0) {
            Some(over) => Err(Duration::from_micros(over)),
            None => {
                cell.empty_at = filled;
                Ok(())
            }
        }
    }

    /// Others took from the same bucket: it is empty again no sooner than in `empty_in`.
    pub(crate) fn fill(&self, key: u64, empty_in: Duration, now: Timestamp) {
        let empty_in = u64::try_from(empty_in.as_micros()).unwrap_or(u64::MAX);
        let empty_at = now.as_millis().saturating_mul(1000).saturating_add(empty_in);
        let set = usize::try_from(key).ok().and_then(|k| self.sets.get(k & (self.sets.len() - 1)));
        let Some(set) = set else { return };
        let mut set = set.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = set.iter_mut().find(|cell| cell.key == key) {
            cell.empty_at = cell.empty_at.max(empty_at);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let (buckets, rate) = (Buckets::new(64), Rate::new(10.0, 5.0));
        for _ in 0..5 {
            buckets.take(1, rate, 1.0, at(0)).unwrap();
        }
        assert_eq!(buckets.take(1, rate, 1.0, at(0)), Err(Duration::from_millis(100)));
        assert_eq!(buckets.take(2, rate, 1.0, at(0)), Ok(()), "another key has its own");
        assert_eq!(buckets.take(1, rate, 1.0, at(100)), Ok(()));
        assert!(buckets.take(1, rate, 1.0, at(100)).is_err());
    }

    #[test]
    fn a_clock_that_steps_back_locks_nobody_out() {
        let (buckets, rate) = (Buckets::new(64), Rate::new(1.0, 2.0));
        buckets.take(1, rate, 2.0, at(3_600_000)).unwrap();
        let wait = buckets.take(1, rate, 1.0, at(0)).unwrap_err();
        assert!(wait <= Duration::from_secs(1), "{wait:?}");
    }

    #[test]
    fn a_full_table_remembers_those_who_flood() {
        let (buckets, rate) = (Buckets::new(WAYS), Rate::new(1.0, 10.0));
        while buckets.take(1, rate, 1.0, at(0)).is_ok() {}
        for key in 2..10_000 {
            buckets.take(key, rate, 1.0, at(0)).unwrap();
        }
        assert!(buckets.take(1, rate, 1.0, at(0)).is_err());
    }

    #[test]
    fn what_others_took_is_not_there_for_us() {
        let (buckets, rate) = (Buckets::new(64), Rate::new(1.0, 10.0));
        buckets.take(1, rate, 1.0, at(0)).unwrap();
        buckets.fill(1, Duration::from_secs(9), at(0));
        assert_eq!(buckets.take(1, rate, 1.0, at(0)), Ok(()));
        assert_eq!(buckets.take(1, rate, 1.0, at(0)), Err(Duration::from_secs(1)));
        buckets.fill(1, Duration::ZERO, at(0));
        assert!(buckets.take(1, rate, 1.0, at(0)).is_err(), "others give nothing back");
    }

    proptest! {
        #[test]
        fn never_more_than_the_burst_and_the_rate(gaps in prop::collection::vec(0u64..300, 1..200)) {
            let (buckets, rate) = (Buckets::new(64), Rate::new(20.0, 7.0));
            let (mut now, mut taken) = (0, 0.0);
            for gap in gaps {
                now += gap;
                if buckets.take(9, rate, 1.0, at(now)).is_ok() {
                    taken += 1.0;
                }
                #[expect(clippy::cast_precision_loss, reason = "small numbers")]
                let most = 7.0 + 20.0 * now as f64 / 1000.0;
                prop_assert!(taken <= most + 1e-6, "{taken} of {most}");
            }
        }
    }
}
