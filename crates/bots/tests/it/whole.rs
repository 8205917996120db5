//! The way of a bot from nothing to a tested release.

use std::fs;
use std::path::Path;

use bots::{BotSource, Limits, compile, run_tests, scaffold};
use kernel::BotName;
use wire::release::Release;

use crate::engine_room::{EngineRunner, EngineTrainer};

fn new_bot(dir: &Path) {
    for file in scaffold(&BotName::new("front-desk").unwrap()) {
        let path = dir.join(file.path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file.text).unwrap();
    }
}

#[test]
fn a_new_bot_passes_its_own_tests() {
    let dir = tempfile::tempdir().unwrap();
    new_bot(dir.path());
    let source = BotSource::read(dir.path(), &Limits::default()).unwrap_or_else(|report| panic!("{report}"));
    assert!(source.warnings().is_empty(), "{}", source.warnings());
    let release = compile(&source, &EngineTrainer).unwrap();
    assert_eq!(release.manifest.title, "Front desk");
    let report = run_tests(&release, source.tests(), &EngineRunner::new(&release));
    assert_eq!(report.failed(), 0, "\n{report}");
    assert!(report.passed() >= 3);
}

#[test]
fn the_same_folder_makes_the_same_bytes() {
    let encode = || {
        let dir = tempfile::tempdir().unwrap();
        new_bot(dir.path());
        let source = BotSource::read(dir.path(), &Limits::default()).unwrap();
        compile(&source, &EngineTrainer).unwrap().encode().unwrap()
    };
    let bytes = encode();
    assert!(bytes == encode());
    assert_eq!(Release::decode(&bytes).unwrap().encode().unwrap(), bytes);
}

#[test]
fn a_failing_test_says_what_was_said_and_what_was_expected() {
    let dir = tempfile::tempdir().unwrap();
    new_bot(dir.path());
    let test = r#"
[[test]]
name = "Wrong on purpose"

[[test.turn]]
person = "hello"
says = { contains = ["good night"], lacks = ["hello"], regex = "^Bye" }
intent = "call_me_back"
act = "ticket"
cites = ["/help/about"]
"#;
    fs::write(dir.path().join("tests/wrong.toml"), test).unwrap();
    let source = BotSource::read(dir.path(), &Limits::default()).unwrap();
    let release = compile(&source, &EngineTrainer).unwrap();
    let report = run_tests(&release, source.tests(), &EngineRunner::new(&release));
    assert_eq!((report.failed(), report.to_json()["failed"].as_u64()), (1, Some(1)));
    let shown = report.to_string();
    for part in [
        "FAIL  Wrong on purpose (tests/wrong.toml:2)",
        "turn 1, person: hello",
        "bot: Hello! What can I do for you?",
        "- expected that it says \"good night\"",
        "- expected that it does not say \"hello\"",
        "- expected that it matches /^Bye/",
        "- expected that it comes from the intent `call_me_back`; found the intent `greeting`",
        "- expected that it acts: ticket; found none",
        "- expected that it cites /help/about; found nothing",
        "4 conversations: 3 passed, 1 failed",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
}
