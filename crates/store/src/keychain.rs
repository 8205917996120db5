//! The keys of a deployment at work: wrapped keys from the database, unwrapped by the keyring, made
//! when they are first needed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kernel::{ConversationId, Id, SubjectId, TenantId, World};
use vault::{DataKey, Keyring, Purpose, VaultError};

use crate::keys::{self, Chain};
use crate::scribe::Scribe;
use crate::{Db, StoreError};

/// The keys at work. Clones share it.
#[derive(Debug, Clone)]
pub struct Keychain(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Db,
    keyring: Arc<Keyring>,
    world: World,
    /// Wrapped rows that were used lately. They are not secret, and a stale one is noticed: it no longer
    /// opens, and is read again.
    recent: Mutex<HashMap<Wanted, Arc<Chain>>>,
}

/// Which data key: purpose and owner, of the subject it belongs to if it is a person's, and the
/// generation, if not the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Wanted {
    tenant: TenantId,
    purpose: Purpose,
    owner: [u8; 16],
    subject: Option<SubjectId>,
    generation: Option<u32>,
}

/// Wrapped rows that are kept: about 600 bytes each.
const RECENT: usize = 10_000;

impl Keychain {
    /// The keychain over a database and a keyring.
    pub fn new(db: Db, keyring: Arc<Keyring>, world: World) -> Self {
        Self(Arc::new(Inner { db, keyring, world, recent: Mutex::default() }))
    }

    /// The keyring below.
    pub fn keyring(&self) -> &Keyring {
        &self.0.keyring
    }

    /// The keyring below, for work that outlives this borrow.
    pub fn keyring_shared(&self) -> Arc<Keyring> {
        Arc::clone(&self.0.keyring)
    }

    /// Makes the first version of a tenant's key, unless there is one.
    ///
    /// # Errors
    /// When the store fails or the provider does not help.
    pub async fn prepare(&self, tenant: TenantId) -> Result<(), StoreError> {
        if self.0.db.read(move |tx| keys::active_tenant_key(tx, tenant)).await?.is_some() {
            return Ok(());
        }
        let key = self.0.keyring.new_tenant_key(tenant, 1).map_err(StoreError::refuse)?;
        let (provider, now) = (self.0.keyring.provider().to_string(), self.0.world.now());
        match self.0.db.write(move |tx| keys::add_tenant_key(tx, &key, &provider, now)).await {
            // Another process was first.
            Err(StoreError::Conflict { .. }) => Ok(()),
            other => other,
        }
    }

    /// The newest key of one purpose for a whole tenant, made on first use.
    ///
    /// # Errors
    /// When the store fails, or a key does not open ([`StoreError::refusal`] has the [`VaultError`]).
    pub async fn tenant_data_key(
        &self,
        tenant: TenantId,
        purpose: Purpose,
    ) -> Result<Arc<DataKey>, StoreError> {
        let owner = keys::house_of(tenant);
        self.key(Wanted { tenant, purpose, owner, subject: None, generation: None }).await
    }

    /// An earlier generation of the same, to open a record with.
    ///
    /// # Errors
    /// As for [`Keychain::tenant_data_key`]; [`StoreError::Missing`] when there is none.
    pub async fn tenant_data_key_at(
        &self,
        tenant: TenantId,
        purpose: Purpose,
        generation: u32,
    ) -> Result<Arc<DataKey>, StoreError> {
        let (owner, generation) = (keys::house_of(tenant), Some(generation));
        self.key(Wanted { tenant, purpose, owner, subject: None, generation }).await
    }

    /// The newest key of a conversation, under the key of the person who chats. Both are made on first
    /// use.
    ///
    /// # Errors
    /// As for [`Keychain::tenant_data_key`]; [`StoreError::Conflict`] when the person was erased.
    pub async fn conversation_key(
        &self,
        tenant: TenantId,
        subject: SubjectId,
        conversation: ConversationId,
    ) -> Result<Arc<DataKey>, StoreError> {
        self.key(Wanted::conversation(tenant, subject, conversation, None)).await
    }

    /// An earlier generation of the same, to open a record with.
    ///
    /// # Errors
    /// As for [`Keychain::tenant_data_key`]; [`StoreError::Missing`] when there is none.
    pub async fn conversation_key_at(
        &self,
        tenant: TenantId,
        subject: SubjectId,
        conversation: ConversationId,
        generation: u32,
    ) -> Result<Arc<DataKey>, StoreError> {
        self.key(Wanted::conversation(tenant, subject, conversation, Some(generation))).await
    }

    /// Whoever writes the tenant's events.
    ///
    /// # Errors
    /// As for [`Keychain::tenant_data_key`].
    pub async fn scribe(&self, tenant: TenantId) -> Result<Scribe, StoreError> {
        let index = self.tenant_data_key(tenant, Purpose::Index).await?;
        let details = self.tenant_data_key(tenant, Purpose::Ledger).await?;
        Ok(Scribe::new(self.0.world.clone(), tenant, index, details))
    }

    async fn key(&self, wanted: Wanted) -> Result<Arc<DataKey>, StoreError> {
        if let Some(chain) = self.recent(&wanted)
            && let Ok(key) = self.0.keyring.data_key(&chain.link())
        {
            return Ok(key);
        }
        let found = self.0.db.read(move |tx| wanted.find(tx)).await?;
        let chain = match (found, wanted.generation) {
            (Some(chain), _) => chain,
            (None, Some(_)) => return Err(StoreError::Missing { what: "data key" }),
            (None, None) => self.make(wanted).await?,
        };
        let key = self.0.keyring.data_key(&chain.link()).map_err(StoreError::refuse)?;
        self.keep(wanted, chain);
        Ok(key)
    }

    /// Makes the first generation; whoever was faster wins.
    async fn make(&self, wanted: Wanted) -> Result<Chain, StoreError> {
        let Wanted { tenant, purpose, owner, subject, .. } = wanted;
        let (top, person) = self
            .0
            .db
            .read(move |tx| {
                let top =
                    keys::active_tenant_key(tx, tenant)?.ok_or(StoreError::Missing { what: "tenant key" })?;
                let person = match subject {
                    Some(subject) => keys::subject_key(tx, tenant, subject)?,
                    None => None,
                };
                Ok((top, person))
            })
            .await?;
        let made = || -> Result<_, VaultError> {
            let keyring = &self.0.keyring;
            let (person, is_new) = match (person, subject) {
                (Some(person), _) => (Some(person), false),
                (None, Some(subject)) => (Some(keyring.new_subject_key(&top, subject)?), true),
                (None, None) => (None, false),
            };
            let data = keyring.new_data_key(&top, person.as_ref(), purpose, 1)?;
            Ok((person.filter(|_| is_new), data))
        };
        let ((person, data), now) = (made().map_err(StoreError::refuse)?, self.0.world.now());
        let written = self.0.db.write(move |tx| {
            if let Some(person) = &person {
                keys::add_subject_key(tx, person, now)?;
            }
            keys::add_data_key(tx, &data, owner, now)
        });
        match written.await {
            Ok(()) | Err(StoreError::Conflict { what: "data key" | "subject key" }) => {}
            Err(error) => return Err(error),
        }
        let found = self.0.db.read(move |tx| wanted.find(tx)).await?;
        found.ok_or(StoreError::Missing { what: "data key" })
    }

    fn recent(&self, wanted: &Wanted) -> Option<Arc<Chain>> {
        self.0.recent.lock().unwrap_or_else(PoisonError::into_inner).get(wanted).cloned()
    }

    fn keep(&self, wanted: Wanted, chain: Chain) {
        let mut recent = self.0.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() >= RECENT {
            recent.clear();
        }
        recent.insert(wanted, Arc::new(chain));
    }
}

impl Wanted {
    fn conversation(
        tenant: TenantId,
        subject: SubjectId,
        conversation: ConversationId,
        generation: Option<u32>,
    ) -> Self {
        let (purpose, owner) = (Purpose::Conversation, conversation.to_bytes());
        Self { tenant, purpose, owner, subject: Some(subject), generation }
    }

    fn find(&self, tx: &mut crate::Read<'_>) -> Result<Option<Chain>, StoreError> {
        match self.generation {
            Some(generation) => keys::of_generation(tx, self.tenant, self.purpose, self.owner, generation),
            None => keys::newest(tx, self.tenant, self.purpose, self.owner),
        }
    }
}
