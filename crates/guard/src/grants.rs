//! Grants: which role holds where; and which roles one person may not hold together. The same
//! separation is held again at every decision by `policies/roles/separation.cedar`, because a grant
//! can reach the database by other ways than the one that was checked.

use std::fmt;
use std::str::FromStr;

use kernel::BotName;
use serde::{Deserialize, Serialize};

use crate::Role;
use crate::role::NameError;

/// Where a grant holds. Written `tenant` or `bot:NAME`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Scope {
    /// Everything of the holder's tenant.
    Tenant,
    /// One bot, its releases and its conversations.
    Bot(BotName),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant => f.write_str("tenant"),
            Self::Bot(bot) => write!(f, "bot:{bot}"),
        }
    }
}

impl FromStr for Scope {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text == "tenant" {
            return Ok(Self::Tenant);
        }
        text.strip_prefix("bot:")
            .and_then(|name| BotName::new(name).ok())
            .map(Self::Bot)
            .ok_or(NameError { what: "scope (expected `tenant` or `bot:NAME`)" })
    }
}

impl TryFrom<String> for Scope {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> String {
        scope.to_string()
    }
}

/// A role, and where it holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The role.
    pub role: Role,
    /// Where it holds.
    pub scope: Scope,
}

impl Grant {
    /// A role over the whole tenant.
    pub const fn everywhere(role: Role) -> Self {
        Self { role, scope: Scope::Tenant }
    }
}

/// Two roles that one person may not hold together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} and {} may not be held by one person: {why}", held.display(), wanted.display())]
pub struct Conflict {
    /// The role that is held already.
    pub held: Role,
    /// The role that was to be granted.
    pub wanted: Role,
    /// The duty that would no longer be separate.
    pub why: &'static str,
}

/// The pairs of roles that no one person may hold, in whatever scopes, and why.
pub(crate) const CONFLICTS: &[(Role, Role, &str)] = &[
    (Role::BotDeveloper, Role::SupportAgent, "whoever builds bots reads no transcripts"),
    (Role::BotDeveloper, Role::SupportManager, "whoever builds bots reads no transcripts"),
    (Role::SecurityAdmin, Role::SupportAgent, "whoever rules how people sign in reads no transcripts"),
    (Role::SecurityAdmin, Role::SupportManager, "whoever rules how people sign in reads no transcripts"),
    (Role::Auditor, Role::SecurityAdmin, "whoever audits changes nothing"),
    (Role::Auditor, Role::Owner, "whoever audits changes nothing"),
    (Role::Auditor, Role::BotDeveloper, "whoever audits changes nothing"),
    (Role::Auditor, Role::SupportAgent, "whoever audits changes nothing"),
    (Role::Auditor, Role::SupportManager, "whoever audits changes nothing"),
    (Role::Auditor, Role::KeyCustodian, "whoever audits changes nothing"),
    (Role::KeyCustodian, Role::SupportAgent, "whoever keeps the keys reads nothing that they seal"),
    (Role::KeyCustodian, Role::SupportManager, "whoever keeps the keys reads nothing that they seal"),
    (Role::KeyCustodian, Role::Owner, "whoever keeps the keys appoints nobody"),
    (Role::KeyCustodian, Role::SecurityAdmin, "whoever keeps the keys appoints nobody"),
];

/// Whether somebody who holds `existing` may be granted `new`. Scopes do not matter here: a developer
/// of one bot who reads the transcripts of another is the same person with both powers.
///
/// # Errors
/// The first [`Conflict`] found.
pub fn check_assignment(existing: &[Grant], new: &Grant) -> Result<(), Conflict> {
    for held in existing {
        for (a, b, why) in CONFLICTS {
            if (held.role, new.role) == (*a, *b) || (new.role, held.role) == (*a, *b) {
                return Err(Conflict { held: held.role, wanted: new.role, why });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_read_back_from_its_text() {
        for scope in [Scope::Tenant, Scope::Bot(BotName::new("front-desk").unwrap())] {
            assert_eq!(scope.to_string().parse::<Scope>().unwrap(), scope);
        }
        for bad in ["", "Tenant", "bot:", "bot:Front", "bot:../x", "workspace:a"] {
            assert!(bad.parse::<Scope>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_developer_cannot_be_made_a_support_manager_nor_the_other_way_round() {
        let (developer, manager) =
            (Grant::everywhere(Role::BotDeveloper), Grant::everywhere(Role::SupportManager));
        let conflict = check_assignment(std::slice::from_ref(&developer), &manager).unwrap_err();
        assert_eq!((conflict.held, conflict.wanted), (Role::BotDeveloper, Role::SupportManager));
        assert_eq!(
            conflict.to_string(),
            "bot developer and support manager may not be held by one person: \
             whoever builds bots reads no transcripts"
        );
        assert!(check_assignment(&[manager], &developer).is_err());
    }

    #[test]
    fn scopes_that_do_not_meet_do_not_dissolve_a_conflict() {
        let on = |role, bot| Grant { role, scope: Scope::Bot(BotName::new(bot).unwrap()) };
        assert!(check_assignment(&[on(Role::BotDeveloper, "a")], &on(Role::SupportManager, "b")).is_err());
    }

    #[test]
    fn an_owner_may_be_a_developer_as_well_and_a_role_may_be_held_in_two_scopes() {
        let owner = Grant::everywhere(Role::Owner);
        assert_eq!(check_assignment(&[owner], &Grant::everywhere(Role::BotDeveloper)), Ok(()));
        let agent = |bot| Grant { role: Role::SupportAgent, scope: Scope::Bot(BotName::new(bot).unwrap()) };
        assert_eq!(check_assignment(&[agent("a")], &agent("b")), Ok(()));
    }
}
