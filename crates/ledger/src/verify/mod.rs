//! Verification, offline: is this log what was signed, from the first leaf to the last, and is it the
//! same log that the auditor saw before? It streams: memory does not grow with the log.

mod directory;
mod report;

use std::time::Duration;

use kernel::{TenantId, Timestamp};

use crate::checkpoint::SignedCheckpoint;
use crate::merkle::{Frontier, Hash, leaf_hash};
use crate::note::VerifierKey;
use crate::record::{Record, RecordError, code_at_a_glance};

pub use directory::directory;
pub use report::{Failure, Fault, VerifyReport};

/// A leaf as it is stored: its place, its hash, and its entry unless that was pruned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLeaf {
    /// Its index in the log, from 0.
    pub index: u64,
    /// The stored leaf hash.
    pub hash: Hash,
    /// The entry: canonical JSON, or nothing when its time of retention is over.
    pub json: Option<Vec<u8>>,
}

/// What the auditor brings along: none of it is taken from the log that is verified.
#[derive(Debug, Clone)]
pub struct Expect {
    /// The log's public keys, newest or oldest first; more than one after a rotation.
    pub keys: Vec<VerifierKey>,
    /// Whose log it should be; `None` does not look at that.
    pub tenant: Option<TenantId>,
    /// Signed checkpoints that the auditor (or a SIEM, or a witness) kept from earlier times.
    pub earlier: Vec<String>,
    /// How far an entry's time may lie before the latest time seen so far. Acts are recorded by many
    /// threads and reach the log in the order of their commits, and clocks are set.
    pub time_slack: Duration,
    /// Entries below this index may have been pruned. From it on, a missing entry is a fault.
    pub pruned_below: u64,
}

impl Expect {
    /// Expects a log signed by one of these keys, with nothing pruned and times in order but for one
    /// minute.
    pub fn signed_by(keys: Vec<VerifierKey>) -> Self {
        Self { keys, tenant: None, earlier: Vec::new(), time_slack: Duration::from_mins(1), pruned_below: 0 }
    }
}

/// Verifies a log from where it is stored: its leaves in order of index, and its checkpoints in order
/// of size. It stops at the first fault, which the report names.
///
/// # Errors
/// Only when the leaves or checkpoints cannot be read. A log that is not whole is not an error but a
/// report with a [`Failure`].
pub fn stored<E>(
    leaves: impl IntoIterator<Item = Result<StoredLeaf, E>>,
    checkpoints: impl IntoIterator<Item = Result<String, E>>,
    expect: &Expect,
) -> Result<VerifyReport, E> {
    let mut checker = Checker::new(expect);
    let mut checkpoints = checkpoints.into_iter().fuse();
    let mut next_checkpoint = || checkpoints.next().transpose();
    for leaf in leaves {
        if checker.checkpoints_until_here(&mut next_checkpoint)? == Step::Stop
            || checker.leaf(leaf?) == Step::Stop
        {
            return Ok(checker.finish());
        }
    }
    // Whether that was a fault is in the checker.
    let _ = checker.checkpoints_until_here(&mut next_checkpoint)?;
    Ok(checker.finish())
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
enum Step {
    Go,
    Stop,
}

/// The walk along a log.
struct Checker<'e> {
    expect: &'e Expect,
    frontier: Frontier,
    /// The auditor's own checkpoints, the smallest last.
    earlier: Vec<SignedCheckpoint>,
    /// The log's next checkpoint, when it lies ahead.
    ahead: Option<SignedCheckpoint>,
    /// Up to which size the root is known to be the signed one.
    confirmed: u64,
    report: VerifyReport,
    latest: Option<Timestamp>,
}

impl<'e> Checker<'e> {
    fn new(expect: &'e Expect) -> Self {
        let mut checker = Self {
            expect,
            frontier: Frontier::new(),
            earlier: Vec::new(),
            ahead: None,
            confirmed: 0,
            report: VerifyReport::default(),
            latest: None,
        };
        for note in &expect.earlier {
            match SignedCheckpoint::open(note, &expect.keys) {
                Ok(checkpoint) => checker.earlier.push(checkpoint),
                Err(_) => {
                    let _ = checker.fail(Fault::EarlierCheckpoint, None);
                    break;
                }
            }
        }
        checker.earlier.sort_by_key(|earlier| std::cmp::Reverse(earlier.checkpoint().size()));
        checker
    }

    /// Remembers the first fault.
    fn fail(&mut self, fault: Fault, index: Option<u64>) -> Step {
        self.fail_in(fault, index, None)
    }

    fn fail_in(&mut self, fault: Fault, index: Option<u64>, code: Option<String>) -> Step {
        self.report.failure.get_or_insert(Failure {
            fault,
            index,
            code,
            confirmed: self.confirmed,
            until: self.frontier.size(),
            file: None,
        });
        Step::Stop
    }

    fn step(&self) -> Step {
        if self.report.failure.is_some() { Step::Stop } else { Step::Go }
    }

    /// Checks every checkpoint whose size the walk has reached, the auditor's and the log's.
    fn checkpoints_until_here<E>(
        &mut self,
        next: &mut impl FnMut() -> Result<Option<String>, E>,
    ) -> Result<Step, E> {
        if self.step() == Step::Stop {
            return Ok(Step::Stop);
        }
        let (size, mut root) = (self.frontier.size(), None);
        while let Some(earlier) = self.earlier.pop_if(|earlier| earlier.checkpoint().size() <= size) {
            if earlier.checkpoint().root() != root.get_or_insert_with(|| self.frontier.root()) {
                return Ok(self.fail(Fault::EarlierRoot, None));
            }
            self.report.earlier_confirmed += 1;
        }
        loop {
            if self.ahead.is_none() {
                let Some(note) = next()? else { break };
                match self.open(&note) {
                    Ok(checkpoint) => self.ahead = Some(checkpoint),
                    Err(fault) => return Ok(self.fail(fault, None)),
                }
            }
            let Some(reached) = self.ahead.take_if(|ahead| ahead.checkpoint().size() == size) else { break };
            if reached.checkpoint().root() != root.get_or_insert_with(|| self.frontier.root()) {
                return Ok(self.fail(Fault::Root, None));
            }
            self.report.checkpoints += 1;
            self.report.signed_leaves = size;
            self.confirmed = size;
        }
        Ok(Step::Go)
    }

    /// Opens the log's next checkpoint; it may not be smaller than where the walk stands.
    fn open(&mut self, note: &str) -> Result<SignedCheckpoint, Fault> {
        let opened = SignedCheckpoint::open(note, &self.expect.keys).map_err(|_| Fault::Checkpoint)?;
        let origin = opened.checkpoint().origin();
        if *self.report.origin.get_or_insert_with(|| origin.to_owned()) != origin {
            return Err(Fault::Checkpoint);
        }
        if opened.checkpoint().size() < self.frontier.size() {
            return Err(Fault::CheckpointOrder);
        }
        Ok(opened)
    }

    /// Checks the next leaf and appends it.
    fn leaf(&mut self, leaf: StoredLeaf) -> Step {
        if self.step() == Step::Stop {
            return Step::Stop;
        }
        let index = self.frontier.size();
        if leaf.index != index {
            return self.fail(Fault::Gap, Some(index));
        }
        match &leaf.json {
            None if index < self.expect.pruned_below => self.report.pruned += 1,
            None => return self.fail(Fault::Missing, Some(index)),
            Some(json) => {
                let checked =
                    if leaf_hash(json) == leaf.hash { self.entry(json) } else { Err(Fault::EntryHash) };
                if let Err(fault) = checked {
                    return self.fail_in(fault, Some(index), code_at_a_glance(json));
                }
            }
        }
        self.frontier.append(leaf.hash);
        Step::Go
    }

    fn entry(&mut self, json: &[u8]) -> Result<(), Fault> {
        let record = Record::parse(json).map_err(|error| match error {
            RecordError::Json(_) => Fault::NotCanonical,
            RecordError::Code => Fault::UnknownCode,
            RecordError::Member(_) => Fault::Member,
        })?;
        if self.expect.tenant.is_some_and(|tenant| tenant != record.tenant()) {
            return Err(Fault::Tenant);
        }
        let at = record.at();
        self.report.first_at.get_or_insert(at.as_millis());
        self.report.last_at = Some(at.as_millis());
        if let Some(latest) = self.latest {
            let back = latest.since(at);
            if back > self.expect.time_slack {
                return Err(Fault::Time);
            }
            if !back.is_zero() {
                let millis = u64::try_from(back.as_millis()).unwrap_or(u64::MAX);
                self.report.steps_back += 1;
                self.report.largest_step_back_ms = self.report.largest_step_back_ms.max(millis);
            }
        }
        self.latest = Some(self.latest.map_or(at, |latest| latest.max(at)));
        Ok(())
    }

    /// Says what was found. A checkpoint that still lies ahead means that leaves are gone.
    fn finish(mut self) -> VerifyReport {
        if self.step() == Step::Go {
            if let Some(cut) = self.ahead.take() {
                let _ = self.fail(Fault::Cut, Some(self.frontier.size()));
                self.report.missing = cut.checkpoint().size() - self.frontier.size();
            } else if let Some(cut) = self.earlier.pop() {
                let _ = self.fail(Fault::Cut, Some(self.frontier.size()));
                self.report.missing = cut.checkpoint().size().saturating_sub(self.frontier.size());
            } else if self.report.checkpoints == 0 {
                let _ = self.fail(Fault::NeverSigned, None);
            }
        }
        self.report.ok = self.report.failure.is_none();
        self.report.leaves = self.frontier.size();
        self.report.unsigned_leaves = self.frontier.size().saturating_sub(self.report.signed_leaves);
        self.report.root = hex::encode(self.frontier.root());
        self.report
    }
}
