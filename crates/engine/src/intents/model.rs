//! A trained classifier: its scores for a text, and its bytes.
//!
//! A model holds, for each feature, the classes for which it counts and a weight of eight bits each,
//! with one scale per class. Most features count for a few classes only, so a row is a list of
//! (class, weight) or, where that is longer, a bitmap of classes followed by the weights.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::Prediction;
use super::calibrate::{Calibration, Margins};
use super::codec::{ModelError, Reader, Writer};
use super::features::{self, Counted, KINDS};
use super::svm::Plane;

/// The first bytes of an encoded model; the digit is the version of the encoding.
const MAGIC: &[u8; 4] = b"WRI1";

/// The largest weight after quantising.
const FULL: f32 = 127.0;

/// The most labels, so that a class fits in 16 bits with room to spare.
pub(super) const MOST_LABELS: usize = 10_000;

/// Features are hashes already; this only spreads them.
#[derive(Debug, Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, feature: u32) {
        self.0 = (self.0 ^ u64::from(feature)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

/// Which features were seen in training, and how much each says by its rarity.
#[derive(Debug, Clone, Default)]
pub(super) struct Vocabulary {
    rows: HashMap<u32, u32, BuildHasherDefault<Spread>>,
    /// The feature of each row, with the number of training texts that have it.
    features: Vec<(u32, u32)>,
    rarity: Vec<f32>,
    texts: u32,
}

impl Vocabulary {
    /// A vocabulary from features in ascending order, each with the number of texts that have it.
    pub(super) fn new(features: Vec<(u32, u32)>, texts: u32) -> Self {
        let rows = features.iter().zip(0..).map(|((feature, _), row)| (*feature, row)).collect();
        let rarity = features.iter().map(|(_, seen)| rarity(texts, *seen)).collect();
        Self { rows, features, rarity, texts }
    }

    /// How many features it has.
    pub(super) fn len(&self) -> usize {
        self.features.len()
    }

    /// The known features of a text as (row, value). Each kind of feature has unit length *counting
    /// what was never seen*: a text full of unknown words comes out short, and so scores low.
    pub(super) fn weigh(&self, counted: &[Counted]) -> Vec<(u32, f32)> {
        let unseen = rarity(self.texts, 0);
        let mut squares = [0.0f32; KINDS];
        let mut known = Vec::with_capacity(counted.len());
        for Counted { feature, count } in counted {
            let row = self.rows.get(feature).copied();
            let rarity = row.and_then(|row| self.rarity.get(row as usize)).copied().unwrap_or(unseen);
            // Saying a word three times is not three times the evidence.
            let value = (1.0 + (*count as f32).ln()) * rarity;
            let kind = features::kind(*feature);
            if let Some(square) = squares.get_mut(kind) {
                *square += value * value;
            }
            if let Some(row) = row {
                known.push((row, kind, value));
            }
        }
        let scales = squares.map(|square| if square > 0.0 { square.sqrt().recip() } else { 0.0 });
        let scaled = |(row, kind, value): (u32, usize, f32)| {
            (row, value * scales.get(kind).copied().unwrap_or_default())
        };
        known.into_iter().map(scaled).collect()
    }
}

/// Smoothed inverse document frequency.
fn rarity(texts: u32, seen: u32) -> f32 {
    ((1.0 + texts as f32) / (1.0 + seen as f32)).ln() + 1.0
}

/// A trained intent classifier.
///
/// It promises that the same bytes give the same prediction for the same text on every machine of
/// one architecture. It does not promise to be right: the probability says how often it is.
#[derive(Debug)]
pub struct Model {
    labels: Vec<String>,
    scales: Vec<f32>,
    biases: Vec<f32>,
    calibration: Calibration,
    vocabulary: Vocabulary,
    /// Where each row's cells begin; one more entry than rows.
    starts: Vec<u32>,
    classes: Vec<u16>,
    weights: Vec<i8>,
}

impl Model {
    /// Puts a model together from planes of full precision.
    pub(super) fn new(labels: Vec<String>, vocabulary: Vocabulary, planes: &[Plane]) -> Self {
        let scale = |plane: &Plane| {
            let largest = plane.weights.iter().fold(0.0f32, |most, weight| most.max(weight.abs()));
            if largest > 0.0 { largest / FULL } else { 1.0 }
        };
        let scales: Vec<f32> = planes.iter().map(scale).collect();
        let (mut starts, mut classes, mut weights) = (vec![0], Vec::new(), Vec::new());
        for row in 0..vocabulary.len() {
            for ((class, plane), scale) in (0u16..).zip(planes).zip(&scales) {
                let weight = plane.weights.get(row).copied().unwrap_or_default() / scale;
                let weight = weight.round().clamp(-FULL, FULL) as i8;
                if weight != 0 {
                    classes.push(class);
                    weights.push(weight);
                }
            }
            starts.push(u32::try_from(weights.len()).unwrap_or(u32::MAX));
        }
        let biases = planes.iter().map(|plane| plane.bias).collect();
        Self { labels, scales, biases, calibration: Calibration::PRIOR, vocabulary, starts, classes, weights }
    }

    pub(super) fn calibrated(mut self, calibration: Calibration) -> Self {
        self.calibration = calibration;
        self
    }

    /// The labels that it knows, in the order of training.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.labels.iter().map(String::as_str)
    }

    /// The most likely label, the next one, and how likely they are. `None` when the model knows no
    /// label. Takes time in proportion to the text.
    pub fn predict(&self, text: &str) -> Option<Prediction<'_>> {
        let best = self.best(&features::count(text))?;
        let label = self.labels.get(best.class)?;
        let probability = self.calibration.probability(best.margins);
        let runner_up = best.second.and_then(|second| self.labels.get(second)).map(|label| {
            let share = self.calibration.share(best.margins.lead);
            (label.as_str(), (1.0 - probability).min(probability) * share)
        });
        let score = best.margins.best;
        Some(Prediction { label, probability, score, in_scope: score >= self.calibration.floor(), runner_up })
    }

    /// The best class and how far it is ahead.
    pub(super) fn best(&self, counted: &[Counted]) -> Option<Best> {
        let mut best: Option<Best> = None;
        for (class, score) in self.scores(counted).into_iter().enumerate() {
            let (first, second) = match &best {
                Some(so_far) if so_far.margins.best >= score => {
                    let runner_up = so_far.margins.best - so_far.margins.lead;
                    if so_far.second.is_some() && runner_up >= score {
                        continue;
                    }
                    ((so_far.class, so_far.margins.best), Some((class, score)))
                }
                Some(so_far) => ((class, score), Some((so_far.class, so_far.margins.best))),
                None => ((class, score), None),
            };
            let lead = second.map_or(0.0, |(_, second)| first.1 - second);
            best = Some(Best {
                class: first.0,
                second: second.map(|(class, _)| class),
                margins: Margins { best: first.1, lead },
            });
        }
        best
    }

    fn scores(&self, counted: &[Counted]) -> Vec<f32> {
        let mut sums = vec![0.0f32; self.biases.len()];
        for (row, value) in self.vocabulary.weigh(counted) {
            let row = row as usize;
            let (Some(&from), Some(&to)) = (self.starts.get(row), self.starts.get(row + 1)) else { continue };
            let cells = from as usize..to as usize;
            let (Some(classes), Some(weights)) = (self.classes.get(cells.clone()), self.weights.get(cells))
            else {
                continue;
            };
            for (class, weight) in classes.iter().zip(weights) {
                if let Some(sum) = sums.get_mut(usize::from(*class)) {
                    *sum += value * f32::from(*weight);
                }
            }
        }
        let scaled = sums.iter().zip(&self.scales).zip(&self.biases);
        scaled.map(|((sum, scale), bias)| sum * scale + bias).collect()
    }

    /// The bytes of the model.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.bytes(MAGIC);
        writer.number(self.labels.len() as u32);
        for label in &self.labels {
            writer.number(label.len() as u32);
            writer.bytes(label.as_bytes());
        }
        for real in self.scales.iter().chain(&self.biases) {
            writer.real(*real);
        }
        self.calibration.write(&mut writer);
        writer.number(self.vocabulary.texts);
        writer.number(self.vocabulary.len() as u32);
        let mut last = 0;
        let starts = self.starts.iter().zip(self.starts.iter().skip(1));
        for ((feature, seen), (from, to)) in self.vocabulary.features.iter().zip(starts) {
            writer.number(feature - last);
            last = *feature;
            writer.number(*seen);
            let cells = *from as usize..*to as usize;
            let classes = self.classes.get(cells.clone()).unwrap_or_default();
            let weights = self.weights.get(cells).unwrap_or_default();
            write_row(&mut writer, self.labels.len(), classes, weights);
        }
        writer.done()
    }

    /// Reads the bytes of a model.
    ///
    /// # Errors
    /// When the bytes are of another version, cut short, or damaged. Memory taken is in proportion
    /// to the bytes handed in, whatever they say.
    pub fn decode(bytes: &[u8]) -> Result<Self, ModelError> {
        let mut reader = Reader::new(bytes.strip_prefix(MAGIC).ok_or(ModelError::Format)?);
        let count = reader.count(1)?;
        if count > MOST_LABELS {
            return Err(ModelError::Damaged);
        }
        let mut labels = Vec::with_capacity(count);
        for _ in 0..count {
            let length = reader.count(1)?;
            let label = std::str::from_utf8(reader.bytes(length)?).map_err(|_| ModelError::Damaged)?;
            labels.push(label.to_owned());
        }
        let scales = (0..count).map(|_| reader.real()).collect::<Result<Vec<f32>, _>>()?;
        let biases = (0..count).map(|_| reader.real()).collect::<Result<Vec<f32>, _>>()?;
        let calibration = Calibration::read(&mut reader)?;
        let texts = reader.number()?;
        let rows = reader.count(3)?;
        let (mut starts, mut classes, mut weights) = (vec![0], Vec::new(), Vec::new());
        let mut features: Vec<(u32, u32)> = Vec::with_capacity(rows);
        for _ in 0..rows {
            let step = reader.number()?;
            let feature = match features.last() {
                Some((last, _)) if step > 0 => last.checked_add(step).ok_or(ModelError::Damaged)?,
                Some(_) => return Err(ModelError::Damaged),
                None => step,
            };
            features.push((feature, reader.number()?));
            read_row(&mut reader, count, &mut classes, &mut weights)?;
            starts.push(u32::try_from(weights.len()).map_err(|_| ModelError::Damaged)?);
        }
        if reader.left() > 0 {
            return Err(ModelError::Damaged);
        }
        let vocabulary = Vocabulary::new(features, texts);
        Ok(Self { labels, scales, biases, calibration, vocabulary, starts, classes, weights })
    }
}

/// The best class for a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Best {
    pub(super) class: usize,
    pub(super) second: Option<usize>,
    pub(super) margins: Margins,
}

/// A row: its number of cells plus one and then (distance to the class before, weight) for each; or
/// zero, a bitmap of classes, and the weights.
fn write_row(writer: &mut Writer, labels: usize, classes: &[u16], weights: &[i8]) {
    let mut list = Writer::default();
    list.number(classes.len() as u32 + 1);
    let mut last = 0;
    for (class, weight) in classes.iter().zip(weights) {
        list.number(u32::from(class - last));
        list.bytes(&weight.to_le_bytes());
        last = *class;
    }
    let list = list.done();
    let mut bitmap = vec![0u8; labels.div_ceil(8)];
    for class in classes {
        if let Some(byte) = bitmap.get_mut(usize::from(class / 8)) {
            *byte |= 1 << (class % 8);
        }
    }
    if list.len() <= 1 + bitmap.len() + weights.len() {
        writer.bytes(&list);
        return;
    }
    writer.number(0);
    writer.bytes(&bitmap);
    for weight in weights {
        writer.bytes(&weight.to_le_bytes());
    }
}

fn read_row(
    reader: &mut Reader<'_>,
    labels: usize,
    classes: &mut Vec<u16>,
    weights: &mut Vec<i8>,
) -> Result<(), ModelError> {
    let tag = reader.number()? as usize;
    let before = classes.len();
    if tag > 0 {
        let mut class = 0u32;
        for _ in 1..tag {
            let step = reader.number()?;
            if step == 0 && classes.len() > before {
                return Err(ModelError::Damaged);
            }
            class = class.checked_add(step).ok_or(ModelError::Damaged)?;
            classes.push(known_class(class, labels)?);
            weights.push(i8::from_le_bytes([reader.byte()?]));
        }
        return Ok(());
    }
    for (byte, bits) in (0u32..).zip(reader.bytes(labels.div_ceil(8))?) {
        for bit in (0..8).filter(|bit| bits & (1 << bit) != 0) {
            classes.push(known_class(byte * 8 + bit, labels)?);
        }
    }
    for weight in reader.bytes(classes.len() - before)? {
        weights.push(i8::from_le_bytes([*weight]));
    }
    Ok(())
}

fn known_class(class: u32, labels: usize) -> Result<u16, ModelError> {
    let class = u16::try_from(class).map_err(|_| ModelError::Damaged)?;
    if usize::from(class) < labels { Ok(class) } else { Err(ModelError::Damaged) }
}
