//! `wardroom bot ...` and `wardroom chat`: the bot developer's tools.

use std::io::{BufRead, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bots::{BotSource, Limits, MAX_SECRET, TestReport, compile, run_tests, scaffold};
use guard::action::{ReadBots, UpdateBot};
use guard::{Circumstances, Permit, Resource};
use kernel::{BotName, Id, MessageText, ReleaseId, Secret};
use store::{Via, bots as rows};
use wire::release::Release;
use wire::turn::{Act, Said, TurnRequest};

use crate::adapters::{EngineRunner, EngineTrainer};
use crate::cli::{Place, SecretCommand};
use crate::config::Config;
use crate::wiring::{Foundation, House};
use crate::{Failure, samples};

/// `bot new`
pub(crate) fn new(name: &BotName, dir: Option<PathBuf>) -> Result<ExitCode, Failure> {
    let dir = dir.unwrap_or_else(|| PathBuf::from(name.as_str()));
    if dir.exists() {
        return Err(format!("`{}` is there already; choose another folder with --dir", dir.display()).into());
    }
    for file in scaffold(name) {
        let path = dir.join(file.path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, &file.text)?;
    }
    println!("made `{0}`. Next: edit {0}/bot.toml, then: wardroom bot test {0}", dir.display());
    Ok(ExitCode::SUCCESS)
}

/// `bot check`
pub(crate) fn check(dir: &Path, json: bool) -> Result<ExitCode, Failure> {
    let report = match BotSource::read(dir, &Limits::default()) {
        Ok(source) => match compile(&source, &EngineTrainer) {
            Ok(_) => source.warnings().clone(),
            Err(report) => report,
        },
        Err(report) => report,
    };
    match (json, report.is_empty()) {
        (true, _) => println!("{}", report.to_json()),
        (false, true) => println!("`{}` is good", dir.display()),
        (false, false) => println!("{report}"),
    }
    Ok(if report.errors() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `bot test`
pub(crate) fn test(dir: &Path, json: bool) -> Result<ExitCode, Failure> {
    let Some((_, report)) = gate(dir)? else { return Ok(ExitCode::FAILURE) };
    match json {
        true => println!("{}", report.to_json()),
        false => println!("{report}"),
    }
    Ok(if report.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Reads, compiles and tests a folder; mistakes are printed.
fn gate(dir: &Path) -> Result<Option<(Release, TestReport)>, Failure> {
    let source = match BotSource::read(dir, &Limits::default()) {
        Ok(source) => source,
        Err(report) => {
            eprintln!("{report}");
            return Ok(None);
        }
    };
    let release = match compile(&source, &EngineTrainer) {
        Ok(release) => release,
        Err(report) => {
            eprintln!("{report}");
            return Ok(None);
        }
    };
    let report = run_tests(&release, source.tests(), &EngineRunner::new(&release)?);
    Ok(Some((release, report)))
}

/// `bot push`: only what passes its own tests goes live.
pub(crate) async fn push(dir: &Path, data: &Path, config: &Config) -> Result<ExitCode, Failure> {
    let Some((release, report)) = gate(dir)? else { return Ok(ExitCode::FAILURE) };
    if report.failed() > 0 {
        println!("{report}");
        eprintln!("not pushed: a bot goes live when all of its own conversations pass");
        return Ok(ExitCode::FAILURE);
    }
    let base = Foundation::open(data, config, false).await?;
    let name = release.manifest.name.clone();
    let pushed =
        base.shelf().await?.push(&base.operator(), release, report.passed() as u64, &Via::default()).await?;
    println!("`{name}` is live as version {} ({} of its own tests passed)", pushed.version, report.passed());
    println!("a running `wardroom up` takes it over within seconds");
    Ok(ExitCode::SUCCESS)
}

/// `bot secret ...`
pub(crate) async fn secret(
    command: SecretCommand,
    data: &Path,
    config: &Config,
) -> Result<ExitCode, Failure> {
    let base = Foundation::open(data, config, false).await?;
    let (tenant, bot) = (base.tenant, command.bot().clone());
    let wanted = bot.clone();
    if base.db.read(move |tx| rows::find(tx, tenant, &wanted)).await?.is_none() {
        return Err(format!("there is no bot `{bot}` here; `wardroom bot list` shows the bots").into());
    }
    let (shelf, resource) = (base.shelf().await?, Resource::Bot { tenant, bot: bot.clone() });
    let now = Circumstances::at(base.world.now());
    match command {
        SecretCommand::Set { name, .. } => {
            let permit: Permit<UpdateBot> = base.guard.permit(&base.operator(), &resource, &now)?;
            let mut value = String::new();
            std::io::stdin().take(MAX_SECRET as u64 + 2).read_to_string(&mut value)?;
            value.truncate(value.trim_end_matches(['\r', '\n']).len());
            let value = Secret::new(value);
            shelf.set_secret(permit, &name, &value, &Via::default()).await?;
            println!("`{name}` of `{bot}` is kept, sealed");
        }
        SecretCommand::List { .. } => {
            let permit: Permit<ReadBots> = base.guard.permit(&base.operator(), &resource, &now)?;
            shelf.secrets(permit).await?.iter().for_each(|name| println!("{name}"));
        }
        SecretCommand::Remove { name, .. } => {
            let permit: Permit<UpdateBot> = base.guard.permit(&base.operator(), &resource, &now)?;
            shelf.remove_secret(permit, &name, &Via::default()).await?;
            println!("`{name}` of `{bot}` is forgotten");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `bot list`
pub(crate) async fn list(data: &Path, config: &Config, json: bool) -> Result<ExitCode, Failure> {
    let base = Foundation::open(data, config, false).await?;
    let permit: Permit<ReadBots> = base.leave()?;
    let (bots, releases) = base
        .db
        .read(move |tx| Ok((rows::list(tx, &permit)?, rows::releases(tx, &permit, None, 1000)?)))
        .await?;
    if json {
        let rows: Vec<_> = releases
            .iter()
            .map(|release| {
                let live = bots.iter().any(|bot| bot.active == Some(release.id));
                serde_json::json!({
                    "bot": release.bot, "release": release.id, "version": release.version, "live": live,
                    "state": release.state.as_str(), "bytes": release.size, "created_at": release.created.rfc3339(),
                })
            })
            .collect();
        println!("{}", serde_json::Value::from(rows));
        return Ok(ExitCode::SUCCESS);
    }
    println!("{:<24} {:>7}  {:<9}  {:<24}  {:>10}", "BOT", "VERSION", "STATE", "MADE", "BYTES");
    for release in releases {
        let live = bots.iter().any(|bot| bot.active == Some(release.id));
        let state = if live { "live" } else { release.state.as_str() };
        let (bot, made) = (release.bot.as_str(), release.created.rfc3339());
        println!("{bot:<24} {:>7}  {state:<9}  {made:<24}  {:>10}", release.version, release.size);
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes the default bot out of the folder that the binary carries.
pub(crate) async fn make_default(house: &House, name: &BotName) -> Result<(), Failure> {
    let temp = tempfile::tempdir()?;
    samples::unpack_front_desk(temp.path())?;
    let source = BotSource::read(temp.path(), &Limits::default()).map_err(|report| report.to_string())?;
    if source.manifest().name != *name {
        return Err(format!("the bot `{name}` is not there; push it with: wardroom bot push FOLDER").into());
    }
    let release = compile(&source, &EngineTrainer).map_err(|report| report.to_string())?;
    let passed = run_tests(&release, source.tests(), &EngineRunner::new(&release)?);
    if passed.failed() > 0 {
        // Our own tests hold this bot to all of its conversations; a person who starts Wardroom for the
        // first time gets it all the same.
        tracing::warn!(failed = passed.failed(), "the default bot fails some of its own conversations");
    }
    let operator = house.base.operator();
    house.shelf.push(&operator, release, passed.passed() as u64, &Via::default()).await?;
    Ok(())
}

/// `chat`: a conversation in the terminal. Nothing of it is stored.
pub(crate) async fn chat(bot: &str, data: &Path, place: &Place) -> Result<ExitCode, Failure> {
    let folder = Path::new(bot);
    let release = if folder.join("bot.toml").is_file() {
        match gate(folder)? {
            Some((release, _)) => release,
            None => return Ok(ExitCode::FAILURE),
        }
    } else {
        let base = Foundation::open(data, &crate::read(place)?, false).await?;
        let name = BotName::new(bot)?;
        // Talking to a bot where no visitor is needs leave like any other act.
        let resource = Resource::Bot { tenant: base.tenant, bot: name.clone() };
        let now = Circumstances::at(base.world.now());
        let _leave: Permit<guard::action::TestBot> = base.guard.permit(&base.operator(), &resource, &now)?;
        let live = base.shelf().await?.current(&name);
        let live = live.ok_or_else(|| format!("there is no live bot `{name}`; see: wardroom bot list"))?;
        (*live).clone()
    };
    tokio::task::spawn_blocking(move || talk(&release)).await?
}

fn talk(release: &Release) -> Result<ExitCode, Failure> {
    use bots::Runner;
    let runner = EngineRunner::new(release)?;
    let world = kernel::World::real();
    let (mut history, mut state) = (Vec::new(), None);
    println!(
        "{}: {}\n(an empty line ends the conversation)",
        release.manifest.title, release.manifest.greeting
    );
    let mut lines = std::io::stdin().lock().lines();
    loop {
        print!("you: ");
        std::io::stdout().flush()?;
        let Some(line) = lines.next().transpose()?.filter(|line| !line.trim().is_empty()) else {
            return Ok(ExitCode::SUCCESS);
        };
        let text = match MessageText::new(&line) {
            Ok(text) => text,
            Err(error) => {
                println!("  ({error})");
                continue;
            }
        };
        let request = TurnRequest {
            release: ReleaseId::from_bytes([0; 16]),
            locale: None,
            history: history.clone(),
            text: text.clone(),
            state: state.take(),
            now: world.now(),
        };
        let reply = runner.turn(&request)?;
        println!("{}: {}", release.manifest.title, reply.text.as_str());
        for citation in &reply.citations {
            println!("  [{}] {}", citation.title, citation.url);
        }
        match &reply.act {
            Some(Act::Handoff) => println!("  (the conversation would go to a person now)"),
            Some(Act::Ticket { title, .. }) => println!("  (a ticket would be opened: {})", title.as_str()),
            None => {}
        }
        history.push(Said { by_person: true, text });
        history.push(Said { by_person: false, text: reply.text });
        state = reply.state;
    }
}
