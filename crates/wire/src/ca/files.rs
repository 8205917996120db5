//! The authority's files: private ones that only their owner may read, and writing that is seen whole
//! or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use kernel::Secret;
use rcgen::KeyPair;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::CaError;

/// No file of ours is larger; a larger one is not ours.
const FILE_MAX: u64 = 256 * 1024;

pub(super) fn failed(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CaError {
    let path = path.to_owned();
    move |source| CaError::File { act, path, source }
}

pub(super) fn parse_key(pem: &Secret<String>, path: &Path) -> Result<KeyPair, CaError> {
    KeyPair::from_pem(pem.expose())
        .map_err(|_| CaError::Content { path: path.to_owned(), expected: "a PEM private key" })
}

pub(super) fn parse_certificate(pem: &str, path: &Path) -> Result<CertificateDer<'static>, CaError> {
    CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| CaError::Content { path: path.to_owned(), expected: "a PEM certificate" })
}

/// Reads a file that only its owner may be able to read; `None` when there is none.
pub(super) fn read_private(path: &Path) -> Result<Option<Secret<String>>, CaError> {
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed("read", path)(e)),
        Ok(facts) if !facts.is_file() || facts.mode() & 0o077 != 0 => {
            return Err(CaError::Mode { path: path.to_owned(), mode: facts.mode() & 0o7777 });
        }
        Ok(_) => {}
    }
    read_bounded(path).map(|text| text.map(Secret::new))
}

pub(super) fn read_public(path: &Path) -> Result<Option<String>, CaError> {
    read_bounded(path)
}

fn read_bounded(path: &Path) -> Result<Option<String>, CaError> {
    let file = match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(failed("read", path))?,
    };
    let mut text = String::new();
    match file.take(FILE_MAX).read_to_string(&mut text) {
        Ok(_) => Ok(Some(text)),
        Err(e) if e.kind() == io::ErrorKind::InvalidData => {
            Err(CaError::Content { path: path.to_owned(), expected: "a PEM file" })
        }
        Err(e) => Err(failed("read", path)(e)),
    }
}

/// Writes a file so that it is there whole or not at all, also after a power cut: written beside under
/// the wanted mode, flushed, renamed, and the directory flushed.
pub(super) fn write_atomic(dir: &Path, name: &str, text: &str, mode: u32) -> Result<(), CaError> {
    let (beside, path) = (dir.join(format!(".{name}.new")), dir.join(name));
    // What an earlier crash left has an unknown mode and content.
    match fs::remove_file(&beside) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed("remove", &beside)(e)),
        _ => {}
    }
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &path)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(failed("write", &path))
}
