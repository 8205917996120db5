//! The session cookies, `__Host-wardroom` of staff and `__Host-wardroom-person` of people who chat: 32 random
//! bytes and nothing else. What they stand for is `identity`'s to know, which stores only their hashes.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, header};
use kernel::{Secret, World};

/// The name. The prefix makes browsers insist on `Secure`, `Path=/` and no `Domain` (RFC 6265bis,
/// section 4.1.3.2), so that no subdomain can plant one.
pub const NAME: &str = "__Host-wardroom";

/// The name of the cookie of people who chat. The two doors may share a host, and no browser tells hosts
/// apart by their ports.
pub const PERSON: &str = "__Host-wardroom-person";

/// The secret in the cookie of a session.
#[derive(Debug)]
pub struct SessionSecret(Secret<[u8; 32]>);

impl SessionSecret {
    /// A new one.
    pub fn generate(world: &World) -> Self {
        Self(Secret::new(world.bytes()))
    }

    /// The one that a request carries. None when there is none, when it has the wrong shape, and when
    /// there are two: nobody could then say which of them our own response had set.
    pub fn of_request(headers: &HeaderMap) -> Option<Self> {
        Self::named(NAME, headers)
    }

    /// The same for another cookie than that of staff.
    pub fn named(name: &str, headers: &HeaderMap) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(value(name, headers)?).ok()?;
        Some(Self(Secret::new(bytes.try_into().ok()?)))
    }

    /// The 32 bytes, for hashing and comparing.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    /// The value of `set-cookie`: kept by the browser for `lifetime`, never shown to scripts.
    pub fn set_cookie(&self, lifetime: Duration) -> Option<HeaderValue> {
        self.set_named(NAME, lifetime)
    }

    /// The same for another cookie than that of staff.
    pub fn set_named(&self, name: &str, lifetime: Duration) -> Option<HeaderValue> {
        set(name, &URL_SAFE_NO_PAD.encode(self.expose()), lifetime)
    }
}

/// The value of the one cookie of a name; two of the same are none.
pub fn value<'h>(name: &str, headers: &'h HeaderMap) -> Option<&'h str> {
    let mut found = None;
    for header in headers.get_all(header::COOKIE) {
        for pair in header.to_str().ok()?.split(';') {
            let Some((_, value)) = pair.trim().split_once('=').filter(|(it, _)| *it == name) else {
                continue;
            };
            if found.replace(value).is_some() {
                return None;
            }
        }
    }
    found
}

/// The value of `set-cookie` for any cookie of the house's own, kept as those of sessions are.
pub fn set(name: &str, value: &str, lifetime: Duration) -> Option<HeaderValue> {
    let seconds = lifetime.as_secs();
    line(&format!("{name}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax"))
}

/// The value of `set-cookie` that makes the browser forget the session.
pub fn clear() -> Option<HeaderValue> {
    set(NAME, "", Duration::ZERO)
}

fn line(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(cookies: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(header::COOKIE, HeaderValue::from_str(cookie).unwrap());
        }
        headers
    }

    #[test]
    fn a_cookie_that_was_set_is_read_back() {
        let secret = SessionSecret::generate(&World::real());
        let set = secret.set_cookie(Duration::from_secs(3600)).unwrap();
        let set = set.to_str().unwrap();
        assert!(set.ends_with("; Path=/; Max-Age=3600; Secure; HttpOnly; SameSite=Lax"), "{set}");
        let pair = set.split(';').next().unwrap();
        let read = SessionSecret::of_request(&request(&[&format!("theme=dark; {pair}")])).unwrap();
        assert_eq!(read.expose(), secret.expose());
    }

    #[test]
    fn a_cookie_of_the_wrong_shape_or_given_twice_is_no_cookie() {
        let one = format!("{NAME}={}", URL_SAFE_NO_PAD.encode([1; 32]));
        let two = format!("{NAME}={}", URL_SAFE_NO_PAD.encode([2; 32]));
        assert!(SessionSecret::of_request(&request(&[&one])).is_some());
        assert!(SessionSecret::of_request(&request(&[&one, &two])).is_none());
        assert!(SessionSecret::of_request(&request(&[&format!("{one}; {two}")])).is_none());
        for bad in ["", "__Host-wardroom=", "__Host-wardroom=AAAA", "wardroom=AAAA", "__host-wardroom=AA"] {
            assert!(SessionSecret::of_request(&request(&[bad])).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_secret_does_not_print() {
        let secret = SessionSecret(Secret::new([7; 32]));
        assert_eq!(format!("{secret:?}"), "SessionSecret([redacted])");
        assert_eq!(format!("{:?}", secret.set_cookie(Duration::ZERO).unwrap()), "Sensitive");
    }
}
