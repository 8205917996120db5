//! The roles. A role that ships is a name, a policy file of the same name, and a field of `Grants` in the
//! schema; to add one, add those three. A tenant makes others of actions ([`CustomRole`]).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::CustomRole;

/// A text that names nothing in one of this crate's lists.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no such {what}{mend}")]
pub struct NameError {
    pub(crate) what: &'static str,
    /// What follows, with the mark that sets it off.
    pub(crate) mend: &'static str,
}

/// Where the names of roles and actions are told.
pub(crate) const LISTED: &str = "; `wardroom role list` shows them";

macro_rules! roles {
    ($($(#[$doc:meta])* $variant:ident, $name:literal, $display:literal;)*) => {
        /// A role that a member of staff can hold.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum Role {
            $( $(#[$doc])* $variant, )*
            /// One that a tenant made of actions.
            Custom(CustomRole),
        }

        impl Role {
            /// All roles that ship, in the order in which the matrix shows them.
            pub const ALL: &'static [Role] = &[$(Role::$variant),*];

            /// The name in policies, in the database and on the command line; of a custom role the whole
            /// text, which says what it gives.
            pub const fn name(self) -> &'static str {
                match self { $(Role::$variant => $name,)* Role::Custom(role) => role.text() }
            }

            /// The name as people read it.
            pub const fn display(self) -> &'static str {
                match self { $(Role::$variant => $display,)* Role::Custom(role) => role.title() }
            }
        }

        /// The policy files of the roles that ship.
        pub(crate) const POLICIES: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../../../policies/roles/", $name, ".cedar"))),)*
        ];
    };
}

roles! {
    /// Answers for staff and for what goes live.
    Owner, "owner", "owner";
    /// Builds bots; opens no transcripts.
    BotDeveloper, "bot_developer", "bot developer";
    /// Tunes what a bot knows and understands; submits no release, opens no transcripts.
    NlpEngineer, "nlp_engineer", "NLP engineer";
    /// Puts releases of others live; builds none, opens no transcripts.
    ReleaseApprover, "release_approver", "release approver";
    /// Answers the conversations assigned to them.
    SupportAgent, "support_agent", "support agent";
    /// Opens every conversation of their scope; changes no bots.
    SupportManager, "support_manager", "support manager";
    /// Rules how people sign in; reads no transcripts.
    SecurityAdmin, "security_admin", "security admin";
    /// Reads the records; changes nothing.
    Auditor, "compliance_auditor", "auditor";
    /// Keeps the keys; reads no data.
    KeyCustodian, "key_custodian", "key custodian";
    /// Erases people who chat; opens no transcripts.
    PrivacyOfficer, "privacy_officer", "privacy officer";
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if let Some(role) = Role::ALL.iter().copied().find(|role| role.name() == text) {
            return Ok(role);
        }
        CustomRole::parse(text).map(Role::Custom).map_err(|_| NameError { what: "role", mend: LISTED })
    }
}

impl TryFrom<String> for Role {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Role> for String {
    fn from(role: Role) -> String {
        role.name().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_read_back_from_its_name_and_from_json() {
        for role in Role::ALL {
            assert_eq!(role.name().parse::<Role>().unwrap(), *role);
            let json = serde_json::to_string(role).unwrap();
            assert_eq!(serde_json::from_str::<Role>(&json).unwrap(), *role);
        }
        assert!("root".parse::<Role>().is_err());
    }
}
