//! The access review: who holds what, from where, and whether it is used. And every session of the house.

use guard::action::{DisableUser, ReadUsers};
use guard::{Grant, Permit};
use kernel::{DisplayName, Email, SessionId, Timestamp, UserId};
use ledger::Token;
use ledger::catalogue::AccessReviewExported;
use store::sessions::{self, Session};
use store::users::{self, GrantRow, UserState};
use store::{Via, api_keys};

use crate::session::{IDLE, account, end};
use crate::{Identity, IdentityError, Inner};

/// Where a grant comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantSource {
    /// Somebody granted it by hand; nobody stands for the operator.
    Hand(Option<UserId>),
    /// It was asked for and agreed to for a while.
    Request(Option<UserId>),
    /// A directory or a provider brought it, by the connection of this name or id.
    Connection(String),
}

/// One grant that holds now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The role and where it holds.
    pub grant: Grant,
    /// Where it comes from.
    pub source: GrantSource,
    /// Since when.
    pub since: Timestamp,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
}

/// One account with all that it holds.
#[derive(Debug, Clone)]
pub struct Reviewed {
    /// The account.
    pub user: UserId,
    /// Its name.
    pub name: DisplayName,
    /// Its address.
    pub email: Email,
    /// Nobody signs in to it.
    pub service: bool,
    /// Whether it may be used.
    pub active: bool,
    /// When it was made.
    pub made: Timestamp,
    /// When somebody last signed in to it, or a key of it was last shown.
    pub used: Option<Timestamp>,
    /// What it holds.
    pub held: Vec<Held>,
}

impl Reviewed {
    /// Whether the account could be used and was not for `days` days: neither since, nor made since.
    pub fn is_dormant(&self, now: Timestamp, days: u64) -> bool {
        self.active && now.since(self.used.unwrap_or(self.made)).as_secs() >= days * 24 * 60 * 60
    }
}

/// A session of somebody, for the list of all of them.
#[derive(Debug, Clone)]
pub struct Sitting {
    /// The session.
    pub session: Session,
    /// Who is signed in.
    pub name: DisplayName,
}

impl Identity {
    /// Every account with what it holds now, the oldest first; or the permit's one.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn review(&self, permit: Permit<ReadUsers>) -> Result<Vec<Reviewed>, IdentityError> {
        let (inner, now) = (&self.0, self.0.world.now());
        let tenant = inner.tenant;
        let found = inner.db.read(move |tx| {
            let grants = users::grants(tx, &permit)?;
            let mut rows = Vec::new();
            for user in users::list(tx, &permit)? {
                let service = api_keys::service(tx, tenant, user.id)?.is_some();
                let shown = api_keys::last_use(tx, tenant, user.id)?;
                rows.push((user, service, shown));
            }
            Ok((grants, rows))
        });
        let (grants, rows) = found.await?;
        let mut reviewed = Vec::with_capacity(rows.len());
        for (user, service, shown) in rows {
            let who = inner.who(&user).await?;
            let holds = |row: &&GrantRow| row.user == user.id && row.expires.is_none_or(|end| now < end);
            reviewed.push(Reviewed {
                user: user.id,
                name: who.name,
                email: who.email,
                service,
                active: user.state == UserState::Active,
                made: user.created,
                used: user.last_login.max(shown),
                held: grants.iter().filter(holds).map(held).collect(),
            });
        }
        Ok(reviewed)
    }

    /// Records that somebody took the access review away, before they do.
    ///
    /// # Errors
    /// When the event cannot be written: then nothing may be given out.
    pub async fn review_exported(
        &self,
        permit: &Permit<ReadUsers>,
        accounts: u64,
        format: &str,
        via: &Via,
    ) -> Result<(), IdentityError> {
        let pen = self.0.pen(permit.actor().clone(), via).await?;
        let event = AccessReviewExported { accounts, format: Token::lossy(format) };
        Ok(self.0.db.write(move |tx| pen.note(tx, &event)).await?)
    }

    /// Every session of the house that holds, the one seen last first; or those of the permit's account.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn all_sessions(&self, permit: Permit<ReadUsers>) -> Result<Vec<Sitting>, IdentityError> {
        let (inner, now) = (&self.0, self.0.world.now());
        let tenant = inner.tenant;
        let found = inner.db.read(move |tx| {
            let mut rows = Vec::new();
            for user in users::list(tx, &permit)?.into_iter().filter(|user| user.state == UserState::Active) {
                let holds =
                    |session: &Session| session.epoch == user.epoch && now.since(session.last_seen) <= IDLE;
                let theirs = sessions::of_user(tx, tenant, user.id, now)?.into_iter().filter(holds);
                rows.push((theirs.collect::<Vec<_>>(), user));
            }
            Ok(rows)
        });
        let mut all = Vec::new();
        for (theirs, user) in found.await? {
            if theirs.is_empty() {
                continue;
            }
            let name = inner.who(&user).await?.name;
            all.extend(theirs.into_iter().map(|session| Sitting { session, name: name.clone() }));
        }
        all.sort_by_key(|one| std::cmp::Reverse(one.session.last_seen));
        Ok(all)
    }

    /// Ends one session of somebody else's account. False says that there was nothing to end.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end_session_of(
        &self,
        permit: Permit<DisableUser>,
        session: SessionId,
        via: &Via,
    ) -> Result<bool, IdentityError> {
        let inner: &Inner = &self.0;
        let pen = inner.pen(permit.actor().clone(), via).await?;
        let (tenant, user, now) = (inner.tenant, account(permit.resource())?, inner.world.now());
        let ended = inner.db.write(move |tx| end(tx, &pen, (tenant, user, session), "revoked", now)).await?;
        inner.tell();
        Ok(ended)
    }
}

fn held(row: &GrantRow) -> Held {
    let source = match row.source.as_str() {
        "manual" => GrantSource::Hand(row.granted_by),
        store::access_requests::SOURCE => GrantSource::Request(row.granted_by),
        other => GrantSource::Connection(other.to_owned()),
    };
    Held { grant: row.grant.clone(), source, since: row.granted, expires: row.expires }
}
