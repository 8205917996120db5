//! Through which providers people sign in: the connections, the domains whose addresses they vouch for,
//! and the rule that says who signs in without one.
//!
//! Changing any of it takes the permit to. Reading what a sign-in needs does not: it comes before there
//! is an actor; only `identity` calls those functions.

use guard::Permit;
use guard::action::{ManageConnections, ReadConnections};
use kernel::{ConnectionId, Secret, TenantId, Timestamp, UserId};
use vault::{Place, Sealed};

use crate::bound::{self, Bound};
use crate::places::SealedColumn;
use crate::words::{Keyed, states};
use crate::{Read, Row, StoreError, Tx, params};

states! {
    /// What a provider speaks.
    ConnectionKind {
        /// OpenID Connect.
        Oidc = "oidc",
        /// SAML 2.0.
        Saml = "saml",
    }
    /// The state of a connection.
    ConnectionState {
        /// Being set up: only a trial goes through it.
        Draft = "draft",
        /// People sign in through it.
        Enabled = "enabled",
        /// Nobody does.
        Disabled = "disabled",
    }
    /// How a domain was proved to be the tenant's.
    DomainProof {
        /// The operator says so, in the configuration.
        Operator = "operator",
        /// The domain's website said so.
        Website = "website",
    }
}

/// A connection, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Whose.
    pub tenant: TenantId,
    /// The connection.
    pub id: ConnectionId,
    /// What the provider speaks.
    pub kind: ConnectionKind,
    /// What people who sign in see on the button.
    pub name: String,
    /// The state.
    pub state: ConnectionState,
    /// The settings, sealed at [`settings_place`], and the key's generation.
    pub settings: Keyed<Vec<u8>>,
    /// The client secret or the private key, sealed at [`secret_place`], and the key's generation.
    pub secret: Option<Keyed<Secret<Vec<u8>>>>,
    /// Counts changes.
    pub version: u64,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub changed: Timestamp,
    /// Who changed it last.
    pub changed_by: Option<UserId>,
}

/// The place of a connection's settings.
pub fn settings_place(tenant: TenantId, connection: ConnectionId) -> Place {
    SealedColumn::ConnectionSettings.of(tenant, connection)
}

/// The place of a connection's secret.
pub fn secret_place(tenant: TenantId, connection: ConnectionId) -> Place {
    SealedColumn::ConnectionSecret.of(tenant, connection)
}

/// The place of a domain, by its blind index.
pub fn domain_place(tenant: TenantId, blind: [u8; 16]) -> Place {
    SealedColumn::ConnectionDomain.at(tenant, blind)
}

/// Files a new connection of the permit's tenant.
///
/// # Errors
/// [`StoreError::Conflict`] when there is one of this id, [`StoreError::Missing`] when it is for another
/// tenant than the permit.
pub fn create(
    tx: &mut Tx<'_>,
    permit: &Permit<ManageConnections>,
    connection: &Connection,
) -> Result<(), StoreError> {
    if connection.tenant != permit.tenant() {
        return Err(StoreError::Missing { what: "tenant" });
    }
    let (settings, generation) = &connection.settings;
    let secret = connection.secret.as_ref();
    tx.insert(
        "connection",
        "INSERT INTO connections (tenant, id, kind, name, state, key_gen, settings, secret_gen, secret, version,
                                  created_ms, changed_ms, changed_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10, $10, $11) ON CONFLICT DO NOTHING",
        params![
            connection.tenant,
            connection.id,
            connection.kind,
            connection.name,
            connection.state,
            *generation,
            settings,
            secret.map(|(_, generation)| *generation),
            secret.map(|(sealed, _)| sealed),
            connection.created,
            permit.user()
        ],
    )?;
    bound::bind(tx, Bound::Connections, params![connection.tenant, connection.id])
}

/// Writes a connection's name, state, settings and secret, if nobody else has changed it since
/// `connection.version` was read.
///
/// # Errors
/// [`StoreError::Conflict`] when somebody has, or there is none.
pub fn update(
    tx: &mut Tx<'_>,
    permit: &Permit<ManageConnections>,
    connection: &Connection,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (settings, generation) = &connection.settings;
    let secret = connection.secret.as_ref();
    let tenant = permit.tenant();
    let key = params![tenant, connection.id];
    let changed = bound::change(tx, Bound::Connections, key, |tx| {
        tx.execute(
            "UPDATE connections
         SET name = $4, state = $5, key_gen = $6, settings = $7, secret_gen = $8, secret = $9,
             version = version + 1, changed_ms = $10, changed_by = $11
         WHERE tenant = $1 AND id = $2 AND version = $3",
            params![
                permit.tenant(),
                connection.id,
                connection.version,
                connection.name,
                connection.state,
                *generation,
                settings,
                secret.map(|(_, generation)| *generation),
                secret.map(|(sealed, _)| sealed),
                now,
                permit.user()
            ],
        )
    })?;
    if changed == 1 { Ok(()) } else { Err(StoreError::Conflict { what: "connection" }) }
}

/// Every connection of the permit's tenant, the oldest first.
///
/// # Errors
/// Only what the database says.
pub fn list(tx: &mut Read<'_>, permit: &Permit<ReadConnections>) -> Result<Vec<Connection>, StoreError> {
    all(tx, permit.tenant())
}

/// Every connection of a tenant, the oldest first. No permit: the sign-in page offers those that are
/// enabled.
///
/// # Errors
/// Only what the database says.
pub fn all(tx: &mut Read<'_>, tenant: TenantId) -> Result<Vec<Connection>, StoreError> {
    let rows =
        tx.rows("SELECT * FROM connections WHERE tenant = $1 ORDER BY created_ms, id", params![tenant])?;
    bound::pass_over(tx, Bound::Connections, rows)?.into_iter().map(connection_of).collect()
}

/// One connection. No permit: a sign-in through it begins or ends.
///
/// # Errors
/// Only what the database says.
pub fn find(
    tx: &mut Read<'_>,
    tenant: TenantId,
    connection: ConnectionId,
) -> Result<Option<Connection>, StoreError> {
    let row =
        tx.row("SELECT * FROM connections WHERE tenant = $1 AND id = $2", params![tenant, connection])?;
    bound::held_one(tx, Bound::Connections, row)?.map(connection_of).transpose()
}

fn connection_of(mut row: Row) -> Result<Connection, StoreError> {
    let secret: Option<Sealed<Secret<Vec<u8>>>> = row.take("secret")?;
    let secret_gen: Option<u32> = row.take("secret_gen")?;
    Ok(Connection {
        tenant: row.take("tenant")?,
        id: row.take("id")?,
        kind: row.take("kind")?,
        name: row.take("name")?,
        state: row.take("state")?,
        settings: (row.take("settings")?, row.take("key_gen")?),
        secret: secret.zip(secret_gen),
        version: row.take("version")?,
        created: row.take("created_ms")?,
        changed: row.take("changed_ms")?,
        changed_by: row.take("changed_by")?,
    })
}

/// A domain of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// The blind index of the domain.
    pub blind: [u8; 16],
    /// The connection whose people have addresses there.
    pub connection: ConnectionId,
    /// The domain, sealed at [`domain_place`], and the key's generation.
    pub domain: Keyed<Secret<String>>,
    /// How it is proved.
    pub proof: DomainProof,
    /// When it was; before that it does not count.
    pub proved: Option<Timestamp>,
}

/// Files a domain with one of the permit's tenant's connections; a domain has one connection.
///
/// # Errors
/// [`StoreError::Conflict`] when the domain has another connection, [`StoreError::Missing`] when there is
/// no such connection.
pub fn put_domain(
    tx: &mut Tx<'_>,
    permit: &Permit<ManageConnections>,
    domain: &Domain,
) -> Result<(), StoreError> {
    let (sealed, generation) = &domain.domain;
    let tenant = permit.tenant();
    let key = params![tenant, domain.blind];
    let filed = bound::change(tx, Bound::Domains, key, |tx| {
        tx.execute(
        "INSERT INTO connection_domains (tenant, domain_blind, connection, key_gen, domain, proof, proved_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (tenant, domain_blind) DO UPDATE
         SET key_gen = excluded.key_gen, domain = excluded.domain, proof = excluded.proof,
             proved_ms = excluded.proved_ms
         WHERE connection_domains.connection = excluded.connection",
        params![
            permit.tenant(),
            domain.blind,
            domain.connection,
            *generation,
            sealed,
            domain.proof,
            domain.proved
        ],
    )
    });
    match filed.map_err(|error| error.named("connection"))? {
        1 => Ok(()),
        _ => Err(StoreError::Conflict { what: "domain" }),
    }
}

/// Takes a domain away from its connection.
///
/// # Errors
/// Only what the database says.
pub fn remove_domain(
    tx: &mut Tx<'_>,
    permit: &Permit<ManageConnections>,
    blind: [u8; 16],
) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM connection_domains WHERE tenant = $1 AND domain_blind = $2",
        params![permit.tenant(), blind],
    )?;
    Ok(())
}

/// The domains of a tenant's connections. No permit: they say through which one somebody signs in.
///
/// # Errors
/// Only what the database says.
pub fn domains(tx: &mut Read<'_>, tenant: TenantId) -> Result<Vec<Domain>, StoreError> {
    let rows = tx.rows(
        "SELECT * FROM connection_domains WHERE tenant = $1 ORDER BY connection, domain_blind",
        params![tenant],
    )?;
    bound::pass_over(tx, Bound::Domains, rows)?.into_iter().map(domain_of).collect()
}

/// One domain by its blind index. No permit: as for [`domains`].
///
/// # Errors
/// Only what the database says.
pub fn domain(tx: &mut Read<'_>, tenant: TenantId, blind: [u8; 16]) -> Result<Option<Domain>, StoreError> {
    let row = tx.row(
        "SELECT * FROM connection_domains WHERE tenant = $1 AND domain_blind = $2",
        params![tenant, blind],
    )?;
    bound::held_one(tx, Bound::Domains, row)?.map(domain_of).transpose()
}

fn domain_of(mut row: Row) -> Result<Domain, StoreError> {
    Ok(Domain {
        blind: row.take("domain_blind")?,
        connection: row.take("connection")?,
        domain: (row.take("domain")?, row.take("key_gen")?),
        proof: row.take("proof")?,
        proved: row.take("proved_ms")?,
    })
}

/// Says whether only break-glass accounts sign in with their own factors.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such tenant.
pub fn set_only_connections(
    tx: &mut Tx<'_>,
    permit: &Permit<ManageConnections>,
    only: bool,
    now: Timestamp,
) -> Result<(), StoreError> {
    bound::change(tx, Bound::SignInRules, params![permit.tenant()], |tx| {
        tx.execute_one(
        "tenant",
        "INSERT INTO sign_in_rules (tenant, only_connections, changed_ms, changed_by) VALUES ($1, $2, $3, $4)
         ON CONFLICT (tenant) DO UPDATE
         SET only_connections = excluded.only_connections, changed_ms = excluded.changed_ms,
             changed_by = excluded.changed_by",
        params![permit.tenant(), only, now, permit.user()],
    )
    })
}

/// Whether only break-glass accounts sign in with their own factors. No permit: every sign-in asks.
///
/// # Errors
/// Only what the database says.
pub fn only_connections(tx: &mut Read<'_>, tenant: TenantId) -> Result<bool, StoreError> {
    let row = tx.row("SELECT * FROM sign_in_rules WHERE tenant = $1", params![tenant])?;
    bound::held_one(tx, Bound::SignInRules, row)?
        .map_or(Ok(false), |mut row| Ok(row.take("only_connections")?))
}

/// Names a break-glass account, or takes the name away. Gives false when it was so already.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such account.
pub fn set_break_glass(
    tx: &mut Tx<'_>,
    permit: &Permit<ManageConnections>,
    user: UserId,
    named: bool,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let changed = if named {
        let added = tx
            .execute(
                "INSERT INTO break_glass (tenant, user_id, named_ms, named_by) VALUES ($1, $2, $3, $4)
                 ON CONFLICT DO NOTHING",
                params![permit.tenant(), user, now, permit.user()],
            )
            .map_err(|error| error.named("account"))?;
        if added == 1 {
            bound::bind(tx, Bound::BreakGlass, params![permit.tenant(), user])?;
        }
        added
    } else {
        tx.execute(
            "DELETE FROM break_glass WHERE tenant = $1 AND user_id = $2",
            params![permit.tenant(), user],
        )?
    };
    Ok(changed == 1)
}

/// Arms a break-glass account until a time, or disarms it. Gives false when it is none.
///
/// # Errors
/// Only what the database says.
pub fn arm(
    tx: &mut Tx<'_>,
    permit: &Permit<ManageConnections>,
    user: UserId,
    until: Option<Timestamp>,
) -> Result<bool, StoreError> {
    let changed = bound::change(tx, Bound::BreakGlass, params![permit.tenant(), user], |tx| {
        tx.execute(
            "UPDATE break_glass SET armed_ms = $3 WHERE tenant = $1 AND user_id = $2",
            params![permit.tenant(), user, until],
        )
    })?;
    Ok(changed == 1)
}

/// The break-glass accounts of a tenant, each with when it is armed until, if it was. No permit: every sign-in
/// asks.
///
/// # Errors
/// Only what the database says.
pub fn break_glass(
    tx: &mut Read<'_>,
    tenant: TenantId,
) -> Result<Vec<(UserId, Option<Timestamp>)>, StoreError> {
    let rows =
        tx.rows("SELECT * FROM break_glass WHERE tenant = $1 ORDER BY named_ms, user_id", params![tenant])?;
    let rows = bound::held(tx, Bound::BreakGlass, rows)?;
    rows.into_iter().map(|mut row| Ok((row.take("user_id")?, row.take("armed_ms")?))).collect()
}
