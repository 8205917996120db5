//! The life of keys.

use kernel::KeyId;

use super::events;
use crate::jcs::Json;
use crate::words::Token;

events! {
    /// A key got a new version; new writes use it from now on.
    "KEYS-1001I" "key.rotated" KeyRotated: Api 3, Info, Success, Accountability {
        /// Which kind: `tenant`, `data`, `ledger`, ...
        kind: &'static str,
        /// The key, where it has an id.
        key: Option<KeyId>,
        /// The version or generation that is now the newest.
        version: u64,
        /// Why: `schedule`, `demand`, `compromise`.
        why: &'static str,
    }
    shape |e| { "status_detail": Json::text(e.kind) };

    /// A key was made.
    "KEYS-1002I" "key.created" KeyCreated: Api 1, Info, Success, Accountability {
        /// Which kind: `root`, `tenant`, `subject`, `data`, `ledger`, ...
        kind: &'static str,
        /// The key, where it has an id.
        key: Option<KeyId>,
        /// The key provider that wraps it.
        provider: Token,
    }
    shape |e| { "status_detail": Json::text(e.kind) };

    /// A key could not be used: it did not unwrap, its commitment was false, or its provider refused.
    "KEYS-1003W" "key.refused" KeyRefused: Api 2, Warning, Failure, Accountability {
        /// Which kind.
        kind: &'static str,
        /// The key, where it has an id.
        key: Option<KeyId>,
        /// Why: `unwrap`, `commitment`, `provider`, `destroyed`, `permissions`.
        reason: &'static str,
    }
    shape |e| { "status_detail": Json::text(e.reason) };
}
