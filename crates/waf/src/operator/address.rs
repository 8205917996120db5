//! `ipMatch`: addresses and networks.

use std::net::IpAddr;

use super::OperatorError;

/// A list of networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressSet(Vec<Network>);

/// An address as 128 bits (IPv4 in its IPv4-mapped form) and how many of them count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    bits: u128,
    length: u32,
}

impl AddressSet {
    /// Reads a list separated by commas or white space: `10.0.0.0/8, ::1`.
    ///
    /// # Errors
    /// [`OperatorError::Address`] names the entry that is neither an address nor a network.
    pub fn parse(list: &str) -> Result<Self, OperatorError> {
        let entries = list.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty());
        entries
            .map(|entry| network(entry).ok_or_else(|| OperatorError::Address(entry.to_owned())))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// True if one of the networks holds this address. An IPv4-mapped IPv6 address is its IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = bits(address);
        self.0.iter().any(|network| (network.bits ^ bits) & mask(network.length) == 0)
    }

    /// As [`contains`](Self::contains) for an address in text; text that is no address is in no network.
    #[must_use]
    pub fn contains_text(&self, address: &[u8]) -> bool {
        let text = std::str::from_utf8(address).ok();
        text.and_then(|text| text.trim().parse().ok()).is_some_and(|address| self.contains(address))
    }
}

fn network(entry: &str) -> Option<Network> {
    let (address, length) = match entry.split_once('/') {
        Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
        None => (entry, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let length = length.unwrap_or(width);
    (length <= width).then(|| Network { bits: bits(address), length: length + 128 - width })
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn mask(length: u32) -> u128 {
    u128::MAX.checked_shl(128 - length.min(128)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_their_networks() {
        let set = AddressSet::parse("127.0.0.1, ::1,10.1.0.0/16 2001:db8::/32").unwrap();
        for inside in ["127.0.0.1", "::1", "10.1.255.3", "2001:db8:1::5", "::ffff:10.1.0.9"] {
            assert!(set.contains_text(inside.as_bytes()), "{inside}");
        }
        for outside in ["127.0.0.2", "::2", "10.2.0.1", "2001:db9::", "", "localhost"] {
            assert!(!set.contains_text(outside.as_bytes()), "{outside}");
        }
        assert!(AddressSet::parse("0.0.0.0/0").unwrap().contains_text(b"8.8.8.8"));
        assert!(!AddressSet::parse("0.0.0.0/0").unwrap().contains_text(b"::1"));
        assert!(AddressSet::parse("::/0").unwrap().contains_text(b"::1"));
    }

    #[test]
    fn what_is_no_network_is_named() {
        for bad in ["10.0.0.0/33", "10.0.0", "::1/129", "10.0.0.0/-1", "x"] {
            assert_eq!(AddressSet::parse(bad), Err(OperatorError::Address(bad.to_owned())));
        }
    }
}
