//! Decoding of URLs: `urlDecode`, `urlDecodeUni`, and `utf8toUnicode`, which prepares for the latter.

use std::borrow::Cow;
use std::io::Write;

use memchr::{memchr, memchr2};

use super::best_fit::best_fit;
use super::scan::{hex_pair, rewrite, unescape};

/// `%XX` becomes its byte and `+` a blank; what is not well formed stays.
pub(super) fn url_decode(value: &[u8]) -> Cow<'_, [u8]> {
    unescape(value, |bytes| memchr2(b'%', b'+', bytes), plus_or_percent)
}

/// As [`url_decode`], and `%uXXXX` (an extension of IIS) becomes the ASCII byte that resembles the
/// character most, or else its low byte.
pub(super) fn url_decode_uni(value: &[u8]) -> Cow<'_, [u8]> {
    unescape(
        value,
        |bytes| memchr2(b'%', b'+', bytes),
        |escape, out| match escape {
            [b'%', b'u' | b'U', a, b, c, d, tail @ ..] => {
                out.push(best_fit(hex_pair(*a, *b)?, hex_pair(*c, *d)?));
                Some(tail)
            }
            _ => plus_or_percent(escape, out),
        },
    )
}

fn plus_or_percent<'r>(escape: &'r [u8], out: &mut Vec<u8>) -> Option<&'r [u8]> {
    match escape {
        [b'+', tail @ ..] => {
            out.push(b' ');
            Some(tail)
        }
        [b'%', high, low, tail @ ..] => {
            out.push(hex_pair(*high, *low)?);
            Some(tail)
        }
        _ => None,
    }
}

/// Characters beyond ASCII become `%uXXXX`. Of a malformed sequence the leading byte is dropped; of
/// one that is well formed but forbidden (overlong, surrogate) it is written behind the escape, so
/// that rules can see it. Zero bytes inside the value are dropped.
pub(super) fn utf8_to_unicode(value: &[u8]) -> Cow<'_, [u8]> {
    let find = |bytes: &[u8]| bytes.iter().position(|&byte| byte == 0 || byte >= 0x80);
    unescape(value, find, |escape, out| {
        let (lead, tail) = escape.split_first()?;
        let low = |byte: &u8| u32::from(byte & 0x3f);
        match (lead, tail) {
            (0, []) => None,
            (0, _) => Some(tail),
            (0xc0..=0xdf, [b @ 0x80..=0xbf, rest @ ..]) => {
                let code = u32::from(lead & 0x1f) << 6 | low(b);
                escaped(out, code, *lead, code < 0x80);
                Some(rest)
            }
            (0xe0..=0xef, [b @ 0x80..=0xbf, c @ 0x80..=0xbf, rest @ ..]) => {
                let code = u32::from(lead & 0x0f) << 12 | low(b) << 6 | low(c);
                escaped(out, code, *lead, code < 0x800 || (0xd800..=0xdfff).contains(&code));
                Some(rest)
            }
            (0xf0..=0xf7, _) => {
                if *lead >= 0xf5 {
                    out.push(*lead);
                }
                let [b @ 0x80..=0xbf, c @ 0x80..=0xbf, d @ 0x80..=0xbf, rest @ ..] = tail else {
                    return Some(tail);
                };
                let code = u32::from(lead & 0x07) << 18 | low(b) << 12 | low(c) << 6 | low(d);
                if (0xd800..=0xdfff).contains(&code) {
                    out.push(*lead);
                }
                escaped_four(out, code, *lead);
                Some(rest)
            }
            (0xc0..=0xef, _) => Some(tail),
            _ => None,
        }
    })
}

fn escaped(out: &mut Vec<u8>, code: u32, lead: u8, forbidden: bool) {
    // Writing to a vector cannot fail.
    let _ = write!(out, "%u{code:04x}");
    if forbidden {
        out.push(lead);
    }
}

fn escaped_four(out: &mut Vec<u8>, code: u32, lead: u8) {
    escaped(out, code, lead, code < 0x1_0000);
}

/// Every byte but letters, digits and `*` becomes `%xx`; a blank becomes `+`.
pub(super) fn url_encode(value: &[u8]) -> Cow<'_, [u8]> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'*';
    rewrite(
        value,
        |bytes| bytes.iter().position(|&byte| !plain(byte)),
        |rest, out| {
            for &byte in rest {
                match byte {
                    b' ' => out.push(b'+'),
                    byte if plain(byte) => out.push(byte),
                    byte => drop(write!(out, "%{byte:02x}")),
                }
            }
        },
    )
}

/// True if a percent sign is not followed by two hexadecimal digits.
pub(crate) fn has_broken_escape(value: &[u8]) -> bool {
    let mut rest = value;
    while let Some((_, escape)) = memchr(b'%', rest).and_then(|at| rest.split_at_checked(at)) {
        match escape {
            [_, high, low, tail @ ..] if hex_pair(*high, *low).is_some() => rest = tail,
            _ => return true,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::tests::{holds, unchanged};

    #[test]
    fn percent_and_plus_are_decoded_and_broken_escapes_stay() {
        holds(
            url_decode,
            &[
                (b"a+b%20c", b"a b c"),
                (b"%41%4%zz%", b"A%4%zz%"),
                (b"%%41", b"%A"),
                (b"%u0041", b"%u0041"),
                (b"%00", b"\0"),
            ],
        );
        unchanged(url_decode, &[b"", b"plain", b"100%", b"%zz"]);
    }

    #[test]
    fn iis_escapes_become_what_they_resemble() {
        holds(
            url_decode_uni,
            &[
                (b"%u0041+%41%4", b"A A%4"),
                (b"%uff1c%uff1f%u2039%u1234", b"<?<4"),
                (b"%u00e9%u4e00%zz%", b"e\0%zz%"),
                (b"%U003c", b"<"),
                (b"%u00g1%u004", b"%u00g1%u004"),
            ],
        );
    }

    #[test]
    fn characters_beyond_ascii_are_written_as_escapes() {
        holds(
            utf8_to_unicode,
            &[
                (b"caf\xc3\xa9", b"caf%u00e9"),
                (b"\xe4\xbd\xa0\xf0\x9f\x98\x80", b"%u4f60%u1f600"),
                (b"a\xc3z", b"az"),
                (b"\xe4\xbd", b"\xbd"),
                (b"\xff\xc0\xaf", b"\xff%u002f\xc0"),
                (b"\xed\xa0\x80", b"%ud800\xed"),
                (b"\xf0\x80\x80\x80", b"%u0000\xf0"),
                (b"\xf5\x80\x80\x80", b"\xf5%u140000"),
                (b"a\0b", b"ab"),
            ],
        );
        unchanged(utf8_to_unicode, &[b"", b"ascii", b"\xf8\x88", b"\xf5zz", b"a\0"]);
    }

    #[test]
    fn a_broken_escape_is_noticed_wherever_it_stands() {
        for broken in [&b"%"[..], b"a%4", b"%41%zz", b"%4", b"%u0041"] {
            assert!(has_broken_escape(broken));
        }
        for fine in [&b""[..], b"a", b"%41%5a", b"a+b"] {
            assert!(!has_broken_escape(fine));
        }
    }

    #[test]
    fn encoding_leaves_letters_and_digits() {
        holds(url_encode, &[(b"a b*-_.z", b"a+b*%2d%5f%2ez")]);
    }
}
