//! Exports: written, verified, damaged, verified again.

use std::convert::Infallible;
use std::path::{Path, PathBuf};

use ledger::verify::{Expect, Fault, VerifyReport};
use ledger::{ExportError, export};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::common::{Log, expect, keys, log};

fn exported(log: &Log) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let leaves = log.leaves.iter().cloned().map(Ok::<_, Infallible>);
    let report = export(directory.path(), leaves, &log.checkpoints, &keys()).unwrap();
    assert!(report.root_is_the_signed_one);
    directory
}

fn verify(directory: &Path) -> VerifyReport {
    ledger::verify::directory(directory, &expect()).unwrap()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for file in std::fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn an_export_has_the_published_layout_and_is_whole() {
    let directory = exported(&log(700, &[0, 300, 600]));
    let names: Vec<_> = files(directory.path())
        .iter()
        .map(|path| path.strip_prefix(directory.path()).unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(
        names,
        [
            "README.md",
            "checkpoint",
            "checkpoints/00000000000000000000",
            "checkpoints/00000000000000000300",
            "checkpoints/00000000000000000600",
            "tile/0/000",
            "tile/0/001",
            "tile/0/002.p/88",
            "tile/1/000.p/2",
            "tile/entries/000",
            "tile/entries/001",
            "tile/entries/002.p/88",
            "vkey",
        ]
    );
    let report = verify(directory.path());
    assert!(report.ok, "{report}");
    assert_eq!((report.leaves, report.checkpoints, report.unsigned_leaves), (600, 3, 0));
}

#[test]
fn exports_of_every_width_around_a_tile_are_whole() {
    for size in [0, 1, 2, 255, 256, 257, 511, 512, 513] {
        let report = verify(exported(&log(size, &[size])).path());
        assert!(report.ok, "{size}: {report}");
        assert_eq!(report.leaves, size);
    }
}

#[test]
fn an_earlier_checkpoint_is_checked_against_an_export() {
    let directory = exported(&log(600, &[600]));
    let earlier = log(400, &[400]).notes();
    let report = ledger::verify::directory(directory.path(), &Expect { earlier, ..expect() }).unwrap();
    assert!(report.ok, "{report}");
    assert_eq!(report.earlier_confirmed, 1);
    let earlier = log(700, &[700]).notes();
    let report = ledger::verify::directory(directory.path(), &Expect { earlier, ..expect() }).unwrap();
    assert_eq!(report.failure.map(|f| (f.fault, f.index)), Some((Fault::Cut, Some(600))));
}

#[test]
fn a_flipped_byte_in_an_entry_names_the_record_and_its_code() {
    let directory = exported(&log(300, &[300]));
    let path = directory.path().join("tile/entries/001.p/44");
    let mut bundle = std::fs::read(&path).unwrap();
    let entry_257 = 2 + usize::from(u16::from_be_bytes([bundle[0], bundle[1]])) + 2;
    bundle[entry_257 + 40] ^= 1;
    std::fs::write(&path, bundle).unwrap();
    let report = verify(directory.path());
    let failure = report.failure.clone().unwrap();
    assert_eq!((failure.fault, failure.index), (Fault::EntryHash, Some(257)));
    assert_eq!(failure.code.as_deref(), Some("CONF-1001I"));
    assert!(report.to_string().contains("record 257 (CONF-1001I)"), "{report}");
}

#[test]
fn every_missing_file_is_found() {
    let log = log(300, &[100, 300]);
    for victim in files(exported(&log).path()).iter().filter(|path| !path.ends_with("README.md")) {
        let directory = exported(&log);
        let name = victim.components().skip_while(|part| {
            !["tile", "checkpoint", "checkpoints", "vkey"].iter().any(|known| part.as_os_str() == *known)
        });
        let path = directory.path().join(name.collect::<PathBuf>());
        std::fs::remove_file(&path).unwrap();
        // An earlier checkpoint less is still a whole log: the newest one says all that it said.
        let is_earlier = path.ends_with("checkpoints/00000000000000000100");
        assert_eq!(verify(directory.path()).ok, is_earlier, "{}", path.display());
    }
}

#[test]
fn an_export_rolled_back_to_an_earlier_checkpoint_is_found_cut() {
    let directory = exported(&log(256, &[256]));
    let later = exported(&log(300, &[256, 300]));
    let name = "checkpoints/00000000000000000300";
    std::fs::copy(later.path().join(name), directory.path().join(name)).unwrap();
    let report = verify(directory.path());
    assert_eq!(report.failure.map(|f| (f.fault, f.index)), Some((Fault::Cut, Some(256))));
    assert_eq!(report.missing, 44);
}

#[test]
fn a_file_too_large_for_an_export_is_not_read() {
    let directory = exported(&log(3, &[3]));
    let path = directory.path().join("tile/entries/000.p/3");
    std::fs::File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
    let failure = verify(directory.path()).failure.unwrap();
    assert_eq!((failure.fault, failure.index), (Fault::Missing, Some(0)));
}

#[test]
fn an_export_of_a_tampered_log_is_made_and_says_so() {
    let mut log = log(20, &[20]);
    log.leaves[5].hash[0] ^= 1;
    let directory = tempfile::tempdir().unwrap();
    let leaves = log.leaves.iter().cloned().map(Ok::<_, Infallible>);
    let report = export(directory.path(), leaves, &log.checkpoints, &keys()).unwrap();
    assert!(!report.root_is_the_signed_one);
    let failure = verify(directory.path()).failure.unwrap();
    assert_eq!((failure.fault, failure.index), (Fault::EntryHash, Some(5)));
}

#[test]
fn pruned_entries_leave_their_place_in_the_bundle() {
    let mut log = log(300, &[300]);
    log.leaves.iter_mut().take(270).for_each(|leaf| leaf.json = None);
    let directory = exported(&log);
    let report =
        ledger::verify::directory(directory.path(), &Expect { pruned_below: 270, ..expect() }).unwrap();
    assert!(report.ok, "{report}");
    assert_eq!(report.pruned, 270);
    let failure = verify(directory.path()).failure.unwrap();
    assert_eq!((failure.fault, failure.index), (Fault::Missing, Some(0)));
}

#[test]
fn a_directory_with_something_in_it_is_left_alone() {
    let log = log(3, &[3]);
    let directory = exported(&log);
    let leaves = || log.leaves.iter().cloned().map(Ok::<_, Infallible>);
    assert!(matches!(
        export(directory.path(), leaves(), &log.checkpoints, &keys()),
        Err(ExportError::NotEmpty(_))
    ));
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(export(empty.path(), leaves(), &[], &keys()), Err(ExportError::NoCheckpoint)));
    assert!(matches!(
        export(empty.path(), leaves().take(2), &log.checkpoints, &keys()),
        Err(ExportError::Cut { leaves: 2, signed: 3 })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_flipped_bit_of_any_file_is_found(file in any::<prop::sample::Index>(), byte in any::<prop::sample::Index>(), bit in 0u8..8) {
        let directory = exported(&log(280, &[100, 280]));
        let files: Vec<_> = files(directory.path()).into_iter().filter(|path| !path.ends_with("README.md")).collect();
        let path = &files[file.index(files.len())];
        let mut bytes = std::fs::read(path).unwrap();
        let place = byte.index(bytes.len());
        bytes[place] ^= 1 << bit;
        std::fs::write(path, bytes).unwrap();
        let report = verify(directory.path());
        prop_assert!(!report.ok, "{} byte {place} bit {bit}", path.display());
    }
}
