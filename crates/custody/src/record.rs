//! The uses of the root key, from the keyrings' counts into the audit log. An act of custody is
//! recorded in its own transaction; the use of a root key happens outside of any and is recorded soon
//! after, counted.

use guard::{Actor, ServiceName};
use ledger::Token;
use ledger::catalogue::{RootFailed, RootUsed};
use store::Via;
use vault::{Keyring, RootUse};

use crate::{Custody, CustodyError};

impl Custody {
    /// Records how the root keys were used since this was last called. When the log cannot be written,
    /// the counts are lost, and the reason is told.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn record_uses(&self) -> Result<usize, CustodyError> {
        let inner = &self.0;
        let of = |keyring: &Keyring| {
            let provider = Token::lossy(&keyring.provider().to_string());
            keyring.take_uses(inner.tenant).into_iter().map(move |used| (used, provider.clone())).collect()
        };
        let mut uses: Vec<(RootUse, Token)> = of(inner.keys.keyring());
        for root in inner.roots() {
            uses.extend(of(root));
        }
        if uses.is_empty() {
            return Ok(0);
        }
        let scribe = inner.keys.scribe_of_custody(inner.tenant).await?;
        let (core, via) = (Actor::Service { name: ServiceName::Core, tenant: inner.tenant }, Via::default());
        let mut entries = Vec::new();
        for (used, provider) in uses {
            let RootUse { version, operation, times, .. } = used;
            entries.push(match used.failed {
                None => scribe.write(&RootUsed { operation, version, times, provider }, &core, &via)?,
                Some(reason) => {
                    scribe.write(&RootFailed { operation, reason, times, provider }, &core, &via)?
                }
            });
        }
        let count = entries.len();
        inner.db.write(move |tx| entries.iter().try_for_each(|entry| entry.append(tx))).await?;
        Ok(count)
    }
}
