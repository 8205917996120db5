//! What the policies that ship let people do, asked from outside as a room would ask.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod separation;
mod tenants;

use std::sync::{Arc, LazyLock};

use guard::action::*;
use guard::{Actor, Circumstances, Grant, Guard, Resource, Role, Scope, ServiceName, Staff, Visitor};
use kernel::{BotName, ManualClock, Reason, Timestamp, UserId, World};

/// A small tenant with one bot, some staff and one conversation.
struct House {
    world: World,
    tenant: kernel::TenantId,
    subject: kernel::SubjectId,
    conversation: kernel::ConversationId,
}

static GUARD: LazyLock<Guard> = LazyLock::new(|| Guard::embedded().unwrap());

const NOON: Timestamp = Timestamp::from_millis(1_795_348_800_000);

impl House {
    fn new() -> Self {
        let world = World::rehearsal(Arc::new(ManualClock::at(NOON)), 7);
        Self { tenant: world.id(), subject: world.id(), conversation: world.id(), world }
    }

    fn staff(&self, roles: &[Role]) -> Staff {
        Staff {
            user: self.world.id(),
            tenant: self.tenant,
            grants: roles.iter().copied().map(Grant::everywhere).collect(),
            assurance: 3,
            authenticated_at: NOON,
            session: self.world.id(),
        }
    }

    fn whole(&self) -> Resource {
        Resource::Tenant(self.tenant)
    }

    fn bot(&self, name: &str) -> Resource {
        Resource::Bot { tenant: self.tenant, bot: BotName::new(name).unwrap() }
    }

    fn release(&self, author: Option<UserId>) -> Resource {
        let bot = BotName::new("front-desk").unwrap();
        Resource::Release { tenant: self.tenant, bot, release: self.world.id(), author }
    }

    fn chat(&self, assignee: Option<UserId>, waiting: bool) -> Resource {
        Resource::Conversation {
            tenant: self.tenant,
            bot: BotName::new("front-desk").unwrap(),
            conversation: self.conversation,
            subject: self.subject,
            assignee,
            waiting,
        }
    }

    fn visitor(&self) -> Visitor {
        Visitor { tenant: self.tenant, subject: self.subject, conversation: self.conversation }
    }
}

fn now() -> Circumstances {
    Circumstances::at(NOON)
}

fn because() -> Circumstances {
    now().because(Reason::new("the customer complained").unwrap())
}

/// The rule that refuses, or `None` when it is permitted.
fn refusal<A: Action>(actor: &Actor, resource: &Resource, moment: &Circumstances) -> Option<String> {
    GUARD.permit::<A>(actor, resource, moment).err().map(|denied| denied.rule().to_owned())
}

#[test]
fn a_permit_says_who_may_do_what_where_why_and_by_which_rule() {
    let house = House::new();
    let manager = house.staff(&[Role::SupportManager]);
    let user = manager.user;
    let permit =
        GUARD.permit::<ReadTranscript>(&manager.into(), &house.chat(None, false), &because()).unwrap();
    assert_eq!(permit.user(), Some(user));
    assert_eq!(permit.tenant(), house.tenant);
    assert_eq!(permit.conversation(), Some(house.conversation));
    assert_eq!(permit.subject(), Some(house.subject));
    assert_eq!(permit.rule(), "support_manager.transcripts");
    assert_eq!(permit.reason().map(Reason::as_str), Some("the customer complained"));
    assert_eq!(permit.decided_at(), NOON);
}

#[test]
fn a_visitor_reaches_their_own_conversation_and_nothing_else() {
    let house = House::new();
    let me = Actor::Visitor(house.visitor());
    assert_eq!(refusal::<PostMessage>(&me, &house.chat(None, false), &now()), None);
    assert_eq!(refusal::<ReadOwnConversation>(&me, &house.chat(None, false), &now()), None);

    // The same person with the token of another conversation, and another person with this id.
    let elsewhere = Visitor { conversation: house.world.id(), ..house.visitor() };
    let stranger = Visitor { subject: house.world.id(), ..house.visitor() };
    for other in [elsewhere, stranger] {
        let denied =
            GUARD.permit::<PostMessage>(&other.into(), &house.chat(None, false), &now()).unwrap_err();
        assert_eq!((denied.rule(), denied.visible()), ("default", false));
    }
    assert_eq!(refusal::<ReadTranscript>(&me, &house.chat(None, false), &because()).unwrap(), "default");
    assert_eq!(refusal::<ReadOverview>(&me, &house.whole(), &now()).unwrap(), "default");
}

#[test]
fn somebody_unknown_may_open_a_conversation_and_nothing_else() {
    let house = House::new();
    let nobody = Actor::Anonymous { tenant: house.tenant };
    assert_eq!(refusal::<OpenConversation>(&nobody, &house.bot("front-desk"), &now()), None);
    assert_eq!(refusal::<PostMessage>(&nobody, &house.chat(None, false), &now()).unwrap(), "default");
    assert_eq!(refusal::<ReadBots>(&nobody, &house.whole(), &now()).unwrap(), "default");
}

#[test]
fn one_factor_is_not_enough_for_staff_whatever_they_ask() {
    let house = House::new();
    let weak = Staff { assurance: 1, ..house.staff(&[Role::Owner]) };
    let own = Resource::Account { tenant: house.tenant, user: weak.user };
    let weak = Actor::Staff(weak);
    assert_eq!(refusal::<ReadUsers>(&weak, &house.whole(), &now()).unwrap(), "guard.second_factor");
    assert_eq!(refusal::<ReadOverview>(&weak, &house.whole(), &now()).unwrap(), "guard.second_factor");
    let denied = GUARD.permit::<ManageOwnAccount>(&weak, &own, &now()).unwrap_err();
    assert_eq!(denied.rule(), "guard.second_factor");
    assert!(denied.visible(), "they may know that their own account exists");
    assert!(denied.remedy().contains("passkey"));
}

#[test]
fn a_sign_in_of_more_than_twelve_hours_ago_no_longer_counts() {
    let house = House::new();
    let owner = Actor::Staff(house.staff(&[Role::Owner]));
    let at = |seconds| Circumstances::at(NOON.after(std::time::Duration::from_secs(seconds)));
    assert_eq!(refusal::<ReadUsers>(&owner, &house.whole(), &at(43_200)), None);
    assert_eq!(refusal::<ReadUsers>(&owner, &house.whole(), &at(43_201)).unwrap(), "guard.fresh_sign_in");
}

#[test]
fn a_transcript_is_opened_only_for_a_stated_reason() {
    let house = House::new();
    let manager = Actor::Staff(house.staff(&[Role::SupportManager]));
    let denied = GUARD.permit::<ReadTranscript>(&manager, &house.chat(None, false), &now()).unwrap_err();
    assert_eq!((denied.rule(), denied.visible()), ("guard.purpose", true));
    assert_eq!(refusal::<ReadTranscript>(&manager, &house.chat(None, false), &because()), None);
    // Whoever would be refused anyway is not asked for a reason first.
    let both = Actor::Staff(house.staff(&[Role::SupportManager, Role::BotDeveloper]));
    let refused = refusal::<ReadTranscript>(&both, &house.chat(None, false), &now());
    assert_eq!(refused.unwrap(), "separation.developer_transcripts");
}

#[test]
fn an_agent_opens_what_is_assigned_to_them_or_waits_and_sees_that_others_exist() {
    let house = House::new();
    let agent = house.staff(&[Role::SupportAgent]);
    let me = Some(agent.user);
    let agent = Actor::Staff(agent);
    for mine in [house.chat(me, false), house.chat(None, true)] {
        assert_eq!(refusal::<ReadTranscript>(&agent, &mine, &because()), None);
        assert_eq!(refusal::<ReplyToConversation>(&agent, &mine, &now()), None);
    }
    for other in [house.chat(None, false), house.chat(Some(house.world.id()), false)] {
        assert_eq!(refusal::<ListConversations>(&agent, &other, &now()), None);
        let denied = GUARD.permit::<ReadTranscript>(&agent, &other, &because()).unwrap_err();
        assert_eq!((denied.rule(), denied.visible()), ("default", true));
        assert!(denied.remedy().contains("assigned"), "{}", denied.remedy());
    }
}

#[test]
fn a_grant_for_one_bot_ends_at_that_bot() {
    let house = House::new();
    let scope = Scope::Bot(BotName::new("front-desk").unwrap());
    let grants = vec![Grant { role: Role::BotDeveloper, scope }];
    let developer = Actor::Staff(Staff { grants, ..house.staff(&[]) });
    assert_eq!(refusal::<UpdateBot>(&developer, &house.bot("front-desk"), &now()), None);
    let denied = GUARD.permit::<UpdateBot>(&developer, &house.bot("payroll"), &now()).unwrap_err();
    assert!(!denied.visible(), "the other bot is not theirs to know about");
    assert_eq!(denied.rule(), "default");
    assert_eq!(refusal::<ReadBots>(&developer, &house.whole(), &now()).unwrap(), "default");
    // The name of one bot is not the beginning of another's.
    assert!(refusal::<UpdateBot>(&developer, &house.bot("front-desk-2"), &now()).is_some());
}

#[test]
fn staff_without_a_role_reach_their_own_account_only() {
    let house = House::new();
    let fresh = house.staff(&[]);
    let own = Resource::Account { tenant: house.tenant, user: fresh.user };
    let fresh = Actor::Staff(fresh);
    assert_eq!(refusal::<ManageOwnAccount>(&fresh, &own, &now()), None);
    let other = Resource::Account { tenant: house.tenant, user: house.world.id() };
    assert!(refusal::<ManageOwnAccount>(&fresh, &other, &now()).is_some());
    assert_eq!(refusal::<ReadOverview>(&fresh, &house.whole(), &now()).unwrap(), "default");
}

#[test]
fn a_question_that_makes_no_sense_is_refused() {
    let house = House::new();
    let owner = Actor::Staff(house.staff(&[Role::Owner]));
    assert_eq!(refusal::<ReadUsers>(&owner, &house.bot("front-desk"), &now()).unwrap(), "fault");
}

#[test]
fn services_have_only_what_they_need() {
    let house = House::new();
    let service = |name| Actor::Service { name, tenant: house.tenant };
    for name in [ServiceName::Edge, ServiceName::Engine, ServiceName::Core, ServiceName::Operator] {
        assert!(refusal::<ReadTranscript>(&service(name), &house.chat(None, false), &because()).is_some());
        assert_eq!(refusal::<ReadBots>(&service(name), &house.whole(), &now()), None);
    }
    assert_eq!(refusal::<InviteUser>(&service(ServiceName::Operator), &house.whole(), &now()), None);
    assert!(refusal::<InviteUser>(&service(ServiceName::Core), &house.whole(), &now()).is_some());
}

#[test]
fn a_permit_cannot_be_forged_and_no_action_can_be_added() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/compile_fail/*.rs");
}
