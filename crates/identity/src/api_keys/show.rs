//! Who comes with a key. Read anew at each request: whatever happened to the key, to the account that it
//! belongs to or to its roles counts from the next request on.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use guard::{Actor, Program, ServiceName, check_assignment};
use kernel::{ApiKeyId, TenantId, Timestamp};
use ledger::catalogue::ApiKeyRefused;
use store::api_keys::{self as rows, ApiKey};
use store::users::{self, UserState};
use store::{Read, StoreError, Via};

use super::{hash_of, lies_in};
use crate::{Identity, IdentityError, Inner};

/// How often a use is remembered, and a refusal of the same key recorded.
const EVERY: Duration = Duration::from_secs(60);
/// Keys whose last refusal is remembered.
const REMEMBERED: usize = 1024;

/// Why a key opens nothing. The program is told one thing for all of them but [`KeyRefused::Source`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefused {
    /// It is no key of this house: mistyped, made up, or of another.
    #[error("there is no such key")]
    Unknown,
    /// Its days are over.
    #[error("the key has expired")]
    Expired,
    /// It was ended.
    #[error("the key was revoked")]
    Revoked,
    /// It may not be shown from this address.
    #[error("the key may not be used from this address")]
    Source,
    /// The account that it belongs to is disabled.
    #[error("the key's account is disabled")]
    Owner,
    /// Whoever answers for the service account is disabled, or has come to hold a role that may not go
    /// with one of its.
    #[error("nobody can answer for the key's account")]
    Answers,
}

impl KeyRefused {
    const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Source => "source",
            Self::Owner => "owner",
            Self::Answers => "answers",
        }
    }
}

/// When which key was last refused, so that a program that keeps trying does not fill the log.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<HashMap<ApiKeyId, Timestamp>>);

impl Refusals {
    /// Whether this refusal is to be recorded.
    fn first(&self, key: ApiKeyId, now: Timestamp) -> bool {
        let Ok(mut last) = self.0.lock() else { return true };
        if last.get(&key).is_some_and(|at| now.since(*at) < EVERY) {
            return false;
        }
        if last.len() >= REMEMBERED {
            last.clear();
        }
        last.insert(key, now);
        true
    }
}

impl Identity {
    /// Who comes with this key, from where `via` says. One read; a write at most once a minute.
    ///
    /// # Errors
    /// The outer error when the store or the keys fail, the inner one when the key opens nothing.
    pub async fn program(&self, text: &str, via: &Via) -> Result<Result<Program, KeyRefused>, IdentityError> {
        let inner = &self.0;
        let Some(hash) = hash_of(text) else { return Ok(Err(KeyRefused::Unknown)) };
        let (tenant, now) = (inner.tenant, inner.world.now());
        let found = inner.db.read(move |tx| judge(tx, tenant, hash, now)).await?;
        let (key, mut verdict) = match found {
            Some(found) => found,
            None => return Ok(Err(KeyRefused::Unknown)),
        };
        if verdict.is_ok() && key.sources.is_some() {
            let from = via.source.as_deref().and_then(|source| source.parse().ok());
            let blocks = inner.sources_of(&key).await?;
            if !from.is_some_and(|from| lies_in(&blocks, from)) {
                verdict = Err(KeyRefused::Source);
            }
        }
        match &verdict {
            Ok(_) => inner.used(&key, now).await,
            Err(why) => inner.refused(&key, *why, via, now).await?,
        }
        Ok(verdict)
    }
}

type Verdict = Result<Program, KeyRefused>;

/// The key of this hash, and whether it and its account are as they must be.
fn judge(
    tx: &mut Read<'_>,
    tenant: TenantId,
    hash: [u8; 32],
    now: Timestamp,
) -> Result<Option<(ApiKey, Verdict)>, StoreError> {
    let Some(key) = rows::find(tx, hash)?.filter(|key| key.tenant == tenant) else { return Ok(None) };
    let active = |tx: &mut Read<'_>, user| -> Result<bool, StoreError> {
        Ok(users::find(tx, tenant, user)?.is_some_and(|user| user.state == UserState::Active))
    };
    let refusal = if key.revoked.is_some() {
        Some(KeyRefused::Revoked)
    } else if now >= key.expires {
        Some(KeyRefused::Expired)
    } else if !active(tx, key.owner)? {
        Some(KeyRefused::Owner)
    } else {
        match rows::service(tx, tenant, key.owner)? {
            Some(service) if !active(tx, service.answers)? => Some(KeyRefused::Answers),
            Some(service) => {
                let own = users::grants_of(tx, tenant, service.answers, now)?;
                let theirs = users::grants_of(tx, tenant, key.owner, now)?;
                let apart = theirs.iter().all(|grant| check_assignment(&own, grant).is_ok());
                (!apart).then_some(KeyRefused::Answers)
            }
            None => None,
        }
    };
    let verdict = match refusal {
        Some(why) => Err(why),
        None => Ok(Program {
            key: key.id,
            tenant,
            owner: key.owner,
            grants: users::grants_of(tx, tenant, key.owner, now)?,
            acts: key.acts.clone(),
            scope: key.scope.clone(),
        }),
    };
    Ok(Some((key, verdict)))
}

impl Inner {
    async fn used(&self, key: &ApiKey, now: Timestamp) {
        if key.used.is_some_and(|used| now.since(used) < EVERY) {
            return;
        }
        let (tenant, id) = (key.tenant, key.id);
        // A full disk must not keep programs from reading.
        if let Err(error) = self.db.write(move |tx| rows::used(tx, tenant, id, now)).await {
            tracing::warn!(%error, "a use of an API key could not be remembered");
        }
    }

    async fn refused(
        &self,
        key: &ApiKey,
        why: KeyRefused,
        via: &Via,
        now: Timestamp,
    ) -> Result<(), IdentityError> {
        if !self.refusals.first(key.id, now) {
            return Ok(());
        }
        let core = Actor::Service { name: ServiceName::Core, tenant: self.tenant };
        let pen = self.pen(core, via).await?;
        let event = ApiKeyRefused { key: key.id, owner: key.owner, reason: why.word() };
        Ok(self.db.write(move |tx| pen.note(tx, &event)).await?)
    }
}
