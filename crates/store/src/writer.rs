//! The one writer: group commit. Jobs that queued while the last commit was on its way to the disk
//! share the next one, so the disk is waited for once per batch and not once per job. Nobody is
//! kept waiting to fill a batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use crate::StoreError;
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
        Self { link, queue, counters }
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

    fn run_jobs(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<Outcomes, StoreError> {
        let begin = self.link.dialect().begin_writing();
        let engine = self.link.engine()?;
        engine.batch(begin)?;
        let mut outcomes = Outcomes::with_capacity(jobs.len());
        for job in jobs {
            if let Some(Ok(())) = outcomes.last() {
                engine.batch("RELEASE SAVEPOINT job; SAVEPOINT job")?;
            }
            let outcome = job.run(engine);
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
