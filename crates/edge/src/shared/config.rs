//! Where the shared store is, and what edges that share one must agree on.

use std::path::PathBuf;
use std::time::Duration;

use kernel::Secret;

use crate::EdgeError;

/// What an operator says about the store that several edges share.
#[derive(Debug)]
pub struct SharedConfig {
    /// `rediss://user:password@host:port/db` (also `valkeys://`); `redis://` and `valkey://` without TLS,
    /// to this machine only.
    pub url: Secret<String>,
    /// What all edges that share the store know, and the store does not: at least 16 characters. Keys
    /// are hashed and messages sealed under it. Without it the password stands in, which the store knows.
    pub secret: Option<Secret<String>>,
    /// A PEM file with the authority of the store's certificate; without it, the public ones.
    pub ca: Option<PathBuf>,
    /// Whether the store may be on another machine without TLS.
    pub cleartext: bool,
    /// The beginning of every name in the store, so that two deployments can use one.
    pub name: String,
    /// How long a request waits for the store at most, before local limits alone decide.
    pub timeout: Duration,
}

/// The address of a store.
#[derive(Debug)]
pub(crate) struct Address {
    pub(crate) tls: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: Option<Secret<String>>,
    pub(crate) database: u32,
}

impl SharedConfig {
    /// Refuses what makes no sense or is not safe.
    ///
    /// # Errors
    /// The first setting that is wrong.
    pub fn check(&self) -> Result<(), EdgeError> {
        self.address().map(|_| ())
    }

    /// Whether the store itself could compute whose key is whose.
    pub fn is_open_to_the_store(&self) -> bool {
        self.secret.is_none()
    }

    pub(crate) fn address(&self) -> Result<Address, EdgeError> {
        let refuse = |setting, why| Err(EdgeError::Shared { setting, why });
        let Some(address) = Address::parse(self.url.expose()) else {
            return refuse("url", "must be like rediss://user:password@host:6379/0");
        };
        if !(address.tls || self.cleartext || is_this_machine(&address.host)) {
            return refuse("url", "leads to another machine: use rediss:// (TLS), or set `cleartext = true`");
        }
        if self.secret.as_ref().is_some_and(|secret| secret.expose().len() < 16) {
            return refuse("secret", "must have at least 16 characters");
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if self.name.is_empty() || self.name.len() > 32 || !self.name.chars().all(plain) {
            return refuse("name", "must be 1 to 32 letters, digits, `-`, `_` or `.`");
        }
        if !(Duration::from_millis(1)..=Duration::from_secs(1)).contains(&self.timeout) {
            return refuse("timeout_ms", "must be 1 to 1000");
        }
        Ok(address)
    }
}

impl Address {
    fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let tls = match scheme {
            "redis" | "valkey" => false,
            "rediss" | "valkeys" => true,
            _ => return None,
        };
        let (place, database) = match rest.split_once('/') {
            Some((place, "")) => (place, 0),
            Some((place, database)) => (place, database.parse().ok()?),
            None => (rest, 0),
        };
        let (who, place) = place.rsplit_once('@').map_or((None, place), |(who, place)| (Some(who), place));
        let (user, password) = match who.map(|who| who.split_once(':').unwrap_or((who, ""))) {
            None => ("default".to_owned(), None),
            Some((user, password)) => {
                let user = if user.is_empty() { "default".to_owned() } else { decoded(user)? };
                let password = if password.is_empty() { None } else { Some(Secret::new(decoded(password)?)) };
                (user, password)
            }
        };
        let (host, port) = match place.strip_prefix('[') {
            Some(v6) => {
                let (host, port) = v6.split_once(']')?;
                (host, port.strip_prefix(':'))
            }
            None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map_or(Some(6379), |port| port.parse().ok())?;
        (!host.is_empty()).then(|| Self { tls, host: host.to_owned(), port, user, password, database })
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A part of a URL without its percent signs (RFC 3986 section 2.1).
fn decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> SharedConfig {
        SharedConfig {
            url: Secret::new(url.to_owned()),
            secret: None,
            ca: None,
            cleartext: false,
            name: "wardroom".to_owned(),
            timeout: Duration::from_millis(25),
        }
    }

    #[test]
    fn an_address_is_read_whole() {
        let address = config("rediss://edge:a%40b%2F@[2001:db8::1]:7000/3").address().unwrap();
        assert!(address.tls && address.password.unwrap().expose() == "a@b/");
        let seen = (address.host.as_str(), address.port, address.user.as_str(), address.database);
        assert_eq!(seen, ("2001:db8::1", 7000, "edge", 3));
        let address = config("valkey://:secret@localhost").address().unwrap();
        assert_eq!((address.port, address.user.as_str(), address.tls), (6379, "default", false));
        assert!(config("redis://127.0.0.1:6379/").address().unwrap().password.is_none());
    }

    #[test]
    fn what_is_not_safe_or_no_address_is_refused() {
        for (url, words) in [
            ("http://x", "must be like"),
            ("redis://", "must be like"),
            ("rediss://x:port", "must be like"),
            ("rediss://u:%zz@x", "must be like"),
            ("redis://cache.internal", "another machine"),
        ] {
            let said = config(url).check().unwrap_err().to_string();
            assert!(said.contains(words), "{url}: {said}");
        }
        let open = SharedConfig { cleartext: true, ..config("redis://cache.internal") };
        assert!(open.check().is_ok());
        let short = SharedConfig { secret: Some(Secret::new("short".into())), ..config("redis://localhost") };
        assert!(short.check().unwrap_err().to_string().contains("at least 16"));
        assert!(!format!("{:?}", config("rediss://u:hidden@h")).contains("hidden"));
    }
}
