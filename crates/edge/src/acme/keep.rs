//! What an ACME client keeps on the disk: its account, and the last certificate with its key in one
//! file, so that one rename replaces both.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use kernel::Secret;

use crate::EdgeError;

const FILE_MAX: u64 = 1024 * 1024;

pub(super) struct Keep {
    dir: PathBuf,
    server: String,
}

impl Keep {
    /// Accounts and certificates of different servers lie beside each other: trying a staging server
    /// must not cost the account of the real one.
    pub(super) fn new(dir: PathBuf, directory: &str) -> Self {
        let server = directory.trim_start_matches("https://");
        let server = server.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' });
        Self { dir, server: server.take(100).collect() }
    }

    pub(super) fn account_path(&self) -> PathBuf {
        self.dir.join(format!("{}.account.json", self.server))
    }

    pub(super) fn certificate_path(&self) -> PathBuf {
        self.dir.join(format!("{}.certificate.pem", self.server))
    }

    pub(super) fn account(&self) -> Result<Option<Secret<String>>, EdgeError> {
        read_private(&self.account_path())
    }

    pub(super) fn certificate(&self) -> Result<Option<Secret<String>>, EdgeError> {
        read_private(&self.certificate_path())
    }

    pub(super) fn save_account(&self, text: &Secret<String>) -> Result<(), EdgeError> {
        self.write(&self.account_path(), text)
    }

    pub(super) fn save_certificate(&self, text: &Secret<String>) -> Result<(), EdgeError> {
        self.write(&self.certificate_path(), text)
    }

    fn write(&self, path: &Path, text: &Secret<String>) -> Result<(), EdgeError> {
        let beside = path.with_extension("new");
        let write = || {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
            match fs::remove_file(&beside) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
            file.write_all(text.expose().as_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, path)?;
            File::open(&self.dir)?.sync_all()
        };
        write().map_err(|source| EdgeError::File { act: "write", path: path.to_owned(), source })
    }
}

fn read_private(path: &Path) -> Result<Option<Secret<String>>, EdgeError> {
    let failed = |source| EdgeError::File { act: "read", path: path.to_owned(), source };
    let file = match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(failed)?,
    };
    let mode = file.metadata().map_err(failed)?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(EdgeError::KeyMode { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    file.take(FILE_MAX).read_to_string(&mut text).map_err(failed)?;
    Ok(Some(Secret::new(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_kept_is_private_and_separate_by_server() {
        let home = tempfile::tempdir().unwrap();
        let keep = |url: &str| Keep::new(home.path().join("acme"), url);
        let (one, other) = (keep("https://a.test/dir"), keep("https://b.test:14000/dir"));
        one.save_account(&Secret::new("first".to_owned())).unwrap();
        one.save_account(&Secret::new("second".to_owned())).unwrap();
        assert_eq!(one.account().unwrap().unwrap().expose(), "second");
        assert!(other.account().unwrap().is_none());
        assert!(one.certificate().unwrap().is_none());
        assert_eq!(fs::metadata(one.account_path()).unwrap().mode() & 0o777, 0o600);
        fs::set_permissions(one.account_path(), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(one.account(), Err(EdgeError::KeyMode { mode: 0o644, .. })));
    }
}
