//! How many requests may run at once: a limit that follows latency. It grows while answers come as fast
//! as they use to, and shrinks in proportion as they come slower (the gradient limit of Netflix's
//! `concurrency-limits`, without a probing phase: the usual latency is learned from calm times, for each
//! class of routes by itself).

use std::time::Duration;

use super::route::Route;

/// Answers faster than this are all alike: below it, differences are the scheduler's.
const FLOOR: Duration = Duration::from_millis(5);
/// How much slower than usual is still usual, on the average of the last answers.
const TOLERANCE: f64 = 1.2;
/// The share of one answer in that average: a slow one among fast ones says nothing.
const RECENT: f64 = 0.1;
/// The share of a new estimate in the limit. An answer tells of the limit as it was when it was asked for,
/// and of the average of ten: who moves faster than that overshoots, back and forth.
const SMOOTHING: f64 = 0.05;

/// The limit of one lane.
#[derive(Debug, Clone)]
pub(crate) struct Gradient {
    limit: f64,
    least: f64,
    most: f64,
    /// The latency of calm times by route, in seconds; 0 before the first answer.
    usual: [f64; Route::ALL.len()],
    /// How many answers that was learned from; 0 before the first calm time, when the fastest answer stands
    /// for the usual one.
    learned: [u32; Route::ALL.len()],
    /// How much slower than usual the last answers were.
    slower: f64,
}

impl Gradient {
    pub(crate) fn new(first: usize, least: usize, most: usize) -> Self {
        Self {
            limit: float(first),
            least: float(least),
            most: float(most.max(least)),
            usual: [0.0; Route::ALL.len()],
            learned: [0; Route::ALL.len()],
            slower: 1.0,
        }
    }

    /// The limit now.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at least 1, at most `most`")]
    pub(crate) fn limit(&self) -> usize {
        self.limit as usize
    }

    /// An answer took `latency` while `running` were running; `calm` when nobody had to wait.
    pub(crate) fn sample(&mut self, route: Route, latency: Duration, running: usize, calm: bool) {
        let latency = latency.max(FLOOR).as_secs_f64();
        let Some(usual) = self.usual.get_mut(route.index()) else { return };
        let Some(learned) = self.learned.get_mut(route.index()) else { return };
        if *learned == 0 {
            // A burst at the very beginning is not to be learned as usual.
            let first = calm || *usual == 0.0;
            *usual = if first { latency } else { usual.min(latency) };
        }
        // Under load the usual latency hardly moves up, or else it would learn the overload as usual.
        let weight = if calm || (*learned > 0 && latency < *usual) {
            *learned = learned.saturating_add(1);
            (1.0 / f64::from(*learned)).max(1.0 / 300.0)
        } else {
            1.0 / 30_000.0
        };
        *usual += (latency - *usual) * weight;
        self.slower += (latency / *usual - self.slower) * RECENT;
        let gradient = (TOLERANCE / self.slower).clamp(0.5, 1.0);
        // Few in flight say nothing about how many may be; that they are too many, fewer can say than that
        // there may be more.
        let telling = if gradient < 1.0 { self.limit / 4.0 } else { self.limit / 2.0 };
        if float(running) < telling {
            return;
        }
        let headroom = self.limit.sqrt() / 4.0;
        let wanted = self.limit * gradient + headroom;
        self.limit = (self.limit + (wanted - self.limit) * SMOOTHING).clamp(self.least, self.most);
    }
}

#[expect(clippy::cast_precision_loss, reason = "numbers of requests at once")]
fn float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(limit: &mut Gradient, millis: u64, count: usize, calm: bool) {
        for _ in 0..count {
            let running = limit.limit();
            limit.sample(Route::Send, Duration::from_millis(millis), running, calm);
        }
    }

    #[test]
    fn the_limit_grows_while_answers_stay_fast_and_shrinks_when_they_do_not() {
        let mut limit = Gradient::new(20, 4, 200);
        feed(&mut limit, 10, 2400, true);
        assert_eq!(limit.limit(), 200);
        feed(&mut limit, 400, 200, false);
        assert!(limit.limit() < 20, "{limit:?}");
        feed(&mut limit, 10, 3000, true);
        assert_eq!(limit.limit(), 200);
    }

    #[test]
    fn an_overload_is_not_learned_as_usual() {
        let mut limit = Gradient::new(20, 4, 200);
        feed(&mut limit, 10, 200, true);
        feed(&mut limit, 200, 5000, false);
        assert!(limit.limit() < 20, "{limit:?}");
    }

    #[test]
    fn a_burst_at_the_beginning_is_not_learned_as_usual() {
        let mut limit = Gradient::new(4, 4, 32);
        feed(&mut limit, 60, 3, false);
        feed(&mut limit, 12, 1, false);
        feed(&mut limit, 60, 50, false);
        assert!(limit.limit() < 8, "{limit:?}");
        feed(&mut limit, 60, 1, true);
        feed(&mut limit, 60, 2000, true);
        assert_eq!(limit.limit(), 32, "what is calm at sixty is usual at sixty");
    }

    #[test]
    fn a_quarter_of_the_limit_is_enough_to_say_that_it_is_too_much() {
        let mut limit = Gradient::new(32, 4, 200);
        limit.sample(Route::Send, Duration::from_millis(12), 1, true);
        for _ in 0..200 {
            limit.sample(Route::Send, Duration::from_millis(42), 15, false);
        }
        assert!(limit.limit() <= 8, "{limit:?}");
        for _ in 0..200 {
            limit.sample(Route::Send, Duration::from_millis(12), 2, true);
        }
        assert!(limit.limit() <= 8, "so few do not say that there may be more: {limit:?}");
    }

    #[test]
    fn an_idle_lane_keeps_its_limit() {
        let mut limit = Gradient::new(20, 4, 200);
        for _ in 0..1000 {
            limit.sample(Route::Send, Duration::from_secs(2), 1, true);
        }
        assert_eq!(limit.limit(), 20);
    }
}
