//! The discovery document: what a provider says of itself (OpenID Connect Discovery 1.0 section 3,
//! RFC 8414, RFC 9207).

use super::json::Object;
use super::keys::Algorithm;
use super::{Endpoint, Issuer, Refusal};

/// How the client proves itself where codes are given for tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// `client_secret_basic`
    Basic,
    /// `client_secret_post`
    Post,
}

/// A provider, as its discovery document describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    pub(crate) issuer: Issuer,
    pub(crate) authorization: Endpoint,
    pub(crate) token: Endpoint,
    pub(crate) jwks: Endpoint,
    pub(crate) user_info: Option<Endpoint>,
    pub(crate) end_session: Option<Endpoint>,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) names_itself: bool,
    pub(crate) authentication: ClientAuthentication,
    pub(crate) acr_values: Vec<String>,
    pub(crate) back_channel: bool,
}

impl Provider {
    /// The most bytes of a discovery document.
    pub const MAX: usize = 128 * 1024;

    /// Reads the discovery document that `issuer` was asked for.
    ///
    /// # Errors
    /// [`Refusal::DiscoveryIssuer`] when it speaks for another, letter by letter (section 4.3), and
    /// whatever else makes it unusable.
    pub fn parse(document: &[u8], issuer: &Issuer) -> Result<Self, Refusal> {
        let document = Object::parse(document, Self::MAX)?;
        if document.text("issuer")? != Some(issuer.as_str()) {
            return Err(Refusal::DiscoveryIssuer);
        }
        let endpoint = |name| document.text(name)?.map(Endpoint::parse).transpose();
        let needed = |name| endpoint(name)?.ok_or(Refusal::Malformed);
        let offers = |name, wanted: &str| {
            Ok::<_, Refusal>(document.texts(name)?.is_none_or(|list| list.contains(&wanted)))
        };
        if !offers("response_types_supported", "code")?
            || !offers("grant_types_supported", "authorization_code")?
        {
            return Err(Refusal::Flow);
        }
        if !offers("code_challenge_methods_supported", "S256")? {
            return Err(Refusal::Pkce);
        }
        // Both lists have a default: RFC 8414 section 2, and Discovery section 3.
        let signs = document.texts("id_token_signing_alg_values_supported")?.unwrap_or(vec!["RS256"]);
        let algorithms: Vec<_> = signs.iter().filter_map(|name| Algorithm::named(name)).collect();
        if algorithms.is_empty() {
            return Err(Refusal::NoAlgorithm);
        }
        let proofs = document.texts("token_endpoint_auth_methods_supported")?;
        let proofs = proofs.unwrap_or(vec!["client_secret_basic"]);
        let authentication = match () {
            () if proofs.contains(&"client_secret_basic") => ClientAuthentication::Basic,
            () if proofs.contains(&"client_secret_post") => ClientAuthentication::Post,
            () => return Err(Refusal::ClientAuthentication),
        };
        let says = |name| document.get(name).and_then(serde_json::Value::as_bool).unwrap_or(false);
        let acr_values = document.texts("acr_values_supported")?.unwrap_or_default();
        Ok(Self {
            issuer: issuer.clone(),
            authorization: needed("authorization_endpoint")?,
            token: needed("token_endpoint")?,
            jwks: needed("jwks_uri")?,
            user_info: endpoint("userinfo_endpoint")?,
            end_session: endpoint("end_session_endpoint")?,
            algorithms,
            names_itself: says("authorization_response_iss_parameter_supported"),
            authentication,
            acr_values: acr_values.into_iter().map(str::to_owned).collect(),
            back_channel: says("backchannel_logout_supported"),
        })
    }

    /// Who it is.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Where codes are given for tokens.
    pub fn token_endpoint(&self) -> &Endpoint {
        &self.token
    }

    /// Where its keys are.
    pub fn jwks_uri(&self) -> &Endpoint {
        &self.jwks
    }

    /// Where more is told about a person, if anywhere.
    pub fn user_info_endpoint(&self) -> Option<&Endpoint> {
        self.user_info.as_ref()
    }

    /// What it signs with, of what we verify.
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// Which authentication contexts it says it has.
    pub fn acr_values(&self) -> &[String] {
        &self.acr_values
    }

    /// Whether it says in its answers who it is (RFC 9207).
    pub fn names_itself(&self) -> bool {
        self.names_itself
    }

    /// Whether it says that it tells clients of logouts behind the browser's back.
    pub fn tells_of_logouts(&self) -> bool {
        self.back_channel
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn document() -> Value {
        json!({
            "issuer": "https://idp.example",
            "authorization_endpoint": "https://idp.example/auth",
            "token_endpoint": "https://idp.example/token",
            "jwks_uri": "https://idp.example/keys",
            "userinfo_endpoint": "https://idp.example/me",
            "response_types_supported": ["code", "code id_token"],
            "id_token_signing_alg_values_supported": ["HS256", "RS256", "ES256", "none"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        })
    }

    fn parse(document: &Value) -> Result<Provider, Refusal> {
        let issuer = Issuer::parse("https://idp.example").unwrap();
        Provider::parse(&serde_json::to_vec(document).unwrap(), &issuer)
    }

    fn changed(name: &str, value: Value) -> Result<Provider, Refusal> {
        let mut document = document();
        document[name] = value;
        parse(&document)
    }

    #[test]
    fn a_provider_is_read_and_what_is_not_verified_here_is_left_out() {
        let provider = parse(&document()).unwrap();
        assert_eq!(provider.algorithms(), [Algorithm::Rs256, Algorithm::Es256]);
        assert_eq!(provider.authentication, ClientAuthentication::Post);
        assert!(provider.names_itself && !provider.tells_of_logouts());
        assert_eq!(provider.end_session, None);
    }

    #[test]
    fn another_issuer_is_refused_even_if_only_a_slash_differs() {
        for other in ["https://idp.example/", "https://IDP.example", "https://evil.example"] {
            assert_eq!(changed("issuer", json!(other)), Err(Refusal::DiscoveryIssuer), "{other}");
        }
        assert_eq!(changed("issuer", json!(null)), Err(Refusal::DiscoveryIssuer));
    }

    #[test]
    fn a_provider_without_what_we_need_is_refused() {
        let cases = [
            ("code_challenge_methods_supported", json!(["plain"]), Refusal::Pkce),
            ("response_types_supported", json!(["id_token"]), Refusal::Flow),
            ("grant_types_supported", json!(["implicit"]), Refusal::Flow),
            ("id_token_signing_alg_values_supported", json!(["HS256", "none"]), Refusal::NoAlgorithm),
            ("token_endpoint_auth_methods_supported", json!(["none"]), Refusal::ClientAuthentication),
            ("jwks_uri", json!("http://169.254.169.254/keys"), Refusal::Endpoint),
            ("token_endpoint", json!(7), Refusal::Malformed),
            ("authorization_endpoint", json!(null), Refusal::Malformed),
        ];
        for (name, value, refusal) in cases {
            assert_eq!(changed(name, value), Err(refusal), "{name}");
        }
        let large = vec![b' '; Provider::MAX + 1];
        let issuer = Issuer::parse("https://idp.example").unwrap();
        assert_eq!(Provider::parse(&large, &issuer), Err(Refusal::TooLarge));
    }
}
