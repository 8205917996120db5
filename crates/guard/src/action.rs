//! What may be asked for. One list makes a marker type per action (for [`crate::Permit`]'s type) and a
//! variant of [`Act`] (for tables, logs and the policies, which know an action by its dotted name).

use std::fmt;
use std::str::FromStr;

use crate::ResourceKind::{self, Account, Bot, Conversation, Hold, Person, Release, Tenant};
use crate::role::{LISTED, NameError};

mod sealed {
    pub trait Listed {}
}

/// An action as a type. The trait is sealed: only the actions of this module exist.
pub trait Action: sealed::Listed + Send + Sync + 'static {
    /// This action as a value.
    const ACT: Act;

    /// The dotted name, the same in policies, audit records and `wardroom role explain`.
    const NAME: &'static str = Self::ACT.name();
}

macro_rules! actions {
    ($($(#[$doc:meta])* $marker:ident, $name:literal, $group:literal, [$($kind:ident),+];)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub enum $marker {}

            impl sealed::Listed for $marker {}

            impl Action for $marker {
                const ACT: Act = Act::$marker;
            }
        )*

        /// Every action as a value.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Act {
            $( $(#[$doc])* $marker, )*
        }

        impl Act {
            /// All actions, in the order in which the matrix shows them.
            pub const ALL: &'static [Act] = &[$(Act::$marker),*];

            /// The dotted name. Names never change meaning.
            pub const fn name(self) -> &'static str {
                match self { $(Act::$marker => $name,)* }
            }

            /// The group that begins the name: `transcript` for `transcript.read`.
            pub const fn group(self) -> &'static str {
                match self { $(Act::$marker => $group,)* }
            }

            /// The kinds of resource that this action can be asked about.
            pub const fn resources(self) -> &'static [ResourceKind] {
                match self { $(Act::$marker => &[$($kind),+],)* }
            }
        }
    };
}

actions! {
    /// Open a conversation with a bot.
    OpenConversation, "chat.open", "chat", [Bot];
    /// Say something in one's own conversation.
    PostMessage, "chat.send", "chat", [Conversation];
    /// Read one's own conversation, live or again.
    ReadOwnConversation, "chat.read-own", "chat", [Conversation];

    /// See which conversations one has had here, and take a copy of all that was said in them.
    ReadOwnData, "chat.export-own", "chat", [Conversation];
    /// Be erased: have one's own keys destroyed, for good.
    EraseOwnData, "chat.erase-own", "chat", [Conversation, Person];

    /// Delete a conversation whose time of retention is over.
    ExpireConversation, "retention.expire", "retention", [Conversation, Person];

    /// See which conversations there are: times, states, sizes and who answers, never content.
    ListConversations, "transcript.list", "transcript", [Tenant, Bot, Conversation];
    /// Open what was said in a conversation. Needs a stated reason.
    ReadTranscript, "transcript.read", "transcript", [Conversation];
    /// Answer in a conversation, which takes it if it was waiting.
    ReplyToConversation, "transcript.reply", "transcript", [Conversation];

    /// See bots, their releases and their tests.
    ReadBots, "bot.read", "bot", [Tenant, Bot, Release];
    /// Make or change a bot.
    UpdateBot, "bot.update", "bot", [Bot];
    /// Talk to a bot, or to a release of it, where no visitor is.
    TestBot, "bot.test-sandbox", "bot", [Bot, Release];
    /// Submit a release for approval.
    PushRelease, "release.submit", "release", [Bot];
    /// Approve a release and put it live, or put an earlier one live again.
    ActivateRelease, "release.approve", "release", [Release];

    /// Read the audit ledger.
    ReadAudit, "audit.read", "audit", [Tenant];
    /// Check that the audit ledger is whole.
    VerifyAudit, "audit.verify", "audit", [Tenant];
    /// Take a copy of the audit ledger away.
    ExportAudit, "audit.export", "audit", [Tenant];

    /// See staff accounts, their roles and factors.
    ReadUsers, "iam.read", "iam", [Tenant, Account];
    /// Invite a member of staff. Needs a fresh proof.
    InviteUser, "iam.invite", "iam", [Tenant];
    /// Disable an account, which ends its sessions.
    DisableUser, "iam.disable", "iam", [Account];
    /// Enable an account that was disabled. What had ended with it stays ended. Needs a fresh proof.
    EnableUser, "iam.enable", "iam", [Account];
    /// Make a role of actions, change what it gives, or end it. Needs a fresh proof.
    DefineRole, "iam.define-role", "iam", [Tenant];
    /// Grant a role to somebody else. Needs a fresh proof.
    GrantRole, "iam.grant-role", "iam", [Account];
    /// Make somebody an owner; asked besides the leave to grant, to invite or to agree. Needs a fresh proof
    /// that cannot be phished.
    GrantOwner, "iam.grant-owner", "iam", [Tenant, Account];
    /// Take a role away.
    RevokeRole, "iam.revoke-role", "iam", [Account];
    /// Remove somebody's second factors so that they must enrol again. Needs a fresh proof.
    ResetFactors, "iam.reset-mfa", "iam", [Account];

    /// See who asked for which role for a while, and what became of it.
    ReadAccess, "access.list", "access", [Tenant, Account];
    /// Ask for a role on one's own account for a while, and give it back.
    RequestAccess, "access.request", "access", [Account];
    /// Agree, or not, to somebody else's holding a role for a while. Needs a fresh proof.
    DecideAccess, "access.decide", "access", [Account];
    /// Look into what somebody else's break-glass account was used for.
    ReviewBreakGlass, "access.review", "access", [Account];

    /// See which API keys an account has: what they may do, where, and until when, never a key.
    ReadApiKeys, "api-key.list", "api-key", [Tenant, Account];
    /// Make an API key for one's own account, or for a service account that one answers for. Needs a
    /// fresh proof.
    MakeApiKey, "api-key.make", "api-key", [Account];
    /// End an API key.
    RevokeApiKey, "api-key.revoke", "api-key", [Account];

    /// See through which providers people sign in.
    ReadConnections, "connection.read", "connection", [Tenant];
    /// Set up through which providers people sign in, what their groups mean, and who signs in without
    /// one. Needs a fresh proof.
    ManageConnections, "connection.manage", "connection", [Tenant];

    /// See the policies, their history, and why a decision falls as it does.
    ReadPolicy, "policy.read", "policy", [Tenant];
    /// Propose a change of the policies. Needs a fresh proof.
    ProposePolicy, "policy.propose", "policy", [Tenant];
    /// Agree to a change of the policies that somebody else proposed, or refuse it. Needs a fresh proof.
    ApprovePolicy, "policy.approve", "policy", [Tenant];
    /// Put an earlier version of the policies in force again. Needs a fresh proof.
    RollBackPolicy, "policy.roll-back", "policy", [Tenant];
    /// See the people and groups that a directory has provisioned through its own connection.
    ReadDirectory, "directory.read", "directory", [Tenant];
    /// Provision people and groups through a connection, and take people out.
    ProvisionDirectory, "directory.provision", "directory", [Tenant];

    /// See what comes to the edge, and what is limited there.
    ReadTraffic, "traffic.read", "traffic", [Tenant];
    /// Let a block of addresses in or shut it out, and end a limit before its time.
    DecideTraffic, "traffic.decide", "traffic", [Tenant];

    /// See the overview page.
    ReadOverview, "overview.read", "overview", [Tenant];
    /// See one's own account and what it signs in with, and end one's own sessions.
    ManageOwnAccount, "self.manage", "self", [Account];
    /// Change what one signs in with: passkeys, the app for codes, recovery codes, the password. Needs a fresh
    /// proof.
    ChangeOwnFactors, "self.change-factors", "self", [Account];
    /// See which keys there are and how old they are, never a key.
    ReadKeys, "key.list", "key", [Tenant];
    /// Give a key a new version, and see to the work that follows from it.
    RotateKeys, "key.rotate", "key", [Tenant];
    /// Stop a version of a key from opening anything, or let it open again.
    DisableKey, "key.disable", "key", [Tenant];
    /// Ask for the destruction of a version of a key.
    ScheduleKeyDestruction, "key.schedule-destruction", "key", [Tenant];
    /// Call a destruction off, asked for or scheduled.
    CancelKeyDestruction, "key.cancel-destruction", "key", [Tenant];
    /// Ask for the keys to be moved to another root key.
    MoveRoot, "key.move-root", "key", [Tenant];
    /// Agree to what somebody else has asked for: a destruction, a move.
    ApproveKeyRequest, "key.approve", "key", [Tenant];
    /// Carry out what policy and approved requests already say: wrap anew, destroy what is due, move.
    TendKeys, "key.tend", "key", [Tenant];

    /// Take a backup of the whole deployment, sealed.
    CreateBackup, "backup.create", "backup", [Tenant];
    /// Open a backup, or the database, to check every record; what it says is shown to nobody.
    VerifyBackup, "backup.verify", "backup", [Tenant];
    /// Put a backup in the place of the database.
    RestoreBackup, "backup.restore", "backup", [Tenant];
    /// Erase a person who chats: destroy their keys, for good.
    EraseSubject, "privacy.erase", "privacy", [Tenant, Person];
    /// See what is kept under a legal hold, since when and why.
    ReadHolds, "privacy.list-holds", "privacy", [Tenant, Hold];
    /// Place a legal hold on a person who chats, on a conversation, or on everybody.
    PlaceHold, "privacy.hold", "privacy", [Tenant];
    /// Lift a legal hold that somebody else placed. Needs a fresh proof.
    LiftHold, "privacy.lift-hold", "privacy", [Hold];
}

impl Act {
    /// What an API key can be made for: what `policies/roles/api_key.cedar` permits.
    pub const FOR_KEYS: &'static [Act] = &[
        Act::ListConversations,
        Act::ReadTranscript,
        Act::ReplyToConversation,
        Act::ReadBots,
        Act::ReadAudit,
    ];

    /// Whether somebody of whom nothing is known may ask for this at all.
    pub const fn is_for_strangers(self) -> bool {
        matches!(self, Self::OpenConversation)
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Act {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Act::ALL
            .iter()
            .copied()
            .find(|act| act.name() == text)
            .ok_or(NameError { what: "action", mend: LISTED })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_begins_with_its_group_and_is_read_back() {
        for act in Act::ALL {
            assert_eq!(act.name().split_once('.').unwrap().0, act.group());
            assert_eq!(act.name().parse::<Act>().unwrap(), *act);
        }
        assert!("transcript.burn".parse::<Act>().is_err());
        assert_eq!(<ReadTranscript as Action>::NAME, "transcript.read");
    }
}
