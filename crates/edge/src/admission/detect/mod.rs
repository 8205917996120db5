//! Finding abnormal traffic without being told what is normal. Every request leaves one sample; once a
//! second the samples of the last few seconds are held against what is usual.
//!
//! A measure needs more than many requests. By address or network: several times the budget, nearly all of
//! it refused, hardly any of it from somebody known. By fingerprint, agent or path: the house is pressed,
//! *and* the value was rare in calm times, *and* it makes up much of what is new, *and* nobody known uses
//! it. An honest crowd fails the last three: it comes by the same browsers as ever, in the same manner, and
//! opens conversations. It is queued, not measured.

mod baseline;
mod measures;
mod sketch;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use kernel::Timestamp;

use super::route::Route;
use super::turned::Because;
use baseline::Baseline;
pub(crate) use measures::{Change, Measures};
pub use measures::{Dimension, Step};
use sketch::{Counter, Sketch, Weight};

/// Keys that each sketch holds.
const KEYS: usize = 256;
/// What is left of a count after a second: half is gone in three.
const FADE: f64 = 0.8;
/// The sum of what is left of one request a second, for ever: counts divided by it are rates.
const SECONDS: f64 = 1.0 / (1.0 - FADE);
/// Seconds of history for the page.
const HISTORY: usize = 120;
/// Requests each second below which nothing is an attack.
const QUIET: f64 = 20.0;

/// One request, or one connection that was not taken.
pub(crate) struct Sample<'a> {
    /// Keys by [`Dimension::index`]; 0 where there is none.
    pub(crate) keys: [u64; 5],
    /// What to call a key.
    pub(crate) label: &'a dyn Fn(Dimension) -> String,
    pub(crate) class: usize,
    pub(crate) known: bool,
    pub(crate) refused: Option<Because>,
    /// What was asked for; nothing yet when it is a connection.
    pub(crate) route: Option<Route>,
}

/// How traffic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Calm,
    /// Unusual; nothing is done about it but queueing.
    Elevated,
    Attack,
}

impl State {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Elevated => "elevated",
            Self::Attack => "attack",
        }
    }
}

/// What a second was like.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Second {
    pub(crate) offered: f64,
    pub(crate) refused: f64,
}

/// The budgets that a flood by address is held against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budgets {
    pub(crate) address: f64,
    pub(crate) network: f64,
    pub(crate) connections: f64,
}

/// All that detection remembers.
#[derive(Debug)]
pub(crate) struct Detector {
    /// The second under way.
    offered: f64,
    refused: f64,
    anonymous: f64,
    failed: f64,
    by_class: [f64; 4],
    limits: HashMap<(Because, Option<Route>), u64>,
    /// The last seconds.
    recent: [Sketch; 5],
    rate: Baseline,
    strangers: Baseline,
    failures: Baseline,
    evenness: [Baseline; 5],
    /// Usual shares of keys, learned in calm times.
    usual: [HashMap<u64, f64>; 5],
    calm_seconds: u32,
    pub(crate) state: State,
    pub(crate) signals: Vec<&'static str>,
    /// Seconds without pressure.
    eased: u32,
    attack_began: Option<Timestamp>,
    pub(crate) measures: Measures,
    /// The seconds before this one.
    pub(crate) history: VecDeque<Second>,
    /// Requests of the last second by class.
    pub(crate) shares: [f64; 4],
    /// Of the last second: which limit turned how many away, from what.
    pub(crate) limited: Vec<(Because, Option<Route>, u64)>,
}

/// What came of a second.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) changes: Vec<Change>,
    /// The state, when it changed.
    pub(crate) state: Option<State>,
}

impl Detector {
    pub(crate) fn new() -> Self {
        Self {
            offered: 0.0,
            refused: 0.0,
            anonymous: 0.0,
            failed: 0.0,
            by_class: [0.0; 4],
            limits: HashMap::new(),
            recent: std::array::from_fn(|_| Sketch::new(KEYS)),
            rate: Baseline::new(300.0, 0.3),
            strangers: Baseline::new(300.0, 0.05),
            failures: Baseline::new(300.0, 0.05),
            evenness: [Baseline::new(300.0, 0.05); 5],
            usual: std::array::from_fn(|_| HashMap::new()),
            calm_seconds: 0,
            state: State::Calm,
            signals: Vec::new(),
            eased: 0,
            attack_began: None,
            measures: Measures::default(),
            history: VecDeque::with_capacity(HISTORY),
            shares: [0.0; 4],
            limited: Vec::new(),
        }
    }

    /// Counts one.
    pub(crate) fn count(&mut self, sample: &Sample<'_>) {
        if let Some(because) = sample.refused {
            self.refused += 1.0;
            *self.limits.entry((because, sample.route)).or_default() += 1;
        }
        if sample.route.is_some() {
            self.offered += 1.0;
            self.anonymous += f64::from(u8::from(!sample.known));
            if let Some(class) = self.by_class.get_mut(sample.class) {
                *class += 1.0;
            }
        }
        let weight = Weight { refused: sample.refused.is_some(), known: sample.known, failed: false };
        let [_, network, ..] = sample.keys;
        // Who is refused by address is dealt with by address: the rest is not to pay for it.
        let by_address = matches!(
            sample.refused,
            Some(
                Because::Address
                    | Because::Network
                    | Because::AddressConnections
                    | Because::NetworkConnections
            )
        );
        for ((sketch, key), dimension) in self.recent.iter_mut().zip(sample.keys).zip(Dimension::ALL) {
            let concerned = !by_address || matches!(dimension, Dimension::Address | Dimension::Network);
            if key != 0 && concerned {
                let part_of = if dimension == Dimension::Address { network } else { 0 };
                sketch.add(key, part_of, weight, || (sample.label)(dimension));
            }
        }
    }

    /// A request that was counted came to a bad end: nobody had time for it, or it was in error.
    pub(crate) fn amend(&mut self, keys: [u64; 5], refused: Option<(Because, Route)>) {
        match refused {
            Some((because, route)) => {
                self.refused += 1.0;
                *self.limits.entry((because, Some(route))).or_default() += 1;
            }
            None => self.failed += 1.0,
        }
        let weight = Weight { refused: refused.is_some(), known: false, failed: refused.is_none() };
        for (sketch, key) in self.recent.iter_mut().zip(keys) {
            sketch.amend(key, weight);
        }
    }

    /// Since when an attack lasts: who came later is not established, however long they stay.
    pub(crate) fn attack_began(&self) -> Option<Timestamp> {
        self.attack_began
    }

    /// The usual rate of requests.
    pub(crate) fn usual_rate(&self) -> f64 {
        self.rate.mean().exp() - 1.0
    }

    /// The heaviest keys of a dimension.
    pub(crate) fn heaviest(&self, dimension: Dimension, most: usize) -> Vec<&Counter> {
        let mut counters: Vec<_> = self
            .recent
            .get(dimension.index())
            .map(|sketch| sketch.counters().iter().collect())
            .unwrap_or_default();
        counters.sort_by(|a: &&Counter, b| b.sure().total_cmp(&a.sure()));
        counters.truncate(most);
        counters
    }

    /// A count as a rate.
    pub(crate) fn per_second(&self, counter: &Counter) -> f64 {
        counter.sure() / SECONDS
    }

    /// One more second has passed. `pressed`: lanes are overloaded or have turned people away.
    pub(crate) fn tick(&mut self, pressed: bool, budgets: Budgets, now: Timestamp) -> Findings {
        let mut findings = Findings::default();
        self.judge(pressed, now, &mut findings);
        self.act(budgets, now, &mut findings);
        findings.changes.extend(self.measures.expire(now));
        self.close_second();
        findings
    }

    /// Calm, unusual or an attack.
    fn judge(&mut self, pressed: bool, now: Timestamp, findings: &mut Findings) {
        let of = |part: f64| if self.offered > 0.0 { part / self.offered } else { 0.0 };
        let rate = (self.offered + 1.0).ln();
        let (strangers, failures) = (of(self.anonymous), of(self.failed));
        let mut signals = Vec::new();
        let mut pressure = false;
        let mut unlike = false;
        if self.offered + self.refused >= QUIET {
            if self.rate.unusual(rate) > 4.0 {
                signals.push("rate");
            }
            if pressed {
                signals.push("pressure");
                pressure = true;
            }
            if self.refused > 0.1 * (self.offered + 1.0) {
                signals.push("refusals");
                pressure = true;
            }
            if self.strangers.unusual(strangers) > 4.0 && strangers > 0.5 {
                signals.push("strangers");
                unlike = true;
            }
            if self.failures.unusual(failures) > 4.0 {
                signals.push("failures");
                unlike = true;
            }
            let sketches = self.recent.iter().zip(&self.evenness).zip(Dimension::ALL);
            for ((sketch, usual), dimension) in sketches {
                let shifted = usual.unusual(sketch.evenness()).abs() > 4.0;
                if shifted && matches!(dimension, Dimension::Fingerprint | Dimension::Agent) {
                    signals.push("mix");
                    unlike = true;
                    break;
                }
            }
        }
        let next = match (pressure, unlike, signals.is_empty()) {
            (true, true, _) => State::Attack,
            (_, _, false) => State::Elevated,
            (_, _, true) => State::Calm,
        };
        // An attack is over when there was no pressure for a while, not at the first breath.
        self.eased = if pressure { 0 } else { self.eased.saturating_add(1) };
        let next = if self.state == State::Attack && self.eased < 10 { State::Attack } else { next };
        if next != self.state {
            self.state = next;
            self.attack_began = (next == State::Attack).then_some(now);
            findings.state = Some(next);
        }
        self.signals = signals;
        // What is usual is learned from calm seconds, and from unusual ones slowly, or never in an attack.
        let learns = match next {
            State::Calm => true,
            State::Elevated => self.history.len().is_multiple_of(8),
            State::Attack => false,
        };
        if learns {
            self.rate.learn(rate);
            if self.offered >= 1.0 {
                self.strangers.learn(strangers);
                self.failures.learn(failures);
                for (sketch, usual) in self.recent.iter().zip(&mut self.evenness) {
                    usual.learn(sketch.evenness());
                }
            }
        }
        if next == State::Calm && self.offered >= 1.0 {
            self.calm_seconds = self.calm_seconds.saturating_add(1);
            let weight = (1.0 / f64::from(self.calm_seconds)).max(1.0 / 300.0);
            for (sketch, usual) in self.recent.iter().zip(&mut self.usual) {
                learn_shares(sketch, usual, weight);
            }
        }
    }

    /// Who or what it is.
    fn act(&mut self, budgets: Budgets, now: Timestamp, findings: &mut Findings) {
        for dimension in Dimension::ALL {
            let Some(sketch) = self.recent.get(dimension.index()) else { continue };
            let total: f64 = sketch.counters().iter().map(Counter::sure).sum();
            let usual = self.usual.get(dimension.index());
            for counter in sketch.counters() {
                let (rate, share) = (counter.sure() / SECONDS, counter.sure() / total.max(1.0));
                let before = usual.and_then(|usual| usual.get(&counter.key)).copied().unwrap_or_default();
                let standing = self.measures.find(dimension, counter.key).is_some();
                let reason = match dimension {
                    Dimension::Address => {
                        over_budget(counter, rate, budgets.address.min(budgets.connections))
                    }
                    Dimension::Network if self.heaviest_part(counter.key) > counter.sure() / 2.0 => None,
                    Dimension::Network => {
                        over_budget(counter, rate, budgets.network.min(budgets.connections * 4.0))
                    }
                    Dimension::Path if counter.share(counter.failed) < 0.5 => None,
                    _ => {
                        let judged = self.calm_seconds >= 15 && self.state == State::Attack;
                        let new = before <= 0.02 && share >= 0.2 && share >= before * 10.0;
                        let lasting = standing && rate >= 5.0 && before <= 0.02;
                        let unknown = counter.share(counter.known) <= 0.05 && rate >= 5.0;
                        (judged && unknown && (new || lasting)).then_some("new-and-heavy")
                    }
                };
                let Some(why) = reason else { continue };
                let holds = counter.share(counter.refused) >= 0.9;
                let change = self.measures.prove(dimension, counter.key, &counter.label, (why, holds), now);
                findings.changes.extend(change);
            }
        }
    }

    /// How much of a network is one address: its neighbours are not to pay for it.
    fn heaviest_part(&self, network: u64) -> f64 {
        let [addresses, ..] = &self.recent;
        let parts = addresses.counters().iter().filter(|counter| counter.part_of == network);
        parts.map(Counter::sure).fold(0.0, f64::max)
    }

    fn close_second(&mut self) {
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(Second { offered: self.offered, refused: self.refused });
        self.shares = std::mem::take(&mut self.by_class);
        let mut limited: Vec<_> =
            self.limits.drain().map(|((limit, route), count)| (limit, route, count)).collect();
        limited.sort_by_key(|(_, _, count)| std::cmp::Reverse(*count));
        self.limited = limited;
        (self.offered, self.refused, self.anonymous, self.failed) = (0.0, 0.0, 0.0, 0.0);
        for sketch in &mut self.recent {
            sketch.fade(FADE);
        }
    }
}

/// Much more than the budget, nearly all of it refused, and hardly anybody known among them.
fn over_budget(counter: &Counter, rate: f64, budget: f64) -> Option<&'static str> {
    let flood = rate >= (budget * 2.0).max(QUIET)
        && counter.share(counter.refused) >= 0.6
        && counter.share(counter.known) <= 0.2;
    flood.then_some("over-budget")
}

/// Usual shares, of so many keys at most.
fn learn_shares(sketch: &Sketch, usual: &mut HashMap<u64, f64>, weight: f64) {
    let total: f64 = sketch.counters().iter().map(Counter::sure).sum();
    for (key, share) in usual.iter_mut() {
        let now = sketch.find(*key).map_or(0.0, |counter| counter.sure() / total.max(1.0));
        *share += (now - *share) * weight;
    }
    if usual.len() > KEYS * 4 {
        usual.retain(|_, share| *share > 0.001);
    }
    for counter in sketch.counters() {
        let share = counter.sure() / total.max(1.0);
        if usual.len() < KEYS * 8 {
            usual.entry(counter.key).or_insert(share * weight);
        }
    }
}

/// How often [`Detector::tick`] is due.
pub(crate) const TICK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
