//! The tokens with which a directory comes. Two may be live for a connection, so that one can take the
//! other's place without a gap; a token is shown once, kept as a hash, and ends by itself.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use guard::action::{ManageConnections, ReadConnections};
use guard::{Actor, Permit, ServiceName};
use kernel::{ConnectionId, DirectoryTokenId, Secret};
use ledger::catalogue::{ConnectionChanged, DirectoryRefused};
use store::connections::{self, ConnectionState};
use store::directory::Tally;
use store::directory_tokens::{self, Token};
use store::{StoreError, Via, directory};

use crate::{Identity, IdentityError, Refused, sha256};

/// What a token begins with, so that scanners for leaked secrets know it.
const PREFIX: &str = "wrs1_";
/// The tokens of a connection that may be live at once.
const LIVE: usize = 2;
/// The longest life of a token.
const LONGEST: u16 = 365;
/// How often a use is remembered.
const USED_EVERY: Duration = Duration::from_secs(60);

impl Identity {
    /// What the directory of a connection has provisioned, in numbers, and its tokens, the newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn directory(
        &self,
        permit: Permit<ReadConnections>,
        connection: ConnectionId,
    ) -> Result<(Tally, Vec<Token>), IdentityError> {
        let found = self.0.db.read(move |tx| {
            let tally = directory::tally(tx, &permit, connection)?;
            Ok((tally, directory_tokens::list(tx, &permit, connection)?))
        });
        Ok(found.await?)
    }

    /// Makes a token for the directory of a connection, good for so many days, and gives it, once.
    ///
    /// # Errors
    /// [`Refused::NoConnection`]; [`Refused::TwoTokens`] when two are live; [`Refused::Setting`] when the
    /// days are none, or more than 365, or the connection is for people who chat alone.
    pub async fn make_directory_token(
        &self,
        permit: Permit<ManageConnections>,
        connection: ConnectionId,
        days: u16,
        via: &Via,
    ) -> Result<Secret<String>, IdentityError> {
        let inner = &self.0;
        if !(1..=LONGEST).contains(&days) {
            return Err(Refused::Setting("days").into());
        }
        if !inner.opened(connection).await?.settings.serves.staff() {
            // A directory makes accounts, and people who chat have none.
            return Err(Refused::Setting("directory of a connection for people who chat").into());
        }
        let (tenant, now) = (inner.tenant, inner.world.now());
        let secret = URL_SAFE_NO_PAD.encode(inner.world.bytes::<32>());
        let secret = Secret::new(format!("{PREFIX}{secret}"));
        let hash = sha256(secret.expose().as_bytes());
        let token = Token {
            tenant,
            connection,
            id: inner.world.id(),
            created: now,
            created_by: permit.user(),
            expires: now.after(Duration::from_secs(u64::from(days) * 86_400)),
            used: None,
            revoked: None,
        };
        let pen = inner.pen(permit.actor().clone(), via).await?;
        let job = inner.db.write(move |tx| {
            connections::find(tx, tenant, connection)?.ok_or(Refused::NoConnection)?;
            let all = directory_tokens::of_connection(tx, tenant, connection)?;
            if all.iter().filter(|token| token.is_live(now)).count() >= LIVE {
                return Err(Refused::TwoTokens.into());
            }
            directory_tokens::create(tx, &permit, &token, hash)?;
            let event = ConnectionChanged { connection: Some(connection), what: "directory-token-made" };
            pen.note_why(tx, &event, &token.id.to_string())
        });
        job.await?;
        Ok(secret)
    }

    /// Revokes a token of a connection, from the next request on.
    ///
    /// # Errors
    /// [`Refused::NoToken`].
    pub async fn revoke_directory_token(
        &self,
        permit: Permit<ManageConnections>,
        connection: ConnectionId,
        token: DirectoryTokenId,
        via: &Via,
    ) -> Result<(), IdentityError> {
        let (inner, now) = (&self.0, self.0.world.now());
        let pen = inner.pen(permit.actor().clone(), via).await?;
        let job = inner.db.write(move |tx| {
            directory_tokens::revoke(tx, &permit, connection, token, now).map_err(|error| match error {
                StoreError::Missing { .. } => Refused::NoToken.into(),
                other => other,
            })?;
            let event = ConnectionChanged { connection: Some(connection), what: "directory-token-revoked" };
            pen.note_why(tx, &event, &token.to_string())
        });
        Ok(job.await?)
    }

    /// The directory that comes with this token; `None` when it opens nothing. The use of a token that has
    /// ended, or whose connection is switched off, is written down: somebody still has it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn directory_at_door(&self, token: &str) -> Result<Option<Actor>, IdentityError> {
        let inner = &self.0;
        if !token.starts_with(PREFIX) {
            return Ok(None);
        }
        let (hash, tenant, now) = (sha256(token.as_bytes()), inner.tenant, inner.world.now());
        let found = inner.db.read(move |tx| {
            let Some(token) = directory_tokens::find(tx, hash)? else { return Ok(None) };
            let row = connections::find(tx, tenant, token.connection)?;
            Ok(Some((token, row)))
        });
        let Some((token, Some(row))) = found.await? else { return Ok(None) };
        if token.tenant != tenant {
            return Ok(None);
        }
        let state = row.state;
        let for_staff = inner.open_row(row).await?.settings.serves.staff();
        let reason = match (token.is_live(now), state) {
            (false, _) => Some("token-ended"),
            (true, ConnectionState::Disabled) => Some("connection-off"),
            _ if !for_staff => Some("connection-not-for-staff"),
            (true, ConnectionState::Draft | ConnectionState::Enabled) => None,
        };
        let connection = token.connection;
        if let Some(reason) = reason {
            let core = Actor::Service { name: ServiceName::Core, tenant };
            let pen = inner.pen(core, &Via::default()).await?;
            let event = DirectoryRefused { connection, user: None, reason };
            inner.db.write(move |tx| pen.note(tx, &event)).await?;
            return Ok(None);
        }
        if token.used.is_none_or(|used| now.since(used) >= USED_EVERY) {
            let id = token.id;
            // A full disk must not keep a directory from reading.
            if let Err(error) = inner.db.write(move |tx| directory_tokens::used(tx, tenant, id, now)).await {
                tracing::warn!(%error, "a use of a directory's token could not be remembered");
            }
        }
        Ok(Some(Actor::Directory { tenant, connection }))
    }
}
