//! Changes of who may do what: the policies, and the roles that a tenant makes of actions.

use super::{by_uid, events};
use crate::jcs::Json;
use crate::words::Token;

events! {
    /// Somebody proposed other policies. The reason is the sealed detail.
    "CONF-1010I" "policy.proposed" PolicyProposed: Api 1, Info, Success, Accountability {
        /// The version.
        version: u64,
        /// SHA-256 of its files.
        policies_sha256: [u8; 32],
        /// How many answers of the survey would change.
        changes: u64,
    }
    shape |e| { "resources": Json::List(vec![by_uid(e.version)]) };

    /// A second person agreed to other policies; they are in force.
    "CONF-1011I" "policy.approved" PolicyApproved: Api 3, Info, Success, Accountability {
        /// The version.
        version: u64,
        /// SHA-256 of its files.
        policies_sha256: [u8; 32],
    }
    shape |e| { "resources": Json::List(vec![by_uid(e.version)]) };

    /// A proposal of other policies was refused, or taken back.
    "CONF-1012I" "policy.refused" PolicyRefused: Api 3, Info, Failure, Accountability {
        /// The version.
        version: u64,
    }
    shape |e| { "resources": Json::List(vec![by_uid(e.version)]) };

    /// Earlier policies were put in force again. The reason is the sealed detail.
    "CONF-1013W" "policy.rolled-back" PolicyRolledBack: Api 3, Warning, Success, Accountability {
        /// The version that is in force now.
        version: u64,
        /// The version whose files it has; 0 for the policies that ship.
        restores: u64,
        /// SHA-256 of its files.
        policies_sha256: [u8; 32],
    }
    shape |e| { "resources": Json::List(vec![by_uid(e.version)]) };

    /// A role was made of actions, or what it gives was changed.
    "AUTH-1060I" "role.defined" RoleDefined: Api 1, Info, Success, Accountability {
        /// Its name and what it gives.
        role: Token,
        /// How many people hold it, whose sessions ended.
        holders: u64,
    }
    shape |e| { "resources": Json::List(vec![by_uid(&e.role)]) };

    /// A role that was made of actions was ended, and with it every grant of it.
    "AUTH-1061I" "role.retired" RoleRetired: Api 4, Info, Success, Accountability {
        /// Its name and what it gave.
        role: Token,
        /// How many people held it, whose sessions ended.
        holders: u64,
    }
    shape |e| { "resources": Json::List(vec![by_uid(&e.role)]) };
}
