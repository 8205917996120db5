//! The overview: what protects this deployment now, in one look.

use askama::Template;
use axum::extract::State;
use doors::Authorized;
use guard::action::{ReadAudit, ReadBots, ReadKeys, ReadOverview, ReadUsers};
use guard::{Act, Action, Actor, Circumstances, Permit, Resource};
use identity::UserState;
use store::keys::KeyState;
use store::{audit, bots, conversations, keys};

use crate::Desk;
use crate::desk::Finding;
use crate::page::{Shell, When, html, may, shell};
use crate::trouble::{Answer, Trouble};

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    shell: Shell,
    cards: Vec<Card>,
    findings: Vec<Shown>,
}

/// A finding as the page shows it.
struct Shown {
    what: String,
    /// The mend in pieces, and whether each is to be typed as it stands.
    mend: Vec<(bool, String)>,
}

impl From<Finding> for Shown {
    fn from(finding: Finding) -> Self {
        let pieces = finding.mend.split('`').enumerate();
        let mend =
            pieces.filter(|(_, piece)| !piece.is_empty()).map(|(at, piece)| (at % 2 == 1, piece.to_owned()));
        Self { what: finding.what, mend: mend.collect() }
    }
}

/// One protection.
struct Card {
    title: &'static str,
    tone: &'static str,
    state: String,
    facts: Vec<(&'static str, String)>,
    says: &'static str,
    link: Option<(&'static str, &'static str)>,
}

/// Days before the end of a certificate at which the card turns.
const SOON: u64 = 14;

/// `GET /`
pub(crate) async fn overview(leave: Authorized<ReadOverview>, State(desk): State<Desk>) -> Answer {
    let shell = shell(&desk, &leave, "Overview", "/").await?;
    let actor = leave.permit().actor().clone();
    let posture = (desk.posture)();
    let mut cards = vec![tls(&desk, &posture.tls), at_rest(&desk).await?, log(&desk, &actor).await?];
    cards.extend(people(&desk, &actor).await?);
    cards.push(live_bots(&desk, &actor).await?);
    cards.push(talks(&desk, leave.into_permit()).await?);
    let mut findings = posture.findings;
    findings.extend(unreviewed(&desk).await?);
    let findings = findings.into_iter().map(Shown::from).collect();
    html(&Overview { shell, cards, findings })
}

/// That a break-glass account was used and nobody has looked into it. Everybody sees it until somebody has.
async fn unreviewed(desk: &Desk) -> Result<Option<Finding>, Trouble> {
    let (open, overdue) = desk.identity.glass_open().await?;
    let what = match (open, overdue) {
        (0, _) => return Ok(None),
        (1, 0) => "A break-glass account was used, and nobody has looked into it yet.".to_owned(),
        (open, 0) => {
            format!("Break-glass accounts were used {open} times, and nobody has looked into it yet.")
        }
        (_, overdue) => format!("The review of a break-glass account is overdue ({overdue})."),
    };
    let mend = "An owner or security admin who is not the one that used it writes down, under Access, what it was \
                used for.";
    Ok(Some(Finding { what, mend: mend.to_owned() }))
}

/// Leave for somebody to look at the tenant as a whole, if they have it.
fn leave_for<A: Action>(desk: &Desk, actor: &Actor) -> Option<Permit<A>> {
    let now = Circumstances::at(desk.world.now());
    desk.guard.permit::<A>(actor, &Resource::Tenant(desk.tenant), &now).ok()
}

fn tls(desk: &Desk, tls: &crate::desk::TlsPosture) -> Card {
    let days = tls.ends.map(|ends| ends.since(desk.world.now()).as_secs() / 86_400);
    let (tone, state) = match days {
        Some(0) => ("bad", "Ends today or ended".to_owned()),
        Some(days) if days < SOON => ("warn", format!("Ends in {days} days")),
        _ => ("good", "Encrypted".to_owned()),
    };
    let mut facts = vec![
        ("Protocol", tls.versions.clone()),
        ("Key exchange", tls.groups.clone()),
        ("Certificate by", tls.issuer.clone()),
    ];
    facts.extend(tls.ends.map(|ends| ("It ends", When(ends).to_string())));
    facts.retain(|(_, value)| !value.is_empty());
    Card {
        title: "Connections",
        tone,
        state,
        facts,
        says: "Every connection to either door is encrypted; older protocols are not spoken at all.",
        link: None,
    }
}

async fn at_rest(desk: &Desk) -> Result<Card, Trouble> {
    let provider = desk.keys.keyring().provider();
    let healthy = desk.keys.keyring().health().is_ok();
    let mut facts = vec![("Cipher", "XAES-256-GCM".to_owned()), ("Root key", provider.to_string())];
    if let Some(permit) = leave_for::<ReadKeys>(desk, &desk.core()) {
        let now = desk.world.now();
        let versions = desk.db.read(move |tx| keys::list(tx, &permit)).await?;
        if let Some(key) = versions.iter().find(|key| key.state == KeyState::Active) {
            let days = now.since(key.created).as_secs() / 86_400;
            facts.push(("Tenant key", format!("version {}, {days} days old", key.version)));
            facts.push(("Keys under it", key.wraps.to_string()));
        }
    }
    let (tone, state) =
        if healthy { ("good", "Sealed".to_owned()) } else { ("bad", "Root key unreachable".to_owned()) };
    Ok(Card {
        title: "Encryption at rest",
        tone,
        state,
        facts,
        says: "Messages, names, tickets and bots are sealed before they reach the database; each conversation has its own key.",
        link: None,
    })
}

async fn log(desk: &Desk, actor: &Actor) -> Result<Card, Trouble> {
    let tenant = desk.tenant;
    let (frontier, checkpoint) = desk
        .db
        .read(move |tx| Ok((audit::frontier(tx, tenant)?, audit::last_checkpoint(tx, tenant)?)))
        .await?;
    let signed = checkpoint.map_or(0, |(size, _)| size);
    let mut facts = vec![("Events", frontier.size().to_string()), ("Signed", format!("the first {signed}"))];
    let (mut tone, mut state) = match signed {
        0 => ("warn", "Not signed yet".to_owned()),
        _ => ("good", "Signed".to_owned()),
    };
    let readable = leave_for::<ReadAudit>(desk, actor);
    let link = readable.as_ref().map(|_| ("/audit", "Look into it"));
    if let Some(permit) = readable {
        let last = desk.db.read(move |tx| {
            let only =
                |code: &str| audit::Filter { code: code.to_owned(), limit: 1, ..audit::Filter::default() };
            let mut found = audit::list(tx, &permit, &only("AUDT-1003"))?;
            found.extend(audit::list(tx, &permit, &only("AUDT-1004"))?);
            Ok(found.into_iter().max_by_key(|leaf| leaf.index))
        });
        match last.await? {
            Some(leaf) if leaf.code == "AUDT-1003I" => facts.push(("Verified", When(leaf.at).to_string())),
            Some(leaf) => {
                (tone, state) = ("bad", "Verification failed".to_owned());
                facts.push(("Failed", When(leaf.at).to_string()));
            }
            None => facts.push(("Verified", "not yet".to_owned())),
        }
    }
    let says = "Every act that matters is an entry that cannot be changed unnoticed; checkpoints are signed every minute.";
    Ok(Card { title: "Audit log", tone, state, facts, says, link })
}

async fn people(desk: &Desk, actor: &Actor) -> Result<Option<Card>, Trouble> {
    let Some(permit) = leave_for::<ReadUsers>(desk, actor) else { return Ok(None) };
    let mut users = desk.identity.users(permit).await?;
    let all = users.len();
    // Nobody signs in to a service account, so nobody is missing a factor there.
    users.retain(|user| !user.service);
    let strong = users.iter().filter(|user| user.factors.any()).count();
    let without = users.iter().filter(|user| user.state == UserState::Active && !user.factors.any()).count();
    let (tone, state) = match without {
        0 => ("good", "All have two factors".to_owned()),
        1 => ("warn", "One must enrol".to_owned()),
        many => ("warn", format!("{many} must enrol")),
    };
    let mut facts = vec![("Accounts", users.len().to_string()), ("With a second factor", strong.to_string())];
    if all > users.len() {
        facts.push(("Service accounts", (all - users.len()).to_string()));
    }
    let says = "Nobody signs in with a password alone. An account without a second factor can do nothing.";
    Ok(Some(Card { title: "People", tone, state, facts, says, link: Some(("/users", "See the people")) }))
}

async fn live_bots(desk: &Desk, actor: &Actor) -> Result<Card, Trouble> {
    let Some(permit) = leave_for::<ReadBots>(desk, &desk.core()) else {
        return Err(crate::trouble::nothing().into());
    };
    let all = desk.db.read(move |tx| bots::list(tx, &permit)).await?;
    let live = all.iter().filter(|bot| bot.active.is_some()).count();
    let mut facts = vec![("Live", live.to_string()), ("Without a release", (all.len() - live).to_string())];
    if let Some(last) = all.iter().map(|bot| bot.updated).max() {
        facts.push(("Last change", When(last).to_string()));
    }
    Ok(Card {
        title: "Bots",
        tone: if live > 0 { "good" } else { "warn" },
        state: if live > 0 { "Answering".to_owned() } else { "Nothing is live".to_owned() },
        facts,
        says: "A bot answers from a compiled, sealed release that passed its own tests.",
        link: may(desk, actor, Act::ReadBots).then_some(("/bots", "See the bots")),
    })
}

async fn talks(desk: &Desk, permit: Permit<ReadOverview>) -> Result<Card, Trouble> {
    let link = may(desk, permit.actor(), Act::ListConversations).then_some(("/conversations", "See them"));
    let counts = desk.db.read(move |tx| conversations::count(tx, &permit)).await?;
    let of = |state: &str| counts.iter().find(|(is, _)| is.as_str() == state).map_or(0, |(_, count)| *count);
    let waiting = of("handoff");
    let (tone, state) = match waiting {
        0 => ("good", "Nobody is waiting".to_owned()),
        _ => ("warn", format!("{waiting} handed to people")),
    };
    let facts = vec![
        ("Open", of("open").to_string()),
        ("Handed over", waiting.to_string()),
        ("Closed", of("closed").to_string()),
    ];
    let says = "Who reads what was said states a reason, and the audit log keeps it.";
    Ok(Card { title: "Conversations", tone, state, facts, says, link })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_typed_stands_apart_from_what_is_said_about_it() {
        let finding = Finding { what: "w".into(), mend: "Set `[tls]`, or `key`.".into() };
        let pieces = [(false, "Set "), (true, "[tls]"), (false, ", or "), (true, "key"), (false, ".")];
        assert_eq!(Shown::from(finding).mend, pieces.map(|(code, text)| (code, text.to_owned())));
    }
}
