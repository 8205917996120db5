//! Site tokens: the site that embeds a bot says who its visitor is. It signs a small JSON Web Token (RFC 7519)
//! with a key that only it and this house hold, `HS256` and no other algorithm (RFC 8725 section 3.1), and the
//! widget shows it when a conversation is opened. The person then has one identity here for as long as the
//! site calls them the same.
//!
//! | claim | must be |
//! |---|---|
//! | `sub` | the person's id at the site, 1 to 200 characters; only a keyed hash of it is kept |
//! | `aud` | the bot's name |
//! | `exp` | not past, and not more than ten minutes after `iat` |
//! | `iat` | not more than a minute in the future |
//!
//! What this does not promise: that a token is shown once. Whoever has it can open conversations as that
//! person until it ends, so give it to that person's page alone.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::{BotName, Secret, Timestamp};
use serde::Deserialize;

/// The longest time between `iat` and `exp`.
pub const LONGEST: Duration = Duration::from_secs(10 * 60);
/// How far the site's clock may be ahead of ours.
const AHEAD: Duration = Duration::from_secs(60);
/// The shortest key, in bytes (RFC 7518 section 3.2).
pub const SHORTEST_KEY: usize = 32;
/// The longest token.
const MOST: usize = 4096;

/// The person's id at the site, as its token says it.
#[derive(Clone, PartialEq, Eq)]
pub struct SitePerson(String);

impl SitePerson {
    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SitePerson {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SitePerson")
    }
}

/// Why a site token was not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SiteRefused {
    /// It is not a token of this shape and algorithm.
    #[error("the site token is not one")]
    Shape,
    /// The site's key did not sign it.
    #[error("the site token is not signed by the site")]
    Signature,
    /// It is for another bot.
    #[error("the site token is for another bot")]
    Audience,
    /// It has ended, has not begun, or lives longer than ten minutes.
    #[error("the site token's time is over or too long")]
    Time,
    /// It does not say who it is about.
    #[error("the site token names nobody")]
    Subject,
    /// The key that the house was given is too short to trust.
    #[error("the site's key is too short")]
    Key,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    /// Extensions that must be understood: none is.
    #[serde(default)]
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    aud: Audience,
    exp: u64,
    iat: u64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Who a site says is there.
///
/// # Errors
/// [`SiteRefused`]. The signature is checked before anything in the token is believed.
pub fn check(
    key: &Secret<String>,
    token: &str,
    bot: &BotName,
    now: Timestamp,
) -> Result<SitePerson, SiteRefused> {
    let key = key.expose().as_bytes();
    if key.len() < SHORTEST_KEY {
        return Err(SiteRefused::Key);
    }
    if token.len() > MOST {
        return Err(SiteRefused::Shape);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(SiteRefused::Shape)?;
    let (header, claims) = signed.split_once('.').ok_or(SiteRefused::Shape)?;
    let part = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| SiteRefused::Shape);
    let (header, signature) = (part(header)?, part(signature)?);
    let header: Header = serde_json::from_slice(&header).map_err(|_| SiteRefused::Shape)?;
    if header.alg != "HS256" || header.crit.is_some() {
        return Err(SiteRefused::Shape);
    }
    // In constant time.
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key), signed.as_bytes(), &signature)
        .map_err(|_| SiteRefused::Signature)?;
    let claims: Claims = serde_json::from_slice(&part(claims)?).map_err(|_| SiteRefused::Shape)?;
    let ours = match &claims.aud {
        Audience::One(one) => one == bot.as_str(),
        Audience::Many(many) => many.iter().any(|one| one == bot.as_str()),
    };
    if !ours {
        return Err(SiteRefused::Audience);
    }
    let now = now.as_millis() / 1000;
    let begun = claims.iat <= now.saturating_add(AHEAD.as_secs());
    let brief = claims.exp.saturating_sub(claims.iat) <= LONGEST.as_secs() && claims.iat < claims.exp;
    if !begun || !brief || claims.exp <= now {
        return Err(SiteRefused::Time);
    }
    if !(1..=200).contains(&claims.sub.chars().count()) {
        return Err(SiteRefused::Subject);
    }
    Ok(SitePerson(claims.sub))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const NOW: Timestamp = Timestamp::from_millis(1_795_378_500_125);
    const T: u64 = 1_795_378_500;

    fn key() -> Secret<String> {
        Secret::new("0123456789abcdef0123456789abcdef".to_owned())
    }

    fn sign(header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let tag =
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key().expose().as_bytes()), signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
    }

    fn plain() -> Value {
        json!({ "alg": "HS256", "typ": "JWT" })
    }

    fn who(token: &str) -> Result<String, SiteRefused> {
        let bot = BotName::new("front-desk").unwrap();
        check(&key(), token, &bot, NOW).map(|person| person.as_str().to_owned())
    }

    #[test]
    fn a_token_of_the_site_says_who_is_there() {
        let claims =
            json!({ "sub": "u-17", "aud": "front-desk", "iat": T - 5, "exp": T + 300, "name": "Ada" });
        assert_eq!(who(&sign(&plain(), &claims)), Ok("u-17".to_owned()));
        let many = json!({ "sub": "u-17", "aud": ["x", "front-desk"], "iat": T, "exp": T + 600 });
        assert_eq!(who(&sign(&plain(), &many)), Ok("u-17".to_owned()));
    }

    #[test]
    fn every_other_token_is_refused_with_its_reason() {
        let good = json!({ "sub": "u-17", "aud": "front-desk", "iat": T, "exp": T + 300 });
        let but = |name: &str, value: Value| {
            let mut claims = good.clone();
            claims[name] = value;
            sign(&plain(), &claims)
        };
        let cases = [
            ("".to_owned(), SiteRefused::Shape),
            ("a.b".to_owned(), SiteRefused::Shape),
            (format!("{}.x", sign(&plain(), &good)), SiteRefused::Shape),
            (sign(&json!({ "alg": "none" }), &good), SiteRefused::Shape),
            (sign(&json!({ "alg": "HS512" }), &good), SiteRefused::Shape),
            (sign(&json!({ "alg": "HS256", "crit": ["b64"], "b64": false }), &good), SiteRefused::Shape),
            (but("aud", json!("other")), SiteRefused::Audience),
            (but("exp", json!(T)), SiteRefused::Time),
            (but("exp", json!(T + 601)), SiteRefused::Time),
            (but("iat", json!(T + 61)), SiteRefused::Time),
            (but("exp", json!(u64::MAX)), SiteRefused::Time),
            (but("sub", json!("")), SiteRefused::Subject),
            (but("sub", json!("x".repeat(201))), SiteRefused::Subject),
            (but("sub", json!(7)), SiteRefused::Shape),
            (but("exp", json!("soon")), SiteRefused::Shape),
        ];
        for (token, reason) in cases {
            assert_eq!(who(&token), Err(reason), "{token}");
        }
        let short = Secret::new("0123456789abcdef0123456789abcde".to_owned());
        let bot = BotName::new("front-desk").unwrap();
        assert_eq!(check(&short, &sign(&plain(), &good), &bot, NOW), Err(SiteRefused::Key));
    }

    #[test]
    fn a_flip_of_any_byte_is_refused() {
        let token = sign(&plain(), &json!({ "sub": "u-17", "aud": "front-desk", "iat": T, "exp": T + 300 }));
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            if changed != token {
                assert!(who(&changed).is_err(), "byte {at}");
            }
        }
    }
}
