//! Signing in people who chat through a provider that speaks SAML: the same verifier, the same two steps
//! and the same reasons as for staff, at the public door's own addresses ([`saml_door`](super::saml_door)).
//!
//! The provider makes the browser post its answer to us. That form comes from another site, and the cookie
//! of the ceremony stays home: it is `SameSite=Lax`, and need not be less. The form is verified by what
//! travels with it (the relay state, 256 random bits that were never used), told once, and what it said
//! waits, sealed, for the browser's next step: a redirect to a page of ours, on which the cookie comes.
//! A browser without it, or with another's, gets nothing, so nobody is signed in by a form that somebody
//! else's page posted. The step, the form and the cookie are each good once, and for ten minutes.

use federation::saml;
use kernel::{ConnectionId, Secret};
use serde::{Deserialize, Serialize};
use store::Via;

use super::Opened;
use super::begin::{Departure, relay_id};
use super::oidc_flow::refused;
use super::reason::Objection;
use super::saml_door::Door;
use super::saml_flow::Handle;
use super::saml_logout::{LogoutMessage, Parted};
use super::told::Told;
use super::trial::Seen;
use super::visit::{Arrived, Visit};
use crate::ceremony::Step;
use crate::{CeremonyId, Identity, IdentityError, Inner, Refused, sha256};

/// What is remembered while somebody who chats is at a provider that speaks SAML.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    connection: ConnectionId,
    pending: saml::Pending,
    /// SHA-256 of what the browser's cookie holds.
    browser: [u8; 32],
    visit: Visit,
}

impl Step for Asked {
    /// Not the kind of staff's: neither door finds a ceremony of the other.
    const KIND: &'static str = "saml-visit";
}

/// What the form told, until the browser comes for it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Heard {
    connection: ConnectionId,
    browser: [u8; 32],
    visit: Visit,
    /// None when it was not believed, which was recorded when it came.
    told: Option<Told>,
}

impl Step for Heard {
    const KIND: &'static str = "saml-visit-told";
}

impl Identity {
    /// Takes the form that a provider made the browser post to a connection's address at the public door.
    ///
    /// # Errors
    /// [`Refused::CeremonyOver`] when nobody waits for it: unsolicited answers are not taken.
    pub async fn visit_saml_form(
        &self,
        connection: ConnectionId,
        response: &str,
        relay_state: &str,
        via: &Via,
    ) -> Result<Handle, IdentityError> {
        let inner = &self.0;
        let id = CeremonyId::of(relay_id(relay_state));
        let Asked { connection: asked, pending, browser, visit } = inner.take::<Asked>(&id).await?;
        if asked != connection {
            return Err(Refused::CeremonyOver.into());
        }
        let opened = inner.opened(connection).await?;
        let (service, mut seen) = (inner.service(Door::Public, &opened)?, Seen::default());
        let told = inner.saml_told(&opened, &service, &pending, (response, relay_state), &mut seen).await?;
        let told = match told {
            Ok(told) => Some(told.without_particulars()),
            Err(failure) => inner.objected(&opened, None, failure, via).await?.ok(),
        };
        let handle = inner.begin(&Heard { connection, browser, visit, told }).await?;
        Ok(Handle(Secret::new(handle.expose())))
    }

    /// Ends it, in the browser in which it began.
    ///
    /// # Errors
    /// [`Refused::CeremonyOver`] in another browser, [`Refused::Provider`] when the form was not believed.
    pub async fn visit_saml_answer(
        &self,
        ceremony: &CeremonyId,
        handle: &str,
        via: &Via,
    ) -> Result<Arrived, IdentityError> {
        let inner = &self.0;
        let handle = CeremonyId::parse(handle).ok_or(Refused::CeremonyOver)?;
        let Heard { connection, browser, visit, told } = inner.take::<Heard>(&handle).await?;
        let opened = inner.opened(connection).await?;
        if sha256(ceremony.bytes()) != browser {
            inner.objected::<()>(&opened, None, Objection::OtherBrowser, via).await?.ok();
            return Err(Refused::CeremonyOver.into());
        }
        let told = told.ok_or(Refused::Provider)?;
        inner.arrive(&opened, Ok(told), visit, via).await?.map_err(refused)
    }

    /// The metadata of the public door for a connection's provider.
    ///
    /// # Errors
    /// [`Refused::NoConnection`] when it speaks another protocol, or is not for people who chat.
    pub async fn visit_saml_metadata(&self, connection: ConnectionId) -> Result<String, IdentityError> {
        let inner = &self.0;
        let opened = inner.opened(connection).await?;
        if !opened.settings.serves.visitors() {
            return Err(Refused::NoConnection.into());
        }
        inner.metadata_of(Door::Public, &opened).await
    }

    /// Takes a logout message that the browser brings to the public door.
    ///
    /// # Errors
    /// As [`saml_logout`](Self::saml_logout).
    pub async fn visit_saml_logout(
        &self,
        connection: ConnectionId,
        message: &LogoutMessage,
        via: &Via,
    ) -> Result<Parted, IdentityError> {
        self.0.saml_parted(Door::Public, connection, message, via).await
    }
}

impl Inner {
    /// Sends somebody who wants to chat to a provider that speaks SAML.
    pub(crate) async fn visit_depart_saml(
        &self,
        opened: &Opened,
        visit: Visit,
    ) -> Result<Departure, IdentityError> {
        let service = self.service(Door::Public, opened)?;
        let (to, form, pending) = self.saml_question(opened, &service, saml::Login::default()).await?;
        let browser: [u8; 16] = self.world.bytes();
        let id = relay_id(&pending.relay_state);
        let asked = Asked { connection: opened.row.id, pending, browser: sha256(&browser), visit };
        self.begin_at(id, &asked).await?;
        Ok(Departure { ceremony: CeremonyId::of(browser), to, form })
    }
}
