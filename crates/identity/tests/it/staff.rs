//! Managing the people: the last owner, separated duties, factors that are reset.

use guard::action::{DisableUser, EnableUser, GrantRole, InviteUser, ReadUsers, ResetFactors, RevokeRole};
use guard::{Act, Actor, Circumstances, Grant, Role, Staff};
use identity::api_keys::KeyRefused;
use identity::{GrantRow, IdentityError, Refused, UserState, Why};
use store::Via;

use crate::house::{House, PASSWORD, email, guard, name, refusal};

#[tokio::test(flavor = "multi_thread")]
async fn the_last_owner_cannot_be_taken_out() {
    let house = House::new().await;
    let invite = house.identity.first_owner_invite().await.unwrap().unwrap();
    let ada = house.enrol(&invite, "Ada Lovelace", "ada@example.org").await;
    let owner = Grant::everywhere(Role::Owner);
    let via = Via::default();
    let disable = || house.operator_may::<DisableUser>(&house.account(ada.user));
    let revoke = || house.operator_may::<RevokeRole>(&house.account(ada.user));
    assert_eq!(refusal(house.identity.disable(disable(), &via).await), Refused::LastOwner);
    assert_eq!(refusal(house.identity.revoke(revoke(), owner.clone(), &via).await), Refused::LastOwner);
    let ends = Some(house.world.now().after(std::time::Duration::from_secs(60)));
    let grant = house.operator_may::<GrantRole>(&house.account(ada.user));
    assert_eq!(refusal(house.identity.grant(grant, owner.clone(), ends, &via).await), Refused::LastOwner);
    assert!(house.identity.session(&ada.signed_in.secret).await.unwrap().is_ok());

    let bob = house.staff(Role::Owner, "bob@example.org").await;
    house.identity.revoke(revoke(), owner, &via).await.unwrap();
    let bobs = house.operator_may::<DisableUser>(&house.account(bob.user));
    assert_eq!(refusal(house.identity.disable(bobs, &via).await), Refused::LastOwner);
    house.identity.disable(disable(), &via).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_that_must_be_separate_are_not_granted_together() {
    let house = House::new().await;
    let ada = house.staff(Role::BotDeveloper, "ada@example.org").await;
    let may = || house.operator_may::<GrantRole>(&house.account(ada.user));
    let via = Via::default();
    let manager = Grant::everywhere(Role::SupportManager);
    let outcome = house.identity.grant(may(), manager.clone(), None, &via).await;
    assert!(matches!(refusal(outcome), Refused::Separation(_)));
    let revoke = house.operator_may::<RevokeRole>(&house.account(ada.user));
    let held = Grant::everywhere(Role::BotDeveloper);
    house.identity.revoke(revoke, held.clone(), &via).await.unwrap();
    house.identity.grant(may(), manager, None, &via).await.unwrap();
    let revoke = house.operator_may::<RevokeRole>(&house.account(ada.user));
    assert_eq!(refusal(house.identity.revoke(revoke, held, &via).await), Refused::NotHeld);
    assert_eq!((house.events("AUTH-1008I").await.len(), house.events("AUTH-1009I").await.len()), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_roles_needs_a_reason() {
    let house = House::new().await;
    let ada = house.staff(Role::BotDeveloper, "ada@example.org").await;
    let silent = Circumstances::at(house.world.now());
    let permit = guard().permit::<GrantRole>(&house.operator(), &house.account(ada.user), &silent).unwrap();
    let owner = Grant::everywhere(Role::Owner);
    let outcome = house.identity.grant(permit, owner, None, &Via::default()).await;
    assert_eq!(refusal(outcome), Refused::ReasonNeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_ends_by_itself() {
    let house = House::new().await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    let permit = house.operator_may::<GrantRole>(&house.account(ada.user));
    let ends = house.world.now().after(std::time::Duration::from_secs(30 * 60));
    let manager = Grant::everywhere(Role::SupportManager);
    house.identity.grant(permit, manager, Some(ends), &Via::default()).await.unwrap();
    let signed_in = house.sign_in(&ada).await;
    assert_eq!(house.signed(&signed_in).await.actor.grants.len(), 2);
    house.minutes(29);
    assert_eq!(house.signed(&signed_in).await.actor.grants.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn reset_factors_force_an_enrolment_anew_of_the_same_account() {
    let house = House::new().await;
    house.staff(Role::Owner, "owner@example.org").await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    // An earlier, unused invitation of somebody to the same address.
    let via = Via::default();
    let reset = || house.operator_may::<ResetFactors>(&house.account(ada.user));
    let first = house.identity.reset_factors(reset(), &via).await.unwrap();
    let link = house.identity.reset_factors(reset(), &via).await.unwrap();
    assert_eq!(refusal(house.identity.look_at_invite(first.expose()).await), Refused::Invite);
    assert_eq!(house.identity.session(&ada.signed_in.secret).await.unwrap().unwrap_err(), Why::Ended);
    assert_eq!(refusal(house.password("ada@example.org", PASSWORD).await), Refused::SignIn);

    let view = house.identity.look_at_invite(link.expose()).await.unwrap();
    assert!(view.again);
    let eve = house.identity.begin_enrolment(link.expose(), name("Eve"), email("eve@example.org")).await;
    assert_eq!(refusal(eve), Refused::OtherAddress);
    let anew = house.enrol(&link, "Ada Lovelace", "ada@example.org").await;
    assert_eq!(anew.user, ada.user);
    let again = house.sign_in(&anew).await;
    assert_eq!(house.signed(&again).await.actor.grants, [Grant::everywhere(Role::SupportAgent)]);
    // The old recovery codes went with the old factors.
    let ceremony = house.password("ada@example.org", PASSWORD).await.unwrap();
    let outcome = house.identity.recovery_step(&ceremony, &ada.codes[0], &via).await;
    assert_eq!(refusal(outcome), Refused::Code);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_invitation_to_an_address_does_not_take_over_its_account() {
    let house = House::new().await;
    house.staff(Role::Owner, "owner@example.org").await;
    let leftover = house.invite(Role::SupportAgent, Some("ada@example.org")).await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    let reset = house.operator_may::<ResetFactors>(&house.account(ada.user));
    house.identity.reset_factors(reset, &Via::default()).await.unwrap();
    let outcome =
        house.identity.begin_enrolment(leftover.expose(), name("Eve"), email("ada@example.org")).await;
    assert_eq!(refusal(outcome), Refused::AccountExists);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_shows_people_with_their_roles_and_factors() {
    let house = House::new().await;
    let ada = house.staff(Role::Owner, "ada@example.org").await;
    let (_, grace) = house.with_passkey(Role::SupportAgent, "grace@example.org").await;
    let permit = house.operator_may::<DisableUser>(&house.account(grace.user));
    house.identity.disable(permit, &Via::default()).await.unwrap();
    let signed = house.signed(&ada.signed_in).await;
    let permit = house.permit::<ReadUsers>(&signed.actor.into(), &house.whole());
    let users = house.identity.users(permit).await.unwrap();
    let shown: Vec<_> = users
        .iter()
        .map(|user| (user.email.as_str(), user.state, user.factors.totp, user.factors.passkeys))
        .collect();
    assert_eq!(
        shown,
        [
            ("ada@example.org", UserState::Active, true, 0),
            ("grace@example.org", UserState::Disabled, false, 1)
        ]
    );
    assert_eq!(users[0].factors.recovery_codes, 10);
    assert_eq!(users[0].grants, [Grant::everywhere(Role::Owner)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_account_is_enabled_for_a_reason_and_what_ended_with_it_stays_ended() {
    let house = House::new().await;
    house.staff(Role::Owner, "owner@example.org").await;
    let ada = house.staff(Role::SupportManager, "ada@example.org").await;
    let key = house.key_of(&ada, &[Act::ListConversations]).await;
    let via = Via::default();
    let enable = || house.operator_may::<EnableUser>(&house.account(ada.user));
    assert_eq!(refusal(house.identity.enable(enable(), &via).await), Refused::NotDisabled);
    let before = house.sign_in(&ada).await;
    let disable = house.operator_may::<DisableUser>(&house.account(ada.user));
    house.identity.disable(disable, &via).await.unwrap();
    assert_eq!(refusal(house.password("ada@example.org", PASSWORD).await), Refused::SignIn);

    let silent = Circumstances::at(house.world.now());
    let permit = guard().permit::<EnableUser>(&house.operator(), &house.account(ada.user), &silent).unwrap();
    assert_eq!(refusal(house.identity.enable(permit, &via).await), Refused::ReasonNeeded);
    house.identity.enable(enable(), &via).await.unwrap();
    assert_eq!(house.identity.session(&before.secret).await.unwrap().unwrap_err(), Why::Ended);
    assert_eq!(house.opens(&key).await, Err(KeyRefused::Revoked));
    house.minutes(20);
    let again = house.sign_in(&ada).await;
    assert_eq!(house.signed(&again).await.actor.grants, [Grant::everywhere(Role::SupportManager)]);
    let told = house.events("AUTH-1030I").await;
    assert_eq!(told.len(), 1);
    assert!(told[0].get("connection").is_none(), "{}", told[0]);
    assert_eq!(house.events("AUTH-1041I").await.len(), 1);
    let nobody = house.operator_may::<EnableUser>(&house.account(house.world.id()));
    assert_eq!(refusal(house.identity.enable(nobody, &via).await), Refused::NoAccount);
}

/// The rules can have become stricter while an account slept, or a row came from elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_holds_what_must_be_separate_is_not_enabled() {
    let house = House::new().await;
    house.staff(Role::Owner, "owner@example.org").await;
    let ada = house.staff(Role::SupportManager, "ada@example.org").await;
    let via = Via::default();
    let disable = house.operator_may::<DisableUser>(&house.account(ada.user));
    house.identity.disable(disable, &via).await.unwrap();
    let (tenant, now) = (house.tenant, house.world.now());
    let row = GrantRow {
        user: ada.user,
        grant: Grant::everywhere(Role::BotDeveloper),
        source: "elsewhere".to_owned(),
        granted_by: None,
        reason: None,
        granted: now,
        expires: None,
    };
    house.db.write(move |tx| store::users::put_grant(tx, tenant, &row)).await.unwrap();
    let enable = house.operator_may::<EnableUser>(&house.account(ada.user));
    assert!(matches!(refusal(house.identity.enable(enable, &via).await), Refused::Separation(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_is_made_with_a_passkey_by_whichever_way() {
    let house = House::new().await;
    let owner = house.staff(Role::Owner, "owner@example.org").await;
    let (_, strong) = house.with_passkey(Role::Owner, "grace@example.org").await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    let (via, everywhere) = (Via::default(), Grant::everywhere(Role::Owner));
    for (signed_in, refused) in [(house.sign_in(&owner).await, true), (strong, false)] {
        let staff = house.signed(&signed_in).await.actor;
        let actor = Actor::Staff(Staff { authenticated_at: house.world.now(), ..staff });
        let invites = house.permit::<InviteUser>(&actor, &house.whole());
        let invited = house.identity.invite(invites, everywhere.clone(), None, &via).await.map(drop);
        let grants = house.permit::<GrantRole>(&actor, &house.account(ada.user));
        let granted = house.identity.grant(grants, everywhere.clone(), None, &via).await;
        for outcome in [invited, granted] {
            match outcome {
                Err(IdentityError::Denied(denied)) if refused => {
                    assert_eq!(denied.rule(), "guard.phishing_resistant");
                }
                other => assert!(!refused && other.is_ok(), "{other:?}"),
            }
        }
    }
}
