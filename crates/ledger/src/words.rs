//! The words that may stand in a leaf. There is no free text: what a person wrote, their name or
//! their address cannot be put into an event by mistake, because no type here holds it.

use std::fmt;

use kernel::{
    AccessRequestId, ApiKeyId, BotName, ConnectionId, ConversationId, DirectoryEntryId, EventId, HoldId,
    InviteId, KeyId, KeyRequestId, MessageId, NoticeId, ReleaseId, RequestId, SessionId, SubjectId, TenantId,
    TicketId, Timestamp, UserId,
};

use crate::jcs::Json;

/// A person or a client address, seen through a keyed hash of the tenant (`vault`'s blind index or
/// MAC): the same person reads the same, and without the key nobody can tell who it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pseudonym([u8; 16]);

impl Pseudonym {
    /// A pseudonym from the first 16 bytes of a keyed hash.
    pub const fn from_mac(mac: [u8; 16]) -> Self {
        Self(mac)
    }
}

impl From<[u8; 16]> for Pseudonym {
    fn from(mac: [u8; 16]) -> Self {
        Self(mac)
    }
}

impl fmt::Display for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pseudonym({self})")
    }
}

/// A word of a machine's vocabulary: the name of a table, a rule, a role, a setting, a file of the
/// release. 1 to 96 ASCII characters out of letters, digits and `. _ - : / { } *`.
///
/// It cannot hold an e-mail address or a sentence. It does not promise that the caller did not put a
/// person's user name into it: use ids and pseudonyms for people.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(String);

/// A value that may not stand in an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// Not a [`Token`].
    #[error("not a token: 1 to 96 letters, digits and . _ - : / {{ }} * are allowed")]
    Token,
    /// More items than one event may list.
    #[error("an event lists at most {max} items", max = Listed::<Pseudonym>::MAX)]
    TooMany,
}

impl Token {
    /// Checks a word.
    ///
    /// # Errors
    /// When it is empty, too long or has another character.
    pub fn new(text: &str) -> Result<Self, WordError> {
        let fits = (1..=96).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-:/{}*".contains(&b));
        if fits { Ok(Self(text.to_owned())) } else { Err(WordError::Token) }
    }

    /// The word made of `text` with everything that may not stand in one replaced by `_`, cut at 96
    /// characters. For words that come from outside, such as a request's path, where an event must be
    /// written whatever they are.
    pub fn lossy(text: &str) -> Self {
        let word: String = text
            .chars()
            .take(96)
            .map(|c| if c.is_ascii_alphanumeric() || "._-:/{}*".contains(c) { c } else { '_' })
            .collect();
        Self(if word.is_empty() { "_".to_owned() } else { word })
    }

    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.0)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Token {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        Self::new(text)
    }
}

/// A list in an event: at most 500 items, so that every event fits its place in an entry bundle
/// (65,535 bytes). Whoever has more writes one event per page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listed<T>(Vec<T>);

impl<T> Listed<T> {
    /// The most items.
    pub const MAX: usize = 500;

    /// A list of one item.
    pub fn one(item: T) -> Self {
        Self(vec![item])
    }

    /// The items.
    pub fn items(&self) -> &[T] {
        &self.0
    }
}

impl<T> TryFrom<Vec<T>> for Listed<T> {
    type Error = WordError;

    fn try_from(items: Vec<T>) -> Result<Self, WordError> {
        if items.len() <= Self::MAX { Ok(Self(items)) } else { Err(WordError::TooMany) }
    }
}

/// A value that may stand in an event's own fields. Sealed: the list of such types is this file.
pub trait Word: sealed::Sealed {
    /// The type's name in the catalogue.
    const KIND: &'static str;

    /// Whether the field may be absent.
    const OPTIONAL: bool = false;

    /// The value in the leaf; `None` leaves the field out.
    fn to_json(&self) -> Option<Json>;
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

macro_rules! words {
    ($($type:ty, $kind:literal, |$it:ident| $json:expr;)*) => {$(
        impl sealed::Sealed for $type {}
        impl Word for $type {
            const KIND: &'static str = $kind;

            fn to_json(&self) -> Option<Json> {
                let $it = self;
                Some($json)
            }
        }
    )*};
}

words! {
    TenantId, "tenant id", |it| Json::text(it.to_string());
    UserId, "user id", |it| Json::text(it.to_string());
    SubjectId, "subject id", |it| Json::text(it.to_string());
    ConnectionId, "connection id", |it| Json::text(it.to_string());
    DirectoryEntryId, "directory entry id", |it| Json::text(it.to_string());
    ConversationId, "conversation id", |it| Json::text(it.to_string());
    MessageId, "message id", |it| Json::text(it.to_string());
    SessionId, "session id", |it| Json::text(it.to_string());
    ReleaseId, "release id", |it| Json::text(it.to_string());
    EventId, "event id", |it| Json::text(it.to_string());
    KeyId, "key id", |it| Json::text(it.to_string());
    KeyRequestId, "key request id", |it| Json::text(it.to_string());
    TicketId, "ticket id", |it| Json::text(it.to_string());
    InviteId, "invite id", |it| Json::text(it.to_string());
    ApiKeyId, "api key id", |it| Json::text(it.to_string());
    AccessRequestId, "access request id", |it| Json::text(it.to_string());
    HoldId, "legal hold id", |it| Json::text(it.to_string());
    NoticeId, "notice id", |it| Json::text(it.to_string());
    RequestId, "request id", |it| Json::text(it.to_string());
    BotName, "bot name", |it| Json::text(it.as_str().to_owned());
    Pseudonym, "pseudonym", |it| Json::text(it.to_string());
    Token, "token", |it| Json::text(it.0.clone());
    &'static str, "fixed word", |it| Json::text(*it);
    Timestamp, "time (ms)", |it| Json::whole(it.as_millis());
    u64, "number", |it| Json::whole(*it);
    u32, "number", |it| Json::whole(u64::from(*it));
    bool, "flag", |it| Json::Flag(*it);
    [u8; 32], "sha-256", |it| Json::text(hex::encode(it));
    Listed<Pseudonym>, "list of pseudonyms", |it| Json::List(it.0.iter().filter_map(Word::to_json).collect());
    Listed<Token>, "list of tokens", |it| Json::List(it.0.iter().filter_map(Word::to_json).collect());
}

impl<T: Word> sealed::Sealed for Option<T> {}

impl<T: Word> Word for Option<T> {
    const KIND: &'static str = T::KIND;
    const OPTIONAL: bool = true;

    fn to_json(&self) -> Option<Json> {
        self.as_ref().and_then(Word::to_json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_cannot_hold_an_address_or_a_sentence() {
        for bad in ["", "ada@example.org", "two words", "a\nb", "naïve", &"a".repeat(97)] {
            assert_eq!(Token::new(bad), Err(WordError::Token), "{bad}");
        }
        assert_eq!(
            Token::new("/chat/v1/conversations/{id}").unwrap().as_str(),
            "/chat/v1/conversations/{id}"
        );
    }

    #[test]
    fn a_lossy_token_is_always_a_token() {
        for text in ["", "a b@c", "naïve\0", &"ü".repeat(500), "../../etc/passwd?x=1"] {
            let word = Token::lossy(text);
            assert_eq!(Token::new(word.as_str()), Ok(word.clone()));
        }
    }

    #[test]
    fn a_list_holds_500_items_and_not_one_more() {
        let one = Pseudonym::from_mac([1; 16]);
        assert!(Listed::try_from(vec![one; 500]).is_ok());
        assert_eq!(Listed::try_from(vec![one; 501]), Err(WordError::TooMany));
    }
}
