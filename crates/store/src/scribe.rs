//! Writing events down: the header, the pseudonyms and the sealed detail, in one place for every room.
//!
//! A [`Written`] event is made before the job that it belongs to and appended inside it, so the event
//! and the act are one transaction.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use guard::{Actor, ServiceName};
use kernel::{Id, RequestId, Secret, SubjectId, TenantId, UserId, World};
use ledger::{ActorRef, Entry, Event, Header, Pseudonym};
use vault::{DataKey, VaultError};

use crate::audit::{self, Detail};
use crate::{StoreError, ToValue, Tx, Value};

/// By which way an act came in. The default is: by no door.
#[derive(Debug, Clone, Default)]
pub struct Via {
    /// The request at a door.
    pub request: Option<RequestId>,
    /// The client's address, in the spelling to look it up by.
    pub source: Option<String>,
    /// The browser, where a person came with one. No event carries it; notices to people do.
    pub device: Option<Device>,
}

/// What is known of a browser.
#[derive(Debug, Clone, Default)]
pub struct Device {
    /// Its kind, in words of ours.
    pub kind: Option<String>,
    /// The token of a known device, as it was shown: whether it is one is looked into.
    pub token: Option<Arc<Secret<String>>>,
}

/// The client's address as the edge saw it: a request carries it among its extensions from the listener
/// to the handler that makes a [`Via`] of it.
#[derive(Debug, Clone)]
pub struct Source(pub String);

/// Writes the events of one tenant.
#[derive(Debug, Clone)]
pub struct Scribe {
    world: World,
    tenant: TenantId,
    index: Arc<DataKey>,
    details: Arc<DataKey>,
}

/// An event, ready to be appended in the transaction of its act.
#[derive(Debug)]
pub struct Written {
    entry: Entry,
    actor: Option<UserId>,
    detail: Option<Detail>,
}

impl Scribe {
    /// A scribe with the tenant's key for pseudonyms and its key for details.
    pub(crate) fn new(world: World, tenant: TenantId, index: Arc<DataKey>, details: Arc<DataKey>) -> Self {
        Self { world, tenant, index, details }
    }

    /// The person who chats, as they stand in events.
    ///
    /// # Errors
    /// Only when the library below fails.
    pub fn pseudonym(&self, subject: SubjectId) -> Result<Pseudonym, VaultError> {
        Ok(self.index.blind_index("subject", &subject.to_bytes())?.into())
    }

    /// A client address or an account name, as it stands in events.
    ///
    /// # Errors
    /// Only when the library below fails.
    pub fn pseudonym_of(&self, text: &str) -> Result<Pseudonym, VaultError> {
        Ok(self.index.blind_index("source", text.as_bytes())?.into())
    }

    /// Writes an event down.
    ///
    /// # Errors
    /// Only when the library below fails.
    pub fn write<E: Event>(&self, event: &E, actor: &Actor, via: &Via) -> Result<Written, VaultError> {
        let header = self.header(actor, via)?;
        Ok(Written { entry: Entry::record(event, &header), actor: user(actor), detail: None })
    }

    /// The same with what is personal about it: sealed beside the event, which holds its hash.
    ///
    /// # Errors
    /// When the detail is too large, or the library below fails.
    pub fn write_with<E: Event>(
        &self,
        event: &E,
        actor: &Actor,
        via: &Via,
        detail: Vec<u8>,
    ) -> Result<Written, VaultError> {
        let mut header = self.header(actor, via)?;
        let sealed = self.details.seal(&audit::detail_place(self.tenant, header.event), &detail)?;
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, sealed.as_bytes()).as_ref());
        header.detail = Some(hash);
        let detail = Some(Detail { sealed, key_gen: self.details.generation() });
        Ok(Written { entry: Entry::record(event, &header), actor: user(actor), detail })
    }

    fn header(&self, actor: &Actor, via: &Via) -> Result<Header, VaultError> {
        let actor = match actor {
            Actor::Visitor(visitor) => ActorRef::Visitor(self.pseudonym(visitor.subject)?),
            Actor::Staff(staff) => ActorRef::Staff(staff.user),
            Actor::ApiKey(program) => ActorRef::ApiKey { key: program.key, owner: program.owner },
            Actor::Service { name: ServiceName::Operator, .. } => ActorRef::Operator,
            Actor::Service { name: ServiceName::Core, .. } => ActorRef::System,
            Actor::Service { name, .. } => ActorRef::Service(name.name()),
            Actor::Directory { .. } => ActorRef::Service("directory"),
            Actor::Anonymous { .. } => ActorRef::Service("anonymous"),
        };
        let mut header = Header::new(self.tenant, self.world.id(), self.world.now(), actor);
        header.request = via.request;
        header.source = match &via.source {
            Some(source) => Some(self.pseudonym_of(source)?),
            None => None,
        };
        Ok(header)
    }
}

impl Written {
    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The leaf's row, for its place in the log.
    pub(crate) fn values<'a>(&'a self, index: u64, hash: &'a ledger::Hash) -> [Value<'a>; 10] {
        let (entry, detail) = (&self.entry, self.detail.as_ref());
        [
            entry.tenant().to_value().into_owned(),
            index.to_value().into_owned(),
            entry.event().to_value().into_owned(),
            Value::Text(entry.code().into()),
            entry.at().to_value().into_owned(),
            self.actor.to_value().into_owned(),
            Value::Blob(entry.json().into()),
            Value::Blob(hash.as_slice().into()),
            detail.map_or(Value::Null, |detail| Value::Blob(detail.sealed.as_bytes().into())),
            detail.map_or(Value::Null, |detail| Value::Int(i64::from(detail.key_gen))),
        ]
    }

    /// Appends the event to its tenant's log, in the transaction of its act.
    ///
    /// # Errors
    /// As for [`audit::append`].
    pub fn append(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        audit::append(tx, &self.entry, self.actor, self.detail.as_ref()).map(drop)
    }
}

fn user(actor: &Actor) -> Option<UserId> {
    actor.account()
}
