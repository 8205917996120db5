//! `wardroom user ...` and `wardroom role ...`: staff and their roles, for whoever has the machine's
//! command line, and why a decision falls as it does. What changes something is in the audit log under
//! the operator's name.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use console::LinkLetter;
use guard::action::{
    DefineRole, DisableUser, EnableUser, GrantRole, InviteUser, ReadPolicy, ReadUsers, ResetFactors,
    RevokeRole,
};
use guard::{Act, Action, Circumstances, CustomRole, Grant, Permit, Resource, Role, Scope};
use identity::{Identity, UserState, UserView};
use kernel::{Email, Reason, Secret, UserId};
use mail::Mailer;
use rulebook::{Explained, Stated, Thing, Who};
use store::Via;

use crate::Failure;
use crate::cli::{RoleCommand, UserCommand};
use crate::config::Config;
use crate::mail::NoRelay;
use crate::wiring::Foundation;
use crate::{invitations, up};

/// A deployment's people, and the operator who asks.
pub(crate) struct People {
    pub(crate) base: Foundation,
    pub(crate) identity: Identity,
    /// Where the console is.
    origin: String,
}

/// `user ...`
pub(crate) async fn user(command: UserCommand, data: &Path, config: &Config) -> Result<ExitCode, Failure> {
    let people = People::open(data, config).await?;
    let via = Via::default();
    match command {
        UserCommand::List { json, .. } => people.list(json).await?,
        UserCommand::Invite { role, scope, email, mail, .. } => {
            let email = email.as_deref().map(Email::new).transpose()?;
            // Before there is an invitation, so that none is left behind that nobody heard of.
            let mailer = if mail { Some(config.mail.mailer()?.ok_or(NoRelay)?) } else { None };
            let permit: Permit<InviteUser> = people.base.leave()?;
            let grant = Grant { role, scope };
            let role = words(&grant);
            let secret = people.identity.invite(permit, grant, email.clone(), &via).await?;
            let link = Secret::new(format!("{}/enrol#{}", people.origin, secret.expose()));
            let (Some(mailer), Some(to)) = (mailer, email) else {
                println!("good once, for 7 days: {}", link.expose());
                return Ok(ExitCode::SUCCESS);
            };
            let letter = LinkLetter { to, link, role, actor: people.base.operator(), via };
            return invite_by_mail(&people, &mailer, letter).await;
        }
        UserCommand::Service { name, answers, .. } => {
            let answers = people.find(&answers).await?.id;
            let permit: Permit<InviteUser> = people.base.leave()?;
            let user = people.identity.make_service(permit, name, answers, &via).await?;
            println!("{user}");
        }
        UserCommand::Disable { who, .. } => {
            let user = people.find(&who).await?;
            people.identity.disable(people.leave::<DisableUser>(&user, None)?, &via).await?;
            println!("`{who}` is disabled, and every session of theirs has ended");
        }
        UserCommand::Enable { who, reason, .. } => {
            let user = people.find(&who).await?;
            people.identity.enable(people.leave::<EnableUser>(&user, Some(&reason))?, &via).await?;
            println!("`{who}` may sign in again; their old sessions and API keys stay ended");
        }
        UserCommand::ResetMfa { who, .. } => {
            let user = people.find(&who).await?;
            let permit = people.leave::<ResetFactors>(&user, None)?;
            let secret = people.identity.reset_factors(permit, &via).await?;
            println!("their factors are gone and their sessions have ended; to enrol anew, once:");
            println!("{}/enrol#{}", people.origin, secret.expose());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Sends the link; prints it when the letter does not leave.
async fn invite_by_mail(people: &People, mailer: &Mailer, letter: LinkLetter) -> Result<ExitCode, Failure> {
    match invitations::send(&people.base, mailer, &people.origin, &letter).await {
        Ok(()) => {
            println!("the link is on its way to {}; it is good once, for 7 days", letter.to.as_str());
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            println!("the letter did not leave: {error}");
            println!("good once, for 7 days: {}", letter.link.expose());
            Ok(ExitCode::FAILURE)
        }
    }
}

/// `role ...`
pub(crate) async fn role(command: RoleCommand, data: &Path, config: &Config) -> Result<ExitCode, Failure> {
    let via = Via::default();
    match command {
        RoleCommand::List => print!("{}", guard::Guard::embedded()?.matrix()),
        RoleCommand::Grant { who, role, scope, reason, days, .. } => {
            let people = People::open(data, config).await?;
            let user = people.find(&who).await?;
            let expires =
                days.map(|days| people.base.world.now().after(Duration::from_secs(u64::from(days) * 86_400)));
            let role = people.role(&role).await?;
            let permit = people.leave::<GrantRole>(&user, Some(&reason))?;
            people.identity.grant(permit, Grant { role, scope }, expires, &via).await?;
            println!("`{who}` is {} from their next sign-in on", role.display());
        }
        RoleCommand::Revoke { who, role, scope, reason, .. } => {
            let people = People::open(data, config).await?;
            let user = people.find(&who).await?;
            let role = people.role(&role).await?;
            let permit = people.leave::<RevokeRole>(&user, Some(&reason))?;
            people.identity.revoke(permit, Grant { role, scope }, &via).await?;
            println!("`{who}` is no longer {}, and their sessions have ended", role.display());
        }
        RoleCommand::Made { json, .. } => People::open(data, config).await?.made(json).await?,
        RoleCommand::Define { name, actions, .. } => {
            let people = People::open(data, config).await?;
            let role = CustomRole::new(&name, actions)?;
            let permit: Permit<DefineRole> = people.base.leave()?;
            let holders = people.identity.define_role(permit, role, &via).await?;
            println!("`custom:{name}` gives {}; {holders} people hold it", acts(role));
        }
        RoleCommand::Retire { name, .. } => {
            let people = People::open(data, config).await?;
            let permit: Permit<DefineRole> = people.base.leave()?;
            // Says who is not there in better words than the room could.
            let name = name.strip_prefix("custom:").map_or_else(|| name.clone(), str::to_owned);
            people.role(&format!("custom:{name}")).await?;
            let holders = people.identity.retire_role(permit, name.clone(), &via).await?;
            println!("`custom:{name}` is gone; {holders} people held it, and their sessions have ended");
        }
        RoleCommand::Explain { who, action, on, reason, level, json, .. } => {
            let people = People::open(data, config).await?;
            let (who, thing) = (people.who(&who).await?, people.thing(&on).await?);
            let reason = reason.as_deref().map(Reason::new).transpose()?;
            let permit: Permit<ReadPolicy> = people.base.leave()?;
            let explained =
                people.base.rulebook.explain(&permit, &who, action, &thing, Stated { reason, level }).await?;
            return Ok(tell(&explained, json));
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl People {
    pub(crate) async fn open(data: &Path, config: &Config) -> Result<Self, Failure> {
        let base = Foundation::open(data, config, false).await?;
        let origin = up::staff_origin(data, config);
        let identity = up::identity(&base, &origin).await?;
        Ok(Self { base, identity, origin })
    }

    async fn all(&self) -> Result<Vec<UserView>, Failure> {
        let permit: Permit<ReadUsers> = self.base.leave()?;
        Ok(self.identity.users(permit).await?)
    }

    /// The account with this id or address.
    pub(crate) async fn find(&self, who: &str) -> Result<UserView, Failure> {
        let id: Option<UserId> = who.parse().ok();
        let address = Email::new(who).ok();
        let found = self.all().await?.into_iter().find(|user| {
            Some(user.id) == id || address.as_ref().is_some_and(|address| user.email == *address)
        });
        found.ok_or_else(|| format!("there is nobody `{who}`; `wardroom user list` shows everybody").into())
    }

    pub(crate) fn leave<A: Action>(
        &self,
        user: &UserView,
        reason: Option<&str>,
    ) -> Result<Permit<A>, Failure> {
        let mut now = Circumstances::at(self.base.world.now());
        if let Some(reason) = reason {
            now = now.because(Reason::new(reason)?);
        }
        let thing = Resource::Account { tenant: self.base.tenant, user: user.id };
        Ok(self.base.guard.permit(&self.base.operator(), &thing, &now)?)
    }

    async fn list(&self, json: bool) -> Result<(), Failure> {
        let users = self.all().await?;
        if json {
            let rows = users.iter().map(|user| {
                let roles: Vec<String> = user.grants.iter().map(words).collect();
                serde_json::json!({
                    "id": user.id, "email": user.email.as_str(), "name": user.name.as_str(),
                    "active": user.state == UserState::Active, "roles": roles,
                    "totp": user.factors.totp, "passkeys": user.factors.passkeys,
                    "last_login": user.last_login.map(|at| at.rfc3339()),
                })
            });
            println!("{}", serde_json::Value::from_iter(rows));
            return Ok(());
        }
        println!("{:<36}  {:<32}  {:<8}  {:<20}  ROLES", "ID", "EMAIL", "STATE", "LAST SIGN-IN");
        for user in users {
            let state = if user.state == UserState::Active { "active" } else { "disabled" };
            let last = user.last_login.map_or_else(|| "never".to_owned(), |at| at.rfc3339());
            let last = last.get(..19).unwrap_or(&last);
            let roles: Vec<String> = user.grants.iter().map(words).collect();
            println!(
                "{}  {:<32}  {state:<8}  {last:<20}  {}",
                user.id,
                user.email.as_str(),
                roles.join(", ")
            );
        }
        Ok(())
    }

    /// A role by its name; one that was made here as `custom:NAME`.
    async fn role(&self, name: &str) -> Result<Role, Failure> {
        let Some(made) = name.strip_prefix("custom:") else { return Ok(name.parse()?) };
        let found = self.identity.made_roles().await?.into_iter().find(|role| role.role.name() == made);
        found.map(|found| Role::Custom(found.role)).ok_or_else(|| {
            format!("there is no role `{name}`; `wardroom role made` shows those that were made here").into()
        })
    }

    async fn made(&self, json: bool) -> Result<(), Failure> {
        let roles = self.identity.made_roles().await?;
        if json {
            let rows = roles.iter().map(|made| {
                let acts: Vec<&str> = made.role.acts().map(Act::name).collect();
                serde_json::json!({
                    "name": format!("custom:{}", made.role.name()), "actions": acts, "made_by": made.made_by,
                    "made": made.made.rfc3339(),
                })
            });
            println!("{}", serde_json::Value::from_iter(rows));
            return Ok(());
        }
        if roles.is_empty() {
            println!("no role was made here; `wardroom role list` shows those that ship");
        }
        for made in roles {
            println!("custom:{}: {}", made.role.name(), acts(made.role));
        }
        Ok(())
    }

    /// Who asks: a person by id or address, `operator`, or a role by its name, as if somebody held it and
    /// nothing else.
    async fn who(&self, who: &str) -> Result<Who, Failure> {
        if who == "operator" {
            return Ok(Who::Operator);
        }
        match self.role(who).await {
            Ok(role) => Ok(Who::Role(role)),
            Err(_) => Ok(Who::User(self.find(who).await?.id)),
        }
    }

    /// What is asked about: an account by its address too.
    async fn thing(&self, on: &str) -> Result<Thing, Failure> {
        match on.strip_prefix("account/") {
            Some(who) => Ok(Thing::Account(self.find(who).await?.id)),
            None => Ok(on.parse()?),
        }
    }
}

/// What a role gives, as a list.
fn acts(role: CustomRole) -> String {
    let acts: Vec<&str> = role.acts().map(Act::name).collect();
    acts.join(", ")
}

/// Prints a decision; its exit status is the decision too.
fn tell(explained: &Explained, json: bool) -> ExitCode {
    let roles: Vec<&str> = explained.roles.iter().map(|role| role.name()).collect();
    let status = if explained.allowed { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if json {
        let told = match explained.allowed {
            true => serde_json::json!({ "decision": "allowed", "rule": explained.rule }),
            false => serde_json::json!({
                "decision": "refused", "rule": explained.rule, "reason": explained.reason,
                "remedy": explained.remedy, "visible": explained.visible, "roles": roles,
            }),
        };
        println!("{told}");
        return status;
    }
    if explained.allowed {
        println!("allowed by the rule `{}`", explained.rule);
        return status;
    }
    println!("refused by the rule `{}`: {}", explained.rule, explained.reason.as_deref().unwrap_or_default());
    println!("remedy: {}", explained.remedy.as_deref().unwrap_or_default());
    if !explained.visible {
        println!("they are not told that it exists: the door answers 404");
    }
    match roles.is_empty() {
        true => println!("no role alone could do this"),
        false => println!("a role that could: {}", roles.join(", ")),
    }
    status
}

fn words(grant: &Grant) -> String {
    match &grant.scope {
        Scope::Tenant => short(grant.role),
        scope => format!("{} ({scope})", short(grant.role)),
    }
}

/// A role's name, without what it gives.
fn short(role: Role) -> String {
    match role {
        Role::Custom(role) => format!("custom:{}", role.name()),
        role => role.name().to_owned(),
    }
}
