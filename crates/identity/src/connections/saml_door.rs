//! The two service providers that a SAML connection can be. Towards the provider each door of the house is
//! one of its own, with an entity id and addresses of its own: an assertion names its audience and its
//! recipient, so one that was made for staff is refused at the public door, and the other way round. What
//! the doors share is the provider, its pinned keys, what is set of messages, and the key that we sign with.

use federation::saml::{SamlConnection, SamlSettings};
use kernel::ConnectionId;

use super::begin::saml_connection;
use super::settings::{Provider, Settings};
use super::{Access, Opened};
use crate::{IdentityError, Inner, Refused};

/// A door that a provider answers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// Where staff sign in.
    Staff,
    /// Where people who chat do.
    Public,
}

impl Inner {
    /// What a connection that speaks SAML is at a door, judged anew each time that it is used.
    pub(crate) fn service(&self, door: Door, opened: &Opened) -> Result<SamlConnection, IdentityError> {
        let Provider::Saml(settings) = &opened.settings.provider else {
            return Err(Refused::NoConnection.into());
        };
        match door {
            Door::Staff => saml_connection(settings),
            Door::Public => Ok(at_the_public_door(self.access()?, opened.row.id, settings)?),
        }
    }

    /// Whether people who chat could sign in through a connection with these settings.
    pub(crate) fn serves_visitors(&self, id: ConnectionId, settings: &Settings) -> Result<(), IdentityError> {
        if let (true, Provider::Saml(saml)) = (settings.serves.visitors(), &settings.provider) {
            at_the_public_door(self.access()?, id, saml)?;
        }
        Ok(())
    }
}

/// The connection's settings with the public door's own entity id and addresses. They follow the origin
/// that the configuration names, as those of OpenID Connect do.
pub(crate) fn at_the_public_door(
    access: &Access,
    id: ConnectionId,
    staff: &SamlSettings,
) -> Result<SamlConnection, Refused> {
    let base = format!("{}/sso/saml/{id}", access.visitors);
    let ours = SamlSettings {
        entity_id: format!("{base}/metadata"),
        acs: format!("{base}/acs"),
        logout: Some(format!("{base}/logout")),
        ..staff.clone()
    };
    // Two doors with one address would be one service provider, and nothing could tell their answers apart.
    if ours.entity_id == staff.entity_id || ours.acs == staff.acs {
        return Err(Refused::NoPublicAddress);
    }
    SamlConnection::new(ours).map_err(|_| Refused::NoPublicAddress)
}
