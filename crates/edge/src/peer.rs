//! Who is at the other end, as far as the connection tells.

use std::net::SocketAddr;
use std::sync::Arc;

/// The other end of the connection that a request came by; an extension of every request.
///
/// The address is that of the TCP connection, or of the client that a trusted proxy names
/// ([`crate::AccessConfig::trusted_proxies`]; by `x-forwarded-for` without a port, which is then 0).
/// Header fields that claim another are removed before the application sees the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The address and port; an IPv4 address is never written as an IPv6 one.
    pub addr: SocketAddr,
    /// What the TLS handshake agreed on; `None` on a cleartext listener.
    pub tls: Option<PeerTls>,
}

/// What a TLS handshake agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerTls {
    /// The protocol version, for example `TLSv1.3`.
    pub version: &'static str,
    /// The key exchange group, for example `X25519MLKEM768`.
    pub group: &'static str,
    /// The cipher suite, for example `TLS13_AES_256_GCM_SHA384`.
    pub suite: &'static str,
    /// The application protocol: `h2` or `http/1.1`.
    pub alpn: &'static str,
    /// Whether the session was resumed from a ticket.
    pub resumed: bool,
    /// The server name that the client asked for, if it did.
    pub server_name: Option<Arc<str>>,
}
