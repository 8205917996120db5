//! Traffic: what comes to the edge now, what is limited and why, and letting in or shutting out by hand.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use doors::{Authorized, Form, Query};
use guard::Act;
use guard::action::{DecideTraffic, ReadTraffic};
use kernel::Timestamp;
use ledger::catalogue::TrafficDecided;
use serde::Deserialize;

use crate::Desk;
use crate::page::{Shell, When, chosen, html, may, see, shell};
use crate::refusal::{self, Found};
use crate::trouble::{Answer, invalid};
use crate::via::ByDoor;

/// How long a decision made here lasts. What is to last longer belongs into the configuration.
const LASTS: Duration = Duration::from_secs(60 * 60);

/// The edge, as far as the console looks into it. In one process it is the edge itself.
pub trait TrafficDesk: Send + Sync {
    /// What goes on.
    fn now(&self) -> TrafficNow;

    /// The block of addresses that `text` means, as it is spelled everywhere; none when it means none.
    fn block(&self, text: &str) -> Option<String>;

    /// Lets a block in, or shuts it out, for a while.
    ///
    /// # Errors
    /// In words for people, when that is not possible.
    fn decide(&self, block: &str, allowed: bool, lasts: Duration) -> Result<(), &'static str>;

    /// Takes such a decision back.
    fn undo(&self, block: &str);

    /// Ends a measure before its time.
    fn lift(&self, dimension: &str, label: &str);
}

/// What goes on at the edge.
#[derive(Debug, Clone, Default)]
pub struct TrafficNow {
    /// `calm`, `elevated` or `attack`.
    pub state: &'static str,
    /// What is unusual.
    pub signals: Vec<&'static str>,
    /// Requests of each of the last seconds, the newest last: offered, and turned away.
    pub seconds: Vec<(f64, f64)>,
    /// Requests each second as they usually are.
    pub usual: f64,
    /// Requests of the last second by who asked.
    pub classes: Vec<(&'static str, f64)>,
    /// Door, lane, how many may run, run, wait, and were turned away since the start.
    pub lanes: Vec<(&'static str, &'static str, usize, usize, usize, u64)>,
    /// Which limit turned how many away in the last second, and from what.
    pub limited: Vec<(&'static str, &'static str, u64)>,
    /// The heaviest.
    pub heaviest: Vec<Heaviest>,
    /// What is limited.
    pub measures: Vec<Measured>,
    /// The store that edges share, if there is one.
    pub shared: Option<SharedNow>,
    /// The files that know where addresses are: what each calls itself, and when it was made.
    pub places: Vec<(String, Timestamp)>,
    /// What was decided by hand: block, let in, until.
    pub decided: Vec<(String, bool, Timestamp)>,
}

/// The store that edges share.
#[derive(Debug, Clone)]
pub struct SharedNow {
    /// Where it is.
    pub place: String,
    /// Whether limits are one with those of other edges now.
    pub together: bool,
    /// Since when it is so.
    pub since: Timestamp,
    /// Why it is away.
    pub why: String,
    /// Requests for which it was asked.
    pub asked: u64,
    /// Of them, those that it did not answer in time.
    pub unanswered: u64,
    /// Messages told to other edges.
    pub told: u64,
    /// Messages heard from them.
    pub heard: u64,
}

/// One of the heaviest.
#[derive(Debug, Clone)]
pub struct Heaviest {
    /// By what.
    pub dimension: &'static str,
    /// Who or what.
    pub label: String,
    /// Where it is, as far as that is known.
    pub place: String,
    /// Requests each second.
    pub per_second: f64,
    /// The share that was turned away, 0 to 1.
    pub refused: f64,
    /// The share of somebody known, 0 to 1.
    pub known: f64,
}

/// One measure.
#[derive(Debug, Clone)]
pub struct Measured {
    /// By what.
    pub dimension: &'static str,
    /// Who or what.
    pub label: String,
    /// How hard.
    pub step: &'static str,
    /// Why.
    pub why: &'static str,
    /// Since when.
    pub since: Timestamp,
    /// Until when, unless its reason lasts.
    pub until: Timestamp,
}

#[derive(Template)]
#[template(path = "traffic.html")]
struct Page {
    shell: Shell,
    now: TrafficNow,
    tone: &'static str,
    offered: String,
    refused: String,
    most: f64,
    tens: Vec<Ten>,
    decides: bool,
    reference: String,
    found: Option<Found>,
}

/// Ten seconds of the table under the chart.
struct Ten {
    ago: usize,
    offered: f64,
    refused: f64,
}

impl Page {
    /// Whether it is an address, which can be let in or shut out.
    fn is_block(&self, dimension: &str) -> bool {
        matches!(dimension, "address" | "network")
    }

    fn percent(&self, share: &f64) -> String {
        format!("{:.0} %", share * 100.0)
    }
}

/// What a page was reached by.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    done: Option<String>,
    reference: Option<String>,
}

/// `GET /traffic`
pub(crate) async fn page(
    leave: Authorized<ReadTraffic>,
    State(desk): State<Desk>,
    Query(wanted): Query<Wanted>,
) -> Answer {
    let shell = shell(&desk, &leave, "Traffic", "/traffic").await?.after(wanted.done.as_deref());
    let now = desk.traffic.now();
    let most = now.seconds.iter().map(|(offered, refused)| offered.max(*refused)).fold(1.0, f64::max);
    let line = |value: fn(&(f64, f64)) -> f64| {
        let points = now.seconds.iter().zip(0u32..).map(|(second, at)| {
            format!("{},{:.1}", f64::from(at) * 5.0, 100.0 - value(second) / most * 96.0)
        });
        points.collect::<Vec<_>>().join(" ")
    };
    let (offered, refused) = (line(|second| second.0), line(|second| second.1));
    let tens = now.seconds.rchunks(10).zip(0usize..).map(|(ten, at)| {
        #[expect(clippy::cast_precision_loss, reason = "ten at most")]
        let count = ten.len() as f64;
        let sum = |value: fn(&(f64, f64)) -> f64| ten.iter().map(value).sum::<f64>() / count;
        Ten { ago: at * 10, offered: sum(|second| second.0), refused: sum(|second| second.1) }
    });
    let tens = tens.take(6).collect();
    let tone = match now.state {
        "attack" => "bad",
        "elevated" => "warn",
        _ => "good",
    };
    let decides = may(&desk, leave.permit().actor(), Act::DecideTraffic);
    let found = match chosen(&wanted.reference) {
        Some(typed) => Some(refusal::look_up(&desk, leave.into_permit(), typed).await?),
        None => None,
    };
    let reference = wanted.reference.unwrap_or_default();
    html(&Page { shell, now, tone, offered, refused, most, tens, decides, reference, found })
}

/// What is decided about which block.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decision {
    block: String,
    decision: String,
}

/// `POST /traffic/decide`
pub(crate) async fn decide(
    leave: Authorized<DecideTraffic>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Form(form): Form<Decision>,
) -> Answer {
    let block = desk.traffic.block(&form.block).ok_or_else(|| {
        invalid(
            "That is no address and no block of addresses.",
            "Write 192.0.2.7, 192.0.2.0/24 or 2001:db8::/48.",
        )
    })?;
    let decision = match form.decision.as_str() {
        "allow" => "allow",
        "deny" => "deny",
        "undo" => "undo",
        _ => return Err(invalid("There is no such decision.", "Choose one of the buttons.").into()),
    };
    let scribe = desk.keys.scribe(desk.tenant).await?;
    // Spelled as the addresses of other events are.
    let spelled = block.strip_suffix("/32").or(block.strip_suffix("/128")).unwrap_or(&block);
    let seconds = if decision == "undo" { 0 } else { LASTS.as_secs() };
    let event = TrafficDecided { block: scribe.pseudonym_of(spelled)?, decision, seconds };
    // Written down first: what cannot be recorded does not happen.
    let entry = scribe.write(&event, leave.permit().actor(), &via)?;
    desk.db.write(move |tx| entry.append(tx)).await?;
    match decision {
        "undo" => desk.traffic.undo(&block),
        _ => desk
            .traffic
            .decide(&block, decision == "allow", LASTS)
            .map_err(|detail| invalid(detail, "Take another decision back first."))?,
    }
    see("/traffic?done=decided")
}

/// Which measure is ended.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lift {
    dimension: String,
    label: String,
}

/// `POST /traffic/lift`
pub(crate) async fn lift(
    leave: Authorized<DecideTraffic>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Form(form): Form<Lift>,
) -> Answer {
    let scribe = desk.keys.scribe(desk.tenant).await?;
    let spelled = form.label.strip_suffix("/32").unwrap_or(&form.label);
    let event = TrafficDecided { block: scribe.pseudonym_of(spelled)?, decision: "lift", seconds: 0 };
    let entry = scribe.write(&event, leave.permit().actor(), &via)?;
    desk.db.write(move |tx| entry.append(tx)).await?;
    desk.traffic.lift(&form.dimension, &form.label);
    see("/traffic?done=lifted")
}
