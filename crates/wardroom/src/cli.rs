//! The command line: what can be asked of the binary, in words that `--help` shows.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use kernel::{BotName, ConversationId, Reason, SubjectId};

/// The secure-by-default platform for an enterprise's chatbots.
#[derive(Debug, Parser)]
#[command(name = "wardroom", version, disable_help_subcommand = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command that touches a deployment takes.
#[derive(Debug, Args)]
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
        /// Where the public door listens
        #[arg(long, value_name = "ADDR")]
        listen: Option<SocketAddr>,
        /// Where the staff door listens
        #[arg(long, value_name = "ADDR")]
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
    /// Roles and why a decision falls as it does
    #[command(subcommand)]
    Role(RoleCommand),
    /// Check the posture of this deployment; each finding says how to mend it
    Doctor {
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long)]
        json: bool,
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
pub(crate) enum AuditCommand {
    /// Prove that the log is whole: of this deployment, or of an export
    Verify {
        #[command(flatten)]
        place: Place,
        /// An exported log, instead of the deployment's own
        #[arg(long, value_name = "DIR")]
        export: Option<PathBuf>,
        /// The verifier key that you noted earlier; unset: the one beside the log, which an intruder could
        /// have replaced
        #[arg(long, value_name = "VKEY")]
        key: Option<String>,
        /// An earlier checkpoint of yours that the log must still agree with
        #[arg(long, value_name = "FILE")]
        since: Option<PathBuf>,
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
}
