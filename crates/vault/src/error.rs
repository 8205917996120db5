//! What can go wrong in the vault. No variant carries content or key bytes.

use kernel::{KeyId, SubjectId, TenantId};

use crate::provider::ProviderError;

/// Why the vault refused. Each refusal has its own variant, because an operator mends each one
/// differently; what an outsider may learn is decided at the door, not here.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The root key's provider refused or could not be reached.
    #[error("the key provider did not help")]
    Provider(#[from] ProviderError),

    /// The first byte of a record or wrapped key names a version that this build does not know.
    #[error("version {found} of a sealed record is not known to this build")]
    UnknownVersion {
        /// The version found.
        found: u8,
    },

    /// A record or wrapped key is shorter than the shortest one.
    #[error("a sealed record has {found} bytes; the shortest has {least}")]
    Truncated {
        /// Bytes found.
        found: usize,
        /// Bytes of the shortest record.
        least: usize,
    },

    /// A record has a length that no sealed value has: bytes were lost or added.
    #[error("a sealed record has {found} bytes, which is not a length of any sealed value")]
    Length {
        /// Bytes found.
        found: usize,
    },

    /// The value, or the record, is larger than one record may be.
    #[error("a value of {found} bytes cannot be sealed as one record; {max} are allowed")]
    TooLarge {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        max: usize,
    },

    /// The seal does not hold: the record was changed, or this is not its place, or not its key.
    #[error("the record does not open in this place under this key")]
    Refused,

    /// A chunk of a sealed stream was changed, moved, left out or cut off.
    #[error("chunk {chunk} of a sealed stream does not open: it was changed, moved or cut off")]
    ChunkRefused {
        /// Its number, from 0.
        chunk: u64,
    },

    /// The place belongs to another tenant than the key.
    #[error("the key is tenant {key}'s, the record's place is tenant {place}'s")]
    WrongTenant {
        /// Whose key it is.
        key: TenantId,
        /// Whose place it is.
        place: TenantId,
    },

    /// The seal held, but the bytes inside are not a value of the type asked for.
    #[error("the record opened, but it does not hold a valid {what}")]
    Content {
        /// The type asked for.
        what: &'static str,
    },

    /// The value cannot be turned into bytes.
    #[error("the {what} cannot be written as bytes")]
    Unwritable {
        /// The type.
        what: &'static str,
    },

    /// A wrapped subject key does not open under the tenant key it is said to be wrapped by.
    #[error("the wrapped key of subject {subject} does not open under its tenant's key")]
    SubjectKeyRefused {
        /// The subject.
        subject: SubjectId,
    },

    /// A wrapped data key does not open under the key it is said to be wrapped by.
    #[error("the wrapped data key {key} does not open under the key above it")]
    DataKeyRefused {
        /// The data key.
        key: KeyId,
    },

    /// A key was unwrapped, but it is not the one that was committed to when it was made.
    #[error("the unwrapped key is not the one its stored commitment stands for")]
    CommitmentMismatch,

    /// The rows of a key chain do not belong together: other tenant, other version, other subject.
    #[error("the rows of the key chain do not belong together: {why}")]
    BrokenChain {
        /// Which link does not fit.
        why: &'static str,
    },

    /// The cryptographic library failed at something that does not fail.
    #[error("the cryptographic library failed")]
    Library,
}

impl VaultError {
    /// Whether trying again later can help, because only the provider was out of order.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Provider(error) if error.is_outage())
    }
}
