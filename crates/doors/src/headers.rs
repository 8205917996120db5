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

/// Put among the extensions of a page's answer: besides this house, the page's form may be sent there. For
/// the one page that carries a message of ours to somebody's identity provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormsTo(String);

impl FormsTo {
    /// The script that sends such a form by itself; the form's id is `onward`. Serve it as a file of your own.
    pub const SCRIPT: &str = include_str!("../assets/onward.js");

    /// The origin of an address, if it is https, or http on this very machine.
    pub fn origin_of(address: &str) -> Option<Self> {
        let uri: http::Uri = address.parse().ok()?;
        let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
        let loopback = matches!(authority.host(), "localhost" | "127.0.0.1" | "[::1]");
        let fits = scheme == "https" || (scheme == "http" && loopback);
        let plain = authority.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
        (fits && plain).then(|| Self(format!("{scheme}://{authority}")))
    }

    /// The policy of pages with this origin added.
    fn policy(&self) -> Option<HeaderValue> {
        let widened = PAGE_CSP.replace("form-action 'self'", &format!("form-action 'self' {}", self.0));
        HeaderValue::from_str(&widened).ok()
    }
}

const API_CSP: &str = "default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

const fn name(text: &'static str) -> HeaderName {
    HeaderName::from_static(text)
}

/// Sets the headers. A handler can choose its own `cache-control` and `cross-origin-resource-policy`
/// (a public script must be loadable by other sites), and where a page's form leads ([`FormsTo`]); the others are
/// set whatever it chose.
pub(crate) fn secure(headers: &mut HeaderMap, flavour: Flavour, forms: Option<&FormsTo>) {
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
    if let Some(policy) = forms.filter(|_| flavour == Flavour::Page).and_then(FormsTo::policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    let unless_set =
        [(header::CACHE_CONTROL, "no-store"), (name("cross-origin-resource-policy"), "same-origin")];
    for (name, value) in unless_set {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_leads_to_the_origin_of_its_address_and_widens_nothing_else() {
        let policy = |flavour, address: &str| {
            let mut headers = HeaderMap::new();
            secure(&mut headers, flavour, FormsTo::origin_of(address).as_ref());
            headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned()
        };
        let page = policy(Flavour::Page, "https://idp.example:8443/sso?x=1");
        assert!(page.contains("form-action 'self' https://idp.example:8443; frame-ancestors"), "{page}");
        assert_eq!(page.replace(" https://idp.example:8443", ""), PAGE_CSP);
        assert_eq!(policy(Flavour::Api, "https://idp.example/sso"), API_CSP);
        assert!(policy(Flavour::Page, "http://127.0.0.1:99/sso").contains("'self' http://127.0.0.1:99;"));
        for bad in [
            "http://idp.example/sso",
            "javascript:alert(1)",
            "https://a@idp.example/",
            "https://idp.example; script-src *",
            "/sso",
            "",
        ] {
            assert_eq!(policy(Flavour::Page, bad), PAGE_CSP, "{bad}");
        }
    }
}
