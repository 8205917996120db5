//! Admission with others: budgets that several edges take from, measures that hold at all of them, and people
//! who are known at all of them.
//!
//! A request that this edge's own limits refuse is not asked about, so a flood does not reach the store.
//! What the store counts flows back into the buckets here: who used up a budget at another edge is refused
//! by this one without a question, and stays refused when the store goes away. Without the store in time,
//! the limits of this edge alone decide: nobody is let in for that reason, and nobody is shut out.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use kernel::Timestamp;

use super::budgets::Charge;
use super::detect::{Change, Dimension, Step};
use super::standing::{self, Credential, Known, Standing};
use super::turned::Turned;
use super::{Admission, Route, Visit};
use crate::shared::{Budget, Rumour};
use crate::{Shared, SharedStatus, Shutdown};

/// How much longer a measure must last than it was told to, to be told again.
const AGAIN: Duration = Duration::from_secs(3);
/// How long it is remembered that staff took back what is not known here.
const UNKNOWN: Duration = Duration::from_secs(60 * 60);

/// The other edges, as far as admission goes.
#[derive(Debug)]
pub(super) struct Together {
    shared: Shared,
    spread: Mutex<Spread>,
}

/// Measures of detection, by where they come from.
#[derive(Debug, Default)]
struct Spread {
    heard: HashMap<Place, Step>,
    /// And until when.
    told: HashMap<Place, (Step, Timestamp)>,
}

/// One value of one dimension.
type Place = (Dimension, u64);

/// What is done about it, what it is called, and until when.
type InForce = (Place, Step, String, Timestamp);

impl Together {
    pub(super) fn by(shared: Shared) -> Self {
        Self { shared, spread: Mutex::default() }
    }

    /// What keys of tables are made with: the same everywhere, so that a key means the same everywhere.
    pub(super) fn seed(&self) -> [u8; 16] {
        let mut seed = [0; 16];
        let bytes = self.shared.derive("table keys");
        seed.iter_mut().zip(bytes.expose()).for_each(|(to, from)| *to = *from);
        seed
    }

    /// A key for one purpose, the same everywhere.
    pub(super) fn key(&self, purpose: &str) -> [u8; 32] {
        *self.shared.derive(purpose).expose()
    }

    fn spread(&self) -> MutexGuard<'_, Spread> {
        self.spread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admission {
    /// How it stands with the store that edges share, if there is one.
    pub fn shared(&self) -> Option<SharedStatus> {
        self.0.together.as_ref().map(|together| together.shared.status())
    }

    /// Keeps in touch with the other edges until the shutdown. Without it this edge is alone.
    pub async fn keep_together(self, shutdown: Shutdown) {
        let Some(together) = &self.0.together else { return };
        let keeping = together.shared.keep(|rumour| self.heard(rumour), || self.in_force());
        tokio::select! {
            () = shutdown.requested() => {}
            () = keeping => {}
        }
    }

    /// The budgets of a request that this edge would serve, as all edges count them.
    pub(crate) async fn share(&self, visit: &Visit) -> Result<(), Turned> {
        let Some(together) = &self.0.together else { return Ok(()) };
        if !together.shared.is_together() || visit.route == Route::Health {
            return Ok(());
        }
        let charges: Vec<Charge> = {
            let settings = self.0.settings.load();
            if !settings.config.enabled {
                return Ok(());
            }
            let measured = visit.measured.iter().copied();
            self.charges(&settings, visit, self.0.world.now()).chain(measured).collect()
        };
        let budgets = charges.iter().map(|charge| {
            let most = charge.rate.micros(charge.rate.burst);
            let price = charge.rate.micros(charge.units).min(most);
            Budget { name: together.shared.name(charge.because.name(), charge.key), most, price }
        });
        let budgets: Vec<_> = budgets.collect();
        let Some(answer) = together.shared.take(&budgets).await else { return Ok(()) };
        let now = self.0.world.now();
        for (charge, fill) in charges.iter().zip(answer.fill) {
            self.bucket(charge.because).fill(charge.key, fill, now);
        }
        let refused = answer.refused.and_then(|(which, wait)| Some((charges.get(which)?.because, wait)));
        match refused {
            None => Ok(()),
            Some((because, wait)) => {
                self.amend(visit, Some((because, visit.route)));
                Err(Turned::back_in(because, wait))
            }
        }
    }

    /// Tells the other edges what staff decided here.
    pub(super) fn tell_decided(&self, block: IpNet, allowed: bool, until: Timestamp) {
        if let Some(together) = &self.0.together {
            together.shared.tell(Rumour::Decided { block, allowed, until: until.as_millis() });
        }
    }

    /// And what they took back, which held until then at most.
    pub(super) fn tell_undecided(&self, block: IpNet, until: Option<Timestamp>) {
        if let Some(together) = &self.0.together {
            let until = until.unwrap_or_else(|| self.0.world.now().after(UNKNOWN)).as_millis();
            together.shared.tell(Rumour::Undecided { block, until });
        }
    }

    /// And which measures they ended.
    pub(super) fn tell_lifted(&self, lifted: &[Change]) {
        let Some(together) = &self.0.together else { return };
        for Change { dimension, key, measure, .. } in lifted {
            let (dimension, until) = (dimension.name().to_owned(), measure.until.as_millis());
            together.shared.tell(Rumour::Lifted { dimension, key: *key, until });
        }
    }

    /// Tells the other edges what detection does about whom here.
    pub(super) fn spread(&self) {
        let Some(together) = &self.0.together else { return };
        let in_force = self.measured();
        let mut spread = together.spread();
        let places: HashSet<_> = in_force.iter().map(|(place, ..)| *place).collect();
        spread.heard.retain(|place, _| places.contains(place));
        spread.told.retain(|place, _| places.contains(place));
        for (place, step, label, until) in in_force {
            let heard = spread.heard.get(&place).is_some_and(|heard| *heard >= step);
            let told = spread.told.get(&place);
            if heard || told.is_some_and(|(told, then)| *told >= step && until.since(*then) < AGAIN) {
                continue;
            }
            spread.told.insert(place, (step, until));
            together.shared.tell(rumour((place, step, label, until)));
        }
    }

    /// What detection does now, and about whom.
    fn measured(&self) -> Vec<InForce> {
        let detector = self.detector();
        let all = detector.measures.places();
        all.map(|(place, measure)| (place, measure.step, measure.label.clone(), measure.until)).collect()
    }

    /// Tells the other edges who the bearer of a credential is.
    pub(super) fn mention(&self, credential: Credential, party: Option<Credential>, now: Timestamp) {
        let Some(together) = &self.0.together else { return };
        // As it is kept: with the seniority that it has here.
        let Some(known) = self.0.credentials.find(credential, now) else { return };
        let Known { standing, tenant, bot, since, line } = known;
        together.shared.mention(Rumour::Known {
            credential: credential.to_text(),
            address: party.map(Credential::to_text),
            standing: standing.name().to_owned(),
            tenant,
            bot,
            since: since.as_millis(),
            line,
            until: now.after(standing::MEMORY).as_millis(),
        });
    }

    /// All that other edges have to know of this one.
    fn in_force(&self) -> Vec<Rumour> {
        let now = self.0.world.now();
        let overrides = self.0.overrides.load();
        let decided = overrides.iter().filter(|o| o.until > now).map(|o| Rumour::Decided {
            block: o.block,
            allowed: o.allowed,
            until: o.until.as_millis(),
        });
        decided.chain(self.measured().into_iter().map(rumour)).collect()
    }

    /// What another edge told.
    fn heard(&self, rumour: Rumour) {
        let now = self.0.world.now();
        let place = |name: &str, key| {
            Some((Dimension::ALL.into_iter().find(|dimension| dimension.name() == name)?, key))
        };
        let change = match rumour {
            Rumour::Decided { block, allowed, until } => {
                if self.override_until(block, allowed, Timestamp::from_millis(until)).is_err() {
                    tracing::warn!("there was no room for a decision of another edge");
                }
                None
            }
            Rumour::Undecided { block, .. } => {
                self.forget(block);
                None
            }
            Rumour::Measured { dimension, key, label, step, until } => {
                place(&dimension, key).zip(Step::named(&step)).and_then(|(place, step)| {
                    if let Some(together) = &self.0.together {
                        let heard = &mut together.spread().heard;
                        heard.entry(place).and_modify(|before| *before = step.max(*before)).or_insert(step);
                    }
                    let until = Timestamp::from_millis(until);
                    self.detector().measures.hear(place, (step, &label), until, now)
                })
            }
            Rumour::Known { credential, address, standing, tenant, bot, since, line, .. } => {
                // Nobody is older than now: clocks differ.
                let since = Timestamp::from_millis(since).min(now);
                let known = Standing::named(&standing);
                let known = known.map(|standing| Known { standing, tenant, bot, since, line });
                if let (Some(credential), Some(known)) = (Credential::of_text(&credential), known) {
                    self.0.credentials.learn(credential, known, now);
                    if let Some(party) = address.as_deref().and_then(Credential::of_text) {
                        self.0.friends.learn(party, known, now);
                    }
                }
                // Nothing that is in force has changed.
                return;
            }
            Rumour::Lifted { dimension, key, .. } => {
                place(&dimension, key).and_then(|place| self.detector().measures.unhear(place))
            }
        };
        self.publish(change.into_iter().collect(), now);
    }
}

fn rumour(((dimension, key), step, label, until): InForce) -> Rumour {
    let (dimension, step) = (dimension.name().to_owned(), step.name().to_owned());
    Rumour::Measured { dimension, key, label, step, until: until.as_millis() }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::Arc;

    use kernel::{ManualClock, Secret, World};

    use super::super::{AccessConfig, AdmissionConfig, Door};
    use super::*;
    use crate::SharedConfig;

    /// An edge whose store is never reached: what it would tell waits.
    fn edge(clock: &Arc<ManualClock>, seed: u64) -> Admission {
        let world = World::rehearsal(Arc::clone(clock), seed);
        let config = SharedConfig {
            url: Secret::new("redis://localhost".to_owned()),
            secret: Some(Secret::new("what the edges of a test know".to_owned())),
            ca: None,
            cleartext: false,
            name: "test".to_owned(),
            timeout: Duration::from_millis(25),
        };
        let shared = Shared::new(&config, &world).unwrap();
        Admission::together(AdmissionConfig::default(), &AccessConfig::default(), shared, &world).unwrap()
    }

    /// Lets `to` hear all that `from` told; how much that was.
    fn pass_on(from: &Admission, to: &Admission) -> usize {
        let told = from.0.together.as_ref().unwrap().shared.overhear();
        let count = told.len();
        told.into_iter().for_each(|rumour| to.heard(rumour));
        count
    }

    #[test]
    fn whom_detection_shuts_out_here_is_shut_out_there_until_it_ends() {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000)));
        let (one, two) = (edge(&clock, 1), edge(&clock, 2));
        let flood: IpAddr = "192.0.2.66".parse().unwrap();
        assert!(two.connect(Door::Public, flood).is_ok());
        one.offended(flood);
        assert_eq!(pass_on(&one, &two), 1);
        assert!(two.connect(Door::Public, flood).is_err());
        let there = two.traffic().measures;
        assert_eq!((there[0].label.as_str(), there[0].why), ("192.0.2.66/32", "another-edge"));
        assert_eq!(pass_on(&two, &one), 0, "what was heard is not told back");

        // While its reason lasts it is told again, and ends at both when that is over.
        clock.advance(Duration::from_secs(8));
        one.offended(flood);
        assert_eq!(pass_on(&one, &two), 1);
        clock.advance(Duration::from_secs(8));
        one.tick();
        two.tick();
        assert!(two.connect(Door::Public, flood).is_err());
        clock.advance(Duration::from_secs(3));
        one.tick();
        two.tick();
        assert!(two.connect(Door::Public, flood).is_ok() && two.traffic().measures.is_empty());

        // Staff end it at the other edge.
        one.offended(flood);
        pass_on(&one, &two);
        assert!(two.connect(Door::Public, flood).is_err());
        two.lift(Dimension::Address, "192.0.2.66/32");
        pass_on(&two, &one);
        assert!(one.traffic().measures.is_empty() && one.connect(Door::Public, flood).is_ok());
    }

    #[test]
    fn milder_measures_hold_at_all_edges_too_and_get_harder_together() {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000)));
        let (one, two) = (edge(&clock, 1), edge(&clock, 2));
        let proved = |edge: &Admission, holds| {
            let now = edge.0.world.now();
            let why = ("new-and-heavy", holds);
            let change = edge.detector().measures.prove(Dimension::Fingerprint, 7, "f", why, now);
            edge.publish(change.into_iter().collect(), now);
        };
        let step = |edge: &Admission| edge.traffic().measures[0].step;
        proved(&one, true);
        assert_eq!((pass_on(&one, &two), pass_on(&two, &one)), (1, 0));
        assert_eq!((step(&two), two.traffic().measures[0].why), (Step::Throttle, "another-edge"));
        clock.advance(Duration::from_secs(3));
        proved(&one, true);
        assert_eq!((pass_on(&one, &two), step(&two)), (1, Step::Challenge));
        // The flood answers challenges at the other edge.
        clock.advance(Duration::from_secs(3));
        proved(&two, false);
        assert_eq!((pass_on(&two, &one), step(&one)), (1, Step::Deny));
        assert_eq!(pass_on(&one, &two), 0);
        one.lift(Dimension::Fingerprint, "f");
        assert_eq!((pass_on(&one, &two), two.traffic().measures.len()), (1, 0));
    }

    #[test]
    fn a_challenge_of_one_edge_may_be_answered_at_another() {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000)));
        let (one, two) = (edge(&clock, 1), edge(&clock, 2));
        let challenge = one.challenge(&Turned::challenged(7, Duration::ZERO)).unwrap();
        let proof = ("wardroom-proof".parse().unwrap(), super::super::challenge::answer(&challenge));
        let (proof, now) = (http::HeaderMap::from_iter([proof]), two.0.world.now());
        assert!(two.0.challenges.answered(&proof, 8, now).is_none(), "another subscriber");
        assert!(two.0.challenges.answered(&proof, 7, now).is_some());
    }

    #[test]
    fn who_is_known_here_is_known_there_and_it_is_told_once_in_a_while() {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000)));
        let (one, two) = (edge(&clock, 1), edge(&clock, 2));
        let here: IpAddr = "192.0.2.1".parse().unwrap();
        let ask = |edge: &Admission| {
            let request = http::Request::get("/").header("authorization", "Bearer t").body(()).unwrap();
            edge.request(Door::Public, &request, here, 0).unwrap()
        };
        let served = || {
            let said = (super::super::STANDING, "conversation; tenant=a; bot=b".parse().unwrap());
            one.learn(&ask(&one), http::StatusCode::OK, &mut http::HeaderMap::from_iter([said]));
            pass_on(&one, &two)
        };
        assert_eq!(served(), 0, "there is nobody to tell");
        assert!(ask(&two).known.is_none() && !two.is_friend(here));
        one.0.together.as_ref().unwrap().shared.pretend_together();
        clock.advance(Duration::from_secs(601));
        assert_eq!((served(), served()), (1, 0));
        let (known, there) = (ask(&one).known.unwrap(), ask(&two).known.unwrap());
        assert_eq!(known, there, "standing, tenant, bot and seniority");
        assert!(two.is_friend(here) && ask(&two).class == super::super::Class::Established);
        clock.advance(Duration::from_secs(601));
        assert_eq!(served(), 1);
    }

    #[test]
    fn what_is_decided_by_staff_is_told_and_known_to_whoever_asks() {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000)));
        let (one, two) = (edge(&clock, 1), edge(&clock, 2));
        let block: IpNet = "192.0.2.0/24".parse().unwrap();
        one.decide(block, false, Duration::from_secs(60)).unwrap();
        assert_eq!((pass_on(&one, &two), two.in_force().len()), (1, 1));
        assert!(two.connect(Door::Public, "192.0.2.9".parse().unwrap()).is_err());
        two.undecide(block);
        pass_on(&two, &one);
        assert!(one.in_force().is_empty() && one.connect(Door::Public, "192.0.2.9".parse().unwrap()).is_ok());
    }
}
