//! The ends of the conversations that were last spoken in, so that a message finds its slot without a
//! question to the database. What is kept here may be stale; the writer compares.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kernel::ConversationId;
use store::messages::Tip;

/// Ends that are kept: about 100 bytes each.
const MOST: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Tips(Mutex<HashMap<ConversationId, Tip>>);

impl Tips {
    /// The end of a conversation, taken away: whoever adds to it puts the new one back.
    pub(crate) fn take(&self, conversation: ConversationId) -> Option<Tip> {
        self.lock().remove(&conversation)
    }

    pub(crate) fn put(&self, conversation: ConversationId, tip: Option<Tip>) {
        let (Some(tip), mut tips) = (tip, self.lock()) else { return };
        if tips.len() >= MOST {
            tips.clear();
        }
        tips.insert(conversation, tip);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ConversationId, Tip>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
