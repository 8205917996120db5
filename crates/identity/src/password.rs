//! Passwords of local accounts: long, not guessable, hashed with argon2id (RFC 9106) at a cost that is
//! bounded in how many run at once, so that sign-in attempts cannot exhaust the memory.
//!
//! A FIPS build hashes with PBKDF2 (NIST SP 800-132) instead, because Argon2 is not approved, and takes no
//! password that was hashed by Argon2: whoever has one is invited anew. Any build verifies what a FIPS
//! build made.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::pbkdf2;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use kernel::{Secret, World};
use tokio::sync::Semaphore;

use crate::breached::{self, Breached};
use crate::{IdentityError, Refused};

/// A password that was accepted: long enough, short enough, and hard to guess.
#[derive(Debug)]
pub struct NewPassword(Secret<String>);

/// Why a password was refused. The words are for the person who chose it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordRefused {
    /// Fewer characters than [`NewPassword::MIN`].
    #[error("use at least {min} characters; a sentence is easy to remember", min = NewPassword::MIN)]
    Short,
    /// More characters than [`NewPassword::MAX`].
    #[error("use at most {max} characters", max = NewPassword::MAX)]
    Long,
    /// It is in the operator's list of passwords that were stolen elsewhere.
    #[error("it is in a list of passwords that were stolen elsewhere; whoever guesses tries those first")]
    Breached,
    /// It is on the list of common passwords, close to one, or made of words about the person.
    #[error("this password is easy to guess{}", hint.as_deref().map(|hint| format!(": {hint}")).unwrap_or_default())]
    Guessable {
        /// What makes it so, if that can be said without repeating it.
        hint: Option<String>,
    },
}

impl NewPassword {
    /// The fewest characters (ASVS 5.0 6.2.9, NIST SP 800-63B-4 section 3.1.1.2).
    pub const MIN: usize = 15;
    /// The most characters: enough for any sentence, little enough to hash.
    pub const MAX: usize = 128;

    /// Checks a password. `about` are words that an attacker would try first: name, address, product.
    ///
    /// The check is offline, against the shipped list of about 30,000 common passwords and patterns of
    /// the zxcvbn estimator. Whether a list of breached passwords has it is asked by [`Passwords::accept`].
    ///
    /// # Errors
    /// When it is too short, too long or guessable in fewer than about 10^10 tries.
    pub fn check(password: Secret<String>, about: &[&str]) -> Result<Self, PasswordRefused> {
        let characters = password.expose().chars().count();
        if characters < Self::MIN {
            return Err(PasswordRefused::Short);
        }
        if characters > Self::MAX {
            return Err(PasswordRefused::Long);
        }
        let mut about = about.to_vec();
        about.push("wardroom");
        let estimate = zxcvbn::zxcvbn(password.expose(), &about);
        if estimate.score() < zxcvbn::Score::Four {
            let hint = estimate
                .feedback()
                .and_then(|feedback| feedback.warning())
                .map(|warning| warning.to_string());
            return Err(PasswordRefused::Guessable { hint });
        }
        Ok(Self(password))
    }
}

/// Hashes and verifies, a few at a time.
#[derive(Debug, Clone)]
pub struct Passwords {
    gate: Arc<Semaphore>,
    scheme: Scheme,
    decoy: Arc<str>,
    breached: Option<Arc<Breached>>,
    longest: Option<Duration>,
}

/// How new passwords are hashed.
#[derive(Debug, Clone)]
enum Scheme {
    Argon2id(Params),
    Pbkdf2(NonZeroU32),
}

/// Whether this build uses approved algorithms alone.
const APPROVED_ONLY: bool = cfg!(feature = "fips");
/// What a hash by PBKDF2 with HMAC-SHA-512 begins with, in PHC form.
const PBKDF2: &str = "$pbkdf2-sha512$i=";

/// A hash could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// The hash function refused its parameters, or what is stored is not a hash.
    #[error("the password hash cannot be computed")]
    Hash(argon2::password_hash::Error),
    /// What is stored is not a hash by PBKDF2.
    #[error("the stored password hash is malformed")]
    Malformed,
    /// The hashing was stopped because the program ends.
    #[error("the password hashing was interrupted")]
    Interrupted,
}

impl Passwords {
    /// Memory in KiB, passes and lanes: the second recommended option of RFC 9106 section 4.
    const COST: (u32, u32, u32) = (64 * 1024, 3, 1);
    /// Rounds of PBKDF2 with HMAC-SHA-512 (OWASP's Password Storage Cheat Sheet).
    const ROUNDS: NonZeroU32 = match NonZeroU32::new(210_000) {
        Some(rounds) => rounds,
        None => NonZeroU32::MIN,
    };
    /// How many run at once: 64 MiB each.
    const AT_ONCE: usize = 4;

    /// A hasher at full cost.
    ///
    /// # Errors
    /// When the hash function refuses its parameters.
    pub fn new(world: &World) -> Result<Self, HashError> {
        if APPROVED_ONLY {
            Self::of(world, Scheme::Pbkdf2(Self::ROUNDS))
        } else {
            Self::with_cost(world, Self::COST)
        }
    }

    /// A hasher at another cost: memory in KiB, passes, lanes. For rehearsals, where a thousand sign-ins
    /// must not take minutes; nothing that is exposed should use it.
    ///
    /// # Errors
    /// When the hash function refuses its parameters.
    pub fn with_cost(world: &World, (memory, passes, lanes): (u32, u32, u32)) -> Result<Self, HashError> {
        if APPROVED_ONLY {
            return Self::of(world, Scheme::Pbkdf2(NonZeroU32::MIN.saturating_add(passes)));
        }
        let cost =
            Params::new(memory, passes, lanes, Some(32)).map_err(|error| HashError::Hash(error.into()))?;
        Self::of(world, Scheme::Argon2id(cost))
    }

    fn of(world: &World, scheme: Scheme) -> Result<Self, HashError> {
        let decoy = scheme.hash(&world.bytes(), "a password that nobody has")?;
        let gate = Arc::new(Semaphore::new(Self::AT_ONCE));
        Ok(Self { gate, scheme, decoy: decoy.into(), breached: None, longest: None })
    }

    /// The same, and a new password is looked for in a list of breached ones.
    #[must_use]
    pub fn refusing(self, breached: Breached) -> Self {
        Self { breached: Some(Arc::new(breached)), ..self }
    }

    /// The same, and a password that is older has to be changed. NIST (SP 800-63B-4, section 3.1.1.2) and ASVS
    /// (6.2.10) advise against it; some houses' own policies demand it.
    #[must_use]
    pub fn lasting(self, longest: Duration) -> Self {
        Self { longest: Some(longest), ..self }
    }

    /// How long a password may be kept, if there is an end.
    pub fn longest(&self) -> Option<Duration> {
        self.longest
    }

    /// Whether a password may be chosen: [`NewPassword::check`], and then the list of breached passwords, if
    /// there is one. It is searched here and never sent anywhere.
    ///
    /// # Errors
    /// [`Refused::Password`]; when the list cannot be searched, no password is taken.
    pub async fn accept(
        &self,
        password: Secret<String>,
        about: &[&str],
    ) -> Result<NewPassword, IdentityError> {
        let accepted = NewPassword::check(password, about).map_err(Refused::from)?;
        let Some(list) = self.breached.clone() else { return Ok(accepted) };
        let sought = breached::Sought::of(accepted.0.expose());
        // A few reads of a file: not for the thread that answers others meanwhile.
        let found = tokio::task::spawn_blocking(move || list.contains(&sought)).await;
        if found.map_err(|_| HashError::Interrupted)?? {
            return Err(Refused::from(PasswordRefused::Breached).into());
        }
        Ok(accepted)
    }

    /// The password's hash in PHC form, with a new salt.
    ///
    /// # Errors
    /// When the hash function fails.
    pub async fn hash(&self, world: &World, password: NewPassword) -> Result<Secret<String>, HashError> {
        let (salt, scheme) = (world.bytes(), self.scheme.clone());
        self.run(move || scheme.hash(&salt, password.0.expose())).await?.map(Secret::new)
    }

    /// Whether `attempt` is the password with this hash. Without a hash (no such account, or one
    /// without a password) the same work is done and the answer is no, so that time tells nothing.
    ///
    /// # Errors
    /// When the stored hash cannot be read.
    pub async fn verify(
        &self,
        hash: Option<Secret<String>>,
        attempt: Secret<String>,
    ) -> Result<bool, HashError> {
        let decoy = Arc::clone(&self.decoy);
        self.run(move || {
            let hash = hash.filter(|hash| !APPROVED_ONLY || hash.expose().starts_with(PBKDF2));
            let stored = hash.as_ref().map_or(decoy.as_ref(), |hash| hash.expose().as_str());
            Ok(verify(stored, attempt.expose().as_bytes())? && hash.is_some())
        })
        .await?
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashError> {
        let permit = Arc::clone(&self.gate).acquire_owned().await.map_err(|_| HashError::Interrupted)?;
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        done.await.map_err(|_| HashError::Interrupted)
    }
}

impl Scheme {
    /// A password's hash in PHC form.
    fn hash(&self, salt: &[u8; 16], password: &str) -> Result<String, HashError> {
        match self {
            Self::Argon2id(cost) => {
                let salt = SaltString::encode_b64(salt).map_err(HashError::Hash)?;
                let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, cost.clone());
                Ok(hasher.hash_password(password.as_bytes(), &salt).map_err(HashError::Hash)?.to_string())
            }
            Self::Pbkdf2(rounds) => {
                let mut hash = [0; 32];
                pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, *rounds, salt, password.as_bytes(), &mut hash);
                let [salt, hash] = [salt.as_slice(), &hash].map(|bytes| STANDARD_NO_PAD.encode(bytes));
                Ok(format!("{PBKDF2}{rounds}${salt}${hash}"))
            }
        }
    }
}

/// Whether a password is the one with this hash, of either kind.
fn verify(stored: &str, password: &[u8]) -> Result<bool, HashError> {
    let Some(rest) = stored.strip_prefix(PBKDF2) else {
        let parsed = PasswordHash::new(stored).map_err(HashError::Hash)?;
        return Ok(Argon2::default().verify_password(password, &parsed).is_ok());
    };
    let mut parts = rest.split('$');
    let (rounds, salt, hash) = (parts.next(), parts.next(), parts.next());
    let rounds = rounds.and_then(|rounds| rounds.parse().ok()).ok_or(HashError::Malformed)?;
    let bytes = |part: Option<&str>| {
        STANDARD_NO_PAD.decode(part.unwrap_or_default()).ok().filter(|bytes| !bytes.is_empty())
    };
    let (Some(salt), Some(hash), None) = (bytes(salt), bytes(hash), parts.next()) else {
        return Err(HashError::Malformed);
    };
    Ok(pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA512, rounds, &salt, password, &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    #[test]
    fn short_common_and_personal_passwords_are_refused() {
        let refused = |text: &str| NewPassword::check(secret(text), &["ada", "lovelace@example.org"]).err();
        assert_eq!(refused("correct horse"), Some(PasswordRefused::Short));
        assert_eq!(refused(&"long ".repeat(40)), Some(PasswordRefused::Long));
        for guessable in
            ["passwordpassword", "aaaaaaaaaaaaaaaaaaaa", "lovelace@example.org", "qwertyuiopasdfghjkl"]
        {
            assert!(matches!(refused(guessable), Some(PasswordRefused::Guessable { .. })), "{guessable}");
        }
        assert_eq!(refused("herring tidal copper lantern"), None);
    }

    #[test]
    fn a_password_may_be_made_of_anything_that_people_type() {
        for text in [
            "herring tidal copper lantern",
            "HERRING TIDAL COPPER LANTERN",
            "820461 559302 771846 0935",
            "!?;:)( %$ ~~^^ [{]} +=-_ /|",
            "höhlenfisch überm ölsee grün",
            "青い海の底で 眠る 魚と 銅の灯",
        ] {
            assert!(NewPassword::check(secret(text), &[]).is_ok(), "{text}");
        }
    }

    #[test]
    fn passwords_of_up_to_128_characters_are_taken_and_none_is_cut() {
        // 128 characters that no estimate finds guessable: words, not one letter again and again.
        let words = "herring tidal copper lantern orchid ballast thimble quarry saffron mantle ";
        let long: String = words.chars().cycle().take(128).collect();
        for length in [64, 100, 128] {
            let text: String = long.chars().take(length).collect();
            assert!(NewPassword::check(secret(&text), &[]).is_ok(), "{length}");
        }
        assert_eq!(NewPassword::check(secret(&format!("{long}x")), &[]).err(), Some(PasswordRefused::Long));
    }

    #[tokio::test]
    async fn only_the_right_password_fits_and_no_account_fits_none() {
        let world = World::real();
        let passwords = Passwords::with_cost(&world, (64, 1, 1)).unwrap();
        let password = NewPassword::check(secret("herring tidal copper lantern"), &[]).unwrap();
        let hash = passwords.hash(&world, password).await.unwrap();
        assert!(hash.expose().starts_with(if APPROVED_ONLY { PBKDF2 } else { "$argon2id$v=19$" }));
        let again = || Some(secret(hash.expose()));
        assert!(passwords.verify(again(), secret("herring tidal copper lantern")).await.unwrap());
        assert!(!passwords.verify(again(), secret("herring tidal copper lanterm")).await.unwrap());
        assert!(!passwords.verify(None, secret("a password that nobody has")).await.unwrap());
        // The last of many letters counts like the first.
        let long = "herring tidal copper lantern ".repeat(4);
        let hash = passwords.hash(&world, NewPassword::check(secret(&long), &[]).unwrap()).await.unwrap();
        let cut = long.get(..long.len() - 1).unwrap();
        assert!(passwords.verify(Some(secret(hash.expose())), secret(&long)).await.unwrap());
        assert!(!passwords.verify(Some(secret(hash.expose())), secret(cut)).await.unwrap());
    }

    #[tokio::test]
    async fn what_a_fips_build_hashed_is_verified_by_any_build() {
        let world = World::real();
        let passwords = Passwords::of(&world, Scheme::Pbkdf2(NonZeroU32::MIN)).unwrap();
        let password = NewPassword::check(secret("herring tidal copper lantern"), &[]).unwrap();
        let hash = passwords.hash(&world, password).await.unwrap();
        assert!(hash.expose().starts_with("$pbkdf2-sha512$i=1$"), "{}", hash.expose());
        let usual = Passwords::with_cost(&world, (64, 1, 1)).unwrap();
        for verifier in [&passwords, &usual] {
            let of = |attempt: &str| verifier.verify(Some(secret(hash.expose())), secret(attempt));
            assert!(of("herring tidal copper lantern").await.unwrap());
            assert!(!of("herring tidal copper lanterm").await.unwrap());
            assert!(!verifier.verify(None, secret("a password that nobody has")).await.unwrap());
        }
        for broken in ["$pbkdf2-sha512$i=0$AAAA$AAAA", "$pbkdf2-sha512$i=1$AAAA", "$pbkdf2-sha512$i=1$A$B$C"]
        {
            assert!(matches!(verify(broken, b""), Err(HashError::Malformed)), "{broken}");
        }
    }

    /// The vector for HMAC-SHA-512 that is published with those of RFC 6070: password, salt, one round.
    #[test]
    fn pbkdf2_gives_the_published_vector() {
        let hash = hex("867f70cf1ade02cff3752599a3a53dc4af34c7a669815ae5d513554e1c8cf252");
        let stored = format!("{PBKDF2}1${}${}", STANDARD_NO_PAD.encode("salt"), STANDARD_NO_PAD.encode(hash));
        assert!(verify(&stored, b"password").unwrap());
    }

    fn hex(text: &str) -> Vec<u8> {
        text.as_bytes()
            .chunks(2)
            .map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap())
            .collect()
    }

    #[tokio::test]
    #[cfg(feature = "fips")]
    async fn a_fips_build_takes_no_password_that_argon2_hashed() {
        let world = World::real();
        let argon = Scheme::Argon2id(Params::new(64, 1, 1, Some(32)).unwrap());
        let hash = argon.hash(&world.bytes(), "herring tidal copper lantern").unwrap();
        let passwords = Passwords::with_cost(&world, (64, 1, 1)).unwrap();
        let fits = passwords.verify(Some(secret(&hash)), secret("herring tidal copper lantern")).await;
        assert!(!fits.unwrap());
    }

    #[test]
    fn the_full_cost_is_the_second_recommendation_of_rfc_9106() {
        assert_eq!(Passwords::COST, (65_536, 3, 1));
    }
}
