//! `wardroom mail test`: one letter through the relay that the configuration names, and what happened at
//! each step.

use std::process::ExitCode;

use kernel::{Email, Note, Title, World};
use mail::{Letter, MailError, Mailer, Receipt, Told};

use crate::Failure;
use crate::cli::MailCommand;
use crate::config::Config;

/// No relay is named.
#[derive(Debug, thiserror::Error)]
#[error("no relay is named: set `server` and `from` under `[mail]` (docs/operations/mail.md)")]
pub(crate) struct NoRelay;

/// `mail ...`
pub(crate) async fn run(command: MailCommand, config: &Config) -> Result<ExitCode, Failure> {
    let MailCommand::Test { address, json, .. } = command;
    let to = Email::new(&address)?;
    let mailer = config.mail.mailer()?.ok_or(NoRelay)?;
    let mut steps = Vec::new();
    let outcome = send(&mailer, trial(&World::real(), to)?, &mut |step| {
        let (name, words) = told(&step);
        if !json {
            println!("{name:<10}  {words}");
        }
        steps.push(serde_json::json!({ "step": name, "said": words }));
    })
    .await;
    match &outcome {
        Ok(receipt) if !json => {
            println!("{:<10}  {}", "accepted", receipt.words.as_str());
            println!("\nthe relay has it; whether it arrives is for the mailbox to show");
        }
        Err(error) if !json => {
            println!("{:<10}  {error}", "failed");
            if let Some(words) = error.words() {
                println!("{:<10}  {}", "", words.as_str());
            }
            println!("\n{}", mend(error));
        }
        Ok(_) | Err(_) => {
            let accepted = outcome.as_ref().ok().map(|receipt| receipt.words.as_str());
            let failed = outcome.as_ref().err().map(|error| {
                serde_json::json!({
                    "error": error.to_string(), "code": error.code(), "mend": mend(error),
                    "said": error.words().map(mail::Words::as_str),
                })
            });
            let relay = mailer.server();
            println!(
                "{}",
                serde_json::json!({ "relay": relay, "steps": steps, "accepted": accepted, "failed": failed })
            );
        }
    }
    Ok(if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn send(
    mailer: &Mailer,
    letter: Letter,
    tell: &mut (dyn FnMut(Told) + Send),
) -> Result<Receipt, MailError> {
    let mut session = mailer.open_telling(tell).await?;
    let receipt = session.send(&letter).await;
    session.end().await;
    receipt
}

fn trial(world: &World, to: Email) -> Result<Letter, Failure> {
    let id: kernel::RequestId = world.id();
    let text = "This letter was asked for with `wardroom mail test`.\n\nLetters to staff leave Wardroom by this relay: \
                what changed on their accounts, and invitations. There is nothing to do.\n";
    Ok(Letter {
        id: id.to_string(),
        to,
        subject: Title::new("A letter from Wardroom, to try the relay out")?,
        text: Note::new(text)?,
        at: world.now(),
    })
}

fn told(step: &Told) -> (&'static str, String) {
    match step {
        Told::Resolved(addresses) => {
            let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            ("resolved", list.join(", "))
        }
        Told::Connected(peer) => ("connected", peer.to_string()),
        Told::Greeted(words) => ("greeted", words.as_str().to_owned()),
        Told::Encrypted(how) => ("encrypted", format!("{how}; the certificate names this relay")),
        Told::SignedIn(mechanism) => ("signed in", format!("AUTH {mechanism}")),
    }
}

/// What to do about it.
fn mend(error: &MailError) -> &'static str {
    use outbound::OutboundError as Way;
    match error {
        MailError::Way(Way::Unresolved { .. }) => "See to `mail.server`, or to this machine's resolver.",
        MailError::Way(Way::Unreachable { .. } | Way::Timeout { .. }) => {
            "See to `mail.server` and `mail.port`, and whether a firewall lets this machine out to there."
        }
        MailError::Way(Way::Tls { .. }) => {
            "See to the relay's certificate: `mail.server` must be the name in it, and a private authority stands in \
             `mail.ca`. A port for STARTTLS looks like this too: `security = \"starttls\"`. TLS 1.3 is demanded."
        }
        MailError::Way(Way::Address { .. }) => "No relay may stand at such an address; see to its name.",
        MailError::Refused { step: mail::Step::SignIn, .. } => {
            "See to `mail.user` and to the secret that `mail.password` names."
        }
        MailError::Refused { step: mail::Step::Recipient | mail::Step::Sender, .. } => {
            "The relay does not take mail to this address, or not from `mail.from`; its own log says more."
        }
        MailError::Refused { code, .. } if *code < 500 => "The relay says to try again later.",
        MailError::Late { step: mail::Step::Greeting, .. } => {
            "A port for TLS from the first byte waits like this: `security = \"tls\"`."
        }
        _ => "The relay's own log says more.",
    }
}
