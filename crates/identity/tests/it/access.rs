//! Roles for a while, and the reviews of break-glass accounts.

use guard::action::{
    DecideAccess, ManageConnections, ReadAccess, ReadUsers, RequestAccess, ReviewBreakGlass,
};
use guard::{Actor, Circumstances, Grant, Role, Staff};
use identity::access::AccessState;
use identity::notices::NoticeKind;
use identity::review::GrantSource;
use identity::{Refused, Why};
use kernel::AccessRequestId;
use store::Via;

use crate::house::{House, Person, guard, refusal};

const MANAGER: Grant = Grant::everywhere(Role::SupportManager);

impl House {
    /// Somebody who signed in a moment ago.
    async fn fresh(&self, person: &Person) -> Actor {
        let signed = self.sign_in(person).await;
        let staff = self.signed(&signed).await.actor;
        Actor::Staff(Staff { authenticated_at: self.world.now(), ..staff })
    }

    async fn ask(
        &self,
        person: &Person,
        grant: Grant,
        hours: u32,
    ) -> Result<AccessRequestId, identity::IdentityError> {
        let actor = self.fresh(person).await;
        let permit = self.permit::<RequestAccess>(&actor, &self.account(person.user));
        self.identity.request_access(permit, grant, hours, &Via::default()).await
    }

    async fn state(&self) -> AccessState {
        let permit = self.operator_may::<ReadAccess>(&self.whole());
        self.identity.access_requests(permit).await.unwrap()[0].state
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_asked_for_agreed_to_by_a_second_person_and_ends_by_itself() {
    let house = House::new().await;
    let owner = house.staff(Role::Owner, "owner@example.org").await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    let id = house.ask(&ada, MANAGER, 2).await.unwrap();
    // One request for the same thing is enough.
    assert_eq!(refusal(house.ask(&ada, MANAGER, 2).await), Refused::Asked);
    let before = house.sign_in(&ada).await;

    let decides = house.fresh(&owner).await;
    let permit = house.permit::<DecideAccess>(&decides, &house.account(ada.user));
    let until = house.identity.approve_access(permit, id, &Via::default()).await.unwrap();
    assert_eq!(until.since(house.world.now()).as_secs(), 2 * 60 * 60);
    // A session never changes its powers: the person signs in anew.
    assert!(matches!(house.identity.session(&before.secret).await.unwrap(), Err(Why::Ended)));
    let signed = house.sign_in(&ada).await;
    assert!(house.signed(&signed).await.actor.grants.contains(&MANAGER));
    let review =
        house.identity.review(house.operator_may::<ReadUsers>(&house.account(ada.user))).await.unwrap();
    let held = review[0].held.iter().find(|held| held.grant == MANAGER).unwrap();
    assert_eq!((&held.source, held.expires), (&GrantSource::Request(Some(owner.user)), Some(until)));

    house.minutes(59);
    assert!(house.signed(&signed).await.actor.grants.contains(&MANAGER));
    house.minutes(30);
    house.signed(&signed).await;
    house.minutes(31);
    // Whether anybody has recorded its end or not.
    let signed = house.sign_in(&ada).await;
    assert!(!house.signed(&signed).await.actor.grants.contains(&MANAGER));
    assert_eq!(house.identity.run_out().await.unwrap(), 1);
    assert_eq!(house.identity.run_out().await.unwrap(), 0);
    assert_eq!(house.state().await, AccessState::Ended);
    let ended = house.events("AUTH-1054I").await;
    assert_eq!((ended.len(), ended[0]["why"].as_str()), (1, Some("expired")));
    assert_eq!(house.events("AUTH-1050I").await.len(), 1);
    assert_eq!(house.events("AUTH-1051I").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_decides_about_their_own_request_nor_with_an_old_proof() {
    let house = House::new().await;
    let owner = house.staff(Role::Owner, "owner@example.org").await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    let own = house.ask(&owner, Grant::everywhere(Role::BotDeveloper), 8).await.unwrap();
    let decides = house.fresh(&owner).await;
    let now = Circumstances::at(house.world.now());
    let denied = guard().permit::<DecideAccess>(&decides, &house.account(owner.user), &now).unwrap_err();
    assert_eq!(denied.rule(), "separation.own_roles");
    // The operator asked for somebody: the operator does not agree.
    let asks = house.operator_may::<RequestAccess>(&house.account(ada.user));
    let asked = house.identity.request_access(asks, MANAGER, 8, &Via::default()).await.unwrap();
    let agrees = house.operator_may::<DecideAccess>(&house.account(ada.user));
    assert_eq!(
        refusal(house.identity.approve_access(agrees, asked, &Via::default()).await),
        Refused::OwnRequest
    );
    // The operator decides about what the owner asked for.
    let agrees = house.operator_may::<DecideAccess>(&house.account(owner.user));
    house.identity.approve_access(agrees, own, &Via::default()).await.unwrap();

    let Actor::Staff(staff) = decides else { unreachable!() };
    house.minutes(6);
    let late = guard()
        .permit::<DecideAccess>(
            &staff.into(),
            &house.account(ada.user),
            &Circumstances::at(house.world.now()),
        )
        .unwrap_err();
    assert_eq!(late.rule(), "guard.step_up");
    // A support agent decides about nobody.
    let agent = house.fresh(&ada).await;
    let now = Circumstances::at(house.world.now());
    assert!(guard().permit::<DecideAccess>(&agent, &house.account(owner.user), &now).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn duties_are_kept_separate_when_it_is_asked_for_and_when_it_is_agreed_to() {
    let house = House::new().await;
    house.staff(Role::Owner, "owner@example.org").await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    let developer = Grant::everywhere(Role::BotDeveloper);
    assert!(matches!(refusal(house.ask(&ada, developer.clone(), 8).await), Refused::Separation(_)));

    // Asked for while it was possible; meanwhile it is not any more.
    let bob = house.staff(Role::PrivacyOfficer, "bob@example.org").await;
    let id = house.ask(&bob, developer, 8).await.unwrap();
    let grant = house.operator_may(&house.account(bob.user));
    house.identity.grant(grant, MANAGER, None, &Via::default()).await.unwrap();
    let agrees = house.operator_may::<DecideAccess>(&house.account(bob.user));
    assert!(matches!(
        refusal(house.identity.approve_access(agrees, id, &Via::default()).await),
        Refused::Separation(_)
    ));
    assert_eq!(house.state().await, AccessState::Asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_runs_out_is_refused_or_taken_back_and_a_role_is_given_back() {
    let house = House::new().await;
    house.staff(Role::Owner, "owner@example.org").await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    for hours in [0, 169] {
        assert_eq!(refusal(house.ask(&ada, MANAGER, hours).await), Refused::Setting("number of hours"));
    }
    let id = house.ask(&ada, MANAGER, 8).await.unwrap();
    house.minutes(24 * 60);
    let decide = || house.operator_may::<DecideAccess>(&house.account(ada.user));
    assert_eq!(
        refusal(house.identity.approve_access(decide(), id, &Via::default()).await),
        Refused::NoRequest
    );
    assert_eq!(house.identity.run_out().await.unwrap(), 1);
    assert_eq!(house.state().await, AccessState::Expired);

    let id = house.ask(&ada, MANAGER, 8).await.unwrap();
    house.identity.refuse_access(decide(), id, &Via::default()).await.unwrap();
    assert_eq!(house.state().await, AccessState::Refused);
    assert_eq!(
        refusal(house.identity.approve_access(decide(), id, &Via::default()).await),
        Refused::NoRequest
    );

    let back = |id| {
        let permit = house.operator_may::<RequestAccess>(&house.account(ada.user));
        let identity = house.identity.clone();
        async move { identity.withdraw_access(permit, id, &Via::default()).await }
    };
    let id = house.ask(&ada, MANAGER, 8).await.unwrap();
    back(id).await.unwrap();
    assert_eq!(house.state().await, AccessState::Withdrawn);
    let id = house.ask(&ada, MANAGER, 8).await.unwrap();
    house.identity.approve_access(decide(), id, &Via::default()).await.unwrap();
    back(id).await.unwrap();
    assert_eq!(house.state().await, AccessState::Ended);
    let signed = house.sign_in(&ada).await;
    assert!(!house.signed(&signed).await.actor.grants.contains(&MANAGER));
    assert_eq!(refusal(back(id).await), Refused::NoRequest);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_use_of_a_break_glass_account_waits_for_somebody_else_to_look_into_it() {
    let (house, via) = (House::new().await, Via::default());
    let owner = house.staff(Role::Owner, "owner@example.org").await;
    let (mut key, glass) = house.with_passkey(Role::SecurityAdmin, "glass@example.org").await;
    let name = house.operator_may::<ManageConnections>(&house.whole());
    house.identity.name_break_glass(name, glass.user, true, &Via::default()).await.unwrap();
    // As if a connection were enabled, without a provider to enable.
    let only = house.operator_may::<ManageConnections>(&house.whole());
    let now = house.world.now();
    house.db.write(move |tx| store::connections::set_only_connections(tx, &only, true, now)).await.unwrap();
    assert_eq!(house.identity.glass_open().await.unwrap(), (0, 0));
    let arm = || {
        let leave = house.operator_may::<ManageConnections>(&house.whole());
        house.identity.arm_break_glass(leave, glass.user, Some(1), &via)
    };
    arm().await.unwrap();
    key.counter += 1;
    let used = house.passkey(&key).await.unwrap();
    assert_eq!(house.identity.glass_open().await.unwrap(), (1, 0));
    // Owners are told at once, on the console and by mail; whoever used it is not told of that.
    let letters = house.identity.letters_due(50).await.unwrap();
    let alerts = letters.iter().filter(|letter| letter.told.kind == NoticeKind::BreakGlassUsed);
    assert_eq!(alerts.map(|letter| letter.to[0].as_str()).collect::<Vec<_>>(), ["owner@example.org"]);
    house.minutes(3 * 24 * 60);
    assert_eq!(house.identity.glass_open().await.unwrap(), (1, 1));

    // Not by the one who used it.
    arm().await.unwrap();
    key.counter += 1;
    let again = house.passkey(&key).await.unwrap();
    let actor: Actor = house.signed(&again).await.actor.into();
    let now = Circumstances::at(house.world.now());
    let denied = guard().permit::<ReviewBreakGlass>(&actor, &house.account(glass.user), &now).unwrap_err();
    assert_eq!(denied.rule(), "separation.own_roles");
    let uses = house.identity.glass_uses(house.operator_may::<ReadAccess>(&house.whole())).await.unwrap();
    assert_eq!(uses.len(), 2);
    for one in &uses {
        assert_eq!(one.user, glass.user);
        assert_ne!(Some(one.user), Some(owner.user));
        let permit = house.operator_may::<ReviewBreakGlass>(&house.account(glass.user));
        house.identity.review_glass(permit, one.session, &Via::default()).await.unwrap();
    }
    assert_eq!(house.identity.glass_open().await.unwrap(), (0, 0));
    let permit = house.operator_may::<ReviewBreakGlass>(&house.account(glass.user));
    let twice = house.identity.review_glass(permit, used.session, &Via::default()).await;
    assert_eq!(refusal(twice), Refused::NoRequest);
    assert_eq!(house.events("AUTH-1055I").await.len(), 2);
}
