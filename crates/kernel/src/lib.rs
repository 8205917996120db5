//! The words every room shares. This crate depends on no other room and holds no behaviour of one:
//! typed ids, secrets that do not print, time and randomness as parameters, bounded text, and the
//! words of an error as a person will read it.

mod clock;
mod ids;
mod problem;
mod random;
mod secret;
mod text;
mod world;

pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use ids::{
    AccessRequestId, ApiKeyId, ConnectionId, ConversationId, DirectoryEntryId, DirectoryTokenId, EventId,
    HoldId, Id, IdError, InviteId, KeyId, KeyRequestId, MessageId, NoticeId, ReleaseId, RequestId, SessionId,
    SubjectId, TenantId, TicketId, UserId,
};
pub use problem::{Problem, ProblemKind};
pub use random::{OsRandom, Random, SeededRandom};
pub use secret::Secret;
pub use text::{BotName, DisplayName, Email, MessageText, Note, Reason, TextError, Title};
pub use world::World;
