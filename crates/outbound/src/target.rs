//! Where a client may go.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::OutboundError;

/// The origin of an HTTPS server: host and port, nothing else. Made by parsing `https://host[:port]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    host: String,
    port: u16,
}

impl Origin {
    /// The origin of this host and port.
    ///
    /// # Errors
    /// When the host is neither a name nor an address, or the port is 0.
    pub fn at(host: &str, port: u16) -> Result<Self, OutboundError> {
        let bracketed = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let refused =
            || OutboundError::Settings { why: format!("`{host}` with port {port} is not a server") };
        format!("https://{bracketed}:{port}").parse().map_err(|_| refused())
    }

    /// The host as it stands in a URL: a name in lower case, an IPv4 address, or an IPv6 address in
    /// brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 443 when none was named.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The value of the `Host` header: the port is left out when it is 443.
    pub fn authority(&self) -> String {
        match self.port {
            443 => self.host.clone(),
            port => format!("{}:{port}", self.host),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.authority())
    }
}

impl FromStr for Origin {
    type Err = OutboundError;

    fn from_str(text: &str) -> Result<Self, OutboundError> {
        let refuse = |why: &str| OutboundError::Settings { why: format!("`{text}` {why}") };
        let rest = text.strip_prefix("https://").ok_or_else(|| refuse("does not begin with `https://`"))?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                let digits = port.bytes().all(|byte| byte.is_ascii_digit());
                match port.parse() {
                    Ok(port) if digits && port != 0 => (host, port),
                    _ => return Err(refuse("has a port that is not a number from 1 to 65535")),
                }
            }
            _ => (rest, 443),
        };
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let valid = match address {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => is_name(host),
        };
        if valid {
            Ok(Self { host: host.to_ascii_lowercase(), port })
        } else {
            Err(refuse("must be an origin: `https://host` or `https://host:port`, without a path"))
        }
    }
}

fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    host.len() <= 253 && host.split('.').all(label)
}

/// How far away a target stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// On the public network. A name that leads to any other address is refused.
    Public,
    /// In the operator's own network or on this machine. Link-local and metadata addresses stay refused.
    Internal,
}

/// An origin that a client may go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The origin.
    pub origin: Origin,
    /// How far away it stands.
    pub reach: Reach,
}

impl Target {
    /// A target on the public network.
    pub fn public(origin: Origin) -> Self {
        Self { origin, reach: Reach::Public }
    }

    /// A target in the operator's own network.
    pub fn internal(origin: Origin) -> Self {
        Self { origin, reach: Reach::Internal }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_host_and_a_port() {
        for (text, host, port, shown) in [
            ("https://KMS.example.org", "kms.example.org", 443, "https://kms.example.org"),
            ("https://kms.example.org/", "kms.example.org", 443, "https://kms.example.org"),
            ("https://kms:8200", "kms", 8200, "https://kms:8200"),
            ("https://10.0.0.1:443", "10.0.0.1", 443, "https://10.0.0.1"),
            ("https://[::1]:8200", "[::1]", 8200, "https://[::1]:8200"),
            ("https://[::1]", "[::1]", 443, "https://[::1]"),
        ] {
            let origin: Origin = text.parse().unwrap();
            assert_eq!((origin.host(), origin.port()), (host, port), "{text}");
            assert_eq!(origin.to_string(), shown);
        }
    }

    #[test]
    fn an_origin_of_a_host_and_a_port_is_that_of_its_url() {
        for (host, port, shown) in [
            ("Relay.example.org", 465, "https://relay.example.org:465"),
            ("10.0.0.1", 587, "https://10.0.0.1:587"),
            ("::1", 25, "https://[::1]:25"),
        ] {
            assert_eq!(Origin::at(host, port).unwrap().to_string(), shown);
        }
        for host in ["", "a b", "a/b", "a@b", "a:1", "[::1]", "a\r\nb", "https://a"] {
            assert!(Origin::at(host, 25).is_err(), "{host:?}");
        }
        assert!(Origin::at("a", 0).is_err());
    }

    #[test]
    fn what_is_not_an_origin_is_refused() {
        for text in [
            "",
            "http://a",
            "https://",
            "a",
            "ftp://a",
            "https://a/b",
            "https://a?b",
            "https://a#b",
            "https://u@a",
            "https://u:p@a",
            "https://a b",
            "https://a:0",
            "https://a:+1",
            "https://a:65536",
            "https://a:",
            "https://[::1",
            "https://[g]",
            "https://a..b",
            "https://.a",
            "https://a\\b",
            "https://ä.org",
            "https://a%2eb",
            "HTTPS://a",
            "https://a\n",
            "https://::1",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_parsing_panic_and_what_it_shows_parses_again(text in "(https://)?[\\PC]{0,40}") {
            if let Ok(origin) = text.parse::<Origin>() {
                proptest::prop_assert_eq!(origin.to_string().parse::<Origin>().unwrap(), origin);
            }
        }
    }
}
