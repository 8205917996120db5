//! A certificate with its key, looked at: they belong together, and the certificate is in force.

use std::sync::Arc;
use std::time::Duration;

use kernel::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use wire::ca::ServerIdentity;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::EdgeError;

/// How far our clock may be behind that of whoever issued a certificate. One that was ordered a moment
/// ago must not be refused because it is too new.
const SLOW_CLOCK: Duration = Duration::from_secs(10 * 60);

/// A pair that can be shown to clients.
pub(crate) struct Pair {
    pub(crate) certified: Arc<CertifiedKey>,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
}

impl Pair {
    pub(crate) fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        provider: &CryptoProvider,
        now: Timestamp,
    ) -> Result<Self, EdgeError> {
        let (not_before, not_after) = chain.first().and_then(in_force).ok_or(EdgeError::Pair(
            rustls::Error::InvalidCertificate(rustls::CertificateError::BadEncoding),
        ))?;
        let certified = CertifiedKey::from_der(chain, key, provider).map_err(EdgeError::Pair)?;
        if now.after(SLOW_CLOCK) < not_before || now >= not_after {
            return Err(EdgeError::NotInForce { from: not_before, until: not_after });
        }
        Ok(Self { certified: Arc::new(certified), not_before, not_after })
    }

    pub(crate) fn of_identity(
        identity: &ServerIdentity,
        provider: &CryptoProvider,
        now: Timestamp,
    ) -> Result<Self, EdgeError> {
        Self::new(identity.chain().to_vec(), identity.key(), provider, now)
    }

    /// Two thirds of its life, as ACME servers advise: a third is left to find out what is wrong.
    pub(crate) fn renew_at(&self) -> Timestamp {
        self.not_before.after(self.not_after.since(self.not_before) / 3 * 2)
    }
}

impl Pair {
    /// Whether the certificate is for `name`.
    pub(crate) fn is_for(&self, name: &ServerName<'_>) -> bool {
        let Ok(leaf) = self.certified.end_entity_cert() else { return false };
        rustls::server::ParsedCertificate::try_from(leaf)
            .is_ok_and(|leaf| rustls::client::verify_server_name(&leaf, name).is_ok())
    }
}

fn in_force(der: &CertificateDer<'_>) -> Option<(Timestamp, Timestamp)> {
    let (_, cert) = X509Certificate::from_der(der).ok()?;
    let moment =
        |seconds: i64| Timestamp::from_millis(u64::try_from(seconds).unwrap_or(0).saturating_mul(1000));
    let validity = cert.validity();
    Some((moment(validity.not_before.timestamp()), moment(validity.not_after.timestamp())))
}
