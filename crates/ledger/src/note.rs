//! Signed notes (C2SP signed-note): a text, and lines of signatures under it. Ed25519 only, by
//! aws-lc-rs; `docs/decisions/0003-audit-ledger.md` says why this is not a crate.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kernel::Secret;

use crate::merkle::sha256;

/// The byte that says Ed25519 in key hashes and verifier keys.
const ALGORITHM: u8 = 1;
/// The most signature lines a note may have (the specification asks for at least 16).
const MAX_SIGNATURES: usize = 64;
/// The longest note that is read.
const MAX_NOTE: usize = 64 * 1024;

/// Why a note or a key was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// A key name may not be empty, nor hold white space, control characters or `+`.
    #[error("not a key name: white space, control characters and `+` are not allowed")]
    Name,
    /// Not a verifier key.
    #[error(
        "not a verifier key: expected NAME+HASH+KEY as in `audit.vkey` of the data directory (C2SP signed-note, Ed25519)"
    )]
    VerifierKey,
    /// Not a signed note.
    #[error("not a signed note")]
    Form,
    /// No signature by a known key.
    #[error("not signed by a known key")]
    Unsigned,
    /// A signature that claims to be by a known key is false.
    #[error("a signature is false")]
    Signature,
    /// The seed is not one of an Ed25519 key.
    #[error("not a signing key")]
    Seed,
}

fn check_name(name: &str) -> Result<(), NoteError> {
    let refused = |c: char| c == '+' || c.is_whitespace() || c.is_control();
    if name.is_empty() || name.len() > 256 || name.chars().any(refused) {
        Err(NoteError::Name)
    } else {
        Ok(())
    }
}

/// The first four bytes of SHA-256(name || LF || algorithm || key).
fn key_hash(name: &str, public: &[u8; 32]) -> [u8; 4] {
    let hash = sha256(&[name.as_bytes(), b"\n", &[ALGORITHM], public].concat());
    [hash[0], hash[1], hash[2], hash[3]]
}

/// The public half of a log's key, as auditors keep it.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    hash: [u8; 4],
    public: [u8; 32],
}

impl VerifierKey {
    /// Reads the text form, `name+HASH+BASE64` (C2SP signed-note, "vkey").
    ///
    /// # Errors
    /// When it has another form, another algorithm, or its hash does not fit.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(hash), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::VerifierKey);
        };
        check_name(name)?;
        let key = STANDARD.decode(key).map_err(|_| NoteError::VerifierKey)?;
        let Some((&ALGORITHM, public)) = key.split_first() else { return Err(NoteError::VerifierKey) };
        let public: [u8; 32] = public.try_into().map_err(|_| NoteError::VerifierKey)?;
        let expected = key_hash(name, &public);
        if hash != hex::encode(expected) {
            return Err(NoteError::VerifierKey);
        }
        Ok(Self { name: name.to_owned(), hash: expected, public })
    }

    /// The name of the key, which is also the origin of the log.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public).verify(message, signature).is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[ALGORITHM], self.public.as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, hex::encode(self.hash), STANDARD.encode(key))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

/// Signs notes with an Ed25519 key.
pub struct Signer {
    pair: Ed25519KeyPair,
    key: VerifierKey,
}

impl Signer {
    /// A signer called `name` (the log's origin, for example `audit.example.org/TENANT`) whose key is
    /// made from a 32-byte seed (RFC 8032 section 5.1.5).
    ///
    /// # Errors
    /// When the name may not be the name of a key.
    pub fn from_seed(name: &str, seed: &Secret<[u8; 32]>) -> Result<Self, NoteError> {
        check_name(name)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(|_| NoteError::Seed)?;
        let public: [u8; 32] = pair.public_key().as_ref().try_into().map_err(|_| NoteError::Seed)?;
        let key = VerifierKey { name: name.to_owned(), hash: key_hash(name, &public), public };
        Ok(Self { pair, key })
    }

    /// The public half.
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.key
    }

    /// Signs a text, which must end in a line feed, and returns the whole note.
    pub(crate) fn sign(&self, text: &str) -> String {
        let signature = self.pair.sign(text.as_bytes());
        let line = STANDARD.encode([self.key.hash.as_slice(), signature.as_ref()].concat());
        format!("{text}\n\u{2014} {} {line}\n", self.key.name)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.key)
    }
}

/// Opens a note: the text and who signed it, when at least one of the known keys signed it and no signature that claims
/// to be by a known key is false. Signatures by keys that are not known are not looked at.
pub(crate) fn open<'n>(note: &'n str, keys: &[VerifierKey]) -> Result<(&'n str, Vec<&'n str>), NoteError> {
    if note.len() > MAX_NOTE || note.chars().any(|c| c != '\n' && c.is_control()) {
        return Err(NoteError::Form);
    }
    let split = note.rfind("\n\n").ok_or(NoteError::Form)?;
    let (text, signatures) = (note.get(..=split), note.get(split + 2..));
    let (Some(text), Some(signatures)) = (text, signatures) else { return Err(NoteError::Form) };
    let signatures = signatures.strip_suffix('\n').ok_or(NoteError::Form)?;
    let (mut signers, mut seen) = (Vec::new(), Vec::new());
    for (at, line) in signatures.split('\n').enumerate() {
        if at >= MAX_SIGNATURES {
            return Err(NoteError::Form);
        }
        let (name, signature) =
            line.strip_prefix("\u{2014} ").and_then(|rest| rest.split_once(' ')).ok_or(NoteError::Form)?;
        check_name(name).map_err(|_| NoteError::Form)?;
        let signature = STANDARD.decode(signature).map_err(|_| NoteError::Form)?;
        let (hash, signature) = signature.split_first_chunk::<4>().ok_or(NoteError::Form)?;
        let Some(key) = keys.iter().find(|key| key.name == name && key.hash == *hash) else { continue };
        if !key.verify(text.as_bytes(), signature) {
            return Err(NoteError::Signature);
        }
        // One key, one signature: a second line by a known key is not looked at but refused.
        if seen.contains(&key.hash) {
            return Err(NoteError::Form);
        }
        seen.push(key.hash);
        signers.push(name);
    }
    if signers.is_empty() { Err(NoteError::Unsigned) } else { Ok((text, signers)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key and the note in the documentation of the Go checksum database's note package.
    const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const NOTE: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\
        \n\
        \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn the_note_of_the_go_documentation_verifies() {
        let key = VerifierKey::parse(PETER).unwrap();
        assert_eq!(key.to_string(), PETER);
        let (text, signers) = open(NOTE, &[key]).unwrap();
        assert_eq!(signers, ["PeterNeumann"]);
        assert!(text.ends_with("your problem is.\n"));
    }

    fn signer() -> Signer {
        Signer::from_seed("audit.example.org/one", &Secret::new([7; 32])).unwrap()
    }

    #[test]
    fn what_is_signed_opens_and_the_key_survives_its_text() {
        let note = signer().sign("one\ntwo\n");
        let key = VerifierKey::parse(&signer().verifier_key().to_string()).unwrap();
        assert_eq!(open(&note, &[key]), Ok(("one\ntwo\n", vec!["audit.example.org/one"])));
    }

    #[test]
    fn every_flipped_byte_of_a_note_is_found() {
        let note = signer().sign("one\ntwo\n");
        let keys = [signer().verifier_key().clone()];
        for at in 0..note.len() {
            for bit in 0..8 {
                let mut bytes = note.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let Ok(other) = String::from_utf8(bytes) else { continue };
                assert!(open(&other, &keys).is_err(), "byte {at} bit {bit}: {other:?}");
            }
        }
    }

    #[test]
    fn a_stranger_s_signature_is_no_signature() {
        let stranger = Signer::from_seed("audit.example.org/one", &Secret::new([8; 32])).unwrap();
        let keys = [signer().verifier_key().clone()];
        assert_eq!(open(&stranger.sign("x\n"), &keys), Err(NoteError::Unsigned));
        let both = signer().sign("x\n") + stranger.sign("x\n").split("\n\n").nth(1).unwrap();
        assert_eq!(open(&both, &keys), Ok(("x\n", vec!["audit.example.org/one"])));
    }

    #[test]
    fn a_known_key_signs_once() {
        let note = signer().sign("x\n");
        let twice = format!("{note}{}", note.split("\n\n").nth(1).unwrap());
        assert_eq!(open(&twice, &[signer().verifier_key().clone()]), Err(NoteError::Form));
    }

    #[test]
    fn names_that_would_blur_the_format_are_refused() {
        for name in ["", "two words", "a+b", "a\nb", "a\u{a0}b"] {
            assert_eq!(
                Signer::from_seed(name, &Secret::new([7; 32])).unwrap_err(),
                NoteError::Name,
                "{name:?}"
            );
        }
    }

    #[test]
    fn verifier_keys_with_another_hash_or_algorithm_are_refused() {
        let good = signer().verifier_key().to_string();
        let (head, key) = good.rsplit_once('+').unwrap();
        let mut raw = STANDARD.decode(key).unwrap();
        raw[0] = 2;
        assert!(VerifierKey::parse(&format!("{head}+{}", STANDARD.encode(&raw))).is_err());
        assert!(VerifierKey::parse(&good.replace("+", "+0")).is_err());
        assert!(VerifierKey::parse("name").is_err());
    }
}
