//! The links of invitations by mail, to the one address that may use each.

use std::sync::Arc;
use std::time::Duration;

use console::{LinkLetter, SendsLinks};
use kernel::{Note, RequestId, Title};
use ledger::catalogue::InvitationSent;
use mail::{Letter, MailError, Mailer};

use crate::Failure;
use crate::wiring::Foundation;

/// How long somebody at the console waits for the relay.
const PATIENCE: Duration = Duration::from_secs(20);

/// The relay was too slow.
#[derive(Debug, thiserror::Error)]
#[error("the relay took too long, and may have taken the letter all the same")]
struct TooSlow;

/// What the console sends links with.
pub(crate) fn by_mail(base: Foundation, mailer: Mailer, origin: String) -> SendsLinks {
    let (base, origin) = (Arc::new(base), Arc::new(origin));
    Arc::new(move |letter| {
        let (base, mailer, origin) = (Arc::clone(&base), mailer.clone(), Arc::clone(&origin));
        Box::pin(async move {
            send(&base, &mailer, &origin, &letter).await.map_err(|error| {
                tracing::warn!(%error, "the link of an invitation was not sent");
                error.to_string()
            })
        })
    })
}

/// Sends one, and writes it down.
pub(crate) async fn send(
    base: &Foundation,
    mailer: &Mailer,
    origin: &str,
    letter: &LinkLetter,
) -> Result<(), Failure> {
    let written = write(base, origin, letter)?;
    let sent = tokio::time::timeout(PATIENCE, mailer.send(&written));
    sent.await.map_err(|_| TooSlow)??;
    let scribe = base.keys.scribe(base.tenant).await?;
    let event = InvitationSent { to: scribe.pseudonym_of(letter.to.as_str())? };
    let entry = scribe.write(&event, &letter.actor, &letter.via)?;
    Ok(base.db.write(move |tx| entry.append(tx)).await?)
}

fn write(base: &Foundation, origin: &str, letter: &LinkLetter) -> Result<Letter, MailError> {
    let id: RequestId = base.world.id();
    let text = format!(
        "Hello,\n\nyou are invited to Wardroom, with the role: {}.\n\nWith this link you choose how you sign in. It is \
         good once, within 7 days, and for this address only:\n\n  {}\n\nPass it on to nobody: whoever opens it first \
         can enrol. If you did not expect it, leave it alone and tell your security team, by a way other than this \
         letter.\n\nThis letter was written by a program at {origin}, and nobody reads an answer to it. Wardroom never \
         asks for a password or a code by mail.\n",
        letter.role,
        letter.link.expose()
    );
    Ok(Letter {
        id: id.to_string(),
        to: letter.to.clone(),
        subject: Title::new("Your invitation to Wardroom").map_err(|_| MailError::Unwritable)?,
        text: Note::new(&text).map_err(|_| MailError::Unwritable)?,
        at: base.world.now(),
    })
}
