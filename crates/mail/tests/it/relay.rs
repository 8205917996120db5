//! With Debian's Exim.

use std::time::Duration;

use mail::{MailError, Mailer, Security, Settings, Step, Told};
use outbound::OutboundError;
use testkit::{Authority, Offers, Relay};

use super::*;

async fn refusal(mailer: &Mailer, letter: &Letter) -> MailError {
    mailer.send(letter).await.unwrap_err()
}

#[tokio::test]
async fn a_letter_arrives_by_tls_and_by_starttls() {
    let authority = Authority::new();
    for (offers, security) in [(Offers::Tls, Security::Tls), (Offers::StartTls, Security::StartTls)] {
        let relay = Relay::start(&authority, offers);
        let mut told = Vec::new();
        let mailer = mailer(&authority, relay.port(), security);
        let mut session = mailer.open_telling(&mut |step| told.push(step)).await.unwrap();
        assert!(matches!(told[0], Told::Resolved(ref at) if at.iter().all(|at| at.is_loopback())));
        let words = format!("{told:?}");
        assert!(words.contains("SignedIn(\"PLAIN\")") && words.contains("TLS 1.3, "), "{words}");
        let receipt =
            session.send(&letter("ada@example.org", "Grüße.\n.\nA line with a point.")).await.unwrap();
        session.end().await;
        assert!(receipt.words.as_str().starts_with("OK id="), "{:?}", receipt.words.as_str());

        let letters = relay.wait_for(1);
        let one = &letters[0];
        for line in [
            "Return-path: <wardroom@house.test>",
            "Envelope-to: ada@example.org",
            "From: Wardroom <wardroom@house.test>",
            "To: ada@example.org",
            "Message-ID: <letter-to-15@house.test>",
            "Date: Mon, 23 Nov 2026 10:33:20 +0000",
            "Auto-Submitted: auto-generated",
            "TLS1.3",
            "with esmtpsa",
        ] {
            assert!(one.contains(line), "{line} is missing:\n{one}");
        }
        assert_eq!(relay.connections(), 1);
        assert!(!format!("{mailer:?} {relay:?}").contains("battery"));
    }
}

#[tokio::test]
async fn a_relay_that_cannot_be_trusted_gets_neither_password_nor_letter() {
    let (authority, other) = (Authority::new(), Authority::new());
    let letter = letter("ada@example.org", "secret");
    for (offers, security) in [(Offers::Tls, Security::Tls), (Offers::StartTls, Security::StartTls)] {
        let stranger = Relay::start(&other, offers);
        let elsewhere = Relay::with(&authority.issue(&["relay.example.org"]), offers);
        for (relay, why) in [(&stranger, "invalid peer certificate"), (&elsewhere, "not valid for name")] {
            let error = refusal(&mailer(&authority, relay.port(), security), &letter).await;
            assert!(matches!(error, MailError::Way(OutboundError::Tls { .. })), "{error}");
            assert!(error.to_string().contains(why) && !error.is_final(), "{error}");
            assert!(relay.letters().is_empty() && !relay.log().contains("A=plain"), "{}", relay.log());
        }
    }
}

#[tokio::test]
async fn a_relay_without_starttls_gets_nothing() {
    let authority = Authority::new();
    let relay = Relay::start(&authority, Offers::Nothing);
    let error =
        refusal(&mailer(&authority, relay.port(), Security::StartTls), &letter("a@b.test", "x")).await;
    assert!(matches!(error, MailError::NoEncryption { .. }), "{error}");
    assert!(error.to_string().contains("offers no STARTTLS, so nothing is sent"));
    assert!(relay.letters().is_empty() && !relay.log().contains("A=plain"), "{}", relay.log());
}

#[tokio::test]
async fn a_wrong_password_and_none_at_all_are_told_apart() {
    let authority = Authority::new();
    let relay = Relay::start(&authority, Offers::Tls);
    let with = |credentials| {
        let settings = settings(&authority, relay.port(), Security::Tls);
        Mailer::new(Settings { credentials, ..settings }).unwrap()
    };
    let wrong = refusal(&with(Some(credentials("guess"))), &letter("ada@example.org", "x")).await;
    assert!(matches!(wrong, MailError::Refused { step: Step::SignIn, code: 535, .. }), "{wrong}");
    assert!(!wrong.is_final() && !wrong.is_of_the_letter());
    assert!(wrong.to_string().ends_with("answered 535 at AUTH"), "{wrong}");
    let none = refusal(&with(None), &letter("ada@example.org", "x")).await;
    assert!(matches!(none, MailError::Refused { step: Step::Recipient, code: 550, .. }), "{none}");
    assert_eq!(none.words().unwrap().as_str(), "sign in first");
    assert!(relay.letters().is_empty());
}

#[tokio::test]
async fn a_letter_that_is_refused_does_not_stop_the_next_one() {
    let authority = Authority::new();
    let relay = Relay::start(&authority, Offers::Tls);
    let mut session = mailer(&authority, relay.port(), Security::Tls).open().await.unwrap();
    for (to, text, step, code, good) in [
        ("busy@example.org", "x", Step::Recipient, 451, false),
        ("nobody@example.org", "x", Step::Recipient, 550, true),
        ("ada@example.org", "this is unwanted", Step::Text, 550, true),
    ] {
        let error = session.send(&letter(to, text)).await.unwrap_err();
        assert!(error.is_of_the_letter() && error.is_final() == good, "{error}");
        assert!(
            matches!(error, MailError::Refused { step: at, code: told, .. } if at == step && told == code),
            "{error}"
        );
        assert!(!format!("{error} {error:?}").contains("example.org"), "{error:?}");
    }
    for number in 0..3 {
        session.send(&letter(&format!("ada-{number}@example.org"), "x")).await.unwrap();
    }
    session.end().await;
    relay.wait_for(3);
    assert_eq!(relay.connections(), 1);
}

#[tokio::test]
async fn a_relay_that_was_away_takes_the_letter_later() {
    let authority = Authority::new();
    let mut relay = Relay::start(&authority, Offers::StartTls);
    let (mailer, letter) =
        (mailer(&authority, relay.port(), Security::StartTls), letter("ada@example.org", "x"));
    relay.go_away();
    let error = refusal(&mailer, &letter).await;
    assert!(matches!(error, MailError::Way(OutboundError::Unreachable { .. })), "{error}");
    assert!(!error.is_final() && !error.is_of_the_letter());
    relay.come_back();
    mailer.send(&letter).await.unwrap();
    relay.wait_for(1);
}

#[tokio::test]
async fn there_are_two_connections_at_once_and_no_more() {
    let authority = Authority::new();
    let relay = Relay::start(&authority, Offers::Tls);
    let mailer = mailer(&authority, relay.port(), Security::Tls);
    let (first, second) = (mailer.open().await.unwrap(), mailer.clone().open().await.unwrap());
    let third = tokio::spawn(async move { mailer.open().await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!third.is_finished() && relay.connections() == 2);
    first.end().await;
    third.await.unwrap().unwrap().end().await;
    drop(second);
}
