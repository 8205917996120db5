//! What can go wrong with a backup, in words that say which part of it and how to mend it.

use std::io;
use std::path::PathBuf;

use kernel::TenantId;
use store::StoreError;
use vault::VaultError;

/// Why a backup could not be taken, checked or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file could not be read or written.
    #[error("cannot {act} `{}`", path.display())]
    File {
        /// What was tried.
        act: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is a file of this name already.
    #[error("`{}` is there already; a backup is never overwritten", .0.display())]
    Exists(PathBuf),
    /// Another process writes this very backup.
    #[error("another process is writing `{}`", .0.display())]
    Taken(PathBuf),
    /// There is no space left where the file is written.
    #[error("there is no space left for `{}`; nothing of it was kept", .0.display())]
    Full(PathBuf),
    /// The file is not a backup, or its head is damaged.
    #[error("this is not a backup of Wardroom: {why}")]
    NotABackup {
        /// What is wrong with it.
        why: &'static str,
    },
    /// A newer program made the file.
    #[error(
        "the backup has format {found}, this program reads format {known}; restore it with a newer program"
    )]
    NewerFormat {
        /// The format of the file.
        found: u32,
        /// The format of this program.
        known: u32,
    },
    /// A newer program's database is in the file.
    #[error(
        "the backup is of schema {found}, this program knows up to {known}; restore it with a newer program"
    )]
    NewerSchema {
        /// The schema version in the file.
        found: u32,
        /// The newest of this program.
        known: u32,
    },
    /// The program that made the file had other tables under the same number.
    #[error("the backup's schema {0} is not the one that this program knows by that number")]
    OtherSchema(u32),
    /// The key of the backup does not open with this root key.
    #[error(
        "the backup's key does not open with this deployment's root key; put the root key in place that was in use when it was taken"
    )]
    Key(#[source] VaultError),
    /// The body was changed, moved or cut off.
    #[error("the backup is damaged or was cut off; nothing of it was used")]
    Damaged(#[source] VaultError),
    /// What the body says makes no sense, although nobody changed it.
    #[error("the backup cannot be read: {why}")]
    Malformed {
        /// What does not fit.
        why: &'static str,
    },
    /// The database holds other tenants than the backup.
    #[error(
        "the database belongs to another deployment (tenant {there}) than the backup (tenant {here}); restore into an empty one"
    )]
    ForeignTenants {
        /// A tenant of the database.
        there: TenantId,
        /// A tenant of the backup.
        here: TenantId,
    },
    /// The database holds this deployment already.
    #[error(
        "the database is not empty; `--replace` puts the backup in its place, and what came after the backup is lost"
    )]
    NotEmpty,
    /// A record does not hold: the backup, or the database, is not what it was.
    #[error("{count} records do not hold; the first: {first}")]
    Unsound {
        /// How many faults were found.
        count: u64,
        /// The first of them.
        first: String,
    },
    /// A line of the erasure list was not written by this deployment, or was changed.
    #[error("line {line} of the erasure list `{}` does not hold; use a copy that does", path.display())]
    ErasureList {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The database.
    #[error("the database failed")]
    Store(#[from] StoreError),
    /// The keys.
    #[error("the keys failed")]
    Vault(#[from] VaultError),
}

impl BackupError {
    /// What the system said about a file.
    pub(crate) fn file(act: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(path),
            _ => Self::File { act, path, source },
        }
    }
}
