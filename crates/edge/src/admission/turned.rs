//! Why somebody is turned away, and what they are told.

use std::time::Duration;

use kernel::{Problem, ProblemKind};

/// The limit that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Because {
    AccessList,
    AddressConnections,
    NetworkConnections,
    Handshakes,
    Address,
    Network,
    Place,
    Credential,
    Bot,
    Tenant,
    Login,
    Logins,
    Measure,
    Challenge,
    Busy,
}

impl Because {
    /// The name, as it stands in events and on pages.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AccessList => "access-list",
            Self::AddressConnections => "address-connections",
            Self::NetworkConnections => "network-connections",
            Self::Handshakes => "handshakes",
            Self::Address => "address",
            Self::Network => "network",
            Self::Place => "place",
            Self::Credential => "credential",
            Self::Bot => "bot",
            Self::Tenant => "tenant",
            Self::Login => "login",
            Self::Logins => "logins",
            Self::Measure => "measure",
            Self::Challenge => "challenge",
            Self::Busy => "busy",
        }
    }
}

/// Turned away, for now or for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turned {
    pub(crate) because: Because,
    /// When to come back; `None`: not at all.
    pub(crate) wait: Option<Duration>,
    /// The subscriber who may come back at once, with the answer to a challenge.
    pub(crate) challenge: Option<u64>,
}

impl Turned {
    pub(crate) const fn away(because: Because) -> Self {
        Self { because, wait: None, challenge: None }
    }

    pub(crate) const fn back_in(because: Because, wait: Duration) -> Self {
        Self { because, wait: Some(wait), challenge: None }
    }

    /// Come back with an answer, or else later.
    pub(crate) const fn challenged(party: u64, wait: Duration) -> Self {
        Self { because: Because::Challenge, wait: Some(wait), challenge: Some(party) }
    }

    /// The words for whoever asked.
    pub(crate) fn problem(&self) -> Problem {
        match (self.wait, self.because) {
            (None, _) => Problem::new(
                ProblemKind::Forbidden,
                "This address may not come in here.",
                "Ask the operator to let it in.",
            ),
            (_, Because::Busy | Because::Handshakes) => Problem::new(
                ProblemKind::Unavailable,
                "There is more to do here right now than can be done.",
                "Wait as long as `retry-after` says, then send the same again.",
            ),
            (_, Because::Bot | Because::Tenant | Because::Logins | Because::Place) => Problem::new(
                ProblemKind::Throttled,
                "More is asked of this service right now than it is set to answer.",
                "Wait as long as `retry-after` says, then send the same again.",
            ),
            (_, Because::Challenge) => Problem::new(
                ProblemKind::Throttled,
                "Many strangers ask for conversations right now.",
                "Send the same again with the answer to `wardroom-challenge` in `wardroom-proof`, or come back later.",
            ),
            _ => Problem::new(
                ProblemKind::Throttled,
                "Too many requests came from you.",
                "Wait as long as `retry-after` says, then send the same again.",
            ),
        }
    }
}
