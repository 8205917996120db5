//! Single logout over SAML (profiles, 4.4), from either side and at either door. What the provider asks for
//! is done before it is answered; what we ask is only ever about the browser's own session, which has ended
//! here by then. A message is for the door that it names: what is said of staff ends no session of somebody
//! who chats, nor the other way round, for the provider knows the doors as two.

use federation::saml::{self, Departure, Ended, Leaving, LogoutRequest, VerifiedLogout};
use kernel::{ConnectionId, Secret};
use ledger::catalogue::ProviderRefused;
use serde::{Deserialize, Serialize};
use store::identities;
use store::{StoreError, Via, person_sessions};

use super::Opened;
use super::begin::relay_id;
use super::logout::{Farewell, end_these, subject_blind};
use super::saml_door::Door;
use super::saml_flow::record;
use crate::ceremony::Step;
use crate::person::end_visits;
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

/// The same for somebody who chats.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SamlVisitorLeft {
    connection: ConnectionId,
}

impl Step for SamlVisitorLeft {
    const KIND: &'static str = "saml-visit-left";
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
    /// Takes a logout message that the browser brings to the staff's door.
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
        self.0.saml_parted(Door::Staff, connection, message, via).await
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
    /// Takes a logout message at a door.
    pub(crate) async fn saml_parted(
        &self,
        door: Door,
        connection: ConnectionId,
        message: &LogoutMessage,
        via: &Via,
    ) -> Result<Parted, IdentityError> {
        let opened = self.opened(connection).await?;
        let ours = self.service(door, &opened)?;
        match hear(&ours, message, self.world.now()) {
            Ok(Heard::Request(verified)) => self.follow_saml(door, &opened, &ours, verified, via).await,
            Ok(Heard::Answer(ended)) => {
                let id = CeremonyId::of(relay_id(&ended.request_id));
                let asked = match door {
                    Door::Staff => self.take::<SamlLeft>(&id).await?.connection,
                    Door::Public => self.take::<SamlVisitorLeft>(&id).await?.connection,
                };
                if asked != connection {
                    return Err(Refused::CeremonyOver.into());
                }
                Ok(Parted::Answered { success: ended.success })
            }
            Err(refusal) => {
                let outcome = self.objected::<Parted>(&opened, None, refusal, via).await?;
                outcome.map_err(|_| Refused::Provider.into())
            }
        }
    }

    /// Ends what the provider says has ended, and then answers.
    async fn follow_saml(
        &self,
        door: Door,
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
            let sid = |sid: &String| index.blind_index("identity.sid", sid.as_bytes()).map(Some);
            let named = request.session_indexes.iter().map(sid).collect::<Result<Vec<_>, _>>();
            let mut named = named.map_err(StoreError::refuse)?;
            if named.is_empty() {
                // All of the person's.
                named.push(None);
            }
            let (mut ended, person) = (0, Some(person));
            for sid in named {
                ended += match door {
                    Door::Staff => {
                        let found = identities::sessions_from(tx, tenant, connection, person, sid)?;
                        end_these(tx, &pen, tenant, &found, "provider", now)?
                    }
                    Door::Public => {
                        let found = person_sessions::from_provider(tx, tenant, connection, person, sid)?;
                        end_visits(tx, &pen, tenant, &found, "provider", now)?
                    }
                };
            }
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
    /// `hint` is what the provider told when the session began.
    pub(crate) async fn saml_farewell(
        &self,
        door: Door,
        opened: &Opened,
        hint: Option<Secret<String>>,
    ) -> Result<Option<Farewell>, IdentityError> {
        // A door without an address of its own has no way there; signing out here goes on.
        let Ok(ours) = self.service(door, opened) else { return Ok(None) };
        if ours.settings().idp_logout.is_none() || ours.settings().logout.is_none() {
            return Ok(None);
        }
        let Some(hint) = hint else { return Ok(None) };
        let Ok(leaving) = serde_json::from_str::<Leaving>(hint.expose()) else { return Ok(None) };
        let keys = self.saml_keys(opened).await?;
        let state = data_encoding::HEXLOWER.encode(&self.world.bytes::<16>());
        let sent = LogoutRequest::send(&ours, &keys.signing, &leaving, &state, &self.world);
        let Ok((Departure::Redirect { location }, request)) = sent else { return Ok(None) };
        let (id, connection) = (relay_id(&request), opened.row.id);
        match door {
            Door::Staff => self.begin_at(id, &SamlLeft { connection }).await?,
            Door::Public => self.begin_at(id, &SamlVisitorLeft { connection }).await?,
        }
        Ok(Some(Farewell(Secret::new(location))))
    }
}
