//! From a bot folder to a release: what the engine runs, complete and always the same bytes.

use wire::release::{Intent, Release};

use crate::report::{Finding, Report};
use crate::source::BotSource;

/// What a classifier of intents is trained on.
#[derive(Debug, Clone, Copy)]
pub struct TrainingSet<'s> {
    /// Intents with their examples, in the order of the file.
    pub intents: &'s [crate::intents::IntentSource],
    /// What is no intent at all.
    pub out_of_scope: &'s [String],
}

/// Trains a classifier. The same examples must make the same bytes.
pub trait Trainer {
    /// Trains on the examples and returns the classifier in the engine's own encoding.
    ///
    /// # Errors
    /// In words for the author of the bot: what about the examples is not enough.
    fn train(&self, examples: &TrainingSet<'_>) -> Result<Vec<u8>, String>;
}

/// Compiles a bot. Its release is named by the SHA-256 of [`Release::encode`], which the caller takes.
///
/// # Errors
/// When the trainer refuses the examples.
pub fn compile(source: &BotSource, trainer: &dyn Trainer) -> Result<Release, Report> {
    let examples = TrainingSet { intents: source.intents(), out_of_scope: source.out_of_scope() };
    let model = if examples.intents.is_empty() {
        Vec::new()
    } else {
        trainer.train(&examples).map_err(|cause| {
            let what = format!("the classifier cannot be trained: {cause}");
            Report::new(vec![Finding::error(
                "intents.toml",
                what,
                "add examples that tell the intents apart",
            )])
        })?
    };
    Ok(Release {
        manifest: source.manifest().clone(),
        passages: source.passages().cloned().collect(),
        intents: examples
            .intents
            .iter()
            .map(|intent| Intent { name: intent.name.clone(), response: intent.response.clone() })
            .collect(),
        flows: source.flows().to_vec(),
        model,
    })
}
