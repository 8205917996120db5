//! The keys of a deployment at work: wrapped keys from the database, unwrapped by the keyring, made
//! when they are first needed and renewed when it is time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use guard::{Actor, ServiceName};
use kernel::{ConversationId, Id, SubjectId, TenantId, Timestamp, World};
use ledger::Token;
use ledger::catalogue::KeyCreated;
use vault::{DataKey, Keyring, Purpose, VaultError, WrappedSubjectKey, WrappedTenantKey};

use crate::custody::{self, KeyPolicy};
use crate::keys::{self, Chain, KeyState};
use crate::scribe::{Scribe, Via};
use crate::{Db, StoreError, bound};

/// The keys at work. Clones share it.
#[derive(Debug, Clone)]
pub struct Keychain(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Db,
    keyring: Arc<Keyring>,
    world: World,
    policy: KeyPolicy,
    /// Wrapped rows that were used lately. They are not secret, and a stale one is noticed: it no longer
    /// opens, and is read again.
    recent: Mutex<HashMap<Wanted, Arc<Chain>>>,
    /// The states of each tenant's key versions, as they were a moment ago.
    standing: Mutex<HashMap<TenantId, (Timestamp, Arc<Standing>)>>,
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

/// What is known of the versions of a tenant's key.
#[derive(Debug)]
struct Standing {
    states: Vec<(u32, KeyState)>,
    /// Data keys that were made before this moment are followed by a new generation.
    renewed: Timestamp,
    renew_after: Duration,
}

/// Whether a closed version stops the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    /// It does.
    Closed,
    /// It does not: for the event that tells of the closing or opening itself.
    Despite,
}

/// Wrapped rows that are kept: about 600 bytes each.
const RECENT: usize = 10_000;
/// How long what is known of a tenant's versions is taken for true: so late does this process notice
/// that another one rotated or disabled a key.
const STANDING: Duration = Duration::from_secs(2);
/// A process files how many records it has sealed with a key when they are so many. What it had not filed
/// when it ended is not counted.
const STEP: u64 = 256;
/// How often to try again when the tenant key is rotated while a key is being made under it.
const TRIES: usize = 4;

impl Keychain {
    /// The keychain over a database and a keyring.
    pub fn new(db: Db, keyring: Arc<Keyring>, world: World) -> Self {
        Self::with_policy(db, keyring, world, KeyPolicy::default())
    }

    /// The same where the deployment has a default policy of its own.
    pub fn with_policy(db: Db, keyring: Arc<Keyring>, world: World, policy: KeyPolicy) -> Self {
        let (recent, standing) = (Mutex::default(), Mutex::default());
        db.bind_with(&keyring);
        Self(Arc::new(Inner { db, keyring, world, policy, recent, standing }))
    }

    /// The keyring below.
    pub fn keyring(&self) -> &Keyring {
        &self.0.keyring
    }

    /// The policy of tenants that decided nothing.
    pub fn policy(&self) -> KeyPolicy {
        self.0.policy
    }

    /// The keyring below, for work that outlives this borrow.
    pub fn keyring_shared(&self) -> Arc<Keyring> {
        Arc::clone(&self.0.keyring)
    }

    /// Makes the first version of a tenant's key, unless there is one, and the keys that its events are
    /// written with. The event stands in the same transaction.
    ///
    /// # Errors
    /// When the store fails or the provider does not help.
    pub async fn prepare(&self, tenant: TenantId) -> Result<(), StoreError> {
        if !self.0.db.read(move |tx| keys::versions(tx, tenant)).await?.is_empty() {
            return self.prepare_rows(tenant).await;
        }
        let (keyring, world) = (&self.0.keyring, &self.0.world);
        let (provider, now) = (keyring.provider(), world.now());
        let first = || -> Result<_, VaultError> {
            let top = keyring.new_tenant_key(tenant, 1)?;
            let index = keyring.new_data_key(&top, None, Purpose::Index, 1)?;
            let details = keyring.new_data_key(&top, None, Purpose::Ledger, 1)?;
            let rows = keyring.new_data_key(&top, None, Purpose::Rows, 1)?;
            let opened = |data| keyring.data_key(&vault::KeyChain { tenant: &top, subject: None, data });
            let scribe = Scribe::new(world.clone(), tenant, opened(&index)?, opened(&details)?);
            let event =
                KeyCreated { kind: "tenant", key: None, provider: Token::lossy(&provider.to_string()) };
            let core = Actor::Service { name: ServiceName::Core, tenant };
            let entry = scribe.write(&event, &core, &Via::default())?;
            Ok((top, [index, details, rows], entry))
        };
        let (top, data, entry) = first().map_err(StoreError::refuse)?;
        let (provider, owner) = (provider.to_string(), keys::house_of(tenant));
        let written = self.0.db.write(move |tx| {
            keys::add_tenant_key(tx, &top, &provider, now)?;
            for key in &data {
                keys::add_data_key(tx, key, owner, now)?;
            }
            entry.append(tx)
        });
        match written.await {
            // Another process was first; the keys made here were never used.
            Err(StoreError::Conflict { .. }) => {
                self.0.keyring.forget_tenant(tenant);
                Ok(())
            }
            other => other,
        }
    }

    /// Binds the rows of a database that was made before rows were bound. It happens once: the key that
    /// binds them is made in the same transaction, and the log tells of it, so that rows which somebody
    /// loosened by deleting that key do not become true unnoticed.
    async fn prepare_rows(&self, tenant: TenantId) -> Result<(), StoreError> {
        let owner = keys::house_of(tenant);
        let found = self.0.db.read(move |tx| keys::next_generation(tx, tenant, Purpose::Rows, owner)).await?;
        if found > 1 {
            return Ok(());
        }
        let top = self.0.db.read(move |tx| keys::active_tenant_key(tx, tenant)).await?;
        // Where the newest version is disabled, whoever enables it goes on from here.
        let Some(top) = top else { return Ok(()) };
        let (keyring, now) = (&self.0.keyring, self.0.world.now());
        let key = keyring.new_data_key(&top, None, Purpose::Rows, 1).map_err(StoreError::refuse)?;
        let (scribe, provider) = (self.scribe_of_custody(tenant).await?, keyring.provider());
        let provider = Token::lossy(&provider.to_string());
        let event = KeyCreated { kind: "rows", key: Some(key.key_id), provider };
        let core = Actor::Service { name: ServiceName::Core, tenant };
        let entry = scribe.write(&event, &core, &Via::default()).map_err(StoreError::refuse)?;
        let written = self.0.db.write(move |tx| {
            keys::add_data_key(tx, &key, owner, now)?;
            let rows = bound::adopt(tx, tenant)?;
            tracing::info!(rows, "rows were bound");
            entry.append(tx)
        });
        match written.await {
            Err(StoreError::Conflict { .. }) => Ok(()),
            other => other,
        }
    }

    /// The newest key of one purpose for a whole tenant, made on first use and renewed in time.
    ///
    /// # Errors
    /// When the store fails, a version is disabled ([`StoreError::KeyClosed`]), or a key does not open
    /// ([`StoreError::refusal`] has the [`VaultError`]).
    pub async fn tenant_data_key(
        &self,
        tenant: TenantId,
        purpose: Purpose,
    ) -> Result<Arc<DataKey>, StoreError> {
        let owner = keys::house_of(tenant);
        self.key(Wanted { tenant, purpose, owner, subject: None, generation: None }, Bound::Closed).await
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
        self.key(Wanted { tenant, purpose, owner, subject: None, generation }, Bound::Closed).await
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
        self.key(Wanted::conversation(tenant, subject, conversation, None), Bound::Closed).await
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
        self.key(Wanted::conversation(tenant, subject, conversation, Some(generation)), Bound::Closed).await
    }

    /// Whoever writes the tenant's events.
    ///
    /// # Errors
    /// As for [`Keychain::tenant_data_key`].
    pub async fn scribe(&self, tenant: TenantId) -> Result<Scribe, StoreError> {
        self.scribe_of(tenant, Bound::Closed).await
    }

    /// The same although the keys that it needs may be disabled: for acts of custody, which are
    /// recorded even when they close or open those very keys.
    ///
    /// # Errors
    /// As for [`Keychain::tenant_data_key`], but never [`StoreError::KeyClosed`].
    pub async fn scribe_of_custody(&self, tenant: TenantId) -> Result<Scribe, StoreError> {
        self.scribe_of(tenant, Bound::Despite).await
    }

    async fn scribe_of(&self, tenant: TenantId, bound: Bound) -> Result<Scribe, StoreError> {
        let wanted = |purpose| {
            let owner = keys::house_of(tenant);
            Wanted { tenant, purpose, owner, subject: None, generation: None }
        };
        let index = self.key(wanted(Purpose::Index), bound).await?;
        let details = self.key(wanted(Purpose::Ledger), bound).await?;
        Ok(Scribe::new(self.0.world.clone(), tenant, index, details))
    }

    /// Looks at the tenant's versions again now, because this process has just changed them.
    pub fn look_again(&self, tenant: TenantId) {
        lock(&self.0.standing).remove(&tenant);
        lock(&self.0.recent).retain(|wanted, _| wanted.tenant != tenant);
    }

    async fn key(&self, wanted: Wanted, bound: Bound) -> Result<Arc<DataKey>, StoreError> {
        let standing = self.standing(wanted.tenant).await?;
        if let Some(chain) = self.recent(&wanted)
            && standing.admits(&chain, bound).is_ok()
            && !self.is_due(&wanted, &chain, &standing)
            && let Ok(key) = self.0.keyring.data_key(&chain.link())
        {
            if wanted.generation.is_some() || bound == Bound::Despite || key.unfiled() < STEP {
                return Ok(key);
            }
            self.file(&key).await;
        }
        let found = self.0.db.read(move |tx| wanted.find(tx)).await?;
        let chain = match (found, wanted.generation) {
            (Some(chain), _) => chain,
            (None, Some(_)) => return Err(StoreError::Missing { what: "data key" }),
            (None, None) => self.make(wanted, 1).await?,
        };
        let closed = |state: KeyState| bound == Bound::Closed && !state.opens();
        if closed(chain.state) {
            self.0.keyring.forget_tenant(wanted.tenant);
            return Err(chain.closed());
        }
        // What is closed for opening cannot be renewed either; the act of custody goes on as it is.
        let renew = bound == Bound::Closed && self.is_due(&wanted, &chain, &standing);
        let next = chain.data.generation + 1;
        let chain = if renew { self.make(wanted, next).await? } else { chain };
        let key = self.0.keyring.data_key(&chain.link()).map_err(StoreError::refuse)?;
        self.keep(wanted, chain);
        Ok(key)
    }

    /// Files how many records a key has sealed since this was last done. Where that fails nothing can be
    /// stored either, so no record stays uncounted: the next one to ask for the key tries again.
    async fn file(&self, key: &DataKey) {
        let (tenant, id, records) = (key.tenant(), key.id(), key.take_unfiled());
        let filed = self.0.db.write(move |tx| keys::count_records(tx, tenant, id, records)).await;
        if let Err(error) = filed {
            key.give_back(records);
            tracing::warn!(%error, key = %id, "the records of a key could not be counted");
        }
    }

    /// Whether a key to seal with has served its time. Blind-index tokens and the MACs of rows must stay
    /// what they are, so their keys are not renewed.
    fn is_due(&self, wanted: &Wanted, chain: &Chain, standing: &Standing) -> bool {
        let now = self.0.world.now();
        wanted.generation.is_none()
            && !matches!(wanted.purpose, Purpose::Index | Purpose::Rows)
            && (chain.made < standing.renewed
                || now.since(chain.made) >= standing.renew_after
                || chain.records >= DataKey::RECORDS_PER_GENERATION)
    }

    /// The states of the tenant's versions: at most [`STANDING`] old, or, while the database cannot be
    /// asked, the last ones known.
    async fn standing(&self, tenant: TenantId) -> Result<Arc<Standing>, StoreError> {
        let now = self.0.world.now();
        let known = {
            let mut standing = lock(&self.0.standing);
            match standing.get_mut(&tenant) {
                Some((read, known)) if now >= *read && now.since(*read) < STANDING => {
                    return Ok(Arc::clone(known));
                }
                // Whoever comes first asks; the others go on with what is known meanwhile.
                Some((read, known)) => {
                    *read = now;
                    Some(Arc::clone(known))
                }
                None => None,
            }
        };
        let asked =
            self.0.db.read(move |tx| Ok((keys::versions(tx, tenant)?, custody::rules(tx, tenant)?))).await;
        let (versions, rules) = match (asked, known) {
            (Ok(found), _) => found,
            (Err(_), Some(known)) => return Ok(known),
            (Err(error), None) => return Err(error),
        };
        let newest = versions.first().map_or(Timestamp::from_millis(0), |version| version.created);
        let standing = Arc::new(Standing {
            states: versions.iter().map(|version| (version.key.version, version.state)).collect(),
            renewed: newest,
            renew_after: rules.policy.unwrap_or(self.0.policy).rotate_after(),
        });
        lock(&self.0.standing).insert(tenant, (now, Arc::clone(&standing)));
        Ok(standing)
    }

    /// Makes the next generation; whoever was faster wins. A person's key is wrapped by the active
    /// version before anything new is put under it.
    async fn make(&self, wanted: Wanted, generation: u32) -> Result<Chain, StoreError> {
        let mut outcome = Err(StoreError::Contended);
        for _ in 0..TRIES {
            outcome = self.try_make(wanted, generation).await;
            match &outcome {
                // The tenant key was rotated, or somebody wrapped the person's key anew, between reading
                // and writing.
                Err(StoreError::Conflict { what: "tenant key" | "subject key" }) => {}
                _ => break,
            }
        }
        outcome
    }

    async fn try_make(&self, wanted: Wanted, generation: u32) -> Result<Chain, StoreError> {
        let Wanted { purpose, owner, subject, .. } = wanted;
        let above = self.0.db.read(move |tx| Above::read(tx, wanted)).await?;
        let made = || -> Result<_, VaultError> {
            let keyring = &self.0.keyring;
            let person = match (&above.person, subject) {
                (Some((row, by)), _) if row.wrapped_by != above.active.version => {
                    let new = keyring.rewrap_subject_key(by, row, &above.active)?;
                    Person::Rewrapped(new, row.wrapped_by)
                }
                (Some((row, _)), _) => Person::Known(row.clone()),
                (None, Some(subject)) => Person::New(keyring.new_subject_key(&above.active, subject)?),
                (None, None) => Person::Nobody,
            };
            let data = keyring.new_data_key(&above.active, person.row(), purpose, generation)?;
            Ok((person, data))
        };
        let (person, data) = made().map_err(StoreError::refuse)?;
        // Never older than the key above it: after the clock was set back it would count as made before
        // the last rotation, and be renewed at every use.
        let now = self.0.world.now().max(above.since);
        let written = self.0.db.write(move |tx| {
            match &person {
                Person::New(row) => keys::add_subject_key(tx, row, now)?,
                Person::Rewrapped(row, was) if !keys::rewrapped_subject_key(tx, row, *was)? => {
                    return Err(StoreError::Conflict { what: "subject key" });
                }
                Person::Rewrapped(..) | Person::Known(_) | Person::Nobody => {}
            }
            keys::add_data_key(tx, &data, owner, now)
        });
        match written.await {
            Ok(()) | Err(StoreError::Conflict { what: "data key" }) => {}
            Err(error) => return Err(error),
        }
        let found = self.0.db.read(move |tx| wanted.find(tx)).await?;
        found.ok_or(StoreError::Missing { what: "data key" })
    }

    fn recent(&self, wanted: &Wanted) -> Option<Arc<Chain>> {
        lock(&self.0.recent).get(wanted).cloned()
    }

    fn keep(&self, wanted: Wanted, chain: Chain) {
        let mut recent = lock(&self.0.recent);
        if recent.len() >= RECENT {
            recent.clear();
        }
        recent.insert(wanted, Arc::new(chain));
    }
}

/// The rows above a key that is to be made.
struct Above {
    active: WrappedTenantKey,
    /// The person's key and the version that wraps it now.
    person: Option<(WrappedSubjectKey, WrappedTenantKey)>,
    /// When the active version was made.
    since: Timestamp,
}

impl Above {
    fn read(tx: &mut crate::Read<'_>, wanted: Wanted) -> Result<Self, StoreError> {
        let missing = StoreError::Missing { what: "tenant key" };
        let versions = keys::versions(tx, wanted.tenant)?;
        let newest = versions.first().ok_or(missing.clone())?;
        if newest.state != KeyState::Active {
            return Err(StoreError::KeyClosed { version: newest.key.version, state: newest.state.as_str() });
        }
        let person = match wanted.subject {
            Some(subject) => keys::subject_key(tx, wanted.tenant, subject)?,
            None => None,
        };
        let person = match person {
            Some(row) => {
                let by = versions.iter().find(|version| version.key.version == row.wrapped_by);
                let by = by.ok_or(missing)?;
                if !by.state.opens() {
                    return Err(StoreError::KeyClosed { version: by.key.version, state: by.state.as_str() });
                }
                Some((row, by.key.clone()))
            }
            None => None,
        };
        Ok(Self { active: newest.key.clone(), person, since: newest.created })
    }
}

/// The key of the person for whom a data key is made.
enum Person {
    Nobody,
    Known(WrappedSubjectKey),
    New(WrappedSubjectKey),
    /// Taken from the version beside it.
    Rewrapped(WrappedSubjectKey, u32),
}

impl Person {
    fn row(&self) -> Option<&WrappedSubjectKey> {
        match self {
            Self::Nobody => None,
            Self::Known(row) | Self::New(row) | Self::Rewrapped(row, _) => Some(row),
        }
    }
}

impl Standing {
    /// Whether a kept chain may still be used.
    fn admits(&self, chain: &Chain, bound: Bound) -> Result<(), ()> {
        let state = self.states.iter().find(|(version, _)| *version == chain.tenant.version);
        match state {
            Some((_, state)) if state.opens() || bound == Bound::Despite => Ok(()),
            _ => Err(()),
        }
    }
}

impl Chain {
    fn closed(&self) -> StoreError {
        StoreError::KeyClosed { version: self.tenant.version, state: self.state.as_str() }
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
