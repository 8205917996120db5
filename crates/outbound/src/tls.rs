//! TLS for the way out: rustls on aws-lc-rs, version 1.3 only.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use kernel::Secret;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use ureq::unversioned::transport::time::{Duration, Instant};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};

use crate::OutboundError;
use crate::fence::refused;

/// Which authorities may vouch for a server.
#[derive(Clone)]
pub enum Roots {
    /// Those that the web's browsers trust, as this build knows them (crate `webpki-roots`).
    Web,
    /// These alone.
    These(Vec<CertificateDer<'static>>),
}

impl Roots {
    /// The certificates of a PEM file, and none besides.
    ///
    /// # Errors
    /// When the file cannot be read or holds no certificate.
    pub fn from_file(path: &Path) -> Result<Self, OutboundError> {
        let refuse = |why: String| OutboundError::Settings { why: format!("`{}` {why}", path.display()) };
        let text = std::fs::read(path).map_err(|error| refuse(format!("cannot be read: {error}")))?;
        Self::from_pem(&text).map_err(|_| refuse("holds no PEM certificate".to_owned()))
    }

    /// The certificates of a PEM text, and none besides.
    ///
    /// # Errors
    /// When there is none, or one cannot be read.
    pub fn from_pem(text: &[u8]) -> Result<Self, OutboundError> {
        Ok(Self::These(certificates(text)?))
    }

    fn store(&self) -> Result<RootCertStore, OutboundError> {
        match self {
            Self::Web => Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }),
            Self::These(certificates) => {
                let mut store = RootCertStore::empty();
                for certificate in certificates {
                    store.add(certificate.clone()).map_err(|error| OutboundError::Settings {
                        why: format!("a certificate authority cannot be used: {error}"),
                    })?;
                }
                Ok(store)
            }
        }
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Web => f.write_str("Web"),
            Self::These(these) => write!(f, "These({})", these.len()),
        }
    }
}

/// A certificate that we show to servers that ask for one, and its private key.
pub struct ClientIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl ClientIdentity {
    /// From PEM texts: the chain, our own certificate first, and its key.
    ///
    /// # Errors
    /// When either holds nothing of the kind.
    pub fn from_pem(chain: &[u8], key: &Secret<String>) -> Result<Self, OutboundError> {
        let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes())
            .map_err(|_| OutboundError::Settings { why: "there is no PEM private key".to_owned() })?;
        Ok(Self { chain: certificates(chain)?, key })
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientIdentity([redacted])")
    }
}

fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, OutboundError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match found {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(OutboundError::Settings { why: "there is no PEM certificate".to_owned() }),
    }
}

/// TLS as every way out speaks it: aws-lc-rs, version 1.3 only, these authorities.
pub(crate) fn client_config(
    roots: &Roots,
    identity: Option<ClientIdentity>,
) -> Result<ClientConfig, OutboundError> {
    let unusable = |error: rustls::Error| OutboundError::Settings { why: error.to_string() };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(unusable)?
        .with_root_certificates(roots.store()?);
    match identity {
        Some(identity) => builder.with_client_auth_cert(identity.chain, identity.key).map_err(unusable),
        None => Ok(builder.with_no_client_auth()),
    }
}

/// Puts TLS on every connection; there is no other kind.
pub(crate) struct Tls(Arc<ClientConfig>);

impl Tls {
    pub(crate) fn new(roots: &Roots, identity: Option<ClientIdentity>) -> Result<Self, OutboundError> {
        let mut config = client_config(roots, identity)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

impl<In: Transport> Connector<In> for Tls {
    type Out = Encrypted;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Encrypted>, ureq::Error> {
        let transport = chained.ok_or(ureq::Error::ConnectionFailed)?;
        let host = details.uri.host().unwrap_or_default();
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(bare.to_owned())
            .map_err(|_| refused(OutboundError::Unresolved { host: host.to_owned() }))?;
        let mut connection = ClientConnection::new(Arc::clone(&self.0), name)
            .map_err(|error| ureq::Error::Io(std::io::Error::other(error)))?;
        let mut socket = TransportAdapter::new(transport.boxed(), Arc::clone(&details.current_time));
        socket.set_timeout(left(details));
        connection.complete_io(&mut socket)?;
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Encrypted { buffers, stream: StreamOwned::new(connection, socket) }))
    }
}

/// The time for connecting, less what the TCP connection took of it.
fn left(details: &ConnectionDetails<'_>) -> NextTimeout {
    let mut timeout = details.timeout;
    if let (Duration::Exact(all), Instant::Exact(began), Instant::Exact(now)) =
        (timeout.after, details.now, (details.current_time)())
    {
        timeout.after = all.saturating_sub(now.saturating_duration_since(began)).into();
    }
    timeout
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// A connection under TLS.
pub(crate) struct Encrypted {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl Transport for Encrypted {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        use std::io::Write;
        self.stream.get_mut().set_timeout(timeout);
        let output = self.buffers.output().get(..amount).ok_or(ureq::Error::ConnectionFailed)?;
        self.stream.write_all(output)?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        use std::io::Read;
        self.stream.get_mut().set_timeout(timeout);
        let amount = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.get_mut().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

impl fmt::Debug for Encrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encrypted")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fips_build_goes_out_with_what_fips_approves() {
        let tls = Tls::new(&Roots::Web, None).unwrap();
        assert_eq!(tls.0.fips(), cfg!(feature = "fips"));
    }
}
