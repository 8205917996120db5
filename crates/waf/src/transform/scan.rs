//! The two loops all transformations are made of: look for the first byte that can matter, and only
//! then copy. A value in which nothing happens is never allocated.

use std::borrow::Cow;

/// Rewrites `value` from the first byte at which `find` sees something to do; what lies before is
/// copied as it is. Borrowed when there is nothing to do, or when doing it changed nothing.
pub(super) fn rewrite<'a>(
    value: &'a [u8],
    find: impl Fn(&[u8]) -> Option<usize>,
    write: impl FnOnce(&[u8], &mut Vec<u8>),
) -> Cow<'a, [u8]> {
    let Some((clean, rest)) = find(value).and_then(|at| value.split_at_checked(at)) else {
        return Cow::Borrowed(value);
    };
    let mut out = Vec::with_capacity(value.len());
    out.extend_from_slice(clean);
    write(rest, &mut out);
    if out == value { Cow::Borrowed(value) } else { Cow::Owned(out) }
}

/// Replaces escapes. `find` looks for the next byte that can begin one; `take` reads an escape at the
/// front, writes what it stands for and returns what follows it, or returns `None` when there is no
/// escape after all (then the byte stands for itself).
///
/// Linear as long as `take` looks at a bounded number of bytes beyond those it consumes.
pub(super) fn unescape<'a>(
    value: &'a [u8],
    find: impl Fn(&[u8]) -> Option<usize>,
    take: impl for<'r> Fn(&'r [u8], &mut Vec<u8>) -> Option<&'r [u8]>,
) -> Cow<'a, [u8]> {
    rewrite(value, &find, |mut rest, out| {
        while let Some((plain, escape)) = find(rest).and_then(|at| rest.split_at_checked(at)) {
            out.extend_from_slice(plain);
            rest = match take(escape, out) {
                Some(tail) => tail,
                None => match escape.split_first() {
                    Some((byte, tail)) => {
                        out.push(*byte);
                        tail
                    }
                    None => escape,
                },
            };
        }
        out.extend_from_slice(rest);
    })
}

/// The value without the bytes `drop` names.
pub(super) fn without(value: &[u8], drop: impl Fn(u8) -> bool) -> Cow<'_, [u8]> {
    rewrite(
        value,
        |bytes| bytes.iter().position(|&byte| drop(byte)),
        |rest, out| out.extend(rest.iter().copied().filter(|&byte| !drop(byte))),
    )
}

/// The value with each byte replaced by its image.
pub(super) fn mapped(value: &[u8], image: impl Fn(u8) -> u8) -> Cow<'_, [u8]> {
    rewrite(
        value,
        |bytes| bytes.iter().position(|&byte| image(byte) != byte),
        |rest, out| out.extend(rest.iter().map(|&byte| image(byte))),
    )
}

/// White space as C's `isspace` has it: blank, `\t`, `\n`, vertical tab, form feed, `\r`.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// The value of one hexadecimal digit.
pub(super) fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// The byte two hexadecimal digits write.
pub(super) fn hex_pair(high: u8, low: u8) -> Option<u8> {
    Some(hex(high)? << 4 | hex(low)?)
}

/// The byte that one to three octal digits at the front write (the low eight bits), and how many
/// digits were read; at most `most` are.
pub(super) fn octal(digits: &[u8], most: usize) -> Option<(u8, usize)> {
    let count = digits.iter().take(most).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
    let value = digits.iter().take(count).fold(0_u8, |sum, digit| sum.wrapping_mul(8) | (digit - b'0'));
    (count > 0).then_some((value, count))
}
