//! The key derivation of XAES-256-GCM: two CMACs (NIST SP 800-38B) of one block each.
//!
//! For a message of exactly one block, CMAC is the block cipher applied to the block XOR one subkey, which
//! is made once for a key. So it is computed here, on the library's AES: its own CMAC makes and frees a
//! context for each call, which costs more than sealing a short message does. A FIPS build takes the
//! library's CMAC all the same, because there the approved algorithm is what counts.

#[cfg(not(feature = "fips"))]
use aws_lc_rs::cipher::{AES_256, EncryptingKey, UnboundCipherKey};
#[cfg(feature = "fips")]
use aws_lc_rs::cmac;
use zeroize::Zeroizing;

use crate::{KeyBytes, VaultError};

/// A block of AES.
type Block = [u8; 16];

/// Derives the keys of messages from one key.
#[cfg(not(feature = "fips"))]
pub(super) struct Derive {
    aes: EncryptingKey,
    subkey: Zeroizing<Block>,
}

#[cfg(not(feature = "fips"))]
impl Derive {
    pub(super) fn new(key: &KeyBytes) -> Result<Self, VaultError> {
        let library = |_| VaultError::Library;
        let aes =
            UnboundCipherKey::new(&AES_256, key.expose()).and_then(EncryptingKey::ecb).map_err(library)?;
        let mut zeros = Zeroizing::new([0u8; 16]);
        aes.encrypt(zeros.as_mut_slice()).map_err(library)?;
        // SP 800-38B section 6.1: L times x in the field of 2^128 elements.
        let wide = u128::from_be_bytes(*zeros);
        let subkey = (wide << 1) ^ (0x87 & (wide >> 127).wrapping_neg());
        Ok(Self { aes, subkey: Zeroizing::new(subkey.to_be_bytes()) })
    }

    /// The CMACs of two blocks, one after the other.
    pub(super) fn both(&self, blocks: [Block; 2]) -> Result<Zeroizing<[u8; 32]>, VaultError> {
        let mut out = Zeroizing::new([0u8; 32]);
        for (half, block) in out.chunks_exact_mut(16).zip(blocks) {
            for ((to, from), mix) in half.iter_mut().zip(block).zip(self.subkey.as_slice()) {
                *to = from ^ mix;
            }
        }
        self.aes.encrypt(out.as_mut_slice()).map_err(|_| VaultError::Library)?;
        Ok(out)
    }
}

/// Derives the keys of messages from one key.
#[cfg(feature = "fips")]
pub(super) struct Derive(cmac::Key);

#[cfg(feature = "fips")]
impl Derive {
    pub(super) fn new(key: &KeyBytes) -> Result<Self, VaultError> {
        cmac::Key::new(cmac::AES_256, key.expose()).map(Self).map_err(|_| VaultError::Library)
    }

    /// The CMACs of two blocks, one after the other.
    pub(super) fn both(&self, blocks: [Block; 2]) -> Result<Zeroizing<[u8; 32]>, VaultError> {
        let mut out = Zeroizing::new([0u8; 32]);
        for (half, block) in out.chunks_exact_mut(16).zip(blocks) {
            cmac::sign_to_buffer(&self.0, &block, half).map_err(|_| VaultError::Library)?;
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use kernel::World;

    use super::*;

    /// NIST SP 800-38B appendix D.3, example 10.
    #[test]
    fn one_block_gives_the_vector_of_nist() {
        let key = hex::decode("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4").unwrap();
        let block: Block = hex::decode("6bc1bee22e409f96e93d7e117393172a").unwrap().try_into().unwrap();
        let derive = Derive::new(&KeyBytes::from_slice(&key).unwrap()).unwrap();
        let expected = "28a7023f452e8f82bd4bf28d8c37c35c".repeat(2);
        assert_eq!(hex::encode(derive.both([block; 2]).unwrap().as_slice()), expected);
    }

    #[test]
    fn a_thousand_keys_agree_with_the_library_s_cmac() {
        use aws_lc_rs::cmac;
        let world = World::real();
        for _ in 0..1000 {
            let (key, blocks) = (KeyBytes::generate(&world), [world.bytes(), world.bytes()]);
            let library = cmac::Key::new(cmac::AES_256, key.expose()).unwrap();
            let expected: Vec<u8> = blocks
                .iter()
                .flat_map(|block| cmac::sign(&library, block).unwrap().as_ref().to_vec())
                .collect();
            assert_eq!(Derive::new(&key).unwrap().both(blocks).unwrap().as_slice(), expected);
        }
    }
}
