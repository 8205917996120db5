//! `wardroom hold ...`: legal holds, for whoever has the machine's command line. What the operator placed
//! somebody on the console lifts, and the other way round.

use std::path::Path;
use std::process::ExitCode;

use conversations::{HoldOn, HoldView, Holds};
use guard::action::{LiftHold, PlaceHold};
use guard::{Action, Circumstances, Permit, Resource};
use kernel::Reason;
use store::Via;
use store::holds::Kept;

use crate::Failure;
use crate::cli::HoldCommand;
use crate::config::Config;
use crate::wiring::Foundation;

/// `hold ...`
pub(crate) async fn run(command: HoldCommand, data: &Path, config: &Config) -> Result<ExitCode, Failure> {
    let base = Foundation::open(data, config, false).await?;
    let holds = Holds::new(base.db.clone(), base.keys.clone(), base.world.clone());
    match command {
        HoldCommand::Keep { on, reason, .. } => {
            let on = match (on.subject, on.conversation) {
                (Some(subject), _) => HoldOn::Person(subject),
                (None, Some(conversation)) => HoldOn::Conversation(conversation),
                (None, None) => HoldOn::Everybody,
            };
            let permit: Permit<PlaceHold> = leave(&base, &Resource::Tenant(base.tenant), reason)?;
            println!("{}", holds.place(permit, on, &Via::default()).await?);
            println!("nobody erases what it is on until somebody lifts it on the console, under Legal holds");
        }
        HoldCommand::Lift { hold, reason, .. } => {
            let thing = holds.resource(base.tenant, hold).await?;
            let thing = thing
                .ok_or_else(|| format!("there is no hold {hold}; `wardroom hold list` shows them all"))?;
            let permit: Permit<LiftHold> = leave(&base, &thing, reason)?;
            holds.lift(permit, &Via::default()).await?;
            println!("the hold is lifted; what it was on can be erased, unless another hold keeps it");
        }
        HoldCommand::List { json, .. } => list(&holds.list(base.leave()?).await?, json),
    }
    Ok(ExitCode::SUCCESS)
}

fn leave<A: Action>(base: &Foundation, thing: &Resource, reason: Reason) -> Result<Permit<A>, Failure> {
    let now = Circumstances::at(base.world.now()).because(reason);
    Ok(base.guard.permit(&base.operator(), thing, &now)?)
}

fn list(holds: &[HoldView], json: bool) {
    let id = |kept: Kept| match kept {
        Kept::Everybody => None,
        Kept::Person(subject) => Some(subject.to_string()),
        Kept::Conversation(conversation, _) => Some(conversation.to_string()),
    };
    if json {
        let rows = holds.iter().map(|hold| {
            let lifted = hold.lifted.as_ref().map(
                |(at, by, why)| serde_json::json!({ "at": at.rfc3339(), "by": by, "reason": why.as_str() }),
            );
            serde_json::json!({
                "id": hold.id, "on": hold.kept.word(), "of": id(hold.kept), "subject": hold.kept.subject(),
                "reason": hold.reason.as_str(), "placed": hold.placed.rfc3339(), "placed_by": hold.placed_by,
                "lifted": lifted,
            })
        });
        println!("{}", serde_json::Value::from_iter(rows));
        return;
    }
    if holds.is_empty() {
        println!("nothing is under a legal hold, and nothing ever was");
    }
    for hold in holds {
        let state = match &hold.lifted {
            Some((at, ..)) => format!("lifted {}", at.rfc3339()),
            None => "stands".to_owned(),
        };
        println!(
            "{}  {} {}  since {}  {state}  {}",
            hold.id,
            hold.kept.word(),
            id(hold.kept).unwrap_or_default(),
            hold.placed.rfc3339(),
            hold.reason.as_str()
        );
    }
}
