//! Letters through a real relay, and what is said to relays that are not well.

#![expect(clippy::unwrap_used, reason = "helpers of tests, outside `#[test]` functions")]

mod broken;
mod relay;

use std::time::Duration;

use kernel::{Email, Note, Secret, Timestamp, Title};
use mail::{Credentials, Letter, Limits, Mailer, Security, Sender, Settings};
use outbound::Roots;
use testkit::{Authority, Relay};

fn settings(authority: &Authority, port: u16, security: Security) -> Settings {
    Settings {
        server: "localhost".to_owned(),
        port,
        security,
        credentials: Some(credentials(Relay::PASSWORD)),
        from: Sender::parse("Wardroom <wardroom@house.test>").unwrap(),
        roots: Roots::from_pem(authority.root().as_bytes()).unwrap(),
        limits: Limits::default(),
    }
}

fn mailer(authority: &Authority, port: u16, security: Security) -> Mailer {
    Mailer::new(settings(authority, port, security)).unwrap()
}

/// Settings that do not wait long for who will not answer.
fn hasty(authority: &Authority, port: u16, security: Security) -> Settings {
    let answer = Duration::from_secs(3);
    Settings { limits: Limits { answer, ..Limits::default() }, ..settings(authority, port, security) }
}

fn credentials(password: &str) -> Credentials {
    Credentials::new(Relay::USER, Secret::new(password.to_owned())).unwrap()
}

fn letter(to: &str, text: &str) -> Letter {
    Letter {
        id: format!("letter-to-{}", to.len()),
        to: Email::new(to).unwrap(),
        subject: Title::new("Ihr Paßwort wurde geändert").unwrap(),
        text: Note::new(text).unwrap(),
        at: Timestamp::from_millis(1_795_430_000_000),
    }
}
