//! `multipart/form-data` (RFC 7578), read strictly: whatever two readers could understand differently
//! is flagged (`MULTIPART_STRICT_ERROR`) or ends the reading (`REQBODY_ERROR`), because a difference
//! between this reader and the one behind it is how uploads are smuggled past a firewall.
//!
//! The grammar accepted, and each flag, are those of ModSecurity 3. One thing differs: line ends inside
//! of a field's value are kept (ModSecurity 3 loses them).

use memchr::{memchr, memmem};

use crate::value::{Body, BodyLimits, FilePart, Pair};

/// More header lines no part has.
const MOST_HEADERS: usize = 32;

/// Reads a body by the boundary its content type declares. An empty body is no error.
pub(super) fn read(content_type: &[u8], body: &[u8], limits: &BodyLimits) -> Body {
    let mut reader = Reader::default();
    let done = match reader.boundary(content_type) {
        Ok(boundary) if !body.is_empty() => reader.parts(boundary, body, limits),
        Ok(_) => Ok(()),
        Err(why) => Err(why),
    };
    let mut made = reader.made;
    made.multipart_strict_error = reader.strict || (done.is_err() && reader.malformed);
    made.multipart_unmatched_boundary = reader.unmatched;
    made.error = done.err().or(reader.doubt).map(|why| format!("multipart: {why}"));
    made
}

#[derive(Default)]
struct Reader {
    /// Something two readers could understand differently.
    strict: bool,
    /// Something that is wrong, not merely cut short.
    malformed: bool,
    /// Something that is wrong, yet does not keep the rest from being read.
    doubt: Option<&'static str>,
    /// A line looked like a boundary and was not ours, and none of ours came behind it.
    unmatched: bool,
    made: Body,
}

/// A part whose headers are being read, or whose data is.
#[derive(Default)]
struct Part<'a> {
    headers: Vec<Vec<u8>>,
    name: Option<Vec<u8>>,
    filename: Option<Vec<u8>>,
    /// Where its data begins; `None` while its headers are read.
    data: Option<&'a [u8]>,
}

type Step<T = ()> = Result<T, &'static str>;

impl Reader {
    /// The boundary a content type declares: `multipart/form-data; boundary=..`.
    fn boundary<'a>(&mut self, content_type: &'a [u8]) -> Step<&'a [u8]> {
        self.malformed = true;
        let kind = b"multipart/form-data";
        if content_type.len() > 1024 {
            return Err("the content type is too long");
        }
        let (start, parameters) =
            content_type.split_at_checked(kind.len()).ok_or("not multipart/form-data")?;
        if !start.eq_ignore_ascii_case(kind) {
            return Err("not multipart/form-data");
        }
        if boundaries_declared(parameters) > 1 {
            return Err("more than one boundary is declared");
        }
        let at = memmem::find(parameters, b"boundary").ok_or("no boundary is declared")?;
        let (before, parameter) = parameters.split_at_checked(at).unwrap_or_default();
        let signs: Vec<u8> = before.iter().copied().filter(|&byte| !is_space(byte)).collect();
        match signs.as_slice() {
            b";" => {}
            b"" => self.strict = true,
            _ => return Err("the content type is malformed"),
        }
        let value = parameter.get(b"boundary".len()..).unwrap_or_default();
        let equals = memchr(b'=', value).ok_or("no boundary is declared")?;
        let (gap, value) = value.split_at_checked(equals).unwrap_or_default();
        if !gap.iter().all(|&byte| is_space(byte)) {
            return Err("the content type is malformed");
        }
        let value = value.get(1..).unwrap_or_default();
        self.strict |= !gap.is_empty() || value.first().is_some_and(|&byte| is_space(byte));
        let value = memchr(b';', value).and_then(|end| value.get(..end)).unwrap_or(value);
        let boundary = match value {
            [b'"', inside @ .., b'"'] => {
                self.strict = true;
                inside
            }
            [b'"', ..] | [.., b'"'] => return Err("the boundary is half quoted"),
            plain => plain,
        };
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b" '()+_,-./:=?".contains(byte);
        if boundary.is_empty() || boundary.ends_with(b" ") || !boundary.iter().all(allowed) {
            return Err("the boundary has a character that is not allowed");
        }
        self.malformed = false;
        Ok(boundary)
    }

    fn parts(&mut self, boundary: &[u8], body: &[u8], limits: &BodyLimits) -> Step {
        let mut part = None;
        let done = self.lines(boundary, body, limits, &mut part);
        if let Some(Part { headers, name, .. }) = part {
            // Rules see what was read of a part that broke off.
            let name = name.unwrap_or_default();
            self.made
                .part_headers
                .extend(headers.into_iter().map(|header| Pair::new(name.as_slice(), header)));
        }
        done
    }

    fn lines<'a>(
        &mut self,
        boundary: &[u8],
        body: &'a [u8],
        limits: &BodyLimits,
        part: &mut Option<Part<'a>>,
    ) -> Step {
        let mark = [b"--", boundary].concat();
        let (mut rest, mut seen) = (body, 0_usize);
        while !rest.is_empty() {
            let line_length = memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            let (line, after) = rest.split_at_checked(line_length).unwrap_or_default();
            if let Some(end) = line.strip_prefix(mark.as_slice()) {
                let last = self.boundary_line(end, after.is_empty())?;
                self.unmatched &= seen == 0;
                seen += 1;
                if let Some(part) = part.take() {
                    self.finish(part, rest, limits)?;
                }
                if last {
                    self.strict |= !after.is_empty();
                    return Ok(());
                }
                *part = Some(Part::default());
            } else {
                self.suspect(line, &mark)?;
                match part {
                    None => self.strict = true,
                    Some(part) if part.data.is_none() => self.header_line(part, line, after)?,
                    Some(_) => {}
                }
            }
            rest = after;
        }
        Err(if seen > 0 { "the last boundary is missing" } else { "there is no boundary in it" })
    }

    /// What follows our boundary on its line: nothing, or two dashes for the last one.
    fn boundary_line(&mut self, end: &[u8], at_end: bool) -> Step<bool> {
        let (last, end) = match end.strip_prefix(b"--") {
            Some(end) => (true, end),
            None => (false, end),
        };
        match end {
            b"\r\n" => Ok(last),
            b"\n" => {
                self.strict = true;
                Ok(last)
            }
            // The very last line need not end.
            b"" if last && at_end => Ok(true),
            _ => self.wrong("a boundary is malformed"),
        }
    }

    /// Lines that resemble a boundary are a reader's trap.
    fn suspect(&mut self, line: &[u8], mark: &[u8]) -> Step {
        let boundary = mark.get(2..).unwrap_or_default();
        if let Some(text) = line.strip_prefix(b"--").filter(|_| line.len() > 3) {
            let bare = text.trim_ascii_start();
            let quoted = text.strip_prefix(b"\"").is_some_and(|text| text.starts_with(boundary));
            if quoted || (bare.len() < text.len() && bare.starts_with(boundary)) {
                return self.wrong("a boundary is malformed");
            }
            self.unmatched = true;
        } else if memmem::find(line, mark).is_some() {
            self.unmatched = true;
        }
        Ok(())
    }

    fn header_line<'a>(&mut self, part: &mut Part<'a>, line: &[u8], after: &'a [u8]) -> Step {
        self.strict |= !line.ends_with(b"\r\n");
        if memchr(0, line).is_some() {
            return self.wrong("a zero byte in a header");
        }
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.is_empty() {
            part.data = Some(after);
            return self.describe(part);
        }
        if text.first().is_some_and(|&byte| is_space(byte)) {
            self.strict = true;
            let Some(header) = part.headers.last_mut() else {
                return self.wrong("a header begins with white space");
            };
            header.push(b' ');
            header.extend_from_slice(text.trim_ascii_start());
            return Ok(());
        }
        match memchr(b':', text) {
            Some(0) => self.wrong("a header without a name"),
            _ if part.headers.len() >= MOST_HEADERS => self.wrong("too many headers in a part"),
            None => {
                self.doubtful("a header without a colon");
                part.headers.push(text.to_vec());
                Ok(())
            }
            Some(colon) => {
                // The first of two wins with ModSecurity, the last with others: strictly an error.
                let name = text.get(..=colon).unwrap_or_default();
                let printable = name.iter().all(u8::is_ascii_graphic);
                let same = |header: &Vec<u8>| {
                    header.get(..=colon).is_some_and(|known| known.eq_ignore_ascii_case(name))
                };
                self.strict |= part.headers.iter().any(same);
                part.headers.push(text.to_vec());
                if !printable {
                    self.doubtful("a header's name has a character that is not allowed");
                }
                Ok(())
            }
        }
    }

    /// Reads what the part's `Content-Disposition` says.
    fn describe(&mut self, part: &mut Part<'_>) -> Step {
        let key = b"content-disposition:";
        let found = part.headers.iter().find_map(|header| {
            let (name, value) = header.split_at_checked(key.len())?;
            name.eq_ignore_ascii_case(key).then(|| value.trim_ascii_start().to_vec())
        });
        let Some(value) = found else { return self.wrong("a part without Content-Disposition") };
        let Some(mut rest) = value.strip_prefix(b"form-data") else {
            return self.wrong("a part that is no form data");
        };
        loop {
            rest = match rest.trim_ascii_start() {
                [] => break,
                [b';', after @ ..] => after.trim_ascii_start(),
                _ => return self.wrong("a malformed Content-Disposition"),
            };
            if rest.is_empty() {
                break;
            }
            rest = self.parameter(part, rest)?;
        }
        match &part.name {
            Some(name) if !name.is_empty() => Ok(()),
            _ => self.wrong("a part without a name"),
        }
    }

    /// Reads `name=".."` or `filename=".."` and answers what follows.
    fn parameter<'v>(&mut self, part: &mut Part<'_>, text: &'v [u8]) -> Step<&'v [u8]> {
        let end = text.iter().position(|byte| matches!(byte, b'=' | b' ' | b'\t')).unwrap_or(text.len());
        let (key, rest) = text.split_at_checked(end).unwrap_or_default();
        let Some(rest) = rest.trim_ascii_start().strip_prefix(b"=") else {
            return self.wrong("a malformed Content-Disposition");
        };
        let (value, rest) = match rest.trim_ascii_start() {
            [] => return self.wrong("a malformed Content-Disposition"),
            [quote @ (b'"' | b'\''), inside @ ..] => {
                self.strict |= *quote == b'\'';
                match quoted(*quote, inside) {
                    Some(read) => read,
                    None => return self.wrong("a quote is not closed"),
                }
            }
            plain => {
                let end = plain.iter().position(|&byte| !is_token(byte)).unwrap_or(plain.len());
                let (value, rest) = plain.split_at_checked(end).unwrap_or_default();
                (value.to_vec(), rest)
            }
        };
        self.strict |= memchr(b'\'', &value).is_some();
        let place = match key {
            b"name" => &mut part.name,
            b"filename" => &mut part.filename,
            _ => return self.wrong("an unknown parameter of Content-Disposition"),
        };
        if place.as_ref().is_some_and(|known| !known.is_empty()) {
            return self.wrong("a parameter of Content-Disposition twice");
        }
        *place = Some(value);
        Ok(rest)
    }

    /// A part is complete: `rest` begins with the boundary behind it.
    fn finish(&mut self, part: Part<'_>, rest: &[u8], limits: &BodyLimits) -> Step {
        let (Some(name), Some(data)) = (part.name, part.data) else {
            return self.wrong("a part without data");
        };
        if self.made.args.len() + self.made.files.len() >= limits.args {
            return self.wrong("too many parts");
        }
        let data = data.get(..data.len() - rest.len()).unwrap_or_default();
        let data = data.strip_suffix(b"\n").unwrap_or(data);
        let data = data.strip_suffix(b"\r").unwrap_or(data);
        self.made
            .part_headers
            .extend(part.headers.into_iter().map(|header| Pair::new(name.as_slice(), header)));
        match part.filename {
            Some(filename) if !filename.is_empty() => {
                self.made.files.push(FilePart { field: name, filename, size: data.len() });
            }
            _ => self.made.args.push(Pair::new(name, data)),
        }
        Ok(())
    }

    /// Something wrong that does not keep the rest from being read: the more rules see, the better.
    fn doubtful(&mut self, why: &'static str) {
        self.strict = true;
        self.doubt.get_or_insert(why);
    }

    fn wrong<T>(&mut self, why: &'static str) -> Step<T> {
        self.malformed = true;
        Err(why)
    }
}

/// A quoted string behind its opening quote, and what follows it. A backslash escapes the quote and
/// itself; before anything else it is a backslash, as browsers of old send it.
fn quoted(quote: u8, text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut value = Vec::new();
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return None,
            [byte, rest @ ..] if *byte == quote => return Some((value, rest)),
            [b'\\', byte, rest @ ..] if *byte == quote || *byte == b'\\' => {
                value.push(*byte);
                rest
            }
            [byte, rest @ ..] => {
                value.push(*byte);
                rest
            }
        };
    }
}

/// A character of a token (RFC 2045, section 5.1).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !br#"()<>@,;:\"/[]?="#.contains(&byte)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// How often the word stands before an equals sign, in any case. The boundary itself may hold the word.
fn boundaries_declared(parameters: &[u8]) -> usize {
    let word = b"boundary";
    let equals = parameters.iter().rposition(|&byte| byte == b'=').unwrap_or(0);
    parameters
        .get(..equals)
        .unwrap_or_default()
        .windows(word.len())
        .filter(|window| window.eq_ignore_ascii_case(word))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "multipart/form-data; boundary=b";

    fn form(header: &str, data: &str) -> String {
        format!("--b\r\n{header}\r\n\r\n{data}\r\n--b--\r\n")
    }

    fn seen(content_type: &str, body: &str) -> Body {
        read(content_type.as_bytes(), body.as_bytes(), &BodyLimits { args: 3, depth: 1 })
    }

    #[test]
    fn fields_and_files_are_read() {
        let body = "--b\r\nContent-Disposition: form-data; name=\"x\"\r\nContent-Type: text/plain\r\n\r\none\r\ntwo\r\n\
            --b\r\ncontent-disposition:form-data; name=f; filename=\"a\\\"b\\c.txt\"\r\n\r\n123\r\n--b--\r\n";
        let read = seen(PLAIN, body);
        assert_eq!(
            (&read.error, read.multipart_strict_error, read.multipart_unmatched_boundary),
            (&None, false, false)
        );
        assert_eq!(read.args, [Pair::new("x", "one\r\ntwo")]);
        assert_eq!(
            read.files,
            [FilePart { field: b"f".to_vec(), filename: b"a\"b\\c.txt".to_vec(), size: 3 }]
        );
        assert_eq!(read.part_headers.len(), 3);
        assert_eq!(read.part_headers.get(1), Some(&Pair::new("x", "Content-Type: text/plain")));
        assert_eq!(seen(PLAIN, "").error, None);
        let browser = "------WebKitFormBoundary7\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nv\r\n------WebKitFormBoundary7--\r\n";
        assert_eq!(
            seen("multipart/form-data; boundary=----WebKitFormBoundary7", browser).args,
            [Pair::new("x", "v")]
        );
        assert!(
            !seen(&format!("{PLAIN}; charset=utf-8"), &form("Content-Disposition: form-data; name=x", "v"))
                .multipart_strict_error
        );
    }

    #[test]
    fn what_readers_could_understand_differently_is_flagged() {
        let good = "Content-Disposition: form-data; name=\"x\"";
        let cases = [
            (PLAIN, format!("before\r\n{}", form(good, "v"))),
            (PLAIN, format!("{}after", form(good, "v"))),
            (PLAIN, form(good, "v").replace("\r\n", "\n")),
            (PLAIN, form(&format!("{good}\r\nX: y\r\n z"), "v")),
            (PLAIN, form("Content-Disposition: form-data; name='x'", "v")),
            (PLAIN, form(&format!("{good}\r\n{good}"), "v")),
            ("multipart/form-data; boundary=\"b\"", form(good, "v")),
            ("multipart/form-data boundary=b", form(good, "v")),
            ("multipart/form-data; boundary =b", form(good, "v")),
        ];
        for (content_type, body) in cases {
            let read = seen(content_type, &body);
            assert!(read.multipart_strict_error, "{content_type} {body}");
            assert_eq!(read.args.len(), 1, "{content_type} {body}");
        }
    }

    #[test]
    fn what_is_wrong_ends_the_reading() {
        let good = "Content-Disposition: form-data; name=\"x\"";
        let headers = [
            "Content-Disposition: form-data; name=\"x\"; filename=",
            "Content-Disposition: form-data; name=\"x\"; filename*=UTF-8''a",
            "Content-Disposition: form-data; filename=\"a\"",
            "Content-Disposition: attachment; name=\"x\"",
            "NoColon",
            "X\x0e: y",
            ": y",
            " folded",
            "X: y",
            "Content-Disposition: form-data; name=\"x",
            "Content-Disposition: form-data; name=\"x\"; name=\"y\"",
            "X: \0",
            "Content-Disposition: form-data, name=x",
            "Content-Disposition: form-data; name",
        ];
        for header in headers {
            let read = seen(PLAIN, &form(header, "v"));
            assert!(read.error.is_some() && read.multipart_strict_error, "{header}");
        }
        for content_type in [
            "multipart/form-data",
            "multipart/form-data; Boundary=b",
            "multipart/form-data; boundary=b; boundary=c",
            "text/plain",
            "multipart/form-data; boundary=\"b",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=b@",
            "multipart/form-data; x=y; boundary=b",
        ] {
            assert!(seen(content_type, &form(good, "v")).error.is_some(), "{content_type}");
        }
        for body in [
            "nothing",
            "--b\r\n",
            &form(good, "v").replace("--b--", "--bx"),
            &form(good, "v\r\n-- b"),
            "--b--x",
        ] {
            assert!(seen(PLAIN, body).error.is_some(), "{body}");
        }
        let many: String = (0..4).map(|_| format!("--b\r\n{good}\r\n\r\nv\r\n")).collect();
        let read = seen(PLAIN, &format!("{many}--b--"));
        assert_eq!((read.args.len(), read.error.as_deref()), (3, Some("multipart: too many parts")));
    }

    #[test]
    fn a_boundary_that_is_not_ours_is_noticed_until_ours_follows() {
        let header = "Content-Disposition: form-data; name=x";
        assert!(!seen(PLAIN, &form(header, "--c\r\nv")).multipart_unmatched_boundary);
        assert!(seen(PLAIN, &format!("--c\r\n{header}\r\n\r\nv\r\n--c--\r\n")).multipart_unmatched_boundary);
        assert!(seen(PLAIN, "x--b\r\n").multipart_unmatched_boundary);
    }
}
