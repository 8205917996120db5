//! Who may have how many connections open. A permit is held by the connection's socket and given back
//! when that is dropped, whatever became of the connection in between (an upgrade, for example).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::address::Prefix;
use crate::Limits;

/// Counts open connections: in sum, by subscriber and by site. It never counts more of them than there
/// are connections, so it is as bounded as they are.
#[derive(Debug)]
pub(crate) struct Gate {
    most: usize,
    most_per_address: usize,
    most_per_network: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_prefix: HashMap<Prefix, usize>,
}

/// Leave to keep one connection open.
#[derive(Debug)]
pub(crate) struct Permit {
    gate: Arc<Gate>,
    party: Option<IpAddr>,
}

/// Why there is no permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The listener is full; for strangers it is so a little earlier.
    Full,
    /// The subscriber has enough.
    Address,
    /// The site has enough.
    Network,
}

impl Gate {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            most: limits.connections,
            most_per_address: limits.connections_per_address,
            most_per_network: limits.connections_per_network,
            open: Mutex::default(),
        })
    }

    /// Lets a connection of whoever it is in. The last fifth of the places is kept for friends:
    /// addresses from where somebody known here came lately.
    pub(crate) fn enter(self: &Arc<Self>, friend: bool) -> Result<Permit, Refused> {
        let mut open = self.lock();
        if open.all >= self.places(friend) {
            return Err(Refused::Full);
        }
        open.all += 1;
        Ok(Permit { gate: Arc::clone(self), party: None })
    }

    fn places(&self, friend: bool) -> usize {
        let most = if friend { self.most } else { self.most - self.most / 5 };
        most.max(1)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Says whose connection it is that was let in on a proxy's word to come: if it is no friend's, it has none
    /// of the places that are kept for them.
    pub(crate) fn is_of(&self, friend: bool) -> Result<(), Refused> {
        let open = self.gate.lock();
        if open.all > self.gate.places(friend) { Err(Refused::Full) } else { Ok(()) }
    }

    /// Counts the connection for `party` as well. Apart from [`Gate::enter`] because behind a proxy the
    /// party is known only after the first bytes.
    pub(crate) fn count_for(&mut self, party: IpAddr) -> Result<(), Refused> {
        let mut open = self.gate.lock();
        let of = |prefix| open.by_prefix.get(&prefix).copied().unwrap_or_default();
        let (narrow, wide) = (Prefix::narrow(party), Prefix::wide(party));
        if of(narrow) >= self.gate.most_per_address {
            return Err(Refused::Address);
        }
        if of(wide) >= self.gate.most_per_network.max(self.gate.most_per_address) {
            return Err(Refused::Network);
        }
        for prefix in [narrow, wide] {
            *open.by_prefix.entry(prefix).or_insert(0) += 1;
        }
        drop(open);
        self.party = Some(party);
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.gate.lock();
        open.all = open.all.saturating_sub(1);
        let Some(party) = self.party else { return };
        for prefix in [Prefix::narrow(party), Prefix::wide(party)] {
            if let Some(count) = open.by_prefix.get_mut(&prefix) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    open.by_prefix.remove(&prefix);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn gate(connections: usize, per_address: usize, per_network: usize) -> Arc<Gate> {
        Gate::new(&Limits {
            connections,
            connections_per_address: per_address,
            connections_per_network: per_network,
            ..Limits::default()
        })
    }

    fn enter(gate: &Arc<Gate>, from: &str) -> Result<Permit, Refused> {
        let mut permit = gate.enter(false)?;
        permit.count_for(ip(from)).map(|()| permit)
    }

    #[test]
    fn an_address_has_its_share_and_gets_it_back() {
        let gate = gate(20, 2, 9);
        let first = enter(&gate, "192.0.2.1").unwrap();
        let _second = enter(&gate, "::ffff:192.0.2.1").unwrap();
        assert_eq!(enter(&gate, "192.0.2.1").unwrap_err(), Refused::Address);
        let _other = enter(&gate, "192.0.2.2").unwrap();
        drop(first);
        assert!(enter(&gate, "192.0.2.1").is_ok());
    }

    #[test]
    fn a_v6_subscriber_counts_once_and_a_site_has_its_share() {
        let gate = gate(20, 1, 2);
        let _one = enter(&gate, "2001:db8:1:2::1").unwrap();
        assert_eq!(enter(&gate, "2001:db8:1:2:ffff::9").unwrap_err(), Refused::Address);
        let _two = enter(&gate, "2001:db8:1:3::1").unwrap();
        assert_eq!(enter(&gate, "2001:db8:1:4::1").unwrap_err(), Refused::Network);
        assert!(enter(&gate, "2001:db8:2::1").is_ok());
    }

    #[test]
    fn a_full_gate_keeps_places_for_friends_and_forgets_who_left() {
        let gate = gate(5, 9, 9);
        let mut inside: Vec<_> = (0..4).map(|i| enter(&gate, &format!("192.0.2.{i}")).unwrap()).collect();
        assert_eq!(enter(&gate, "192.0.2.9").unwrap_err(), Refused::Full);
        inside.push(gate.enter(true).unwrap());
        assert_eq!(gate.enter(true).unwrap_err(), Refused::Full);
        drop(inside);
        let open = gate.open.lock().unwrap();
        assert!(open.all == 0 && open.by_prefix.is_empty());
    }
}
