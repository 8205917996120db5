//! The antechamber: threads of their own, less urgent than the others, on which strangers shake hands. The
//! key exchange and the signature are thirty requests' worth of work in one piece. On the threads that serve,
//! a crowd at the door would stand before every conversation; here the system runs it when these have nothing
//! to do. What comes before and after is waiting for the peer, and stays where it was.
//!
//! It is one for the process and is made when the first handshake comes. Where the system gives no threads,
//! the work is done where it is asked for, and nothing else changes.

use std::collections::VecDeque;
use std::io;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::oneshot;

/// How much less urgent its threads are than those that serve (nice(2): at 10 the system gives them about a
/// tenth of a processor that both want, and all of one that only they want).
const YIELDS: i32 = 10;

/// The work, and whether anybody still waits for it.
type Task = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Antechamber {
    tasks: Mutex<VecDeque<Task>>,
    more: Condvar,
}

impl Antechamber {
    /// With as many threads as half the processors; none when the system gives not one.
    fn open() -> Option<&'static Self> {
        let there: &'static Self = Box::leak(Box::default());
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        let threads = (0..processors.div_ceil(2)).filter(|_| {
            std::thread::Builder::new().name("handshakes".to_owned()).spawn(|| there.work()).is_ok()
        });
        (threads.count() > 0).then_some(there)
    }

    /// One of its threads.
    fn work(&self) {
        // Of this thread alone. Refused, it is as urgent as the others: slower for those, not wrong.
        let _ = rustix::process::nice(YIELDS);
        loop {
            let mut tasks = self.lock();
            let task = loop {
                match tasks.pop_front() {
                    Some(task) => break task,
                    None => tasks = self.more.wait(tasks).unwrap_or_else(PoisonError::into_inner),
                }
            };
            drop(tasks);
            task();
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Task>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does this work there. Work that nobody waits for any more when its turn comes is not done.
///
/// # Errors
/// When it panicked.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    static ANTECHAMBER: OnceLock<Option<&Antechamber>> = OnceLock::new();
    let Some(there) = ANTECHAMBER.get_or_init(Antechamber::open) else { return Ok(work()) };
    let (tell, told) = oneshot::channel();
    let task = move || {
        if !tell.is_closed()
            && let Ok(done) = catch_unwind(AssertUnwindSafe(work))
        {
            let _ = tell.send(done);
        }
    };
    there.lock().push_back(Box::new(task));
    there.more.notify_one();
    told.await.map_err(|_| io::Error::other("the handshake came to no end"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_done_on_other_threads_and_a_panic_stays_there() {
        let here = std::thread::current().id();
        let there = aside(|| std::thread::current().id()).await.unwrap();
        assert_ne!(here, there);
        let panicked = aside(move || assert_eq!(here, there, "on purpose")).await;
        assert_eq!(panicked.unwrap_err().kind(), io::ErrorKind::Other);
        assert_eq!(aside(|| 7).await.unwrap(), 7, "the threads are there still");
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_is_not_done() {
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get).div_ceil(2);
        let (let_go, wait) = std::sync::mpsc::channel::<()>();
        let wait = std::sync::Arc::new(Mutex::new(wait));
        let busy: Vec<_> = (0..threads)
            .map(|_| {
                let wait = std::sync::Arc::clone(&wait);
                tokio::spawn(aside(move || wait.lock().unwrap().recv().is_ok()))
            })
            .collect();
        tokio::task::yield_now().await;
        let (tell, told) = std::sync::mpsc::channel();
        let left = tokio::spawn(aside(move || tell.send(())));
        tokio::task::yield_now().await;
        left.abort();
        assert!(left.await.unwrap_err().is_cancelled());
        for _ in 0..threads {
            let_go.send(()).unwrap();
        }
        for one in busy {
            assert!(one.await.unwrap().unwrap());
        }
        assert!(told.recv().is_err());
    }
}
