//! The keyring: makes keys, wraps them, and unwraps them down the hierarchy.
//!
//! It keeps unwrapped keys for a while (see [`CachePolicy`]) and holds no rows: what is wrapped comes
//! from the store with each call.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kernel::{KeyId, SubjectId, TenantId, Timestamp, World};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::cache::{Age, CachePolicy, Kept, Shelf};
use crate::key::{KeyBytes, WRAP};
use crate::nonces::Nonces;
use crate::provider::{KeyProvider, ProviderError, ProviderInfo, WrapContext};
use crate::tally::Tallies;
use crate::uses::{RootUse, Uses};
use crate::watched::{ProviderRecord, Watched};
use crate::wrapped::tenant_commitment;
use crate::xaes::{NONCE, TAG, Xaes};
use crate::{DataKey, Purpose, VaultError, WrappedBy, WrappedDataKey, WrappedSubjectKey, WrappedTenantKey};

/// The version byte that begins a wrapped subject or data key.
const VERSION: u8 = 1;
/// `version | nonce 24 | key 32 | tag 16`.
const BLOB: usize = 1 + NONCE + 32 + TAG;
/// How many tenants' keys can be on their way from the provider at once.
const LANES: usize = 16;
/// So many counts of sealed records are remembered for each unwrapped key that is: about 50 bytes each.
const TALLIES: usize = 8;

/// The rows that lead from a tenant's key to a data key.
#[derive(Debug, Clone, Copy)]
pub struct KeyChain<'a> {
    /// The tenant key that wraps the subject key, or else the data key.
    pub tenant: &'a WrappedTenantKey,
    /// The subject key, when one wraps the data key.
    pub subject: Option<&'a WrappedSubjectKey>,
    /// The data key.
    pub data: &'a WrappedDataKey,
}

/// What a data key's row says about the key. Kept keys are found by all of it, so that a row with the
/// right id and another claim does not get the key of the first.
type Claims = (KeyId, TenantId, Purpose, u32, Option<SubjectId>);

fn claims(row: &WrappedDataKey) -> Claims {
    (row.key_id, row.tenant, row.purpose, row.generation, row.wrapped_by.subject())
}

/// Makes, wraps and unwraps keys.
pub struct Keyring {
    provider: Watched,
    world: World,
    policy: CachePolicy,
    tenants: Shelf<(TenantId, u32), Xaes>,
    subjects: Shelf<(TenantId, SubjectId), Xaes>,
    data: Shelf<Claims, DataKey>,
    tallies: Tallies,
    nonces: Arc<Nonces>,
    lanes: [Mutex<()>; LANES],
    unreachable: Mutex<Option<Timestamp>>,
    uses: Uses,
}

impl Keyring {
    /// A keyring over one provider.
    pub fn new(provider: Arc<dyn KeyProvider>, world: World, policy: CachePolicy) -> Self {
        Self {
            provider: Watched::new(provider, world.clone()),
            nonces: Arc::new(Nonces::new(world.clone())),
            world,
            policy,
            tenants: Shelf::new(policy.most_keys),
            subjects: Shelf::new(policy.most_keys),
            data: Shelf::new(policy.most_keys),
            tallies: Tallies::new(policy.most_keys.saturating_mul(TALLIES)),
            lanes: Default::default(),
            unreachable: Mutex::new(None),
            uses: Uses::default(),
        }
    }

    /// The provider, for people.
    pub fn provider(&self) -> ProviderInfo {
        self.provider.describe()
    }

    /// Whether the provider could wrap and unwrap now.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn health(&self) -> Result<(), ProviderError> {
        self.provider.health()
    }

    /// How the provider has done since this keyring began: its failures and its latency.
    pub fn provider_record(&self) -> ProviderRecord {
        self.provider.record()
    }

    /// What happens while the provider is out of order: keys already unwrapped serve until this moment,
    /// and the first tenant is refused then. `None` when no tenant's key is kept: then every tenant is
    /// refused already.
    pub fn serves_until(&self) -> Option<Timestamp> {
        let first = self.tenants.least(|kept| kept.vouched)?;
        Some(first.after(self.policy.lifetime.saturating_add(self.policy.grace)))
    }

    /// How often the root key was used for a tenant's keys since this was last asked, for the audit log.
    pub fn take_uses(&self, tenant: TenantId) -> Vec<RootUse> {
        self.uses.take(tenant)
    }

    /// Asks the provider, and not the cache, whether it opens a version of a tenant's key.
    ///
    /// # Errors
    /// When it does not help, or the key is not the one committed to.
    pub fn vouch(&self, row: &WrappedTenantKey) -> Result<(), VaultError> {
        self.tenant_key_bytes(row).map(drop)
    }

    /// Makes a version of a tenant's key, wrapped by the root key, and unwraps it once to be sure.
    ///
    /// # Errors
    /// When the provider does not help.
    pub fn new_tenant_key(&self, tenant: TenantId, version: u32) -> Result<WrappedTenantKey, VaultError> {
        self.wrap_tenant_key(&KeyBytes::generate(&self.world), WrapContext { tenant, version })
    }

    /// Makes the key of a person who chats.
    ///
    /// # Errors
    /// When the tenant key cannot be unwrapped.
    pub fn new_subject_key(
        &self,
        tenant: &WrappedTenantKey,
        subject: SubjectId,
    ) -> Result<WrappedSubjectKey, VaultError> {
        let mut row = WrappedSubjectKey {
            tenant: tenant.tenant,
            subject,
            wrapped_by: tenant.version,
            blob: Vec::new(),
            commitment: [0; 32],
        };
        let key = KeyBytes::generate(&self.world);
        row.commitment = key.commitment(&row.commitment_context())?;
        row.blob = self.wrap(&self.tenant_key(tenant)?.key, &row.aad(), &key)?;
        Ok(row)
    }

    /// Makes a data key: under the subject's key when one is given, else under the tenant's.
    /// `generation` counts from 1.
    ///
    /// # Errors
    /// When a key above it cannot be unwrapped, or the rows do not belong together.
    pub fn new_data_key(
        &self,
        tenant: &WrappedTenantKey,
        subject: Option<&WrappedSubjectKey>,
        purpose: Purpose,
        generation: u32,
    ) -> Result<WrappedDataKey, VaultError> {
        let wrapped_by = match subject {
            Some(subject) => WrappedBy::Subject(subject.subject),
            None => WrappedBy::Tenant(tenant.version),
        };
        let mut row = WrappedDataKey {
            tenant: tenant.tenant,
            key_id: self.world.id(),
            purpose,
            generation,
            wrapped_by,
            blob: Vec::new(),
            commitment: [0; 32],
        };
        let key = KeyBytes::generate(&self.world);
        row.commitment = key.commitment(&row.commitment_context())?;
        row.blob = self.wrap(&self.parent(tenant, subject)?.key, &row.aad(), &key)?;
        Ok(row)
    }

    /// The data key at the end of a chain: from the cache, or unwrapped and checked.
    ///
    /// # Errors
    /// When the rows do not belong together, a key does not open, or is not the one committed to, or
    /// the provider does not help.
    pub fn data_key(&self, chain: &KeyChain<'_>) -> Result<Arc<DataKey>, VaultError> {
        let row = chain.data;
        linked(chain)?;
        if let Some(kept) = self.data.get(&claims(row))
            && self.policy.age(kept.vouched, self.world.now()) == Age::Fresh
            && bool::from(kept.commitment.ct_eq(&row.commitment))
        {
            return Ok(kept.key);
        }
        let parent = self.parent(chain.tenant, chain.subject)?;
        let key = data_key_bytes(&parent.key, row)?;
        let key =
            DataKey::new(row.key_id, row.tenant, row.purpose, row.generation, key, Arc::clone(&self.nonces))?;
        let key = key.counted_by(self.tallies.of(row.key_id));
        let kept = Kept { key: Arc::new(key), commitment: row.commitment, vouched: parent.vouched };
        self.data.put(claims(row), kept.clone());
        Ok(kept.key)
    }

    /// Wraps a tenant key anew: under the same provider after its root key was rotated there, or under
    /// another keyring's provider. The key stays the same, and so do its commitment and all below it.
    ///
    /// # Errors
    /// When either provider does not help, or the key is not the one committed to.
    pub fn rewrap_tenant_key(
        &self,
        row: &WrappedTenantKey,
        to: &Keyring,
    ) -> Result<WrappedTenantKey, VaultError> {
        to.wrap_tenant_key(&self.tenant_key_bytes(row)?, row.context())
    }

    /// Wraps a subject key anew, from one version of the tenant's key to another. The key stays the
    /// same, and so do its commitment and all data keys below it.
    ///
    /// # Errors
    /// When a key does not open, is not the one committed to, or the rows do not belong together.
    pub fn rewrap_subject_key(
        &self,
        from: &WrappedTenantKey,
        row: &WrappedSubjectKey,
        to: &WrappedTenantKey,
    ) -> Result<WrappedSubjectKey, VaultError> {
        same_tenant(from.tenant, to.tenant)?;
        subject_linked(from, row)?;
        let key = subject_key_bytes(&self.tenant_key(from)?.key, row)?;
        let mut new = WrappedSubjectKey { wrapped_by: to.version, ..row.clone() };
        new.blob = self.wrap(&self.tenant_key(to)?.key, &new.aad(), &key)?;
        Ok(new)
    }

    /// Wraps a data key anew, from one version of the tenant's key to another. The key stays the same,
    /// and so do its commitment and all records. A data key under a subject key needs none of this:
    /// wrap the subject key anew.
    ///
    /// # Errors
    /// When a key does not open, is not the one committed to, or the rows do not belong together.
    pub fn rewrap_data_key(
        &self,
        chain: &KeyChain<'_>,
        to: &WrappedTenantKey,
    ) -> Result<WrappedDataKey, VaultError> {
        same_tenant(chain.tenant.tenant, to.tenant)?;
        linked(chain)?;
        if chain.subject.is_some() {
            return Err(VaultError::BrokenChain {
                why: "a data key under a subject key follows that key; wrap the subject key anew",
            });
        }
        let key = data_key_bytes(&self.tenant_key(chain.tenant)?.key, chain.data)?;
        let mut new = WrappedDataKey { wrapped_by: WrappedBy::Tenant(to.version), ..chain.data.clone() };
        new.blob = self.wrap(&self.tenant_key(to)?.key, &new.aad(), &key)?;
        Ok(new)
    }

    /// Asks the provider whether a tenant's key unwraps and is the one committed to, whatever is kept.
    ///
    /// # Errors
    /// When it is not, or the provider does not help.
    pub fn check_tenant_key(&self, row: &WrappedTenantKey) -> Result<(), VaultError> {
        self.tenant_key_bytes(row).map(drop)
    }

    /// Whether a subject's key unwraps under its tenant's and is the one committed to.
    ///
    /// # Errors
    /// When it is not, or the rows do not belong together.
    pub fn check_subject_key(
        &self,
        tenant: &WrappedTenantKey,
        row: &WrappedSubjectKey,
    ) -> Result<(), VaultError> {
        subject_linked(tenant, row)?;
        subject_key_bytes(&self.tenant_key(tenant)?.key, row).map(drop)
    }

    /// Lets go of every unwrapped key of a tenant, for example because a version was destroyed.
    pub fn forget_tenant(&self, tenant: TenantId) {
        self.tenants.retain(|(of, _), _| *of != tenant);
        self.subjects.retain(|(of, _), _| *of != tenant);
        self.data.retain(|_, kept| kept.key.tenant() != tenant);
    }

    /// Lets go of a subject's key and of every data key of the tenant: call it when the subject is
    /// erased. The tenant's other data keys are unwrapped again when they are next needed.
    ///
    /// Delete the rows first. A call that read them earlier and comes later puts the key back for one
    /// lifetime, and other processes have caches of their own.
    pub fn forget_subject(&self, tenant: TenantId, subject: SubjectId) {
        self.subjects.retain(|id, _| *id != (tenant, subject));
        self.data.retain(|_, kept| kept.key.tenant() != tenant);
    }

    /// Lets go of every unwrapped key.
    pub fn forget_all(&self) {
        self.tenants.retain(|_, _| false);
        self.subjects.retain(|_, _| false);
        self.data.retain(|_, _| false);
    }

    /// How many unwrapped keys are kept now: tenant keys, subject keys, data keys.
    pub fn kept(&self) -> [usize; 3] {
        [self.tenants.len(), self.subjects.len(), self.data.len()]
    }

    /// The key right above a data key.
    fn parent(
        &self,
        tenant: &WrappedTenantKey,
        subject: Option<&WrappedSubjectKey>,
    ) -> Result<Kept<Xaes>, VaultError> {
        let Some(row) = subject else { return self.tenant_key(tenant) };
        subject_linked(tenant, row)?;
        let id = (row.tenant, row.subject);
        if let Some(kept) = self.subjects.get(&id)
            && self.policy.age(kept.vouched, self.world.now()) == Age::Fresh
            && bool::from(kept.commitment.ct_eq(&row.commitment))
        {
            return Ok(kept);
        }
        let above = self.tenant_key(tenant)?;
        let key = wrapping(&subject_key_bytes(&above.key, row)?)?;
        let kept = Kept { key: Arc::new(key), commitment: row.commitment, vouched: above.vouched };
        self.subjects.put(id, kept.clone());
        Ok(kept)
    }

    /// A tenant's wrapping key: from the cache, from the provider, or, while the provider cannot be
    /// reached, from the cache for as long as the policy's grace lasts.
    fn tenant_key(&self, row: &WrappedTenantKey) -> Result<Kept<Xaes>, VaultError> {
        if let (Some(kept), Age::Fresh) = self.kept_tenant(row) {
            return Ok(kept);
        }
        // One thread asks the provider for a key; the others wait for its answer, not in a crowd.
        let _lane = self.lane(row.tenant);
        let (kept, age) = self.kept_tenant(row);
        let refused = match (kept, age) {
            (Some(kept), Age::Fresh) => return Ok(kept),
            (kept, age) => match self.tenant_key_bytes(row) {
                Ok(key) => {
                    let (key, vouched) = (Arc::new(wrapping(&key)?), self.world.now());
                    let kept = Kept { key, commitment: row.commitment, vouched };
                    self.tenants.put((row.tenant, row.version), kept.clone());
                    return Ok(kept);
                }
                Err(error) => match kept {
                    Some(kept) if error.is_transient() && age == Age::Stale => return Ok(kept),
                    Some(_) if error.is_transient() => self.grace_is_over(&error),
                    _ => error,
                },
            },
        };
        // Refused, or out of reach for too long: nothing of this tenant's may be used any more.
        self.forget_tenant(row.tenant);
        Err(refused)
    }

    fn grace_is_over(&self, error: &VaultError) -> VaultError {
        let cause = match error {
            VaultError::Provider(ProviderError::Unavailable { why } | ProviderError::Failed { why }) => why,
            _ => "",
        };
        let grace = self.policy.grace.as_secs();
        let why = format!("{cause}; the grace of {grace} seconds for keys already unwrapped is over");
        ProviderError::Unavailable { why }.into()
    }

    fn kept_tenant(&self, row: &WrappedTenantKey) -> (Option<Kept<Xaes>>, Age) {
        match self.tenants.get(&(row.tenant, row.version)) {
            Some(kept) if kept.commitment.ct_eq(&row.commitment).into() => {
                let age = self.policy.age(kept.vouched, self.world.now());
                (Some(kept), age)
            }
            _ => (None, Age::Expired),
        }
    }

    /// Asks the provider for a tenant key, unless it was out of reach a moment ago.
    fn tenant_key_bytes(&self, row: &WrappedTenantKey) -> Result<KeyBytes, VaultError> {
        let now = self.world.now();
        if let Some(since) = *lock(&self.unreachable)
            && now >= since
            && now.since(since) < self.policy.pause
        {
            let why = "it was out of order a moment ago".to_owned();
            return Err(ProviderError::Unavailable { why }.into());
        }
        let context = row.context();
        let answer = self.uses.count(&context, "unwrap", self.provider.unwrap(&row.blob, &context));
        *lock(&self.unreachable) = match &answer {
            Err(error) if error.is_outage() => Some(self.world.now()),
            _ => None,
        };
        let key = answer?;
        key.check(&row.commitment_context(), &row.commitment)?;
        Ok(key)
    }

    fn wrap_tenant_key(&self, key: &KeyBytes, context: WrapContext) -> Result<WrappedTenantKey, VaultError> {
        let blob = self.uses.count(&context, "wrap", self.provider.wrap(key, &context))?;
        // Data sealed below a key that cannot be unwrapped again would be lost, so look before use.
        if !bool::from(self.provider.unwrap(&blob, &context)?.expose().ct_eq(key.expose())) {
            let why = "what it wrapped does not unwrap to the same key".to_owned();
            return Err(ProviderError::Failed { why }.into());
        }
        let commitment = key.commitment(&tenant_commitment(&context))?;
        Ok(WrappedTenantKey { tenant: context.tenant, version: context.version, blob, commitment })
    }

    /// Wraps one key by another.
    fn wrap(&self, by: &Xaes, aad: &[u8], key: &KeyBytes) -> Result<Vec<u8>, VaultError> {
        let nonce: [u8; NONCE] = self.world.bytes();
        let mut text = Zeroizing::new(*key.expose());
        let tag = by.seal(&nonce, aad, text.as_mut_slice())?;
        Ok([&[VERSION][..], &nonce, text.as_slice(), &tag].concat())
    }

    fn lane(&self, tenant: TenantId) -> Option<MutexGuard<'_, ()>> {
        use kernel::Id;
        // The last byte of a UUIDv7 is random.
        let lane = usize::from(tenant.to_bytes().last().copied().unwrap_or(0)) % LANES;
        self.lanes.get(lane).map(lock)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({}, {:?} keys kept)", self.provider(), self.kept())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wrapping(key: &KeyBytes) -> Result<Xaes, VaultError> {
    Xaes::new(&key.derive(WRAP, "")?)
}

fn subject_key_bytes(by: &Xaes, row: &WrappedSubjectKey) -> Result<KeyBytes, VaultError> {
    let key =
        unwrap(by, &row.aad(), &row.blob)?.ok_or(VaultError::SubjectKeyRefused { subject: row.subject })?;
    key.check(&row.commitment_context(), &row.commitment)?;
    Ok(key)
}

fn data_key_bytes(by: &Xaes, row: &WrappedDataKey) -> Result<KeyBytes, VaultError> {
    let key = unwrap(by, &row.aad(), &row.blob)?.ok_or(VaultError::DataKeyRefused { key: row.key_id })?;
    key.check(&row.commitment_context(), &row.commitment)?;
    Ok(key)
}

/// Unwraps one key by another; `None` when it does not open.
fn unwrap(by: &Xaes, aad: &[u8], blob: &[u8]) -> Result<Option<KeyBytes>, VaultError> {
    let found = blob.len();
    let (version, rest) = blob.split_first().ok_or(VaultError::Truncated { found, least: BLOB })?;
    if *version != VERSION {
        return Err(VaultError::UnknownVersion { found: *version });
    }
    let (nonce, text) = match rest.split_first_chunk::<NONCE>() {
        Some(parts) if found == BLOB => parts,
        _ if found > BLOB => return Err(VaultError::Length { found }),
        _ => return Err(VaultError::Truncated { found, least: BLOB }),
    };
    let mut text = Zeroizing::new(text.to_vec());
    Ok(by.open(nonce, aad, &mut text)?.and_then(|key| KeyBytes::from_slice(key)))
}

fn linked(chain: &KeyChain<'_>) -> Result<(), VaultError> {
    let KeyChain { tenant, subject, data } = chain;
    same_tenant(tenant.tenant, data.tenant)?;
    let fits = match (subject, data.wrapped_by) {
        (Some(subject), WrappedBy::Subject(by)) => {
            subject_linked(tenant, subject)?;
            subject.subject == by
        }
        (None, WrappedBy::Tenant(version)) => version == tenant.version,
        _ => false,
    };
    let why = "another key wraps the data key";
    if fits { Ok(()) } else { Err(VaultError::BrokenChain { why }) }
}

fn subject_linked(tenant: &WrappedTenantKey, subject: &WrappedSubjectKey) -> Result<(), VaultError> {
    same_tenant(tenant.tenant, subject.tenant)?;
    let why = "another version of the tenant's key wraps the subject key";
    if subject.wrapped_by == tenant.version { Ok(()) } else { Err(VaultError::BrokenChain { why }) }
}

fn same_tenant(one: TenantId, other: TenantId) -> Result<(), VaultError> {
    let why = "its keys are not of one tenant";
    if one == other { Ok(()) } else { Err(VaultError::BrokenChain { why }) }
}

#[cfg(test)]
mod salamander;
