//! `wardroom mail ...`, as it is typed.

use clap::Subcommand;

use super::Place;

#[derive(Debug, Subcommand)]
pub(crate) enum MailCommand {
    /// Send one letter, and tell what happens at each step: name, connection, encryption, sign-in, acceptance
    Test {
        /// Whom to
        address: String,
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl MailCommand {
    /// Which deployment.
    pub(crate) fn place(&self) -> &Place {
        let Self::Test { place, .. } = self;
        place
    }
}
