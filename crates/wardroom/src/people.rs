//! `wardroom user ...` and `wardroom role ...`: staff and their roles, for whoever has the machine's
//! command line, and why a decision falls as it does. What changes something is in the audit log under
//! the operator's name.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use guard::action::{DisableUser, GrantRole, InviteUser, ReadUsers, ResetFactors, RevokeRole};
use guard::{Act, Action, Actor, Circumstances, Grant, Permit, Resource, Role, Scope, Staff};
use identity::{Identity, UserState, UserView};
use kernel::{BotName, ConversationId, Email, Reason, ReleaseId, UserId};
use store::Via;

use crate::Failure;
use crate::cli::{RoleCommand, UserCommand};
use crate::config::Config;
use crate::up;
use crate::wiring::Foundation;

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
        UserCommand::Invite { role, scope, email, .. } => {
            let email = email.as_deref().map(Email::new).transpose()?;
            let permit: Permit<InviteUser> = people.base.leave()?;
            let secret = people.identity.invite(permit, Grant { role, scope }, email, &via).await?;
            println!("good once, for 7 days: {}/enrol#{}", people.origin, secret.expose());
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
            let permit = people.leave::<GrantRole>(&user, Some(&reason))?;
            people.identity.grant(permit, Grant { role, scope }, expires, &via).await?;
            println!("`{who}` is {} from their next sign-in on", role.display());
        }
        RoleCommand::Revoke { who, role, scope, reason, .. } => {
            let people = People::open(data, config).await?;
            let user = people.find(&who).await?;
            let permit = people.leave::<RevokeRole>(&user, Some(&reason))?;
            people.identity.revoke(permit, Grant { role, scope }, &via).await?;
            println!("`{who}` is no longer {}, and their sessions have ended", role.display());
        }
        RoleCommand::Explain { who, action, on, reason, json, .. } => {
            let people = People::open(data, config).await?;
            let (actor, thing) = (people.actor(&who).await?, people.thing(&on).await?);
            let reason = reason.as_deref().map(Reason::new).transpose()?;
            return Ok(people.explain(&actor, action, &thing, reason, json));
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl People {
    pub(crate) async fn open(data: &Path, config: &Config) -> Result<Self, Failure> {
        let base = Foundation::open(data, config, false).await?;
        let port = config.console.listen.port();
        let origin = config.console.origin.clone().unwrap_or_else(|| format!("https://localhost:{port}"));
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

    /// Who asks: a person by id or address, `operator`, or a role by its name, as if somebody held it and
    /// nothing else, signed in a moment ago with a second factor.
    async fn actor(&self, who: &str) -> Result<Actor, Failure> {
        if who == "operator" {
            return Ok(self.base.operator());
        }
        let (user, grants) = match who.parse::<Role>() {
            Ok(role) => (self.base.world.id(), vec![Grant::everywhere(role)]),
            Err(_) => {
                let found = self.find(who).await?;
                (found.id, found.grants)
            }
        };
        Ok(self.staff(user, grants))
    }

    fn staff(&self, user: UserId, grants: Vec<Grant>) -> Actor {
        Actor::Staff(Staff {
            user,
            tenant: self.base.tenant,
            grants,
            assurance: 2,
            authenticated_at: self.base.world.now(),
            session: self.base.world.id(),
        })
    }

    /// What is asked about: `tenant`, `bot/NAME`, `release/ID`, `conversation/ID` or `account/WHO`.
    async fn thing(&self, on: &str) -> Result<Resource, Failure> {
        let (tenant, db) = (self.base.tenant, &self.base.db);
        let nothing = || -> Failure {
            format!(
                "there is no `{on}`; name `tenant`, `bot/NAME`, `release/ID`, `conversation/ID` or `account/WHO`"
            )
            .into()
        };
        match on.split_once('/') {
            None if on == "tenant" => Ok(Resource::Tenant(tenant)),
            Some(("bot", name)) => Ok(Resource::Bot { tenant, bot: BotName::new(name)? }),
            Some(("release", id)) => {
                let id: ReleaseId = id.parse().map_err(|_| nothing())?;
                let row = db.read(move |tx| store::bots::release(tx, tenant, id)).await?;
                Ok(row.ok_or_else(nothing)?.resource())
            }
            Some(("conversation", id)) => {
                let id: ConversationId = id.parse().map_err(|_| nothing())?;
                let row = db.read(move |tx| store::conversations::facts(tx, tenant, id)).await?;
                Ok(row.ok_or_else(nothing)?.resource())
            }
            Some(("account", who)) => Ok(Resource::Account { tenant, user: self.find(who).await?.id }),
            _ => Err(nothing()),
        }
    }

    /// Prints the decision; its exit status is the decision too.
    fn explain(
        &self,
        actor: &Actor,
        act: Act,
        thing: &Resource,
        reason: Option<Reason>,
        json: bool,
    ) -> ExitCode {
        let mut now = Circumstances::at(self.base.world.now());
        if let Some(reason) = reason {
            now = now.because(reason);
        }
        let holders = |act: Act| -> Vec<&'static str> {
            let alone = |role: &&Role| {
                let actor = self.staff(self.base.world.id(), vec![Grant::everywhere(**role)]);
                self.base.guard.decide(act, &actor, thing, &now).is_ok()
            };
            Role::ALL.iter().filter(alone).map(|role| role.name()).collect()
        };
        match self.base.guard.decide(act, actor, thing, &now) {
            Ok(rule) => {
                match json {
                    true => println!("{}", serde_json::json!({ "decision": "allowed", "rule": &*rule })),
                    false => println!("allowed by the rule `{rule}`"),
                }
                ExitCode::SUCCESS
            }
            Err(denied) => {
                let holders = holders(act);
                if json {
                    let told = serde_json::json!({
                        "decision": "refused", "rule": denied.rule(), "reason": denied.reason(),
                        "remedy": denied.remedy(), "visible": denied.visible(), "roles": holders,
                    });
                    println!("{told}");
                    return ExitCode::FAILURE;
                }
                println!("refused by the rule `{}`: {}", denied.rule(), denied.reason());
                println!("remedy: {}", denied.remedy());
                if !denied.visible() {
                    println!("they are not told that it exists: the door answers 404");
                }
                match holders.is_empty() {
                    true => println!("no role alone could do this"),
                    false => println!("a role that could: {}", holders.join(", ")),
                }
                ExitCode::FAILURE
            }
        }
    }
}

fn words(grant: &Grant) -> String {
    match &grant.scope {
        Scope::Tenant => grant.role.name().to_owned(),
        scope => format!("{} ({scope})", grant.role.name()),
    }
}
