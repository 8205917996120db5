//! How many of something that costs much are under way at once. A TLS handshake costs as much as thirty
//! requests, and a large body the memory that it takes and the time that its sender does: here little traffic
//! does much harm.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long to wait for a place.
const PATIENCE: Duration = Duration::from_secs(1);

/// So many at once, and of one party a quarter of them.
#[derive(Debug)]
pub(crate) struct AtOnce {
    places: Arc<Semaphore>,
    /// As many again for those who are known here.
    reserved: Arc<Semaphore>,
    most_per_party: usize,
    parties: Arc<Mutex<HashMap<u64, usize>>>,
}

/// One that is under way.
#[derive(Debug)]
pub(crate) struct UnderWay {
    party: u64,
    parties: Arc<Mutex<HashMap<u64, usize>>>,
    _place: OwnedSemaphorePermit,
}

impl AtOnce {
    pub(crate) fn new(at_once: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(at_once)),
            reserved: Arc::new(Semaphore::new(at_once)),
            most_per_party: (at_once / 4).max(1),
            parties: Arc::default(),
        }
    }

    /// A place, or none when too many of this party, or of all, are under way.
    pub(crate) async fn begin(&self, party: u64, friend: bool) -> Option<UnderWay> {
        let places = if friend { &self.reserved } else { &self.places };
        let place = tokio::time::timeout(PATIENCE, Arc::clone(places).acquire_owned()).await.ok()?.ok()?;
        let mut parties = self.parties.lock().unwrap_or_else(PoisonError::into_inner);
        let count = parties.entry(party).or_insert(0);
        if *count >= self.most_per_party {
            return None;
        }
        *count += 1;
        drop(parties);
        Some(UnderWay { party, parties: Arc::clone(&self.parties), _place: place })
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut parties = self.parties.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = parties.get_mut(&self.party) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                parties.remove(&self.party);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_party_has_a_quarter_of_the_places() {
        let handshakes = AtOnce::new(8);
        let mut mine =
            vec![handshakes.begin(1, false).await.unwrap(), handshakes.begin(1, false).await.unwrap()];
        assert!(handshakes.begin(1, false).await.is_none());
        let mut others = Vec::new();
        for party in 2..8 {
            others.push(handshakes.begin(party, false).await.unwrap());
        }
        assert!(handshakes.begin(9, false).await.is_none(), "all places are taken");
        assert!(handshakes.begin(10, true).await.is_some(), "but those of friends are not");
        mine.pop();
        assert!(handshakes.begin(1, false).await.is_some());
        drop((mine, others));
        assert!(handshakes.parties.lock().unwrap().is_empty());
    }
}
