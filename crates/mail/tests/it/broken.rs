//! With relays that lie, are silent, or are none. Each is a script on a socket.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use mail::{MailError, Mailer, Security, Settings, Step};
use outbound::OutboundError;
use testkit::{Authority, Offers, Relay};

use super::*;

/// A server that says the first thing at once, and each further one after a line. Gives its port, and in the end
/// all that it heard.
fn scripted(lines: &'static [&'static str]) -> (u16, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut heard = Vec::new();
        for said in lines {
            stream.write_all(said.as_bytes()).unwrap();
            let _ = reader.read_until(b'\n', &mut heard);
        }
        finish(reader, &mut heard);
        String::from_utf8_lossy(&heard).into_owned()
    });
    (port, heard)
}

fn finish(mut reader: BufReader<TcpStream>, heard: &mut Vec<u8>) {
    while reader.read_until(b'\n', heard).is_ok_and(|read| read > 0) {}
}

async fn refusal(settings: Settings) -> MailError {
    Mailer::new(settings).unwrap().send(&letter("ada@example.org", "x")).await.unwrap_err()
}

#[tokio::test]
async fn what_is_put_in_before_encryption_ends_the_visit() {
    let script =
        &["220 relay\r\n", "250-relay\r\n250 STARTTLS\r\n", "220 go on\r\n250-relay\r\n250 AUTH PLAIN\r\n"];
    let (port, heard) = scripted(script);
    let error = refusal(hasty(&Authority::new(), port, Security::StartTls)).await;
    assert!(matches!(error, MailError::Smuggled { .. }), "{error}");
    let heard = heard.join().unwrap();
    assert!(heard.starts_with("EHLO [127.0.0.1]\r\nSTARTTLS\r\n") && heard.len() == 28, "{heard:?}");
}

#[tokio::test]
async fn a_relay_that_takes_its_offer_back_or_is_silent_hears_no_secret() {
    let authority = Authority::new();
    for (script, words) in [
        (
            &["220 relay\r\n", "250-relay\r\n250 STARTTLS\r\n", "454 not now\r\n"][..],
            "answered 454 at STARTTLS",
        ),
        (
            &["220 relay\r\n", "250-relay\r\n250 STARTTLS\r\n", "250 go on\r\n"],
            "not answer in SMTP at STARTTLS",
        ),
        (&["220 relay\r\n", "250-relay\r\n250 STARTTLS\r\n", "220 go on\r\n"], "did not answer in time"),
        (&["220 relay\r\n", "502 what\r\n"], "answered 502 at EHLO"),
        (&["554 go away\r\n"], "answered 554 at the greeting"),
        (&["HTTP/1.1 400 Bad Request\r\n\r\n"], "not answer in SMTP at the greeting"),
        (&["220-"], "did not answer in time at the greeting"),
        (&[""], "did not answer in time at the greeting"),
    ] {
        let (port, heard) = scripted(script);
        let mut settings = hasty(&authority, port, Security::StartTls);
        settings.limits.connect = Duration::from_secs(3);
        let error = refusal(settings).await;
        assert!(error.to_string().contains(words), "{words}: {error}");
        assert!(!error.is_final());
        let heard = heard.join().unwrap();
        assert!(!heard.contains("AUTH") && !heard.contains("MAIL"), "{heard:?}");
    }
}

#[tokio::test]
async fn a_port_for_the_other_kind_of_encryption_is_told() {
    let authority = Authority::new();
    let relay = Relay::start(&authority, Offers::StartTls);
    let error = refusal(hasty(&authority, relay.port(), Security::Tls)).await;
    assert!(matches!(error, MailError::Way(OutboundError::Tls { .. })), "{error}");
    let relay = Relay::start(&authority, Offers::Tls);
    let error = refusal(hasty(&authority, relay.port(), Security::StartTls)).await;
    assert!(matches!(error, MailError::Late { step: Step::Greeting, .. }), "{error}");
}

#[tokio::test]
async fn a_relay_where_none_may_stand_is_refused_before_a_connection() {
    let authority = Authority::new();
    for server in ["169.254.169.254", "fe80::1", "0.0.0.0", "224.0.0.1"] {
        let settings = Settings { server: server.to_owned(), ..hasty(&authority, 25, Security::Tls) };
        let error = refusal(settings).await;
        assert!(matches!(error, MailError::Way(OutboundError::Address { .. })), "{server}: {error}");
    }
    let nowhere = Settings { server: "relay.invalid".to_owned(), ..hasty(&authority, 25, Security::Tls) };
    let error = refusal(nowhere).await;
    assert!(
        matches!(error, MailError::Way(OutboundError::Unresolved { .. } | OutboundError::Timeout { .. })),
        "{error}"
    );
    for server in ["", "a b", "https://a", "a:25"] {
        let settings = Settings { server: server.to_owned(), ..hasty(&authority, 25, Security::Tls) };
        assert!(Mailer::new(settings).is_err(), "{server:?}");
    }
}
