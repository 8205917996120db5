//! What is usual: a running mean and spread, learned without being told anything.

/// A number that is watched over time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Baseline {
    mean: f64,
    variance: f64,
    /// Weight of one more second.
    weight: f64,
    seen: u32,
    /// The spread below which nothing is unusual.
    least_spread: f64,
}

/// Seconds before a baseline says anything.
const WARM_UP: u32 = 20;

impl Baseline {
    pub(crate) const fn new(seconds: f64, least_spread: f64) -> Self {
        Self { mean: 0.0, variance: 0.0, weight: 1.0 / seconds, seen: 0, least_spread }
    }

    pub(crate) fn mean(&self) -> f64 {
        self.mean
    }

    /// How many spreads `value` is away from what is usual; nothing before enough was seen.
    pub(crate) fn unusual(&self, value: f64) -> f64 {
        if self.seen < WARM_UP {
            return 0.0;
        }
        (value - self.mean) / self.variance.sqrt().max(self.least_spread)
    }

    /// One more second. At first the mean of all is better than a running one.
    pub(crate) fn learn(&mut self, value: f64) {
        self.seen = self.seen.saturating_add(1);
        let weight = self.weight.max(1.0 / f64::from(self.seen));
        let off = value - self.mean;
        self.mean += off * weight;
        self.variance = (1.0 - weight) * (self.variance + weight * off * off);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_usual_is_learned_and_what_is_not_stands_out() {
        let mut rate = Baseline::new(120.0, 0.1);
        for second in 0..300 {
            assert!(rate.unusual(f64::from(10 + second % 5).ln()).abs() < 4.0);
            rate.learn(f64::from(10 + second % 5).ln());
        }
        assert!(rate.unusual(100f64.ln()) > 6.0);
    }

    #[test]
    fn nothing_is_unusual_before_anything_is_known() {
        let mut rate = Baseline::new(120.0, 0.1);
        rate.learn(1.0);
        assert!(rate.unusual(1000.0) < 1e-9);
    }
}
