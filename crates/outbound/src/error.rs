//! What can go wrong on the way out. No variant carries a path, a query, a header or a body.

use std::net::IpAddr;

use crate::AddressKind;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// What was given at construction cannot be used.
    #[error("{why}")]
    Settings {
        /// What is wrong, and how to put it right.
        why: String,
    },
    /// The request is to a host that is not among the client's targets.
    #[error("`{host}` is not among the allowed targets")]
    Forbidden {
        /// The host and port asked for.
        host: String,
    },
    /// The request cannot be written: its path or a header has characters that none may have.
    #[error("the request cannot be written: {why}")]
    Unwritable {
        /// Which part, without its text.
        why: &'static str,
    },
    /// The name leads to an address that this target may not have.
    #[error("`{host}` leads to {address}, {kind}; if it is meant, declare the target as internal")]
    Address {
        /// The target.
        host: String,
        /// The address refused.
        address: IpAddr,
        /// What kind of address that is.
        kind: AddressKind,
    },
    /// The name is not known.
    #[error("the name `{host}` cannot be resolved")]
    Unresolved {
        /// The target.
        host: String,
    },
    /// No connection, or it broke.
    #[error("`{host}` cannot be reached: {why}")]
    Unreachable {
        /// The target.
        host: String,
        /// What the system said.
        why: String,
    },
    /// The server's certificate is refused, or the server refuses ours, or it has no TLS 1.3.
    #[error("no trusted connection to `{host}`: {why}")]
    Tls {
        /// The target.
        host: String,
        /// What rustls said.
        why: String,
    },
    /// The time for connecting or for the whole exchange was over.
    #[error("`{host}` did not answer in time")]
    Timeout {
        /// The target.
        host: String,
    },
    /// The server wants to send us elsewhere.
    #[error("`{host}` answered with a redirect ({status}), which is not followed")]
    Redirected {
        /// The target.
        host: String,
        /// The status.
        status: u16,
    },
    /// The answer is larger than the client's limit.
    #[error("the answer of `{host}` is larger than {most} bytes")]
    TooLarge {
        /// The target.
        host: String,
        /// The limit.
        most: usize,
    },
    /// The answer is not HTTP.
    #[error("the answer of `{host}` is not HTTP")]
    Protocol {
        /// The target.
        host: String,
    },
}

impl OutboundError {
    /// Whether the same request can succeed later with nothing changed here.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unresolved { .. } | Self::Unreachable { .. } | Self::Timeout { .. })
    }
}
