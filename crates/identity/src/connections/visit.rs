//! Signing in people who chat, through a connection that serves them; how one that speaks SAML does is in
//! [`visit_saml`](super::visit_saml). The same exchange, the same checks
//! and the same reasons as for staff; but nothing of it is shared with staff's: the ceremony is of
//! another kind and in another cookie, the provider answers to the public door's own address, and what
//! comes of it is a [person's session](crate::person), never an account.

use federation::oidc::{Question, Refusal, Ties};
use federation::saml::SamlSettings;
use kernel::{BotName, ConnectionId};
use ledger::catalogue::{PersonSessionEnded, PersonSignedIn, ProviderRefused};
use serde::{Deserialize, Serialize};
use store::connections::{self, ConnectionState};
use store::person_sessions::{self, PersonSession};
use store::{StoreError, Via, end_users};

use super::admit::OLDEST;
use super::begin::{Departure, redirect, unable};
use super::oidc_flow::{Exchange, refused};
use super::reason::{Failure, Objection};
use super::saml_door::at_the_public_door;
use super::settings::{Provider, Serves};
use super::told::Told;
use super::trial::Seen;
use super::{Access, Offer, Opened};
use crate::ceremony::Step;
use crate::person::PersonSecret;
use crate::sign_in::ABSOLUTE;
use crate::{CeremonyId, Identity, IdentityError, Inner, Refused, sha256};

/// Where people come back to after they signed out at their provider.
pub(crate) const PARTED: &str = "/mine";
/// Sessions of one person at a time; with one more, the one that was used longest ago ends.
const AT_ONCE: usize = 10;

/// What somebody signs in for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Visit {
    /// The bot that asks for it.
    pub bot: BotName,
    /// The path of ours to come back to.
    pub next: String,
}

/// Somebody who is signed in now.
#[derive(Debug)]
pub struct Arrived {
    /// For the cookie.
    pub secret: PersonSecret,
    /// How long the browser keeps it.
    pub lifetime: std::time::Duration,
    /// The path of ours to go to.
    pub next: String,
}

/// What is remembered while somebody who chats is at their provider.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    connection: ConnectionId,
    ties: Ties,
    visit: Visit,
}

impl Step for Asked {
    /// Not the kind of staff's: neither door finds a ceremony of the other.
    const KIND: &'static str = "oidc-visit";
}

/// What a provider is told of the public door: where it answers to, where it tells of logouts, and where
/// its people come back to after signing out; over SAML, where our metadata is, which is our name there.
/// `None` when the public door has no address that a provider could answer to.
pub(crate) fn addresses(access: &Access, id: ConnectionId, provider: &Provider) -> Option<[String; 3]> {
    let origin = &access.visitors;
    match provider {
        Provider::Oidc(oidc) => {
            let answers = redirect(origin, id, oidc);
            Some([answers, format!("{origin}/sso/oidc/backchannel"), format!("{origin}{PARTED}")])
        }
        Provider::Saml(saml) => {
            let ours = at_the_public_door(access, id, saml).ok()?;
            let SamlSettings { entity_id, acs, logout, .. } = ours.settings().clone();
            Some([acs, logout?, entity_id])
        }
    }
}

impl Identity {
    /// The connections through which people who chat can sign in; only those of a name, if one is given.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn visit_offers(&self, named: Option<&str>) -> Result<Vec<Offer>, IdentityError> {
        let mut offers = self.0.offers_to(Serves::visitors).await?;
        offers.retain(|offer| named.is_none_or(|name| offer.name == name));
        Ok(offers)
    }

    /// Sends somebody who wants to chat to their provider.
    ///
    /// # Errors
    /// [`Refused::NoConnection`] when the connection is not enabled or not for people who chat,
    /// [`Refused::Provider`] when the provider cannot be asked.
    pub async fn visit_depart(
        &self,
        connection: ConnectionId,
        visit: Visit,
    ) -> Result<Departure, IdentityError> {
        let inner = &self.0;
        let access = inner.access()?;
        let opened = inner.opened(connection).await?.enabled()?;
        if !opened.settings.serves.visitors() {
            return Err(Refused::NoConnection.into());
        }
        let Provider::Oidc(oidc) = &opened.settings.provider else {
            return inner.visit_depart_saml(&opened, visit).await;
        };
        let published = inner.published(access, oidc).await.map_err(unable)?;
        let (ties, redirect) = (Ties::generate(&inner.world), redirect(&access.visitors, connection, oidc));
        let question = Question {
            client: &oidc.client,
            redirect: &redirect,
            scopes: &oidc.scopes,
            max_age: Some(ABSOLUTE),
            acr_values: &[],
            hint: None,
        };
        let to = question.url(&published.provider, &ties);
        let ceremony = inner.begin(&Asked { connection, ties, visit }).await?;
        Ok(Departure { ceremony, to, form: None })
    }

    /// Takes an answer that the browser brings back: its query as it came, and the cookie of the ceremony.
    /// `of` is the connection that the answer's address names, if it names one. The ceremony is over
    /// whatever the answer is.
    ///
    /// # Errors
    /// [`Refused::CeremonyOver`], [`Refused::Provider`] whatever else is wrong.
    pub async fn visit_answer(
        &self,
        ceremony: &CeremonyId,
        query: &str,
        of: Option<ConnectionId>,
        via: &Via,
    ) -> Result<Arrived, IdentityError> {
        let inner = &self.0;
        let access = inner.access()?;
        let Asked { connection, ties, visit } = inner.take::<Asked>(ceremony).await?;
        let opened = inner.opened(connection).await?;
        let Provider::Oidc(oidc) = &opened.settings.provider else {
            return Err(Refused::NoConnection.into());
        };
        let redirect = redirect(&access.visitors, connection, oidc);
        let told = match of.is_some_and(|of| of != connection) {
            true => Err(Refusal::State.into()),
            false => {
                let (opened, ties, redirect) = (&opened, &ties, redirect.as_str());
                let exchange = Exchange { inner, access, opened, oidc, ties, redirect };
                exchange.run(query, &mut Seen::default()).await?
            }
        };
        inner.arrive(&opened, told, visit, via).await?.map_err(refused)
    }
}

impl Inner {
    /// What comes of what was told, or of its not having been believed.
    pub(crate) async fn arrive(
        &self,
        opened: &Opened,
        told: Result<Told, Failure>,
        visit: Visit,
        via: &Via,
    ) -> Result<Result<Arrived, Failure>, IdentityError> {
        match told.and_then(|told| self.welcomes(opened, &told).map(|()| told)) {
            Ok(told) => self.welcome(opened, &told, visit, via).await,
            Err(failure) => self.objected(opened, None, failure, via).await,
        }
    }

    /// Whether what was told lets anybody in here and now.
    fn welcomes(&self, opened: &Opened, told: &Told) -> Result<(), Failure> {
        let now = self.world.now();
        if !opened.settings.serves.visitors() {
            return Err(Objection::NotForVisitors.into());
        }
        let old = told.proved.is_some_and(|proved| now.since(proved) > OLDEST);
        if old || told.ends.is_some_and(|ends| ends <= now) {
            return Err(Objection::Stale.into());
        }
        Ok(())
    }

    /// Begins a person's session. The person is who the provider says, through this connection; of that
    /// only a blind index is kept. Name, address and groups are not.
    async fn welcome(
        &self,
        opened: &Opened,
        told: &Told,
        Visit { bot, next }: Visit,
        via: &Via,
    ) -> Result<Result<Arrived, Failure>, IdentityError> {
        let (tenant, connection, now) = (self.tenant, opened.row.id, self.world.now());
        let index = self.index().await?;
        let subject_blind = index.blind_index("identity.subject", told.subject.as_bytes())?;
        let named = format!("{connection}\0{}", told.subject);
        let person_blind = index.blind_index("end-user.sso", named.as_bytes())?;
        let (id, fresh) = (self.world.id(), self.world.id());
        let origin =
            self.origin(opened, told, subject_blind, &person_sessions::hint_place(tenant, id)).await?;
        let latest = now.after(ABSOLUTE);
        let absolute = told.ends.map_or(latest, |ends| ends.min(latest));
        let secret = PersonSecret::generate(&self.world);
        let (hash, pen) = (sha256(secret.expose()), self.pen(self.nobody(), via).await?);
        let begun = self.db.write(move |tx| {
            let still = connections::find(tx, tenant, connection)?;
            if still.is_none_or(|row| row.state != ConnectionState::Enabled) {
                let reason = Objection::Connection.code();
                pen.note(tx, &ProviderRefused { connection, user: None, reason })?;
                return Ok(Err(Objection::Connection));
            }
            let subject = end_users::seen(tx, tenant, person_blind, &bot, fresh, now)?;
            let pseudonym = pen.scribe().pseudonym(subject).map_err(StoreError::refuse)?;
            let had = person_sessions::of_person(tx, tenant, subject, now)?;
            for old in had.iter().skip(AT_ONCE - 1) {
                if person_sessions::end(tx, (tenant, subject), old.id, now)? {
                    let ended = PersonSessionEnded { subject: pseudonym, session: old.id, why: "replaced" };
                    pen.note(tx, &ended)?;
                }
            }
            let session = PersonSession {
                tenant,
                id,
                subject,
                connection,
                created: now,
                last_seen: now,
                absolute,
                ended: None,
            };
            person_sessions::begin(tx, &session, &origin, hash)?;
            pen.note(tx, &PersonSignedIn { subject: pseudonym, session: id, connection })?;
            Ok::<_, StoreError>(Ok(()))
        });
        let begun = begun.await?.map_err(Failure::from);
        Ok(begun.map(|()| Arrived { secret, lifetime: absolute.since(now), next }))
    }
}
