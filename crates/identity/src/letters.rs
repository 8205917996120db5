//! What becomes of letters about notices: who writes one, that it was sent, that it never will be.

use std::time::Duration;

use guard::{Actor, ServiceName};
use kernel::{NoticeId, UserId};
use ledger::catalogue::{LetterGivenUp, LetterSent};
use store::Via;
use store::notices::{self, Altered, NoticeKind};

use crate::notices::Letter;
use crate::pen::Pen;
use crate::{Identity, IdentityError, Inner};

impl Identity {
    /// Takes a letter, so that no other process writes it meanwhile. False says that another one has it.
    /// Whoever takes it and says no more about it for so long has lost it: it is due again.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn claim_letter(&self, notice: NoticeId, lasting: Duration) -> Result<bool, IdentityError> {
        let (tenant, now) = (self.0.tenant, self.0.world.now());
        let until = now.after(lasting);
        Ok(self.0.db.write(move |tx| notices::claim(tx, tenant, notice, now, until)).await?)
    }

    /// Remembers that a relay took a letter over.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn letter_sent(&self, letter: &Letter) -> Result<(), IdentityError> {
        let inner = &self.0;
        let (tenant, now, notice) = (inner.tenant, inner.world.now(), letter.told.id);
        let pen = inner.core_pen().await?;
        let event = LetterSent { notice, user: letter.user, kind: letter.told.kind.as_str() };
        let job = inner.db.write(move |tx| match notices::mailed(tx, tenant, notice, now)? {
            true => pen.note(tx, &event),
            false => Ok(()),
        });
        Ok(job.await?)
    }

    /// Gives a letter up. The notice is shown on the console all the same. `code` is what the relay answered.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn letter_given_up(&self, letter: &Letter, code: Option<u16>) -> Result<(), IdentityError> {
        let (notice, kind, user) = (letter.told.id, letter.told.kind, letter.user);
        self.give_up(Lost { notice, user, kind, tries: letter.tries + 1 }, code).await
    }

    pub(crate) async fn give_up(&self, lost: Lost, code: Option<u16>) -> Result<(), IdentityError> {
        let inner = &self.0;
        let (tenant, notice) = (inner.tenant, lost.notice);
        let (pen, event) = (inner.core_pen().await?, lost.event(code));
        let job = inner.db.write(move |tx| match notices::give_up(tx, tenant, notice)? {
            true => pen.note(tx, &event),
            false => Ok(()),
        });
        Ok(job.await?)
    }

    /// Gives up the letter of a notice that is not as it was written. The event repeats what the row says; that
    /// nobody vouches for it is told by the event about the row itself.
    pub(crate) async fn altered_given_up(&self, altered: Altered) -> Result<(), IdentityError> {
        let inner = &self.0;
        let pen = inner.core_pen().await?;
        let says = altered.says;
        let event =
            says.map(|(notice, user, kind)| Lost { notice, user, kind, tries: altered.tries }.event(None));
        let job = inner.db.write(move |tx| match (notices::set_aside(tx, &altered)?, &event) {
            (true, Some(event)) => pen.note(tx, event),
            _ => Ok(()),
        });
        Ok(job.await?)
    }
}

impl Inner {
    async fn core_pen(&self) -> Result<Pen, IdentityError> {
        self.pen(Actor::Service { name: ServiceName::Core, tenant: self.tenant }, &Via::default()).await
    }
}

/// A letter that will not be sent.
pub(crate) struct Lost {
    pub(crate) notice: NoticeId,
    pub(crate) user: UserId,
    pub(crate) kind: NoticeKind,
    /// How often it was tried.
    pub(crate) tries: u32,
}

impl Lost {
    fn event(&self, code: Option<u16>) -> LetterGivenUp {
        LetterGivenUp {
            notice: self.notice,
            user: self.user,
            kind: self.kind.as_str(),
            tries: u64::from(self.tries),
            code: code.map(u64::from),
        }
    }
}
