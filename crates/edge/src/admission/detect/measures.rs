//! Measures: what is done about one value of one dimension, how hard, and for how long. A measure begins
//! mild, gets harder while its reason lasts, comes back longer when its reason comes back, and ends by
//! itself.

use std::collections::HashMap;
use std::time::Duration;

use kernel::Timestamp;

/// What traffic is told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dimension {
    /// A subscriber: an IPv4 address, or an IPv6 /64.
    Address,
    /// A site: an IPv4 /24, or an IPv6 /48.
    Network,
    /// How a client speaks TLS and orders its header fields.
    Fingerprint,
    /// What a client calls itself.
    Agent,
    /// What is asked for.
    Path,
}

impl Dimension {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Address, Self::Network, Self::Fingerprint, Self::Agent, Self::Path];

    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// The name, as it stands in events and on pages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Network => "network",
            Self::Fingerprint => "fingerprint",
            Self::Agent => "agent",
            Self::Path => "path",
        }
    }
}

/// How hard a measure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A small budget for all of it together.
    Throttle,
    /// To open a conversation, a browser must first do some work. Pages are read as ever, and what else
    /// strangers ask for is throttled.
    Challenge,
    /// Nothing, for a while. By address, connections are not taken either.
    Deny,
}

impl Step {
    /// The name, as it stands in events and on pages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Throttle => "throttle",
            Self::Challenge => "challenge",
            Self::Deny => "deny",
        }
    }

    /// The step with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Throttle, Self::Challenge, Self::Deny].into_iter().find(|step| step.name() == name)
    }

    const fn harder(self) -> Self {
        match self {
            Self::Throttle => Self::Challenge,
            Self::Challenge | Self::Deny => Self::Deny,
        }
    }
}

/// One measure.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measure {
    pub(crate) step: Step,
    pub(crate) label: String,
    /// Why, in a fixed word.
    pub(crate) why: &'static str,
    pub(crate) since: Timestamp,
    /// When this step was taken.
    stepped: Timestamp,
    pub(crate) until: Timestamp,
}

/// One change of measures.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    pub(crate) dimension: Dimension,
    pub(crate) key: u64,
    pub(crate) measure: Measure,
    pub(crate) ended: bool,
}

/// The measures in force.
#[derive(Debug, Default)]
pub(crate) struct Measures {
    now: HashMap<(Dimension, u64), Measure>,
    /// How often something was found before.
    strikes: HashMap<(Dimension, u64), (u32, Timestamp)>,
}

/// The most measures at once, and the most strikes remembered.
const MOST: usize = 1024;
/// How long a measure lasts at first after its reason was last seen; it doubles with each return.
const FIRST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(900);
/// How long a step is given to show an effect.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a strike is remembered.
const MEMORY: Duration = Duration::from_secs(3600);

impl Measures {
    pub(crate) fn find(&self, dimension: Dimension, key: u64) -> Option<&Measure> {
        self.now.get(&(dimension, key))
    }

    /// The measures and where they apply.
    pub(crate) fn places(&self) -> impl Iterator<Item = ((Dimension, u64), &Measure)> {
        self.now.iter().map(|(place, measure)| (*place, measure))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (Dimension, &Measure)> {
        self.now.iter().map(|((dimension, _), measure)| (*dimension, measure))
    }

    /// There is reason to act on this value, now. `holds`: what is done already keeps nearly all of it out.
    pub(crate) fn prove(
        &mut self,
        dimension: Dimension,
        key: u64,
        label: &str,
        (why, holds): (&'static str, bool),
        now: Timestamp,
    ) -> Option<Change> {
        let place = (dimension, key);
        let lasts = |strikes: u32| (FIRST * 2u32.saturating_pow(strikes.min(10))).min(LONGEST);
        if let Some(measure) = self.now.get_mut(&place) {
            let strikes = self.strikes.get(&place).map_or(0, |(count, _)| count.saturating_sub(1));
            measure.until = now.after(lasts(strikes));
            if measure.step == Step::Deny || now.since(measure.stepped) < PATIENCE {
                return None;
            }
            // What many people share with the flood is not denied while they can tell themselves apart.
            let by_address = matches!(dimension, Dimension::Address | Dimension::Network);
            if measure.step == Step::Challenge && holds && !by_address {
                return None;
            }
            measure.step = measure.step.harder();
            measure.stepped = now;
            return Some(Change { dimension, key, measure: measure.clone(), ended: false });
        }
        if self.now.len() >= MOST {
            return None;
        }
        self.strikes.retain(|_, (_, at)| now.since(*at) < MEMORY);
        if self.strikes.len() >= MOST {
            self.strikes.clear();
        }
        let (count, at) = self.strikes.entry(place).or_insert((0, now));
        let strikes = *count;
        *count += 1;
        *at = now;
        // Who was thrown out before is thrown out at once; a kind of client is challenged at once.
        let step = match (strikes, dimension) {
            (0 | 1, _) => Step::Throttle,
            (_, Dimension::Address | Dimension::Network) => Step::Deny,
            _ => Step::Challenge,
        };
        let measure = Measure {
            step,
            label: label.to_owned(),
            why,
            since: now,
            stepped: now,
            until: now.after(lasts(strikes)),
        };
        self.now.insert(place, measure.clone());
        Some(Change { dimension, key, measure, ended: false })
    }

    /// Somebody broke the protocol on purpose: no step is mild enough.
    pub(crate) fn punish(
        &mut self,
        dimension: Dimension,
        key: u64,
        label: &str,
        now: Timestamp,
    ) -> Option<Change> {
        self.prove(dimension, key, label, ("protocol-abuse", false), now);
        let measure = self.now.get_mut(&(dimension, key))?;
        (measure.step, measure.stepped) = (Step::Deny, now);
        Some(Change { dimension, key, measure: measure.clone(), ended: false })
    }

    /// Another edge shuts it out until then.
    pub(crate) fn hear(
        &mut self,
        (dimension, key): (Dimension, u64),
        (step, label): (Step, &str),
        until: Timestamp,
        now: Timestamp,
    ) -> Option<Change> {
        let place = (dimension, key);
        if let Some(measure) = self.now.get_mut(&place) {
            // What is done here already, and harder, has reasons and an end of its own.
            if step < measure.step {
                return None;
            }
            let harder = step > measure.step;
            measure.until = measure.until.max(until);
            if harder {
                (measure.step, measure.stepped) = (step, now);
            }
            return harder.then(|| Change { dimension, key, measure: measure.clone(), ended: false });
        }
        if self.now.len() >= MOST {
            return None;
        }
        let (label, why) = (label.to_owned(), "another-edge");
        let measure = Measure { step, label, why, since: now, stepped: now, until };
        self.now.insert(place, measure.clone());
        Some(Change { dimension, key, measure, ended: false })
    }

    /// Another edge's staff ended it.
    pub(crate) fn unhear(&mut self, place: (Dimension, u64)) -> Option<Change> {
        let measure = self.now.remove(&place)?;
        let (dimension, key) = place;
        Some(Change { dimension, key, measure, ended: true })
    }

    /// Ends what has had its time.
    pub(crate) fn expire(&mut self, now: Timestamp) -> Vec<Change> {
        let over = self.now.iter().filter(|(_, measure)| measure.until <= now);
        let over: Vec<_> = over.map(|(place, measure)| (*place, measure.clone())).collect();
        over.into_iter()
            .map(|((dimension, key), measure)| {
                self.now.remove(&(dimension, key));
                Change { dimension, key, measure, ended: true }
            })
            .collect()
    }

    /// Ends all of it: somebody knows better.
    pub(crate) fn lift(&mut self, dimension: Dimension, label: &str) -> Vec<Change> {
        let found = self.now.iter().filter(|((d, _), measure)| *d == dimension && measure.label == label);
        let found: Vec<_> = found.map(|(place, measure)| (*place, measure.clone())).collect();
        found
            .into_iter()
            .map(|((dimension, key), measure)| {
                self.now.remove(&(dimension, key));
                self.strikes.remove(&(dimension, key));
                Change { dimension, key, measure, ended: true }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + seconds * 1000)
    }

    fn prove(measures: &mut Measures, second: u64) -> Option<Step> {
        let why = ("over-budget", true);
        let change = measures.prove(Dimension::Address, 7, "192.0.2.7/32", why, at(second));
        change.map(|change| change.measure.step)
    }

    #[test]
    fn a_measure_gets_harder_while_its_reason_lasts_and_ends_by_itself() {
        let mut measures = Measures::default();
        assert_eq!(prove(&mut measures, 0), Some(Step::Throttle));
        assert_eq!(prove(&mut measures, 1), None);
        assert_eq!(prove(&mut measures, 3), Some(Step::Challenge));
        assert_eq!(prove(&mut measures, 6), Some(Step::Deny));
        assert_eq!(prove(&mut measures, 60), None);
        assert!(measures.expire(at(69)).is_empty());
        assert!(measures.expire(at(70)).first().is_some_and(|change| change.ended));
        assert_eq!(measures.all().count(), 0);
    }

    #[test]
    fn a_challenge_that_holds_stays_a_challenge() {
        let mut measures = Measures::default();
        let mut prove = |second, holds| {
            let change = measures.prove(Dimension::Fingerprint, 7, "f", ("new-and-heavy", holds), at(second));
            change.map(|change| change.measure.step)
        };
        assert_eq!(prove(0, true), Some(Step::Throttle));
        assert_eq!(prove(3, true), Some(Step::Challenge));
        assert_eq!(prove(9, true), None);
        assert_eq!(prove(10, false), Some(Step::Deny), "those who flood answer it");
    }

    #[test]
    fn what_comes_back_stays_longer() {
        let mut measures = Measures::default();
        let mut ends = Vec::new();
        for round in 0..4 {
            let start = round * 1000;
            let first = prove(&mut measures, start).unwrap();
            assert_eq!(first, if round < 2 { Step::Throttle } else { Step::Deny });
            ends.push((0..).find(|s| !measures.expire(at(start + s)).is_empty()).unwrap());
        }
        assert_eq!(ends, [10, 20, 40, 80]);
    }

    #[test]
    fn there_are_only_so_many() {
        let mut measures = Measures::default();
        for key in 0..5000 {
            measures.prove(Dimension::Address, key, "x", ("y", false), at(0));
        }
        assert_eq!(measures.now.len(), MOST);
        assert!(measures.strikes.len() <= MOST);
    }
}
