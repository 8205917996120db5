//! Setting up connections: making one, changing it, switching it on and off, the domains it vouches for,
//! and the rule that says who signs in without one. Every change is an event, with what it was changed
//! to sealed beside it.

use guard::Permit;
use guard::action::{ManageConnections, ReadConnections, ReadUsers};
use kernel::{ConnectionId, Secret, Timestamp};
use ledger::catalogue::ConnectionChanged;
use store::connections::{self, Connection, ConnectionKind, ConnectionState, DomainProof};
use store::{StoreError, Via, identities};
use vault::Purpose;

use super::begin::redirect;
use super::logout::end_those;
use super::saml_metadata::Metadata;
use super::settings::{Domain, Provider, Settings};
use super::{Opened, providers, visit};
use crate::{Identity, IdentityError, Inner, Refused, Who};

/// The most bytes of a connection's name.
const MAX_NAME: usize = 64;

/// A connection, for the pages that manage it.
#[derive(Debug, Clone)]
pub struct ConnectionView {
    /// The connection.
    pub id: ConnectionId,
    /// What stands on the button.
    pub name: String,
    /// What the provider speaks.
    pub kind: ConnectionKind,
    /// The state.
    pub state: ConnectionState,
    /// What it is set to.
    pub settings: Settings,
    /// Whether its secret is there.
    pub has_secret: bool,
    /// The domains whose addresses it vouches for.
    pub domains: Vec<DomainView>,
    /// Where the provider sends answers to.
    pub answers: String,
    /// Where the provider may tell us of logouts.
    pub logouts: Option<String>,
    /// The same two for people who chat; and where they come back to after signing out, or, over SAML,
    /// our metadata. None when the public door has no address that a provider could answer to.
    pub visitors: Option<[String; 3]>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub changed: Timestamp,
}

/// A domain of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainView {
    /// The domain.
    pub domain: String,
    /// When it was proved to be the tenant's; before that it does not count.
    pub proved: Option<Timestamp>,
}

/// A connection to be made.
#[derive(Debug)]
pub struct Draft {
    /// What stands on the button.
    pub name: String,
    /// The provider.
    pub provider: DraftProvider,
}

/// The provider of a connection to be made.
#[derive(Debug)]
pub enum DraftProvider {
    /// It speaks OpenID Connect.
    Oidc {
        /// Its name.
        issuer: String,
        /// Who we are there.
        client: String,
        /// What proves it.
        secret: Secret<String>,
    },
    /// It speaks SAML 2.0.
    Saml {
        /// What it says of itself.
        metadata: Metadata,
    },
}

impl Identity {
    /// Every connection, the oldest first.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn connections(
        &self,
        permit: &Permit<ReadConnections>,
    ) -> Result<Vec<ConnectionView>, IdentityError> {
        let (inner, tenant) = (&self.0, permit.tenant());
        let found =
            inner.db.read(move |tx| Ok((connections::all(tx, tenant)?, connections::domains(tx, tenant)?)));
        let (rows, domains) = found.await?;
        let mut shown = Vec::with_capacity(rows.len());
        for row in rows {
            let of = domains.iter().filter(|domain| domain.connection == row.id).cloned().collect();
            shown.push(inner.view_of(row, of).await?);
        }
        Ok(shown)
    }

    /// One connection.
    ///
    /// # Errors
    /// [`Refused::NoConnection`].
    pub async fn connection(
        &self,
        permit: &Permit<ReadConnections>,
        connection: ConnectionId,
    ) -> Result<ConnectionView, IdentityError> {
        let all = self.connections(permit).await?;
        Ok(all.into_iter().find(|view| view.id == connection).ok_or(Refused::NoConnection)?)
    }

    /// A connection's name and what it is set to, for a change of a part of it.
    ///
    /// # Errors
    /// [`Refused::NoConnection`].
    pub async fn settings_of(
        &self,
        _: &Permit<ManageConnections>,
        connection: ConnectionId,
    ) -> Result<(String, Settings), IdentityError> {
        let Opened { row, settings } = self.0.opened(connection).await?;
        Ok((row.name, settings))
    }

    /// Everybody who may sign in, by name, for whoever names break-glass accounts.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn colleagues(&self, permit: &Permit<ReadConnections>) -> Result<Vec<Who>, IdentityError> {
        let inner = &self.0;
        let reads = inner.also::<ReadUsers>(permit.actor())?;
        let now = inner.world.now();
        let rows = inner.db.read(move |tx| store::users::legible(tx, &reads, now)).await?;
        let mut people = Vec::new();
        for (row, _) in rows.iter().filter(|(row, _)| row.state == store::users::UserState::Active) {
            people.push(inner.who(row).await?);
        }
        Ok(people)
    }

    /// Makes a connection, in the state of a draft: it can be tried, and nobody signs in through it.
    /// The provider is asked what it is.
    ///
    /// # Errors
    /// [`Refused::Setting`], [`Refused::ProviderUnusable`] with the reason.
    pub async fn make_connection(
        &self,
        permit: Permit<ManageConnections>,
        draft: Draft,
        via: &Via,
    ) -> Result<ConnectionId, IdentityError> {
        let inner = &self.0;
        let access = inner.access()?;
        let name = name_of(&draft.name)?;
        let (id, now): (ConnectionId, _) = (inner.world.id(), inner.world.now());
        let (kind, settings, secret) = match draft.provider {
            DraftProvider::Oidc { issuer, client, secret } => {
                let settings = inner.oidc_draft(access, issuer, client).await?;
                (ConnectionKind::Oidc, settings, Some(Secret::new(secret.expose().clone().into_bytes())))
            }
            DraftProvider::Saml { metadata } => {
                let (settings, secret) = inner.saml_draft(access, id, metadata).await?;
                (ConnectionKind::Saml, settings, Some(secret))
            }
        };
        settings.check()?;
        let (sealed, secret) = inner.seal_connection(id, &settings, secret.as_ref()).await?;
        let row = Connection {
            tenant: inner.tenant,
            id,
            kind,
            name,
            state: ConnectionState::Draft,
            settings: sealed,
            secret,
            version: 1,
            created: now,
            changed: now,
            changed_by: permit.user(),
        };
        let pen = inner.pen(permit.actor().clone(), via).await?;
        let detail = detail(&settings)?;
        inner
            .db
            .write(move |tx| {
                connections::create(tx, &permit, &row)?;
                pen.note_why(tx, &ConnectionChanged { connection: Some(id), what: "made" }, &detail)
            })
            .await?;
        Ok(id)
    }

    /// Changes what a connection is set to. The provider itself stays who it is: for another, make
    /// another connection.
    ///
    /// # Errors
    /// [`Refused::Setting`], [`Refused::Separation`], [`Refused::NoConnection`],
    /// [`Refused::NoPublicAddress`] when people who chat could not come back through it.
    pub async fn set_connection(
        &self,
        permit: Permit<ManageConnections>,
        connection: ConnectionId,
        name: &str,
        settings: Settings,
        via: &Via,
    ) -> Result<(), IdentityError> {
        let inner = &self.0;
        settings.check()?;
        inner.serves_visitors(connection, &settings)?;
        let name = name_of(name)?;
        let opened = inner.opened(connection).await?;
        if !opened.settings.provider.is_same_as(&settings.provider) {
            return Err(Refused::Setting("issuer").into());
        }
        let renames = !opened.settings.provider.names_people_as(&settings.provider);
        let secret = inner.with_encryption_key(&opened, &settings).await?;
        let (sealed, secret) = inner.seal_connection(connection, &settings, secret.as_ref()).await?;
        let row = Connection { name, settings: sealed, secret: secret.or(opened.row.secret), ..opened.row };
        // What groups mean may be another thing now, for those too whom a directory has provisioned.
        let meaning = inner.meaning(&row, &settings, permit.user()).await?;
        let (detail, now) = (detail(&settings)?, inner.world.now());
        let (tenant, serves) = (inner.tenant, settings.serves);
        let pen = inner.pen(permit.actor().clone(), via).await?;
        let job = inner.db.write(move |tx| {
            connections::update(tx, &permit, &row, now)?;
            if renames {
                identities::unlink_all(tx, tenant, connection)?;
            }
            let event = ConnectionChanged { connection: Some(row.id), what: "settings" };
            pen.note_why(tx, &event, &detail)?;
            end_those(tx, &pen, (tenant, connection), (!serves.staff(), !serves.visitors()), now)?;
            meaning.apply_to_all(tx, &pen, now)
        });
        job.await?;
        inner.tell();
        Ok(())
    }

    /// Gives a connection another client secret.
    ///
    /// # Errors
    /// [`Refused::Setting`] when it has none to give, [`Refused::NoConnection`].
    pub async fn set_connection_secret(
        &self,
        permit: Permit<ManageConnections>,
        connection: ConnectionId,
        secret: Secret<String>,
        via: &Via,
    ) -> Result<(), IdentityError> {
        let inner = &self.0;
        let opened = inner.opened(connection).await?;
        if opened.row.kind != ConnectionKind::Oidc || secret.expose().is_empty() {
            return Err(Refused::Setting("client secret").into());
        }
        let bytes = Secret::new(secret.expose().clone().into_bytes());
        let (_, sealed) = inner.seal_connection(connection, &opened.settings, Some(&bytes)).await?;
        let row = Connection { secret: sealed, ..opened.row };
        inner.change(permit, row, "secret", String::new(), via).await
    }

    /// Switches a connection on or off. With off, the sessions that came through it end.
    ///
    /// # Errors
    /// [`Refused::NoConnection`]; [`Refused::NobodyLeft`] when nobody could sign in any more.
    pub async fn switch_connection(
        &self,
        permit: Permit<ManageConnections>,
        connection: ConnectionId,
        on: bool,
        via: &Via,
    ) -> Result<(), IdentityError> {
        let inner = &self.0;
        let Opened { row, .. } = inner.opened(connection).await?;
        let (state, what) = match on {
            true => (ConnectionState::Enabled, "enabled"),
            false => (ConnectionState::Disabled, "disabled"),
        };
        let (tenant, now) = (inner.tenant, inner.world.now());
        let pen = inner.pen(permit.actor().clone(), via).await?;
        let row = Connection { state, ..row };
        let job = inner.db.write(move |tx| {
            connections::update(tx, &permit, &row, now)?;
            end_those(tx, &pen, (tenant, connection), (!on, !on), now)?;
            pen.note(tx, &ConnectionChanged { connection: Some(connection), what })
        });
        job.await?;
        inner.tell();
        Ok(())
    }

    /// Says which domains' addresses a connection vouches for. One that the operator vouched for counts
    /// at once; another counts when its website has proved it.
    ///
    /// # Errors
    /// [`Refused::DomainTaken`] when another connection has it, [`Refused::NoConnection`].
    pub async fn set_domains(
        &self,
        permit: Permit<ManageConnections>,
        connection: ConnectionId,
        domains: &[Domain],
        via: &Via,
    ) -> Result<(), IdentityError> {
        let inner = &self.0;
        let access = inner.access()?;
        let (tenant, now, key) = (inner.tenant, inner.world.now(), inner.key().await?);
        let mut rows = Vec::with_capacity(domains.len());
        for domain in domains {
            let blind = inner.domain_blind(domain).await?;
            let vouched = access.vouched.contains(domain);
            rows.push(connections::Domain {
                blind,
                connection,
                domain: (
                    key.seal(&connections::domain_place(tenant, blind), &domain.secret())?,
                    key.generation(),
                ),
                proof: if vouched { DomainProof::Operator } else { DomainProof::Website },
                proved: vouched.then_some(now),
            });
        }
        let pen = inner.pen(permit.actor().clone(), via).await?;
        let names: Vec<&str> = domains.iter().map(Domain::as_str).collect();
        let names = names.join(" ");
        let job = inner.db.write(move |tx| {
            let had = connections::domains(tx, tenant)?;
            let of = had.iter().filter(|domain| domain.connection == connection);
            for gone in of.clone().filter(|old| rows.iter().all(|new| new.blind != old.blind)) {
                connections::remove_domain(tx, &permit, gone.blind)?;
            }
            for new in &rows {
                // What was proved once stays proved.
                let proved = of.clone().find(|old| old.blind == new.blind).and_then(|old| old.proved);
                let new = connections::Domain { proved: proved.or(new.proved), ..new.clone() };
                connections::put_domain(tx, &permit, &new).map_err(|error| match error {
                    StoreError::Conflict { .. } => Refused::DomainTaken.into(),
                    StoreError::Missing { .. } => Refused::NoConnection.into(),
                    other => other,
                })?;
            }
            let event = ConnectionChanged { connection: Some(connection), what: "domains" };
            pen.note_why(tx, &event, &names)
        });
        Ok(job.await?)
    }

    /// What the website of a domain must say for the domain to be proved: the text of
    /// `https://DOMAIN/.well-known/wardroom-domain.txt`.
    ///
    /// # Errors
    /// When the keys fail.
    pub async fn domain_word(&self, domain: &Domain) -> Result<String, IdentityError> {
        let inner = &self.0;
        let text = format!("{}\0{}", inner.tenant, domain.as_str());
        let mac = inner.index().await?.mac("wardroom/1/domain-proof", text.as_bytes())?;
        Ok(format!("wardroom-domain={}", data_encoding::HEXLOWER.encode(&mac)))
    }

    /// Looks at the domain's website, and counts the domain as proved when it says what it must.
    ///
    /// # Errors
    /// [`Refused::DomainUnproved`].
    pub async fn prove_domain(
        &self,
        permit: Permit<ManageConnections>,
        connection: ConnectionId,
        domain: &Domain,
        via: &Via,
    ) -> Result<(), IdentityError> {
        let inner = &self.0;
        let (access, word) = (inner.access()?, self.domain_word(domain).await?);
        let url = format!("https://{}/.well-known/wardroom-domain.txt", domain.as_str());
        let said = providers::document(access.fetch.as_ref(), &url, 4096)
            .await
            .map_err(|_| Refused::DomainUnproved)?;
        let said = String::from_utf8(said).map_err(|_| Refused::DomainUnproved)?;
        if !said.lines().any(|line| line.trim() == word) {
            return Err(Refused::DomainUnproved.into());
        }
        let (tenant, now, blind) = (inner.tenant, inner.world.now(), inner.domain_blind(domain).await?);
        let pen = inner.pen(permit.actor().clone(), via).await?;
        let job = inner.db.write(move |tx| {
            let row = connections::domain(tx, tenant, blind)?;
            let row = row.filter(|row| row.connection == connection).ok_or(Refused::NoConnection)?;
            let row = connections::Domain { proof: DomainProof::Website, proved: Some(now), ..row };
            connections::put_domain(tx, &permit, &row)?;
            pen.note(tx, &ConnectionChanged { connection: Some(connection), what: "domains" })
        });
        Ok(job.await?)
    }
}

impl Inner {
    async fn view_of(
        &self,
        row: Connection,
        domains: Vec<connections::Domain>,
    ) -> Result<ConnectionView, IdentityError> {
        let mut shown = Vec::with_capacity(domains.len());
        for row in domains {
            let (sealed, generation) = &row.domain;
            let place = connections::domain_place(self.tenant, row.blind);
            let domain = self.key_at(*generation).await?.open(&place, sealed)?;
            shown.push(DomainView { domain: domain.expose().clone(), proved: row.proved });
        }
        shown.sort_by(|a, b| a.domain.cmp(&b.domain));
        let Opened { row, settings } = self.open_row(row).await?;
        let origin = self.access.get().map(|access| access.origin.as_str()).unwrap_or_default();
        let (answers, logouts) = match &settings.provider {
            Provider::Saml(saml) => (saml.acs.clone(), saml.logout.clone()),
            Provider::Oidc(oidc) => (
                match self.access.get() {
                    Some(access) => redirect(&access.origin, row.id, oidc),
                    None => String::new(),
                },
                Some(format!("{origin}/sso/oidc/backchannel")),
            ),
        };
        let access = self.access.get();
        let visitors = access.and_then(|access| visit::addresses(access, row.id, &settings.provider));
        Ok(ConnectionView {
            id: row.id,
            name: row.name,
            kind: row.kind,
            state: row.state,
            settings,
            has_secret: row.secret.is_some(),
            domains: shown,
            answers,
            logouts,
            visitors,
            created: row.created,
            changed: row.changed,
        })
    }

    /// Seals the settings, and a secret if there is one.
    pub(crate) async fn seal_connection(
        &self,
        id: ConnectionId,
        settings: &Settings,
        secret: Option<&Secret<Vec<u8>>>,
    ) -> Result<(store::Keyed<Vec<u8>>, Option<store::Keyed<Secret<Vec<u8>>>>), IdentityError> {
        let tenant = self.tenant;
        let key = self.keys.tenant_data_key(tenant, Purpose::Settings).await?;
        let bytes = serde_json::to_vec(settings).map_err(|_| IdentityError::Document("settings"))?;
        let sealed = (key.seal(&connections::settings_place(tenant, id), &bytes)?, key.generation());
        let secret = match secret {
            Some(secret) => {
                let key = self.keys.tenant_data_key(tenant, Purpose::Secrets).await?;
                Some((key.seal(&connections::secret_place(tenant, id), secret)?, key.generation()))
            }
            None => None,
        };
        Ok((sealed, secret))
    }

    pub(crate) async fn change(
        &self,
        permit: Permit<ManageConnections>,
        row: Connection,
        what: &'static str,
        detail: String,
        via: &Via,
    ) -> Result<(), IdentityError> {
        let (id, now) = (row.id, self.world.now());
        let pen = self.pen(permit.actor().clone(), via).await?;
        let job = self.db.write(move |tx| {
            connections::update(tx, &permit, &row, now)?;
            pen.note_why(tx, &ConnectionChanged { connection: Some(id), what }, &detail)
        });
        Ok(job.await?)
    }
}

fn name_of(text: &str) -> Result<String, Refused> {
    let name = text.trim();
    let fits = !name.is_empty() && name.len() <= MAX_NAME && !name.chars().any(char::is_control);
    if fits { Ok(name.to_owned()) } else { Err(Refused::Setting("name")) }
}

/// What a change is recorded with.
pub(crate) fn detail(settings: &Settings) -> Result<String, IdentityError> {
    serde_json::to_string(settings).map_err(|_| IdentityError::Document("settings"))
}
