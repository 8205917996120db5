//! XML 1.0, as far as rules need it: all text of the document in one piece (`XML:/*`) and the value of
//! each attribute (`XML://@*`).
//!
//! Well-formedness is checked where it matters to what is seen: nesting, quotes, references, one root.
//! Entities are never declared, fetched or expanded beyond the five of XML and character references: a
//! document that declares one has an error, which ends the matter of entity bombs and external entities.
//! Other encodings than UTF-8 are not read; such a document is not well formed here.

use std::borrow::Cow;

use memchr::{memchr, memchr2, memmem};

use crate::value::{Body, BodyLimits};

/// Reads a body. An empty one is an error, as an empty document is.
pub(super) fn read(body: &[u8], limits: &BodyLimits) -> Body {
    let body = &*with_line_ends(body);
    let mut reader = Reader {
        open: Vec::new(),
        begun: false,
        seen_root: false,
        text: Vec::new(),
        attributes: Vec::new(),
        limits,
    };
    let utf8 = if std::str::from_utf8(body).is_ok() { Ok(()) } else { Err("invalid UTF-8") };
    let done = reader.document(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)).and(utf8);
    Body {
        xml_text: (reader.seen_root || done.is_ok()).then_some(reader.text),
        xml_attributes: reader.attributes,
        error: done.err().map(|why| format!("XML: {why}")),
        ..Body::default()
    }
}

struct Reader<'a> {
    /// The names of the elements that have begun and not ended.
    open: Vec<&'a [u8]>,
    /// Something stood before.
    begun: bool,
    seen_root: bool,
    text: Vec<u8>,
    attributes: Vec<Vec<u8>>,
    limits: &'a BodyLimits,
}

type Rest<'a> = Result<&'a [u8], &'static str>;

impl<'a> Reader<'a> {
    fn document(&mut self, body: &'a [u8]) -> Result<(), &'static str> {
        let mut rest = body;
        while !rest.is_empty() {
            rest = self.piece(rest)?;
            self.begun = true;
        }
        if !self.seen_root {
            return Err("no element");
        }
        if self.open.is_empty() { Ok(()) } else { Err("an element is not closed") }
    }

    /// Reads one piece (a tag, a comment, text, ..) at the front.
    fn piece(&mut self, rest: &'a [u8]) -> Rest<'a> {
        if let Some(comment) = rest.strip_prefix(b"<!--") {
            return behind(comment, b"-->").map(|(_, rest)| rest).ok_or("a comment is not closed");
        }
        if let Some(instruction) = rest.strip_prefix(b"<?") {
            return self.instruction(instruction);
        }
        if let Some(data) = rest.strip_prefix(b"<![CDATA[") {
            let (data, rest) = behind(data, b"]]>").ok_or("a CDATA section is not closed")?;
            if self.open.is_empty() {
                return Err("text outside of the root element");
            }
            self.text.extend_from_slice(data);
            return Ok(rest);
        }
        match rest {
            [b'<', b'!', declaration @ ..] => self.doctype(declaration),
            [b'<', b'/', tag @ ..] => self.end_tag(tag),
            [b'<', tag @ ..] => self.start_tag(tag),
            _ => self.characters(rest),
        }
    }

    /// `<?target ..?>`, or the declaration `<?xml version=".." ..?>`, which stands at the very beginning.
    fn instruction(&mut self, text: &'a [u8]) -> Rest<'a> {
        let (target, content) = name(text)?;
        let (content, rest) = behind(content, b"?>").ok_or("an instruction is not closed")?;
        if !content.is_empty() && !content.first().is_some_and(|&byte| is_space(byte)) {
            return Err("an instruction is malformed");
        }
        let reserved = target.eq_ignore_ascii_case(b"xml");
        if reserved && (target != b"xml" || self.begun || !is_declaration(content)) {
            return Err("the XML declaration is malformed");
        }
        Ok(rest)
    }

    /// `<!DOCTYPE name ..>`. An internal subset could declare entities; it is refused whole.
    fn doctype(&self, declaration: &'a [u8]) -> Rest<'a> {
        let end = memchr2(b'>', b'[', declaration).ok_or("a declaration is not closed")?;
        let (head, rest) = declaration.split_at_checked(end).unwrap_or_default();
        if !head.starts_with(b"DOCTYPE") || self.seen_root {
            return Err("an unknown declaration");
        }
        match rest {
            [b'>', rest @ ..] => Ok(rest),
            _ => Err("declarations inside the document"),
        }
    }

    fn end_tag(&mut self, tag: &'a [u8]) -> Rest<'a> {
        let (name, rest) = name(tag)?;
        let rest = skip_space(rest).strip_prefix(b">").ok_or("an end tag is malformed")?;
        if self.open.pop() == Some(name) { Ok(rest) } else { Err("an element is not closed") }
    }

    fn start_tag(&mut self, tag: &'a [u8]) -> Rest<'a> {
        let (element, mut rest) = name(tag)?;
        if self.open.is_empty() && self.seen_root {
            return Err("more than one root element");
        }
        if self.open.len() >= self.limits.depth {
            return Err("nested too deep");
        }
        self.seen_root = true;
        loop {
            let after = skip_space(rest);
            match after {
                [b'>', rest @ ..] => {
                    self.open.push(element);
                    return Ok(rest);
                }
                [b'/', b'>', rest @ ..] => return Ok(rest),
                // An attribute needs white space before it.
                _ if after.len() == rest.len() => return Err("a tag is malformed"),
                _ => rest = self.attribute(after)?,
            }
        }
    }

    fn attribute(&mut self, text: &'a [u8]) -> Rest<'a> {
        let (name, rest) = name(text)?;
        let rest = skip_space(rest).strip_prefix(b"=").ok_or("an attribute has no value")?;
        let (quote, rest) = match skip_space(rest) {
            [quote @ (b'"' | b'\''), rest @ ..] => (*quote, rest),
            _ => return Err("an attribute has no quotes"),
        };
        let end = memchr(quote, rest).ok_or("an attribute is not closed")?;
        let (value, rest) = rest.split_at_checked(end).unwrap_or_default();
        if memchr(b'<', value).is_some() {
            return Err("a tag in an attribute");
        }
        // Names of namespaces are no attributes (XML Namespaces 1.0).
        if name != b"xmlns" && !name.starts_with(b"xmlns:") {
            if self.attributes.len() >= self.limits.args {
                return Err("too many attributes");
            }
            let mut decoded = Vec::with_capacity(value.len());
            // White space in a value is a blank (section 3.3.3); what a reference stands for stays.
            let value: Vec<u8> = value.iter().map(|&byte| if is_space(byte) { b' ' } else { byte }).collect();
            let done = resolve(&value, &mut decoded);
            self.attributes.push(decoded);
            done?;
        }
        Ok(rest.get(1..).unwrap_or_default())
    }

    fn characters(&mut self, rest: &'a [u8]) -> Rest<'a> {
        let end = memchr(b'<', rest).unwrap_or(rest.len());
        let (text, rest) = rest.split_at_checked(end).unwrap_or_default();
        if !self.open.is_empty() {
            resolve(text, &mut self.text)?;
        } else if !text.iter().all(|&byte| is_space(byte)) {
            return Err("text outside of the root element");
        }
        Ok(rest)
    }
}

/// The document with each of its line ends as a line feed, as every reader of XML sees it (section 2.11).
fn with_line_ends(body: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'\r', body).is_none() {
        return Cow::Borrowed(body);
    }
    let mut lines = Vec::with_capacity(body.len());
    let mut bytes = body.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte == b'\r' {
            bytes.next_if_eq(&b'\n');
            lines.push(b'\n');
        } else {
            lines.push(byte);
        }
    }
    Cow::Owned(lines)
}

/// What stands in an XML declaration: a version, and perhaps more of the kind.
fn is_declaration(content: &[u8]) -> bool {
    let mut rest = content;
    let mut seen = 0;
    loop {
        rest = match skip_space(rest) {
            [] => return seen > 0,
            text => text,
        };
        let wanted = [&b"version"[..], b"encoding", b"standalone"];
        let Some((at, value)) =
            wanted.iter().enumerate().skip(seen).find_map(|(at, word)| Some((at, rest.strip_prefix(*word)?)))
        else {
            return false;
        };
        // Only the version must be there, and first.
        if seen == 0 && at > 0 {
            return false;
        }
        let inside = match skip_space(value) {
            [b'=', value @ ..] => skip_space(value),
            _ => return false,
        };
        let [quote @ (b'"' | b'\''), inside @ ..] = inside else { return false };
        let Some((value, after)) = behind(inside, &[*quote]) else { return false };
        let known = match at {
            0 => value
                .strip_prefix(b"1.")
                .is_some_and(|minor| !minor.is_empty() && minor.iter().all(u8::is_ascii_digit)),
            // Others write the same bytes differently: a reader behind us would read another document.
            1 => [&b"utf-8"[..], b"us-ascii", b"iso-8859-1"]
                .iter()
                .any(|name| value.eq_ignore_ascii_case(name)),
            _ => matches!(value, b"yes" | b"no"),
        };
        if !known {
            return false;
        }
        (rest, seen) = (after, at + 1);
    }
}

/// Writes text with its references resolved.
fn resolve(text: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    if text.iter().any(|&byte| byte < 0x20 && !is_space(byte)) {
        return Err("a control character");
    }
    let mut rest = text;
    while let Some((plain, reference)) = memchr(b'&', rest).and_then(|at| rest.split_at_checked(at)) {
        out.extend_from_slice(plain);
        let end =
            reference.iter().take(12).position(|&byte| byte == b';').ok_or("a reference is malformed")?;
        let (name, tail) = reference.split_at_checked(end + 1).unwrap_or_default();
        let character = referred(name.get(1..end).unwrap_or_default()).ok_or("an unknown reference")?;
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        rest = tail;
    }
    out.extend_from_slice(rest);
    Ok(())
}

fn referred(name: &[u8]) -> Option<char> {
    let number = |digits: &[u8], base| {
        let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
        char::from_u32(u32::from_str_radix(digits, base).ok()?).filter(|character| *character != '\0')
    };
    match name {
        b"lt" => Some('<'),
        b"gt" => Some('>'),
        b"amp" => Some('&'),
        b"quot" => Some('"'),
        b"apos" => Some('\''),
        [b'#', b'x', digits @ ..] => number(digits, 16),
        [b'#', digits @ ..] => number(digits, 10),
        _ => None,
    }
}

/// A name at the front, and what follows it. Bytes beyond ASCII are taken as letters.
fn name(text: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':') || byte >= 0x80;
    let inside = |byte: u8| letter(byte) || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    if !text.first().is_some_and(|&byte| letter(byte)) {
        return Err("a name is missing");
    }
    let end = text.iter().position(|&byte| !inside(byte)).unwrap_or(text.len());
    Ok(text.split_at_checked(end).unwrap_or_default())
}

/// What lies before the mark, and behind it.
fn behind<'a>(text: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memmem::find(text, mark)?;
    Some((text.get(..at)?, text.get(at + mark.len()..)?))
}

fn skip_space(text: &[u8]) -> &[u8] {
    let count = text.iter().take_while(|&&byte| is_space(byte)).count();
    text.get(count..).unwrap_or_default()
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(body: &[u8]) -> (String, Vec<String>, Option<String>) {
        let read = read(body, &BodyLimits { args: 3, depth: 4 });
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            text(&read.xml_text.unwrap_or_default()),
            read.xml_attributes.iter().map(|value| text(value)).collect(),
            read.error,
        )
    }

    #[test]
    fn text_and_attributes_are_seen_decoded() {
        let body = b"<?xml version=\"1.0\"?><!DOCTYPE a>\n<a x=\"1\" xmlns:q='urn:x' y = '2&lt;'><b>t1</b> <c>t&#x32;<![CDATA[<x>]]></c><!-- no --><d/></a>\n";
        let (text, attributes, error) = seen(body);
        assert_eq!((text.as_str(), error), ("t1 t2<x>", None));
        assert_eq!(attributes, ["1", "2<"]);
        assert_eq!(
            seen(b"<?xml version = '1.0' encoding=\"utf-8\" standalone='no' ?><a><?p x?></a>").2,
            None
        );
    }

    #[test]
    fn line_ends_and_white_space_are_what_every_reader_of_xml_makes_of_them() {
        let (text, attributes, error) =
            seen(b"<a b='1\r\n2\t3&#13;&#10;4'>5\r\n6\r7\n8\t&#13;<![CDATA[\r\n]]></a>\r\n");
        assert_eq!((text.as_str(), error), ("5\n6\n7\n8\t\r\n", None));
        assert_eq!(attributes, ["1 2 3\r\n4"]);
    }

    #[test]
    fn what_is_malformed_has_an_error_and_what_came_before_is_seen() {
        for body in [
            &b""[..],
            b"not xml",
            b"<a><b></a>",
            b"<a></a><b/>",
            b"<a>",
            b"<a></b>",
            b"<a x></a>",
            b"<a x=1/>",
            b"<a x='1'y='2'/>",
            b"<a>&foo;</a>",
            b"<a>&</a>",
            b"<a>&#0;</a>",
            b"<a>&#xd800;</a>",
            b"<a x='<'/>",
            b"<a>\x01</a>",
            b"<a/>x",
            b"<a><!-- </a>",
            b"<![CDATA[x]]><a/>",
            b"<a>\xff</a>",
            b"<a",
            b"<a/",
            b"<1/>",
            b"<a></a",
            b"<a><a><a><a><a/></a></a></a></a>",
            b"<a b='1' c='2' d='3' e='4'/>",
            b"<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>",
            b"<!ELEMENT a><a/>",
            b"<?xml?><a/>",
            b"<?xmlversion='1.0'?><a/>",
            b"<?xml vers='1.0'?><a/>",
            b"<?xml version='1.`'?><a/>",
            b" <?xml version='1.0'?><a/>",
            b"<?x=y?><a/>",
            b"<?xMl version='1.0'?><a/>",
            b"<?xml version=''?><a/>",
            b"<?xml version='1.0' encoding='UTF-7'?><a/>",
            b"<?xml encoding='utf-8'?><a/>",
        ] {
            assert!(seen(body).2.is_some(), "{}", String::from_utf8_lossy(body));
        }
        let (text, attributes, error) = seen(b"<a k='v'>before&bad;");
        assert_eq!(
            (text.as_str(), attributes.len(), error.as_deref()),
            ("before", 1, Some("XML: an unknown reference"))
        );
    }
}
