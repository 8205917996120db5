//! Deleting what is over: conversations in which nothing happened for as long as their bot keeps them.

use std::collections::HashSet;
use std::time::Duration;

use guard::action::ExpireConversation;
use guard::{Circumstances, Resource};
use kernel::{BotName, SubjectId, TenantId};
use ledger::catalogue::ConversationExpired;
use ledger::leaf_hash;
use store::conversations::Conversation;
use store::{StoreError, Via, holds, retention};

use crate::{ConversationError, Conversations};

/// Conversations that are looked for at once.
const BATCH: u32 = 100;
/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;

impl Conversations {
    /// Deletes every conversation with a bot in which nothing happened for `days`, with its messages, closed
    /// tickets and keys; each with its event, in the same transaction. One about which a ticket is open stays,
    /// and so does one whose person a legal hold keeps.
    /// Gives how many were deleted. May be stopped at any moment, and goes on the next time.
    ///
    /// Not promised: that older backups forget. A conversation that comes back with one is deleted again.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn expire(&self, tenant: TenantId, bot: &BotName, days: u32) -> Result<u64, ConversationError> {
        let mut deleted = 0;
        loop {
            let before = self.0.world.now().before(Duration::from_secs(u64::from(days) * DAY));
            let name = bot.clone();
            let over = self.0.db.read(move |tx| retention::over(tx, tenant, &name, before, BATCH)).await?;
            let (found, already) = (over.len(), deleted);
            let people: HashSet<SubjectId> = over.iter().map(|conversation| conversation.subject).collect();
            for conversation in over {
                deleted += u64::from(self.expire_one(conversation, days).await?);
            }
            for subject in people {
                self.0.keys.keyring().forget_subject(tenant, subject);
            }
            // What could not be deleted would be found again.
            if found < BATCH as usize || deleted == already {
                return Ok(deleted);
            }
        }
    }

    async fn expire_one(&self, conversation: Conversation, days: u32) -> Result<bool, ConversationError> {
        let (tenant, now) = (conversation.tenant, self.0.world.now());
        let core = self.0.core(tenant);
        let leave = self.0.guard.permit::<ExpireConversation>(
            &core,
            &conversation.resource(),
            &Circumstances::at(now),
        )?;
        let before = now.before(Duration::from_secs(u64::from(days) * DAY));
        let scribe = self.0.keys.scribe(tenant).await?;
        let guard = self.0.guard.clone();
        let gone = self.0.db.write(move |tx| {
            // A hold can have been placed since the conversation was found.
            let subject = conversation.subject;
            let person = Resource::Person { tenant, subject, held: holds::keep(tx, tenant, subject)? };
            let kept = guard.permit::<ExpireConversation>(&core, &person, &Circumstances::at(now)).is_err();
            if kept {
                return Ok(false);
            }
            let Some(expired) = retention::expire(tx, &leave, before, now)? else { return Ok(false) };
            let event = ConversationExpired {
                conversation: conversation.id,
                bot: conversation.bot.clone(),
                days: u64::from(days),
                messages: expired.messages,
                proof: leaf_hash(&expired.commitments.concat()),
            };
            scribe.write(&event, &core, &Via::default()).map_err(StoreError::refuse)?.append(tx)?;
            Ok(true)
        });
        Ok(gone.await?)
    }
}
