//! Checkpoints (C2SP tlog-checkpoint): a signed note that says how many leaves a log has and what
//! its root is.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::merkle::{Frontier, Hash};
use crate::note::{NoteError, Signer, VerifierKey, open};

/// A log's size and root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    size: u64,
    root: Hash,
}

/// Why a checkpoint was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note around it.
    #[error("the signed note was refused")]
    Note(#[from] NoteError),
    /// The text of the note is not a checkpoint.
    #[error("not a checkpoint")]
    Form,
    /// It is of another log than that of the key that signed it.
    #[error("a checkpoint of another log")]
    Origin,
}

impl Checkpoint {
    /// The log's unique name, by convention the name of its key.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// How many leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of those leaves.
    pub fn root(&self) -> &Hash {
        &self.root
    }

    fn parse(text: &str) -> Result<Self, CheckpointError> {
        let text = text.strip_suffix('\n').ok_or(CheckpointError::Form)?;
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(CheckpointError::Form);
        };
        let decimal = !size.is_empty()
            && size.bytes().all(|b| b.is_ascii_digit())
            && (size == "0" || !size.starts_with('0'));
        // Extension lines may follow; they mean nothing here, but they may not be empty.
        if origin.is_empty() || !decimal || lines.any(str::is_empty) {
            return Err(CheckpointError::Form);
        }
        let root = STANDARD.decode(root).map_err(|_| CheckpointError::Form)?;
        Ok(Self {
            origin: origin.to_owned(),
            size: size.parse().map_err(|_| CheckpointError::Form)?,
            root: root.try_into().map_err(|_| CheckpointError::Form)?,
        })
    }
}

/// A checkpoint with its signatures, as stored and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: String,
}

impl SignedCheckpoint {
    /// Signs the size and root of a log whose origin is the signer's name.
    pub fn sign(frontier: &Frontier, signer: &Signer) -> Self {
        let origin = signer.verifier_key().name().to_owned();
        let (size, root) = (frontier.size(), frontier.root());
        let note = signer.sign(&format!("{origin}\n{size}\n{}\n", STANDARD.encode(root)));
        Self { checkpoint: Checkpoint { origin, size, root }, note }
    }

    /// Reads a signed checkpoint and checks its signature.
    ///
    /// # Errors
    /// When none of the keys signed it, a signature by one of them is false, it has another form, or
    /// the key named like its origin is not among the signers.
    pub fn open(note: &str, keys: &[VerifierKey]) -> Result<Self, CheckpointError> {
        let (text, signers) = open(note, keys)?;
        let checkpoint = Checkpoint::parse(text)?;
        if !signers.contains(&checkpoint.origin.as_str()) {
            return Err(CheckpointError::Origin);
        }
        Ok(Self { checkpoint, note: note.to_owned() })
    }

    /// What it says.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note, byte for byte as signed.
    pub fn as_str(&self) -> &str {
        &self.note
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::leaf_hash;
    use kernel::Secret;

    fn signer() -> Signer {
        Signer::from_seed("audit.example.org/one", &Secret::new([7; 32])).unwrap()
    }

    #[test]
    fn a_checkpoint_reads_as_c2sp_says() {
        let mut frontier = Frontier::new();
        frontier.append(leaf_hash(b""));
        let signed = SignedCheckpoint::sign(&frontier, &signer());
        assert!(
            signed.as_str().starts_with(
                "audit.example.org/one\n1\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=\n\n\u{2014} "
            ),
            "{}",
            signed.as_str()
        );
        let keys = [signer().verifier_key().clone()];
        assert_eq!(SignedCheckpoint::open(signed.as_str(), &keys), Ok(signed));
    }

    #[test]
    fn a_text_that_is_no_checkpoint_is_refused_though_well_signed() {
        let keys = [signer().verifier_key().clone()];
        let root = STANDARD.encode([0; 32]);
        let o = "audit.example.org/one";
        for text in [
            format!("{o}\n01\n{root}\n"),
            format!("{o}\n-1\n{root}\n"),
            format!("{o}\n18446744073709551616\n{root}\n"),
            format!("{o}\n1\nAAAA\n"),
            format!("{o}\n1\n"),
            format!("\n1\n{root}\n"),
        ] {
            assert_eq!(
                SignedCheckpoint::open(&signer().sign(&text), &keys),
                Err(CheckpointError::Form),
                "{text}"
            );
        }
        let other = signer().sign(&format!("another/log\n1\n{root}\n"));
        assert_eq!(SignedCheckpoint::open(&other, &keys), Err(CheckpointError::Origin));
        let extended = signer().sign(&format!("{o}\n1\n{root}\nextension\n"));
        assert!(SignedCheckpoint::open(&extended, &keys).is_ok());
    }
}
