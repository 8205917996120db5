//! Measures the search on a real manual: indexes the HTML pages of a folder and asks the questions of
//! a TOML file, of which the right pages are known. Arguments: the folder and the file. Prints a
//! table and, on the last line, the figures as JSON.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it prints what it measures")]
#![expect(clippy::disallowed_methods, reason = "it measures how long the work takes")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bots::Limits;
use bots::knowledge::{UrlRules, read_documents};
use engine::knowledge::{Found, Knowledge};
use kernel::BotName;
use serde::Deserialize;
use wire::release::{Confidence, Handoff, Manifest, Passage, Release};

/// The threshold that a bot has when its folder does not say another.
const CONFIDENCE: f32 = 0.5;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Questions {
    question: Vec<Question>,
    stranger: Vec<Stranger>,
}

/// A question with the pages that answer it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    ask: String,
    pages: Vec<String>,
}

/// A question that no page answers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stranger {
    ask: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: bench_knowledge DIR QUESTIONS.toml";
    let (folder, questions) = (arguments.next().ok_or(usage)?, arguments.next().ok_or(usage)?);
    let questions: Questions = toml::from_str(&std::fs::read_to_string(questions)?)?;

    eprintln!("reading {folder} ..");
    let began = Instant::now();
    let rules = UrlRules { base_url: Some("/manual/".to_owned()), ..UrlRules::default() };
    let read = read_documents(Path::new(&folder), &rules, &Limits::default())
        .map_err(|report| format!("the folder cannot be read: {report:?}"))?;
    let read_seconds = began.elapsed().as_secs_f64();
    let pages = read.documents.len();
    let release = Arc::new(release(read.passages().cloned().collect()));

    eprintln!("indexing {} passages ..", release.passages.len());
    let began = Instant::now();
    let knowledge = Knowledge::new(Arc::clone(&release))?;
    let index_seconds = began.elapsed().as_secs_f64();

    let (mut first, mut among_three, mut answered) = (0u32, 0u32, 0u32);
    let began = Instant::now();
    println!("{:<6} {:<5} {:<34} question", "rank", "sure", "first page");
    for question in &questions.question {
        let found = knowledge.ask(&question.ask, 10)?;
        let rank = found.iter().position(|found| question.pages.iter().any(|page| page == name(found)));
        first += u32::from(rank == Some(0));
        among_three += u32::from(rank.is_some_and(|rank| rank < 3));
        let (sure, page) = found.first().map_or((0.0, "-"), |best| (best.confidence, name(best)));
        answered += u32::from(rank == Some(0) && sure >= CONFIDENCE);
        let rank = rank.map_or("-".to_owned(), |rank| (rank + 1).to_string());
        println!("{rank:<6} {sure:<5.2} {page:<34} {}", question.ask);
    }
    let mut declined = 0u32;
    for stranger in &questions.stranger {
        let found = knowledge.ask(&stranger.ask, 1)?;
        let (sure, page) = found.first().map_or((0.0, "-"), |best| (best.confidence, name(best)));
        declined += u32::from(sure < CONFIDENCE);
        println!("{:<6} {sure:<5.2} {page:<34} {}", "none", stranger.ask);
    }
    let asked = questions.question.len() + questions.stranger.len();
    let per_question = began.elapsed().as_secs_f64() * 1e3 / asked as f64;

    let of = |count: u32, all: usize| f64::from(count) / all.max(1) as f64;
    let (known, unknown) = (questions.question.len(), questions.stranger.len());
    let figures = [
        ("pages", pages as f64, 0),
        ("passages", release.passages.len() as f64, 0),
        ("read seconds", read_seconds, 2),
        ("index seconds", index_seconds, 2),
        ("index bytes", knowledge.index_bytes() as f64, 0),
        ("questions", known as f64, 0),
        ("milliseconds per question", per_question, 2),
        ("top 1", of(first, known), 3),
        ("top 3", of(among_three, known), 3),
        ("right and sure", of(answered, known), 3),
        ("strangers declined", of(declined, unknown), 3),
    ];
    let mut json = serde_json::Map::new();
    println!();
    for (what, value, digits) in figures {
        println!("{what:<28} {value:>12.digits$}");
        json.insert(what.replace(' ', "_"), value.into());
    }
    println!("{}", serde_json::json!({ "name": "knowledge", "figures": json }));
    Ok(())
}

/// The file of the page that was found.
fn name<'f>(found: &'f Found<'_>) -> &'f str {
    let page = found.passage.url.split('#').next().unwrap_or_default();
    page.rsplit('/').next().unwrap_or(page)
}

fn release(passages: Vec<Passage>) -> Release {
    let name = BotName::new("manual");
    Release {
        manifest: Manifest {
            name: name.unwrap_or_else(|_| unreachable!("`manual` is a slug")),
            title: "Manual".to_owned(),
            description: "Knows the manual.".to_owned(),
            language: "en".to_owned(),
            greeting: "Hello.".to_owned(),
            fallback: "I do not know that.".to_owned(),
            suggestions: Vec::new(),
            handoff: Handoff { enabled: false, message: String::new() },
            confidence: Confidence { intent: 0.5, knowledge: CONFIDENCE },
            allowed_origins: Vec::new(),
            people: Default::default(),
            retention_days: None,
        },
        passages,
        intents: Vec::new(),
        flows: Vec::new(),
        model: Vec::new(),
    }
}
