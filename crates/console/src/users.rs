//! People: who works here, what they hold, inviting somebody and taking somebody out.

use askama::Template;
use axum::extract::State;
use doors::{Authorized, Form, Path, Query};
use guard::action::{DisableUser, EnableUser, GrantRole, InviteUser, ReadUsers, ResetFactors, RevokeRole};
use guard::{Act, Actor, Circumstances, Grant, Permit, Resource, Role, Scope};
use identity::review::Reviewed;
use identity::{Factors, UserState, UserView};
use kernel::{BotName, Email, InviteId, Problem, Secret, UserId};
use serde::Deserialize;

use crate::Desk;
use crate::audit::Nothing;
use crate::desk::{LinkLetter, roles};
use crate::page::{Shell, When, could, html, may_to, see, shell};
use crate::review::Sources;
use crate::trouble::{Answer, Trouble, invalid, nothing};
use crate::via::ByDoor;

/// What a page was reached by.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "users.html")]
struct List {
    shell: Shell,
    rows: Vec<Row>,
    invites: Vec<Invite>,
    roles: Vec<(&'static str, &'static str)>,
    invites_people: bool,
    /// Whether a relay takes letters.
    mails: bool,
}

struct Row {
    id: String,
    name: String,
    email: String,
    roles: Vec<String>,
    active: bool,
    strong: bool,
    factors: String,
    created: When,
    last_login: Option<When>,
}

struct Invite {
    id: String,
    role: String,
    email: String,
    created: When,
    expires: When,
    state: &'static str,
    open: bool,
}

impl From<&UserView> for Row {
    fn from(user: &UserView) -> Self {
        Self {
            id: user.id.to_string(),
            name: user.name.as_str().to_owned(),
            email: if user.service { "service account".to_owned() } else { user.email.as_str().to_owned() },
            roles: user.grants.iter().map(in_words).collect(),
            active: user.state == UserState::Active,
            strong: user.service || user.factors.any(),
            factors: if user.service { "keys of programs".to_owned() } else { factors(&user.factors) },
            created: When(user.created),
            last_login: user.last_login.map(When),
        }
    }
}

/// A grant as people read it.
pub(crate) fn in_words(grant: &Grant) -> String {
    match &grant.scope {
        Scope::Tenant => grant.role.display().to_owned(),
        Scope::Bot(bot) => format!("{} of {bot}", grant.role.display()),
    }
}

/// Factors as people read them.
pub(crate) fn factors(factors: &Factors) -> String {
    let mut words = Vec::new();
    if factors.totp {
        words.push("password and app".to_owned());
    }
    match factors.passkeys {
        0 => {}
        1 => words.push("one passkey".to_owned()),
        many => words.push(format!("{many} passkeys")),
    }
    if words.is_empty() {
        return "none: must enrol again".to_owned();
    }
    words.push(format!("{} recovery codes", factors.recovery_codes));
    words.join(", ")
}

/// `GET /users`
pub(crate) async fn list(
    leave: Authorized<ReadUsers>,
    State(desk): State<Desk>,
    Query(wanted): Query<Wanted>,
) -> Answer {
    let shell = shell(&desk, &leave, "People", "/users").await?.after(wanted.done.as_deref());
    let permit = leave.into_permit();
    let invites_people = could(&desk, permit.actor(), Act::InviteUser, &Resource::Tenant(desk.tenant));
    let now = desk.world.now();
    let again: Permit<ReadUsers> =
        desk.guard.permit(permit.actor(), &Resource::Tenant(desk.tenant), &Circumstances::at(now))?;
    let rows = desk.identity.users(permit).await?.iter().map(Row::from).collect();
    let invites = desk.identity.invites(again).await?.into_iter().take(50).map(|invite| {
        let state = match (invite.used, invite.view.expires > now) {
            (Some(_), _) => "used",
            (None, true) => "open",
            (None, false) => "ended",
        };
        Invite {
            id: invite.id.to_string(),
            role: in_words(&invite.view.grant),
            email: invite
                .view
                .email
                .map_or("whoever has the link".to_owned(), |email| email.as_str().to_owned()),
            created: When(invite.created),
            expires: When(invite.view.expires),
            state,
            open: state == "open",
        }
    });
    let invites = invites.collect();
    let (roles, mails) = (roles(&desk).await?, desk.links.is_some());
    html(&List { shell, rows, invites, roles, invites_people, mails })
}

/// Whom to invite as what.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InviteForm {
    email: String,
    role: String,
    bot: String,
    /// Present when the link is to go to the address by mail.
    send: Option<String>,
}

/// The grant that a form names; an empty bot means all of them.
pub(crate) fn grant_of(role: &str, bot: &str) -> Result<Grant, Problem> {
    let choose = |what| invalid(format!("There is no such {what}."), "Choose one of the list.");
    let role: Role = role.parse().map_err(|_| choose("role"))?;
    let scope = match bot.trim() {
        "" => Scope::Tenant,
        bot => Scope::Bot(BotName::new(bot).map_err(|_| choose("bot"))?),
    };
    Ok(Grant { role, scope })
}

#[derive(Template)]
#[template(path = "link.html")]
struct LinkPage {
    shell: Shell,
    heading: &'static str,
    about: String,
    /// None when it is on its way to the one whom it is for, so that it is nowhere else.
    link: Option<String>,
    /// To whom it went by mail, or was to go.
    to: String,
    /// Why the letter did not leave.
    unsent: String,
}

/// `POST /invites`: the link is in the answer, once, or in a letter.
pub(crate) async fn invite(
    leave: Authorized<InviteUser>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Form(form): Form<InviteForm>,
) -> Answer {
    let shell = shell(&desk, &leave, "Invitation", "/users").await?;
    let grant = grant_of(&form.role, &form.bot)?;
    let email = Some(form.email.trim()).filter(|email| !email.is_empty()).map(Email::new).transpose()?;
    let letter = match (form.send.is_some(), &email, &desk.links) {
        (false, ..) => None,
        (true, Some(to), Some(links)) => Some((to.clone(), links)),
        (true, None, _) => {
            return Err(invalid("A letter needs an address.", "Say whom the invitation is for.").into());
        }
        (true, _, None) => {
            return Err(invalid("No mail relay is set up.", "Hand the link over yourself.").into());
        }
    };
    let about = in_words(&grant);
    let permit = leave.into_permit();
    let actor = permit.actor().clone();
    let secret = desk.identity.invite(permit, grant, email, &via).await?;
    let mut page = LinkPage {
        shell,
        heading: "Invitation made",
        about: format!("It makes an account with the role {about}."),
        link: Some(link(&desk, &secret)),
        to: String::new(),
        unsent: String::new(),
    };
    if let Some((to, links)) = letter {
        page.to = to.as_str().to_owned();
        let link = Secret::new(link(&desk, &secret));
        match links(LinkLetter { to, link, role: about, actor, via }).await {
            Ok(()) => page.link = None,
            Err(why) => page.unsent = why,
        }
    }
    html(&page)
}

/// The address of an invitation. The secret stands in the fragment, which browsers send to nobody.
fn link(desk: &Desk, secret: &Secret<String>) -> String {
    format!("{}/enrol#{}", desk.origin, secret.expose())
}

/// `POST /invites/{invite}/withdraw`
pub(crate) async fn withdraw(
    leave: Authorized<InviteUser>,
    State(desk): State<Desk>,
    Path(invite): Path<InviteId>,
    Form(Nothing {}): Form<Nothing>,
) -> Answer {
    desk.identity.withdraw_invite(leave.into_permit(), invite).await?;
    see("/users?done=withdrawn")
}

#[derive(Template)]
#[template(path = "user.html")]
struct One {
    shell: Shell,
    row: Row,
    held: Vec<Held>,
    roles: Vec<(&'static str, &'static str)>,
    grants: bool,
    disables: bool,
    /// Whether they may let the account in again, when they have proved who they are a moment ago.
    enables: bool,
    /// That they prove it is all that lacks for it.
    confirm: bool,
    resets: bool,
    sessions: Vec<Sitting>,
    service: bool,
}

struct Held {
    grant: Grant,
    role: &'static str,
    bot: String,
    words: String,
    /// From where: a role can come from two places, and is held while one of them gives it.
    from: Vec<Origin>,
}

struct Origin {
    words: String,
    since: When,
    expires: Option<When>,
}

struct Sitting {
    id: String,
    seen: When,
    began: When,
}

impl Held {
    fn new(grant: &Grant, from: Origin) -> Self {
        let bot = match &grant.scope {
            Scope::Tenant => String::new(),
            Scope::Bot(bot) => bot.to_string(),
        };
        Self { role: grant.role.name(), bot, words: in_words(grant), from: vec![from], grant: grant.clone() }
    }
}

/// Everybody, for the names of those who granted something; nobody when this person may see one account
/// alone.
async fn everybody(desk: &Desk, actor: &Actor) -> Result<Vec<Reviewed>, Trouble> {
    let all = Resource::Tenant(desk.tenant);
    match desk.guard.permit::<ReadUsers>(actor, &all, &Circumstances::at(desk.world.now())) {
        Ok(permit) => Ok(desk.identity.review(permit).await?),
        Err(_) => Ok(Vec::new()),
    }
}

/// `GET /users/{id}`
pub(crate) async fn one(
    leave: Authorized<ReadUsers>,
    State(desk): State<Desk>,
    Path(_): Path<UserId>,
    Query(wanted): Query<Wanted>,
) -> Answer {
    let shell = shell(&desk, &leave, "Person", "/users").await?.after(wanted.done.as_deref());
    let permit = leave.into_permit();
    let able = |act| may_to(&desk, permit.actor(), act, permit.resource());
    let enable = desk.guard.decide(
        Act::EnableUser,
        permit.actor(),
        permit.resource(),
        &Circumstances::at(desk.world.now()),
    );
    let confirm = matches!(&enable, Err(denied) if denied.rule() == "guard.step_up");
    let after_proof = |act| could(&desk, permit.actor(), act, permit.resource());
    let (grants, disables, resets) =
        (after_proof(Act::GrantRole), able(Act::DisableUser), after_proof(Act::ResetFactors));
    let (actor, thing) = (permit.actor().clone(), permit.resource().clone());
    let again = || desk.guard.permit::<ReadUsers>(&actor, &thing, &Circumstances::at(desk.world.now()));
    let (for_review, for_sessions) = (again()?, again()?);
    let user = desk.identity.users(permit).await?.into_iter().next().ok_or_else(nothing)?;
    let reviewed = desk.identity.review(for_review).await?.into_iter().next().ok_or_else(nothing)?;
    let sources = Sources::read(&desk, &actor, &everybody(&desk, &actor).await?).await?;
    let mut held: Vec<Held> = Vec::new();
    for one in &reviewed.held {
        let from = Origin {
            words: sources.words(&one.source),
            since: When(one.since),
            expires: one.expires.map(When),
        };
        match held.iter_mut().find(|held| held.grant == one.grant) {
            Some(held) => held.from.push(from),
            None => held.push(Held::new(&one.grant, from)),
        }
    }
    let sessions = desk.identity.all_sessions(for_sessions).await?.into_iter().map(|one| Sitting {
        id: one.session.id.to_string(),
        seen: When(one.session.last_seen),
        began: When(one.session.created),
    });
    let sessions = sessions.collect();
    let resets = resets && !reviewed.service;
    let service = reviewed.service;
    html(&One {
        shell,
        row: Row::from(&user),
        held,
        roles: roles(&desk).await?,
        grants,
        disables,
        enables: enable.is_ok(),
        confirm,
        resets,
        sessions,
        service,
    })
}

/// Which role, where and why. The reason is read by the door and is in the permit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoleForm {
    role: String,
    bot: String,
    #[serde(rename = "reason")]
    _reason: String,
}

/// `POST /users/{id}/grant`
pub(crate) async fn grant(
    leave: Authorized<GrantRole>,
    State(desk): State<Desk>,
    Path(id): Path<UserId>,
    ByDoor(via): ByDoor,
    Form(form): Form<RoleForm>,
) -> Answer {
    let grant = grant_of(&form.role, &form.bot)?;
    desk.identity.grant(leave.into_permit(), grant, None, &via).await?;
    see(&format!("/users/{id}?done=granted"))
}

/// `POST /users/{id}/revoke`
pub(crate) async fn revoke(
    leave: Authorized<RevokeRole>,
    State(desk): State<Desk>,
    Path(id): Path<UserId>,
    ByDoor(via): ByDoor,
    Form(form): Form<RoleForm>,
) -> Answer {
    let grant = grant_of(&form.role, &form.bot)?;
    desk.identity.revoke(leave.into_permit(), grant, &via).await?;
    see(&format!("/users/{id}?done=revoked"))
}

/// `POST /users/{id}/disable`
pub(crate) async fn disable(
    leave: Authorized<DisableUser>,
    State(desk): State<Desk>,
    Path(id): Path<UserId>,
    ByDoor(via): ByDoor,
    Form(Nothing {}): Form<Nothing>,
) -> Answer {
    desk.identity.disable(leave.into_permit(), &via).await?;
    see(&format!("/users/{id}?done=disabled"))
}

/// Why. The reason is read by the door and is in the permit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WhyForm {
    #[serde(rename = "reason")]
    _reason: String,
}

/// `POST /users/{id}/enable`
pub(crate) async fn enable(
    leave: Authorized<EnableUser>,
    State(desk): State<Desk>,
    Path(id): Path<UserId>,
    ByDoor(via): ByDoor,
    Form(_): Form<WhyForm>,
) -> Answer {
    desk.identity.enable(leave.into_permit(), &via).await?;
    see(&format!("/users/{id}?done=enabled"))
}

/// `POST /users/{id}/reset`: the link to enrol anew is in the answer, once.
pub(crate) async fn reset(
    leave: Authorized<ResetFactors>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Form(Nothing {}): Form<Nothing>,
) -> Result<axum::response::Response, Trouble> {
    let shell = shell(&desk, &leave, "Factors reset", "/users").await?;
    let secret = desk.identity.reset_factors(leave.into_permit(), &via).await?;
    let about =
        "The sessions have ended. With this link, and only for that account, new factors are enrolled.";
    html(&LinkPage {
        shell,
        heading: "Factors reset",
        about: about.to_owned(),
        link: Some(link(&desk, &secret)),
        to: String::new(),
        unsent: String::new(),
    })
}
