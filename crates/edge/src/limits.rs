//! How much a stranger may ask of a listener. The defaults suit a public chat service on one machine;
//! every one of them answers a known way to exhaust a server.

use std::time::Duration;

use crate::EdgeError;

/// The limits of one listener. Start from [`Limits::default`] and change what you must.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Open connections of the whole listener; one more is closed unread. Default 4,096. The last fifth
    /// is kept for addresses from where somebody known here came lately.
    pub connections: usize,
    /// Open connections of one IPv4 address, or of one IPv6 /64. Default 256: a company may sit behind
    /// one address. Raise it behind a load balancer, where every connection comes from the same few.
    pub connections_per_address: usize,
    /// Open connections of one IPv4 /24, or of one IPv6 /48. Default 1,024.
    pub connections_per_network: usize,
    /// From accepting a connection to the end of its handshake. Default 5 s.
    pub handshake_timeout: Duration,
    /// Bytes of a request's head: request line or pseudo-headers, and fields. At least 8 KiB, default
    /// 16 KiB; more is answered 431.
    pub header_bytes: usize,
    /// Header fields of a request; more is answered 431. Default 64.
    pub header_fields: usize,
    /// From the first moment a request may come to the end of its head, HTTP/1.1. This is also how long
    /// a connection without a request is kept. Default 15 s.
    pub header_timeout: Duration,
    /// Bytes of a request's body; more is answered 413. Default 1 MiB.
    pub body_bytes: u64,
    /// The slowest body that is still read, in bytes per second of waiting for it, after
    /// [`Limits::body_grace`]; slower is answered 408. Default 1 KiB/s.
    pub body_rate: u64,
    /// How long a body may make us wait before its rate counts. Default 5 s.
    pub body_grace: Duration,
    /// The longest that a body may make us wait in sum. Default 60 s; past it, 408.
    pub body_timeout: Duration,
    /// From a request's head to its answer's head, body upload included; past it, 503. An answer that
    /// has begun, such as an event stream, is not cut. Default 90 s.
    pub request_timeout: Duration,
    /// How long the peer may refuse to take any byte of ours. Default 20 s.
    pub write_stall: Duration,
    /// How long a connection without a request in flight is kept, HTTP/2. Default 60 s.
    pub idle_timeout: Duration,
    /// Streams that one HTTP/2 connection may have open. Default 64.
    pub streams: u32,
    /// Requests that one HTTP/2 connection may cancel before it is closed, once they are more than half
    /// of all its requests (CVE-2023-44487). Default 100.
    pub cancelled_streams: u32,
    /// HTTP/2 `PING` interval; a peer that does not answer within the same time is gone. Default 20 s.
    pub ping_interval: Duration,
    /// How long a drain waits for requests in flight. Default 20 s.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            connections_per_address: 256,
            connections_per_network: 1024,
            handshake_timeout: Duration::from_secs(5),
            header_bytes: 16 * 1024,
            header_fields: 64,
            header_timeout: Duration::from_secs(15),
            body_bytes: 1024 * 1024,
            body_rate: 1024,
            body_grace: Duration::from_secs(5),
            body_timeout: Duration::from_secs(60),
            request_timeout: Duration::from_secs(90),
            write_stall: Duration::from_secs(20),
            idle_timeout: Duration::from_secs(60),
            streams: 64,
            cancelled_streams: 100,
            ping_interval: Duration::from_secs(20),
            drain_timeout: Duration::from_secs(20),
        }
    }
}

impl Limits {
    /// Refuses limits that would serve nobody or that the HTTP stack cannot hold.
    pub(crate) fn check(&self) -> Result<(), EdgeError> {
        let refuse = |limit, why| Err(EdgeError::Limit { limit, why });
        let none = |wanted: &[(&'static str, bool)]| wanted.iter().find(|(_, zero)| *zero).map(|(n, _)| *n);
        if let Some(limit) = none(&[
            ("connections", self.connections == 0),
            ("connections_per_address", self.connections_per_address == 0),
            ("connections_per_network", self.connections_per_network == 0),
            ("handshake_timeout", self.handshake_timeout.is_zero()),
            ("header_fields", self.header_fields == 0),
            ("header_timeout", self.header_timeout.is_zero()),
            ("body_rate", self.body_rate == 0),
            ("request_timeout", self.request_timeout.is_zero()),
            ("write_stall", self.write_stall.is_zero()),
            ("idle_timeout", self.idle_timeout.is_zero()),
            ("streams", self.streams == 0),
            ("ping_interval", self.ping_interval.is_zero()),
        ]) {
            return refuse(limit, "must not be zero");
        }
        if !(8 * 1024..=1024 * 1024).contains(&self.header_bytes) {
            return refuse("header_bytes", "must be between 8 KiB and 1 MiB");
        }
        Ok(())
    }
}
