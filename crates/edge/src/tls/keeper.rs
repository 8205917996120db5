//! Keeps the certificate fresh: takes the next one into use, and tells how that goes.

use std::sync::Arc;
use std::time::Duration;

use kernel::World;
use rustls::crypto::CryptoProvider;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::{Pair, Renewer, Shown, TlsStatus};
use crate::{EdgeError, acme};

pub(super) struct Keeper {
    shown: Arc<Shown>,
    provider: Arc<CryptoProvider>,
    world: World,
    told: watch::Sender<TlsStatus>,
}

impl Keeper {
    pub(super) fn new(
        shown: Arc<Shown>,
        provider: Arc<CryptoProvider>,
        world: World,
        told: watch::Sender<TlsStatus>,
    ) -> Self {
        Self { shown, provider, world, told }
    }

    /// The first certificate now, the next ones in the background.
    pub(super) async fn start(
        self,
        renewer: Renewer,
        every: Duration,
    ) -> Result<Option<AbortHandle>, EdgeError> {
        let now = self.world.now();
        let task = match renewer {
            Renewer::Nobody(identity) => {
                self.take(&Pair::of_identity(&identity, &self.provider, now)?, false);
                return Ok(None);
            }
            Renewer::Files(mut files) => {
                if let Some(pair) = files.look(&self.provider, now)? {
                    self.take(&pair, false);
                }
                tokio::spawn(async move {
                    loop {
                        tokio::time::sleep(every).await;
                        match files.look(&self.provider, self.world.now()) {
                            Ok(Some(pair)) => self.take(&pair, false),
                            Ok(None) => {}
                            Err(error) => self.complain(&error),
                        }
                    }
                })
            }
            Renewer::Local(ca, names) => {
                let mut identity = ca.load_or_issue_server(&names)?;
                self.take(&Pair::of_identity(&identity, &self.provider, now)?, false);
                self.told.send_modify(|status| status.renew_at = Some(identity.renew_at()));
                tokio::spawn(async move {
                    loop {
                        tokio::time::sleep(every).await;
                        let now = self.world.now();
                        if now < identity.renew_at() {
                            continue;
                        }
                        let next = ca
                            .load_or_issue_server(&names)
                            .map_err(EdgeError::from)
                            .and_then(|next| Ok((Pair::of_identity(&next, &self.provider, now)?, next)));
                        match next {
                            Ok((pair, next)) => {
                                self.take(&pair, false);
                                self.told.send_modify(|status| status.renew_at = Some(next.renew_at()));
                                identity = next;
                            }
                            Err(error) => self.complain(&error),
                        }
                    }
                })
            }
            Renewer::Acme(client) => tokio::spawn(self.order(*client, every)),
        };
        Ok(Some(task.abort_handle()))
    }

    /// Orders by ACME, early enough, and again after a failure with growing pauses.
    async fn order(self, client: acme::Client, every: Duration) {
        let mut renew_at = self.world.now();
        match client.kept(&self.provider) {
            Ok(Some(pair)) => {
                renew_at = pair.renew_at();
                self.take(&pair, true);
            }
            Ok(None) => {}
            // A kept certificate that cannot be used is replaced, and told.
            Err(error) => self.complain(&error),
        }
        let mut pause = acme::FIRST_PAUSE;
        loop {
            if self.world.now() < renew_at {
                tokio::time::sleep(every).await;
                continue;
            }
            match client.order(&self.provider).await {
                Ok(pair) => {
                    renew_at = pair.renew_at();
                    pause = acme::FIRST_PAUSE;
                    self.take(&pair, true);
                }
                Err(error) => {
                    self.complain(&error);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(acme::LONGEST_PAUSE);
                }
            }
        }
    }

    fn take(&self, pair: &Pair, renewed: bool) {
        self.shown.show(pair);
        tracing::info!(until = %pair.not_after, "a TLS certificate is in use");
        self.told.send_modify(|status| {
            status.not_after = Some(pair.not_after);
            status.renew_at = renewed.then(|| pair.renew_at());
            status.loads = status.loads.saturating_add(1);
            status.failures = 0;
            status.last_error = None;
        });
    }

    fn complain(&self, error: &EdgeError) {
        let mut words = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(deeper) = cause {
            words = format!("{words}: {deeper}");
            cause = deeper.source();
        }
        self.told.send_modify(|status| {
            if status.last_error.as_ref() != Some(&words) {
                // Once for every change: a file that is gone is looked for every few seconds.
                tracing::warn!(error = %words, "no new TLS certificate; the one in use stays");
            }
            status.failures = status.failures.saturating_add(1);
            status.last_error = Some(words);
        });
    }
}
