//! A small house with one tenant, one subject and their keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use kernel::{ConversationId, Id, ManualClock, MessageId, Timestamp, World};
use tempfile::TempDir;
use vault::{
    CachePolicy, Column, DataKey, FileRoot, KeyBytes, KeyChain, KeyProvider, Keyring, Place, ProviderError,
    ProviderInfo, Purpose, Table, WrapContext, WrappedDataKey, WrappedSubjectKey, WrappedTenantKey,
};

pub(crate) const BODY: Column = Column::new(3);
pub(crate) const MESSAGES: Table = Table::new(7);

pub(crate) struct House {
    pub(crate) dir: TempDir,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) world: World,
    pub(crate) root: Arc<Switch>,
    pub(crate) keyring: Keyring,
    pub(crate) tenant: WrappedTenantKey,
    pub(crate) subject: WrappedSubjectKey,
    pub(crate) data: WrappedDataKey,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(CachePolicy::default())
    }

    pub(crate) fn with(policy: CachePolicy) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_795_000_000_000)));
        let world = World::rehearsal(Arc::clone(&clock), 7);
        let file = FileRoot::create(dir.path().join("root.key"), world.clone()).unwrap();
        let root = Arc::new(Switch { file, state: AtomicU8::new(UP), unwraps: AtomicUsize::new(0) });
        let keyring = Keyring::new(Arc::clone(&root) as Arc<dyn KeyProvider>, world.clone(), policy);
        let tenant = keyring.new_tenant_key(world.id(), 1).unwrap();
        let subject = keyring.new_subject_key(&tenant, world.id()).unwrap();
        let data = keyring.new_data_key(&tenant, Some(&subject), Purpose::Conversation, 1).unwrap();
        Self { dir, clock, world, root, keyring, tenant, subject, data }
    }

    pub(crate) fn chain(&self) -> KeyChain<'_> {
        KeyChain { tenant: &self.tenant, subject: Some(&self.subject), data: &self.data }
    }

    pub(crate) fn key(&self) -> Arc<DataKey> {
        self.keyring.data_key(&self.chain()).unwrap()
    }

    pub(crate) fn place(&self) -> Place {
        Place::new(self.tenant.tenant, MESSAGES, id::<ConversationId>(1), BODY)
            .seq(12)
            .second(id::<MessageId>(2))
            .role(1)
            .content_type(1)
            .created(Timestamp::from_millis(1_795_000_000_001))
    }
}

fn id<T: Id>(byte: u8) -> [u8; 16] {
    T::from_bytes([byte; 16]).to_bytes()
}

pub(crate) const UP: u8 = 0;
pub(crate) const UNREACHABLE: u8 = 1;
pub(crate) const DENIED: u8 = 2;
pub(crate) const RUBBISH: u8 = 3;

/// A file root that can be pulled out of the wall, and counts.
#[derive(Debug)]
pub(crate) struct Switch {
    file: FileRoot,
    state: AtomicU8,
    unwraps: AtomicUsize,
}

impl Switch {
    pub(crate) fn set(&self, state: u8) {
        self.state.store(state, Ordering::SeqCst);
    }

    pub(crate) fn unwraps(&self) -> usize {
        self.unwraps.load(Ordering::SeqCst)
    }

    fn state(&self) -> Result<(), ProviderError> {
        match self.state.load(Ordering::SeqCst) {
            UP => Ok(()),
            UNREACHABLE => Err(ProviderError::Unavailable { why: "connection refused".to_owned() }),
            RUBBISH => Err(ProviderError::Failed { why: "its answer makes no sense".to_owned() }),
            _ => Err(ProviderError::Denied { why: "the key is disabled".to_owned() }),
        }
    }
}

impl KeyProvider for Switch {
    fn describe(&self) -> ProviderInfo {
        self.file.describe()
    }

    fn wrap(&self, key: &KeyBytes, context: &WrapContext) -> Result<Vec<u8>, ProviderError> {
        self.state()?;
        self.file.wrap(key, context)
    }

    fn unwrap(&self, blob: &[u8], context: &WrapContext) -> Result<KeyBytes, ProviderError> {
        self.unwraps.fetch_add(1, Ordering::SeqCst);
        self.state()?;
        self.file.unwrap(blob, context)
    }

    fn health(&self) -> Result<(), ProviderError> {
        self.state()?;
        self.file.health()
    }
}
