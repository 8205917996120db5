//! The keys of our own that a SAML connection has: one signs requests and logouts, the other opens
//! encrypted assertions. They are sealed with the connection and read once, for reading a key costs more
//! than using it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use federation::saml::{Encryption, OwnKey};
use kernel::{ConnectionId, Secret, World};
use serde::{Deserialize, Serialize};

use super::Opened;
use super::settings::{Provider, Settings};
use crate::{IdentityError, Inner};

/// Connections whose keys are kept.
const KEPT: usize = 64;

/// A private key and its certificate.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    /// PKCS #8.
    key: Vec<u8>,
    /// DER.
    certificate: Vec<u8>,
}

/// The keys of a SAML connection, as they are sealed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SamlSecret {
    key: Vec<u8>,
    certificate: Vec<u8>,
    /// Made when encrypted assertions are first wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encryption: Option<Pair>,
}

impl Drop for SamlSecret {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.key);
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.key);
    }
}

/// The keys of a SAML connection, at work.
pub(crate) struct SamlKeys {
    /// Signs what we send.
    pub(crate) signing: OwnKey,
    /// Opens encrypted assertions.
    pub(crate) encryption: Option<OwnKey>,
}

/// Keys that were read, each with the version of its connection.
#[derive(Default)]
pub(crate) struct KeptKeys(Mutex<HashMap<ConnectionId, (u64, Arc<SamlKeys>)>>);

impl SamlSecret {
    /// Makes the key that signs.
    pub(crate) async fn generate(world: &World) -> Result<Self, IdentityError> {
        let mut pair = Pair::generate(world).await?;
        let (key, certificate) = (std::mem::take(&mut pair.key), std::mem::take(&mut pair.certificate));
        Ok(Self { key, certificate, encryption: None })
    }

    pub(crate) fn write(&self) -> Result<Secret<Vec<u8>>, IdentityError> {
        Ok(Secret::new(serde_json::to_vec(self).map_err(|_| no_key())?))
    }

    fn read(secret: &Secret<Vec<u8>>) -> Result<Self, IdentityError> {
        serde_json::from_slice(secret.expose()).map_err(|_| no_key())
    }

    fn open(mut self) -> Result<SamlKeys, IdentityError> {
        let signing = Secret::new(std::mem::take(&mut self.key));
        let signing = OwnKey::new(&signing, &self.certificate).map_err(|_| no_key())?;
        let encryption = self.encryption.take().map(|mut pair| {
            let key = Secret::new(std::mem::take(&mut pair.key));
            OwnKey::new(&key, &pair.certificate).map_err(|_| no_key())
        });
        Ok(SamlKeys { signing, encryption: encryption.transpose()? })
    }
}

impl Pair {
    async fn generate(world: &World) -> Result<Self, IdentityError> {
        let world = world.clone();
        // It takes a good part of a second.
        let made = tokio::task::spawn_blocking(move || OwnKey::generate("wardroom", &world)).await;
        let (key, certificate) = made.map_err(|_| no_key())?.map_err(|_| no_key())?;
        Ok(Self { key: key.expose().clone(), certificate })
    }
}

impl KeptKeys {
    fn get(&self, connection: ConnectionId, version: u64) -> Option<Arc<SamlKeys>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&connection).filter(|(of, _)| *of == version).map(|(_, keys)| Arc::clone(keys))
    }

    fn keep(&self, connection: ConnectionId, version: u64, keys: &Arc<SamlKeys>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(connection, (version, Arc::clone(keys)));
    }
}

impl Inner {
    /// The keys of a SAML connection.
    pub(crate) async fn saml_keys(&self, opened: &Opened) -> Result<Arc<SamlKeys>, IdentityError> {
        let (id, version) = (opened.row.id, opened.row.version);
        let kept = self.access.get().map(|access| &access.saml_keys);
        if let Some(keys) = kept.and_then(|kept| kept.get(id, version)) {
            return Ok(keys);
        }
        let secret = self.secret_of(&opened.row).await?.ok_or_else(no_key)?;
        let keys = Arc::new(SamlSecret::read(&secret)?.open()?);
        if let Some(kept) = kept {
            kept.keep(id, version, &keys);
        }
        Ok(keys)
    }

    /// The connection's secret with a key that opens assertions, when `settings` want one and there is
    /// none yet.
    pub(crate) async fn with_encryption_key(
        &self,
        opened: &Opened,
        settings: &Settings,
    ) -> Result<Option<Secret<Vec<u8>>>, IdentityError> {
        let Provider::Saml(saml) = &settings.provider else { return Ok(None) };
        if saml.encryption == Encryption::Off {
            return Ok(None);
        }
        let mut secret = SamlSecret::read(&self.secret_of(&opened.row).await?.ok_or_else(no_key)?)?;
        if secret.encryption.is_some() {
            return Ok(None);
        }
        secret.encryption = Some(Pair::generate(&self.world).await?);
        Ok(Some(secret.write()?))
    }
}

fn no_key() -> IdentityError {
    IdentityError::Document("key")
}
