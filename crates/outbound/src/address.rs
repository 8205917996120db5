//! What kind of place an IP address is (RFC 6890 and the IANA special-purpose registries): the public
//! network, this machine, the operator's own network, or a place where no server of anybody's stands.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The kind of an address, as far as a connection to it is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressKind {
    /// Reachable from the public network.
    Public,
    /// This machine.
    Loopback,
    /// A private network: RFC 1918, RFC 6598, RFC 4193.
    Private,
    /// The same link, where clouds answer requests for a machine's credentials (`169.254.169.254`,
    /// `fd00:ec2::254`, `100.100.100.200`).
    LinkLocal,
    /// Unspecified, multicast, documentation, benchmarks, reserved: no server stands there.
    Nowhere,
}

impl fmt::Display for AddressKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "a public address",
            Self::Loopback => "this machine itself",
            Self::Private => "an address of a private network",
            Self::LinkLocal => "a link-local or metadata address",
            Self::Nowhere => "not the address of any server",
        })
    }
}

/// The kind of an address. Addresses that carry an IPv4 address in themselves (mapped, NAT64, 6to4) are
/// of that address's kind.
pub fn kind_of(address: IpAddr) -> AddressKind {
    match address {
        IpAddr::V4(address) => v4(address),
        IpAddr::V6(address) => v6(address),
    }
}

fn v4(address: Ipv4Addr) -> AddressKind {
    match address.octets() {
        [127, ..] => AddressKind::Loopback,
        [169, 254, ..] | [100, 100, 100, 200] => AddressKind::LinkLocal,
        [10, ..] | [192, 168, ..] | [172, 16..=31, ..] | [100, 64..=127, ..] => AddressKind::Private,
        [0, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18..=19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [224..=255, ..] => AddressKind::Nowhere,
        _ => AddressKind::Public,
    }
}

fn v6(address: Ipv6Addr) -> AddressKind {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressKind::Loopback,
        // Mapped (RFC 4291) and NAT64 (RFC 6052): the last 32 bits; 6to4 (RFC 3056): the two after it.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(embedded(high, low)),
        [0x2002, high, low, ..] => v4(embedded(high, low)),
        [0xfd00, 0xec2, ..] | [0xfe80..=0xfebf, ..] => AddressKind::LinkLocal,
        [0xfc00..=0xfdff, ..] => AddressKind::Private,
        // Teredo and other protocol assignments, and documentation, inside what is global otherwise.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => AddressKind::Nowhere,
        [0x2000..=0x3fff, ..] => AddressKind::Public,
        _ => AddressKind::Nowhere,
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(kind: AddressKind, addresses: &[&str]) {
        for address in addresses {
            assert_eq!(kind_of(address.parse().unwrap()), kind, "{address}");
        }
    }

    #[test]
    fn every_address_is_of_its_kind() {
        all(AddressKind::Public, &["1.1.1.1", "100.63.0.1", "172.32.0.1", "192.0.1.1", "2606:4700::1111"]);
        all(AddressKind::Public, &["::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::1", "2001:200::1"]);
        all(AddressKind::Loopback, &["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1"]);
        all(AddressKind::Private, &["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fd12::1"]);
        all(AddressKind::Private, &["100.64.0.1", "100.127.255.255", "fc00::1", "2002:a00:1::1"]);
        all(AddressKind::LinkLocal, &["169.254.169.254", "fe80::1", "fd00:ec2::254", "64:ff9b::a9fe:a9fe"]);
        all(AddressKind::LinkLocal, &["100.100.100.200", "::ffff:169.254.169.254", "febf::1"]);
        all(AddressKind::Nowhere, &["0.0.0.0", "0.1.2.3", "224.0.0.1", "255.255.255.255", "240.0.0.1"]);
        all(AddressKind::Nowhere, &["192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.9", "192.88.99.1"]);
        all(AddressKind::Nowhere, &["::", "::2", "ff02::1", "2001:db8::1", "2001::1", "3fff::1", "fec0::1"]);
    }

    proptest::proptest! {
        #[test]
        fn an_embedded_address_is_of_the_kind_it_embeds(octets: [u8; 4]) {
            let address = Ipv4Addr::from(octets);
            let [a, b, c, d] = octets.map(u16::from);
            let (high, low) = (a << 8 | b, c << 8 | d);
            let kind = kind_of(address.into());
            proptest::prop_assert_eq!(kind_of(address.to_ipv6_mapped().into()), kind);
            let nat64 = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low);
            proptest::prop_assert_eq!(kind_of(nat64.into()), kind);
        }
    }
}
