//! The words the parts of the firewall share: what a request is to it, what the parts of a request
//! are called, and what a collected value carries.

use std::net::IpAddr;

use memchr::memmem;

/// One request as it came over the wire, before any decoding. Everything is bytes: a firewall that
/// insists on UTF-8 has already been walked around.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The peer's address (behind a trusted proxy: the address that proxy vouched for).
    pub remote: IpAddr,
    /// The method, for example `POST`.
    pub method: &'a [u8],
    /// The request target exactly as sent: path, query and, if sent, scheme and host.
    pub target: &'a [u8],
    /// The protocol as written in the request line, for example `HTTP/1.1`.
    pub protocol: &'a [u8],
    /// Header fields in the order sent; names keep their case.
    pub headers: &'a [(&'a [u8], &'a [u8])],
    /// The body, whole and within the edge's bound.
    pub body: &'a [u8],
}

impl<'a> Request<'a> {
    /// The first header of this name, letters compared without case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| *value)
    }
}

/// One response of ours before it leaves.
#[derive(Clone, Copy)]
pub struct Response<'a> {
    /// The status code.
    pub status: u16,
    /// The protocol, for example `HTTP/1.1`.
    pub protocol: &'a [u8],
    /// Header fields in the order sent.
    pub headers: &'a [(&'a [u8], &'a [u8])],
    /// The body, or the bounded beginning of it that the edge held back.
    pub body: &'a [u8],
}

impl<'a> Response<'a> {
    /// The first header of this name, letters compared without case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| *value)
    }
}

/// A decoded name and its decoded value: an argument, a cookie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pair {
    /// The decoded name.
    pub name: Vec<u8>,
    /// The decoded value.
    pub value: Vec<u8>,
}

impl Pair {
    /// A pair of these two.
    pub fn new(name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// What the head of a request says once decoded. Made by `request::head`.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// `REQUEST_LINE`: method, target and protocol with one blank between them.
    pub line: Vec<u8>,
    /// `REQUEST_URI`: the target without scheme and host, with its query.
    pub uri: Vec<u8>,
    /// `REQUEST_FILENAME`: the decoded path without the query.
    pub filename: Vec<u8>,
    /// `REQUEST_BASENAME`: what follows the last slash of the path.
    pub basename: Vec<u8>,
    /// `QUERY_STRING`: raw.
    pub query: Vec<u8>,
    /// `ARGS_GET`: the query's pairs, decoded.
    pub args: Vec<Pair>,
    /// `REQUEST_COOKIES`: split at `;`, not decoded.
    pub cookies: Vec<Pair>,
    /// `URLENCODED_ERROR`: a percent sign that is not followed by two hex digits.
    pub urlencoded_error: bool,
}

/// Which reader a body is given to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Processor {
    /// No reader: the body is one string.
    #[default]
    None,
    /// `application/x-www-form-urlencoded`.
    Urlencoded,
    /// `multipart/form-data`.
    Multipart,
    /// JSON, flattened to `json.a.b` and `json.a.array_0`.
    Json,
    /// XML: all text as `XML:/*`, all attribute values as `XML://@*`.
    Xml,
}

impl Processor {
    /// The reader for a body of this content type, as ModSecurity v3 with its recommended rules
    /// (200000, 200001, 200006) picks it; what else a reader behind us may take for JSON (RFC 6839) is read
    /// as JSON, too.
    #[must_use]
    pub fn of_content_type(value: &[u8]) -> Self {
        // White space before it is none of it (RFC 9110 section 5.5), and HTTP/2 does not take it off.
        let value = value.trim_ascii_start().to_ascii_lowercase();
        let begins = |prefix: &[u8]| value.starts_with(prefix);
        if begins(b"application/x-www-form-urlencoded") {
            Self::Urlencoded
        } else if begins(b"multipart/form-data") {
            Self::Multipart
        } else if begins(b"application/json") {
            Self::Json
        } else if begins(b"application/xml") || begins(b"application/soap+xml") || begins(b"text/xml") {
            Self::Xml
        } else if let Some(rest) = value.strip_prefix(b"application/") {
            let name = rest.split(|byte| *byte == b';').next().unwrap_or_default();
            if memmem::find(name, b"+json").is_some() { Self::Json } else { Self::None }
        } else {
            Self::None
        }
    }

    /// The name rules know it by (`REQBODY_PROCESSOR`); empty for none.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Urlencoded => "URLENCODED",
            Self::Multipart => "MULTIPART",
            Self::Json => "JSON",
            Self::Xml => "XML",
        }
    }
}

/// An uploaded file's place in a multipart body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilePart {
    /// The form field (`FILES_NAMES`).
    pub field: Vec<u8>,
    /// The name the client gave the file (`FILES`).
    pub filename: Vec<u8>,
    /// Its size in bytes (`FILES_SIZES`).
    pub size: usize,
}

/// What the body of a request says once read. Made by `body::read`.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// Which reader read it.
    pub processor: Processor,
    /// `ARGS_POST`: form fields, JSON leaves.
    pub args: Vec<Pair>,
    /// Names without a value, among `ARGS_POST_NAMES`: of objects and arrays in JSON that are empty.
    pub bare_names: Vec<Vec<u8>>,
    /// `FILES` and its kin.
    pub files: Vec<FilePart>,
    /// `MULTIPART_PART_HEADERS`: the part's name, and one whole header line.
    pub part_headers: Vec<Pair>,
    /// `XML:/*`: the text of the document, as ModSecurity's reader gives it.
    pub xml_text: Option<Vec<u8>>,
    /// `XML://@*`: the attribute values.
    pub xml_attributes: Vec<Vec<u8>>,
    /// `REQBODY_ERROR_MSG`; present means `REQBODY_ERROR` is 1.
    pub error: Option<String>,
    /// `URLENCODED_ERROR`: as in the head, for a form.
    pub urlencoded_error: bool,
    /// `MULTIPART_STRICT_ERROR`.
    pub multipart_strict_error: bool,
    /// `MULTIPART_UNMATCHED_BOUNDARY`.
    pub multipart_unmatched_boundary: bool,
}

/// Bounds on what a body's reader will do. Beyond them the body has an error, and rules see it.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Most arguments, leaves or parts.
    pub args: usize,
    /// Deepest nesting of JSON or XML.
    pub depth: usize,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self { args: 1_000, depth: 64 }
    }
}
