//! The root key's provider: the one thing in the hierarchy that is not ours. It wraps and unwraps
//! tenant keys and never sees a message or a data key.

use std::fmt;

use kernel::{Id, TenantId};

use crate::KeyBytes;

/// Keeps a root key and wraps tenant keys with it: a file, a passphrase, an HSM, a cloud KMS.
///
/// Calls block, some of them on a network; they are made from blocking threads. A provider makes its
/// own bounds on time, at most a few seconds for each call.
pub trait KeyProvider: Send + Sync + fmt::Debug {
    /// What kind of provider this is and which key it uses, for people.
    fn describe(&self) -> ProviderInfo;

    /// Wraps a tenant key, bound to its context.
    ///
    /// # Errors
    /// When the provider cannot be reached, or refuses.
    fn wrap(&self, key: &KeyBytes, context: &WrapContext) -> Result<Vec<u8>, ProviderError>;

    /// Unwraps a tenant key. It must refuse when the context is not the one it was wrapped with.
    ///
    /// # Errors
    /// When the provider cannot be reached, or refuses.
    fn unwrap(&self, blob: &[u8], context: &WrapContext) -> Result<KeyBytes, ProviderError>;

    /// Whether the provider could wrap and unwrap now.
    ///
    /// # Errors
    /// What stands in the way.
    fn health(&self) -> Result<(), ProviderError>;
}

/// What a provider is, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderInfo {
    /// The kind, for example `file`.
    pub kind: &'static str,
    /// Which root key: a path, a label, an ARN. Never a secret.
    pub key: String,
}

impl fmt::Display for ProviderInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.key)
    }
}

/// What a wrapped tenant key is bound to. Tenant ids are unique across deployments, so the context of
/// one deployment never fits another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrapContext {
    /// Whose key.
    pub tenant: TenantId,
    /// Which version of it.
    pub version: u32,
}

impl WrapContext {
    /// The context as additional authenticated data: fixed width, so no two contexts are alike.
    pub fn aad(&self) -> Vec<u8> {
        let mut aad = b"wardroom/1/tenant-key\0".to_vec();
        aad.extend_from_slice(&self.tenant.to_bytes());
        aad.extend_from_slice(&self.version.to_be_bytes());
        aad
    }

    /// The context as named values, for providers that take those (the AWS encryption context).
    pub fn pairs(&self) -> [(&'static str, String); 3] {
        [
            ("wardroom:key", "tenant-key/1".to_owned()),
            ("wardroom:tenant", self.tenant.to_string()),
            ("wardroom:version", self.version.to_string()),
        ]
    }
}

/// Why a provider did not help.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// It cannot be reached now; trying again later can help.
    #[error("the key provider cannot be reached: {why}")]
    Unavailable {
        /// What was seen, without secrets.
        why: String,
    },
    /// It may not be used: no permission, or the key is disabled there.
    #[error("the key provider denies the use of its key: {why}")]
    Denied {
        /// What was seen, without secrets.
        why: String,
    },
    /// The tenant key was wrapped by another root key than the one in use.
    #[error("this root key ({ours}) is not the one these tenant keys were wrapped with ({theirs})")]
    WrongRoot {
        /// The check value of the root key in use.
        ours: String,
        /// The check value of the root key that wrapped.
        theirs: String,
    },
    /// The passphrase does not belong to this root.
    #[error("the passphrase is not the one this root was made with")]
    WrongPassphrase,
    /// The wrapped tenant key was changed, or belongs to another tenant or version.
    #[error("the wrapped tenant key does not open for this tenant and version")]
    Refused,
    /// The wrapped tenant key is not one of this provider's.
    #[error("the wrapped tenant key is not in this provider's format: {why}")]
    Malformed {
        /// What is wrong with it.
        why: &'static str,
    },
    /// The root key's file, passphrase or settings are not acceptable.
    #[error("the root key cannot be used: {why}")]
    Unsafe {
        /// What is wrong, and how to put it right.
        why: String,
    },
    /// The provider answered with something that makes no sense.
    #[error("the key provider failed: {why}")]
    Failed {
        /// What was seen, without secrets.
        why: String,
    },
}

impl ProviderError {
    /// Whether the provider is out of order: out of reach, or answering with something that makes no
    /// sense. Trying again later can help, and keys that were unwrapped before may be used for the
    /// grace of the [`CachePolicy`](crate::CachePolicy). A provider that says no is not out of order.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Failed { .. })
    }

    /// Whether the provider did not do its duty, for whatever reason. Refusing a wrapped key that does
    /// not open, or is not its own, is its duty.
    pub fn is_failure(&self) -> bool {
        !matches!(self, Self::Refused | Self::Malformed { .. })
    }
}
