//! `wardroom api-key ...`: keys for programs, for whoever has the machine's command line.

use std::path::Path;
use std::process::ExitCode;

use guard::action::{MakeApiKey, ReadApiKeys, RevokeApiKey};
use guard::{Action, Circumstances, Permit, Resource};
use identity::api_keys::{KeyView, KeyWish};
use kernel::{ApiKeyId, Secret, UserId};
use store::Via;

use crate::Failure;
use crate::cli::ApiKeyCommand;
use crate::config::Config;
use crate::people::People;

/// `api-key ...`
pub(crate) async fn run(command: ApiKeyCommand, data: &Path, config: &Config) -> Result<ExitCode, Failure> {
    let people = People::open(data, config).await?;
    let via = Via::default();
    match command {
        ApiKeyCommand::Create { owner, name, acts, scope, days, sources, json, .. } => {
            let owner = people.find(&owner).await?.id;
            let permit = leave::<MakeApiKey>(&people, owner)?;
            let wish = KeyWish { owner, name, acts, scope, days, sources };
            let (id, text) = people.identity.make_key(permit, wish, &via).await?;
            shown_once(id, &text, json);
        }
        ApiKeyCommand::List { json, .. } => {
            let permit: Permit<ReadApiKeys> = people.base.leave()?;
            list(&people, &people.identity.keys(permit).await?, json);
        }
        ApiKeyCommand::Revoke { key, .. } => {
            let permit = leave::<RevokeApiKey>(&people, owner_of(&people, key).await?)?;
            people.identity.revoke_key(permit, key, &via).await?;
            println!("the key {key} opens nothing any more");
        }
        ApiKeyCommand::Rotate { key, days, json, .. } => {
            let permit = leave::<MakeApiKey>(&people, owner_of(&people, key).await?)?;
            let (id, text) = people.identity.rotate_key(permit, key, days, &via).await?;
            shown_once(id, &text, json);
            if !json {
                println!("the old key lives on; once nothing uses it: wardroom api-key revoke {key}");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn leave<A: Action>(people: &People, user: UserId) -> Result<Permit<A>, Failure> {
    let base = &people.base;
    let (thing, now) = (Resource::Account { tenant: base.tenant, user }, Circumstances::at(base.world.now()));
    Ok(base.guard.permit(&base.operator(), &thing, &now)?)
}

async fn owner_of(people: &People, key: ApiKeyId) -> Result<UserId, Failure> {
    let owner = people.identity.owner_of_key(key).await?;
    owner.ok_or_else(|| format!("there is no key {key}; `wardroom api-key list` shows them all").into())
}

fn shown_once(id: ApiKeyId, text: &Secret<String>, json: bool) {
    if json {
        println!("{}", serde_json::json!({ "id": id, "key": text.expose() }));
        return;
    }
    println!("{}", text.expose());
    println!("This is the only time it is shown. Its id is {id}.");
}

fn list(people: &People, keys: &[KeyView], json: bool) {
    let now = people.base.world.now();
    let state = |key: &KeyView| match (key.revoked.is_some(), key.lives(now)) {
        (true, _) => "revoked",
        (false, true) => "lives",
        (false, false) => "expired",
    };
    if json {
        let rows = keys.iter().map(|key| {
            let acts: Vec<&str> = key.acts.iter().map(|act| act.name()).collect();
            serde_json::json!({
                "id": key.id, "owner": key.owner, "tag": key.tag, "name": key.name.as_str(), "state": state(key),
                "acts": acts, "scope": key.scope.to_string(), "sources": key.sources, "line": key.line,
                "made": key.made.rfc3339(), "expires": key.expires.rfc3339(),
                "used": key.used.map(|at| at.rfc3339()),
            })
        });
        println!("{}", serde_json::Value::from_iter(rows));
        return;
    }
    println!("{:<36}  {:<8}  {:<7}  {:<20}  {:<20}  NAME", "ID", "TAG", "STATE", "ENDS", "LAST USE");
    for key in keys {
        let used = key.used.map_or_else(|| "never".to_owned(), |at| at.rfc3339());
        let (ends, used) = (key.expires.rfc3339(), used.get(..19).unwrap_or(&used).to_owned());
        let ends = ends.get(..19).unwrap_or(&ends);
        println!(
            "{}  {:<8}  {:<7}  {ends:<20}  {used:<20}  {}",
            key.id,
            key.tag,
            state(key),
            key.name.as_str()
        );
        let acts: Vec<&str> = key.acts.iter().map(|act| act.name()).collect();
        println!("{:38}{} on {} for {}", "", acts.join(", "), key.scope, key.owner);
    }
}
