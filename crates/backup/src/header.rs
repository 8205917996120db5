//! What stands in the clear at the beginning of a backup: enough to know what it is and to get at its
//! key, authenticated with everything after it.
//!
//! ```text
//! "wardroom backup\n" 16 | length of the JSON 4 | JSON | salt 32 | commitment 32 | chunks
//! ```

use std::io::{Read, Write};

use kernel::{Id, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use store::keys::{Chain, KeyState};
use vault::{Purpose, StreamStart, WrappedBy, WrappedDataKey, WrappedTenantKey};

use crate::BackupError;

/// The format that this program writes and reads.
pub const FORMAT: u32 = 1;

const MAGIC: &[u8; 16] = b"wardroom backup\n";
/// The longest header that is read: checkpoints and a tenant's keys are a few hundred bytes each.
const MOST: u32 = 1 << 20;

/// The head of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The format of the file.
    pub format: u32,
    /// The version of the program that made it.
    pub made_by: String,
    /// When it was taken, in milliseconds since 1970.
    pub taken_ms: u64,
    /// The engine it was taken from; it can be restored into either.
    pub engine: String,
    /// The schema version of the rows.
    pub schema: u32,
    /// The checksum of that schema.
    pub schema_sum: String,
    /// The tenants whose rows these are: the deployment.
    pub tenants: Vec<TenantId>,
    /// The audit log of each tenant at that moment.
    pub logs: Vec<LogHead>,
    /// The wrapped key of the file.
    key: KeyRows,
}

/// A tenant's audit log when the backup was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogHead {
    /// Whose.
    pub tenant: TenantId,
    /// How many leaves it had.
    pub size: u64,
    /// The root over them.
    pub root: String,
    /// The newest signed checkpoint.
    pub checkpoint: Option<String>,
}

/// The rows that lead from the root key to the file's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyRows {
    tenant: TenantId,
    version: u32,
    tenant_blob: String,
    tenant_commitment: String,
    key: kernel::KeyId,
    generation: u32,
    blob: String,
    commitment: String,
}

impl Header {
    pub(crate) fn new(
        taken: Timestamp,
        dialect: store::Dialect,
        tenants: Vec<TenantId>,
        logs: Vec<LogHead>,
        chain: &Chain,
    ) -> Self {
        let schema = store::dump::schema();
        let engine = match dialect {
            store::Dialect::Sqlite => "sqlite",
            store::Dialect::Postgres => "postgresql",
        };
        Self {
            format: FORMAT,
            made_by: env!("CARGO_PKG_VERSION").to_owned(),
            taken_ms: taken.as_millis(),
            engine: engine.to_owned(),
            schema,
            schema_sum: hex::encode(store::schema_sum(schema)),
            tenants,
            logs,
            key: KeyRows {
                tenant: chain.tenant.tenant,
                version: chain.tenant.version,
                tenant_blob: hex::encode(&chain.tenant.blob),
                tenant_commitment: hex::encode(chain.tenant.commitment),
                key: chain.data.key_id,
                generation: chain.data.generation,
                blob: hex::encode(&chain.data.blob),
                commitment: hex::encode(chain.data.commitment),
            },
        }
    }

    /// When it was taken.
    pub fn taken(&self) -> Timestamp {
        Timestamp::from_millis(self.taken_ms)
    }

    /// The wrapped keys that lead to the file's key.
    pub(crate) fn chain(&self) -> Result<Chain, BackupError> {
        let (rows, malformed) = (&self.key, || BackupError::NotABackup { why: "its key cannot be read" });
        let bytes = |text: &str| hex::decode(text).map_err(|_| malformed());
        let hash = |text: &str| <[u8; 32]>::try_from(bytes(text)?).map_err(|_| malformed());
        let tenant = WrappedTenantKey {
            tenant: rows.tenant,
            version: rows.version,
            blob: bytes(&rows.tenant_blob)?,
            commitment: hash(&rows.tenant_commitment)?,
        };
        let data = WrappedDataKey {
            tenant: rows.tenant,
            key_id: rows.key,
            purpose: Purpose::Backup,
            generation: rows.generation,
            wrapped_by: WrappedBy::Tenant(rows.version),
            blob: bytes(&rows.blob)?,
            commitment: hash(&rows.commitment)?,
        };
        // A file does not know what became of its key since; whoever opens it asks the provider.
        let (state, made) = (KeyState::Active, self.taken());
        Ok(Chain { tenant, state, subject: None, data, made, records: 0 })
    }

    /// The bytes in front of the stream's start: what the stream authenticates.
    pub(crate) fn head(&self) -> Result<Vec<u8>, BackupError> {
        let malformed = |_| BackupError::Malformed { why: "its head cannot be written" };
        let json = serde_json::to_vec(self).map_err(malformed)?;
        let length = u32::try_from(json.len()).unwrap_or(u32::MAX);
        if length > MOST {
            return Err(BackupError::Malformed { why: "its head is too long" });
        }
        Ok([MAGIC.as_slice(), &length.to_be_bytes(), &json].concat())
    }

    /// Reads the head and the start of the stream, and leaves `from` at the first chunk.
    pub(crate) fn read(mut from: impl Read) -> Result<(Self, Vec<u8>, StreamStart), BackupError> {
        let not = |why| BackupError::NotABackup { why };
        let cut = |_| not("it is too short");
        let mut begin = [0; 20];
        from.read_exact(&mut begin).map_err(cut)?;
        let (magic, length) = begin.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(not("it does not begin like one"));
        }
        let length = u32::from_be_bytes(length.try_into().unwrap_or_default());
        if length > MOST {
            return Err(not("its head is too long"));
        }
        let mut json = vec![0; usize::try_from(length).unwrap_or_default()];
        from.read_exact(&mut json).map_err(cut)?;
        // The format first: the rest of a newer head may be unknown here.
        let format: Format = serde_json::from_slice(&json).map_err(|_| not("its head cannot be read"))?;
        if format.format != FORMAT {
            return Err(BackupError::NewerFormat { found: format.format, known: FORMAT });
        }
        let header: Self = serde_json::from_slice(&json).map_err(|_| not("its head cannot be read"))?;
        let mut start = StreamStart { salt: [0; 32], commitment: [0; 32] };
        from.read_exact(&mut start.salt).map_err(cut)?;
        from.read_exact(&mut start.commitment).map_err(cut)?;
        Ok((header, [begin.as_slice(), &json].concat(), start))
    }

    /// Whether this program can put the rows back.
    pub(crate) fn check_schema(&self) -> Result<(), BackupError> {
        let known = store::dump::schema();
        if self.schema > known {
            return Err(BackupError::NewerSchema { found: self.schema, known });
        }
        if self.schema_sum != hex::encode(store::schema_sum(self.schema)) {
            return Err(BackupError::OtherSchema(self.schema));
        }
        Ok(())
    }
}

/// The one field that every format has.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// Writes the head and the start of the stream.
pub(crate) fn write(head: &[u8], start: &StreamStart, mut to: impl Write) -> std::io::Result<()> {
    to.write_all(head)?;
    to.write_all(&start.salt)?;
    to.write_all(&start.commitment)
}

/// The bytes of a tenant's id, for logs that have none.
pub(crate) fn nobody() -> TenantId {
    TenantId::from_bytes([0; 16])
}
