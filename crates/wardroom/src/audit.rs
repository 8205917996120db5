//! `wardroom audit ...`: prove the log and what it speaks of, take it away, look at its end.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use backup::{Progress, Report};
use guard::Permit;
use guard::action::{ExportAudit, ReadAudit, VerifyAudit};
use ledger::verify::{self, Expect, StoredLeaf, VerifyReport};
use ledger::{Record, SignedCheckpoint, VerifierKey};
use serde_json::json;
use store::audit::{self as rows, Walks};
use store::{Db, StoreError};
use tokio::runtime::Handle;

use crate::Failure;
use crate::cli::Place;
use crate::config::Config;
use crate::wiring::Foundation;

/// Leaves that are read at once.
const PAGE: u32 = 1000;

/// What is to be verified.
pub(crate) struct Wish<'a> {
    pub(crate) export: Option<&'a Path>,
    pub(crate) key: Option<&'a str>,
    pub(crate) since: Option<&'a Path>,
    pub(crate) log_only: bool,
    pub(crate) json: bool,
}

/// `audit verify`
pub(crate) async fn verify(place: &Place, config: &Config, wish: Wish<'_>) -> Result<ExitCode, Failure> {
    let Wish { export, key, since, log_only, json } = wish;
    let beside = export.map_or_else(|| place.data.join("audit.vkey"), |export| export.join("vkey"));
    let text = match key {
        // A file's name will do: a key has two plus signs in it, and no file is named like one.
        Some(key) if Path::new(key).is_file() => std::fs::read_to_string(key)
            .map_err(|error| format!("cannot read the log's public key `{key}`: {error}"))?,
        Some(key) => key.to_owned(),
        None => std::fs::read_to_string(&beside).map_err(|error| {
            format!("cannot read the log's public key `{}`: {error}; give it with --key", beside.display())
        })?,
    };
    let keys: Result<Vec<_>, _> =
        text.lines().filter(|line| !line.trim().is_empty()).map(VerifierKey::parse).collect();
    let keys = keys?;
    let mut expect = Expect::signed_by(keys.clone());
    if let Some(since) = since {
        expect.earlier.push(std::fs::read_to_string(since)?);
    }
    let (report, rows) = match export {
        Some(export) => (verify::directory(export, &expect)?, None),
        None => {
            let base = Foundation::open(&place.data, config, false).await?;
            expect.tenant = Some(base.tenant);
            expect.earlier.extend(crate::checkpoints::kept(&base.data)?);
            let report = stored(&base, expect).await?;
            (report, if log_only { None } else { Some(rows_of(&base, &keys).await?) })
        }
    };
    let ok = report.ok && rows.as_ref().is_none_or(Report::is_sound);
    match json {
        true => {
            let mut told = serde_json::to_value(&report)?;
            if let (Some(told), Some(rows)) = (told.as_object_mut(), &rows) {
                told.insert("ok".to_owned(), ok.into());
                told.insert("rows".to_owned(), told_of(rows));
            }
            println!("{told}");
        }
        false => {
            println!("{report}");
            if let Some(rows) = &rows {
                tell(rows);
            }
            if key.is_none() {
                println!(
                    "the key was read from `{}`; note it elsewhere and give it with --key",
                    beside.display()
                );
            }
        }
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Looks at every row, and twice where something does not hold: people may be at work meanwhile.
async fn rows_of(base: &Foundation, keys: &[VerifierKey]) -> Result<Report, Failure> {
    let permits = Arc::new(vec![base.leave::<VerifyAudit>()?]);
    let look = || async { backup::check(&base.db, &base.keys, &permits, keys, &Progress::default()).await };
    let first = look().await?;
    Ok(if first.is_sound() { first } else { first.both(&look().await?) })
}

fn told_of(rows: &Report) -> serde_json::Value {
    let faults: Vec<String> = rows.faults.iter().map(ToString::to_string).collect();
    json!({
        "rows": rows.rows, "keys": rows.keys, "records": rows.records, "conversations": rows.conversations,
        "messages": rows.messages, "faults": rows.count, "first_faults": faults,
    })
}

fn tell(rows: &Report) {
    println!(
        "messages    {} in {} conversations, each in its place in its chain",
        rows.messages, rows.conversations
    );
    println!("rows        {}: {} records open, {} keys unwrap", rows.rows, rows.records, rows.keys);
    if rows.is_sound() {
        println!("            every one is as it was written");
    } else {
        println!("            NOT WHOLE: {} faults", rows.count);
        rows.faults.iter().for_each(|fault| println!("first bad   {fault}"));
    }
}

/// Verifies the log of a deployment, page by page, in memory that does not grow with it.
pub(crate) async fn stored(base: &Foundation, expect: Expect) -> Result<VerifyReport, Failure> {
    let permit: Permit<VerifyAudit> = base.leave()?;
    let (leaves, checkpoints) = walk(&base.db, permit).await?;
    let checkpoints = checkpoints.into_iter().map(|(_, note)| Ok(note));
    let verified = tokio::task::spawn_blocking(move || verify::stored(leaves, checkpoints, &expect));
    Ok(verified.await??)
}

/// The checkpoints of a log, and its leaves as they are asked for. What is appended meanwhile comes
/// along or not.
async fn walk<A: Walks>(db: &Db, permit: Permit<A>) -> Result<(Leaves<A>, Vec<(u64, String)>), StoreError> {
    let permit = Arc::new(permit);
    let inside = Arc::clone(&permit);
    // Checkpoints first: then every one of them lies within the leaves that are read after.
    let checkpoints = db.read(move |tx| rows::checkpoints(tx, &inside)).await?;
    let (db, runtime, page) = (db.clone(), Handle::current(), Vec::new().into_iter());
    Ok((Leaves { db, permit, runtime, page, next: 0 }, checkpoints))
}

/// The leaves of a log in order, read from the database in pages. For threads that may block.
struct Leaves<A: Walks> {
    db: Db,
    permit: Arc<Permit<A>>,
    runtime: Handle,
    page: std::vec::IntoIter<rows::Leaf>,
    next: u64,
}

impl<A: Walks> Iterator for Leaves<A> {
    type Item = Result<StoredLeaf, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.as_slice().is_empty() {
            let (from, inside) = (self.next, Arc::clone(&self.permit));
            let read = self.db.read(move |tx| rows::walk(tx, &inside, from, PAGE));
            match self.runtime.block_on(read) {
                Ok(page) => self.page = page.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
        let leaf = self.page.next()?;
        self.next = leaf.index + 1;
        Some(Ok(StoredLeaf { index: leaf.index, hash: leaf.leaf_hash, json: leaf.json }))
    }
}

/// `audit export`
pub(crate) async fn export(data: &Path, config: &Config, out: &Path) -> Result<ExitCode, Failure> {
    let base = Foundation::open(data, config, false).await?;
    let permit: Permit<ExportAudit> = base.leave()?;
    let key = VerifierKey::parse(std::fs::read_to_string(data.join("audit.vkey"))?.trim())?;
    let (leaves, checkpoints) = walk(&base.db, permit).await?;
    let keys = [key];
    let checkpoints: Result<Vec<_>, _> =
        checkpoints.iter().map(|(_, note)| SignedCheckpoint::open(note, &keys)).collect();
    let (folder, checkpoints) = (out.to_owned(), checkpoints?);
    let exported = tokio::task::spawn_blocking(move || ledger::export(&folder, leaves, &checkpoints, &keys));
    let report = exported.await??;
    println!("{} leaves under root {} are in `{}`", report.leaves, report.root, out.display());
    Ok(ExitCode::SUCCESS)
}

/// `audit tail`
pub(crate) async fn tail(data: &Path, config: &Config, lines: u32) -> Result<ExitCode, Failure> {
    let base = Foundation::open(data, config, false).await?;
    let permit: Permit<ReadAudit> = base.leave()?;
    let filter = rows::Filter { limit: lines.min(1000), ..rows::Filter::default() };
    let leaves = base.db.read(move |tx| rows::list(tx, &permit, &filter)).await?;
    for leaf in leaves.into_iter().rev() {
        let name = leaf
            .json
            .as_deref()
            .and_then(|json| Record::parse(json).ok())
            .map_or("unreadable", |record| record.info().name);
        println!("{:>8}  {}  {}  {name}", leaf.index, leaf.at.rfc3339(), leaf.code);
    }
    Ok(ExitCode::SUCCESS)
}
