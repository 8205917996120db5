//! People who chat and have signed in through their own provider: their sessions at the public door. They
//! are not accounts: they hold no role, and nothing but their own conversations.
//!
//! What a browser keeps is 32 random bytes, of which a hash is stored. A session ends when it is idle for
//! an hour, after twelve hours at the latest, when its holder or the provider says so, when the
//! connection is switched off, and when the person is erased. With it ends each conversation token that
//! was given out in it: whoever takes such a token asks here first.

use std::time::Duration;

use doors::cookie::{self, SessionSecret};
use doors::csrf;
use federation::oidc::end_session_url;
use http::{HeaderMap, HeaderValue};
use kernel::{Secret, SessionId, SubjectId, Timestamp, World};
use ledger::catalogue::PersonSessionEnded;
use store::person_sessions;
use store::{StoreError, Tx, Via, end_users};

use crate::connections::{Door, Farewell, PARTED, Provider};
use crate::pen::Pen;
use crate::session::{IDLE, SEEN_EVERY};
use crate::{CeremonyId, Identity, IdentityError, Inner, Why, sha256};

pub use store::person_sessions::PersonSession;

/// How often the database is asked about what is open, at the least: the end may have been written by
/// another process.
const LOOK: Duration = Duration::from_millis(500);

/// What the browser of somebody who is signed in keeps.
#[derive(Debug)]
pub struct PersonSecret(SessionSecret);

impl PersonSecret {
    /// The name of the cookie of a sign-in that is under way.
    pub const CEREMONY: &str = "__Host-wardroom-person-ceremony";

    pub(crate) fn generate(world: &World) -> Self {
        Self(SessionSecret::generate(world))
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    /// The one that a request carries.
    pub fn of_request(headers: &HeaderMap) -> Option<Self> {
        SessionSecret::named(cookie::PERSON, headers).map(Self)
    }

    /// The value of `set-cookie`.
    pub fn set_cookie(&self, lifetime: Duration) -> Option<HeaderValue> {
        self.0.set_named(cookie::PERSON, lifetime)
    }

    /// The value of `set-cookie` that makes the browser forget it.
    pub fn clear() -> Option<HeaderValue> {
        cookie::set(cookie::PERSON, "", Duration::ZERO)
    }

    /// The value of `set-cookie` for a sign-in that begins, or with `None` for one that is over.
    pub fn remember(ceremony: Option<&CeremonyId>) -> Option<HeaderValue> {
        match ceremony {
            Some(ceremony) => cookie::set(Self::CEREMONY, &ceremony.expose(), CeremonyId::LIFE),
            None => cookie::set(Self::CEREMONY, "", Duration::ZERO),
        }
    }

    /// The token that our own pages' requests carry.
    pub fn csrf(&self) -> csrf::Token {
        csrf::token(&self.0)
    }
}

impl Identity {
    /// Who is signed in at the public door. The inner error says why nobody is.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn person(&self, secret: &PersonSecret) -> Result<Result<PersonSession, Why>, IdentityError> {
        let hash = sha256(secret.expose());
        let found = self.0.db.read(move |tx| person_sessions::find(tx, hash)).await?;
        self.0.judged(found).await
    }

    /// Whether the session that a conversation token names still holds, for the token's person.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn person_holds(
        &self,
        subject: SubjectId,
        session: SessionId,
    ) -> Result<Result<PersonSession, Why>, IdentityError> {
        let tenant = self.0.tenant;
        let found = self.0.db.read(move |tx| person_sessions::get(tx, tenant, session)).await?;
        self.0.judged(found.filter(|found| found.subject == subject)).await
    }

    /// Waits until a person's session no longer opens anything, and says why. Close then what is open for
    /// it. An end that this process wrote is noticed at once, one that another wrote within half a second.
    /// Waiting is not a request.
    ///
    /// # Errors
    /// When the store fails: close then, too.
    pub async fn person_ended(&self, session: SessionId) -> Result<Why, IdentityError> {
        loop {
            // Listening begins before the look, so that no end falls between the two.
            let told = self.0.revoked.notified();
            if let Err(why) = self.person_still(session).await? {
                return Ok(why);
            }
            let _ = tokio::time::timeout(LOOK, told).await;
        }
    }

    /// Whether a person's session opens anything at this moment. For whoever is about to tell something over
    /// what stays open: what was stored after the session's end is then never told. It is no request.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn person_still(&self, session: SessionId) -> Result<Result<(), Why>, IdentityError> {
        let (tenant, now) = (self.0.tenant, self.0.world.now());
        let found = self.0.db.read(move |tx| person_sessions::get(tx, tenant, session)).await?;
        Ok(judge(found.as_ref(), now, tenant))
    }

    /// Where the person of a session is signed in, the latest seen first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn person_sessions(&self, of: &PersonSession) -> Result<Vec<PersonSession>, IdentityError> {
        let (tenant, subject, now) = (self.0.tenant, of.subject, self.0.world.now());
        let mut found =
            self.0.db.read(move |tx| person_sessions::of_person(tx, tenant, subject, now)).await?;
        found.retain(|session| now.since(session.last_seen) <= IDLE);
        Ok(found)
    }

    /// Ends one session of the person who asks, this one or another of theirs. False says that there was
    /// nothing to end.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end_person_session(
        &self,
        by: &PersonSession,
        session: SessionId,
        via: &Via,
    ) -> Result<bool, IdentityError> {
        let inner = &self.0;
        let why = if session == by.id { "logout" } else { "revoked" };
        let (tenant, found, now) = (inner.tenant, [(by.subject, session)], inner.world.now());
        let pen = inner.pen(inner.nobody(), via).await?;
        let ended = inner.db.write(move |tx| end_visits(tx, &pen, tenant, &found, why, now)).await?;
        inner.tell();
        Ok(ended > 0)
    }

    /// Ends every session of the person who asks, this one too, and gives their number.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end_person_sessions(&self, by: &PersonSession, via: &Via) -> Result<u64, IdentityError> {
        let inner = &self.0;
        let (tenant, subject, now) = (inner.tenant, by.subject, inner.world.now());
        let pen = inner.pen(inner.nobody(), via).await?;
        let ended = inner.db.write(move |tx| end_all(tx, &pen, (tenant, subject), "revoked", now)).await?;
        inner.tell();
        Ok(ended)
    }

    /// Forgets somebody who signed in and never chatted: there are no keys to destroy, but how they are
    /// found again goes, and so do their sessions. Whoever chatted is erased by `conversations`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget_person(&self, by: &PersonSession, via: &Via) -> Result<(), IdentityError> {
        let inner = &self.0;
        let (tenant, subject, now) = (inner.tenant, by.subject, inner.world.now());
        let pen = inner.pen(inner.nobody(), via).await?;
        let forgotten = inner.db.write(move |tx| {
            end_users::forget(tx, tenant, subject)?;
            end_all(tx, &pen, (tenant, subject), "erased", now)
        });
        forgotten.await?;
        inner.tell();
        Ok(())
    }

    /// Tells whatever is open that sessions may have ended by the hand of another room.
    pub fn look_again(&self) {
        self.0.tell();
    }

    /// The name of the connection that a session came through; none when it is gone.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn person_provider(&self, of: &PersonSession) -> Result<Option<String>, IdentityError> {
        let (tenant, connection) = (self.0.tenant, of.connection);
        let row = self.0.db.read(move |tx| store::connections::find(tx, tenant, connection)).await?;
        Ok(row.map(|row| row.name))
    }

    /// Where to send the browser so that the provider's session ends with ours: ask before ours ends.
    /// `None` when the provider offers no such thing, or cannot be asked.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn person_farewell(&self, of: &PersonSession) -> Result<Option<Farewell>, IdentityError> {
        let inner = &self.0;
        let (tenant, session) = (inner.tenant, of.id);
        let Ok(access) = inner.access() else { return Ok(None) };
        let opened = inner.opened(of.connection).await?;
        let hint = inner.db.read(move |tx| person_sessions::hint(tx, tenant, session)).await?;
        let hint = match hint {
            Some((sealed, generation)) => {
                let key = inner.key_at(generation).await?;
                let bytes = key.open(&person_sessions::hint_place(tenant, session), &sealed)?;
                String::from_utf8(bytes).ok().map(Secret::new)
            }
            None => None,
        };
        let Provider::Oidc(oidc) = &opened.settings.provider else {
            return inner.saml_farewell(Door::Public, &opened, hint).await;
        };
        let Ok(published) = inner.published(access, oidc).await else { return Ok(None) };
        let afterwards = format!("{}{PARTED}", access.visitors);
        let state = session.to_string();
        let url = end_session_url(&published.provider, &oidc.client, hint.as_ref(), &afterwards, &state);
        Ok(url.map(|url| Farewell(Secret::new(url))))
    }
}

impl Inner {
    /// What a look at a session comes to; a request is remembered, and so is a session that ran out.
    async fn judged(
        &self,
        found: Option<PersonSession>,
    ) -> Result<Result<PersonSession, Why>, IdentityError> {
        let (tenant, now) = (self.tenant, self.world.now());
        let held = judge(found.as_ref(), now, tenant);
        let Some(session) = found else { return Ok(Err(Why::Unknown)) };
        match held {
            Ok(()) => {
                if now.since(session.last_seen) >= SEEN_EVERY {
                    let id = session.id;
                    // A full disk must not keep people from reading what was said.
                    let seen = self.db.write(move |tx| person_sessions::seen(tx, tenant, id, now)).await;
                    if let Err(error) = seen {
                        tracing::warn!(%error, "a request of a person's session could not be remembered");
                    }
                }
                Ok(Ok(session))
            }
            Err(why) => {
                let word = match why {
                    Why::Idle => Some("idle"),
                    Why::Expired => Some("expired"),
                    Why::Unknown | Why::Ended | Why::AccountChanged => None,
                };
                if let Some(word) = word {
                    let core = guard::Actor::Service { name: guard::ServiceName::Core, tenant };
                    let (pen, found) =
                        (self.pen(core, &Via::default()).await?, [(session.subject, session.id)]);
                    let job = self.db.write(move |tx| end_visits(tx, &pen, tenant, &found, word, now));
                    if let Err(error) = job.await {
                        tracing::warn!(%error, "the end of a person's session could not be recorded");
                    }
                }
                Ok(Err(why))
            }
        }
    }
}

fn judge(session: Option<&PersonSession>, now: Timestamp, tenant: kernel::TenantId) -> Result<(), Why> {
    match session {
        Some(session) if session.tenant == tenant => {
            if session.ended.is_some() {
                Err(Why::Ended)
            } else if now >= session.absolute {
                Err(Why::Expired)
            } else if now.since(session.last_seen) > IDLE {
                Err(Why::Idle)
            } else {
                Ok(())
            }
        }
        _ => Err(Why::Unknown),
    }
}

fn end_all(
    tx: &mut Tx<'_>,
    pen: &Pen,
    (tenant, subject): (kernel::TenantId, SubjectId),
    why: &'static str,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let found = person_sessions::of_person(tx, tenant, subject, now)?;
    let found: Vec<_> = found.into_iter().map(|session| (subject, session.id)).collect();
    end_visits(tx, pen, tenant, &found, why, now)
}

/// Ends sessions of people who chat, each with its event.
pub(crate) fn end_visits(
    tx: &mut Tx<'_>,
    pen: &Pen,
    tenant: kernel::TenantId,
    found: &[(SubjectId, SessionId)],
    why: &'static str,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let mut ended = 0;
    for (subject, session) in found {
        if person_sessions::end(tx, (tenant, *subject), *session, now)? {
            let subject = pen.scribe().pseudonym(*subject).map_err(StoreError::refuse)?;
            pen.note(tx, &PersonSessionEnded { subject, session: *session, why })?;
            ended += 1;
        }
    }
    Ok(ended)
}
