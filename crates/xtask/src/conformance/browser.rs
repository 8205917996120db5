//! Chromium uses the widget, the chat page and the console of a running deployment, on both databases.
//! Afterwards nothing that was typed may be found in any file.

use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::Cluster;

use super::{Running, binary, shown, workshop};
use crate::Outcome;
use crate::steps::{call, call_in};

const QUESTIONS: [&str; 3] = [
    "How are messages encrypted at rest?",
    "Which databases does Wardroom run on?",
    "Who may read transcripts?",
];

/// What people typed on the way: their addresses, the reason for opening a transcript, a question, an
/// answer, a ticket, what a key is for, why a role is asked for, what a passkey is called.
const TYPED: [&str; 8] = [
    "@desk.example",
    "ticket 4711",
    "How are messages encrypted at rest?",
    "Good day, this is a person.",
    "The lantern in the hall is out",
    "night report",
    "somebody asked to be forgotten",
    "blue walrus key",
];

pub(super) fn run() -> Outcome {
    let folder = crate::root().join("conformance/browser");
    call_in(&folder, "npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])?;
    call_in(&folder, "npm", &["test", "--silent"])?;
    let pictures = shown(&workshop("pictures")?);
    call_in(&folder, "node", &["islands.mjs", &pictures])?;
    on_sqlite(&folder, &pictures)?;
    on_postgresql(&folder)
}

fn on_sqlite(folder: &Path, pictures: &str) -> Outcome {
    let running = Running::start("browser")?;
    let data = running.data.clone();
    running.stop()?;
    let bot = embeddable_bot()?;
    call(&shown(&binary()?), &["bot", "push", &shown(&bot), "--data", &shown(&data)])?;
    let running = Running::again(data)?;
    let mut args = vec!["widget.mjs", running.text("public")?, running.text("ca")?, pictures];
    args.extend(QUESTIONS);
    call_in(folder, "node", &args)?;
    console(folder, &running, pictures, &attacks())?;
    let data = running.data.clone();
    running.stop()?;
    for typed in TYPED {
        nowhere(typed, &files_with(&data, typed.as_bytes())?)?;
    }
    println!("nothing that was typed can be read in any file of the data directory");
    Ok(())
}

/// The console once more, for what staff type: the server's files and a dump are searched.
fn on_postgresql(folder: &Path) -> Outcome {
    let cluster = Cluster::shared();
    let database = cluster.database();
    let data = workshop("browser-postgresql")?.join("data");
    let _ = std::fs::remove_dir_all(&data);
    make_private(&data)?;
    let url = data.join("database.url");
    let written = std::fs::write(&url, cluster.url(&database)).and_then(|()| {
        std::fs::write(data.join("wardroom.toml"), format!("[database]\nurl = {{ file = {url:?} }}\n"))
    });
    written.map_err(|error| error.to_string())?;
    let running = Running::again(data.clone())?;
    console(folder, &running, &shown(&workshop("pictures-postgresql")?), "")?;
    running.stop()?;
    cluster.sql(&database, "CHECKPOINT");
    let dump = cluster.dump(&database);
    for typed in TYPED {
        let hex: String = typed.bytes().map(|byte| format!("{byte:02x}")).collect();
        let mut found = files_with(&data, typed.as_bytes())?;
        found.extend(files_with(cluster.files(), typed.as_bytes())?);
        if dump.contains(typed) || dump.contains(&hex) {
            found.push("the dump".to_owned());
        }
        nowhere(typed, &found)?;
    }
    println!("nothing that was typed can be read in a dump or in any file of PostgreSQL");
    Ok(())
}

/// The folder of attack strings beside the repository, where there is one.
fn attacks() -> String {
    let folder = crate::root().join("../shared/attacks");
    if folder.is_dir() {
        return shown(&folder);
    }
    println!("without ../shared/attacks no attack strings are said in conversations");
    String::new()
}

fn console(folder: &Path, running: &Running, pictures: &str, attacks: &str) -> Outcome {
    let (console, link) = (running.text("console")?, running.text("enrolment")?);
    let status = Command::new("node")
        .args(["console.mjs", console, link, running.text("ca")?, pictures])
        .env("PUBLIC_URL", running.text("public")?)
        .env("ATTACKS", attacks)
        .current_dir(folder)
        .status()
        .map_err(|error| format!("cannot start node: {error}"))?;
    if status.success() { Ok(()) } else { Err("the console was not as a person needs it".to_owned()) }
}

fn nowhere(typed: &str, found: &[String]) -> Outcome {
    if found.is_empty() { Ok(()) } else { Err(format!("`{typed}` can be read in {}", found.join(", "))) }
}

pub(super) fn make_private(folder: &Path) -> Outcome {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| format!("cannot make {}: {error}", folder.display()))
}

/// Every file below a folder that holds these bytes.
fn files_with(folder: &Path, bytes: &[u8]) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| error.to_string())?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with(&path, bytes)?);
            continue;
        }
        // A server at work removes files meanwhile; what is gone holds nothing.
        let Ok(content) = std::fs::read(&path) else { continue };
        if content.windows(bytes.len()).any(|window| window == bytes) {
            found.push(shown(&path));
        }
    }
    Ok(found)
}

/// The default bot, with the page that the test embeds it in among its allowed origins.
fn embeddable_bot() -> Result<PathBuf, String> {
    let copy = workshop("browser")?.join("bot");
    let _ = std::fs::remove_dir_all(&copy);
    call("cp", &["-r", "bots/front-desk", &shown(&copy)])?;
    let path = copy.join("bot.toml");
    let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
    let lines = text.lines().filter(|line| !line.starts_with("allowed_origins"));
    let text: Vec<&str> =
        ["allowed_origins = [\"http://localhost:18780\"]"].into_iter().chain(lines).collect();
    std::fs::write(&path, text.join("\n")).map_err(|error| error.to_string())?;
    Ok(copy)
}
