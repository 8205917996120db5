//! Two root keys at once, for as long as tenant keys are on their way from one to the other.

use std::sync::Arc;

use crate::KeyBytes;
use crate::provider::{KeyProvider, ProviderError, ProviderInfo, WrapContext};

/// Unwraps with either of two root keys, and wraps with the first.
///
/// A wrapped key says nothing that could be trusted about who wrapped it, so both are asked, the first
/// one first; what neither opens is refused with the first one's reason, unless the second one could
/// not be reached and may yet open it.
#[derive(Debug)]
pub struct TwoRoots {
    present: Arc<dyn KeyProvider>,
    next: Arc<dyn KeyProvider>,
}

impl TwoRoots {
    /// The root key in use, and the one to move to.
    pub fn new(present: Arc<dyn KeyProvider>, next: Arc<dyn KeyProvider>) -> Self {
        Self { present, next }
    }
}

impl KeyProvider for TwoRoots {
    fn describe(&self) -> ProviderInfo {
        self.present.describe()
    }

    fn wrap(&self, key: &KeyBytes, context: &WrapContext) -> Result<Vec<u8>, ProviderError> {
        self.present.wrap(key, context)
    }

    fn unwrap(&self, blob: &[u8], context: &WrapContext) -> Result<KeyBytes, ProviderError> {
        let first = match self.present.unwrap(blob, context) {
            Ok(key) => return Ok(key),
            Err(error) => error,
        };
        match self.next.unwrap(blob, context) {
            Ok(key) => Ok(key),
            Err(second) if second.is_outage() => Err(second),
            Err(_) => Err(first),
        }
    }

    fn health(&self) -> Result<(), ProviderError> {
        self.present.health()?;
        self.next.health()
    }
}
