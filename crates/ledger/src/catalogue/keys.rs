//! The life of keys.

use kernel::{KeyId, KeyRequestId, Timestamp};

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

    /// A key should have been given a new version by now.
    "KEYS-1004W" "key.overdue" KeyOverdue: Api 2, Warning, Failure, Accountability {
        /// Which kind.
        kind: &'static str,
        /// The version that is overdue.
        version: u32,
        /// Its age in days.
        age_days: u64,
    }
    shape |e| { "status_detail": Json::text(e.kind) };

    /// A version of the tenant's key was disabled or enabled again. What is disabled opens nothing.
    "KEYS-1005I" "key.state-changed" KeyStateChanged: Api 3, Info, Success, Accountability {
        /// The version.
        version: u32,
        /// Its state before.
        from: &'static str,
        /// Its state now.
        to: &'static str,
    }
    shape |e| { "status_detail": Json::text(e.to) };

    /// Somebody asked for what needs a second person: the destruction of a version, or the move to
    /// another root key.
    "KEYS-1006I" "key.requested" KeyRequested: Api 1, Info, Success, Accountability {
        /// The request.
        request: KeyRequestId,
        /// What for: `destroy` or `move`.
        kind: &'static str,
        /// The version, for a destruction.
        version: Option<u32>,
        /// The provider, for a move.
        provider: Option<Token>,
    }
    shape |e| { "status_detail": Json::text(e.kind) };

    /// A second person agreed to a request.
    "KEYS-1007I" "key.approved" KeyApproved: Api 3, Info, Success, Accountability {
        /// The request.
        request: KeyRequestId,
        /// What for: `destroy` or `move`.
        kind: &'static str,
        /// The version, for a destruction.
        version: Option<u32>,
    }
    shape |e| { "status_detail": Json::text(e.kind) };

    /// A request or a scheduled destruction was called off.
    "KEYS-1008I" "key.cancelled" KeyCancelled: Api 3, Info, Success, Accountability {
        /// The request, when it was one.
        request: Option<KeyRequestId>,
        /// The version, for a destruction.
        version: Option<u32>,
    }
    shape |_e| { "status_detail": Json::text("cancelled") };

    /// The destruction of a version was scheduled: by the policy, or because two people agreed.
    "KEYS-1009I" "key.destruction-scheduled" KeyDestructionScheduled: Api 3, Info, Success, Accountability {
        /// The version.
        version: u32,
        /// When it is destroyed.
        due: Timestamp,
        /// Why: `policy` or `request`.
        why: &'static str,
    }
    shape |e| { "status_detail": Json::text(e.why) };

    /// A version was destroyed.
    "KEYS-1010I" "key.destroyed" KeyDestroyed: Api 4, Info, Success, Accountability {
        /// The version.
        version: u32,
    }
    shape |_e| { "status_detail": Json::text("tenant") };

    /// Keys were wrapped anew, from one version of the tenant's key to another.
    "KEYS-1011I" "key.rewrapped" KeyRewrapped: Api 3, Info, Success, Accountability {
        /// Which kind: `subject` or `data`.
        kind: &'static str,
        /// The version that they were taken from.
        from: u32,
        /// The version that wraps them now.
        to: u32,
        /// How many.
        keys: u64,
    }
    shape |e| { "status_detail": Json::text(e.kind) };

    /// A version of the tenant's key was wrapped by another root key, or anew by the same.
    "KEYS-1012I" "key.moved" KeyMoved: Api 3, Info, Success, Accountability {
        /// The version.
        version: u32,
        /// The provider that wraps it now.
        provider: Token,
    }
    shape |_e| { "status_detail": Json::text("tenant") };

    /// The root key was used: by a process that opened or made versions of the tenant's key with it.
    "KEYS-1013I" "root.used" RootUsed: Api 2, Info, Success, Accountability {
        /// What for: `wrap` or `unwrap`.
        operation: &'static str,
        /// The version of the tenant's key.
        version: u32,
        /// How many times since the last such event.
        times: u64,
        /// The provider.
        provider: Token,
    }
    shape |e| { "status_detail": Json::text(e.operation) };

    /// The key provider did not help.
    "KEYS-1014W" "root.failed" RootFailed: Api 2, Warning, Failure, Accountability {
        /// What for: `wrap`, `unwrap` or `health`.
        operation: &'static str,
        /// Why: `unavailable`, `denied`, `refused`, `wrong-root`, `failed`.
        reason: &'static str,
        /// How many times since the last such event.
        times: u64,
        /// The provider.
        provider: Token,
    }
    shape |e| { "status_detail": Json::text(e.reason) };

    /// The wrapping anew was paused, or goes on.
    "KEYS-1015I" "key.rewrap-paused" KeyRewrapPaused: Api 3, Info, Success, Accountability {
        /// Whether it is paused now.
        paused: bool,
    }
    shape |_e| { "status_detail": Json::text("rewrap") };

    /// The policy of a tenant's keys was changed: when they are rotated, when what wraps nothing ends, and
    /// how fast keys are wrapped anew. The reason is the sealed detail.
    "KEYS-1016I" "key.policy-changed" KeyPolicyChanged: Api 3, Info, Success, Accountability {
        /// Whether it is the tenant's own now, or the deployment's again.
        own: bool,
        /// The age in days at which a key was rotated before.
        rotate_days_before: u32,
        /// The age in days at which a key is rotated now.
        rotate_days: u32,
        /// The days that a version which wraps nothing waits for its end now.
        destroy_days: u32,
        /// The most keys that are wrapped anew in a second now; 0 for no bound.
        rewrap_per_second: u32,
    }
    shape |_e| { "status_detail": Json::text("policy") };
}
