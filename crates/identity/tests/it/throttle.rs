//! Guessing is slow, and guessing at somebody else's account does not keep its owner out.

use std::time::Duration;

use guard::Role;
use identity::Refused;
use store::Via;

use crate::house::{House, PASSWORD, from, refusal, secret};

fn wait(seconds: u64) -> Refused {
    Refused::Throttled { wait: Duration::from_secs(seconds) }
}

/// A guess from an address of its own, so that only the account's bucket counts.
async fn guess(house: &House, who: &str, n: usize) -> Refused {
    let via = from(&format!("198.51.100.{n}"));
    refusal(house.identity.password_step(who, secret("a wrong guess"), None, &via).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn five_guesses_are_free_and_then_each_doubles_the_pause_whether_there_is_an_account_or_not() {
    let house = House::new().await;
    house.staff(Role::SupportAgent, "ada@example.org").await;
    for who in ["ada@example.org", "nobody@example.org"] {
        for n in 0..6 {
            assert_eq!(guess(&house, who, n).await, Refused::SignIn, "{who} {n}");
        }
        for pause in [1, 2, 4, 8] {
            assert_eq!(guess(&house, who, 9).await, wait(pause), "{who}");
            house.advance(pause);
            assert_eq!(guess(&house, who, 10).await, Refused::SignIn, "{who} after {pause} s");
        }
    }
    let throttled = house.events("AUTH-1002W").await.iter().filter(|e| e["reason"] == "throttled").count();
    assert_eq!(throttled, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_is_never_longer_than_a_quarter_of_an_hour() {
    let house = House::new().await;
    for n in 0..40 {
        guess(&house, "ada@example.org", n).await;
        house.minutes(15);
    }
    guess(&house, "ada@example.org", 1).await;
    assert_eq!(guess(&house, "ada@example.org", 2).await, wait(900));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_cannot_try_one_password_on_many_accounts() {
    let house = House::new().await;
    let spray = |n: usize| {
        let who = format!("user{n}@example.org");
        let house = &house;
        async move {
            let via = from("203.0.113.7");
            refusal(house.identity.password_step(&who, secret("Summer of 2026!!"), None, &via).await)
        }
    };
    for n in 0..6 {
        assert_eq!(spray(n).await, Refused::SignIn);
    }
    assert_eq!(spray(7).await, wait(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_cannot_lock_out_somebody_on_a_device_they_have_used() {
    let house = House::new().await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    for n in 0..20 {
        guess(&house, "ada@example.org", n).await;
        house.advance(16);
    }
    guess(&house, "ada@example.org", 20).await;
    let device = ada.signed_in.device.expose();
    let via = Via::default();
    let try_with = |device: Option<&'static str>| {
        house.identity.password_step("ada@example.org", secret(PASSWORD), device, &via)
    };
    assert!(matches!(refusal(try_with(None).await), Refused::Throttled { .. }));
    assert!(matches!(refusal(try_with(Some("forged")).await), Refused::Throttled { .. }));
    let ceremony = house
        .identity
        .password_step("ada@example.org", secret(PASSWORD), Some(device), &from("198.51.100.1"))
        .await
        .unwrap();
    let code = house.code(&ada.letters);
    house.identity.totp_step(&ceremony, &code, &Via::default()).await.unwrap();
    // Her success does not empty the strangers' bucket.
    assert!(matches!(refusal(try_with(None).await), Refused::Throttled { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_has_a_bucket_of_its_own_and_counts_for_its_own_account_only() {
    let house = House::new().await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    let eve = house.staff(Role::SupportAgent, "eve@example.org").await;
    let (adas, eves) = (ada.signed_in.device.expose(), eve.signed_in.device.expose());
    for n in 0..6 {
        guess(&house, "ada@example.org", n).await;
    }
    let attempt = async |device| {
        let via = from("203.0.113.9");
        refusal(house.identity.password_step("ada@example.org", secret("wrong"), Some(device), &via).await)
    };
    assert_eq!(attempt(eves).await, wait(1));
    for _ in 0..6 {
        assert_eq!(attempt(adas).await, Refused::SignIn);
    }
    assert_eq!(attempt(adas).await, wait(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_once_are_counted_like_guesses_in_a_row() {
    let house = House::new().await;
    let guesses = (0..40).map(|n| {
        let identity = house.identity.clone();
        tokio::spawn(async move {
            let via = from(&format!("198.51.100.{n}"));
            refusal(identity.password_step("ada@example.org", secret("wrong"), None, &via).await)
        })
    });
    let mut looked_at = 0;
    for guess in guesses.collect::<Vec<_>>() {
        looked_at += usize::from(guess.await.unwrap() == Refused::SignIn);
    }
    assert_eq!(looked_at, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_starts_the_count_anew() {
    let house = House::new().await;
    let ada = house.staff(Role::SupportAgent, "ada@example.org").await;
    for round in 0..4 {
        for n in 0..4 {
            assert_eq!(guess(&house, "ada@example.org", round * 10 + n).await, Refused::SignIn);
        }
        house.sign_in(&ada).await;
    }
}
