//! The eyes of admission: what each request is told apart by, the second hand, and what people see of it.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::{self, HeaderMap};
use ipnet::IpNet;
use kernel::Timestamp;

use super::address::{self, Prefix};
use super::budgets::Charge;
use super::challenge;
use super::detect::{Budgets, Change, Detector, Dimension, Sample, Step, TICK};
use super::lane::Class;
use super::lanes::Lanes;
use super::places::Places;
use super::rate::Rate;
use super::route::{Door, Route};
use super::traffic::{Heavy, InForce, LaneTraffic, News, Override, Traffic, Witness};
use super::turned::{Because, Turned};
use super::{Admission, Visit};
use crate::{EdgeError, Shutdown};

/// What all of a throttled value have together, and each address by itself that is at home here.
const THROTTLED: Rate = Rate::new(2.0, 5.0);
/// An answer to a challenge is good once, wherever it is brought.
const ANSWER: Rate = Rate::new(1.0 / challenge::REMEMBERED.as_secs() as f64, 1.0);
/// When somebody is to come back who cannot answer a challenge.
const CHALLENGED: Duration = Duration::from_secs(20);
/// Blocks of addresses that staff may decide about.
const OVERRIDES: usize = 256;
/// Seconds of refusals in one event.
const WINDOW: u64 = 10;
/// Seconds between two looks at the files about places.
const GLANCE: u64 = 2;

/// What one request, or one connection, is told apart by.
pub(super) struct Prints<'a> {
    pub(super) keys: [u64; 5],
    address: IpAddr,
    agent: &'a str,
    path: &'a str,
    route: Option<Route>,
}

impl Prints<'_> {
    /// What to call it.
    fn label(&self, dimension: Dimension) -> String {
        let [_, _, fingerprint, ..] = self.keys;
        let plain = |text: &str| -> String {
            text.chars().take(48).map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '_' }).collect()
        };
        match dimension {
            Dimension::Address => Prefix::narrow(self.address).to_string(),
            Dimension::Network => Prefix::wide(self.address).to_string(),
            Dimension::Fingerprint => format!("{fingerprint:016x}"),
            Dimension::Agent => plain(self.agent),
            Dimension::Path => match self.route {
                Some(Route::Page) => plain(self.path),
                Some(route) => route.name().to_owned(),
                None => String::new(),
            },
        }
    }
}

impl Admission {
    /// Tells `witness` from now on. The first one stays.
    pub fn tell(&self, witness: Arc<dyn Witness>) {
        let _ = self.0.witness.set(witness);
    }

    /// Looks at the traffic once a second, until the shutdown. Without it nothing is detected.
    pub async fn watch(self, shutdown: Shutdown) {
        let mut refused = HashMap::new();
        for second in 1u64.. {
            tokio::select! {
                () = shutdown.requested() => return,
                () = tokio::time::sleep(TICK) => {}
            }
            self.tick();
            for (because, route, count) in &self.detector().limited {
                let route = route.map_or("connection", Route::name);
                *refused.entry((because.name(), route)).or_insert(0) += count;
            }
            if second.is_multiple_of(GLANCE) {
                let places = Arc::clone(&self.0.settings.load().access.places);
                // A file has megabytes; what became of it is in the log.
                let _ = tokio::task::spawn_blocking(move || places.refresh()).await;
            }
            if second.is_multiple_of(WINDOW) {
                for ((limit, route), count) in refused.drain() {
                    self.note(News::Refused { limit, route, count });
                }
                let (accepted, refused, bits) = self.0.challenges.take_counts();
                if accepted + refused > 0 {
                    self.note(News::Answered { accepted, refused, bits });
                }
            }
        }
    }

    /// One second has passed.
    pub(crate) fn tick(&self) {
        let settings = self.0.settings.load();
        let config = &settings.config;
        if !config.enabled || !config.detect {
            return;
        }
        let budgets = Budgets {
            address: config.address.per_second,
            network: config.network.per_second,
            connections: config.connections.per_second,
        };
        let pressed = self.0.lanes.iter().flat_map(Lanes::named).any(|(_, lane)| lane.load().overloaded);
        let now = self.0.world.now();
        let (findings, began, signals) = {
            let mut detector = self.detector();
            let findings = detector.tick(pressed, budgets, now);
            let [.., strangers] = detector.shares;
            self.0.challenges.pressed(strangers);
            (findings, detector.attack_began(), detector.signals.clone())
        };
        self.0.attack_began.store(began.map_or(0, Timestamp::as_millis), Ordering::Relaxed);
        if let Some(state) = findings.state {
            self.note(News::State { state: state.name(), signals });
        }
        self.publish(findings.changes, now);
    }

    /// Traffic as it is now.
    pub fn traffic(&self) -> Traffic {
        let now = self.0.world.now();
        let places = Arc::clone(&self.0.settings.load().access.places);
        let detector = self.detector();
        let in_force = detector.measures.all().map(|(dimension, measure)| InForce {
            dimension,
            label: measure.label.clone(),
            step: measure.step,
            why: measure.why,
            since: measure.since,
            until: measure.until,
        });
        let mut measures: Vec<_> = in_force.collect();
        measures.sort_by(|a, b| (a.dimension, &a.label).cmp(&(b.dimension, &b.label)));
        let classes = Class::ALL.iter().zip(detector.shares).map(|(class, share)| (class.name(), share));
        let limited = detector.limited.iter();
        Traffic {
            at: now,
            state: detector.state.name(),
            signals: detector.signals.clone(),
            seconds: detector.history.iter().map(|second| (second.offered, second.refused)).collect(),
            usual: detector.usual_rate(),
            classes: classes.collect(),
            lanes: self.lanes(),
            limited: limited
                .map(|(because, route, count)| {
                    (because.name(), route.map_or("connection", Route::name), *count)
                })
                .collect(),
            heaviest: Dimension::ALL
                .iter()
                .flat_map(|dimension| heaviest(&detector, *dimension, &places))
                .collect(),
            measures,
            overrides: self.0.overrides.load().iter().filter(|o| o.until > now).cloned().collect(),
            places: places.files(),
        }
    }

    /// Lets a block of addresses in whatever is found, or shuts it out, for a while. Access lists outrank
    /// it. It is forgotten when the process ends; what is to last belongs into the configuration.
    ///
    /// # Errors
    /// When there are too many decisions already.
    pub fn decide(&self, block: IpNet, allowed: bool, lasts: Duration) -> Result<(), EdgeError> {
        let until = self.0.world.now().after(lasts);
        self.override_until(block, allowed, until)?;
        self.tell_decided(block, allowed, until);
        Ok(())
    }

    /// The same, as decided here or at another edge.
    pub(super) fn override_until(
        &self,
        block: IpNet,
        allowed: bool,
        until: Timestamp,
    ) -> Result<(), EdgeError> {
        let (now, block) = (self.0.world.now(), address::plain(block));
        let mut full = false;
        self.0.overrides.rcu(|before| {
            let mut all = before.as_ref().clone();
            all.retain(|other| other.until > now && other.block != block);
            full = all.len() >= OVERRIDES;
            if !full {
                all.push(Override { block, allowed, until });
            }
            all
        });
        if full {
            return Err(EdgeError::Limit { limit: "overrides", why: "has no room for one more" });
        }
        if allowed {
            for dimension in [Dimension::Address, Dimension::Network] {
                let changes = self.detector().measures.lift(dimension, &block.to_string());
                self.publish(changes, now);
            }
        }
        Ok(())
    }

    /// Takes a decision back.
    pub fn undecide(&self, block: IpNet) {
        let until = self.forget(block);
        self.tell_undecided(block, until);
    }

    /// The same, as taken back here or at another edge; until when it would have held.
    pub(super) fn forget(&self, block: IpNet) -> Option<Timestamp> {
        let block = address::plain(block);
        let before = self.0.overrides.rcu(|before| {
            let mut all = before.as_ref().clone();
            all.retain(|other| other.block != block);
            all
        });
        before.iter().find(|other| other.block == block).map(|found| found.until)
    }

    /// Ends a measure before its time.
    pub fn lift(&self, dimension: Dimension, label: &str) {
        let changes = self.detector().measures.lift(dimension, label);
        self.tell_lifted(&changes);
        self.publish(changes, self.0.world.now());
    }

    /// A connection from there was closed for a flood of frames: no other is taken for a while.
    pub(crate) fn offended(&self, address: IpAddr) {
        let settings = self.0.settings.load();
        if !settings.config.enabled || !settings.config.detect || settings.access.proxies.holds(address) {
            return;
        }
        let (now, prints) = (self.0.world.now(), self.prints_of(address));
        let [key, ..] = prints.keys;
        let label = prints.label(Dimension::Address);
        let change = self.detector().measures.punish(Dimension::Address, key, &label, now);
        self.publish(change.into_iter().collect(), now);
    }

    /// What staff decided about an address.
    pub(super) fn decided(&self, address: IpAddr, now: Timestamp) -> Option<bool> {
        let overrides = self.0.overrides.load();
        let inside = overrides.iter().filter(|o| o.until > now && o.block.contains(&address));
        inside.max_by_key(|o| o.block.prefix_len()).map(|o| o.allowed)
    }

    /// Whether connections from there are not taken for now.
    pub(super) fn is_shut_out(&self, prints: &Prints<'_>, now: Timestamp) -> bool {
        let measured = self.0.measured.load();
        let [address, network, ..] = prints.keys;
        [(Dimension::Address, address), (Dimension::Network, network)]
            .iter()
            .any(|place| measured.get(place).is_some_and(|(step, until)| *step == Step::Deny && *until > now))
    }

    /// What is done about a stranger's request; what it took of the measures in force.
    pub(super) fn measures(
        &self,
        prints: &Prints<'_>,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Vec<Charge>, Turned> {
        let mut taken = Vec::new();
        match self.decided(prints.address, now) {
            Some(true) => return Ok(taken),
            Some(false) => return Err(Turned::away(Because::AccessList)),
            None => {}
        }
        let measured = self.0.measured.load();
        if measured.is_empty() {
            return Ok(taken);
        }
        let [party, ..] = prints.keys;
        // Asked at most once: an answer is good for one request, whatever it is challenged for.
        let mut answered = None;
        for (dimension, key) in Dimension::ALL.into_iter().zip(prints.keys) {
            let Some((step, until)) = measured.get(&(dimension, key)) else { continue };
            let rest = until.since(now);
            let turned = |wait| Err(Turned::back_in(Because::Measure, wait));
            match step {
                _ if rest.is_zero() => {}
                Step::Deny => return turned(rest.min(Duration::from_secs(60))),
                Step::Challenge if prints.route == Some(Route::Open) => {
                    let found = || self.0.challenges.answered(headers, party, now);
                    let first = answered.is_none();
                    let Some(nonce) = *answered.get_or_insert_with(found) else {
                        return Err(Turned::challenged(party, rest.min(CHALLENGED)));
                    };
                    if first {
                        let (because, key) = (Because::Measure, self.key(("answer", nonce)));
                        taken.push(Charge { because, key, rate: ANSWER, units: 1.0 });
                    }
                }
                // Who is to answer must be able to read the page that does it; the budgets hold for it.
                Step::Challenge if matches!(prints.route, Some(Route::Page | Route::Read)) => {}
                Step::Throttle | Step::Challenge => {
                    // What was found is a way of asking, not a place: those who are at home here may ask the
                    // same way, and do not wait with the flood.
                    let of_place = matches!(dimension, Dimension::Address | Dimension::Network);
                    let own = if !of_place && self.is_at_home(prints.address) { party } else { 0 };
                    let key = self.key(("measure", dimension, key, own));
                    if let Err(wait) = self.0.purses.take(key, THROTTLED, 1.0, now) {
                        return turned(wait);
                    }
                    taken.push(Charge { because: Because::Measure, key, rate: THROTTLED, units: 1.0 });
                }
            }
        }
        Ok(taken)
    }

    /// Whether somebody has been known for a while who lately came from this address.
    fn is_at_home(&self, address: IpAddr) -> bool {
        let friend = self.friend(address);
        friend.is_some_and(|friend| {
            self.class(Some(&friend), &self.0.settings.load().config) <= Class::Established
        })
    }

    /// How a client speaks TLS: what it offers, in its order, without the values that clients make up to
    /// keep servers tolerant (RFC 8701).
    pub(crate) fn hello(&self, hello: &rustls::server::ClientHello<'_>) -> u64 {
        let made_up = |value: u16| value & 0x0F0F == 0x0A0A;
        let suites = hello.cipher_suites().iter().map(|suite| u16::from(*suite));
        let groups = hello.named_groups().unwrap_or_default().iter().map(|group| u16::from(*group));
        let schemes = hello.signature_schemes().iter().map(|scheme| u16::from(*scheme));
        let mut hash = self.0.hash;
        for value in
            suites.chain([0]).chain(groups).chain([0]).chain(schemes).filter(|value| !made_up(*value))
        {
            value.hash(&mut hash);
        }
        for protocol in hello.alpn().into_iter().flatten() {
            protocol.hash(&mut hash);
        }
        hash.finish()
    }

    /// What a connection is told apart by.
    pub(super) fn prints_of(&self, address: IpAddr) -> Prints<'static> {
        let keys = [self.key(Prefix::narrow(address)), self.key(Prefix::wide(address)), 0, 0, 0];
        Prints { keys, address, agent: "", path: "", route: None }
    }

    /// What a request is told apart by. `hello` is of the connection: how it spoke TLS.
    pub(super) fn prints<'a, B>(
        &self,
        request: &'a http::Request<B>,
        route: Route,
        address: IpAddr,
        hello: u64,
    ) -> Prints<'a> {
        let headers = request.headers();
        let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or("none");
        let path = request.uri().path();
        let mut hash = self.0.hash;
        (hello, request.version()).hash(&mut hash);
        // The order of the fields, without those that come and go with what is asked.
        for name in headers.keys() {
            let comes_and_goes = [
                header::COOKIE,
                header::AUTHORIZATION,
                header::CONTENT_LENGTH,
                header::CONTENT_TYPE,
                header::ORIGIN,
                header::REFERER,
                header::IF_NONE_MATCH,
                header::IF_MODIFIED_SINCE,
                header::CACHE_CONTROL,
                header::PRAGMA,
            ];
            if !comes_and_goes.contains(name) {
                name.as_str().hash(&mut hash);
            }
        }
        let place = match route {
            Route::Page => self.key(("path", path)),
            other => self.key(("route", other)),
        };
        let keys = [
            self.key(Prefix::narrow(address)),
            self.key(Prefix::wide(address)),
            hash.finish().max(1),
            self.key(("agent", agent)),
            place,
        ];
        Prints { keys, address, agent, path, route: Some(route) }
    }

    /// Counts a request, or a connection that was not taken.
    pub(super) fn count(
        &self,
        prints: &Prints<'_>,
        route: Option<Route>,
        who: Option<(Class, bool)>,
        refused: Option<Because>,
    ) {
        let (class, known) = who.unwrap_or((Class::Anonymous, false));
        let label = |dimension| prints.label(dimension);
        let sample = Sample { keys: prints.keys, label: &label, class: class.index(), known, refused, route };
        self.detector().count(&sample);
    }

    /// A request came to a bad end.
    pub(super) fn amend(&self, visit: &Visit, refused: Option<(Because, Route)>) {
        self.detector().amend(visit.keys, refused);
    }

    fn lanes(&self) -> Vec<LaneTraffic> {
        let places = Door::ALL.iter().zip(&self.0.lanes);
        let places = places.flat_map(|(door, lanes)| lanes.named().map(|(name, lane)| (*door, name, lane)));
        let lanes = places.map(|(door, name, lane)| {
            let load = lane.load();
            LaneTraffic {
                door: door.name(),
                name,
                limit: load.limit,
                running: load.running,
                waiting: load.waiting,
                shed: load.shed,
            }
        });
        lanes.filter(|lane| lane.running + lane.waiting > 0 || lane.shed > 0).collect()
    }

    /// Puts changed measures into force and tells of them.
    pub(super) fn publish(&self, changes: Vec<Change>, now: Timestamp) {
        {
            // The ends of measures move every second while their reason lasts.
            let detector = self.detector();
            let places = detector.measures.places();
            let in_force: HashMap<_, _> =
                places.map(|(place, measure)| (place, (measure.step, measure.until))).collect();
            if !(in_force.is_empty() && self.0.measured.load().is_empty()) {
                self.0.measured.store(Arc::new(in_force));
            }
        }
        self.spread();
        for Change { dimension, measure, ended, .. } in changes {
            let (dimension, label) = (dimension.name(), measure.label);
            self.note(match ended {
                true => News::Lifted { dimension, label, lasted: now.since(measure.since) },
                false => News::Measure {
                    dimension,
                    label,
                    step: measure.step.name(),
                    why: measure.why,
                    lasts: measure.until.since(now),
                },
            });
        }
    }

    fn note(&self, news: News) {
        if let Some(witness) = self.0.witness.get() {
            witness.note(news);
        }
    }

    pub(super) fn detector(&self) -> MutexGuard<'_, Detector> {
        self.0.detector.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn heaviest(detector: &Detector, dimension: Dimension, places: &Places) -> Vec<Heavy> {
    let place = |label: &str| {
        let block = label.parse::<IpNet>().ok();
        block.map(|block| places.find(block.addr()).to_string()).unwrap_or_default()
    };
    let heavy = detector.heaviest(dimension, 5).into_iter();
    let heavy = heavy.map(|counter| Heavy {
        dimension,
        label: counter.label.clone(),
        place: place(&counter.label),
        per_second: detector.per_second(counter),
        refused: counter.share(counter.refused),
        known: counter.share(counter.known),
    });
    heavy.filter(|heavy| heavy.per_second >= 0.1).collect()
}

#[cfg(test)]
mod tests {
    use http::Method;
    use kernel::{ManualClock, World};

    use super::*;
    use crate::admission::challenge::answer;
    use crate::admission::{AccessConfig, AdmissionConfig};

    fn ask(method: Method, path: &str) -> http::Request<()> {
        http::Request::builder().method(method).uri(path).header("user-agent", "bot").body(()).unwrap()
    }

    #[test]
    fn staff_sign_in_while_the_route_is_throttled_for_strangers() {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000)));
        let world = World::rehearsal(Arc::clone(&clock), 7);
        let admission = Admission::new(AdmissionConfig::default(), &AccessConfig::default(), &world).unwrap();
        let office: IpAddr = "192.0.2.1".parse().unwrap();
        let mut known = ask(Method::GET, "/conversations");
        known.headers_mut().insert("authorization", "Bearer t".parse().unwrap());
        let visit = admission.request(Door::Staff, &known, office, 0).unwrap();
        let mut told = HeaderMap::new();
        told.insert(super::super::STANDING, "staff".parse().unwrap());
        admission.learn(&visit, http::StatusCode::OK, &mut told);
        let key = admission.key(("route", Route::Login));
        let why = ("new-and-heavy", true);
        let change = admission.detector().measures.prove(Dimension::Path, key, "login", why, world.now());
        admission.publish(change.into_iter().collect(), world.now());
        let sign_in =
            |from: IpAddr| admission.request(Door::Staff, &ask(Method::POST, "/sign-in"), from, 0).map(drop);
        let strangers = (0..50u8).filter(|i| sign_in(IpAddr::from([198, 51, 100 + i, 1])).is_ok()).count();
        assert!(strangers <= 5, "{strangers}");
        sign_in(office).unwrap();
    }

    #[test]
    fn a_challenged_stranger_reads_pages_and_opens_with_an_answer() {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000)));
        let world = World::rehearsal(Arc::clone(&clock), 7);
        let admission = Admission::new(AdmissionConfig::default(), &AccessConfig::default(), &world).unwrap();
        let here: IpAddr = "192.0.2.1".parse().unwrap();
        let try_it =
            |request: &http::Request<()>| admission.request(Door::Public, request, here, 0).map(drop);
        let open = || ask(Method::POST, "/chat/v1/conversations");
        try_it(&open()).unwrap();
        // Whoever calls itself so floods: throttled first, challenged while that lasts.
        let key = admission.key(("agent", "bot"));
        for seconds in [0, 4] {
            clock.advance(Duration::from_secs(seconds));
            let (now, why) = (world.now(), ("new-and-heavy", true));
            let change = admission.detector().measures.prove(Dimension::Agent, key, "bot", why, now);
            admission.publish(change.into_iter().collect(), now);
        }
        for _ in 0..20 {
            try_it(&ask(Method::GET, "/widget.js")).unwrap();
        }
        let turned = try_it(&open()).unwrap_err();
        assert_eq!(turned.because, Because::Challenge);
        assert!(turned.wait.is_some_and(|wait| wait <= CHALLENGED), "{turned:?}");
        let proof = answer(&admission.challenge(&turned).unwrap());
        let mut answered = open();
        answered.headers_mut().insert("wardroom-proof", proof);
        try_it(&answered).unwrap();
        assert_eq!(try_it(&answered).unwrap_err().because, Because::Challenge, "an answer is good once");
        let elsewhere = admission.request(Door::Public, &answered, "198.51.100.1".parse().unwrap(), 0);
        assert_eq!(elsewhere.unwrap_err().because, Because::Challenge, "and for one subscriber");
    }
}
