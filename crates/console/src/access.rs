//! Roles for a while: asking for one, agreeing to what somebody else asked for. And what break-glass accounts
//! were used for, which somebody else looks into.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State;
use doors::{Authorized, Form, Path, Query};
use guard::action::{DecideAccess, ReadAccess, ReadUsers, RequestAccess, ReviewBreakGlass};
use guard::{Act, Circumstances, Permit, Resource};
use identity::access::{AccessState, AccessView, LONGEST_HOURS};
use kernel::{AccessRequestId, SessionId, UserId};
use serde::Deserialize;

use crate::Desk;
use crate::audit::Nothing;
use crate::desk::roles;
use crate::page::{Shell, When, html, may, may_to, see, shell};
use crate::trouble::{Answer, Trouble, invalid, nothing};
use crate::users::{grant_of, in_words};
use crate::via::ByDoor;

/// What a page was reached by.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "access.html")]
struct Page {
    shell: Shell,
    /// What waits for this person's decision.
    waiting: Vec<Row>,
    /// Everything else that they may see.
    rows: Vec<Row>,
    roles: Vec<(&'static str, &'static str)>,
    /// They decide about others' requests, and have to prove first that it is they.
    confirm: bool,
    uses: Vec<Use>,
}

struct Row {
    id: String,
    who: String,
    role: String,
    hours: u32,
    reason: String,
    asked: When,
    expires: When,
    state: &'static str,
    tone: &'static str,
    until: Option<When>,
    decided_by: String,
    /// They can take it back, or give the role back.
    back: Option<&'static str>,
}

struct Use {
    session: String,
    who: String,
    used: When,
    due: When,
    overdue: bool,
    open: bool,
    finding: String,
    /// They may look into it.
    reviews: bool,
}

/// Names of people, as far as this person may know them.
struct Names(BTreeMap<UserId, String>);

impl Names {
    fn of(&self, user: UserId) -> String {
        self.0.get(&user).cloned().unwrap_or_else(|| user.to_string())
    }
}

/// `GET /access`
pub(crate) async fn page(
    leave: Authorized<ReadAccess>,
    State(desk): State<Desk>,
    Query(wanted): Query<Wanted>,
) -> Answer {
    let shell = shell(&desk, &leave, "Access", "/access").await?.after(wanted.done.as_deref());
    let permit = leave.into_permit();
    let (actor, thing, now) = (permit.actor().clone(), permit.resource().clone(), desk.world.now());
    let me = actor.account().ok_or_else(nothing)?;
    let again: Permit<ReadAccess> = desk.guard.permit(&actor, &thing, &Circumstances::at(now))?;
    let names = names(&desk, &actor, me).await?;
    let account = |user| Resource::Account { tenant: desk.tenant, user };
    let found = desk.identity.access_requests(permit).await?;
    let open = |request: &AccessView| request.state == AccessState::Asked && now < request.expires;
    let (mut waiting, mut rows) = (Vec::new(), Vec::new());
    let mut confirm = false;
    for request in &found {
        let row = row(request, &names, me, now);
        let theirs = request.user == me || request.asked_by == Some(me);
        // Who decides by their role is asked to prove who they are before they see the buttons.
        let role =
            desk.guard.decide(Act::DecideAccess, &actor, &account(request.user), &Circumstances::at(now));
        let late = matches!(&role, Err(denied) if denied.rule() == "guard.step_up");
        if open(request) && !theirs && (role.is_ok() || late) {
            confirm |= late;
            waiting.push(row);
        } else {
            rows.push(row);
        }
    }
    let uses = desk.identity.glass_uses(again).await?.into_iter().map(|one| Use {
        session: one.session.to_string(),
        who: names.of(one.user),
        used: When(one.used),
        due: When(one.due),
        overdue: one.reviewed.is_none() && one.due <= now,
        open: one.reviewed.is_none(),
        finding: one.reviewed.map_or_else(String::new, |(at, by, finding)| {
            let by = by.map_or("the operator".to_owned(), |by| names.of(by));
            format!("{} ({by}, {})", finding.as_str(), When(at))
        }),
        reviews: may_to(&desk, &actor, Act::ReviewBreakGlass, &account(one.user)),
    });
    let uses = uses.collect();
    html(&Page { shell, waiting, rows, roles: roles(&desk).await?, confirm, uses })
}

async fn names(desk: &Desk, actor: &guard::Actor, me: UserId) -> Result<Names, Trouble> {
    let mut names = BTreeMap::new();
    if may(desk, actor, Act::ReadUsers) {
        let at = Circumstances::at(desk.world.now());
        let permit: Permit<ReadUsers> = desk.guard.permit(actor, &Resource::Tenant(desk.tenant), &at)?;
        for user in desk.identity.users(permit).await? {
            names.insert(user.id, user.name.as_str().to_owned());
        }
    }
    names.insert(me, "you".to_owned());
    Ok(Names(names))
}

fn row(request: &AccessView, names: &Names, me: UserId, now: kernel::Timestamp) -> Row {
    let held = request.state == AccessState::Approved && request.until.is_some_and(|until| now < until);
    let (state, tone) = match request.state {
        AccessState::Asked if now < request.expires => ("waits", "info"),
        AccessState::Asked | AccessState::Expired => ("not decided in time", ""),
        AccessState::Approved if held => ("held", "good"),
        AccessState::Approved | AccessState::Ended => ("ended", ""),
        AccessState::Refused => ("refused", "bad"),
        AccessState::Withdrawn => ("taken back", ""),
    };
    let back = match state {
        "waits" if request.user == me => Some("Take it back"),
        "held" if request.user == me => Some("Give the role back"),
        _ => None,
    };
    let decided = matches!(request.state, AccessState::Approved | AccessState::Ended | AccessState::Refused);
    Row {
        id: request.id.to_string(),
        who: names.of(request.user),
        role: in_words(&request.grant),
        hours: request.hours,
        reason: request.reason.as_str().to_owned(),
        asked: When(request.asked),
        expires: When(request.expires),
        state,
        tone,
        until: request.until.map(When),
        decided_by: match request.decided_by {
            Some(user) => names.of(user),
            None if decided => "the operator".to_owned(),
            None => String::new(),
        },
        back,
    }
}

/// Which role, where and for how long. The reason is read by the door and is in the permit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskForm {
    role: String,
    bot: String,
    hours: u32,
    #[serde(rename = "reason")]
    _reason: String,
}

/// `POST /access`
pub(crate) async fn ask(
    leave: Authorized<RequestAccess>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Form(form): Form<AskForm>,
) -> Answer {
    if !(1..=LONGEST_HOURS).contains(&form.hours) {
        return Err(invalid("A role is held for 1 to 168 hours.", "Ask for a time in between.").into());
    }
    let grant = grant_of(&form.role, &form.bot)?;
    desk.identity.request_access(leave.into_permit(), grant, form.hours, &via).await?;
    see("/access?done=access-asked")
}

/// `POST /access/{request}/approve`
pub(crate) async fn approve(
    leave: Authorized<DecideAccess>,
    State(desk): State<Desk>,
    Path(id): Path<AccessRequestId>,
    ByDoor(via): ByDoor,
    Form(Nothing {}): Form<Nothing>,
) -> Answer {
    desk.identity.approve_access(leave.into_permit(), id, &via).await?;
    see("/access?done=access-approved")
}

/// A form with a reason, which the door reads.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WhyForm {
    #[serde(rename = "reason")]
    _reason: String,
}

/// `POST /access/{request}/refuse`
pub(crate) async fn refuse(
    leave: Authorized<DecideAccess>,
    State(desk): State<Desk>,
    Path(id): Path<AccessRequestId>,
    ByDoor(via): ByDoor,
    Form(_): Form<WhyForm>,
) -> Answer {
    desk.identity.refuse_access(leave.into_permit(), id, &via).await?;
    see("/access?done=access-refused")
}

/// `POST /access/{request}/withdraw`
pub(crate) async fn withdraw(
    leave: Authorized<RequestAccess>,
    State(desk): State<Desk>,
    Path(id): Path<AccessRequestId>,
    ByDoor(via): ByDoor,
    Form(Nothing {}): Form<Nothing>,
) -> Answer {
    desk.identity.withdraw_access(leave.into_permit(), id, &via).await?;
    see("/access?done=access-back")
}

/// `POST /break-glass/{session}/review`
pub(crate) async fn review(
    leave: Authorized<ReviewBreakGlass>,
    State(desk): State<Desk>,
    Path(session): Path<SessionId>,
    ByDoor(via): ByDoor,
    Form(_): Form<WhyForm>,
) -> Answer {
    desk.identity.review_glass(leave.into_permit(), session, &via).await?;
    see("/access?done=reviewed")
}
