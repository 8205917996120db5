//! The rulebook: the policies that the guard decides by, as they change. A change is parsed and checked
//! strictly, asked every question of the survey beside what is in force, replayed over the decisions that
//! were made, held against the invariants, agreed to by a second person, and put back by one command.
//!
//! Three rules hold:
//! - **What breaks an invariant is not proposed, and what was rehearsed is what comes into force.** The
//!   rehearsal is made again when somebody agrees, over what is in force then.
//! - **Whoever proposes cannot agree.** The operator counts as one person.
//! - **Putting back needs one person.** It goes to what was in force before, or to what ships, and it too
//!   is held against the invariants.
//!
//! Not promised: that policies which keep every invariant are wise. And whoever can write to the database
//! can put an older approved version's row back; its files are sealed, so they cannot be invented.

mod change;
mod error;
mod explain;
mod lacking;
mod record;
mod view;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use guard::Guard;
use kernel::{TenantId, Timestamp, World};
use store::{Db, Keychain};

pub use error::RulebookError;
pub use explain::{Explained, NoThing, Stated, Thing, Who};
pub use lacking::Lacking;
pub use store::policies::{APPROVAL, PolicyRefusal, VersionState};
pub use view::{Line, Replay, Trial, VersionLine, difference};

/// The rulebook of one tenant. Clones share it.
#[derive(Debug, Clone)]
pub struct Rulebook(Arc<Inner>);

/// What the rulebook is made of.
#[derive(Debug)]
pub struct RulebookParts {
    /// Whose.
    pub tenant: TenantId,
    /// The memory.
    pub db: Db,
    /// The keys.
    pub keys: Keychain,
    /// The authorization, whose policies are changed.
    pub guard: Guard,
    /// Time and ids.
    pub world: World,
}

#[derive(Debug)]
struct Inner {
    parts: RulebookParts,
    /// The version that the guard was last given; `None` for the policies that ship.
    given: Mutex<Option<u64>>,
    /// Decisions since they were last written down.
    met: Mutex<BTreeMap<guard::Shape, Count>>,
}

#[derive(Debug, Clone)]
struct Count {
    allowed: bool,
    rule: Arc<str>,
    times: u64,
    last: Timestamp,
}

impl Rulebook {
    /// A rulebook over these parts. The guard decides by the policies that it has until
    /// [`Rulebook::install`] is called.
    pub fn new(parts: RulebookParts) -> Self {
        Self(Arc::new(Inner { parts, given: Mutex::new(None), met: Mutex::default() }))
    }
}

impl std::ops::Deref for Inner {
    type Target = RulebookParts;

    fn deref(&self) -> &RulebookParts {
        &self.parts
    }
}
