//! Canonical JSON (RFC 8785, JCS): one byte string per value, so that its hash means something.
//!
//! Only what our events need exists here: null, booleans, strings, arrays, objects, and whole numbers
//! that every reader holds exactly (I-JSON, RFC 7493: magnitude at most 2^53 - 1). A number with a
//! fraction or an exponent cannot be built and is refused when read; the number formatting of
//! RFC 8785 section 3.2.2.3 is therefore not implemented, on purpose.

use std::borrow::Cow;

/// The largest whole number that a JSON reader based on IEEE 754 doubles holds exactly.
pub const MAX_SAFE: i64 = (1 << 53) - 1;

/// A JSON value that has exactly one canonical spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Flag(bool),
    /// A whole number; see [`Json::whole`].
    Whole(Whole),
    /// A string
    Text(Cow<'static, str>),
    /// An array
    List(Vec<Json>),
    /// An object. Members may stand in any order; a name given twice keeps its last value.
    Object(Vec<(Cow<'static, str>, Json)>),
}

/// A whole number between -(2^53 - 1) and 2^53 - 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole(i64);

/// Why a text is not canonical JSON as defined here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JcsError {
    /// Not JSON at all.
    #[error("not JSON")]
    Syntax,
    /// A fraction, an exponent, or more than 2^53 - 1.
    #[error("a number that is not whole or not exactly representable")]
    Number,
    /// JSON, but not its canonical spelling.
    #[error("not in canonical form")]
    NotCanonical,
}

impl Json {
    /// A whole number. One beyond the exactly representable range becomes the end of the range.
    pub fn whole(number: u64) -> Self {
        Self::Whole(Whole(i64::try_from(number).unwrap_or(MAX_SAFE).min(MAX_SAFE)))
    }

    /// A string.
    pub fn text(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Text(text.into())
    }

    /// An object of members with fixed names.
    pub fn object(members: impl IntoIterator<Item = (&'static str, Json)>) -> Self {
        Self::Object(members.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect())
    }

    /// Reads a text that must be the canonical spelling of its value.
    ///
    /// # Errors
    /// When it is not JSON, holds a number outside the range, or is spelled in another way (spaces,
    /// order of members, escapes, a name given twice).
    pub fn parse_canonical(text: &[u8]) -> Result<Self, JcsError> {
        let value: serde_json::Value = serde_json::from_slice(text).map_err(|_| JcsError::Syntax)?;
        let value = Self::try_from(value)?;
        if value.to_canonical() == text { Ok(value) } else { Err(JcsError::NotCanonical) }
    }

    /// The canonical spelling.
    pub fn to_canonical(&self) -> Vec<u8> {
        let mut out = String::with_capacity(768);
        self.write(&mut out);
        out.into_bytes()
    }

    /// The member of that name, when this is an object that has it.
    pub fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Self::Object(members) => members.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text, when this is a string.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, when this is a whole number that is not negative.
    pub fn as_whole(&self) -> Option<u64> {
        match self {
            Self::Whole(Whole(number)) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Flag(true) => out.push_str("true"),
            Self::Flag(false) => out.push_str("false"),
            Self::Whole(Whole(number)) => out.push_str(&number.to_string()),
            Self::Text(text) => write_text(text, out),
            Self::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => write_object(members, out),
        }
    }
}

/// RFC 8785 section 3.2.3: members sorted by the UTF-16 code units of their names.
fn write_object(members: &[(Cow<'static, str>, Json)], out: &mut String) {
    let mut sorted: Vec<_> = members.iter().collect();
    // A stable sort, so that of two members with one name the last given stays last.
    sorted.sort_by(|(a, _), (b, _)| utf16_order(a, b));
    out.push('{');
    let mut first = true;
    let mut rest = sorted.into_iter().peekable();
    while let Some((name, value)) = rest.next() {
        if rest.peek().is_some_and(|(next, _)| next == name) {
            continue;
        }
        if !first {
            out.push(',');
        }
        first = false;
        write_text(name, out);
        out.push(':');
        value.write(out);
    }
    out.push('}');
}

/// The order of the UTF-16 code units, which for ASCII is that of the bytes.
fn utf16_order(a: &str, b: &str) -> std::cmp::Ordering {
    if a.is_ascii() && b.is_ascii() { a.cmp(b) } else { a.encode_utf16().cmp(b.encode_utf16()) }
}

/// RFC 8785 section 3.2.2.2: the short escapes where JSON has them, `\u00xx` in lower case for the
/// other controls, everything else as it is.
fn write_text(text: &str, out: &mut String) {
    out.push('"');
    if text.bytes().all(|b| b >= b' ' && b != b'"' && b != b'\\') {
        // Nothing to escape, as in nearly every string of an event.
        out.push_str(text);
        out.push('"');
        return;
    }
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => {
                out.push_str("\\u00");
                out.push(if u32::from(c) < 0x10 { '0' } else { '1' });
                out.push(char::from_digit(u32::from(c) & 0xf, 16).unwrap_or('0'));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

impl TryFrom<serde_json::Value> for Json {
    type Error = JcsError;

    fn try_from(value: serde_json::Value) -> Result<Self, JcsError> {
        use serde_json::Value;
        Ok(match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Flag(flag),
            Value::Number(number) => match number.as_i64() {
                Some(whole) if whole.unsigned_abs() <= MAX_SAFE.unsigned_abs() => Self::Whole(Whole(whole)),
                _ => return Err(JcsError::Number),
            },
            Value::String(text) => Self::Text(text.into()),
            Value::Array(items) => {
                Self::List(items.into_iter().map(Self::try_from).collect::<Result<_, _>>()?)
            }
            Value::Object(members) => Self::Object(
                members
                    .into_iter()
                    .map(|(name, value)| Ok((name.into(), Self::try_from(value)?)))
                    .collect::<Result<_, JcsError>>()?,
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canonical(text: &str) -> Result<String, JcsError> {
        let value: serde_json::Value = serde_json::from_str(text).map_err(|_| JcsError::Syntax)?;
        Ok(String::from_utf8(Json::try_from(value)?.to_canonical()).unwrap())
    }

    #[test]
    fn strings_and_literals_of_rfc_8785_section_3_2_2_read_as_in_the_rfc() {
        // The RFC's sample object without its `numbers` member.
        let sample = r#"{
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
            "literals": [null, true, false]
        }"#;
        assert_eq!(
            canonical(sample).unwrap(),
            "{\"literals\":[null,true,false],\"string\":\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"
        );
    }

    #[test]
    fn members_are_sorted_as_in_rfc_8785_section_3_2_3() {
        let sample = r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh",
            "1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#;
        let sorted = canonical(sample).unwrap();
        let order = ["Carriage", "One", "Control", "Latin", "Euro", "Emoji", "Hebrew"];
        let places: Vec<_> = order.iter().map(|word| sorted.find(word).unwrap()).collect();
        assert!(places.is_sorted(), "{sorted}");
    }

    #[test]
    fn numbers_that_are_not_exact_whole_numbers_are_refused() {
        for text in
            ["1.5", "1e3", "1.0", "-0", "9007199254740992", "-9007199254740992", "18446744073709551615"]
        {
            assert_eq!(Json::parse_canonical(text.as_bytes()), Err(JcsError::Number), "{text}");
        }
        assert!(Json::parse_canonical(b"9007199254740991").is_ok());
        assert!(Json::parse_canonical(b"-9007199254740991").is_ok());
        assert_eq!(Json::whole(u64::MAX).to_canonical(), b"9007199254740991");
    }

    #[test]
    fn other_spellings_of_the_same_value_are_refused() {
        for text in
            [r#"{ "a":1}"#, r#"{"b":1,"a":2}"#, r#"{"a":1,"a":2}"#, r#""\u0041""#, r#""\/""#, "[1, 2]", "1 "]
        {
            assert_eq!(Json::parse_canonical(text.as_bytes()), Err(JcsError::NotCanonical), "{text}");
        }
        assert_eq!(Json::parse_canonical(b"\xff"), Err(JcsError::Syntax));
    }

    #[test]
    fn a_name_given_twice_keeps_its_last_value() {
        let value = Json::object([("a", Json::whole(1)), ("a", Json::whole(2))]);
        assert_eq!(value.to_canonical(), br#"{"a":2}"#);
        assert_eq!(value.get("a"), Some(&Json::whole(2)));
    }

    fn any_json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::Flag),
            any::<u64>().prop_map(Json::whole),
            any::<String>().prop_map(Json::text),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Json::List),
                prop::collection::btree_map(any::<String>(), inner, 0..5).prop_map(|members| Json::Object(
                    members.into_iter().map(|(n, v)| (n.into(), v)).collect()
                )),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_as_canonical(value in any_json()) {
            let text = value.to_canonical();
            let read = Json::parse_canonical(&text).unwrap();
            prop_assert_eq!(read.to_canonical(), text);
        }
    }
}
