//! Addresses of a provider. They are `https` and nothing else. Whether an address may be called at all
//! (it could be one of our own network) is for whoever makes the call to decide.

use std::fmt;

use http::Uri;

use super::Refusal;

/// The most bytes of an address.
const MAX: usize = 2048;

/// An address that a provider named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(String);

impl Endpoint {
    /// Reads an address.
    ///
    /// # Errors
    /// [`Refusal::Endpoint`].
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        // `http::Uri` drops a fragment without a word.
        if text.len() > MAX || !text.bytes().all(|b| b.is_ascii_graphic()) || text.contains(['#', '\\']) {
            return Err(Refusal::Endpoint);
        }
        let uri: Uri = text.parse().map_err(|_| Refusal::Endpoint)?;
        let authority = uri.authority().ok_or(Refusal::Endpoint)?;
        // One spelling only: what is kept is compared, and shown to browsers, as a text.
        if !text.starts_with("https://") || authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(Refusal::Endpoint);
        }
        Ok(Self(text.to_owned()))
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Scheme, host and port: whose address it is.
    pub fn origin(&self) -> &str {
        let after = self.0.find("://").map_or(0, |at| at + 3);
        let end = self.0.get(after..).and_then(|rest| rest.find(['/', '?'])).map(|at| at + after);
        end.and_then(|end| self.0.get(..end)).unwrap_or(&self.0)
    }

    /// The address with parameters added to its query.
    pub(crate) fn with(&self, pairs: &[(&str, &str)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(pairs);
        let sign = if self.0.contains('?') { '&' } else { '?' };
        format!("{}{sign}{}", self.0, query.finish())
    }
}

/// The name of a provider: an address without query, compared letter by letter (OpenID Connect Core
/// section 2, RFC 8414 section 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer(Endpoint);

impl Issuer {
    /// Reads an issuer.
    ///
    /// # Errors
    /// [`Refusal::Endpoint`].
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text.contains('?') {
            return Err(Refusal::Endpoint);
        }
        Ok(Self(Endpoint::parse(text)?))
    }

    /// The issuer.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Where its discovery document is (OpenID Connect Discovery section 4.1).
    pub fn discovery(&self) -> Endpoint {
        let base = self.as_str().trim_end_matches('/');
        Endpoint(format!("{base}/.well-known/openid-configuration"))
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_is_an_address() {
        for good in
            ["https://idp.example", "https://idp.example:8443/tenant/v2.0", "https://[::1]:1/auth?x=1"]
        {
            assert_eq!(Endpoint::parse(good).map(|it| it.as_str().to_owned()), Ok(good.to_owned()));
        }
        for bad in [
            "",
            "idp.example",
            "/auth",
            "http://idp.example/",
            "httPs://idp.example/",
            "http://localhost:8402/",
            "http://169.254.169.254/latest",
            "http://127.0.0.1.evil.example/",
            "https://user@idp.example/",
            "https://idp.example/#x",
            "https://idp.example/a b",
            "https://idp.ex\u{e4}mple/",
            "https:\\\\idp.example",
            "javascript:alert(1)",
            "ftp://idp.example/",
            &format!("https://idp.example/{}", "a".repeat(MAX)),
        ] {
            assert_eq!(Endpoint::parse(bad), Err(Refusal::Endpoint), "{bad}");
        }
        assert_eq!(Issuer::parse("https://idp.example/?a=1"), Err(Refusal::Endpoint));
    }

    #[test]
    fn the_discovery_document_is_below_the_issuer() {
        let of = |text| Issuer::parse(text).unwrap().discovery().as_str().to_owned();
        assert_eq!(of("https://a.example"), "https://a.example/.well-known/openid-configuration");
        assert_eq!(of("https://a.example/t/"), "https://a.example/t/.well-known/openid-configuration");
        assert_eq!(Endpoint::parse("https://a.example:1/b?c").unwrap().origin(), "https://a.example:1");
        assert_eq!(Endpoint::parse("https://a.example").unwrap().origin(), "https://a.example");
    }

    #[test]
    fn parameters_are_escaped_and_added() {
        let plain = Endpoint::parse("https://a.example/auth").unwrap();
        assert_eq!(plain.with(&[("a", "b&c=d")]), "https://a.example/auth?a=b%26c%3Dd");
        let more = Endpoint::parse("https://a.example/auth?p=1").unwrap();
        assert_eq!(more.with(&[("a", " ")]), "https://a.example/auth?p=1&a=+");
    }
}
