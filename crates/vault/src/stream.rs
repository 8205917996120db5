//! Sealing what is too large for one record: a stream of chunks, each sealed for its place in the
//! stream (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, "Online Authenticated-
//! Encryption and its Nonce-Reuse Misuse-Resistance", CRYPTO 2015).
//!
//! Every stream has a key of its own, `HKDF-Expand(data key, "wardroom/1/stream" | 0 | salt)`, so a
//! nonce needs no randomness: it is the chunk's number and whether it is the last. A chunk that was
//! changed, moved, left out or taken from another stream does not open, and a stream that was cut off
//! has no last chunk. The stream's commitment binds its key and its head, so one stream opens under
//! one key only.
//!
//! Not promised: that what was opened before a broken chunk is the whole. Whoever acts on a stream
//! waits for its last chunk.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use zeroize::Zeroize;

use crate::key::{SEAL, STREAM};
use crate::xaes::{NONCE, TAG, Xaes};
use crate::{DataKey, KeyBytes, VaultError};

/// Bytes of plaintext in every chunk but the last.
pub const CHUNK: usize = 64 * 1024;
/// Bytes that sealing adds to a chunk.
pub const CHUNK_OVERHEAD: usize = TAG;
/// The most chunks of one stream: 256 TiB.
const MOST: u64 = 1 << 32;

/// What a stream begins with: not secret, and needed to open it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamStart {
    /// Random; makes the stream's key its own.
    pub salt: [u8; 32],
    /// The commitment to the stream's key and its head.
    pub commitment: [u8; 32],
}

/// Seals the chunks of one stream, in order.
pub struct StreamSealer(Stream);

/// Opens the chunks of one stream, in order.
pub struct StreamOpener(Stream);

struct Stream {
    key: Xaes,
    head: [u8; 32],
    next: u64,
    ended: bool,
}

impl DataKey {
    /// Begins a stream. `head` is whatever stands in the clear before it; it is authenticated with
    /// every chunk.
    ///
    /// # Errors
    /// Only when the library below fails.
    pub fn seal_stream(&self, head: &[u8]) -> Result<(StreamStart, StreamSealer), VaultError> {
        let salt = self.random();
        let (key, head) = (self.stream_key(&salt)?, hash(head));
        let commitment = key.commitment(&committed(&head))?;
        Ok((StreamStart { salt, commitment }, StreamSealer(Stream::new(&key, head)?)))
    }

    /// Begins to open a stream that [`DataKey::seal_stream`] began with the same `head`.
    ///
    /// # Errors
    /// [`VaultError::CommitmentMismatch`] when the head was changed or this is not the stream's key.
    pub fn open_stream(&self, head: &[u8], start: &StreamStart) -> Result<StreamOpener, VaultError> {
        let (key, head) = (self.stream_key(&start.salt)?, hash(head));
        key.check(&committed(&head), &start.commitment)?;
        Ok(StreamOpener(Stream::new(&key, head)?))
    }

    fn stream_key(&self, salt: &[u8; 32]) -> Result<KeyBytes, VaultError> {
        self.derived(STREAM, &hex::encode(salt))
    }
}

impl StreamSealer {
    /// Seals the next chunk where it stands and appends its tag. Every chunk but the last has exactly
    /// [`CHUNK`] bytes; the last has at most as many, and may be empty.
    ///
    /// # Errors
    /// When the chunk has another length, or the stream has ended.
    pub fn seal(&mut self, chunk: &mut Vec<u8>, last: bool) -> Result<(), VaultError> {
        if (!last && chunk.len() != CHUNK) || chunk.len() > CHUNK {
            return Err(VaultError::TooLarge { found: chunk.len(), max: CHUNK });
        }
        let (nonce, aad) = self.0.step(last)?;
        let tag = self.0.key.seal(&nonce, &aad, chunk)?;
        chunk.extend_from_slice(&tag);
        Ok(())
    }
}

impl StreamOpener {
    /// Opens the next chunk where it stands and takes its tag off. `last` says that nothing comes after
    /// it; if that is not what the sealer said, it does not open.
    ///
    /// # Errors
    /// [`VaultError::ChunkRefused`] when it does not open; the chunk is then empty.
    pub fn open(&mut self, chunk: &mut Vec<u8>, last: bool) -> Result<(), VaultError> {
        let refused = VaultError::ChunkRefused { chunk: self.0.next };
        if chunk.len() < TAG || chunk.len() > CHUNK + TAG {
            return Err(refused);
        }
        let (nonce, aad) = self.0.step(last)?;
        match self.0.key.open(&nonce, &aad, chunk)?.map(|text| text.len()) {
            Some(len) => {
                chunk.truncate(len);
                Ok(())
            }
            None => {
                self.0.ended = true;
                chunk.zeroize();
                Err(refused)
            }
        }
    }
}

impl Stream {
    fn new(key: &KeyBytes, head: [u8; 32]) -> Result<Self, VaultError> {
        Ok(Self { key: Xaes::new(&key.derive(SEAL, "")?)?, head, next: 0, ended: false })
    }

    /// The nonce and the AAD of the next chunk.
    fn step(&mut self, last: bool) -> Result<([u8; NONCE], Vec<u8>), VaultError> {
        let number = self.next;
        if self.ended || number >= MOST {
            return Err(VaultError::ChunkRefused { chunk: number });
        }
        (self.next, self.ended) = (number + 1, last);
        // 15 zero bytes, the number, the last flag: the stream's key is never used for anything else.
        let mut nonce = [0; NONCE];
        let (_, tail) = nonce.split_at_mut(NONCE - 9);
        let (count, flag) = tail.split_at_mut(8);
        count.copy_from_slice(&number.to_be_bytes());
        flag.fill(u8::from(last));
        Ok((nonce, [b"wardroom/1/stream\0".as_slice(), &self.head].concat()))
    }
}

fn hash(head: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, head).as_ref());
    hash
}

fn committed(head: &[u8; 32]) -> Vec<u8> {
    [b"wardroom/1/stream-commitment\0".as_slice(), head].concat()
}

impl fmt::Debug for StreamSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamSealer(chunk {})", self.0.next)
    }
}

impl fmt::Debug for StreamOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamOpener(chunk {})", self.0.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Purpose;
    use kernel::World;

    fn key(byte: u8) -> DataKey {
        let (world, bytes) = (World::real(), KeyBytes::from_slice(&[byte; 32]).unwrap());
        DataKey::new(
            world.id(),
            world.id(),
            Purpose::Backup,
            1,
            bytes,
            std::sync::Arc::new(crate::nonces::Nonces::new(world)),
        )
        .unwrap()
    }

    fn sealed(key: &DataKey, chunks: &[&[u8]]) -> (StreamStart, Vec<Vec<u8>>) {
        let (start, mut sealer) = key.seal_stream(b"head").unwrap();
        let seal = |(at, chunk): (usize, &&[u8])| {
            let mut chunk = chunk.to_vec();
            sealer.seal(&mut chunk, at + 1 == chunks.len()).unwrap();
            chunk
        };
        (start, chunks.iter().enumerate().map(seal).collect())
    }

    fn open(key: &DataKey, start: &StreamStart, chunks: &[Vec<u8>]) -> Result<Vec<u8>, VaultError> {
        let mut opener = key.open_stream(b"head", start)?;
        let mut all = Vec::new();
        for (at, chunk) in chunks.iter().enumerate() {
            let mut chunk = chunk.clone();
            opener.open(&mut chunk, at + 1 == chunks.len())?;
            all.extend_from_slice(&chunk);
        }
        Ok(all)
    }

    #[test]
    fn a_stream_opens_whole_and_in_order_only() {
        let (key, full) = (key(7), [5u8; CHUNK]);
        let (start, chunks) = sealed(&key, &[&full, &full, b"the end"]);
        assert_eq!(open(&key, &start, &chunks).unwrap().len(), 2 * CHUNK + 7);

        let refused = |chunks: &[Vec<u8>], at: u64| {
            let error = open(&key, &start, chunks).unwrap_err();
            assert!(matches!(error, VaultError::ChunkRefused { chunk } if chunk == at), "{error:?} at {at}");
        };
        let mut swapped = chunks.clone();
        swapped.swap(0, 1);
        refused(&swapped, 0);
        refused(&chunks[..2], 1);
        refused(&chunks[1..], 0);
        refused(&[chunks.clone(), vec![chunks[2].clone()]].concat(), 2);
        for bit in [0, 8 * 65_551, 8 * 1000 + 3] {
            let mut flipped = chunks.clone();
            flipped[1][bit / 8] ^= 1 << (bit % 8);
            refused(&flipped, 1);
        }
    }

    #[test]
    fn another_head_salt_key_or_stream_is_refused_before_the_first_chunk() {
        let key = key(7);
        let (start, chunks) = sealed(&key, &[b"short"]);
        let mismatch = |opened: Result<StreamOpener, VaultError>| {
            assert!(matches!(opened.unwrap_err(), VaultError::CommitmentMismatch));
        };
        mismatch(key.open_stream(b"tail", &start));
        mismatch(key.open_stream(b"head", &StreamStart { salt: [0; 32], ..start }));
        mismatch(super::tests::key(8).open_stream(b"head", &start));
        let (other, _) = sealed(&key, &[b"short"]);
        assert!(matches!(open(&key, &other, &chunks), Err(VaultError::ChunkRefused { chunk: 0 })));
    }

    #[test]
    fn nothing_comes_after_the_last_chunk_and_only_the_last_is_short() {
        let (_, mut sealer) = key(7).seal_stream(b"head").unwrap();
        assert!(sealer.seal(&mut b"short".to_vec(), false).is_err());
        assert!(sealer.seal(&mut vec![0; CHUNK + 1], true).is_err());
        sealer.seal(&mut Vec::new(), true).unwrap();
        assert!(sealer.seal(&mut Vec::new(), true).is_err());
    }
}
