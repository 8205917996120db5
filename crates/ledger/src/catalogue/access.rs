//! Programs and their keys, and roles that are held for a while.

use kernel::{AccessRequestId, ApiKeyId, ConnectionId, SessionId, Timestamp, UserId};

use super::{by_name, by_uid, events};
use crate::jcs::Json;
use crate::words::{Pseudonym, Token};

events! {
    /// An API key was made.
    "AUTH-1040I" "api_key.made" ApiKeyMade: AccountChange 99, Info, Success, Accountability {
        /// The key.
        key: ApiKeyId,
        /// The account above which it never does anything.
        owner: UserId,
        /// How many actions it was made for.
        acts: u64,
        /// Where it is good: `tenant`, or a bot.
        scope: Token,
        /// When it ends by itself.
        expires: Timestamp,
        /// The key that it takes over from, when it was made by rotation.
        replaces: Option<ApiKeyId>,
    }
    shape |e| { "user": by_uid(e.owner) };

    /// An API key was ended.
    "AUTH-1041I" "api_key.revoked" ApiKeyRevoked: AccountChange 99, Info, Success, Accountability {
        /// The key.
        key: ApiKeyId,
        /// The account that it belongs to.
        owner: UserId,
    }
    shape |e| { "user": by_uid(e.owner) };

    /// An API key of ours was shown and opened nothing. Written at most once a minute for a key.
    "AUTH-1042W" "api_key.refused" ApiKeyRefused: Authentication 1, Warning, Failure, Security {
        /// The key.
        key: ApiKeyId,
        /// The account that it belongs to.
        owner: UserId,
        /// Why: `expired`, `revoked`, `source`, `owner`, `answers`.
        reason: &'static str,
    }
    shape |e| { "user": by_uid(e.owner), "status_detail": Json::text(e.reason) };

    /// An account was made that no person signs in to.
    "AUTH-1043I" "service_account.made" ServiceAccountMade: AccountChange 1, Info, Success, Accountability {
        /// The account.
        user: UserId,
        /// The member of staff who answers for it.
        answers: UserId,
    }
    shape |e| { "user": by_uid(e.user) };

    /// Somebody asked for a role for a while. Why is the sealed detail.
    "AUTH-1050I" "access.requested" AccessRequested: UserAccess 99, Info, Success, Accountability {
        /// The request.
        request: AccessRequestId,
        /// Who is to hold the role.
        user: UserId,
        /// The role.
        role: Token,
        /// Where it is to hold: `tenant`, or a bot.
        scope: Token,
        /// For how many hours.
        hours: u32,
    }
    shape |e| { "user": by_uid(e.user), "privileges": Json::List(vec![Json::text(e.role.to_string())]) };

    /// A second person agreed: the role is held until its end.
    "AUTH-1051I" "access.approved" AccessApproved: UserAccess 1, Info, Success, Accountability {
        /// The request.
        request: AccessRequestId,
        /// Who holds the role.
        user: UserId,
        /// The role.
        role: Token,
        /// Where it holds: `tenant`, or a bot.
        scope: Token,
        /// When it ends by itself.
        until: Timestamp,
    }
    shape |e| { "user": by_uid(e.user), "privileges": Json::List(vec![Json::text(e.role.to_string())]) };

    /// A second person did not agree. Why is the sealed detail.
    "AUTH-1052I" "access.refused" AccessRefused: UserAccess 99, Info, Failure, Accountability {
        /// The request.
        request: AccessRequestId,
        /// Who was to hold the role.
        user: UserId,
    }
    shape |e| { "user": by_uid(e.user), "privileges": Json::List(Vec::new()) };

    /// A request was taken back before anybody decided.
    "AUTH-1053I" "access.withdrawn" AccessWithdrawn: UserAccess 99, Info, Success, Accountability {
        /// The request.
        request: AccessRequestId,
        /// Who was to hold the role.
        user: UserId,
    }
    shape |e| { "user": by_uid(e.user), "privileges": Json::List(Vec::new()) };

    /// A role for a while ended, or a request was not decided in time.
    "AUTH-1054I" "access.ended" AccessEnded: UserAccess 2, Info, Success, Accountability {
        /// The request.
        request: AccessRequestId,
        /// Who held the role, or was to.
        user: UserId,
        /// The role.
        role: Token,
        /// Where it held: `tenant`, or a bot.
        scope: Token,
        /// Why: `expired`, `returned`, `undecided`.
        why: &'static str,
    }
    shape |e| { "user": by_uid(e.user), "privileges": Json::List(vec![Json::text(e.role.to_string())]) };

    /// Somebody else looked into a use of a break-glass account. What they found is the sealed detail.
    "AUTH-1055I" "break_glass.reviewed" BreakGlassReviewed: AccountChange 99, Info, Success, Accountability {
        /// The account.
        user: UserId,
        /// The session that had begun.
        session: SessionId,
    }
    shape |e| { "user": by_uid(e.user) };

    /// Somebody took the access review away: who holds what, from where, last used when.
    "AUTH-1056I" "access_review.exported" AccessReviewExported: Api 2, Info, Success, Accountability {
        /// How many accounts are in it.
        accounts: u64,
        /// As what: `csv` or `json`.
        format: Token,
    }
    shape |e| { "resources": Json::List(vec![by_uid(format!("access-review.{}", e.format))]) };

    /// A person who chats took a copy of all that was said in their conversations.
    "CHAT-1040I" "person.exported" PersonExported: Datastore 1, Info, Success, Accountability {
        /// The person.
        subject: Pseudonym,
        /// How many conversations are in it.
        conversations: u64,
        /// How many lines.
        lines: u64,
    }
    shape |_e| { "table": by_name("messages"), "type_id": Json::whole(3) };

    /// A person who chats signed in through their own provider. They are no account and gain no role.
    "CHAT-1041I" "person.signed-in" PersonSignedIn: Authentication 1, Info, Success, Security {
        /// The person.
        subject: Pseudonym,
        /// The session that began.
        session: SessionId,
        /// Through which connection.
        connection: ConnectionId,
    }
    shape |e| { "user": by_uid(e.subject), "session": by_uid(e.session) };

    /// A session of a person who chats ended, and with it every conversation token that was given out in it.
    "CHAT-1042I" "person.session-ended" PersonSessionEnded: Authentication 2, Info, Success, Security {
        /// The person.
        subject: Pseudonym,
        /// The session.
        session: SessionId,
        /// Why: `logout`, `revoked`, `provider`, `erased`, `replaced`, `idle` or `expired`.
        why: &'static str,
    }
    shape |e| { "user": by_uid(e.subject), "session": by_uid(e.session) };
}
