//! Decoding of escapes of programming languages and of markup: `jsDecode`, `cssDecode`,
//! `escapeSeqDecode`, `htmlEntityDecode`, `sqlHexDecode`.

use std::borrow::Cow;

use memchr::memchr;

use super::scan::{hex, hex_pair, is_space, octal, unescape};

fn backslash(bytes: &[u8]) -> Option<usize> {
    memchr(b'\\', bytes)
}

/// Escapes of JavaScript: `\uXXXX` (its low byte; full-width forms become ASCII), `\xXX`, up to three
/// octal digits, `\n` and its like; before any other byte the backslash is dropped.
pub(super) fn js_decode(value: &[u8]) -> Cow<'_, [u8]> {
    unescape(value, backslash, |escape, out| {
        if let [_, b'u', a, b, c, d, tail @ ..] = escape
            && let (Some(high), Some(low)) = (hex_pair(*a, *b), hex_pair(*c, *d))
        {
            out.push(full_width(high, low));
            return Some(tail);
        }
        if let [_, b'x', high, low, tail @ ..] = escape
            && let Some(byte) = hex_pair(*high, *low)
        {
            out.push(byte);
            return Some(tail);
        }
        let (kind, tail) = escape.get(1..)?.split_first()?;
        // `\400` would be more than a byte: two digits, then.
        let most = if *kind > b'3' { 2 } else { 3 };
        if let Some((byte, count)) = octal(escape.get(1..)?, most) {
            out.push(byte);
            return escape.get(1 + count..);
        }
        out.push(control(*kind).unwrap_or(*kind));
        Some(tail)
    })
}

/// ANSI C's escapes: `\n` and its like, `\xXX`, up to three octal digits; before any other byte the
/// backslash is dropped.
pub(super) fn escape_seq_decode(value: &[u8]) -> Cow<'_, [u8]> {
    unescape(value, backslash, |escape, out| {
        if let [_, b'x' | b'X', high, low, tail @ ..] = escape
            && let Some(byte) = hex_pair(*high, *low)
        {
            out.push(byte);
            return Some(tail);
        }
        if let Some((byte, count)) = octal(escape.get(1..)?, 3) {
            out.push(byte);
            return escape.get(1 + count..);
        }
        let (kind, tail) = escape.get(1..)?.split_first()?;
        out.push(control(*kind).unwrap_or(*kind));
        Some(tail)
    })
}

/// The control character that a letter after a backslash writes.
fn control(letter: u8) -> Option<u8> {
    match letter {
        b'a' => Some(0x07),
        b'b' => Some(0x08),
        b'f' => Some(0x0c),
        b'n' => Some(b'\n'),
        b'r' => Some(b'\r'),
        b't' => Some(b'\t'),
        b'v' => Some(0x0b),
        _ => None,
    }
}

fn full_width(high: u8, low: u8) -> u8 {
    if high == 0xff && (0x01..0x5f).contains(&low) { low + 0x20 } else { low }
}

/// Escapes of CSS 2: a backslash and one to six hexadecimal digits (the low byte; full-width forms
/// become ASCII) with one white space after them; a backslash at the end or before a line's end is
/// dropped with it, before any other byte alone.
pub(super) fn css_decode(value: &[u8]) -> Cow<'_, [u8]> {
    unescape(value, backslash, |escape, out| {
        let text = escape.get(1..)?;
        let digits = text.iter().take(6).map_while(|&byte| hex(byte)).count();
        if digits == 0 {
            return match text {
                [] => Some(text),
                [b'\n', tail @ ..] => Some(tail),
                [byte, tail @ ..] => {
                    out.push(*byte);
                    Some(tail)
                }
            };
        }
        let (number, tail) = text.split_at_checked(digits)?;
        let code =
            number.iter().filter_map(|&byte| hex(byte)).fold(0_u32, |sum, digit| sum << 4 | u32::from(digit));
        let [_, plane, high, low] = code.to_be_bytes();
        // Three digits never reach the full-width forms, more do only in the first plane.
        out.push(if plane == 0 { full_width(high, low) } else { low });
        Some(match tail {
            [space, after @ ..] if is_space(*space) => after,
            _ => tail,
        })
    })
}

/// Entities of HTML: decimal, hexadecimal (the low byte), and `quot`, `amp`, `lt`, `gt`, `nbsp`;
/// the semicolon may be missing.
pub(super) fn html_entity_decode(value: &[u8]) -> Cow<'_, [u8]> {
    unescape(
        value,
        |bytes| memchr(b'&', bytes),
        |escape, out| {
            let (byte, tail) = match escape {
                [_, b'#', b'x' | b'X', digits @ ..] => numeric(digits, 16)?,
                [_, b'#', digits @ ..] => numeric(digits, 10)?,
                [_, name @ ..] => named(name)?,
                [] => return None,
            };
            out.push(byte);
            Some(tail.strip_prefix(b";").unwrap_or(tail))
        },
    )
}

/// The low byte of a number of any length, all bits set where it exceeds 63 bits, and what follows.
fn numeric(digits: &[u8], base: u8) -> Option<(u8, &[u8])> {
    let count = digits.iter().take_while(|&&digit| hex(digit).is_some_and(|value| value < base)).count();
    let (number, tail) = digits.split_at_checked(count).filter(|_| count > 0)?;
    let value = number
        .iter()
        .filter_map(|&digit| hex(digit))
        .try_fold(0_i64, |sum, digit| sum.checked_mul(i64::from(base))?.checked_add(i64::from(digit)));
    let [.., low] = value.unwrap_or(i64::MAX).to_be_bytes();
    Some((low, tail))
}

/// The byte of the entity whose name stands at the front, and what follows the name. A browser ends
/// these names where they end, whatever letter follows (HTML, section 13.5): so `&ltscript` is `<script`.
/// ModSecurity 3 drops the letters that follow, and with them what the rules look for.
fn named(text: &[u8]) -> Option<(u8, &[u8])> {
    let known: [(&[u8], u8); 5] =
        [(b"quot", b'"'), (b"amp", b'&'), (b"lt", b'<'), (b"gt", b'>'), (b"nbsp", 0xa0)];
    known.iter().find_map(|(name, byte)| {
        let (word, tail) = text.split_at_checked(name.len())?;
        word.eq_ignore_ascii_case(name).then_some((*byte, tail))
    })
}

/// SQL's hexadecimal strings: `0x` and pairs of digits become their bytes.
pub(super) fn sql_hex_decode(value: &[u8]) -> Cow<'_, [u8]> {
    unescape(
        value,
        |bytes| memchr(b'0', bytes),
        |escape, out| {
            let [_, b'x' | b'X', digits @ ..] = escape else { return None };
            let count = digits.iter().take_while(|&&byte| hex(byte).is_some()).count() & !1;
            let (pairs, tail) = digits.split_at_checked(count).filter(|_| count > 0)?;
            out.extend(pairs.chunks_exact(2).filter_map(|pair| match pair {
                [high, low] => hex_pair(*high, *low),
                _ => None,
            }));
            Some(tail)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::tests::{holds, unchanged};

    #[test]
    fn scripts_escapes_are_decoded() {
        holds(
            js_decode,
            &[
                (br"\u0041\uff1c\x41\101\60\0", b"A<AA0\0"),
                (br"\400\377\08", b" 0\xff\x008"),
                (br"\a\b\f\n\r\t\v", b"\x07\x08\x0c\n\r\t\x0b"),
                (br#"\'\"\q\\"#, br#"'"q\"#),
                (br"\u004\xg1\X41", b"u004xg1X41"),
            ],
        );
        unchanged(js_decode, &[b"", b"plain", b"end\\"]);
    }

    #[test]
    fn c_escapes_are_decoded() {
        holds(
            escape_seq_decode,
            &[(br"\x41\X41\101\777\12z", b"AAA\xff\nz"), (br"\n\t\?\'\z", b"\n\t?'z"), (br"\xg", b"xg")],
        );
        unchanged(escape_seq_decode, &[b"end\\"]);
    }

    #[test]
    fn style_sheets_escapes_are_decoded() {
        holds(
            css_decode,
            &[
                (br"a\41 b", b"aAb"),
                (br"\000041c\a", b"Ac\n"),
                (br"\ff1c\00ff1c\01ff1c", b"<<\x1c"),
                (b"ja\\vas\\\ncript\\", b"javascript"),
                (br"\41\42", b"AB"),
            ],
        );
        unchanged(css_decode, &[b"", b"plain"]);
    }

    #[test]
    fn entities_are_decoded_with_or_without_semicolon() {
        holds(
            html_entity_decode,
            &[
                (b"&lt;&#60;&#x3c;&nbsp;&QuOt&gt", b"<<<\xa0\">"),
                (b"&#x&lt;&#&amp;", b"&#x<&#&"),
                (b"&#00000000000000000000000000000000000060;", b"<"),
                (b"&#99999999999999999999999;", b"\xff"),
                (b"&#x13c;", b"<"),
                (b"&ltscript&ampx;y", b"<script&x;y"),
            ],
        );
        unchanged(html_entity_decode, &[b"&", b"&foo;", b"&#;", b"&#x;", b"a & b", b"&quo"]);
    }

    #[test]
    fn hexadecimal_strings_of_sql_are_decoded() {
        holds(sql_hex_decode, &[(b"0x4142 0x4", b"AB 0x4"), (b"0x414", b"A4")]);
    }
}
