//! Signing in through an enterprise's own identity provider. What a provider says is verified in the
//! crate `federation`, which keeps nothing; here is what must be kept, and what follows.
//!
//! The order of a sign-in: `begin` sends the browser away; `oidc_flow` or `saml_flow` takes the answer
//! and makes a [`Told`](told::Told) of it, in which nothing is left that a provider's protocol is about;
//! `admit` finds or makes the account, gives it the roles that its groups bring, and begins the session,
//! all in one transaction with the record that this answer was believed.
//!
//! Whoever signs in is told one sentence whatever went wrong; the reason is in the audit log, and an
//! administrator sees it in a trial.

mod admit;
mod begin;
mod drafts;
mod fetch;
mod logout;
mod manage;
mod oidc_flow;
mod proof;
mod providers;
mod reason;
mod roles;
mod saml_door;
mod saml_flow;
mod saml_keys;
mod saml_logout;
mod saml_metadata;
mod settings;
mod told;
mod trial;
mod visit;
mod visit_saml;

use std::sync::{Arc, OnceLock};

use kernel::{ConnectionId, Secret};
use store::connections::{self, Connection, ConnectionKind, ConnectionState};

use crate::{Identity, IdentityError, Inner, Refused};
use providers::Providers;
use saml_keys::KeptKeys;

pub(crate) use roles::{Synced, sync};
pub(crate) use saml_door::Door;
pub(crate) use visit::PARTED;

pub use begin::{Departure, Wish};
pub use fetch::{Fetch, FetchError, Fetched, Fetching};
pub use logout::Farewell;
pub use manage::{ConnectionView, DomainView, Draft, DraftProvider};
pub use oidc_flow::Finished;
pub use proof::Ways;
pub use reason::{Failure, Objection};
pub use saml_flow::Handle;
pub use saml_logout::{LogoutMessage, Parted};
pub use saml_metadata::Metadata;
pub use settings::{Domain, GroupRole, OidcSettings, People, Provider, Serves, Settings, Unsaid};
pub use trial::{Preview, Trial};
pub use visit::{Arrived, Visit};

/// What this room needs to reach providers and be reached by them.
pub struct ProviderAccess {
    /// The way there.
    pub fetch: Arc<dyn Fetch>,
    /// The origin that staff's browsers see: `https://desk.example`.
    pub origin: String,
    /// The origin that the browsers of people who chat see: `https://chat.example`.
    pub visitors: String,
    /// The domains that the operator says are the tenant's.
    pub vouched: Vec<Domain>,
}

/// The same, at work.
pub(crate) struct Access {
    pub(crate) fetch: Arc<dyn Fetch>,
    pub(crate) origin: String,
    pub(crate) visitors: String,
    pub(crate) vouched: Vec<Domain>,
    pub(crate) providers: Providers,
    pub(crate) saml_keys: KeptKeys,
}

/// A provider that the sign-in page offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The connection.
    pub connection: ConnectionId,
    /// What stands on the button.
    pub name: String,
}

/// A connection that was opened.
#[derive(Clone)]
pub(crate) struct Opened {
    pub(crate) row: Connection,
    pub(crate) settings: Settings,
}

impl Identity {
    /// Lets people sign in through providers. Once, when the house is put together; until then no
    /// provider is offered and none is asked.
    pub fn open_to_providers(&self, access: ProviderAccess) {
        let ProviderAccess { fetch, origin, visitors, vouched } = access;
        let (providers, saml_keys) = (Providers::default(), KeptKeys::default());
        let access = Access { fetch, origin, visitors, vouched, providers, saml_keys };
        if self.0.access.set(access).is_err() {
            tracing::error!("providers were made known twice; the first stay");
        }
    }

    /// The providers that staff can sign in through.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn offers(&self) -> Result<Vec<Offer>, IdentityError> {
        self.0.offers_to(Serves::staff).await
    }

    /// The provider that vouches for an address, by its domain.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn offer_for(&self, login: &str) -> Result<Option<Offer>, IdentityError> {
        let inner = &self.0;
        let Some(domain) = kernel::Email::new(login).ok().as_ref().and_then(Domain::of) else {
            return Ok(None);
        };
        let (tenant, blind) = (inner.tenant, inner.domain_blind(&domain).await?);
        let found = inner.db.read(move |tx| {
            let Some(domain) = connections::domain(tx, tenant, blind)? else { return Ok(None) };
            let row = connections::find(tx, tenant, domain.connection)?;
            Ok(row.filter(|row| domain.proved.is_some() && row.state == ConnectionState::Enabled))
        });
        let Some(row) = found.await?.filter(|_| inner.access.get().is_some()) else { return Ok(None) };
        let opened = inner.open_row(row).await?;
        Ok(opened.settings.serves.staff().then(|| opened.offer()))
    }
}

impl Inner {
    /// The way to providers.
    pub(crate) fn access(&self) -> Result<&Access, IdentityError> {
        Ok(self.access.get().ok_or(Refused::NoConnection)?)
    }

    /// The providers that are enabled for those whom `serves` says.
    pub(crate) async fn offers_to(&self, serves: fn(Serves) -> bool) -> Result<Vec<Offer>, IdentityError> {
        let mut offers = Vec::new();
        if self.access.get().is_none() {
            return Ok(offers);
        }
        let tenant = self.tenant;
        let all = self.db.read(move |tx| connections::all(tx, tenant)).await?;
        for row in all.into_iter().filter(|row| row.state == ConnectionState::Enabled) {
            let opened = self.open_row(row).await?;
            if serves(opened.settings.serves) {
                offers.push(opened.offer());
            }
        }
        Ok(offers)
    }

    /// A connection with its settings.
    pub(crate) async fn opened(&self, connection: ConnectionId) -> Result<Opened, IdentityError> {
        let tenant = self.tenant;
        let row = self.db.read(move |tx| connections::find(tx, tenant, connection)).await?;
        self.open_row(row.ok_or(Refused::NoConnection)?).await
    }

    pub(crate) async fn open_row(&self, row: Connection) -> Result<Opened, IdentityError> {
        let (sealed, generation) = &row.settings;
        let key = self.settings_key_at(*generation).await?;
        let bytes = key.open(&connections::settings_place(row.tenant, row.id), sealed)?;
        let settings = serde_json::from_slice(&bytes).map_err(|_| IdentityError::Document("settings"))?;
        Ok(Opened { row, settings })
    }

    /// The secret of a connection.
    pub(crate) async fn secret_of(&self, row: &Connection) -> Result<Option<Secret<Vec<u8>>>, IdentityError> {
        let Some((sealed, generation)) = &row.secret else { return Ok(None) };
        let purpose = vault::Purpose::Secrets;
        let key = self.keys.tenant_data_key_at(self.tenant, purpose, *generation).await?;
        Ok(Some(key.open(&connections::secret_place(row.tenant, row.id), sealed)?))
    }

    async fn settings_key_at(&self, generation: u32) -> Result<Arc<vault::DataKey>, IdentityError> {
        Ok(self.keys.tenant_data_key_at(self.tenant, vault::Purpose::Settings, generation).await?)
    }

    /// The blind index of a domain.
    pub(crate) async fn domain_blind(&self, domain: &Domain) -> Result<[u8; 16], IdentityError> {
        Ok(self.index().await?.blind_index("connection.domain", domain.as_str().as_bytes())?)
    }
}

impl Opened {
    /// A connection through which people may sign in now.
    pub(crate) fn enabled(self) -> Result<Self, Refused> {
        if self.row.state == ConnectionState::Enabled { Ok(self) } else { Err(Refused::NoConnection) }
    }

    /// What stands on its button.
    fn offer(&self) -> Offer {
        Offer { connection: self.row.id, name: self.row.name.clone() }
    }

    /// What its kind is called in events.
    pub(crate) fn method(&self) -> &'static str {
        match self.row.kind {
            ConnectionKind::Oidc => "oidc",
            ConnectionKind::Saml => "saml",
        }
    }
}

/// Set once, when the house is put together.
pub(crate) type AccessCell = OnceLock<Access>;
