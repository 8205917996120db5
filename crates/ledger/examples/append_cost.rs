//! Measures what one event costs: writing it down, hashing it, appending it, and the stored frontier.
//! Run it with `cargo run --release -p wardroom-ledger --example append_cost`.
#![expect(clippy::print_stdout, reason = "printing is what this example is for")]
#![expect(clippy::disallowed_methods, reason = "it measures; the clock is the point")]

use std::convert::Infallible;
use std::hint::black_box;
use std::time::Instant;

use kernel::{ConversationId, EventId, MessageId, TenantId, Timestamp, World};
use ledger::catalogue::MessageAccepted;
use ledger::verify::{Expect, StoredLeaf, stored};
use ledger::{ActorRef, Entry, Frontier, Header, Pseudonym, SignedCheckpoint, Signer};

const EVENTS: u32 = 200_000;

fn nanos(what: &str, times: u32, mut work: impl FnMut(u32)) {
    let start = Instant::now();
    (0..times).for_each(&mut work);
    println!("{what:<44} {:>8.0} ns", start.elapsed().as_nanos() as f64 / f64::from(times));
}

/// Verifies a log of the same entry, over and over.
fn verify_cost(entry: &Entry) -> Result<(), Box<dyn std::error::Error>> {
    let signer = Signer::from_seed("audit.example.org/one", &kernel::Secret::new([7; 32]))?;
    let mut frontier = Frontier::new();
    let leaves: Vec<_> = (0..u64::from(EVENTS))
        .map(|index| {
            frontier.append(entry.leaf_hash());
            Ok::<_, Infallible>(StoredLeaf {
                index,
                hash: entry.leaf_hash(),
                json: Some(entry.json().to_vec()),
            })
        })
        .collect();
    let note = SignedCheckpoint::sign(&frontier, &signer).as_str().to_owned();
    let start = Instant::now();
    let report = stored(leaves, [Ok(note)], &Expect::signed_by(vec![signer.verifier_key().clone()]))?;
    let each = start.elapsed().as_nanos() as f64 / f64::from(EVENTS);
    println!("{:<44} {each:>8.0} ns (whole: {})", "verify one stored record", report.ok);
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let world = World::real();
    let tenant: TenantId = world.id();
    let (conversation, message): (ConversationId, MessageId) = (world.id(), world.id());
    let event: EventId = world.id();
    let actor = ActorRef::Visitor(Pseudonym::from_mac([7; 16]));
    let header = Header::new(tenant, event, Timestamp::from_millis(1_795_378_500_000), actor);
    let record = |seq: u32| {
        let event = MessageAccepted { conversation, message, seq: u64::from(seq), sealed_bytes: 300 };
        Entry::record(&event, &header)
    };
    let entry = record(1);
    println!("entry: {} bytes", entry.json().len());
    nanos("record (canonical JSON)", EVENTS, |seq| {
        black_box(record(seq));
    });
    nanos("leaf hash", EVENTS, |_| {
        black_box(entry.leaf_hash());
    });
    let leaf = entry.leaf_hash();
    let mut frontier = Frontier::new();
    nanos("append to the frontier", EVENTS, |_| {
        black_box(frontier.append(leaf));
    });
    let stored = frontier.to_bytes();
    println!("frontier of {} leaves: {} bytes stored", frontier.size(), stored.len());
    nanos("read frontier, append, write frontier", EVENTS, |_| {
        if let Ok(mut frontier) = Frontier::from_bytes(&stored) {
            frontier.append(leaf);
            black_box(frontier.to_bytes());
        }
    });
    let mut frontier = Frontier::new();
    nanos("all of it: record, hash, append, write", EVENTS, |seq| {
        frontier.append(record(seq).leaf_hash());
        black_box(frontier.to_bytes());
    });
    verify_cost(&entry)?;
    let signer = Signer::from_seed("audit.example.org/one", &kernel::Secret::new(world.bytes()))?;
    nanos("sign a checkpoint", 2000, |_| {
        black_box(SignedCheckpoint::sign(&frontier, &signer));
    });
    Ok(())
}
