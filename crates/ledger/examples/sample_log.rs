//! Writes a log of the sample events, many times over, with several checkpoints, as an export: what
//! the outside verifier reads when there is no deployment at hand.
//!
//! usage: sample_log DIRECTORY [LEAVES]
#![expect(clippy::print_stdout, reason = "printing is what this example is for")]

use std::convert::Infallible;
use std::error::Error;
use std::path::Path;

use kernel::{Secret, World};
use ledger::verify::{Expect, StoredLeaf};
use ledger::{Frontier, SignedCheckpoint, Signer, export, leaf_hash};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("usage: sample_log DIRECTORY [LEAVES]")?;
    let size: usize = arguments.next().map_or(Ok(1000), |number| number.parse())?;
    let signer = Signer::from_seed("audit.example.org/sample", &Secret::new(World::real().bytes()))?;
    let mut frontier = Frontier::new();
    let (mut leaves, mut checkpoints) = (Vec::new(), Vec::new());
    for entry in ledger::catalogue::samples().into_iter().cycle().take(size) {
        let hash = leaf_hash(entry.json());
        let index = frontier.append(hash);
        leaves.push(Ok::<_, Infallible>(StoredLeaf { index, hash, json: Some(entry.into_json()) }));
        if frontier.size().is_multiple_of(700) {
            checkpoints.push(SignedCheckpoint::sign(&frontier, &signer));
        }
    }
    checkpoints.push(SignedCheckpoint::sign(&frontier, &signer));
    checkpoints.dedup();
    let keys = [signer.verifier_key().clone()];
    let report = export(Path::new(&directory), leaves, &checkpoints, &keys)?;
    println!("{} leaves, {} checkpoints, root {}", report.leaves, report.checkpoints, report.root);
    println!("{}", ledger::verify::directory(Path::new(&directory), &Expect::signed_by(keys.to_vec()))?);
    Ok(())
}
