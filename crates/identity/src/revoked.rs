//! Sessions that end while something is still open for them: a stream, a socket, a long answer. Whatever
//! ended the session (a logout, a disabled account, a change of roles or factors, a provider's word), the
//! end is in the database, and whoever keeps something open looks there.

use std::time::Duration;

use guard::Staff;
use store::users;

use crate::session::{Signed, Why};
use crate::{Identity, IdentityError, Inner};

/// How often the database is asked, at the least: the end may have been written by another process.
const LOOK: Duration = Duration::from_secs(1);

impl Identity {
    /// Waits until a session no longer opens anything, and says why. Close then what is open for it. An
    /// end that this process wrote is noticed at once, one that another wrote within about a second.
    ///
    /// Waiting is not a request: the session still ends when it is idle for too long.
    ///
    /// # Errors
    /// When the store fails: close then, too.
    pub async fn ended(&self, signed: &Signed) -> Result<Why, IdentityError> {
        let inner = &self.0;
        loop {
            // Listening begins before the look, so that no end falls between the two.
            let told = inner.revoked.notified();
            if let Err(why) = inner.still(signed).await? {
                return Ok(why);
            }
            let _ = tokio::time::timeout(LOOK, told).await;
        }
    }

    /// Who somebody is at this moment who was signed in before: their session is judged and their roles are
    /// read again. For whoever is about to tell something over what stays open. It is no request.
    ///
    /// # Errors
    /// The outer error when the store fails, the inner one when the session opens nothing any more.
    pub async fn again(&self, signed: &Signed) -> Result<Result<Staff, Why>, IdentityError> {
        let inner = &self.0;
        if let Err(why) = inner.still(signed).await? {
            return Ok(Err(why));
        }
        let (tenant, user, now) = (inner.tenant, signed.actor.user, inner.world.now());
        let grants = inner.db.read(move |tx| users::grants_of(tx, tenant, user, now)).await?;
        Ok(Ok(Staff { grants, ..signed.actor.clone() }))
    }
}

impl Inner {
    /// Tells whoever waits that sessions may have ended.
    pub(crate) fn tell(&self) {
        self.revoked.notify_waiters();
    }
}
