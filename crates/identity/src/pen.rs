//! Writing events from inside a job, where some of their fields are first known.

use guard::Actor;
use ledger::Event;
use store::{Scribe, StoreError, Tx, Via};

use crate::{IdentityError, Inner};

/// A scribe that knows who acts and how they came in.
#[derive(Debug, Clone)]
pub(crate) struct Pen {
    scribe: Scribe,
    actor: Actor,
    via: Via,
}

impl Inner {
    /// A pen for what `actor` does.
    pub(crate) async fn pen(&self, actor: Actor, via: &Via) -> Result<Pen, IdentityError> {
        Ok(Pen { scribe: self.keys.scribe(self.tenant).await?, actor, via: via.clone() })
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
