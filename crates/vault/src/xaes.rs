//! XAES-256-GCM (C2SP, <https://c2sp.org/XAES-256-GCM>): AES-256-GCM under a key derived for each
//! message from half of a 24-byte nonce.
//!
//! Random 24-byte nonces are safe for 2^80 messages under one key at a collision risk of 2^-32, so no
//! counter has to survive a crash, a restore or a fork. Its parts are approved ones: the derivation is
//! the counter-mode KDF of NIST SP 800-108r1 with CMAC, the cipher is NIST SP 800-38D.
//!
//! It does not commit to the key: one ciphertext can be crafted that opens under two keys. The
//! commitment stored with every wrapped key closes that (see `key.rs`).

mod derive;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::{KeyBytes, VaultError};
use derive::Derive;

/// Length of a nonce in bytes.
pub(crate) const NONCE: usize = 24;
/// Length of the authentication tag in bytes.
pub(crate) const TAG: usize = 16;

/// One key, ready for use. The library below clears its own copy when this is dropped.
pub(crate) struct Xaes(Derive);

impl Xaes {
    pub(crate) fn new(key: &KeyBytes) -> Result<Self, VaultError> {
        Derive::new(key).map(Self)
    }

    /// Encrypts `text` where it stands and returns the tag.
    pub(crate) fn seal(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        text: &mut [u8],
    ) -> Result<[u8; TAG], VaultError> {
        let (key, nonce) = self.message_key(nonce)?;
        let tag =
            key.seal_in_place_separate_tag(nonce, Aad::from(aad), text).map_err(|_| VaultError::Library)?;
        tag.as_ref().try_into().map_err(|_| VaultError::Library)
    }

    /// Decrypts `text`, which ends with the tag, where it stands and returns the part that is plaintext.
    /// `None` when the tag does not answer for key, nonce, AAD and text; `text` is then worthless.
    pub(crate) fn open<'a>(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        text: &'a mut [u8],
    ) -> Result<Option<&'a mut [u8]>, VaultError> {
        let (key, nonce) = self.message_key(nonce)?;
        Ok(key.open_in_place(nonce, Aad::from(aad), text).ok())
    }

    /// The AES-256-GCM key and the 12-byte nonce for one 24-byte nonce.
    fn message_key(&self, nonce: &[u8; NONCE]) -> Result<(LessSafeKey, Nonce), VaultError> {
        let (context, rest) = nonce.split_at(12);
        // SP 800-108r1 in counter mode: 16-bit counter, the label "X", a zero byte, the context.
        let block = |counter| {
            let mut block = [0u8; 16];
            let (head, tail) = block.split_at_mut(4);
            head.copy_from_slice(&[0, counter, b'X', 0]);
            tail.copy_from_slice(context);
            block
        };
        let key = self.0.both([block(1), block(2)])?;
        let unbound = UnboundKey::new(&AES_256_GCM, key.as_slice()).map_err(|_| VaultError::Library)?;
        let nonce = Nonce::try_assume_unique_for_key(rest).map_err(|_| VaultError::Library)?;
        Ok((LessSafeKey::new(unbound), nonce))
    }
}

#[cfg(test)]
mod tests;
