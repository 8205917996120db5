//! JSON (RFC 8259), flattened: `{"a":{"b":[1]}}` is the argument `json.a.b.array_0` with the value `1`,
//! the names that ModSecurity 3 gives and rules know.
//!
//! One pass; it calls itself no deeper than the bound on nesting. Duplicate keys are all kept, so that a
//! value a service behind us might pick cannot hide behind another; and so are the names of objects and
//! arrays that are empty, which ModSecurity passes over.

use std::io::Write;

use memchr::memchr2;

use crate::value::{Body, BodyLimits, Pair};

/// Reads a body. An empty one is no error.
pub(super) fn read(body: &[u8], limits: &BodyLimits) -> Body {
    let (text, broken) = match std::str::from_utf8(body) {
        Ok(text) => (text, false),
        // What is well formed is read all the same.
        Err(error) => (
            body.get(..error.valid_up_to())
                .and_then(|valid| std::str::from_utf8(valid).ok())
                .unwrap_or_default(),
            true,
        ),
    };
    let mut reader = Reader {
        rest: text.as_bytes(),
        path: b"json".to_vec(),
        open: Vec::new(),
        args: Vec::new(),
        bare_names: Vec::new(),
        limits,
        // Names repeat the keys above them; without a bound a small body could write a large one.
        room: body.len().saturating_mul(4).saturating_add(64 * 1024),
    };
    let done = if body.is_empty() { Ok(()) } else { reader.document() };
    let error = if broken { Some("invalid UTF-8") } else { done.err() };
    let error = error.map(|why| format!("JSON: {why}"));
    Body { args: reader.args, bare_names: reader.bare_names, error, ..Body::default() }
}

/// An object or array that has begun and not ended.
struct Open {
    /// The length of the path outside of it.
    outside: usize,
    /// For an array, the index of the next element.
    index: Option<usize>,
}

struct Reader<'a> {
    rest: &'a [u8],
    path: Vec<u8>,
    open: Vec<Open>,
    args: Vec<Pair>,
    bare_names: Vec<Vec<u8>>,
    limits: &'a BodyLimits,
    room: usize,
}

type Step = Result<(), &'static str>;

impl Reader<'_> {
    fn document(&mut self) -> Step {
        self.value()?;
        while !self.open.is_empty() {
            self.next_in_container()?;
        }
        self.skip_space();
        if self.rest.is_empty() { Ok(()) } else { Err("text behind the end") }
    }

    /// Reads a value; of an object or array only the opening bracket and what stands right behind it.
    fn value(&mut self) -> Step {
        self.skip_space();
        match self.rest {
            [b'{', ..] => self.enter(None),
            [b'[', ..] => self.enter(Some(0)),
            [b'"', ..] => {
                let text = self.string()?;
                self.leaf(text)
            }
            [b't', ..] => self.word(b"true"),
            [b'f', ..] => self.word(b"false"),
            [b'n', ..] => self.word(b"null"),
            [b'-' | b'0'..=b'9', ..] => self.number(),
            [] => Err("ends too early"),
            _ => Err("a value is missing"),
        }
    }

    fn enter(&mut self, index: Option<usize>) -> Step {
        if self.open.len() >= self.limits.depth {
            return Err("nested too deep");
        }
        self.advance(1);
        self.open.push(Open { outside: self.path.len(), index });
        self.skip_space();
        match (index, self.rest) {
            (None, [b'}', ..]) | (Some(_), [b']', ..]) => {
                self.count(0)?;
                self.bare_names.push(self.path.clone());
                self.leave()
            }
            (None, _) => self.member(),
            (Some(_), _) => self.element(),
        }
    }

    fn leave(&mut self) -> Step {
        self.advance(1);
        if let Some(open) = self.open.pop() {
            self.path.truncate(open.outside);
        }
        Ok(())
    }

    /// After a value: a comma and the next member, or the end of the container.
    fn next_in_container(&mut self) -> Step {
        self.skip_space();
        let in_array = self.open.last().is_some_and(|open| open.index.is_some());
        match (in_array, self.rest) {
            (false, [b'}', ..]) | (true, [b']', ..]) => self.leave(),
            (false, [b',', ..]) => {
                self.advance(1);
                self.member()
            }
            (true, [b',', ..]) => {
                self.advance(1);
                self.element()
            }
            (_, []) => Err("ends too early"),
            _ => Err("a comma or a closing bracket is missing"),
        }
    }

    fn member(&mut self) -> Step {
        self.skip_space();
        if self.rest.first() != Some(&b'"') {
            return Err("a key is missing");
        }
        let key = self.string()?;
        self.begin_name();
        self.path.push(b'.');
        self.path.extend_from_slice(&key);
        self.skip_space();
        if self.rest.first() != Some(&b':') {
            return Err("a colon is missing");
        }
        self.advance(1);
        self.value()
    }

    fn element(&mut self) -> Step {
        self.begin_name();
        let index = self.open.last_mut().and_then(|open| open.index.as_mut());
        if let Some(index) = index {
            // Writing to a vector cannot fail.
            let _ = write!(self.path, ".array_{index}");
            *index += 1;
        }
        self.value()
    }

    /// The path back to the name of the container.
    fn begin_name(&mut self) {
        if let Some(open) = self.open.last() {
            self.path.truncate(open.outside);
        }
    }

    /// Room for one more name, and so many bytes of a value.
    fn count(&mut self, value: usize) -> Step {
        if self.args.len() + self.bare_names.len() >= self.limits.args {
            return Err("too many values");
        }
        self.room = self.room.checked_sub(self.path.len() + value).ok_or("its names are too long")?;
        Ok(())
    }

    fn leaf(&mut self, value: Vec<u8>) -> Step {
        self.count(value.len())?;
        self.args.push(Pair { name: self.path.clone(), value });
        Ok(())
    }

    fn word(&mut self, word: &'static [u8]) -> Step {
        if !self.rest.starts_with(word) {
            return Err("an unknown word");
        }
        self.advance(word.len());
        self.leaf(if word == b"null" { Vec::new() } else { word.to_vec() })
    }

    fn number(&mut self) -> Step {
        let mut rest = self.rest.strip_prefix(b"-").unwrap_or(self.rest);
        rest = match rest {
            [b'0', after @ ..] => after,
            _ => digits(rest)?,
        };
        if let [b'.', fraction @ ..] = rest {
            rest = digits(fraction)?;
        }
        if let [b'e' | b'E', exponent @ ..] = rest {
            rest = digits(exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-")).unwrap_or(exponent))?;
        }
        let text = self.rest.get(..self.rest.len() - rest.len()).unwrap_or_default().to_vec();
        self.rest = rest;
        self.leaf(text)
    }

    /// Reads a string with the quote it begins with and decodes it.
    fn string(&mut self) -> Result<Vec<u8>, &'static str> {
        self.advance(1);
        let mut text = Vec::new();
        loop {
            let at = memchr2(b'"', b'\\', self.rest).ok_or("ends inside a string")?;
            let (plain, end) = self.rest.split_at_checked(at).unwrap_or_default();
            if plain.iter().any(|byte| *byte < 0x20) {
                return Err("a control character in a string");
            }
            text.extend_from_slice(plain);
            self.rest = end;
            if end.first() == Some(&b'"') {
                self.advance(1);
                return Ok(text);
            }
            self.escape(&mut text)?;
        }
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Step {
        let [_, kind, ..] = self.rest else { return Err("ends inside a string") };
        let byte = match kind {
            b'"' | b'\\' | b'/' => *kind,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => return self.unicode(text),
            _ => return Err("an unknown escape"),
        };
        text.push(byte);
        self.advance(2);
        Ok(())
    }

    /// `\uXXXX`, or two of them for a character beyond the first plane; half a pair becomes U+FFFD.
    fn unicode(&mut self, text: &mut Vec<u8>) -> Step {
        let first = code_unit(self.rest).ok_or("a malformed escape")?;
        self.advance(6);
        let second = code_unit(self.rest);
        let mut decoded = char::decode_utf16([first].into_iter().chain(second));
        let character = match decoded.next() {
            Some(Ok(character)) => character,
            _ => char::REPLACEMENT_CHARACTER,
        };
        if character.len_utf16() == 2 {
            self.advance(6);
        }
        text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    fn skip_space(&mut self) {
        let count = self.rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.advance(count);
    }

    fn advance(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }
}

fn digits(text: &[u8]) -> Result<&[u8], &'static str> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    text.get(count..).filter(|_| count > 0).ok_or("a malformed number")
}

/// The sixteen bits that `\uXXXX` at the front writes.
fn code_unit(text: &[u8]) -> Option<u16> {
    let digits =
        text.strip_prefix(b"\\u")?.get(..4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(body: &str) -> Vec<(String, String)> {
        let read = read(body.as_bytes(), &BodyLimits::default());
        assert_eq!(read.error, None, "{body}");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        read.args.into_iter().map(|pair| (text(pair.name), text(pair.value))).collect()
    }

    #[test]
    fn leaves_are_named_by_their_path() {
        let args = flat(
            r#" {"a":1,"b":{"c":[1,"x",{"d":null},[true]],"e":-1.5e+3},"":"y","f":[],"g":{},"a":"again"} "#,
        );
        let wanted = [
            ("json.a", "1"),
            ("json.b.c.array_0", "1"),
            ("json.b.c.array_1", "x"),
            ("json.b.c.array_2.d", ""),
            ("json.b.c.array_3.array_0", "true"),
            ("json.b.e", "-1.5e+3"),
            ("json.", "y"),
            ("json.a", "again"),
        ];
        assert_eq!(args, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(
            flat(r#"[[1],"b"]"#),
            [("json.array_0.array_0", "1"), ("json.array_1", "b")].map(|(a, b)| (a.to_owned(), b.to_owned()))
        );
        assert_eq!(flat(r#""top""#), [("json".to_owned(), "top".to_owned())]);
        assert_eq!(flat(""), []);
        let body = br#"{"a":{},"b":[[],1],"c":{"d":[{}]}}"#;
        let bare = read(body, &BodyLimits::default()).bare_names;
        assert_eq!(bare, [&b"json.a"[..], b"json.b.array_0", b"json.c.d.array_0"]);
    }

    #[test]
    fn strings_are_decoded() {
        let args = flat(r#"["\u0041\ud83d\ude00\n\"\\\/","\ud800x","\ude00","\ud800\u0041"]"#);
        assert_eq!(
            args.into_iter().map(|(_, value)| value).collect::<Vec<_>>(),
            ["A😀\n\"\\/", "\u{fffd}x", "\u{fffd}", "\u{fffd}A"]
        );
    }

    #[test]
    fn what_is_malformed_has_an_error_and_what_came_before_stays() {
        for (body, kept) in [
            (r#"{"a":1"#, 1),
            (r#"{"a":1} x"#, 1),
            (r#"{"a":1,}"#, 1),
            (r#"{"a" 1}"#, 0),
            (r#"[1 2]"#, 1),
            (r#"{"a":01}"#, 1),
            (r#"["a"#, 0),
            ("[\"\n\"]", 0),
            (r#"["\x"]"#, 0),
            (r#"["\u00g0"]"#, 0),
            ("[1.]", 0),
            ("nul", 0),
            ("]", 0),
            (" ", 0),
            ("{]", 0),
        ] {
            let read = read(body.as_bytes(), &BodyLimits::default());
            assert!(read.error.is_some(), "{body}");
            assert_eq!(read.args.len(), kept, "{body}");
        }
        let read = read(b"[\"a\",\"\xff\"]", &BodyLimits::default());
        assert_eq!((read.args.len(), read.error.as_deref()), (1, Some("JSON: invalid UTF-8")));
    }

    #[test]
    fn depth_count_and_size_are_bounded() {
        let limits = BodyLimits { args: 3, depth: 4 };
        assert!(super::read(b"[[[[1]]]]", &limits).error.is_none());
        assert_eq!(super::read(b"[[[[[1]]]]]", &limits).error.as_deref(), Some("JSON: nested too deep"));
        let read = super::read(b"[1,2,3,4]", &limits);
        assert_eq!((read.args.len(), read.error.as_deref()), (3, Some("JSON: too many values")));
        assert!(super::read(b"[[],{},[],1]", &limits).error.is_some(), "what is empty counts as well");
        let body = format!("{{\"{}\":[{}1]}}", "k".repeat(60_000), "1,".repeat(500));
        let read = super::read(body.as_bytes(), &BodyLimits { args: 10_000, depth: 9 });
        assert_eq!(read.error.as_deref(), Some("JSON: its names are too long"));
        assert!(super::read("[".repeat(100_000).as_bytes(), &BodyLimits::default()).error.is_some());
    }
}
