//! Operators that judge the bytes of a value: `validateByteRange`, `validateUrlEncoding`,
//! `validateUtf8Encoding`.

use super::OperatorError;

/// The bytes that may occur.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByteSet(Box<[bool; 256]>);

impl ByteSet {
    /// Reads a list of bytes and ranges in decimal: `9,10,13,32-126`.
    ///
    /// # Errors
    /// [`OperatorError::Range`] names the entry that is neither.
    pub fn parse(list: &str) -> Result<Self, OperatorError> {
        let mut set = Box::new([false; 256]);
        for entry in list.split(',').map(str::trim) {
            let wrong = || OperatorError::Range(entry.to_owned());
            let (first, last) = entry.split_once('-').unwrap_or((entry, entry));
            let first: u8 = first.trim().parse().map_err(|_| wrong())?;
            let last: u8 = last.trim().parse().map_err(|_| wrong())?;
            let range = set.get_mut(usize::from(first)..=usize::from(last));
            range.ok_or_else(wrong)?.fill(true);
        }
        Ok(Self(set))
    }

    /// The place of the first byte that may not occur; `None` if all may.
    #[must_use]
    pub fn first_outside(&self, value: &[u8]) -> Option<usize> {
        value.iter().position(|&byte| !self.0.get(usize::from(byte)).is_some_and(|&allowed| allowed))
    }
}

/// `validateUrlEncoding`: a percent sign is not followed by two hexadecimal digits.
#[must_use]
pub fn url_encoding_is_broken(value: &[u8]) -> bool {
    crate::transform::has_broken_escape(value)
}

/// `validateUtf8Encoding`: not UTF-8 as RFC 3629 has it (cut short, overlong, a surrogate, beyond
/// U+10FFFF).
#[must_use]
pub fn utf8_is_broken(value: &[u8]) -> bool {
    std::str::from_utf8(value).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_outside_the_ranges_are_found() {
        let set = ByteSet::parse("9,10,13, 32-126,255").unwrap();
        assert_eq!(set.first_outside(b"plain\r\n\ttext\xff"), None);
        assert_eq!(set.first_outside(b"ab\0"), Some(2));
        assert_eq!(set.first_outside(b"\x7f"), Some(0));
        assert_eq!(set.first_outside(b""), None);
    }

    #[test]
    fn ranges_that_are_none_are_named() {
        for bad in ["", "256", "5-", "9-3", "a-b", "1,,2"] {
            assert!(matches!(ByteSet::parse(bad), Err(OperatorError::Range(_))), "{bad}");
        }
    }

    #[test]
    fn broken_encodings_are_noticed() {
        assert!(url_encoding_is_broken(b"a%4z"));
        assert!(!url_encoding_is_broken(b"a%4f"));
        for broken in [&b"\xc0\xaf"[..], b"\xe4\xbd", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\x80"] {
            assert!(utf8_is_broken(broken));
        }
        assert!(!utf8_is_broken("naïve 你好 😀".as_bytes()));
    }
}
