//! Actors and things made up to ask on behalf of all like them, for the matrix, for the survey of a
//! change, and for the decisions of known answer at the start.

use kernel::{
    ApiKeyId, BotName, ConversationId, HoldId, Id, ReleaseId, SessionId, SubjectId, TenantId, Timestamp,
    UserId,
};

use crate::permit::{Verdict, View};
use crate::{
    Act, Actor, Circumstances, Grant, Guard, Program, Resource, ResourceKind, Role, Scope, ServiceName,
    Staff, Visitor,
};

/// An actor made up to ask on behalf of all like it, with everything else in order: own tenant, a factor that
/// resists phishing, a fresh sign-in, a stated reason.
#[derive(Debug, Clone)]
pub(crate) struct Specimen {
    pub(crate) actor: Actor,
}

/// Whose a thing is, seen from the specimen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Its own: authored by it, assigned to it, its account, its conversation.
    Own,
    /// Somebody else's, of the same bot and tenant.
    Others,
    /// Somebody else's, of another bot; for what belongs to no bot, the same as others'.
    OtherBots,
    /// Its own in every respect but the tenant.
    OtherTenants,
}

impl Whose {
    pub(crate) const ALL: [Whose; 4] = [Self::Own, Self::Others, Self::OtherBots, Self::OtherTenants];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Others => "others'",
            Self::OtherBots => "another bot's",
            Self::OtherTenants => "another tenant's",
        }
    }
}

pub(crate) fn id<T: Id>(last: u8) -> T {
    let mut bytes = [0; 16];
    if let Some(byte) = bytes.last_mut() {
        *byte = last;
    }
    T::from_bytes(bytes)
}

impl Specimen {
    /// A member of staff who holds these roles over the whole tenant.
    pub(crate) fn of_roles(roles: &[Role]) -> Self {
        Self::of_grants(roles.iter().copied().map(Grant::everywhere).collect())
    }

    /// A member of staff who holds this role for the bot that things belong to, and no other.
    pub(crate) fn of_one_bot(role: Role) -> Self {
        let scope = BotName::new("front-desk").map(Scope::Bot);
        Self::of_grants(scope.map(|scope| Grant { role, scope }).into_iter().collect())
    }

    /// A member of staff with these grants.
    pub(crate) fn of_grants(grants: Vec<Grant>) -> Self {
        let staff = Staff {
            user: id::<UserId>(1),
            tenant: id::<TenantId>(2),
            grants,
            assurance: 3,
            authenticated_at: Timestamp::from_millis(0),
            session: id::<SessionId>(3),
        };
        Self { actor: Actor::Staff(staff) }
    }

    /// A program whose key was made for everything everywhere, and belongs to somebody with this role.
    pub(crate) fn key_of(role: Role) -> Self {
        let program = Program {
            key: id::<ApiKeyId>(10),
            tenant: id(2),
            owner: id(1),
            grants: vec![Grant::everywhere(role)],
            acts: Act::ALL.to_vec(),
            scope: Scope::Tenant,
        };
        Self { actor: Actor::ApiKey(program) }
    }

    pub(crate) fn anonymous() -> Self {
        Self { actor: Actor::Anonymous { tenant: id(2) } }
    }

    pub(crate) fn visitor() -> Self {
        let visitor = Visitor { tenant: id(2), subject: id(4), conversation: id(5) };
        Self { actor: Actor::Visitor(visitor) }
    }

    pub(crate) fn directory() -> Self {
        Self { actor: Actor::Directory { tenant: id(2), connection: id(10) } }
    }

    pub(crate) fn service(name: ServiceName) -> Self {
        Self { actor: Actor::Service { name, tenant: id(2) } }
    }

    /// Whether it may do this to every kind of thing that the action applies to.
    pub(crate) fn may(&self, guard: &Guard, act: Act, whose: Whose) -> bool {
        act.resources().iter().all(|kind| {
            let Some(thing) = thing(*kind, whose) else { return false };
            matches!(guard.weigh(View::Whole, act, &self.actor, &thing, &moment(0)), Verdict::Allowed(_))
        })
    }
}

/// So many seconds after the specimens proved who they are, with a stated reason.
pub(crate) fn moment(seconds: u64) -> Circumstances {
    let mut now = Circumstances::at(Timestamp::from_millis(seconds * 1000));
    now.reason = kernel::Reason::new("rehearsal").ok();
    now
}

/// A thing of the specimens' tenant, or of another.
pub(crate) fn thing(kind: ResourceKind, whose: Whose) -> Option<Resource> {
    let own = matches!(whose, Whose::Own | Whose::OtherTenants);
    let tenant = id::<TenantId>(if whose == Whose::OtherTenants { 200 } else { 2 });
    let bot = BotName::new(if whose == Whose::OtherBots { "payroll" } else { "front-desk" }).ok()?;
    let user = if own { id::<UserId>(1) } else { id::<UserId>(9) };
    Some(match kind {
        ResourceKind::Tenant => Resource::Tenant(tenant),
        ResourceKind::Bot => Resource::Bot { tenant, bot },
        ResourceKind::Release => {
            Resource::Release { tenant, bot, release: id::<ReleaseId>(6), author: Some(user) }
        }
        ResourceKind::Conversation => Resource::Conversation {
            tenant,
            bot,
            conversation: id::<ConversationId>(if own { 5 } else { 7 }),
            subject: id::<SubjectId>(if own { 4 } else { 8 }),
            assignee: Some(user),
            waiting: false,
        },
        ResourceKind::Account => Resource::Account { tenant, user },
        ResourceKind::Person => {
            Resource::Person { tenant, subject: id::<SubjectId>(if own { 4 } else { 8 }), held: false }
        }
        ResourceKind::Hold => Resource::Hold { tenant, hold: id::<HoldId>(11), author: Some(user) },
    })
}
