//! Proof of work: a stranger whose kind is challenged opens a conversation only with the answer to a small
//! sum that a browser does by itself in a moment. Nobody has to read crooked letters, and no third party
//! hears of it.
//!
//! A challenge is a token that this process alone can have made, or one of the edges that share a store with
//! it: it names when it was given out, how hard
//! it is and a number used once, and is authenticated (HMAC-SHA-256) together with the subscriber that it
//! was given to. Nothing is kept of it until it is answered. The answer is the token, a dot and a decimal
//! number such that the SHA-256 of the whole begins with so many zero bits (as in Hashcash).
//!
//! What it does not promise: to tell people from machines. It makes a thousand conversations cost what a
//! thousand conversations should.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use kernel::{Timestamp, World};

/// The field with a challenge, in an answer: how many bits, a dot, and the token.
pub(crate) const CHALLENGE: HeaderName = HeaderName::from_static("wardroom-challenge");
/// The field with its answer, in a request.
const PROOF: HeaderName = HeaderName::from_static("wardroom-proof");

/// The easiest and the hardest. Sixteen bits are a tenth of a second in a browser of today, and twenty a
/// second or two; each bit doubles it.
const EASIEST: u8 = 16;
const HARDEST: u8 = 20;
/// Strangers' requests each second from which it becomes harder; at twice as many once more, and so on.
const PRESSED: f64 = 50.0;
/// How long a challenge may be answered.
const LASTS: Duration = Duration::from_secs(120);
/// By how much the clocks of two edges may differ.
const CLOCKS: Duration = Duration::from_secs(2);
/// How long an answer is remembered: by the clock of an edge that is ahead, it counts so much longer.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(LASTS.as_secs() + CLOCKS.as_secs());
/// Answers remembered in that time, so that each is taken once. When there are more, no other is taken.
const ANSWERS: usize = 65_536;

const NONCE: usize = 12;
/// The number used once that names a challenge.
pub(crate) type Nonce = [u8; NONCE];
/// Time, bits and nonce.
const PLAIN: usize = 8 + 1 + NONCE;
const TAG: usize = 32;

/// What gives challenges out and takes their answers.
#[derive(Debug)]
pub(crate) struct Challenges {
    key: hmac::Key,
    bits: AtomicU8,
    spent: Mutex<Spent>,
    accepted: AtomicU64,
    refused: AtomicU64,
}

/// The answers of the last while, in two generations.
#[derive(Debug, Default)]
struct Spent {
    young: HashSet<[u8; NONCE]>,
    old: HashSet<[u8; NONCE]>,
    /// When the young began.
    began: Option<Timestamp>,
}

impl Challenges {
    /// Challenges under a key that this process alone, or all edges together, have.
    pub(crate) fn under(key: &[u8; 32]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
            bits: AtomicU8::new(EASIEST),
            spent: Mutex::default(),
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// So many strangers' requests came in the last second.
    pub(crate) fn pressed(&self, strangers: f64) {
        let mut bits = EASIEST;
        let mut bar = PRESSED;
        while strangers > bar && bits < HARDEST {
            bits += 1;
            bar *= 2.0;
        }
        self.bits.store(bits, Ordering::Relaxed);
    }

    /// A challenge for this subscriber.
    pub(crate) fn give(&self, party: u64, now: Timestamp, world: &World) -> Option<HeaderValue> {
        let bits = self.bits.load(Ordering::Relaxed);
        let mut token = Vec::with_capacity(PLAIN + TAG);
        token.extend(now.as_millis().to_be_bytes());
        token.push(bits);
        token.extend(world.bytes::<NONCE>());
        let tag = hmac::sign(&self.key, &bound(&token, party));
        token.extend(tag.as_ref());
        HeaderValue::try_from(format!("{bits}.{}", URL_SAFE_NO_PAD.encode(token))).ok()
    }

    /// What names the challenge, if a request brings the answer to one that was given to this subscriber
    /// and was not answered here before.
    pub(crate) fn answered(&self, headers: &HeaderMap, party: u64, now: Timestamp) -> Option<Nonce> {
        let proof = headers.get(PROOF)?;
        let accepted = self.opens(proof.as_bytes(), party, now);
        if accepted.is_some() { &self.accepted } else { &self.refused }.fetch_add(1, Ordering::Relaxed);
        accepted
    }

    fn opens(&self, proof: &[u8], party: u64, now: Timestamp) -> Option<Nonce> {
        let dot = proof.iter().position(|byte| *byte == b'.')?;
        let (token, number) = (proof.get(..dot)?, proof.get(dot + 1..)?);
        if number.is_empty() || number.len() > 16 || !number.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let token = URL_SAFE_NO_PAD.decode(token).ok()?;
        if token.len() != PLAIN + TAG {
            return None;
        }
        let (plain, tag) = token.split_at(PLAIN);
        let (time, rest) = plain.split_first_chunk::<8>()?;
        let (bits, nonce) = rest.split_first()?;
        // The sum is the cheapest thing to look at, and the dearest to make.
        let sum = digest::digest(&digest::SHA256, proof);
        if zeros(sum.as_ref()) < u32::from(*bits) {
            return None;
        }
        hmac::verify(&self.key, &bound(plain, party), tag).ok()?;
        let given = Timestamp::from_millis(u64::from_be_bytes(*time));
        if given > now.after(CLOCKS) || now.since(given) > LASTS {
            return None;
        }
        self.spend(nonce.try_into().ok()?, now)
    }

    /// Takes an answer once.
    fn spend(&self, nonce: Nonce, now: Timestamp) -> Option<Nonce> {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let began = *spent.began.get_or_insert(now);
        // An answer is good for no longer than a generation lasts, so that two of them hold all that count.
        if now.since(began) > REMEMBERED {
            spent.old = std::mem::take(&mut spent.young);
            spent.began = Some(now);
        }
        let fresh = !spent.old.contains(&nonce) && spent.young.len() < ANSWERS && spent.young.insert(nonce);
        fresh.then_some(nonce)
    }

    /// How many answers were taken and how many were not, since the last time; and how hard it is now.
    pub(crate) fn take_counts(&self) -> (u64, u64, u8) {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        (take(&self.accepted), take(&self.refused), self.bits.load(Ordering::Relaxed))
    }
}

/// What is authenticated.
fn bound(plain: &[u8], party: u64) -> Vec<u8> {
    [b"wardroom challenge 1".as_slice(), plain, &party.to_be_bytes()].concat()
}

/// The zero bits that something begins with.
fn zeros(bytes: &[u8]) -> u32 {
    let full = bytes.iter().take_while(|byte| **byte == 0).count();
    let next = bytes.get(full).map_or(0, |byte| byte.leading_zeros());
    u32::try_from(full).unwrap_or(u32::MAX).saturating_mul(8).saturating_add(next)
}

/// Does the work, as a browser would.
#[cfg(test)]
pub(crate) fn answer(challenge: &HeaderValue) -> HeaderValue {
    let (bits, token) = challenge.to_str().unwrap().split_once('.').unwrap();
    let bits: u32 = bits.parse().unwrap();
    let proofs = (0u64..).map(|number| format!("{token}.{number}"));
    let mut good =
        proofs.filter(|proof| zeros(digest::digest(&digest::SHA256, proof.as_bytes()).as_ref()) >= bits);
    good.next().unwrap().parse().unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000_000 + seconds * 1000)
    }

    fn with(proof: &HeaderValue) -> HeaderMap {
        HeaderMap::from_iter([(PROOF, proof.clone())])
    }

    #[test]
    fn an_answer_is_taken_once_from_the_one_it_was_asked_of_and_in_time() {
        let world = World::real();
        let challenges = Challenges::under(&[1; 32]);
        let proof = with(&answer(&challenges.give(7, at(0), &world).unwrap()));
        assert!(challenges.answered(&proof, 8, at(1)).is_none(), "another subscriber");
        assert!(challenges.answered(&proof, 7, at(121)).is_none(), "too late");
        assert!(Challenges::under(&[2; 32]).answered(&proof, 7, at(1)).is_none(), "another process");
        assert!(challenges.answered(&proof, 7, at(60)).is_some());
        for second in [60, 90, 120] {
            assert!(challenges.answered(&proof, 7, at(second)).is_none(), "a second time");
        }
        assert_eq!(challenges.take_counts(), (1, 5, EASIEST));
    }

    #[test]
    fn an_answer_that_another_edges_clock_keeps_good_longer_is_remembered_as_long() {
        let world = World::real();
        let challenges = Challenges::under(&[1; 32]);
        let taken = |proof: &HeaderMap, second| challenges.answered(proof, 7, at(second)).is_some();
        let other = |second| with(&answer(&challenges.give(7, at(second), &world).unwrap()));
        assert!(taken(&other(0), 0));
        // Given out by an edge whose clock is two seconds ahead.
        let ahead = other(122);
        assert!(taken(&ahead, 120));
        for second in [121, 122, 200, 240, 241, 242] {
            taken(&other(second), second);
            assert!(!taken(&ahead, second), "a second time, at {second}");
        }
    }

    #[test]
    fn what_is_no_answer_is_not_taken_for_one() {
        let world = World::real();
        let challenges = Challenges::under(&[1; 32]);
        let challenge = challenges.give(7, at(0), &world).unwrap();
        let good = answer(&challenge);
        let (token, number) = good.to_str().unwrap().split_once('.').unwrap();
        let easier = {
            let mut bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
            bytes[8] = 0;
            format!("{}.1", URL_SAFE_NO_PAD.encode(bytes))
        };
        let wrong: Vec<_> =
            (0..20).map(|number| format!("{token}.{number}")).filter(|it| *it != good).collect();
        let broken =
            ["".to_owned(), ".".to_owned(), token.to_owned(), format!("{token}."), format!("{token}.-1")];
        for text in
            wrong.iter().chain(&broken).chain([&easier, &format!("{token}.0{number}{number}99999999")])
        {
            let proof = HeaderValue::try_from(text.as_str()).unwrap();
            assert!(challenges.answered(&with(&proof), 7, at(1)).is_none(), "{text}");
        }
        assert!(challenges.answered(&with(&good), 7, at(1)).is_some());
    }

    #[test]
    fn the_more_strangers_the_harder_it_is() {
        let challenges = Challenges::under(&[1; 32]);
        let mut hard = Vec::new();
        for strangers in [0.0, 50.0, 51.0, 150.0, 300.0, 1e9] {
            challenges.pressed(strangers);
            hard.push(challenges.take_counts().2);
        }
        assert_eq!(hard, [16, 16, 17, 18, 19, 20]);
    }

    #[test]
    fn no_more_answers_are_taken_than_can_be_remembered() {
        let challenges = Challenges::under(&[1; 32]);
        let nonce = |i: u32| {
            let mut nonce = [0; NONCE];
            nonce[..4].copy_from_slice(&i.to_be_bytes());
            nonce
        };
        for i in 0..u32::try_from(ANSWERS).unwrap() {
            challenges.spend(nonce(i), at(0)).unwrap();
        }
        assert_eq!(challenges.spend(nonce(u32::MAX), at(100)), None);
        assert!(challenges.spend(nonce(u32::MAX), at(123)).is_some());
        assert_eq!(challenges.spend(nonce(5), at(124)), None, "the last generation is remembered");
    }
}
