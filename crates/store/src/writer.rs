//! The one writer: group commit. Jobs that queued while the last commit was on its way to the disk
//! share the next one, so the disk is waited for once per batch and not once per job. Nobody is
//! kept waiting to fill a batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use crate::StoreError;
use crate::additions::{self, Edges};
use crate::db::Counters;
use crate::engine::Link;
use crate::job::Job;

/// The most jobs in one commit.
pub const BATCH: usize = 64;

/// How often a job alone is tried when other transactions are in its way or the connection breaks.
const TRIES: u32 = 8;

pub(crate) struct Writer {
    link: Link,
    queue: Receiver<Box<dyn Job>>,
    counters: Arc<Counters>,
    edges: Edges,
}

/// A batch that was not committed.
struct Failed {
    error: StoreError,
    /// Whether the jobs may be tried again: they certainly left no trace.
    again: bool,
}

/// The outcome of each job of a committed batch.
type Outcomes = Vec<Result<(), StoreError>>;

impl Writer {
    pub(crate) fn new(link: Link, queue: Receiver<Box<dyn Job>>, counters: Arc<Counters>) -> Self {
        Self { link, queue, counters, edges: Edges::default() }
    }

    /// Runs until every handle on the database is gone and the queue is empty.
    pub(crate) fn run(mut self) {
        while let Ok(first) = self.queue.recv() {
            let mut batch = vec![first];
            batch.extend(self.queue.try_iter().take(BATCH - 1));
            count(&self.counters.jobs, batch.len());
            self.commit_together(batch);
        }
    }

    fn commit_together(&mut self, mut batch: Vec<Box<dyn Job>>) {
        match self.attempt(&mut batch) {
            Ok(outcomes) => {
                for (job, outcome) in batch.into_iter().zip(outcomes) {
                    job.answer(outcome);
                }
            }
            Err(failed) if failed.again => {
                tracing::debug!(error = %failed.error, jobs = batch.len(), "a batch is run again, job by job");
                count(&self.counters.reruns, 1);
                for job in batch {
                    self.commit_alone(job);
                }
            }
            Err(failed) => {
                for job in batch {
                    job.answer(Err(failed.error.clone()));
                }
            }
        }
    }

    fn commit_alone(&mut self, job: Box<dyn Job>) {
        let mut jobs = vec![job];
        let mut outcome = Err(StoreError::Contended);
        for attempt in 1..=TRIES {
            match self.attempt(&mut jobs) {
                Ok(outcomes) => {
                    outcome = outcomes.into_iter().next().unwrap_or(Err(StoreError::Closed));
                    break;
                }
                Err(failed) => {
                    let again = failed.again && passes(&failed.error);
                    outcome = Err(failed.error);
                    if !again {
                        break;
                    }
                }
            }
            thread::sleep(Duration::from_millis(2 << attempt));
        }
        for job in jobs {
            job.answer(outcome.clone());
        }
    }

    /// One transaction for all jobs, each in a savepoint of its own.
    fn attempt(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<Outcomes, Failed> {
        let outcomes = match self.run_jobs(jobs) {
            Ok(outcomes) => outcomes,
            Err(error) => {
                self.edges.forget();
                self.link.undo(&error);
                return Err(Failed { error, again: true });
            }
        };
        match self.link.engine().and_then(|engine| engine.batch("COMMIT")) {
            Ok(()) => {
                count(&self.counters.commits, 1);
                Ok(outcomes)
            }
            Err(error) => {
                self.edges.forget();
                let again = matches!(error, StoreError::Contended);
                let error = match error {
                    StoreError::Unavailable => StoreError::InDoubt,
                    other => other,
                };
                self.link.undo(&error);
                Err(Failed { error, again })
            }
        }
    }

    /// Additions first, together; then the other jobs, each in its savepoint.
    fn run_jobs(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<Outcomes, StoreError> {
        let dialect = self.link.dialect();
        let additions: Vec<_> = jobs.iter().filter_map(|job| job.addition()).collect();
        let engine = self.link.engine()?;
        let mut added = Vec::new();
        let others = additions.len() < jobs.len();
        if additions.is_empty() {
            engine.batch(dialect.begin_writing())?;
        } else {
            engine.batch(dialect.begin_adding())?;
            added = additions::add(engine, dialect, &mut self.edges, &additions)?;
            if others {
                engine.batch("SAVEPOINT job")?;
            }
        }
        if others {
            // They append to the log by their own statements.
            self.edges.forget();
        }
        let (mut added, mut outcomes) = (added.into_iter(), Outcomes::with_capacity(jobs.len()));
        let mut kept = false;
        for job in jobs {
            if job.addition().is_some() {
                outcomes.push(added.next().unwrap_or(Err(StoreError::Closed)));
                continue;
            }
            if kept {
                engine.batch("RELEASE SAVEPOINT job; SAVEPOINT job")?;
            }
            let outcome = job.run(engine);
            kept = outcome.is_ok();
            if let Err(error) = &outcome {
                if passes(error) {
                    return Err(error.clone());
                }
                // After this the savepoint stands again, for the next job. Where the engine has
                // ended the whole transaction (SQLite does when the disk is full), the job's error
                // is the batch's.
                engine.batch("ROLLBACK TO SAVEPOINT job").map_err(|_| error.clone())?;
            }
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }
}

/// Whether an error says something about the moment and nothing about the job.
fn passes(error: &StoreError) -> bool {
    matches!(error, StoreError::Contended | StoreError::Unavailable)
}

fn count(counter: &AtomicU64, by: usize) {
    counter.fetch_add(u64::try_from(by).unwrap_or(u64::MAX), Ordering::Relaxed);
}
