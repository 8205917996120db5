//! Coming back from a provider that speaks SAML: first the form that it makes the browser post to us,
//! then, on our own page again, whoever's browser it was.
//!
//! The form comes from another site, so no cookie of ours comes with it. It is verified and recorded as
//! believed at once; what it told is kept sealed until the browser asks for it with the cookie of the
//! ceremony, in the step after.

use std::collections::BTreeMap;

use federation::groups::Groups;
use federation::saml;
use kernel::{ConnectionId, DisplayName, Email, Secret};
use serde::{Deserialize, Serialize};
use store::{StoreError, Tx, Via, identities};

use super::Opened;
use super::begin::{For, SamlAsked, relay_id};
use super::oidc_flow::Finished;
use super::reason::{Failure, Objection};
use super::saml_door::Door;
use super::settings::People;
use super::told::{GroupsTold, Told};
use super::trial::Seen;
use crate::ceremony::Step;
use crate::{CeremonyId, Identity, IdentityError, Inner, Refused, sha256};

/// What the form told, until the browser comes for it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SamlTold {
    connection: ConnectionId,
    browser: [u8; 32],
    wish: For,
    told: Result<Told, (String, String)>,
    seen: Seen,
}

impl Step for SamlTold {
    const KIND: &'static str = "saml-told";
}

/// What the browser is sent on with, to [`Identity::saml_answer`]: it is worth nothing without the cookie.
#[derive(Debug)]
pub struct Handle(pub Secret<String>);

impl Identity {
    /// Takes the form that a provider made the browser post to a connection's address.
    ///
    /// # Errors
    /// [`Refused::CeremonyOver`] when nobody waits for it: unsolicited answers are not taken.
    pub async fn saml_form(
        &self,
        connection: ConnectionId,
        response: &str,
        relay_state: &str,
        via: &Via,
    ) -> Result<Handle, IdentityError> {
        let inner = &self.0;
        inner.access()?;
        let id = CeremonyId::of(relay_id(relay_state));
        let asked = inner.take::<SamlAsked>(&id).await?;
        if asked.connection != connection {
            return Err(Refused::CeremonyOver.into());
        }
        let opened = inner.opened(connection).await?;
        let mut seen = Seen::default();
        let service = inner.service(Door::Staff, &opened)?;
        let form = (response, relay_state);
        let told = inner.saml_told(&opened, &service, &asked.pending, form, &mut seen).await?;
        let told = match told {
            Ok(told) => Ok(told),
            Err(failure) => {
                let refused = inner.objected::<Told>(&opened, None, failure, via).await?;
                refused.map_err(|failure| (failure.code().to_owned(), failure.to_string()))
            }
        };
        let SamlAsked { browser, wish, .. } = asked;
        let handle = inner.begin(&SamlTold { connection, browser, wish, told, seen }).await?;
        Ok(Handle(Secret::new(handle.expose())))
    }

    /// Ends it, in the browser in which it began.
    ///
    /// # Errors
    /// [`Refused::CeremonyOver`] in another browser, [`Refused::Provider`] when the form was not believed.
    pub async fn saml_answer(
        &self,
        ceremony: &CeremonyId,
        handle: &str,
        via: &Via,
    ) -> Result<Finished, IdentityError> {
        let inner = &self.0;
        let handle = CeremonyId::parse(handle).ok_or(Refused::CeremonyOver)?;
        let SamlTold { connection, browser, wish, told, seen } = inner.take::<SamlTold>(&handle).await?;
        let opened = inner.opened(connection).await?;
        if sha256(ceremony.bytes()) != browser {
            inner.objected::<()>(&opened, None, Objection::OtherBrowser, via).await?.ok();
            return Err(Refused::CeremonyOver.into());
        }
        let told = match (told, &wish) {
            (Ok(told), _) => Ok(told),
            (Err(words), For::Trial { user }) => {
                let ceremony = inner.file_failed(&opened, *user, words, seen).await?;
                return Ok(Finished::Tried { connection, ceremony });
            }
            // It was recorded when the form came.
            (Err(_), _) => return Err(Refused::Provider.into()),
        };
        inner.conclude(&opened, wish, told, seen, via).await
    }

    /// Our metadata for a connection's provider.
    ///
    /// # Errors
    /// [`Refused::NoConnection`] when it speaks another protocol.
    pub async fn saml_metadata(&self, connection: ConnectionId) -> Result<String, IdentityError> {
        let inner = &self.0;
        let opened = inner.opened(connection).await?;
        inner.metadata_of(Door::Staff, &opened).await
    }
}

impl Inner {
    /// What the provider must know of a door.
    pub(crate) async fn metadata_of(&self, door: Door, opened: &Opened) -> Result<String, IdentityError> {
        let service = self.service(door, opened)?;
        let keys = self.saml_keys(opened).await?;
        Ok(saml::sp_metadata(&service, Some(&keys.signing), keys.encryption.as_ref()))
    }

    /// Verifies a form that came to a door (its response and its relay state), and records that it was
    /// believed.
    pub(crate) async fn saml_told(
        &self,
        opened: &Opened,
        service: &saml::SamlConnection,
        pending: &saml::Pending,
        (response, relay_state): (&str, &str),
        seen: &mut Seen,
    ) -> Result<Result<Told, Failure>, IdentityError> {
        let keys = self.saml_keys(opened).await?;
        let (key, now) = (keys.encryption.as_ref(), self.world.now());
        let verified = match saml::finish(service, key, pending, response, relay_state, now) {
            Ok(verified) => verified,
            Err(refusal) => {
                seen.pass_up_to(refusal);
                return Ok(Err(refusal.into()));
            }
        };
        let (tenant, id) = (self.tenant, opened.row.id);
        let claims = self.db.write(move |tx| {
            identities::sweep(tx, now)?;
            verified.admit(|once| record(tx, tenant, id, once))
        });
        let claims = match claims.await? {
            Ok(claims) => claims,
            Err(refusal) => return Ok(Err(refusal.into())),
        };
        saml::Refusal::ALL.last().into_iter().for_each(|_| seen.pass("every check of the SAML profile"));
        seen.show("Assertion", serde_json::to_string_pretty(&claims).unwrap_or_default());
        Ok(Ok(told(&opened.settings.people, &claims)))
    }
}

/// Records that a message was believed.
pub(crate) fn record(
    tx: &mut Tx<'_>,
    tenant: kernel::TenantId,
    connection: ConnectionId,
    once: &saml::Once,
) -> Result<saml::Recorded, StoreError> {
    match identities::believe_once(tx, tenant, connection, *once.key(), once.until()) {
        Ok(()) => Ok(saml::Recorded::New),
        Err(StoreError::Conflict { .. }) => Ok(saml::Recorded::SeenBefore),
        Err(error) => Err(error),
    }
}

/// Attributes under which providers state authentication methods.
const METHODS: [&str; 2] =
    ["http://schemas.microsoft.com/claims/authnmethodsreferences", "authnmethodsreferences"];

fn told(people: &People, claims: &saml::Claims) -> Told {
    let values = |name: &str| claims.attributes.get(name).map(Vec::as_slice);
    let first = |name: &str| values(name).and_then(<[String]>::first);
    let email = first(&people.email).map(String::as_str).or_else(|| as_address(claims));
    let groups = match &people.groups {
        None => Groups::Unsaid,
        Some(name) => groups_of(name, &claims.attributes),
    };
    let methods: Vec<&str> =
        METHODS.iter().filter_map(|name| values(name)).flatten().map(String::as_str).collect();
    Told {
        subject: format!("{}\0{}", claims.issuer, claims.subject),
        id: claims.subject.clone(),
        email: email.and_then(|email| Email::new(email).ok()),
        // SAML has no word for it: an address is vouched for by the domain's being the connection's.
        unverified: false,
        name: first(&people.name).and_then(|name| DisplayName::new(name).ok()),
        groups: GroupsTold::from(groups),
        level: people.assurance.level(claims.authn_context.as_deref(), &methods),
        proved: Some(claims.authn_instant),
        ends: claims.session_not_on_or_after,
        sid: claims.session_index.clone(),
        hint: serde_json::to_string(&saml::Leaving::from(claims)).ok(),
        leaver: Some(format!("{}\0{}", claims.issuer, claims.name_id.value)),
    }
}

/// The name identifier, when it is an address.
fn as_address(claims: &saml::Claims) -> Option<&str> {
    Some(claims.subject.as_str()).filter(|subject| Email::new(subject).is_ok())
}

/// The attribute with which Entra says, in place of more than 150 groups, where to ask for them.
const ENTRA_OVERAGE: &str = "http://schemas.microsoft.com/claims/groups.link";

fn groups_of(name: &str, attributes: &BTreeMap<String, Vec<String>>) -> Groups {
    if attributes.contains_key(ENTRA_OVERAGE) || attributes.contains_key(&format!("{name}.link")) {
        return Groups::TooMany;
    }
    match attributes.get(name) {
        None => Groups::Unsaid,
        Some(values) => Groups::of_names(values.iter().map(String::as_str)),
    }
}
