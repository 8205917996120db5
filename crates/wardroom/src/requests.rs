//! `wardroom access ...`: roles that are held for a while, for whoever has the machine's command line. What
//! the operator asks for somebody on the console decides, and the other way round.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use guard::action::{DecideAccess, ReadAccess, RequestAccess};
use guard::{Action, Circumstances, Grant, Permit, Resource};
use identity::Identity;
use identity::access::AccessView;
use kernel::{AccessRequestId, Reason, UserId};
use store::Via;

use crate::Failure;
use crate::cli::AccessCommand;
use crate::config::Config;
use crate::people::People;

/// How often what time alone has ended is recorded.
const EVERY: Duration = Duration::from_secs(60);

/// `access ...`
pub(crate) async fn run(command: AccessCommand, data: &Path, config: &Config) -> Result<ExitCode, Failure> {
    let people = People::open(data, config).await?;
    let via = Via::default();
    match command {
        AccessCommand::List { json, .. } => {
            people.identity.run_out().await?;
            list(&people, json).await?;
        }
        AccessCommand::Request { who, role, scope, hours, reason, .. } => {
            let user = people.find(&who).await?.id;
            let permit = leave::<RequestAccess>(&people, user, Some(reason))?;
            let id = people.identity.request_access(permit, Grant { role, scope }, hours, &via).await?;
            println!("{id}");
            println!("within a day an owner must agree, on the console under Access");
        }
        AccessCommand::Approve { request, .. } => {
            let permit = leave::<DecideAccess>(&people, subject(&people, request).await?, None)?;
            let until = people.identity.approve_access(permit, request, &via).await?;
            println!("the role is held until {}; the person signs in anew", until.rfc3339());
        }
        AccessCommand::Refuse { request, reason, .. } => {
            let permit = leave::<DecideAccess>(&people, subject(&people, request).await?, Some(reason))?;
            people.identity.refuse_access(permit, request, &via).await?;
            println!("the request is refused");
        }
        AccessCommand::Arm { who, hours, .. } => {
            let user = people.find(&who).await?.id;
            match people.identity.arm_break_glass(people.base.leave()?, user, Some(hours), &via).await? {
                Some(until) => println!("armed until {}; it opens to its passkey alone", until.rfc3339()),
                None => println!("it is not armed"),
            }
        }
        AccessCommand::Disarm { who, .. } => {
            let user = people.find(&who).await?.id;
            people.identity.arm_break_glass(people.base.leave()?, user, None, &via).await?;
            println!("disarmed; sessions that began while it was armed go on until they are ended");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Records every minute which roles have ended and which requests nobody decided about.
pub(crate) async fn keep_running_out(identity: Identity) {
    let mut clock = tokio::time::interval(EVERY);
    loop {
        clock.tick().await;
        if let Err(error) = identity.run_out().await {
            tracing::warn!(%error, "the ends of roles could not be recorded; they have ended all the same");
        }
    }
}

fn leave<A: Action>(people: &People, user: UserId, reason: Option<Reason>) -> Result<Permit<A>, Failure> {
    let base = &people.base;
    let mut now = Circumstances::at(base.world.now());
    if let Some(reason) = reason {
        now = now.because(reason);
    }
    Ok(base.guard.permit(&base.operator(), &Resource::Account { tenant: base.tenant, user }, &now)?)
}

async fn subject(people: &People, request: AccessRequestId) -> Result<UserId, Failure> {
    let user = people.identity.subject_of_request(request).await?;
    user.ok_or_else(|| format!("there is no request {request}; `wardroom access list` shows them all").into())
}

async fn list(people: &People, json: bool) -> Result<(), Failure> {
    let permit: Permit<ReadAccess> = people.base.leave()?;
    let again: Permit<ReadAccess> = people.base.leave()?;
    let (requests, uses) =
        (people.identity.access_requests(permit).await?, people.identity.glass_uses(again).await?);
    if json {
        let requests = requests.iter().map(|request| {
            serde_json::json!({
                "id": request.id, "user": request.user, "role": request.grant.role.name(),
                "scope": request.grant.scope.to_string(), "hours": request.hours, "reason": request.reason.as_str(),
                "state": request.state.as_str(), "asked": request.asked.rfc3339(), "asked_by": request.asked_by,
                "decided_by": request.decided_by, "until": request.until.map(|at| at.rfc3339()),
            })
        });
        let uses = uses.iter().map(|one| {
            serde_json::json!({
                "session": one.session, "user": one.user, "used": one.used.rfc3339(), "due": one.due.rfc3339(),
                "reviewed": one.reviewed.as_ref().map(|(at, ..)| at.rfc3339()),
            })
        });
        let (requests, uses): (Vec<_>, Vec<_>) = (requests.collect(), uses.collect());
        println!("{}", serde_json::json!({ "requests": requests, "break_glass": uses }));
        return Ok(());
    }
    println!("{:<36}  {:<9}  {:<20}  {:<36}  ROLE", "ID", "STATE", "ASKED", "FOR");
    for request in &requests {
        println!("{}", line(request));
    }
    for one in uses.iter().filter(|one| one.reviewed.is_none()) {
        println!(
            "break-glass account {} was used {}; somebody else looks into it until {}",
            one.user,
            one.used.rfc3339(),
            one.due.rfc3339()
        );
    }
    Ok(())
}

fn line(request: &AccessView) -> String {
    let asked = request.asked.rfc3339();
    let asked = asked.get(..19).unwrap_or(&asked);
    let (role, scope) = (request.grant.role.name(), &request.grant.scope);
    let state = request.state.as_str();
    format!(
        "{}  {state:<9}  {asked:<20}  {}  {role} ({scope}), {} h",
        request.id, request.user, request.hours
    )
}
