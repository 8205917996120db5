//! Where rooms meet: each adapter lets one room use another through the small trait that the first one
//! owns.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bots::{Runner, Shelf, Trainer, TrainingSet};
use console::{Activation, Releases};
use conversations::{BotFuture, Bots, ConversationError};
use engine::intents::{self, Options};
use engine::turn::{LoadedRelease, answer};
use guard::Permit;
use guard::action::ActivateRelease;
use kernel::{BotName, ReleaseId, TenantId};
use store::Via;
use wire::release::Release;
use wire::turn::{EngineError, Reply, TurnRequest};

/// The engine's classifier as the bots' trainer.
pub(crate) struct EngineTrainer;

impl Trainer for EngineTrainer {
    fn train(&self, examples: &TrainingSet<'_>) -> Result<Vec<u8>, String> {
        let texts: Vec<(&str, Vec<&str>)> = examples
            .intents
            .iter()
            .map(|intent| (intent.name.as_str(), intent.examples.iter().map(String::as_str).collect()))
            .collect();
        let intents: Vec<(&str, &[&str])> =
            texts.iter().map(|(name, texts)| (*name, texts.as_slice())).collect();
        let options = Options { out_of_scope: examples.out_of_scope.to_vec(), ..Options::default() };
        intents::train(&intents, &options).map_err(|error| error.to_string())
    }
}

/// A loaded release as the runner of its own tests.
pub(crate) struct EngineRunner(LoadedRelease);

impl EngineRunner {
    /// Loads a release.
    pub(crate) fn new(release: &Release) -> Result<Self, EngineError> {
        LoadedRelease::new(Arc::new(release.clone())).map(Self)
    }
}

impl Runner for EngineRunner {
    fn turn(&self, request: &TurnRequest) -> Result<Reply, EngineError> {
        answer(&self.0, request)
    }
}

/// The shelf as the source of bots for conversations.
pub(crate) struct ShelfBots(pub(crate) Shelf);

impl Bots for ShelfBots {
    fn live(&self, _: TenantId, bot: BotName) -> BotFuture<'_> {
        Box::pin(async move { Ok(self.0.live(&bot)) })
    }

    fn release(&self, _: TenantId, id: ReleaseId) -> BotFuture<'_> {
        Box::pin(async move {
            let found = self.0.release(id).await;
            let found = found
                .map_err(|error| ConversationError::Bots(Box::<dyn Error + Send + Sync>::from(error)))?;
            Ok(found.map(|release| (id, release)))
        })
    }
}

/// How often a running process looks for releases that were put live elsewhere.
const LOOK: Duration = Duration::from_secs(2);

/// Takes over releases that the command line or another process put live, until the task is dropped.
pub(crate) async fn keep_current(shelf: Shelf) {
    loop {
        tokio::time::sleep(LOOK).await;
        match shelf.take_over().await {
            Ok(bots) => bots.iter().for_each(|bot| tracing::info!(%bot, "another release answers")),
            Err(error) => tracing::error!(%error, "a live release could not be taken over"),
        }
    }
}

/// The shelf as what puts releases live for the console.
pub(crate) struct ShelfReleases(pub(crate) Shelf);

impl Releases for ShelfReleases {
    fn activate(&self, permit: Permit<ActivateRelease>, via: Via) -> Activation<'_> {
        Box::pin(async move { self.0.activate(permit, &via).await })
    }
}
