//! Who may have how many connections open. A permit is held by the connection's socket and given back
//! when that is dropped, whatever became of the connection in between (an upgrade, for example).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts open connections, in sum and by address.
#[derive(Debug)]
pub(crate) struct Gate {
    most: usize,
    most_per_address: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Leave to keep one connection open.
#[derive(Debug)]
pub(crate) struct Permit {
    gate: Arc<Gate>,
    key: IpAddr,
}

/// Why there is no permit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Full,
    Address,
}

impl Gate {
    pub(crate) fn new(most: usize, most_per_address: usize) -> Arc<Self> {
        Arc::new(Self { most, most_per_address, open: Mutex::default() })
    }

    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Result<Permit, Refused> {
        let key = party(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.all >= self.most {
            return Err(Refused::Full);
        }
        let of_party = open.by_address.entry(key).or_insert(0);
        if *of_party >= self.most_per_address {
            return Err(Refused::Address);
        }
        *of_party += 1;
        open.all += 1;
        Ok(Permit { gate: Arc::clone(self), key })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.gate.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all = open.all.saturating_sub(1);
        if let Some(of_party) = open.by_address.get_mut(&self.key) {
            *of_party = of_party.saturating_sub(1);
            if *of_party == 0 {
                open.by_address.remove(&self.key);
            }
        }
    }
}

/// One party: an IPv4 address, or the IPv6 /64 that one subscriber is given (RFC 6177).
fn party(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let prefix = u128::from(v6) & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from(prefix))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_its_share_and_gets_it_back() {
        let gate = Gate::new(10, 2);
        let first = gate.enter(ip("192.0.2.1")).unwrap();
        let _second = gate.enter(ip("::ffff:192.0.2.1")).unwrap();
        assert_eq!(gate.enter(ip("192.0.2.1")).unwrap_err(), Refused::Address);
        let _other = gate.enter(ip("192.0.2.2")).unwrap();
        drop(first);
        assert!(gate.enter(ip("192.0.2.1")).is_ok());
    }

    #[test]
    fn a_v6_subscriber_counts_once() {
        let gate = Gate::new(10, 1);
        let _one = gate.enter(ip("2001:db8:1:2::1")).unwrap();
        assert_eq!(gate.enter(ip("2001:db8:1:2:ffff::9")).unwrap_err(), Refused::Address);
        assert!(gate.enter(ip("2001:db8:1:3::1")).is_ok());
    }

    #[test]
    fn a_full_gate_refuses_everybody_and_forgets_who_left() {
        let gate = Gate::new(2, 2);
        let both = [gate.enter(ip("192.0.2.1")).unwrap(), gate.enter(ip("192.0.2.2")).unwrap()];
        assert_eq!(gate.enter(ip("192.0.2.3")).unwrap_err(), Refused::Full);
        drop(both);
        assert!(gate.open.lock().unwrap().by_address.is_empty());
    }
}
