//! A job in the queue: a closure, the value it made, and who waits for it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::oneshot::Sender;

use crate::StoreError;
use crate::additions::Addition;
use crate::engine::Engine;
use crate::error::from_panic;
use crate::refusals::Checks;
use crate::tx::{Read, Tx};

/// What the threads do with a job: run it, perhaps again, and answer once.
pub(crate) trait Job: Send {
    /// Runs the job in the transaction that is open on `engine`. A panic is an error like another.
    fn run(&mut self, engine: &mut dyn Engine) -> Result<(), StoreError>;

    /// What is to be added, when that is all there is to do; then the job is never run.
    fn addition(&self) -> Option<&Addition> {
        None
    }

    /// Tells whoever waits: the value of the last run, or the error.
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
}

macro_rules! job {
    ($(#[$doc:meta])* $name:ident, $handle:ident) => {
        $(#[$doc])*
        pub(crate) struct $name<T, F> {
            body: F,
            made: Option<T>,
            waiting: Sender<Result<T, StoreError>>,
            checks: Checks,
        }

        impl<T, F> $name<T, F> {
            pub(crate) fn new(body: F, waiting: Sender<Result<T, StoreError>>, checks: Checks) -> Self {
                Self { body, made: None, waiting, checks }
            }
        }

        impl<T, F> Job for $name<T, F>
        where
            T: Send,
            F: FnMut(&mut $handle<'_>) -> Result<T, StoreError> + Send,
        {
            fn run(&mut self, engine: &mut dyn Engine) -> Result<(), StoreError> {
                self.made = None;
                let mut handle = $handle::new(engine, self.checks.clone());
                // After a panic the closure's own state may be half made. It is not run again, and
                // the transaction is undone, so nobody sees that state.
                let made = catch_unwind(AssertUnwindSafe(|| (self.body)(&mut handle)))
                    .unwrap_or_else(|panic| Err(from_panic(panic)));
                // A job that swallowed an error of the engine has not done what it thinks it has.
                if let Some(error) = handle.failed()
                    && made.is_ok()
                {
                    return Err(error);
                }
                self.made = Some(made?);
                Ok(())
            }

            fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
                let Self { made, waiting, .. } = *self;
                // Whoever asked may have stopped waiting; the job is done all the same.
                let _ = waiting.send(outcome.and_then(|()| made.ok_or(StoreError::Closed)));
            }
        }
    };
}

job! {
    /// A job that reads and writes.
    WriteJob, Tx
}

job! {
    /// A job that only reads.
    ReadJob, Read
}

/// A job that only adds.
pub(crate) struct AddJob {
    addition: Addition,
    waiting: Sender<Result<(), StoreError>>,
}

impl AddJob {
    pub(crate) fn new(addition: Addition, waiting: Sender<Result<(), StoreError>>) -> Self {
        Self { addition, waiting }
    }
}

impl Job for AddJob {
    fn run(&mut self, _engine: &mut dyn Engine) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }

    fn addition(&self) -> Option<&Addition> {
        Some(&self.addition)
    }

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
        let _ = self.waiting.send(outcome);
    }
}
