//! `wardroom policy ...`: the policies as they change.

use std::path::PathBuf;

use clap::Subcommand;

use super::Place;

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Write the policies in force, or of a version, into a folder, to be changed there
    Show {
        /// The folder; it is made
        out: PathBuf,
        /// Of this version; 0 are the policies that ship
        #[arg(long)]
        version: Option<u64>,
        #[command(flatten)]
        place: Place,
    },
    /// Parse, check and rehearse a folder of policies: what would change, and whether it may
    Check {
        /// The folder of `.cedar` files
        dir: PathBuf,
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show the lines by which a folder, or a version, differs from what is in force
    Diff {
        /// The folder, or a version's number
        what: String,
        #[command(flatten)]
        place: Place,
    },
    /// Propose a folder of policies; a second person has to agree
    Propose {
        /// The folder of `.cedar` files
        dir: PathBuf,
        /// Why; it goes, sealed, into the audit log
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        place: Place,
    },
    /// Show what is in force, and what it lacks of what this release brought
    Status {
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Propose what ships about new actions that the policies in force lack; a second person has to agree
    Adopt {
        /// Why; it goes, sealed, into the audit log
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        place: Place,
    },
    /// Agree to what somebody else proposed; it is in force at once
    Approve {
        /// The version
        version: u64,
        #[command(flatten)]
        place: Place,
    },
    /// Refuse a proposal, or take one's own back
    Refuse {
        /// The version
        version: u64,
        #[command(flatten)]
        place: Place,
    },
    /// Put the policies of before in force again, or those of a version
    Rollback {
        /// This version; 0 are the policies that ship
        #[arg(long, value_name = "VERSION")]
        to: Option<u64>,
        /// Why; it goes, sealed, into the audit log
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        place: Place,
    },
    /// Show every version: who proposed it, who agreed, what is in force
    History {
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl PolicyCommand {
    /// Which deployment.
    pub(crate) fn place(&self) -> &Place {
        match self {
            Self::Show { place, .. }
            | Self::Check { place, .. }
            | Self::Diff { place, .. }
            | Self::Propose { place, .. }
            | Self::Status { place, .. }
            | Self::Adopt { place, .. }
            | Self::Approve { place, .. }
            | Self::Refuse { place, .. }
            | Self::Rollback { place, .. }
            | Self::History { place, .. } => place,
        }
    }
}
