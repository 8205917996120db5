//! Grants: which role holds where; and which roles one person may not hold together. The same
//! separation is held again at every decision by `policies/roles/separation.cedar`, because a grant
//! can reach the database by other ways than the one that was checked.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use kernel::BotName;
use serde::{Deserialize, Serialize};

use crate::role::NameError;
use crate::{Act, Role};

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
            .ok_or(NameError { what: "scope", mend: ": write `tenant` or `bot:NAME`" })
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

/// What somebody is trusted with. Two duties that must be separate make a pair of [`APART`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Duty {
    /// Changes what bots say.
    Builds,
    /// Puts releases live, as their only trust.
    Approves,
    /// Opens what people said.
    Reads,
    /// Rules how people sign in and who gets in at the edge, and takes people out.
    Rules,
    /// Appoints people.
    Appoints,
    /// Keeps the keys.
    Keys,
    /// Erases people who chat.
    Erases,
    /// Holds the others to account.
    Audits,
}

impl Duty {
    /// All that an action can bring with it, which are those that custom roles can have.
    pub(crate) const ALL: &'static [Duty] =
        &[Self::Builds, Self::Approves, Self::Reads, Self::Rules, Self::Keys, Self::Erases];

    /// The name in the schema.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Builds => "builds",
            Self::Approves => "approves",
            Self::Reads => "reads",
            Self::Rules => "rules",
            Self::Appoints => "appoints",
            Self::Keys => "keys",
            Self::Erases => "erases",
            Self::Audits => "audits",
        }
    }

    /// The duty that comes with an action, if it is an action of weight.
    pub(crate) const fn of(act: Act) -> Option<Self> {
        match act {
            Act::UpdateBot | Act::PushRelease => Some(Self::Builds),
            Act::ActivateRelease => Some(Self::Approves),
            Act::ListConversations | Act::ReadTranscript | Act::ReplyToConversation => Some(Self::Reads),
            Act::DisableUser | Act::DecideTraffic => Some(Self::Rules),
            Act::RotateKeys | Act::DisableKey => Some(Self::Keys),
            Act::EraseSubject => Some(Self::Erases),
            _ => None,
        }
    }

    /// The duties that a role brings with it. An owner appoints; that an owner may put a release live as
    /// well is watched by the rule that nobody puts their own live.
    pub(crate) fn all_of(role: Role) -> Vec<Self> {
        match role {
            Role::Owner => vec![Self::Appoints],
            Role::BotDeveloper | Role::NlpEngineer => vec![Self::Builds],
            Role::ReleaseApprover => vec![Self::Approves],
            Role::SupportAgent | Role::SupportManager => vec![Self::Reads],
            Role::SecurityAdmin => vec![Self::Rules],
            Role::Auditor => vec![Self::Audits],
            Role::KeyCustodian => vec![Self::Keys],
            Role::PrivacyOfficer => vec![Self::Erases],
            Role::Custom(role) => role.duties().collect(),
        }
    }
}

/// The duties that no one person may have together, in whatever scopes, and why.
const APART: &[(Duty, Duty, &str)] = &[
    (Duty::Builds, Duty::Reads, "whoever builds bots reads no transcripts"),
    (Duty::Builds, Duty::Approves, "whoever puts releases live builds none"),
    (Duty::Approves, Duty::Reads, "whoever puts releases live reads no transcripts"),
    (Duty::Rules, Duty::Reads, "whoever rules how people sign in reads no transcripts"),
    (Duty::Keys, Duty::Reads, "whoever keeps the keys reads nothing that they seal"),
    (Duty::Keys, Duty::Appoints, "whoever keeps the keys appoints nobody"),
    (Duty::Keys, Duty::Rules, "whoever keeps the keys appoints nobody"),
    (Duty::Audits, Duty::Builds, "whoever audits changes nothing"),
    (Duty::Audits, Duty::Approves, "whoever audits changes nothing"),
    (Duty::Audits, Duty::Reads, "whoever audits changes nothing"),
    (Duty::Audits, Duty::Rules, "whoever audits changes nothing"),
    (Duty::Audits, Duty::Appoints, "whoever audits changes nothing"),
    (Duty::Audits, Duty::Keys, "whoever audits changes nothing"),
    (Duty::Audits, Duty::Erases, "whoever audits changes nothing"),
];

fn apart(a: Duty, b: Duty) -> Option<&'static str> {
    let found = APART.iter().find(|(x, y, _)| (*x, *y) == (a, b) || (*x, *y) == (b, a));
    found.map(|(_, _, why)| *why)
}

/// Two of these actions that must not be in one hand.
pub(crate) fn pair_in(acts: &BTreeSet<Act>) -> Option<(Act, Act, &'static str)> {
    let weighty: Vec<(Act, Duty)> = acts.iter().filter_map(|act| Some((*act, Duty::of(*act)?))).collect();
    weighty.iter().find_map(|(a, x)| weighty.iter().find_map(|(b, y)| apart(*x, *y).map(|why| (*a, *b, why))))
}

/// Whether somebody who holds `existing` may be granted `new`. Scopes do not matter here: a developer
/// of one bot who reads the transcripts of another is the same person with both powers.
///
/// # Errors
/// The first [`Conflict`] found.
pub fn check_assignment(existing: &[Grant], new: &Grant) -> Result<(), Conflict> {
    let wanted = Duty::all_of(new.role);
    for held in existing {
        for duty in Duty::all_of(held.role) {
            if let Some(why) = wanted.iter().find_map(|other| apart(duty, *other)) {
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
