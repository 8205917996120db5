//! Measures the intent classifier on public data: Banking77 (`banking77/train.csv`, `test.csv`) and
//! CLINC150 (`clinc150/data_full.json`), both in the folder that is the one argument. Prints a table
//! and, on the last line, the figures as JSON.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it prints what it measures")]
#![expect(clippy::disallowed_methods, reason = "it measures how long the work takes")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::time::Instant;

use engine::intents::{Model, Options, train};

/// Texts with their labels.
type Labelled = Vec<(String, String)>;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: bench_intents DIR")?;
    let folder = Path::new(&folder);
    let mut figures = serde_json::Map::new();

    let banking = Subject {
        name: "banking77",
        train: csv(&folder.join("banking77/train.csv"))?,
        test: csv(&folder.join("banking77/test.csv"))?,
        scope: None,
    };
    banking.measure(&mut figures)?;

    let text = std::fs::read_to_string(folder.join("clinc150/data_full.json"))?;
    let mut data: BTreeMap<String, Labelled> = serde_json::from_str(&text)?;
    let mut part = |name: &str| data.remove(name).ok_or(format!("data_full.json has no `{name}`"));
    let clinc = Subject {
        name: "clinc150",
        train: part("train")?,
        test: part("test")?,
        scope: Some((part("val")?, part("oos_test")?)),
    };
    clinc.measure(&mut figures)?;

    println!("{}", serde_json::json!({ "name": "intents", "figures": figures }));
    Ok(())
}

/// One collection.
struct Subject {
    name: &'static str,
    train: Labelled,
    test: Labelled,
    /// Texts in scope to set the threshold by, and texts out of scope.
    scope: Option<(Labelled, Labelled)>,
}

impl Subject {
    fn measure(
        &self,
        figures: &mut serde_json::Map<String, serde_json::Value>,
    ) -> Result<(), Box<dyn Error>> {
        let mut note = |what: &str, value: f64, digits: usize| {
            println!("  {what:<44} {value:>12.digits$}");
            figures.insert(format!("{}_{}", self.name, what.replace([' ', '-'], "_")), value.into());
        };
        eprintln!("{}: training on {} texts ..", self.name, self.train.len());
        let mut intents: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (text, label) in &self.train {
            intents.entry(label).or_default().push(text);
        }
        let intents: Vec<(&str, &[&str])> =
            intents.iter().map(|(label, texts)| (*label, texts.as_slice())).collect();
        let began = Instant::now();
        let bytes = train(&intents, &Options::default())?;
        let seconds = began.elapsed().as_secs_f64();
        let model = Model::decode(&bytes)?;
        eprintln!("{}: asking {} texts ..", self.name, self.test.len());

        println!("{}", self.name);
        note("intents", intents.len() as f64, 0);
        note("train seconds", seconds, 1);
        note("model bytes", bytes.len() as f64, 0);
        let began = Instant::now();
        let answers = ask(&model, &self.test);
        note("microseconds per prediction", began.elapsed().as_secs_f64() * 1e6 / answers.len() as f64, 1);
        note("accuracy", share(&answers, |answer| answer.right), 4);
        note("calibration error", calibration_error(&answers), 4);
        let kept = |answer: &Answer| answer.in_scope;
        note("kept by its own floor", share(&answers, kept), 4);
        note(
            "right of those kept by its own floor",
            share(&answers, |a| kept(a) && a.right) / share(&answers, kept),
            4,
        );

        if let Some((validation, outside)) = &self.scope {
            let outside = ask(&model, outside);
            note("out-of-scope recall by its own floor", share(&outside, |answer| !answer.in_scope), 4);
            // The yardstick: the threshold that rejects one in twenty of the validation texts.
            let mut scores: Vec<f32> = ask(&model, validation).iter().map(|answer| answer.score).collect();
            scores.sort_by(f32::total_cmp);
            let floor = scores.get(scores.len() / 20).copied().ok_or("no validation texts")?;
            note("out-of-scope recall", share(&outside, |answer| answer.score < floor), 4);
            let kept = |answer: &Answer| answer.right && answer.score >= floor;
            note("accuracy after threshold", share(&answers, kept), 4);
        }
        Ok(())
    }
}

/// What the model said to a text.
struct Answer {
    right: bool,
    probability: f32,
    score: f32,
    in_scope: bool,
}

fn ask(model: &Model, texts: &Labelled) -> Vec<Answer> {
    let predicted = texts.iter().filter_map(|(text, label)| Some((model.predict(text)?, label)));
    predicted
        .map(|(p, label)| Answer {
            right: p.label == label,
            probability: p.probability,
            score: p.score,
            in_scope: p.in_scope,
        })
        .collect()
}

fn share(answers: &[Answer], of: impl Fn(&Answer) -> bool) -> f64 {
    answers.iter().filter(|answer| of(answer)).count() as f64 / answers.len().max(1) as f64
}

/// Expected calibration error over ten bands of probability: how far what the model says lies from how
/// often it is right, on average.
fn calibration_error(answers: &[Answer]) -> f64 {
    let mut bands = [(0.0f64, 0.0f64); 10];
    for answer in answers {
        if let Some(band) = bands.get_mut(((answer.probability * 10.0) as usize).min(9)) {
            band.0 += f64::from(answer.probability);
            band.1 += f64::from(u8::from(answer.right));
        }
    }
    bands.iter().map(|(said, was)| (said - was).abs()).sum::<f64>() / answers.len().max(1) as f64
}

/// Rows of two columns, with a heading, in the quoting of RFC 4180.
fn csv(path: &Path) -> Result<Labelled, Box<dyn Error>> {
    let text = std::fs::read_to_string(path)?;
    let (mut rows, mut row, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' if quoted && rest.peek() == Some(&'"') => {
                rest.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            '\r' if !quoted => {}
            c => field.push(c),
        }
    }
    let two = |row: Vec<String>| <[String; 2]>::try_from(row).ok().map(|[text, label]| (text, label));
    Ok(rows.into_iter().skip(1).filter_map(two).collect())
}
