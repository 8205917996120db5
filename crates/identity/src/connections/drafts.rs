//! What a provider says of itself, made into the settings of a new connection.

use federation::oidc::Issuer;
use federation::saml;
use kernel::{ConnectionId, Secret};

use super::Access;
use super::settings::{OidcSettings, People, Provider, SamlSecret, Settings};
use crate::{IdentityError, Inner, Refused};

impl Inner {
    /// The provider is asked what it is; what it signs with, of what we verify, is what is accepted.
    pub(crate) async fn oidc_draft(
        &self,
        access: &Access,
        issuer: String,
        client: String,
    ) -> Result<Settings, IdentityError> {
        let issuer = issuer.trim().to_owned();
        let parsed = Issuer::parse(&issuer).map_err(|_| Refused::Setting("issuer"))?;
        access.providers.forget(parsed.as_str());
        let published = access.providers.of(&parsed, access.fetch.as_ref(), &self.world).await;
        let published = published.map_err(|failure| Refused::ProviderUnusable(failure.to_string()))?;
        let oidc = OidcSettings {
            issuer,
            client: client.trim().to_owned(),
            algorithms: published.provider.algorithms().to_vec(),
            scopes: vec!["email".to_owned(), "profile".to_owned()],
            user_info: false,
            own_address: !published.provider.names_itself(),
        };
        Ok(Settings { provider: Provider::Oidc(oidc), people: People::default() })
    }

    /// The metadata is read, and a key of our own is made for this connection alone.
    pub(crate) fn saml_draft(
        &self,
        access: &Access,
        id: ConnectionId,
        metadata: &[u8],
    ) -> Result<(Settings, Secret<Vec<u8>>), IdentityError> {
        let unusable = |error: saml::SamlError| Refused::ProviderUnusable(error.to_string());
        let metadata = saml::IdpMetadata::parse(metadata, None, self.world.now()).map_err(unusable)?;
        let base = format!("{}/sso/saml/{id}", access.origin);
        let settings = saml::SamlSettings {
            entity_id: format!("{base}/metadata"),
            acs: format!("{base}/acs"),
            logout: None,
            idp_entity_id: metadata.entity_id,
            idp_sign_on: by_redirect(&metadata.sign_on).ok_or(Refused::Setting("sign-on address"))?,
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
        let (key, certificate) =
            saml::OwnKey::generate("wardroom", &self.world).map_err(|_| IdentityError::Document("key"))?;
        let secret = SamlSecret { key: key.expose().clone(), certificate };
        let secret = serde_json::to_vec(&secret).map_err(|_| IdentityError::Document("key"))?;
        Ok((
            Settings { provider: Provider::Saml(Box::new(settings)), people: People::default() },
            Secret::new(secret),
        ))
    }
}

/// The address that takes a message in a query. One that only takes forms is of no use: our pages send
/// forms to our own house and nowhere else.
fn by_redirect(offered: &[saml::Endpoint]) -> Option<saml::Endpoint> {
    offered.iter().find(|endpoint| endpoint.binding == saml::Binding::Redirect).cloned()
}
