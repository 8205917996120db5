//! Certificates of clients: a door that lets in nobody who has none.
//!
//! Such a door resumes no session. A resumed TLS 1.3 session carries the client's certificate over from the
//! ticket and checks it no more (RFC 8446 section 2.2 leaves that to the server, and rustls takes the chain
//! out of the ticket), so one that was revoked or has expired since would go on opening the door.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};

use crate::EdgeError;

/// Whose certificates open a door, and which of them no longer do.
#[derive(Debug, Clone)]
pub struct ClientAuthorities {
    roots: Arc<RootCertStore>,
    revoked: Vec<CertificateRevocationListDer<'static>>,
}

impl ClientAuthorities {
    /// The authorities of a PEM file, and the revocation lists of another, if there is one. With lists, a
    /// certificate whose standing they do not tell is refused, and so is everybody once a list has expired.
    ///
    /// # Errors
    /// When a file cannot be read, or holds nothing of the kind.
    pub fn from_files(authorities: &Path, revoked: Option<&PathBuf>) -> Result<Self, EdgeError> {
        let mut roots = RootCertStore::empty();
        let content = |path: &Path, expected| EdgeError::Content { path: path.to_owned(), expected };
        for certificate in CertificateDer::pem_slice_iter(&read(authorities)?) {
            let usable = certificate.ok().and_then(|certificate| roots.add(certificate).ok());
            usable.ok_or_else(|| content(authorities, "PEM certificate of an authority"))?;
        }
        if roots.is_empty() {
            return Err(content(authorities, "PEM certificate of an authority"));
        }
        let revoked = match revoked {
            None => Vec::new(),
            Some(path) => {
                let lists: Result<Vec<_>, _> =
                    CertificateRevocationListDer::pem_slice_iter(&read(path)?).collect();
                let lists = lists.ok().filter(|lists| !lists.is_empty());
                lists.ok_or_else(|| content(path, "PEM certificate revocation list"))?
            }
        };
        Ok(Self { roots: Arc::new(roots), revoked })
    }

    pub(super) fn verifier(
        &self,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, EdgeError> {
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&self.roots), provider)
            .with_crls(self.revoked.clone())
            .enforce_revocation_expiration()
            .build();
        verifier.map_err(|error| EdgeError::Tls(rustls::Error::General(error.to_string())))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, EdgeError> {
    std::fs::read(path).map_err(|source| EdgeError::File { act: "read", path: path.to_owned(), source })
}

/// Takes away every way to resume a session: no ticket is made or taken, and none is remembered.
pub(super) fn never_resume(config: &mut ServerConfig) {
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_hold_no_authority_or_no_list_are_refused() {
        let room = tempfile::tempdir().unwrap();
        let (authorities, lists) = (room.path().join("ca.pem"), room.path().join("crl.pem"));
        let refused = |revoked: Option<&PathBuf>| {
            ClientAuthorities::from_files(&authorities, revoked).map(drop).unwrap_err().to_string()
        };
        assert!(refused(None).contains("cannot read"));
        std::fs::write(&authorities, "nothing").unwrap();
        assert!(refused(None).contains("holds no PEM certificate of an authority"));
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem();
        std::fs::write(&authorities, pem).unwrap();
        assert!(ClientAuthorities::from_files(&authorities, None).is_ok());
        std::fs::write(&lists, "nothing").unwrap();
        assert!(refused(Some(&lists)).contains("revocation list"));
    }
}
