//! What may be used once: the part of a check that needs memory, which a pure function has not.

use aws_lc_rs::digest;
use kernel::Timestamp;

/// A row to insert under a unique constraint before a message's content is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    key: [u8; 32],
    until: Timestamp,
}

/// Whether the row was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It was inserted now.
    New,
    /// It was there already.
    SeenBefore,
}

impl Once {
    pub(crate) fn of_assertion(issuer: &str, id: &str, until: Timestamp) -> Self {
        Self::of("assertion", issuer, id, until)
    }

    pub(crate) fn of_logout(issuer: &str, id: &str, until: Timestamp) -> Self {
        Self::of("logout", issuer, id, until)
    }

    fn of(kind: &str, issuer: &str, id: &str, until: Timestamp) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [kind, issuer, id] {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut key = [0; 32];
        key.copy_from_slice(context.finish().as_ref());
        Self { key, until }
    }

    /// The row's key: a digest of the kind of message, its issuer and its id. Unique within a connection.
    pub fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// From when on the row may be forgotten: the message is refused as expired then.
    pub fn until(&self) -> Timestamp {
        self.until
    }
}
