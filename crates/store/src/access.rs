//! Which leave opens which rows. A function over a tenant's content asks for a permit of one of these
//! groups, so that what the guard decided and what the database is asked are the same thing: the
//! tenant, the conversation, the bot, the release and the account come out of the permit and are not
//! parameters beside it.

use guard::action::{
    EraseOwnData, EraseSubject, ListConversations, OpenConversation, PlaceHold, PostMessage, ReadOverview,
    ReadOwnConversation, ReadOwnData, ReadTranscript, ReplyToConversation, TestBot,
};
use guard::{Action, Permit};
use kernel::{BotName, ConversationId, ReleaseId, UserId};

use crate::StoreError;

macro_rules! leaves {
    ($($(#[$doc:meta])* $name:ident: $($action:ident),+;)*) => {$(
        $(#[$doc])*
        #[diagnostic::on_unimplemented(
            message = "leave to `{Self}` does not open these rows",
            note = "the groups of leaves are listed in crates/store/src/access.rs"
        )]
        pub trait $name: Action {}
        $(impl $name for $action {})+
    )*};
}

leaves! {
    /// Leave to begin a conversation with the permit's bot.
    Opens: OpenConversation, TestBot;
    /// Leave to see what was said in the permit's conversation.
    Reads: PostMessage, ReadOwnConversation, ReadTranscript, ReplyToConversation;
    /// Leave to add to the permit's conversation and to change its state.
    Writes: PostMessage, ReplyToConversation;
    /// Leave for a person who chats to reach all that is theirs.
    Owns: ReadOwnData, EraseOwnData;
    /// Leave to erase somebody.
    Erases: EraseSubject, EraseOwnData;
    /// Leave to know whether somebody ever chatted here.
    Knows: EraseSubject, EraseOwnData, PlaceHold;
    /// Leave to see which conversations there are, never what was said.
    Lists: ListConversations, ReadOverview;
}

/// The permit's conversation. The guard gives these leaves for conversations only, so that there is
/// none cannot happen; should it, nothing is found.
pub(crate) fn conversation<A: Action>(permit: &Permit<A>) -> Result<ConversationId, StoreError> {
    permit.resource().conversation().ok_or(StoreError::Missing { what: "conversation" })
}

/// The permit's bot.
pub(crate) fn bot<A: Action>(permit: &Permit<A>) -> Result<&BotName, StoreError> {
    permit.resource().bot().ok_or(StoreError::Missing { what: "bot" })
}

/// The permit's release.
pub(crate) fn release<A: Action>(permit: &Permit<A>) -> Result<ReleaseId, StoreError> {
    permit.resource().release().ok_or(StoreError::Missing { what: "release" })
}

/// The permit's account.
pub(crate) fn account<A: Action>(permit: &Permit<A>) -> Result<UserId, StoreError> {
    permit.resource().account().ok_or(StoreError::Missing { what: "account" })
}
