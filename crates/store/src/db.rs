//! The database as the rest of the house sees it: jobs go in, answers come out. One thread owns one
//! connection; jobs are plain synchronous closures. See
//! `docs/decisions/0004-one-thread-per-connection.md`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use kernel::World;
use tokio::sync::oneshot;
use vault::Keyring;

use crate::additions::Addition;
use crate::address::DbUrl;
use crate::engine::{Connector, Dialect, Duty, Link};
use crate::job::{AddJob, Job, ReadJob, WriteJob};
use crate::refusals::{Checks, Refusals, RefusedRow};
use crate::tx::{Read, Tx};
use crate::writer::Writer;
use crate::{StoreError, migrate};

/// How the store uses its database. [`Default`] is right for nearly everyone.
#[derive(Debug, Clone)]
pub struct Options {
    /// Threads that read, each with a connection of its own.
    pub readers: usize,
    /// Jobs that may wait, for the writer and for the readers each. One more is answered
    /// [`StoreError::Busy`].
    pub queue: usize,
    /// The size that a SQLite file may reach, in bytes; past it writes are answered
    /// [`StoreError::Full`]. PostgreSQL has its own quotas.
    pub max_bytes: Option<u64>,
    /// Bring the tables up to this schema version only, for a backup that was made at it. Unset: the
    /// newest.
    pub schema: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self { readers: 4, queue: 1024, max_bytes: None, schema: None }
    }
}

/// What the writer has done since it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Transactions committed.
    pub commits: u64,
    /// Jobs run, those that failed too.
    pub jobs: u64,
    /// Batches that had to be run again, job by job.
    pub reruns: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) jobs: AtomicU64,
    pub(crate) reruns: AtomicU64,
}

/// A handle on the database. Clones are cheap and share the threads; dropping the last one lets
/// queued jobs finish and then closes the connections.
#[derive(Debug, Clone)]
pub struct Db(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dialect: Dialect,
    writes: Option<SyncSender<Box<dyn Job>>>,
    reads: Option<SyncSender<Box<dyn Job>>>,
    counters: Arc<Counters>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    keyring: RwLock<Option<Arc<Keyring>>>,
    refusals: Arc<Refusals>,
}

impl Db {
    /// Opens a database, brings its tables up to date and starts the threads. It blocks until then.
    ///
    /// # Errors
    /// When the database cannot be reached or made, is damaged, comes from a newer program, or was
    /// made by migrations that have since been changed.
    pub fn open(url: &DbUrl, world: &World) -> Result<Self, StoreError> {
        Self::open_with(url, world, &Options::default())
    }

    /// [`Db::open`] with other options.
    ///
    /// # Errors
    /// As for [`Db::open`].
    pub fn open_with(url: &DbUrl, world: &World, options: &Options) -> Result<Self, StoreError> {
        let connector = Arc::new(Connector::new(url, options.max_bytes)?);
        let counters = Arc::new(Counters::default());
        let mut threads = Vec::new();

        let (writes, queue) = sync_channel(options.queue.max(1));
        let (opened, answer) = sync_channel(1);
        let mut link = Link::new(connector.clone(), Duty::Write);
        let refusals = Arc::new(Refusals::new(world.clone()));
        let (world, counted, until) = (world.clone(), counters.clone(), options.schema);
        threads.push(start("store-writer", move || {
            let migrated = migrate::run(&mut link, migrate::until(until), world.now());
            let fit = migrated.is_ok();
            let told = opened.send(migrated).is_ok();
            if fit && told {
                Writer::new(link, queue, counted).run();
            }
        })?);
        answer.recv().map_err(|_| StoreError::Closed)??;

        let (reads, queue) = sync_channel(options.queue.max(1));
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..options.readers.max(1) {
            let link = Link::new(connector.clone(), Duty::Read);
            let queue = queue.clone();
            threads.push(start("store-reader", move || read_until_closed(link, &queue))?);
        }
        let (writes, reads, threads) = (Some(writes), Some(reads), Mutex::new(threads));
        let (dialect, keyring) = (connector.dialect(), RwLock::default());
        Ok(Self(Arc::new(Inner { dialect, writes, reads, counters, threads, keyring, refusals })))
    }

    /// Runs a job that writes, and answers after its changes are committed.
    ///
    /// The job may be run more than once (its batch met a deadlock, the connection was lost), so it
    /// must have no effect but through its [`Tx`]. Dropping the future does not call the job off.
    ///
    /// # Errors
    /// The job's own error, with its changes undone; [`StoreError::Busy`] when too much is queued;
    /// [`StoreError::InDoubt`] when the connection was lost during COMMIT.
    pub async fn write<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (sender, answer) = oneshot::channel();
        queue(self.0.writes.as_ref(), Box::new(WriteJob::new(job, sender, self.checks())))?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Adds messages and events at their ends, and answers after they are committed. It is a
    /// [`Db::write`] that shares its statements with all others that wait.
    ///
    /// # Errors
    /// [`StoreError::Moved`] when the message's slot was taken meanwhile; else as for [`Db::write`].
    pub async fn add(&self, addition: Addition) -> Result<(), StoreError> {
        let (sender, answer) = oneshot::channel();
        queue(self.0.writes.as_ref(), Box::new(AddJob::new(addition, sender)))?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Runs a job that reads one unchanging state of the database.
    ///
    /// # Errors
    /// The job's own error; [`StoreError::Busy`] when too much is queued.
    pub async fn read<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut Read<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (sender, answer) = oneshot::channel();
        queue(self.0.reads.as_ref(), Box::new(ReadJob::new(job, sender, self.checks())))?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// From now on rows are bound, and checked, by the key that this keyring opens.
    pub(crate) fn bind_with(&self, keyring: &Arc<Keyring>) {
        *self.0.keyring.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(keyring));
    }

    fn checks(&self) -> Checks {
        let keyring = self.0.keyring.read().unwrap_or_else(PoisonError::into_inner).clone();
        Checks { keyring, refusals: Arc::clone(&self.0.refusals) }
    }

    /// Notes a row that holds and whose record does not open. Rows that do not hold are noted where they are
    /// read.
    pub fn note_refused(&self, refused: RefusedRow) {
        self.0.refusals.note(refused);
    }

    /// Waits for rows that were refused, each once in the life of this process. For the one who writes them
    /// down: what is given out is not given again.
    pub async fn refused(&self) -> Vec<RefusedRow> {
        self.0.refusals.heard().await
    }

    /// How many rows of which tables were refused in the last quarter of an hour, for whoever shows lists that
    /// go on without them.
    pub fn refused_lately(&self) -> Vec<(&'static str, usize)> {
        self.0.refusals.lately()
    }

    /// The engine below.
    pub fn dialect(&self) -> Dialect {
        self.0.dialect
    }

    /// What the writer has done so far.
    pub fn counts(&self) -> Counts {
        let counters = &self.0.counters;
        Counts {
            commits: counters.commits.load(Ordering::Relaxed),
            jobs: counters.jobs.load(Ordering::Relaxed),
            reruns: counters.reruns.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.writes = None;
        self.reads = None;
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // The last handle may have lived in a job; a thread cannot wait for itself.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

fn start(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    thread::Builder::new().name(name.to_owned()).spawn(body).map_err(|_| StoreError::Unavailable)
}

fn queue(to: Option<&SyncSender<Box<dyn Job>>>, job: Box<dyn Job>) -> Result<(), StoreError> {
    to.ok_or(StoreError::Closed)?.try_send(job).map_err(|error| match error {
        TrySendError::Full(_) => StoreError::Busy,
        TrySendError::Disconnected(_) => StoreError::Closed,
    })
}

fn read_until_closed(mut link: Link, queue: &Mutex<Receiver<Box<dyn Job>>>) {
    loop {
        // One reader waits for the next job, the others wait for the lock: they take turns.
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(mut job) = next else { return };
        let mut outcome = read_once(&mut link, job.as_mut());
        if matches!(outcome, Err(StoreError::Unavailable)) {
            // The connection may have died of old age; one fresh one is tried before giving up.
            outcome = read_once(&mut link, job.as_mut());
        }
        job.answer(outcome);
    }
}

fn read_once(link: &mut Link, job: &mut dyn Job) -> Result<(), StoreError> {
    let begin = link.dialect().begin_reading();
    let attempt = |engine: &mut dyn crate::engine::Engine, job: &mut dyn Job| {
        engine.batch(begin)?;
        job.run(engine)?;
        engine.batch("COMMIT")
    };
    let outcome = link.engine().and_then(|engine| attempt(engine, job));
    if let Err(error) = &outcome {
        link.undo(error);
    }
    outcome
}
