//! The part of a connection's page that is about its directory: where it provisions to, what it has
//! provisioned, and the tokens with which it comes.

use askama::Template;
use axum::extract::State;
use doors::{Authorized, Form, Path};
use guard::action::ManageConnections;
use identity::directory::{Tally, Token};
use kernel::{ConnectionId, DirectoryTokenId, Timestamp};
use serde::Deserialize;

use crate::Desk;
use crate::page::{Shell, When, html, see, shell};
use crate::trouble::Answer;
use crate::via::ByDoor;

/// What the page says of a directory.
pub(crate) struct Directory {
    pub(crate) address: String,
    pub(crate) tally: Tally,
    pub(crate) changed: Option<When>,
    pub(crate) tokens: Vec<TokenRow>,
    /// Whether another token can be made.
    pub(crate) more: bool,
}

/// A token, as the page shows it.
pub(crate) struct TokenRow {
    pub(crate) id: String,
    pub(crate) state: &'static str,
    pub(crate) tone: &'static str,
    pub(crate) live: bool,
    pub(crate) created: When,
    pub(crate) expires: When,
    pub(crate) used: Option<When>,
}

/// Tokens that are shown: the live ones, and some that are not.
const SHOWN: usize = 6;

impl Directory {
    pub(crate) fn new(origin: &str, (tally, tokens): (Tally, Vec<Token>), now: Timestamp) -> Self {
        let live = tokens.iter().filter(|token| token.is_live(now)).count();
        let rows = tokens.iter().take(SHOWN).map(|token| {
            let (state, tone) = match (token.is_live(now), token.revoked) {
                (true, _) => ("Live", "good"),
                (false, Some(_)) => ("Revoked", "bad"),
                (false, None) => ("Ended", "warn"),
            };
            TokenRow {
                id: token.id.to_string(),
                state,
                tone,
                live: token.is_live(now),
                created: When(token.created),
                expires: When(token.expires),
                used: token.used.map(When),
            }
        });
        let (address, changed) = (format!("{origin}/scim/v2"), tally.changed.map(When));
        Self { address, tally, changed, tokens: rows.collect(), more: live < 2 }
    }
}

/// How long a token is good.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenForm {
    days: u16,
}

#[derive(Template)]
#[template(path = "connection_token.html")]
struct TokenPage {
    shell: Shell,
    id: String,
    address: String,
    token: String,
    days: u16,
}

/// `POST /connections/{connection}/tokens`: the token is in the answer, once.
pub(crate) async fn make_token(
    leave: Authorized<ManageConnections>,
    State(desk): State<Desk>,
    Path(connection): Path<ConnectionId>,
    ByDoor(via): ByDoor,
    Form(TokenForm { days }): Form<TokenForm>,
) -> Answer {
    let shell = shell(&desk, &leave, "Token for a directory", "/connections").await?;
    let token = desk.identity.make_directory_token(leave.into_permit(), connection, days, &via).await?;
    let (id, address) = (connection.to_string(), format!("{}/scim/v2", desk.origin));
    html(&TokenPage { shell, id, address, token: token.expose().clone(), days })
}

/// A form that says nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// `POST /connections/{connection}/tokens/{token}/revoke`
pub(crate) async fn revoke_token(
    leave: Authorized<ManageConnections>,
    State(desk): State<Desk>,
    Path((connection, token)): Path<(ConnectionId, DirectoryTokenId)>,
    ByDoor(via): ByDoor,
    Form(Nothing {}): Form<Nothing>,
) -> Answer {
    desk.identity.revoke_directory_token(leave.into_permit(), connection, token, &via).await?;
    see(&format!("/connections/{connection}?done=token-revoked"))
}
