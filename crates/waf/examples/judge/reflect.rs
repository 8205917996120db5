//! The upstream of the tests, as the CRS project's own test server behaves.

use std::collections::BTreeMap;

use base64::Engine;
use serde::Deserialize;

/// What the upstream of the tests answers.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// The upstream: `/reflect` answers what the request's JSON tells it to, anything else an empty page.
pub(crate) fn answer(target: &[u8], body: &[u8]) -> Answer {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Reflect {
        status: Option<u16>,
        headers: BTreeMap<String, String>,
        body: String,
        encoded_body: String,
    }
    let plain = Answer { status: 200, headers: Vec::new(), body: Vec::new() };
    if !target.starts_with(b"/reflect") {
        return plain;
    }
    let Ok(reflect) = serde_json::from_slice::<Reflect>(body) else { return plain };
    let decoded = base64::engine::general_purpose::STANDARD.decode(&reflect.encoded_body).unwrap_or_default();
    let mut headers: Vec<_> = reflect.headers.into_iter().collect();
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        headers.push(("Content-Type".to_owned(), "text/plain; charset=utf-8".to_owned()));
    }
    let body = if reflect.body.is_empty() { decoded } else { reflect.body.into_bytes() };
    Answer { status: reflect.status.unwrap_or(200), headers, body }
}
