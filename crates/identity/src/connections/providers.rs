//! What providers publish, kept for a while: discovery documents and keys. Keys are fetched anew when a
//! token names one that is not known, and no more often than every five minutes, so that nobody can make
//! us knock at a provider's door without end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use federation::oidc::{Issuer, KeySet, Provider, Refusal};
use kernel::{Timestamp, World};

use super::Failure;
use super::fetch::{Fetch, FetchError};

/// How long a discovery document and a key set are believed.
const KEPT: Duration = Duration::from_secs(60 * 60);
/// The soonest that keys are fetched again because one was not known.
const KEYS_AGAIN: Duration = Duration::from_secs(5 * 60);
/// Providers that are kept.
const MAX: usize = 64;

/// A provider and its keys, as last fetched.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) provider: Arc<Provider>,
    pub(crate) keys: Arc<KeySet>,
    fetched: Timestamp,
    keys_fetched: Timestamp,
}

/// The providers that were asked lately.
#[derive(Debug, Default)]
pub(crate) struct Providers(Mutex<HashMap<String, Published>>);

impl Providers {
    /// What an issuer publishes: as kept, or fetched.
    pub(crate) async fn of(
        &self,
        issuer: &Issuer,
        fetch: &dyn Fetch,
        world: &World,
    ) -> Result<Published, Failure> {
        let kept = self.kept(issuer);
        if let Some(kept) = kept.filter(|kept| world.now().since(kept.fetched) < KEPT) {
            return Ok(kept);
        }
        let document = document(fetch, issuer.discovery().as_str(), Provider::MAX).await?;
        let provider = Provider::parse(&document, issuer)?;
        let keys = KeySet::parse(&self::document(fetch, provider.jwks_uri().as_str(), KeySet::MAX).await?)?;
        let now = world.now();
        let published =
            Published { provider: Arc::new(provider), keys: Arc::new(keys), fetched: now, keys_fetched: now };
        self.keep(issuer, published.clone());
        Ok(published)
    }

    /// The keys again, because a token named one that is not known; `None` when they were fetched only
    /// just now.
    pub(crate) async fn keys_again(
        &self,
        issuer: &Issuer,
        published: &Published,
        fetch: &dyn Fetch,
        world: &World,
    ) -> Result<Option<Published>, Failure> {
        let newest = self.kept(issuer).unwrap_or_else(|| published.clone());
        if newest.keys_fetched > published.keys_fetched {
            return Ok(Some(newest));
        }
        if world.now().since(newest.keys_fetched) < KEYS_AGAIN {
            return Ok(None);
        }
        let asked = Published { keys_fetched: world.now(), ..newest };
        // Noted before it is asked, so that a failing provider is left alone as well.
        self.keep(issuer, asked.clone());
        let keys = document(fetch, asked.provider.jwks_uri().as_str(), KeySet::MAX).await?;
        let fresh = Published { keys: Arc::new(KeySet::parse(&keys)?), ..asked };
        self.keep(issuer, fresh.clone());
        Ok(Some(fresh))
    }

    /// Forgets what was kept, because a connection was changed.
    pub(crate) fn forget(&self, issuer: &str) {
        self.lock().remove(issuer);
    }

    fn kept(&self, issuer: &Issuer) -> Option<Published> {
        self.lock().get(issuer.as_str()).cloned()
    }

    fn keep(&self, issuer: &Issuer, published: Published) {
        let mut all = self.lock();
        if all.len() >= MAX {
            all.clear();
        }
        all.insert(issuer.as_str().to_owned(), published);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Published>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A document that a provider publishes.
pub(crate) async fn document(fetch: &dyn Fetch, url: &str, cap: usize) -> Result<Vec<u8>, Failure> {
    let fetched = fetch.get(url, None, cap).await?;
    match fetched.status {
        200 if fetched.body.len() <= cap => Ok(fetched.body),
        200 => Err(Refusal::TooLarge.into()),
        300..=399 => Err(FetchError::Redirected.into()),
        _ => Err(FetchError::Unreachable.into()),
    }
}
