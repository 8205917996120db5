//! The command line: what can be asked of the binary, in words that `--help` shows.

mod access;
#[cfg(test)]
mod documented;
mod holds;
mod keys;
mod mail;
mod policy;

use std::net::SocketAddr;
use std::path::PathBuf;

pub(crate) use access::{AccessCommand, ApiKeyCommand};
use bots::SecretName;
use clap::{Args, Parser, Subcommand};
use guard::{Act, Role, Scope};
pub(crate) use holds::HoldCommand;
use kernel::{BotName, ConversationId, Reason, SubjectId};
pub(crate) use keys::{KeysCommand, KeysPlace};
pub(crate) use mail::MailCommand;
pub(crate) use policy::PolicyCommand;

/// The secure-by-default platform for an enterprise's chatbots.
#[derive(Debug, Parser)]
#[command(name = "wardroom", version, disable_help_subcommand = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command that touches a deployment takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Place {
    /// The data directory.
    #[arg(long, value_name = "DIR", default_value = "wardroom-data", env = "WARDROOM_DATA")]
    pub(crate) data: PathBuf,
    /// The configuration file; unset: `wardroom.toml` in the data directory, if there is one.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything in one process; make what is missing; print where to go
    Up {
        #[command(flatten)]
        place: Place,
        /// Where the public door listens, for example `0.0.0.0:8443`
        #[arg(long, value_name = "ADDR", value_parser = address)]
        listen: Option<SocketAddr>,
        /// Where the staff door listens, for example `127.0.0.1:9443`
        #[arg(long, value_name = "ADDR", value_parser = address)]
        console: Option<SocketAddr>,
        /// Print one line of JSON when ready, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Make, check, test and publish bots
    #[command(subcommand)]
    Bot(BotCommand),
    /// Talk to a bot from the terminal
    Chat {
        /// A bot of this deployment, or a bot folder
        bot: String,
        #[command(flatten)]
        place: Place,
    },
    /// Prove, export and read the audit log
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Look after the keys: ages and states, rotation, destruction by two, the move to another root key
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Staff: list, invite, disable, reset second factors
    #[command(subcommand)]
    User(UserCommand),
    /// Roles for a while: ask, and agree to what somebody else asked for
    #[command(subcommand)]
    Access(AccessCommand),
    /// Keys for programs: make, list, revoke, rotate
    #[command(subcommand)]
    ApiKey(ApiKeyCommand),
    /// Directories that provision staff: what they have provisioned, and their tokens
    #[command(subcommand)]
    Scim(crate::scim::ScimCommand),
    /// Take, check and restore backups
    #[command(subcommand)]
    Backup(BackupCommand),
    /// Erase a person who chats: destroy their keys, for good
    Erase {
        #[command(flatten)]
        place: Place,
        /// The person's id
        #[arg(required_unless_present = "conversation", conflicts_with = "conversation")]
        subject: Option<SubjectId>,
        /// A conversation of theirs, when only that is known
        #[arg(long, value_name = "ID")]
        conversation: Option<ConversationId>,
        /// Why, in words; sealed beside the audit record
        #[arg(long, value_name = "TEXT", value_parser = Reason::new)]
        reason: Option<Reason>,
        /// Do it without asking again
        #[arg(long)]
        yes: bool,
    },
    /// Legal holds: what is under one is not erased
    #[command(subcommand)]
    Hold(HoldCommand),
    /// Roles, who holds them, and why a decision falls as it does
    #[command(subcommand)]
    Role(RoleCommand),
    /// Policies: try, propose, agree, put back
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Letters to staff: try the relay out
    #[command(subcommand)]
    Mail(MailCommand),
    /// Check firewall rules, and tell what they say of a request
    #[command(subcommand)]
    Waf(WafCommand),
    /// Check the posture of this deployment; each finding says how to mend it
    Doctor {
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Where to listen.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "must be an address and a port, for example `127.0.0.1:8443`".to_owned())
}

#[derive(Debug, Subcommand)]
pub(crate) enum WafCommand {
    /// Read and compile rules; the first mistake is shown with its file, its line and the mend
    Check {
        /// A rule file, a folder such as the OWASP Core Rule Set's, or `builtin`
        rules: String,
    },
    /// Tell which rules match which bytes of a request, after which transformations
    Explain {
        /// The request as it goes over the wire: request line, fields, an empty line, the body
        request: PathBuf,
        /// As if it came by the staff door
        #[arg(long)]
        staff: bool,
        /// As if it were of a conversation with this bot
        #[arg(long)]
        bot: Option<String>,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the configuration without starting anything
    Check {
        #[command(flatten)]
        place: Place,
    },
    /// Show the configuration in force; secrets stay references
    Show {
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum BotCommand {
    /// Make a bot folder to start from
    New {
        /// The bot's name, for example `help-desk`
        name: BotName,
        /// Where; unset: a folder of that name here
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Find every mistake in a bot folder
    Check {
        /// The bot folder
        dir: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Run the bot's own conversations
    Test {
        /// The bot folder
        dir: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Compile a bot folder into a release and put it live
    Push {
        /// The bot folder
        dir: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Keep the credentials that a bot needs, sealed; no bot folder may hold one
    #[command(subcommand)]
    Secret(SecretCommand),
    /// List bots and their releases
    List {
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Keep a secret, read from standard input so that it is in no shell history and no process list
    Set {
        /// The bot
        bot: BotName,
        /// The secret's name, for example `CRM_TOKEN`
        name: SecretName,
        #[command(flatten)]
        place: Place,
    },
    /// List the names of a bot's secrets; nobody reads a secret back
    List {
        /// The bot
        bot: BotName,
        #[command(flatten)]
        place: Place,
    },
    /// Forget a secret
    Remove {
        /// The bot
        bot: BotName,
        /// The secret's name
        name: SecretName,
        #[command(flatten)]
        place: Place,
    },
}

impl SecretCommand {
    /// Which deployment.
    pub(crate) fn place(&self) -> &Place {
        match self {
            Self::Set { place, .. } | Self::List { place, .. } | Self::Remove { place, .. } => place,
        }
    }

    /// Which bot.
    pub(crate) fn bot(&self) -> &BotName {
        match self {
            Self::Set { bot, .. } | Self::List { bot, .. } | Self::Remove { bot, .. } => bot,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Prove that the log is whole: of this deployment, or of an export
    Verify {
        #[command(flatten)]
        place: Place,
        /// An exported log, instead of the deployment's own
        #[arg(long, value_name = "DIR")]
        export: Option<PathBuf>,
        /// The verifier key that you noted earlier, or a file with it; unset: the one beside the log, which
        /// an intruder could have replaced
        #[arg(long, value_name = "VKEY")]
        key: Option<String>,
        /// An earlier checkpoint of yours that the log must still agree with
        #[arg(long, value_name = "FILE")]
        since: Option<PathBuf>,
        /// The log alone, without the messages and other rows
        #[arg(long)]
        log_only: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write the log as a C2SP tlog-tiles directory that others can verify
    Export {
        #[command(flatten)]
        place: Place,
        /// A folder that does not exist yet
        out: PathBuf,
    },
    /// Print the last events
    Tail {
        #[command(flatten)]
        place: Place,
        /// How many
        #[arg(short, long, default_value_t = 20)]
        lines: u32,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Show everybody, with roles and factors
    List {
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a link with which somebody enrols, once
    Invite {
        /// The role that comes with it
        #[arg(long)]
        role: Role,
        /// Where the role holds: `tenant` or `bot:NAME`
        #[arg(long, default_value = "tenant")]
        scope: Scope,
        /// The one address that may use the link
        #[arg(long)]
        email: Option<String>,
        /// Send the link there instead of printing it
        #[arg(long, requires = "email")]
        mail: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Make a service account, which nobody signs in to; grant it roles with `wardroom role grant`
    Service {
        /// Its name
        #[arg(value_parser = kernel::DisplayName::new)]
        name: kernel::DisplayName,
        /// Who answers for it and makes its keys: address or id
        #[arg(long, value_name = "WHO")]
        answers: String,
        #[command(flatten)]
        place: Place,
    },
    /// Disable an account; its sessions end at once
    Disable {
        /// Address or id
        who: String,
        #[command(flatten)]
        place: Place,
    },
    /// Let a disabled account in again; what ended with it stays ended
    Enable {
        /// Address or id
        who: String,
        /// Why; it goes, sealed, into the audit log
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        place: Place,
    },
    /// Take every second factor away; prints the link with which only they enrol anew
    ResetMfa {
        /// Address or id
        who: String,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    /// Take a backup of everything into one sealed file, while the deployment runs
    Create {
        #[command(flatten)]
        place: Place,
        /// The file to make
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Put a backup into a scratch database and check every record, chain and signature in it
    Verify {
        #[command(flatten)]
        place: Place,
        /// The backup
        file: PathBuf,
        /// Where the scratch database may be; unset: the data directory
        #[arg(long, value_name = "DIR")]
        scratch: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Check a backup as `verify` does, then put it into the database
    Restore {
        #[command(flatten)]
        place: Place,
        /// The backup
        file: PathBuf,
        /// Put it in the place of this same deployment's rows: what came after the backup is lost
        #[arg(long)]
        replace: bool,
        /// A list of erasures to replay, beside the data directory's own; may be given more than once
        #[arg(long, value_name = "FILE")]
        erasures: Vec<PathBuf>,
        /// Where the scratch database may be; unset: the data directory
        #[arg(long, value_name = "DIR")]
        scratch: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum RoleCommand {
    /// Show what each role may do
    List,
    /// Show the roles that were made here, and what they give
    Made {
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a role of actions, or change what it gives; whoever holds it signs in anew
    Define {
        /// Its name, for example `night-desk`
        name: String,
        /// What it gives, for example `transcript.list`
        #[arg(required = true)]
        actions: Vec<Act>,
        #[command(flatten)]
        place: Place,
    },
    /// End a role that was made here, and every grant of it
    Retire {
        /// Its name
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// Grant a role; it holds from the next sign-in on
    Grant {
        /// Address or id
        who: String,
        /// The role; one that was made here as `custom:NAME`
        role: String,
        /// Where it holds: `tenant` or `bot:NAME`
        #[arg(long, default_value = "tenant")]
        scope: Scope,
        /// Why; it goes, sealed, into the audit log
        #[arg(long)]
        reason: String,
        /// For how many days; unset: until it is taken away
        #[arg(long)]
        days: Option<u16>,
        #[command(flatten)]
        place: Place,
    },
    /// Take a role away; their sessions end at once
    Revoke {
        /// Address or id
        who: String,
        /// The role; one that was made here as `custom:NAME`
        role: String,
        /// Where it holds
        #[arg(long, default_value = "tenant")]
        scope: Scope,
        /// Why; it goes, sealed, into the audit log
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        place: Place,
    },
    /// Tell why a decision falls as it does; the exit status is the decision
    Explain {
        /// Who asks: an address, an id, `operator`, or a role as if somebody held it alone
        #[arg(long = "as", value_name = "WHO")]
        who: String,
        /// The action, for example `transcript.read`
        #[arg(long)]
        action: Act,
        /// What about: `tenant`, `bot/NAME`, `release/ID`, `conversation/ID`, `account/WHO`, `person/ID` (who
        /// chats) or `hold/ID`
        #[arg(long, default_value = "tenant")]
        on: String,
        /// A reason that they state
        #[arg(long)]
        reason: Option<String>,
        /// The level of their last proof: 1 one factor, 2 two, 3 a passkey
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=3))]
        level: u8,
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl UserCommand {
    /// Which deployment.
    pub(crate) fn place(&self) -> &Place {
        match self {
            Self::List { place, .. }
            | Self::Invite { place, .. }
            | Self::Service { place, .. }
            | Self::Disable { place, .. }
            | Self::Enable { place, .. }
            | Self::ResetMfa { place, .. } => place,
        }
    }
}

impl RoleCommand {
    /// Which deployment, if it is about one.
    pub(crate) fn place(&self) -> Option<&Place> {
        match self {
            Self::List => None,
            Self::Made { place, .. }
            | Self::Define { place, .. }
            | Self::Retire { place, .. }
            | Self::Grant { place, .. }
            | Self::Revoke { place, .. }
            | Self::Explain { place, .. } => Some(place),
        }
    }
}
