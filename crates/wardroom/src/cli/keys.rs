//! `wardroom keys ...`: keys, as their custodian looks after them.

use clap::{Args, Subcommand};
use kernel::KeyRequestId;

use super::Place;

/// What every command about keys takes.
#[derive(Debug, Args)]
pub(crate) struct KeysPlace {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Show every key's age, state, version and next rotation, and what is overdue
    Status {
        #[command(flatten)]
        at: KeysPlace,
        /// End with status 1 when something is overdue
        #[arg(long)]
        check: bool,
    },
    /// Give the tenant's key a new version; new writes use it at once
    Rotate {
        #[command(flatten)]
        at: KeysPlace,
        /// Record that the key may be known to others
        #[arg(long)]
        compromised: bool,
        /// Wrap the versions anew by the root key instead, after it was rotated at its provider
        #[arg(long, conflicts_with = "compromised")]
        root: bool,
    },
    /// Wrap anew what older versions still wrap; can be stopped and started again at any moment
    Rewrap {
        #[command(flatten)]
        at: KeysPlace,
    },
    /// Pause the wrapping anew, here and in the running deployment
    Pause {
        #[command(flatten)]
        at: KeysPlace,
    },
    /// Let the wrapping anew go on
    Resume {
        #[command(flatten)]
        at: KeysPlace,
    },
    /// Show the policy of the keys, or decide on one that holds instead of the configuration's
    Policy {
        #[command(flatten)]
        at: KeysPlace,
        /// A key is followed by a new version after so many days, 1 to 3650
        #[arg(long, requires = "reason")]
        days: Option<u32>,
        /// What wraps nothing ends after so many days more, 7 to 30
        #[arg(long, value_name = "DAYS", requires = "reason")]
        end_after: Option<u32>,
        /// The most keys that are wrapped anew in a second; 0 for no bound
        #[arg(long, value_name = "KEYS", requires = "reason")]
        rewrap_per_second: Option<u32>,
        /// Let the configuration decide again
        #[arg(long, requires = "reason", conflicts_with_all = ["days", "end_after", "rewrap_per_second"])]
        default: bool,
        /// Why; it goes, sealed, into the audit log
        #[arg(long)]
        reason: Option<String>,
    },
    /// Stop a version from opening anything
    Disable {
        #[command(flatten)]
        at: KeysPlace,
        /// The version
        version: u32,
        /// Also when it is the active one, which stops the whole deployment
        #[arg(long)]
        stop_everything: bool,
    },
    /// Let a disabled version open again
    Enable {
        #[command(flatten)]
        at: KeysPlace,
        /// The version
        version: u32,
    },
    /// Ask for the destruction of a version that wraps nothing; a second person must agree
    Destroy {
        #[command(flatten)]
        at: KeysPlace,
        /// The version
        version: u32,
        /// Days to wait after the second person agreed, 7 to 30
        #[arg(long, default_value_t = 30)]
        days: u32,
    },
    /// Agree to a request of somebody else
    Approve {
        #[command(flatten)]
        at: KeysPlace,
        /// The request
        request: KeyRequestId,
    },
    /// Call off a request, or the scheduled destruction of a version
    Cancel {
        #[command(flatten)]
        at: KeysPlace,
        /// The request
        #[arg(required_unless_present = "version")]
        request: Option<KeyRequestId>,
        /// The version whose destruction is scheduled
        #[arg(long, conflicts_with = "request")]
        version: Option<u32>,
    },
    /// Ask for the move to the root key of `[keys.next]`, or carry it out once a second person agreed
    Move {
        #[command(flatten)]
        at: KeysPlace,
        /// The kind of root key meant, for example `passphrase`
        #[arg(long, value_name = "KIND")]
        to: String,
    },
    /// Do once what the running deployment does every minute
    Tend {
        #[command(flatten)]
        at: KeysPlace,
    },
}
