//! Who asks. An actor is a bundle of facts that `identity` (or the door of a service) has proved; it
//! carries no power of its own.

use std::fmt;

use kernel::{ApiKeyId, ConnectionId, ConversationId, Id, SessionId, SubjectId, TenantId, Timestamp, UserId};

use crate::{Act, Grant, Role, Scope};

/// Whoever asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// Somebody of whom nothing is known but at whose tenant's door they stand.
    Anonymous {
        /// The tenant of the door.
        tenant: TenantId,
    },
    /// A person who chats, known by the token of a conversation.
    Visitor(Visitor),
    /// A signed-in member of staff.
    Staff(Staff),
    /// A program that showed an API key.
    ApiKey(Program),
    /// One of our own processes, or the person at the machine's command line.
    Service {
        /// Which.
        name: ServiceName,
        /// The tenant it works for at this moment.
        tenant: TenantId,
    },
    /// An enterprise's directory that provisions people, known by a token of one connection.
    Directory {
        /// The tenant of the connection.
        tenant: TenantId,
        /// The connection, whose people and groups alone it may touch.
        connection: ConnectionId,
    },
}

/// A person who chats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visitor {
    /// The tenant whose bot they talk to.
    pub tenant: TenantId,
    /// The person.
    pub subject: SubjectId,
    /// The one conversation that their token opens.
    pub conversation: ConversationId,
}

/// A signed-in member of staff, as the session knows them at this request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staff {
    /// The person.
    pub user: UserId,
    /// The tenant they are signed in to.
    pub tenant: TenantId,
    /// The grants that hold now; expired ones must not be among them.
    pub grants: Vec<Grant>,
    /// The level of their last proof: 1 is one factor, 2 is two, 3 is two of which one resists phishing. The
    /// levels are those of NIST SP 800-63B but for one thing: that the key of a passkey cannot leave its device,
    /// which NIST asks for at level 3, is not checked here.
    pub assurance: u8,
    /// When they last proved who they are.
    pub authenticated_at: Timestamp,
    /// The session.
    pub session: SessionId,
}

impl Staff {
    /// Whether they hold a role, in whatever scope. For showing and hiding links; a decision needs a
    /// [`crate::Permit`].
    pub fn holds(&self, role: Role) -> bool {
        self.grants.iter().any(|grant| grant.role == role)
    }
}

/// A program that showed an API key. It may do what the key was made for, and of that only what the
/// account that the key belongs to could do at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The key.
    pub key: ApiKeyId,
    /// The tenant that it is good in.
    pub tenant: TenantId,
    /// The account that it belongs to.
    pub owner: UserId,
    /// What the account holds now; expired grants must not be among them.
    pub grants: Vec<Grant>,
    /// What the key was made for.
    pub acts: Vec<Act>,
    /// Where.
    pub scope: Scope,
}

impl Program {
    /// The account as it would stand here itself, with everything else in order: what it may not do, no
    /// key of it may.
    pub(crate) fn owner(&self, now: Timestamp) -> Actor {
        Actor::Staff(Staff {
            user: self.owner,
            tenant: self.tenant,
            grants: self.grants.clone(),
            assurance: 3,
            authenticated_at: now,
            session: SessionId::from_bytes([0; 16]),
        })
    }
}

/// One of our own processes, or the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceName {
    /// Terminates TLS and forwards.
    Edge,
    /// Holds the rooms, the store and the keys.
    Core,
    /// Runs bots and connectors.
    Engine,
    /// Hands the audit record on to the enterprise's security desk.
    Siem,
    /// Whoever can run commands beside the data directory.
    Operator,
}

impl ServiceName {
    /// All of them.
    pub const ALL: &'static [ServiceName] =
        &[Self::Edge, Self::Core, Self::Engine, Self::Siem, Self::Operator];

    /// The name in policies and audit records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Core => "core",
            Self::Engine => "engine",
            Self::Siem => "siem",
            Self::Operator => "operator",
        }
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Actor {
    /// The tenant on whose behalf they ask.
    pub const fn tenant(&self) -> TenantId {
        match self {
            Self::Anonymous { tenant } | Self::Service { tenant, .. } | Self::Directory { tenant, .. } => {
                *tenant
            }
            Self::Visitor(visitor) => visitor.tenant,
            Self::Staff(staff) => staff.tenant,
            Self::ApiKey(program) => program.tenant,
        }
    }

    /// The account on which something is done: of a member of staff, or that a program's key belongs to.
    pub const fn account(&self) -> Option<UserId> {
        match self {
            Self::Staff(staff) => Some(staff.user),
            Self::ApiKey(program) => Some(program.owner),
            _ => None,
        }
    }

    /// The member of staff, if it is one.
    pub const fn staff(&self) -> Option<&Staff> {
        match self {
            Self::Staff(staff) => Some(staff),
            _ => None,
        }
    }

    /// The connection of the directory, if it is one.
    pub const fn directory(&self) -> Option<ConnectionId> {
        match self {
            Self::Directory { connection, .. } => Some(*connection),
            _ => None,
        }
    }

    /// The person who chats, if it is one.
    pub const fn visitor(&self) -> Option<&Visitor> {
        match self {
            Self::Visitor(visitor) => Some(visitor),
            _ => None,
        }
    }
}

impl From<Staff> for Actor {
    fn from(staff: Staff) -> Self {
        Self::Staff(staff)
    }
}

impl From<Program> for Actor {
    fn from(program: Program) -> Self {
        Self::ApiKey(program)
    }
}

impl From<Visitor> for Actor {
    fn from(visitor: Visitor) -> Self {
        Self::Visitor(visitor)
    }
}
