//! What people are told about their own accounts: at the top of every page until they acknowledge it, and on
//! their account's page for ninety days.

use axum::extract::State;
use doors::{Authorized, Form};
use guard::action::ManageOwnAccount;
use identity::notices::Told;
use kernel::Timestamp;
use serde::Deserialize;

use crate::Desk;
use crate::doorstep::way;
use crate::page::{When, see};
use crate::trouble::Answer;

/// A notice as a page shows it.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) at: When,
    /// By whose hand, and from where if that is known.
    pub(crate) how: String,
    pub(crate) new: bool,
}

impl Line {
    pub(crate) fn of(told: &Told) -> Self {
        let place = [told.device.as_deref(), told.from.as_deref()].into_iter().flatten();
        let how = std::iter::once(told.by()).chain(place).collect::<Vec<_>>().join(", ");
        Self { what: told.sentence(), at: When(told.at), how, new: told.seen.is_none() }
    }
}

/// Until when, and where to go back to.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeenForm {
    until: u64,
    next: String,
}

/// `POST /account/notices/seen`
pub(crate) async fn seen(
    leave: Authorized<ManageOwnAccount>,
    State(desk): State<Desk>,
    Form(SeenForm { until, next }): Form<SeenForm>,
) -> Answer {
    desk.identity.acknowledge_notices(leave.into_permit(), Timestamp::from_millis(until)).await?;
    see(way(Some(&next)))
}
