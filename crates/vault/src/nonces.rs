//! Nonces, drawn in blocks: asking the system for 24 bytes costs more than sealing a short message.
//!
//! A block is drawn from the world's randomness and each of its nonces is handed out once. Should the
//! machine's memory be copied while a block is in use (a virtual machine that is cloned, or resumed
//! twice), both copies would hand out the same nonces; so each nonce is mixed with the place it is for.
//! Two copies that seal different messages name different places, as ids are never drawn in blocks. XOR
//! with a value that does not depend on it leaves a random value as random as it was.

use std::sync::{Mutex, PoisonError};

use kernel::World;

use crate::xaes::NONCE;

/// Nonces in a block: one question to the system for 42 messages.
const BLOCK: usize = 42;

/// Hands out nonces.
pub(crate) struct Nonces {
    world: World,
    block: Mutex<Vec<[u8; NONCE]>>,
}

impl Nonces {
    pub(crate) fn new(world: World) -> Self {
        Self { world, block: Mutex::new(Vec::with_capacity(BLOCK)) }
    }

    /// Random bytes straight from the system, for what is secret.
    pub(crate) fn secret(&self) -> [u8; 32] {
        self.world.bytes()
    }

    /// A nonce that was never handed out before, mixed with `place`.
    pub(crate) fn next(&self, place: &[u8; NONCE]) -> [u8; NONCE] {
        let mut nonce = self.draw();
        for (byte, mix) in nonce.iter_mut().zip(place) {
            *byte ^= mix;
        }
        nonce
    }

    fn draw(&self) -> [u8; NONCE] {
        let mut block = self.block.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(nonce) = block.pop() {
            return nonce;
        }
        let mut bytes = [0u8; NONCE * BLOCK];
        self.world.random().fill(&mut bytes);
        let (nonces, _) = bytes.as_chunks::<NONCE>();
        block.extend_from_slice(nonces);
        // A block is never empty after it was drawn; were it, one nonce from the system is as good.
        block.pop().unwrap_or_else(|| self.world.bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_nonce_is_handed_out_twice_by_many_threads() {
        let nonces = Nonces::new(World::real());
        let all: Vec<[u8; NONCE]> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| (0..1000).map(|_| nonces.next(&[0; NONCE])).collect::<Vec<_>>()))
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 8000);
    }

    #[test]
    fn a_copy_of_the_memory_hands_out_other_nonces_for_other_places() {
        use kernel::{ManualClock, Timestamp};
        use std::sync::Arc;
        // The same seed is what two copies of one memory have.
        let copy = || {
            let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1)));
            Nonces::new(World::rehearsal(clock, 7))
        };
        let (one, other) = (copy(), copy());
        for at in 0..100u8 {
            assert_ne!(one.next(&[at; NONCE]), other.next(&[at ^ 0x80; NONCE]));
        }
        assert_eq!(copy().next(&[1; NONCE]), copy().next(&[1; NONCE]), "the copies are copies");
    }
}
