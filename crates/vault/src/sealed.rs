//! `Sealed<T>`: an encrypted value of type `T`, and the values that can be sealed.

use std::fmt;
use std::marker::PhantomData;

use kernel::{DisplayName, Email, MessageText, Note, Reason, Secret, Title};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

#[cfg(doc)]
use crate::DataKey;
use crate::VaultError;
use crate::padding::{is_padded, padded};
use crate::xaes::{NONCE, TAG};

/// The version byte that begins every record of this construction.
pub(crate) const VERSION: u8 = 1;
/// What a record adds to its padded text.
pub(crate) const OVERHEAD: usize = 1 + NONCE + TAG;
/// The most bytes of plaintext in one record: 1 MiB.
pub(crate) const MAX_PLAIN: usize = 1 << 20;
const LEAST: usize = OVERHEAD + padded(0);
const MOST: usize = OVERHEAD + padded(MAX_PLAIN);

/// An encrypted `T`: `version 1 | nonce 24 | ciphertext | tag 16`. Only [`DataKey::seal`] makes one out
/// of a value, and only [`DataKey::open`] gets the value back. It is not secret; its `Debug` shows the
/// length alone, because records have no business in logs.
///
/// A function that takes a `Sealed<MessageText>` cannot be handed a message:
/// ```compile_fail,E0308
/// fn store(_: vault::Sealed<kernel::MessageText>) {}
/// store(kernel::MessageText::new("Where is my card?").unwrap());
/// ```
/// nor another kind of record:
/// ```compile_fail,E0308
/// fn store(_: vault::Sealed<kernel::MessageText>) {}
/// fn other(reason: vault::Sealed<kernel::Reason>) { store(reason) }
/// ```
pub struct Sealed<T> {
    bytes: Vec<u8>,
    of: PhantomData<fn() -> T>,
}

impl<T> Sealed<T> {
    /// Takes what came out of the database for a record. The seal itself is checked when it is opened.
    ///
    /// # Errors
    /// When it has another version, is cut short, or has a length no record has.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, VaultError> {
        let found = bytes.len();
        match bytes.first() {
            None => return Err(VaultError::Truncated { found, least: LEAST }),
            Some(&VERSION) => {}
            Some(&found) => return Err(VaultError::UnknownVersion { found }),
        }
        match found {
            _ if found < LEAST => Err(VaultError::Truncated { found, least: LEAST }),
            _ if found > MOST => Err(VaultError::TooLarge { found, max: MOST }),
            _ if !is_padded(found - OVERHEAD) => Err(VaultError::Length { found }),
            _ => Ok(Self { bytes, of: PhantomData }),
        }
    }

    /// The record, as stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The record, as stored, without a copy.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Only for [`DataKey`], which has just made the bytes.
    pub(crate) fn made(bytes: Vec<u8>) -> Self {
        Self { bytes, of: PhantomData }
    }
}

impl<T> Clone for Sealed<T> {
    fn clone(&self) -> Self {
        Self::made(self.bytes.clone())
    }
}

impl<T> PartialEq for Sealed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl<T> Eq for Sealed<T> {}

impl<T> AsRef<[u8]> for Sealed<T> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl<T> fmt::Debug for Sealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.bytes.len())
    }
}

/// The bytes of a value on their way into a record.
pub enum Plain<'a> {
    /// The value's own bytes.
    Borrowed(&'a [u8]),
    /// Bytes written for the purpose, cleared afterwards.
    Owned(Zeroizing<Vec<u8>>),
}

impl AsRef<[u8]> for Plain<'_> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plain({} bytes)", self.as_ref().len())
    }
}

/// A value that can be sealed: it can be written as bytes, and read back with all its checks.
pub trait Sealable: Sized {
    /// What it is, in messages to people.
    const WHAT: &'static str;

    /// Its bytes.
    ///
    /// # Errors
    /// When it cannot be written as bytes.
    fn plain(&self) -> Result<Plain<'_>, VaultError>;

    /// The value again; `None` when the bytes are not one.
    fn from_plain(bytes: &[u8]) -> Option<Self>;
}

macro_rules! sealable_texts {
    ($($name:ident, $what:literal;)*) => {$(
        impl Sealable for $name {
            const WHAT: &'static str = $what;

            fn plain(&self) -> Result<Plain<'_>, VaultError> {
                Ok(Plain::Borrowed(self.as_str().as_bytes()))
            }

            fn from_plain(bytes: &[u8]) -> Option<Self> {
                Self::new(std::str::from_utf8(bytes).ok()?).ok()
            }
        }
    )*};
}

sealable_texts! {
    MessageText, "message";
    Reason, "reason";
    DisplayName, "name";
    Title, "title";
    Note, "note";
    Email, "e-mail address";
}

impl Sealable for Vec<u8> {
    const WHAT: &'static str = "byte string";

    fn plain(&self) -> Result<Plain<'_>, VaultError> {
        Ok(Plain::Borrowed(self))
    }

    fn from_plain(bytes: &[u8]) -> Option<Self> {
        Some(bytes.to_vec())
    }
}

impl Sealable for Secret<Vec<u8>> {
    const WHAT: &'static str = "secret";

    fn plain(&self) -> Result<Plain<'_>, VaultError> {
        Ok(Plain::Borrowed(self.expose()))
    }

    fn from_plain(bytes: &[u8]) -> Option<Self> {
        Some(Self::new(bytes.to_vec()))
    }
}

impl Sealable for Secret<String> {
    const WHAT: &'static str = "secret";

    fn plain(&self) -> Result<Plain<'_>, VaultError> {
        Ok(Plain::Borrowed(self.expose().as_bytes()))
    }

    fn from_plain(bytes: &[u8]) -> Option<Self> {
        Some(Self::new(std::str::from_utf8(bytes).ok()?.to_owned()))
    }
}

impl<const N: usize> Sealable for Secret<[u8; N]> {
    const WHAT: &'static str = "secret";

    fn plain(&self) -> Result<Plain<'_>, VaultError> {
        Ok(Plain::Borrowed(self.expose()))
    }

    fn from_plain(bytes: &[u8]) -> Option<Self> {
        Some(Self::new(bytes.try_into().ok()?))
    }
}

/// A value that is sealed as JSON. Give its type `deny_unknown_fields`, as any input.
///
/// While it is written, the growing buffer may leave parts of the text in freed memory.
#[derive(Clone, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T> fmt::Debug for Json<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Json([redacted])")
    }
}

impl<T: Serialize + DeserializeOwned> Sealable for Json<T> {
    const WHAT: &'static str = "JSON document";

    fn plain(&self) -> Result<Plain<'_>, VaultError> {
        let bytes = serde_json::to_vec(&self.0).map_err(|_| VaultError::Unwritable { what: Self::WHAT })?;
        Ok(Plain::Owned(Zeroizing::new(bytes)))
    }

    fn from_plain(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().map(Self)
    }
}
