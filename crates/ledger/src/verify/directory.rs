//! Verification of an export: the same walk, fed from tiles and bundles, and every file compared with
//! what the leaves make.

use std::io;
use std::path::Path;

use super::{Checker, Expect, Failure, Fault, Step, StoredLeaf, VerifyReport};
use crate::checkpoint::SignedCheckpoint;
use crate::export::{ExportError, checkpoint_file};
use crate::tile::{TILE_WIDTH, Tile, Tiler, entries_path, tile_path};

/// Verifies an export directory. It stops at the first fault, which the report names.
///
/// # Errors
/// Only when a file is there and cannot be read. A missing or false file is a report with a
/// [`Failure`].
pub fn directory(directory: &Path, expect: &Expect) -> Result<VerifyReport, ExportError> {
    let mut walk = Walk { directory, checker: Checker::new(expect), tiler: Tiler::default() };
    // Where the walk stops and why is in the checker.
    let _ = walk.whole()?;
    Ok(walk.checker.finish())
}

struct Walk<'d, 'e> {
    directory: &'d Path,
    checker: Checker<'e>,
    tiler: Tiler,
}

impl Walk<'_, '_> {
    fn whole(&mut self) -> Result<Step, ExportError> {
        if self.keys()? == Step::Stop {
            return Ok(Step::Stop);
        }
        let Some(newest) = self.newest()? else { return Ok(Step::Stop) };
        let size = newest.checkpoint().size();
        let names = self.checkpoint_names()?;
        let mut names = names.iter();
        let directory = self.directory;
        let mut next = || match names.next() {
            Some(name) => Ok(Some(read(directory, name)?.and_then(text).unwrap_or_default())),
            None => Ok(None),
        };
        while self.checker.frontier.size() < size {
            if self.bundle(size, &mut next)? == Step::Stop {
                return Ok(Step::Stop);
            }
        }
        if self.checker.checkpoints_until_here(&mut next)? == Step::Stop {
            return Ok(Step::Stop);
        }
        if self.checker.report.signed_leaves != size {
            return Ok(self.fail_file(&checkpoint_file(size), None));
        }
        for tile in std::mem::take(&mut self.tiler).partial() {
            if self.compare(&tile)? == Step::Stop {
                return Ok(Step::Stop);
            }
        }
        Ok(Step::Go)
    }

    /// The export's list of keys may not name one that the auditor did not bring.
    fn keys(&mut self) -> Result<Step, ExportError> {
        let Some(vkeys) = read(self.directory, "vkey")?.and_then(text) else {
            return Ok(self.fail_file("vkey", None));
        };
        let known: Vec<String> = self.checker.expect.keys.iter().map(ToString::to_string).collect();
        if vkeys.lines().all(|line| known.iter().any(|key| key == line)) && vkeys.ends_with('\n') {
            return Ok(Step::Go);
        }
        let step = self.checker.fail(Fault::Keys, None);
        self.name_file("vkey");
        Ok(step)
    }

    /// The newest checkpoint, which says how many leaves to look for.
    fn newest(&mut self) -> Result<Option<SignedCheckpoint>, ExportError> {
        let note = read(self.directory, "checkpoint")?.and_then(text).unwrap_or_default();
        let opened = SignedCheckpoint::open(&note, &self.checker.expect.keys);
        let copy = opened.as_ref().ok().map(|newest| checkpoint_file(newest.checkpoint().size()));
        match (opened, copy) {
            (Ok(newest), Some(copy)) if read(self.directory, &copy)?.as_deref() == Some(note.as_bytes()) => {
                Ok(Some(newest))
            }
            (Ok(_), Some(copy)) => {
                let _ = self.fail_file(&copy, None);
                Ok(None)
            }
            _ => {
                let _ = self.checker.fail(Fault::Checkpoint, None);
                self.name_file("checkpoint");
                Ok(None)
            }
        }
    }

    /// The checkpoints' files, in order of size.
    fn checkpoint_names(&self) -> Result<Vec<String>, ExportError> {
        let path = self.directory.join("checkpoints");
        let fail = |source| ExportError::File { path: path.clone(), source };
        let mut names = Vec::new();
        for file in std::fs::read_dir(&path).map_err(fail)? {
            names.push(format!("checkpoints/{}", file.map_err(fail)?.file_name().to_string_lossy()));
        }
        names.sort();
        Ok(names)
    }

    /// Walks the next bundle and its tile of hashes.
    fn bundle(
        &mut self,
        size: u64,
        next: &mut impl FnMut() -> Result<Option<String>, ExportError>,
    ) -> Result<Step, ExportError> {
        let first = self.checker.frontier.size();
        let index = first / TILE_WIDTH;
        let width = TILE_WIDTH.min(size - first);
        let path = tile_path(0, index, width);
        let tile = read(self.directory, &path)?.unwrap_or_default();
        let (hashes, rest) = tile.as_chunks::<32>();
        if hashes.len() as u64 != width || !rest.is_empty() {
            return Ok(self.fail_file(&path, Some(first)));
        }
        let path = entries_path(index, width);
        let bundle = read(self.directory, &path)?;
        let mut rest = bundle.as_deref();
        for (index, hash) in (first..).zip(hashes) {
            if self.checker.checkpoints_until_here(next)? == Step::Stop {
                return Ok(Step::Stop);
            }
            let json = match rest.map(split_entry) {
                None | Some(Some(([], _))) => None,
                Some(Some((entry, _))) => Some(entry.to_vec()),
                Some(None) => return Ok(self.fail_file(&path, Some(index))),
            };
            rest = rest.and_then(split_entry).map(|(_, rest)| rest);
            if self.checker.leaf(StoredLeaf { index, hash: *hash, json }) == Step::Stop {
                self.name_file(&path);
                return Ok(Step::Stop);
            }
            let mut full = Vec::new();
            self.tiler.push(*hash, |tile| full.push(tile));
            for tile in full {
                if self.compare(&tile)? == Step::Stop {
                    return Ok(Step::Stop);
                }
            }
        }
        if rest.is_some_and(|rest| !rest.is_empty()) {
            return Ok(self.fail_file(&path, Some(first + width - 1)));
        }
        Ok(Step::Go)
    }

    /// Compares a tile's file with the hashes that the leaves make.
    fn compare(&mut self, tile: &Tile) -> Result<Step, ExportError> {
        let path = tile.path();
        if read(self.directory, &path)?.is_some_and(|found| found == tile.bytes()) {
            return Ok(Step::Go);
        }
        Ok(self.fail_file(&path, None))
    }

    fn fail_file(&mut self, path: &str, index: Option<u64>) -> Step {
        let step = self.checker.fail(Fault::File, index);
        self.name_file(path);
        step
    }

    fn name_file(&mut self, path: &str) {
        if let Some(Failure { file, .. }) = &mut self.checker.report.failure {
            file.get_or_insert_with(|| path.to_owned());
        }
    }
}

fn split_entry(bundle: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bundle.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

fn text(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok()
}

/// The most that any file of an export may hold: 256 entries of 65,535 bytes, each after its length.
const MAX_FILE: u64 = 256 * 65_537;

/// The file's content; `None` when there is no such file, or it is no plain file, or too large to be
/// part of an export.
fn read(directory: &Path, path: &str) -> Result<Option<Vec<u8>>, ExportError> {
    let path = directory.join(path);
    let content = || {
        let found = std::fs::metadata(&path)?;
        if found.is_file() && found.len() <= MAX_FILE { std::fs::read(&path).map(Some) } else { Ok(None) }
    };
    match content() {
        Ok(content) => Ok(content),
        Err(source) if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(source) => Err(ExportError::File { path, source }),
    }
}
