//! The heaviest keys of a stream in fixed memory: Space-Saving (Metwally, Agrawal, El Abbadi 2005) with
//! counts that fade, so that it tells of the last seconds.

use std::collections::HashMap;

/// What is counted of one key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counter {
    pub(crate) key: u64,
    /// The key of what it is a part of, if it is: an address's network.
    pub(crate) part_of: u64,
    pub(crate) label: String,
    /// Requests; at most this many, by [`Counter::error`] fewer.
    pub(crate) count: f64,
    /// What the count may be too large by.
    pub(crate) error: f64,
    /// Of them, turned away.
    pub(crate) refused: f64,
    /// Of them, from somebody known here.
    pub(crate) known: f64,
    /// Of them, answered with an error of the client's.
    pub(crate) failed: f64,
}

/// What one request adds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Weight {
    pub(crate) refused: bool,
    pub(crate) known: bool,
    pub(crate) failed: bool,
}

/// A sketch.
#[derive(Debug)]
pub(crate) struct Sketch {
    most: usize,
    counters: Vec<Counter>,
    index: HashMap<u64, usize>,
}

impl Sketch {
    /// A sketch of at most `most` keys.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, counters: Vec::with_capacity(most), index: HashMap::with_capacity(most) }
    }

    /// Counts one request of `key`; `label` is asked only when the key is new here.
    pub(crate) fn add(&mut self, key: u64, part_of: u64, weight: Weight, label: impl FnOnce() -> String) {
        let at = match self.index.get(&key) {
            Some(at) => *at,
            None if self.counters.len() < self.most => {
                self.counters.push(Counter { key, part_of, label: label(), ..Counter::default() });
                self.counters.len() - 1
            }
            None => {
                let least = self.counters.iter().enumerate();
                let least = least.min_by(|(_, a), (_, b)| a.count.total_cmp(&b.count));
                let Some((at, least)) = least.map(|(at, counter)| (at, counter.clone())) else { return };
                self.index.remove(&least.key);
                let (count, error) = (least.count, least.count);
                if let Some(place) = self.counters.get_mut(at) {
                    *place = Counter { key, part_of, label: label(), count, error, ..Counter::default() };
                }
                at
            }
        };
        self.index.insert(key, at);
        if let Some(counter) = self.counters.get_mut(at) {
            counter.count += 1.0;
        }
        self.amend(key, weight);
    }

    /// Says more of a request that was counted.
    pub(crate) fn amend(&mut self, key: u64, weight: Weight) {
        if let Some(counter) = self.index.get(&key).and_then(|at| self.counters.get_mut(*at)) {
            counter.refused += f64::from(u8::from(weight.refused));
            counter.known += f64::from(u8::from(weight.known));
            counter.failed += f64::from(u8::from(weight.failed));
        }
    }

    /// Lets everything fade by a factor, and forgets what has faded away.
    pub(crate) fn fade(&mut self, factor: f64) {
        self.counters.retain_mut(|counter| {
            for value in [
                &mut counter.count,
                &mut counter.error,
                &mut counter.refused,
                &mut counter.known,
                &mut counter.failed,
            ] {
                *value *= factor;
            }
            counter.count >= 0.25
        });
        self.index.clear();
        self.index.extend(self.counters.iter().enumerate().map(|(at, counter)| (counter.key, at)));
    }

    /// What is counted.
    pub(crate) fn counters(&self) -> &[Counter] {
        &self.counters
    }

    /// What is counted of one key.
    pub(crate) fn find(&self, key: u64) -> Option<&Counter> {
        self.index.get(&key).and_then(|at| self.counters.get(*at))
    }

    /// How evenly requests are spread over keys: 0 when all have one, 1 when every key has as many.
    pub(crate) fn evenness(&self) -> f64 {
        let sum: f64 = self.counters.iter().map(Counter::sure).sum();
        let keys = self.counters.len();
        if keys < 2 || sum <= 0.0 {
            return 0.0;
        }
        let shares = self.counters.iter().map(|counter| counter.sure() / sum).filter(|share| *share > 0.0);
        let entropy: f64 = shares.map(|share| -share * share.ln()).sum();
        #[expect(clippy::cast_precision_loss, reason = "a few hundred keys")]
        let most = (keys as f64).ln();
        entropy / most
    }
}

impl Counter {
    /// At least so many.
    pub(crate) fn sure(&self) -> f64 {
        (self.count - self.error).max(0.0)
    }

    /// The share of a part in what is counted of this key for sure.
    pub(crate) fn share(&self, part: f64) -> f64 {
        let sure = self.sure();
        if sure > 0.0 { (part / sure).min(1.0) } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_heavy_are_found_among_many() {
        let mut sketch = Sketch::new(32);
        for i in 0..20_000u64 {
            sketch.add(i + 1000, 0, Weight::default(), String::new);
            if i % 10 == 0 {
                sketch.add(7, 0, Weight { refused: true, ..Weight::default() }, || "seven".to_owned());
            }
        }
        let seven = sketch.find(7).unwrap();
        assert!(seven.sure() >= 1500.0 && seven.label == "seven", "{seven:?}");
        assert!(sketch.counters().len() == 32);
        for _ in 0..60 {
            sketch.fade(0.8);
        }
        assert!(sketch.counters().is_empty());
    }

    #[test]
    fn evenness_tells_one_from_many() {
        let mut sketch = Sketch::new(64);
        for i in 0..640 {
            sketch.add(i % 64, 0, Weight::default(), String::new);
        }
        assert!(sketch.evenness() > 0.99);
        for _ in 0..10_000 {
            sketch.add(3, 0, Weight::default(), String::new);
        }
        assert!(sketch.evenness() < 0.2);
    }

    proptest! {
        #[test]
        fn a_count_is_right_within_its_error(keys in prop::collection::vec(0u64..40, 0..400)) {
            let mut sketch = Sketch::new(16);
            for key in &keys {
                sketch.add(*key, 0, Weight::default(), String::new);
            }
            for counter in sketch.counters() {
                #[expect(clippy::cast_precision_loss, reason = "small numbers")]
                let truth = keys.iter().filter(|key| **key == counter.key).count() as f64;
                prop_assert!(counter.sure() <= truth && truth <= counter.count);
            }
        }
    }
}
