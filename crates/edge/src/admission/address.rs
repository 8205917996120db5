//! Addresses as parties: one subscriber, and the network that the subscriber sits in.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

/// An IPv4 /32 or /24, or an IPv6 /64 or /48: what one subscriber, or one site, is usually given
/// (RFC 6177).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Prefix(IpNet);

impl Prefix {
    /// The subscriber: an IPv4 address, or the IPv6 /64.
    pub(crate) fn narrow(address: IpAddr) -> Self {
        Self::of(address, 32, 64)
    }

    /// The site: the IPv4 /24, or the IPv6 /48.
    pub(crate) fn wide(address: IpAddr) -> Self {
        Self::of(address, 24, 48)
    }

    fn of(address: IpAddr, v4: u8, v6: u8) -> Self {
        let address = address.to_canonical();
        let bits = if address.is_ipv4() { v4 } else { v6 };
        let block = IpNet::new(address, bits).unwrap_or_else(|_| IpNet::from(address));
        Self(block.trunc())
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A block as addresses are compared with it: one of IPv4 addresses that is written as IPv6 (`::ffff:`) is
/// the one that it maps.
pub(crate) fn plain(block: IpNet) -> IpNet {
    let IpNet::V6(v6) = block else { return block };
    let mapped = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    mapped.and_then(|(address, bits)| IpNet::new(address.into(), bits).ok()).unwrap_or(block)
}

/// Blocks of addresses, asked whether one is inside. Small lists, so a walk is the fastest lookup.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Blocks(Vec<IpNet>);

impl Blocks {
    pub(crate) fn new(blocks: &[IpNet]) -> Self {
        Self(IpNet::aggregate(&blocks.iter().copied().map(plain).collect()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|block| block.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_subscriber_and_a_site_are_written_as_blocks() {
        assert_eq!(Prefix::narrow(ip("192.0.2.7")).to_string(), "192.0.2.7/32");
        assert_eq!(Prefix::narrow(ip("::ffff:192.0.2.7")), Prefix::narrow(ip("192.0.2.7")));
        assert_eq!(Prefix::wide(ip("192.0.2.7")).to_string(), "192.0.2.0/24");
        assert_eq!(Prefix::narrow(ip("2001:db8:1:2:3::4")).to_string(), "2001:db8:1:2::/64");
        assert_eq!(Prefix::wide(ip("2001:db8:1:2:3::4")).to_string(), "2001:db8:1::/48");
    }

    #[test]
    fn a_list_holds_what_is_inside_its_blocks() {
        let blocks = Blocks::new(&["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()]);
        assert!(blocks.holds(ip("10.9.8.7")) && blocks.holds(ip("2001:db8:ffff::1")));
        assert!(blocks.holds(ip("::ffff:10.0.0.1")));
        assert!(!blocks.holds(ip("11.0.0.1")) && !blocks.holds(ip("2001:db9::1")));
    }
}
