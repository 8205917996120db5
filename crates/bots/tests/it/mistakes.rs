//! A folder full of mistakes: each is named at its place, all at once.

use std::fs;
use std::path::Path;

use bots::{BotSource, Limits, Report};

fn write(dir: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn refused(files: &[(&str, &str)], limits: &Limits) -> Report {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), files);
    BotSource::read(dir.path(), limits).expect_err("the folder has mistakes")
}

const GOOD: &str = r#"
name = "a"
title = "A"
description = "Helps."
greeting = "Hello."
fallback = "I do not know."
[knowledge]
base_url = "/help/"
"#;

fn says(report: &Report, parts: &[&str]) {
    let shown = report.to_string();
    for part in parts {
        assert!(shown.contains(part), "missing: {part}\n\nin:\n{shown}");
    }
}

#[test]
fn every_mistake_is_named_at_once() {
    let report = refused(
        &[
            (
                "bot.toml",
                "name = \"Front Desk\"\ntitel = \"x\"\ndescription = 5\nlanguage = \"english\"\ngreeting = \"\"\n\
                 allowed_origins = [\"https://bank.example/help\", \"https://*.bank.example\"]\nretention_days = 0\n\
                 engine = \"embeded\"\n[confidence]\nintent = 1.5\n[knowledge]\nbase_url = \"help\"\n",
            ),
            (
                "intents.toml",
                "[[intent]]\nname = \"fees\"\nexamples = [\"what does it cost\", \"What does it cost?\"]\nanswer = \"a\"\n\
                 flow = \"lost-crad\"\n[[intent]]\nname = \"fees\"\nexamples = [\"what does it cost!\", 7]\nhandoff = true\n\
                 [[intnt]]\n",
            ),
            (
                "flows/lost-card.toml",
                "title = \"report\"\nconfirm = \"Block {crad}?\"\n[[slot]]\nname = \"card\"\nask = \"Which?\"\ntype = \"choise\"\n\
                 [outcome]\nkind = \"ticket\"\ntitle = \"t\"\nbody = \"b\"\ntext = \"t\"\ncontact = \"card\"\n",
            ),
            (
                "tests/a.toml",
                "[[test]]\nname = \"t\"\n[[test.turn]]\nperson = \"hi\"\nintent = \"fee\"\nsays = { regx = \"(\" }\n",
            ),
            ("knowledge/page.md", "No heading here.\n"),
        ],
        &Limits::default(),
    );
    says(
        &report,
        &[
            "error: bot.toml:1:8: the bot name must be 1 to 63 lower-case letters",
            "error: bot.toml:2:1: `titel` is not a key here\n    mend: did you mean `title`?",
            "`title` is missing",
            "error: bot.toml:3:15: `description` is a number\n    mend: write a text in quotes",
            "error: bot.toml:4:12: `english` is not a language tag",
            "error: bot.toml:5:12: `greeting` cannot be said: the message is empty",
            "mend: write only `https://bank.example`: an origin has no path",
            "a `*` would let strangers embed the bot",
            "error: bot.toml:7:18: `retention_days` is not a whole number from 1 to 36500",
            "error: bot.toml:8:10: the engine `embeded` does not exist\n    mend: did you mean `embedded`?",
            "error: bot.toml:10:10: `intent` is not between 0 and 1",
            "error: bot.toml:12:12: `help` is not an address that can be cited",
            "warning: intents.toml:3:34: `What does it cost?` is already in line 3",
            "warning: intents.toml:2:8: the intent `fees` has 1 example",
            "`fees` has answer and flow: which one counts?",
            "error: intents.toml:5:8: there is no flow `lost-crad`\n    mend: did you mean `lost-card`?",
            "error: intents.toml:7:8: there is already an intent `fees`, in line 2",
            "error: intents.toml:8:35: `examples` is a number",
            "`intnt` is not a key here\n    mend: did you mean `intent`?",
            "error: flows/lost-card.toml:2:11: `{crad}` is not a slot of this flow\n    mend: did you mean `{card}`?",
            "error: flows/lost-card.toml:6:8: there is no slot type `choise`\n    mend: did you mean `choice`?",
            "`card` is not a slot of type `email`",
            "warning: flows/lost-card.toml: no intent starts this flow",
            "error: tests/a.toml:5:10: there is no intent `fee`\n    mend: did you mean `fees`?",
            "`regx` is not a key here\n    mend: did you mean `regex`?",
            "warning: knowledge/page.md: the page has no title and no heading",
        ],
    );
    assert_eq!(report.to_json()["errors"].as_u64(), Some(report.errors() as u64));
}

#[test]
fn an_example_of_two_intents_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let intents = "[[intent]]\nname = \"a\"\nanswer = \"a\"\nexamples = [\"one\", \"two\", \"three\", \"four\", \"five\"]\n\
                   [[intent]]\nname = \"b\"\nanswer = \"b\"\nexamples = [\"six\", \"Two!\", \"seven\", \"eight\", \"nine\"]\n";
    write(dir.path(), &[("bot.toml", GOOD), ("intents.toml", intents)]);
    let source = BotSource::read(dir.path(), &Limits::default()).unwrap();
    says(
        source.warnings(),
        &["warning: intents.toml:8:20: `Two!` is also an example of `a`, in line 4", "the bot has no tests"],
    );
}

#[test]
fn text_too_long_to_be_said_is_refused() {
    let long = format!("[[intent]]\nname = \"a\"\nexamples = [\"x\"]\nanswer = \"{}\"\n", "a".repeat(8001));
    let report = refused(&[("bot.toml", GOOD), ("intents.toml", &long)], &Limits::default());
    says(
        &report,
        &["intents.toml:4:10: `answer` cannot be said: the message has 8001 characters; 8000 are allowed"],
    );
}

#[test]
fn toml_that_does_not_parse_is_named_with_its_line() {
    let report = refused(&[("bot.toml", "name = \"a\ntitle = \"A\"\n")], &Limits::default());
    says(&report, &["error: bot.toml:1:", "not TOML"]);
}

#[test]
fn secrets_are_refused_and_not_repeated() {
    let key = format!("AKIA{}", "Q3EGRIJ4ZVXMPL2A");
    let page = format!("# Access\n\nUse {key} to get in.\n");
    let report =
        refused(&[("bot.toml", GOOD), ("knowledge/access.md", &page), (".env", "A=b")], &Limits::default());
    says(
        &report,
        &[
            "error: knowledge/access.md:3:5: what looks like an AWS access key",
            "error: .env: an environment file in a bot folder",
        ],
    );
    assert!(!report.to_string().contains(&key));
}

#[cfg(unix)]
#[test]
fn links_that_leave_the_folder_are_refused() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret.md"), "# Not yours\n\nText.").unwrap();
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[("bot.toml", GOOD), ("knowledge/a.md", "# A\n\nText.")]);
    let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, dir.path().join(name)).unwrap();
    link(&outside.path().join("secret.md"), "knowledge/b.md");
    link(outside.path(), "knowledge/c");
    link(&dir.path().join("knowledge"), "knowledge/loop");
    link(Path::new("a.md"), "knowledge/inside.md");
    let report = BotSource::read(dir.path(), &Limits::default()).unwrap_err();
    says(
        &report,
        &[
            "error: knowledge/b.md: a link that leaves the bot folder",
            "error: knowledge/c: a link that leaves the bot folder",
            "error: knowledge/loop: a link to something that is not a file",
        ],
    );
    assert_eq!(report.errors(), 3);
}

#[test]
fn limits_hold() {
    let files = [
        ("bot.toml", GOOD),
        ("knowledge/a.md", "# A\n\nText."),
        ("knowledge/b.md", "# B\n\nText."),
        ("knowledge/c.md", "# C\n\nText."),
    ];
    let limits = Limits::default();
    let few = refused(&files, &Limits { files: 2, ..limits });
    says(&few, &["the folder has more than 2 files"]);
    let small = refused(&files, &Limits { file_bytes: 10, ..limits });
    says(&small, &["error: bot.toml: the file is larger than 10 bytes\n    mend: split it into several"]);
    let total = refused(&files, &Limits { total_bytes: 150, ..limits });
    says(&total, &["the files are larger than 150 bytes together"]);
    let passages = refused(&files, &Limits { passages: 1, ..limits });
    says(&passages, &["the knowledge has more than 1 passages"]);
    let flat = refused(&[("bot.toml", GOOD), ("knowledge/x/y/a.md", "# A")], &Limits { depth: 1, ..limits });
    says(&flat, &["folders are nested deeper than 1"]);
}

#[test]
fn text_that_is_not_utf_8_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[("bot.toml", GOOD)]);
    fs::create_dir(dir.path().join("knowledge")).unwrap();
    fs::write(dir.path().join("knowledge/a.txt"), b"one\ntwo \xE9\n").unwrap();
    let report = BotSource::read(dir.path(), &Limits::default()).unwrap_err();
    says(&report, &["error: knowledge/a.txt:2:5: the text is not UTF-8"]);
}

#[test]
fn a_name_misspelt_at_the_top_is_an_error() {
    let report = refused(
        &[("bot.toml", GOOD), ("knowlege/a.md", "# A\n\nText."), ("knowledge/a.md", "# A\n\nText.")],
        &Limits::default(),
    );
    says(&report, &["error: knowlege: not a part of a bot\n    mend: did you mean `knowledge`?"]);
}

#[test]
fn an_empty_folder_says_how_to_begin() {
    let report = refused(&[], &Limits::default());
    says(&report, &["error: bot.toml: the file is missing\n    mend: run `wardroom bot new NAME`"]);
}

#[test]
fn knowledge_without_an_address_is_refused() {
    let manifest = "name = \"a\"\ntitle = \"A\"\ndescription = \"d\"\ngreeting = \"g\"\nfallback = \"f\"\n";
    let report = refused(&[("bot.toml", manifest), ("knowledge/a.md", "# A\n\nText.")], &Limits::default());
    says(&report, &["error: knowledge/a.md: nothing says at which address people read the page"]);
}
