//! What happens in conversations, and who reads them.

use kernel::{BotName, ConversationId, MessageId, ReleaseId, TicketId};

use super::{by_name, by_uid, events};
use crate::jcs::Json;
use crate::words::{Listed, Pseudonym, Token};

events! {
    /// A message of a person was accepted and stored, sealed.
    "CHAT-1001I" "message.accepted" MessageAccepted: Api 1, Info, Success, Activity {
        /// The conversation.
        conversation: ConversationId,
        /// The message.
        message: MessageId,
        /// Its place in the conversation, from 1.
        seq: u64,
        /// Its size sealed, in bytes.
        sealed_bytes: u64,
    }
    shape |e| { "resources": resource("conversation", e.conversation) };

    /// A reply of a bot or of an agent was stored, sealed, and sent.
    "CHAT-1002I" "reply.sent" ReplySent: Api 1, Info, Success, Activity {
        /// The conversation.
        conversation: ConversationId,
        /// The reply.
        message: MessageId,
        /// Its place in the conversation, from 1.
        seq: u64,
        /// Its size sealed, in bytes.
        sealed_bytes: u64,
        /// The release that answered; absent when an agent did.
        release: Option<ReleaseId>,
        /// How many sources the reply cites.
        citations: u64,
    }
    shape |e| { "resources": resource("conversation", e.conversation) };

    /// A conversation was opened.
    "CHAT-1003I" "conversation.opened" ConversationOpened: Api 1, Info, Success, Activity {
        /// The conversation.
        conversation: ConversationId,
        /// The person who chats.
        subject: Pseudonym,
        /// The bot.
        bot: BotName,
        /// The release that was active.
        release: Option<ReleaseId>,
    }
    shape |e| { "resources": resource("conversation", e.conversation) };

    /// A conversation was closed.
    "CHAT-1004I" "conversation.closed" ConversationClosed: Api 3, Info, Success, Activity {
        /// The conversation.
        conversation: ConversationId,
        /// Why: `visitor`, `agent`, `bot`, `idle` or `retention`.
        why: &'static str,
        /// How many messages it has.
        messages: u64,
    }
    shape |e| { "resources": resource("conversation", e.conversation) };

    /// A stored record failed to open: it was altered, moved or swapped, or its key is not the one it
    /// was sealed under. Its content was given to nobody.
    "CHAT-1005W" "record.refused" RecordRefused: Datastore 10, Warning, Failure, Accountability {
        /// The table.
        table: Token,
        /// The row's id.
        row: Token,
        /// Why: `tag`, `commitment`, `version`, `length`, `key`, `chain`, `bound` (its
        /// row was changed past this program) or `missing`.
        reason: &'static str,
    }
    shape |e| { "table": by_name(&e.table), "type_id": Json::whole(3) };

    /// A conversation was handed, or asked to be handed, to a person of the staff.
    "CHAT-1006I" "handoff.requested" HandoffRequested: Api 3, Info, Success, Activity {
        /// The conversation.
        conversation: ConversationId,
        /// Who asked: `visitor`, `bot` or `agent`.
        by: &'static str,
    }
    shape |e| { "resources": resource("conversation", e.conversation) };

    /// A ticket was opened for staff.
    "CHAT-1007I" "ticket.opened" TicketOpened: Api 1, Info, Success, Security {
        /// The ticket.
        ticket: TicketId,
        /// The conversation it came from.
        conversation: Option<ConversationId>,
    }
    shape |e| { "resources": resource("ticket", e.ticket) };

    /// Somebody opened a transcript and read it. The reason they gave is the sealed detail.
    "CHAT-1008I" "transcript.read" TranscriptRead: Datastore 1, Info, Success, Accountability {
        /// The conversation.
        conversation: ConversationId,
        /// The people whose words were shown.
        subjects: Listed<Pseudonym>,
        /// How many messages were shown.
        messages: u64,
    }
    shape |e| { "table": by_name("messages"), "type_id": Json::whole(3), "databucket": bucket(e.conversation) };

    /// Somebody listed or searched transcripts. The words they searched for are the sealed detail.
    "CHAT-1009I" "transcript.searched" TranscriptSearched: Datastore 4, Info, Success, Accountability {
        /// How: `list` or `search`.
        how: &'static str,
        /// The people whom the answer named.
        subjects: Listed<Pseudonym>,
        /// How many conversations the answer had.
        found: u64,
    }
    shape |_e| { "table": by_name("conversations"), "type_id": Json::whole(3) }
    activity |e| if e.how == "list" { 8 } else { 4 };

    /// A conversation was deleted, with its messages, closed tickets and keys, because nothing had happened
    /// in it for as long as its bot keeps conversations.
    "CHAT-1011I" "conversation.expired" ConversationExpired: Datastore 7, Info, Success, Accountability {
        /// The conversation.
        conversation: ConversationId,
        /// The bot.
        bot: BotName,
        /// For how many days the bot keeps conversations.
        days: u64,
        /// How many messages it had.
        messages: u64,
        /// SHA-256 over the commitments of the destroyed keys, as in `subject.erased`.
        proof: [u8; 32],
    }
    shape |e| { "table": by_name("conversations"), "type_id": Json::whole(3), "databucket": bucket(e.conversation) };

    /// Who answers in a conversation changed: a member of staff took it, or gave it back to the bot.
    "CHAT-1010I" "handoff.changed" HandoffChanged: Api 3, Info, Success, Activity {
        /// The conversation.
        conversation: ConversationId,
        /// Who answers from now on: `agent` or `bot`.
        to: &'static str,
    }
    shape |e| { "resources": resource("conversation", e.conversation) };
}

fn resource(kind: &'static str, uid: impl std::fmt::Display) -> Json {
    Json::List(vec![Json::object([("type", Json::text(kind)), ("uid", Json::text(uid.to_string()))])])
}

fn bucket(conversation: ConversationId) -> Json {
    match by_uid(conversation) {
        Json::Object(mut members) => {
            members.push(("type_id".into(), Json::whole(99)));
            members.push(("type".into(), Json::text("Conversation")));
            Json::Object(members)
        }
        other => other,
    }
}
