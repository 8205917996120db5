//! Why an edge cannot be opened or kept. What goes wrong on one connection is counted, not returned.

use std::io;
use std::path::PathBuf;

use kernel::Timestamp;

/// Why an edge could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EdgeError {
    /// A limit makes no sense.
    #[error("the limit `{limit}` {why}")]
    Limit {
        /// The field of [`crate::Limits`].
        limit: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A setting of the shared store makes no sense.
    #[error("the setting `shared.{setting}` {why}")]
    Shared {
        /// The field of [`crate::SharedConfig`].
        setting: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The shared store cannot be reached, or does not do what an edge needs of it.
    #[error("the shared store cannot be used: {0}")]
    Store(String),
    /// The rules of the firewall cannot be used.
    #[error("the rules of the firewall cannot be used")]
    Rules(#[from] waf::LoadError),
    /// The listening socket cannot be used.
    #[error("cannot listen")]
    Listen(#[source] io::Error),
    /// A file could not be read or written.
    #[error("cannot {act} `{}`", path.display())]
    File {
        /// What was tried.
        act: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A private key can be read or changed by people who should not.
    #[error("`{}` has mode {mode:04o}; a private key must not be readable by others nor writable by its group: run `chmod 600` on it", path.display())]
    KeyMode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file holds something else than it should.
    #[error("`{}` holds no {expected}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
    /// Certificate and key do not belong together, or the key is of a kind that TLS 1.3 does not use.
    #[error("the certificate and its private key cannot be used together")]
    Pair(#[source] rustls::Error),
    /// The certificate is not valid at this time.
    #[error("the certificate is valid from {from} to {until} only")]
    NotInForce {
        /// Its first moment.
        from: Timestamp,
        /// Its last.
        until: Timestamp,
    },
    /// The TLS stack refuses its configuration.
    #[error("cannot configure TLS")]
    Tls(#[source] rustls::Error),
    /// The local certificate authority failed.
    #[error("the local certificate authority failed")]
    Ca(#[from] wire::ca::CaError),
    /// An order at an ACME server failed.
    #[error("cannot get a certificate by ACME: {step}")]
    Acme {
        /// Which step, for example `the order was refused`.
        step: &'static str,
        /// The server's answer, or the network's.
        source: Option<instant_acme::Error>,
    },
    /// The ACME settings make no sense.
    #[error("the ACME setting `{setting}` {why}")]
    AcmeSetting {
        /// The field of [`crate::AcmeConfig`].
        setting: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
}
