//! The root key in a file: 32 bytes, readable by its owner alone.
//!
//! It protects against whoever gets the database, a backup or a disk image without this file. It does
//! not protect against whoever reads files as this process's user. Keep a copy of the file apart from
//! the backups: without it they cannot be read.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use kernel::World;
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::KeyBytes;
use crate::provider::{KeyProvider, ProviderError, ProviderInfo, WrapContext};
use crate::root::LocalRoot;

const LEN: usize = 32;

/// A root key from a file.
pub struct FileRoot {
    path: PathBuf,
    root: LocalRoot,
    world: World,
    keeper: Keeper,
}

/// Who sees to it that nobody else reads the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeper {
    /// Its owner, by its mode.
    Owner,
    /// systemd, which mounts a folder for the service alone.
    Systemd,
}

impl Keeper {
    fn read(self, path: &Path) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
        match self {
            Self::Owner => read_private(path, LEN),
            Self::Systemd => read_credential(path, LEN),
        }
    }
}

impl FileRoot {
    /// Makes a new root key and its file. It never overwrites: a root key that is lost takes every
    /// tenant's data with it. When this returns, file and name are on the disk.
    ///
    /// # Errors
    /// When the file exists already or cannot be written.
    pub fn create(path: impl Into<PathBuf>, world: World) -> Result<Self, ProviderError> {
        let path = path.into();
        let key = KeyBytes::generate(&world);
        write_new(&path, key.expose())?;
        Ok(Self { root: LocalRoot::new(&key, world.clone())?, path, world, keeper: Keeper::Owner })
    }

    /// Reads the root key from a credential that systemd hands to the service
    /// (`LoadCredentialEncrypted=`): the file `name` in `$CREDENTIALS_DIRECTORY`, which is `folder`.
    ///
    /// # Errors
    /// When the name is not that of a file, others than the service and root could read or change the
    /// file, or it has not 32 bytes.
    pub fn of_systemd(folder: &Path, name: &str, world: World) -> Result<Self, ProviderError> {
        if name.is_empty() || name.contains('/') || name.starts_with('.') || !folder.is_absolute() {
            let why = format!("`{name}` in `{}` is not the name of a credential", folder.display());
            return Err(ProviderError::Unsafe { why });
        }
        Self::found(folder.join(name), world, Keeper::Systemd)
    }

    /// Reads the root key.
    ///
    /// # Errors
    /// When the file is a link, is not ours, has another mode than 0600, or has not 32 bytes.
    pub fn open(path: impl Into<PathBuf>, world: World) -> Result<Self, ProviderError> {
        Self::found(path.into(), world, Keeper::Owner)
    }

    fn found(path: PathBuf, world: World, keeper: Keeper) -> Result<Self, ProviderError> {
        let bytes = keeper.read(&path)?;
        let key = KeyBytes::from_slice(&bytes).ok_or_else(|| {
            refused(&path, format!("has {} bytes; a root key has exactly {LEN}", bytes.len()))
        })?;
        Ok(Self { root: LocalRoot::new(&key, world.clone())?, path, world, keeper })
    }

    /// The root key's check value in hex: it tells one root key from another and nothing about the key.
    pub fn check_value(&self) -> String {
        hex::encode(self.root.check())
    }
}

impl fmt::Debug for FileRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileRoot({})", self.describe())
    }
}

impl KeyProvider for FileRoot {
    fn describe(&self) -> ProviderInfo {
        let kind = match self.keeper {
            Keeper::Owner => "file",
            Keeper::Systemd => "systemd-credential",
        };
        ProviderInfo { kind, key: format!("{} ({})", self.path.display(), self.check_value()) }
    }

    fn wrap(&self, key: &KeyBytes, context: &WrapContext) -> Result<Vec<u8>, ProviderError> {
        self.root.wrap(key, context)
    }

    fn unwrap(&self, blob: &[u8], context: &WrapContext) -> Result<KeyBytes, ProviderError> {
        self.root.unwrap(blob, context)
    }

    /// Reads the file again: a file that is gone or was replaced is found now and not at the next start.
    fn health(&self) -> Result<(), ProviderError> {
        let now = Self::found(self.path.clone(), self.world.clone(), self.keeper)?;
        if now.root.check() == self.root.check() {
            Ok(())
        } else {
            Err(ProviderError::WrongRoot { ours: self.check_value(), theirs: now.check_value() })
        }
    }
}

/// Writes a new file that only its owner reads, and waits until file and name are on the disk.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), ProviderError> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => refused(path, "exists already; it is not overwritten".to_owned()),
        _ => refused(path, format!("cannot be written: {error}")),
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    let written = write_out(&mut file, path, bytes);
    if written.is_err() {
        // It is ours and incomplete; a second attempt must not find it in the way.
        let _ = std::fs::remove_file(path);
    }
    written.map_err(failed)
}

fn write_out(file: &mut File, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    // The umask may have taken bits away from the mode; it must be 0600 exactly.
    rustix::fs::fchmod(&*file, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(parent)?.sync_all()
}

/// Reads a file of at most `most` bytes that nobody but us can read or could have written. All checks
/// are made on the open file, so it cannot be exchanged between check and reading. A longer file gives
/// one byte more than `most`.
pub(crate) fn read_private(path: &Path, most: usize) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
    read_if(path, most, |mode, owner, us| {
        let readable = (mode != 0o600).then(|| format!("has mode {mode:04o}; `chmod 0600` it"));
        let foreign = (owner != us).then(|| format!("belongs to user {owner}; this process is user {us}"));
        readable.or(foreign)
    })
}

/// Reads a credential of systemd's. It may belong to root and be opened to us by an access list, which
/// shows as a group's right to read; nobody else may read it, and nobody but its owner write it.
fn read_credential(path: &Path, most: usize) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
    read_if(path, most, |mode, owner, us| {
        let open =
            (mode & 0o7037 != 0).then(|| format!("has mode {mode:04o}, which is none of a credential"));
        let foreign =
            (owner != us && owner != 0).then(|| format!("belongs to user {owner}, not to root or to us"));
        open.or(foreign)
    })
}

/// `objection` looks at the mode, the owner, and who we are.
fn read_if(
    path: &Path,
    most: usize,
    objection: impl Fn(u32, u32, u32) -> Option<String>,
) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
    let unread = |error: std::io::Error| match error.raw_os_error() {
        Some(code) if code == rustix::io::Errno::LOOP.raw_os_error() => {
            refused(path, "is a symbolic link; name the file itself".to_owned())
        }
        _ => refused(path, format!("cannot be read: {error}")),
    };
    // NONBLOCK: opening a FIFO that somebody put here must not hang the start.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).map_err(|_| refused(path, "cannot be read".to_owned()))?;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(unread)?;
    let meta = file.metadata().map_err(unread)?;
    if !meta.is_file() {
        return Err(refused(path, "is not a file".to_owned()));
    }
    let us = rustix::process::geteuid().as_raw();
    if let Some(objection) = objection(meta.mode() & 0o7777, meta.uid(), us) {
        return Err(refused(path, objection));
    }
    let most = most.saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(most));
    file.take(u64::try_from(most).unwrap_or(u64::MAX)).read_to_end(&mut bytes).map_err(unread)?;
    Ok(bytes)
}

pub(crate) fn refused(path: &Path, what: String) -> ProviderError {
    ProviderError::Unsafe { why: format!("`{}` {what}", path.display()) }
}
