//! By which way a request came, for the events of what it does and for what people are told about it.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, header};
use kernel::RequestId;
use store::{Device, Source, Via};

use crate::doorstep::device_token;

/// The way of the request.
pub(crate) struct ByDoor(pub(crate) Via);

impl<S: Send + Sync> FromRequestParts<S> for ByDoor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let source = parts.extensions.get::<Source>().map(|Source(address)| address.clone());
        let request = parts.extensions.get::<RequestId>().copied();
        let device = Device { kind: kind(&parts.headers), token: device_token(&parts.headers).map(Arc::new) };
        Ok(Self(Via { request, source, device: Some(device) }))
    }
}

/// The kind of browser, in words that its holder knows it by. What the browser says of itself is read for a
/// few known words and never repeated; whoever lies about it is believed.
fn kind(headers: &HeaderMap) -> Option<String> {
    /// In the order in which they are looked for: a browser also names those that it resembles.
    const BROWSERS: [(&str, &str); 6] = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("Chrom", "Chrome"),
        ("Safari/", "Safari"),
    ];
    const SYSTEMS: [(&str, &str); 7] = [
        ("Windows", "Windows"),
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("CrOS", "ChromeOS"),
        ("Mac OS X", "Mac"),
        ("Linux", "Linux"),
    ];
    let agent = headers.get(header::USER_AGENT)?.to_str().ok()?;
    let known = |words: &[(&str, &'static str)]| {
        words.iter().find(|(word, _)| agent.contains(word)).map(|(_, name)| *name)
    };
    match (known(&BROWSERS), known(&SYSTEMS)) {
        (Some(browser), Some(system)) => Some(format!("{browser} on {system}")),
        (Some(one), None) | (None, Some(one)) => Some(one.to_owned()),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_named_in_our_words_and_never_in_its_own() {
        let named = |agent: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::USER_AGENT, agent.parse().unwrap());
            kind(&headers)
        };
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        assert_eq!(named(firefox).as_deref(), Some("Firefox on Linux"));
        let safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 \
                      (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1";
        assert_eq!(named(safari).as_deref(), Some("Safari on iPhone"));
        let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                    Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0";
        assert_eq!(named(edge).as_deref(), Some("Edge on Windows"));
        assert_eq!(named("<script>alert(1)</script>"), None);
        assert_eq!(kind(&HeaderMap::new()), None);
    }
}
