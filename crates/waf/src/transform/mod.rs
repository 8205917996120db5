//! Transformations: what a rule does to a value before it looks at it.
//!
//! Each is a pure function over bytes, linear in the length of the value, and behaves as ModSecurity
//! 3.0.15 does, because that is what rules are written against; where ModSecurity's behaviour is odd,
//! the function says so. A value that does not change is borrowed, never copied.

mod best_fit;
mod digest;
mod escape;
mod path;
mod scan;
mod text;
mod url;

use std::borrow::Cow;

pub(crate) use url::has_broken_escape;

/// One transformation of SecLang (`t:` action).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transformation {
    /// `base64Decode`
    Base64Decode,
    /// `base64DecodeExt`
    Base64DecodeExt,
    /// `base64Encode`
    Base64Encode,
    /// `cmdLine`
    CmdLine,
    /// `compressWhitespace`
    CompressWhitespace,
    /// `cssDecode`
    CssDecode,
    /// `escapeSeqDecode`
    EscapeSeqDecode,
    /// `hexDecode`
    HexDecode,
    /// `hexEncode`
    HexEncode,
    /// `htmlEntityDecode`
    HtmlEntityDecode,
    /// `jsDecode`
    JsDecode,
    /// `length`
    Length,
    /// `lowercase`
    Lowercase,
    /// `normalizePath`
    NormalizePath,
    /// `normalizePathWin`
    NormalizePathWin,
    /// `removeComments`
    RemoveComments,
    /// `removeCommentsChar`
    RemoveCommentsChar,
    /// `removeNulls`
    RemoveNulls,
    /// `removeWhitespace`
    RemoveWhitespace,
    /// `replaceComments`
    ReplaceComments,
    /// `replaceNulls`
    ReplaceNulls,
    /// `sha1`
    Sha1,
    /// `sqlHexDecode`
    SqlHexDecode,
    /// `trim`
    Trim,
    /// `trimLeft`
    TrimLeft,
    /// `trimRight`
    TrimRight,
    /// `uppercase`
    Uppercase,
    /// `urlDecode`
    UrlDecode,
    /// `urlDecodeUni`
    UrlDecodeUni,
    /// `urlEncode`
    UrlEncode,
    /// `utf8toUnicode`
    Utf8ToUnicode,
}

impl Transformation {
    /// All of them, with their names in SecLang.
    pub const ALL: &[(&str, Self)] = &[
        ("base64Decode", Self::Base64Decode),
        ("base64DecodeExt", Self::Base64DecodeExt),
        ("base64Encode", Self::Base64Encode),
        ("cmdLine", Self::CmdLine),
        ("compressWhitespace", Self::CompressWhitespace),
        ("cssDecode", Self::CssDecode),
        ("escapeSeqDecode", Self::EscapeSeqDecode),
        ("hexDecode", Self::HexDecode),
        ("hexEncode", Self::HexEncode),
        ("htmlEntityDecode", Self::HtmlEntityDecode),
        ("jsDecode", Self::JsDecode),
        ("length", Self::Length),
        ("lowercase", Self::Lowercase),
        ("normalizePath", Self::NormalizePath),
        ("normalizePathWin", Self::NormalizePathWin),
        ("removeComments", Self::RemoveComments),
        ("removeCommentsChar", Self::RemoveCommentsChar),
        ("removeNulls", Self::RemoveNulls),
        ("removeWhitespace", Self::RemoveWhitespace),
        ("replaceComments", Self::ReplaceComments),
        ("replaceNulls", Self::ReplaceNulls),
        ("sha1", Self::Sha1),
        ("sqlHexDecode", Self::SqlHexDecode),
        ("trim", Self::Trim),
        ("trimLeft", Self::TrimLeft),
        ("trimRight", Self::TrimRight),
        ("uppercase", Self::Uppercase),
        ("urlDecode", Self::UrlDecode),
        ("urlDecodeUni", Self::UrlDecodeUni),
        ("urlEncode", Self::UrlEncode),
        ("utf8toUnicode", Self::Utf8ToUnicode),
    ];

    /// The transformation of this SecLang name (letters compared without case); `None` if unknown.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name = match name {
            // The British spelling is as good.
            other if other.eq_ignore_ascii_case("normalisePath") => "normalizePath",
            other if other.eq_ignore_ascii_case("normalisePathWin") => "normalizePathWin",
            other => other,
        };
        Self::ALL.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, kind)| *kind)
    }

    /// The name in SecLang.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

/// The value after one transformation; borrowed exactly when nothing changed.
#[must_use]
pub fn apply(kind: Transformation, value: &[u8]) -> Cow<'_, [u8]> {
    match kind {
        Transformation::Base64Decode => digest::base64_decode(value),
        Transformation::Base64DecodeExt => digest::base64_decode_ext(value),
        Transformation::Base64Encode => digest::base64_encode(value),
        Transformation::CmdLine => text::cmd_line(value),
        Transformation::CompressWhitespace => text::compress_whitespace(value),
        Transformation::CssDecode => escape::css_decode(value),
        Transformation::EscapeSeqDecode => escape::escape_seq_decode(value),
        Transformation::HexDecode => digest::hex_decode(value),
        Transformation::HexEncode => digest::hex_encode(value),
        Transformation::HtmlEntityDecode => escape::html_entity_decode(value),
        Transformation::JsDecode => escape::js_decode(value),
        Transformation::Length => text::length(value),
        Transformation::Lowercase => text::lowercase(value),
        Transformation::NormalizePath => path::normalize(value),
        Transformation::NormalizePathWin => path::normalize_win(value),
        Transformation::RemoveComments => text::remove_comments(value),
        Transformation::RemoveCommentsChar => text::remove_comments_char(value),
        Transformation::RemoveNulls => text::remove_nulls(value),
        Transformation::RemoveWhitespace => text::remove_whitespace(value),
        Transformation::ReplaceComments => text::replace_comments(value),
        Transformation::ReplaceNulls => text::replace_nulls(value),
        Transformation::Sha1 => digest::sha1(value),
        Transformation::SqlHexDecode => escape::sql_hex_decode(value),
        Transformation::Trim => text::trim(value),
        Transformation::TrimLeft => text::trim_left(value),
        Transformation::TrimRight => text::trim_right(value),
        Transformation::Uppercase => text::uppercase(value),
        Transformation::UrlDecode => url::url_decode(value),
        Transformation::UrlDecodeUni => url::url_decode_uni(value),
        Transformation::UrlEncode => url::url_encode(value),
        Transformation::Utf8ToUnicode => url::utf8_to_unicode(value),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Each value becomes what stands beside it.
    pub(super) fn holds(transform: fn(&[u8]) -> Cow<'_, [u8]>, table: &[(&[u8], &[u8])]) {
        for (value, wanted) in table {
            let got = transform(value);
            let show = String::from_utf8_lossy;
            assert_eq!(&*got, *wanted, "{} became {}", show(value), show(&got));
        }
    }

    /// Each value stays as it is and is not copied.
    pub(super) fn unchanged(transform: fn(&[u8]) -> Cow<'_, [u8]>, values: &[&[u8]]) {
        for value in values {
            assert!(matches!(transform(value), Cow::Borrowed(same) if same == *value), "{value:?}");
        }
    }

    #[test]
    fn every_name_finds_its_transformation() {
        for (name, kind) in Transformation::ALL {
            assert_eq!(Transformation::named(&name.to_lowercase()), Some(*kind));
            assert_eq!(kind.name(), *name);
        }
        assert_eq!(Transformation::named("NormalisePathWin"), Some(Transformation::NormalizePathWin));
        assert_eq!(Transformation::named("rot13"), None);
    }

    /// Bytes that mean something to some transformation.
    fn telling() -> impl Strategy<Value = Vec<u8>> {
        let bytes: Vec<u8> = br#"%+u0aAfF41 \x0&#;ltgquonbsp/*-<!>.'"^,()="#.iter().copied()
            .chain([0, b'\n', b'\r', b'\t', 0xa0, 0xc2, 0xe4, 0xbd, 0xf0, 0x9f, 0xff]).collect();
        prop::collection::vec(prop_oneof![4 => prop::sample::select(bytes), 1 => any::<u8>()], 0..40)
    }

    proptest! {
        #[test]
        fn a_value_is_borrowed_exactly_when_it_did_not_change(value in telling()) {
            for (name, kind) in Transformation::ALL {
                let got = apply(*kind, &value);
                // A prefix or suffix of the value is borrowed too: trimming never copies.
                let trims = matches!(kind, Transformation::Trim | Transformation::TrimLeft | Transformation::TrimRight);
                prop_assert!(trims || matches!(got, Cow::Borrowed(_)) == (*got == value[..])
                    || matches!(kind, Transformation::Length), "{}", name);
            }
        }

        #[test]
        fn what_does_not_look_back_can_be_cut_anywhere(value in telling(), at in 0_usize..40) {
            // The simple reference for byte-wise transformations: apply them to the pieces.
            use Transformation::{Lowercase, Uppercase, RemoveNulls, ReplaceNulls, RemoveWhitespace, HexEncode};
            let (head, tail) = value.split_at(at.min(value.len()));
            for kind in [Lowercase, Uppercase, RemoveNulls, ReplaceNulls, RemoveWhitespace, HexEncode] {
                let pieces = [apply(kind, head), apply(kind, tail)].concat();
                prop_assert_eq!(&*apply(kind, &value), pieces.as_slice());
            }
        }

        #[test]
        fn encoding_and_decoding_return_the_value(value in prop::collection::vec(any::<u8>(), 0..80)) {
            use Transformation::{Base64Decode, Base64DecodeExt, Base64Encode, HexDecode, HexEncode, UrlDecode, UrlEncode};
            for (encode, decode) in [(Base64Encode, Base64Decode), (Base64Encode, Base64DecodeExt),
                (HexEncode, HexDecode), (UrlEncode, UrlDecode)] {
                let encoded = apply(encode, &value);
                prop_assert_eq!(&*apply(decode, &encoded), value.as_slice());
            }
        }

        #[test]
        fn url_decoding_agrees_with_a_reader_that_goes_byte_by_byte(value in telling()) {
            let text = value.iter().map(|byte| char::from(*byte)).collect::<Vec<_>>();
            let mut wanted = Vec::new();
            let mut at = 0;
            while at < text.len() {
                let digits: String = text.iter().skip(at + 1).take(2).collect();
                let code = Some(digits).filter(|digits| digits.len() == 2 && digits.chars().all(|c| c.is_ascii_hexdigit()));
                match (text[at], code) {
                    ('%', Some(digits)) => { wanted.push(u8::from_str_radix(&digits, 16).unwrap()); at += 3; }
                    ('+', _) => { wanted.push(b' '); at += 1; }
                    (other, _) => { wanted.push(other as u8); at += 1; }
                }
            }
            prop_assert_eq!(&*apply(Transformation::UrlDecode, &value), wanted.as_slice());
        }

        #[test]
        fn normalizing_a_path_of_plain_names_agrees_with_following_it_by_names(
            names in prop::collection::vec(prop::sample::select(vec!["a", "bc", ".", "..", "", "d.e"]), 0..9)
        ) {
            let path = format!("/{}", names.join("/"));
            let mut stack: Vec<&str> = Vec::new();
            for name in path.split('/') {
                match name {
                    "" | "." => {}
                    ".." => { stack.pop(); }
                    name => stack.push(name),
                }
            }
            let mut wanted = if stack.is_empty() { String::new() } else { format!("/{}", stack.join("/")) };
            if path.ends_with('/') {
                wanted.push('/');
            }
            let got = apply(Transformation::NormalizePath, path.as_bytes());
            prop_assert_eq!(String::from_utf8_lossy(&got), wanted);
        }
    }
}
