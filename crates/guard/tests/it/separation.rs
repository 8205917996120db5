//! The separation that this house was built for: who changes bots opens no transcripts, and who opens
//! transcripts changes no bots.

use super::*;
use guard::Act;

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
    let refused = refusal::<ReadTranscript>(&auditor, &house.chat(None, false), &because());
    assert_eq!(refused.unwrap(), "separation.auditor_transcripts");
    let both = Actor::Staff(house.staff(&[Role::Auditor, Role::Owner]));
    let refused = refusal::<InviteUser>(&both, &house.whole(), &now());
    assert_eq!(refused.unwrap(), "separation.auditor_read_only");
    let refused = refusal::<ReadAudit>(&both, &house.whole(), &now());
    assert_eq!(refused.unwrap(), "separation.auditor_records");
}

#[test]
fn an_owner_opens_no_transcript_by_that_role() {
    let house = House::new();
    let owner = Actor::Staff(house.staff(&[Role::Owner]));
    let denied = GUARD.permit::<ReadTranscript>(&owner, &house.chat(None, false), &because()).unwrap_err();
    assert_eq!((denied.rule(), denied.visible()), ("default", false));
    assert_eq!(denied.remedy(), "Ask an owner; this needs the role support agent or support manager.");
}

#[test]
fn a_custodian_manages_keys_and_cannot_open_transcripts() {
    let house = House::new();
    let custodian = Actor::Staff(house.staff(&[Role::KeyCustodian]));
    assert_eq!(refusal::<ReadKeys>(&custodian, &house.whole(), &now()), None);
    assert_eq!(refusal::<RotateKeys>(&custodian, &house.whole(), &now()), None);
    assert_eq!(refusal::<ApproveKeyRequest>(&custodian, &house.whole(), &now()), None);
    assert_eq!(refusal::<TendKeys>(&custodian, &house.whole(), &now()).unwrap(), "default");
    let rule = "separation.custodian_transcripts";
    assert_eq!(refusal::<ReadTranscript>(&custodian, &house.chat(None, false), &because()).unwrap(), rule);
    assert_eq!(refusal::<ListConversations>(&custodian, &house.whole(), &now()).unwrap(), rule);
}

#[test]
fn whoever_reads_transcripts_or_appoints_people_manages_no_keys() {
    let house = House::new();
    for role in [Role::SupportAgent, Role::SupportManager, Role::Owner] {
        let both = house.staff(&[Role::KeyCustodian, role]);
        let mine = house.chat(Some(both.user), false);
        let both = Actor::Staff(both);
        for refused in [
            refusal::<RotateKeys>(&both, &house.whole(), &now()),
            refusal::<DisableKey>(&both, &house.whole(), &now()),
            refusal::<ScheduleKeyDestruction>(&both, &house.whole(), &now()),
            refusal::<CancelKeyDestruction>(&both, &house.whole(), &now()),
            refusal::<MoveRoot>(&both, &house.whole(), &now()),
            refusal::<ApproveKeyRequest>(&both, &house.whole(), &now()),
        ] {
            assert_eq!(refused.unwrap(), "separation.readers_keys", "{role}");
        }
        assert!(refusal::<ReadTranscript>(&both, &mine, &because()).is_some(), "{role}");
        assert!(refusal::<InviteUser>(&both, &house.whole(), &now()).is_some(), "{role}");
        let alone = Actor::Staff(house.staff(&[role]));
        assert!(refusal::<RotateKeys>(&alone, &house.whole(), &now()).is_some(), "{role}");
    }
}

#[test]
fn an_owner_appoints_custodians_and_is_none() {
    let house = House::new();
    let owner = Actor::Staff(house.staff(&[Role::Owner]));
    let other = Resource::Account { tenant: house.tenant, user: house.world.id() };
    assert_eq!(refusal::<GrantRole>(&owner, &other, &now()), None);
    for refused in [
        refusal::<ReadKeys>(&owner, &house.whole(), &now()),
        refusal::<RotateKeys>(&owner, &house.whole(), &now()),
        refusal::<ApproveKeyRequest>(&owner, &house.whole(), &now()),
    ] {
        assert!(refused.is_some());
    }
}

#[test]
fn a_custodian_acts_only_within_five_minutes_of_a_proof() {
    let house = House::new();
    let staff = house.staff(&[Role::KeyCustodian]);
    let at =
        |seconds| Circumstances::at(staff.authenticated_at.after(std::time::Duration::from_secs(seconds)));
    let custodian = Actor::Staff(staff.clone());
    assert_eq!(refusal::<RotateKeys>(&custodian, &house.whole(), &at(300)), None);
    assert_eq!(refusal::<RotateKeys>(&custodian, &house.whole(), &at(301)).unwrap(), "guard.step_up");
    assert_eq!(
        refusal::<ReadKeys>(&custodian, &house.whole(), &at(301)),
        None,
        "looking needs no fresh proof"
    );
}

#[test]
fn whoever_appoints_invites_or_resets_somebody_proved_who_they_are_a_moment_ago() {
    let house = House::new();
    let staff = house.staff(&[Role::Owner]);
    let other = Resource::Account { tenant: house.tenant, user: house.world.id() };
    let at =
        |seconds| Circumstances::at(staff.authenticated_at.after(std::time::Duration::from_secs(seconds)));
    let owner = Actor::Staff(staff.clone());
    // A session that was left open, or stolen, makes nobody's account its own.
    for (fresh, refused) in [
        (
            refusal::<InviteUser>(&owner, &house.whole(), &at(300)),
            refusal::<InviteUser>(&owner, &house.whole(), &at(301)),
        ),
        (refusal::<GrantRole>(&owner, &other, &at(300)), refusal::<GrantRole>(&owner, &other, &at(301))),
        (
            refusal::<ResetFactors>(&owner, &other, &at(300)),
            refusal::<ResetFactors>(&owner, &other, &at(301)),
        ),
    ] {
        assert_eq!((fresh, refused.as_deref()), (None, Some("guard.step_up")));
    }
    // Taking somebody out does not wait for a proof.
    assert_eq!(refusal::<DisableUser>(&owner, &other, &at(301)), None);
    assert_eq!(refusal::<RevokeRole>(&owner, &other, &at(301)), None);
}

#[test]
fn the_core_rotates_by_the_calendar_and_neither_asks_nor_approves() {
    let house = House::new();
    let core = Actor::Service { name: guard::ServiceName::Core, tenant: house.tenant };
    assert_eq!(refusal::<RotateKeys>(&core, &house.whole(), &now()), None);
    assert_eq!(refusal::<TendKeys>(&core, &house.whole(), &now()), None);
    assert!(refusal::<ScheduleKeyDestruction>(&core, &house.whole(), &now()).is_some());
    assert!(refusal::<ApproveKeyRequest>(&core, &house.whole(), &now()).is_some());
    assert!(refusal::<MoveRoot>(&core, &house.whole(), &now()).is_some());
}

#[test]
fn who_tunes_bots_submits_nothing_and_who_approves_builds_nothing() {
    let house = House::new();
    let engineer = Actor::Staff(house.staff(&[Role::NlpEngineer]));
    assert_eq!(refusal::<UpdateBot>(&engineer, &house.bot("front-desk"), &now()), None);
    assert_eq!(refusal::<PushRelease>(&engineer, &house.bot("front-desk"), &now()).unwrap(), "default");
    let refused = refusal::<ReadTranscript>(&engineer, &house.chat(None, false), &because());
    assert_eq!(refused.unwrap(), "separation.developer_transcripts");

    let approver = house.staff(&[Role::ReleaseApprover]);
    let own = house.release(Some(approver.user));
    let approver = Actor::Staff(approver);
    assert_eq!(refusal::<ActivateRelease>(&approver, &house.release(None), &now()), None);
    assert_eq!(refusal::<ActivateRelease>(&approver, &own, &now()).unwrap(), "separation.own_release");
    assert_eq!(refusal::<UpdateBot>(&approver, &house.bot("front-desk"), &now()).unwrap(), "default");

    let both = Actor::Staff(house.staff(&[Role::ReleaseApprover, Role::BotDeveloper]));
    for refused in [
        refusal::<ActivateRelease>(&both, &house.release(None), &now()),
        refusal::<PushRelease>(&both, &house.bot("front-desk"), &now()),
    ] {
        assert_eq!(refused.unwrap(), "separation.approver_builds");
    }
}

#[test]
fn a_role_made_of_actions_gives_what_it_lists_where_it_was_granted_and_counts_as_a_duty() {
    let house = House::new();
    let role = guard::CustomRole::new("night-desk", [Act::ListConversations, Act::ReadTranscript]).unwrap();
    let scope = Scope::Bot(BotName::new("front-desk").unwrap());
    let grant = Grant { role: Role::Custom(role), scope };
    let night = house.staff(&[]);
    let desk = Actor::Staff(Staff { grants: vec![grant.clone()], ..night.clone() });
    assert_eq!(refusal::<ReadTranscript>(&desk, &house.chat(None, false), &because()), None);
    assert_eq!(refusal::<ReadTranscript>(&desk, &house.chat(None, false), &now()).unwrap(), "guard.purpose");
    assert_eq!(
        refusal::<ReplyToConversation>(&desk, &house.chat(None, false), &now()).unwrap(),
        "default",
        "it does not list this"
    );
    assert!(refusal::<ListConversations>(&desk, &house.bot("payroll"), &now()).is_some(), "another bot");

    let developer = Grant::everywhere(Role::BotDeveloper);
    assert!(guard::check_assignment(std::slice::from_ref(&grant), &developer).is_err());
    assert!(guard::check_assignment(std::slice::from_ref(&developer), &grant).is_err());
    let both = Actor::Staff(Staff { grants: vec![grant, developer], ..night });
    let refused = refusal::<ReadTranscript>(&both, &house.chat(None, false), &because());
    assert_eq!(refused.unwrap(), "separation.developer_transcripts");
    let refused = refusal::<UpdateBot>(&both, &house.bot("front-desk"), &now());
    assert_eq!(refused.unwrap(), "separation.support_bots");
}

#[test]
fn policies_are_changed_by_security_admins_with_a_fresh_proof_and_by_nobody_who_reads() {
    let house = House::new();
    let admin = house.staff(&[Role::SecurityAdmin]);
    let at =
        |seconds| Circumstances::at(admin.authenticated_at.after(std::time::Duration::from_secs(seconds)));
    let actor = Actor::Staff(admin.clone());
    assert_eq!(refusal::<ProposePolicy>(&actor, &house.whole(), &at(300)), None);
    assert_eq!(refusal::<ApprovePolicy>(&actor, &house.whole(), &at(301)).unwrap(), "guard.step_up");
    assert_eq!(refusal::<ReadPolicy>(&actor, &house.whole(), &at(301)), None);
    let reads = Actor::Staff(house.staff(&[Role::SecurityAdmin, Role::SupportManager]));
    assert_eq!(refusal::<ApprovePolicy>(&reads, &house.whole(), &now()).unwrap(), "separation.readers_rules");
    let owner = Actor::Staff(house.staff(&[Role::Owner]));
    assert_eq!(refusal::<ProposePolicy>(&owner, &house.whole(), &now()).unwrap(), "default");
    assert_eq!(refusal::<DefineRole>(&owner, &house.whole(), &now()), None);
}

#[test]
fn keys_policies_sign_in_rules_and_owners_are_changed_by_a_proof_that_cannot_be_phished() {
    let house = House::new();
    let held = |level: u8, role| Actor::Staff(Staff { assurance: level, ..house.staff(&[role]) });
    let other = Resource::Account { tenant: house.tenant, user: house.world.id() };
    for (level, refused) in
        [(1, Some("guard.second_factor")), (2, Some("guard.phishing_resistant")), (3, None)]
    {
        let refused = refused.map(str::to_owned);
        let custodian = held(level, Role::KeyCustodian);
        assert_eq!(refusal::<RotateKeys>(&custodian, &house.whole(), &now()), refused);
        assert_eq!(refusal::<ApproveKeyRequest>(&custodian, &house.whole(), &now()), refused);
        let owner = held(level, Role::Owner);
        assert_eq!(refusal::<GrantOwner>(&owner, &other, &now()), refused);
        assert_eq!(refusal::<GrantOwner>(&owner, &house.whole(), &now()), refused);
        assert_eq!(refusal::<ManageConnections>(&owner, &house.whole(), &now()), refused);
        let admin = held(level, Role::SecurityAdmin);
        assert_eq!(refusal::<ProposePolicy>(&admin, &house.whole(), &now()), refused);
    }
    // What weighs less is done with any second factor.
    assert_eq!(refusal::<GrantRole>(&held(2, Role::Owner), &other, &now()), None);
    assert_eq!(refusal::<ReadKeys>(&held(2, Role::KeyCustodian), &house.whole(), &now()), None);
    let denied =
        GUARD.permit::<RotateKeys>(&held(2, Role::KeyCustodian), &house.whole(), &now()).unwrap_err();
    assert!(denied.visible() && denied.remedy().contains("passkey"), "{}", denied.remedy());
}

#[test]
fn what_is_under_a_legal_hold_is_erased_by_nobody_and_the_person_is_told() {
    let house = House::new();
    let person = |held| Resource::Person { tenant: house.tenant, subject: house.subject, held };
    let operator = Actor::Service { name: ServiceName::Operator, tenant: house.tenant };
    for eraser in [Actor::Staff(house.staff(&[Role::PrivacyOfficer])), operator] {
        assert_eq!(refusal::<EraseSubject>(&eraser, &person(false), &now()), None);
        assert_eq!(refusal::<EraseSubject>(&eraser, &person(true), &now()).unwrap(), "guard.legal_hold");
    }
    let me = Actor::Visitor(house.visitor());
    assert_eq!(refusal::<EraseOwnData>(&me, &person(false), &now()), None);
    let denied = GUARD.permit::<EraseOwnData>(&me, &person(true), &now()).unwrap_err();
    assert_eq!((denied.rule(), denied.visible()), ("guard.legal_hold_own", true));
    let stranger = Actor::Visitor(Visitor { subject: house.world.id(), ..house.visitor() });
    assert!(refusal::<EraseOwnData>(&stranger, &person(false), &now()).is_some());
}

#[test]
fn a_legal_hold_is_lifted_by_somebody_other_than_who_placed_it() {
    let house = House::new();
    let hold = |author| Resource::Hold { tenant: house.tenant, hold: house.world.id(), author };
    let officer = house.staff(&[Role::PrivacyOfficer]);
    let (own, others, operators) = (hold(Some(officer.user)), hold(Some(house.world.id())), hold(None));
    let officer = Actor::Staff(officer);
    assert_eq!(refusal::<PlaceHold>(&officer, &house.whole(), &now()), None);
    let denied = GUARD.permit::<LiftHold>(&officer, &own, &now()).unwrap_err();
    assert_eq!((denied.rule(), denied.visible()), ("separation.own_hold", true));
    let agent = Actor::Staff(house.staff(&[Role::SupportAgent]));
    assert!(!GUARD.permit::<LiftHold>(&agent, &own, &now()).unwrap_err().visible());
    assert_eq!(refusal::<LiftHold>(&officer, &others, &now()), None);
    assert_eq!(refusal::<LiftHold>(&officer, &operators, &now()), None);
    let operator = Actor::Service { name: ServiceName::Operator, tenant: house.tenant };
    assert_eq!(refusal::<LiftHold>(&operator, &operators, &now()).unwrap(), "separation.own_hold");
    assert_eq!(refusal::<LiftHold>(&operator, &others, &now()), None);
    let owner = Actor::Staff(house.staff(&[Role::Owner]));
    assert_eq!(refusal::<LiftHold>(&owner, &others, &now()), None);
    assert_eq!(refusal::<PlaceHold>(&owner, &house.whole(), &now()).unwrap(), "default");
    let auditor = Actor::Staff(house.staff(&[Role::Auditor]));
    assert_eq!(refusal::<ReadHolds>(&auditor, &house.whole(), &now()), None);
    assert!(refusal::<LiftHold>(&auditor, &others, &now()).is_some());
}
