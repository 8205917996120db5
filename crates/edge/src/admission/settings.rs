//! What an operator may say about admission: the sections `[edge]` and `[admission]` of the
//! configuration. Every field has a default that suits a public chat service on one machine.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::address::Blocks;
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
    /// Who may not. It outranks `allow`.
    pub deny: Vec<IpNet>,
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
    lists: Vec<(AccessList, Blocks, Blocks)>,
}

impl Access {
    pub(crate) fn new(config: &AccessConfig) -> Self {
        let lists = config.access.iter();
        Self {
            proxies: Blocks::new(&config.trusted_proxies),
            proxy_protocol: config.proxy_protocol,
            lists: lists
                .map(|list| (list.clone(), Blocks::new(&list.allow), Blocks::new(&list.deny)))
                .collect(),
        }
    }

    /// Whether an address may come to a door; with a route, to that class of routes.
    pub(crate) fn allows(&self, door: Door, route: Option<Route>, address: std::net::IpAddr) -> bool {
        self.lists.iter().all(|(list, allow, deny)| {
            let concerned = (list.doors.is_empty() || list.doors.contains(&door))
                && match route {
                    None => list.routes.is_empty(),
                    Some(route) => list.routes.contains(&route),
                };
            !concerned || (!deny.holds(address) && (allow.is_empty() || allow.holds(address)))
        })
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
        let access = Access::new(&config);
        let may = |door, route, address: &str| access.allows(door, route, address.parse().unwrap());
        assert!(may(Door::Public, None, "203.0.113.1") && !may(Door::Staff, None, "203.0.113.1"));
        assert!(may(Door::Staff, None, "10.6.0.1") && !may(Door::Staff, Some(Route::Login), "10.6.0.1"));
        assert!(!may(Door::Public, None, "192.0.2.3"));
        assert!(may(Door::Public, Some(Route::Page), "10.6.0.1"));
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
