//! Checkpoints of the audit log: signed every minute while there is something new, and at the end.
//!
//! The newest is also kept beside the database, in `audit.checkpoint`. A database that was put back to
//! an earlier state as a whole is whole in itself; only what was kept elsewhere shows that it is not the
//! newest. That file is replaced only by a checkpoint of a log in which the kept one still stands.

use std::fs::File;
use std::path::Path;
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

/// The file that holds the newest checkpoint.
const KEPT: &str = "audit.checkpoint";

/// The signer of the tenant's log; its seed is made on first use and kept sealed.
pub(crate) async fn signer(base: &Foundation) -> Result<Signer, Failure> {
    let (tenant, now) = (base.tenant, base.world.now());
    let place = settings::value_place(tenant, audit::SEED);
    let seed: Vec<u8> = match base.db.read(move |tx| settings::get(tx, tenant, audit::SEED)).await? {
        Some((sealed, generation)) => {
            base.keys.tenant_data_key_at(tenant, Purpose::Secrets, generation).await?.open(&place, &sealed)?
        }
        None => {
            let key = base.keys.tenant_data_key(tenant, Purpose::Secrets).await?;
            let seed = base.world.bytes::<32>().to_vec();
            let (sealed, generation) = (key.seal(&place, &seed)?, key.generation());
            base.db.write(move |tx| settings::set(tx, tenant, audit::SEED, &sealed, generation, now)).await?;
            seed
        }
    };
    let seed = Secret::new(<[u8; 32]>::try_from(seed.as_slice())?);
    Ok(Signer::from_seed(&audit::origin(tenant), &seed)?)
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
        Ok(()) | Err(StoreError::Conflict { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    if let Some(standing) = standing(base, signer).await? {
        return Err(standing.into());
    }
    write_kept(&base.data, signed.as_str())?;
    Ok(())
}

/// The database is not the one that the kept checkpoint was signed over.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error(
    "the audit log has {found} entries and does not hold the checkpoint over {kept} that was kept beside it: the \
     database was put back to an earlier state, or another was put in its place; see `wardroom audit verify`. If you \
     put it back yourself and mean to go on with it, remove `audit.checkpoint` from the data directory"
)]
pub(crate) struct RolledBack {
    kept: u64,
    found: u64,
}

/// The checkpoint that was kept beside the database.
pub(crate) fn kept(data: &Path) -> std::io::Result<Option<String>> {
    match std::fs::read_to_string(data.join(KEPT)) {
        Ok(note) => Ok(Some(note)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the kept checkpoint stands in the database's log; if not, how the two differ.
pub(crate) async fn standing(base: &Foundation, signer: &Signer) -> Result<Option<RolledBack>, Failure> {
    let Some(note) = kept(&base.data)? else { return Ok(None) };
    let keys = [signer.verifier_key().clone()];
    let size = match SignedCheckpoint::open(&note, &keys) {
        Ok(kept) => kept.checkpoint().size(),
        Err(_) => u64::MAX,
    };
    let tenant = base.tenant;
    let (filed, frontier) = base
        .db
        .read(move |tx| Ok((audit::checkpoint_at(tx, tenant, size)?, audit::frontier(tx, tenant)?)))
        .await?;
    let stands = filed.as_ref() == Some(&note);
    Ok((!stands).then_some(RolledBack { kept: size, found: frontier.size() }))
}

/// Forgets the kept checkpoint: its log was replaced.
pub(crate) fn forget(data: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(data.join(KEPT)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => File::open(data)?.sync_all(),
    }
}

/// Keeps the newest checkpoint of the database, whatever was kept before: after a restore.
pub(crate) async fn adopt(base: &Foundation) -> Result<(), Failure> {
    let tenant = base.tenant;
    if let Some((_, note)) = base.db.read(move |tx| audit::last_checkpoint(tx, tenant)).await? {
        write_kept(&base.data, &note)?;
    }
    Ok(())
}

/// The new note or the old one, whatever happens meanwhile and whoever else writes at the same time: a
/// backup signs beside a running house.
fn write_kept(data: &Path, note: &str) -> std::io::Result<()> {
    let folder = File::open(data)?;
    folder.lock()?;
    let next = data.join("audit.checkpoint.next");
    std::fs::write(&next, note)?;
    File::open(&next)?.sync_all()?;
    std::fs::rename(&next, data.join(KEPT))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_that_keep_a_checkpoint_at_once_both_succeed() {
        let data = tempfile::tempdir().unwrap();
        let notes = ["the first".repeat(100), "the second".repeat(100)];
        std::thread::scope(|threads| {
            for note in &notes {
                threads.spawn(|| {
                    for _ in 0..200 {
                        write_kept(data.path(), note).unwrap();
                        assert!(notes.contains(&kept(data.path()).unwrap().unwrap()));
                    }
                });
            }
        });
    }
}
