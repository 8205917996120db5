//! Checkpoints of the audit log: signed every minute while there is something new, and at the end.

use std::time::Duration;

use guard::{Actor, ServiceName};
use kernel::Secret;
use ledger::catalogue::CheckpointSigned;
use ledger::{SignedCheckpoint, Signer};
use store::{StoreError, Via, audit, settings};
use vault::Purpose;

use crate::Failure;
use crate::wiring::Foundation;

/// How long an event waits at most until a signature vouches for it.
const EVERY: Duration = Duration::from_secs(60);
/// The setting that holds the signing seed, sealed.
const SEED: &str = "audit.seed";

/// The signer of the tenant's log; its seed is made on first use and kept sealed.
pub(crate) async fn signer(base: &Foundation) -> Result<Signer, Failure> {
    let (tenant, now) = (base.tenant, base.world.now());
    let place = settings::value_place(tenant, SEED);
    let seed: Vec<u8> = match base.db.read(move |tx| settings::get(tx, tenant, SEED)).await? {
        Some((sealed, generation)) => {
            base.keys.tenant_data_key_at(tenant, Purpose::Secrets, generation).await?.open(&place, &sealed)?
        }
        None => {
            let key = base.keys.tenant_data_key(tenant, Purpose::Secrets).await?;
            let seed = base.world.bytes::<32>().to_vec();
            let (sealed, generation) = (key.seal(&place, &seed)?, key.generation());
            base.db.write(move |tx| settings::set(tx, tenant, SEED, &sealed, generation, now)).await?;
            seed
        }
    };
    let seed = Secret::new(<[u8; 32]>::try_from(seed.as_slice())?);
    Ok(Signer::from_seed(&format!("wardroom/{tenant}"), &seed)?)
}

/// Signs what is new, if anything is. The checkpoint is itself an event, the first that the next one
/// vouches for.
pub(crate) async fn sign(base: &Foundation, signer: &Signer) -> Result<(), Failure> {
    let (tenant, now) = (base.tenant, base.world.now());
    let (frontier, last) = base
        .db
        .read(move |tx| Ok((audit::frontier(tx, tenant)?, audit::last_checkpoint(tx, tenant)?)))
        .await?;
    // One leaf more than the last: that is the event of the last checkpoint itself.
    if last.is_some_and(|(size, _)| frontier.size() <= size + 1) || frontier.size() == 0 {
        return Ok(());
    }
    let signed = SignedCheckpoint::sign(&frontier, signer);
    let core = Actor::Service { name: ServiceName::Core, tenant };
    let event = CheckpointSigned { size: frontier.size(), root: *signed.checkpoint().root() };
    let entry = base.keys.scribe(tenant).await?.write(&event, &core, &Via::default())?;
    let (size, note) = (frontier.size(), signed.as_str().to_owned());
    let saved = base.db.write(move |tx| {
        audit::save_checkpoint(tx, tenant, size, &note, now)?;
        entry.append(tx)
    });
    match saved.await {
        // Another process has signed this very size.
        Ok(()) | Err(StoreError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Signs every minute, until the task is dropped.
pub(crate) async fn keep_signing(base: Foundation, signer: Signer) {
    loop {
        if let Err(error) = sign(&base, &signer).await {
            tracing::error!(%error, "the audit log could not be signed");
        }
        tokio::time::sleep(EVERY).await;
    }
}
