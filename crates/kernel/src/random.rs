//! Randomness as a parameter. Keys, nonces, tokens and ids all come from a [`Random`]; the one call
//! to the system's generator is in this file.

use std::cell::RefCell;
use std::fmt;
use std::sync::Mutex;

/// Where random bytes come from.
pub trait Random: Send + Sync + fmt::Debug {
    /// Fills `buffer` with random bytes.
    ///
    /// An implementation used outside tests must be a cryptographically secure generator: these
    /// bytes become keys and nonces.
    fn fill(&self, buffer: &mut [u8]);

    /// The same for bytes that will be seen by everybody and must only never repeat: nonces. An
    /// implementation may draw them in blocks, because a call to the system costs more than the
    /// encryption that a nonce is for.
    ///
    /// Not for keys or tokens: a block waits in memory until it is used up.
    fn fill_public(&self, buffer: &mut [u8]) {
        self.fill(buffer);
    }
}

/// Bytes that one thread draws at once for nonces: 64 of 24 bytes.
const BLOCK: usize = 64 * 24;

thread_local! {
    /// What is left of this thread's block: bytes and how many of them were given out.
    static DRAWN: RefCell<([u8; BLOCK], usize)> = const { RefCell::new(([0; BLOCK], BLOCK)) };
}

/// The operating system's generator (`getrandom(2)` on Linux).
///
/// A machine that is cloned while it runs has the same unused nonces in both copies: restart the
/// process after restoring a snapshot of its memory. A process that forks is not meant to go on; this
/// program never does.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system for randomness")]
    #[expect(
        clippy::expect_used,
        reason = "without randomness no key is safe: stopping is the only right answer"
    )]
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("the operating system's random generator answers");
    }

    fn fill_public(&self, buffer: &mut [u8]) {
        if buffer.len() > BLOCK / 8 {
            return self.fill(buffer);
        }
        DRAWN.with_borrow_mut(|(block, used)| {
            if block.len() - *used < buffer.len() {
                self.fill(block);
                *used = 0;
            }
            let (_, left) = block.split_at_mut(*used);
            let (given, _) = left.split_at_mut(buffer.len());
            buffer.copy_from_slice(given);
            // Given out once, and gone.
            given.fill(0);
            *used += buffer.len();
        });
    }
}

/// A generator that gives the same bytes for the same seed (SplitMix64). **For tests and rehearsals
/// only**: it is predictable by design.
#[derive(Debug)]
pub struct SeededRandom(Mutex<u64>);

impl SeededRandom {
    /// A generator that starts at `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }

    fn next(&self) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

impl Random for SeededRandom {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            for (to, from) in chunk.iter_mut().zip(self.next().to_le_bytes()) {
                *to = from;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_generator_does_not_repeat_itself() {
        let (mut a, mut b) = ([0u8; 32], [0u8; 32]);
        OsRandom.fill(&mut a);
        OsRandom.fill(&mut b);
        assert_ne!(a, b);
    }

    #[test]
    fn nonces_are_drawn_in_blocks_and_never_given_twice() {
        let mut seen = std::collections::HashSet::new();
        for _ in 0..1000 {
            let mut nonce = [0u8; 24];
            OsRandom.fill_public(&mut nonce);
            assert!(seen.insert(nonce));
            assert_ne!(nonce, [0; 24]);
        }
        let mut large = [0u8; 1024];
        OsRandom.fill_public(&mut large);
        assert_ne!(large[..512], large[512..]);
    }

    #[test]
    fn a_seeded_generator_repeats_itself() {
        let (mut a, mut b) = ([0u8; 13], [0u8; 13]);
        SeededRandom::new(7).fill(&mut a);
        SeededRandom::new(7).fill(&mut b);
        assert_eq!(a, b);
    }
}
