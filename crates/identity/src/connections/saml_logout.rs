//! Single logout over SAML (profiles, 4.4), from either side. What the provider asks for is done before it
//! is answered; what we ask is only ever about the browser's own session, which has ended here by then.

use federation::saml::{self, Departure, Ended, Leaving, LogoutRequest, SamlSettings, VerifiedLogout};
use kernel::{ConnectionId, Secret, SessionId};
use ledger::catalogue::ProviderRefused;
use serde::{Deserialize, Serialize};
use store::identities::{self, Origin};
use store::{StoreError, Via};

use super::Opened;
use super::begin::{relay_id, saml_connection};
use super::logout::{Farewell, end_these, subject_blind};
use super::saml_flow::record;
use super::settings::Provider;
use crate::ceremony::Step;
use crate::{CeremonyId, Identity, IdentityError, Inner, Refused};

/// A logout that we asked a provider for, until it answers.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SamlLeft {
    connection: ConnectionId,
}

impl Step for SamlLeft {
    const KIND: &'static str = "saml-left";
}

/// What a provider made the browser bring to a connection's logout address.
#[derive(Debug)]
pub enum LogoutMessage {
    /// By redirect: the query as it came, without its `?`.
    Query(String),
    /// By form: the fields.
    Form {
        /// `SAMLRequest`.
        request: Option<String>,
        /// `SAMLResponse`.
        response: Option<String>,
        /// `RelayState`.
        relay_state: Option<String>,
    },
}

/// What came of it.
#[derive(Debug)]
pub enum Parted {
    /// The provider asked, and the sessions have ended.
    Asked {
        /// Where to send the browser with our answer; `None` when the provider takes none.
        back: Option<Secret<String>>,
        /// How many sessions ended.
        ended: u64,
    },
    /// The provider answered what we asked.
    Answered {
        /// Whether the session there has ended, and all others that began by it.
        success: bool,
    },
}

enum Heard {
    Request(VerifiedLogout),
    Answer(Ended),
}

impl Identity {
    /// Takes a logout message.
    ///
    /// # Errors
    /// [`Refused::Provider`] when it is not believed, or was before; [`Refused::CeremonyOver`] for an
    /// answer that nobody waits for.
    pub async fn saml_logout(
        &self,
        connection: ConnectionId,
        message: &LogoutMessage,
        via: &Via,
    ) -> Result<Parted, IdentityError> {
        let inner = &self.0;
        let opened = inner.opened(connection).await?;
        let Provider::Saml(settings) = &opened.settings.provider else {
            return Err(Refused::NoConnection.into());
        };
        let ours = saml_connection(settings)?;
        match hear(&ours, message, inner.world.now()) {
            Ok(Heard::Request(verified)) => inner.follow_saml(&opened, &ours, verified, via).await,
            Ok(Heard::Answer(ended)) => {
                let id = CeremonyId::of(relay_id(&ended.request_id));
                let SamlLeft { connection: asked } = inner.take::<SamlLeft>(&id).await?;
                if asked != connection {
                    return Err(Refused::CeremonyOver.into());
                }
                Ok(Parted::Answered { success: ended.success })
            }
            Err(refusal) => {
                let outcome = inner.objected::<Parted>(&opened, None, refusal, via).await?;
                outcome.map_err(|_| Refused::Provider.into())
            }
        }
    }
}

fn hear(
    ours: &saml::SamlConnection,
    message: &LogoutMessage,
    now: kernel::Timestamp,
) -> Result<Heard, saml::Refusal> {
    match message {
        LogoutMessage::Query(query) => {
            if query.split('&').any(|pair| pair.starts_with("SAMLResponse=")) {
                Ended::from_redirect(ours, query, now).map(Heard::Answer)
            } else {
                LogoutRequest::from_redirect(ours, query, now).map(Heard::Request)
            }
        }
        LogoutMessage::Form { request: Some(request), response: None, relay_state } => {
            LogoutRequest::from_form(ours, request, relay_state.as_deref(), now).map(Heard::Request)
        }
        LogoutMessage::Form { request: None, response: Some(response), .. } => {
            Ended::from_form(ours, response, now).map(Heard::Answer)
        }
        LogoutMessage::Form { .. } => Err(saml::Refusal::Query),
    }
}

impl Inner {
    /// Ends what the provider says has ended, and then answers.
    async fn follow_saml(
        &self,
        opened: &Opened,
        ours: &saml::SamlConnection,
        verified: VerifiedLogout,
        via: &Via,
    ) -> Result<Parted, IdentityError> {
        let (tenant, connection, now) = (self.tenant, opened.row.id, self.world.now());
        let (index, pen) = (self.index().await?, self.pen(self.nobody(), via).await?);
        let issuer = ours.settings().idp_entity_id.clone();
        let outcome = self.db.write(move |tx| {
            identities::sweep(tx, now)?;
            let request = match verified.admit(|once| record(tx, tenant, connection, once))? {
                Ok(request) => request,
                Err(refusal) => {
                    let reason = refusal.code();
                    pen.note(tx, &ProviderRefused { connection, user: None, reason })?;
                    return Ok(Err(Refused::Provider));
                }
            };
            let person =
                subject_blind(&index, &issuer, &request.name_id.value).map_err(StoreError::refuse)?;
            let mut found = Vec::new();
            if request.session_indexes.is_empty() {
                found = identities::sessions_from(tx, tenant, connection, Some(person), None)?;
            }
            for sid in &request.session_indexes {
                let sid = index.blind_index("identity.sid", sid.as_bytes()).map_err(StoreError::refuse)?;
                found.extend(identities::sessions_from(tx, tenant, connection, Some(person), Some(sid))?);
            }
            let ended = end_these(tx, &pen, tenant, &found, "provider", now)?;
            Ok(Ok((request, ended)))
        });
        let (request, ended) = outcome.await??;
        self.tell();
        let keys = self.saml_keys(opened).await?;
        let back = match request.answer(ours, &keys.signing, &self.world) {
            Ok(Departure::Redirect { location }) => Some(Secret::new(location)),
            // It has no address for answers, or one for forms, which our pages send to this house only.
            _ => None,
        };
        Ok(Parted::Asked { back, ended })
    }

    /// Where to send the browser so that the provider's session ends with ours.
    pub(crate) async fn saml_farewell(
        &self,
        opened: &Opened,
        settings: &SamlSettings,
        session: SessionId,
        origin: Origin,
    ) -> Result<Option<Farewell>, IdentityError> {
        if settings.idp_logout.is_none() || settings.logout.is_none() {
            return Ok(None);
        }
        let Some(hint) = self.hint_of(session, origin).await? else { return Ok(None) };
        let Ok(leaving) = serde_json::from_str::<Leaving>(hint.expose()) else { return Ok(None) };
        let (keys, ours) = (self.saml_keys(opened).await?, saml_connection(settings)?);
        let state = data_encoding::HEXLOWER.encode(&self.world.bytes::<16>());
        let sent = LogoutRequest::send(&ours, &keys.signing, &leaving, &state, &self.world);
        let Ok((Departure::Redirect { location }, request)) = sent else { return Ok(None) };
        self.begin_at(relay_id(&request), &SamlLeft { connection: opened.row.id }).await?;
        Ok(Some(Farewell(Secret::new(location))))
    }
}
