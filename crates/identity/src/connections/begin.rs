//! Sending somebody to their provider: what is remembered until they come back, and for what.

use std::time::Duration;

use federation::oidc::{Issuer, Question, Ties};
use federation::saml;
use guard::Permit;
use guard::action::ManageConnections;
use kernel::{ConnectionId, Secret, SessionId, UserId};
use serde::{Deserialize, Serialize};

use super::providers::Published;
use super::reason::{Failure, Objection};
use super::saml_door::Door;
use super::settings::{OidcSettings, Provider};
use super::{Access, Opened};
use crate::ceremony::Step;
use crate::session::Signed;
use crate::sign_in::ABSOLUTE;
use crate::{CeremonyId, Identity, IdentityError, Inner, Refused, sha256};

/// How old a proof may be for a step-up: the person is asked anew.
const ANEW: Duration = Duration::ZERO;

/// Why somebody is sent to their provider.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish(pub(crate) For);

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum For {
    /// To sign in, and then to look at a page of ours.
    SignIn { next: String },
    /// To prove again who they are in a session, and then to look at a page of ours.
    StepUp { session: SessionId, user: UserId, next: String },
    /// To see what would come of a sign-in.
    Trial { user: UserId },
}

impl Wish {
    /// To sign in; `next` is a path of ours to go to.
    pub fn sign_in(next: String) -> Self {
        Self(For::SignIn { next })
    }

    /// To prove again who one is.
    pub fn step_up(signed: &Signed, next: String) -> Self {
        Self(For::StepUp { session: signed.session.id, user: signed.actor.user, next })
    }

    /// To see what would come of a sign-in. Nothing does.
    ///
    /// # Errors
    /// [`Refused::NoAccount`] when nobody of the staff asks.
    pub fn trial(permit: &Permit<ManageConnections>) -> Result<Self, Refused> {
        Ok(Self(For::Trial { user: permit.user().ok_or(Refused::NoAccount)? }))
    }
}

/// Where to send the browser, and what it keeps meanwhile.
#[derive(Debug)]
pub struct Departure {
    /// For the cookie.
    pub ceremony: CeremonyId,
    /// The provider's address.
    pub to: Secret<String>,
    /// What a form posts there; none where a redirect carries it all.
    pub form: Option<Fields>,
}

/// What a form posts: names and values.
pub(crate) type Fields = Vec<(&'static str, Secret<String>)>;

/// What is remembered while somebody is at a provider that speaks OpenID Connect.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OidcAsked {
    pub(crate) connection: ConnectionId,
    pub(crate) ties: Ties,
    pub(crate) wish: For,
}

impl Step for OidcAsked {
    const KIND: &'static str = "oidc";
}

/// What is remembered while somebody is at a provider that speaks SAML. It is found by what travels with
/// the answer, because a form that comes from another site brings no cookie; whose browser it was is
/// checked in the step after.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SamlAsked {
    pub(crate) connection: ConnectionId,
    pub(crate) pending: saml::Pending,
    /// SHA-256 of what the browser's cookie holds.
    pub(crate) browser: [u8; 32],
    pub(crate) wish: For,
}

impl Step for SamlAsked {
    const KIND: &'static str = "saml";
}

impl Identity {
    /// Sends somebody to a provider.
    ///
    /// # Errors
    /// [`Refused::NoConnection`], [`Refused::Provider`] when the provider cannot be asked.
    pub async fn depart(
        &self,
        connection: ConnectionId,
        wish: Wish,
        hint: Option<&str>,
    ) -> Result<Departure, IdentityError> {
        let inner = &self.0;
        let access = inner.access()?;
        let opened = inner.opened(connection).await?;
        let opened = match &wish.0 {
            For::Trial { .. } => opened,
            For::SignIn { .. } | For::StepUp { .. } if opened.settings.serves.staff() => opened.enabled()?,
            For::SignIn { .. } | For::StepUp { .. } => return Err(Refused::NoConnection.into()),
        };
        match &opened.settings.provider {
            Provider::Oidc(oidc) => inner.depart_oidc(access, &opened, oidc, wish.0, hint).await,
            Provider::Saml(_) => inner.depart_saml(&opened, wish.0).await,
        }
    }
}

impl Inner {
    async fn depart_oidc(
        &self,
        access: &Access,
        opened: &Opened,
        oidc: &OidcSettings,
        wish: For,
        hint: Option<&str>,
    ) -> Result<Departure, IdentityError> {
        let published = self.published(access, oidc).await.map_err(unable)?;
        let ties = Ties::generate(&self.world);
        let redirect = redirect(&access.origin, opened.row.id, oidc);
        let stepping = matches!(wish, For::StepUp { .. });
        let contexts = if stepping { opened.settings.people.assurance.contexts(2) } else { Vec::new() };
        let contexts: Vec<String> = contexts
            .into_iter()
            .filter(|context| published.provider.acr_values().contains(context))
            .collect();
        let question = Question {
            client: &oidc.client,
            redirect: &redirect,
            scopes: &oidc.scopes,
            // A session here lasts no longer than that after the proof.
            max_age: Some(if stepping { ANEW } else { ABSOLUTE }),
            acr_values: &contexts,
            hint,
        };
        let to = question.url(&published.provider, &ties);
        let ceremony = self.begin(&OidcAsked { connection: opened.row.id, ties, wish }).await?;
        Ok(Departure { ceremony, to, form: None })
    }

    async fn depart_saml(&self, opened: &Opened, wish: For) -> Result<Departure, IdentityError> {
        let stepping = matches!(wish, For::StepUp { .. });
        let login = saml::Login { force_authn: stepping, authn_contexts: Vec::new() };
        let service = self.service(Door::Staff, opened)?;
        let (to, form, pending) = self.saml_question(opened, &service, login).await?;
        let browser: [u8; 16] = self.world.bytes();
        let id = relay_id(&pending.relay_state);
        let asked = SamlAsked { connection: opened.row.id, pending, browser: sha256(&browser), wish };
        self.begin_at(id, &asked).await?;
        Ok(Departure { ceremony: CeremonyId::of(browser), to, form })
    }

    /// A question to a provider that speaks SAML: where it goes, what a form carries there, and what is to
    /// be remembered of it.
    pub(crate) async fn saml_question(
        &self,
        opened: &Opened,
        service: &saml::SamlConnection,
        login: saml::Login,
    ) -> Result<(Secret<String>, Option<Fields>, saml::Pending), IdentityError> {
        let keys = self.saml_keys(opened).await?;
        let (departure, pending) = saml::start(service, Some(&keys.signing), login, &self.world)
            .map_err(|_| IdentityError::Document("sign-in request"))?;
        let (to, form) = match departure {
            saml::Departure::Redirect { location } => (location, None),
            saml::Departure::Form { action, fields } => {
                let fields = fields.into_iter().map(|(name, value)| (name, Secret::new(value)));
                (action, Some(fields.collect()))
            }
        };
        Ok((Secret::new(to), form, pending))
    }

    /// What a provider publishes.
    pub(crate) async fn published(&self, access: &Access, oidc: &OidcSettings) -> Result<Published, Failure> {
        let issuer = Issuer::parse(&oidc.issuer)?;
        access.providers.of(&issuer, access.fetch.as_ref(), &self.world).await
    }

    /// A client secret.
    pub(crate) async fn client_secret(
        &self,
        opened: &Opened,
    ) -> Result<Result<Secret<String>, Failure>, IdentityError> {
        let Some(secret) = self.secret_of(&opened.row).await? else {
            return Ok(Err(Objection::NoSecret.into()));
        };
        let text = String::from_utf8(secret.expose().clone());
        Ok(Ok(Secret::new(text.map_err(|_| IdentityError::Document("secret"))?)))
    }
}

/// The connection, judged anew each time that it is used.
pub(crate) fn saml_connection(settings: &saml::SamlSettings) -> Result<saml::SamlConnection, IdentityError> {
    saml::SamlConnection::new(settings.clone()).map_err(|_| IdentityError::Document("settings"))
}

/// Where a provider's answer comes to. One that names itself in its answers shares an address with all
/// others; one that does not has its own, so that no answer is taken for another provider's (RFC 9700
/// section 4.4.2).
pub(crate) fn redirect(origin: &str, connection: ConnectionId, oidc: &OidcSettings) -> String {
    let shared = format!("{origin}/sso/oidc/callback");
    if oidc.own_address { format!("{shared}/{connection}") } else { shared }
}

/// The ceremony's id out of what travels with a SAML answer.
pub(crate) fn relay_id(relay_state: &str) -> [u8; 16] {
    let mut id = [0; 16];
    id.iter_mut().zip(sha256(relay_state.as_bytes())).for_each(|(to, from)| *to = from);
    id
}

/// A provider that cannot be asked: before anybody was sent anywhere, so there is nothing to record.
pub(crate) fn unable(failure: Failure) -> IdentityError {
    tracing::warn!(reason = failure.code(), "a provider cannot be asked");
    Refused::Provider.into()
}
