//! What a person wants: a linear classifier over words and runs of characters, trained in seconds on
//! the examples of a bot folder and small enough to travel inside a release. It needs no model
//! server, no network and no other machine than the one that answers.

mod calibrate;
mod codec;
mod features;
mod model;
mod strangers;
mod svm;

use std::collections::{BTreeMap, BTreeSet};

pub use codec::ModelError;
pub use model::Model;

use calibrate::{Calibration, HeldOut};
use features::Counted;
use model::{MOST_LABELS, Vocabulary};
use svm::{Rows, Solver};

/// The longest label, in bytes.
const LONGEST_LABEL: usize = 200;

/// The most examples of all labels together: a bound on time and memory, thirteen times what the
/// largest public collection has.
const MOST_EXAMPLES: usize = 200_000;

/// With more examples than this, three folds are enough to calibrate by.
const MANY: usize = 2_000;

/// How to train.
#[derive(Debug, Clone)]
pub struct Options {
    /// Texts that are of no label. They are kept away from every label, and tell the calibration what
    /// such texts score. Not needed, and worth having; a small bot gets a few dozen English ones
    /// besides.
    pub out_of_scope: Vec<String>,
    /// The share of texts in scope, 0 to 1, that may be taken for out of scope; the floor of
    /// [`Prediction::in_scope`] is set by it.
    pub reject: f32,
    /// Where the order of work comes from. The same examples and seed make the same bytes.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { out_of_scope: Vec::new(), reject: 0.05, seed: 77 }
    }
}

/// Why a classifier cannot be trained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrainError {
    /// There is no label.
    #[error("there is no intent to train")]
    Nothing,
    /// A label without an example that has words.
    #[error("the intent `{label}` has no example")]
    NoExample {
        /// The label.
        label: String,
    },
    /// The same label twice.
    #[error("the intent `{label}` is there twice")]
    Twice {
        /// The label.
        label: String,
    },
    /// A label longer than 200 bytes, more than 10,000 labels, or more than 200,000 examples.
    #[error("too much to train: at most 10000 intents with names of 200 bytes and 200000 examples")]
    TooMuch,
}

/// What a classifier makes of a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction<'m> {
    /// The most likely label.
    pub label: &'m str,
    /// How likely it is right, 0 to 1.
    pub probability: f32,
    /// How much the text looks like the label: about 1 for an example, about -1 for a stranger. For
    /// whoever wants to set a floor by texts of their own.
    pub score: f32,
    /// Whether the text looks like one that has a label: its score is above what the share
    /// [`Options::reject`] of held-out examples scored.
    pub in_scope: bool,
    /// The next label with its probability; `None` when there is one label only.
    pub runner_up: Option<(&'m str, f32)>,
}

/// An example, taken apart.
struct Example {
    /// `None` is out of scope.
    label: Option<u32>,
    counted: Vec<Counted>,
}

/// Trains a classifier and returns its bytes, for [`Model::decode`]. The same input makes the same
/// bytes on every machine of one architecture, whatever its number of processors.
///
/// # Errors
/// When there is nothing to train, a label has no example or comes twice, or there is too much.
pub fn train(intents: &[(&str, &[&str])], options: &Options) -> Result<Vec<u8>, TrainError> {
    let total: usize = intents.iter().map(|(_, examples)| examples.len()).sum();
    if intents.len() > MOST_LABELS || total + options.out_of_scope.len() > MOST_EXAMPLES {
        return Err(TrainError::TooMuch);
    }
    if intents.is_empty() {
        return Err(TrainError::Nothing);
    }
    let mut examples = Vec::with_capacity(total);
    let mut labels = BTreeSet::new();
    for ((label, texts), class) in intents.iter().zip(0u32..) {
        if label.len() > LONGEST_LABEL {
            return Err(TrainError::TooMuch);
        }
        if !labels.insert(*label) {
            return Err(TrainError::Twice { label: (*label).to_owned() });
        }
        let before = examples.len();
        let counted = texts.iter().map(|text| features::count(text)).filter(|counted| !counted.is_empty());
        examples.extend(counted.map(|counted| Example { label: Some(class), counted }));
        if examples.len() == before {
            return Err(TrainError::NoExample { label: (*label).to_owned() });
        }
    }
    let told = options.out_of_scope.iter().map(String::as_str);
    let strangers = strangers::for_examples(intents.iter().flat_map(|(_, texts)| texts.iter().copied()));
    let outside = told.chain(strangers).map(features::count);
    examples.extend(outside.map(|counted| Example { label: None, counted }));

    let names: Vec<String> = intents.iter().map(|(label, _)| (*label).to_owned()).collect();
    let calibration = Calibration::fit(&hold_out(&names, &examples, options.seed), options.reject);
    let all: Vec<&Example> = examples.iter().collect();
    Ok(fit(&names, &all, options.seed).calibrated(calibration).encode())
}

/// Scores of examples by classifiers that did not see them: the examples are dealt into folds, label
/// by label, and each fold is scored by what the others teach.
fn hold_out(names: &[String], examples: &[Example], seed: u64) -> Vec<HeldOut> {
    let folds = if examples.len() > MANY { 3 } else { 5 };
    let mut dealt: BTreeMap<Option<u32>, usize> = BTreeMap::new();
    let fold_of: Vec<usize> = examples
        .iter()
        .map(|example| {
            let turn = dealt.entry(example.label).or_default();
            *turn += 1;
            *turn % folds
        })
        .collect();
    let mut held_out = Vec::with_capacity(examples.len());
    for fold in 0..folds {
        let (mut seen, mut unseen) = (Vec::new(), Vec::new());
        for (example, of) in examples.iter().zip(&fold_of) {
            if *of == fold { unseen.push(example) } else { seen.push(example) }
        }
        // A label whose only example is held out cannot be found, which says nothing about the rest.
        let known: BTreeSet<Option<u32>> = seen.iter().map(|example| example.label).collect();
        unseen.retain(|example| example.label.is_none() || known.contains(&example.label));
        if seen.is_empty() || unseen.is_empty() {
            continue;
        }
        let model = fit(names, &seen, seed);
        held_out.extend(unseen.iter().filter_map(|example| {
            let best = model.best(&example.counted)?;
            let in_scope = example.label.is_some();
            let right = in_scope && example.label.map(|label| label as usize) == Some(best.class);
            Some(HeldOut { margins: best.margins, right, in_scope })
        }));
    }
    held_out
}

/// A classifier from examples, with the prior for a calibration.
fn fit(names: &[String], examples: &[&Example], seed: u64) -> Model {
    let mut seen: BTreeMap<u32, u32> = BTreeMap::new();
    for Counted { feature, .. } in examples.iter().flat_map(|example| &example.counted) {
        *seen.entry(*feature).or_default() += 1;
    }
    let vocabulary = Vocabulary::new(seen.into_iter().collect(), examples.len() as u32);
    let mut rows = Rows::new(vocabulary.len());
    let mut of = Vec::with_capacity(examples.len() + 1);
    for example in examples {
        rows.push(vocabulary.weigh(&example.counted).into_iter());
        of.push(example.label);
    }
    // Who says nothing means nothing: the empty text is out of scope. It gives a bot with one intent
    // something to tell it from.
    rows.push(std::iter::empty());
    of.push(None);
    let solver = Solver { cost: 1.0, tolerance: 0.01, passes: 300, seed };
    let planes = svm::separate_all(&rows, &of, names.len(), solver);
    Model::new(names.to_vec(), vocabulary, &planes)
}
