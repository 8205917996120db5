//! The policy of a tenant's keys: the tenant's own, or else the deployment's.

use guard::Permit;
use guard::action::{ReadKeys, RotateKeys};
use ledger::catalogue::KeyPolicyChanged;
use store::custody::{self, KeyPolicy};
use store::{StoreError, Via};

use crate::{Custody, CustodyError};

/// The policy in force, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyInForce {
    /// What holds.
    pub policy: KeyPolicy,
    /// Whether the tenant decided it; the deployment's configuration did otherwise.
    pub own: bool,
}

impl Custody {
    /// The policy in force.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn policy(&self, permit: Permit<ReadKeys>) -> Result<PolicyInForce, CustodyError> {
        let read = move |tx: &mut store::Read<'_>| custody::rules(tx, permit.tenant());
        let own = self.0.db.read(read).await?.policy;
        Ok(PolicyInForce { policy: own.unwrap_or(self.0.keys.policy()), own: own.is_some() })
    }

    /// Sets the tenant's own policy, or takes it away (`None`), so that the deployment's holds again. It
    /// applies to the keys that there are from now on, in other processes within two seconds: where a key
    /// is older than the new policy allows, the next round rotates it. The reason that the permit states is
    /// kept, sealed, in the log. Gives what is in force then.
    ///
    /// # Errors
    /// When no reason is stated, a number is out of its bounds, or the store or the keys fail. Then
    /// nothing has changed.
    pub async fn set_policy(
        &self,
        permit: Permit<RotateKeys>,
        policy: Option<KeyPolicy>,
        via: &Via,
    ) -> Result<PolicyInForce, CustodyError> {
        let inner = &self.0;
        let reason = permit.reason().ok_or(CustodyError::ReasonNeeded)?.as_str().as_bytes().to_vec();
        let scribe = inner.keys.scribe_of_custody(inner.tenant).await?;
        let (default, via) = (inner.keys.policy(), via.clone());
        let now = policy.unwrap_or(default);
        let job = move |tx: &mut store::Tx<'_>| {
            let was = custody::rules(tx, permit.tenant())?.policy.unwrap_or(default);
            custody::set_policy(tx, &permit, policy.as_ref())?;
            let event = KeyPolicyChanged {
                own: policy.is_some(),
                rotate_days_before: was.rotate_after_days,
                rotate_days: now.rotate_after_days,
                destroy_days: now.destroy_after_days,
                rewrap_per_second: now.rewrap_per_second,
            };
            let entry = scribe
                .write_with(&event, permit.actor(), &via, reason.clone())
                .map_err(StoreError::refuse)?;
            entry.append(tx)
        };
        inner.db.write(job).await?;
        inner.keys.look_again(inner.tenant);
        Ok(PolicyInForce { policy: now, own: policy.is_some() })
    }
}
