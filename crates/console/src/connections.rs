//! Through which providers people sign in: making a connection, trying it, saying what its groups mean,
//! and switching it on.

use std::fmt::Write as _;

use askama::Template;
use axum::extract::State;
use doors::{Authorized, Form, Path, Query};
use federation::assurance::{About, Assurance, Rule};
use guard::action::{ManageConnections, ReadConnections};
use guard::{Act, Grant, Role};
use identity::SignInRule;
use identity::connections::{
    ConnectionView, Domain, Draft, DraftProvider, GroupRole, People, Provider, Serves, Settings, Trial,
    Unsaid, Wish,
};
use kernel::{ConnectionId, Secret, UserId};
use serde::Deserialize;
use store::connections::{ConnectionKind, ConnectionState};

use crate::Desk;
use crate::desk::roles;
use crate::doorstep::Crumbs;
use crate::page::{Shell, When, html, may, see, shell};
use crate::provisioning::Directory;
use crate::saml::SamlWords;
use crate::sso::depart;
use crate::trouble::{Answer, Trouble, invalid, sentence};
use crate::users::in_words;
use crate::via::ByDoor;

/// What the page was reached by.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "connections.html")]
struct ListPage {
    shell: Shell,
    rows: Vec<Row>,
    manages: bool,
    only: bool,
    glass: Vec<Glass>,
    people: Vec<(String, String)>,
}

struct Row {
    id: String,
    name: String,
    kind: &'static str,
    state: &'static str,
    tone: &'static str,
    provider: String,
    domains: String,
}

impl Row {
    fn new(view: &ConnectionView) -> Self {
        let (state, tone) = match view.state {
            ConnectionState::Draft => ("Draft", "warn"),
            ConnectionState::Enabled => ("Enabled", "good"),
            ConnectionState::Disabled => ("Disabled", "bad"),
        };
        let provider = match &view.settings.provider {
            Provider::Oidc(oidc) => oidc.issuer.clone(),
            Provider::Saml(saml) => saml.idp_entity_id.clone(),
        };
        let domains: Vec<String> = view
            .domains
            .iter()
            .map(|row| match row.proved {
                Some(_) => row.domain.clone(),
                None => format!("{} (not proved)", row.domain),
            })
            .collect();
        let (id, name, kind) = (view.id.to_string(), view.name.clone(), kind(view.kind));
        Self { id, name, kind, state, tone, provider, domains: domains.join(", ") }
    }
}

fn kind(kind: ConnectionKind) -> &'static str {
    match kind {
        ConnectionKind::Oidc => "OpenID Connect",
        ConnectionKind::Saml => "SAML 2.0",
    }
}

/// `GET /connections`
pub(crate) async fn list(
    leave: Authorized<ReadConnections>,
    State(desk): State<Desk>,
    Query(wanted): Query<Wanted>,
) -> Answer {
    let manages = may(&desk, leave.permit().actor(), Act::ManageConnections) || steps_up(&leave);
    let shell = shell(&desk, &leave, "Sign-in", "/connections").await?.after(wanted.done.as_deref());
    let rows = desk.identity.connections(leave.permit()).await?;
    let SignInRule { only, glass: named } = desk.identity.sign_in_rule(leave.permit()).await?;
    let (mut glass, mut people) = (Vec::new(), Vec::new());
    if manages {
        for who in desk.identity.colleagues(leave.permit()).await? {
            let (id, words) =
                (who.user.to_string(), format!("{}, {}", who.name.as_str(), who.email.as_str()));
            match named.iter().find(|(user, _)| *user == who.user) {
                Some((_, armed)) => glass.push(Glass { id, words, armed: armed.map(When) }),
                None => people.push((id, words)),
            }
        }
    }
    html(&ListPage { shell, rows: rows.iter().map(Row::new).collect(), manages, only, glass, people })
}

/// Whether somebody could manage connections after proving again who they are: the forms are shown, and
/// whoever sends one is asked for the proof.
fn steps_up(leave: &Authorized<ReadConnections>) -> bool {
    let staff = leave.permit().actor().staff();
    staff.is_some_and(|staff| {
        staff.grants.iter().any(|grant| matches!(grant.role, Role::Owner | Role::SecurityAdmin))
    })
}

/// A provider that speaks OpenID Connect.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OidcForm {
    name: String,
    issuer: String,
    client: String,
    secret: String,
}

/// `POST /connections/oidc`
pub(crate) async fn make_oidc(
    leave: Authorized<ManageConnections>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Form(OidcForm { name, issuer, client, secret }): Form<OidcForm>,
) -> Answer {
    let provider = DraftProvider::Oidc { issuer, client, secret: Secret::new(secret) };
    let id = desk.identity.make_connection(leave.into_permit(), Draft { name, provider }, &via).await?;
    see(&format!("/connections/{id}?done=made"))
}

#[derive(Template)]
#[template(path = "connection.html")]
struct OnePage {
    shell: Shell,
    row: Row,
    oidc: bool,
    enabled: bool,
    manages: bool,
    answers: String,
    logouts: Option<String>,
    saml: Option<SamlWords>,
    signatures: String,
    client: Option<String>,
    /// Who signs in through it: the values and words of the choice, and what is chosen.
    serves: [(&'static str, &'static str); 3],
    serves_now: &'static str,
    /// What the provider is told for people who chat.
    visitors: Option<[String; 3]>,
    created: When,
    changed: When,
    people: PeopleWords,
    roles: Vec<(&'static str, &'static str)>,
    domains: Vec<(String, Option<When>, String)>,
    domains_text: String,
    directory: Directory,
}

/// Who signs in through a connection: as the form sends it, in words, and as it is set.
const SERVES: [(&str, &str, Serves); 3] = [
    ("staff", "staff, here", Serves::Staff),
    ("visitors", "people who chat, at the public door", Serves::Visitors),
    ("both", "both, each at their own door", Serves::Both),
];

/// What people are here, as the form shows it.
struct PeopleWords {
    create: bool,
    default: String,
    email: String,
    name: String,
    groups: String,
    refuse_unsaid: bool,
    mapping: String,
    assurance: String,
}

impl PeopleWords {
    fn new(people: &People) -> Self {
        let mut mapping = String::new();
        for GroupRole { group, grant } in &people.mapping {
            let _ = writeln!(mapping, "{group} = {}", spelled(grant));
        }
        let mut assurance = String::new();
        for Rule { about, value, level } in people.assurance.rules() {
            let about = match about {
                About::Context => "context",
                About::Method => "method",
            };
            let _ = writeln!(assurance, "{about} {value} = {level}");
        }
        Self {
            create: people.create,
            default: people.default.as_ref().map(|grant| grant.role.name().to_owned()).unwrap_or_default(),
            email: people.email.clone(),
            name: people.name.clone(),
            groups: people.groups.clone().unwrap_or_default(),
            refuse_unsaid: people.unsaid == Unsaid::Refuse,
            mapping,
            assurance,
        }
    }
}

/// `role`, or `role on bot`.
fn spelled(grant: &Grant) -> String {
    match &grant.scope {
        guard::Scope::Tenant => grant.role.name().to_owned(),
        guard::Scope::Bot(bot) => format!("{} on {bot}", grant.role.name()),
    }
}

/// `GET /connections/{connection}`
pub(crate) async fn one(
    leave: Authorized<ReadConnections>,
    State(desk): State<Desk>,
    Path(connection): Path<ConnectionId>,
    Query(wanted): Query<Wanted>,
) -> Answer {
    let manages = may(&desk, leave.permit().actor(), Act::ManageConnections) || steps_up(&leave);
    let view = desk.identity.connection(leave.permit(), connection).await?;
    let title = format!("Sign-in: {}", view.name);
    let shell = shell(&desk, &leave, title, "/connections").await?.after(wanted.done.as_deref());
    let mut domains = Vec::new();
    for row in &view.domains {
        let word = match (row.proved, Domain::parse(&row.domain)) {
            (None, Some(domain)) => desk.identity.domain_word(&domain).await?,
            _ => String::new(),
        };
        domains.push((row.domain.clone(), row.proved.map(When), word));
    }
    let now = leave.permit().decided_at();
    let (signatures, client, saml) = match &view.settings.provider {
        Provider::Oidc(oidc) => {
            let names: Vec<&str> = oidc.algorithms.iter().map(|algorithm| algorithm.name()).collect();
            (names.join(", "), Some(oidc.client.clone()), None)
        }
        Provider::Saml(saml) => ("the pinned certificates".to_owned(), None, Some(SamlWords::new(saml, now))),
    };
    let provisioned = desk.identity.directory(leave.into_permit(), connection).await?;
    let directory = Directory::new(&desk.origin, provisioned, desk.world.now());
    html(&OnePage {
        shell,
        row: Row::new(&view),
        oidc: view.kind == ConnectionKind::Oidc,
        enabled: view.state == ConnectionState::Enabled,
        manages,
        answers: view.answers.clone(),
        logouts: view.logouts.clone(),
        saml,
        signatures,
        client,
        serves: SERVES.map(|(value, words, _)| (value, words)),
        serves_now: SERVES.iter().find(|row| row.2 == view.settings.serves).map_or("staff", |row| row.0),
        visitors: view.visitors.clone(),
        created: When(view.created),
        changed: When(view.changed),
        people: PeopleWords::new(&view.settings.people),
        roles: roles(&desk).await?.into_iter().filter(|(name, _)| *name != Role::Owner.name()).collect(),
        domains_text: view.domains.iter().map(|row| row.domain.clone()).collect::<Vec<_>>().join(" "),
        domains,
        directory,
    })
}

/// What the people of a connection are here.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PeopleForm {
    name: String,
    /// As it is, when the form does not say.
    serves: Option<String>,
    create: Option<String>,
    default: String,
    email_claim: String,
    name_claim: String,
    groups_claim: String,
    unsaid: String,
    mapping: String,
    assurance: String,
}

impl PeopleForm {
    fn people(&self) -> Result<People, Trouble> {
        let groups = self.groups_claim.trim();
        Ok(People {
            create: self.create.is_some(),
            default: match self.default.trim() {
                "" => None,
                role => Some(grant_of(role)?),
            },
            email: self.email_claim.trim().to_owned(),
            name: self.name_claim.trim().to_owned(),
            groups: (!groups.is_empty()).then(|| groups.to_owned()),
            unsaid: if self.unsaid == "no-group" { Unsaid::NoGroup } else { Unsaid::Refuse },
            mapping: lines(&self.mapping).map(mapped).collect::<Result<_, _>>()?,
            assurance: Assurance::new(lines(&self.assurance).map(ruled).collect::<Result<_, _>>()?),
        })
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// `GROUP = ROLE` or `GROUP = ROLE on BOT`; the group may hold an equals sign itself.
fn mapped(line: &str) -> Result<GroupRole, Trouble> {
    let (group, role) = line.rsplit_once('=').ok_or_else(|| unreadable("A group's line cannot be read."))?;
    Ok(GroupRole { group: group.trim().to_owned(), grant: grant_of(role.trim())? })
}

fn grant_of(text: &str) -> Result<Grant, Trouble> {
    let (role, scope) = match text.split_once(" on ") {
        None => (text, guard::Scope::Tenant),
        Some((role, bot)) => {
            let bot =
                kernel::BotName::new(bot.trim()).map_err(|error| invalid(sentence(&error), "Correct it."))?;
            (role.trim(), guard::Scope::Bot(bot))
        }
    };
    let role = role.parse().map_err(|_| unreadable("There is no such role."))?;
    Ok(Grant { role, scope })
}

/// `context VALUE = LEVEL` or `method VALUE = LEVEL`.
fn ruled(line: &str) -> Result<Rule, Trouble> {
    let refuse = || unreadable("A line on assurance cannot be read.");
    let (what, level) = line.rsplit_once('=').ok_or_else(refuse)?;
    let (about, value) = what.trim().split_once(' ').ok_or_else(refuse)?;
    let about = match about {
        "context" => About::Context,
        "method" => About::Method,
        _ => return Err(refuse()),
    };
    let level = level.trim().parse().map_err(|_| refuse())?;
    Ok(Rule { about, value: value.trim().to_owned(), level })
}

fn unreadable(detail: &'static str) -> Trouble {
    invalid(detail, "Go back and correct it; the hint below the field shows the form of a line.").into()
}

/// `POST /connections/{connection}`
pub(crate) async fn set(
    leave: Authorized<ManageConnections>,
    State(desk): State<Desk>,
    Path(connection): Path<ConnectionId>,
    ByDoor(via): ByDoor,
    Form(form): Form<PeopleForm>,
) -> Answer {
    let (_, settings) = desk.identity.settings_of(leave.permit(), connection).await?;
    let serves = match &form.serves {
        Some(word) => SERVES.iter().find(|row| row.0 == word).map(|row| row.2),
        None => Some(settings.serves),
    };
    let serves = serves.ok_or_else(|| unreadable("Nobody signs in so."))?;
    let settings = Settings { people: form.people()?, serves, ..settings };
    desk.identity.set_connection(leave.into_permit(), connection, &form.name, settings, &via).await?;
    see(&format!("/connections/{connection}?done=saved"))
}

/// Another client secret.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecretForm {
    secret: String,
}

/// `POST /connections/{connection}/secret`
pub(crate) async fn secret(
    leave: Authorized<ManageConnections>,
    State(desk): State<Desk>,
    Path(connection): Path<ConnectionId>,
    ByDoor(via): ByDoor,
    Form(SecretForm { secret }): Form<SecretForm>,
) -> Answer {
    let permit = leave.into_permit();
    desk.identity.set_connection_secret(permit, connection, Secret::new(secret), &via).await?;
    see(&format!("/connections/{connection}?done=saved"))
}

/// On or off.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SwitchForm {
    on: String,
}

/// `POST /connections/{connection}/switch`
pub(crate) async fn switch(
    leave: Authorized<ManageConnections>,
    State(desk): State<Desk>,
    Path(connection): Path<ConnectionId>,
    ByDoor(via): ByDoor,
    Form(SwitchForm { on }): Form<SwitchForm>,
) -> Answer {
    desk.identity.switch_connection(leave.into_permit(), connection, on == "yes", &via).await?;
    see(&format!("/connections/{connection}?done=switched"))
}

/// The domains of a connection.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DomainsForm {
    domains: String,
}

/// `POST /connections/{connection}/domains`
pub(crate) async fn domains(
    leave: Authorized<ManageConnections>,
    State(desk): State<Desk>,
    Path(connection): Path<ConnectionId>,
    ByDoor(via): ByDoor,
    Form(DomainsForm { domains }): Form<DomainsForm>,
) -> Answer {
    let words = domains.split([' ', ',', '\n', '\r', '\t']).filter(|word| !word.is_empty());
    let domains: Option<Vec<Domain>> = words.map(Domain::parse).collect();
    let domains = domains.filter(|all| all.len() <= 100).ok_or_else(|| {
        Trouble::from(invalid(
            "A domain cannot be read.",
            "Write domains like corp.example, with spaces between.",
        ))
    })?;
    desk.identity.set_domains(leave.into_permit(), connection, &domains, &via).await?;
    see(&format!("/connections/{connection}?done=saved"))
}

/// A domain to be proved.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProveForm {
    domain: String,
}

/// `POST /connections/{connection}/domains/prove`
pub(crate) async fn prove(
    leave: Authorized<ManageConnections>,
    State(desk): State<Desk>,
    Path(connection): Path<ConnectionId>,
    ByDoor(via): ByDoor,
    Form(ProveForm { domain }): Form<ProveForm>,
) -> Answer {
    let domain =
        Domain::parse(&domain).ok_or_else(|| invalid("This is no domain.", "Write it like corp.example."))?;
    desk.identity.prove_domain(leave.into_permit(), connection, &domain, &via).await?;
    see(&format!("/connections/{connection}?done=saved"))
}

/// `GET /connections/{connection}/try`: away to the provider, for a trial.
pub(crate) async fn begin_trial(
    leave: Authorized<ManageConnections>,
    State(desk): State<Desk>,
    Path(connection): Path<ConnectionId>,
) -> Answer {
    let wish = Wish::trial(leave.permit()).map_err(identity::IdentityError::from)?;
    depart(&desk, connection, wish).await
}

#[derive(Template)]
#[template(path = "connection_trial.html")]
struct TrialPage {
    shell: Shell,
    id: String,
    trial: Trial,
    roles: Vec<String>,
}

/// `GET /connections/{connection}/trial`
pub(crate) async fn trial(
    leave: Authorized<ReadConnections>,
    State(desk): State<Desk>,
    crumbs: Crumbs,
    Path(connection): Path<ConnectionId>,
) -> Answer {
    let shell = shell(&desk, &leave, "Trial sign-in", "/connections").await?;
    let trial = desk.identity.trial(leave.permit(), crumbs.ceremony()?).await?;
    let roles = trial.preview.iter().flat_map(|preview| preview.roles.iter().map(in_words)).collect();
    html(&TrialPage { shell, id: connection.to_string(), trial, roles })
}

/// Who signs in without a provider.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleForm {
    only: String,
}

/// `POST /sign-in-rule`
pub(crate) async fn rule(
    leave: Authorized<ManageConnections>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Form(RuleForm { only }): Form<RuleForm>,
) -> Answer {
    desk.identity.set_only_connections(leave.into_permit(), only == "yes", &via).await?;
    see("/connections?done=saved")
}

/// A break-glass account as the page shows it.
struct Glass {
    id: String,
    words: String,
    armed: Option<When>,
}

/// A break-glass account, named or no longer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GlassForm {
    user: UserId,
    named: String,
}

/// `POST /break-glass`
pub(crate) async fn glass(
    leave: Authorized<ManageConnections>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Form(GlassForm { user, named }): Form<GlassForm>,
) -> Answer {
    desk.identity.name_break_glass(leave.into_permit(), user, named == "yes", &via).await?;
    see("/connections?done=saved")
}

/// A break-glass account, armed for hours or disarmed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ArmForm {
    user: UserId,
    hours: Option<u32>,
}

/// `POST /break-glass/arm`
pub(crate) async fn arm(
    leave: Authorized<ManageConnections>,
    State(desk): State<Desk>,
    ByDoor(via): ByDoor,
    Form(ArmForm { user, hours }): Form<ArmForm>,
) -> Answer {
    desk.identity.arm_break_glass(leave.into_permit(), user, hours, &via).await?;
    see("/connections?done=saved")
}
