//! What an operator may say about admission: the sections `[edge]` and `[admission]` of the
//! configuration. Every field has a default that suits a public chat service on one machine.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::address::Blocks;
use super::forms::FormList;
use super::places::{Country, Place, Places};
use super::rate::Rate;
use super::route::{Door, Route};
use crate::EdgeError;

/// Whose word about addresses is taken, and who may come in at all.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccessConfig {
    /// Proxies and load balancers before us, as blocks of addresses. They alone may tell a client's
    /// address.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether they tell it by the PROXY protocol, version 2. They must then do so on every connection;
    /// otherwise they tell it by `x-forwarded-for`.
    pub proxy_protocol: bool,
    /// Access lists. All of them must be passed.
    pub access: Vec<AccessList>,
    /// Files in MaxMind's format that say of which country and network (autonomous system) an address is.
    /// They are read again when they change.
    pub places: Vec<PathBuf>,
    /// What requests may look like.
    pub forms: Vec<FormList>,
    /// How much strangers of a country or network may ask for.
    pub limits: Vec<PlaceLimit>,
}

/// A limit for places: each country and each network that is named has this rate for all its strangers
/// together. It comes on top of the other budgets.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PlaceLimit {
    /// The doors it is for; empty: all.
    #[serde(default)]
    pub doors: Vec<Door>,
    /// The classes of routes it is for; empty: all.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// Countries.
    #[serde(default)]
    pub countries: Vec<Country>,
    /// Numbers of autonomous systems.
    #[serde(default)]
    pub asns: Vec<u32>,
    /// How much. Dear routes take several.
    pub rate: Rate,
}

/// One access list: for these doors and routes, these addresses.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccessList {
    /// The doors it is for; empty: all.
    pub doors: Vec<Door>,
    /// The classes of routes it is for; empty: all, and then it is asked when a connection comes.
    pub routes: Vec<Route>,
    /// Who may come; empty: everybody who is not denied.
    pub allow: Vec<IpNet>,
    /// Who may not. It outranks whatever allows.
    pub deny: Vec<IpNet>,
    /// Countries that may come. Where anything is allowed by name, all else is not, and neither is an
    /// address of which no file knows the place.
    pub allow_countries: Vec<Country>,
    /// Countries that may not.
    pub deny_countries: Vec<Country>,
    /// Networks (numbers of autonomous systems) that may come.
    pub allow_asns: Vec<u32>,
    /// Networks that may not.
    pub deny_asns: Vec<u32>,
}

impl AccessConfig {
    /// Refuses what makes no sense. Files are not looked at.
    ///
    /// # Errors
    /// The first setting that is wrong.
    pub fn check(&self) -> Result<(), EdgeError> {
        let refuse = |limit, why| Err(EdgeError::Limit { limit, why });
        let by_place = |list: &AccessList| {
            let countries = [&list.allow_countries, &list.deny_countries];
            let asns = [&list.allow_asns, &list.deny_asns];
            countries.iter().any(|all| !all.is_empty()) || asns.iter().any(|all| !all.is_empty())
        };
        if self.places.is_empty() && (self.access.iter().any(by_place) || !self.limits.is_empty()) {
            return refuse("edge.places", "must name the files that know countries and networks");
        }
        self.forms.iter().try_for_each(FormList::check)?;
        if self.limits.iter().any(|limit| limit.countries.is_empty() && limit.asns.is_empty()) {
            return refuse("edge.limits", "must name countries or networks");
        }
        if self.limits.iter().any(|limit| !limit.rate.makes_sense()) {
            return refuse("edge.limits", "needs a `per_second` above 0 and a `burst` of at least 1");
        }
        Ok(())
    }
}

/// How much of what there may be, and how much is remembered.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdmissionConfig {
    /// Whether anything is limited by rate, order or rule. The limits of a connection (sizes, deadlines,
    /// counts) hold anyway, and so do access lists.
    pub enabled: bool,
    /// New connections of one subscriber (IPv4 address, IPv6 /64). Four times as many of one site (/24,
    /// /48).
    pub connections: Rate,
    /// Full handshakes of all strangers together, per processor. Those whose address is known here are
    /// not counted.
    pub handshakes: Rate,
    /// Handshakes under way at once, per processor; a quarter of them for one subscriber.
    pub handshakes_at_once: usize,
    /// Requests of one subscriber without a credential that is known here. Requests of dear routes count
    /// as several.
    pub address: Rate,
    /// The same of one site.
    pub network: Rate,
    /// Requests with one known credential.
    pub credential: Rate,
    /// Requests of all known credentials of one bot.
    pub bot: Rate,
    /// Requests of all known credentials of one tenant.
    pub tenant: Rate,
    /// Tries to sign in of one subscriber.
    pub login: Rate,
    /// Tries to sign in of all strangers together. Addresses where somebody known here came from have the
    /// same once more for themselves.
    pub logins: Rate,
    /// Seconds after which somebody known here counts as established.
    pub established_after: u64,
    /// Requests that may run at once on each door, at the start; then it follows latency. Of those who came
    /// lately it is four at the start.
    pub concurrency: usize,
    /// And at most.
    pub concurrency_most: usize,
    /// Sign-ins that may run at once, on each door, at most: each one costs a password hash.
    pub logins_at_once: usize,
    /// Dear requests that may run at once, on each door, at most: four at the start, and then as latency
    /// lets it.
    pub costly_at_once: usize,
    /// Whether abnormal traffic is found and limited by itself.
    pub detect: bool,
    /// Keys that each table of rates remembers, and credentials that are. About 20 and 80 bytes each.
    pub memory: usize,
}

impl Default for AdmissionConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            connections: Rate::new(20.0, 60.0),
            handshakes: Rate::new(1000.0, 1000.0),
            handshakes_at_once: 32,
            address: Rate::new(50.0, 200.0),
            network: Rate::new(250.0, 1000.0),
            credential: Rate::new(10.0, 60.0),
            bot: Rate::new(2000.0, 4000.0),
            tenant: Rate::new(5000.0, 10_000.0),
            login: Rate::new(1.0, 20.0),
            logins: Rate::new(20.0, 60.0),
            established_after: 60,
            concurrency: 32,
            concurrency_most: 512,
            logins_at_once: 8,
            costly_at_once: 32,
            detect: true,
            memory: 65_536,
        }
    }
}

impl AdmissionConfig {
    /// Nothing is limited: for a listener whose peers are all ours.
    pub fn off() -> Self {
        Self { enabled: false, memory: 8, ..Self::default() }
    }

    /// Refuses settings that would serve nobody.
    ///
    /// # Errors
    /// The first setting that makes no sense.
    pub fn check(&self) -> Result<(), EdgeError> {
        let refuse = |limit, why| Err(EdgeError::Limit { limit, why });
        for (limit, rate) in [
            ("admission.connections", self.connections),
            ("admission.handshakes", self.handshakes),
            ("admission.address", self.address),
            ("admission.network", self.network),
            ("admission.credential", self.credential),
            ("admission.bot", self.bot),
            ("admission.tenant", self.tenant),
            ("admission.login", self.login),
            ("admission.logins", self.logins),
        ] {
            if !rate.makes_sense() {
                return refuse(limit, "needs a `per_second` above 0 and a `burst` of at least 1");
            }
        }
        for (limit, count) in [
            ("admission.handshakes_at_once", self.handshakes_at_once),
            ("admission.concurrency", self.concurrency),
            ("admission.concurrency_most", self.concurrency_most),
            ("admission.logins_at_once", self.logins_at_once),
            ("admission.costly_at_once", self.costly_at_once),
            ("admission.memory", self.memory),
        ] {
            if count == 0 || count > 1 << 24 {
                return refuse(limit, "must be between 1 and 16777216");
            }
        }
        Ok(())
    }
}

/// Access lists, ready to be asked.
#[derive(Debug, Default)]
pub(crate) struct Access {
    pub(crate) proxies: Blocks,
    pub(crate) proxy_protocol: bool,
    pub(crate) places: Arc<Places>,
    lists: Vec<List>,
    limits: Vec<PlaceLimit>,
    forms: Vec<FormList>,
}

#[derive(Debug)]
struct List {
    said: AccessList,
    allow: Blocks,
    deny: Blocks,
}

impl Access {
    pub(crate) fn new(config: &AccessConfig) -> Result<Self, EdgeError> {
        config.check()?;
        let lists = config.access.iter().map(|said| List {
            said: said.clone(),
            allow: Blocks::new(&said.allow),
            deny: Blocks::new(&said.deny),
        });
        Ok(Self {
            proxies: Blocks::new(&config.trusted_proxies),
            proxy_protocol: config.proxy_protocol,
            places: Arc::new(Places::open(&config.places)?),
            lists: lists.collect(),
            limits: config.limits.clone(),
            forms: config.forms.clone(),
        })
    }

    /// Whether an address may come to a door; with a route, to that class of routes.
    pub(crate) fn allows(&self, door: Door, route: Option<Route>, address: IpAddr) -> bool {
        let mut found = None;
        let mut place = || *found.get_or_insert_with(|| self.places.find(address));
        let mut lists = self.lists.iter().filter(|list| list.concerns(door, route));
        lists.all(|list| list.allows(address, &mut place))
    }

    /// What requests may look like.
    pub(crate) fn forms(&self) -> &[FormList] {
        &self.forms
    }

    /// The limits for the place of an address: which one, and of what.
    pub(crate) fn limits(&self, door: Door, route: Route, address: IpAddr) -> Vec<(u64, Rate)> {
        if self.limits.is_empty() {
            return Vec::new();
        }
        let Place { country, asn } = self.places.find(address);
        let mut all = Vec::new();
        for (limit, at) in self.limits.iter().zip(0u64..) {
            let at_door = limit.doors.is_empty() || limit.doors.contains(&door);
            if !at_door || !(limit.routes.is_empty() || limit.routes.contains(&route)) {
                continue;
            }
            // Which limit, whether of a country or a network, and which one.
            let country = country.filter(|country| limit.countries.contains(country));
            let asn = asn.filter(|asn| limit.asns.contains(asn));
            all.extend(country.map(|country| (at << 40 | 1 << 32 | u64::from(country.number()), limit.rate)));
            all.extend(asn.map(|asn| (at << 40 | u64::from(asn), limit.rate)));
        }
        all
    }
}

impl List {
    fn concerns(&self, door: Door, route: Option<Route>) -> bool {
        let AccessList { doors, routes, .. } = &self.said;
        (doors.is_empty() || doors.contains(&door))
            && match route {
                None => routes.is_empty(),
                Some(route) => routes.contains(&route),
            }
    }

    fn allows(&self, address: IpAddr, place: &mut impl FnMut() -> Place) -> bool {
        let AccessList { allow_countries, deny_countries, allow_asns, deny_asns, .. } = &self.said;
        let mut held = |countries: &[Country], asns: &[u32]| {
            // Most lists name no place, and then none is looked for.
            if countries.is_empty() && asns.is_empty() {
                return false;
            }
            let Place { country, asn } = place();
            country.is_some_and(|country| countries.contains(&country))
                || asn.is_some_and(|asn| asns.contains(&asn))
        };
        if self.deny.holds(address) || held(deny_countries, deny_asns) {
            return false;
        }
        let open = self.allow.is_empty() && allow_countries.is_empty() && allow_asns.is_empty();
        open || self.allow.holds(address) || held(allow_countries, allow_asns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_for_its_doors_and_routes_only() {
        let config = AccessConfig {
            access: vec![
                AccessList {
                    doors: vec![Door::Staff],
                    allow: vec!["10.0.0.0/8".parse().unwrap()],
                    ..Default::default()
                },
                AccessList { deny: vec!["192.0.2.0/24".parse().unwrap()], ..Default::default() },
                AccessList {
                    routes: vec![Route::Login],
                    deny: vec!["10.6.0.0/16".parse().unwrap()],
                    ..Default::default()
                },
            ],
            ..Default::default()
        };
        let access = Access::new(&config).unwrap();
        let may = |door, route, address: &str| access.allows(door, route, address.parse().unwrap());
        assert!(may(Door::Public, None, "203.0.113.1") && !may(Door::Staff, None, "203.0.113.1"));
        assert!(may(Door::Staff, None, "10.6.0.1") && !may(Door::Staff, Some(Route::Login), "10.6.0.1"));
        assert!(!may(Door::Public, None, "192.0.2.3"));
        assert!(may(Door::Public, Some(Route::Page), "10.6.0.1"));
    }

    #[test]
    fn places_are_nothing_without_a_file_and_limits_nothing_without_places() {
        let check = |text: &str| {
            let config: AccessConfig = serde_json::from_str(text).map_err(|error| error.to_string())?;
            config.check().map_err(|error| error.to_string())
        };
        assert!(check(r#"{"access": [{"deny_countries": ["KP"]}]}"#).unwrap_err().contains("edge.places"));
        assert!(check(r#"{"access": [{"deny_countries": ["kp"]}]}"#).unwrap_err().contains("two capital"));
        let limit = |of: &str| {
            check(&format!(
                r#"{{"places": ["x"], "limits": [{{{of}, "rate": {{"per_second": 0, "burst": 1}}}}]}}"#
            ))
        };
        assert!(limit(r#""asns": []"#).unwrap_err().contains("must name countries or networks"));
        assert!(limit(r#""asns": [64496]"#).unwrap_err().contains("per_second"));
    }

    #[test]
    fn settings_without_sense_are_refused_by_name() {
        assert!(AdmissionConfig::default().check().is_ok() && AdmissionConfig::off().check().is_ok());
        let config = AdmissionConfig { login: Rate::new(0.0, 5.0), ..AdmissionConfig::default() };
        assert_eq!(
            config.check().unwrap_err().to_string(),
            "the limit `admission.login` needs a `per_second` above 0 and a `burst` of at least 1"
        );
    }
}
