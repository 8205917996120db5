//! Who may do what, as a table that people read and tests compare. It is made by asking the guard, not
//! by reading the policies: what it shows is what happens.

use std::fmt::Write as _;

use kernel::{
    ApiKeyId, BotName, ConversationId, Id, ReleaseId, SessionId, SubjectId, TenantId, Timestamp, UserId,
};

use crate::permit::{Verdict, View};
use crate::{
    Act, Actor, Circumstances, Grant, Guard, Program, Resource, ResourceKind, Role, ServiceName, Staff,
    Visitor,
};

/// An actor made up to ask on behalf of all like it, with everything else in order: own tenant, second
/// factor, a fresh sign-in, a stated reason.
pub(crate) struct Specimen {
    actor: Actor,
}

/// Where an action is allowed: on what is the actor's own, and on what is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    own: bool,
    other: bool,
}

impl Cell {
    /// Allowed on the actor's own and on others'.
    pub(crate) fn everywhere(self) -> bool {
        self.own && self.other
    }

    /// Allowed on some.
    pub(crate) fn somewhere(self) -> bool {
        self.own || self.other
    }

    fn text(self) -> &'static str {
        match (self.own, self.other) {
            (true, true) => "yes",
            (true, false) => "own",
            (false, true) => "others'",
            (false, false) => ".",
        }
    }
}

fn id<T: Id>(last: u8) -> T {
    let mut bytes = [0; 16];
    if let Some(byte) = bytes.last_mut() {
        *byte = last;
    }
    T::from_bytes(bytes)
}

impl Specimen {
    /// A member of staff who holds these roles over the whole tenant.
    pub(crate) fn of_roles(roles: &[Role]) -> Self {
        let grants = roles.iter().copied().map(Grant::everywhere).collect();
        let staff = Staff {
            user: id::<UserId>(1),
            tenant: id::<TenantId>(2),
            grants,
            assurance: 2,
            authenticated_at: Timestamp::from_millis(0),
            session: id::<SessionId>(3),
        };
        Self { actor: Actor::Staff(staff) }
    }

    /// A program whose key was made for everything everywhere, and belongs to somebody with this role.
    fn key_of(role: Role) -> Self {
        let program = Program {
            key: id::<ApiKeyId>(10),
            tenant: id(2),
            owner: id(1),
            grants: vec![Grant::everywhere(role)],
            acts: Act::ALL.to_vec(),
            scope: crate::Scope::Tenant,
        };
        Self { actor: Actor::ApiKey(program) }
    }

    pub(crate) fn anonymous() -> Self {
        Self { actor: Actor::Anonymous { tenant: id(2) } }
    }

    fn visitor() -> Self {
        let visitor = Visitor { tenant: id(2), subject: id(4), conversation: id(5) };
        Self { actor: Actor::Visitor(visitor) }
    }

    fn service(name: ServiceName) -> Self {
        Self { actor: Actor::Service { name, tenant: id(2) } }
    }

    fn directory() -> Self {
        Self { actor: Actor::Directory { tenant: id(2), connection: id(10) } }
    }

    /// Asks for one action on every kind of resource that it applies to.
    pub(crate) fn cell(&self, guard: &Guard, act: Act) -> Cell {
        let allowed = |own| act.resources().iter().all(|kind| self.may(guard, act, *kind, own));
        Cell { own: allowed(true), other: allowed(false) }
    }

    fn may(&self, guard: &Guard, act: Act, kind: ResourceKind, own: bool) -> bool {
        let Some(resource) = self.resource(kind, own) else { return false };
        let mut now = Circumstances::at(Timestamp::from_millis(0));
        now.reason = kernel::Reason::new("matrix").ok();
        matches!(guard.weigh(View::Whole, act, &self.actor, &resource, &now), Verdict::Allowed(_))
    }

    /// A resource of the specimen's tenant: its own (authored by it, assigned to it, its account, its
    /// conversation), or somebody else's.
    fn resource(&self, kind: ResourceKind, own: bool) -> Option<Resource> {
        let tenant = id::<TenantId>(2);
        let bot = BotName::new("front-desk").ok()?;
        let (me, somebody) = (id::<UserId>(1), id::<UserId>(9));
        let user = if own { me } else { somebody };
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
        })
    }
}

fn table(out: &mut String, guard: &Guard, columns: &[(&str, Specimen)]) {
    let widest = Act::ALL.iter().map(|act| act.name().len()).max().unwrap_or_default();
    // A column is as wide as its title, or as the longest thing that can stand in it.
    let width = |title: &str| title.len().max("others'".len());
    let mut line = format!("{:widest$}", "action");
    for (title, _) in columns {
        let _ = write!(line, "  {title:width$}", width = width(title));
    }
    let _ = writeln!(out, "{}", line.trim_end());
    for act in Act::ALL {
        let mut line = format!("{:widest$}", act.name());
        for (title, specimen) in columns {
            let _ = write!(line, "  {:width$}", specimen.cell(guard, *act).text(), width = width(title));
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

/// What two roles in one hand may not do although one of them alone may.
fn lost(guard: &Guard, a: Role, b: Role) -> Vec<&'static str> {
    let (alone_a, alone_b) = (Specimen::of_roles(&[a]), Specimen::of_roles(&[b]));
    let both = Specimen::of_roles(&[a, b]);
    let loses = |act: &&Act| {
        let (x, y, z) = (alone_a.cell(guard, **act), alone_b.cell(guard, **act), both.cell(guard, **act));
        ((x.own || y.own) && !z.own) || ((x.other || y.other) && !z.other)
    };
    Act::ALL.iter().filter(loses).map(|act| act.name()).collect()
}

impl Guard {
    /// The matrix of roles and actions, what roles lose when one person holds two of them, and the
    /// guards, as text. The committed copy is `docs/architecture/roles.txt`.
    pub fn matrix(&self) -> String {
        let mut out = String::from(
            "Who may do what. Made from the policies; a change of policy is a change here.\n\
             yes: on everything in the scope of the grant   own: only on what is theirs or assigned to them\n\
             others': only on what is not theirs   .: never\n\n\
             STAFF\n",
        );
        let staff: Vec<(&str, Specimen)> =
            Role::ALL.iter().map(|role| (role.name(), Specimen::of_roles(&[*role]))).collect();
        table(&mut out, self, &staff);

        out.push_str("\nVISITORS AND SERVICES\n");
        let mut others = vec![("anonymous", Specimen::anonymous()), ("visitor", Specimen::visitor())];
        others.extend(ServiceName::ALL.iter().map(|name| (name.name(), Specimen::service(*name))));
        others.push(("directory", Specimen::directory()));
        table(&mut out, self, &others);

        out.push_str("\nAPI KEYS, MADE FOR EVERYTHING, BY THE ROLE OF THEIR OWNER\n");
        let keys: Vec<(&str, Specimen)> =
            Role::ALL.iter().map(|role| (role.name(), Specimen::key_of(*role))).collect();
        table(&mut out, self, &keys);

        out.push_str("\nTWO ROLES IN ONE HAND\n");
        for (i, a) in Role::ALL.iter().enumerate() {
            for b in Role::ALL.iter().skip(i + 1) {
                let refused =
                    crate::check_assignment(&[Grant::everywhere(*a)], &Grant::everywhere(*b)).is_err();
                let lost = lost(self, *a, *b);
                if !refused && lost.is_empty() {
                    continue;
                }
                let _ = writeln!(
                    out,
                    "{a} + {b}: {}; loses {}",
                    if refused { "not granted" } else { "granted" },
                    if lost.is_empty() { "nothing".to_owned() } else { lost.join(", ") }
                );
            }
        }

        out.push_str("\nWHAT FORBIDS, WHATEVER THE ROLE\n");
        for rule in self.rules().into_iter().filter(|rule| rule.forbids) {
            let _ = writeln!(out, "{}: {}", rule.id, rule.reason.as_deref().unwrap_or_default());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GuardError;

    #[test]
    fn the_matrix_is_the_one_that_is_committed() {
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/architecture/roles.txt");
        let matrix = Guard::embedded().unwrap().matrix();
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(golden, &matrix).unwrap();
        }
        let committed = std::fs::read_to_string(golden).unwrap();
        assert_eq!(
            matrix, committed,
            "a policy changed: review the difference, then run with UPDATE_GOLDEN=1"
        );
    }

    #[test]
    fn strangers_are_permitted_what_is_said_to_be_for_them_and_nothing_else() {
        let guard = Guard::embedded().unwrap();
        for act in Act::ALL {
            let permitted = Specimen::anonymous().cell(&guard, *act).somewhere();
            assert_eq!(permitted, act.is_for_strangers(), "{act}");
        }
    }

    #[test]
    fn keys_are_permitted_what_they_can_be_made_for_and_nothing_else() {
        let guard = Guard::embedded().unwrap();
        for act in Act::ALL {
            let may = |role: &Role| Specimen::key_of(*role).cell(&guard, *act).somewhere();
            assert_eq!(Role::ALL.iter().any(may), Act::FOR_KEYS.contains(act), "{act}");
        }
    }

    #[test]
    fn roles_that_are_not_granted_together_have_powers_to_lose() {
        let guard = Guard::embedded().unwrap();
        for (a, b, _) in crate::grants::CONFLICTS {
            assert!(!lost(&guard, *a, *b).is_empty(), "{a} + {b} are refused for nothing");
        }
    }

    /// What every kind of actor gets, alone and in the cases that the guards are for, on one page. The
    /// names of forbidding policies are part of it.
    fn fingerprint(guard: &Guard) -> String {
        let mut page = String::new();
        let staff: Vec<(&str, Specimen)> =
            Role::ALL.iter().map(|role| (role.name(), Specimen::of_roles(&[*role]))).collect();
        table(&mut page, guard, &staff);
        let mut others = vec![("anonymous", Specimen::anonymous()), ("visitor", Specimen::visitor())];
        others.extend(ServiceName::ALL.iter().map(|name| (name.name(), Specimen::service(*name))));
        others.push(("directory", Specimen::directory()));
        table(&mut page, guard, &others);
        let keys: Vec<(&str, Specimen)> =
            Role::ALL.iter().map(|role| (role.name(), Specimen::key_of(*role))).collect();
        table(&mut page, guard, &keys);
        for (a, b) in [
            (Role::BotDeveloper, Role::SupportManager),
            (Role::Auditor, Role::Owner),
            (Role::KeyCustodian, Role::SupportManager),
            (Role::KeyCustodian, Role::Owner),
        ] {
            table(&mut page, guard, &[("both", Specimen::of_roles(&[a, b]))]);
        }
        table(
            &mut page,
            guard,
            &[("both", Specimen::of_roles(&[Role::SecurityAdmin, Role::SupportManager]))],
        );
        let admin = Specimen::of_roles(&[Role::SecurityAdmin]);
        let later = Circumstances::at(Timestamp::from_millis(301_000));
        let answer = guard.decide(Act::ManageConnections, &admin.actor, &Resource::Tenant(id(2)), &later);
        let _ = writeln!(page, "{answer:?}");
        let manager = Specimen::of_roles(&[Role::SupportManager]);
        let transcript = manager.resource(ResourceKind::Conversation, false).unwrap();
        let now = Circumstances::at(Timestamp::from_millis(0));
        let because = now.clone().because(kernel::Reason::new("a complaint").unwrap());
        let late = Circumstances { now: Timestamp::from_millis(43_201_000), ..because.clone() };
        let Actor::Staff(staff) = manager.actor else { unreachable!() };
        let weak = Staff { assurance: 1, ..staff.clone() };
        let foreign = Staff { tenant: id(200), ..staff.clone() };
        for (staff, circumstances) in
            [(&staff, &now), (&staff, &late), (&weak, &because), (&foreign, &because)]
        {
            let actor = Actor::Staff(staff.clone());
            let answer = guard.decide(Act::ReadTranscript, &actor, &transcript, circumstances);
            let _ = writeln!(page, "{answer:?}");
        }
        let custodian = Specimen::of_roles(&[Role::KeyCustodian]);
        let later = Circumstances::at(Timestamp::from_millis(301_000));
        for act in [Act::ReadKeys, Act::RotateKeys] {
            let answer = guard.decide(act, &custodian.actor, &Resource::Tenant(id(2)), &later);
            let _ = writeln!(page, "{answer:?}");
        }
        page
    }

    #[test]
    fn every_policy_is_needed_and_noticed_when_it_is_gone() {
        let whole = Guard::embedded().unwrap();
        let page = fingerprint(&whole);
        let ids: Vec<String> = whole.rules().iter().map(|rule| rule.id.to_string()).collect();
        assert!(ids.len() > 20, "{ids:?}");
        for gone in ids {
            match Guard::keeping(|id| id != gone) {
                Ok(guard) => assert_ne!(fingerprint(&guard), page, "nothing notices that `{gone}` is gone"),
                Err(GuardError::Canary(_)) => {}
                Err(other) => panic!("{other}"),
            }
        }
    }
}
