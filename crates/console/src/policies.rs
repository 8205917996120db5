//! The page of policies: what is in force and since when, what waits for a second person, why a decision
//! falls as it does, and trying a change before it is proposed.

use askama::Template;
use axum::extract::State;
use doors::{Authorized, Form, Path, Query};
use guard::action::{ApprovePolicy, ProposePolicy, ReadPolicy, ReadUsers, RollBackPolicy};
use guard::{Act, Circumstances, INVARIANTS, Permit, PolicyFiles, Role};
use kernel::{Reason, UserId};
use rulebook::{Explained, Lacking, Stated, Thing, Trial, VersionLine, VersionState, Who, difference};
use serde::Deserialize;

use crate::Desk;
use crate::audit::Nothing;
use crate::page::{Shell, When, chosen, html, may, see, shell};
use crate::trouble::{Answer, Trouble, invalid, nothing};
use crate::via::ByDoor;

/// How many changes a page shows.
const SHOWN: usize = 100;

/// What the page was reached by: what was just done, or a question to be explained.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    done: Option<String>,
    who: Option<String>,
    action: Option<String>,
    on: Option<String>,
    why: Option<String>,
}

#[derive(Template)]
#[template(path = "policies.html")]
struct Policies {
    shell: Shell,
    wanted: Wanted,
    explained: Option<Explained>,
    versions: Vec<Line>,
    files: Vec<String>,
    actions: &'static [Act],
    roles: &'static [Role],
    /// Whether proposals may be made and decided here.
    changes: bool,
    /// Whether a fresh proof would make it so.
    confirm: bool,
    in_force: u64,
    /// What the policies in force lack beside those that ship.
    lacking: Option<Lacking>,
}

struct Line {
    line: VersionLine,
    tone: &'static str,
    proposed: When,
    by: String,
    decided_by: String,
    open: bool,
    own: bool,
    again: bool,
}

impl Line {
    fn of(line: VersionLine, me: Option<UserId>) -> Self {
        let name = |user: Option<UserId>| match user {
            user if user.is_some() && user == me => "you".to_owned(),
            Some(user) => user.to_string(),
            None => "operator".to_owned(),
        };
        let tone = match line.state {
            VersionState::InForce => "good",
            VersionState::Proposed => "warn",
            VersionState::Refused => "bad",
            VersionState::Replaced | VersionState::Expired => "info",
        };
        Self {
            tone,
            proposed: When(line.proposed),
            by: name(line.proposed_by),
            decided_by: line.decided.map(|_| name(line.decided_by)).unwrap_or_default(),
            open: line.state == VersionState::Proposed,
            own: line.proposed_by.is_some() && line.proposed_by == me,
            again: line.state == VersionState::Replaced,
            line,
        }
    }
}

/// `GET /policies`
pub(crate) async fn page(
    leave: Authorized<ReadPolicy>,
    State(desk): State<Desk>,
    Query(wanted): Query<Wanted>,
) -> Answer {
    let shell = shell(&desk, &leave, "Policies", "/policies").await?.after(wanted.done.as_deref());
    let permit = leave.into_permit();
    let actor = permit.actor().clone();
    let explained = explain(&desk, &permit, &wanted).await?;
    let lacking = desk.rulebook.lacking(&permit).await?;
    let files = desk.rulebook.in_force(&permit).await?;
    let files = files.iter().map(|(name, _)| name.to_owned()).collect();
    let changes = may(&desk, &actor, Act::ProposePolicy);
    let admin = actor.staff().is_some_and(|staff| staff.holds(Role::SecurityAdmin));
    let me = actor.staff().map(|staff| staff.user);
    let history = desk.rulebook.history(permit).await?;
    let in_force = history.iter().find(|line| line.state == VersionState::InForce);
    let in_force = in_force.map_or(0, |line| line.version);
    let versions = history.into_iter().map(|line| Line::of(line, me)).collect();
    html(&Policies {
        shell,
        wanted,
        explained,
        versions,
        files,
        actions: Act::ALL,
        roles: Role::ALL,
        changes,
        confirm: admin && !changes,
        in_force,
        lacking,
    })
}

async fn explain(
    desk: &Desk,
    permit: &Permit<ReadPolicy>,
    wanted: &Wanted,
) -> Result<Option<Explained>, Trouble> {
    let (Some(who), Some(action)) = (chosen(&wanted.who), chosen(&wanted.action)) else { return Ok(None) };
    let refuse =
        |detail: &'static str| Trouble::from(invalid(detail, "Choose from the lists, then ask again."));
    let act: Act = action.parse().map_err(|_| refuse("There is no such action."))?;
    let on = chosen(&wanted.on).unwrap_or("tenant");
    let thing: Thing = on.parse().map_err(|_| refuse("That is the address of nothing."))?;
    let reason = chosen(&wanted.why).map(Reason::new).transpose()?;
    let who = match (who, who.parse::<Role>(), who.parse::<UserId>()) {
        ("operator", ..) => Who::Operator,
        (_, Ok(role), _) => Who::Role(role),
        (_, _, Ok(user)) => Who::User(user),
        _ => Who::User(
            by_address(desk, permit, who).await?.ok_or_else(|| refuse("There is nobody of that name."))?,
        ),
    };
    Ok(Some(desk.rulebook.explain(permit, &who, act, &thing, Stated { reason, ..Stated::default() }).await?))
}

/// Somebody by their address, for whoever may see the staff.
async fn by_address(
    desk: &Desk,
    permit: &Permit<ReadPolicy>,
    address: &str,
) -> Result<Option<UserId>, Trouble> {
    let now = Circumstances::at(desk.world.now());
    let sees: Permit<ReadUsers> = desk.guard.permit(permit.actor(), permit.resource(), &now)?;
    let users = desk.identity.users(sees).await?;
    Ok(users.into_iter().find(|user| user.email.as_str() == address).map(|user| user.id))
}

#[derive(Template)]
#[template(path = "policy_file.html")]
struct File {
    shell: Shell,
    name: String,
    text: String,
    rows: usize,
    tries: bool,
}

/// `GET /policies/files/{file}`
pub(crate) async fn file(
    leave: Authorized<ReadPolicy>,
    State(desk): State<Desk>,
    Path(name): Path<String>,
) -> Answer {
    let shell = shell(&desk, &leave, format!("Policy file {name}"), "/policies").await?;
    let tries = may(&desk, leave.permit().actor(), Act::ProposePolicy);
    let files = desk.rulebook.in_force(leave.permit()).await?;
    let found = files.iter().find(|(other, _)| *other == name).map(|(_, text)| text.to_owned());
    let text = found.ok_or_else(nothing)?;
    html(&File { shell, rows: text.lines().count().clamp(8, 60), name, text, tries })
}

/// One file's new text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Text {
    text: String,
}

#[derive(Template)]
#[template(path = "policy_trial.html")]
struct Tried {
    shell: Shell,
    name: String,
    text: String,
    trial: Trial,
    lines: Vec<String>,
    invariants: usize,
    holds: bool,
    changes: Vec<Row>,
    more: usize,
}

struct Row {
    who: String,
    what: String,
    before: &'static str,
    after: &'static str,
}

/// `POST /policies/files/{file}`: tries one file's new text beside all others in force.
pub(crate) async fn try_out(
    leave: Authorized<ReadPolicy>,
    State(desk): State<Desk>,
    Path(name): Path<String>,
    Form(Text { text }): Form<Text>,
) -> Answer {
    let shell = shell(&desk, &leave, format!("Trying {name}"), "/policies").await?;
    let now = desk.rulebook.in_force(leave.permit()).await?;
    let files = changed(&now, &name, &text)?;
    let lines = difference(&now, &files);
    let trial = desk.rulebook.try_out(leave.permit(), files).await?;
    let word = |allowed| if allowed { "permitted" } else { "refused" };
    let changes = trial.rehearsal.changes.iter().take(SHOWN).map(|change| Row {
        who: change.who.clone(),
        what: format!("{} on {} {}", change.act, change.whose, change.under),
        before: word(change.before),
        after: word(change.after),
    });
    let (changes, more) = (changes.collect(), trial.rehearsal.changed.saturating_sub(SHOWN));
    let holds = trial.holds();
    html(&Tried { shell, name, text, lines, invariants: INVARIANTS.len(), holds, changes, more, trial })
}

/// A change of one file, proposed. The reason is read by the door and is in the permit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Proposal {
    file: String,
    text: String,
    #[serde(rename = "reason")]
    _reason: String,
}

/// `POST /policies/propose`
pub(crate) async fn propose(
    leave: Authorized<ProposePolicy>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Form(Proposal { file, text, .. }): Form<Proposal>,
) -> Answer {
    let permit = leave.into_permit();
    let now = Circumstances::at(desk.world.now());
    let reads: Permit<ReadPolicy> = desk.guard.permit(permit.actor(), permit.resource(), &now)?;
    let files = changed(&desk.rulebook.in_force(&reads).await?, &file, &text)?;
    desk.rulebook.propose(permit, files, &via).await?;
    see("/policies?done=policy-proposed")
}

/// Why what is lacking is taken over. It is read by the door and is in the permit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Adoption {
    #[serde(rename = "reason")]
    _reason: String,
}

/// `POST /policies/adopt`: proposes what ships about the actions that the policies in force lack.
pub(crate) async fn adopt(
    leave: Authorized<ProposePolicy>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Form(_): Form<Adoption>,
) -> Answer {
    let permit = leave.into_permit();
    let now = Circumstances::at(desk.world.now());
    let reads: Permit<ReadPolicy> = desk.guard.permit(permit.actor(), permit.resource(), &now)?;
    desk.rulebook.adopt(&reads, permit, &via).await?;
    see("/policies?done=policy-proposed")
}

/// The same files with another text in one of them. Browsers send lines with carriage returns.
fn changed(files: &PolicyFiles, name: &str, text: &str) -> Result<PolicyFiles, Trouble> {
    let mut all = Vec::from(files.clone());
    let found = all.iter_mut().find(|(other, _)| other == name).ok_or_else(nothing)?;
    found.1 = text.replace("\r\n", "\n");
    Ok(PolicyFiles::new(all).map_err(rulebook::RulebookError::from)?)
}

/// `POST /policies/{version}/approve`
pub(crate) async fn approve(
    leave: Authorized<ApprovePolicy>,
    State(desk): State<Desk>,
    Path(version): Path<u64>,
    ByDoor(via): ByDoor,
    Form(Nothing {}): Form<Nothing>,
) -> Answer {
    desk.rulebook.approve(leave.into_permit(), version, &via).await?;
    see("/policies?done=policy-approved")
}

/// `POST /policies/{version}/refuse`
pub(crate) async fn refuse(
    leave: Authorized<ApprovePolicy>,
    State(desk): State<Desk>,
    Path(version): Path<u64>,
    ByDoor(via): ByDoor,
    Form(Nothing {}): Form<Nothing>,
) -> Answer {
    desk.rulebook.refuse(leave.into_permit(), version, &via).await?;
    see("/policies?done=policy-refused")
}

/// Which version to put in force again. The reason is read by the door and is in the permit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Back {
    to: u64,
    #[serde(rename = "reason")]
    _reason: String,
}

/// `POST /policies/roll-back`
pub(crate) async fn roll_back(
    leave: Authorized<RollBackPolicy>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Form(Back { to, .. }): Form<Back>,
) -> Answer {
    desk.rulebook.roll_back(leave.into_permit(), Some(to), &via).await?;
    see("/policies?done=policy-back")
}
