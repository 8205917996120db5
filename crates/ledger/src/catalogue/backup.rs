//! Backups, and the erasure of people.

use kernel::{ConversationId, HoldId, Timestamp};

use super::{by_name, events};
use crate::jcs::Json;
use crate::words::Pseudonym;

events! {
    /// Somebody began to take a backup. Written before the first row is read.
    "BKUP-1001I" "backup.started" BackupStarted: Datastore 1, Info, Success, Accountability {
        /// The schema version of the database.
        schema: u64,
    }
    shape |_e| { "database": database(), "type_id": Json::whole(1) };

    /// A backup was taken and is on the disk.
    "BKUP-1002I" "backup.created" BackupCreated: Datastore 6, Info, Success, Accountability {
        /// SHA-256 of the file.
        sha256: [u8; 32],
        /// Its size in bytes.
        bytes: u64,
        /// The rows in it.
        rows: u64,
    }
    shape |_e| { "database": database(), "type_id": Json::whole(1) };

    /// A backup was opened and every record of it checked.
    "BKUP-1003I" "backup.verified" BackupVerified: Datastore 10, Info, Success, Accountability {
        /// When the backup was taken.
        taken: Timestamp,
        /// The rows in it.
        rows: u64,
        /// The sealed records that were opened.
        records: u64,
    }
    shape |_e| { "database": database(), "type_id": Json::whole(1) };

    /// A backup was put in the place of the database. What was done after it was taken is undone, but
    /// for the erasure of people.
    "BKUP-1004W" "backup.restored" BackupRestored: Datastore 5, Warning, Success, Accountability {
        /// When the backup was taken.
        taken: Timestamp,
        /// The rows put back.
        rows: u64,
        /// People who were erased after it was taken and were erased again.
        erasures: u64,
        /// How long the audit log was that it replaced; absent when there was none.
        replaced_leaves: Option<u64>,
        /// The root of that log.
        replaced_root: Option<[u8; 32]>,
    }
    shape |_e| { "database": database(), "type_id": Json::whole(1) };

    /// A person was erased: their keys were destroyed, and nothing that they said can be read again.
    "PRIV-1001I" "subject.erased" SubjectErased: Datastore 7, Info, Success, Accountability {
        /// The person.
        subject: Pseudonym,
        /// The data keys that were destroyed with theirs.
        keys: u64,
        /// SHA-256 over the commitments of the destroyed keys: shows which keys they were to whoever has
        /// an older copy of the key rows, and nothing to others.
        proof: [u8; 32],
    }
    shape |_e| { "table": by_name("subject_keys"), "type_id": Json::whole(3) };

    /// A legal hold was placed: what it is on is not erased until somebody else lifts it.
    "PRIV-1002I" "hold.placed" HoldPlaced: Datastore 3, Info, Success, Accountability {
        /// The hold.
        hold: HoldId,
        /// What it is on: `person`, `conversation` or `everybody`.
        on: &'static str,
        /// The person, if it is on one, or on a conversation of theirs.
        subject: Option<Pseudonym>,
        /// The conversation, if it is on one.
        conversation: Option<ConversationId>,
    }
    shape |_e| { "table": by_name("legal_holds"), "type_id": Json::whole(3) };

    /// A legal hold was lifted. What it was on can be erased, unless another hold keeps it.
    "PRIV-1003W" "hold.lifted" HoldLifted: Datastore 3, Warning, Success, Accountability {
        /// The hold.
        hold: HoldId,
    }
    shape |_e| { "table": by_name("legal_holds"), "type_id": Json::whole(3) };
}

fn database() -> Json {
    Json::object([("name", Json::text("wardroom")), ("type_id", Json::whole(1))])
}
