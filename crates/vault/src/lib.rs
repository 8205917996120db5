//! The vault: all encryption of data at rest, and nothing else.
//!
//! A value goes to the database only as a [`Sealed<T>`], and only a [`DataKey`] makes one. A data key
//! seals under XAES-256-GCM for exactly one [`Place`]; it comes out of the [`Keyring`], which walks the
//! hierarchy root key, tenant key, subject key, data key. The root key stays behind a [`KeyProvider`].
//! `docs/encryption.md` has the construction byte by byte, its limits and what it does not promise.
//!
//! ```
//! # use std::sync::Arc;
//! # use kernel::{MessageText, World};
//! # use vault::*;
//! # let dir = tempfile::tempdir()?;
//! # let world = World::real();
//! let root = FileRoot::create(dir.path().join("root.key"), world.clone())?;
//! let keyring = Keyring::new(Arc::new(root), world.clone(), CachePolicy::default());
//!
//! // Made once, and stored: each of these rows is worthless without the key above it.
//! let tenant = keyring.new_tenant_key(world.id(), 1)?;
//! let subject = keyring.new_subject_key(&tenant, world.id())?;
//! let data = keyring.new_data_key(&tenant, Some(&subject), Purpose::Conversation, 1)?;
//!
//! let chain = KeyChain { tenant: &tenant, subject: Some(&subject), data: &data };
//! let key = keyring.data_key(&chain)?;
//! let place = Place::new(tenant.tenant, Table::new(1), [7; 16], Column::new(2)).seq(1);
//! let record = key.seal(&place, &MessageText::new("Where is my card?")?)?;
//!
//! assert_eq!(key.open(&place, &record)?.as_str(), "Where is my card?");
//! assert!(matches!(key.open(&place.seq(2), &record), Err(VaultError::Refused)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cache;
mod error;
mod file_root;
mod fips;
mod key;
mod keyring;
mod nonces;
mod padding;
mod passphrase_root;
#[cfg(feature = "pkcs11")]
mod pkcs11_root;
mod place;
mod provider;
mod remote;
mod root;
mod seal;
mod sealed;
mod stream;
mod tally;
mod two_roots;
mod uses;
mod watched;
mod wrapped;
mod xaes;

pub use cache::CachePolicy;
pub use error::VaultError;
pub use file_root::FileRoot;
pub use fips::{NotFips, fips_status};
pub use key::KeyBytes;
pub use keyring::{KeyChain, Keyring};
pub use passphrase_root::PassphraseRoot;
#[cfg(feature = "pkcs11")]
pub use pkcs11_root::{Pkcs11Method, Pkcs11Root, Pkcs11Settings};
pub use place::{Column, Place, Table};
pub use provider::{KeyProvider, ProviderError, ProviderInfo, WrapContext};
pub use remote::{
    AwsCredentials, AwsKms, AwsKmsSettings, AzureKeyVault, AzureKeyVaultSettings, AzureWrapping, Credential,
    GoogleKms, GoogleKmsSettings, OpenBao, OpenBaoSettings, Service,
};
pub use seal::DataKey;
pub use sealed::{Json, Plain, Sealable, Sealed};
pub use stream::{CHUNK, CHUNK_OVERHEAD, StreamOpener, StreamSealer, StreamStart};
pub use two_roots::TwoRoots;
pub use uses::RootUse;
pub use watched::{Failure, Latency, ProviderRecord, Watched};
pub use wrapped::{Purpose, WrappedBy, WrappedDataKey, WrappedSubjectKey, WrappedTenantKey};
