//! Giving the code for tokens (RFC 6749 section 4.1.3, OpenID Connect Core section 3.1.3), and the
//! user info that may be fetched with them (section 5.3).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel::Secret;
use serde_json::Value;

use super::discovery::ClientAuthentication;
use super::id_token::IdToken;
use super::json::Object;
use super::{Code, Provider, Refusal, Ties};

/// A form to be posted to the token endpoint.
#[derive(Debug)]
pub struct TokenRequest {
    /// The form.
    pub form: Secret<String>,
    /// The value of `authorization`, if the client proves itself there.
    pub authorization: Option<Secret<String>>,
}

impl Code {
    /// The form that gives the code for tokens. The code goes with it: it is good once.
    pub fn request(
        self,
        provider: &Provider,
        ties: &Ties,
        client: &str,
        secret: &Secret<String>,
        redirect: &str,
    ) -> TokenRequest {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", self.0.expose())
            .append_pair("redirect_uri", redirect)
            .append_pair("code_verifier", &ties.verifier);
        let authorization = match provider.authentication {
            ClientAuthentication::Basic => Some(basic(client, secret)),
            ClientAuthentication::Post => {
                form.append_pair("client_id", client).append_pair("client_secret", secret.expose());
                None
            }
        };
        TokenRequest { form: Secret::new(form.finish()), authorization }
    }
}

/// RFC 6749 section 2.3.1: both halves are encoded as in a form first.
fn basic(client: &str, secret: &Secret<String>) -> Secret<String> {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = Secret::new(format!("{}:{}", encoded(client), encoded(secret.expose())));
    Secret::new(format!("Basic {}", STANDARD.encode(pair.expose())))
}

/// Tokens that were given for a code. They stay in the house.
#[derive(Debug)]
pub struct Tokens {
    /// The ID token, nothing of it checked.
    pub id_token: Secret<String>,
    /// The access token.
    pub access_token: Secret<String>,
}

impl Tokens {
    /// The most bytes of an answer.
    pub const MAX: usize = 256 * 1024;

    /// Reads the answer of the token endpoint.
    ///
    /// # Errors
    /// [`Refusal::TokenError`] when it is none of success, [`Refusal::TokenType`],
    /// [`Refusal::IdTokenMissing`], [`Refusal::TooLarge`], [`Refusal::Malformed`].
    pub fn parse(status: u16, body: &[u8]) -> Result<Self, Refusal> {
        if status != 200 {
            return Err(Refusal::TokenError);
        }
        let body = Object::parse(body, Self::MAX)?;
        if !body.text("token_type")?.is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")) {
            return Err(Refusal::TokenType);
        }
        let take = |name| Ok::<_, Refusal>(body.text(name)?.map(|text| Secret::new(text.to_owned())));
        Ok(Self {
            id_token: take("id_token")?.ok_or(Refusal::IdTokenMissing)?,
            access_token: take("access_token")?.ok_or(Refusal::TokenError)?,
        })
    }
}

/// What the provider tells about a person besides the ID token.
#[derive(Debug, Clone, Default)]
pub struct UserInfo(Object);

impl UserInfo {
    /// The most bytes of it.
    pub const MAX: usize = 256 * 1024;

    /// Reads user info, which must be about the person of the ID token (section 5.3.2): otherwise
    /// somebody else's access token was slipped in.
    ///
    /// # Errors
    /// [`Refusal::UserInfoSubject`], [`Refusal::TooLarge`], [`Refusal::Malformed`].
    pub fn parse(body: &[u8], token: &IdToken) -> Result<Self, Refusal> {
        let body = Object::parse(body, Self::MAX)?;
        if body.text("sub")? != Some(token.subject()) {
            return Err(Refusal::UserInfoSubject);
        }
        Ok(Self(body))
    }

    /// A claim by its name.
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Every claim, as JSON to be looked at.
    pub fn pretty(&self) -> String {
        serde_json::to_string_pretty(self.0.members()).unwrap_or_default()
    }
}
