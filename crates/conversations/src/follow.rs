//! What other processes say: two that share a database, or a command beside one that serves. The audit log has
//! an event for every message and every change of hands, in the transaction of the act and in one order for
//! all processes; so what is new is what the log has beyond what was read of it. Nobody's clock is trusted for
//! that.
//!
//! Cost: nothing while nobody listens. Else one question for the log's length each half second, whatever the
//! number of streams, and, when it has grown, one for the events that are of conversations, at most
//! [`PAGE`] entries at a time. A stream that was told by its own process does not read twice.
//!
//! Not carried: the pieces of a reply while it is being made. Whoever listens at another process is told the
//! reply when it is stored.

use std::collections::HashMap;
use std::time::Duration;

use kernel::{ConversationId, TenantId};
use ledger::{Json, Record};
use store::audit;
use tokio::time::MissedTickBehavior;

use crate::live::Signal;
use crate::{ConversationError, Conversations};

/// How often the log is asked whether it has grown: a stream is told within about twice that.
const EVERY: Duration = Duration::from_millis(500);
/// Entries of the log that are gone through at once.
const PAGE: u64 = 1000;

/// How far the log was read.
#[derive(Debug, Default)]
struct Mark {
    /// The entries that were read; none while nobody listens.
    read: Option<u64>,
    /// Whether the last look failed: the log of the process says that once.
    failing: bool,
}

impl Conversations {
    /// Wakes the streams of this process for what others store, until the task is dropped.
    pub async fn keep_following(self, tenant: TenantId) {
        let (mut mark, mut clock) = (Mark::default(), tokio::time::interval(EVERY));
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            clock.tick().await;
            let looked = self.look_beyond(tenant, &mut mark.read).await;
            if let Err(error) = &looked
                && !mark.failing
            {
                tracing::warn!(%error, "what other processes say cannot be read; streams are told of it later");
            }
            mark.failing = looked.is_err();
        }
    }

    /// One look at the log.
    async fn look_beyond(&self, tenant: TenantId, read: &mut Option<u64>) -> Result<(), ConversationError> {
        let live = &self.0.live;
        if !live.is_heard() {
            *read = None;
            return Ok(());
        }
        let size = self.0.db.read(move |tx| audit::size(tx, tenant)).await?;
        let Some(mut at) = read.filter(|read| *read <= size) else {
            // Nobody listened until now, or the log was put back: each stream looks for itself once.
            *read = Some(size);
            live.wake();
            return Ok(());
        };
        let mut news = HashMap::new();
        while at < size {
            let to = size.min(at + PAGE);
            let leaves = self.0.db.read(move |tx| audit::spoken(tx, tenant, at, to)).await?;
            for leaf in &leaves {
                if let Some((conversation, signal)) = heard(leaf) {
                    tell(&mut news, conversation, signal);
                }
            }
            at = to;
        }
        for (conversation, signal) in news {
            live.signal(conversation, signal);
        }
        *read = Some(size);
        Ok(())
    }
}

/// What an entry says of which conversation.
fn heard(leaf: &[u8]) -> Option<(ConversationId, Signal)> {
    let record = Record::parse(leaf).ok()?;
    let conversation = record.field("conversation").and_then(Json::as_text)?.parse().ok()?;
    let signal = match record.field("seq").and_then(Json::as_whole) {
        Some(seq) => Signal::Stored { seq },
        None => Signal::Changed,
    };
    Some((conversation, signal))
}

/// One signal for each conversation, that of the most.
fn tell(news: &mut HashMap<ConversationId, Signal>, conversation: ConversationId, signal: Signal) {
    match (news.get(&conversation), &signal) {
        (Some(Signal::Changed), _) => {}
        (Some(Signal::Stored { seq: known }), Signal::Stored { seq }) if known >= seq => {}
        _ => {
            news.insert(conversation, signal);
        }
    }
}
