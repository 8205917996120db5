//! Where a cloud tells a machine or a container its credentials: plain HTTP to a few addresses that exist on
//! the machine's own link and nowhere else. It is the one exception from "HTTPS only", and from the rule
//! that no target may be at such an address; so it has a type of its own, which goes to one such address,
//! knows no names, follows nothing, and cannot be made to go anywhere else.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use http::{Method, Uri};
use kernel::Secret;
use ureq::Agent;
use ureq::config::Config;
use ureq::unversioned::resolver::{ArrayVec, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{NextTimeout, TcpConnector};

use crate::client::{meaning, read};
use crate::{Answer, Limits, OutboundError};

/// EC2's instance metadata service.
const INSTANCE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];
/// Where ECS and EKS give credentials to containers.
const CONTAINER: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
];

/// A metadata service.
#[derive(Clone)]
pub struct Metadata {
    at: SocketAddr,
    agent: Agent,
}

impl Metadata {
    /// What one exchange may cost: 1 second to connect, 2 in all, 64 KiB.
    pub const LIMITS: Limits =
        Limits { connect: Duration::from_secs(1), total: Duration::from_secs(2), most_bytes: 64 * 1024 };

    /// EC2's instance metadata service, at `169.254.169.254`.
    ///
    /// # Errors
    /// Never; the address is one of those that are allowed.
    pub fn of_instance() -> Result<Self, OutboundError> {
        Self::at(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)), 80))
    }

    /// The service that ECS gives a container, at `169.254.170.2`.
    ///
    /// # Errors
    /// Never; the address is one of those that are allowed.
    pub fn of_container() -> Result<Self, OutboundError> {
        Self::at(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)), 80))
    }

    /// A service at this address: one of those above or of EKS (`169.254.170.23`, `fd00:ec2::23`), all at
    /// port 80, or an agent of this machine that listens on its loopback address.
    ///
    /// # Errors
    /// When it is any other address.
    pub fn at(at: SocketAddr) -> Result<Self, OutboundError> {
        let known = at.port() == 80 && INSTANCE.iter().chain(&CONTAINER).any(|known| *known == at.ip());
        if !known && !at.ip().is_loopback() {
            let why = format!("`{at}` is not the address of a metadata service");
            return Err(OutboundError::Settings { why });
        }
        let config = Config::builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent("wardroom")
            .max_response_header_size(16 * 1024)
            .timeout_connect(Some(Self::LIMITS.connect))
            .timeout_global(Some(Self::LIMITS.total))
            .build();
        Ok(Self { at, agent: Agent::with_parts(config, TcpConnector::default(), Here(at)) })
    }

    /// The service that a URL names, as `AWS_CONTAINER_CREDENTIALS_FULL_URI` does, and the path in it. The
    /// host must be an address, not a name.
    ///
    /// # Errors
    /// When it is no URL of plain HTTP, or of an address that [`Metadata::at`] refuses.
    pub fn of_url(url: &str) -> Result<(Self, String), OutboundError> {
        let refuse = || OutboundError::Settings {
            why: "the URL of a metadata service is http://ADDRESS[:PORT]/PATH, with an address and no name"
                .to_owned(),
        };
        let rest = url.strip_prefix("http://").ok_or_else(refuse)?;
        let end = rest.find('/').unwrap_or(rest.len());
        let (host, path) = rest.split_at_checked(end).ok_or_else(refuse)?;
        let at = match host.parse::<SocketAddr>() {
            Ok(at) => at,
            Err(_) => {
                let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
                SocketAddr::new(bare.parse().map_err(|_| refuse())?, 80)
            }
        };
        let path = if path.is_empty() { "/" } else { path };
        Ok((Self::at(at)?, path.to_owned()))
    }

    /// Asks with GET, and waits for the whole answer, whatever its status.
    ///
    /// # Errors
    /// When there is no service there, or it answers with a redirect, too much, too late or not in HTTP.
    pub fn get(
        &self,
        path: &str,
        headers: &[(&'static str, &Secret<String>)],
    ) -> Result<Answer, OutboundError> {
        self.ask(Method::GET, path, headers)
    }

    /// The same with PUT and an empty body.
    ///
    /// # Errors
    /// As for [`Metadata::get`].
    pub fn put(
        &self,
        path: &str,
        headers: &[(&'static str, &Secret<String>)],
    ) -> Result<Answer, OutboundError> {
        self.ask(Method::PUT, path, headers)
    }

    fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &Secret<String>)],
    ) -> Result<Answer, OutboundError> {
        let unwritable =
            |_| OutboundError::Unwritable { why: "a path or header has characters that none may have" };
        if !path.starts_with('/') {
            return Err(OutboundError::Unwritable { why: "a path begins with `/`" });
        }
        let uri: Uri = format!("http://{}{path}", self.at)
            .parse()
            .map_err(|_| OutboundError::Unwritable { why: "the path has characters that none may have" })?;
        let mut request = http::Request::new(());
        *request.uri_mut() = uri;
        for (name, value) in headers {
            let mut value = HeaderValue::from_str(value.expose()).map_err(unwritable)?;
            value.set_sensitive(true);
            request.headers_mut().insert(HeaderName::from_static(name), value);
        }
        let put = method == Method::PUT;
        *request.method_mut() = method;
        let answer = match put {
            true => self.agent.run(request.map(|()| b"".as_slice())),
            false => self.agent.run(request),
        };
        let host = self.at.to_string();
        let mut answer = answer.map_err(|error| meaning(host.clone(), error))?;
        let status = answer.status().as_u16();
        if (300..400).contains(&status) {
            return Err(OutboundError::Redirected { host, status });
        }
        let body = read(&host, Self::LIMITS.most_bytes, answer.body_mut())?;
        Ok(Answer { status, headers: std::mem::take(answer.headers_mut()), body })
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Metadata({})", self.at)
    }
}

/// Resolves to one address, whatever is asked for.
#[derive(Debug)]
struct Here(SocketAddr);

impl Resolver for Here {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut found: ResolvedSocketAddrs = ArrayVec::from_fn(|_| self.0);
        found.push(self.0);
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_to_metadata_services_and_to_nothing_else() {
        for good in [
            "169.254.169.254:80",
            "[fd00:ec2::254]:80",
            "169.254.170.2:80",
            "169.254.170.23:80",
            "[fd00:ec2::23]:80",
            "127.0.0.1:1338",
            "[::1]:80",
        ] {
            assert!(Metadata::at(good.parse().unwrap()).is_ok(), "{good}");
        }
        for bad in [
            "169.254.169.254:8080",
            "169.254.169.253:80",
            "169.254.1.1:80",
            "10.0.0.1:80",
            "192.168.0.1:80",
            "1.1.1.1:80",
            "[fe80::1]:80",
            "[fd00:ec2::1]:80",
            "0.0.0.0:80",
            "[::ffff:169.254.169.254]:80",
        ] {
            assert!(Metadata::at(bad.parse().unwrap()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_url_names_an_address_and_a_path() {
        let path = |url: &str| Metadata::of_url(url).map(|(service, path)| (service.at.to_string(), path));
        let of = |url: &str| path(url).unwrap();
        assert_eq!(of("http://169.254.170.23/v1/credentials").1, "/v1/credentials");
        assert_eq!(of("http://127.0.0.1:51679/creds?x=1"), ("127.0.0.1:51679".into(), "/creds?x=1".into()));
        assert_eq!(of("http://[fd00:ec2::23]/v1").0, "[fd00:ec2::23]:80");
        assert_eq!(of("http://169.254.170.2").1, "/");
        for bad in [
            "https://169.254.170.2/",
            "http://metadata/",
            "http://localhost/",
            "http://169.254.170.2@evil.example/",
            "http://evil.example#169.254.170.2/",
            "http://169.254.170.2:99999/",
            "http:///",
            "",
        ] {
            assert!(Metadata::of_url(bad).is_err(), "{bad}");
        }
    }
}
