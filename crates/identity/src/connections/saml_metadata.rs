//! What a provider that speaks SAML says of itself: made into a new connection, and read again when the
//! provider changes its keys or addresses.
//!
//! A roll-over takes two imports: one that keeps the old certificates beside the new ones, and, when the
//! provider signs with the new key, one that does not.

use federation::saml::{self, IdpMetadata, PinnedCertificate, SamlSettings};
use guard::Permit;
use guard::action::ManageConnections;
use kernel::{ConnectionId, Secret};
use store::Via;
use store::connections::Connection;

use super::manage::detail;
use super::providers::document;
use super::saml_keys::SamlSecret;
use super::settings::{People, Provider, Serves, Settings};
use super::{Access, Opened};
use crate::{Identity, IdentityError, Inner, Refused};

/// The most bytes of metadata that are fetched.
const CAP: usize = 512 * 1024;

/// Where a provider's metadata comes from.
#[derive(Debug)]
pub enum Metadata {
    /// An administrator brought it.
    File(Vec<u8>),
    /// It is fetched from there, now and by nobody's leave later.
    Address(String),
}

impl Identity {
    /// Reads a provider's metadata again: its addresses are those of the metadata now, and its
    /// certificates too; with `keep`, the ones that were pinned before stay pinned beside them.
    ///
    /// # Errors
    /// [`Refused::ProviderUnusable`] with the reason, [`Refused::Setting`] when it is another provider's
    /// or there would be too many certificates, [`Refused::NoConnection`].
    pub async fn renew_metadata(
        &self,
        permit: Permit<ManageConnections>,
        connection: ConnectionId,
        metadata: Metadata,
        keep: bool,
        via: &Via,
    ) -> Result<(), IdentityError> {
        let inner = &self.0;
        let access = inner.access()?;
        let Opened { row, settings } = inner.opened(connection).await?;
        let Settings { provider: Provider::Saml(mut saml), people, serves } = settings else {
            return Err(Refused::Setting("metadata").into());
        };
        let told = inner.read_metadata(access, metadata).await?;
        if told.entity_id != saml.idp_entity_id {
            return Err(Refused::Setting("issuer").into());
        }
        let mut pinned: Vec<PinnedCertificate> = told.certificates.into();
        if keep {
            let before: Vec<PinnedCertificate> = saml.idp_certificates.into();
            let only_before: Vec<_> = before.into_iter().filter(|one| !pinned.contains(one)).collect();
            pinned.extend(only_before);
        }
        saml.idp_certificates = pinned.try_into().map_err(|_| Refused::Setting("number of certificates"))?;
        (saml.idp_sign_on, saml.idp_sign_on_form) = sign_on(&told.sign_on)?;
        saml.idp_logout = by_redirect(&told.logout);
        saml.logout = Some(logout_address(access, connection));
        let settings = Settings { provider: Provider::Saml(saml), people, serves };
        settings.check()?;
        let (sealed, _) = inner.seal_connection(connection, &settings, None).await?;
        let row = Connection { settings: sealed, ..row };
        inner.change(permit, row, "settings", detail(&settings)?, via).await
    }
}

impl Inner {
    async fn read_metadata(&self, access: &Access, from: Metadata) -> Result<IdpMetadata, IdentityError> {
        let octets = match from {
            Metadata::File(octets) => octets,
            Metadata::Address(address) => document(access.fetch.as_ref(), address.trim(), CAP)
                .await
                .map_err(|failure| Refused::ProviderUnusable(failure.to_string()))?,
        };
        let read = IdpMetadata::parse(&octets, None, self.world.now());
        Ok(read.map_err(|error| Refused::ProviderUnusable(error.to_string()))?)
    }

    /// The metadata is read, and a key of our own is made for this connection alone.
    pub(crate) async fn saml_draft(
        &self,
        access: &Access,
        id: ConnectionId,
        metadata: Metadata,
    ) -> Result<(Settings, Secret<Vec<u8>>), IdentityError> {
        let metadata = self.read_metadata(access, metadata).await?;
        let base = format!("{}/sso/saml/{id}", access.origin);
        let (idp_sign_on, idp_sign_on_form) = sign_on(&metadata.sign_on)?;
        let settings = SamlSettings {
            entity_id: format!("{base}/metadata"),
            acs: format!("{base}/acs"),
            logout: Some(logout_address(access, id)),
            idp_entity_id: metadata.entity_id,
            idp_sign_on,
            idp_sign_on_form,
            send_by_form: false,
            idp_logout: by_redirect(&metadata.logout),
            idp_certificates: metadata.certificates,
            sign_requests: true,
            name_id_format: None,
            subject_attribute: None,
            response_signature_suffices: false,
            encryption: saml::Encryption::Off,
            accept_oaep_sha1: false,
            authn_contexts: Vec::new(),
            max_authn_age: None,
        };
        let secret = SamlSecret::generate(&self.world).await?.write()?;
        let provider = Provider::Saml(Box::new(settings));
        let settings = Settings { provider, people: People::default(), serves: Serves::Staff };
        Ok((settings, secret))
    }
}

fn logout_address(access: &Access, connection: ConnectionId) -> String {
    format!("{}/sso/saml/{connection}/logout", access.origin)
}

/// Where a provider takes login requests: by redirect if it does, and beside it by form, or by form alone.
fn sign_on(offered: &[saml::Endpoint]) -> Result<(saml::Endpoint, Option<saml::Endpoint>), Refused> {
    let form = offered.iter().find(|endpoint| endpoint.binding == saml::Binding::Post).cloned();
    match (by_redirect(offered), form) {
        (Some(redirect), form) => Ok((redirect, form)),
        (None, Some(form)) => Ok((form, None)),
        (None, None) => Err(Refused::Setting("sign-on address")),
    }
}

/// The address that takes a message in a query. For logout no other will do: whoever signs out follows a
/// link, and one page with a form that leads away is enough.
fn by_redirect(offered: &[saml::Endpoint]) -> Option<saml::Endpoint> {
    offered.iter().find(|endpoint| endpoint.binding == saml::Binding::Redirect).cloned()
}
