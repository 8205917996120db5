//! Roles that a tenant makes of actions. What such a role gives stands in its text, so a grant says
//! itself what it gives, wherever roles are written: in the database, in a connection's group rules, on
//! the command line. The text is `custom:NAME/ACTION/ACTION..`, the actions sorted.
//!
//! A custom role gives no power to give power: roles, policies and sign-in rules stay with the roles that
//! ship. And no custom role holds both sides of a pair of duties that must be separate
//! (`crate::grants`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{PoisonError, RwLock};

use crate::grants::{Duty, pair_in};
use crate::{Act, Role};

/// Before the name in a custom role's text.
const PREFIX: &str = "custom:";

/// How many different custom roles one process remembers. Roles are copied freely, so a definition that
/// was once read stays in memory; this bounds it to a few megabytes.
const KNOWN: usize = 4_096;

/// A role made of actions. Two are the same when name and actions are.
#[derive(Clone, Copy)]
pub struct CustomRole(&'static Definition);

#[derive(Debug)]
struct Definition {
    text: String,
    title: String,
    name: String,
    acts: BTreeSet<Act>,
}

/// Why there cannot be such a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CustomError {
    /// The name is not 2 to 32 small letters, digits and hyphens, or is the name of a role that ships.
    #[error("a custom role is named by 2 to 32 small letters, digits and hyphens, beginning with a letter")]
    Name,
    /// It would give nothing.
    #[error("a custom role gives at least one action")]
    Empty,
    /// The action cannot be given this way.
    #[error("`{0}` cannot be in a custom role")]
    Act(Act),
    /// It names something that is not an action.
    #[error("there is no such action")]
    Unknown,
    /// Both sides of a pair of duties in one role.
    #[error("`{0}` and `{1}` cannot be in one role: {2}")]
    Torn(Act, Act, &'static str),
    /// There are too many.
    #[error("this process knows too many custom roles")]
    TooMany,
}

static SEEN: RwLock<BTreeMap<String, &'static Definition>> = RwLock::new(BTreeMap::new());

impl CustomRole {
    /// The role of this name that gives these actions. The overview is always among them.
    ///
    /// # Errors
    /// Any [`CustomError`].
    pub fn new(name: &str, acts: impl IntoIterator<Item = Act>) -> Result<Self, CustomError> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
        let ships = Role::ALL.iter().any(|role| role.name().replace('_', "-") == name);
        if !(2..=32).contains(&name.len()) || !begins || !name.chars().all(fits) || ships {
            return Err(CustomError::Name);
        }
        let mut acts: BTreeSet<Act> = acts.into_iter().collect();
        if let Some(act) = acts.iter().find(|act| !can_be_given(**act)) {
            return Err(CustomError::Act(*act));
        }
        acts.insert(Act::ReadOverview);
        if acts.len() < 2 {
            return Err(CustomError::Empty);
        }
        if let Some((a, b, why)) = pair_in(&acts) {
            return Err(CustomError::Torn(a, b, why));
        }
        Self::remembered(name, acts)
    }

    /// Finds the definition, or keeps it for as long as the process runs.
    fn remembered(name: &str, acts: BTreeSet<Act>) -> Result<Self, CustomError> {
        let mut text = format!("{PREFIX}{name}");
        for act in &acts {
            text.push('/');
            text.push_str(act.name());
        }
        if let Some(known) = SEEN.read().unwrap_or_else(PoisonError::into_inner).get(&text) {
            return Ok(Self(known));
        }
        let mut seen = SEEN.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = seen.get(&text) {
            return Ok(Self(known));
        }
        if seen.len() >= KNOWN {
            return Err(CustomError::TooMany);
        }
        let title = name.replace('-', " ");
        let definition: &'static Definition =
            Box::leak(Box::new(Definition { text: text.clone(), title, name: name.to_owned(), acts }));
        seen.insert(text, definition);
        Ok(Self(definition))
    }

    /// Reads the whole text.
    pub(crate) fn parse(text: &str) -> Result<Self, CustomError> {
        let mut parts = text.strip_prefix(PREFIX).ok_or(CustomError::Name)?.split('/');
        let name = parts.next().ok_or(CustomError::Name)?;
        let acts: Result<Vec<Act>, _> = parts.map(str::parse).collect();
        let role = Self::new(name, acts.map_err(|_| CustomError::Unknown)?)?;
        // One spelling only, because grants are compared by their text.
        if role.text() == text { Ok(role) } else { Err(CustomError::Unknown) }
    }

    /// The name, without what it gives.
    pub const fn name(self) -> &'static str {
        self.0.name.as_str()
    }

    /// The whole text, by which it is stored.
    pub const fn text(self) -> &'static str {
        self.0.text.as_str()
    }

    /// The name as people read it.
    pub(crate) const fn title(self) -> &'static str {
        self.0.title.as_str()
    }

    /// What it gives, sorted.
    pub fn acts(self) -> impl Iterator<Item = Act> {
        self.0.acts.iter().copied()
    }

    /// Whether it gives this.
    pub fn gives(self, act: Act) -> bool {
        self.0.acts.contains(&act)
    }

    /// The duties that come with what it gives.
    pub(crate) fn duties(self) -> impl Iterator<Item = Duty> {
        self.acts().filter_map(Duty::of)
    }
}

/// Whether a custom role may give this action at all. `policies/roles/custom.cedar` says the same, and a
/// test holds them together.
pub(crate) const fn can_be_given(act: Act) -> bool {
    matches!(
        act,
        Act::ListConversations
            | Act::ReadTranscript
            | Act::ReplyToConversation
            | Act::ReadBots
            | Act::UpdateBot
            | Act::TestBot
            | Act::PushRelease
            | Act::ActivateRelease
            | Act::ReadAudit
            | Act::VerifyAudit
            | Act::ExportAudit
            | Act::ReadUsers
            | Act::DisableUser
            | Act::ReadApiKeys
            | Act::ReadConnections
            | Act::ReadTraffic
            | Act::DecideTraffic
            | Act::ReadOverview
            | Act::ReadKeys
            | Act::RotateKeys
            | Act::DisableKey
            | Act::EraseSubject
            | Act::ReadPolicy
    )
}

impl PartialEq for CustomRole {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for CustomRole {}

impl PartialOrd for CustomRole {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for CustomRole {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text().cmp(other.text())
    }
}

impl Hash for CustomRole {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text().hash(state);
    }
}

impl fmt::Debug for CustomRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl fmt::Display for CustomRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_custom_role_is_read_back_from_its_text_and_from_no_other_spelling() {
        let role = CustomRole::new("night-desk", [Act::ReadTranscript, Act::ListConversations]).unwrap();
        assert_eq!(role.text(), "custom:night-desk/transcript.list/transcript.read/overview.read");
        assert_eq!(role.text().parse::<Role>().unwrap(), Role::Custom(role));
        for bad in [
            "custom:night-desk",
            "custom:night-desk/",
            "custom:night-desk/transcript.read/transcript.list/overview.read",
            "custom:night-desk/transcript.list/transcript.read",
            "custom:Night/bot.read/overview.read",
            "custom:owner/bot.read/overview.read",
            "custom:x/bot.read/overview.read",
            "custom:night-desk/bot.burn/overview.read",
        ] {
            assert!(bad.parse::<Role>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_custom_role_gives_no_power_to_give_power() {
        for act in
            [Act::GrantRole, Act::InviteUser, Act::ManageConnections, Act::ApprovePolicy, Act::DefineRole]
        {
            assert_eq!(CustomRole::new("helper", [act]).unwrap_err(), CustomError::Act(act));
        }
        assert_eq!(CustomRole::new("helper", []).unwrap_err(), CustomError::Empty);
    }

    #[test]
    fn no_custom_role_holds_both_sides_of_a_pair() {
        for (a, b) in [
            (Act::UpdateBot, Act::ReadTranscript),
            (Act::ActivateRelease, Act::PushRelease),
            (Act::RotateKeys, Act::ListConversations),
            (Act::RotateKeys, Act::DisableUser),
            (Act::DecideTraffic, Act::ReplyToConversation),
        ] {
            assert!(matches!(CustomRole::new("helper", [a, b]), Err(CustomError::Torn(..))), "{a} {b}");
        }
        assert!(CustomRole::new("helper", [Act::ReadBots, Act::ReadTranscript]).is_ok());
    }
}
