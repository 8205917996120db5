//! Logouts: a provider's word that a session of its own has ended, which ours follows; and where to send
//! the browser so that the provider's follows ours.

use federation::oidc::{Issuer, LogoutToken, Refusal, end_session_url};
use kernel::{ConnectionId, Secret, SessionId};
use ledger::catalogue::{ProviderRefused, SessionEnded};
use store::identities::{self, Origin};
use store::{StoreError, Tx, Via, person_sessions, sessions};
use vault::DataKey;

use super::Opened;
use super::reason::{Failure, Objection};
use super::saml_door::Door;
use super::settings::{OidcSettings, Provider};
use crate::pen::Pen;
use crate::person::end_visits;
use crate::session::Signed;
use crate::{Identity, IdentityError, Inner, Refused, sha256};

/// Where a browser goes after it signed out here.
#[derive(Debug)]
pub struct Farewell(pub Secret<String>);

impl Identity {
    /// A provider says, behind the browser's back, that a session of its own has ended. Gives the number
    /// of our sessions that ended with it.
    ///
    /// # Errors
    /// [`Refused::Provider`] when the token is not believed, or was before.
    pub async fn back_channel(&self, token: &str, via: &Via) -> Result<u64, IdentityError> {
        let inner = &self.0;
        // The token says whose it is, and that is believed only when that provider's keys say so too.
        // Several connections may be one client there: one for staff and one for people who chat.
        let known = inner.connections_of(token).await?;
        let Some(opened) = known.first() else { return Err(Refused::Provider.into()) };
        let Provider::Oidc(oidc) = &opened.settings.provider else {
            return Err(Refused::Provider.into());
        };
        match inner.logout_token(oidc, token).await? {
            Ok(token) => {
                let all = known.iter().map(|opened| opened.row.id).collect();
                inner.follow(opened, all, oidc, &token, via).await
            }
            Err(failure) => {
                let outcome = inner.objected::<u64>(opened, None, failure, via).await?;
                outcome.map_err(|_| Refused::Provider.into())
            }
        }
    }

    /// Where to send the browser so that the provider's session ends with ours: before ours ends. `None`
    /// when the session began with factors of our own, or the provider offers no such thing.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn farewell(&self, signed: &Signed) -> Result<Option<Farewell>, IdentityError> {
        let inner = &self.0;
        let (tenant, session) = (inner.tenant, signed.session.id);
        let Ok(access) = inner.access() else { return Ok(None) };
        let origin = inner.db.read(move |tx| identities::origin_of(tx, tenant, session)).await?;
        let Some(origin) = origin else { return Ok(None) };
        let opened = inner.opened(origin.connection).await?;
        let oidc = match &opened.settings.provider {
            Provider::Oidc(oidc) => oidc,
            Provider::Saml(_) => {
                let hint = inner.hint_of(session, origin).await?;
                return inner.saml_farewell(Door::Staff, &opened, hint).await;
            }
        };
        let Ok(published) = inner.published(access, oidc).await else { return Ok(None) };
        let hint = inner.hint_of(session, origin).await?;
        let afterwards = format!("{}/sign-in", access.origin);
        let state = session.to_string();
        let url = end_session_url(&published.provider, &oidc.client, hint.as_ref(), &afterwards, &state);
        Ok(url.map(|url| Farewell(Secret::new(url))))
    }
}

impl Inner {
    /// What a session's provider wants to see when the session ends there too.
    pub(crate) async fn hint_of(
        &self,
        session: SessionId,
        origin: Origin,
    ) -> Result<Option<Secret<String>>, IdentityError> {
        let Some((sealed, generation)) = origin.hint else { return Ok(None) };
        let key = self.key_at(generation).await?;
        let bytes = key.open(&identities::hint_place(self.tenant, session), &sealed)?;
        Ok(String::from_utf8(bytes).ok().map(Secret::new))
    }

    /// The connections to the issuer and for the client that a token names.
    async fn connections_of(&self, token: &str) -> Result<Vec<Opened>, IdentityError> {
        let mut found = Vec::new();
        let claims = federation::oidc::as_received(token).map(|(_, claims)| claims).unwrap_or_default();
        let claims: serde_json::Value = serde_json::from_str(&claims).unwrap_or_default();
        let Some(issuer) = claims.get("iss").and_then(serde_json::Value::as_str) else { return Ok(found) };
        let tenant = self.tenant;
        let rows = self.db.read(move |tx| store::connections::all(tx, tenant)).await?;
        for row in rows {
            let opened = self.open_row(row).await?;
            match &opened.settings.provider {
                Provider::Oidc(oidc) if oidc.issuer == issuer && for_client(&claims, &oidc.client) => {
                    found.push(opened);
                }
                _ => {}
            }
        }
        Ok(found)
    }

    async fn logout_token(
        &self,
        oidc: &OidcSettings,
        token: &str,
    ) -> Result<Result<LogoutToken, Failure>, IdentityError> {
        let access = self.access()?;
        let check = async {
            let issuer = Issuer::parse(&oidc.issuer)?;
            let published = self.published(access, oidc).await?;
            let verify = |keys| {
                LogoutToken::verify(token, keys, &issuer, &oidc.client, &oidc.algorithms, self.world.now())
            };
            match verify(&published.keys) {
                Err(Refusal::UnknownKey) => {
                    let fetch = access.fetch.as_ref();
                    match access.providers.keys_again(&issuer, &published, fetch, &self.world).await? {
                        Some(again) => Ok(verify(&again.keys)?),
                        None => Err(Refusal::UnknownKey.into()),
                    }
                }
                other => Ok(other?),
            }
        };
        Ok(check.await)
    }

    /// Ends what the token says has ended.
    async fn follow(
        &self,
        opened: &Opened,
        all: Vec<ConnectionId>,
        oidc: &OidcSettings,
        token: &LogoutToken,
        via: &Via,
    ) -> Result<u64, IdentityError> {
        let (tenant, connection, now) = (self.tenant, opened.row.id, self.world.now());
        let index = self.index().await?;
        let subject =
            token.subject().map(|subject| subject_blind(&index, &oidc.issuer, subject)).transpose()?;
        let sid = token.sid().map(|sid| index.blind_index("identity.sid", sid.as_bytes())).transpose()?;
        let (id, until) = (sha256(token.id().as_bytes()), now.after(LogoutToken::MEMORY));
        let pen = self.pen(self.nobody(), via).await?;
        let outcome = self.db.write(move |tx| {
            match identities::believe_once(tx, tenant, connection, id, until) {
                Ok(()) => {}
                Err(StoreError::Conflict { .. }) => {
                    let reason = Objection::Replayed.code();
                    pen.note(tx, &ProviderRefused { connection, user: None, reason })?;
                    return Ok(Err(Refused::Provider));
                }
                Err(error) => return Err(error),
            }
            identities::sweep(tx, now)?;
            // With a session's id, that session; without, all of the person's.
            let subject = if sid.is_some() { None } else { subject };
            let mut ended = 0;
            for connection in all.iter().copied() {
                let found = identities::sessions_from(tx, tenant, connection, subject, sid)?;
                ended += end_these(tx, &pen, tenant, &found, "provider", now)?;
                let found = person_sessions::from_provider(tx, tenant, connection, subject, sid)?;
                ended += end_visits(tx, &pen, tenant, &found, "provider", now)?;
            }
            Ok(Ok(ended))
        });
        let ended = outcome.await??;
        self.tell();
        Ok(ended)
    }
}

/// Ends sessions, each with its event.
pub(crate) fn end_these(
    tx: &mut Tx<'_>,
    pen: &Pen,
    tenant: kernel::TenantId,
    found: &[(kernel::UserId, SessionId)],
    why: &'static str,
    now: kernel::Timestamp,
) -> Result<u64, StoreError> {
    let mut ended = 0;
    for (user, session) in found {
        if sessions::end(tx, tenant, *user, *session, now)? {
            pen.note(tx, &SessionEnded { user: *user, session: *session, why })?;
            ended += 1;
        }
    }
    Ok(ended)
}

/// The blind index of a person of a provider.
pub(crate) fn subject_blind(
    index: &DataKey,
    issuer: &str,
    subject: &str,
) -> Result<[u8; 16], vault::VaultError> {
    index.blind_index("identity.subject", format!("{issuer}\0{subject}").as_bytes())
}

/// Whether a token, of which nothing is believed yet, says that it is for this client.
fn for_client(claims: &serde_json::Value, client: &str) -> bool {
    match claims.get("aud") {
        Some(serde_json::Value::String(one)) => one == client,
        Some(serde_json::Value::Array(many)) => many.iter().any(|one| one.as_str() == Some(client)),
        _ => false,
    }
}

/// Ends the sessions that came through a connection: those of staff, those of people who chat.
pub(crate) fn end_those(
    tx: &mut Tx<'_>,
    pen: &Pen,
    (tenant, connection): (kernel::TenantId, ConnectionId),
    (staff, visitors): (bool, bool),
    now: kernel::Timestamp,
) -> Result<(), StoreError> {
    if staff {
        let found = identities::sessions_from(tx, tenant, connection, None, None)?;
        end_these(tx, pen, tenant, &found, "revoked", now)?;
    }
    if visitors {
        let found = person_sessions::from_provider(tx, tenant, connection, None, None)?;
        end_visits(tx, pen, tenant, &found, "revoked", now)?;
    }
    Ok(())
}
