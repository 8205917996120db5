//! The embedded engine behind the two traits of this crate, as the binary wires it.

use std::sync::Arc;

use bots::{Runner, Trainer, TrainingSet};
use engine::intents::Options;
use engine::turn::LoadedRelease;
use wire::release::Release;
use wire::turn::{EngineError, Reply, TurnRequest};

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
        engine::intents::train(&intents, &options).map_err(|cause| cause.to_string())
    }
}

pub(crate) struct EngineRunner(LoadedRelease);

impl EngineRunner {
    pub(crate) fn new(release: &Release) -> Self {
        Self(LoadedRelease::new(Arc::new(release.clone())).unwrap())
    }
}

impl Runner for EngineRunner {
    fn turn(&self, request: &TurnRequest) -> Result<Reply, EngineError> {
        engine::turn::answer(&self.0, request)
    }
}
