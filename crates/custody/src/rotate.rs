//! A new version of the tenant's key. It is made by whichever root key opens the newest version, and
//! filed only if that version is still the newest and still wrapped as it was seen.

use std::sync::Arc;

use guard::Permit;
use guard::action::RotateKeys;
use ledger::catalogue::KeyRotated;
use store::custody::KeyRefusal;
use store::keys::{self, KeyState};
use store::{StoreError, Via};
use vault::{Keyring, WrappedTenantKey};

use crate::{Custody, CustodyError, Inner};

/// Why a key is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It has the age that the policy allows.
    Schedule,
    /// Somebody asked.
    Demand,
    /// Somebody asked because it may be known to others.
    Compromise,
}

impl Why {
    const fn word(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Demand => "demand",
            Self::Compromise => "compromise",
        }
    }
}

/// The outcome of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotated {
    /// The newest version.
    pub version: u32,
    /// Whether it was this call that made it; another one at the same time may have been first.
    pub made: bool,
}

impl Custody {
    /// Gives the tenant's key a new version, which new writes use from this moment on. What the older
    /// version wraps is wrapped anew by [`Custody::rewrap`].
    ///
    /// # Errors
    /// When no root key opens the newest version, that version is disabled, or the store fails. Then
    /// nothing has changed.
    pub async fn rotate(
        &self,
        permit: Permit<RotateKeys>,
        why: Why,
        via: &Via,
    ) -> Result<Rotated, CustodyError> {
        let inner = &self.0;
        let tenant = inner.tenant;
        let versions = inner.db.read(move |tx| keys::versions(tx, tenant)).await?;
        let newest = versions.into_iter().next().ok_or(StoreError::Missing { what: "tenant key" })?;
        let seen = newest.key;
        if newest.state != KeyState::Active {
            let (version, state) = (seen.version, Some(newest.state));
            return Err(KeyRefusal::State { version, state, needs: "active" }.into());
        }
        let root = inner.root_of(&seen).await?;
        let (making, version) = (Arc::clone(&root), seen.version + 1);
        let made = Inner::aside(move || Ok(making.new_tenant_key(tenant, version)?)).await?;
        let event = KeyRotated { kind: "tenant", key: None, version: u64::from(version), why: why.word() };
        let entry = inner.keys.scribe_of_custody(tenant).await?.write(&event, permit.actor(), via)?;
        // Not before the version it follows, should the clock have been set back.
        let (provider, now) = (root.provider().to_string(), inner.world.now().max(newest.created));
        let filed = inner.db.write(move |tx| {
            keys::rotate(tx, &seen, &made, &provider, now)?;
            entry.append(tx)
        });
        let made = match filed.await {
            Ok(()) => true,
            Err(StoreError::Conflict { what: "tenant key" }) => false,
            Err(error) => return Err(error.into()),
        };
        inner.keys.look_again(tenant);
        let versions = inner.db.read(move |tx| keys::versions(tx, tenant)).await?;
        let version = versions.first().map_or(version, |newest| newest.key.version);
        Ok(Rotated { version, made })
    }
}

impl Inner {
    /// The root key that opens a version, asked and not remembered.
    pub(crate) async fn root_of(&self, row: &WrappedTenantKey) -> Result<Arc<Keyring>, CustodyError> {
        let mut refused = None;
        for root in self.roots() {
            let (asked, row) = (Arc::clone(root), row.clone());
            match Self::aside(move || Ok(asked.vouch(&row)?)).await {
                Ok(()) => return Ok(Arc::clone(root)),
                Err(CustodyError::Vault(error)) => {
                    refused.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        let source = refused.unwrap_or(vault::VaultError::Library);
        Err(CustodyError::NoRoot { version: row.version, source })
    }
}
