//! Writing a log out as a directory that anyone can check: the published tile layout (C2SP
//! tlog-tiles), every signed checkpoint, the public key, and a page that says how.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::checkpoint::SignedCheckpoint;
use crate::merkle::Frontier;
use crate::note::VerifierKey;
use crate::tile::{BundleError, TILE_WIDTH, Tile, Tiler, encode_bundle, entries_path};
use crate::verify::StoredLeaf;

/// Why an export was not made, or not finished.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The directory has something in it already.
    #[error("`{0}` is not empty; name a new folder")]
    NotEmpty(PathBuf),
    /// A log that was never signed cannot be checked by anyone.
    #[error("the log has no checkpoint yet; a running deployment signs one within a minute")]
    NoCheckpoint,
    /// The stored log ends before its last checkpoint.
    #[error("the log has {leaves} leaves, but a checkpoint of {signed} was signed")]
    Cut {
        /// Leaves found.
        leaves: u64,
        /// Leaves that the last checkpoint counts.
        signed: u64,
    },
    /// An entry does not fit a bundle.
    #[error("an entry does not fit its bundle")]
    Bundle(#[from] BundleError),
    /// A file could not be written or read.
    #[error("`{path}` cannot be read or written")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The leaves could not be read from where they are stored.
    #[error("the stored log cannot be read")]
    Source(#[source] Box<dyn Error + Send + Sync>),
}

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExportReport {
    /// How many leaves: as many as the last checkpoint counts. Later ones wait for the next.
    pub leaves: u64,
    /// How many entries had been pruned; only their hashes were exported.
    pub pruned: u64,
    /// The root of the exported leaves, in hexadecimal.
    pub root: String,
    /// How many checkpoints.
    pub checkpoints: u64,
    /// Whether the root is the one that was signed last. A log that is not whole is exported too, as
    /// evidence; verification then says what is wrong.
    pub root_is_the_signed_one: bool,
}

const README: &str = "\
# An audit log of Wardroom

This directory holds a Merkle log in published formats:

    checkpoint        the newest signed size and root (C2SP tlog-checkpoint, signed-note, Ed25519)
    checkpoints/      every earlier one, named by size
    tile/LEVEL/...    hashes, 256 to a file (C2SP tlog-tiles, RFC 6962 hashing, SHA-256)
    tile/entries/...  the entries, each after its length in two bytes, big-endian
    vkey              the log's public keys, for convenience: trust the copies you were given earlier

An entry is one event in the shape of OCSF 1.8.0 as canonical JSON (RFC 8785). An entry of length zero
stands for one whose time of retention is over: its hash is still in the tree.

To check it:

    wardroom audit verify --export DIRECTORY --key VKEY [--since CHECKPOINT]

or with any other verifier of C2SP tlog-tiles. Give it a checkpoint that you kept from an earlier time,
and it proves that nothing from before that time was changed or removed.
";

/// The name of a checkpoint's file: its size, so that names sort by size.
pub(crate) fn checkpoint_file(size: u64) -> String {
    format!("checkpoints/{size:020}")
}

struct Directory<'d>(&'d Path);

impl Directory<'_> {
    fn write(&self, path: &str, data: &[u8]) -> Result<(), ExportError> {
        let path = self.0.join(path);
        let write = || {
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(&path, data)
        };
        write().map_err(|source| ExportError::File { path: path.clone(), source })
    }

    fn tile(&self, tile: &Tile) -> Result<(), ExportError> {
        self.write(&tile.path(), &tile.bytes())
    }
}

/// Exports a log into an empty (or new) directory: its leaves in order from the first, and its
/// checkpoints in order of size. Leaves after the last checkpoint are left out. Memory stays at one
/// tile per level, however long the log.
///
/// # Errors
/// When the directory is not empty, there is no checkpoint, the leaves end before the last checkpoint,
/// or something cannot be read or written. What was written until then stays.
pub fn export<E>(
    directory: &Path,
    leaves: impl IntoIterator<Item = Result<StoredLeaf, E>>,
    checkpoints: &[SignedCheckpoint],
    keys: &[VerifierKey],
) -> Result<ExportReport, ExportError>
where
    E: Error + Send + Sync + 'static,
{
    let newest = checkpoints.last().ok_or(ExportError::NoCheckpoint)?;
    let size = newest.checkpoint().size();
    refuse_what_is_not_empty(directory)?;
    let out = Directory(directory);
    let (mut frontier, mut tiler, mut pruned) = (Frontier::new(), Tiler::default(), 0);
    let mut bundle: Vec<Vec<u8>> = Vec::new();
    let limit = usize::try_from(size).unwrap_or(usize::MAX);
    for leaf in leaves.into_iter().take(limit) {
        let leaf = leaf.map_err(|source| ExportError::Source(Box::new(source)))?;
        pruned += u64::from(leaf.json.is_none());
        bundle.push(leaf.json.unwrap_or_default());
        let mut full = Vec::new();
        tiler.push(leaf.hash, |tile| full.push(tile));
        full.iter().try_for_each(|tile| out.tile(tile))?;
        let index = frontier.append(leaf.hash);
        if bundle.len() as u64 == TILE_WIDTH {
            write_bundle(&out, index / TILE_WIDTH, &mut bundle)?;
        }
    }
    if frontier.size() < size {
        return Err(ExportError::Cut { leaves: frontier.size(), signed: size });
    }
    if !bundle.is_empty() {
        write_bundle(&out, size / TILE_WIDTH, &mut bundle)?;
    }
    tiler.partial().iter().try_for_each(|tile| out.tile(tile))?;
    for earlier in checkpoints {
        out.write(&checkpoint_file(earlier.checkpoint().size()), earlier.as_str().as_bytes())?;
    }
    let vkeys: String = keys.iter().map(|key| format!("{key}\n")).collect();
    out.write("vkey", vkeys.as_bytes())?;
    out.write("README.md", README.as_bytes())?;
    // Last, so that a directory with a `checkpoint` is a finished one.
    out.write("checkpoint", newest.as_str().as_bytes())?;
    let root = frontier.root();
    Ok(ExportReport {
        leaves: size,
        pruned,
        root: hex::encode(root),
        checkpoints: checkpoints.len() as u64,
        root_is_the_signed_one: root == *newest.checkpoint().root(),
    })
}

fn write_bundle(out: &Directory<'_>, index: u64, bundle: &mut Vec<Vec<u8>>) -> Result<(), ExportError> {
    let entries = std::mem::take(bundle);
    let data = encode_bundle(entries.iter().map(Vec::as_slice))?;
    out.write(&entries_path(index, entries.len() as u64), &data)
}

fn refuse_what_is_not_empty(directory: &Path) -> Result<(), ExportError> {
    match std::fs::read_dir(directory).map(|mut files| files.next().is_some()) {
        Ok(true) => Err(ExportError::NotEmpty(directory.to_owned())),
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(ExportError::File { path: directory.to_owned(), source })
        }
        Ok(false) | Err(_) => Ok(()),
    }
}
