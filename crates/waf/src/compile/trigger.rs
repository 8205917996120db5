//! Which bytes a transformation reacts to. A text without them comes out as it went in, so the
//! transformation need not run; a property test holds this against the transformations themselves.

use crate::Transformation;

const ALWAYS: u32 = 1;
const UPPER: u32 = 1 << 1;
const PERCENT_PLUS: u32 = 1 << 2;
const BACKSLASH: u32 = 1 << 3;
const AMPERSAND: u32 = 1 << 4;
const SLASH: u32 = 1 << 5;
const COMMENT: u32 = 1 << 6;
const HIGH: u32 = 1 << 7;
const NUL: u32 = 1 << 8;
const SPACE: u32 = 1 << 9;
const QUOTE: u32 = 1 << 10;
const COMMA: u32 = 1 << 11;
const DOT: u32 = 1 << 12;
const PAREN: u32 = 1 << 13;

/// The class of each byte.
static CLASS: [u32; 256] = classes();

const fn classes() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte: usize = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "the loop ends at 256")]
        let class = match byte as u8 {
            b'A'..=b'Z' => UPPER,
            b'%' | b'+' => PERCENT_PLUS,
            b'\\' => BACKSLASH,
            b'&' => AMPERSAND,
            b'/' => SLASH | COMMENT,
            b'*' | b'-' | b'#' => COMMENT,
            0x80..=0xff => HIGH,
            0 => NUL,
            b' ' | 0x09..=0x0d => SPACE,
            b'"' | b'\'' | b'^' => QUOTE,
            b',' | b';' => COMMA,
            b'.' => DOT,
            b'(' => PAREN,
            _ => 0,
        };
        #[expect(clippy::indexing_slicing, reason = "the loop ends at 256")]
        {
            table[byte] = class;
        }
        byte += 1;
    }
    table
}

/// The classes of bytes a text holds, from the bytes that stand in it (one bit each).
pub(crate) fn classes_of(present: &[u64; 4]) -> u32 {
    let mut seen = ALWAYS;
    for (high, word) in present.iter().enumerate() {
        let mut left = *word;
        while left != 0 {
            seen |= CLASS.get(high * 64 + left.trailing_zeros() as usize).copied().unwrap_or(0);
            left &= left - 1;
        }
    }
    seen
}

/// The classes a transformation may react to.
pub(crate) fn of(kind: Transformation) -> u32 {
    use Transformation as T;
    match kind {
        T::CmdLine => UPPER | BACKSLASH | QUOTE | SPACE | COMMA | SLASH | PAREN,
        T::CompressWhitespace | T::RemoveWhitespace => SPACE | HIGH,
        T::CssDecode | T::EscapeSeqDecode | T::JsDecode => BACKSLASH,
        T::HtmlEntityDecode => AMPERSAND,
        T::Lowercase => UPPER,
        T::NormalizePath => SLASH | DOT,
        T::NormalizePathWin => SLASH | DOT | BACKSLASH,
        T::RemoveCommentsChar | T::ReplaceComments => COMMENT,
        T::RemoveNulls => NUL,
        T::UrlDecodeUni => PERCENT_PLUS,
        // It stops at a NUL, as ModSecurity does.
        T::Utf8ToUnicode => HIGH | NUL,
        // The rest react to too much, or are too rare, to be worth a look.
        _ => ALWAYS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        #[test]
        fn a_text_without_the_bytes_a_transformation_reacts_to_is_unchanged(
            text in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"aZ%+\\&/*-#\x00 \t\"'^,;.(=".to_vec())], 0..12),
            only in any::<u32>(),
        ) {
            // Thin the text out so that most classes are absent.
            let text: Vec<u8> = text.into_iter().filter(|byte| CLASS[usize::from(*byte)] & !only == 0).collect();
            let mut present = [0_u64; 4];
            for byte in &text {
                present[usize::from(byte >> 6)] |= 1 << (byte & 63);
            }
            for (_, kind) in Transformation::ALL {
                let kind = *kind;
                if classes_of(&present) & of(kind) == 0 {
                    prop_assert_eq!(crate::transform::apply(kind, &text).into_owned(), text.clone(), "{:?}", kind);
                }
            }
        }
    }
}
