//! The list of people who were erased, kept beside the database, so that the loss of the database is not
//! the loss of the erasures: a backup from before an erasure is restored with the erasure replayed.
//!
//! ```text
//! wardroom/1/erased TENANT SUBJECT MILLISECONDS MAC        one line for each person
//! ```
//!
//! The MAC is made with the tenant's index key, which every backup holds, so nobody else can have people
//! erased by writing lines. Not promised: that a line that was taken out is missed. Keep copies of the
//! file where the backups are; several lists can be given when a backup is restored.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use kernel::{Id, SubjectId, TenantId, Timestamp};
use store::{Db, Keychain, keys};
use subtle::ConstantTimeEq;
use vault::{DataKey, Purpose};

use crate::BackupError;

const LABEL: &str = "wardroom/1/erased";

/// A person who was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erasure {
    /// Whose data.
    pub tenant: TenantId,
    /// The person.
    pub subject: SubjectId,
    /// When.
    pub at: Timestamp,
}

/// A list of erasures in a file.
#[derive(Debug, Clone)]
pub struct ErasureList(PathBuf);

impl ErasureList {
    /// The list in this file. A file that is not there is a list of nobody.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Reads the list; every line must be this tenant's or another's of the deployment, and hold.
    ///
    /// # Errors
    /// [`BackupError::ErasureList`] when a line does not hold, else when the file or keys fail.
    pub async fn read(&self, keychain: &Keychain, tenants: &[TenantId]) -> Result<Vec<Erasure>, BackupError> {
        let text = match fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(BackupError::file("read", &self.0)(error)),
        };
        let mut keys = BTreeMap::new();
        for tenant in tenants {
            keys.insert(*tenant, keychain.tenant_data_key_at(*tenant, Purpose::Index, 1).await?);
        }
        let mut erasures = Vec::new();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
            let broken = || BackupError::ErasureList { path: self.0.clone(), line: at + 1 };
            let (erasure, mac) = parse(line).ok_or_else(broken)?;
            let key = keys.get(&erasure.tenant).ok_or_else(broken)?;
            if !bool::from(line_mac(key, &erasure)?.ct_eq(&mac)) {
                return Err(broken());
            }
            erasures.push(erasure);
        }
        Ok(erasures)
    }

    /// Brings the list up to what the database knows. What the list knows beyond that stays. Gives the
    /// number of people on it.
    ///
    /// # Errors
    /// As for [`ErasureList::read`], and when it cannot be written.
    pub async fn keep(&self, db: &Db, keychain: &Keychain, tenant: TenantId) -> Result<usize, BackupError> {
        let known = self.read(keychain, &[tenant]).await?;
        let mut all: BTreeMap<SubjectId, Timestamp> =
            known.iter().map(|erasure| (erasure.subject, erasure.at)).collect();
        let before = all.len();
        for (subject, at) in db.read(move |tx| keys::erasures(tx, tenant)).await? {
            all.entry(subject).or_insert(at);
        }
        if all.len() == before {
            return Ok(before);
        }
        let key = keychain.tenant_data_key_at(tenant, Purpose::Index, 1).await?;
        let mut text = String::new();
        for (subject, at) in &all {
            let erasure = Erasure { tenant, subject: *subject, at: *at };
            let mac = hex::encode(line_mac(&key, &erasure)?);
            text.push_str(&format!("{LABEL} {tenant} {subject} {} {mac}\n", at.as_millis()));
        }
        self.replace(&text).map_err(BackupError::file("write", &self.0))?;
        Ok(all.len())
    }

    /// The new text or the old one, whatever happens meanwhile.
    fn replace(&self, text: &str) -> std::io::Result<()> {
        let next = self.0.with_extension("next");
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&next)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&next, &self.0)?;
        let folder = self.0.parent().filter(|folder| !folder.as_os_str().is_empty());
        fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

fn line_mac(key: &DataKey, erasure: &Erasure) -> Result<[u8; 32], BackupError> {
    let at = erasure.at.as_millis().to_be_bytes();
    Ok(key.mac(LABEL, &[&erasure.tenant.to_bytes()[..], &erasure.subject.to_bytes(), &at].concat())?)
}

fn parse(line: &str) -> Option<(Erasure, [u8; 32])> {
    let mut words = line.split(' ');
    (words.next()? == LABEL).then_some(())?;
    let (tenant, subject) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let at = Timestamp::from_millis(words.next()?.parse().ok()?);
    let mac = <[u8; 32]>::try_from(hex::decode(words.next()?).ok()?).ok()?;
    words.next().is_none().then_some((Erasure { tenant, subject, at }, mac))
}
