//! How long a session lasts, and what ends it.

use doors::cookie::SessionSecret;
use guard::action::{DisableUser, GrantRole, ManageOwnAccount};
use guard::{Grant, Role};
use identity::{Refused, Why};
use kernel::World;
use store::Via;

use crate::authenticator::ORIGIN;
use crate::house::{House, challenge, refusal};

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_after_an_idle_hour() {
    let house = House::new().await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    let ask = || house.identity.session(&ada.signed_in.secret);
    house.minutes(59);
    assert!(ask().await.unwrap().is_ok());
    house.minutes(60);
    assert!(ask().await.unwrap().is_ok());
    house.minutes(61);
    assert_eq!(ask().await.unwrap().unwrap_err(), Why::Idle);
    assert_eq!(ask().await.unwrap().unwrap_err(), Why::Ended);
    let events = house.events("AUTH-1003I").await;
    assert_eq!((events.len(), &events[0]["why"]), (1, &"idle".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_after_twelve_hours_however_busy_it_is() {
    let house = House::new().await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    let ask = || house.identity.session(&ada.signed_in.secret);
    for _ in 0..23 {
        house.minutes(31);
        assert!(ask().await.unwrap().is_ok());
    }
    house.minutes(7);
    assert_eq!(ask().await.unwrap().unwrap_err(), Why::Expired);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_remembered_once_a_minute_and_cost_no_write_otherwise() {
    let house = House::new().await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    house.signed(&ada.signed_in).await;
    let before = house.db.counts().jobs;
    for _ in 0..50 {
        house.advance(1);
        house.signed(&ada.signed_in).await;
    }
    assert_eq!(house.db.counts().jobs, before);
    house.advance(10);
    house.signed(&ada.signed_in).await;
    assert_eq!(house.db.counts().jobs, before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_opens_nothing_once_the_account_is_disabled_or_its_roles_change() {
    let house = House::new().await;
    house.staff(Role::Owner, "owner@example.org").await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    let permit = house.operator_may::<GrantRole>(&house.account(ada.user));
    let more = Grant::everywhere(Role::SupportManager);
    house.identity.grant(permit, more, None, &Via::default()).await.unwrap();
    assert_eq!(house.identity.session(&ada.signed_in.secret).await.unwrap().unwrap_err(), Why::Ended);

    let again = house.sign_in(&ada).await;
    assert_eq!(house.signed(&again).await.actor.grants.len(), 2);
    let permit = house.operator_may::<DisableUser>(&house.account(ada.user));
    house.identity.disable(permit, &Via::default()).await.unwrap();
    assert_eq!(house.identity.session(&again.secret).await.unwrap().unwrap_err(), Why::Ended);
    assert_eq!(house.events("AUTH-1007I").await[0]["sessions_ended"], 1);
    let invented = SessionSecret::generate(&World::real());
    assert_eq!(house.identity.session(&invented).await.unwrap().unwrap_err(), Why::Unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_succeeds_after_a_disable_was_acknowledged() {
    let house = House::new().await;
    house.staff(Role::Owner, "owner@example.org").await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    let permit = house.operator_may::<DisableUser>(&house.account(ada.user));
    let requests = async {
        for _ in 0..100 {
            let _ = house.identity.session(&ada.signed_in.secret).await.unwrap();
        }
    };
    let via = Via::default();
    let disable = async {
        house.identity.disable(permit, &via).await.unwrap();
        for _ in 0..100 {
            assert!(house.identity.session(&ada.signed_in.secret).await.unwrap().is_err());
        }
    };
    tokio::join!(requests, disable);
}

#[tokio::test(flavor = "multi_thread")]
async fn stepping_up_renews_the_proof_and_the_secret() {
    let house = House::new().await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    let signed = house.signed(&ada.signed_in).await;
    house.minutes(30);
    assert_eq!(refusal(house.identity.step_up_totp(&signed, "12345", &Via::default()).await), Refused::Code);
    let code = house.code(&ada.letters);
    let fresh = house.identity.step_up_totp(&signed, &code, &Via::default()).await.unwrap();
    assert_eq!(house.identity.session(&ada.signed_in.secret).await.unwrap().unwrap_err(), Why::Unknown);
    let now = house.identity.session(&fresh).await.unwrap().unwrap();
    assert_eq!(now.actor.session, signed.actor.session);
    assert_eq!(now.actor.authenticated_at, house.world.now());
    assert_ne!(now.csrf.expose(), signed.csrf.expose());
    // The code is used up for signing in, too.
    let again = house.identity.step_up_totp(&now, &code, &Via::default()).await;
    assert_eq!(refusal(again), Refused::Code);
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_codes_in_a_stolen_session_is_slow() {
    let house = House::new().await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    let signed = house.signed(&ada.signed_in).await;
    for _ in 0..6 {
        assert_eq!(refusal(house.identity.step_up_totp(&signed, "1", &Via::default()).await), Refused::Code);
    }
    let outcome = house.identity.step_up_totp(&signed, "1", &Via::default()).await;
    assert!(matches!(refusal(outcome), Refused::Throttled { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_steps_up_its_own_session_and_no_other() {
    let house = House::new().await;
    let (mut key, first) = house.with_passkey(Role::Owner, "grace@example.org").await;
    let (mut other, _) = house.with_passkey(Role::SupportAgent, "eve@example.org").await;
    let signed = house.signed(&first).await;
    let (ceremony, options) = house.identity.step_up_begin(&signed).await.unwrap();
    assert_eq!(options["allowCredentials"].as_array().unwrap().len(), 1);
    other.counter = 1;
    let sent = other.get(challenge(&options), ORIGIN);
    let outcome = house.identity.step_up_passkey(&signed, &ceremony, &sent, &Via::default()).await;
    assert_eq!(refusal(outcome), Refused::SignIn);
    let (ceremony, options) = house.identity.step_up_begin(&signed).await.unwrap();
    key.counter = 1;
    let sent = key.get(challenge(&options), ORIGIN);
    let fresh = house.identity.step_up_passkey(&signed, &ceremony, &sent, &Via::default()).await.unwrap();
    assert!(house.identity.session(&fresh).await.unwrap().is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn people_see_and_end_their_own_sessions() {
    let house = House::new().await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    let second = house.sign_in(&ada).await;
    let third = house.sign_in(&ada).await;
    let signed = house.signed(&third).await;
    let may = || house.permit::<ManageOwnAccount>(&signed.actor.clone().into(), &house.account(ada.user));
    assert_eq!(house.identity.sessions(may()).await.unwrap().len(), 3);
    let factors = house.identity.factors(may()).await.unwrap();
    assert_eq!((factors.any(), factors.totp, factors.passkeys, factors.recovery_codes), (true, true, 0, 10));
    assert!(house.identity.end_session(may(), second.session, &Via::default()).await.unwrap());
    assert!(!house.identity.end_session(may(), second.session, &Via::default()).await.unwrap());
    assert_eq!(house.identity.session(&second.secret).await.unwrap().unwrap_err(), Why::Ended);
    assert_eq!(house.identity.end_other_sessions(may(), &Via::default()).await.unwrap(), 1);
    assert!(house.identity.session(&ada.signed_in.secret).await.unwrap().is_err());
    house.identity.sign_out(&signed, &Via::default()).await.unwrap();
    assert_eq!(house.identity.session(&third.secret).await.unwrap().unwrap_err(), Why::Ended);
    let whys: Vec<_> = house.events("AUTH-1003I").await.iter().map(|event| event["why"].clone()).collect();
    assert_eq!(whys, ["revoked", "revoked", "logout"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sixth_session_takes_the_place_of_the_oldest() {
    let house = House::new().await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    for _ in 0..5 {
        house.sign_in(&ada).await;
    }
    assert_eq!(house.identity.session(&ada.signed_in.secret).await.unwrap().unwrap_err(), Why::Ended);
    assert_eq!(house.events("AUTH-1003I").await[0]["why"], "replaced");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_ends_all_sessions_of_somebody_and_old_ones_are_swept() {
    let house = House::new().await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    let second = house.sign_in(&ada).await;
    // Not ended by hand: a ceremony that nobody finished.
    house.password("ada@example.org", crate::house::PASSWORD).await.unwrap();
    let permit = house.operator_may::<DisableUser>(&house.account(ada.user));
    assert_eq!(house.identity.end_sessions_of(permit, &Via::default()).await.unwrap(), 2);
    assert_eq!(house.identity.session(&second.secret).await.unwrap().unwrap_err(), Why::Ended);
    assert_eq!(house.identity.sweep().await.unwrap(), 0);
    house.minutes(8 * 24 * 60);
    assert_eq!(house.identity.sweep().await.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_way_sign_in_is_void_when_the_account_changes_meanwhile() {
    let house = House::new().await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    let half = house.password("ada@example.org", crate::house::PASSWORD).await.unwrap();
    let permit = house.operator_may::<DisableUser>(&house.account(ada.user));
    house.identity.end_sessions_of(permit, &Via::default()).await.unwrap();
    let code = house.code(&ada.letters);
    let outcome = house.identity.totp_step(&half, &code, &Via::default()).await;
    assert_eq!(refusal(outcome), Refused::SignIn);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_that_was_there_before_the_sign_in_opens_nothing_after_it() {
    let house = House::new().await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    // What an attacker planted in the browser, and what the same person was given before.
    let planted = SessionSecret::generate(&house.world);
    let before = &ada.signed_in;
    let after = house.sign_in(&ada).await;
    assert_eq!(house.identity.session(&planted).await.unwrap().unwrap_err(), Why::Unknown);
    assert_ne!(after.secret.expose(), before.secret.expose());
    assert_ne!(after.session, before.session);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_opens_nothing_after_its_holder_signed_out() {
    let house = House::new().await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    let (here, there) = (house.sign_in(&ada).await, house.sign_in(&ada).await);
    let signed = house.signed(&here).await;
    house.identity.sign_out(&signed, &Via::default()).await.unwrap();
    assert_eq!(house.identity.session(&here.secret).await.unwrap().unwrap_err(), Why::Ended);
    // What was looked at before stays looked at, and proves nothing any more.
    let code = house.code(&ada.letters);
    assert_eq!(refusal(house.identity.step_up_totp(&signed, &code, &Via::default()).await), Refused::SignIn);
    assert!(house.identity.session(&there.secret).await.unwrap().is_ok(), "another browser was signed out");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_one_house_opens_nothing_in_another() {
    let house = House::new().await;
    let ada = house.staff(Role::Owner, "ada@example.org").await;
    let next_door = house.next_door().await;
    assert_eq!(next_door.session(&ada.signed_in.secret).await.unwrap().unwrap_err(), Why::Unknown);
    assert!(house.identity.session(&ada.signed_in.secret).await.unwrap().is_ok(), "the look ended it");
    let (ceremony, _) = house.identity.passkey_begin().await.unwrap();
    let key = crate::authenticator::Authenticator::new();
    let sent = key.get("AAAA", ORIGIN);
    let outcome = next_door.passkey_finish(&ceremony, &sent, None, &Via::default()).await;
    assert_eq!(refusal(outcome), Refused::CeremonyOver);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_level_of_a_session_is_that_of_its_last_proof() {
    let house = House::new().await;
    house.staff(Role::Owner, "owner@example.org").await;
    let (mut key, first) = house.with_passkey(Role::KeyCustodian, "grace@example.org").await;
    let signed = house.signed(&first).await;
    assert_eq!((signed.session.assurance, signed.actor.assurance), (3, 3));
    // An app's code confirms: it is worth a code, and keeps no keys.
    let app = house.staff(Role::KeyCustodian, "ada@example.org").await;
    let weak = house.signed(&app.signed_in).await;
    let fresh = house.identity.step_up_totp(&weak, &house.code(&app.letters), &Via::default()).await.unwrap();
    let now = house.identity.session(&fresh).await.unwrap().unwrap();
    assert_eq!(now.actor.assurance, 2);
    let may = |staff: &guard::Staff| {
        let at = guard::Circumstances::at(house.world.now());
        let asked = crate::house::guard().permit::<guard::action::RotateKeys>(
            &staff.clone().into(),
            &house.whole(),
            &at,
        );
        asked.map(drop).map_err(|denied| denied.rule().to_owned())
    };
    assert_eq!(may(&now.actor).unwrap_err(), "guard.phishing_resistant");
    let (ceremony, options) = house.identity.step_up_begin(&signed).await.unwrap();
    key.counter = 1;
    let sent = key.get(challenge(&options), ORIGIN);
    let fresh = house.identity.step_up_passkey(&signed, &ceremony, &sent, &Via::default()).await.unwrap();
    let now = house.identity.session(&fresh).await.unwrap().unwrap();
    assert_eq!((now.actor.assurance, may(&now.actor)), (3, Ok(())));
}
