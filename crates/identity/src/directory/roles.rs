//! The roles that a directory's groups bring: those that the connection's mapping names, by the group's
//! name or by its id at the directory. They are rows of a source of their own. What was granted by hand,
//! and what a sign-in's groups brought, stays as it is.

use guard::Grant;
use kernel::{ConnectionId, DirectoryEntryId, TenantId, Timestamp, UserId};
use ledger::catalogue::DirectoryRefused;
use store::connections::Connection;
use store::directory::{self, GroupBlinds};
use store::{StoreError, Tx};
use vault::DataKey;

use super::labels;
use crate::connections::{Settings, Synced, sync};
use crate::pen::Pen;
use crate::session::end_all;
use crate::{IdentityError, Inner};
use federation::scim::Kind;

/// What groups mean on one connection, in words that the database can compare.
#[derive(Debug, Clone)]
pub(crate) struct Meaning {
    tenant: TenantId,
    connection: ConnectionId,
    source: String,
    /// Who set it up last, and gains nothing by it.
    setter: Option<UserId>,
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    name: [u8; 16],
    external: [u8; 16],
    grant: Grant,
}

/// The blind index of a name. Its case does not count (RFC 7643, section 4.2).
pub(super) fn name_blind(index: &DataKey, kind: Kind, name: &str) -> Result<[u8; 16], IdentityError> {
    let name = name.trim().to_lowercase();
    Ok(index.blind_index(labels(kind).0, name.as_bytes())?)
}

/// The blind index of an id at the directory.
pub(super) fn external_blind(index: &DataKey, kind: Kind, id: &str) -> Result<[u8; 16], IdentityError> {
    Ok(index.blind_index(labels(kind).1, id.as_bytes())?)
}

impl Inner {
    /// What groups mean on a connection with these settings.
    pub(crate) async fn meaning(
        &self,
        row: &Connection,
        settings: &Settings,
        setter: Option<UserId>,
    ) -> Result<Meaning, IdentityError> {
        let index = self.index().await?;
        let rules = settings.people.mapping.iter().map(|row| {
            Ok(Rule {
                name: name_blind(&index, Kind::Group, &row.group)?,
                external: external_blind(&index, Kind::Group, &row.group)?,
                grant: row.grant.clone(),
            })
        });
        Ok(Meaning {
            tenant: self.tenant,
            connection: row.id,
            source: format!("scim:{}", row.id),
            setter,
            rules: rules.collect::<Result<_, IdentityError>>()?,
        })
    }
}

impl Meaning {
    /// What these groups bring, each once, in order.
    fn grants(&self, groups: &[GroupBlinds]) -> Vec<Grant> {
        let brings = |rule: &&Rule| {
            groups.iter().any(|(name, external)| *name == rule.name || *external == Some(rule.external))
        };
        let mut grants: Vec<Grant> =
            self.rules.iter().filter(brings).map(|rule| rule.grant.clone()).collect();
        grants.sort();
        grants.dedup();
        grants
    }

    /// Makes the roles of a person's account be what their groups bring, and ends the sessions that had
    /// others.
    pub(super) fn apply(
        &self,
        tx: &mut Tx<'_>,
        pen: &Pen,
        (entry, user): (DirectoryEntryId, UserId),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let groups = directory::blinds_of_groups(tx, self.tenant, entry)?;
        self.make(tx, pen, user, &self.grants(&groups), now)
    }

    /// Takes away everything that groups brought.
    pub(super) fn withdraw(
        &self,
        tx: &mut Tx<'_>,
        pen: &Pen,
        user: UserId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.make(tx, pen, user, &[], now)
    }

    /// The same as [`Meaning::apply`] for everybody whom the directory has provisioned: what groups mean
    /// was changed.
    pub(crate) fn apply_to_all(&self, tx: &mut Tx<'_>, pen: &Pen, now: Timestamp) -> Result<(), StoreError> {
        for person in directory::accounts(tx, self.tenant, self.connection)? {
            self.apply(tx, pen, person, now)?;
        }
        Ok(())
    }

    fn make(
        &self,
        tx: &mut Tx<'_>,
        pen: &Pen,
        user: UserId,
        wanted: &[Grant],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let gains = self.setter != Some(user);
        let synced = sync(tx, pen, (self.tenant, user), &self.source, wanted, gains, now)?;
        if synced != Synced::Same {
            end_all(tx, pen, (self.tenant, user), None, now)?;
        }
        if synced == Synced::Conflict {
            let (connection, user) = (self.connection, Some(user));
            pen.note(tx, &DirectoryRefused { connection, user, reason: "roles-conflict" })?;
        }
        Ok(())
    }
}
