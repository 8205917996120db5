//! Writing events from inside a job, where some of their fields are first known.

use std::sync::Arc;

use guard::Actor;
use kernel::{TenantId, World};
use ledger::Event;
use store::{Scribe, StoreError, Tx, Via};
use vault::DataKey;

use crate::{IdentityError, Inner};

/// A scribe that knows who acts and how they came in.
#[derive(Debug, Clone)]
pub(crate) struct Pen {
    scribe: Scribe,
    pub(crate) actor: Actor,
    pub(crate) via: Via,
    /// What notices to people are made with.
    pub(crate) world: World,
    pub(crate) tenant: TenantId,
    pub(crate) key: Arc<DataKey>,
}

impl Inner {
    /// A pen for what `actor` does.
    pub(crate) async fn pen(&self, actor: Actor, via: &Via) -> Result<Pen, IdentityError> {
        let (scribe, key) = (self.keys.scribe(self.tenant).await?, self.key().await?);
        Ok(Pen { scribe, actor, via: via.clone(), world: self.world.clone(), tenant: self.tenant, key })
    }
}

impl Pen {
    /// The same hand for somebody else.
    pub(crate) fn of(&self, actor: Actor) -> Self {
        Self { actor, ..self.clone() }
    }

    pub(crate) fn scribe(&self) -> &Scribe {
        &self.scribe
    }

    /// Writes an event in the transaction of its act.
    pub(crate) fn note<E: Event>(&self, tx: &mut Tx<'_>, event: &E) -> Result<(), StoreError> {
        self.scribe.write(event, &self.actor, &self.via).map_err(StoreError::refuse)?.append(tx)
    }

    /// The same with a reason, sealed beside it.
    pub(crate) fn note_why<E: Event>(&self, tx: &mut Tx<'_>, event: &E, why: &str) -> Result<(), StoreError> {
        let detail = why.as_bytes().to_vec();
        self.scribe.write_with(event, &self.actor, &self.via, detail).map_err(StoreError::refuse)?.append(tx)
    }
}
