//! What is asked about, with the facts that the policies weigh, and what is known of the moment.

use std::fmt;

use kernel::{BotName, ConversationId, HoldId, Reason, ReleaseId, SubjectId, TenantId, Timestamp, UserId};

use crate::Act;

/// What an action is about. Read the facts from the store, never from the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// The tenant as a whole: its lists, its records, its settings.
    Tenant(TenantId),
    /// A bot, or one that is about to be made.
    Bot {
        /// Whose it is.
        tenant: TenantId,
        /// Its name.
        bot: BotName,
    },
    /// One release of a bot.
    Release {
        /// Whose it is.
        tenant: TenantId,
        /// The bot.
        bot: BotName,
        /// The release.
        release: ReleaseId,
        /// Who submitted it; nobody when it came with the installation.
        author: Option<UserId>,
    },
    /// One conversation.
    Conversation {
        /// Whose it is.
        tenant: TenantId,
        /// The bot it is held with.
        bot: BotName,
        /// The conversation.
        conversation: ConversationId,
        /// The person who chats.
        subject: SubjectId,
        /// The agent who has it.
        assignee: Option<UserId>,
        /// Handed over to people, and nobody has taken it yet.
        waiting: bool,
    },
    /// The account of a member of staff.
    Account {
        /// Where they work.
        tenant: TenantId,
        /// The person.
        user: UserId,
    },
    /// A person who chats, as somebody whose data is kept or erased.
    Person {
        /// Whose bots they talk to.
        tenant: TenantId,
        /// The person.
        subject: SubjectId,
        /// Whether a legal hold keeps what they said.
        held: bool,
    },
    /// A legal hold.
    Hold {
        /// Whose it is.
        tenant: TenantId,
        /// The hold.
        hold: HoldId,
        /// Who placed it; nobody when the operator did.
        author: Option<UserId>,
    },
}

/// The kind of a [`Resource`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// [`Resource::Tenant`]
    Tenant,
    /// [`Resource::Bot`]
    Bot,
    /// [`Resource::Release`]
    Release,
    /// [`Resource::Conversation`]
    Conversation,
    /// [`Resource::Account`]
    Account,
    /// [`Resource::Person`]
    Person,
    /// [`Resource::Hold`]
    Hold,
}

impl ResourceKind {
    /// The name of this kind in the policy schema.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tenant => "Tenant",
            Self::Bot => "Bot",
            Self::Release => "Release",
            Self::Conversation => "Conversation",
            Self::Account => "Account",
            Self::Person => "Person",
            Self::Hold => "Hold",
        }
    }

    /// The acts, any of which shows that such a thing exists. Who has none of them is told 404.
    pub(crate) const fn shown_by(self) -> &'static [Act] {
        match self {
            // Whoever asks about a person named them, or is them.
            Self::Tenant | Self::Person => &[],
            Self::Hold => &[Act::ReadHolds],
            Self::Bot | Self::Release => &[Act::ReadBots],
            Self::Conversation => &[Act::ListConversations, Act::ReadOwnConversation],
            Self::Account => &[Act::ReadUsers, Act::ManageOwnAccount],
        }
    }
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Resource {
    /// Whose it is.
    pub const fn tenant(&self) -> TenantId {
        match self {
            Self::Tenant(tenant)
            | Self::Bot { tenant, .. }
            | Self::Release { tenant, .. }
            | Self::Conversation { tenant, .. }
            | Self::Account { tenant, .. }
            | Self::Person { tenant, .. }
            | Self::Hold { tenant, .. } => *tenant,
        }
    }

    /// Its kind.
    pub const fn kind(&self) -> ResourceKind {
        match self {
            Self::Tenant(_) => ResourceKind::Tenant,
            Self::Bot { .. } => ResourceKind::Bot,
            Self::Release { .. } => ResourceKind::Release,
            Self::Conversation { .. } => ResourceKind::Conversation,
            Self::Account { .. } => ResourceKind::Account,
            Self::Person { .. } => ResourceKind::Person,
            Self::Hold { .. } => ResourceKind::Hold,
        }
    }

    /// The bot it is, or belongs to.
    pub const fn bot(&self) -> Option<&BotName> {
        match self {
            Self::Bot { bot, .. } | Self::Release { bot, .. } | Self::Conversation { bot, .. } => Some(bot),
            Self::Tenant(_) | Self::Account { .. } | Self::Person { .. } | Self::Hold { .. } => None,
        }
    }

    /// The conversation, if it is one.
    pub const fn conversation(&self) -> Option<ConversationId> {
        match self {
            Self::Conversation { conversation, .. } => Some(*conversation),
            _ => None,
        }
    }

    /// The release, if it is one.
    pub const fn release(&self) -> Option<ReleaseId> {
        match self {
            Self::Release { release, .. } => Some(*release),
            _ => None,
        }
    }

    /// The legal hold, if it is one.
    pub const fn hold(&self) -> Option<HoldId> {
        match self {
            Self::Hold { hold, .. } => Some(*hold),
            _ => None,
        }
    }

    /// The person who chats, if it is one.
    pub const fn person(&self) -> Option<SubjectId> {
        match self {
            Self::Person { subject, .. } => Some(*subject),
            _ => None,
        }
    }

    /// The member of staff whose account it is, if it is one.
    pub const fn account(&self) -> Option<UserId> {
        match self {
            Self::Account { user, .. } => Some(*user),
            _ => None,
        }
    }
}

/// What is known of the moment of a decision.
#[derive(Debug, Clone)]
pub struct Circumstances {
    pub(crate) now: Timestamp,
    pub(crate) reason: Option<Reason>,
}

impl Circumstances {
    /// A decision at `now`, for which no reason was stated.
    pub const fn at(now: Timestamp) -> Self {
        Self { now, reason: None }
    }

    /// The same with the reason that was stated. The permit carries it, so that what is recorded is
    /// what was decided upon.
    #[must_use]
    pub fn because(mut self, reason: Reason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// The reason that was stated, if one was.
    pub const fn reason(&self) -> Option<&Reason> {
        self.reason.as_ref()
    }
}
