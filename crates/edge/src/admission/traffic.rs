//! What goes on, for people: numbers of the last seconds, what is limited, and why.

use std::time::Duration;

use kernel::Timestamp;

use super::detect::{Dimension, Step};
use super::places::PlaceFile;

/// Traffic as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Traffic {
    /// When this was.
    pub at: Timestamp,
    /// `calm`, `elevated` or `attack`.
    pub state: &'static str,
    /// What is unusual: `rate`, `pressure`, `refusals`, `strangers`, `failures`, `mix`.
    pub signals: Vec<&'static str>,
    /// Requests of each of the last seconds, the newest last: offered, and turned away.
    pub seconds: Vec<(f64, f64)>,
    /// Requests each second as they usually are.
    pub usual: f64,
    /// Requests of the last second by who asked: `staff`, `established`, `fresh`, `anonymous`.
    pub classes: Vec<(&'static str, f64)>,
    /// The lanes in which something runs, waits or was turned away.
    pub lanes: Vec<LaneTraffic>,
    /// Which limit turned how many away in the last second, and from what.
    pub limited: Vec<(&'static str, &'static str, u64)>,
    /// The heaviest of each dimension.
    pub heaviest: Vec<Heavy>,
    /// The measures in force.
    pub measures: Vec<InForce>,
    /// What staff let in or shut out by hand.
    pub overrides: Vec<Override>,
    /// The files that say where addresses are.
    pub places: Vec<PlaceFile>,
}

/// One lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneTraffic {
    /// `public` or `staff`.
    pub door: &'static str,
    /// `all`, or the narrow one of `newcomers`, `login` or `costly`.
    pub name: &'static str,
    /// How many may run at once now.
    pub limit: usize,
    /// How many do.
    pub running: usize,
    /// How many wait.
    pub waiting: usize,
    /// How many were turned away since the start.
    pub shed: u64,
}

/// One of the heaviest.
#[derive(Debug, Clone, PartialEq)]
pub struct Heavy {
    /// By what.
    pub dimension: Dimension,
    /// Who or what.
    pub label: String,
    /// Of an address or a network, where it is, as far as that is known: `SE, AS64496`.
    pub place: String,
    /// Requests each second.
    pub per_second: f64,
    /// Of them, turned away (0 to 1).
    pub refused: f64,
    /// Of them, from somebody known here (0 to 1).
    pub known: f64,
}

/// One measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// By what.
    pub dimension: Dimension,
    /// Who or what.
    pub label: String,
    /// How hard.
    pub step: Step,
    /// `over-budget`, `new-and-heavy`, `protocol-abuse` or `another-edge`.
    pub why: &'static str,
    /// Since when.
    pub since: Timestamp,
    /// Until when, unless its reason lasts.
    pub until: Timestamp,
}

/// A block of addresses that staff decided about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The block.
    pub block: ipnet::IpNet,
    /// Let in whatever detection says, or shut out.
    pub allowed: bool,
    /// Until when.
    pub until: Timestamp,
}

/// Who is told of what admission does, so that it is written down. It must not wait: a flood of requests
/// must not become a flood of work.
pub trait Witness: Send + Sync + std::fmt::Debug {
    /// Something happened.
    fn note(&self, news: News);
}

/// What admission and the firewall did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Requests were turned away: how many in the last ten seconds, by which limit, from what.
    Refused {
        /// The limit.
        limit: &'static str,
        /// The class of routes; `connection` before there was a request.
        route: &'static str,
        /// How many.
        count: u64,
    },
    /// A measure was taken, or became harder.
    Measure {
        /// By what.
        dimension: &'static str,
        /// Who or what.
        label: String,
        /// How hard.
        step: &'static str,
        /// Why.
        why: &'static str,
        /// How long it lasts, unless its reason does.
        lasts: Duration,
    },
    /// A measure ended.
    Lifted {
        /// By what.
        dimension: &'static str,
        /// Who or what.
        label: String,
        /// How long it was in force.
        lasted: Duration,
    },
    /// Traffic became calm, elevated or an attack.
    State {
        /// Which.
        state: &'static str,
        /// What is unusual.
        signals: Vec<&'static str>,
    },
    /// Challenges were answered in the last ten seconds.
    Answered {
        /// Answers that were taken.
        accepted: u64,
        /// Answers that were wrong, late, or used before.
        refused: u64,
        /// How many zero bits are asked for now.
        bits: u8,
    },
    /// The firewall refused a request, would have, or found conversation text suspicious.
    Inspected(crate::inspect::Finding),
}
