//! What a verification found, for machines and for people.

use std::fmt;

use kernel::Timestamp;
use serde::Serialize;

/// What can be wrong with a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The stored indexes jump.
    Gap,
    /// An entry is not there, and is not old enough to have been pruned.
    Missing,
    /// An entry is not the one whose hash is stored.
    EntryHash,
    /// An entry is not canonical JSON.
    NotCanonical,
    /// An entry's code is not in the catalogue.
    UnknownCode,
    /// An entry lacks a member that every entry has, or contradicts the catalogue.
    Member,
    /// An entry belongs to another tenant.
    Tenant,
    /// An entry's time lies too far before the ones before it.
    Time,
    /// A checkpoint has another form, is not signed by a known key, or is of another log.
    Checkpoint,
    /// Checkpoints do not grow.
    CheckpointOrder,
    /// The leaves do not have the root that was signed.
    Root,
    /// A checkpoint that the auditor brought is not signed by a known key.
    EarlierCheckpoint,
    /// The leaves do not have the root that the auditor saw earlier: history was rewritten.
    EarlierRoot,
    /// The log ends before a checkpoint that was signed: leaves were cut off.
    Cut,
    /// No checkpoint was ever signed.
    NeverSigned,
    /// A file of the export is missing, has the wrong length, or holds other hashes than its leaves make.
    File,
    /// The export's own list of keys names a key that the auditor does not know.
    Keys,
}

impl Fault {
    /// The fault as a word, the same as in the report's JSON and in the event `audit.verify_failed`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::Missing => "missing",
            Self::EntryHash => "entry_hash",
            Self::NotCanonical => "not_canonical",
            Self::UnknownCode => "unknown_code",
            Self::Member => "member",
            Self::Tenant => "tenant",
            Self::Time => "time",
            Self::Checkpoint => "checkpoint",
            Self::CheckpointOrder => "checkpoint_order",
            Self::Root => "root",
            Self::EarlierCheckpoint => "earlier_checkpoint",
            Self::EarlierRoot => "earlier_root",
            Self::Cut => "cut",
            Self::NeverSigned => "never_signed",
            Self::File => "file",
            Self::Keys => "keys",
        }
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::Gap => "the record with this index is not there: the sequence has a gap",
            Self::Missing => "the entry is missing and is not old enough to have been pruned",
            Self::EntryHash => "the entry or its stored hash was changed: they do not fit",
            Self::NotCanonical => "the entry is not canonical JSON",
            Self::UnknownCode => "the entry's event code is not in the catalogue",
            Self::Member => "the entry lacks a member or contradicts the catalogue",
            Self::Tenant => "the entry belongs to another tenant",
            Self::Time => "the entry's time lies before the entries it follows",
            Self::Checkpoint => "a checkpoint is not signed by a known key, or is of another log",
            Self::CheckpointOrder => "a checkpoint is smaller than the one before it",
            Self::Root => "the records do not make the root that was signed",
            Self::EarlierCheckpoint => "the earlier checkpoint you brought is not signed by a known key",
            Self::EarlierRoot => "the records do not make the root you saw earlier: history was rewritten",
            Self::Cut => "the log ends here, but a larger one was signed: records were cut off",
            Self::NeverSigned => "the log has no checkpoint: nothing vouches for it",
            Self::File => "a file of the export is missing, cut, or does not fit the records",
            Self::Keys => "the export names a key that you do not know",
        }
    }
}

/// The first thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What.
    pub fault: Fault,
    /// The first bad record, when it can be told. A root that does not fit tells only the range.
    pub index: Option<u64>,
    /// That record's event code, as far as it can be read.
    pub code: Option<String>,
    /// Records below this index are confirmed by a signed checkpoint.
    pub confirmed: u64,
    /// Where the walk stood: the bad record of a false root lies in `confirmed..until`.
    pub until: u64,
    /// The file of the export, where it is one that is bad.
    pub file: Option<String>,
}

/// What a verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Whether the log is whole.
    pub ok: bool,
    /// The log's origin, as its checkpoints say.
    pub origin: Option<String>,
    /// How many leaves were walked.
    pub leaves: u64,
    /// The root of those leaves, in hexadecimal.
    pub root: String,
    /// How many of them the last confirmed checkpoint covers.
    pub signed_leaves: u64,
    /// How many are newer than the last checkpoint: checked, but nothing vouches for them yet.
    pub unsigned_leaves: u64,
    /// How many checkpoints were confirmed: signature true, root that of the leaves. Since each is
    /// compared with the same growing tree, each is consistent with all before it.
    pub checkpoints: u64,
    /// How many checkpoints that the auditor brought were confirmed.
    pub earlier_confirmed: u64,
    /// How many entries had been pruned; their hashes were checked.
    pub pruned: u64,
    /// How many leaves a signed checkpoint counts that are not there.
    pub missing: u64,
    /// The time of the first entry, in milliseconds since the epoch.
    pub first_at: Option<u64>,
    /// The time of the last entry.
    pub last_at: Option<u64>,
    /// How many entries lie before the latest time seen until then, within the slack.
    pub steps_back: u64,
    /// The largest such step.
    pub largest_step_back_ms: u64,
    /// The first thing that is wrong.
    pub failure: Option<Failure>,
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time =
            |at: Option<u64>| at.map_or_else(|| "-".to_owned(), |at| Timestamp::from_millis(at).rfc3339());
        writeln!(f, "log         {}", self.origin.as_deref().unwrap_or("unknown"))?;
        writeln!(
            f,
            "records     {} ({} signed, {} waiting for the next checkpoint)",
            self.leaves, self.signed_leaves, self.unsigned_leaves
        )?;
        writeln!(f, "root        {}", self.root)?;
        writeln!(f, "checkpoints {} signatures true, each consistent with all before it", self.checkpoints)?;
        writeln!(f, "earlier     {} of your own checkpoints confirmed", self.earlier_confirmed)?;
        writeln!(f, "pruned      {}", self.pruned)?;
        writeln!(f, "time        {} to {}", time(self.first_at), time(self.last_at))?;
        if self.steps_back > 0 {
            writeln!(
                f,
                "            {} steps back, the largest {} ms",
                self.steps_back, self.largest_step_back_ms
            )?;
        }
        let Some(failure) = &self.failure else {
            return write!(f, "result      whole: no gap, nothing changed");
        };
        write!(f, "result      NOT WHOLE: {}", failure.fault.sentence())?;
        match (failure.index, &failure.code) {
            (Some(index), Some(code)) => write!(f, "\nfirst bad   record {index} ({code})")?,
            (Some(index), None) => write!(f, "\nfirst bad   record {index}")?,
            (None, _) if matches!(failure.fault, Fault::Root | Fault::EarlierRoot) => {
                write!(
                    f,
                    "\nfirst bad   among records {} to {}",
                    failure.confirmed,
                    failure.until.saturating_sub(1)
                )?;
            }
            (None, _) => {}
        }
        match &failure.file {
            Some(file) => write!(f, "\nfile        {file}"),
            None => Ok(()),
        }
    }
}
