//! What can be asked about legal holds.

use clap::{Args, Subcommand};
use kernel::{ConversationId, HoldId, Reason, SubjectId};

use super::Place;

#[derive(Debug, Subcommand)]
pub(crate) enum HoldCommand {
    /// Place a hold: nobody erases what it is on until somebody on the console lifts it
    // The variant's name is the name of a group of arguments, as is that of what stands in it.
    #[command(name = "place")]
    Keep {
        #[command(flatten)]
        on: On,
        /// Why; it is sealed, here and in the audit log
        #[arg(long, value_name = "TEXT", value_parser = Reason::new)]
        reason: Reason,
        #[command(flatten)]
        place: Place,
    },
    /// Lift a hold that somebody placed on the console
    Lift {
        /// The hold
        hold: HoldId,
        /// Why; it is sealed, here and in the audit log
        #[arg(long, value_name = "TEXT", value_parser = Reason::new)]
        reason: Reason,
        #[command(flatten)]
        place: Place,
    },
    /// Show what is kept, since when and why, and what was
    List {
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// What a hold is on.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct On {
    /// A person who chats
    #[arg(long, value_name = "ID")]
    pub(crate) subject: Option<SubjectId>,
    /// A conversation, and so its person
    #[arg(long, value_name = "ID")]
    pub(crate) conversation: Option<ConversationId>,
    /// Everybody who chats here
    #[arg(long)]
    pub(crate) everybody: bool,
}

impl HoldCommand {
    /// Which deployment.
    pub(crate) fn place(&self) -> &Place {
        match self {
            Self::Keep { place, .. } | Self::Lift { place, .. } | Self::List { place, .. } => place,
        }
    }
}
