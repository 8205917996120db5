//! `wardroom audit ...`: prove the log, take it away, look at its end.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use guard::Permit;
use guard::action::{ExportAudit, ReadAudit, VerifyAudit};
use ledger::verify::{self, Expect, StoredLeaf, VerifyReport};
use ledger::{Record, SignedCheckpoint, VerifierKey};
use store::audit::{self as rows, Walks};
use store::{Db, StoreError};
use tokio::runtime::Handle;

use crate::Failure;
use crate::cli::Place;
use crate::config::Config;
use crate::wiring::Foundation;

/// Leaves that are read at once.
const PAGE: u32 = 1000;

/// `audit verify`
pub(crate) async fn verify(
    place: &Place,
    config: &Config,
    export: Option<&Path>,
    key: Option<&str>,
    since: Option<&Path>,
    json: bool,
) -> Result<ExitCode, Failure> {
    let beside = export.map_or_else(|| place.data.join("audit.vkey"), |export| export.join("vkey"));
    let text = match key {
        Some(key) => key.to_owned(),
        None => std::fs::read_to_string(&beside).map_err(|error| {
            format!("cannot read the log's public key `{}`: {error}; give it with --key", beside.display())
        })?,
    };
    let keys: Result<Vec<_>, _> =
        text.lines().filter(|line| !line.trim().is_empty()).map(VerifierKey::parse).collect();
    let mut expect = Expect::signed_by(keys?);
    if let Some(since) = since {
        expect.earlier.push(std::fs::read_to_string(since)?);
    }
    let report = match export {
        Some(export) => verify::directory(export, &expect)?,
        None => {
            let base = Foundation::open(&place.data, config, false).await?;
            expect.tenant = Some(base.tenant);
            expect.earlier.extend(crate::checkpoints::kept(&base.data)?);
            stored(&base, expect).await?
        }
    };
    match json {
        true => println!("{}", serde_json::to_string(&report)?),
        false => {
            println!("{report}");
            if key.is_none() {
                println!(
                    "the key was read from `{}`; note it elsewhere and give it with --key",
                    beside.display()
                );
            }
        }
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
