//! Verification of a stored log: what is whole is found whole, what was touched is named.

use std::time::Duration;

use ledger::verify::{Expect, Fault, StoredLeaf, VerifyReport};
use ledger::{Entry, Record, SignedCheckpoint, Signer, leaf_hash};
use proptest::prelude::*;

use crate::common::{Log, ORIGIN, entry, expect, keys, log, log_of, signer, verify};

fn first_bad(report: &VerifyReport) -> (Fault, Option<u64>) {
    assert!(!report.ok);
    let failure = report.failure.as_ref().expect("a failure");
    (failure.fault, failure.index)
}

#[test]
fn a_whole_log_is_found_whole() {
    let log = log(50, &[0, 10, 30]);
    let report = log.verify(&expect());
    assert!(report.ok, "{report}");
    assert_eq!(
        (report.leaves, report.signed_leaves, report.unsigned_leaves, report.checkpoints),
        (50, 30, 20, 3)
    );
    assert_eq!(report.origin.as_deref(), Some(ORIGIN));
    assert_eq!(report.first_at, Some(1_795_378_500_000));
    assert_eq!(report.steps_back, 0);
    assert!(report.to_string().ends_with("result      whole: no gap, nothing changed"), "{report}");
}

#[test]
fn a_log_that_was_never_signed_is_not_whole() {
    assert_eq!(first_bad(&log(5, &[]).verify(&expect())).0, Fault::NeverSigned);
}

#[test]
fn an_auditor_s_earlier_checkpoint_is_confirmed_or_exposes_a_rewritten_past() {
    let seen = log(20, &[20]).notes();
    let with = |log: &Log| log.verify(&Expect { earlier: seen.clone(), ..expect() });
    let report = with(&log(50, &[50]));
    assert!(report.ok, "{report}");
    assert_eq!(report.earlier_confirmed, 1);

    // The operator rewrites record 3, recomputes every hash and signs the result anew.
    let rewritten = log_of((0..50).map(|n| if n == 3 { entry(300) } else { entry(n) }), &[50]);
    let loose = Expect { time_slack: Duration::from_secs(86_400), ..expect() };
    assert!(rewritten.verify(&loose).ok, "without an earlier checkpoint nobody can tell");
    let report = rewritten.verify(&Expect { earlier: seen.clone(), ..loose });
    assert_eq!(first_bad(&report), (Fault::EarlierRoot, None));
    assert_eq!(report.failure.as_ref().map(|f| (f.confirmed, f.until)), Some((0, 20)));

    // Or cuts it to before what the auditor saw.
    let report = with(&log(15, &[15]));
    assert_eq!(first_bad(&report), (Fault::Cut, Some(15)));
    assert_eq!(report.missing, 5);

    let stranger = Signer::from_seed(ORIGIN, &kernel::Secret::new([8; 32])).unwrap();
    let forged = SignedCheckpoint::sign(&ledger::Frontier::new(), &stranger).as_str().to_owned();
    let report = log(5, &[5]).verify(&Expect { earlier: vec![forged], ..expect() });
    assert_eq!(first_bad(&report).0, Fault::EarlierCheckpoint);
}

#[test]
fn a_removed_a_swapped_and_a_repeated_record_are_named() {
    let whole = log(40, &[40]);
    for at in [0, 7, 39] {
        let mut log = whole.clone();
        log.leaves.remove(at);
        let expected = if at == 39 { Fault::Cut } else { Fault::Gap };
        assert_eq!(first_bad(&log.verify(&expect())), (expected, Some(at as u64)));

        let mut log = whole.clone();
        log.leaves.insert(at, whole.leaves[at].clone());
        assert_eq!(first_bad(&log.verify(&expect())), (Fault::Gap, Some(at as u64 + 1)));
    }
    let mut log = whole;
    log.leaves.swap(4, 5);
    assert_eq!(first_bad(&log.verify(&expect())), (Fault::Gap, Some(4)));
}

#[test]
fn a_record_changed_together_with_its_hash_is_found_between_two_checkpoints() {
    let mut log = log(50, &[10, 30, 50]);
    let other = entry(16 + 3);
    log.leaves[16].json = Some(other.json().to_vec());
    log.leaves[16].hash = other.leaf_hash();
    let report = log.verify(&expect());
    assert_eq!(first_bad(&report), (Fault::Root, None));
    let failure = report.failure.clone().unwrap();
    assert_eq!((failure.confirmed, failure.until), (10, 30));
    assert!(report.to_string().contains("among records 10 to 29"), "{report}");
}

#[test]
fn checkpoints_that_shrink_or_come_from_another_log_are_refused() {
    let mut log = log(50, &[10, 30]);
    log.checkpoints.reverse();
    assert_eq!(first_bad(&log.verify(&expect())).0, Fault::CheckpointOrder);

    let other = Signer::from_seed("audit.example.org/two", &kernel::Secret::new([9; 32])).unwrap();
    let both = [keys(), vec![other.verifier_key().clone()]].concat();
    let mut log = crate::common::log(3, &[0]);
    log.checkpoints.push(SignedCheckpoint::sign(&frontier_of(&log.leaves), &other));
    let report = log.verify(&Expect { keys: both.clone(), ..expect() });
    assert_eq!(first_bad(&report).0, Fault::Checkpoint);
}

fn frontier_of(leaves: &[StoredLeaf]) -> ledger::Frontier {
    let mut frontier = ledger::Frontier::new();
    leaves.iter().for_each(|leaf| {
        frontier.append(leaf.hash);
    });
    frontier
}

#[test]
fn a_rotated_signing_key_is_followed_when_the_auditor_knows_both() {
    let next = Signer::from_seed(ORIGIN, &kernel::Secret::new([9; 32])).unwrap();
    let mut log = log(20, &[10]);
    log.checkpoints.push(SignedCheckpoint::sign(&frontier_of(&log.leaves), &next));
    assert_eq!(first_bad(&log.verify(&expect())).0, Fault::Checkpoint);
    let both = [keys(), vec![next.verifier_key().clone()]].concat();
    assert!(log.verify(&Expect { keys: both, ..expect() }).ok);
}

#[test]
fn entries_of_another_tenant_unknown_codes_and_false_arithmetic_are_refused() {
    let whole = log(9, &[9]);
    let forge = |from: &str, to: &str| {
        let mut log = whole.clone();
        let text = String::from_utf8(log.leaves[4].json.clone().unwrap()).unwrap();
        assert!(text.contains(from), "{text}");
        let json = text.replace(from, to).into_bytes();
        log.leaves[4].hash = leaf_hash(&json);
        log.leaves[4].json = Some(json);
        first_bad(&log.verify(&expect()))
    };
    assert_eq!(forge("01010101-0101", "01010101-0102"), (Fault::Tenant, Some(4)));
    assert_eq!(forge("AUTH-1002W", "AUTH-9999W"), (Fault::UnknownCode, Some(4)));
    assert_eq!(forge("300201", "300202"), (Fault::Member, Some(4)));
    assert_eq!(forge("{\"activity_id\"", "{ \"activity_id\""), (Fault::NotCanonical, Some(4)));
    assert_eq!(forge("\"time\"", "\"tyme\""), (Fault::Member, Some(4)));
}

#[test]
fn time_may_step_back_by_the_slack_and_no_further() {
    let order = |slack: u64, second: u64| {
        let log = log_of([entry(100), entry(second), entry(101)], &[3]);
        log.verify(&Expect { time_slack: Duration::from_secs(slack), ..expect() })
    };
    let report = order(60, 40);
    assert!(report.ok, "{report}");
    assert_eq!((report.steps_back, report.largest_step_back_ms), (1, 60_000));
    assert_eq!(first_bad(&order(60, 39)), (Fault::Time, Some(1)));
}

#[test]
fn pruned_entries_are_accepted_below_the_line_and_nowhere_else() {
    let mut log = log(20, &[20]);
    log.leaves[3].json = None;
    assert_eq!(first_bad(&log.verify(&expect())), (Fault::Missing, Some(3)));
    let report = log.verify(&Expect { pruned_below: 4, ..expect() });
    assert!(report.ok, "{report}");
    assert_eq!(report.pruned, 1);
}

#[test]
fn a_record_can_be_read_back() {
    let entry: Entry = entry(1);
    let record = Record::parse(entry.json()).unwrap();
    assert_eq!((record.info().code, record.event(), record.at()), ("AUTH-1002W", entry.event(), entry.at()));
    assert_eq!(record.actor(), Some("wardroom"));
    assert_eq!(record.field("attempt").and_then(ledger::Json::as_whole), Some(1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_flipped_bit_of_any_entry_or_hash_is_named(
        at in 0usize..30, byte in any::<prop::sample::Index>(), bit in 0u8..8, in_hash in any::<bool>()
    ) {
        let mut log = log(30, &[12, 30]);
        let leaf = &mut log.leaves[at];
        if in_hash {
            leaf.hash[byte.index(32)] ^= 1 << bit;
        } else {
            let json = leaf.json.as_mut().unwrap();
            let place = byte.index(json.len());
            json[place] ^= 1 << bit;
        }
        prop_assert_eq!(first_bad(&log.verify(&expect())), (Fault::EntryHash, Some(at as u64)));
    }

    #[test]
    fn any_flipped_bit_of_any_checkpoint_is_found(which in 0usize..3, byte in any::<prop::sample::Index>(), bit in 0u8..8) {
        let log = log(12, &[0, 5, 12]);
        let mut notes = log.notes();
        let mut bytes = notes[which].clone().into_bytes();
        let place = byte.index(bytes.len());
        bytes[place] ^= 1 << bit;
        let Ok(note) = String::from_utf8(bytes) else { return Ok(()) };
        notes[which] = note;
        let report = verify(&log.leaves, &notes, &expect());
        prop_assert_eq!(first_bad(&report), (Fault::Checkpoint, None));
        let confirmed = report.failure.map(|failure| failure.confirmed);
        prop_assert_eq!(confirmed, Some([0, 0, 5][which]));
    }

    #[test]
    fn a_cut_log_is_found_at_its_end(kept in 0usize..20) {
        let mut log = log(20, &[20]);
        log.leaves.truncate(kept);
        let report = log.verify(&expect());
        prop_assert_eq!(first_bad(&report), (Fault::Cut, Some(kept as u64)));
        prop_assert_eq!(report.missing, 20 - kept as u64);
    }

    #[test]
    fn no_bytes_make_the_record_reader_stumble(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Record::parse(&bytes).is_err());
    }
}

#[test]
fn the_signer_does_not_print_its_key() {
    let printed = format!("{:?}", signer());
    assert!(printed.starts_with("Signer(audit.example.org/one+"), "{printed}");
    assert!(!printed.contains(&hex::encode([7u8; 32])), "{printed}");
}
