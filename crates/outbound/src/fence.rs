//! The fence: which addresses a target's name may lead to. It stands where names become addresses, and
//! the connection goes to what it let through, so there is no second look-up to lie to.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::Uri;
use ureq::config::Config;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::{AddressKind, OutboundError, Reach, Target, kind_of};

/// Resolves the names of the targets, and of nothing else.
pub(crate) struct Fence {
    targets: Arc<[Target]>,
    names: DefaultResolver,
}

impl Fence {
    pub(crate) fn new(targets: Arc<[Target]>) -> Self {
        Self { targets, names: DefaultResolver::default() }
    }
}

impl Resolver for Fence {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let port = uri.port_u16().unwrap_or(443);
        let target = self
            .targets
            .iter()
            .find(|target| target.origin.host() == host && target.origin.port() == port)
            .ok_or_else(|| refused(OutboundError::Forbidden { host: format!("{host}:{port}") }))?;
        let found = self.names.resolve(uri, config, timeout).map_err(|error| match error {
            ureq::Error::Io(_) => ureq::Error::HostNotFound,
            other => other,
        })?;
        for socket in found.iter() {
            check(target, socket.ip()).map_err(refused)?;
        }
        Ok(found)
    }
}

/// Whether a target may be at this address. One address that may not be is enough to refuse the name: a
/// name with a public and a private address is a trick, or a mistake.
pub(crate) fn check(target: &Target, address: IpAddr) -> Result<(), OutboundError> {
    let kind = kind_of(address);
    match (kind, target.reach) {
        (AddressKind::Public, _) => Ok(()),
        (AddressKind::Loopback | AddressKind::Private, Reach::Internal) => Ok(()),
        _ => Err(OutboundError::Address { host: target.origin.authority(), address, kind }),
    }
}

/// Our own error on its way through the HTTP library.
pub(crate) fn refused(error: OutboundError) -> ureq::Error {
    ureq::Error::Other(Box::new(error))
}

impl fmt::Debug for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fence({} targets)", self.targets.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_target_is_at_a_public_address_only() {
        let origin: crate::Origin = "https://kms.example.org".parse().unwrap();
        let (public, internal) = (Target::public(origin.clone()), Target::internal(origin));
        let allowed = |target: &Target, address: &str| check(target, address.parse().unwrap()).is_ok();
        assert!(allowed(&public, "1.1.1.1") && allowed(&internal, "1.1.1.1"));
        for address in ["127.0.0.1", "::1", "10.1.2.3", "192.168.0.1", "fd12::1", "100.64.0.1"] {
            assert!(!allowed(&public, address) && allowed(&internal, address), "{address}");
        }
        for address in ["169.254.169.254", "fe80::1", "fd00:ec2::254", "0.0.0.0", "::", "224.0.0.1"] {
            assert!(!allowed(&public, address) && !allowed(&internal, address), "{address}");
        }
    }

    #[test]
    fn the_refusal_says_what_to_do() {
        let target = Target::public("https://bao.example.org:8200".parse().unwrap());
        assert_eq!(
            check(&target, "10.0.0.5".parse().unwrap()).unwrap_err().to_string(),
            "`bao.example.org:8200` leads to 10.0.0.5, an address of a private network; if it is meant, declare \
             the target as internal"
        );
    }
}
