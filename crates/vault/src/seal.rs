//! Sealing and opening: what a data key does.

use std::fmt;
use std::sync::Arc;

use kernel::{KeyId, TenantId};

use crate::key::{BLIND_INDEX, Label, MAC, SEAL};
use crate::nonces::Nonces;
use crate::padding::{pad, padded, unpad};
use crate::sealed::{MAX_PLAIN, OVERHEAD, VERSION};
use crate::tally::Tally;
use crate::xaes::{NONCE, Xaes};
use crate::{KeyBytes, Place, Purpose, Sealable, Sealed, VaultError};

/// A data key: seals the records of one conversation, or of another small family of rows.
///
/// It comes out of [`Keyring::data_key`](crate::Keyring::data_key). Hold it for one piece of work and
/// ask again for the next: the keyring sees to it that a key withdrawn at the provider stops working
/// within the cache's lifetime, and it cannot reach a key that someone kept.
pub struct DataKey {
    id: KeyId,
    tenant: TenantId,
    purpose: Purpose,
    generation: u32,
    key: KeyBytes,
    seal: Xaes,
    nonces: Arc<Nonces>,
    tally: Tally,
}

impl DataKey {
    /// How many records one generation of a key seals before the next one begins. House policy; the bound
    /// of the construction itself is 2^80.
    pub const RECORDS_PER_GENERATION: u64 = 1 << 20;

    /// The most bytes of a value that is sealed as one record: 1 MiB.
    pub const MAX_PLAIN: usize = MAX_PLAIN;

    pub(crate) fn new(
        id: KeyId,
        tenant: TenantId,
        purpose: Purpose,
        generation: u32,
        key: KeyBytes,
        nonces: Arc<Nonces>,
    ) -> Result<Self, VaultError> {
        let seal = Xaes::new(&key.derive(SEAL, "")?)?;
        Ok(Self { id, tenant, purpose, generation, key, seal, nonces, tally: Tally::default() })
    }

    /// The same, counting on where it was left.
    pub(crate) fn counted_by(self, tally: Tally) -> Self {
        Self { tally, ..self }
    }

    /// Records that this key has sealed in this process, and that nobody has filed yet.
    pub fn unfiled(&self) -> u64 {
        self.tally.now()
    }

    /// Takes [`DataKey::unfiled`], to add it to what is stored with the key.
    pub fn take_unfiled(&self) -> u64 {
        self.tally.take()
    }

    /// Gives back what could not be filed.
    pub fn give_back(&self, unfiled: u64) {
        self.tally.add(unfiled);
    }

    /// The key's id.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Whose data it seals.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// What it is for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Its generation: how many keys for the same rows came before it.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Seals a value for one place.
    ///
    /// The record tells its length class, and nothing else about the value. Sealing the same value
    /// twice gives two different records.
    ///
    /// # Errors
    /// When the place is another tenant's, or the value is larger than [`DataKey::MAX_PLAIN`].
    pub fn seal<T: Sealable>(&self, place: &Place, value: &T) -> Result<Sealed<T>, VaultError> {
        let aad = self.aad(place)?;
        let plain = value.plain()?;
        let plain = plain.as_ref();
        if plain.len() > MAX_PLAIN {
            return Err(VaultError::TooLarge { found: plain.len(), max: MAX_PLAIN });
        }
        // Reserved once: a buffer that grew would leave plaintext in the memory it grew out of.
        let mut record = Vec::with_capacity(OVERHEAD + padded(plain.len()));
        let nonce = self.nonces.next(&place.mix());
        record.push(VERSION);
        record.extend_from_slice(&nonce);
        record.extend_from_slice(plain);
        pad(&mut record, 1 + NONCE);
        let (_, text) = record.split_at_mut(1 + NONCE);
        let tag = self.seal.seal(&nonce, &aad, text)?;
        record.extend_from_slice(&tag);
        self.tally.add(1);
        Ok(Sealed::made(record))
    }

    /// Opens a record in its place.
    ///
    /// # Errors
    /// [`VaultError::Refused`] when the record was changed, or belongs to another place or key;
    /// [`VaultError::Content`] when what it holds is no longer a valid `T`.
    pub fn open<T: Sealable>(&self, place: &Place, sealed: &Sealed<T>) -> Result<T, VaultError> {
        let aad = self.aad(place)?;
        // `Sealed` has checked version and length.
        let (_, rest) = sealed.as_bytes().split_first().ok_or(VaultError::Refused)?;
        let (nonce, text) = rest.split_first_chunk::<NONCE>().ok_or(VaultError::Refused)?;
        let mut text = Opened(text.to_vec());
        let opened = self.seal.open(nonce, &aad, &mut text.0)?.ok_or(VaultError::Refused)?;
        unpad(opened).and_then(T::from_plain).ok_or(VaultError::Content { what: T::WHAT })
    }

    /// HMAC-SHA256 of `data` under a key derived for `label` alone, for values that are kept in the
    /// clear but must not be forged, and for the hash chains of rows.
    ///
    /// # Errors
    /// Only when the library below fails.
    pub fn mac(&self, label: &'static str, data: &[u8]) -> Result<[u8; 32], VaultError> {
        Ok(self.key.derive(MAC, label)?.mac(data))
    }

    /// A token to look a value up by without storing it: HMAC-SHA256 under a key derived for `field`,
    /// cut to 16 bytes. Bring the value into one spelling first.
    ///
    /// Equal values have equal tokens: whoever reads the database learns which rows share a value and
    /// how often, and nothing else without the key. So it is for identifiers, which do not repeat by
    /// themselves; never for words of a text. The next generation of the key gives other tokens.
    ///
    /// # Errors
    /// Only when the library below fails.
    pub fn blind_index(&self, field: &'static str, normalised: &[u8]) -> Result<[u8; 16], VaultError> {
        let token = self.key.derive(BLIND_INDEX, field)?.mac(normalised);
        let (half, _) = token.split_first_chunk::<16>().ok_or(VaultError::Library)?;
        Ok(*half)
    }

    pub(crate) fn derived(&self, label: Label, detail: &str) -> Result<KeyBytes, VaultError> {
        self.key.derive(label, detail)
    }

    pub(crate) fn random(&self) -> [u8; 32] {
        self.nonces.secret()
    }

    fn aad(&self, place: &Place) -> Result<Vec<u8>, VaultError> {
        if place.tenant() != self.tenant {
            return Err(VaultError::WrongTenant { key: self.tenant, place: place.tenant() });
        }
        Ok(place.aad(VERSION, self.id, self.generation))
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({}, {:?}, generation {})", self.id, self.purpose, self.generation)
    }
}

/// The buffer a record is opened in, cleared when it goes. `Zeroizing<Vec<u8>>` would clear it one byte
/// at a time, which at 16 KiB takes several times as long as the decryption.
struct Opened(Vec<u8>);

impl Drop for Opened {
    fn drop(&mut self) {
        zeroize::zeroize_bytes(&mut self.0);
    }
}
