//! The client: a list of targets, and what one exchange may cost.

use std::fmt;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use ureq::Agent;
use ureq::config::Config;
use ureq::unversioned::transport::{Connector, TcpConnector};
use zeroize::Zeroizing;

use crate::fence::Fence;
use crate::tls::Tls;
use crate::{Answer, ClientIdentity, OutboundError, Request, Roots, Target};

/// What one exchange may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For the TCP connection and the TLS handshake together.
    pub connect: Duration,
    /// From looking up the name to the last byte of the answer.
    pub total: Duration,
    /// The most bytes of an answer's body.
    pub most_bytes: usize,
}

impl Default for Limits {
    /// 3 seconds, 10 seconds, 1 MiB.
    fn default() -> Self {
        Self { connect: Duration::from_secs(3), total: Duration::from_secs(10), most_bytes: 1024 * 1024 }
    }
}

/// What a client is made of.
#[derive(Debug)]
pub struct Settings {
    /// Where it may go.
    pub targets: Vec<Target>,
    /// Who may vouch for the targets.
    pub roots: Roots,
    /// What it shows to targets that ask for a certificate.
    pub identity: Option<ClientIdentity>,
    /// What one exchange may cost.
    pub limits: Limits,
}

impl Settings {
    /// These targets, the web's roots, no certificate of ours, the default limits.
    pub fn to(targets: Vec<Target>) -> Self {
        Self { targets, roots: Roots::Web, identity: None, limits: Limits::default() }
    }
}

/// Goes to the targets it was made for. Cloning it shares its connections.
#[derive(Clone)]
pub struct Client {
    targets: Arc<[Target]>,
    limits: Limits,
    agent: Agent,
}

impl Client {
    /// A client for these targets.
    ///
    /// # Errors
    /// When there is no target, or a certificate or key cannot be used.
    pub fn new(settings: Settings) -> Result<Self, OutboundError> {
        let Settings { targets, roots, identity, limits } = settings;
        if targets.is_empty() {
            return Err(OutboundError::Settings { why: "there is no target".to_owned() });
        }
        let targets: Arc<[Target]> = targets.into();
        let config = Config::builder()
            .https_only(true)
            .http_status_as_error(false)
            // A redirect comes back as an answer, and `send` refuses it.
            .max_redirects(0)
            .max_redirects_will_error(false)
            // The library would take a proxy from the environment otherwise.
            .proxy(None)
            .user_agent("wardroom")
            .max_response_header_size(32 * 1024)
            .timeout_resolve(Some(limits.connect))
            .timeout_connect(Some(limits.connect))
            .timeout_global(Some(limits.total))
            .build();
        let connector = ().chain(TcpConnector::default()).chain(Tls::new(&roots, identity)?);
        let agent = Agent::with_parts(config, connector, Fence::new(Arc::clone(&targets)));
        Ok(Self { targets, limits, agent })
    }

    /// Sends a request and waits for the whole answer, whatever its status.
    ///
    /// # Errors
    /// When the target is not allowed, cannot be reached or trusted, or answers with a redirect, with
    /// too much, too late, or not in HTTP.
    pub fn send(&self, request: Request) -> Result<Answer, OutboundError> {
        let Request { method, origin, path, headers, body } = request;
        if !self.targets.iter().any(|target| target.origin == origin) {
            return Err(OutboundError::Forbidden { host: origin.authority() });
        }
        if !path.starts_with('/') {
            return Err(OutboundError::Unwritable { why: "a path begins with `/`" });
        }
        let uri: Uri = Zeroizing::new(format!("{origin}{}", path.as_str()))
            .parse()
            .map_err(|_| OutboundError::Unwritable { why: "the path has characters that none may have" })?;
        let has_body = method == http::Method::POST;
        let mut request = http::Request::new(());
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        let answer = if has_body {
            self.agent.run(request.map(|()| body.as_slice()))
        } else {
            self.agent.run(request)
        };
        let mut answer = answer.map_err(|error| meaning(origin.authority(), error))?;
        let status = answer.status().as_u16();
        if (300..400).contains(&status) {
            return Err(OutboundError::Redirected { host: origin.authority(), status });
        }
        let body = read(&origin.authority(), self.limits.most_bytes, answer.body_mut())?;
        Ok(Answer { status, headers: std::mem::take(answer.headers_mut()), body })
    }
}

/// A whole body of at most so many bytes.
pub(crate) fn read(
    host: &str,
    most: usize,
    body: &mut ureq::Body,
) -> Result<Zeroizing<Vec<u8>>, OutboundError> {
    let told = body.content_length().and_then(|length| usize::try_from(length).ok());
    let too_large = || OutboundError::TooLarge { host: host.to_owned(), most };
    if told.is_some_and(|told| told > most) {
        return Err(too_large());
    }
    // Reserved once where the length is known: a buffer that grew would leave a copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(told.unwrap_or(16 * 1024).saturating_add(1)));
    let bound = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    body.as_reader()
        .take(bound)
        .read_to_end(&mut bytes)
        .map_err(|error| meaning(host.to_owned(), ureq::Error::from(error)))?;
    if bytes.len() > most { Err(too_large()) } else { Ok(bytes) }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let targets: Vec<String> = self.targets.iter().map(|target| target.origin.to_string()).collect();
        write!(f, "Client({})", targets.join(", "))
    }
}

/// What an error of the HTTP library means to us. Its own words may quote the request, so only the
/// system's and rustls' words are passed on.
pub(crate) fn meaning(host: String, error: ureq::Error) -> OutboundError {
    match error {
        ureq::Error::Other(inner) => match inner.downcast::<OutboundError>() {
            Ok(ours) => *ours,
            Err(_) => OutboundError::Protocol { host },
        },
        ureq::Error::Timeout(_) => OutboundError::Timeout { host },
        ureq::Error::HostNotFound => OutboundError::Unresolved { host },
        ureq::Error::Io(error) => of_io(host, &error),
        ureq::Error::ConnectionFailed => {
            OutboundError::Unreachable { host, why: "no connection was made".to_owned() }
        }
        _ => OutboundError::Protocol { host },
    }
}

/// What an error of the system, or of rustls inside it, means.
pub(crate) fn of_io(host: String, error: &std::io::Error) -> OutboundError {
    use std::io::ErrorKind;
    if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return OutboundError::Tls { host, why: error.to_string() };
    }
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => OutboundError::Timeout { host },
        _ => OutboundError::Unreachable { host, why: error.to_string() },
    }
}
