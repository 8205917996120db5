//! What a provider has told, when everything about it was verified: the same words for both protocols.

use federation::groups::Groups;
use kernel::{DisplayName, Email, Timestamp};
use serde::{Deserialize, Serialize};

use super::Opened;

/// A person, as their provider describes them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Told {
    /// The provider and the person's id there, in one text that no two people share.
    pub(crate) subject: String,
    /// The person's id there, as they and their administrators know it.
    pub(crate) id: String,
    /// The address.
    pub(crate) email: Option<Email>,
    /// Whether the provider says that the address is not verified.
    pub(crate) unverified: bool,
    /// The name.
    pub(crate) name: Option<DisplayName>,
    /// The groups.
    pub(crate) groups: GroupsTold,
    /// The assurance level that the provider's word is worth here.
    pub(crate) level: u8,
    /// When the person gave their proof; `None` when the provider does not say.
    pub(crate) proved: Option<Timestamp>,
    /// When the session must end at the latest.
    pub(crate) ends: Option<Timestamp>,
    /// The provider's session.
    pub(crate) sid: Option<String>,
    /// What the provider wants to see when the session ends there too.
    pub(crate) hint: Option<String>,
    /// As whom the provider's logouts name the person, where that is not `subject`: it may know them by
    /// another name than the one that stays.
    pub(crate) leaver: Option<String>,
}

/// [`Groups`], as they are sealed between two requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum GroupsTold {
    /// Nothing was said.
    Unsaid,
    /// These.
    Said(Vec<String>),
    /// A part was left out.
    TooMany,
    /// No list of names.
    Unreadable,
}

impl From<Groups> for GroupsTold {
    fn from(groups: Groups) -> Self {
        match groups {
            Groups::Unsaid => Self::Unsaid,
            Groups::Said(names) => Self::Said(names),
            Groups::TooMany => Self::TooMany,
            Groups::Unreadable => Self::Unreadable,
        }
    }
}

impl Told {
    /// The same without what nothing here is done with for somebody who chats: name, address, groups.
    pub(crate) fn without_particulars(self) -> Self {
        Self { email: None, name: None, groups: GroupsTold::Unsaid, ..self }
    }

    /// A name for an account: the one that was told, or the address's first part.
    pub(crate) fn display(&self, email: &Email) -> Option<DisplayName> {
        let local = email.as_str().split('@').next().unwrap_or_default();
        self.name.clone().or_else(|| DisplayName::new(local).ok())
    }
}

/// Where the roles of a connection say they come from.
pub(crate) fn source(opened: &Opened) -> String {
    format!("sso:{}", opened.row.id)
}
