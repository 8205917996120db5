//! Wrapped keys: the rows that the store keeps. They are not secret; each is worthless without the key
//! above it. Their fields are plain because opening, and not holding them, is what proves them.

use std::fmt;

use kernel::{Id, KeyId, SubjectId, TenantId};

use crate::provider::WrapContext;

/// What a data key is for. The numbers are stored and never change meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum Purpose {
    /// The messages of one conversation.
    Conversation = 1,
    /// Tickets and their notes.
    Ticket = 2,
    /// The settings of a tenant.
    Settings = 3,
    /// Secrets that a tenant entrusts: connector credentials, signing seeds, shared keys.
    Secrets = 4,
    /// The details of audit entries.
    Ledger = 5,
    /// Backups.
    Backup = 6,
    /// Names, addresses and factors of staff.
    Identity = 7,
    /// The sources and releases of bots.
    Bots = 8,
    /// Blind-index tokens; such a key is never renewed without indexing anew.
    Index = 9,
    /// The MACs that bind rows; such a key is never renewed without binding anew.
    Rows = 10,
}

impl Purpose {
    /// Every purpose there is.
    pub const ALL: [Purpose; 10] = [
        Self::Conversation,
        Self::Ticket,
        Self::Settings,
        Self::Secrets,
        Self::Ledger,
        Self::Backup,
        Self::Identity,
        Self::Bots,
        Self::Index,
        Self::Rows,
    ];

    /// The number that is stored.
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// The purpose with this number.
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.code() == code)
    }
}

/// One version of a tenant's key, wrapped by the root key.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedTenantKey {
    /// Whose key.
    pub tenant: TenantId,
    /// Its version, counted from 1.
    pub version: u32,
    /// What the provider made of it.
    pub blob: Vec<u8>,
    /// The commitment to the key.
    pub commitment: [u8; 32],
}

impl WrappedTenantKey {
    /// What the provider binds it to.
    pub fn context(&self) -> WrapContext {
        WrapContext { tenant: self.tenant, version: self.version }
    }

    pub(crate) fn commitment_context(&self) -> Vec<u8> {
        tenant_commitment(&self.context())
    }
}

/// The key of one person who chats, wrapped by a tenant key. When it is destroyed, what that person
/// wrote cannot be read again.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedSubjectKey {
    /// Whose data.
    pub tenant: TenantId,
    /// Who.
    pub subject: SubjectId,
    /// The version of the tenant key that wraps it.
    pub wrapped_by: u32,
    /// `version 1 | nonce 24 | key 32 | tag 16`, encrypted.
    pub blob: Vec<u8>,
    /// The commitment to the key; it stays the same when the key is wrapped anew.
    pub commitment: [u8; 32],
}

impl WrappedSubjectKey {
    pub(crate) fn aad(&self) -> Vec<u8> {
        let mut aad = b"wardroom/1/subject-key\0".to_vec();
        aad.extend_from_slice(&self.tenant.to_bytes());
        aad.extend_from_slice(&self.subject.to_bytes());
        aad.extend_from_slice(&self.wrapped_by.to_be_bytes());
        aad
    }

    pub(crate) fn commitment_context(&self) -> Vec<u8> {
        commitment_context(2, self.tenant, self.subject.to_bytes(), 0, 0, None)
    }
}

/// The key that wraps a data key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WrappedBy {
    /// This version of the tenant's key.
    Tenant(u32),
    /// The key of this subject, whatever tenant key wraps that one.
    Subject(SubjectId),
}

impl WrappedBy {
    /// The tenant key's version when it wraps directly; `None` under a subject key.
    pub fn tenant_version(self) -> Option<u32> {
        match self {
            Self::Tenant(version) => Some(version),
            Self::Subject(_) => None,
        }
    }

    /// The subject when a subject key wraps.
    pub fn subject(self) -> Option<SubjectId> {
        match self {
            Self::Tenant(_) => None,
            Self::Subject(subject) => Some(subject),
        }
    }
}

/// A data key, wrapped by a subject key or a tenant key.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedDataKey {
    /// Whose data.
    pub tenant: TenantId,
    /// The key's id.
    pub key_id: KeyId,
    /// What it is for.
    pub purpose: Purpose,
    /// How many keys for the same rows came before it, plus one.
    pub generation: u32,
    /// What wraps it.
    pub wrapped_by: WrappedBy,
    /// `version 1 | nonce 24 | key 32 | tag 16`, encrypted.
    pub blob: Vec<u8>,
    /// The commitment to the key; it stays the same when the key is wrapped anew.
    pub commitment: [u8; 32],
}

impl WrappedDataKey {
    pub(crate) fn aad(&self) -> Vec<u8> {
        let mut aad = b"wardroom/1/data-key\0".to_vec();
        aad.extend_from_slice(&self.tenant.to_bytes());
        aad.extend_from_slice(&self.key_id.to_bytes());
        aad.extend_from_slice(&self.purpose.code().to_be_bytes());
        aad.extend_from_slice(&self.generation.to_be_bytes());
        let (by, version, subject) = match self.wrapped_by {
            WrappedBy::Tenant(version) => (1, version, [0; 16]),
            WrappedBy::Subject(subject) => (2, 0, subject.to_bytes()),
        };
        aad.push(by);
        aad.extend_from_slice(&version.to_be_bytes());
        aad.extend_from_slice(&subject);
        aad
    }

    /// Says whose key it is, but not which tenant key version wraps it: that changes with rotation.
    pub(crate) fn commitment_context(&self) -> Vec<u8> {
        let (id, purpose) = (self.key_id.to_bytes(), self.purpose.code());
        commitment_context(3, self.tenant, id, purpose, self.generation, self.wrapped_by.subject())
    }
}

/// What a tenant key's commitment binds besides the key.
pub(crate) fn tenant_commitment(context: &WrapContext) -> Vec<u8> {
    commitment_context(1, context.tenant, [0; 16], 0, context.version, None)
}

fn commitment_context(
    level: u8,
    tenant: TenantId,
    id: [u8; 16],
    purpose: u16,
    number: u32,
    subject: Option<SubjectId>,
) -> Vec<u8> {
    let mut context = b"wardroom/1/commitment\0".to_vec();
    context.push(level);
    context.extend_from_slice(&tenant.to_bytes());
    context.extend_from_slice(&id);
    context.extend_from_slice(&purpose.to_be_bytes());
    context.extend_from_slice(&number.to_be_bytes());
    context.push(u8::from(subject.is_some()));
    context.extend_from_slice(&subject.map_or([0; 16], Id::to_bytes));
    context
}

impl fmt::Debug for WrappedTenantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedTenantKey(tenant {}, version {})", self.tenant, self.version)
    }
}

impl fmt::Debug for WrappedSubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedSubjectKey(subject {}, by version {})", self.subject, self.wrapped_by)
    }
}

impl fmt::Debug for WrappedDataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedDataKey({}, {:?}, generation {})", self.key_id, self.purpose, self.generation)
    }
}
