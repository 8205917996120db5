//! The root key from a passphrase, by Argon2id (RFC 9106). A small header file holds the salt, the cost
//! and a check value; it is not secret, but whoever has it can try passphrases offline, so the
//! passphrase must be one that cannot be guessed.

use std::fmt;
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use kernel::{Secret, World};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::KeyBytes;
use crate::file_root::{read_private, refused, write_new};
use crate::provider::{KeyProvider, ProviderError, ProviderInfo, WrapContext};
use crate::root::LocalRoot;

const FORMAT: &str = "wardroom passphrase root 1";
const MOST: usize = 1024;

/// What deriving costs: RFC 9106 section 4, second recommended option, with one lane.
const COST: Cost = Cost { memory_kib: 64 * 1024, passes: 3, lanes: 1 };

/// A root key from a passphrase.
pub struct PassphraseRoot {
    path: PathBuf,
    root: LocalRoot,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    salt: String,
    cost: Cost,
    check: String,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl PassphraseRoot {
    /// The fewest characters of a new passphrase.
    pub const LEAST: usize = 16;

    /// Makes a new root: a fresh salt, and the header file. It never overwrites.
    ///
    /// Takes about 64 MiB of memory and some tenths of a second, as opening does.
    ///
    /// # Errors
    /// When the passphrase is shorter than [`PassphraseRoot::LEAST`], or the file exists or cannot be
    /// written.
    pub fn create(
        path: impl Into<PathBuf>,
        passphrase: &Secret<String>,
        world: World,
    ) -> Result<Self, ProviderError> {
        let path = path.into();
        if passphrase.expose().chars().count() < Self::LEAST {
            let why = format!("the passphrase is too short; use at least {} characters", Self::LEAST);
            return Err(ProviderError::Unsafe { why });
        }
        let salt: [u8; 16] = world.bytes();
        let root = LocalRoot::new(&derive(&path, passphrase, &salt, COST)?, world)?;
        let (salt, check) = (hex::encode(salt), hex::encode(root.check()));
        let header = Header { format: FORMAT.to_owned(), salt, cost: COST, check };
        let mut text = serde_json::to_vec_pretty(&header)
            .map_err(|error| ProviderError::Failed { why: error.to_string() })?;
        text.push(b'\n');
        write_new(&path, &text)?;
        Ok(Self { path, root })
    }

    /// Derives the root key and compares it with the header's check value.
    ///
    /// # Errors
    /// [`ProviderError::WrongPassphrase`], or when the header file is not acceptable.
    pub fn open(
        path: impl Into<PathBuf>,
        passphrase: &Secret<String>,
        world: World,
    ) -> Result<Self, ProviderError> {
        let path = path.into();
        let header = Header::read(&path)?;
        let damaged =
            || refused(&path, "is damaged: salt or check is not hex of the right length".to_owned());
        let (mut salt, mut check) = ([0u8; 16], [0u8; crate::root::CHECK]);
        hex::decode_to_slice(&header.salt, &mut salt).map_err(|_| damaged())?;
        hex::decode_to_slice(&header.check, &mut check).map_err(|_| damaged())?;
        let root = LocalRoot::new(&derive(&path, passphrase, &salt, header.cost)?, world)?;
        if root.check().ct_eq(&check).into() {
            Ok(Self { path, root })
        } else {
            Err(ProviderError::WrongPassphrase)
        }
    }
}

impl Header {
    fn read(path: &Path) -> Result<Self, ProviderError> {
        let bytes = read_private(path, MOST)?;
        let header: Header = serde_json::from_slice(&bytes)
            .map_err(|error| refused(path, format!("is not a passphrase root's header: {error}")))?;
        if header.format != FORMAT {
            return Err(refused(path, format!("has a format that is not `{FORMAT}`")));
        }
        Ok(header)
    }
}

impl fmt::Debug for PassphraseRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PassphraseRoot({})", self.describe())
    }
}

impl KeyProvider for PassphraseRoot {
    fn describe(&self) -> ProviderInfo {
        let key = format!("{} ({})", self.path.display(), hex::encode(self.root.check()));
        ProviderInfo { kind: "passphrase", key }
    }

    fn wrap(&self, key: &KeyBytes, context: &WrapContext) -> Result<Vec<u8>, ProviderError> {
        self.root.wrap(key, context)
    }

    fn unwrap(&self, blob: &[u8], context: &WrapContext) -> Result<KeyBytes, ProviderError> {
        self.root.unwrap(blob, context)
    }

    /// Reads the header again: without it, the next start has no salt.
    fn health(&self) -> Result<(), ProviderError> {
        let header = Header::read(&self.path)?;
        let ours = hex::encode(self.root.check());
        if header.check == ours {
            Ok(())
        } else {
            Err(ProviderError::WrongRoot { ours, theirs: header.check })
        }
    }
}

fn derive(
    path: &Path,
    passphrase: &Secret<String>,
    salt: &[u8; 16],
    cost: Cost,
) -> Result<KeyBytes, ProviderError> {
    if crate::fips::REFUSES {
        let why =
            "Argon2 is not approved, and this build is in FIPS mode; choose another provider".to_owned();
        return Err(ProviderError::Unsafe { why });
    }
    // A header with other costs than these did not come from here, and could eat memory or time.
    let sane = (19 * 1024..=1024 * 1024).contains(&cost.memory_kib)
        && (1..=16).contains(&cost.passes)
        && (1..=16).contains(&cost.lanes);
    if !sane {
        return Err(refused(
            path,
            "asks for a cost outside 19 MiB to 1 GiB, 1 to 16 passes and lanes".to_owned(),
        ));
    }
    let failed = |error: argon2::Error| ProviderError::Failed { why: error.to_string() };
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(failed)?;
    let mut key = Zeroizing::new([0u8; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.expose().as_bytes(), salt, key.as_mut_slice())
        .map_err(failed)?;
    KeyBytes::from_slice(key.as_slice())
        .ok_or_else(|| ProviderError::Failed { why: "Argon2 gave no 32 bytes".to_owned() })
}
