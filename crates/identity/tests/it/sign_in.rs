//! Signing in, and everything that must not.

use guard::Role;
use guard::action::DisableUser;
use identity::{CeremonyId, Refused};
use kernel::Problem;
use store::Via;

use crate::house::{House, PASSWORD, from, refusal};

#[tokio::test(flavor = "multi_thread")]
async fn a_password_and_a_code_sign_in() {
    let house = House::new().await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    let signed_in = house.sign_in(&ada).await;
    assert_eq!(signed_in.user, ada.user);
    assert_eq!(house.signed(&signed_in).await.actor.user, ada.user);
    let events = house.events("AUTH-1001I").await;
    assert_eq!(events.last().unwrap()["method"], "password+totp");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_address_a_wrong_password_and_a_disabled_account_read_the_same() {
    let house = House::new().await;
    house.staff(Role::Owner, "ada@example.org").await;
    let bob = house.staff(Role::SupportAgent, "bob@example.org").await;
    let permit = house.operator_may::<DisableUser>(&house.account(bob.user));
    house.identity.disable(permit, &Via::default()).await.unwrap();

    let mut answers = Vec::new();
    for (who, password) in [
        ("nobody@example.org", PASSWORD),
        ("not an address", PASSWORD),
        ("ada@example.org", "herring tidal copper lanterm"),
        ("bob@example.org", PASSWORD),
    ] {
        let refused = house.password(who, password).await.unwrap_err();
        answers.push(Problem::from(&refused));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let reasons: Vec<_> = house.events("AUTH-1002W").await.iter().map(|e| e["reason"].clone()).collect();
    assert_eq!(reasons, ["unknown", "unknown", "password", "disabled"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_works_once() {
    let house = House::new().await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    let code = house.code(&ada.letters);
    let first = house.password(&ada.email, PASSWORD).await.unwrap();
    house.identity.totp_step(&first, &code, &Via::default()).await.unwrap();
    let second = house.password(&ada.email, PASSWORD).await.unwrap();
    let replayed = house.identity.totp_step(&second, &code, &Via::default()).await;
    assert_eq!(refusal(replayed), Refused::Code);
    // The ceremony is still good for the next code.
    house.advance(30);
    let next = house.code(&ada.letters);
    house.identity.totp_step(&second, &next, &Via::default()).await.unwrap();
    // And then for nothing more.
    house.advance(30);
    let next = house.code(&ada.letters);
    let over = house.identity.totp_step(&second, &next, &Via::default()).await;
    assert_eq!(refusal(over), Refused::CeremonyOver);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_password_is_good_for_five_wrong_codes_and_ten_minutes() {
    let house = House::new().await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    let ceremony = house.password(&ada.email, PASSWORD).await.unwrap();
    for expected in [Refused::Code, Refused::Code, Refused::Code, Refused::Code, Refused::SignIn] {
        assert_eq!(refusal(house.identity.totp_step(&ceremony, "12345", &Via::default()).await), expected);
    }
    let code = house.code(&ada.letters);
    let over = house.identity.totp_step(&ceremony, &code, &Via::default()).await;
    assert_eq!(refusal(over), Refused::CeremonyOver);

    house.minutes(1);
    let ceremony = house.password(&ada.email, PASSWORD).await.unwrap();
    house.minutes(10);
    let code = house.code(&ada.letters);
    let over = house.identity.totp_step(&ceremony, &code, &Via::default()).await;
    assert_eq!(refusal(over), Refused::CeremonyOver);
    assert!(CeremonyId::parse("AAAA").is_none());
    let invented = CeremonyId::parse("AAAAAAAAAAAAAAAAAAAAAA").unwrap();
    let over = house.identity.totp_step(&invented, &code, &Via::default()).await;
    assert_eq!(refusal(over), Refused::CeremonyOver);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_stands_in_once_and_is_recorded() {
    let house = House::new().await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    let code = ada.codes[3].to_lowercase();
    let ceremony = house.password(&ada.email, PASSWORD).await.unwrap();
    house.identity.recovery_step(&ceremony, &code, &Via::default()).await.unwrap();
    let ceremony = house.password(&ada.email, PASSWORD).await.unwrap();
    let again = house.identity.recovery_step(&ceremony, &code, &Via::default()).await;
    assert_eq!(refusal(again), Refused::Code);
    house.identity.recovery_step(&ceremony, &ada.codes[4], &Via::default()).await.unwrap();
    let left: Vec<_> = house.events("AUTH-1012I").await.iter().map(|event| event["left"].clone()).collect();
    assert_eq!(left, [9, 8]);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_recovery_code_and_a_ceremony_of_another_kind_open_nothing() {
    let house = House::new().await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    let eve = house.staff(Role::SupportAgent, "eve@example.org").await;
    let ceremony = house.password(&ada.email, PASSWORD).await.unwrap();
    let outcome = house.identity.recovery_step(&ceremony, &eve.codes[0], &Via::default()).await;
    assert_eq!(refusal(outcome), Refused::Code);
    let (other, _) = house.identity.passkey_begin().await.unwrap();
    let code = house.code(&ada.letters);
    let outcome = house.identity.totp_step(&other, &code, &Via::default()).await;
    assert_eq!(refusal(outcome), Refused::CeremonyOver);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_whose_counter_goes_back_is_refused_and_recorded() {
    let house = House::new().await;
    let (mut key, first) = house.with_passkey(Role::Owner, "grace@example.org").await;
    key.counter = 5;
    house.passkey(&key).await.unwrap();
    for counter in [5, 4] {
        key.counter = counter;
        assert_eq!(refusal(house.passkey(&key).await), Refused::SignIn);
    }
    let events = house.events("AUTH-1002W").await;
    assert_eq!(events.len(), 2);
    assert!(
        events.iter().all(|event| event["reason"] == "counter" && event["user"] == first.user.to_string())
    );
    key.counter = 6;
    house.passkey(&key).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_answer_is_good_once_and_a_strange_passkey_never() {
    let house = House::new().await;
    let (key, _) = house.with_passkey(Role::Owner, "grace@example.org").await;
    let (ceremony, options) = house.identity.passkey_begin().await.unwrap();
    let sent = key.get(crate::house::challenge(&options), crate::authenticator::ORIGIN);
    house.identity.passkey_finish(&ceremony, &sent, None, &Via::default()).await.unwrap();
    let again = house.identity.passkey_finish(&ceremony, &sent, None, &Via::default()).await;
    assert_eq!(refusal(again), Refused::CeremonyOver);
    let (fresh, _) = house.identity.passkey_begin().await.unwrap();
    let again = house.identity.passkey_finish(&fresh, &sent, None, &from("192.0.2.9")).await;
    assert_eq!(refusal(again), Refused::SignIn);
    let stranger = crate::authenticator::Authenticator::new();
    assert_eq!(refusal(house.passkey(&stranger).await), Refused::SignIn);
    let disabled = crate::authenticator::Authenticator { flags: 0x01, ..key };
    assert_eq!(refusal(house.passkey(&disabled).await), Refused::SignIn);
}
