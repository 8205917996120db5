//! Conversations that are over: nothing happened in them for as long as their bot keeps conversations, and
//! they are deleted with all that belongs to them.

use guard::Permit;
use guard::action::ExpireConversation;
use kernel::{BotName, SubjectId, TenantId, Timestamp};

use crate::conversations::{self, Conversation};
use crate::{Read, StoreError, Tx, access, end_users, params};

/// What was deleted with a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expired {
    /// How many messages it had.
    pub messages: u64,
    /// The commitments of the keys that were destroyed, sorted.
    pub commitments: Vec<[u8; 32]>,
    /// The person, if this was the last that was kept of them.
    pub gone: Option<SubjectId>,
}

/// Conversations with a bot in which nothing happened since `before`, about which no ticket is open and whose
/// person no legal hold keeps, the oldest first. No permit: each of them needs one of its own before anything
/// is done to it.
///
/// # Errors
/// Only what the database says.
pub fn over(
    tx: &mut Read<'_>,
    tenant: TenantId,
    bot: &BotName,
    before: Timestamp,
    limit: u32,
) -> Result<Vec<Conversation>, StoreError> {
    let rows = tx.rows(
        "SELECT tenant, id, bot, subject, state, opened_ms, last_ms, last_seq, locale, release, assignee,
                head, EXISTS (SELECT 1 FROM erasures e
                              WHERE e.tenant = conversations.tenant AND e.subject = conversations.subject) AS erased
         FROM conversations
         WHERE tenant = $1 AND bot = $2 AND last_ms < $3
           AND NOT EXISTS (SELECT 1 FROM tickets t WHERE t.tenant = conversations.tenant
                           AND t.conversation = conversations.id AND t.state = 'open')
           AND NOT EXISTS (SELECT 1 FROM legal_holds h WHERE h.tenant = conversations.tenant
                           AND h.lifted_ms IS NULL AND (h.subject IS NULL OR h.subject = conversations.subject))
         ORDER BY last_ms, id LIMIT $4",
        params![tenant, bot, before, limit],
    )?;
    rows.into_iter().map(conversations::conversation_of).collect()
}

/// Deletes the permit's conversation with its messages, its tickets and its keys, if nothing happened in it
/// since `before` and no ticket about it is open. When nothing else is kept of its person, their key and the
/// way they are found again go too. Gives `None` when it is not over, or not there.
///
/// # Errors
/// Only what the database says.
pub fn expire(
    tx: &mut Tx<'_>,
    permit: &Permit<ExpireConversation>,
    before: Timestamp,
) -> Result<Option<Expired>, StoreError> {
    let (tenant, id) = (permit.tenant(), access::conversation(permit)?);
    // Changed first, so that whoever adds a message at the same moment waits and then finds no conversation.
    let held = tx.row(
        "UPDATE conversations SET state = 'closed'
         WHERE tenant = $1 AND id = $2 AND last_ms < $3
           AND NOT EXISTS (SELECT 1 FROM tickets t WHERE t.tenant = $1 AND t.conversation = $2 AND t.state = 'open')
         RETURNING subject, last_seq",
        params![tenant, id, before],
    )?;
    let Some(mut row) = held else { return Ok(None) };
    let (subject, messages): (SubjectId, u64) = (row.take("subject")?, row.take("last_seq")?);
    let destroyed = tx.rows(
        "DELETE FROM data_keys WHERE tenant = $1 AND owner = $2 AND subject = $3 RETURNING commitment",
        params![tenant, id, subject],
    )?;
    tx.execute("DELETE FROM messages WHERE tenant = $1 AND conversation = $2", params![tenant, id])?;
    tx.execute("DELETE FROM tickets WHERE tenant = $1 AND conversation = $2", params![tenant, id])?;
    tx.execute("DELETE FROM conversations WHERE tenant = $1 AND id = $2", params![tenant, id])?;
    let mut commitments = destroyed
        .into_iter()
        .map(|mut row| Ok(row.take("commitment")?))
        .collect::<Result<Vec<_>, StoreError>>()?;
    let more = tx.row(
        "SELECT 1 AS more FROM conversations WHERE tenant = $1 AND subject = $2
         UNION ALL SELECT 1 AS more FROM data_keys WHERE tenant = $1 AND subject = $2 LIMIT 1",
        params![tenant, subject],
    )?;
    let gone = more.is_none().then_some(subject);
    if gone.is_some() {
        let key = tx.row(
            "DELETE FROM subject_keys WHERE tenant = $1 AND subject = $2 RETURNING commitment",
            params![tenant, subject],
        )?;
        commitments.extend(key.map(|mut row| row.take::<[u8; 32]>("commitment")).transpose()?);
        end_users::forget(tx, tenant, subject)?;
    }
    commitments.sort_unstable();
    Ok(Some(Expired { messages, commitments, gone }))
}
