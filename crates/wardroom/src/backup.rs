//! `wardroom backup ...`: take, check and restore backups.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use backup::{ErasureList, File, Progress, Rehearsal, Report, Wishes};
use guard::action::{CreateBackup, RestoreBackup};
use guard::{Guard, Permit};
use kernel::World;
use ledger::VerifierKey;
use ledger::catalogue::BackupVerified;
use serde_json::json;
use store::Via;
use vault::{CachePolicy, Keyring};

use crate::config::Config;
use crate::datadir::DataDir;
use crate::wiring::{self, Foundation};
use crate::{Failure, checkpoints, erase};

/// What whoever restores wants.
pub(crate) struct Wish {
    pub(crate) replace: bool,
    pub(crate) erasures: Vec<PathBuf>,
    pub(crate) scratch: Option<PathBuf>,
    pub(crate) json: bool,
}

/// `backup create`
pub(crate) async fn create(
    data: &Path,
    config: &Config,
    file: &Path,
    json: bool,
) -> Result<ExitCode, Failure> {
    let base = Foundation::open(data, config, false).await?;
    let permit: Permit<CreateBackup> = base.leave()?;
    // What the backup holds of the audit log is vouched for up to now.
    let signer = checkpoints::signer(&base).await?;
    checkpoints::sign(&base, &signer).await?;
    let shown = Shown::start("rows written", json);
    let progress = &shown.progress;
    let made = backup::create(&base.db, &base.keys, &base.world, vec![permit], file, progress).await?;
    drop(shown);
    let sum = hex::encode(made.sha256);
    if json {
        println!("{}", json!({ "file": file, "rows": made.rows, "bytes": made.bytes, "sha256": sum }));
    } else {
        println!("`{}` holds {} rows in {} bytes", file.display(), made.rows, made.bytes);
        println!("sha256 {sum}");
        println!("it and the root key are all that a restore needs; check it with `wardroom backup verify`");
    }
    Ok(ExitCode::SUCCESS)
}

/// `backup verify`
pub(crate) async fn verify(
    data: &Path,
    config: &Config,
    file: &Path,
    scratch: Option<&Path>,
    json: bool,
) -> Result<ExitCode, Failure> {
    let rehearsal = rehearse(data, config, file, scratch, json).await?;
    tell(&rehearsal, json);
    // Where the deployment itself is at hand, its audit log learns of it.
    if let Ok(base) = Foundation::open(data, config, false).await
        && rehearsal.header().tenants.contains(&base.tenant)
    {
        let (taken, rows) = (rehearsal.header().taken(), rehearsal.rows());
        let event = BackupVerified { taken, rows, records: rehearsal.report().records };
        let scribe = base.keys.scribe(base.tenant).await?;
        let entry = scribe.write(&event, &base.operator(), &Via::default())?;
        base.db.write(move |tx| entry.append(tx)).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// `backup restore`
pub(crate) async fn restore(
    data: &Path,
    config: &Config,
    file: &Path,
    wish: Wish,
) -> Result<ExitCode, Failure> {
    let held = DataDir::hold(data)?;
    let rehearsal = rehearse(held.path(), config, file, wish.scratch.as_deref(), wish.json).await?;
    let (world, guard, header) = (World::real(), Guard::embedded()?, rehearsal.header());
    let mut erasures = erase::list(data).read(rehearsal.keys(), &header.tenants).await?;
    for list in &wish.erasures {
        erasures.extend(ErasureList::new(list).read(rehearsal.keys(), &header.tenants).await?);
    }
    let mark = wiring::restore_mark(data);
    let url = Arc::new(wiring::database(data, config)?);
    // Refusals first: until the mark stands, nothing was touched.
    let target = backup::target(&url, &world, header).await?;
    let now = guard::Circumstances::at(world.now());
    let leave = |tenant: &kernel::TenantId| {
        let operator = guard::Actor::Service { name: guard::ServiceName::Operator, tenant: *tenant };
        guard.permit::<RestoreBackup>(&operator, &guard::Resource::Tenant(*tenant), &now)
    };
    let permits = header.tenants.iter().map(leave).collect::<Result<Vec<_>, _>>()?;
    std::fs::write(&mark, "a restore is under way\n")?;
    std::fs::File::open(data)?.sync_all()?;
    let shown = Shown::start("rows restored", wish.json);
    let wishes = Wishes { replace: wish.replace, erasures };
    let restored = rehearsal.restore(&target, permits, wishes, &shown.progress).await;
    drop(shown);
    drop(target);
    // The checkpoint that was kept is of the log that was replaced. It goes before the mark does: whoever
    // is killed in between finds the restore unfinished, and never a log that seems rewritten.
    if restored.is_ok() {
        checkpoints::forget(data)?;
    }
    // Whatever came of it: the database is what it was, or whole.
    std::fs::remove_file(&mark)?;
    let restored = restored?;

    // The tables are brought up to date here, if the backup is of an older schema.
    let base = Foundation::open(data, config, false).await?;
    let signer = checkpoints::signer(&base).await?;
    std::fs::write(data.join("audit.vkey"), format!("{}\n", signer.verifier_key()))?;
    checkpoints::adopt(&base).await?;
    checkpoints::sign(&base, &signer).await?;
    erase::list(data).keep(&base.db, &base.keys, base.tenant).await?;
    let (rows, again) = (restored.rows, restored.erasures);
    if wish.json {
        println!("{}", json!({ "rows": rows, "erasures_replayed": again }));
    } else {
        println!("{rows} rows are restored; {again} people who were erased since were erased again");
        println!("everybody signs in anew; roles given or taken after the backup are as they were then");
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens and checks a backup, with the root key of this data directory.
async fn rehearse(
    data: &Path,
    config: &Config,
    file: &Path,
    scratch: Option<&Path>,
    json: bool,
) -> Result<Rehearsal, Failure> {
    let world = World::real();
    let file = File::open(file)?;
    let provider = crate::roots::provider(data, &config.keys, &world, false).map_err(|error| {
        format!(
            "{error}; a restore needs the root key that was in use when the backup was taken: put it where the \
             configuration says (`keys/root.key` in the data directory, if it says nothing), mode 0600"
        )
    })?;
    let keyring = Arc::new(Keyring::new(provider, world.clone(), CachePolicy::default()));
    // A key that was noted at this place must be the one that the backup's log is signed with.
    let known = match std::fs::read_to_string(data.join("audit.vkey")) {
        Ok(text) => text.lines().map(VerifierKey::parse).collect::<Result<Vec<_>, _>>()?,
        Err(_) => Vec::new(),
    };
    let shown = Shown::start("rows checked", json);
    let folder = scratch.unwrap_or(data);
    let guard = Guard::embedded()?;
    Ok(file.rehearse(keyring, &guard, &world, folder, &known, &shown.progress).await?)
}

fn tell(rehearsal: &Rehearsal, json: bool) {
    let (header, report) = (rehearsal.header(), rehearsal.report());
    let Report { records, erased, keys, conversations, messages, .. } = report;
    let (rows, leaves) = (rehearsal.rows(), report.logs.iter().map(|(_, log)| log.leaves).sum::<u64>());
    if json {
        println!(
            "{}",
            json!({
                "ok": true, "taken_ms": header.taken_ms, "engine": header.engine, "schema": header.schema,
                "rows": rows, "records": records, "erased": erased, "keys": keys,
                "conversations": conversations, "messages": messages, "audit_entries": leaves,
            })
        );
        return;
    }
    println!("the backup of {} holds", header.taken().rfc3339());
    println!("  {rows} rows of schema {}, taken from {}", header.schema, header.engine);
    println!("  {keys} keys that unwrap, {records} sealed records that open");
    println!("  {erased} records of people who were erased, which nobody can open");
    println!("  {messages} messages in {conversations} conversations, chained");
    println!("  {leaves} entries of the audit log, under its signature");
}

/// Shows a line of progress each second while it lives, to people only.
struct Shown {
    progress: Progress,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Shown {
    fn start(what: &'static str, json: bool) -> Self {
        let progress = Progress::default();
        let counted = progress.clone();
        let task = (!json && std::io::stderr().is_terminal()).then(|| {
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    eprint!("\r{} {what} ", counted.rows());
                }
            })
        });
        Self { progress, task }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            eprintln!();
        }
    }
}
