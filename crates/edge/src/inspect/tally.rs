//! Findings become news, so many at a time: each one alone while they are few, sums when they are many.

use std::collections::HashMap;
use std::time::Duration;

use http::Method;
use kernel::Timestamp;

use super::Finding;

/// How long a window is.
pub(super) const WINDOW: Duration = Duration::from_secs(10);
/// Findings that are told alone in a window.
const ALONE: u32 = 20;
/// Rules that a sum names at most.
pub(super) const RULES: usize = 16;
/// Sums kept at most.
const SUMS: usize = 64;

/// What was found in the window that lasts.
#[derive(Debug, Default)]
pub(super) struct Tally {
    began: Option<Timestamp>,
    told: u32,
    sums: HashMap<(super::Outcome, bool, &'static str, Method), Finding>,
}

impl Tally {
    /// Counts a finding; what is to be told now.
    pub(super) fn add(&mut self, finding: Finding, now: Timestamp) -> Vec<Finding> {
        let mut told = self.turn(now);
        if self.told < ALONE {
            self.told += 1;
            told.push(finding);
            return told;
        }
        // Methods are words that a client may make up.
        let method = if known(&finding.method) { finding.method.clone() } else { Method::OPTIONS };
        let key = (finding.outcome, finding.answer, finding.route, method);
        if self.sums.len() >= SUMS && !self.sums.contains_key(&key) {
            return told;
        }
        let sum = self.sums.entry(key).or_insert_with(|| Finding {
            reference: None,
            address: None,
            rules: Vec::new(),
            score: 0,
            count: 0,
            ..finding.clone()
        });
        sum.count += finding.count;
        sum.score = sum.score.max(finding.score);
        for rule in finding.rules {
            if sum.rules.len() < RULES && !sum.rules.contains(&rule) {
                sum.rules.push(rule);
            }
        }
        told
    }

    /// Ends the window if its time is over; its sums.
    pub(super) fn turn(&mut self, now: Timestamp) -> Vec<Finding> {
        let began = *self.began.get_or_insert(now);
        if now.since(began) < WINDOW {
            return Vec::new();
        }
        self.began = Some(now);
        self.told = 0;
        self.sums.drain().map(|(_, sum)| sum).collect()
    }
}

fn known(method: &Method) -> bool {
    [&Method::GET, &Method::HEAD, &Method::POST, &Method::PUT, &Method::PATCH, &Method::DELETE]
        .contains(&method)
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;

    fn finding(rule: u32) -> Finding {
        Finding {
            outcome: Outcome::Blocked,
            answer: false,
            reference: None,
            address: None,
            rules: vec![rule],
            score: u64::from(rule),
            threshold: 5,
            route: "page",
            method: Method::GET,
            count: 1,
        }
    }

    #[test]
    fn few_are_told_alone_and_a_flood_as_one_sum() {
        let (mut tally, start) = (Tally::default(), Timestamp::from_millis(1_000_000));
        let told: usize = (0..1000).map(|n| tally.add(finding(n % 40), start).len()).sum();
        assert_eq!(told, 20);
        let sums = tally.turn(start.after(WINDOW));
        assert_eq!(sums.len(), 1);
        assert_eq!((sums[0].count, sums[0].rules.len(), sums[0].score), (980, RULES, 39));
        assert!(tally.turn(start.after(WINDOW * 2)).is_empty());
        assert_eq!(tally.add(finding(1), start.after(WINDOW * 2)).len(), 1, "a new window tells again");
    }
}
