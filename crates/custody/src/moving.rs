//! The move to another root key: each version of the tenant's key is opened by the root key that wrapped
//! it and wrapped by the other, one transaction each. The keys themselves stay what they are, so nothing
//! below them is touched and service goes on.

use std::sync::Arc;

use guard::Permit;
use guard::action::TendKeys;
use ledger::Token;
use ledger::catalogue::KeyMoved;
use store::key_requests;
use store::keys::{self, Version};
use store::{StoreError, Via};
use vault::Keyring;

use crate::{Custody, CustodyError, Inner};

/// The outcome of a move, or of what this call did for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The provider that wraps the keys now.
    pub provider: String,
    /// Versions that this call wrapped anew.
    pub versions: u32,
    /// Whether nothing is left with another provider.
    pub done: bool,
}

impl Custody {
    /// Carries out an approved move, or goes on with it. `None` when none is approved.
    ///
    /// # Errors
    /// When the root key to move to is not configured here, a provider does not help, or the store
    /// fails. What was moved stays moved, and the next call goes on.
    pub async fn carry_out_move(
        &self,
        permit: &Arc<Permit<TendKeys>>,
    ) -> Result<Option<Moved>, CustodyError> {
        let inner = &self.0;
        let tenant = inner.tenant;
        let Some(request) = inner.db.read(move |tx| key_requests::move_under_way(tx, tenant)).await? else {
            return Ok(None);
        };
        let meant = request.root.unwrap_or_default();
        // After the move the root key moved to becomes the configured one; whoever is restarted in the
        // middle goes on from there.
        let target = inner.roots().find(|root| root.provider().to_string() == meant).cloned();
        let target = target.ok_or(CustodyError::NoNext)?;
        let mut moved = Moved { provider: meant.clone(), versions: 0, done: false };
        // New versions may come while this goes on; a handful of rounds meets them all.
        for _ in 0..8 {
            let versions = inner.db.read(move |tx| keys::versions(tx, tenant)).await?;
            for version in versions.into_iter().filter(|version| version.provider != meant) {
                moved.versions += u32::from(inner.wrap_by(permit, version, &target).await?);
            }
            let (permit, root) = (Arc::clone(permit), meant.clone());
            let id = request.id;
            moved.done = inner.db.write(move |tx| key_requests::moved(tx, &permit, id, &root)).await?;
            if moved.done {
                break;
            }
        }
        Ok(Some(moved))
    }

    /// Wraps every version of the tenant's key anew by the root key in use: after that key was rotated at
    /// its provider.
    ///
    /// # Errors
    /// When the provider does not help, or the store fails.
    pub async fn rewrap_root(&self, permit: &Arc<Permit<TendKeys>>) -> Result<u32, CustodyError> {
        let inner = &self.0;
        let tenant = inner.tenant;
        let mut count = 0;
        for version in inner.db.read(move |tx| keys::versions(tx, tenant)).await? {
            let root = inner.root_of(&version.key).await?;
            count += u32::from(inner.wrap_by(permit, version, &root).await?);
        }
        Ok(count)
    }
}

impl Inner {
    /// Wraps one version by a root key. Gives false when somebody else was first.
    async fn wrap_by(
        &self,
        permit: &Arc<Permit<TendKeys>>,
        version: Version,
        to: &Arc<Keyring>,
    ) -> Result<bool, CustodyError> {
        let from = self.root_of(&version.key).await?;
        let (seen, target) = (version.key.clone(), Arc::clone(to));
        let new = Self::aside(move || Ok(from.rewrap_tenant_key(&seen, &target)?)).await?;
        let provider = to.provider().to_string();
        let event = KeyMoved { version: new.version, provider: Token::lossy(&provider) };
        let scribe = self.keys.scribe_of_custody(self.tenant).await?;
        let entry = scribe.write(&event, permit.actor(), &Via::default())?;
        let seen = version.key;
        let job = move |tx: &mut store::Tx<'_>| {
            let changed = keys::rewrapped_tenant_key(tx, &seen, &new, &provider)?;
            if changed {
                entry.append(tx)?;
            }
            Ok::<_, StoreError>(changed)
        };
        let changed = self.db.write(job).await?;
        // Kept rows still have the blob of before.
        self.keys.look_again(self.tenant);
        Ok(changed)
    }
}
