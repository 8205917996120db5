//! `wardroom scim ...`: the tokens with which directories provision people, for whoever has the machine's
//! command line. What changes something is in the audit log under the operator's name.

use std::process::ExitCode;

use clap::Subcommand;
use guard::Permit;
use guard::action::{ManageConnections, ReadConnections};
use identity::Identity;
use identity::directory::Tally;
use kernel::{ConnectionId, DirectoryTokenId};
use store::Via;

use crate::cli::Place;
use crate::wiring::Foundation;
use crate::{Failure, read, up};

#[derive(Debug, Subcommand)]
pub(crate) enum ScimCommand {
    /// Show the connections, what their directories have provisioned, and their tokens
    List {
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a token for the directory of a connection; it is printed once
    Token {
        /// The connection's id, as `wardroom scim list` shows it
        connection: ConnectionId,
        /// How many days it is good, 365 at most
        #[arg(long, default_value_t = 180)]
        days: u16,
        #[command(flatten)]
        place: Place,
    },
    /// Revoke a token, from the next request on
    Revoke {
        /// The connection's id
        connection: ConnectionId,
        /// The token's id, as `wardroom scim list` shows it
        token: DirectoryTokenId,
        #[command(flatten)]
        place: Place,
    },
}

impl ScimCommand {
    const fn place(&self) -> &Place {
        match self {
            Self::List { place, .. } | Self::Token { place, .. } | Self::Revoke { place, .. } => place,
        }
    }
}

/// Runs one.
pub(crate) async fn run(command: ScimCommand) -> Result<ExitCode, Failure> {
    let (place, via) = (command.place().clone(), Via::default());
    let config = read(&place)?;
    let base = Foundation::open(&place.data, &config, false).await?;
    let identity = up::identity(&base, &up::staff_origin(&place.data, &config)).await?;
    match command {
        ScimCommand::List { json, .. } => list(&base, &identity, json).await?,
        ScimCommand::Token { connection, days, .. } => {
            let permit: Permit<ManageConnections> = base.leave()?;
            let token = identity.make_directory_token(permit, connection, days, &via).await?;
            println!("{}", token.expose());
        }
        ScimCommand::Revoke { connection, token, .. } => {
            let permit: Permit<ManageConnections> = base.leave()?;
            identity.revoke_directory_token(permit, connection, token, &via).await?;
            println!("the token opens nothing any more");
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(base: &Foundation, identity: &Identity, json: bool) -> Result<(), Failure> {
    let now = base.world.now();
    let mut told = Vec::new();
    for view in identity.connections(&base.leave::<ReadConnections>()?).await? {
        let (tally, tokens) = identity.directory(base.leave()?, view.id).await?;
        if json {
            let tokens = tokens.iter().map(|token| {
                serde_json::json!({
                    "id": token.id, "live": token.is_live(now), "made": token.created.rfc3339(),
                    "ends": token.expires.rfc3339(), "used": token.used.map(|at| at.rfc3339()),
                })
            });
            told.push(serde_json::json!({
                "connection": view.id, "name": view.name, "people": tally.people, "accounts": tally.accounts,
                "active": tally.active, "groups": tally.groups, "tokens": tokens.collect::<Vec<_>>(),
            }));
            continue;
        }
        let Tally { people, accounts, groups, .. } = tally;
        let mut lines = format!(
            "{}  {}: {people} people, {accounts} with an account, {groups} groups",
            view.id, view.name
        );
        for token in tokens {
            let state = if token.is_live(now) { "live" } else { "ended" };
            let used = token.used.map_or_else(|| "never".to_owned(), |at| at.rfc3339());
            let ends = token.expires.rfc3339();
            lines.push_str(&format!("\n  token {}  {state}, until {ends}, last used {used}", token.id));
        }
        told.push(lines.into());
    }
    if json {
        println!("{}", serde_json::Value::from(told));
    } else if told.is_empty() {
        println!("there is no connection; the console's page Sign-in makes one");
    } else {
        told.iter().filter_map(serde_json::Value::as_str).for_each(|lines| println!("{lines}"));
    }
    Ok(())
}
