//! Plain work on text: case, white space, zero bytes, comments, and `cmdLine`.

use std::borrow::Cow;

use memchr::memmem;

use super::scan::{is_space, mapped, rewrite, unescape, without};

/// ASCII letters in lower case.
pub(super) fn lowercase(value: &[u8]) -> Cow<'_, [u8]> {
    mapped(value, |byte| byte.to_ascii_lowercase())
}

/// ASCII letters in upper case.
pub(super) fn uppercase(value: &[u8]) -> Cow<'_, [u8]> {
    mapped(value, |byte| byte.to_ascii_uppercase())
}

/// Zero bytes are dropped.
pub(super) fn remove_nulls(value: &[u8]) -> Cow<'_, [u8]> {
    without(value, |byte| byte == 0)
}

/// Zero bytes become blanks.
pub(super) fn replace_nulls(value: &[u8]) -> Cow<'_, [u8]> {
    mapped(value, |byte| if byte == 0 { b' ' } else { byte })
}

/// White space is dropped, and both bytes of the no-break space in UTF-8 wherever they stand.
pub(super) fn remove_whitespace(value: &[u8]) -> Cow<'_, [u8]> {
    without(value, |byte| is_space(byte) || byte == 0xa0 || byte == 0xc2)
}

/// Each run of white space becomes one blank.
pub(super) fn compress_whitespace(value: &[u8]) -> Cow<'_, [u8]> {
    rewrite(
        value,
        |bytes| bytes.iter().position(|&byte| is_space(byte)),
        |rest, out| {
            let mut in_space = false;
            for &byte in rest {
                if !is_space(byte) {
                    out.push(byte);
                } else if !in_space {
                    out.push(b' ');
                }
                in_space = is_space(byte);
            }
        },
    )
}

/// Without white space at the beginning.
pub(super) fn trim_left(value: &[u8]) -> Cow<'_, [u8]> {
    let start = value.iter().position(|&byte| !is_space(byte)).unwrap_or(value.len());
    Cow::Borrowed(value.get(start..).unwrap_or_default())
}

/// Without white space at the end.
pub(super) fn trim_right(value: &[u8]) -> Cow<'_, [u8]> {
    let end = value.iter().rposition(|&byte| !is_space(byte)).map_or(0, |last| last + 1);
    Cow::Borrowed(value.get(..end).unwrap_or_default())
}

/// Without white space at either end.
pub(super) fn trim(value: &[u8]) -> Cow<'_, [u8]> {
    match trim_left(value) {
        Cow::Borrowed(rest) => trim_right(rest),
        owned @ Cow::Owned(_) => owned,
    }
}

/// The number of bytes, in decimal.
pub(super) fn length(value: &[u8]) -> Cow<'_, [u8]> {
    Cow::Owned(value.len().to_string().into_bytes())
}

/// Undoes what a shell ignores: quotes, backslashes and carets vanish, separators (blank, comma,
/// semicolon, line ends) become one blank, a blank before `/` or `(` vanishes, letters become small.
pub(super) fn cmd_line(value: &[u8]) -> Cow<'_, [u8]> {
    let matters = |byte: u8| {
        matches!(byte, b'"' | b'\'' | b'\\' | b'^' | b' ' | b',' | b';' | b'\t' | b'\r' | b'\n')
            || byte.is_ascii_uppercase()
    };
    rewrite(
        value,
        |bytes| bytes.iter().position(|&byte| matters(byte)),
        |rest, out| {
            let mut in_space = false;
            for &byte in rest {
                match byte {
                    b'"' | b'\'' | b'\\' | b'^' => continue,
                    b' ' | b',' | b';' | b'\t' | b'\r' | b'\n' => {
                        if !in_space {
                            out.push(b' ');
                        }
                        in_space = true;
                        continue;
                    }
                    b'/' | b'(' if in_space => drop(out.pop()),
                    _ => {}
                }
                out.push(byte.to_ascii_lowercase());
                in_space = false;
            }
        },
    )
}

/// Each C comment becomes one blank; one that is not closed reaches to the end.
pub(super) fn replace_comments(value: &[u8]) -> Cow<'_, [u8]> {
    unescape(
        value,
        |bytes| memmem::find(bytes, b"/*"),
        |comment, out| {
            out.push(b' ');
            let inside = comment.get(2..)?;
            Some(memmem::find(inside, b"*/").and_then(|end| inside.get(end + 2..)).unwrap_or_default())
        },
    )
}

/// The signs that open or close comments (`/*`, `*/`, `<!--`, `-->`, `--`, `#`) are dropped; what
/// they enclose stays.
pub(super) fn remove_comments_char(value: &[u8]) -> Cow<'_, [u8]> {
    const SIGNS: [&[u8]; 6] = [b"/*", b"*/", b"<!--", b"-->", b"--", b"#"];
    unescape(
        value,
        |bytes| bytes.iter().position(|byte| matches!(byte, b'/' | b'*' | b'<' | b'-' | b'#')),
        |text, _| SIGNS.iter().find_map(|sign| text.strip_prefix(*sign)),
    )
}

/// Comments of C (`/* */`) and of markup (`<!-- -->`) are dropped, and everything behind `--` or `#`;
/// one that is not closed becomes a blank.
pub(super) fn remove_comments(value: &[u8]) -> Cow<'_, [u8]> {
    const SIGNS: [&[u8]; 2] = [b"*/", b"-->"];
    unescape(
        value,
        |bytes| bytes.iter().position(|byte| matches!(byte, b'/' | b'<' | b'-' | b'#')),
        |text, out| {
            let inside = match text {
                [b'/', b'*', inside @ ..] | [b'<', b'!', b'-', b'-', inside @ ..] => inside,
                [b'#', ..] | [b'-', b'-', ..] => return Some(&[]),
                _ => return None,
            };
            // One pass for both ends: two searches could each run to the end of the value every time.
            let closes = |at: &usize| {
                inside.get(*at..).and_then(|tail| SIGNS.iter().find(|sign| tail.starts_with(sign)))
            };
            let end = (0..inside.len()).find_map(|at| closes(&at).map(|sign| at + sign.len()));
            let Some(end) = end else {
                out.push(b' ');
                return Some(&[]);
            };
            inside.get(end..)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::tests::{holds, unchanged};

    #[test]
    fn case_and_zero_bytes() {
        holds(lowercase, &[(b"AbC\xc9", b"abc\xc9")]);
        holds(uppercase, &[(b"aBc\xe9", b"ABC\xe9")]);
        holds(remove_nulls, &[(b"a\0\0b\0", b"ab")]);
        holds(replace_nulls, &[(b"a\0b", b"a b")]);
        unchanged(lowercase, &[b"", b"abc \xff"]);
    }

    #[test]
    fn white_space_goes_or_shrinks() {
        holds(remove_whitespace, &[(b"a \xa0 b\t\nc\x0b\x0c\xc2\xa0d\0", b"abcd\0")]);
        holds(compress_whitespace, &[(b"a \xa0 b\t\nc \xc2\xa0d", b"a \xa0 b c \xc2\xa0d"), (b"\t", b" ")]);
        unchanged(compress_whitespace, &[b"a b c", b" ", b""]);
        holds(trim, &[(b" \ta b\n ", b"a b"), (b"  ", b"")]);
        holds(trim_left, &[(b" a ", b"a ")]);
        holds(trim_right, &[(b" a ", b" a")]);
        holds(length, &[(b"abc", b"3"), (b"", b"0")]);
    }

    #[test]
    fn what_a_shell_ignores_is_undone() {
        holds(
            cmd_line,
            &[
                (b"A ;B /x", b"a b/x"),
                (b"c'a\"t^ \\/etc", b"cat/etc"),
                (b" (x", b"(x"),
                (b"a,,b;\tc", b"a b c"),
            ],
        );
        unchanged(cmd_line, &[b"", b"plain", b"a b", b"\xc9"]);
    }

    #[test]
    fn comments_shrink_or_lose_their_signs() {
        holds(
            replace_comments,
            &[(b"a/*b*/c", b"a c"), (b"a/*b", b"a "), (b"a/*/b", b"a "), (b"/**/", b" ")],
        );
        holds(remove_comments_char, &[(b"/#*x", b"/*x"), (b"--->", b"->"), (b"a<!--b-->c#/*d*/", b"abcd")]);
        holds(
            remove_comments,
            &[(b"a/*b*/c--d", b"ac"), (b"a#b", b"a"), (b"<!-- x --> y", b" y"), (b"a/*b", b"a ")],
        );
        unchanged(remove_comments_char, &[b"", b"a/b*c-d<e"]);
    }
}
