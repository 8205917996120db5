//! Typed ids from one list. Every id is a UUIDv7 (RFC 9562): it sorts by time of birth, and a
//! function that wants a conversation cannot be handed a user.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What every typed id can do; the trait exists so that [`crate::World::id`] can make any of them.
pub trait Id: Copy + Eq + Ord + fmt::Display {
    /// The noun of this id in messages to people, for example `conversation`.
    const NOUN: &'static str;

    /// An id from its 16 bytes, as stored.
    fn from_bytes(bytes: [u8; 16]) -> Self;

    /// The 16 bytes of this id, big-endian, as stored.
    fn to_bytes(self) -> [u8; 16];
}

/// A text that is not an id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a {noun} id: expected a UUID such as 0198c0de-1234-7abc-8def-0123456789ab")]
pub struct IdError {
    noun: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident, $noun:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl Id for $name {
            const NOUN: &'static str = $noun;

            fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            fn to_bytes(self) -> [u8; 16] {
                *self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self.0.as_hyphenated(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0.as_hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                // Only the one canonical spelling: an id compared as text must compare as an id.
                if text.len() != 36 || text.bytes().any(|b| b.is_ascii_uppercase()) {
                    return Err(IdError { noun: $noun });
                }
                Uuid::try_parse(text).map(Self).map_err(|_| IdError { noun: $noun })
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
    )*};
}

ids! {
    /// An enterprise, or a part of one, whose data is kept apart from every other's.
    TenantId, "tenant";
    /// A member of staff who can sign in to the console.
    UserId, "user";
    /// A person who chats. Their subject key is destroyed when they are erased.
    SubjectId, "subject";
    /// One conversation between a person and a bot (or an agent).
    ConversationId, "conversation";
    /// One message of a conversation.
    MessageId, "message";
    /// A signed-in console session. The cookie's secret is another value.
    SessionId, "session";
    /// One compiled release of a bot.
    ReleaseId, "release";
    /// One event of the audit ledger.
    EventId, "event";
    /// A key in the key hierarchy. The id is public, the key is not.
    KeyId, "key";
    /// A ticket opened for staff.
    TicketId, "ticket";
    /// An invitation to enrol. The link's secret is another value.
    InviteId, "invite";
    /// An API key. What a program shows is another value.
    ApiKeyId, "api key";
    /// Somebody's wish to hold a role for a while.
    AccessRequestId, "access request";
    /// A legal hold.
    HoldId, "legal hold";
    /// A word to a member of staff about their own account.
    NoticeId, "notice";
    /// A way of signing in through an identity provider. It is public.
    ConnectionId, "connection";
    /// A person or a group as a directory describes them. It is public.
    DirectoryEntryId, "directory entry";
    /// A directory's token. It is public; the secret is another value.
    DirectoryTokenId, "directory token";
    /// One request at a door, echoed in `x-request-id`.
    RequestId, "request";
    /// A request about a key that needs a second person. It is public.
    KeyRequestId, "key request";
}

/// Lays out a UUIDv7: 48 bits of milliseconds, then 74 random bits (RFC 9562 section 5.7).
pub(crate) fn v7<T: Id>(millis: u64, random: [u8; 10]) -> T {
    T::from_bytes(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_text_and_json() {
        let id: ConversationId = v7(1_795_378_500_125, [7; 10]);
        assert_eq!(id.to_string().parse::<ConversationId>().unwrap(), id);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<ConversationId>(&json).unwrap(), id);
    }

    #[test]
    fn ids_sort_by_time_of_birth() {
        let (early, late): (MessageId, MessageId) = (v7(1, [255; 10]), v7(2, [0; 10]));
        assert!(early < late);
    }

    #[test]
    fn other_spellings_of_a_uuid_are_refused() {
        let id: UserId = v7(1_795_378_500_125, [0xab; 10]);
        for text in
            ["", "x", &id.to_string().to_uppercase(), &id.to_string().replace('-', ""), &format!("{{{id}}}")]
        {
            assert_eq!(text.parse::<UserId>(), Err(IdError { noun: "user" }), "{text}");
        }
    }
}
