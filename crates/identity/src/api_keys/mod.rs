//! API keys: what a program shows at the staff door instead of a session. `make` makes, continues and
//! ends them; `show` says who comes with one. A key is good for ninety days at most, for the actions that
//! it was made for, and never for more than the account that it belongs to could do at that moment.
//!
//! A key reads `wrk1_TAG_SECRET_CHECK`: eight digits that tell it from others and may be shown, 256 random
//! bits, and a checksum by which scanners of source code know a real one from something alike, and by which
//! a mistyped one never reaches the database.

mod make;
mod service;
mod show;

use std::net::IpAddr;

use aws_lc_rs::digest;
use guard::{Act, Scope};
use ipnet::IpNet;
use kernel::{ApiKeyId, Secret, Timestamp, Title, UserId, World};

use crate::sha256;

pub use make::KeyWish;
pub use service::ServiceView;
pub use show::{KeyRefused, Refusals};

/// The longest life of a key, in days.
pub const LONGEST_DAYS: u32 = 90;

const PREFIX: &str = "wrk1_";

/// A key, for a list. The key itself is shown once, when it is made.
#[derive(Debug, Clone)]
pub struct KeyView {
    /// The key.
    pub id: ApiKeyId,
    /// The account above which it never does anything.
    pub owner: UserId,
    /// Its public beginning.
    pub tag: String,
    /// The first key of the line that it continues.
    pub line: ApiKeyId,
    /// What it is for.
    pub name: Title,
    /// What it may do.
    pub acts: Vec<Act>,
    /// Where.
    pub scope: Scope,
    /// From which addresses; from any when none are named.
    pub sources: Vec<IpNet>,
    /// When it was made.
    pub made: Timestamp,
    /// Who made it; nobody for the operator.
    pub made_by: Option<UserId>,
    /// When it ends by itself.
    pub expires: Timestamp,
    /// Its last use, to the minute.
    pub used: Option<Timestamp>,
    /// When it was ended.
    pub revoked: Option<Timestamp>,
}

impl KeyView {
    /// Whether it opens anything at `now`, as far as it alone decides.
    pub fn lives(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && now < self.expires
    }
}

/// A fresh key: its tag, its text, and what is stored of it.
struct Minted {
    tag: String,
    text: Secret<String>,
    hash: [u8; 32],
}

fn mint(world: &World) -> Minted {
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    let (tag, secret) = (hex(&world.bytes::<4>()), hex(&world.bytes::<32>()));
    let body = format!("{PREFIX}{tag}_{secret}");
    let text = format!("{body}_{}", check(&body));
    Minted { tag, hash: sha256(text.as_bytes()), text: Secret::new(text) }
}

/// What is stored of a text that may be a key; nothing when it cannot be one.
fn hash_of(text: &str) -> Option<[u8; 32]> {
    let (body, sum) = text.rsplit_once('_')?;
    let parts = body.strip_prefix(PREFIX)?.split_once('_')?;
    let hex = |part: &str, digits| {
        part.len() == digits && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let shaped = hex(parts.0, 8) && hex(parts.1, 64) && sum == check(body);
    shaped.then(|| sha256(text.as_bytes()))
}

/// The checksum. It finds mistakes and hides nothing.
fn check(body: &str) -> String {
    let sum = digest::digest(&digest::SHA256, body.as_bytes());
    data_encoding::HEXLOWER.encode(sum.as_ref().get(..4).unwrap_or_default())
}

/// Whether an address lies in one of the blocks. An IPv4 address that came over IPv6 is meant as itself.
fn lies_in(blocks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    blocks.iter().any(|block| block.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::ManualClock;
    use std::sync::Arc;

    #[test]
    fn a_key_is_known_by_its_shape_and_every_change_of_it_is_seen() {
        let world = World::rehearsal(Arc::new(ManualClock::at(Timestamp::from_millis(0))), 3);
        let minted = mint(&world);
        let text = minted.text.expose();
        assert_eq!(text.len(), 5 + 8 + 1 + 64 + 1 + 8);
        assert!(text.starts_with(&format!("wrk1_{}_", minted.tag)));
        assert_eq!(hash_of(text), Some(minted.hash));
        for at in 0..text.len() {
            let mut other = text.clone().into_bytes();
            other[at] = if other[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(hash_of(std::str::from_utf8(&other).unwrap()), None, "byte {at}");
        }
        for bad in
            ["", "wrk1_", "wrk1___", &text.to_uppercase(), &text[..text.len() - 1], &format!("{text} ")]
        {
            assert_eq!(hash_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_address_over_ipv6_is_the_ipv4_address_that_it_stands_for() {
        let blocks = ["192.0.2.0/24".parse().unwrap(), "2001:db8::/48".parse().unwrap()];
        for (address, inside) in [
            ("192.0.2.77", true),
            ("::ffff:192.0.2.77", true),
            ("192.0.3.1", false),
            ("2001:db8::1", true),
            ("2001:db8:1::1", false),
        ] {
            assert_eq!(lies_in(&blocks, address.parse().unwrap()), inside, "{address}");
        }
    }
}
