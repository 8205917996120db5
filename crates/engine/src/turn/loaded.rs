//! A release that is ready to answer: its classifier decoded, its knowledge indexed, its names held
//! against each other.

use std::collections::HashMap;
use std::sync::Arc;

use wire::release::{Flow, Intent, Release, Response};
use wire::turn::EngineError;

use crate::intents::Model;
use crate::knowledge::Knowledge;
use crate::phrases::{self, Phrases};

/// A release that is ready to answer. It holds the release's texts in memory, and nothing of any
/// conversation.
#[derive(Debug)]
pub struct LoadedRelease {
    pub(super) release: Arc<Release>,
    pub(super) model: Option<Model>,
    pub(super) knowledge: Knowledge,
    pub(super) phrases: &'static Phrases,
    intents: HashMap<String, usize>,
    bytes: usize,
}

impl LoadedRelease {
    /// Makes a release ready. Takes about a second for ten megabytes of text.
    ///
    /// # Errors
    /// [`EngineError::Release`] when the classifier cannot be read, an intent starts a flow that is
    /// not there, a name comes twice, or the index fails.
    pub fn new(release: Arc<Release>) -> Result<Self, EngineError> {
        let model = match release.model.as_slice() {
            [] => None,
            bytes => Some(Model::decode(bytes).map_err(|error| EngineError::Release(error.to_string()))?),
        };
        let mut intents = HashMap::new();
        for (at, intent) in release.intents.iter().enumerate() {
            if intents.insert(intent.name.clone(), at).is_some() {
                return Err(EngineError::Release(format!("the intent `{}` is there twice", intent.name)));
            }
            if let Response::Flow { flow } = &intent.response
                && !release.flows.iter().any(|known| known.name == *flow)
            {
                let refused =
                    format!("the intent `{}` starts the flow `{flow}`, which is not there", intent.name);
                return Err(EngineError::Release(refused));
            }
        }
        for (at, flow) in release.flows.iter().enumerate() {
            if release.flows.iter().skip(at + 1).any(|other| other.name == flow.name) {
                return Err(EngineError::Release(format!("the flow `{}` is there twice", flow.name)));
            }
        }
        let knowledge =
            Knowledge::new(Arc::clone(&release)).map_err(|error| EngineError::Release(error.to_string()))?;
        let phrases = phrases::of(&release.manifest.language);
        let texts: usize =
            release.passages.iter().map(|passage| passage.text.len() + passage.title.len()).sum();
        // The classifier in memory is about three times its bytes.
        let bytes = texts + knowledge.index_bytes() + release.model.len() * 4;
        Ok(Self { release, model, knowledge, phrases, intents, bytes })
    }

    /// The release.
    pub fn release(&self) -> &Release {
        &self.release
    }

    /// The classifier; `None` when the bot has no intents.
    pub fn model(&self) -> Option<&Model> {
        self.model.as_ref()
    }

    /// What the bot knows.
    pub fn knowledge(&self) -> &Knowledge {
        &self.knowledge
    }

    /// About how many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn intent(&self, name: &str) -> Option<&Intent> {
        self.intents.get(name).and_then(|at| self.release.intents.get(*at))
    }

    pub(super) fn flow(&self, name: &str) -> Option<&Flow> {
        self.release.flows.iter().find(|flow| flow.name == name)
    }
}
