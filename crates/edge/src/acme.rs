//! Certificates from an ACME server (RFC 8555): one account, whose key is kept; one order at a time;
//! challenges answered over plain HTTP (http-01, by [`crate::serve_plain`]) or inside TLS (tls-alpn-01,
//! RFC 8737, by the TLS listener itself).
//!
//! Not promised: wildcard names (they need DNS challenges), and ACME Renewal Information (RFC 9773): a
//! certificate is renewed when two thirds of its life are over.

mod challenges;
mod keep;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, ExternalAccountKey, Identifier,
    NewAccount, NewOrder, OrderStatus, RetryPolicy,
};
use kernel::{Secret, World};
use rustls::crypto::CryptoProvider;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use crate::EdgeError;
use crate::tls::Pair;
pub use challenges::Challenges;
use keep::Keep;

/// The pause after the first failed order; it doubles up to [`LONGEST_PAUSE`].
pub(crate) const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// An ACME server counts failures per hour: asking more often would lengthen the outage.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 60 * 60);
/// An order takes seconds; one that hangs is given up.
const ORDER_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// How the server is shown that we hold the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcmeChallenge {
    /// `http-01`: a file on port 80. Needs [`crate::serve_plain`] reachable there.
    Http01,
    /// `tls-alpn-01`: a certificate on port 443. Needs the TLS listener reachable there.
    TlsAlpn01,
}

/// An account that the operator has with the certificate authority outside ACME (RFC 8555 section
/// 7.3.4).
#[derive(Debug)]
pub struct ExternalAccount {
    /// The key's name, as the authority gave it.
    pub key_id: String,
    /// The key itself, decoded.
    pub mac_key: Secret<Vec<u8>>,
}

/// What to order, from whom, and where to keep it.
#[derive(Debug)]
pub struct AcmeConfig {
    /// The server's directory, for example `https://acme-v02.api.letsencrypt.org/directory`.
    pub directory: String,
    /// The names of the certificate.
    pub names: Vec<ServerName<'static>>,
    /// Where the authority may write to, for example `mailto:ops@example.org`.
    pub contact: Vec<String>,
    /// Whether the operator agrees to the authority's terms of service. Must be true.
    pub terms_agreed: bool,
    /// The way to show control of the names.
    pub challenge: AcmeChallenge,
    /// A directory for the account key and the certificate, made with mode 0700 when missing.
    pub dir: PathBuf,
    /// A PEM root to trust for the server's own HTTPS, for an authority inside an enterprise; `None`
    /// trusts what the system trusts.
    pub server_root: Option<PathBuf>,
    /// An external account, when the authority demands one.
    pub external_account: Option<ExternalAccount>,
}

impl AcmeConfig {
    pub(crate) fn check(&self) -> Result<(), EdgeError> {
        let refuse = |setting, why| Err(EdgeError::AcmeSetting { setting, why });
        if !self.directory.starts_with("https://") {
            return refuse("directory", "must be an https address");
        }
        if self.names.is_empty() {
            return refuse("names", "must hold at least one name");
        }
        if !self.terms_agreed {
            return refuse("terms_agreed", "must be true: read the authority's terms of service first");
        }
        if self.contact.iter().any(|c| !c.starts_with("mailto:")) {
            return refuse("contact", "must hold addresses such as `mailto:ops@example.org`");
        }
        Ok(())
    }
}

/// The client of one ACME account.
pub(crate) struct Client {
    config: AcmeConfig,
    challenges: Challenges,
    keep: Keep,
    world: World,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("directory", &self.config.directory).finish_non_exhaustive()
    }
}

fn failed(step: &'static str) -> impl FnOnce(instant_acme::Error) -> EdgeError {
    move |source| EdgeError::Acme { step, source: Some(source) }
}

fn stopped(step: &'static str) -> EdgeError {
    EdgeError::Acme { step, source: None }
}

impl Client {
    pub(crate) fn new(config: AcmeConfig, challenges: Challenges, world: &World) -> Self {
        let keep = Keep::new(config.dir.clone(), &config.directory);
        Self { config, challenges, keep, world: world.clone() }
    }

    /// The certificate of an earlier run, when there is one for these names that is still in force.
    pub(crate) fn kept(&self, provider: &CryptoProvider) -> Result<Option<Pair>, EdgeError> {
        let Some(pem) = self.keep.certificate()? else { return Ok(None) };
        let pair = self.pair(pem.expose(), provider)?;
        Ok(self.config.names.iter().all(|name| pair.is_for(name)).then_some(pair))
    }

    /// Gets a new certificate and keeps it.
    pub(crate) async fn order(&self, provider: &CryptoProvider) -> Result<Pair, EdgeError> {
        let pem = tokio::time::timeout(ORDER_TIMEOUT, self.place_order())
            .await
            .map_err(|_| stopped("the order took too long"))??;
        // Looked at before it is kept: what does not load must not replace what does.
        let pair = self.pair(pem.expose(), provider)?;
        self.keep.save_certificate(&pem)?;
        Ok(pair)
    }

    async fn place_order(&self) -> Result<Secret<String>, EdgeError> {
        let account = self.account().await?;
        let names: Vec<Identifier> = self.config.names.iter().filter_map(identifier).collect();
        let mut order =
            account.new_order(&NewOrder::new(&names)).await.map_err(failed("the order was refused"))?;
        // Answers are taken back when this is dropped, however the order ends.
        let mut answers = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization.map_err(failed("an authorization cannot be read"))?;
            match authorization.status {
                AuthorizationStatus::Valid => continue,
                AuthorizationStatus::Pending => {}
                _ => return Err(stopped("the server withdrew an authorization")),
            }
            let kind = match self.config.challenge {
                AcmeChallenge::Http01 => ChallengeType::Http01,
                AcmeChallenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
            };
            let mut challenge = authorization
                .challenge(kind)
                .ok_or_else(|| stopped("the server does not offer the chosen kind of challenge"))?;
            let proof = challenge.key_authorization();
            answers.push(match self.config.challenge {
                AcmeChallenge::Http01 => self.challenges.answer_http(&challenge.token, proof.as_str()),
                AcmeChallenge::TlsAlpn01 => self.challenges.answer_tls(
                    &challenge.identifier().to_string(),
                    proof.digest().as_ref(),
                    &self.world,
                )?,
            });
            challenge.set_ready().await.map_err(failed("the server did not take our answer"))?;
        }
        let patience = RetryPolicy::new()
            .initial_delay(Duration::from_millis(500))
            .backoff(1.5)
            .timeout(Duration::from_secs(120));
        let status = order.poll_ready(&patience).await.map_err(failed("the challenge failed"))?;
        if status != OrderStatus::Ready {
            return Err(stopped("the server could not see our answer to its challenge"));
        }
        let key = order.finalize().await.map_err(failed("the order could not be completed"))?;
        let chain = order.poll_certificate(&patience).await.map_err(failed("no certificate was issued"))?;
        Ok(Secret::new(format!("{key}{chain}")))
    }

    async fn account(&self) -> Result<Account, EdgeError> {
        // The HTTP client underneath asks for the process's provider; name ours if nobody has.
        if CryptoProvider::get_default().is_none() {
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
        let builder = match &self.config.server_root {
            Some(root) => Account::builder_with_root(root),
            None => Account::builder(),
        }
        .map_err(failed("its HTTPS client cannot be set up"))?;
        if let Some(kept) = self.keep.account()? {
            let credentials: AccountCredentials = serde_json::from_str(kept.expose()).map_err(|_| {
                EdgeError::Content { path: self.keep.account_path(), expected: "ACME account" }
            })?;
            return builder
                .from_credentials(credentials)
                .await
                .map_err(failed("the server cannot be reached with the kept account"));
        }
        let external = self
            .config
            .external_account
            .as_ref()
            .map(|e| ExternalAccountKey::new(e.key_id.clone(), e.mac_key.expose()));
        let contact: Vec<&str> = self.config.contact.iter().map(String::as_str).collect();
        let wanted = NewAccount {
            contact: &contact,
            terms_of_service_agreed: self.config.terms_agreed,
            only_return_existing: false,
        };
        let (account, credentials) = builder
            .create(&wanted, self.config.directory.clone(), external.as_ref())
            .await
            .map_err(failed("the server made no account"))?;
        let text = serde_json::to_string(&credentials).map_err(|_| stopped("the account cannot be kept"))?;
        self.keep.save_account(&Secret::new(text))?;
        Ok(account)
    }

    fn pair(&self, pem: &str, provider: &CryptoProvider) -> Result<Pair, EdgeError> {
        let bad = || EdgeError::Content {
            path: self.keep.certificate_path(),
            expected: "PEM private key and certificate chain",
        };
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().map_err(|_| bad())?;
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| bad())?;
        Pair::new(chain, key, provider, self.world.now())
    }
}

fn identifier(name: &ServerName<'static>) -> Option<Identifier> {
    match name {
        ServerName::DnsName(dns) => Some(Identifier::Dns(dns.as_ref().to_ascii_lowercase())),
        ServerName::IpAddress(ip) => Some(Identifier::Ip((*ip).into())),
        _ => None,
    }
}
