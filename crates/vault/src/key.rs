//! A key's bytes, the keys derived from it, and its commitment.

use std::fmt;

use aws_lc_rs::{hkdf, hmac};
use kernel::World;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::VaultError;

/// The 32 bytes of a key. Zeroized when dropped, held on the heap so that moving it leaves no copy
/// behind, silent in `Debug`.
pub struct KeyBytes(Box<[u8; 32]>);

impl KeyBytes {
    /// A new key from the world's randomness.
    pub fn generate(world: &World) -> Self {
        let mut key = Self::zero();
        world.random().fill(key.0.as_mut_slice());
        key
    }

    /// A key from bytes that came out of a provider; `None` unless they are 32. The caller's copy is
    /// the caller's to clear.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut key = Self::zero();
        if bytes.len() != key.0.len() {
            return None;
        }
        key.0.copy_from_slice(bytes);
        Some(key)
    }

    /// Looks at the bytes. Every call is a place for a reviewer to stop.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    fn zero() -> Self {
        Self(Box::new([0; 32]))
    }

    /// The key for one use: HKDF-Expand with SHA-256 (RFC 5869 section 2.3), this key as the PRK and
    /// `label`, a zero byte and `detail` as the info. Labels hold no zero byte, so no two pairs of
    /// label and detail give the same info.
    pub(crate) fn derive(&self, label: Label, detail: &str) -> Result<KeyBytes, VaultError> {
        let prk = hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, self.expose());
        let info = [label.0.as_bytes(), &[0], detail.as_bytes()];
        let mut key = Self::zero();
        prk.expand(&info, hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(key.0.as_mut_slice()))
            .map_err(|_| VaultError::Library)?;
        Ok(key)
    }

    /// HMAC-SHA256 (RFC 2104) of `data` under this key, which must be derived for nothing else.
    pub(crate) fn mac(&self, data: &[u8]) -> [u8; 32] {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, self.expose()), data);
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        bytes
    }

    /// The commitment to this key: nobody can show another key with the same commitment, so a record
    /// that was crafted to open under two keys opens under the committed one alone.
    pub(crate) fn commitment(&self, context: &[u8]) -> Result<[u8; 32], VaultError> {
        Ok(self.derive(COMMIT, "")?.mac(context))
    }

    /// Checks a stored commitment in constant time.
    pub(crate) fn check(&self, context: &[u8], stored: &[u8; 32]) -> Result<(), VaultError> {
        if self.commitment(context)?.ct_eq(stored).into() {
            Ok(())
        } else {
            Err(VaultError::CommitmentMismatch)
        }
    }
}

impl Drop for KeyBytes {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for KeyBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyBytes([redacted])")
    }
}

/// What a derived key is for. The list below is all there is.
#[derive(Clone, Copy)]
pub(crate) struct Label(&'static str);

/// Wraps the keys one level below.
pub(crate) const WRAP: Label = Label("wardroom/1/wrap");
/// Commits to the key.
pub(crate) const COMMIT: Label = Label("wardroom/1/commit");
/// Seals records.
pub(crate) const SEAL: Label = Label("wardroom/1/seal");
/// Authenticates bytes that are not sealed; one key for each label of the caller.
pub(crate) const MAC: Label = Label("wardroom/1/mac");
/// Makes blind-index tokens; one key for each field.
pub(crate) const BLIND_INDEX: Label = Label("wardroom/1/blind-index");
/// Seals a stream; one key for each salt.
pub(crate) const STREAM: Label = Label("wardroom/1/stream");
/// Tells one root key from another without telling the key.
pub(crate) const ROOT_CHECK: Label = Label("wardroom/1/root-check");

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> KeyBytes {
        KeyBytes::from_slice(&[byte; 32]).unwrap()
    }

    #[test]
    fn every_label_and_detail_gives_another_key() {
        let labels = [WRAP, COMMIT, SEAL, MAC, BLIND_INDEX, STREAM, ROOT_CHECK];
        let mut keys: Vec<[u8; 32]> = Vec::new();
        for label in labels {
            for detail in ["", "a", "b"] {
                keys.push(*key(7).derive(label, detail).unwrap().expose());
            }
        }
        let all = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), all);
    }

    #[test]
    fn a_commitment_answers_for_one_key_in_one_context() {
        let stored = key(1).commitment(b"here").unwrap();
        assert!(key(1).check(b"here", &stored).is_ok());
        assert!(matches!(key(2).check(b"here", &stored), Err(VaultError::CommitmentMismatch)));
        assert!(matches!(key(1).check(b"there", &stored), Err(VaultError::CommitmentMismatch)));
    }

    #[test]
    fn only_32_bytes_are_a_key_and_a_key_does_not_print() {
        assert!(KeyBytes::from_slice(&[0; 31]).is_none());
        assert!(KeyBytes::from_slice(&[0; 33]).is_none());
        assert_eq!(format!("{:?}", key(0x41)), "KeyBytes([redacted])");
    }
}
