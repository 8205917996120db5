//! The sample bots hold: no warning in their folders, and every conversation of their tests goes as
//! written, with the embedded engine.

use std::path::{Path, PathBuf};

use bots::{BotSource, Limits, compile, run_tests};

use crate::engine_room::{EngineRunner, EngineTrainer};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bots").join(name)
}

fn holds(name: &str, least_tests: usize) {
    let source =
        BotSource::read(&folder(name), &Limits::default()).unwrap_or_else(|report| panic!("{report}"));
    assert!(source.warnings().is_empty(), "{}", source.warnings());
    assert!(source.tests().len() >= least_tests, "{} tests", source.tests().len());
    let release = compile(&source, &EngineTrainer).unwrap();
    let report = run_tests(&release, source.tests(), &EngineRunner::new(&release));
    assert_eq!(report.failed(), 0, "\n{report}");
}

#[test]
fn the_front_desk_holds() {
    holds("front-desk", 12);
}

#[test]
fn the_harbor_bank_holds() {
    holds("harbor-bank", 20);
}

#[test]
fn every_page_of_the_front_desk_is_cited_where_it_is_served() {
    let source = BotSource::read(&folder("front-desk"), &Limits::default()).unwrap();
    for document in source.documents() {
        let stem = document.path.strip_suffix(".md").unwrap();
        assert_eq!(document.url, format!("/docs/{stem}"));
    }
}
