//! Taking a backup: one unchanging state of the database, streamed into a file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use guard::Permit;
use guard::action::CreateBackup;
use kernel::World;
use ledger::catalogue::{BackupCreated, BackupStarted};
use store::keys::{self, Chain};
use store::{Db, Dialect, Keychain, Read, StoreError, Value, Via, audit, dump, tenants};
use vault::{Keyring, Purpose, StreamSealer};

use crate::body::Writer;
use crate::header::{self, Header, LogHead};
use crate::{BackupError, Progress};

/// About so many bytes of rows are read at once.
const PAGE_BYTES: usize = 1 << 20;
/// Rows of the first page of a table, before the size of its rows is known.
const FIRST: u32 = 8;
/// The most rows of a page.
const MOST: u32 = 1000;

/// A backup that was taken.
#[derive(Debug, Clone)]
pub struct Created {
    /// Its head.
    pub header: Header,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// Its size in bytes.
    pub bytes: u64,
    /// The rows in it.
    pub rows: u64,
}

/// Takes a backup into a new file, readable by its owner only. The event is written before the first row
/// is read, and another when the file is on the disk.
///
/// The file appears whole or not at all: it is written under another name, synced and then renamed. One
/// reader is busy meanwhile; writers are not kept waiting. On SQLite the write-ahead log cannot shrink
/// until it is done.
///
/// # Errors
/// When there is such a file already, the disk is full, or the database or the keys fail. Nothing is left
/// of the file then.
pub async fn create(
    db: &Db,
    keys: &Keychain,
    world: &World,
    permits: Vec<Permit<CreateBackup>>,
    out: &Path,
    progress: &Progress,
) -> Result<Created, BackupError> {
    if out.exists() {
        return Err(BackupError::Exists(out.to_owned()));
    }
    let first = permits.first().ok_or(StoreError::Missing { what: "leave for every tenant" })?;
    let (tenant, actor) = (first.tenant(), first.actor().clone());
    let scribe = keys.scribe(tenant).await?;
    let started = scribe.write(&BackupStarted { schema: dump::schema().into() }, &actor, &Via::default())?;
    db.write(move |tx| started.append(tx)).await?;

    keys.tenant_data_key(tenant, Purpose::Backup).await?;
    let owner = keys::house_of(tenant);
    let chain = db.read(move |tx| keys::newest(tx, tenant, Purpose::Backup, owner)).await?;
    let chain = chain.ok_or(StoreError::Missing { what: "backup key" })?;
    let keyring = keys.keyring_shared();
    let partial = Partial::open(out)?;
    let (file, path) = (partial.file.try_clone(), partial.path.clone());
    let file = file.map_err(BackupError::file("write", &path))?;

    // The job's own error, which is more than the store would keep of it.
    let fault: Arc<Mutex<Option<BackupError>>> = Arc::default();
    let (told, progress) = (Arc::clone(&fault), progress.clone());
    let (taken, dialect) = (world.now(), db.dialect());
    let permits = Arc::new(permits);
    let job = move |tx: &mut Read<'_>| {
        let source = Source { permits: &permits, keyring: &keyring, chain: &chain, taken, dialect };
        source.write(tx, &file, &path, &progress).map_err(|error| match error {
            BackupError::Store(error) => error,
            other => {
                told.lock().unwrap_or_else(PoisonError::into_inner).replace(other);
                StoreError::Closed
            }
        })
    };
    let created = match db.read(job).await {
        Ok(created) => created,
        Err(error) => {
            let fault = fault.lock().unwrap_or_else(PoisonError::into_inner).take();
            return Err(fault.unwrap_or(BackupError::Store(error)));
        }
    };
    partial.keep(out)?;

    let event = BackupCreated { sha256: created.sha256, bytes: created.bytes, rows: created.rows };
    let entry = keys.scribe(tenant).await?.write(&event, &actor, &Via::default())?;
    db.write(move |tx| entry.append(tx)).await?;
    Ok(created)
}

/// What the rows are read with.
struct Source<'a> {
    permits: &'a [Permit<CreateBackup>],
    keyring: &'a Keyring,
    chain: &'a Chain,
    taken: kernel::Timestamp,
    dialect: Dialect,
}

impl Source<'_> {
    /// Writes the whole file, from its first byte: the job may be run again on a fresh connection.
    fn write(
        &self,
        tx: &mut Read<'_>,
        file: &File,
        path: &Path,
        progress: &Progress,
    ) -> Result<Created, BackupError> {
        progress.restart();
        file.set_len(0).map_err(BackupError::file("write", path))?;
        dump::covers(tx, self.permits)?;
        let tenants = tenants::list(tx)?;
        let mut logs = Vec::with_capacity(tenants.len());
        for tenant in &tenants {
            let frontier = audit::frontier(tx, *tenant)?;
            let checkpoint = audit::last_checkpoint(tx, *tenant)?.map(|(_, note)| note);
            let root = hex::encode(frontier.root());
            logs.push(LogHead { tenant: *tenant, size: frontier.size(), root, checkpoint });
        }
        let header = Header::new(self.taken, self.dialect, tenants, logs, self.chain);
        let head = header.head()?;
        let (start, sealer) = self.keyring.data_key(&self.chain.link())?.seal_stream(&head)?;
        let mut to = BufWriter::with_capacity(1 << 18, file);
        std::io::Seek::rewind(&mut to).map_err(BackupError::file("write", path))?;
        header::write(&head, &start, &mut to).map_err(BackupError::file("write", path))?;
        let parts = [head.as_slice(), &start.salt, &start.commitment];
        let (rows, sha256, bytes) = self.body(tx, Body { to, path, sealer, parts, progress })?;
        Ok(Created { header, sha256, bytes, rows })
    }

    fn body(&self, tx: &mut Read<'_>, body: Body<'_>) -> Result<(u64, [u8; 32], u64), BackupError> {
        let Body { to, path, sealer, parts, progress } = body;
        let mut writer = Writer::new(to, path.to_owned(), sealer, &parts);
        let (tables, mut all) = (dump::tables(dump::schema()), 0);
        for table in tables {
            writer.table(table.name(), table.columns().iter().map(|column| column.name.as_str()))?;
            let (mut rows, mut limit, mut largest) = (0u64, FIRST, 1);
            let mut after: Option<Vec<Value<'static>>> = None;
            loop {
                let page = table.page(tx, self.permits, after.as_deref(), limit)?;
                let count = page.len();
                for row in page {
                    let values = row.into_values();
                    largest = largest.max(values.iter().map(size).sum());
                    writer.row(&values)?;
                    after = Some(values);
                }
                rows += count as u64;
                progress.add(count as u64);
                if count < usize::try_from(limit).unwrap_or(usize::MAX) {
                    break;
                }
                limit = u32::try_from(PAGE_BYTES / largest).unwrap_or(MOST).clamp(1, MOST);
            }
            writer.table_end(rows)?;
            all += rows;
        }
        let (mut to, sha256, bytes) = writer.finish(tables.len() as u64)?;
        to.flush().map_err(BackupError::file("write", path))?;
        Ok((all, sha256, bytes))
    }
}

/// What a body is written with.
struct Body<'a> {
    to: BufWriter<&'a File>,
    path: &'a Path,
    sealer: StreamSealer,
    parts: [&'a [u8]; 3],
    progress: &'a Progress,
}

fn size(value: &Value<'_>) -> usize {
    match value {
        Value::Null | Value::Int(_) => 9,
        Value::Text(text) => text.len() + 5,
        Value::Blob(bytes) => bytes.len() + 5,
    }
}

/// A file on its way: `NAME.partial`, locked by whoever writes it, gone when dropped.
struct Partial {
    file: File,
    path: PathBuf,
    kept: bool,
}

impl Partial {
    fn open(out: &Path) -> Result<Self, BackupError> {
        let mut name = out.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        let path = out.with_file_name(name);
        // What a killed process left behind is written over.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path).map_err(BackupError::file("make", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file, path, kept: false }),
            Err(TryLockError::WouldBlock) => Err(BackupError::Taken(out.to_owned())),
            Err(TryLockError::Error(error)) => Err(BackupError::file("lock", &path)(error)),
        }
    }

    /// On the disk, and under its own name.
    fn keep(mut self, out: &Path) -> Result<(), BackupError> {
        self.file.sync_all().map_err(BackupError::file("write", &self.path))?;
        // Whoever else wants this name holds the lock first, so what is seen here stays so.
        if out.exists() {
            return Err(BackupError::Exists(out.to_owned()));
        }
        std::fs::rename(&self.path, out).map_err(BackupError::file("make", out))?;
        self.kept = true;
        let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(BackupError::file("write", folder))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.kept {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
