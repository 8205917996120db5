//! What a provider that speaks OpenID Connect says of itself, made into the settings of a new connection.

use federation::oidc::Issuer;

use super::Access;
use super::settings::{OidcSettings, People, Provider, Serves, Settings};
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
        Ok(Settings { provider: Provider::Oidc(oidc), people: People::default(), serves: Serves::Staff })
    }
}
