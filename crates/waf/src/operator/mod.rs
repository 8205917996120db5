//! Operators other than `rx`: small pure functions over bytes. Those that need preparing (phrases,
//! addresses, byte sets) are types that parse once and are asked often.
//!
//! An operator that finds something answers with the place of what it found, so that rules can capture
//! it and people can be shown it.

mod address;
mod bytes;
mod phrase;

use std::borrow::Cow;
use std::ops::Range;

use memchr::memmem;

pub use address::AddressSet;
pub use bytes::{ByteSet, url_encoding_is_broken, utf8_is_broken};
pub use phrase::PhraseSet;

/// An operator's parameter that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperatorError {
    /// Not an address or network.
    #[error("`{0}` is not an address or a network such as 10.0.0.0/8")]
    Address(String),
    /// Not a byte or a range of bytes.
    #[error("`{0}` is not a byte (0 to 255) or a range such as 32-126")]
    Range(String),
    /// A list without an entry, or one too large to be searched for.
    #[error("the list of phrases is empty or too large")]
    Phrases,
}

/// `contains`: the first place at which `text` stands in `value`.
#[must_use]
pub fn contains(value: &[u8], text: &[u8]) -> Option<Range<usize>> {
    let start = memmem::find(value, text)?;
    Some(start..start + text.len())
}

/// `beginsWith`.
#[must_use]
pub fn begins_with(value: &[u8], text: &[u8]) -> Option<Range<usize>> {
    value.starts_with(text).then_some(0..text.len())
}

/// `endsWith`.
#[must_use]
pub fn ends_with(value: &[u8], text: &[u8]) -> Option<Range<usize>> {
    value.ends_with(text).then(|| value.len() - text.len()..value.len())
}

/// `streq`: the same bytes.
#[must_use]
pub fn streq(value: &[u8], text: &[u8]) -> Option<Range<usize>> {
    (value == text).then_some(0..value.len())
}

/// `within`: the value, whole, stands somewhere in `text`. An empty value is within everything.
#[must_use]
pub fn within(value: &[u8], text: &[u8]) -> Option<Range<usize>> {
    memmem::find(text, value).map(|_| 0..value.len())
}

/// The number a value begins with, as `eq`, `ge`, `gt`, `lt` and `le` read it: white space, a sign,
/// digits; 0 if there is none. Numbers beyond 64 bits stop at the ends of the range (ModSecurity reads
/// such a number as 0, so that a gigantic `Content-Length` is a small one; here it stays gigantic).
#[must_use]
pub fn number(value: &[u8]) -> i64 {
    let text = value.trim_ascii_start();
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    let size =
        digits.fold(0_i64, |sum, digit| sum.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    if negative { -size } else { size }
}

/// `detectSQLi`: the fingerprint of an injection into SQL, or `None` if the value is not one.
///
/// MySQL passes over a number with an empty exponent (`1.e(select ..`), which libinjection takes for a
/// word; the value is therefore looked at without such numbers too.
#[must_use]
pub fn detect_sqli(value: &[u8]) -> Option<Vec<u8>> {
    fingerprint(value).or_else(|| fingerprint(&without_empty_exponents(value)?))
}

fn fingerprint(value: &[u8]) -> Option<Vec<u8>> {
    let found = libinjectionrs::detect_sqli(&without_far_parts(value));
    found
        .is_injection()
        .then(|| found.fingerprint.map(|print| print.as_str().as_bytes().to_vec()).unwrap_or_default())
}

/// No word of SQL that libinjection knows is longer than this, and it keeps no more of any word.
const LONGEST_WORD: usize = 64;

/// The value with letters in the place of dots and backticks that stand farther in a word than any that SQL
/// knows. At each of them libinjection in C, which has cut the word off before, looks no more; the library
/// here looks up all that stands before it, which in a word of a hundred kilobytes is work for seconds.
fn without_far_parts(value: &[u8]) -> Cow<'_, [u8]> {
    let mut tamed = Cow::Borrowed(value);
    let mut run = 0;
    for (at, byte) in value.iter().enumerate() {
        match byte {
            b'.' | b'`' if run >= LONGEST_WORD => {
                if let Some(far) = tamed.to_mut().get_mut(at) {
                    *far = b'a';
                }
            }
            // What ends a word there.
            b' '
            | b'\t'..=b'\r'
            | 0
            | 0xa0
            | b'!'..=b'#'
            | b'%'..=b'-'
            | b'/'
            | b':'..=b'@'
            | b'['..=b'^'
            | b'{'..=b'~' => {
                run = 0;
                continue;
            }
            _ => {}
        }
        run += 1;
    }
    tamed
}

/// The value without numbers such as `1.e`; `None` if it has none.
fn without_empty_exponents(value: &[u8]) -> Option<Vec<u8>> {
    let mut kept = Vec::new();
    let mut from = 0;
    for dot in memchr::memchr_iter(b'.', value) {
        let [b'.', b'e' | b'E', after @ ..] = value.get(dot..)? else { continue };
        let digits = value.get(from..dot)?.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let exponent = matches!(after, [b'+' | b'-' | b'0'..=b'9', ..]);
        if digits > 0 && !exponent {
            kept.extend_from_slice(value.get(from..dot - digits)?);
            from = dot + 2;
        }
    }
    kept.extend_from_slice(value.get(from..)?);
    (from > 0).then_some(kept)
}

/// One of these stands in every value that [`detect_xss`] finds something in.
pub(crate) const SCRIPT_NEEDS: [u8; 2] = *b"<=";

/// `detectXSS`: the value carries script into a page.
#[must_use]
pub fn detect_xss(value: &[u8]) -> bool {
    libinjectionrs::detect_xss(value).is_injection()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_found_where_it_stands() {
        assert_eq!(contains(b"a-->b", b"-->"), Some(1..4));
        assert_eq!(contains(b"a->b", b"-->"), None);
        assert_eq!(begins_with(b"abc", b"ab"), Some(0..2));
        assert_eq!(begins_with(b"a", b"ab"), None);
        assert_eq!(ends_with(b"x.pdf", b".pdf"), Some(1..5));
        assert_eq!(ends_with(b"f", b".pdf"), None);
        assert_eq!(streq(b"JSON", b"JSON"), Some(0..4));
        assert_eq!(streq(b"JSON", b"json"), None);
        assert_eq!(within(b"GET", b"GET HEAD"), Some(0..3));
        assert_eq!(within(b"PUT", b"GET HEAD"), None);
        assert_eq!(within(b"", b""), Some(0..0));
    }

    #[test]
    fn numbers_are_read_as_far_as_they_go() {
        let cases: [(&[u8], i64); 9] = [
            (b"", 0),
            (b"12", 12),
            (b" -3x", -3),
            (b"+7", 7),
            (b"x1", 0),
            (b"0012", 12),
            (b"1.9", 1),
            (b"99999999999999999999999", i64::MAX),
            (b"-99999999999999999999999", -i64::MAX),
        ];
        for (text, number_) in cases {
            assert_eq!(number(text), number_);
        }
    }

    #[test]
    fn injections_are_told_from_text() {
        assert!(detect_sqli(b"1' OR '1'='1").is_some());
        assert!(detect_sqli(b"1.e(ascii 1.e(substring(1.e(select password from users limit 1 1.e,1 1.e) 1.e,1 1.e,1 1.e)1.e)1.e) = 70 or'1'='2").is_some());
        assert_eq!(without_empty_exponents(b"1.e(2.5e3,x.e,12.E)1.e+1"), Some(b"(2.5e3,x.e,)1.e+1".to_vec()));
        assert_eq!(without_empty_exponents(b"version 1.2"), None);
        assert!(detect_sqli(b"how do I reset my password?").is_none());
        assert!(detect_xss(b"<script>alert(1)</script>"));
        assert!(!detect_xss(b"2 < 3 and 5 > 4"));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "it measures")]
    fn a_long_word_of_many_parts_costs_what_its_length_does() {
        let took = |part: &str, bytes: usize| {
            let value = part.repeat(bytes / part.len());
            let times = (0..3).map(|_| {
                let start = std::time::Instant::now();
                std::hint::black_box(detect_sqli(value.as_bytes()));
                start.elapsed()
            });
            times.min().unwrap()
        };
        for part in ["a.b.c.", "java.", "x`y", "sp_a.", "1a.", "..a"] {
            let (short, long) = (took(part, 4 << 10), took(part, 128 << 10));
            // As long as that thirty-two times; in steps that grow with the word it would be a thousand.
            assert!(
                long < short.max(std::time::Duration::from_micros(100)) * 200,
                "{part} {short:?} {long:?}"
            );
        }
        let word = "select.".repeat(9) + &"a.b`".repeat(40) + " union select 1.2 from a.b";
        let tamed = without_far_parts(word.as_bytes());
        assert_eq!((tamed.len(), &tamed[..63]), (word.len(), &word.as_bytes()[..63]));
        assert!(tamed.ends_with(b"aaba union select 1.2 from a.b"), "{}", tamed.escape_ascii());
        assert!(
            detect_sqli(("a.b.".repeat(50) + "' union select password from users --").as_bytes()).is_some()
        );
    }

    proptest! {
        #[test]
        fn no_value_upsets_the_injection_detectors(value in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (detect_sqli(&value), detect_xss(&value));
        }

        #[test]
        fn no_script_is_found_without_a_sign_it_needs(
            words in prop::collection::vec(prop::sample::select(vec![
                "<script", "<a", "href", "onclick", "=", ">", "</", "<!--", "<!", "x", " ", "/", "'", "\"", "`", "style",
                "xlink:href", "javascript:", "xmlns", "svg", "\0", "[if", "import", "doctype", "-", "%", "\n",
            ]), 0..8),
            noise in prop::collection::vec(any::<u8>(), 0..12),
        ) {
            let value = [words.concat().into_bytes(), noise].concat();
            if !value.iter().any(|byte| SCRIPT_NEEDS.contains(byte)) {
                prop_assert!(!detect_xss(&value), "{:?}", value.escape_ascii().to_string());
            }
        }

        #[test]
        fn a_find_is_where_it_says(value in "[ab]{0,12}", text in "[ab]{0,3}") {
            let found = contains(value.as_bytes(), text.as_bytes());
            prop_assert_eq!(found.clone().map(|at| at.start), value.find(&text));
            prop_assert_eq!(found.is_some(), within(text.as_bytes(), value.as_bytes()).is_some());
        }
    }
}
