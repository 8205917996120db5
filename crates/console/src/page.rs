//! What every page of the console has in common: the frame around it, times, and where a form leads.

use askama::Template;
use axum::response::{Html, IntoResponse};
use guard::{Act, Action, Actor, Circumstances, Resource, Scope};
use http::{HeaderValue, StatusCode, header};
use identity::notices::Notices;
use kernel::Timestamp;

use crate::Desk;
use crate::notices::Line;
use crate::trouble::{Answer, Trouble};
use doors::Authorized;

/// The frame around a page.
#[derive(Debug)]
pub(crate) struct Shell {
    /// The heading, and what stands in the browser's tab.
    pub(crate) title: String,
    /// The links that this person may use.
    pub(crate) groups: Vec<Group>,
    /// Their roles, in words.
    pub(crate) roles: String,
    /// The token for the page's forms.
    pub(crate) csrf: String,
    /// What was just done.
    pub(crate) notice: Option<&'static str>,
    /// What they are told about their own account, until they have acknowledged it.
    pub(crate) told: Vec<Line>,
    /// How much more there is of it than is shown.
    pub(crate) more: usize,
    /// How much of it cannot be read.
    pub(crate) unreadable: usize,
    /// What lists go on without, because it is not as it was written.
    pub(crate) left_out: String,
    /// The moment of the newest of it: the button acknowledges what happened until then.
    pub(crate) until: u64,
    /// The page that the rail shows for this one, to come back to.
    pub(crate) here: String,
}

/// Links under one heading; the first group has none.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) heading: &'static str,
    pub(crate) links: Vec<Link>,
}

/// A link of the rail.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) href: &'static str,
    pub(crate) text: &'static str,
    /// The path of its icon, in a box of 24 by 24.
    pub(crate) icon: &'static str,
    pub(crate) here: bool,
}

type Entry = (&'static str, &'static str, Act, &'static str);

const RAIL: &[(&str, &[Entry])] = &[
    (
        "",
        &[
            ("/", "Overview", Act::ReadOverview, "M4 11l8-6.5 8 6.5M6.5 9.5V19h11V9.5"),
            ("/conversations", "Conversations", Act::ListConversations, "M4.5 5.5h15v10h-8l-4 3.5v-3.5h-3z"),
            (
                "/tickets",
                "Tickets",
                Act::ListConversations,
                "M4 13l2.4-7h11.2L20 13v5.5H4zM4 13h4.5l1.2 2.4h4.6L15.5 13H20",
            ),
            ("/bots", "Bots", Act::ReadBots, "M6 8.5h12v9H6zM12 8.5V5M9.5 12.5h.01M14.5 12.5h.01"),
        ],
    ),
    (
        "Security",
        &[
            ("/traffic", "Traffic", Act::ReadTraffic, "M4 17l4-6 3.5 4 3-8 3 6H20"),
            ("/audit", "Audit log", Act::ReadAudit, "M6 5h12v14H6zM9 9h6M9 12.5h6M9 16h3.5"),
            (
                "/connections",
                "Sign-in",
                Act::ReadConnections,
                "M13 5h6v14h-6M4 12h10M10.5 8.5L14 12l-3.5 3.5",
            ),
            (
                "/sign-ins",
                "Sign-in attempts",
                Act::ReadAudit,
                "M12 4.5v7l4 2.5M4.5 12a7.5 7.5 0 1 1 2.2 5.3M4.5 20v-3.5H8",
            ),
            (
                "/keys",
                "Keys",
                Act::ReadKeys,
                "M8.5 18a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM11.3 11.2L18.5 4M15 7.5l2.5 2.5",
            ),
        ],
    ),
    ("Rules", &[("/policies", "Policies", Act::ReadPolicy, "M6.5 4.5h11v15h-11zM9 8.5h6M9 12h6M9 15.5h3.5")]),
    (
        "House",
        &[
            (
                "/users",
                "People",
                Act::ReadUsers,
                "M9 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM3.5 19c.5-3 2.5-4.5 5.5-4.5s5 1.5 5.5 4.5M16 5.5a3 3 0 0 1 0 5.5",
            ),
            (
                "/holds",
                "Legal holds",
                Act::ReadHolds,
                "M12 4.5l7 3v5c0 4-3 6.5-7 7.5-4-1-7-3.5-7-7.5v-5zM9.5 12h5",
            ),
            ("/groups", "Groups", Act::ReadConnections, "M5 5h6v6H5zM13 13h6v6h-6zM11 8h5v5M8 11v5h5"),
            ("/sessions", "Sessions", Act::ReadUsers, "M4.5 5.5h15v10h-15zM9 19.5h6M12 15.5v4"),
            ("/access-review", "Access review", Act::ReadUsers, "M6 4.5h12v15H6zM9 9l1.5 1.5L14 7.5M9 14h6"),
        ],
    ),
];

/// The frame for whoever holds this leave. `here` is the address of the rail's link that leads to this
/// page.
///
/// # Errors
/// When it cannot be found out what they are to be told.
pub(crate) async fn shell<A: Action>(
    desk: &Desk,
    leave: &Authorized<A>,
    title: impl Into<String>,
    here: &str,
) -> Result<Shell, Trouble> {
    let title = title.into();
    let Notices { told, unreadable } = desk.identity.unseen_notices(leave.permit()).await?;
    let actor = leave.permit().actor();
    let links = |entries: &[Entry]| -> Vec<Link> {
        let allowed = entries.iter().filter(|(_, _, act, _)| may(desk, actor, *act));
        allowed.map(|(href, text, _, icon)| Link { href, text, icon, here: *href == here }).collect()
    };
    let groups = RAIL.iter().map(|(heading, entries)| Group { heading, links: links(entries) });
    let roles = actor.staff().map(|staff| {
        let mut roles: Vec<&str> = staff.grants.iter().map(|grant| grant.role.display()).collect();
        roles.dedup();
        roles.join(", ")
    });
    Ok(Shell {
        title,
        groups: groups.filter(|group| !group.links.is_empty()).collect(),
        roles: roles.unwrap_or_default(),
        csrf: leave.csrf().map(|token| token.expose().to_owned()).unwrap_or_default(),
        notice: None,
        until: told.first().map_or(0, |newest| newest.at.as_millis()),
        more: told.len().saturating_sub(TOLD),
        told: told.iter().take(TOLD).map(Line::of).collect(),
        unreadable,
        left_out: left_out(&desk.db.refused_lately()),
        here: here.to_owned(),
    })
}

/// Rows that were refused lately, in words. Notices are told to those alone whom they are for.
fn left_out(refused: &[(&str, usize)]) -> String {
    let told = refused.iter().filter(|(table, _)| *table != "notices");
    let told = told.map(|(table, rows)| format!("{} ({rows})", table.replace('_', " ")));
    told.collect::<Vec<_>>().join(", ")
}

/// How many notices stand at the top of a page.
const TOLD: usize = 4;

impl Shell {
    /// The same with what was just done, when the address says so.
    pub(crate) fn after(mut self, done: Option<&str>) -> Self {
        self.notice =
            done.and_then(|word| DONE.iter().find(|(known, _)| *known == word)).map(|(_, text)| *text);
        self
    }
}

/// What a page says after a form was posted. The address carries the word, never a text.
const DONE: &[(&str, &str)] = &[
    ("acknowledged", "It stays listed on the page Your account for ninety days."),
    ("factor-added", "It signs you in from now on. Your other sessions have ended."),
    ("factor-removed", "It opens nothing any more. Your other sessions have ended."),
    ("factor-named", "The passkey has its new name."),
    ("password-changed", "The new password counts from now on. Your other sessions have ended."),
    ("activated", "The release answers from now on."),
    ("approved", "What was asked for is approved; the audit log says by whom."),
    ("asked", "It is asked for; within a day a second person must agree."),
    ("called-off", "The request is called off."),
    ("closed", "The conversation is closed."),
    ("decided", "The decision holds from the next request on."),
    ("lifted", "The limit has ended. It comes back if its reason does."),
    ("disabled", "The account is disabled and its sessions have ended."),
    ("enabled", "The account may sign in again. Its old sessions and API keys stay ended."),
    ("ended", "The session has ended."),
    ("hold-placed", "It is kept: nobody can erase it until somebody else lifts the hold."),
    ("hold-lifted", "The hold is lifted. It can be erased again, unless another hold keeps it."),
    ("given-back", "The bot answers again."),
    ("granted", "The role applies from the next request on."),
    ("made", "The connection is made. Try it, then switch it on."),
    ("saved", "The change applies from the next sign-in on."),
    ("switched", "The connection is switched."),
    ("access-asked", "It is asked for; within a day a second person must agree."),
    ("access-approved", "They hold the role from their next sign-in on, until its end."),
    ("access-refused", "The request is refused."),
    ("access-back", "It is taken back."),
    ("reviewed", "The review is recorded."),
    ("key-ended", "The key opens nothing from the next request on."),
    ("service-made", "The service account is made. Grant it the roles that its keys may use."),
    ("kept", "The version is kept; nothing will destroy it unless two people decide so."),
    ("key-disabled", "The version is disabled; nothing under it opens until it is enabled."),
    (
        "key-policy",
        "The policy holds from now on; a key that is older than it allows is rotated within a minute.",
    ),
    ("key-enabled", "The version is enabled."),
    ("paused", "The wrapping anew is paused."),
    ("policy-proposed", "It is proposed; within three days a second security admin has to agree."),
    ("policy-approved", "The policies are in force from the next request on."),
    ("policy-refused", "The proposal is refused; nothing has changed."),
    ("policy-back", "The earlier policies are in force again."),
    ("resumed", "The wrapping anew goes on."),
    ("revoked", "The role is taken away from the next request on."),
    ("rotated", "New writes use the new version from now on; the rest is wrapped anew meanwhile."),
    ("token-revoked", "The token opens nothing any more."),
    ("withdrawn", "The invitation can no longer be used."),
];

/// Whether somebody may do something to the tenant or to at least one bot of it: for showing links and
/// buttons. The handler asks again.
pub(crate) fn may(desk: &Desk, actor: &Actor, act: Act) -> bool {
    let bots =
        actor.staff().into_iter().flat_map(|staff| &staff.grants).filter_map(|grant| match &grant.scope {
            Scope::Bot(bot) => Some(Resource::Bot { tenant: desk.tenant, bot: bot.clone() }),
            Scope::Tenant => None,
        });
    let fits = |resource: &Resource| act.resources().contains(&resource.kind());
    std::iter::once(Resource::Tenant(desk.tenant))
        .chain(bots)
        .filter(fits)
        .any(|thing| may_to(desk, actor, act, &thing))
}

/// Whether somebody may do something to a thing, stating a reason where one is asked for.
pub(crate) fn may_to(desk: &Desk, actor: &Actor, act: Act, thing: &Resource) -> bool {
    let mut now = Circumstances::at(desk.world.now());
    if let Ok(reason) = kernel::Reason::new("shown before it is asked for") {
        now = now.because(reason);
    }
    desk.guard.decide(act, actor, thing, &now).is_ok()
}

/// Whether somebody may do something to a thing, or could as soon as they prove again who they are: the form is
/// shown, and whoever sends it is led to the proof.
pub(crate) fn could(desk: &Desk, actor: &Actor, act: Act, thing: &Resource) -> bool {
    match desk.guard.decide(act, actor, thing, &Circumstances::at(desk.world.now())) {
        Ok(_) => true,
        Err(denied) => denied.rule() == "guard.step_up",
    }
}

/// A page as a response.
pub(crate) fn html(page: &impl Template) -> Answer {
    Ok(Html(page.render()?).into_response())
}

/// A page with another status than 200.
pub(crate) fn html_with(status: StatusCode, page: &impl Template) -> Answer {
    Ok((status, Html(page.render()?)).into_response())
}

/// After a form: look at that page now (303). The address is one of ours.
pub(crate) fn see(path: &str) -> Answer {
    let there = HeaderValue::from_str(path).map_err(|_| Trouble::from(crate::trouble::nothing()))?;
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, there)]).into_response())
}

/// A moment, as people read it: `2026-11-22 20:15 UTC`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct When(pub(crate) Timestamp);

impl When {
    /// For machines.
    pub(crate) fn iso(&self) -> String {
        self.0.rfc3339()
    }
}

impl std::fmt::Display for When {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let iso = self.0.rfc3339();
        let (date, time) = (iso.get(..10).unwrap_or_default(), iso.get(11..16).unwrap_or_default());
        write!(f, "{date} {time} UTC")
    }
}

/// A day of a date field as the moment it begins, or, with `ends`, as the moment it is over. An empty
/// field is no day.
pub(crate) fn day(text: Option<&str>, ends: bool) -> Result<Option<Timestamp>, kernel::Problem> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let refuse = || crate::trouble::invalid("A date cannot be read.", "Write it like 2026-11-22.");
    let date: jiff::civil::Date = text.parse().map_err(|_| refuse())?;
    let date = if ends { date.tomorrow().map_err(|_| refuse())? } else { date };
    let moment = date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| refuse())?.timestamp();
    Ok(Some(Timestamp::from_millis(u64::try_from(moment.as_millisecond()).unwrap_or_default())))
}

/// A field of a filter, when something was chosen.
pub(crate) fn chosen(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

/// Bytes as people read them.
pub(crate) fn bytes(size: u64) -> String {
    match size {
        0..1024 => format!("{size} B"),
        1024..1_048_576 => format!("{} KiB", size / 1024),
        _ => format!("{}.{} MiB", size / 1_048_576, size % 1_048_576 * 10 / 1_048_576),
    }
}
