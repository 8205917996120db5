//! Sign-in attempts with their reasons, out of the audit log: those that were let in, those that were not,
//! and why.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State;
use doors::{Authorized, Query};
use guard::action::{ReadAudit, ReadUsers};
use guard::{Act, Circumstances, Permit, Resource};
use ledger::{Json, Record};
use serde::Deserialize;
use store::audit::{self as rows, Filter, Leaf};

use crate::Desk;
use crate::page::{Shell, When, chosen, html, may, shell};
use crate::trouble::{Answer, Trouble, invalid};

/// Attempts on one page.
const PAGE: u32 = 50;
/// The events that tell of an attempt.
const CODES: [&str; 5] = ["AUTH-1001I", "AUTH-1002W", "AUTH-1013W", "AUTH-1017W", "AUTH-1042W"];

/// What the list is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    show: Option<String>,
    before: Option<u64>,
}

#[derive(Template)]
#[template(path = "sign_ins.html")]
struct List {
    shell: Shell,
    refused_only: bool,
    rows: Vec<Row>,
    older: Option<String>,
}

struct Row {
    at: When,
    who: String,
    link: Option<String>,
    outcome: &'static str,
    tone: &'static str,
    why: String,
    code: String,
    source: String,
}

/// `GET /sign-ins`
pub(crate) async fn list(
    leave: Authorized<ReadAudit>,
    State(desk): State<Desk>,
    Query(wanted): Query<Wanted>,
) -> Answer {
    let shell = shell(&desk, &leave, "Sign-in attempts", "/sign-ins").await?;
    let refused_only = match chosen(&wanted.show) {
        None => false,
        Some("refused") => true,
        Some(_) => return Err(invalid("There is no such list.", "Choose one of those offered.").into()),
    };
    let permit = leave.into_permit();
    let names = names(&desk, permit.actor()).await?;
    let codes = CODES.iter().filter(|code| !refused_only || !code.ends_with("1001I"));
    let filters: Vec<Filter> = codes
        .map(|code| Filter {
            code: (*code).to_owned(),
            before: wanted.before,
            limit: PAGE,
            ..Filter::default()
        })
        .collect();
    let found = desk.db.read(move |tx| {
        let mut found = Vec::new();
        for filter in &filters {
            found.extend(rows::list(tx, &permit, filter)?);
        }
        Ok(found)
    });
    let mut found: Vec<Leaf> = found.await?;
    found.sort_by_key(|one| std::cmp::Reverse(one.index));
    let more = found.len() > PAGE as usize;
    found.truncate(PAGE as usize);
    let show = if refused_only { "show=refused&" } else { "" };
    let older = found.last().filter(|_| more).map(|last| format!("/sign-ins?{show}before={}", last.index));
    let rows = found.iter().map(|leaf| row(leaf, &names)).collect();
    html(&List { shell, refused_only, rows, older })
}

/// Names of accounts, when this person may know them.
async fn names(desk: &Desk, actor: &guard::Actor) -> Result<BTreeMap<String, String>, Trouble> {
    if !may(desk, actor, Act::ReadUsers) {
        return Ok(BTreeMap::new());
    }
    let at = Circumstances::at(desk.world.now());
    let permit: Permit<ReadUsers> = desk.guard.permit(actor, &Resource::Tenant(desk.tenant), &at)?;
    let users = desk.identity.users(permit).await?;
    Ok(users.into_iter().map(|user| (user.id.to_string(), user.name.as_str().to_owned())).collect())
}

fn row(leaf: &Leaf, names: &BTreeMap<String, String>) -> Row {
    let record = leaf.json.as_deref().and_then(|json| Record::parse(json).ok());
    let field = |name: &str| record.as_ref().and_then(|record| record.field(name)).and_then(Json::as_text);
    let user = field("user").or_else(|| field("owner"));
    let known = user.and_then(|user| names.get(user));
    let who = match (known, user, field("login")) {
        (Some(name), ..) => name.clone(),
        (None, Some(user), _) => user.to_owned(),
        (None, None, Some(login)) => format!("no account ({})", login.get(..8).unwrap_or(login)),
        _ => "unknown".to_owned(),
    };
    let (outcome, tone) = match leaf.code.as_str() {
        "AUTH-1001I" => ("Let in", "good"),
        "AUTH-1017W" => ("Break-glass", "warn"),
        _ => ("Refused", "bad"),
    };
    let why = match (field("method"), field("reason")) {
        (Some(method), _) => method.to_owned(),
        (None, Some(reason)) => in_words(reason).map_or_else(|| reason.to_owned(), str::to_owned),
        _ => String::new(),
    };
    let source = record
        .as_ref()
        .and_then(|record| record.json().get("src_endpoint")?.get("uid")?.as_text())
        .map(|source| source.get(..8).unwrap_or(source).to_owned());
    Row {
        at: When(leaf.at),
        link: known.and(user).map(|user| format!("/users/{user}")),
        who,
        outcome,
        tone,
        why,
        code: leaf.code.clone(),
        source: source.unwrap_or_default(),
    }
}

/// The reasons that are short words in the log.
fn in_words(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "password" => "wrong password",
        "factor" => "wrong code or passkey",
        "unknown" => "no such account",
        "disabled" => "the account is disabled, or signs in elsewhere",
        "throttled" => "too many attempts; not looked at",
        "assertion" => "the passkey's answer does not hold",
        "expired" => "the API key has expired",
        "revoked" => "the API key was ended",
        "source" => "the API key was shown from another address",
        "owner" => "the API key's account is disabled",
        "answers" => "nobody can answer for the API key's account",
        _ => return None,
    })
}
