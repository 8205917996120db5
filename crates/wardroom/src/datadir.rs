//! The data directory: made with mode 0700, held by one process at a time, refused when others could
//! read it.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A data directory that this process holds. It is free again when this value is dropped, or the
/// process ends in whatever way.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// Why the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataDirError {
    #[error("cannot make the data directory `{}`: {source}", path.display())]
    Make { path: PathBuf, source: io::Error },
    #[error("the data directory `{}` cannot be written to: {source}; give its owner write permission, or choose another with --data", path.display())]
    ReadOnly { path: PathBuf, source: io::Error },
    #[error("others may enter the data directory `{}` (mode {mode:o}); run: chmod 700 {}", path.display(), path.display())]
    Open { path: PathBuf, mode: u32 },
    #[error("another wardroom (process {holder}) uses the data directory `{}`; stop it first, or choose another with --data", path.display())]
    Held { path: PathBuf, holder: String },
}

impl DataDir {
    /// Makes the directory if it is missing, and takes hold of it.
    pub(crate) fn hold(path: &Path) -> Result<Self, DataDirError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|source| DataDirError::Make { path: path.to_owned(), source })?;
        Self::take(path)
    }

    fn take(path: &Path) -> Result<Self, DataDirError> {
        let unusable = |source| DataDirError::ReadOnly { path: path.to_owned(), source };
        let mode = fs::metadata(path).map_err(unusable)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(DataDirError::Open { path: path.to_owned(), mode });
        }
        let mut lock = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = lock.read_to_string(&mut holder);
                return Err(DataDirError::Held { path: path.to_owned(), holder: holder.trim().to_owned() });
            }
            Err(fs::TryLockError::Error(source)) => return Err(unusable(source)),
        }
        // The process id is for people; the lock itself is the kernel's and cannot go stale.
        lock.set_len(0).and_then(|()| lock.rewind()).map_err(unusable)?;
        writeln!(lock, "{}", std::process::id()).map_err(unusable)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A folder inside, made with mode 0700 if it is missing.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf, DataDirError> {
        let path = self.path.join(name);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o700)))
            .map_err(|source| DataDirError::ReadOnly { path: path.clone(), source })?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_data_directory_is_the_owners_alone() {
        let temp = tempfile::tempdir().unwrap();
        let held = DataDir::hold(&temp.path().join("a/b")).unwrap();
        assert_eq!(fs::metadata(held.path()).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(held.folder("keys").unwrap()).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_second_holder_is_told_who_the_first_is() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("data");
        let first = DataDir::hold(&path).unwrap();
        let refused = DataDir::hold(&path).unwrap_err().to_string();
        assert!(refused.contains(&std::process::id().to_string()), "{refused}");
        drop(first);
        assert!(DataDir::hold(&path).is_ok());
    }

    #[test]
    fn a_directory_that_others_may_enter_is_refused_with_the_mend() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("data");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(DataDir::hold(&path).unwrap_err().to_string().contains("chmod 700"));
    }
}
