//! The separation that this house was built for: who changes bots opens no transcripts, and who opens
//! transcripts changes no bots.

use super::*;

#[test]
fn a_developer_changes_bots_and_cannot_open_transcripts() {
    let house = House::new();
    let developer = Actor::Staff(house.staff(&[Role::BotDeveloper]));
    assert_eq!(refusal::<UpdateBot>(&developer, &house.bot("front-desk"), &now()), None);
    assert_eq!(refusal::<TestBot>(&developer, &house.bot("front-desk"), &now()), None);
    assert_eq!(refusal::<PushRelease>(&developer, &house.bot("front-desk"), &now()), None);
    let rule = "separation.developer_transcripts";
    let denied =
        GUARD.permit::<ReadTranscript>(&developer, &house.chat(None, false), &because()).unwrap_err();
    assert_eq!((denied.rule(), denied.visible()), (rule, false));
    assert_eq!(refusal::<ReplyToConversation>(&developer, &house.chat(None, true), &now()).unwrap(), rule);
    assert_eq!(refusal::<ListConversations>(&developer, &house.whole(), &now()).unwrap(), rule);
}

#[test]
fn a_support_manager_opens_transcripts_and_cannot_change_bots() {
    let house = House::new();
    let manager = Actor::Staff(house.staff(&[Role::SupportManager]));
    assert_eq!(refusal::<ReadTranscript>(&manager, &house.chat(None, false), &because()), None);
    assert_eq!(refusal::<ListConversations>(&manager, &house.whole(), &now()), None);
    let rule = "separation.support_bots";
    assert_eq!(refusal::<UpdateBot>(&manager, &house.bot("front-desk"), &now()).unwrap(), rule);
    assert_eq!(refusal::<PushRelease>(&manager, &house.bot("front-desk"), &now()).unwrap(), rule);
    assert_eq!(refusal::<ActivateRelease>(&manager, &house.release(None), &now()).unwrap(), rule);
}

#[test]
fn a_person_with_both_roles_has_neither_power() {
    let house = House::new();
    for support in [Role::SupportManager, Role::SupportAgent] {
        let both = house.staff(&[Role::BotDeveloper, support]);
        let mine = house.chat(Some(both.user), false);
        let both = Actor::Staff(both);
        let denied = GUARD.permit::<ReadTranscript>(&both, &mine, &because()).unwrap_err();
        assert_eq!((denied.rule(), denied.visible()), ("separation.developer_transcripts", true));
        let refused = refusal::<UpdateBot>(&both, &house.bot("front-desk"), &now());
        assert_eq!(refused.unwrap(), "separation.support_bots");
    }
}

#[test]
fn roles_over_different_bots_are_still_both_roles() {
    let house = House::new();
    let on = |role, bot| Grant { role, scope: Scope::Bot(BotName::new(bot).unwrap()) };
    let grants = vec![on(Role::BotDeveloper, "payroll"), on(Role::SupportManager, "front-desk")];
    let both = Actor::Staff(Staff { grants, ..house.staff(&[]) });
    assert!(refusal::<ReadTranscript>(&both, &house.chat(None, false), &because()).is_some());
    assert!(refusal::<UpdateBot>(&both, &house.bot("payroll"), &now()).is_some());
}

#[test]
fn an_owner_approves_the_releases_of_others_and_not_their_own() {
    let house = House::new();
    let owner = house.staff(&[Role::Owner, Role::BotDeveloper]);
    let own = house.release(Some(owner.user));
    let owner = Actor::Staff(owner);
    assert_eq!(refusal::<ActivateRelease>(&owner, &house.release(Some(house.world.id())), &now()), None);
    assert_eq!(refusal::<ActivateRelease>(&owner, &house.release(None), &now()), None);
    assert_eq!(refusal::<ActivateRelease>(&owner, &own, &now()).unwrap(), "separation.own_release");
    let developer = Actor::Staff(house.staff(&[Role::BotDeveloper]));
    assert_eq!(refusal::<ActivateRelease>(&developer, &house.release(None), &now()).unwrap(), "default");
}

#[test]
fn nobody_grants_a_role_to_themselves() {
    let house = House::new();
    let owner = house.staff(&[Role::Owner]);
    let own = Resource::Account { tenant: house.tenant, user: owner.user };
    let other = Resource::Account { tenant: house.tenant, user: house.world.id() };
    let owner = Actor::Staff(owner);
    assert_eq!(refusal::<GrantRole>(&owner, &own, &now()).unwrap(), "separation.own_roles");
    assert_eq!(refusal::<GrantRole>(&owner, &other, &now()), None);
    assert_eq!(refusal::<RevokeRole>(&owner, &own, &now()), None);
}

#[test]
fn an_auditor_reads_records_and_writes_nothing_even_as_an_owner() {
    let house = House::new();
    let auditor = Actor::Staff(house.staff(&[Role::Auditor]));
    assert_eq!(refusal::<ReadAudit>(&auditor, &house.whole(), &now()), None);
    assert_eq!(refusal::<ExportAudit>(&auditor, &house.whole(), &now()), None);
    assert_eq!(refusal::<ReadTranscript>(&auditor, &house.chat(None, false), &because()).unwrap(), "default");
    let both = Actor::Staff(house.staff(&[Role::Auditor, Role::Owner]));
    let refused = refusal::<InviteUser>(&both, &house.whole(), &now());
    assert_eq!(refused.unwrap(), "separation.auditor_read_only");
}

#[test]
fn an_owner_opens_no_transcript_by_that_role() {
    let house = House::new();
    let owner = Actor::Staff(house.staff(&[Role::Owner]));
    let denied = GUARD.permit::<ReadTranscript>(&owner, &house.chat(None, false), &because()).unwrap_err();
    assert_eq!((denied.rule(), denied.visible()), ("default", false));
    assert_eq!(denied.remedy(), "Ask an owner; this needs the role support agent or support manager.");
}
