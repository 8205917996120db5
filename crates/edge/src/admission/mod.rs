//! Admission: who is served now, who waits, and who is told to come back. The layers stand in the order
//! of their cost, and each is asked only when the one before said yes:
//!
//! 1. [`Admission::connect`]: access lists, and the rate of new connections by subscriber and site;
//! 2. [`Admission::handshake`]: so many handshakes at once and by second, known addresses first;
//! 3. [`Admission::request`]: budgets by credential or address, site, bot, tenant and route, and what is
//!    done about traffic that was found abnormal (throttle, [`challenge`], deny), before the body is read;
//! 4. [`Admission::turn`]: a lane whose width follows latency, with the urgent first and the greedy behind;
//!    for sign-ins and dear requests a narrow one before it.
//!
//! [`Admission::learn`] closes the circle: the core's answers say who is known ([`standing`]).
//!
//! With a shared store ([`crate::Shared`]) budgets are one with those of other edges, and what is shut out
//! at one edge is shut out at all ([`together`]). Connections, handshakes and lanes are each edge's own.

mod address;
mod at_once;
mod budgets;
mod challenge;
mod detect;
mod forms;
mod gate;
mod gradient;
mod lane;
mod lanes;
mod places;
mod proxy;
mod rate;
mod route;
mod settings;
mod standing;
mod together;
mod traffic;
mod turned;
mod watch;

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{HeaderMap, StatusCode};
use kernel::{Timestamp, World};
use siphasher::sip::SipHasher13;

use address::Prefix;
use at_once::{AtOnce, UnderWay};
use budgets::Charge;
pub(crate) use challenge::CHALLENGE;
use challenge::Challenges;
use detect::{Detector, Dimension, Step};
pub use detect::{Dimension as TrafficDimension, Step as MeasureStep};
pub use forms::FormList;
pub(crate) use gate::{Gate, Permit, Refused};
use lane::Class;
use lanes::{Lanes, Turns};
pub use places::{Country, PlaceFile};
pub(crate) use proxy::read as read_proxy;
use rate::Buckets;
pub use rate::Rate;
pub use route::{Door, Route};
use settings::Access;
pub use settings::{AccessConfig, AccessList, AdmissionConfig, PlaceLimit};
use standing::{Credential, Known, Standing, Standings};
pub use standing::{ISSUED, STANDING};
use together::Together;
pub use traffic::{Heavy, InForce, LaneTraffic, News, Override, Traffic, Witness};
pub(crate) use turned::{Because, Turned};

use crate::{EdgeError, Shared};

impl Visit {
    /// Who asks.
    pub(crate) fn address(&self) -> IpAddr {
        self.address
    }

    /// What it asks for.
    pub(crate) fn route(&self) -> Route {
        self.route
    }
}

/// Large bodies of strangers that are read at once, and as many of those who are known.
const LARGE: usize = 64;
/// What many have a budget for together is remembered in a table of its own, with room for so many.
const PURSES: usize = 8192;
/// How many times a subscriber's share its site has.
const SITE: f64 = 4.0;

/// The admission of a process: one for all its listeners. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Admission(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    world: World,
    settings: ArcSwap<Settings>,
    hash: SipHasher13,
    connections: Buckets,
    requests: Buckets,
    /// Of what many have a budget for together: however many come, they do not crowd these out.
    purses: Buckets,
    /// Credentials that the core has accepted.
    credentials: Standings,
    /// Addresses from where they came.
    friends: Standings,
    handshakes: AtOnce,
    /// Bodies that are larger than what is read of any before its turn.
    large: AtOnce,
    /// By door.
    lanes: Vec<Lanes>,
    detector: Mutex<Detector>,
    /// The measures in force, to be asked on every request.
    measured: ArcSwap<HashMap<(Dimension, u64), (Step, Timestamp)>>,
    overrides: ArcSwap<Vec<Override>>,
    /// When the attack that lasts began, in milliseconds; 0 while there is none.
    attack_began: AtomicU64,
    challenges: Challenges,
    witness: OnceLock<Arc<dyn Witness>>,
    together: Option<Together>,
}

/// What can change while connections are open.
#[derive(Debug)]
struct Settings {
    config: AdmissionConfig,
    access: Access,
}

/// A request that has passed the budgets.
#[derive(Debug)]
pub(crate) struct Visit {
    door: Door,
    route: Route,
    class: Class,
    /// Whose turn it is in a lane: the credential's, or else the subscriber's.
    key: u64,
    credential: Option<Credential>,
    known: Option<Known>,
    address: IpAddr,
    /// The bot whose conversation it is of, hashed; 0 when that is not known.
    bot: u64,
    /// What it is told apart by, by [`Dimension::index`].
    keys: [u64; 5],
    /// What it takes besides, because measures are in force.
    measured: Vec<Charge>,
}

impl Admission {
    /// An admission with these settings.
    ///
    /// # Errors
    /// When they make no sense.
    pub fn new(config: AdmissionConfig, access: &AccessConfig, world: &World) -> Result<Self, EdgeError> {
        Self::with(config, access, None, world)
    }

    fn with(
        config: AdmissionConfig,
        access: &AccessConfig,
        together: Option<Together>,
        world: &World,
    ) -> Result<Self, EdgeError> {
        config.check()?;
        let seed = together.as_ref().map_or_else(|| world.bytes::<16>(), Together::seed);
        let key = |purpose: &str| {
            together.as_ref().map_or_else(|| world.bytes::<32>(), |together| together.key(purpose))
        };
        let lanes = Door::ALL.iter().map(|_| Lanes::new(&config));
        Ok(Self(Arc::new(Inner {
            hash: SipHasher13::new_with_key(&seed),
            connections: Buckets::new(config.memory),
            requests: Buckets::new(config.memory),
            purses: Buckets::new(config.memory.min(PURSES)),
            credentials: Standings::under(&key("credentials"), config.memory),
            friends: Standings::under(&key("friends"), config.memory),
            handshakes: AtOnce::new(config.handshakes_at_once * processors()),
            large: AtOnce::new(LARGE),
            lanes: lanes.collect(),
            detector: Mutex::new(Detector::new()),
            measured: ArcSwap::default(),
            overrides: ArcSwap::default(),
            attack_began: AtomicU64::new(0),
            challenges: Challenges::under(&key("challenges")),
            witness: OnceLock::new(),
            together,
            settings: ArcSwap::from_pointee(Settings { config, access: Access::new(access)? }),
            world: world.clone(),
        })))
    }

    /// The same, with budgets and denials that it shares with other edges.
    ///
    /// # Errors
    /// As [`Admission::new`].
    pub fn together(
        config: AdmissionConfig,
        access: &AccessConfig,
        shared: Shared,
        world: &World,
    ) -> Result<Self, EdgeError> {
        Self::with(config, access, Some(Together::by(shared)), world)
    }

    /// An admission that lets everybody in.
    pub fn off(world: &World) -> Self {
        let none = Self::new(AdmissionConfig::off(), &AccessConfig::default(), world);
        #[expect(clippy::expect_used, reason = "a constant, held by a test")]
        none.expect("the settings of no admission make sense")
    }

    /// Takes other settings for whoever comes from now on; no connection is touched. The sizes of tables
    /// and the widths of lanes stay as they were at the start.
    ///
    /// # Errors
    /// When they make no sense; the old ones stay in force then.
    pub fn reload(&self, config: AdmissionConfig, access: &AccessConfig) -> Result<(), EdgeError> {
        config.check()?;
        self.0.settings.store(Arc::new(Settings { config, access: Access::new(access)? }));
        Ok(())
    }

    /// Whether a connection's address is that of a proxy that speaks the PROXY protocol.
    pub(crate) fn announces(&self, address: IpAddr) -> bool {
        let settings = self.0.settings.load();
        settings.access.proxy_protocol && settings.access.proxies.holds(address)
    }

    /// Whether an address is that of a trusted proxy.
    pub(crate) fn is_proxy(&self, address: IpAddr) -> bool {
        self.0.settings.load().access.proxies.holds(address)
    }

    /// Whether somebody who is known here came from this address lately.
    pub(crate) fn is_friend(&self, address: IpAddr) -> bool {
        self.friend(address).is_some()
    }

    /// The first layer: a new connection.
    pub(crate) fn connect(&self, door: Door, address: IpAddr) -> Result<(), Turned> {
        let settings = self.0.settings.load();
        if !settings.access.allows(door, None, address) {
            return Err(Turned::away(Because::AccessList));
        }
        if !settings.config.enabled || settings.access.proxies.holds(address) {
            return Ok(());
        }
        let (rate, now) = (settings.config.connections, self.0.world.now());
        let prints = self.prints_of(address);
        let [narrow, wide, ..] = prints.keys;
        let decided = self.decided(address, now);
        let take = |key, rate, because| {
            let took = self.0.connections.take(key, rate, 1.0, now);
            took.map_err(|wait| Turned::back_in(because, wait))
        };
        let answer = match decided {
            Some(true) => Ok(()),
            Some(false) => Err(Turned::away(Because::AccessList)),
            None if self.is_shut_out(&prints, now) && !self.is_friend(address) => {
                Err(Turned::back_in(Because::Measure, Duration::from_secs(10)))
            }
            None => take(narrow, rate, Because::AddressConnections)
                .and_then(|()| take(wide, rate.times(SITE), Because::NetworkConnections)),
        };
        if let Err(turned) = answer {
            self.count(&prints, None, None, Some(turned.because));
        }
        answer
    }

    /// The second layer: the costly part of a handshake, once the client has said hello.
    pub(crate) async fn handshake(&self, address: IpAddr) -> Result<Option<UnderWay>, Turned> {
        let settings = self.0.settings.load();
        if !settings.config.enabled {
            return Ok(None);
        }
        let friend = self.is_friend(address);
        if !friend && !settings.access.proxies.holds(address) {
            #[expect(clippy::cast_precision_loss, reason = "a number of processors")]
            let rate = settings.config.handshakes.times(processors() as f64);
            let took = self.0.purses.take(self.key("handshakes"), rate, 1.0, self.0.world.now());
            took.map_err(|wait| self.too_many_hands(address, wait))?;
        }
        drop(settings);
        let party = self.key(("hands", Prefix::narrow(address)));
        let hands = self.0.handshakes.begin(party, friend).await;
        hands.map(Some).ok_or_else(|| self.too_many_hands(address, Duration::from_secs(1)))
    }

    fn too_many_hands(&self, address: IpAddr, wait: Duration) -> Turned {
        self.count(&self.prints_of(address), None, None, Some(Because::Handshakes));
        Turned::back_in(Because::Handshakes, wait)
    }

    /// Who asks: the peer of the connection, or whom a trusted proxy names.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let settings = self.0.settings.load();
        let access = &settings.access;
        if access.proxy_protocol || access.proxies.is_empty() || !access.proxies.holds(peer) {
            return peer;
        }
        proxy::forwarded(headers, &access.proxies).unwrap_or(peer)
    }

    /// The third layer: one request, as far as its head tells.
    pub(crate) fn request<B>(
        &self,
        door: Door,
        request: &http::Request<B>,
        address: IpAddr,
        hello: u64,
    ) -> Result<Visit, Turned> {
        let settings = self.0.settings.load();
        let (config, now) = (&settings.config, self.0.world.now());
        let route = Route::of(door, request.method(), request.uri().path());
        if !settings.access.allows(door, None, address) || !settings.access.allows(door, Some(route), address)
        {
            return Err(Turned::away(Because::AccessList));
        }
        let credential = self.0.credentials.credential(request.headers());
        let known = credential.and_then(|credential| self.0.credentials.find(credential, now));
        // The token of a conversation speaks for that conversation: who opens another with it, or signs in,
        // is as unknown as anybody who does.
        let says_nothing = matches!(route, Route::Open | Route::Login);
        let known = known.filter(|known| !says_nothing || known.standing > Standing::Conversation);
        let class = self.class(known.as_ref(), config);
        let prints = self.prints(request, route, address, hello);
        let [party, ..] = prints.keys;
        let key = known.map_or(party, |known| known.line);
        let bot = known.map_or(0, |known| known.bot);
        let (keys, measured) = (prints.keys, Vec::new());
        let mut visit = Visit { door, route, class, key, credential, known, address, bot, keys, measured };
        if !config.enabled {
            return Ok(visit);
        }
        if route == Route::Health {
            // A budget of its own: whoever floods the rest does not make us look dead.
            let took = self.0.requests.take(self.key(("health", party)), config.address, 1.0, now);
            return took.map(|()| visit).map_err(|wait| Turned::back_in(Because::Address, wait));
        }
        // What staff decided holds for whoever comes from there, but not for those who can take it back.
        if self.decided(address, now) == Some(false)
            && known.is_none_or(|known| known.standing != Standing::Staff)
        {
            self.count(&prints, Some(route), Some((class, known.is_some())), Some(Because::AccessList));
            return Err(Turned::away(Because::AccessList));
        }
        // Measures come before what all strangers share: who is measured takes none of it.
        let answer = self
            .budgets(&settings, &visit, now)
            .and_then(|()| match known {
                None => self.measures(&prints, request.headers(), now).map(|taken| visit.measured = taken),
                Some(_) => Ok(()),
            })
            .and_then(|()| self.sign_ins(&settings, &visit, now));
        self.count(
            &prints,
            Some(route),
            Some((class, known.is_some())),
            answer.as_ref().err().map(|t| t.because),
        );
        answer.map(|()| visit)
    }

    /// The challenge for somebody who was turned away for want of an answer to one.
    pub(crate) fn challenge(&self, turned: &Turned) -> Option<http::HeaderValue> {
        self.0.challenges.give(turned.challenge?, self.0.world.now(), &self.0.world)
    }

    /// Leave to send a body that is larger than what is read of any before its turn. It is read to its end
    /// before that as well: whoever sends slowly would hold a turn, and there are few of those.
    pub(crate) async fn large(&self, visit: &Visit) -> Result<Option<UnderWay>, Turned> {
        if !self.0.settings.load().config.enabled {
            return Ok(None);
        }
        let place = self.0.large.begin(visit.key, visit.known.is_some()).await;
        place.map(Some).ok_or_else(|| {
            self.amend(visit, Some((Because::Busy, visit.route)));
            Turned::back_in(Because::Busy, Duration::from_secs(1))
        })
    }

    /// The last layer: a turn in the lane of the request's class; none is needed where nothing is limited.
    pub(crate) async fn turn(&self, visit: &Visit) -> Result<Option<Turns>, Turned> {
        if visit.route == Route::Health || !self.0.settings.load().config.enabled {
            return Ok(None);
        }
        let Some(lanes) = self.0.lanes.get(visit.door.index()) else { return Ok(None) };
        let turn = lanes.turn(visit).await;
        turn.map(Some).map_err(|_| {
            self.amend(visit, Some((Because::Busy, visit.route)));
            Turned::back_in(Because::Busy, Duration::from_secs(1))
        })
    }

    /// Learns from an answer who is known, and takes the house's own words off it.
    pub(crate) fn learn(&self, visit: &Visit, status: StatusCode, headers: &mut HeaderMap) {
        let now = self.0.world.now();
        if status.is_client_error() {
            self.amend(visit, None);
        }
        let told = headers.remove(&STANDING);
        let told = told.as_ref().and_then(|field| field.to_str().ok());
        let known = told.and_then(|field| standing::told(field, |text| self.key(text).max(1), now));
        if let Some(issued) = headers.remove(&ISSUED) {
            let (credentials, fresh) = (&self.0.credentials, self.0.credentials.hash(issued.as_bytes()));
            // Exchanged for a new one, a credential hands its seniority on, and the new one has no budget of
            // its own: otherwise a few exchanges would make thousands of both.
            let (since, line) = visit.known.map_or((now, fresh.key()), |before| (before.since, before.line));
            let known = known.map(|known| Known { since, line, ..known });
            if let Some(known) = known
                && credentials.learn(fresh, known, now)
            {
                self.mention(fresh, None, now);
            }
            return;
        }
        let Some(credential) = visit.credential else { return };
        match known {
            Some(known) => {
                let known = Known { line: credential.key(), ..known };
                let party = self.party(visit.address);
                let news = self.0.credentials.learn(credential, known, now);
                if self.0.friends.learn(party, known, now) || news {
                    self.mention(credential, Some(party), now);
                }
            }
            None if status == StatusCode::UNAUTHORIZED => self.0.credentials.forget(credential),
            None => {}
        }
    }

    /// Whether a request is known to be of a conversation with the bot of this name.
    pub(crate) fn is_of(&self, visit: &Visit, bot: &str) -> bool {
        visit.bot != 0 && visit.bot == self.key(bot).max(1)
    }

    /// A whole number of seconds for `retry-after`, a little different for everybody, so that they do not
    /// all come back at once.
    pub(crate) fn retry_after(&self, wait: Duration) -> u64 {
        let [jitter] = self.0.world.bytes::<1>();
        wait.as_secs() + 1 + u64::from(jitter % 4)
    }

    fn class(&self, known: Option<&Known>, config: &AdmissionConfig) -> Class {
        let Some(known) = known else { return Class::Anonymous };
        let age = self.0.world.now().since(known.since);
        // Who came with an attack stays new for as long as it lasts.
        let began = self.0.attack_began.load(std::sync::atomic::Ordering::Relaxed);
        let came_with_it = began != 0 && known.since.as_millis() >= began;
        match known.standing {
            Standing::Staff => Class::Staff,
            _ if !came_with_it && age >= Duration::from_secs(config.established_after) => Class::Established,
            _ => Class::Fresh,
        }
    }

    fn friend(&self, address: IpAddr) -> Option<Known> {
        self.0.friends.find(self.party(address), self.0.world.now())
    }

    fn party(&self, address: IpAddr) -> Credential {
        self.0.friends.hash(Prefix::narrow(address).to_string().as_bytes())
    }

    /// A key for tables, which nobody outside can aim at.
    fn key(&self, what: impl Hash) -> u64 {
        let mut hash = self.0.hash;
        what.hash(&mut hash);
        hash.finish().max(1)
    }
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

#[cfg(test)]
mod tests;
