//! Requests as they go over the wire: built as `go-ftw` builds them, and read as a server reads them.

use base64::Engine;

use crate::ftw::Input;

/// A request in its parts, owned.
#[derive(Clone, Default)]
pub(crate) struct Wire {
    pub(crate) method: Vec<u8>,
    pub(crate) target: Vec<u8>,
    pub(crate) protocol: Vec<u8>,
    pub(crate) headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Wire {
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value.as_slice())
    }
}

/// The request of a test in its parts.
pub(crate) fn build(input: &Input) -> Result<Wire, String> {
    // Over the wire and back, so that a line end in a value does what it does there.
    Ok(parse(&raw(input)?))
}

/// The request of a test as it is sent: headers and length completed, unencoded form data encoded, line
/// ends of multipart made CRLF.
pub(crate) fn raw(input: &Input) -> Result<Vec<u8>, String> {
    if let Some(encoded) = &input.encoded_request {
        return base64::engine::general_purpose::STANDARD
            .decode(encoded.trim())
            .map_err(|error| error.to_string());
    }
    let mut headers = input.headers.0.clone();
    let has = |headers: &[(String, String)], name: &str| {
        headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    };
    let mut data = input.data.clone().unwrap_or_default().into_bytes();
    let method = input.method.clone().unwrap_or_else(|| "GET".to_owned());
    let complete = input.autocomplete_headers.unwrap_or(true);
    if complete && !data.is_empty() {
        if !has(&headers, "content-type") {
            headers.push(("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
        }
        let form = |(name, value): &(String, String)| {
            name.eq_ignore_ascii_case("content-type") && value == "application/x-www-form-urlencoded"
        };
        if headers.iter().any(form) && !has_escapes(&data) {
            data = encode_pairs(&data);
        }
    }
    let multipart = |(name, value): &(String, String)| {
        name.eq_ignore_ascii_case("content-type") && value.contains("multipart/form-data;")
    };
    if headers.iter().any(multipart) {
        data = data
            .iter()
            .flat_map(|byte| if *byte == b'\n' { b"\r\n".to_vec() } else { vec![*byte] })
            .collect();
    }
    if complete {
        if !has(&headers, "connection") {
            headers.push(("Connection".to_owned(), "close".to_owned()));
        }
        let may_have_body = method.starts_with("POST")
            || method.contains("PUT")
            || method.contains("PATCH")
            || method.ends_with("DELETE");
        if !has(&headers, "content-length") && (may_have_body || !data.is_empty()) {
            headers.push(("Content-Length".to_owned(), data.len().to_string()));
        }
    }
    let version = input.version.as_deref().unwrap_or("HTTP/1.1");
    let mut raw = format!("{method} {} {version}\r\n", input.uri.as_deref().unwrap_or("/")).into_bytes();
    for (name, value) in &headers {
        raw.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    raw.extend_from_slice(b"\r\n");
    raw.extend_from_slice(&data);
    Ok(raw)
}

/// True if decoding the data as a form would change it or fail.
fn has_escapes(data: &[u8]) -> bool {
    data.iter().any(|byte| matches!(byte, b'%' | b'+'))
}

fn encode_pairs(data: &[u8]) -> Vec<u8> {
    let pair = |pair: &[u8]| match pair.iter().position(|byte| *byte == b'=') {
        Some(at) => [encode(&pair[..at]), encode(&pair[at + 1..])].join(&b'='),
        None => encode(pair),
    };
    data.split(|byte| *byte == b'&').map(pair).collect::<Vec<_>>().join(&b'&')
}

fn encode(text: &[u8]) -> Vec<u8> {
    let letter = |byte: &u8| match byte {
        b' ' => "+".to_owned(),
        b'-' | b'_' | b'.' | b'~' => char::from(*byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(*byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.iter().map(letter).collect::<String>().into_bytes()
}

/// Takes raw bytes apart as a forgiving server does, so that malformed requests reach the rules too.
fn parse(raw: &[u8]) -> Wire {
    let (head, body) = match memchr::memmem::find(raw, b"\r\n\r\n") {
        Some(at) => (&raw[..at], &raw[at + 4..]),
        None => (raw, &raw[raw.len()..]),
    };
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let line = lines.next().unwrap_or_default();
    // The first and the last blank divide; what is between them is the target.
    let first = line.iter().position(|byte| *byte == b' ').filter(|at| *at > 0);
    let last = line.iter().rposition(|byte| *byte == b' ').filter(|at| Some(*at) > first);
    let (method, target, protocol) = match (first, last) {
        (Some(first), Some(last)) => (&line[..first], &line[first + 1..last], &line[last + 1..]),
        (Some(first), None) => (&line[..first], &line[first + 1..], &b""[..]),
        _ => (line, &b""[..], &b""[..]),
    };
    let headers = lines.filter_map(|line| {
        let at = line.iter().position(|byte| *byte == b':')?;
        Some((line[..at].to_vec(), line[at + 1..].trim_ascii().to_vec()))
    });
    let mut wire = Wire {
        method: method.to_vec(),
        target: target.to_vec(),
        protocol: protocol.to_vec(),
        headers: headers.collect(),
        body: body.to_vec(),
    };
    if wire.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked")) {
        // A length beside a coding does not count and is not handed on (RFC 9112, section 6.3).
        wire.headers.retain(|(name, _)| !name.eq_ignore_ascii_case(b"content-length"));
        wire.body = dechunk(&wire.body);
    }
    wire
}

fn dechunk(body: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), body);
    while let Some(at) = memchr::memmem::find(rest, b"\r\n") {
        let size = std::str::from_utf8(&rest[..at])
            .ok()
            .and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
        let chunk = size.filter(|size| *size > 0).and_then(|size| rest.get(at + 2..at + 2 + size));
        let Some(chunk) = chunk else { break };
        out.extend_from_slice(chunk);
        rest = rest.get(at + 4 + chunk.len()..).unwrap_or_default();
    }
    out
}

/// The status with which a server that holds RFC 9112 refuses a request before any rule sees it.
pub(crate) fn refused_by_grammar(wire: &Wire) -> Option<u16> {
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let bad_method = wire.method.is_empty() || !wire.method.iter().all(token);
    let bad_target = match wire.method.as_slice() {
        b"CONNECT" => {
            !wire.target.iter().rev().take_while(|byte| **byte != b':').all(u8::is_ascii_digit)
                || !wire.target.contains(&b':')
        }
        _ => !wire.target.starts_with(b"/") && !wire.target.starts_with(b"http") && wire.target != b"*",
    };
    let bad_target = bad_target || wire.target.iter().any(|byte| *byte <= b' ' || *byte == b'#');
    let bad_protocol = !matches!(wire.protocol.as_slice(), b"HTTP/1.0" | b"HTTP/1.1");
    let bad_length = wire
        .header("content-length")
        .is_some_and(|length| length.is_empty() || !length.iter().all(u8::is_ascii_digit));
    let bad_field = wire.headers.iter().any(|(name, value)| {
        name.is_empty()
            || !name.iter().all(token)
            || value.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n'))
    });
    let host = wire.header("host");
    let bad_host = wire.protocol == b"HTTP/1.1" && host.is_none_or(<[u8]>::is_empty);
    (bad_method || bad_target || bad_protocol || bad_length || bad_field || bad_host).then_some(400)
}
