//! Lines: encrypted connections to one named server, for a protocol that is not HTTP. Mail is the one.
//!
//! The steps are types, in the order in which they may be taken: a name becomes [`Addresses`] that were
//! checked, these become a [`Plain`] connection, and that becomes a [`Line`]. A protocol that begins in the
//! clear and asks for encryption later (STARTTLS) speaks over [`Plain`] first; one that does not goes
//! straight on.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::client::of_io;
use crate::fence::check;
use crate::tls::client_config;
use crate::{OutboundError, Roots, Target};

/// Opens lines to one server.
#[derive(Clone)]
pub struct Dialer {
    target: Target,
    name: ServerName<'static>,
    tls: TlsConnector,
    step: Duration,
}

/// Addresses at which the server may be.
#[derive(Debug, Clone)]
pub struct Addresses(Vec<SocketAddr>);

impl Addresses {
    /// Them, in the order in which they are tried.
    pub fn list(&self) -> Vec<IpAddr> {
        self.0.iter().map(SocketAddr::ip).collect()
    }
}

impl Dialer {
    /// For this server, vouched for by these authorities. Each of the three steps may take `step`.
    ///
    /// # Errors
    /// When the host is none that a certificate could name, or an authority cannot be used.
    pub fn new(target: Target, roots: &Roots, step: Duration) -> Result<Self, OutboundError> {
        let host = bare(target.origin.host());
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| OutboundError::Settings { why: format!("`{host}` is not the name of a server") })?;
        let tls = TlsConnector::from(Arc::new(client_config(roots, None)?));
        Ok(Self { target, name, tls, step })
    }

    /// The server as `host:port`; the port is left out when it is 443.
    pub fn server(&self) -> String {
        self.target.origin.authority()
    }

    /// Looks the name up. One address at which this server may not be is enough to refuse all.
    ///
    /// # Errors
    /// When the name is not known, or leads where it may not.
    pub async fn resolve(&self) -> Result<Addresses, OutboundError> {
        let (host, port) = (bare(self.target.origin.host()), self.target.origin.port());
        let unresolved = || OutboundError::Unresolved { host: self.server() };
        let found = timeout(self.step, tokio::net::lookup_host((host, port))).await;
        let found: Vec<SocketAddr> = found.map_err(|_| self.late())?.map_err(|_| unresolved())?.collect();
        for address in &found {
            check(&self.target, address.ip())?;
        }
        if found.is_empty() { Err(unresolved()) } else { Ok(Addresses(found)) }
    }

    /// Connects to the first of these addresses that answers.
    ///
    /// # Errors
    /// When none does.
    pub async fn connect(&self, addresses: &Addresses) -> Result<Plain, OutboundError> {
        let first = async {
            let mut last = None;
            for address in &addresses.0 {
                match TcpStream::connect(address).await {
                    Ok(stream) => return Ok(Plain { stream, peer: *address }),
                    Err(error) => last = Some(error),
                }
            }
            let why = last.map_or_else(|| "there is no address".to_owned(), |error| error.to_string());
            Err(OutboundError::Unreachable { host: self.server(), why })
        };
        timeout(self.step, first).await.map_err(|_| self.late())?
    }

    /// Encrypts a connection: TLS 1.3, and the certificate names this very server.
    ///
    /// # Errors
    /// When the certificate is not vouched for, or there is no such encryption.
    pub async fn secure(&self, plain: Plain) -> Result<Line, OutboundError> {
        let peer = plain.peer;
        let stream = timeout(self.step, self.tls.connect(self.name.clone(), plain.stream)).await;
        let stream = stream.map_err(|_| self.late())?.map_err(|error| of_io(self.server(), &error))?;
        Ok(Line { stream: Box::new(stream), peer })
    }

    fn late(&self) -> OutboundError {
        OutboundError::Timeout { host: self.server() }
    }
}

/// An address without the brackets that an IPv6 one has in a URL.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dialer({})", self.server())
    }
}

/// A connection that is not encrypted. Nothing that matters may be said over it.
#[derive(Debug)]
pub struct Plain {
    stream: TcpStream,
    peer: SocketAddr,
}

impl Plain {
    /// Whom it leads to.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Our own end of it, as far as the system tells.
    pub fn local(&self) -> Option<IpAddr> {
        self.stream.local_addr().ok().map(|address| address.ip())
    }
}

/// An encrypted connection to a server whose name was verified.
pub struct Line {
    stream: Box<TlsStream<TcpStream>>,
    peer: SocketAddr,
}

impl Line {
    /// Whom it leads to.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// What was agreed on, for a person to read: version, key exchange and cipher.
    pub fn agreed(&self) -> String {
        let (_, connection) = self.stream.get_ref();
        let version = match connection.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
            // The configuration names no other version.
            _ => "TLS",
        };
        let group = connection.negotiated_key_exchange_group().map(|group| format!("{:?}", group.name()));
        let suite = connection.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()));
        let parts: Vec<String> = [Some(version.to_owned()), group, suite].into_iter().flatten().collect();
        parts.join(", ")
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line({})", self.peer)
    }
}

macro_rules! stream {
    ($name:ident, |$it:ident| $stream:expr) => {
        impl AsyncRead for $name {
            fn poll_read(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                into: &mut ReadBuf<'_>,
            ) -> Poll<std::io::Result<()>> {
                let $it = self.get_mut();
                Pin::new($stream).poll_read(context, into)
            }
        }

        impl AsyncWrite for $name {
            fn poll_write(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                from: &[u8],
            ) -> Poll<std::io::Result<usize>> {
                let $it = self.get_mut();
                Pin::new($stream).poll_write(context, from)
            }

            fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
                let $it = self.get_mut();
                Pin::new($stream).poll_flush(context)
            }

            fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
                let $it = self.get_mut();
                Pin::new($stream).poll_shutdown(context)
            }
        }
    };
}

stream!(Plain, |it| &mut it.stream);
stream!(Line, |it| it.stream.as_mut());
