//! Backups of a whole deployment: taken while it runs, sealed, checked record by record, and put back
//! into either database.
//!
//! A backup is one file: a head in the clear, and the rows of every table as they were at one moment,
//! in sealed chunks (`docs/operations/backup.md` has the format). Columns that are sealed in the
//! database are carried as they are, so a backup holds nothing that the database does not; the second
//! seal keeps names of bots, times, sizes and who is who from whoever finds the file.
//!
//! The file and the root key are all it takes to restore. The file's key is wrapped by the tenant's key,
//! and that by the root key's provider; both wrapped keys stand in the head.
//!
//! Not promised: that a backup forgets. It holds the wrapped keys of people who were erased after it was
//! taken, so it and the root key together still give their words, until the file is deleted or the root
//! key is replaced and destroyed. What is restored *here* has every erasure replayed.

mod body;
mod check;
mod create;
mod erasures;
mod error;
mod header;
mod log;
mod records;
mod restore;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use check::{Fault, Report, check};
pub use create::{Created, create};
pub use erasures::{Erasure, ErasureList};
pub use error::BackupError;
pub use header::{FORMAT, Header, LogHead};
pub use restore::{File, Rehearsal, Restored, Wishes, target};

/// How far a piece of work has come, to be shown meanwhile. Clones share the count.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    /// The rows dealt with so far.
    pub fn rows(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, rows: u64) {
        self.0.fetch_add(rows, Ordering::Relaxed);
    }

    pub(crate) fn restart(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}
