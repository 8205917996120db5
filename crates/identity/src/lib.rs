//! Who is at the staff door: passwords, second factors, passkeys, invitations and sessions.
//!
//! One file per verb: `invite`, `enrol`, `sign_in` (a password and a second factor), `sign_in_passkey`,
//! `session`, `step_up`, `staff` and `roles`. What comes before a permit (there is no actor yet) takes
//! a secret; everything else takes the permit that the guard gave. Every verb writes its event in the
//! transaction of its act.
//!
//! What this room does not promise: that a person is who they say when they first enrol. The invitation
//! link stands for that; hand it over by a way that you trust.

pub mod access;
pub mod api_keys;
mod break_glass;
mod ceremony;
mod custom;
mod device;
mod enrol;
mod error;
mod invite;
mod letters;
mod own;
mod pen;
pub mod person;
pub mod review;
mod revoked;
mod roles;
mod session;
mod sign_in;
mod sign_in_passkey;
pub mod site_token;
mod staff;
mod step_up;
mod throttle;

pub mod breached;
pub mod connections;
pub mod directory;
pub mod notices;
pub mod passkey;
pub mod password;
pub mod recovery;
pub mod totp;
mod waiting;

use std::sync::Arc;

use aws_lc_rs::digest;
use guard::{Actor, Guard};
use kernel::{TenantId, World};
use store::{Db, Keychain, StoreError};
use tokio::sync::Notify;
use vault::{DataKey, Purpose};

use connections::AccessCell;
use passkey::RelyingParty;
use password::Passwords;

pub use break_glass::{ARMED_HOURS, SignInRule};
pub use ceremony::CeremonyId;
pub use device::DeviceToken;
pub use enrol::{Enrolled, Enrolment, TotpSetup};
pub use error::{IdentityError, Refused};
pub use invite::{InviteRow, InviteView};
pub use own::{OwnAct, OwnFactors, OwnPasskey, PasskeyId, Renewed};
pub use session::{Signed, Who, Why};
pub use sign_in::SignedIn;
pub use staff::{Factors, UserView};
pub use store::sessions::Session;
pub use store::users::{GrantRow, UserState};

#[cfg(test)]
extern crate self as identity;

/// The room. Clones share it.
#[derive(Clone)]
pub struct Identity(Arc<Inner>);

struct Inner {
    db: Db,
    keys: Keychain,
    guard: Guard,
    world: World,
    tenant: TenantId,
    relying_party: RelyingParty,
    passwords: Passwords,
    access: AccessCell,
    revoked: Notify,
    refusals: api_keys::Refusals,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity")
    }
}

impl Identity {
    /// The room of one tenant over its parts. It hashes one decoy password, which takes a moment.
    ///
    /// # Errors
    /// When passwords cannot be hashed at their full cost.
    pub fn new(
        db: Db,
        keys: Keychain,
        guard: Guard,
        world: World,
        tenant: TenantId,
        relying_party: RelyingParty,
    ) -> Result<Self, IdentityError> {
        let passwords = Passwords::new(&world)?;
        Ok(Self::with_hasher(db, keys, guard, world, tenant, relying_party, passwords))
    }

    /// The same with a hasher of another cost, for rehearsals.
    pub fn with_hasher(
        db: Db,
        keys: Keychain,
        guard: Guard,
        world: World,
        tenant: TenantId,
        relying_party: RelyingParty,
        passwords: Passwords,
    ) -> Self {
        let (access, revoked) = (AccessCell::new(), Notify::new());
        Self(Arc::new(Inner {
            db,
            keys,
            guard,
            world,
            tenant,
            relying_party,
            passwords,
            access,
            revoked,
            refusals: api_keys::Refusals::default(),
        }))
    }

    /// The person whom a bot's site names so, from the first time on the same one. Only a keyed hash of the
    /// name is kept.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn site_person(
        &self,
        bot: &kernel::BotName,
        person: &site_token::SitePerson,
    ) -> Result<kernel::SubjectId, IdentityError> {
        let inner = &self.0;
        let name = format!("{bot}\0{}", person.as_str());
        let blind = inner.index().await?.blind_index("end-user", name.as_bytes())?;
        let (tenant, now, fresh) = (inner.tenant, inner.world.now(), inner.world.id());
        let bot = bot.clone();
        Ok(inner.db.write(move |tx| store::end_users::seen(tx, tenant, blind, &bot, fresh, now)).await?)
    }

    /// The tenant whose staff sign in here.
    pub fn tenant(&self) -> TenantId {
        self.0.tenant
    }
}

impl Inner {
    /// Somebody of whom nothing is proved yet.
    fn nobody(&self) -> Actor {
        Actor::Anonymous { tenant: self.tenant }
    }

    /// The newest key for names, addresses and factors.
    async fn key(&self) -> Result<Arc<DataKey>, StoreError> {
        self.keys.tenant_data_key(self.tenant, Purpose::Identity).await
    }

    /// The key of one generation.
    async fn key_at(&self, generation: u32) -> Result<Arc<DataKey>, StoreError> {
        let newest = self.key().await?;
        if newest.generation() == generation {
            return Ok(newest);
        }
        self.keys.tenant_data_key_at(self.tenant, Purpose::Identity, generation).await
    }

    /// The key for what is looked up or compared and never opened; it is not renewed.
    async fn index(&self) -> Result<Arc<DataKey>, StoreError> {
        self.keys.tenant_data_key(self.tenant, Purpose::Index).await
    }
}

/// What is stored of a secret that nobody can guess.
fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}
