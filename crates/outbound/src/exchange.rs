//! One request and its answer.

use std::fmt;

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use kernel::Secret;
use zeroize::Zeroizing;

use crate::{Origin, OutboundError};

/// A request to one origin.
pub struct Request {
    pub(crate) method: Method,
    pub(crate) origin: Origin,
    pub(crate) path: Zeroizing<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

impl Request {
    /// A GET. `path` begins with `/` and may have a query; see [`segment`] for what comes from outside.
    pub fn get(origin: &Origin, path: &str) -> Self {
        Self::new(Method::GET, origin, path)
    }

    /// A POST, with no body yet.
    pub fn post(origin: &Origin, path: &str) -> Self {
        Self::new(Method::POST, origin, path)
    }

    fn new(method: Method, origin: &Origin, path: &str) -> Self {
        Self {
            method,
            origin: origin.clone(),
            path: Zeroizing::new(path.to_owned()),
            headers: HeaderMap::new(),
            body: Zeroizing::default(),
        }
    }

    /// Adds a header.
    ///
    /// # Errors
    /// When `value` has characters that a header cannot have.
    pub fn header(mut self, name: &'static str, value: &str) -> Result<Self, OutboundError> {
        let value = HeaderValue::from_str(value)
            .map_err(|_| OutboundError::Unwritable { why: "a header has characters that none may have" })?;
        self.headers.insert(HeaderName::from_static(name), value);
        Ok(self)
    }

    /// Adds a header that holds a secret, for example a bearer token.
    ///
    /// # Errors
    /// When the secret has characters that a header cannot have.
    pub fn secret(mut self, name: &'static str, value: &Secret<String>) -> Result<Self, OutboundError> {
        let mut value = HeaderValue::from_str(value.expose()).map_err(|_| OutboundError::Unwritable {
            why: "a secret has characters that no header may have",
        })?;
        value.set_sensitive(true);
        self.headers.insert(HeaderName::from_static(name), value);
        Ok(self)
    }

    /// Gives it a body.
    #[must_use]
    pub fn body(mut self, content_type: &'static str, body: Vec<u8>) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        self.body = Zeroizing::new(body);
        self
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {}, {} bytes)", self.method, self.origin, self.body.len())
    }
}

/// Percent-encodes a text as one segment of a path or one value of a query (RFC 3986 section 2.3:
/// everything but unreserved characters).
pub fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => {
                use fmt::Write;
                // Writing to a string does not fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// A whole answer. Its body is overwritten when dropped.
pub struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

impl Answer {
    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the status is one of success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header's value, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status, self.body.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_cannot_leave_its_place() {
        assert_eq!(segment("root-key_1.a~"), "root-key_1.a~");
        assert_eq!(segment("../a b?c#d%/ä"), "..%2Fa%20b%3Fc%23d%25%2F%C3%A4");
    }

    #[test]
    fn a_request_shows_where_it_goes_and_nothing_else() {
        let origin = "https://kms.example.org".parse().unwrap();
        let request = Request::post(&origin, "/v1/hunter2?q=hunter2")
            .header("x-plain", "hunter2")
            .unwrap()
            .secret("authorization", &Secret::new("Bearer hunter2".to_owned()))
            .unwrap()
            .body("text/plain", b"hunter2".to_vec());
        assert_eq!(format!("{request:?}"), "Request(POST https://kms.example.org, 7 bytes)");
        let broken = Request::get(&origin, "/").secret("authorization", &Secret::new("a\nb".to_owned()));
        assert!(matches!(broken, Err(OutboundError::Unwritable { .. })));
    }
}
