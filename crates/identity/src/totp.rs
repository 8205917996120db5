//! Time-based one-time passwords (RFC 6238): HMAC-SHA-1, six digits, thirty seconds, as every
//! authenticator app speaks them. A code is good once.

use aws_lc_rs::hmac;
use data_encoding::BASE32_NOPAD;
use kernel::{Secret, Timestamp, World};

/// Seconds for which one code is shown.
const STEP: u64 = 30;
/// Codes of neighbouring steps that are taken too, for clocks that differ.
const SKEW: u64 = 1;
const DIGITS: u32 = 6;

/// The seed shared with an authenticator app: 160 bits.
#[derive(Debug)]
pub struct TotpSeed(Secret<[u8; 20]>);

/// The time step of an accepted code. Store it: a code of this step or an earlier one is refused from
/// then on (RFC 6238 section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step(pub u64);

impl TotpSeed {
    /// A new seed.
    pub fn generate(world: &World) -> Self {
        Self(Secret::new(world.bytes()))
    }

    /// A seed as it was stored.
    pub fn from_secret(seed: Secret<[u8; 20]>) -> Self {
        Self(seed)
    }

    /// The seed, for sealing.
    pub fn secret(&self) -> &Secret<[u8; 20]> {
        &self.0
    }

    /// The seed in the letters that a person can type into an app.
    pub fn letters(&self) -> Secret<String> {
        Secret::new(BASE32_NOPAD.encode(self.0.expose()))
    }

    /// The `otpauth://` address that an app reads as a QR code (Key Uri Format).
    pub fn address(&self, issuer: &str, account: &str) -> Secret<String> {
        let (issuer, account) = (percent(issuer), percent(account));
        Secret::new(format!(
            "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP}",
            self.letters().expose()
        ))
    }

    /// Checks a code: it must belong to this moment or to a neighbouring step, and to a later step than
    /// the last code that was accepted.
    pub fn verify(&self, code: &str, now: Timestamp, last: Option<Step>) -> Option<Step> {
        let code = Secret::new(code.chars().filter(|c| !c.is_whitespace()).collect::<String>());
        let current = now.as_millis() / 1000 / STEP;
        let window = current.saturating_sub(SKEW)..=current + SKEW;
        // Every step of the window is computed, so that time does not tell which one was close.
        window.fold(None, |found, step| {
            let fits = code.ct_eq(self.code(step).as_bytes());
            let fresh = last.is_none_or(|last| Step(step) > last);
            if fits && fresh { Some(Step(step)) } else { found }
        })
    }

    /// The code of one step (RFC 4226 section 5.3).
    fn code(&self, step: u64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.0.expose());
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let bytes = tag.as_ref();
        let offset = usize::from(bytes.last().copied().unwrap_or_default() & 0x0f);
        let four = bytes.get(offset..).and_then(|rest| rest.first_chunk::<4>()).copied().unwrap_or_default();
        let number = u32::from_be_bytes(four) & 0x7fff_ffff;
        format!("{:06}", number % 10_u32.pow(DIGITS))
    }
}

fn percent(text: &str) -> String {
    let keep = |b: u8| b.is_ascii_alphanumeric() || b"-._~@".contains(&b);
    text.bytes().map(|b| if keep(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed() -> TotpSeed {
        TotpSeed(Secret::new(*b"12345678901234567890"))
    }

    #[test]
    fn the_codes_are_those_of_rfc_6238_appendix_b() {
        // The appendix has eight digits; six-digit codes are their last six.
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(seed().code(seconds / STEP), code);
        }
    }

    #[test]
    fn a_code_is_good_once_and_one_step_to_either_side() {
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1000);
        let step = seed().verify("287 082", at(59), None).unwrap();
        assert_eq!(step, Step(1));
        assert_eq!(seed().verify("287082", at(59), Some(step)), None);
        assert!(seed().verify("287082", at(89), None).is_some());
        assert!(seed().verify("287082", at(90), None).is_none());
        assert!(seed().verify("287083", at(59), None).is_none());
    }

    #[test]
    fn the_address_is_read_by_authenticator_apps() {
        assert_eq!(
            seed().address("Wardroom", "ada@example.org").expose(),
            "otpauth://totp/Wardroom:ada@example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Wardroom&algorithm=SHA1&digits=6&period=30"
        );
    }
}
