//! Patterns: PCRE as the rules write it, on a linear-time engine over bytes.

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::hir::Hir;

/// Memory one pattern's program may take; the largest of the Core Rule Set needs a third of it.
const PROGRAM: usize = 32 << 20;
/// Memory one pattern's lazy automaton may take per thread.
const AUTOMATON: usize = 4 << 20;

/// A pattern with ModSecurity's settings: a dot matches every byte, lines are ended by `\n` for `^` and
/// `$`, and the text is bytes.
pub(super) fn regex(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(&rewritten(pattern))
        .unicode(false)
        .dot_matches_new_line(true)
        .multi_line(true)
        .size_limit(PROGRAM)
        .dfa_size_limit(AUTOMATON)
        .build()
        .map_err(|trouble| trouble.to_string())
}

/// A pattern over names: letters without case.
pub(super) fn selector(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(&rewritten(pattern))
        .unicode(false)
        .case_insensitive(true)
        .dot_matches_new_line(true)
        .build()
        .map_err(|trouble| trouble.to_string())
}

/// The same pattern as a syntax tree.
pub(super) fn syntax(pattern: &str) -> Result<Hir, String> {
    regex_syntax::ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .dot_matches_new_line(true)
        .multi_line(true)
        .build()
        .parse(&rewritten(pattern))
        .map_err(|trouble| trouble.to_string())
}

/// `\x{be}` means the byte; this engine writes that `\xbe`.
fn rewritten(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(at) = rest.find('\\') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let digits = from.strip_prefix("\\x{").and_then(|body| body.split_once('}'));
        match digits {
            Some((digits, after))
                if digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) =>
            {
                out.push_str("\\x");
                out.push_str(digits);
                rest = after;
            }
            _ => {
                let mut letters = from.chars();
                out.extend(letters.next());
                out.extend(letters.next());
                rest = letters.as_str();
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_in_braces_is_a_byte_and_not_a_code_point() {
        let pattern = regex(r"\x{bc}[^>\x{be}]*[>\x{be}]").unwrap();
        assert!(pattern.is_match(b"\xbcscript\xbe"));
        assert!(!pattern.is_match("\u{bc}script".as_bytes()));
        assert_eq!(rewritten(r"\\x{be}"), r"\\x{be}");
    }

    #[test]
    fn a_dot_matches_every_byte() {
        assert!(regex("a.b").unwrap().is_match(b"a\nb"));
        assert!(regex("a.b").unwrap().is_match(b"a\xffb"));
    }
}
