//! Recovery codes: the way back in when the second factor is lost. Ten codes of 115 bits, each good
//! once; stored as SHA-256, which is enough for secrets that nobody can guess.

use aws_lc_rs::digest;
use data_encoding::BASE32_NOPAD;
use kernel::{Secret, World};

/// One recovery code, as shown once to its owner: `ABCDE-FGHIJ-KLMNO-PQRST-UVW`.
#[derive(Debug)]
pub struct RecoveryCode(Secret<String>);

impl RecoveryCode {
    /// Codes that a person gets.
    pub const COUNT: usize = 10;
    /// Characters of a code, without hyphens.
    const LENGTH: usize = 23;

    /// A new set of codes.
    pub fn generate(world: &World) -> Vec<Self> {
        let one = |_| {
            let mut letters = BASE32_NOPAD.encode(&world.bytes::<15>());
            letters.truncate(Self::LENGTH);
            Self(Secret::new(letters))
        };
        (0..Self::COUNT).map(one).collect()
    }

    /// The code as shown: in groups of five.
    pub fn shown(&self) -> Secret<String> {
        let letters: Vec<char> = self.0.expose().chars().collect();
        let groups: Vec<String> = letters.chunks(5).map(|group| group.iter().collect()).collect();
        Secret::new(groups.join("-"))
    }

    /// What is stored.
    pub fn hash(&self) -> [u8; 32] {
        hash(self.0.expose())
    }
}

/// What would be stored for a code that somebody typed: hyphens, spaces and case do not matter.
pub fn typed_code_hash(typed: &str) -> [u8; 32] {
    let letters: String = typed.chars().filter(char::is_ascii_alphanumeric).collect();
    hash(&letters.to_ascii_uppercase())
}

fn hash(letters: &str) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, letters.as_bytes()).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_code_is_found_again_however_it_is_typed() {
        let codes = RecoveryCode::generate(&World::real());
        assert_eq!(codes.len(), 10);
        let shown = codes[0].shown();
        assert_eq!(shown.expose().len(), 23 + 4);
        assert_eq!(typed_code_hash(shown.expose()), codes[0].hash());
        assert_eq!(typed_code_hash(&shown.expose().to_lowercase().replace('-', " ")), codes[0].hash());
        assert_ne!(typed_code_hash(codes[1].shown().expose()), codes[0].hash());
    }
}
