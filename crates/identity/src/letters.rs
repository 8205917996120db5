//! What becomes of letters about notices: who writes one, that it was sent, that it never will be.

use std::time::Duration;

use guard::{Actor, ServiceName};
use kernel::NoticeId;
use ledger::catalogue::{LetterGivenUp, LetterSent};
use store::Via;
use store::notices;

use crate::notices::Letter;
use crate::{Identity, IdentityError};

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
        let core = Actor::Service { name: ServiceName::Core, tenant };
        let pen = inner.pen(core, &Via::default()).await?;
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
        let inner = &self.0;
        let (tenant, notice) = (inner.tenant, letter.told.id);
        let core = Actor::Service { name: ServiceName::Core, tenant };
        let pen = inner.pen(core, &Via::default()).await?;
        let event = LetterGivenUp {
            notice,
            user: letter.user,
            kind: letter.told.kind.as_str(),
            tries: u64::from(letter.tries) + 1,
            code: code.map(u64::from),
        };
        let job = inner.db.write(move |tx| match notices::give_up(tx, tenant, notice)? {
            true => pen.note(tx, &event),
            false => Ok(()),
        });
        Ok(job.await?)
    }
}
