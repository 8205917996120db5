//! The security headers that every response carries (OWASP ASVS 5.0 chapter 3.4).

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Whether a door answers programs or people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// JSON and streams: nothing in an answer may run, load or be framed.
    Api,
    /// Pages: only our own scripts, styles and images, and no DOM sinks (Trusted Types).
    Page,
}

/// The Content-Security-Policy of pages. There is no nonce and no hash in it, because there is no
/// inline script or style to allow. The one policy of Trusted Types makes one address, that of the worker
/// which answers challenges (`ui/src/proof.ts`).
pub const PAGE_CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; \
    require-trusted-types-for 'script'; trusted-types wardroom-proof";

const API_CSP: &str = "default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

const fn name(text: &'static str) -> HeaderName {
    HeaderName::from_static(text)
}

/// Sets the headers. A handler can choose its own `cache-control` and `cross-origin-resource-policy`
/// (a public script must be loadable by other sites); the others are set whatever it chose.
pub(crate) fn secure(headers: &mut HeaderMap, flavour: Flavour) {
    let csp = match flavour {
        Flavour::Api => API_CSP,
        Flavour::Page => PAGE_CSP,
    };
    let always = [
        (header::CONTENT_SECURITY_POLICY, csp),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=63072000; includeSubDomains"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (name("cross-origin-opener-policy"), "same-origin"),
        (
            name("permissions-policy"),
            "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
        ),
    ];
    for (name, value) in always {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let unless_set =
        [(header::CACHE_CONTROL, "no-store"), (name("cross-origin-resource-policy"), "same-origin")];
    for (name, value) in unless_set {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
