//! The engine as a service: releases kept ready, turns done off the async runtime, replies streamed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::ReleaseId;
use tokio::sync::{Mutex as AsyncMutex, Semaphore, mpsc};
use wire::release::Release;
use wire::turn::{
    EngineError, EngineFuture, EngineService, Loaded, Reply, TurnEvent, TurnRequest, TurnStream,
};

use super::answer::answer;
use super::loaded::LoadedRelease;

/// How long a turn waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// About how many bytes of text are shown at once.
const DELTA: usize = 24;

/// How much the engine keeps and does at once.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most releases kept ready. The one that was not asked for longest goes first.
    pub releases: usize,
    /// About the most bytes that they take together. One release is always kept.
    pub bytes: usize,
    /// The most turns computed at the same time; others wait.
    pub turns: usize,
}

impl Default for Limits {
    /// 32 releases in half a gibibyte, and two turns per processor.
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self { releases: 32, bytes: 512 << 20, turns: processors * 2 }
    }
}

/// The embedded engine. Cheap to share by `Arc`; it keeps releases, and nothing of any conversation.
#[derive(Debug)]
pub struct Engine {
    limits: Limits,
    /// The releases that are ready, the one asked for last at the end.
    ready: Mutex<Vec<(ReleaseId, Arc<LoadedRelease>)>>,
    /// One release is loaded at a time: two at once would build the same index twice.
    loading: AsyncMutex<()>,
    turns: Arc<Semaphore>,
}

impl Default for Engine {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Engine {
    /// An engine that has nothing loaded.
    pub fn new(limits: Limits) -> Self {
        let turns = Arc::new(Semaphore::new(limits.turns.clamp(1, Semaphore::MAX_PERMITS)));
        Self { limits, ready: Mutex::default(), loading: AsyncMutex::default(), turns }
    }

    /// A release that is ready, marked as asked for.
    fn find(&self, id: ReleaseId) -> Option<Arc<LoadedRelease>> {
        let mut ready = self.ready();
        let at = ready.iter().position(|(known, _)| *known == id)?;
        let entry = ready.remove(at);
        let found = Arc::clone(&entry.1);
        ready.push(entry);
        Some(found)
    }

    fn keep(&self, id: ReleaseId, loaded: Arc<LoadedRelease>) {
        let mut ready = self.ready();
        ready.retain(|(known, _)| *known != id);
        ready.push((id, loaded));
        let over = |ready: &[(ReleaseId, Arc<LoadedRelease>)]| {
            let bytes: usize = ready.iter().map(|(_, loaded)| loaded.bytes()).sum();
            ready.len() > self.limits.releases || bytes > self.limits.bytes
        };
        while ready.len() > 1 && over(&ready) {
            ready.remove(0);
        }
    }

    fn ready(&self) -> MutexGuard<'_, Vec<(ReleaseId, Arc<LoadedRelease>)>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EngineService for Engine {
    fn load(&self, id: ReleaseId, release: Arc<Release>) -> EngineFuture<'_, Loaded> {
        Box::pin(async move {
            let _one = self.loading.lock().await;
            let loaded = match self.find(id) {
                Some(loaded) => loaded,
                None => {
                    let built = tokio::task::spawn_blocking(move || LoadedRelease::new(release)).await;
                    let loaded = Arc::new(built.map_err(|_| EngineError::Unavailable)??);
                    self.keep(id, Arc::clone(&loaded));
                    loaded
                }
            };
            let knowledge = loaded.knowledge();
            Ok(Loaded { passages: knowledge.passages(), index_bytes: knowledge.index_bytes() })
        })
    }

    fn turn(&self, request: TurnRequest) -> EngineFuture<'_, TurnStream> {
        Box::pin(async move {
            let loaded = self.find(request.release).ok_or(EngineError::NotLoaded(request.release))?;
            let waiting = tokio::time::timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned()).await;
            let Ok(Ok(permit)) = waiting else { return Err(EngineError::Unavailable) };
            let (sender, stream) = TurnStream::channel();
            tokio::spawn(async move {
                let computed = tokio::task::spawn_blocking(move || {
                    let reply = answer(&loaded, &request);
                    drop(permit);
                    reply
                });
                // A turn that panicked is a turn that failed; the engine goes on.
                let reply = computed.await.unwrap_or(Err(EngineError::Unavailable));
                send(sender, reply).await;
            });
            Ok(stream)
        })
    }
}

/// Sends a reply in pieces. A reader that went away ends it.
async fn send(sender: mpsc::Sender<TurnEvent>, reply: Result<Reply, EngineError>) {
    let last = match reply {
        Ok(reply) => {
            for piece in pieces(reply.text.as_str()) {
                if sender.send(TurnEvent::Delta(piece.to_owned())).await.is_err() {
                    return;
                }
            }
            TurnEvent::Reply(reply)
        }
        Err(error) => TurnEvent::Failed(error),
    };
    // Nobody is there to hear it: nothing is lost.
    let _ = sender.send(last).await;
}

/// A text in groups of words that together are the text.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let space = rest.char_indices().find(|(at, c)| *at >= DELTA && c.is_whitespace());
        // A text without spaces is cut anywhere, ten groups' length at a time.
        let cut = space
            .map(|(at, _)| at)
            .into_iter()
            .chain(rest.char_indices().map(|(at, _)| at).find(|at| *at >= DELTA * 10));
        let (piece, left) = rest.split_at_checked(cut.min().unwrap_or(rest.len()))?;
        rest = left;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pieces_are_groups_of_words() {
        let text = "A person of our team will join this conversation in a moment.";
        let pieces: Vec<&str> = pieces(text).collect();
        assert_eq!(pieces, ["A person of our team will", " join this conversation in", " a moment."]);
    }

    proptest! {
        #[test]
        fn all_pieces_together_are_the_text(text in any::<String>()) {
            prop_assert_eq!(pieces(&text).collect::<String>(), text);
        }
    }
}
