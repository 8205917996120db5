//! Letters of the whole house, through a real relay.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use testkit::{Authority, Offers, Relay};

use crate::enrol;
use crate::house::{House, wardroom};
use crate::root;

/// A data directory whose configuration names a relay.
struct Office {
    relay: Relay,
    data: PathBuf,
    room: tempfile::TempDir,
}

impl Office {
    fn open(offers: Offers, security: &str) -> Self {
        let room = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let relay = Relay::start(&authority, offers);
        let data = room.path().join("data");
        root::private(&data);
        fs::write(room.path().join("ca.pem"), authority.root()).unwrap();
        let office = Self { relay, data, room };
        office.configure(security, Relay::PASSWORD);
        office
    }

    fn file(&self, name: &str) -> PathBuf {
        self.room.path().join(name)
    }

    fn configure(&self, security: &str, password: &str) {
        fs::write(self.file("password"), format!("{password}\n")).unwrap();
        let (ca, secret, port) = (self.file("ca.pem"), self.file("password"), self.relay.port());
        let text = format!(
            "[mail]\nserver = \"localhost\"\nport = {port}\nsecurity = \"{security}\"\nuser = \"{}\"\n\
             password = {{ file = {secret:?} }}\nfrom = \"Wardroom <wardroom@house.test>\"\nca = {ca:?}\n",
            Relay::USER
        );
        fs::write(self.file("mail.toml"), text).unwrap();
    }

    fn try_out(&self, address: &str) -> (i32, String, String) {
        let config = self.file("mail.toml");
        wardroom(&["mail", "test", address, "--config", config.to_str().unwrap(), "--data", text(&self.data)])
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_relay_is_tried_out_step_by_step() {
    let office = Office::open(Offers::StartTls, "starttls");
    let (status, out, err) = office.try_out("ada@example.org");
    assert_eq!(status, 0, "{out}{err}");
    let steps: Vec<&str> = out.lines().filter_map(|line| line.split("  ").next()).collect();
    let named = ["resolved", "connected", "greeted", "encrypted", "signed in", "accepted"];
    assert_eq!(steps[..6], named, "{out}");
    assert!(out.contains("TLS 1.3, ") && out.contains("AUTH PLAIN") && out.contains("OK id="), "{out}");
    assert!(office.relay.wait_for(1)[0].contains("Subject: A letter from Wardroom, to try the relay out"));

    let (status, out, _) = office.try_out("nobody@example.org");
    assert!(
        status == 1 && out.contains("answered 550 at RCPT TO") && out.contains("no such mailbox"),
        "{out}"
    );
    let (status, out, _) = office.try_out("busy@example.org");
    assert!(
        status == 1 && out.contains("answered 451 at RCPT TO") && out.contains("come back later"),
        "{out}"
    );
    office.configure("starttls", "guess");
    let (status, out, err) = office.try_out("ada@example.org");
    assert!(status == 1 && out.contains("answered 535 at AUTH") && out.contains("mail.password"), "{out}");
    assert!(!format!("{out}{err}").contains("guess"));
    office.configure("tls", Relay::PASSWORD);
    let (status, out, _) = office.try_out("ada@example.org");
    assert!(status == 1 && out.contains("no trusted connection") && out.contains("STARTTLS"), "{out}");
    assert_eq!(office.try_out("ada").0, 1);

    let config = office.file("mail.toml");
    fs::write(&config, "").unwrap();
    let (status, _, err) = office.try_out("ada@example.org");
    assert!(status == 1 && err.contains("no relay is named"), "{err}");
    fs::write(&config, "[mail]\nserver = \"relay.example.org\"\npassword = \"in the clear\"\n").unwrap();
    let (status, _, err) = office.try_out("ada@example.org");
    assert!(status == 1 && err.contains("mail.toml:3"), "{err}");
}

#[test]
fn a_relay_that_cannot_be_trusted_or_is_away_is_told_with_its_mend() {
    let mut office = Office::open(Offers::Nothing, "starttls");
    let (status, out, _) = office.try_out("ada@example.org");
    assert!(status == 1 && out.contains("offers no STARTTLS, so nothing is sent"), "{out}");
    fs::write(office.file("ca.pem"), Authority::new().root()).unwrap();
    office.relay.go_away();
    let config = office.file("mail.toml");
    let words = ["mail", "test", "ada@example.org", "--json", "--config", text(&config)];
    let (status, out, _) = wardroom(&words);
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(status == 1 && told["accepted"].is_null() && told["steps"][0]["step"] == "resolved", "{out}");
    assert!(told["failed"]["error"].as_str().unwrap().contains("cannot be reached"), "{out}");
    assert!(told["failed"]["mend"].as_str().unwrap().contains("firewall"), "{out}");
    let tls = Office::open(Offers::Tls, "tls");
    fs::write(tls.file("ca.pem"), Authority::new().root()).unwrap();
    let (status, out, _) = tls.try_out("ada@example.org");
    assert!(status == 1 && out.contains("invalid peer certificate") && out.contains("mail.ca"), "{out}");
    assert!(tls.relay.letters().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "how long a letter takes is measured")]
async fn somebody_is_invited_by_mail_and_told_by_mail_what_becomes_of_their_account() {
    let office = Office::open(Offers::Tls, "tls");
    fs::copy(office.file("mail.toml"), office.data.join("wardroom.toml")).unwrap();
    let house = House::start(&office.data);
    enrol::first_owner(&house).await;
    let command = |words: &[&str]| {
        let (status, out, err) = wardroom(&[words, &["--data", text(&office.data)]].concat());
        assert_eq!(status, 0, "{words:?}: {out}{err}");
        out
    };
    let lee = "lee@desk.example";
    let said = command(&["user", "invite", "--role", "support_agent", "--email", lee, "--mail"]);
    assert!(said.contains("on its way to lee@desk.example") && !said.contains("wri1_"), "{said}");
    let invitation = office.relay.wait_for(1)[0].replace("=\n", "").replace("=3D", "=");
    assert!(invitation.contains("Subject: Your invitation to Wardroom"), "{invitation}");
    let at = invitation.find("wri1_").unwrap();
    let secret: String =
        invitation[at..].chars().take_while(|c| c.is_alphanumeric() || "_-".contains(*c)).collect();
    enrol::with_link(&house, &secret, lee).await;

    let begun = Instant::now();
    command(&["user", "disable", lee]);
    let letters = office.relay.wait_for(2);
    println!("figure notice_to_mailbox_ms {}", begun.elapsed().as_millis());
    let notice = letters.iter().find(|letter| letter.contains("Your account was disabled")).unwrap();
    for words in [
        "To: lee@desk.example",
        "Hello Ines Aalto,",
        "By      an administrator",
        "Auto-Submitted: auto-generated",
    ] {
        assert!(notice.contains(words), "{words}:\n{notice}");
    }
    let console = format!("The console is at {}", house.ready.console);
    assert!(notice.contains(&console), "{console}:\n{notice}");
    assert_eq!(house.interrupt(), 0);
    let log = command(&["audit", "tail", "--lines", "100"]);
    assert!(log.contains("letter.sent") && log.contains("invitation.sent"), "{log}");
}
