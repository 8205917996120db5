//! A certificate and its key from PEM files, and noticing that they changed.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use kernel::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::EdgeError;
use crate::tls::pair::Pair;

/// A chain of certificates is a few kilobytes; what is larger is something else.
const FILE_MAX: u64 = 1024 * 1024;

/// What tells one state of a file from another: device, inode, length, and time of change.
type Stamp = (u64, u64, u64, i64, i64);

#[derive(Debug, Clone)]
pub(crate) struct Files {
    cert: PathBuf,
    key: PathBuf,
    seen: Option<(Stamp, Stamp)>,
}

impl Files {
    pub(crate) fn new(cert: PathBuf, key: PathBuf) -> Self {
        Self { cert, key, seen: None }
    }

    /// The pair, when either file has changed since the last look; `None` when not.
    pub(crate) fn look(
        &mut self,
        provider: &CryptoProvider,
        now: Timestamp,
    ) -> Result<Option<Pair>, EdgeError> {
        let stamps = (stamp(&self.cert)?, stamp(&self.key)?);
        if self.seen == Some(stamps) {
            return Ok(None);
        }
        // Remembered before reading: a pair that is half written now changes once more.
        self.seen = Some(stamps);
        let chain = read(&self.cert)?;
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&chain)
            .collect::<Result<_, _>>()
            .map_err(|_| self.holds_no(&self.cert, "PEM certificate chain"))?;
        if chain.is_empty() {
            return Err(self.holds_no(&self.cert, "PEM certificate chain"));
        }
        let key = PrivateKeyDer::from_pem_slice(&read_key(&self.key)?)
            .map_err(|_| self.holds_no(&self.key, "PEM private key"))?;
        Pair::new(chain, key, provider, now).map(Some)
    }

    fn holds_no(&self, path: &Path, expected: &'static str) -> EdgeError {
        EdgeError::Content { path: path.to_owned(), expected }
    }
}

fn failed(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> EdgeError {
    let path = path.to_owned();
    move |source| EdgeError::File { act, path, source }
}

fn stamp(path: &Path) -> Result<Stamp, EdgeError> {
    let facts = fs::metadata(path).map_err(failed("read", path))?;
    Ok((facts.dev(), facts.ino(), facts.len(), facts.ctime(), facts.ctime_nsec()))
}

fn read(path: &Path) -> Result<Vec<u8>, EdgeError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed("read", path))?;
    file.take(FILE_MAX).read_to_end(&mut bytes).map_err(failed("read", path))?;
    Ok(bytes)
}

/// Group-readable is allowed: that is how certificate tools hand a key to a service user.
fn read_key(path: &Path) -> Result<Vec<u8>, EdgeError> {
    let mode = fs::metadata(path).map_err(failed("read", path))?.mode() & 0o7777;
    if mode & 0o037 != 0 {
        return Err(EdgeError::KeyMode { path: path.to_owned(), mode });
    }
    read(path)
}
