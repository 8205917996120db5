//! The access review: who holds what, from where, and when it was last used; as a page and as a file. And
//! what the groups of providers mean here.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State;
use axum::response::IntoResponse;
use doors::{Authorized, Form, Query};
use guard::action::{ReadConnections, ReadUsers};
use guard::{Act, Circumstances, Permit, Resource};
use http::header;
use identity::review::{GrantSource, Held, Reviewed};
use kernel::{Timestamp, UserId};
use serde::Deserialize;

use crate::Desk;
use crate::page::{Shell, When, html, may, shell};
use crate::trouble::{Answer, Trouble, invalid};
use crate::users::in_words;
use crate::via::ByDoor;

/// Days without a use after which an account is dormant, unless asked otherwise.
const DORMANT: u64 = 90;

/// What the page is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    days: Option<u64>,
}

#[derive(Template)]
#[template(path = "access_review.html")]
struct Page {
    shell: Shell,
    days: u64,
    dormant: Vec<Row>,
    rows: Vec<Row>,
}

struct Row {
    id: String,
    name: String,
    email: String,
    service: bool,
    active: bool,
    used: Option<When>,
    held: Vec<Line>,
}

struct Line {
    role: String,
    source: String,
    since: When,
    expires: Option<When>,
}

/// Names for the sources of grants.
pub(crate) struct Sources {
    people: BTreeMap<UserId, String>,
    connections: BTreeMap<String, String>,
}

impl Sources {
    /// The names that this person may know.
    pub(crate) async fn read(
        desk: &Desk,
        actor: &guard::Actor,
        people: &[Reviewed],
    ) -> Result<Self, Trouble> {
        let people = people.iter().map(|person| (person.user, person.name.as_str().to_owned())).collect();
        let mut connections = BTreeMap::new();
        if may(desk, actor, Act::ReadConnections) {
            let at = Circumstances::at(desk.world.now());
            let permit: Permit<ReadConnections> =
                desk.guard.permit(actor, &Resource::Tenant(desk.tenant), &at)?;
            for one in desk.identity.connections(&permit).await? {
                connections.insert(one.id.to_string(), one.name);
            }
        }
        Ok(Self { people, connections })
    }

    /// A source in words.
    pub(crate) fn words(&self, source: &GrantSource) -> String {
        let who = |user: &Option<UserId>| match user {
            Some(user) => self.people.get(user).cloned().unwrap_or_else(|| user.to_string()),
            None => "an invitation or the operator".to_owned(),
        };
        match source {
            GrantSource::Hand(user) => format!("granted by {}", who(user)),
            GrantSource::Request(user) => format!("asked for; agreed by {}", who(user)),
            GrantSource::Connection(source) => {
                let known = self.connections.iter().find(|(id, _)| source.contains(id.as_str()));
                known.map_or_else(|| format!("directory {source}"), |(_, name)| format!("a group of {name}"))
            }
        }
    }
}

fn row(person: &Reviewed, sources: &Sources) -> Row {
    let line = |held: &Held| Line {
        role: in_words(&held.grant),
        source: sources.words(&held.source),
        since: When(held.since),
        expires: held.expires.map(When),
    };
    Row {
        id: person.user.to_string(),
        name: person.name.as_str().to_owned(),
        email: if person.service { "service account".to_owned() } else { person.email.as_str().to_owned() },
        service: person.service,
        active: person.active,
        used: person.used.map(When),
        held: person.held.iter().map(line).collect(),
    }
}

/// `GET /access-review`
pub(crate) async fn page(
    leave: Authorized<ReadUsers>,
    State(desk): State<Desk>,
    Query(wanted): Query<Wanted>,
) -> Answer {
    let shell = shell(&desk, &leave, "Access review", "/access-review").await?;
    let days = wanted.days.unwrap_or(DORMANT);
    if !(1..=3650).contains(&days) {
        return Err(invalid("This is not a number of days.", "Ask for 1 to 3650 days.").into());
    }
    let permit = leave.into_permit();
    let (actor, now) = (permit.actor().clone(), desk.world.now());
    let people = desk.identity.review(permit).await?;
    let sources = Sources::read(&desk, &actor, &people).await?;
    let dormant = people.iter().filter(|person| person.is_dormant(now, days)).map(|one| row(one, &sources));
    let dormant = dormant.collect();
    let rows = people.iter().map(|one| row(one, &sources)).collect();
    html(&Page { shell, days, dormant, rows })
}

/// As what the review is to be taken away.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExportForm {
    format: String,
}

/// `POST /access-review/export`: one row for each grant, and one for each account that holds nothing. The
/// event is written first.
pub(crate) async fn export(
    leave: Authorized<ReadUsers>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Form(form): Form<ExportForm>,
) -> Answer {
    let permit = leave.into_permit();
    let (actor, now) = (permit.actor().clone(), desk.world.now());
    let again: Permit<ReadUsers> =
        desk.guard.permit(&actor, &Resource::Tenant(desk.tenant), &Circumstances::at(now))?;
    let people = desk.identity.review(permit).await?;
    let sources = Sources::read(&desk, &actor, &people).await?;
    let (body, kind, name) = match form.format.as_str() {
        "csv" => (csv(&people, &sources, now), "text/csv; charset=utf-8", "access-review.csv"),
        "json" => (json(&people, &sources, now), "application/json", "access-review.json"),
        _ => return Err(invalid("There is no such format.", "Choose CSV or JSON.").into()),
    };
    desk.identity.review_exported(&again, people.len() as u64, &form.format, &via).await?;
    let disposition = format!("attachment; filename=\"{name}\"");
    Ok(([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, disposition)], body)
        .into_response())
}

const COLUMNS: [&str; 13] = [
    "account",
    "name",
    "email",
    "kind",
    "state",
    "made",
    "last_used",
    "dormant",
    "role",
    "scope",
    "source",
    "since",
    "expires",
];

/// The fields of every row of the review, in the order of the columns.
fn fields(people: &[Reviewed], sources: &Sources, now: Timestamp) -> Vec<[String; 13]> {
    let mut rows = Vec::new();
    for person in people {
        let time = |at: Option<Timestamp>| at.map(|at| at.rfc3339()).unwrap_or_default();
        let word = |yes, a: &str, b: &str| if yes { a.to_owned() } else { b.to_owned() };
        let all = |held: Option<&Held>| {
            [
                person.user.to_string(),
                person.name.as_str().to_owned(),
                if person.service { String::new() } else { person.email.as_str().to_owned() },
                word(person.service, "service", "person"),
                word(person.active, "active", "disabled"),
                person.made.rfc3339(),
                time(person.used),
                word(person.is_dormant(now, DORMANT), "yes", "no"),
                held.map(|held| held.grant.role.name().to_owned()).unwrap_or_default(),
                held.map(|held| held.grant.scope.to_string()).unwrap_or_default(),
                held.map(|held| sources.words(&held.source)).unwrap_or_default(),
                held.map(|held| held.since.rfc3339()).unwrap_or_default(),
                time(held.and_then(|held| held.expires)),
            ]
        };
        if person.held.is_empty() {
            rows.push(all(None));
        }
        rows.extend(person.held.iter().map(|held| all(Some(held))));
    }
    rows
}

/// RFC 4180, with what a spreadsheet would take for a formula made a text.
fn csv(people: &[Reviewed], sources: &Sources, now: Timestamp) -> String {
    let line = |fields: &mut dyn Iterator<Item = &str>| {
        let cells: Vec<String> = fields.map(cell).collect();
        format!("{}\r\n", cells.join(","))
    };
    let mut out = line(&mut COLUMNS.iter().copied());
    for row in fields(people, sources, now) {
        out.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    out
}

fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn json(people: &[Reviewed], sources: &Sources, now: Timestamp) -> String {
    let rows = fields(people, sources, now).into_iter().map(|row| {
        let pairs = COLUMNS.iter().zip(row).map(|(name, value)| {
            let value = if value.is_empty() { serde_json::Value::Null } else { value.into() };
            ((*name).to_owned(), value)
        });
        serde_json::Value::Object(pairs.collect())
    });
    let rows: Vec<_> = rows.collect();
    serde_json::json!({ "made": now.rfc3339(), "rows": rows }).to_string()
}

#[derive(Template)]
#[template(path = "groups.html")]
struct Groups {
    shell: Shell,
    rows: Vec<GroupRow>,
    connections: usize,
}

struct GroupRow {
    group: String,
    connection: String,
    link: String,
    brings: String,
    state: &'static str,
    /// Who holds it through this connection now.
    holders: Vec<(String, String)>,
}

/// `GET /groups`: what the groups of every provider bring, and who has it by them.
pub(crate) async fn groups(leave: Authorized<ReadConnections>, State(desk): State<Desk>) -> Answer {
    let shell = shell(&desk, &leave, "Groups", "/groups").await?;
    let permit = leave.into_permit();
    let connections = desk.identity.connections(&permit).await?;
    let people = match may(&desk, permit.actor(), Act::ReadUsers) {
        true => {
            let at = Circumstances::at(desk.world.now());
            let all = Resource::Tenant(desk.tenant);
            desk.identity.review(desk.guard.permit(permit.actor(), &all, &at)?).await?
        }
        false => Vec::new(),
    };
    let mut rows = Vec::new();
    for one in &connections {
        let id = one.id.to_string();
        let mut brought: Vec<(String, guard::Grant)> =
            one.settings.people.mapping.iter().map(|row| (row.group.clone(), row.grant.clone())).collect();
        brought.extend(one.settings.people.default.clone().map(|grant| ("(everybody)".to_owned(), grant)));
        for (group, grant) in brought {
            let by_it = |held: &Held| {
                held.grant == grant
                    && matches!(&held.source, GrantSource::Connection(source) if source.contains(&id))
            };
            let holders = people.iter().filter(|person| person.held.iter().any(by_it));
            rows.push(GroupRow {
                group,
                connection: one.name.clone(),
                link: format!("/connections/{id}"),
                brings: in_words(&grant),
                state: one.state.as_str(),
                holders: holders
                    .map(|person| (person.user.to_string(), person.name.as_str().to_owned()))
                    .collect(),
            });
        }
    }
    html(&Groups { shell, rows, connections: connections.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_a_formula_nor_two_cells() {
        assert_eq!(cell("Ada"), "\"Ada\"");
        assert_eq!(
            cell("=HYPERLINK(\"https://evil.example\")"),
            "\"'=HYPERLINK(\"\"https://evil.example\"\")\""
        );
        assert_eq!(cell("a,b\r\nc"), "\"a,b\r\nc\"");
        for start in ["+1", "-1", "@x", "\tx"] {
            assert!(cell(start).starts_with("\"'"), "{start}");
        }
    }
}
