//! Rows that were refused: not as this program left them, or not to be opened. Whoever reads one row is told
//! by the error; whoever reads many goes on without it where that is safe. Both ways it is noted here, once
//! for each row, for whoever writes the audit log: an operator is told once and not with each page.
//!
//! What is noted lives as long as the process: another one, or the next, tells of the row again.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::{Timestamp, World};
use tokio::sync::Notify;
use vault::Keyring;

/// Rows that are remembered. Whoever altered more than these has said what they had to say.
const MOST: usize = 1024;
/// How long after it was last met a row counts as one that is left out.
const LATELY: Duration = Duration::from_secs(15 * 60);

/// A row that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRow {
    /// Its table.
    pub table: &'static str,
    /// The rest of its key beside the tenant.
    pub row: String,
    /// Why, in a word of the event `record.refused`.
    pub reason: &'static str,
}

/// What a job needs to check rows with: the key, and where to note those that do not hold.
#[derive(Clone)]
pub(crate) struct Checks {
    /// What opens the key that binds rows; none where no keychain was made for the database.
    pub(crate) keyring: Option<Arc<Keyring>>,
    pub(crate) refusals: Arc<Refusals>,
}

/// The rows that were refused since the process began.
pub(crate) struct Refusals {
    world: World,
    noted: Mutex<Noted>,
    news: Notify,
}

#[derive(Default)]
struct Noted {
    /// Each with when it was last met.
    known: HashMap<(&'static str, String), Timestamp>,
    /// What nobody has written down yet.
    waiting: Vec<RefusedRow>,
}

impl Refusals {
    pub(crate) fn new(world: World) -> Self {
        Self { world, noted: Mutex::default(), news: Notify::new() }
    }

    pub(crate) fn note(&self, refused: RefusedRow) {
        let (now, mut noted) = (self.world.now(), self.lock());
        let place = (refused.table, refused.row.clone());
        if let Some(met) = noted.known.get_mut(&place) {
            *met = now;
        } else if noted.known.len() < MOST {
            noted.known.insert(place, now);
            noted.waiting.push(refused);
            self.news.notify_one();
        }
    }

    /// Waits for rows that nobody has heard of.
    pub(crate) async fn heard(&self) -> Vec<RefusedRow> {
        loop {
            let waiting = std::mem::take(&mut self.lock().waiting);
            if !waiting.is_empty() {
                return waiting;
            }
            self.news.notified().await;
        }
    }

    /// How many rows of which tables were left out lately.
    pub(crate) fn lately(&self) -> Vec<(&'static str, usize)> {
        let (now, noted) = (self.world.now(), self.lock());
        let mut counts: Vec<(&'static str, usize)> = Vec::new();
        for ((table, _), _) in noted.known.iter().filter(|(_, met)| now.since(**met) < LATELY) {
            match counts.iter_mut().find(|(known, _)| known == table) {
                Some((_, count)) => *count += 1,
                None => counts.push((table, 1)),
            }
        }
        counts.sort_unstable();
        counts
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusals").field("known", &self.lock().known.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::ManualClock;

    fn row(row: &str) -> RefusedRow {
        RefusedRow { table: "notices", row: row.to_owned(), reason: "bound" }
    }

    #[tokio::test]
    async fn a_row_is_told_once_and_counts_while_it_is_met() {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_795_000_000_000)));
        let refusals = Refusals::new(World::rehearsal(Arc::clone(&clock), 7));
        for name in ["a", "b", "a", "a"] {
            refusals.note(row(name));
        }
        assert_eq!(refusals.heard().await, [row("a"), row("b")]);
        clock.advance(LATELY.saturating_sub(Duration::from_secs(1)));
        assert_eq!(refusals.lately(), [("notices", 2)]);
        refusals.note(row("b"));
        clock.advance(Duration::from_secs(1));
        assert_eq!(refusals.lately(), [("notices", 1)]);
        assert!(refusals.lock().waiting.is_empty(), "it was told before");
    }

    #[tokio::test]
    async fn a_flood_of_altered_rows_takes_no_more_memory() {
        let refusals = Refusals::new(World::real());
        for number in 0..2 * MOST {
            refusals.note(row(&number.to_string()));
        }
        assert_eq!((refusals.heard().await.len(), refusals.lately()), (MOST, vec![("notices", MOST)]));
    }
}
