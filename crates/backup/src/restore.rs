//! Putting a backup back, in two steps that cannot be taken apart: a rehearsal puts every row into a
//! scratch database and checks every record there; only a rehearsal that held can be restored.
//!
//! The restore itself is one transaction: rows out, rows in, erasures replayed, its event appended. A
//! process that is killed, or a disk that is full, leaves the target as it was before.

use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use guard::action::{RestoreBackup, VerifyBackup};
use guard::{Guard, Permit};
use kernel::{TenantId, World};
use ledger::catalogue::BackupRestored;
use ledger::{Frontier, VerifierKey};
use store::dump::{self, Table};
use store::{Db, DbUrl, Keychain, Options, StoreError, Tx, Value, Via, audit, keys, tenants};
use tempfile::TempDir;
use vault::Keyring;

use crate::body::{Item, Reader};
use crate::check::{Report, check};
use crate::erasures::Erasure;
use crate::header::Header;
use crate::{BackupError, Progress};

/// About so many bytes of rows are put back by one call.
const BATCH_BYTES: usize = 1 << 20;

/// A backup file of which the head was read.
#[derive(Debug, Clone)]
pub struct File {
    path: PathBuf,
    header: Header,
}

/// A backup that was put into a scratch database and held. There is no other way to one that can be
/// restored. The scratch database is removed when this is dropped.
#[derive(Debug)]
pub struct Rehearsal {
    file: File,
    report: Report,
    keys: Keychain,
    rows: u64,
    _scratch: TempDir,
}

/// What whoever restores wants.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// Put the backup in the place of the same deployment's rows.
    pub replace: bool,
    /// People who were erased, beyond those that backup and target know of.
    pub erasures: Vec<Erasure>,
}

/// A backup that was restored.
#[derive(Debug, Clone, Copy)]
pub struct Restored {
    /// The rows put back.
    pub rows: u64,
    /// People who were erased after the backup was taken, and were erased again.
    pub erasures: u64,
}

impl File {
    /// Reads the head of a backup.
    ///
    /// # Errors
    /// When it is no backup, or one of a newer program.
    pub fn open(path: &Path) -> Result<Self, BackupError> {
        let file = std::fs::File::open(path).map_err(BackupError::file("read", path))?;
        let (header, ..) = Header::read(BufReader::new(file))?;
        header.check_schema()?;
        Ok(Self { path: path.to_owned(), header })
    }

    /// Its head. Until it was rehearsed, this is what the file claims.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Puts every row into a scratch database in `folder` and checks every record there.
    ///
    /// # Errors
    /// When the key does not open, the file is damaged or cut off, the disk is full, or a record does
    /// not hold ([`BackupError::Unsound`]).
    pub async fn rehearse(
        self,
        keyring: Arc<Keyring>,
        guard: &Guard,
        world: &World,
        folder: &Path,
        known: &[VerifierKey],
        progress: &Progress,
    ) -> Result<Rehearsal, BackupError> {
        let scratch = tempfile::Builder::new().prefix(".rehearsal-").tempdir_in(folder);
        let scratch = scratch.map_err(BackupError::file("make a folder in", folder))?;
        let url = Arc::new(DbUrl::sqlite(scratch.path().join("scratch.db")));
        // The key first: without it there is nothing to do.
        self.reader(&keyring)?;
        let db = target(&url, world, &self.header).await?;
        let permits = self.leave::<RestoreBackup>(guard, world)?;
        let plan = Plan { file: self.clone(), keyring: Arc::clone(&keyring), permits, clear: false };
        let rows = plan.pour_into(&db, progress, |_| Ok(())).await?;
        let db = reopened(db, &url, world).await?;
        let keys = Keychain::new(db.clone(), keyring, world.clone());
        let permits = Arc::new(self.leave::<VerifyBackup>(guard, world)?);
        progress.restart();
        let report = check(&db, &keys, &permits, known, progress).await?.sound()?;
        self.agrees(&report)?;
        Ok(Rehearsal { file: self, report, keys, rows, _scratch: scratch })
    }

    /// Leave for the operator, for every tenant of the backup.
    fn leave<A: guard::Action>(&self, guard: &Guard, world: &World) -> Result<Vec<Permit<A>>, BackupError> {
        let ask = |tenant: &TenantId| {
            let operator = guard::Actor::Service { name: guard::ServiceName::Operator, tenant: *tenant };
            let now = guard::Circumstances::at(world.now());
            guard.permit(&operator, &guard::Resource::Tenant(*tenant), &now)
        };
        self.header
            .tenants
            .iter()
            .map(ask)
            .collect::<Result<_, _>>()
            .map_err(|denied| BackupError::Store(StoreError::refuse(denied)))
    }

    fn reader(&self, keyring: &Keyring) -> Result<Reader<BufReader<std::fs::File>>, BackupError> {
        let file = std::fs::File::open(&self.path).map_err(BackupError::file("read", &self.path))?;
        let mut from = BufReader::with_capacity(1 << 18, file);
        let (header, head, start) = Header::read(&mut from)?;
        if header != self.header {
            return Err(BackupError::NotABackup { why: "it is another file than a moment ago" });
        }
        let key = keyring.data_key(&header.chain()?.link()).map_err(BackupError::Key)?;
        let opener = key.open_stream(&head, &start).map_err(BackupError::Damaged)?;
        Reader::new(from, self.path.clone(), opener)
    }

    /// Whether the logs that were found are those that the head speaks of.
    fn agrees(&self, report: &Report) -> Result<(), BackupError> {
        let same = self.header.logs.len() == report.logs.len()
            && self.header.logs.iter().all(|head| {
                let found = report.logs.iter().find(|(tenant, _)| *tenant == head.tenant);
                found.is_some_and(|(_, log)| (log.leaves, &log.root) == (head.size, &head.root))
            });
        if same {
            Ok(())
        } else {
            Err(BackupError::Malformed { why: "its audit log is not the one its head names" })
        }
    }
}

impl Rehearsal {
    /// What was found.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The head of the backup, which is now known to be true.
    pub fn header(&self) -> &Header {
        &self.file.header
    }

    /// The rows in it.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The keys of the deployment, as the backup has them.
    pub fn keys(&self) -> &Keychain {
        &self.keys
    }

    /// Puts the backup into a database that [`target`] opened.
    ///
    /// # Errors
    /// When the database belongs to others, is not empty without [`Wishes::replace`], the disk is full, or
    /// something else fails. It is then as it was before.
    pub async fn restore(
        &self,
        to: &Db,
        permits: Vec<Permit<RestoreBackup>>,
        wishes: Wishes,
        progress: &Progress,
    ) -> Result<Restored, BackupError> {
        let there = to.read(tenants::list).await?;
        let here = &self.file.header.tenants;
        if let Some(foreign) = there.iter().find(|tenant| !here.contains(tenant)) {
            let ours = here.first().copied().unwrap_or_else(crate::header::nobody);
            return Err(BackupError::ForeignTenants { there: *foreign, here: ours });
        }
        if !there.is_empty() && !wishes.replace {
            return Err(BackupError::NotEmpty);
        }
        let (mut erasures, mut replaced) = (wishes.erasures, None);
        for tenant in there.iter().copied() {
            let (known, frontier) =
                to.read(move |tx| Ok((keys::erasures(tx, tenant)?, audit::frontier(tx, tenant)?))).await?;
            erasures.extend(known.into_iter().map(|(subject, at)| Erasure { tenant, subject, at }));
            replaced = replaced.or(Some(frontier));
        }
        let tenant = *here.first().ok_or(BackupError::Malformed { why: "it is nobody's" })?;
        let scribe = self.keys.scribe(tenant).await?;
        let actor = permits.first().map(|permit| permit.actor().clone());
        let actor = actor.ok_or(StoreError::Missing { what: "leave for every tenant" })?;
        let (taken, rows) = (self.file.header.taken(), self.rows);
        let keyring = self.keys.keyring_shared();
        let plan = Plan { file: self.file.clone(), keyring, permits, clear: !there.is_empty() };
        let again = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&again);
        let poured = plan
            .pour_into(to, progress, move |tx| {
                let replayed = replay(tx, &erasures)?;
                *counted.lock().unwrap_or_else(PoisonError::into_inner) = replayed;
                let event = BackupRestored {
                    taken,
                    rows,
                    erasures: replayed,
                    replaced_leaves: replaced.as_ref().map(Frontier::size),
                    replaced_root: replaced.as_ref().map(Frontier::root),
                };
                Ok(scribe.write(&event, &actor, &Via::default())?.append(tx)?)
            })
            .await?;
        let erasures = *again.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Restored { rows: poured, erasures })
    }
}

/// Erases again whoever the restored rows do not know as erased. Gives their number.
fn replay(tx: &mut Tx<'_>, erasures: &[Erasure]) -> Result<u64, BackupError> {
    let mut replayed = 0;
    for erasure in erasures {
        let known = keys::is_erased(tx, erasure.tenant, erasure.subject)?;
        keys::erase_subject(tx, erasure.tenant, erasure.subject, erasure.at)?;
        replayed += u64::from(!known);
    }
    Ok(replayed)
}

/// Opens the database that a backup is to be restored into, at the backup's schema.
///
/// # Errors
/// As for [`Db::open`]; [`StoreError::Newer`] when its tables are already newer than the backup's.
pub async fn target(url: &Arc<DbUrl>, world: &World, header: &Header) -> Result<Db, BackupError> {
    let options = Options { schema: Some(header.schema), ..Options::default() };
    open(Arc::clone(url), world.clone(), options).await
}

/// The same database with its tables brought up to date.
async fn reopened(db: Db, url: &Arc<DbUrl>, world: &World) -> Result<Db, BackupError> {
    drop(db);
    open(Arc::clone(url), world.clone(), Options::default()).await
}

async fn open(url: Arc<DbUrl>, world: World, options: Options) -> Result<Db, BackupError> {
    let opening = tokio::task::spawn_blocking(move || Db::open_with(&url, &world, &options));
    Ok(opening.await.map_err(|_| StoreError::Panicked)??)
}

/// Rows to be poured into a database in one transaction.
#[derive(Debug)]
struct Plan {
    file: File,
    keyring: Arc<Keyring>,
    permits: Vec<Permit<RestoreBackup>>,
    clear: bool,
}

impl Plan {
    /// Pours, does `then` in the same transaction, and gives the number of rows.
    async fn pour_into(
        self,
        db: &Db,
        progress: &Progress,
        mut then: impl FnMut(&mut Tx<'_>) -> Result<(), BackupError> + Send + 'static,
    ) -> Result<u64, BackupError> {
        // The job's own error, which is more than the store would keep of it.
        let fault: Arc<Mutex<Option<BackupError>>> = Arc::default();
        let (told, progress, dialect) = (Arc::clone(&fault), progress.clone(), db.dialect());
        let poured = db.write(move |tx| {
            let poured = dump::take_time(tx, dialect)
                .map_err(BackupError::from)
                .and_then(|()| self.pour(tx, &progress))
                .and_then(|rows| then(tx).map(|()| rows));
            poured.map_err(|error| match error {
                BackupError::Store(error) => error,
                other => {
                    told.lock().unwrap_or_else(PoisonError::into_inner).replace(other);
                    StoreError::Closed
                }
            })
        });
        poured.await.map_err(|error| {
            let fault = fault.lock().unwrap_or_else(PoisonError::into_inner).take();
            fault.unwrap_or(BackupError::Store(error))
        })
    }

    fn pour(&self, tx: &mut Tx<'_>, progress: &Progress) -> Result<u64, BackupError> {
        progress.restart();
        let mut reader = self.file.reader(&self.keyring)?;
        let tables = dump::tables(self.file.header.schema);
        if self.clear {
            dump::clear_left_out(tx, &self.permits)?;
            for table in tables.iter().rev() {
                table.clear(tx, &self.permits)?;
            }
        }
        let (mut all, mut seen) = (0, 0u64);
        let mut into: Option<Into> = None;
        while let Some(item) = reader.next()? {
            match (item, &mut into) {
                (Item::Table { name, columns }, None) => {
                    let table = usize::try_from(seen).ok().and_then(|at| tables.get(at));
                    into = Some(Into::new(table, &name, &columns)?);
                    seen += 1;
                }
                (Item::Row(values), Some(into)) => {
                    into.add(tx, &self.permits, values)?;
                    progress.add(1);
                }
                (Item::TableEnd { rows }, Some(open)) => {
                    all += open.finish(tx, &self.permits, rows)?;
                    into = None;
                }
                (Item::End { tables: said }, None) if said == seen && seen == tables.len() as u64 => {}
                _ => return Err(BackupError::Malformed { why: "its parts are out of order" }),
            }
        }
        dump::covers(tx, &self.permits)?;
        Ok(all)
    }
}

/// A table that rows go into.
struct Into {
    table: &'static Table,
    rows: Vec<Vec<Value<'static>>>,
    bytes: usize,
    count: u64,
}

impl Into {
    fn new(table: Option<&'static Table>, name: &str, columns: &[String]) -> Result<Self, BackupError> {
        let table = table.filter(|table| {
            table.name() == name && table.columns().iter().map(|column| &column.name).eq(columns)
        });
        let table = table.ok_or(BackupError::Malformed { why: "its tables are not those of its schema" })?;
        Ok(Self { table, rows: Vec::new(), bytes: 0, count: 0 })
    }

    fn add(
        &mut self,
        tx: &mut Tx<'_>,
        permits: &[Permit<RestoreBackup>],
        values: Vec<Value<'static>>,
    ) -> Result<(), BackupError> {
        self.count += 1;
        self.bytes += values
            .iter()
            .map(|value| if let Value::Blob(bytes) = value { bytes.len() } else { 16 })
            .sum::<usize>();
        self.rows.push(values);
        if self.rows.len() >= 512 || self.bytes >= BATCH_BYTES {
            self.put(tx, permits)?;
        }
        Ok(())
    }

    fn put(&mut self, tx: &mut Tx<'_>, permits: &[Permit<RestoreBackup>]) -> Result<(), BackupError> {
        self.table.put(tx, permits, &self.rows)?;
        self.rows.clear();
        self.bytes = 0;
        Ok(())
    }

    fn finish(
        &mut self,
        tx: &mut Tx<'_>,
        permits: &[Permit<RestoreBackup>],
        said: u64,
    ) -> Result<u64, BackupError> {
        self.put(tx, permits)?;
        if self.count == said {
            Ok(said)
        } else {
            Err(BackupError::Malformed { why: "a table has another number of rows than it says" })
        }
    }
}
