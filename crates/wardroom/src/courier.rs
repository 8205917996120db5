//! The courier: takes what people are to be told about their accounts to the relay, in its own time.
//!
//! - A letter is claimed before it is sent, so of several processes one sends it. A process that ends in the
//!   middle loses its claim after half an hour. Should the relay have taken the letter by then, it goes
//!   once more with the same `Message-ID`: better twice than never.
//! - A letter that is refused for now is tried again after a minute, two, four and so on, for about a day; one
//!   that is refused for good four times, because a relay that is not set up yet says that too. What is given
//!   up leaves an event, and the notice stays on the console.
//! - While the relay itself is not well, one letter in growing pauses finds out whether it is again.

mod words;

use std::collections::HashSet;
use std::time::Duration;

use edge::Shutdown;
use guard::{Actor, ServiceName};
use identity::Identity;
use identity::notices::Letter;
use kernel::{Email, NoticeId, Timestamp};
use ledger::Event;
use ledger::catalogue::{MailFailing, MailRestored};
use mail::{MailError, Mailer, Session};
use outbound::OutboundError;
use store::Via;

use crate::Failure;
use crate::wiring::Foundation;

/// How often what is due is looked for.
const LOOK: Duration = Duration::from_secs(5);
/// The same after a fault of our own, of the store for example.
const AFTER_A_FAULT: Duration = Duration::from_secs(60);
/// The most letters of one look.
const MANY: u32 = 20;
/// How long a claim holds: longer than sending a letter can take, should the relay take its time with each
/// answer.
const CLAIM: Duration = Duration::from_secs(30 * 60);
/// After so many tries a letter is given up: with the pauses between them, a little more than a day.
const TRIES: u32 = 12;
/// After so many, one that the relay refuses for good.
const TRIES_OF_REFUSED: u32 = 4;
/// The longest pause while the relay is not well.
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);
/// After how long the log says that the relay is not well.
const SAID_AFTER: Duration = Duration::from_secs(15 * 60);

/// Takes letters to the relay.
pub(crate) struct Courier {
    base: Foundation,
    identity: Identity,
    mailer: Mailer,
    /// Where the console is.
    origin: String,
    /// What the relay has taken of letters to several addresses that were not all taken.
    taken: HashSet<(NoticeId, String)>,
    trouble: Option<Trouble>,
}

/// The relay is not well.
#[derive(Debug, Clone, Copy)]
struct Trouble {
    since: Timestamp,
    pause: Duration,
    said: bool,
}

/// What became of a letter.
enum Fate {
    /// It was taken, to one address at least, and will be to no other.
    Taken,
    /// It was refused, for good or for now.
    Refused(MailError),
    /// The relay is not well.
    Relay(MailError),
}

impl Courier {
    pub(crate) fn new(base: Foundation, identity: Identity, mailer: Mailer, origin: String) -> Self {
        Self { base, identity, mailer, origin, taken: HashSet::new(), trouble: None }
    }

    /// Delivers until it is told to stop; then the letter in hand is finished.
    pub(crate) async fn keep_delivering(mut self, shutdown: Shutdown) {
        while !shutdown.is_requested() {
            let mut pause = LOOK;
            if let Err(error) = self.round(&shutdown).await {
                tracing::error!(%error, "letters to staff could not be looked after; the next try is in a minute");
                pause = AFTER_A_FAULT;
            }
            let pause = self.trouble.map_or(pause, |trouble| trouble.pause);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.requested() => return,
            }
        }
    }

    /// Sends what is due.
    async fn round(&mut self, shutdown: &Shutdown) -> Result<(), Failure> {
        self.identity.tell_waiting().await?;
        let mut session = None;
        for letter in self.identity.letters_due(MANY).await? {
            if shutdown.is_requested() || !self.identity.claim_letter(letter.told.id, CLAIM).await? {
                continue;
            }
            let fate = self.deliver(&letter, &mut session).await;
            if !self.settle(&letter, fate).await? {
                break;
            }
        }
        if let Some(session) = session {
            session.end().await;
        }
        Ok(())
    }

    /// Hands a letter over to each of its addresses.
    async fn deliver(&mut self, letter: &Letter, session: &mut Option<Session>) -> Fate {
        let (mut refused, mut taken) = (None, false);
        for to in &letter.to {
            if self.taken.contains(&mark(letter, to)) {
                taken = true;
                continue;
            }
            match self.hand_over(letter, to, session).await {
                Ok(()) => {
                    taken = true;
                    self.taken.insert(mark(letter, to));
                }
                Err(error) if error.is_of_the_letter() => {
                    // What may still be taken later outweighs what never will be.
                    if refused.as_ref().is_none_or(MailError::is_final) {
                        refused = Some(error);
                    }
                }
                Err(error) => {
                    *session = None;
                    return Fate::Relay(error);
                }
            }
        }
        match refused {
            Some(error) if !taken || !error.is_final() => Fate::Refused(error),
            _ => Fate::Taken,
        }
    }

    async fn hand_over(
        &self,
        letter: &Letter,
        to: &Email,
        session: &mut Option<Session>,
    ) -> Result<(), MailError> {
        let session = match session {
            Some(open) => open,
            none => none.insert(self.mailer.open().await?),
        };
        session.send(&words::letter(letter, to, &self.origin)?).await?;
        Ok(())
    }

    /// Writes down what became of a letter. False says that the relay is not well, and that the others wait.
    async fn settle(&mut self, letter: &Letter, fate: Fate) -> Result<bool, Failure> {
        let (error, of_relay) = match fate {
            Fate::Taken => {
                self.identity.letter_sent(letter).await?;
                self.forget(letter);
                self.well().await?;
                return Ok(true);
            }
            Fate::Refused(error) => (error, false),
            Fate::Relay(error) => (error, true),
        };
        let notice = letter.told.id;
        if is_over(letter, &error) {
            tracing::warn!(%notice, %error, "a letter to a member of staff is given up");
            self.identity.letter_given_up(letter, error.code()).await?;
            self.forget(letter);
        } else {
            tracing::info!(%notice, %error, "a letter did not leave; it is tried again");
            self.identity.letter_failed(notice).await?;
        }
        if of_relay {
            self.unwell(&error).await?;
        } else {
            self.well().await?;
        }
        Ok(!of_relay)
    }

    fn forget(&mut self, letter: &Letter) {
        for to in &letter.to {
            self.taken.remove(&mark(letter, to));
        }
    }

    async fn unwell(&mut self, error: &MailError) -> Result<(), Failure> {
        let now = self.base.world.now();
        let mut trouble = match self.trouble {
            None => {
                tracing::error!(%error, "the relay takes no letters; `wardroom mail test` shows more");
                Trouble { since: now, pause: LOOK, said: false }
            }
            Some(trouble) => Trouble { pause: (trouble.pause * 2).min(LONGEST_PAUSE), ..trouble },
        };
        if !trouble.said && now.since(trouble.since) >= SAID_AFTER {
            trouble.said = true;
            self.note(&MailFailing { why: why(error), code: error.code().map(u64::from) }).await?;
        }
        self.trouble = Some(trouble);
        Ok(())
    }

    async fn well(&mut self) -> Result<(), Failure> {
        let Some(trouble) = self.trouble.take() else { return Ok(()) };
        tracing::info!("the relay takes letters again");
        if trouble.said {
            let seconds = self.base.world.now().since(trouble.since).as_secs();
            self.note(&MailRestored { seconds }).await?;
        }
        Ok(())
    }

    async fn note<E: Event>(&self, event: &E) -> Result<(), Failure> {
        let core = Actor::Service { name: ServiceName::Core, tenant: self.base.tenant };
        let entry = self.base.keys.scribe(self.base.tenant).await?.write(event, &core, &Via::default())?;
        Ok(self.base.db.write(move |tx| entry.append(tx)).await?)
    }
}

/// Whether a letter that did not leave is not tried again.
fn is_over(letter: &Letter, error: &MailError) -> bool {
    let tries = letter.tries + 1;
    match error.code() {
        None if error.is_final() => true,
        Some(_) if error.is_final() => tries >= TRIES_OF_REFUSED,
        _ => tries >= TRIES,
    }
}

fn mark(letter: &Letter, to: &Email) -> (NoticeId, String) {
    (letter.told.id, to.as_str().to_owned())
}

/// An error in the word that the event has for it.
fn why(error: &MailError) -> &'static str {
    match error {
        MailError::Way(OutboundError::Tls { .. } | OutboundError::Address { .. }) => "untrusted",
        MailError::Way(_) | MailError::Broken { .. } | MailError::Late { .. } => "unreachable",
        MailError::NoEncryption { .. } | MailError::Smuggled { .. } => "unencrypted",
        MailError::Refused { .. } | MailError::NoSignIn { .. } => "refused",
        _ => "garbled",
    }
}

#[cfg(test)]
mod tests;
