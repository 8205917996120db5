//! The chat API: one file per verb.

pub(crate) mod events;
pub(crate) mod open;
pub(crate) mod post;
pub(crate) mod renew;
pub(crate) mod socket;
mod told;
