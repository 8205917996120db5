//! Legal holds: what is kept, since when and why; placing one, and lifting one that somebody else placed.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State;
use conversations::{HoldOn, HoldView, Holds};
use doors::{Authorized, Form, Path, Query};
use guard::action::{LiftHold, PlaceHold, ReadHolds, ReadUsers};
use guard::{Act, Actor, Circumstances, Permit, Resource};
use kernel::{HoldId, UserId};
use serde::Deserialize;
use store::holds::Kept;

use crate::Desk;
use crate::desk::DeskParts;
use crate::page::{Shell, When, html, may, see, shell};
use crate::trouble::{Answer, Trouble, invalid};
use crate::via::ByDoor;

/// What a page was reached by.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "holds.html")]
struct Page {
    shell: Shell,
    rows: Vec<Row>,
    /// They place holds.
    places: bool,
    /// They lift holds, and have to prove first that it is they.
    confirm: bool,
}

struct Row {
    id: HoldId,
    word: &'static str,
    about: String,
    reason: String,
    placed: When,
    placed_by: String,
    lifted: Option<(When, String, String)>,
    /// They may lift it.
    lifts: bool,
}

impl DeskParts {
    /// The legal holds of this house.
    pub(crate) fn holds(&self) -> Holds {
        Holds::new(self.db.clone(), self.keys.clone(), self.world.clone())
    }
}

/// `GET /holds`
pub(crate) async fn page(
    leave: Authorized<ReadHolds>,
    State(desk): State<Desk>,
    Query(wanted): Query<Wanted>,
) -> Answer {
    let shell = shell(&desk, &leave, "Legal holds", "/holds").await?.after(wanted.done.as_deref());
    let permit = leave.into_permit();
    let actor = permit.actor().clone();
    let names = names(&desk, &actor).await?;
    let (mut rows, mut confirm) = (Vec::new(), false);
    for hold in desk.holds().list(permit).await? {
        let thing = Resource::Hold { tenant: desk.tenant, hold: hold.id, author: hold.placed_by };
        let now = Circumstances::at(desk.world.now());
        let lift = desk.guard.decide(Act::LiftHold, &actor, &thing, &now);
        // Who lifts by their role is asked to prove who they are before they see the form.
        confirm |= hold.lifted.is_none() && matches!(&lift, Err(no) if no.rule() == "guard.step_up");
        rows.push(row(hold, &names, lift.is_ok()));
    }
    html(&Page { places: may(&desk, &actor, Act::PlaceHold), shell, rows, confirm })
}

fn row(hold: HoldView, names: &BTreeMap<UserId, String>, lifts: bool) -> Row {
    let name = |who: Option<UserId>| match who {
        Some(user) => names.get(&user).cloned().unwrap_or_else(|| user.to_string()),
        None => "the operator".to_owned(),
    };
    let about = match hold.kept {
        Kept::Everybody => "everybody who chats here".to_owned(),
        Kept::Person(subject) => subject.to_string(),
        Kept::Conversation(conversation, _) => conversation.to_string(),
    };
    Row {
        id: hold.id,
        word: hold.kept.word(),
        about,
        reason: hold.reason.as_str().to_owned(),
        placed: When(hold.placed),
        placed_by: name(hold.placed_by),
        lifts: lifts && hold.lifted.is_none(),
        lifted: hold.lifted.map(|(at, by, why)| (When(at), name(by), why.as_str().to_owned())),
    }
}

/// The names of staff, for whoever may know them.
async fn names(desk: &Desk, actor: &Actor) -> Result<BTreeMap<UserId, String>, Trouble> {
    let mut names = BTreeMap::new();
    let (all, now) = (Resource::Tenant(desk.tenant), Circumstances::at(desk.world.now()));
    if let Ok(permit) = desk.guard.permit::<ReadUsers>(actor, &all, &now) {
        let permit: Permit<ReadUsers> = permit;
        for user in desk.identity.users(permit).await? {
            names.insert(user.id, user.name.as_str().to_owned());
        }
    }
    if let Some(me) = actor.account() {
        names.insert(me, "you".to_owned());
    }
    Ok(names)
}

/// What to keep. The reason is read by the door and is in the permit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlaceForm {
    kind: String,
    id: String,
    #[serde(rename = "reason")]
    _reason: String,
}

/// `POST /holds`
pub(crate) async fn place(
    leave: Authorized<PlaceHold>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Form(form): Form<PlaceForm>,
) -> Answer {
    let refuse = |detail: &'static str| Trouble::from(invalid(detail, "Go back and correct it."));
    let id = form.id.trim();
    let on = match form.kind.as_str() {
        "person" => HoldOn::Person(id.parse().map_err(|_| refuse("That is not the id of a person."))?),
        "conversation" => {
            HoldOn::Conversation(id.parse().map_err(|_| refuse("That is not the id of a conversation."))?)
        }
        // An id beside it means that something else was meant.
        "everybody" if id.is_empty() => HoldOn::Everybody,
        "everybody" => return Err(refuse("A hold on everybody names nobody.")),
        _ => return Err(refuse("A hold is on a person, a conversation or everybody.")),
    };
    desk.holds().place(leave.into_permit(), on, &via).await?;
    see("/holds?done=hold-placed")
}

/// A form with a reason, which the door reads.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LiftForm {
    #[serde(rename = "reason")]
    _reason: String,
}

/// `POST /holds/{hold}/lift`
pub(crate) async fn lift(
    leave: Authorized<LiftHold>,
    State(desk): State<Desk>,
    Path(_): Path<HoldId>,
    ByDoor(via): ByDoor,
    Form(_): Form<LiftForm>,
) -> Answer {
    desk.holds().lift(leave.into_permit(), &via).await?;
    see("/holds?done=hold-lifted")
}
