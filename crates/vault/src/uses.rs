//! How often the root key was used, for whom and with what outcome: for the audit log. Counted, not
//! listed, so that an outage cannot fill the memory.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use kernel::TenantId;

use crate::provider::{ProviderError, WrapContext};

/// The most kinds of use that are told apart between two looks.
const MOST: usize = 4096;

/// A use of the root key, and how many times it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootUse {
    /// Whose key was wrapped or unwrapped.
    pub tenant: TenantId,
    /// Which version of it.
    pub version: u32,
    /// `wrap` or `unwrap`.
    pub operation: &'static str,
    /// Why it failed, in one word, if it did.
    pub failed: Option<&'static str>,
    /// How many times.
    pub times: u64,
}

type Kind = (TenantId, u32, &'static str, Option<&'static str>);

/// The uses since somebody last looked.
#[derive(Default)]
pub(crate) struct Uses(Mutex<BTreeMap<Kind, u64>>);

impl Uses {
    /// Counts one use, and gives its outcome on.
    pub(crate) fn count<T>(
        &self,
        context: &WrapContext,
        operation: &'static str,
        outcome: Result<T, ProviderError>,
    ) -> Result<T, ProviderError> {
        let failed = outcome.as_ref().err().map(ProviderError::word);
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = (context.tenant, context.version, operation, failed);
        if uses.len() < MOST || uses.contains_key(&kind) {
            *uses.entry(kind).or_default() += 1;
        }
        outcome
    }

    /// The uses of one tenant's keys, which are then forgotten.
    pub(crate) fn take(&self, of: TenantId) -> Vec<RootUse> {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::new();
        uses.retain(|(tenant, version, operation, failed), times| {
            if *tenant == of {
                let (tenant, version, operation, failed) = (*tenant, *version, *operation, *failed);
                taken.push(RootUse { tenant, version, operation, failed, times: *times });
            }
            *tenant != of
        });
        taken
    }
}

impl fmt::Debug for Uses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Uses")
    }
}

impl ProviderError {
    /// The kind of error in one word, for the audit log.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "unavailable",
            Self::Denied { .. } => "denied",
            Self::WrongRoot { .. } => "wrong-root",
            Self::WrongPassphrase => "wrong-passphrase",
            Self::Refused => "refused",
            Self::Malformed { .. } => "malformed",
            Self::Unsafe { .. } => "unsafe",
            Self::Failed { .. } => "failed",
        }
    }
}
