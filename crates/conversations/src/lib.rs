//! Conversations between people and bots: opened, spoken in, answered, read, handed over.
//!
//! One file per verb: [`open`](Conversations::open), [`send`](Conversations::send), the bot's turn,
//! [`read`](Conversations::read) for the person who chats, the transcript and
//! [`reply`](Conversations::reply) for staff. Every verb
//! takes the permit that the guard gave for it, and writes its event in the same transaction as the
//! act.

mod erase;
mod error;
mod expire;
mod follow;
mod holds;
mod live;
mod open;
mod own;
mod read;
mod reply;
mod send;
mod tips;
pub mod token;
mod transcript;
mod turn;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use guard::Guard;
use kernel::{BotName, ReleaseId, TenantId, World};
use store::{Db, Keychain};
use wire::release::Release;
use wire::turn::EngineService;

pub use erase::{Erased, erase, person_of};
pub use error::ConversationError;
pub use holds::{HoldOn, HoldView, Holds};
pub use live::{Live, Signal, Watch};
pub use open::{Opened, Opening};
pub use own::{Belongings, Export, Piece};
pub use read::{Line, Said};
pub use send::Accepted;
pub use transcript::{Following, TicketText, Transcript};

/// What this room needs of the bots: which release answers.
pub trait Bots: Send + Sync {
    /// The release of a bot that is live now.
    fn live(&self, tenant: TenantId, bot: BotName) -> BotFuture<'_>;

    /// A release that was live when a conversation began.
    fn release(&self, tenant: TenantId, id: ReleaseId) -> BotFuture<'_>;
}

/// The answer of [`Bots`]: the release, or `None` when there is no such bot or release.
pub type BotFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Option<(ReleaseId, Arc<Release>)>, ConversationError>> + Send + 'a>>;

/// The room. Clones share it.
#[derive(Clone)]
pub struct Conversations(Arc<Inner>);

struct Inner {
    db: Db,
    keys: Keychain,
    guard: Guard,
    world: World,
    engine: Arc<dyn EngineService>,
    bots: Arc<dyn Bots>,
    live: Live,
    turns: turn::Turns,
    tips: tips::Tips,
}

impl std::fmt::Debug for Conversations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Conversations")
    }
}

impl Conversations {
    /// The room over its parts.
    pub fn new(
        db: Db,
        keys: Keychain,
        guard: Guard,
        world: World,
        engine: Arc<dyn EngineService>,
        bots: Arc<dyn Bots>,
    ) -> Self {
        let (live, turns, tips) = (Live::default(), turn::Turns::default(), tips::Tips::default());
        Self(Arc::new(Inner { db, keys, guard, world, engine, bots, live, turns, tips }))
    }

    /// Who is watching which conversation.
    pub fn live(&self) -> &Live {
        &self.0.live
    }

    /// The turns that the bots are taking now have ended when this returns. Called before the process
    /// ends, so that no answer is cut off.
    pub async fn settle(&self) {
        self.0.turns.settle().await;
    }
}

impl Inner {
    /// This process, as the author of what happens by itself.
    fn core(&self, tenant: TenantId) -> guard::Actor {
        guard::Actor::Service { name: guard::ServiceName::Core, tenant }
    }
}
