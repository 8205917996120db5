//! Padding before sealing, so that a record's length does not tell "yes" from "no".
//!
//! Up to 1 KiB, a record's text is padded to a multiple of 64 bytes; past that to the next Padmé length
//! (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs",
//! PETS 2019, section 4), which adds at most 12 %. The padding is one byte 0x80, then zeros (ISO/IEC
//! 9797-1, method 2), so it comes off without a length field. It hides lengths within a bucket, not
//! the bucket.

/// The padded length of `len` bytes of plaintext.
pub(crate) const fn padded(len: usize) -> usize {
    bucket(len.saturating_add(1))
}

/// Whether `len` is a length that [`padded`] can return.
pub(crate) const fn is_padded(len: usize) -> bool {
    len > 0 && bucket(len) == len
}

const fn bucket(len: usize) -> usize {
    let step = if len <= 1024 {
        64
    } else {
        // Padmé: of a length with exponent e, only the leading bits that fit in log2(e) may be set.
        let exponent = len.ilog2();
        let kept = exponent.ilog2() + 1;
        1 << (exponent - kept)
    };
    len.saturating_add(step - 1) & !(step - 1)
}

/// Adds the padding to the plaintext that begins at `start` in `buffer`.
pub(crate) fn pad(buffer: &mut Vec<u8>, start: usize) {
    let len = buffer.len().saturating_sub(start);
    buffer.push(0x80);
    buffer.resize(start.saturating_add(padded(len)), 0);
}

/// The plaintext in front of the padding; `None` when there is no padding. Runs only on text that has
/// been authenticated, so its timing tells nobody anything that they did not write themselves.
pub(crate) fn unpad(text: &[u8]) -> Option<&[u8]> {
    let end = text.iter().rposition(|&byte| byte != 0)?;
    match text.split_at_checked(end)? {
        (plain, [0x80, ..]) => Some(plain),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_fall_into_the_documented_buckets() {
        for (len, bucket) in
            [(0, 64), (63, 64), (64, 128), (1023, 1024), (1024, 1088), (8_000, 8_192), (100_000, 100_352)]
        {
            assert_eq!(padded(len), bucket, "{len}");
        }
    }

    #[test]
    fn text_without_padding_is_refused() {
        assert_eq!(unpad(&[]), None);
        assert_eq!(unpad(&[0; 64]), None);
        assert_eq!(unpad(&[1; 64]), None);
    }

    proptest! {
        #[test]
        fn padding_comes_off_and_adds_at_most_an_eighth(text in proptest::collection::vec(any::<u8>(), 0..5000)) {
            let mut buffer = b"head".to_vec();
            buffer.extend_from_slice(&text);
            pad(&mut buffer, 4);
            prop_assert!(is_padded(buffer.len() - 4));
            prop_assert!(buffer.len() - 4 <= (text.len() + 64).max((text.len() + 1) * 9 / 8));
            prop_assert_eq!(unpad(&buffer[4..]), Some(text.as_slice()));
        }

        #[test]
        fn a_longer_text_never_pads_to_less(len in 0usize..2_000_000) {
            prop_assert!(padded(len) > len);
            prop_assert!(padded(len) <= padded(len + 1));
        }
    }
}
