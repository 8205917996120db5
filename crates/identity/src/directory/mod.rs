//! People and groups as an enterprise's directory provisions them (SCIM 2.0, RFC 7644). What a request
//! says is read in `federation::scim`, which keeps nothing; here is what is kept, and what follows.
//!
//! The order of a change: `entries` reads what is there and seals what will be, then does everything in
//! one transaction: the entry, its event, the account (`accounts`), the roles that groups bring (`roles`)
//! and the end of the sessions that may not go on. A directory asks again until it is content, so little is
//! refused: a person without an address that the connection vouches for is kept and gets no account; a
//! member whom nobody knows is passed over. What is refused is what would leave nobody to mend it: taking
//! out the last owner, or the last account that signs in when the provider fails.
//!
//! A directory touches what its own connection provisioned and nothing else: the statements of the store
//! take the connection from the permit, and the permit's actor from the token.

mod accounts;
mod entries;
mod found;
mod roles;
mod tokens;

use federation::scim::{Kind, Known, Resource, ScimError};
use kernel::{DirectoryEntryId, Timestamp};
use serde_json::Value;
use store::StoreError;
use store::directory::EntryKind;
use vault::VaultError;

use crate::IdentityError;

pub(crate) use roles::Meaning;
pub use store::directory::Tally;
pub use store::directory_tokens::Token;

/// Why a directory's request could not be done.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The request: whoever sent it can mend it.
    #[error("the directory's request cannot be done")]
    Scim(#[from] ScimError),
    /// The house.
    #[error("the house refused or failed")]
    Identity(#[from] IdentityError),
}

impl From<StoreError> for DirectoryError {
    fn from(error: StoreError) -> Self {
        match error.refusal::<ScimError>() {
            Some(refused) => Self::Scim(refused.clone()),
            None => Self::Identity(error.into()),
        }
    }
}

impl From<VaultError> for DirectoryError {
    fn from(error: VaultError) -> Self {
        Self::Identity(error.into())
    }
}

/// A person or a group as it is here.
#[derive(Clone)]
pub struct Provisioned {
    id: DirectoryEntryId,
    version: u64,
    created: Timestamp,
    changed: Timestamp,
    resource: Resource,
    groups: Vec<(String, String)>,
}

/// People's names and the names of their groups stay out of logs.
impl std::fmt::Debug for Provisioned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Provisioned({}, version {})", self.id, self.version)
    }
}

impl Provisioned {
    /// Its id, which stays.
    pub fn id(&self) -> DirectoryEntryId {
        self.id
    }

    /// Counts its changes.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// What a directory is shown of it; `base` is the address of the service.
    pub fn shown(&self, base: &str) -> Value {
        self.known(base, |resource, known| resource.shown(known))
    }

    fn matches(&self, filter: &federation::scim::Filter, base: &str) -> bool {
        self.known(base, |resource, known| resource.matches(filter, known))
    }

    fn known<T>(&self, base: &str, look: impl FnOnce(&Resource, &Known<'_>) -> T) -> T {
        let (id, created, changed) = (self.id.to_string(), self.created.rfc3339(), self.changed.rfc3339());
        let known = Known {
            id: &id,
            base,
            version: self.version,
            created: &created,
            changed: &changed,
            groups: &self.groups,
        };
        look(&self.resource, &known)
    }
}

const fn stored(kind: Kind) -> EntryKind {
    match kind {
        Kind::User => EntryKind::User,
        Kind::Group => EntryKind::Group,
    }
}

/// The names of blind indexes: those of people and of groups have nothing to do with each other.
const fn labels(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::User => ("directory.user.name", "directory.user.external"),
        Kind::Group => ("directory.group.name", "directory.group.external"),
    }
}
