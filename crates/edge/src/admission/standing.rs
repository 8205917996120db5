//! Who is known here. The edge holds no keys and can check no credential. It learns from answers: the
//! core marks the answer to a request whose actor it knows ([`STANDING`]), and the edge remembers a keyed
//! hash of the credential that came with it, for a while. So a token that nobody ever accepted gives its
//! bearer nothing here, and a breached edge finds no token in its memory.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use http::header::{self, HeaderMap, HeaderName};
use kernel::Timestamp;

/// The field by which the core tells the edge who an answer was for: `staff`, `member` or
/// `conversation`, then `; tenant=ID` and `; bot=NAME` where they are known. It never leaves the edge,
/// and never comes in.
pub const STANDING: HeaderName = HeaderName::from_static("x-wardroom-standing");

/// The field by which the core tells the edge of a credential that the answer gives out, so that its
/// first use is not a stranger's. It never leaves the edge.
pub const ISSUED: HeaderName = HeaderName::from_static("x-wardroom-issued");

/// The cookie of a session (`doors` sets it).
const SESSION: &str = "__Host-wardroom";

/// How long a credential is remembered after the last accepted request with it.
pub(crate) const MEMORY: Duration = Duration::from_secs(30 * 60);
/// How long what was learned is no news.
const NEWS: Duration = Duration::from_secs(10 * 60);

/// What the core said of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// The bearer of a conversation's token.
    Conversation,
    /// Somebody signed in who is not staff.
    Member,
    /// A signed-in member of staff.
    Staff,
}

impl Standing {
    const ALL: [Self; 3] = [Self::Conversation, Self::Member, Self::Staff];

    /// The core's word for it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Conversation => "conversation",
            Self::Member => "member",
            Self::Staff => "staff",
        }
    }

    /// The standing with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|standing| standing.name() == name)
    }
}

/// What is remembered of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) standing: Standing,
    /// The tenant, hashed; 0 when it was not told.
    pub(crate) tenant: u64,
    /// The bot, hashed; 0 when it was not told.
    pub(crate) bot: u64,
    /// Since when.
    pub(crate) since: Timestamp,
    /// Whose budget it takes from: its own key, or that of the first of those that were exchanged for it.
    pub(crate) line: u64,
}

/// A credential, seen through a keyed hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Credential(u128);

impl Credential {
    /// As text, for other edges that see credentials through the same hash.
    pub(crate) fn to_text(self) -> String {
        format!("{:032x}", self.0)
    }

    /// What [`Credential::to_text`] made.
    pub(crate) fn of_text(text: &str) -> Option<Self> {
        u128::from_str_radix(text, 16).ok().map(Self)
    }

    /// One word of it, as a key for buckets and queues.
    #[expect(clippy::cast_possible_truncation, reason = "half of a hash is a hash")]
    pub(crate) fn key(self) -> u64 {
        self.0 as u64
    }
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    credential: Credential,
    known: Known,
    until: Timestamp,
    /// When it was news.
    told: Timestamp,
}

const WAYS: usize = 8;

type Set = [Option<Entry>; WAYS];

/// The credentials that have been accepted lately, in a table of fixed size.
#[derive(Debug)]
pub(crate) struct Standings {
    key: hmac::Key,
    sets: Vec<Mutex<Set>>,
}

impl Standings {
    /// Room for about `most` credentials, seen through a hash under this key.
    pub(crate) fn under(key: &[u8; 32], most: usize) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let sets = (most / WAYS).next_power_of_two().max(1);
        Self { key, sets: (0..sets).map(|_| Mutex::default()).collect() }
    }

    /// The credential of a request: the bearer token, or else the session cookie.
    pub(crate) fn credential(&self, headers: &HeaderMap) -> Option<Credential> {
        bearer(headers).or_else(|| cookie(headers)).map(|secret| self.hash(secret))
    }

    /// A credential in the clear, seen through the hash.
    pub(crate) fn hash(&self, secret: &[u8]) -> Credential {
        let tag = hmac::sign(&self.key, secret);
        let mut half = [0; 16];
        half.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        Credential(u128::from_le_bytes(half))
    }

    /// What is known of it now.
    pub(crate) fn find(&self, credential: Credential, now: Timestamp) -> Option<Known> {
        self.with(credential, |set| {
            let entry = set.iter().flatten().find(|entry| entry.credential == credential)?;
            (entry.until > now).then_some(entry.known)
        })
    }

    /// Remembers it. Where there is no room, strangers to come give way before those who are here: a
    /// flood of new conversations cannot make the edge forget the old ones. Whether it is news: not known,
    /// known otherwise, or not told for a while.
    pub(crate) fn learn(&self, credential: Credential, known: Known, now: Timestamp) -> bool {
        self.with(credential, |set| {
            let until = now.after(MEMORY);
            if let Some(entry) = set.iter_mut().flatten().find(|entry| entry.credential == credential) {
                let before = if entry.until > now { entry.known } else { known };
                let other = entry.known.standing != known.standing || entry.until <= now;
                let news = other || now.since(entry.told) >= NEWS;
                let told = if news { now } else { entry.told };
                *entry = Entry {
                    credential,
                    known: Known { since: before.since, line: before.line, ..known },
                    until,
                    told,
                };
                return news;
            }
            let place = set.iter_mut().min_by_key(|place| match place {
                Some(entry) if entry.until > now => {
                    (1, Some(entry.known.standing), u64::MAX - entry.known.since.as_millis())
                }
                _ => (0, None, 0),
            });
            if let Some(place) = place {
                *place = Some(Entry { credential, known, until, told: now });
            }
            true
        })
    }

    /// Forgets it: the core has refused it.
    pub(crate) fn forget(&self, credential: Credential) {
        self.with(credential, |set| {
            for place in set.iter_mut() {
                if place.is_some_and(|entry| entry.credential == credential) {
                    *place = None;
                }
            }
        });
    }

    fn with<T: Default>(&self, credential: Credential, look: impl FnOnce(&mut Set) -> T) -> T {
        let set = usize::try_from(credential.key()).unwrap_or_default() & (self.sets.len() - 1);
        let Some(set) = self.sets.get(set) else { return T::default() };
        look(&mut set.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a field of the core says; nothing when it is not one of its sentences.
pub(crate) fn told(field: &str, hash: impl Fn(&str) -> u64, now: Timestamp) -> Option<Known> {
    let mut parts = field.split(';').map(str::trim);
    let standing = Standing::named(parts.next()?)?;
    let mut known = Known { standing, tenant: 0, bot: 0, since: now, line: 0 };
    for part in parts {
        match part.split_once('=') {
            Some(("tenant", id)) => known.tenant = hash(id),
            Some(("bot", name)) => known.bot = hash(name),
            _ => {}
        }
    }
    Some(known)
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

fn cookie(headers: &HeaderMap) -> Option<&[u8]> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, value)| *name == SESSION && !value.is_empty())
        .map(|(_, value)| value.as_bytes())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn conversation(since: u64) -> Known {
        Known { standing: Standing::Conversation, tenant: 1, bot: 2, since: at(since), line: 3 }
    }

    #[test]
    fn a_bearer_outranks_a_cookie_and_neither_is_kept() {
        let standings = Standings::under(&[7; 32], 64);
        let mut headers = HeaderMap::new();
        assert!(standings.credential(&headers).is_none());
        headers.insert(header::COOKIE, HeaderValue::from_static("a=b; __Host-wardroom=secret"));
        assert_eq!(standings.credential(&headers), Some(standings.hash(b"secret")));
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer token"));
        assert_eq!(standings.credential(&headers), Some(standings.hash(b"token")));
        assert!(!format!("{standings:?}").contains("secret"));
    }

    #[test]
    fn a_credential_is_known_after_its_first_accepted_answer_and_for_a_while() {
        let standings = Standings::under(&[7; 32], 64);
        let credential = standings.hash(b"token");
        assert_eq!(standings.find(credential, at(1)), None);
        assert!(standings.learn(credential, conversation(1), at(1)));
        assert!(!standings.learn(credential, conversation(2), at(2)), "no news");
        assert!(standings.learn(credential, conversation(900), at(900)), "not told for a while");
        assert_eq!(standings.find(credential, at(2000)), Some(conversation(1)), "seniority is kept");
        assert_eq!(standings.find(credential, at(900 + 1801)), None);
        standings.learn(credential, conversation(5000), at(5000));
        assert_eq!(standings.find(credential, at(5001)), Some(conversation(5000)));
        standings.forget(credential);
        assert_eq!(standings.find(credential, at(5001)), None);
    }

    #[test]
    fn a_flood_of_newcomers_displaces_newcomers() {
        let standings = Standings::under(&[7; 32], 64);
        let old: Vec<_> = (0..16u8).map(|i| standings.hash(&[i])).collect();
        for credential in &old {
            standings.learn(*credential, conversation(1), at(1));
        }
        let staff = standings.hash(b"staff");
        standings.learn(staff, Known { standing: Standing::Staff, ..conversation(50) }, at(50));
        let kept: Vec<_> = old.iter().filter(|c| standings.find(**c, at(50)).is_some()).collect();
        for i in 0..10_000u32 {
            standings.learn(standings.hash(&i.to_le_bytes()), conversation(60), at(60));
        }
        assert!(standings.find(staff, at(61)).is_some());
        let still = kept.iter().filter(|c| standings.find(***c, at(61)).is_some()).count();
        assert_eq!(still, kept.len());
    }

    #[test]
    fn the_cores_sentence_is_read_and_nothing_else() {
        let hash = |text: &str| text.len() as u64;
        let known = told("conversation; tenant=abc; bot=front", hash, at(7)).unwrap();
        assert_eq!(
            known,
            Known { standing: Standing::Conversation, tenant: 3, bot: 5, since: at(7), line: 0 }
        );
        assert_eq!(told("staff", hash, at(7)).unwrap().standing, Standing::Staff);
        assert_eq!(told("king", hash, at(7)), None);
    }
}
