//! Who is watching. A stream of events reads messages from the store, which is the truth; this hub
//! only wakes the streams of one process when there is something to read, and carries what is not
//! stored: the pieces of a reply while it is being made. What other processes store, `follow` finds out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kernel::ConversationId;
use tokio::sync::{broadcast, watch};

/// Something happened in a conversation.
#[derive(Debug, Clone)]
pub enum Signal {
    /// New messages or another state: read the store.
    Changed,
    /// The log has a message of this number: read the store, unless it was read as far as that.
    Stored {
        /// The number.
        seq: u64,
    },
    /// The bot has begun to think about an answer.
    Typing,
    /// A piece of the reply that will probably be stored as number `seq`.
    Delta {
        /// The number.
        seq: u64,
        /// The piece.
        text: Arc<str>,
    },
    /// The reply could not be made.
    Failed,
}

/// The hub. Clones share it.
#[derive(Debug, Clone)]
pub struct Live(Arc<Hub>);

#[derive(Debug)]
struct Hub {
    rooms: Mutex<Rooms>,
    /// Counts what changed in any conversation.
    changes: watch::Sender<u64>,
}

impl Default for Live {
    fn default() -> Self {
        Self(Arc::new(Hub { rooms: Mutex::default(), changes: watch::Sender::new(0) }))
    }
}

type Rooms = HashMap<ConversationId, broadcast::Sender<Signal>>;

/// Signals that may wait for one slow stream. A stream that falls further behind is told to read the
/// store again, and loses nothing but pieces of a reply that it will read whole.
const DEPTH: usize = 256;

impl Live {
    /// Watches a conversation until the watch is dropped.
    pub fn watch(&self, conversation: ConversationId) -> Watch {
        let receiver =
            self.rooms().entry(conversation).or_insert_with(|| broadcast::channel(DEPTH).0).subscribe();
        Watch { conversation, receiver: Some(receiver), live: self.clone() }
    }

    /// Tells whoever watches.
    pub fn signal(&self, conversation: ConversationId, signal: Signal) {
        if matches!(signal, Signal::Changed | Signal::Stored { .. }) {
            self.0.changes.send_modify(|count| *count = count.wrapping_add(1));
        }
        if let Some(room) = self.rooms().get(&conversation) {
            // No receiver is no error: the last one may be leaving at this moment.
            let _ = room.send(signal);
        }
    }

    /// Sees that something changed in some conversation, or that there is a new one; not in which.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Whether anybody listens: to a conversation, or to whether anything changes.
    pub(crate) fn is_heard(&self) -> bool {
        self.0.changes.receiver_count() > 0 || !self.rooms().is_empty()
    }

    /// Tells every stream to look for itself.
    pub(crate) fn wake(&self) {
        self.0.changes.send_modify(|count| *count = count.wrapping_add(1));
        for room in self.rooms().values() {
            let _ = room.send(Signal::Changed);
        }
    }

    /// How many streams are open.
    pub fn watchers(&self) -> usize {
        self.rooms().values().map(broadcast::Sender::receiver_count).sum()
    }

    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        self.0.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One stream's view of a conversation.
#[derive(Debug)]
pub struct Watch {
    conversation: ConversationId,
    receiver: Option<broadcast::Receiver<Signal>>,
    live: Live,
}

impl Watch {
    /// Waits for the next signal. It can be abandoned at any moment without losing one.
    pub async fn next(&mut self) -> Signal {
        let Some(receiver) = &mut self.receiver else { return Signal::Changed };
        match receiver.recv().await {
            Ok(signal) => signal,
            Err(broadcast::error::RecvError::Lagged(_) | broadcast::error::RecvError::Closed) => {
                Signal::Changed
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut rooms = self.live.rooms();
        self.receiver = None;
        if rooms.get(&self.conversation).is_some_and(|room| room.receiver_count() == 0) {
            rooms.remove(&self.conversation);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::World;

    #[tokio::test]
    async fn a_signal_reaches_the_watchers_of_its_conversation_only() {
        let (live, world) = (Live::default(), World::real());
        let (ours, theirs) = (world.id(), world.id());
        let (mut a, mut b, mut c) = (live.watch(ours), live.watch(ours), live.watch(theirs));
        live.signal(ours, Signal::Typing);
        assert!(matches!(a.next().await, Signal::Typing));
        assert!(matches!(b.next().await, Signal::Typing));
        let silent = tokio::time::timeout(std::time::Duration::from_millis(20), c.next()).await;
        assert!(silent.is_err());
    }

    #[tokio::test]
    async fn whoever_looks_at_the_list_sees_that_something_changed_and_hears_no_pieces() {
        let (live, id) = (Live::default(), World::real().id());
        let mut changes = live.changes();
        live.signal(id, Signal::Typing);
        assert!(!changes.has_changed().unwrap());
        live.signal(id, Signal::Changed);
        changes.changed().await.unwrap();
        assert!(!changes.has_changed().unwrap());
    }

    #[tokio::test]
    async fn a_conversation_that_nobody_watches_takes_no_memory() {
        let (live, id) = (Live::default(), World::real().id());
        let watch = live.watch(id);
        assert_eq!(live.watchers(), 1);
        drop(watch);
        assert!(live.rooms().is_empty());
        live.signal(id, Signal::Changed);
        assert!(live.rooms().is_empty());
    }

    #[tokio::test]
    async fn a_stream_that_falls_behind_is_told_to_read_again() {
        let (live, id) = (Live::default(), World::real().id());
        let mut watch = live.watch(id);
        for seq in 0..2 * DEPTH as u64 {
            live.signal(id, Signal::Delta { seq, text: "x".into() });
        }
        assert!(matches!(watch.next().await, Signal::Changed));
    }
}
