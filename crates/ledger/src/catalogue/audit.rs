//! What happens to the audit log itself.

use super::events;

events! {
    /// The log's size and root were signed. Wherever this event was sent, an independent copy of the
    /// root is now kept.
    "AUDT-1001I" "checkpoint.signed" CheckpointSigned: EventLog 99, Info, Success, Accountability {
        /// How many leaves the signed tree has; this event is the next leaf after them, or later.
        size: u64,
        /// The root of that tree.
        root: [u8; 32],
    };

    /// The log was exported.
    "AUDT-1002I" "audit.exported" AuditExported: EventLog 3, Info, Success, Accountability {
        /// How many leaves were exported.
        leaves: u64,
        /// The root of the tree they make.
        root: [u8; 32],
    };

    /// The log was verified and found whole.
    "AUDT-1003I" "audit.verified" AuditVerified: EventLog 99, Info, Success, Accountability {
        /// How many leaves were checked.
        leaves: u64,
        /// How many checkpoints were checked.
        checkpoints: u64,
        /// The root of the whole log.
        root: [u8; 32],
    };

    /// The log was verified and is not whole.
    "AUDT-1004W" "audit.verify_failed" AuditVerifyFailed: EventLog 99, Warning, Failure, Accountability {
        /// The first bad record, when it can be told.
        index: Option<u64>,
        /// What is wrong with it.
        fault: &'static str,
    };
}
