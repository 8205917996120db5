//! The antechamber: threads of their own, less urgent than the others, on which strangers shake hands. A
//! handshake is thirty requests' worth of work in one piece. On the threads that serve, a crowd at the door
//! would stand before every conversation; here the system runs it when these have nothing to do.
//!
//! It is one for the process and is made when the first handshake comes. Where the system gives no threads,
//! handshakes run where they are asked for, and nothing else changes.

use std::io;
use std::num::NonZero;
use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

/// How much less urgent its threads are than those that serve (nice(2): at 10 the system gives them about a
/// tenth of a processor that both want, and all of one that only they want).
const YIELDS: i32 = 10;

static ANTECHAMBER: OnceLock<Option<Runtime>> = OnceLock::new();

fn open() -> Option<Runtime> {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    Builder::new_multi_thread()
        .worker_threads(processors.div_ceil(2))
        .thread_name("handshakes")
        .enable_all()
        .on_thread_start(|| {
            // Of this thread alone. Refused, they are as urgent as the others: slower for those, not wrong.
            let _ = rustix::process::nice(YIELDS);
        })
        .build()
        .ok()
}

/// Does the work of a handshake there. Dropped, it ends the work.
///
/// # Errors
/// The work's own; one of kind `Other` when it panicked.
pub(crate) async fn shake<T: Send + 'static>(
    hands: impl Future<Output = io::Result<T>> + Send + 'static,
) -> io::Result<T> {
    let Some(there) = ANTECHAMBER.get_or_init(open) else { return hands.await };
    let mut one = JoinSet::new();
    one.spawn_on(hands, there.handle());
    match one.join_next().await {
        Some(Ok(done)) => done,
        _ => Err(io::Error::other("the handshake came to no end")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_done_on_other_threads_and_a_panic_stays_there() {
        let here = std::thread::current().id();
        let there = shake(async { Ok(std::thread::current().id()) }).await.unwrap();
        assert_ne!(here, there);
        let failed = shake(async { Err::<(), _>(io::Error::other("on purpose")) }).await;
        assert_eq!(failed.unwrap_err().to_string(), "on purpose");
        let panicked = shake(async move { if here != there { panic!("on purpose") } else { Ok(()) } }).await;
        assert_eq!(panicked.unwrap_err().kind(), io::ErrorKind::Other);
    }
}
