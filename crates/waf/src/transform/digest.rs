//! Transformations that write bytes as text and back, and SHA-1.

use std::borrow::Cow;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn six_bits(letter: u8) -> Option<u32> {
    let value = match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

/// Base64, strictly: padded, nothing but letters and line ends. Anything else stays as it is.
pub(super) fn base64_decode(value: &[u8]) -> Cow<'_, [u8]> {
    match strict_letters(value) {
        Some(letters) if !value.is_empty() => decoded(&letters),
        _ => Cow::Borrowed(value),
    }
}

/// The letters of strict base64 without padding and line ends; `None` if it is not strict.
fn strict_letters(value: &[u8]) -> Option<Vec<u8>> {
    let mut letters = Vec::with_capacity(value.len());
    let mut padding = 0;
    let mut rest = value;
    loop {
        let blanks = rest.iter().take_while(|&&byte| byte == b' ').count();
        rest = rest.get(blanks..)?;
        // Blanks are forgiven at the end of a line only.
        rest = match rest {
            [] => break,
            [b'\r', b'\n', tail @ ..] | [b'\n', tail @ ..] => tail,
            _ if blanks > 0 => return None,
            [b'=', tail @ ..] if padding < 2 => {
                padding += 1;
                tail
            }
            [letter, tail @ ..] if padding == 0 && six_bits(*letter).is_some() => {
                letters.push(*letter);
                tail
            }
            _ => return None,
        };
    }
    (letters.len() + padding).is_multiple_of(4).then_some(letters)
}

/// Base64, forgiving: whatever is not of the alphabet is passed over. Padding behind a single letter of
/// a group of four makes nothing of the whole, as with ModSecurity.
pub(super) fn base64_decode_ext(value: &[u8]) -> Cow<'_, [u8]> {
    if value.is_empty() {
        return Cow::Borrowed(value);
    }
    let mut letters = 0_usize;
    for &byte in value {
        letters += usize::from(six_bits(byte).is_some());
        if byte == b'=' && letters % 4 == 1 {
            return Cow::Owned(Vec::new());
        }
    }
    decoded(value)
}

fn decoded(letters: &[u8]) -> Cow<'static, [u8]> {
    let mut out = Vec::with_capacity(letters.len() / 4 * 3 + 2);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for value in letters.iter().filter_map(|&letter| six_bits(letter)) {
        bits = bits << 6 | value;
        held += 6;
        if held >= 8 {
            held -= 8;
            let [.., byte] = (bits >> held).to_be_bytes();
            out.push(byte);
        }
    }
    Cow::Owned(out)
}

/// Base64, padded.
pub(super) fn base64_encode(value: &[u8]) -> Cow<'_, [u8]> {
    let letter = |six: u32| usize::try_from(six & 63).ok().and_then(|at| ALPHABET.get(at)).copied();
    let mut out = Vec::with_capacity(value.len().div_ceil(3) * 4);
    for chunk in value.chunks(3) {
        let bytes = chunk.iter().chain([&0, &0]).take(3);
        let bits = bytes.fold(0_u32, |sum, &byte| sum << 8 | u32::from(byte));
        let letters = [18, 12, 6, 0].map(|shift| letter(bits >> shift));
        out.extend(letters.into_iter().flatten().take(chunk.len() + 1));
        out.extend(std::iter::repeat_n(b'=', 3 - chunk.len()));
    }
    if value.is_empty() { Cow::Borrowed(value) } else { Cow::Owned(out) }
}

/// Two lower-case hexadecimal digits for each byte.
pub(super) fn hex_encode(value: &[u8]) -> Cow<'_, [u8]> {
    if value.is_empty() {
        return Cow::Borrowed(value);
    }
    let digit = |four: u8| if four < 10 { b'0' + four } else { b'a' + four - 10 };
    Cow::Owned(value.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect())
}

/// Pairs of hexadecimal digits become their bytes; a digit without a partner is dropped. What is no
/// digit counts for what its code makes of it, as with ModSecurity.
pub(super) fn hex_decode(value: &[u8]) -> Cow<'_, [u8]> {
    if value.is_empty() {
        return Cow::Borrowed(value);
    }
    let digit = |byte: u8| match byte {
        b'A'.. => (byte & 0xdf).wrapping_sub(b'A' - 10),
        _ => byte.wrapping_sub(b'0'),
    };
    let pairs = value.chunks_exact(2).map(|pair| match pair {
        [high, low] => digit(*high).wrapping_mul(16).wrapping_add(digit(*low)),
        _ => 0,
    });
    Cow::Owned(pairs.collect())
}

/// SHA-1 (FIPS 180-4), 20 bytes. Rules use it to shorten a value to a key; it protects nothing here.
pub(super) fn sha1(value: &[u8]) -> Cow<'_, [u8]> {
    let mut state = [0x6745_2301_u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let mut blocks = value.chunks_exact(64);
    for block in blocks.by_ref() {
        compress(&mut state, block);
    }
    let mut tail = blocks.remainder().to_vec();
    tail.push(0x80);
    let zeros = (120 - tail.len() % 64) % 64;
    tail.extend(std::iter::repeat_n(0, zeros));
    tail.extend((value.len() as u64).wrapping_mul(8).to_be_bytes());
    for block in tail.chunks_exact(64) {
        compress(&mut state, block);
    }
    Cow::Owned(state.iter().flat_map(|word| word.to_be_bytes()).collect())
}

fn compress(state: &mut [u32; 5], block: &[u8]) {
    // The last sixteen words of the schedule are all that the next one needs.
    let mut words = [0_u32; 16];
    for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
        *word = bytes.iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte));
    }
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for round in 0..80 {
        let [word, _, w2, .., w8, _, _, _, _, w13, _, _] = words;
        let (mix, constant) = match round / 20 {
            0 => (b & c | !b & d, 0x5a82_7999),
            1 => (b ^ c ^ d, 0x6ed9_eba1),
            2 => (b & c | b & d | c & d, 0x8f1b_bcdc),
            _ => (b ^ c ^ d, 0xca62_c1d6_u32),
        };
        let next =
            a.rotate_left(5).wrapping_add(mix).wrapping_add(e).wrapping_add(constant).wrapping_add(word);
        (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        words.rotate_left(1);
        if let Some(last) = words.last_mut() {
            *last = (word ^ w2 ^ w8 ^ w13).rotate_left(1);
        }
    }
    for (word, add) in state.iter_mut().zip([a, b, c, d, e]) {
        *word = word.wrapping_add(add);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::tests::{holds, unchanged};

    #[test]
    fn strict_base64_decodes_only_what_is_well_formed() {
        holds(
            base64_decode,
            &[(b"YWJj", b"abc"), (b"YWJjZA==", b"abcd"), (b"YWJj \nYWJj\r\n", b"abcabc"), (b"YQ==", b"a")],
        );
        unchanged(
            base64_decode,
            &[b"", b"YWJjZA", b"YW Jj", b"YWJj!!", b"=", b"Y===", b"YWJj====", b"YQ==YQ=="],
        );
    }

    #[test]
    fn forgiving_base64_passes_over_strangers() {
        holds(
            base64_decode_ext,
            &[(b"YWJjZA", b"abcd"), (b"YW Jj", b"abc"), (b"Y-_j", b"b"), (b"YQ=x=", b"a\x0c"), (b"Y", b"")],
        );
    }

    #[test]
    fn encoders_write_what_decoders_read() {
        holds(base64_encode, &[(b"abcd", b"YWJjZA=="), (b"abc", b"YWJj"), (b"a", b"YQ==")]);
        holds(hex_encode, &[(b"\x00\xffA", b"00ff41")]);
        holds(hex_decode, &[(b"4142", b"AB"), (b"414", b"A")]);
    }

    #[test]
    fn sha1_answers_the_known_questions() {
        let million = vec![b'a'; 1_000_000];
        let cases: [(&[u8], &str); 4] = [
            (b"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            (b"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
            ),
            (&million, "34aa973cd4c4daa4f61eeb2bdbad27316534016f"),
        ];
        for (value, digest) in cases {
            assert_eq!(hex_encode(&sha1(value)), digest.as_bytes());
        }
    }
}
