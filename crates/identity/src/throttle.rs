//! The throttle before the staff door. A bucket counts failures in a row: five are free, then each
//! doubles the pause, up to a quarter of an hour. There is no lasting lock, so nobody can lock somebody
//! else out for good; and whoever comes on a device that they have used before has a bucket of their
//! own, which strangers cannot fill.
//!
//! An attempt is counted before it is looked at, so that a hundred guesses at once are a hundred.

use std::net::IpAddr;
use std::time::Duration;

use kernel::{Id, TenantId, Timestamp, UserId};
use store::{Read, StoreError, Tx, Via, sessions};
use vault::{DataKey, VaultError};

/// A bucket, by a keyed hash of what it counts for.
pub(crate) type Bucket = [u8; 16];

/// Failures that cost nothing.
const FREE: u32 = 5;
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// A bucket that was quiet for so long is forgotten.
const QUIET: Duration = Duration::from_secs(24 * 60 * 60);

/// Makes buckets.
pub(crate) struct Buckets<'k>(pub(crate) &'k DataKey);

impl Buckets<'_> {
    /// Of a login name, whether it has an account or not.
    pub(crate) fn login(&self, login: &str) -> Result<Bucket, VaultError> {
        self.of(&[b"login\0", login.as_bytes()])
    }

    /// Of a known device of an account.
    pub(crate) fn device(&self, user: UserId, device: [u8; 16]) -> Result<Bucket, VaultError> {
        self.of(&[b"device\0", &user.to_bytes(), &device])
    }

    /// Of the proofs that somebody who is signed in gives again.
    pub(crate) fn step_up(&self, user: UserId) -> Result<Bucket, VaultError> {
        self.of(&[b"step-up\0", &user.to_bytes()])
    }

    /// Of the present password that somebody who is signed in gives before they change it.
    pub(crate) fn password(&self, user: UserId) -> Result<Bucket, VaultError> {
        self.of(&[b"password\0", &user.to_bytes()])
    }

    /// Of the network that a request comes from, if that is known.
    pub(crate) fn source(&self, via: &Via) -> Result<Option<Bucket>, VaultError> {
        via.source.as_deref().map(|source| self.of(&[b"source\0", network(source).as_bytes()])).transpose()
    }

    fn of(&self, parts: &[&[u8]]) -> Result<Bucket, VaultError> {
        self.0.blind_index("login-failures", &parts.concat())
    }
}

/// One IPv4 address, or the 64-bit network of an IPv6 address: a household has a whole one.
fn network(source: &str) -> String {
    match source.parse() {
        Ok(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
            Some(v4) => v4.to_string(),
            None => {
                let bits = u128::from(address) >> 64 << 64;
                format!("{}/64", std::net::Ipv6Addr::from(bits))
            }
        },
        _ => source.to_owned(),
    }
}

/// How long the longest pause of these buckets still lasts, and the most failures in one of them.
pub(crate) fn standing(
    tx: &mut Read<'_>,
    tenant: TenantId,
    buckets: &[Bucket],
    now: Timestamp,
) -> Result<(Duration, u32), StoreError> {
    let mut worst = (Duration::ZERO, 0);
    for bucket in buckets {
        if let Some(failures) = sessions::failures(tx, tenant, *bucket)? {
            worst = (worst.0.max(failures.until.since(now)), worst.1.max(failures.count));
        }
    }
    Ok(worst)
}

/// Counts an attempt as failed, sets the pause after it, and gives the count.
pub(crate) fn charge(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    bucket: Bucket,
    now: Timestamp,
) -> Result<u32, StoreError> {
    let stale = sessions::failures(tx, tenant, bucket)?.is_some_and(|was| was.until.after(QUIET) <= now);
    if stale {
        sessions::forget_failures(tx, tenant, bucket)?;
    }
    let count = sessions::failed(tx, tenant, bucket, now)?;
    sessions::set_pause(tx, tenant, bucket, now.after(pause(count)))?;
    Ok(count)
}

fn pause(failures: u32) -> Duration {
    match failures.checked_sub(FREE + 1) {
        None => Duration::ZERO,
        Some(doublings) => Duration::from_secs(1_u64 << doublings.min(20)).min(LONGEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_are_free_and_then_the_pause_doubles_to_a_quarter_of_an_hour() {
        let seconds: Vec<u64> = (1..=17).map(|n| pause(n).as_secs()).collect();
        assert_eq!(seconds, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
        assert_eq!(pause(u32::MAX), LONGEST);
    }

    #[test]
    fn an_ipv6_neighbour_in_the_same_64_bits_is_the_same_source() {
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(network("192.0.2.1"), "192.0.2.1");
    }
}
