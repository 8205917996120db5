//! `wardroom policy ...`: the policies tried, proposed, agreed to and put back from the command line. The
//! operator is one person among those who propose and agree: what the operator proposed, a security admin
//! has to agree to in the console, and the other way round.

use std::path::Path;
use std::process::ExitCode;

use guard::action::{ApprovePolicy, ProposePolicy, ReadPolicy, RollBackPolicy};
use guard::{INVARIANTS, Permit, PolicyFiles};
use kernel::UserId;
use rulebook::{Rulebook, RulebookError, Trial, VersionLine, VersionState, difference};
use store::Via;
use store::policies::PolicyRefusal;

use crate::Failure;
use crate::cli::PolicyCommand;
use crate::config::Config;
use crate::wiring::Foundation;

/// How many lines of a list are shown before the rest is counted.
const SHOWN: usize = 40;

/// `policy ...`
pub(crate) async fn run(command: PolicyCommand, data: &Path, config: &Config) -> Result<ExitCode, Failure> {
    // Policies that this program cannot use must not keep the operator from putting others back.
    let base = Foundation::open_for_custody(data, config, false).await?;
    if let Err(error) = base.rulebook.install().await {
        eprintln!("wardroom: {error}; this command goes by the policies that ship");
    }
    let (book, via) = (base.rulebook.clone(), Via::default());
    match command {
        PolicyCommand::Show { out, version, .. } => {
            let permit: Permit<ReadPolicy> = base.leave()?;
            let files = match version {
                Some(version) => book.files(&permit, version).await.map_err(no_version)?,
                None => book.in_force(&permit).await?,
            };
            write(&files, &out)?;
            println!("{} files are in `{}`", files.iter().count(), out.display());
        }
        PolicyCommand::Check { dir, json, .. } => {
            let trial = book.try_out(&base.leave()?, read(&dir)?).await?;
            match json {
                true => println!("{}", as_json(&trial)),
                false => show(&trial),
            }
            return Ok(if trial.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        PolicyCommand::Diff { what, .. } => {
            let permit: Permit<ReadPolicy> = base.leave()?;
            let after = match what.parse() {
                Ok(version) => book.files(&permit, version).await.map_err(no_version)?,
                Err(_) => read(Path::new(&what))?,
            };
            let lines = difference(&book.in_force(&permit).await?, &after);
            match lines.is_empty() {
                true => println!("no difference"),
                false => lines.iter().for_each(|line| println!("{line}")),
            }
        }
        PolicyCommand::Propose { dir, reason, .. } => {
            let permit: Permit<ProposePolicy> = base.leave_because(&reason)?;
            let version = book.propose(permit, read(&dir)?, &via).await?;
            println!("version {version} is proposed; within three days a security admin has to agree");
        }
        PolicyCommand::Status { json, .. } => status(&base, &book, json).await?,
        PolicyCommand::Adopt { reason, .. } => {
            let (reads, permit) = (base.leave()?, base.leave_because(&reason)?);
            let version = book.adopt(&reads, permit, &via).await?;
            println!("version {version} is proposed; within three days a security admin has to agree");
        }
        PolicyCommand::Approve { version, .. } => {
            let permit: Permit<ApprovePolicy> = base.leave()?;
            book.approve(permit, version, &via).await?;
            println!("version {version} is in force; running processes take it within seconds");
        }
        PolicyCommand::Refuse { version, .. } => {
            let permit: Permit<ApprovePolicy> = base.leave()?;
            book.refuse(permit, version, &via).await?;
            println!("version {version} is refused");
        }
        PolicyCommand::Rollback { to, reason, .. } => {
            let permit: Permit<RollBackPolicy> = base.leave_because(&reason)?;
            let version = book.roll_back(permit, to, &via).await?;
            println!(
                "they are in force again, as version {version}; running processes take it within seconds"
            );
        }
        PolicyCommand::History { json, .. } => history(&base, &book, json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// In words that fit a question about a version, open or not.
fn no_version(error: RulebookError) -> Failure {
    match error {
        RulebookError::Refused(PolicyRefusal::NoProposal) => {
            "there is no such version; `wardroom policy history` shows them".into()
        }
        error => error.into(),
    }
}

/// The `.cedar` files of a folder.
fn read(dir: &Path) -> Result<PolicyFiles, Failure> {
    let entries =
        std::fs::read_dir(dir).map_err(|error| format!("cannot read `{}`: {error}", dir.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "cedar") {
            let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
            let text = std::fs::read_to_string(&path)
                .map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
            files.push((name, text));
        }
    }
    Ok(PolicyFiles::new(files)?)
}

fn write(files: &PolicyFiles, out: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(out).map_err(|error| format!("cannot make `{}`: {error}", out.display()))?;
    // What somebody changed there is not written over.
    let there = files.iter().map(|(name, _)| out.join(format!("{name}.cedar"))).find(|path| path.exists());
    if let Some(path) = there {
        return Err(format!("`{}` is there already; name a new folder", path.display()).into());
    }
    for (name, text) in files.iter() {
        std::fs::write(out.join(format!("{name}.cedar")), text)?;
    }
    std::fs::write(out.join("wardroom.cedarschema"), PolicyFiles::schema())?;
    Ok(())
}

fn yes(allowed: bool) -> &'static str {
    if allowed { "permitted" } else { "refused" }
}

fn show(trial: &Trial) {
    let Trial { rehearsal, replay, .. } = trial;
    println!("{} policies, checked strictly (sha256 {})", trial.rules, hex::encode(trial.digest));
    for (sign, names) in [("+", &trial.added), ("-", &trial.removed)] {
        names.iter().for_each(|name| println!("  {sign} {name}"));
    }
    println!("\n{} questions, {} answers change", rehearsal.questions, rehearsal.changed);
    for change in rehearsal.changes.iter().take(SHOWN) {
        let (before, after) = (yes(change.before), yes(change.after));
        let line = format!("  {}: {} on {} {}", change.who, change.act, change.whose, change.under);
        println!("{}: {before} -> {after}", line.trim_end());
    }
    if rehearsal.changed > SHOWN {
        println!("  and {} more", rehearsal.changed - SHOWN);
    }
    println!(
        "\n{} decisions that were made (of {} shapes), {} change",
        replay.decisions,
        replay.shapes,
        replay.changed.len()
    );
    for line in replay.changed.iter().take(SHOWN) {
        println!(
            "  {} ({} times): {} -> {} by `{}`",
            line.sentence,
            line.times,
            yes(line.before),
            yes(line.after),
            line.rule
        );
    }
    println!("\n{} invariants", INVARIANTS.len());
    for broken in &rehearsal.broken {
        println!("  BROKEN {}: {}", broken.invariant, broken.example);
    }
    match trial.holds() {
        true => println!("  all hold; it may be proposed"),
        false => println!("  it cannot be proposed"),
    }
}

fn as_json(trial: &Trial) -> serde_json::Value {
    let changes = trial.rehearsal.changes.iter().map(|change| {
        serde_json::json!({
            "who": change.who, "action": change.act.name(), "on": change.whose, "under": change.under,
            "before": change.before, "after": change.after,
        })
    });
    let broken = trial
        .rehearsal
        .broken
        .iter()
        .map(|broken| serde_json::json!({ "invariant": broken.invariant, "example": broken.example }));
    let replayed = trial.replay.changed.iter().map(|line| {
        serde_json::json!({
            "what": line.sentence, "times": line.times, "before": line.before, "after": line.after,
            "rule": line.rule,
        })
    });
    serde_json::json!({
        "holds": trial.holds(), "sha256": hex::encode(trial.digest), "over": trial.over, "rules": trial.rules,
        "added": trial.added, "removed": trial.removed, "questions": trial.rehearsal.questions,
        "changed": trial.rehearsal.changed, "changes": changes.collect::<Vec<_>>(),
        "broken": broken.collect::<Vec<_>>(), "replayed": trial.replay.decisions,
        "replay_changes": replayed.collect::<Vec<_>>(),
    })
}

/// What whoever runs the house should know of the policies in force, as a sentence and what helps.
pub(crate) async fn lacking(base: &Foundation) -> Result<Option<(String, String)>, Failure> {
    let lacking = base.rulebook.lacking(&base.leave()?).await?;
    Ok(lacking.map(|lacking| {
        let (version, names) = (lacking.version, lacking.names());
        let what = format!(
            "Version {version} of the policies, which is in force, does not know what this release brought; \
             nobody may do it: {names}."
        );
        let mend = "Look at it with `wardroom policy status`, and propose what ships with `wardroom policy adopt \
                    --reason ..`; a second person has to agree.";
        (what, mend.to_owned())
    }))
}

async fn status(base: &Foundation, book: &Rulebook, json: bool) -> Result<(), Failure> {
    let version = book.history(base.leave()?).await?;
    let version = version.into_iter().find(|line| line.state == VersionState::InForce);
    let version = version.map_or(0, |line| line.version);
    let lacking = book.lacking(&base.leave()?).await?;
    if json {
        let (acts, lines) = lacking.map_or_else(Default::default, |it| {
            (it.acts.iter().map(|act| act.name()).collect::<Vec<_>>(), it.lines)
        });
        println!("{}", serde_json::json!({ "in_force": version, "lacks": acts, "diff": lines }));
        return Ok(());
    }
    match version {
        0 => println!("the policies that ship are in force"),
        version => println!("version {version} of your own policies is in force"),
    }
    let Some(lacking) = lacking else {
        println!("they lack nothing of what this release can do");
        return Ok(());
    };
    println!("they permit to nobody, and do not forbid: {}", lacking.names());
    println!("what ships about it, ready to be proposed with `wardroom policy adopt --reason ..`:\n");
    lacking.lines.iter().for_each(|line| println!("{line}"));
    Ok(())
}

async fn history(base: &Foundation, book: &Rulebook, json: bool) -> Result<(), Failure> {
    let lines = book.history(base.leave()?).await?;
    if json {
        println!("{}", serde_json::Value::from_iter(lines.iter().map(version_json)));
        return Ok(());
    }
    if lines.is_empty() {
        println!("the policies that ship are in force, and no others were ever proposed");
        return Ok(());
    }
    println!(
        "{:>7}  {:<9}  {:<20}  {:<36}  {:<36}  REASON",
        "VERSION", "STATE", "PROPOSED", "BY", "DECIDED BY"
    );
    for line in lines {
        let proposed = line.proposed.rfc3339();
        let decided = if line.decided.is_some() { name(line.decided_by) } else { String::new() };
        println!(
            "{:>7}  {:<9}  {:<20}  {:<36}  {decided:<36}  {}",
            line.version,
            line.state.as_str(),
            proposed.get(..19).unwrap_or(&proposed),
            name(line.proposed_by),
            line.reason.as_str()
        );
    }
    Ok(())
}

fn version_json(line: &VersionLine) -> serde_json::Value {
    serde_json::json!({
        "version": line.version, "state": line.state.as_str(), "sha256": hex::encode(line.digest),
        "reason": line.reason.as_str(), "restores": line.restores, "proposed_by": name(line.proposed_by),
        "proposed": line.proposed.rfc3339(), "decided_by": line.decided.map(|_| name(line.decided_by)),
        "decided": line.decided.map(|at| at.rfc3339()),
    })
}

fn name(user: Option<UserId>) -> String {
    user.map_or_else(|| "operator".to_owned(), |user| user.to_string())
}
