//! The "invisible salamander" (Dodis, Grubbs, Ristenpart, Woodage, CRYPTO 2018): AES-GCM does not
//! commit to its key, so who knows two keys can craft one record that opens under both, to two texts.
//! Here the record is crafted, it does open under both keys, and the keyring hands out only the key
//! that was committed to.

use std::sync::Arc;

use aws_lc_rs::cipher::{AES_256, EncryptingKey, UnboundCipherKey};
use kernel::ManualClock;

use super::*;
use crate::key::SEAL;
use crate::{Column, FileRoot, Place, Sealed, Table};

#[test]
fn a_record_that_opens_under_two_keys_opens_under_the_committed_one_alone() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_795_000_000_000)));
    let world = World::rehearsal(clock, 1);
    let root = Arc::new(FileRoot::create(dir.path().join("root.key"), world.clone()).unwrap());
    let keyring = Keyring::new(root, world.clone(), CachePolicy::default());
    let tenant = keyring.new_tenant_key(world.id(), 1).unwrap();
    let row = keyring.new_data_key(&tenant, None, Purpose::Conversation, 1).unwrap();
    let place = Place::new(tenant.tenant, Table::new(1), [1; 16], Column::new(1));

    let above = keyring.tenant_key(&tenant).unwrap().key;
    let first = data_key_bytes(&above, &row).unwrap();
    let second = KeyBytes::generate(&world);
    let aad = place.aad(1, row.key_id, 1);
    let record = Sealed::<Vec<u8>>::parse(craft(&first, &second, &aad, &world)).unwrap();

    // The bare cipher is deceived: one record, two keys, two texts.
    let texts = [&first, &second].map(|key| {
        let key = KeyBytes::from_slice(key.expose()).unwrap();
        let nonces = Arc::new(Nonces::new(world.clone()));
        let key = DataKey::new(row.key_id, row.tenant, row.purpose, 1, key, nonces).unwrap();
        key.open(&place, &record).unwrap()
    });
    assert!(texts[0].starts_with(b"pay ten "));
    assert_ne!(texts[0], texts[1]);

    // The keyring is not: with the second key in the first one's row, the commitment does not hold.
    let mut swapped = row.clone();
    swapped.blob = keyring.wrap(&above, &row.aad(), &second).unwrap();
    let swapped = KeyChain { tenant: &tenant, subject: None, data: &swapped };
    assert!(matches!(keyring.data_key(&swapped), Err(VaultError::CommitmentMismatch)));
    let chain = KeyChain { tenant: &tenant, subject: None, data: &row };
    assert_eq!(keyring.data_key(&chain).unwrap().open(&place, &record).unwrap(), texts[0]);
}

/// Four blocks: the first and the last carry text of our choice under the first key, the third is
/// free, and the second makes both tags the same.
fn craft(first: &KeyBytes, second: &KeyBytes, aad: &[u8], world: &World) -> Vec<u8> {
    let mut nonce = [0u8; NONCE];
    loop {
        world.random().fill(&mut nonce);
        let [one, other] = [first, second].map(|key| Gcm::of(key, &nonce));
        // Both texts must end with the padding's 0x80, so the keystreams must agree there.
        if one.stream[63] != other.stream[63] {
            continue;
        }
        let mut text = [[0u8; 16]; 4];
        text[0] = xor(*b"pay ten to alice", one.block(0));
        text[3] = xor([0x80; 16], one.block(3));

        // ghash1(text) ^ mask1 = ghash2(text) ^ mask2 is linear in text[1], which is still zero:
        // text[1] * (h1^4 ^ h2^4) = difference of the two tags.
        let difference = one.tag(aad, &text) ^ other.tag(aad, &text);
        let factor = power(one.h, 4) ^ power(other.h, 4);
        text[1] = times(difference, inverse(factor)).to_be_bytes();
        let tag = one.tag(aad, &text);
        assert_eq!(tag, other.tag(aad, &text));
        return [&[VERSION][..], &nonce, text.as_flattened(), &tag.to_be_bytes()].concat();
    }
}

/// What of AES-256-GCM under one XAES message key the algebra needs.
struct Gcm {
    h: u128,
    mask: u128,
    stream: [u8; 64],
}

impl Gcm {
    fn of(data_key: &KeyBytes, nonce: &[u8; NONCE]) -> Self {
        // The message key, by its definition: two CMACs under the sealing key.
        let seal = data_key.derive(SEAL, "").unwrap();
        let cmac = aws_lc_rs::cmac::Key::new(aws_lc_rs::cmac::AES_256, seal.expose()).unwrap();
        let half = |counter| [&[0, counter, b'X', 0][..], &nonce[..12]].concat();
        let halves = [1, 2].map(|counter| aws_lc_rs::cmac::sign(&cmac, &half(counter)).unwrap());
        let key = [halves[0].as_ref(), halves[1].as_ref()].concat();
        let ecb = EncryptingKey::ecb(UnboundCipherKey::new(&AES_256, &key).unwrap()).unwrap();
        let block = |input: [u8; 16]| {
            let mut block = input;
            ecb.encrypt(&mut block).unwrap();
            block
        };
        let counter = |number: u32| {
            let mut input = [0; 16];
            input[..12].copy_from_slice(&nonce[12..]);
            input[12..].copy_from_slice(&number.to_be_bytes());
            block(input)
        };
        let mut stream = [0; 64];
        for (number, chunk) in (2u32..).zip(stream.chunks_exact_mut(16)) {
            chunk.copy_from_slice(&counter(number));
        }
        Self { h: u128::from_be_bytes(block([0; 16])), mask: u128::from_be_bytes(counter(1)), stream }
    }

    fn block(&self, index: usize) -> [u8; 16] {
        self.stream[index * 16..][..16].try_into().unwrap()
    }

    /// SP 800-38D, algorithm 4: GHASH over padded AAD, text and lengths, under the counter's mask.
    fn tag(&self, aad: &[u8], text: &[[u8; 16]; 4]) -> u128 {
        let mut hash = 0;
        for chunk in aad.chunks(16) {
            let mut block = [0; 16];
            block[..chunk.len()].copy_from_slice(chunk);
            hash = times(hash ^ u128::from_be_bytes(block), self.h);
        }
        for block in text {
            hash = times(hash ^ u128::from_be_bytes(*block), self.h);
        }
        let lengths = ((aad.len() as u128 * 8) << 64) | (64 * 8);
        times(hash ^ lengths, self.h) ^ self.mask
    }
}

fn xor(one: [u8; 16], other: [u8; 16]) -> [u8; 16] {
    (u128::from_be_bytes(one) ^ u128::from_be_bytes(other)).to_be_bytes()
}

/// The product in GF(2^128) as GCM writes it: the leftmost bit is the coefficient of x^0.
fn times(a: u128, b: u128) -> u128 {
    let (mut product, mut shifted) = (0, b);
    for bit in (0..128).rev() {
        if a >> bit & 1 == 1 {
            product ^= shifted;
        }
        shifted = (shifted >> 1) ^ if shifted & 1 == 1 { 0xe1 << 120 } else { 0 };
    }
    product
}

fn power(base: u128, exponent: u32) -> u128 {
    (1..exponent).fold(base, |product, _| times(product, base))
}

/// a^(2^128 - 2), by Fermat: the product of a^(2^i) for i from 1 to 127.
fn inverse(a: u128) -> u128 {
    let (mut square, mut product) = (a, 1 << 127);
    for _ in 1..128 {
        square = times(square, square);
        product = times(product, square);
    }
    product
}
