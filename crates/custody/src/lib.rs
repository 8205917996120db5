//! The life of keys: when a tenant's key gets its next version, how everything below it is wrapped
//! anew, how a version ends, and how all of it moves to another root key. Nothing here stops service:
//! new writes use the newest version, older ones open what they wrapped.
//!
//! Three rules hold everywhere:
//! - **An act and its event are one transaction.**
//! - **Of two that act, one does.** Every change names the state it was decided upon, in the database.
//!   So a process may be killed at any step, and two may do the same work at once.
//! - **Nothing is destroyed that is needed.** A version that wraps a key cannot be destroyed, whoever
//!   agreed to it, and between the decision and the end lie days in which it can be called off.
//!
//! Not promised: that destroying a version makes older backups unreadable. A backup holds the wrapped
//! version, and the root key opens it for as long as that is there.

mod error;
mod moving;
mod policy;
mod record;
mod rewrap;
mod rotate;
mod states;
mod status;
mod tend;

use std::sync::Arc;

use guard::{Action, Actor, Circumstances, Denied, Guard, Permit, Resource, ServiceName};
use kernel::{TenantId, World};
use store::{Db, Keychain};
use vault::Keyring;

pub use error::CustodyError;
pub use moving::Moved;
pub use policy::PolicyInForce;
pub use rewrap::{BATCH, Progress, Rewrapped};
pub use rotate::{Rotated, Why};
pub use status::{Generation, KeyLine, MoveLine, RequestLine, Status};
pub use store::custody::{KeyPolicy, KeyRefusal};
pub use store::key_requests::{KeyRequest, RequestKind, RequestState};
pub use tend::Tended;

/// The custody of one tenant's keys. Clones share it.
#[derive(Debug, Clone)]
pub struct Custody(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tenant: TenantId,
    db: Db,
    keys: Keychain,
    guard: Guard,
    world: World,
    present: Arc<Keyring>,
    next: Option<Arc<Keyring>>,
}

/// What custody is made of.
#[derive(Debug)]
pub struct CustodyParts {
    /// Whose keys.
    pub tenant: TenantId,
    /// The memory.
    pub db: Db,
    /// The keys at work. Its keyring must open what either root key wrapped.
    pub keys: Keychain,
    /// The authorization.
    pub guard: Guard,
    /// Time and randomness.
    pub world: World,
    /// A keyring over the root key in use, and no other.
    pub present: Arc<Keyring>,
    /// A keyring over the root key to move to, if one is configured.
    pub next: Option<Arc<Keyring>>,
}

impl Custody {
    /// Custody over these parts.
    pub fn new(parts: CustodyParts) -> Self {
        let CustodyParts { tenant, db, keys, guard, world, present, next } = parts;
        Self(Arc::new(Inner { tenant, db, keys, guard, world, present, next }))
    }

    /// Whose keys.
    pub fn tenant(&self) -> TenantId {
        self.0.tenant
    }

    /// Leave for the house itself to do what policy and approvals say.
    ///
    /// # Errors
    /// When the guard refuses.
    pub fn core_leave<A: Action>(&self) -> Result<Permit<A>, Denied> {
        let actor = Actor::Service { name: ServiceName::Core, tenant: self.0.tenant };
        let now = Circumstances::at(self.0.world.now());
        self.0.guard.permit(&actor, &Resource::Tenant(self.0.tenant), &now)
    }
}

impl Inner {
    /// The root keys of this process, the one in use first.
    fn roots(&self) -> impl Iterator<Item = &Arc<Keyring>> {
        std::iter::once(&self.present).chain(self.next.as_ref())
    }

    /// Does what blocks (a key provider, many keys at once) beside the asynchronous work.
    async fn aside<T: Send + 'static>(
        work: impl FnOnce() -> Result<T, CustodyError> + Send + 'static,
    ) -> Result<T, CustodyError> {
        tokio::task::spawn_blocking(work).await.map_err(|_| CustodyError::Worker)?
    }
}
