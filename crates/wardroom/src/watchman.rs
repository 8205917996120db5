//! What admission and the firewall do at the edge, written down. The edge tells; here it becomes events, in their own
//! time and so many at once: a flood of requests is not a flood of events.

use std::time::Duration;

use console::{Heaviest, Measured, SharedNow, TrafficDesk, TrafficNow};
use edge::{Admission, Finding, News, Outcome, TrafficDimension, Witness};
use guard::{Actor, ServiceName};
use ledger::catalogue::{
    ChallengeAnswered, Method, RequestBlocked, RequestRefused, ResponseWithheld, SuspiciousText,
    TrafficLimited, TrafficState, TrafficUnlimited,
};
use ledger::{Event, Listed, Token};
use store::{Scribe, Via, Written};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::Failure;
use crate::wiring::Foundation;

/// News that wait to be written down; more are counted in the log of the process only.
const WAITING: usize = 1024;

/// Hears of news.
#[derive(Debug)]
pub(crate) struct Ears(Sender<News>);

impl Witness for Ears {
    fn note(&self, news: News) {
        if let Err(lost) = self.0.try_send(news) {
            tracing::warn!(news = ?lost.into_inner(), "there was no room for news of the edge");
        }
    }
}

/// The edge as the console looks into it.
pub(crate) struct Lookout(pub(crate) Admission);

impl TrafficDesk for Lookout {
    fn now(&self) -> TrafficNow {
        let traffic = self.0.traffic();
        let heaviest = traffic.heaviest.into_iter().map(|heavy| Heaviest {
            dimension: heavy.dimension.name(),
            label: heavy.label,
            place: heavy.place,
            per_second: heavy.per_second,
            refused: heavy.refused,
            known: heavy.known,
        });
        let measures = traffic.measures.into_iter().map(|measure| Measured {
            dimension: measure.dimension.name(),
            label: measure.label,
            step: measure.step.name(),
            why: measure.why,
            since: measure.since,
            until: measure.until,
        });
        let lanes = traffic.lanes.iter();
        TrafficNow {
            state: traffic.state,
            signals: traffic.signals,
            seconds: traffic.seconds,
            usual: traffic.usual,
            classes: traffic.classes,
            lanes: lanes.map(|l| (l.door, l.name, l.limit, l.running, l.waiting, l.shed)).collect(),
            limited: traffic.limited,
            heaviest: heaviest.collect(),
            measures: measures.collect(),
            shared: self.0.shared().map(|shared| SharedNow {
                place: shared.place,
                together: shared.together,
                since: shared.since,
                why: shared.why,
                asked: shared.asked,
                unanswered: shared.unanswered,
                told: shared.told,
                heard: shared.heard,
            }),
            places: traffic.places.into_iter().map(|file| (file.kind, file.made)).collect(),
            decided: traffic.overrides.iter().map(|o| (o.block.to_string(), o.allowed, o.until)).collect(),
        }
    }

    fn block(&self, text: &str) -> Option<String> {
        block(text).map(|block| block.to_string())
    }

    fn decide(&self, text: &str, allowed: bool, lasts: Duration) -> Result<(), &'static str> {
        let block = block(text).ok_or("That is no block of addresses.")?;
        self.0.decide(block, allowed, lasts).map_err(|_| "There are too many decisions already.")
    }

    fn undo(&self, text: &str) {
        if let Some(block) = block(text) {
            self.0.undecide(block);
        }
    }

    fn lift(&self, dimension: &str, label: &str) {
        let found = TrafficDimension::ALL.into_iter().find(|known| known.name() == dimension);
        if let Some(dimension) = found {
            self.0.lift(dimension, label);
        }
    }
}

/// A block as people write it: an address alone is a block of one.
fn block(text: &str) -> Option<ipnet::IpNet> {
    let text = text.trim();
    let alone = || text.parse::<std::net::IpAddr>().ok().map(ipnet::IpNet::from);
    text.parse::<ipnet::IpNet>().ok().or_else(alone).map(|block| block.trunc())
}

/// Ears, and what they will hear.
pub(crate) fn ears() -> (Ears, Receiver<News>) {
    let (ears, news) = channel(WAITING);
    (Ears(ears), news)
}

/// Writes news down as they come.
pub(crate) async fn keep_writing(base: Foundation, mut news: Receiver<News>) {
    let mut waiting = Vec::new();
    while news.recv_many(&mut waiting, WAITING).await > 0 {
        if let Err(error) = write(&base, &waiting).await {
            tracing::error!(%error, "news of the edge could not be written down");
        }
        waiting.clear();
    }
}

async fn write(base: &Foundation, news: &[News]) -> Result<(), Failure> {
    let scribe = base.keys.scribe(base.tenant).await?;
    let edge = Actor::Service { name: ServiceName::Edge, tenant: base.tenant };
    let entries: Result<Vec<_>, Failure> = news.iter().map(|news| entry(&scribe, &edge, news)).collect();
    let entries = entries?;
    Ok(base.db.write(move |tx| entries.iter().try_for_each(|entry| entry.append(tx).map(|_| ()))).await?)
}

fn entry(scribe: &Scribe, edge: &Actor, news: &News) -> Result<Written, Failure> {
    fn put<E: Event>(scribe: &Scribe, edge: &Actor, event: &E) -> Result<Written, Failure> {
        Ok(scribe.write(event, edge, &Via::default())?)
    }
    // Addresses are personal: they stand in events as pseudonyms, spelled as other events spell them.
    let named = |dimension: &str, label: &str| -> Result<_, Failure> {
        Ok(match dimension {
            "address" | "network" => {
                let spelled = label.strip_suffix("/32").unwrap_or(label);
                (None, Some(scribe.pseudonym_of(spelled)?))
            }
            _ => (Some(Token::lossy(label)), None),
        })
    };
    match news {
        News::Refused { limit, route, count } => {
            let route = Token::lossy(route);
            put(scribe, edge, &RequestRefused { limit, route, method: Method::Other, count: *count })
        }
        News::State { state, signals } => {
            let signals: Vec<_> = signals.iter().map(|signal| Token::lossy(signal)).collect();
            put(scribe, edge, &TrafficState { state, signals: Listed::try_from(signals)? })
        }
        News::Measure { dimension, label, step, why, lasts } => {
            let (value, block) = named(dimension, label)?;
            let seconds = lasts.as_secs();
            put(scribe, edge, &TrafficLimited { dimension, value, block, step, why, seconds })
        }
        News::Lifted { dimension, label, lasted } => {
            let (value, block) = named(dimension, label)?;
            put(scribe, edge, &TrafficUnlimited { dimension, value, block, seconds: lasted.as_secs() })
        }
        News::Answered { accepted, refused, bits } => {
            let (accepted, refused, bits) = (*accepted, *refused, u64::from(*bits));
            put(scribe, edge, &ChallengeAnswered { accepted, refused, bits })
        }
        News::Inspected(finding) => inspected(scribe, edge, finding),
    }
}

/// A finding of the firewall; the event's request is the reference that the visitor was given.
fn inspected(scribe: &Scribe, edge: &Actor, finding: &Finding) -> Result<Written, Failure> {
    let source = finding.address.map(|address| address.to_string());
    let via = Via { request: finding.reference, source, device: None };
    let rules: Vec<_> = finding.rules.iter().map(|rule| Token::lossy(&rule.to_string())).collect();
    let (rules, route) = (Listed::try_from(rules)?, Token::lossy(finding.route));
    let (method, count) = (Method::named(finding.method.as_str()), finding.count);
    let passed = finding.outcome == Outcome::Observed;
    let (score, threshold) = (finding.score, finding.threshold);
    Ok(match finding.outcome {
        Outcome::Blocked | Outcome::Observed if finding.answer => {
            let event = ResponseWithheld { rules, score, threshold, route, method, passed, count };
            scribe.write(&event, edge, &via)?
        }
        Outcome::Blocked | Outcome::Observed => {
            let subject = None;
            let event = RequestBlocked { rules, score, threshold, route, method, subject, passed, count };
            scribe.write(&event, edge, &via)?
        }
        Outcome::Suspicious => {
            scribe.write(&SuspiciousText { rules, score, route, method, count }, edge, &via)?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::datadir::DataDir;

    #[tokio::test]
    async fn news_of_the_edge_become_events_without_an_address() {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::hold(&temp.path().join("data")).unwrap();
        dir.folder("keys").unwrap();
        let base = Foundation::open(dir.path(), &Config::default(), true).await.unwrap();
        let (ears, news) = ears();
        let measure = |dimension, label: &str| News::Measure {
            dimension,
            label: label.to_owned(),
            step: "throttle",
            why: "over-budget",
            lasts: Duration::from_secs(10),
        };
        ears.note(News::State { state: "attack", signals: vec!["rate", "pressure"] });
        ears.note(measure("address", "192.0.2.77/32"));
        ears.note(measure("agent", "curl/8.1 (a thing)"));
        let lasted = Duration::from_secs(20);
        ears.note(News::Lifted { dimension: "address", label: "192.0.2.77/32".to_owned(), lasted });
        ears.note(News::Refused { limit: "address", route: "page", count: 9 });
        ears.note(News::Answered { accepted: 3, refused: 1, bits: 17 });
        drop(ears);
        keep_writing(base.clone(), news).await;
        let leave = base.leave::<guard::action::VerifyAudit>().unwrap();
        let leaves = base.db.read(move |tx| store::audit::walk(tx, &leave, 0, 100)).await.unwrap();
        let text: String = leaves
            .into_iter()
            .filter_map(|leaf| leaf.json)
            .map(|json| String::from_utf8(json).unwrap())
            .collect();
        for code in
            ["EDGE-1010W", "EDGE-1011W", "EDGE-1012I", "EDGE-1014I", "EDGE-1001W", "curl/8.1__a_thing_"]
        {
            assert!(text.contains(code), "{code} in {text}");
        }
        assert!(!text.contains("192.0.2.77"));
    }
}
