//! What can be asked about API keys, and about roles that are held for a while.

use clap::Subcommand;
use guard::{Act, Role, Scope};
use ipnet::IpNet;
use kernel::{AccessRequestId, ApiKeyId, Reason, Title};

use super::Place;

#[derive(Debug, Subcommand)]
pub(crate) enum ApiKeyCommand {
    /// Make a key, and print it once
    Create {
        /// The account above which it never does anything: address or id; of a service account its id
        #[arg(long, value_name = "WHO")]
        owner: String,
        /// What it is for, in words
        #[arg(long, value_name = "TEXT", value_parser = Title::new)]
        name: Title,
        /// What it may do; may be given more than once: transcript.list, transcript.read, transcript.reply,
        /// bot.read, audit.read
        #[arg(long = "may", value_name = "ACTION", required = true)]
        acts: Vec<Act>,
        /// Where: `tenant` or `bot:NAME`
        #[arg(long, default_value = "tenant")]
        scope: Scope,
        /// For how many days, 1 to 90
        #[arg(long, default_value_t = 90)]
        days: u32,
        /// From which addresses; may be given more than once; unset: from any
        #[arg(long = "from", value_name = "CIDR")]
        sources: Vec<IpNet>,
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show every key: whose, what it may do, its last use, its end; never the key itself
    List {
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// End a key: from the next request on it opens nothing
    Revoke {
        /// The key's id
        key: ApiKeyId,
        #[command(flatten)]
        place: Place,
    },
    /// Make the successor of a key, and print it once; the old one lives until it is revoked or ends
    Rotate {
        /// The key's id
        key: ApiKeyId,
        /// For how many days, 1 to 90
        #[arg(long, default_value_t = 90)]
        days: u32,
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl ApiKeyCommand {
    /// Which deployment.
    pub(crate) fn place(&self) -> &Place {
        match self {
            Self::Create { place, .. }
            | Self::List { place, .. }
            | Self::Revoke { place, .. }
            | Self::Rotate { place, .. } => place,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccessCommand {
    /// Show who asked for which role for a while, and the uses of break-glass accounts
    List {
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Ask for a role for somebody; a second person agrees on the console
    Request {
        /// Address or id
        who: String,
        /// The role
        role: Role,
        /// Where it is to hold: `tenant` or `bot:NAME`
        #[arg(long, default_value = "tenant")]
        scope: Scope,
        /// For how many hours, 1 to 168
        #[arg(long, default_value_t = 8)]
        hours: u32,
        /// Why; it goes, sealed, into the audit log
        #[arg(long, value_name = "TEXT", value_parser = Reason::new)]
        reason: Reason,
        #[command(flatten)]
        place: Place,
    },
    /// Agree to a request that somebody made on the console
    Approve {
        /// The request
        request: AccessRequestId,
        #[command(flatten)]
        place: Place,
    },
    /// Do not agree to it
    Refuse {
        /// The request
        request: AccessRequestId,
        /// Why; it goes, sealed, into the audit log
        #[arg(long, value_name = "TEXT", value_parser = Reason::new)]
        reason: Reason,
        #[command(flatten)]
        place: Place,
    },
    /// Arm a break-glass account, so that its passkey signs in although all others sign in through a provider
    Arm {
        /// Address or id
        who: String,
        /// For how many hours, 1 to 24
        #[arg(long, default_value_t = 4)]
        hours: u32,
        #[command(flatten)]
        place: Place,
    },
    /// Disarm it before its time
    Disarm {
        /// Address or id
        who: String,
        #[command(flatten)]
        place: Place,
    },
}

impl AccessCommand {
    /// Which deployment.
    pub(crate) fn place(&self) -> &Place {
        match self {
            Self::List { place, .. }
            | Self::Request { place, .. }
            | Self::Approve { place, .. }
            | Self::Refuse { place, .. }
            | Self::Arm { place, .. }
            | Self::Disarm { place, .. } => place,
        }
    }
}
