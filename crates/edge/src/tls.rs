//! What a listener shows: TLS 1.3 and nothing older, a hybrid post-quantum key exchange first, tickets
//! without state, no early data, and one certificate that can be changed while connections are open.

mod clients;
mod files;
mod keeper;
mod pair;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use kernel::{Timestamp, World};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, cipher_suite, kx_group};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{NamedGroup, ServerConfig, version};
use rustls_pki_types::ServerName;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use wire::ca::{LocalCa, ServerIdentity};

use crate::acme::{AcmeConfig, Challenges};
use crate::{EdgeError, acme};
pub use clients::ClientAuthorities;
use files::Files;
pub(crate) use pair::Pair;

/// Where a listener's certificate comes from.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsSource {
    /// PEM files that somebody else renews. Looked at every few seconds; a new pair that cannot be used
    /// leaves the old one in place and is told in [`TlsStatus::last_error`].
    Files {
        /// The certificate chain, the server's own first.
        cert: PathBuf,
        /// Its private key, mode 0600 or 0640.
        key: PathBuf,
    },
    /// The local certificate authority: issued when needed, renewed at half its life.
    Local {
        /// The authority.
        ca: LocalCa,
        /// The DNS names and IP addresses that clients use.
        names: Vec<ServerName<'static>>,
    },
    /// One identity as it is; it is not renewed.
    Identity(ServerIdentity),
    /// An ACME server, such as Let's Encrypt (RFC 8555).
    Acme(AcmeConfig),
}

/// What is shown to clients, and how its renewal goes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsStatus {
    /// `files`, `local`, `identity` or `acme`.
    pub source: &'static str,
    /// The end of the certificate in use; `None` when there is none yet.
    pub not_after: Option<Timestamp>,
    /// When the next one is asked for; `None` when somebody else renews.
    pub renew_at: Option<Timestamp>,
    /// How often a certificate has been taken into use.
    pub loads: u32,
    /// Attempts at the next one that failed since the last that did not.
    pub failures: u32,
    /// What the last of these said.
    pub last_error: Option<String>,
}

/// The TLS side of one or more listeners. Cloning it shares the certificate; when the last clone is
/// dropped, renewal ends.
#[derive(Debug, Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    /// For clients that offer the hybrid group: it alone.
    hybrid: Arc<ServerConfig>,
    /// For all others.
    classic: Arc<ServerConfig>,
    challenges: Challenges,
    status: watch::Receiver<TlsStatus>,
    shown: Arc<Shown>,
    keeper: Option<AbortHandle>,
    /// Who keeps the certificate when it is not this one, held so that its keeper goes on.
    #[expect(dead_code, reason = "held, not used")]
    kept_by: Option<Tls>,
}

impl Tls {
    /// Gets the certificate and keeps it fresh in a background task from here on. With
    /// [`TlsSource::Acme`] there may be none yet: the listener must be up for the server to look at
    /// us, and handshakes fail until it has; wait for [`TlsStatus::not_after`] if that matters.
    ///
    /// # Errors
    /// When the source gives no usable certificate now (but for ACME), or its settings make no sense.
    pub async fn open(source: TlsSource, world: &World) -> Result<Self, EdgeError> {
        Self::open_checking(source, world, Duration::from_secs(3)).await
    }

    /// As [`Tls::open`], looking at files (and at the clock) as often as `every`.
    ///
    /// # Errors
    /// As for [`Tls::open`].
    pub async fn open_checking(source: TlsSource, world: &World, every: Duration) -> Result<Self, EdgeError> {
        let provider = Arc::new(provider());
        let shown = Arc::new(Shown::default());
        let challenges = Challenges::new(Arc::clone(&provider));
        let (kind, renewer) = match source {
            TlsSource::Files { cert, key } => ("files", Renewer::Files(Files::new(cert, key))),
            TlsSource::Local { ca, names } => ("local", Renewer::Local(Arc::new(ca), names)),
            TlsSource::Identity(identity) => ("identity", Renewer::Nobody(identity)),
            TlsSource::Acme(config) => {
                config.check()?;
                ("acme", Renewer::Acme(Box::new(acme::Client::new(config, challenges.clone(), world))))
            }
        };
        let (told, status) = watch::channel(TlsStatus {
            source: kind,
            not_after: None,
            renew_at: None,
            loads: 0,
            failures: 0,
            last_error: None,
        });
        let keeper = keeper::Keeper::new(Arc::clone(&shown), provider.clone(), world.clone(), told);
        let keeper = keeper.start(renewer, every).await?;
        let [hybrid, classic] = configs(&provider, &shown, None)?;
        let kept_by = None;
        Ok(Self(Arc::new(Inner { hybrid, classic, challenges, status, shown, keeper, kept_by })))
    }

    /// The same certificate at a door that lets in nobody but clients with a certificate of these
    /// authorities. No session is resumed there.
    ///
    /// # Errors
    /// When the authorities cannot be used.
    pub fn for_clients_of(&self, authorities: &ClientAuthorities) -> Result<Self, EdgeError> {
        let (provider, shown) = (Arc::new(provider()), Arc::clone(&self.0.shown));
        let [hybrid, classic] = configs(&provider, &shown, Some(authorities))?;
        let (challenges, status) = (self.challenges(), self.status());
        let (keeper, kept_by) = (None, Some(self.clone()));
        Ok(Self(Arc::new(Inner { hybrid, classic, challenges, status, shown, keeper, kept_by })))
    }

    /// The state of the certificate, now and as it changes.
    pub fn status(&self) -> watch::Receiver<TlsStatus> {
        self.0.status.clone()
    }

    /// The ACME challenges being answered, for the port-80 responder.
    pub fn challenges(&self) -> Challenges {
        self.0.challenges.clone()
    }

    /// Whether all that this side does is done by the FIPS module with what it approves, in rustls' own
    /// judgement.
    pub fn is_fips(&self) -> bool {
        self.0.hybrid.fips() && self.0.classic.fips()
    }

    /// The configuration that fits a client's first message.
    pub(crate) fn config_for(&self, hello: &ClientHello<'_>) -> Arc<ServerConfig> {
        if let Some(challenge) = self.0.challenges.answer(hello) {
            return challenge;
        }
        // rustls takes the first of the client's groups that the server has. Whoever can do the hybrid
        // exchange shall do it, also when it comes late in the client's list: the price is one round
        // trip more for such a client (RFC 8446 section 4.1.4).
        let offered = hello.named_groups().unwrap_or_default();
        let inner = &self.0;
        Arc::clone(if offered.contains(&NamedGroup::X25519MLKEM768) { &inner.hybrid } else { &inner.classic })
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("status", &*self.status.borrow()).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(keeper) = &self.keeper {
            keeper.abort();
        }
    }
}

/// Who sees to the next certificate.
enum Renewer {
    Files(Files),
    Local(Arc<LocalCa>, Vec<ServerName<'static>>),
    Nobody(ServerIdentity),
    Acme(Box<acme::Client>),
}

/// The certificate in use. Connections keep the one that they began with.
#[derive(Debug, Default)]
struct Shown(ArcSwapOption<CertifiedKey>);

impl Shown {
    fn show(&self, pair: &Pair) {
        self.0.store(Some(Arc::clone(&pair.certified)));
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load_full()
    }
}

/// AWS-LC, cut down to what is offered: AEAD suites of TLS 1.3, and three groups, the hybrid of X25519
/// and ML-KEM-768 (FIPS 203) first. A FIPS build offers what FIPS approves: no ChaCha20, no X25519 alone.
pub(crate) fn provider() -> CryptoProvider {
    if cfg!(feature = "fips") {
        return CryptoProvider {
            cipher_suites: vec![
                cipher_suite::TLS13_AES_256_GCM_SHA384,
                cipher_suite::TLS13_AES_128_GCM_SHA256,
            ],
            kx_groups: vec![kx_group::X25519MLKEM768, kx_group::SECP256R1],
            ..aws_lc_rs::default_provider()
        };
    }
    CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1],
        ..aws_lc_rs::default_provider()
    }
}

fn hybrid_only() -> CryptoProvider {
    CryptoProvider { kx_groups: vec![kx_group::X25519MLKEM768], ..provider() }
}

/// The two configurations of one door: for clients with the hybrid group, and for all others.
fn configs(
    provider: &Arc<CryptoProvider>,
    shown: &Arc<Shown>,
    clients: Option<&ClientAuthorities>,
) -> Result<[Arc<ServerConfig>; 2], EdgeError> {
    let classic = server_config(Arc::clone(provider), Arc::clone(shown), clients)?;
    let mut hybrid = server_config(Arc::new(hybrid_only()), Arc::clone(shown), clients)?;
    hybrid.ticketer = Arc::clone(&classic.ticketer);
    Ok([Arc::new(hybrid), Arc::new(classic)])
}

fn server_config(
    provider: Arc<CryptoProvider>,
    shown: Arc<Shown>,
    clients: Option<&ClientAuthorities>,
) -> Result<ServerConfig, EdgeError> {
    // The versions are named because another crate of the build may switch TLS 1.2 on for its own use.
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&version::TLS13])
        .map_err(EdgeError::Tls)?;
    let builder = match clients {
        Some(clients) => builder.with_client_cert_verifier(clients.verifier(provider)?),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(shown);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if clients.is_some() {
        clients::never_resume(&mut config);
    } else {
        // Tickets hold the session under a key that changes every six hours; the server remembers nothing.
        // No client certificate is asked for here, so a resumed session skips no check.
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(EdgeError::Tls)?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 2;
    }
    // Early data can be replayed (RFC 8446 section 8): none is taken.
    config.max_early_data_size = 0;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fips_build_offers_what_fips_approves_and_nothing_else() {
        for provider in [provider(), hybrid_only()] {
            assert_eq!(provider.fips(), cfg!(feature = "fips"));
            let config = server_config(Arc::new(provider), Arc::default(), None).unwrap();
            assert_eq!(config.fips(), cfg!(feature = "fips"));
        }
    }
}
